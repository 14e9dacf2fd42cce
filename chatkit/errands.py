"""Work for the main thread: handed in by any thread, done when that one is free.

The main thread does it while it waits in chatkit (`engine.wait`), and where it has an event
loop of its own, as a kernel has, whenever that is idle: `host` knows how to wake it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from chatkit import host

Future = concurrent.futures.Future[Any]
_waiting: deque[tuple[contextvars.Context, Callable[[], Any], Future]] = deque()
_arrived: Future = concurrent.futures.Future()
_lock = threading.Lock()


def submit(work: Callable[[], Any]) -> Future:
    """Have `work` done on the main thread, in the caller's context; what it returns is awaited
    there too, where that is to be awaited."""
    future: Future = concurrent.futures.Future()
    _waiting.append((contextvars.copy_context(), work, future))
    with _lock:
        if not _arrived.done():
            _arrived.set_result(None)
    host.current().wake(_woken)
    return future


def arrival() -> Future:
    """Done as soon as there is work. On the main thread, after `run`."""
    global _arrived
    with _lock:
        if _arrived.done() and not _waiting:
            _arrived = concurrent.futures.Future()
        return _arrived


def run() -> list[Future]:
    """Do what waits. Returned is what tells the end, and no more, of each that goes on in the
    running loop afterwards."""
    going_on = []
    while _waiting:
        context, work, future = _waiting.popleft()
        if future.set_running_or_notify_cancel():
            context.run(_do, work, future)
            if not future.done():
                going_on.append(_end_of(future))
    return going_on


def _end_of(future: Future) -> Future:
    end: Future = concurrent.futures.Future()
    future.add_done_callback(lambda _: end.set_result(None))
    return end


def _woken() -> None:
    """The main thread is idle: nobody waits there whom an interrupt of the work could mean."""
    with suppress(KeyboardInterrupt):
        run()


def _do(work: Callable[[], Any], future: Future) -> None:
    try:
        value = work()
        if inspect.isawaitable(value):
            value = _begin(_awaited(value), future)
    except BaseException as error:  # whoever handed it in is told, of an interrupt too
        future.set_exception(as_exception(error))
        if isinstance(error, KeyboardInterrupt):
            raise
    else:
        if value is not _GOES_ON:
            future.set_result(value)


def as_exception(error: BaseException) -> Exception:
    """The error as one that a future takes and hands on, and that ends nobody's event loop."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"it ended with {error!r}")


async def _awaited(work: Awaitable[Any]) -> Any:
    return await work


def _begin(work: Coroutine[Any, Any, Any], future: Future) -> Any:
    try:
        task = asyncio.get_running_loop().create_task(work)
    except RuntimeError:
        return asyncio.run(work)
    task.add_done_callback(lambda done: _copy(done, future))
    return _GOES_ON


def _copy(task: asyncio.Task[Any], future: Future) -> None:
    if task.cancelled():
        future.set_exception(RuntimeError("its task was cancelled"))
    elif error := task.exception():
        future.set_exception(as_exception(error))
    else:
        future.set_result(task.result())


def _forget() -> None:
    """In a forked child: what waits is its parent's to do."""
    global _arrived, _lock
    _waiting.clear()
    _arrived, _lock = concurrent.futures.Future(), threading.Lock()


_GOES_ON = object()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
