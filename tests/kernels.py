"""A real Jupyter kernel for tests: runs cells as JupyterLab does, and keeps what each one shows.

    with Kernel(directory) as kernel:
        cell = kernel.run("1 + 1", cell_id="a")
        assert cell.text == "2"

Without `cell_id` a cell is sent as nbclient, papermill and `jupyter execute` send it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any, Self

from jupyter_client.manager import KernelManager

Json = dict[str, Any]


@dataclass
class Cell:
    """One execution: its outputs as the notebook file would hold them now."""

    code: str
    outputs: list[Json] = field(default_factory=list)
    status: str = "running"  # then ok, error or aborted
    _clearing: bool = False

    @property
    def text(self) -> str:
        """Everything shown, in order: Markdown where a bundle has it, else plain text."""
        return "\n".join(_shown(output) for output in self.there)

    @property
    def there(self) -> list[Json]:
        """Its outputs, without those that were cleared: what a save would keep of a slow answer."""
        return [output for output in self.outputs if output.get("data") != {"text/plain": ""}]

    @property
    def error(self) -> str:
        """The name of the exception that ended the cell, or ""."""
        return next((at["ename"] for at in self.outputs if at["output_type"] == "error"), "")

    def take(self, kind: str, content: Json) -> None:
        """Take one message of the kernel about this cell."""
        if kind in ("stream", "display_data", "execute_result", "error"):
            self._append({"output_type": kind} | content)
        elif kind == "clear_output":
            self._clearing = True
            if not content["wait"]:
                self._clear()

    def _append(self, output: Json) -> None:
        self._clear()
        last = self.outputs[-1] if self.outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
        else:
            self.outputs.append(output)

    def _clear(self) -> None:
        if self._clearing:
            self.outputs.clear()
            self._clearing = False


class Kernel:
    """A kernel process with `directory` as its working directory."""

    def __init__(self, directory: Path, **env: str) -> None:
        self._directory = directory
        outside = {name: at for name, at in os.environ.items() if not name.startswith("CHATKIT_")}
        self._env = outside | {"IPYTHONDIR": str(directory / ".ipython")} | env
        self._cells: dict[str, Cell] = {}
        self.comms: dict[str, list[Json]] = {}  # what each widget has sent, by model id

    def __enter__(self) -> Self:
        for last in (False, True):
            try:
                self._start()
                break
            except RuntimeError:  # somebody has taken one of its ports since they were chosen
                self.__exit__()
                if last:
                    raise
        return self

    def _start(self) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(self._directory), env=self._env)
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    @property
    def pid(self) -> int:
        provisioner: Any = self._manager.provisioner
        pid: int = provisioner.pid
        return pid

    def start(self, code: str, *, cell_id: str | None = None) -> Cell:
        """Send a cell and return at once; `until` follows what it shows."""
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": False, "stop_on_error": True}
        metadata = {} if cell_id is None else {"cellId": cell_id}
        request = self._client.session.msg("execute_request", content, metadata=metadata)
        cell = self._cells[request["header"]["msg_id"]] = Cell(code)
        self._client.shell_channel.send(request)
        return cell

    def run(self, code: str, *, cell_id: str | None = None, timeout: float = 60) -> Cell:
        """Run a cell to its end."""
        cell = self.start(code, cell_id=cell_id)
        self.until(lambda: cell.status != "running", timeout=timeout)
        return cell

    def until(self, happened: Callable[[], bool], *, timeout: float = 30) -> None:
        """Follow the kernel's messages until `happened`."""
        deadline = time.monotonic() + timeout
        while not happened():
            left = deadline - time.monotonic()
            assert left > 0, f"not within {timeout} s: {list(self._cells.values())!r}"
            self._follow(min(left, 0.2))

    def send_to_widget(self, model_id: str, content: Json) -> None:
        """Send a widget a custom message, as its script in the browser would."""
        body = {"comm_id": model_id, "data": {"method": "custom", "content": content}}
        self._client.shell_channel.send(self._client.session.msg("comm_msg", body))

    def interrupt(self) -> None:
        """Kernel → Interrupt: SIGINT to the kernel's whole process group."""
        self._manager.interrupt_kernel()

    def restart(self) -> None:
        """Kernel → Restart: ask to shut down, then start again."""
        self._manager.restart_kernel()
        self._renew()

    def kill(self) -> None:
        """Kill the kernel with SIGKILL, and start another one in its place."""
        os.kill(self.pid, signal.SIGKILL)
        self._manager.restart_kernel(now=True)
        self._renew()

    def _renew(self) -> None:
        self._cells.clear()
        self.comms.clear()
        self._client.stop_channels()
        self._client = self._manager.client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=60)
        except RuntimeError:  # somebody has taken one of its ports meanwhile
            self.__exit__()
            self._start()

    def _follow(self, timeout: float) -> None:
        """Take one message from the kernel, if one comes in time."""
        try:
            message = self._client.get_iopub_msg(timeout=timeout)
        except Empty:
            return
        kind, content = message["msg_type"], message["content"]
        if kind in ("comm_open", "comm_msg"):
            self.comms.setdefault(content["comm_id"], []).append(content["data"])
        elif kind == "update_display_data":
            self._update(content)
        elif cell := self._cells.get(message["parent_header"].get("msg_id", "")):
            if kind == "status" and content["execution_state"] == "idle":
                self._take_replies(cell)
            else:
                cell.take(kind, content)

    def _take_replies(self, cell: Cell) -> None:
        while cell.status == "running":
            reply = self._client.get_shell_msg(timeout=20)
            if replied := self._cells.get(reply["parent_header"].get("msg_id", "")):
                replied.status = reply["content"]["status"]

    def _update(self, content: Json) -> None:
        """Give every output with this display id, in whichever cell, its new content."""
        for cell in self._cells.values():
            for output in cell.outputs:
                if output.get("transient") == content["transient"]:
                    output |= {"data": content["data"], "metadata": content["metadata"]}


def _shown(output: Json) -> str:
    if "data" not in output:
        return str(output.get("text", output.get("evalue", "")))
    data = output["data"]
    return str(data.get("text/markdown", data.get("text/plain", "")))
