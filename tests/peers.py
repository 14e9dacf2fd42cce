"""Another process on the same chat, which does what it is told, line by line.

with Peer(provider.url, store) as peer:
    peer.do("reply = chat.send('Count.')")
    assert peer.get("reply.status") == "streaming"
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

PROGRAM = """
import json, sys, time, os
from chatkit import Chat, get_model, chats
from chatkit.engine import get_engine

url, store, id = sys.argv[1:4]
model = get_model("openai-chat/test", base_url=url, api_key="x")
chat = Chat(id, model=model, store=store)
names = dict(globals())

def until(happened):
    while not eval(happened, names):
        time.sleep(0.002)

names["until"] = until
print(json.dumps({"value": None}), flush=True)
for line in sys.stdin:
    code, is_value = json.loads(line)
    try:
        value = eval(code, names) if is_value else exec(code, names)
    except BaseException as error:
        answer = {"error": repr(error)}
    else:
        answer = {"value": value}
    print(json.dumps(answer), flush=True)
os._exit(0)
"""


class Peer:
    """A Python process with a `chat`; `store` is a path or a URL."""

    def __init__(
        self, url: str, store: Path | str, *, id: str = "trip", before: tuple[str, ...] = ()
    ) -> None:
        command = [*before, sys.executable, "-c", PROGRAM, url, str(store), id]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )

    def __enter__(self) -> Self:
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    @property
    def pid(self) -> int:
        return self.process.pid

    def do(self, code: str) -> None:
        """Run statements there."""
        self._ask(code, is_value=False)

    def get(self, code: str) -> Any:
        """What an expression is worth there, as JSON."""
        return self._ask(code, is_value=True)

    def until(self, happened: str) -> None:
        """Wait there until an expression is true."""
        self.do(f"until({happened!r})")

    def kill(self) -> None:
        """Kill it with SIGKILL; it is gone when this returns."""
        self.process.kill()
        self.process.wait()

    def suspend(self) -> None:
        """Stop it with SIGSTOP; it is stopped when this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitpid(self.pid, os.WUNTRACED)

    def wake(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def start(self, code: str) -> None:
        """Run statements there, and do not wait for them: `finish` does."""
        self._send(code, is_value=False)

    def finish(self) -> None:
        """Wait for what `start` began."""
        self._take()

    def _ask(self, code: str, *, is_value: bool) -> Any:
        self._send(code, is_value=is_value)
        return self._take()

    def _send(self, code: str, *, is_value: bool) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([code, is_value]) + "\n")
        self.process.stdin.flush()

    def _take(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended with {self.process.poll()}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]
