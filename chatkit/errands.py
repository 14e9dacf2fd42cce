"""Work for the main thread: handed in by any thread, done when that one is free.

The main thread does it while it waits in chatkit (`engine.wait`), and where it has an event
loop of its own, as a kernel has, whenever that is idle: `host` knows how to wake it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chatkit import host

Future = concurrent.futures.Future[Any]
_waiting: deque[tuple[Callable[[], Any], Future]] = deque()
_arrived: Future = concurrent.futures.Future()
_lock = threading.Lock()


def submit(work: Callable[[], Any]) -> Future:
    """Have `work` done on the main thread; a coroutine that it returns is run there too."""
    future: Future = concurrent.futures.Future()
    _waiting.append((work, future))
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
    """Do what waits. What goes on in the running loop afterwards is returned."""
    going_on = []
    while _waiting:
        work, future = _waiting.popleft()
        if future.set_running_or_notify_cancel():
            _do(work, future)
            if not future.done():
                going_on.append(future)
    return going_on


def _woken() -> None:
    """The main thread is idle: nobody waits there whom an interrupt of the work could mean."""
    with suppress(KeyboardInterrupt):
        run()


def _do(work: Callable[[], Any], future: Future) -> None:
    try:
        value = work()
        if inspect.iscoroutine(value):
            value = _begin(value, future)
    except BaseException as error:  # whoever handed it in is told, of an interrupt too
        future.set_exception(as_exception(error))
        if isinstance(error, KeyboardInterrupt):
            raise
    else:
        if value is not _GOES_ON:
            future.set_result(value)


def as_exception(error: BaseException) -> Exception:
    """The error as one that ends nobody's event loop."""
    return error if isinstance(error, Exception) else RuntimeError(f"it ended with {error!r}")


def _begin(work: Any, future: Future) -> Any:
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


_GOES_ON = object()
