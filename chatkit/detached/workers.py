"""The kernel's side of its workers: starts their processes, hands jobs over, hears of their end.

One process for all answers of a store that this kernel has handed over. A job goes through its
standard input, as one line of JSON; a line comes back when the worker writes the answer. It has
a session of its own, so that what ends the kernel does not reach it, and is given few variables:
keys come with the jobs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, Any

from msgspec.structs import replace

from chatkit import defaults
from chatkit.detached.jobs import Job
from chatkit.engine import Engine
from chatkit.errors import StoreError
from chatkit.stores import Store, is_here

MOST = 8  # workers at a time for one store on one machine
PATIENCE = 30.0  # seconds to take a job on: a worker that needs longer is not well
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_KEPT = re.compile(  # variables that a worker needs; none of them is for a key
    r"PATH|HOME|USER|LOGNAME|LANG|LC_\w+|TZ|TMPDIR|TEMP|TMP|XDG_\w+|CHATKIT_GGUF|CHATKIT_CACHE"
    r"|LD_LIBRARY_PATH|DYLD_\w+|VIRTUAL_ENV|CONDA_PREFIX|PYTHONHOME|PYTHONUTF8|PYTHONIOENCODING"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|(HTTPS?|ALL|NO)_PROXY"
    r"|SYSTEMROOT|SYSTEMDRIVE|WINDIR|APPDATA|LOCALAPPDATA|USERPROFILE|PROGRAMDATA|COMSPEC|PATHEXT",
    re.IGNORECASE,
)
_numbers = itertools.count(1)


class NoWorker(Exception):
    """No worker takes the job; the message says why."""


class _Gone(NoWorker):
    """The worker ended before it took the job on."""


class Workers:
    """The worker of one store, of which another takes the place when it has ended.

    On the engine's loop.
    """

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._worker: Worker | None = None
        self._starting = asyncio.Lock()

    async def hand(self, job: Job) -> None:
        """Return once a worker writes the answer. Raises NoWorker."""
        worker = self._worker
        if worker is not None and worker.is_running:
            with suppress(_Gone):  # it had nothing to do any more, and ended just now
                return await worker.take(job)
        await (await self._running(worker)).take(job)

    async def _running(self, before: Worker | None) -> Worker:
        """A worker that is not the one before. Raises NoWorker."""
        async with self._starting:
            worker = self._worker
            if worker is None or worker is before or not worker.is_running:
                await self._check_count()
                worker = self._worker = Worker(self._engine)
            return worker

    async def _check_count(self) -> None:
        try:
            living = await self._store.living()
        except StoreError as error:
            raise NoWorker(f"how many workers there are is not known: {error}") from error
        owners = [info.owner for _, _, info in living if is_here(info.owner)]
        pids = {owner["pid"] for owner in owners if owner.get("role") == "worker"}
        if len(pids) >= MOST:
            raise NoWorker(f"{MOST} workers write in this store already, the most there may be")


class Worker:
    """One process, and who waits for a word of it."""

    def __init__(self, engine: Engine) -> None:
        """Start it. Raises NoWorker."""
        self._engine = engine
        self._waiting: dict[int, asyncio.Future[None]] = {}  # by the numbers of jobs
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115  # until it ends
        try:
            self._process = _spawn(self._log)
        except OSError as error:
            self._log.close()
            raise NoWorker(f"its process cannot be started: {error}") from error
        self.is_running = True
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        for work in (self._write, self._listen):
            threading.Thread(target=work, name="chatkit-worker", daemon=True).start()

    async def take(self, job: Job) -> None:
        """Return once it writes the answer. Raises NoWorker."""
        number = next(_numbers)
        taken = self._waiting[number] = self._engine.loop.create_future()
        try:
            self._lines.put(replace(job, number=number).line)
            await asyncio.wait_for(asyncio.shield(taken), PATIENCE)
        except TimeoutError:
            self._process.kill()  # else two might write
            await asyncio.wait({taken})
            taken.exception()
            raise NoWorker(f"it did not begin within {PATIENCE:.0f} seconds") from None
        finally:
            del self._waiting[number]

    # -- in threads --

    def _write(self) -> None:
        """Give it its jobs, which may be more than a pipe holds."""
        assert self._process.stdin is not None
        with suppress(OSError), self._process.stdin as jobs:  # it ends: `_listen` tells
            for line in iter(self._lines.get, None):
                jobs.write(line)
                jobs.flush()

    def _listen(self) -> None:
        """Hear what it says until it ends, and let no zombie stay."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._tell(self._heard, json.loads(line))
        self._process.stdout.close()
        self._process.wait()  # else it stays as a zombie
        self._tell(self._ended, _last_line(self._log))

    def _tell(self, function: Any, told: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._engine.call(function, told)

    # -- on the loop --

    def _heard(self, told: dict[str, Any]) -> None:
        taken = self._waiting.get(told["number"])
        if taken is None or taken.done():
            return
        if told["refused"]:
            taken.set_exception(NoWorker(told["refused"]))
        else:
            taken.set_result(None)

    def _ended(self, last_words: str) -> None:
        self.is_running = False
        self._lines.put(None)
        for taken in self._waiting.values():
            if not taken.done():
                taken.set_exception(_Gone(f"its process ended: {last_words or 'no word why'}"))


def workers(store: Store, engine: Engine) -> Workers:
    """The workers of this process for a store."""
    return _workers.setdefault((id(store), id(engine)), Workers(store, engine))


def _spawn(log: IO[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "chatkit.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,  # until it runs: why it does not
        env=_environment(),
        cwd=os.path.abspath(os.sep),  # the kernel's may be taken away
        start_new_session=True,
        creationflags=getattr(subprocess, "DETACHED_PROCESS", 0),  # the same on Windows
    )


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    places = [os.path.abspath(place) for place in sys.path if place]
    log = {defaults.variable_of("log"): str(defaults.get("log") or "off")}
    return {**kept, **log, "PYTHONPATH": os.pathsep.join(dict.fromkeys([*places, _ROOT]))}


def _last_line(log: IO[str]) -> str:
    with log:
        log.seek(0)
        lines = log.read().split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def _forget() -> None:
    """In a forked child: the workers are its parent's."""
    _workers.clear()


_workers: dict[tuple[int, int], Workers] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
