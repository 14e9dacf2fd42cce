"""Where a tool's function, its rule and its result are worked on, and what may come of them."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Generator
from contextvars import ContextVar
from typing import Any

import pydantic
import pytest

from chatkit import Chat, Reply, get_model, stream_text, tool
from chatkit.chunks import ToolOutputAvailable
from chatkit.messages import ToolPart
from chatkit.providers import Model
from tests.servers import Provider
from tests.test_steps import asks_for, call, tools_of, until

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


# -- a wait for itself --


def asks(chat: Chat) -> None:
    chat.ask("And this?")


def reads(chat: Chat) -> None:
    list(chat.send("And this?"))


def waits(chat: Chat) -> None:
    chat.wait()


async def awaits(chat: Chat) -> None:
    await chat.send("And this?")


async def follows(chat: Chat) -> None:
    async for _ in chat.send("And this?"):
        pass


@pytest.mark.parametrize("main", [False, True])
@pytest.mark.parametrize("wait", [asks, reads, waits, awaits, follows])
def test_a_tool_that_waits_for_its_own_chat_is_told_that_this_would_never_end(
    provider: Provider, model: Model, wait: Callable[[Chat], Any], main: bool
) -> None:
    def run() -> Any:
        return wait(chat)

    chat = Chat("own", model=model, tools=[tool(run, main=main)])
    asks_for(provider, call("run"))
    provider.answer("Done.")
    reply = chat.send("Go.").wait(10)
    assert reply.text == "Done."
    assert "this would wait for itself" in (tools_of(reply.message)[0].error_text or "")
    assert chat.wait(10).status == "ready"  # what was sent is answered, after the tool


def test_a_tool_that_waits_for_its_own_chat_by_way_of_another_is_told_too(
    provider: Provider, model: Model
) -> None:
    def here() -> str:
        return there.ask("Go on.").text

    def back() -> str:
        return chat.ask("And this?").text

    chat = Chat("own", model=model, tools=[here])
    there = Chat("other", model=model, tools=[back])
    asks_for(provider, call("here"))
    asks_for(provider, call("back"))
    provider.answer("It is not to be had.")
    provider.answer("Done.")
    reply = chat.send("Go.").wait(10)
    assert (reply.text, tools_of(reply.message)[0].output) == ("Done.", "It is not to be had.")
    [part] = tools_of(there.messages[-1])
    assert "this would wait for itself" in (part.error_text or "")
    chat.wait(10)


def test_an_async_tool_that_would_block_the_loop_of_all_is_told_to_await(
    provider: Provider, model: Model
) -> None:
    async def asks_there() -> str:
        return other.ask("Go on.").text

    async def awaits_there() -> str:
        return (await other.send("Go on.")).text

    chat = Chat("own", model=model, tools=[asks_there, awaits_there])
    asks_for(provider, call("asks_there"))
    asks_for(provider, call("awaits_there"))
    with Provider() as beside:  # which of the two chats asks first is not known
        other = Chat("other", model=get_model(model, base_url=beside.url))
        reply = chat.send("Go.").wait(10)
        other.wait(10)
    blocked, awaited = tools_of(reply.message)
    assert "hold up every asynchronous tool" in (blocked.error_text or "")
    assert awaited.output == "Answer to: Go on."


def test_what_a_tool_leaves_behind_may_wait_for_its_chat(provider: Provider, model: Model) -> None:
    left: list[asyncio.Task[Reply]] = []
    over, told = threading.Event(), threading.Event()

    async def report() -> Reply:
        await asyncio.to_thread(over.wait, 10)
        reply = chat.send("It is ready.")
        await reply
        told.set()
        return reply

    async def start() -> str:
        left.append(asyncio.create_task(report()))
        return "begun"

    chat = Chat("own", model=model, tools=[start])
    asks_for(provider, call("start"))
    last = provider.answer("Begun.", gated=True)
    reply = chat.send("Start.")
    for chunk in reply:
        if isinstance(chunk, ToolOutputAvailable):
            over.set()  # the tool is; its answer is not
            until(lambda: len(chat.messages) == 4)
            last.open()
    assert told.wait(10)
    until(left[0].done)
    assert left[0].result().text == "Answer to: It is ready."


FORK = """
import os, threading
from chatkit import Chat, conversation

chat = Chat("kept", model="openai-chat/test")
held, over = threading.Event(), threading.Event()

def hold():
    with conversation._lock, chat._conversation.record.changing():
        held.set()
        over.wait()

threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if child == 0:
    print(chat.messages, Chat("new", model=chat.model).messages, flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1])
over.set()
"""


def test_a_forked_child_uses_its_chats_whoever_did_when_it_forked() -> None:
    ran = [sys.executable, "-W", "ignore", "-c", FORK]
    done = subprocess.run(ran, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "[] []\n0\n"
