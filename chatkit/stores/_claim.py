"""Whose a store on a network file system is: one host's at a time, by a file beside the database.

The locks of network file systems are not to be trusted between hosts (within one they are), and
without them two hosts ruin a database. So the host that uses a store writes its name into a file
there, again every few seconds as long as it does. A host that finds no such file, or one that has
grown old, replaces it, waits until whoever had it before must have noticed, and looks whether the
file is still its own: of two that do this at once, one wins. Nothing else is needed of the file
system than an atomic rename, and no clock but the file server's.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from chatkit.errors import StoreError
from chatkit.stores import _owner
from chatkit.stores._directory import DATABASE

RENEWS = 5.0  # seconds of use after which it is written again
EXPIRES = 60.0  # seconds unwritten after which another host may have it; caches hide 20 of them
SETTLES = 2.0  # seconds for a host that lost it to notice: longer than a transaction takes


class Claim:
    """The right of this host to use the store in a directory, shared by all its processes."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / f"{DATABASE}-host"
        self._mine = _this_host(directory)
        self._renewed = float("-inf")

    def hold(self) -> bool:
        """Have it, or take it: whether this host had it all along.

        Raises StoreError while another host has it, OSError where nothing can be written.
        """
        began = time.monotonic()
        holder = self._holder()
        if holder == self._mine and began - self._renewed < RENEWS:
            return True
        self._put(over=None if holder == self._mine else holder)
        kept = holder == self._mine and time.monotonic() - began < SETTLES / 2
        if not kept:  # or this process was suspended, and another host may have taken it
            time.sleep(SETTLES)
            self.check()
        self._renewed = began
        return kept

    def check(self) -> None:
        """Raises StoreError if this host does not have it any more."""
        if self._holder() != self._mine:
            raise self._refusal()

    def _holder(self) -> bytes | None:
        """What the file says, from the file server: opening asks it, whatever is cached."""
        try:
            return self._path.read_bytes()
        except FileNotFoundError:
            return None

    def _put(self, *, over: bytes | None) -> None:
        """Write the file anew; in the place of another host's only if that one is old."""
        descriptor, fresh = tempfile.mkstemp(prefix=f"{self._path.name}-", dir=self._directory)
        try:
            with open(descriptor, "wb") as file:
                file.write(self._mine)
                file.flush()
                os.fsync(descriptor)
                now = os.fstat(descriptor).st_mtime  # by the clock of the file server
            if over is not None and now - self._written() < EXPIRES:
                raise self._refusal()
            os.replace(fresh, self._path)
        except BaseException:
            os.unlink(fresh)
            raise

    def _written(self) -> float:
        with self._path.open("rb") as file:  # opened, it is asked about; a stat may be cached
            return os.fstat(file.fileno()).st_mtime

    def _refusal(self) -> StoreError:
        refusal = StoreError(
            f"the store {str(self._directory)!r} is on a network file system, where one host at a "
            f"time may use it, and {_name(self._holder())!r} does: end the kernels there and wait "
            f"{EXPIRES:.0f} s; or choose a directory of this host, with store= or $CHATKIT_STORE; "
            'or share chats through Redis, with store="redis://..."'
        )
        refusal.retryable = True
        return refusal


def _this_host(directory: Path) -> bytes:
    """This host as it sees the directory: another mount of the same one has caches of its own."""
    owner = _owner.this_process()
    host = {"host": owner["host"], "boot": owner["boot"], "device": directory.stat().st_dev}
    return json.dumps(host).encode()


def _name(holder: bytes | None) -> str:
    try:
        return str(json.loads(holder or b"")["host"])
    except (ValueError, KeyError, TypeError):
        return "another host"
