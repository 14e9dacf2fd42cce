"""The AI SDK itself, run in Node, for the tests that chats move both ways."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Any
from urllib.request import urlopen

HOME = Path(__file__).parent
_MODULES = HOME / "node_modules"
_NODE = _MODULES / ".bin" / "node"  # the SDK needs a newer one than most machines have


def missing() -> list[str]:
    """What these tests lack here, each with the way to get it; they are left out then."""
    if _installed() or shutil.which("npm"):
        return []
    return ["npm, for the tests against the AI SDK: apt-get install npm, or nodejs.org"]


def install() -> None:
    """Fetch what package.json names, unless it is there; several processes may do so at once."""
    if _installed():
        return
    with tempfile.TemporaryDirectory(dir=HOME, prefix="node_modules.") as fresh:
        shutil.copy(HOME / "package.json", fresh)
        command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund"]
        subprocess.run([*command, "--loglevel=error"], cwd=fresh, check=True)
        with suppress(OSError):  # another has been faster
            if not _installed():
                with suppress(FileNotFoundError):
                    os.rename(_MODULES, f"{fresh}/old")
                os.rename(f"{fresh}/node_modules", _MODULES)
    assert _installed()


class AiSdk:
    """One running Node, asked one thing at a time."""

    def __init__(self) -> None:
        self._node = subprocess.Popen(
            [_NODE, "ask.mjs"], cwd=HOME, text=True, stdin=PIPE, stdout=PIPE
        )

    def close(self) -> None:
        """Let it end."""
        self._node.communicate()

    def read(self, wire: bytes) -> Any:
        """What it makes of a UI message stream: `{"message", "errors"}`."""
        return self._ask("read", wire.decode())

    def send(self, api: str, id: str, messages: list[Any]) -> Any:
        """What `useChat` makes of the answer of a server: `{"message", "errors"}`."""
        return self._ask("send", {"api": api, "id": id, "messages": messages})

    def resume(self, api: str, id: str) -> Any:
        """What `useChat` makes of the answer that runs in a chat of a server, None if none does."""
        return self._ask("resume", {"api": api, "id": id})

    def refusal(self, messages: list[Any]) -> Any:
        """Why it does not take these UIMessages, or None."""
        return self._ask("refusal", messages)

    def request(self, messages: list[Any]) -> Any:
        """The ModelMessages that it sends of these UIMessages."""
        return self._ask("request", messages)

    def _ask(self, method: str, value: Any) -> Any:
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(json.dumps({"method": method, "value": value}) + "\n")
        self._node.stdin.flush()
        answer = self._node.stdout.readline()
        assert answer, "Node has ended; its last words are above"
        return json.loads(answer)


class _Server:
    """A running backend, on an address of its own."""

    def __init__(self, script: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [_NODE, script],
            cwd=HOME,
            env={**os.environ, **environment},
            text=True,
            stdin=PIPE,
            stdout=PIPE,
        )
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def close(self) -> None:
        """Let it end."""
        self.process.communicate()


class Backend(_Server):
    """A backend that keeps to its reader."""

    def __init__(self) -> None:
        super().__init__("backend.mjs")

    def seen(self) -> Any:
        """`{"asked": [{"headers", "body"}], "left": how many clients left before the end}`."""
        with urlopen(f"{self.address}/seen") as response:
            return json.load(response)


class Resumable(_Server):
    """A backend whose answers outlive their readers; its model waits for the test."""

    def __init__(self, redis_url: str) -> None:
        super().__init__("resumable.mjs", REDIS_URL=redis_url)

    def release(self, chat_id: str, count: int = 1) -> None:
        """Let `count` more words of the chat's answers be written; an ending counts as one."""
        self._tell("release", {"id": chat_id, "count": count})

    def seen(self, chat_id: str) -> Any:
        """What it saw of a chat, by the names in the class `Told` of its script, and `chat`, as
        its database has it: `{"messages", "activeStreamId"}`."""
        return json.loads(self._tell("seen", {"id": chat_id}))

    def _tell(self, what: str, value: Any) -> bytes:
        with urlopen(f"{self.address}/{what}", json.dumps(value).encode()) as response:
            answer: bytes = response.read()
        return answer


def _installed() -> bool:
    wanted = json.loads((HOME / "package.json").read_text())["dependencies"]
    return _NODE.exists() and all(_version(name) == wanted[name] for name in wanted)


def _version(name: str) -> str | None:
    package = _MODULES / name / "package.json"
    return json.loads(package.read_text())["version"] if package.exists() else None
