"""Who writes a stream, and whether it still lives: alone knows /proc/<pid>.

A process id alone says little: ids are used again, and a kernel may live on while the task
that wrote has died. So the owner is known by process, start time, boot and pid namespace, and
keeps a heartbeat; where there is no /proc the heartbeat has to do.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

LEASE = 5.0  # seconds without a heartbeat after which a writer counts as gone


def this_process() -> dict[str, Any]:
    """The owner to write down: `{"pid", "started", "boot", "namespace", "host"}`."""
    return dict(_identity(os.getpid()))


def is_alive(owner: Mapping[str, Any], heartbeat: float, now: float) -> bool:
    """Whether the owner is still writing; times are seconds since the epoch."""
    return now - heartbeat <= LEASE and not _is_gone(owner)


def _is_gone(owner: Mapping[str, Any]) -> bool:
    """True only if it is certain: same boot and namespace, and no such process any more."""
    here = this_process()
    pid = owner.get("pid")
    if not isinstance(pid, int) or not here["boot"]:
        return False
    if (owner.get("boot"), owner.get("namespace")) != (here["boot"], here["namespace"]):
        return False
    return _started(pid) != owner.get("started")


@cache
def _identity(pid: int) -> dict[str, Any]:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:  # no /proc here
        boot = namespace = ""
    started = _started(pid) if boot else None
    host = platform.node()
    return {"pid": pid, "started": started, "boot": boot, "namespace": namespace, "host": host}


def _started(pid: int) -> str | None:
    """When the process began, in clock ticks since boot; None if there is none, or a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    state, *fields = stat.rpartition(b")")[2].split()  # the name before it may hold anything
    return None if state in (b"Z", b"X") else fields[18].decode()  # proc(5): field 22
