"""Who writes a stream, and whether it still lives: alone knows /proc/<pid>.

A process id alone says little: ids are used again, and a kernel may live on while the task
that wrote has died. So the owner is known by process, start time, boot and pid namespace, and
keeps a heartbeat; where there is no /proc the heartbeat has to do.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

LEASE = 5.0  # seconds without a heartbeat after which a writer counts as gone


def this_process() -> dict[str, Any]:
    """The owner to write down: `{"pid", "started", "boot", "namespace", "host", "since", "role"}`;
    `since` is when it began to write here."""
    return {**_identity(os.getpid()), "role": _role}


def play(role: str) -> None:
    """Say what this process is there for: "worker", or a kernel unless said."""
    global _role
    _role = role


def is_alive(owner: Mapping[str, Any], heartbeat: float, now: float) -> bool:
    """Whether the owner is still writing; times are seconds since the epoch."""
    return now - heartbeat <= LEASE and not is_gone(owner)


def is_gone(owner: Mapping[str, Any]) -> bool:
    """True only if it is certain: the same machine and boot, and no such process any more."""
    pid = owner.get("pid")
    return is_here(owner) and isinstance(pid, int) and _started(pid) != owner.get("started")


def is_here(owner: Mapping[str, Any]) -> bool:
    """Whether its process id says something here: the same boot and namespace."""
    here = this_process()
    there = (owner.get("boot"), owner.get("namespace"))
    return bool(here["boot"]) and there == (here["boot"], here["namespace"])


@cache
def _identity(pid: int) -> dict[str, Any]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # no /proc here
        boot = namespace = ""
    started = _started(pid) if boot else None
    return {
        "pid": pid,
        "started": started,
        "boot": boot,
        "namespace": namespace,
        "host": platform.node(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _started(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; None if there is none, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(b")")[2].split()  # the name before it may hold anything
    return None if state in (b"Z", b"X") else fields[18].decode()  # proc(5): field 22


_role = "kernel"
