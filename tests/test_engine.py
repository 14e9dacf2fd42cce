"""The background loop: waits that can be interrupted, ticks that come together, nesting."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chatkit import stream_text
from chatkit.engine import get_engine, join, pump, wait
from chatkit.providers import Model


def test_work_runs_on_one_thread_that_is_not_ours() -> None:
    async def where() -> int:
        return threading.get_ident()

    engine = get_engine()
    assert engine.run(where()) == engine.run(where()) != threading.get_ident()


def test_waiting_for_the_engine_on_its_own_thread_is_refused_not_a_deadlock() -> None:
    engine = get_engine()

    async def inside() -> None:
        engine.run(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="own thread"):
        engine.run(inside())


@pytest.mark.parametrize("blocking", [wait, pump])
def test_every_wait_on_the_engines_thread_is_refused_unless_it_is_over(
    blocking: Callable[[Any], int],
) -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()

    async def inside() -> int:
        return blocking(future)

    engine = get_engine()
    with pytest.raises(RuntimeError, match="own thread"):
        engine.run(inside())
    future.set_result(4)
    assert engine.run(inside()) == 4


def test_a_callback_that_would_wait_there_is_told_so_and_holds_up_nothing(model: Model) -> None:
    other = stream_text(model, "Another.")
    reply = stream_text(model, "Go.", on_chunk=lambda _: other.wait()).wait(10)
    assert reply.status == "complete"
    assert "wait in a thread of your own" in reply.warnings[0]
    assert other.wait(10).status == "complete"


def test_everybody_who_asked_is_called_back_in_the_same_tick() -> None:
    engine = get_engine()
    order: list[str] = []
    done: concurrent.futures.Future[None] = concurrent.futures.Future()

    def ask() -> None:
        for name in "abc":
            engine.ticker.soon(lambda name=name: order.append(name))  # type: ignore[misc]
        engine.ticker.soon(lambda: done.set_result(None))
        assert order == []

    engine.call(ask)
    wait(done, timeout=10)
    assert order == ["a", "b", "c"]


def test_a_wait_ends_at_its_timeout_and_leaves_the_work_alone() -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    with pytest.raises(TimeoutError):
        wait(future, timeout=0.05)
    future.set_result(3)
    assert wait(future) == 3


def test_a_cancelled_join_leaves_the_future_alone() -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()

    async def cancel() -> None:
        task = asyncio.ensure_future(join(future))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert not future.cancelled()


PUMP = """
import asyncio, concurrent.futures
from chatkit.engine import pump

future = concurrent.futures.Future()

async def cell():
    async def other_task():
        future.set_result("done by a task of this very loop")
    other = asyncio.ensure_future(other_task())
    print(pump(future))
    await other

asyncio.run(cell())
"""


def test_pump_lets_the_callers_own_loop_go_on() -> None:
    """In a process of its own: nesting changes asyncio for good."""
    ran = [sys.executable, "-c", PUMP]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "done by a task of this very loop\n"


def test_pump_without_a_loop_is_a_plain_wait() -> None:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    threading.Timer(0.05, future.set_result, [5]).start()
    assert pump(future) == 5


FORK = """
import os
from chatkit.engine import get_engine
from chatkit.answers.feed import Feed
from chatkit.messages import Message, TextPart
from chatkit.replies import Reply

engine = get_engine()
message = Message(id="a", role="assistant", status="complete", parts=[TextPart("over")])
over = Reply(Feed.ended_with(message, engine))
live = Reply(Feed(message.replace(status="streaming"), engine))
child = os.fork()
if child == 0:
    for reply in (over, live):
        print("".join(reply.deltas()), reply.wait(5).status, flush=True)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_a_forked_child_reads_what_there_is_of_an_answer() -> None:
    ran = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "over complete\nover interrupted\n"
