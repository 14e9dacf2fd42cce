"""What the tests of workers share: which there are, and that none stays."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from chatkit import chats


def until(happened: Callable[[], object], *, timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not happened():
        assert time.monotonic() < deadline, f"not within {timeout} s"
        time.sleep(0.01)


def writers(store: Path) -> list[int]:
    """The processes of the workers that write in a store now."""
    return [each.pid for chat in chats(store) for each in chat.writers if each.is_worker]


def worker_of(store: Path) -> int:
    """The process that writes in a store, once there is one."""
    until(lambda: writers(store))
    return writers(store)[0]


def is_there(pid: int) -> bool:
    """Whether there is such a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


MARK = "XDG_OF_A_TEST"  # a variable that a worker has from the process that started it


def workers(parent: int | None = None, *, mark: str = "") -> list[int]:
    """The workers of this machine that a process has started, or in which the mark is this."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            words = (place / "cmdline").read_bytes().split(b"\0")
            above = (place / "stat").read_text().rpartition(")")[2].split()[1]
            is_marked = f"{MARK}={mark}" in (place / "environ").read_text().split("\0")
            is_ours = is_marked if parent is None else parent == int(above)
            if any(b"chatkit.worker" in word for word in words) and is_ours:
                found.append(int(place.name))
    return found


def end_all() -> None:
    """End the workers of this process, and see that nothing of them stays."""
    pids = workers(os.getpid())
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(map(is_there, pids)))
