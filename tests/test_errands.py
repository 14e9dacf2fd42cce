"""Work for the main thread: in its caller's context, once, whatever comes of it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextvars import ContextVar
from typing import Any

import pytest

from chatkit import errands
from chatkit.engine import join, wait

place: ContextVar[str] = ContextVar("place", default="nowhere")


async def where() -> str:
    await asyncio.sleep(0)
    return place.get()


@pytest.mark.parametrize("work", [place.get, where])
def test_work_is_done_in_the_context_of_whoever_handed_it_in(work: Any) -> None:
    before = place.set("there")
    future = errands.submit(work)
    place.reset(before)
    assert wait(future, 10) == "there"


@pytest.mark.parametrize("work", [place.get, where])
def test_work_is_done_while_the_main_thread_awaits_it(work: Any) -> None:
    async def program() -> Any:
        return await asyncio.wait_for(join(errands.submit(work)), 10)

    assert asyncio.run(program()) == "nowhere"


def test_an_error_that_a_future_does_not_take_is_told_in_one_that_it_does() -> None:
    future = errands.submit(lambda: next(iter(())))
    with pytest.raises(RuntimeError, match=r"it ended with StopIteration\(\)"):
        wait(future, 10)


FORK = """
import concurrent.futures, os
from chatkit import engine, errands

future = errands.submit(lambda: print("done", flush=True))
child = os.fork()
try:
    engine.wait(concurrent.futures.Future() if child == 0 else future, 0.2)
except TimeoutError:
    pass
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""


def test_what_waits_at_a_fork_is_done_by_the_parent_alone() -> None:
    ran = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "done\n"


NESTED = """
import asyncio
from chatkit import errands
from chatkit.engine import get_engine

async def fails():
    await asyncio.sleep(0)
    raise LookupError

async def told(future):
    return repr((await asyncio.wait([asyncio.wrap_future(future)]))[0].pop().exception())

async def cell():
    return get_engine().run(told(errands.submit(fails)))

print(asyncio.run(cell()))
"""


def test_what_fails_while_a_cell_waits_is_told_to_whoever_handed_it_in_alone() -> None:
    """In a process of its own: nesting changes asyncio for good."""
    ran = [sys.executable, "-W", "ignore", "-c", NESTED]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "LookupError()\n"
