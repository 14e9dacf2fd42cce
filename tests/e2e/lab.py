"""A real JupyterLab and a notebook open in it; the only module that knows Lab's own interface."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from playwright.sync_api import Browser, TimeoutError, WebSocket

from tests.e2e import scene

Json = dict[str, Any]

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},  # a test saves when it means to
    "completer-extension/manager": {"providerTimeout": 60_000},
    "docmanager-extension/manager": {"renameUntitledFileOnSave": False},
}

# The panel of the notebook at `path`, with the application it lives in.
PANEL = """
  const app = window.jupyterapp;
  const panels = app ? [...app.shell.widgets('main')] : [];
  const panel = panels.find(each => each.context && each.context.path === path);
  const cells = panel ? panel.content.widgets : [];
"""


class Lab:
    """A JupyterLab server whose root is `directory`/work; its log stays in `directory`."""

    MODULE, APP, PAGE = "jupyterlab", "LabApp", "lab/tree"

    def __init__(self, directory: Path) -> None:
        self.root = directory / "work"
        self.log = directory / "lab.log"
        self._directory = directory
        self._runtime = directory / "runtime"

    def __enter__(self) -> Self:
        self.root.mkdir()
        for name, values in SETTINGS.items():
            file = self._directory / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        scene.prepare(self._directory / "ipython")
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self.root, env=self._environment(), stdout=log, stderr=log
            )
        self.url = self._wait_for_address()
        return self

    def __exit__(self, *_: object) -> None:
        self.shut_down_kernels()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:  # it waits for a kernel that is ending
            self._process.kill()
            self._process.wait()

    def shut_down_kernels(self) -> None:
        """End every session, so that the next test finds none."""
        for session in self.api("GET", "sessions"):
            try:
                self.api("DELETE", f"sessions/{session['id']}")
            except urllib.error.HTTPError:  # its kernel was just starting: it is there by now
                self.api("DELETE", f"sessions/{session['id']}")

    def add_kernel(self, name: str, environment: Mapping[str, str]) -> None:
        """Offer one more kernel: the same Python, with more in its environment."""
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": argv, "display_name": name, "language": "python", "env": environment}
        file = self._directory / "data" / "kernels" / name / "kernel.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(spec))

    def api(self, method: str, path: str) -> Any:
        """Ask the server's REST interface."""
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        with urllib.request.urlopen(request, timeout=120) as response:
            return json.loads(response.read() or "null")

    def scene(self) -> str:
        """What the server and its kernels are at."""
        return scene.of_server(self.api("GET", "kernels"), self._runtime, self.log)

    def _command(self) -> list[str]:
        return [
            *(sys.executable, "-m", self.MODULE, "--no-browser", "--allow-root"),
            *("--ServerApp.ip=127.0.0.1", "--ServerApp.port=0"),
            *("--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"),
            f"--ServerApp.root_dir={self.root}",
            f"--{self.APP}.expose_app_in_browser=True",
            "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]

    def _environment(self) -> dict[str, str]:
        places = {
            "JUPYTER_RUNTIME_DIR": self._runtime,
            "JUPYTER_CONFIG_DIR": self._directory / "config",
            "JUPYTER_DATA_DIR": self._directory / "data",
            "JUPYTERLAB_SETTINGS_DIR": self._directory / "settings",
            "JUPYTERLAB_WORKSPACES_DIR": self._directory / "workspaces",
            "IPYTHONDIR": self._directory / "ipython",
        }
        outside = {name: at for name, at in os.environ.items() if not name.startswith("CHATKIT_")}
        return outside | {name: str(place) for name, place in places.items()}

    def _wait_for_address(self) -> str:
        """Wait for the file in which the server says where it listens, and for its first answer."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self._process.poll() is None:
            for file in list(self._runtime.glob("jpserver-*.json")):
                try:
                    self.url = f"http://127.0.0.1:{json.loads(file.read_text())['port']}"
                    self.api("GET", "status")
                except (ValueError, urllib.error.URLError):
                    continue
                return self.url
            time.sleep(0.1)
        raise AssertionError(f"JupyterLab did not start:\n{self.log.read_text()}")


class Notebook7(Lab):
    """Jupyter Notebook 7, which is made of the same parts."""

    MODULE, APP, PAGE = "notebook", "JupyterNotebookApp", "notebooks"


class Notebook:
    """A notebook file, and the page that shows it."""

    def __init__(
        self, lab: Lab, browser: Browser, path: str, cells: Sequence[str], kernel: str = "python3"
    ) -> None:
        self.file = lab.root / path
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(_document(cells, kernel)))
        self.requested: list[str] = []  # the address of everything the page asked for
        self.bytes_received = 0  # over its websockets
        self._lab = lab
        self._path = path
        self._address = f"{lab.url}/{lab.PAGE}/{path}?reset"
        self._context = browser.new_context(viewport={"width": 1100, "height": 1000})
        self._context.set_default_navigation_timeout(120_000)
        self._context.set_default_timeout(60_000)

    def open(self) -> None:
        """Open the notebook in a new page, and wait for its kernel."""
        self.page = self._context.new_page()
        self.page.on("dialog", lambda dialog: dialog.accept())  # leave with unsaved changes
        self.page.on("request", lambda request: self.requested.append(request.url))
        self.page.on("websocket", self._count)
        self.page.goto(self._address)
        self._wait_for_kernel()

    def reload(self) -> None:
        """Reload the page; the kernel goes on."""
        self.page.reload()
        self._wait_for_kernel()

    def close_tab(self) -> None:
        """Close the page without saving; the kernel goes on."""
        self.page.close()

    def close(self) -> None:
        """Close the browser's side of it."""
        self._context.close()

    def run(self, index: int, *, wait: bool = True) -> None:
        """Run one cell, by default to its end."""
        self._js("panel.content.activeCellIndex = index", index=index)
        self.command("notebook:run-cell")
        if wait:
            self.wait_idle()

    def run_all(self) -> None:
        """Run all cells, to their end."""
        self.command("notebook:run-all-cells")
        self.wait_idle()

    def restart_and_run_all(self) -> None:
        """Kernel → Restart Kernel and Run All Cells, its question answered with yes."""
        self.command("notebook:restart-run-all")
        self.accept()
        self.wait_idle()

    def command(self, name: str) -> None:
        """Start a command of JupyterLab, on this notebook."""
        self._js("app.shell.activateById(panel.id); void app.commands.execute(name)", name=name)

    def interrupt(self) -> None:
        """Kernel → Interrupt."""
        self.command("notebook:interrupt-kernel")

    def shut_down_kernel(self) -> None:
        """End this notebook's kernel; the notebook stays as it is."""
        self._lab.shut_down_kernels()

    def kill_kernel(self, pid: int) -> None:
        """Kill the kernel with SIGKILL; Lab says that it died, and starts another one."""
        os.kill(pid, signal.SIGKILL)
        self.accept(timeout=60)
        self.wait_idle()

    def press(self, index: int, label: str) -> None:
        """Click a button in the output of a cell."""
        self.output(index).get_by_role("button", name=label).click()

    def accept(self, *, timeout: float = 60) -> None:
        """Press the default button of the dialog that is open, or opens in time."""
        self.page.locator(".jp-Dialog .jp-mod-accept").click(timeout=timeout * 1000)

    def edit(self, index: int, source: str) -> None:
        """Replace the text of a cell."""
        edit = "cells[index].model.sharedModel.setSource(source)"
        self._js(edit, index=index, source=source)

    def save(self) -> Json:
        """Save the notebook; returns what is in the file then."""
        self._js("return panel.context.save()")
        saved: Json = json.loads(self.file.read_text())
        return saved

    def foreign_requests(self) -> list[str]:
        """What the page asked of any other server than this one."""
        own = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
        return [address for address in self.requested if not address.startswith(own)]

    def wait_idle(self, *, timeout: float = 90) -> None:
        """Wait until no cell is running or queued, and the kernel is idle."""
        idle = """return panel.sessionContext.session?.kernel?.status === 'idle'
            && cells.every(each => (each.model.executionState ?? 'idle') === 'idle')"""
        self.until(idle, timeout=timeout)

    def running(self, index: int) -> bool:
        """Whether a cell is running now."""
        state: str = self._js("return cells[index].model.executionState", index=index)
        return state == "running"

    def outputs(self, index: int) -> list[Json]:
        """The outputs of a cell as the file would hold them now."""
        outputs: list[Json] = self._js("return cells[index].model.outputs.toJSON()", index=index)
        return outputs

    def output(self, index: int) -> Any:
        """The place in the page where a cell shows its output, scrolled into view."""
        self._js("return panel.content.scrollToItem(index)", index=index)
        locator = self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")
        return locator.locator(".jp-Cell-outputArea")

    def text(self, index: int) -> str:
        """The text that a person reads in the output of a cell."""
        shown = self.output(index).locator(".jp-OutputArea-output:visible")
        return "\n".join(shown.all_inner_texts()).strip()

    def wait_text(self, index: int, text: str, *, timeout: float = 60) -> None:
        """Wait until a person reads `text` in the output of a cell."""
        place = self.output(index).filter(has_text=text)
        with self._telling_why(f"no {text!r} in cell {index}"):
            place.first.wait_for(timeout=timeout * 1000)

    def wait_for_good(self, index: int) -> None:
        """Wait until nothing is left in a cell of what only a save in mid-answer would keep."""
        outputs = "JSON.stringify(cells[index].model.outputs.toJSON())"
        self.until(f"return !{outputs}.includes('-saved')", index=index)

    def until(self, condition: str, *, timeout: float = 60, **values: Any) -> None:
        """Wait until the JavaScript `condition` returns true."""
        values["path"] = self._path
        with self._telling_why(condition):
            self.page.wait_for_function(_function(condition), arg=values, timeout=timeout * 1000)

    def screenshot(self, name: str) -> Path:
        """Keep a picture of the page in $CHATKIT_ARTIFACTS, by default artifacts/ beside this."""
        place = Path(os.environ.get("CHATKIT_ARTIFACTS", Path(__file__).parent / "artifacts"))
        place.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=place / f"{name}.png")
        return place / f"{name}.png"

    def _wait_for_kernel(self) -> None:
        ready = "return !!panel?.context.isReady && !!panel.sessionContext.session?.kernel"
        self.until(ready, timeout=90)
        self.until("return panel.sessionContext.isReady", timeout=90)

    @contextmanager
    def _telling_why(self, awaited: str) -> Iterator[None]:
        """When a wait runs out, say what page, server and kernels are at."""
        try:
            yield
        except TimeoutError:
            told = [f"waited in vain: {awaited}", self._js(scene.PAGE), self._lab.scene()]
            raise AssertionError("\n".join(told)) from None

    def _js(self, body: str, **values: Any) -> Any:
        return self.page.evaluate(_function(body), values | {"path": self._path})

    def _count(self, socket: WebSocket) -> None:
        def received(payload: str | bytes) -> None:
            self.bytes_received += len(payload)

        socket.on("framereceived", received)


def _function(body: str) -> str:
    return f"({{path, index, name, source}}) => {{ {PANEL} {body} }}"


def _document(cells: Sequence[str], kernel: str) -> Json:
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{index}",
                "source": source,
                "metadata": {},
                "outputs": [],
                "execution_count": None,
            }
            for index, source in enumerate(cells)
        ],
    }
