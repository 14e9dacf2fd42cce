"""Where a tool's function, its rule and its result are worked on, and what may come of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any

import pydantic
import pytest

from chatkit import Reply, stream_text, tool
from chatkit.messages import ToolPart
from chatkit.providers import Model
from tests.servers import Provider
from tests.test_steps import asks_for, call, tools_of

cell: ContextVar[str] = ContextVar("cell", default="no cell's")
here: list[threading.Thread] = []  # where what a test looks at has run


@pytest.fixture(autouse=True)
def _nowhere() -> None:
    here.clear()


def answered(
    provider: Provider, model: Model, function: Any, arguments: str = "{}", **options: Any
) -> ToolPart:
    """The one call of an answer that calls this function, and then says "Done."."""
    asks_for(provider, call("run", arguments))
    provider.answer("Done.")
    made = tool(function, name="run", **options)
    reply = stream_text(model, "Go.", tools=[made]).wait(10)
    assert (reply.status, reply.text, len(provider.requests)) == ("complete", "Done.", 2)
    [part] = tools_of(reply.message)
    return part


# -- what comes of a function --


class Left(BaseException):
    """What an outcome of a test library, or a cancelled task of another loop, is."""


def raises(error: BaseException) -> Callable[[], None]:
    def run() -> None:
        raise error

    return run


def raises_later(error: BaseException) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        raise error

    return run


ENDINGS = (
    StopIteration("none"),
    StopAsyncIteration("none"),
    asyncio.CancelledError("none"),
    concurrent.futures.CancelledError("none"),
    GeneratorExit("none"),
    Left("none"),
)


@pytest.mark.parametrize("main", [False, True])
@pytest.mark.parametrize("error", ENDINGS, ids=repr)
def test_whatever_a_function_raises_is_told_to_the_model(
    provider: Provider, model: Model, error: BaseException, main: bool
) -> None:
    part = answered(provider, model, raises(error), main=main)
    assert part.state == "output-error"
    assert type(error).__name__ in (part.error_text or "")
    assert provider.requests[1].body["messages"][-1]["content"] == part.error_text


@pytest.mark.parametrize("main", [False, True])
@pytest.mark.parametrize(
    "error",
    [each for each in ENDINGS if not isinstance(each, GeneratorExit)],  # it means: be closed
    ids=repr,
)
def test_whatever_an_asynchronous_function_raises_is_told_to_the_model(
    provider: Provider, model: Model, error: BaseException, main: bool
) -> None:
    part = answered(provider, model, raises_later(error), main=main)
    assert part.state == "output-error"
    assert any(word in (part.error_text or "") for word in (type(error).__name__, "cancelled"))
    assert provider.requests[1].body["messages"][-1]["content"] == part.error_text


def test_a_stop_cancels_an_asynchronous_function(provider: Provider, model: Model) -> None:
    began, cancelled = threading.Event(), threading.Event()

    async def wait() -> None:
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    asks_for(provider, call("wait"))
    reply = stream_text(model, "Wait.", tools=[wait]).consume()
    assert began.wait(10)
    assert reply.stop().wait(10).status == "stopped"
    assert cancelled.wait(10)
    assert "stopped before" in (tools_of(reply.message)[0].error_text or "")


class Promise:
    """To be awaited, and no coroutine."""

    def __await__(self) -> Generator[Any, None, str]:
        return later().__await__()


async def later() -> str:
    await asyncio.sleep(0)
    return "kept"


@pytest.mark.parametrize("main", [False, True])
@pytest.mark.parametrize("function", [later, lambda: later(), lambda: Promise()])
def test_what_a_function_returns_is_awaited_if_it_can_be(
    provider: Provider, model: Model, function: Any, main: bool
) -> None:
    assert answered(provider, model, function, main=main).output == "kept"


# -- where it runs --


class Slow:
    """Its repr is work, which is done where the test sees it."""

    def __repr__(self) -> str:
        here.append(threading.current_thread())
        return "Slow"


class Town(pydantic.BaseModel):
    """Checked by code of the user's own."""

    name: str

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        here.append(threading.current_thread())
        return name


