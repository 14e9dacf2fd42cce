"""The background loop on which every stream is read. The only module that knows nest_asyncio.

One daemon thread with an event loop of its own: it goes on while cells run `time.sleep`, and
Kernel -> Interrupt does not reach it. A forked child starts another one.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

from chatkit import errands, host
from chatkit.progress import progress, tick
from chatkit.transport import Transport

T = TypeVar("T")
TICK = 0.04  # seconds between writes of what streams have brought, all streams together
STEP = 0.1  # seconds: how soon a wait sees an interrupt where a lock does not
EXIT_GRACE = 1.5  # seconds at exit for the last writes: Jupyter kills after 2.5
INTERRUPTED = "the wait has ended; the answer goes on (stop() ends it)"
_LATE = "it has not ended after {} seconds; it goes on"
ON_ENGINE = (
    "this would wait for the engine on the engine's own thread, where on_chunk= is called and every"
    " stream is read: wait in a thread of your own, or in on_finish="
)
logger = logging.getLogger("chatkit")


class Engine:
    """A thread, its loop, and what every stream on it shares."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.transport = Transport()
        self.ticker = Ticker(self.loop)
        self.running: set[Running] = set()
        self._thread = threading.Thread(target=self._run, name="chatkit", daemon=True)
        self._thread.start()

    def submit(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start `work` on the loop, in the caller's context, so that its output stays there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do `work` on the loop and wait for it. An interrupt ends the wait, not the work."""
        if self.is_here:
            work.close()
            raise RuntimeError(ON_ENGINE)
        return wait(self.submit(work))

    @property
    def is_here(self) -> bool:
        """Whether this code runs on the engine's own thread, where nothing may wait."""
        return threading.current_thread() is self._thread

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call `function` on the loop, soon."""
        self.loop.call_soon_threadsafe(function, *args)

    def drain(self) -> None:
        """Wait until everything has ended that goes on by itself."""
        self.run(asyncio.sleep(0))  # what was called for has begun
        while left := [running for running in self.running if running.unattended]:
            self.run(_all([running.ended() for running in left]))

    def close(self) -> None:
        """Interrupt what still runs and let it write what it has, within EXIT_GRACE."""
        self.submit(self._close())
        self._thread.join(EXIT_GRACE)

    async def _close(self) -> None:
        left = list(self.running)
        for running in left:
            running.interrupt()
        await _all([running.ended() for running in left])
        await self.transport.aclose()
        self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()


class Running:
    """Something that must come to its end: what `Engine.running` holds."""

    @property
    def unattended(self) -> bool:
        """Whether it goes on by itself, wanting no reader."""
        raise NotImplementedError

    def interrupt(self) -> None:
        """End as soon as possible, keeping what there is."""
        raise NotImplementedError

    async def ended(self) -> None:
        """Wait until it has ended and been told of."""
        raise NotImplementedError


class Ticker:
    """Calls back everybody who asked since the last tick, together; silent when nobody asks.

    Ticks are TICK apart at least: what comes after a silence is not kept waiting.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._due: list[Callable[[], None]] = []
        self._next = 0.0  # the earliest time for a tick

    def soon(self, callback: Callable[[], None]) -> None:
        """Call back at the next tick. On the loop's thread only."""
        if not self._due:
            self._loop.call_at(max(self._next, self._loop.time()), self._tick)
        self._due.append(callback)

    def _tick(self) -> None:
        self._next = self._loop.time() + TICK
        due, self._due = self._due, []
        for callback in due:
            callback()


def get_engine() -> Engine:
    """The engine of this process, started on first use."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = Engine()
            _at_exit()
        return _engine


def wait(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """Block until `future` is done; an interrupt ends the wait only.

    Waits in short steps, because on Windows a lock cannot be interrupted.
    Raises TimeoutError after `timeout` seconds.
    """
    wait_all([future], timeout)
    return future.result(timeout=0)


def wait_all(futures: Sequence[concurrent.futures.Future[Any]], timeout: float | None) -> None:
    """Block until all are done, like `wait`. Raises TimeoutError after `timeout` seconds.

    On the main thread, what tools have to do there is done meanwhile. Raises RuntimeError on the
    engine's thread, unless all are done.
    """
    end = float("inf") if timeout is None else time.monotonic() + timeout
    is_main = threading.current_thread() is threading.main_thread()
    while left := [future for future in futures if not future.done()]:
        if _engine is not None and _engine.is_here:
            raise RuntimeError(ON_ENGINE)
        if is_main:
            for errand in errands.run():
                pump(errand)
        tick()
        also = [errands.arrival()] if is_main else []
        concurrent.futures.wait([*left, *also], _step(end), concurrent.futures.FIRST_COMPLETED)
        if time.monotonic() >= end and not all(future.done() for future in futures):
            raise TimeoutError(_LATE.format(timeout))


async def join(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """Await `future` from any loop. A cancelled awaiter leaves it alone.

    In short steps, because a bare await on a quiet kernel cannot be interrupted
    (https://github.com/ipython/ipykernel/issues/881). On the main thread, what tools have to do
    there is done meanwhile; what of that goes on does so in this loop. Raises TimeoutError after
    `timeout` seconds.
    """
    end = float("inf") if timeout is None else time.monotonic() + timeout
    is_main = threading.current_thread() is threading.main_thread()
    wrapped = asyncio.wrap_future(future)
    while not wrapped.done():
        if is_main:
            errands.run()
        tick()
        await asyncio.wait({wrapped}, timeout=_step(end))
        if time.monotonic() >= end and not wrapped.done():
            raise TimeoutError(_LATE.format(timeout))
    return wrapped.result()


def pump(future: concurrent.futures.Future[T], timeout: float | None = None) -> T:
    """Block until `future` is done while the loop that runs this code goes on with its own tasks.

    Raises TimeoutError after `timeout` seconds, RuntimeError where that loop cannot be nested
    (uvloop).
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return wait(future, timeout)
    if _engine is not None and _engine.is_here:
        return wait(future)  # which refuses, unless it is done
    _nest(loop)
    return loop.run_until_complete(join(future, timeout))


def _step(end: float) -> float:
    """How long to wait at once for what may take until `end`."""
    return max(0.0, min(STEP, end - time.monotonic()))


def _nest(loop: asyncio.AbstractEventLoop) -> None:
    """Make `loop` re-entrant. nest-asyncio loses messages under ipykernel 7, with its fork not."""
    kernel = sys.modules.get("ipykernel")
    major = int(getattr(kernel, "__version__", "0").split(".")[0])
    if major >= 7:
        import nest_asyncio2 as nest_asyncio
    else:
        import nest_asyncio
    try:
        nest_asyncio.apply(loop)
    except ValueError as error:
        raise RuntimeError(f"wait(pump=True) cannot nest {loop!r}: use wait() instead") from error


async def _all(work: list[Awaitable[None]]) -> None:
    await asyncio.gather(*work, return_exceptions=True)


def _at_exit() -> None:
    """A script waits for its replies, then, as everybody, writes what is left.

    The wait must come before the interpreter refuses new threads, which is before `atexit`:
    before the executors' own exit, so it is registered after that.
    """
    import concurrent.futures.thread  # noqa: F401

    register = getattr(threading, "_register_atexit", None)
    (register or atexit.register)(_drain_at_exit)
    atexit.register(_close_at_exit)


def _drain_at_exit() -> None:
    if _engine is not None and host.current().waits_at_exit:
        try:
            with progress("Waiting for what is still being answered"):
                _engine.drain()
        except KeyboardInterrupt:
            logger.warning("interrupted: what is still being answered is kept as it is")


def _close_at_exit() -> None:
    if _engine is not None:
        _engine.close()


def _forget() -> None:
    """In a forked child: its parent's thread and connections are not there."""
    global _engine, _lock
    _engine, _lock = None, threading.Lock()


_engine: Engine | None = None
_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
