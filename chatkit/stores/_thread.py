"""The one thread that may touch a store's database, and its group commit.

Writes queued while the thread is busy go into one transaction, so that two hundred streams
that save in the same tick cost one commit. A task that is cancelled while it waits takes
nothing back: what is queued is written.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from asyncio import AbstractEventLoop, Future
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeAlias, TypeVar

from chatkit.errors import StoreError
from chatkit.stores._database import Database
from chatkit.stores._rows import Place, Rows

T = TypeVar("T")
Work: TypeAlias = Callable[[Rows], T]

_FORK_WAIT = 15.0  # seconds for what is queued; longer than a write waits for a lock


class _Job(NamedTuple):
    run: Work[Any]
    future: Future[Any]
    writes: bool
    ahead: Place | None = None  # what is read with that of others, before


class _Outcome(NamedTuple):
    future: Future[Any]
    result: Any = None
    error: Exception | None = None


Errand: TypeAlias = Callable[[Database], None]  # between two batches, on the database itself
_Queue: TypeAlias = "SimpleQueue[_Job | Errand]"


class IoThread:
    """Runs work on a database: of what is queued, first the writes and then the reads."""

    def __init__(self, open_database: Callable[[], Database]) -> None:
        self._open_database = open_database
        self._lock = threading.Lock()
        self._queue: _Queue | None = None
        _forks.threads.add(self)

    async def write(self, work: Work[T], *, ahead: Place | None = None) -> T:
        """What `work` returns, once it is on disk; `ahead` is where it will look.

        `work` must raise `StoreError` before it writes anything: then it alone fails. If the
        transaction fails, so does every work in it, and nothing of them was written.
        """
        return await self._submit(work, writes=True, ahead=ahead)

    async def read(self, work: Work[T]) -> T:
        """What `work` returns."""
        return await self._submit(work, writes=False)

    async def close(self) -> None:
        """Do what is queued and let go of the files; later work opens them again."""
        future = asyncio.get_running_loop().create_future()

        def close(database: Database) -> None:
            database.close()
            _deliver([_Outcome(future)])

        with self._lock:
            if self._queue is None:
                return
            self._queue.put(close)
        await future

    def _submit(self, work: Work[T], *, writes: bool, ahead: Place | None = None) -> Future[T]:
        future: Future[T] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._queue is None:
                self._queue = self._start()
            self._queue.put(_Job(work, future, writes, ahead))
        return future

    def _start(self) -> _Queue:
        queue: _Queue = SimpleQueue()
        work = (queue, self._open_database())
        threading.Thread(target=_serve, args=work, name="chatkit-store", daemon=True).start()
        return queue

    def pause(self) -> threading.Event:
        """Finish what is queued and hold still, with no file open, until the event is set."""
        begun, over = threading.Event(), threading.Event()

        def hold(database: Database) -> None:
            database.close()
            begun.set()
            over.wait()

        with self._lock:
            if self._queue is not None:
                self._queue.put(hold)
                begun.wait(_FORK_WAIT)
        return over

    def forget(self) -> None:
        """Begin anew: in a forked child the thread, its lock and its queue are the parent's."""
        self._lock = threading.Lock()
        self._queue = None


def _serve(queue: _Queue, database: Database) -> None:
    while True:
        jobs, errand = _take(queue)
        if writes := [job for job in jobs if job.writes]:
            _deliver(_run(writes, database.transaction))
        for job in jobs:
            if not job.writes:
                _deliver(_run([job], database.reading))
        if errand is not None:
            errand(database)


def _take(queue: _Queue) -> tuple[list[_Job], Errand | None]:
    """All that is queued, up to the first errand."""
    jobs: list[_Job] = []
    item = queue.get()
    while isinstance(item, _Job):
        jobs.append(item)
        try:
            item = queue.get_nowait()
        except Empty:
            return jobs, None
    return jobs, item


def _run(jobs: list[_Job], opened: Callable[[], AbstractContextManager[Rows]]) -> list[_Outcome]:
    try:
        with opened() as rows:
            rows.read_ahead([job.ahead for job in jobs if job.ahead is not None])
            return [_attempt(rows, job) for job in jobs]
    except Exception as error:  # whatever it is, all were undone, and those who wait are told
        return [_Outcome(job.future, error=error) for job in jobs]


def _attempt(rows: Rows, job: _Job) -> _Outcome:
    try:
        return _Outcome(job.future, job.run(rows))
    except StoreError as error:
        return _Outcome(job.future, error=error)


def _deliver(outcomes: list[_Outcome]) -> None:
    """Hand out results, waking each event loop once."""
    by_loop: defaultdict[AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome.future.get_loop()].append(outcome)
    for loop, its_outcomes in by_loop.items():
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, its_outcomes)


def _settle(outcomes: list[_Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():  # cancelled
            continue
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


class _Forks:
    """SQLite must not be open across a fork: https://www.sqlite.org/howtocorrupt.html#_carrying

    The parent's threads hold still with every file closed; the child begins with new ones.
    """

    def __init__(self) -> None:
        self.threads: weakref.WeakSet[IoThread] = weakref.WeakSet()
        self._one = threading.Lock()
        self._held: list[threading.Event] = []

    def before(self) -> None:
        self._one.acquire()
        self._held = [thread.pause() for thread in self.threads]

    def in_parent(self) -> None:
        for over in self._held:
            over.set()
        self._one.release()

    def in_child(self) -> None:
        self._one = threading.Lock()
        for thread in self.threads:
            thread.forget()


_forks = _Forks()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(
        before=_forks.before,
        after_in_parent=_forks.in_parent,
        after_in_child=_forks.in_child,
    )