def shown() -> Slow:
    return Slow()


async def shown_later() -> Slow:
    here.append(threading.current_thread())  # the loop of all asynchronous functions
    return Slow()


def go_to(town: Town) -> str:
    return town.name


def test_arguments_are_checked_off_the_engines_thread(provider: Provider, model: Model) -> None:
    part = answered(provider, model, go_to, '{"town": {"name": "Rome"}}')
    assert part.output == "Rome"
    assert here != []
    assert {thread.name for thread in here} == {"chatkit-run"}


def test_a_result_is_made_json_where_the_function_ran(provider: Provider, model: Model) -> None:
    assert answered(provider, model, shown).output == "Slow"
    assert {thread.name for thread in here} == {"chatkit-run"}


def test_a_result_of_the_main_thread_is_made_json_there(provider: Provider, model: Model) -> None:
    assert answered(provider, model, shown, main=True).output == "Slow"
    assert set(here) == {threading.main_thread()}


def test_a_result_that_was_awaited_is_made_json_off_every_loop(
    provider: Provider, model: Model
) -> None:
    assert answered(provider, model, shown_later).output == "Slow"
    loop, *shown = here
    assert loop.name == "chatkit-tools"
    assert {thread.name for thread in shown} == {"chatkit-run"}


@pytest.mark.parametrize("main", [False, True])
def test_a_rule_may_wait_for_another_answer(provider: Provider, model: Model, main: bool) -> None:
    def rule(arguments: Any) -> bool:
        here.append(threading.current_thread())
        return "May I?" not in stream_text(model, "May I?").wait(10).text

    asks_for(provider, call("later"))
    provider.answer("You asked: May I?")
    provider.answer("Done.")
    reply = stream_text(model, "Go.", tools=[tool(later, approve=rule, main=main)]).wait(10)
    assert (reply.text, tools_of(reply.message)[0].output) == ("Done.", "kept")
    assert [thread.name for thread in here] == ["chatkit-later"]


def sees() -> str:
    return cell.get()


async def sees_later() -> str:
    await asyncio.sleep(0)
    return cell.get()


@pytest.mark.parametrize("main", [False, True])
@pytest.mark.parametrize("function", [sees, sees_later])
def test_a_tool_sees_the_context_of_the_cell_that_sent(
    provider: Provider, model: Model, function: Any, main: bool
) -> None:
    rules: list[str] = []

    def rule(arguments: Any) -> bool:
        rules.append(cell.get())
        return False

    asks_for(provider, call("run"))
    provider.answer("Done.")
    made = tool(function, name="run", main=main, approve=rule)
    before = cell.set("this cell's")
    reply = stream_text(model, "Go.", tools=[made]).consume()
    cell.reset(before)
    reply.wait(10)
    assert [part.output for part in tools_of(reply.message)] == ["this cell's"]
    assert rules == ["this cell's"]


# -- on the main thread, of a program whose own loop runs there --


def main_thread() -> str:
    here.append(threading.current_thread())
    return "ran"


async def main_thread_later() -> str:
    await asyncio.sleep(0)
    return main_thread()


async def awaited(reply: Reply) -> str:
    return (await reply).text


async def iterated(reply: Reply) -> str:
    return "".join([text async for text in reply.deltas()])


@pytest.mark.parametrize("function", [main_thread, main_thread_later])
@pytest.mark.parametrize("read", [awaited, iterated])
def test_a_tool_for_the_main_thread_runs_while_its_loop_awaits_the_answer(
    provider: Provider, model: Model, read: Callable[[Reply], Awaitable[str]], function: Any
) -> None:
    async def program() -> str:
        reply = stream_text(model, "Go.", tools=[tool(function, name="run", main=True)])
        return await asyncio.wait_for(read(reply), 10)

    asks_for(provider, call("run"))
    provider.answer("Done.")
    assert asyncio.run(program()) == "Done."
    assert here == [threading.main_thread()]
