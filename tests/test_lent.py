"""Calls that are lent out: what a worker takes from kernels, and what comes too late."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from chatkit import chunks as c
from chatkit import tool
from chatkit.answers import lent
from chatkit.answers.calls import CRASHED, marked, open_calls
from chatkit.answers.feed import Feed
from chatkit.answers.lent import LentCalls
from chatkit.engine import get_engine
from chatkit.errors import StreamCut
from chatkit.messages import Message, ToolPart
from chatkit.stores import this_process
from tests.test_steps import add, tools_of

ELSEWHERE = {"host": "another", "boot": "another", "namespace": "another", "pid": 1}


class Lending:
    """A worker's answer at one call of `add`, and the kernels that talk to it."""

    def __init__(self, *, repeatable: bool = False, **part: Any) -> None:
        call = ToolPart("add", "c1", "input-available", input={"a": 2, "b": 3}, **part)
        message = Message(id="ours", role="assistant", parts=(call,), status="streaming")
        self.feed = Feed(message, get_engine())
        tools = {"add": tool(add, repeatable=repeatable)}
        self.calls = LentCalls(
            tools, feed=self.feed, publish=self.feed.publish, flush=never, can_ask=False
        )

    @property
    def part(self) -> ToolPart:
        return tools_of(self.feed.message())[0]

    def says(self, by: str, *chunks: c.Chunk, owner: dict[str, Any] | None = None) -> None:
        said = [c.to_json(chunk) for chunk in chunks]
        owner = this_process() if owner is None else owner
        self.calls.hear({"do": "calls", "by": by, "owner": owner, "chunks": said})

    def begins(self, by: str, **more: Any) -> None:
        self.says(by, marked(self.part, {"chatkit": {"began": True, "by": by}}), **more)

    async def run(self) -> None:
        await self.calls.run(open_calls(self.feed.message()))


async def never() -> None:
    raise AssertionError("whoever writes it flushes")


def run(work: Coroutine[Any, Any, None]) -> None:
    get_engine().run(work)


def test_the_first_kernel_that_would_begin_a_call_may_and_its_result_alone_holds() -> None:
    async def talk() -> None:
        lending = Lending()
        running = asyncio.create_task(lending.run())
        await asyncio.sleep(0)
        assert lending.part.tool_metadata == lent.LENT
        lending.says("b", c.ToolOutputAvailable("c1", 6))
        lending.begins("a")
        lending.begins("b")
        assert lending.part.tool_metadata == {"chatkit": {"began": True, "by": "a"}}
        lending.says("b", c.ToolOutputAvailable("c1", 7))
        lending.says("b", c.ToolOutputError("c1", "no"))
        assert lending.part.state == "input-available"
        lending.says("a", c.ToolOutputAvailable("c1", 5))
        lending.says("a", c.ToolOutputAvailable("c1", 8))
        await running
        assert (lending.part.state, lending.part.output) == ("output-available", 5)

    run(talk())


def test_a_call_is_asked_about_once_and_not_begun_after_a_no() -> None:
    async def talk() -> None:
        lending = Lending()
        running = asyncio.create_task(lending.run())
        await asyncio.sleep(0)
        lending.says("a", c.ToolOutputDenied("c1"))
        lending.says("a", c.ToolApprovalRequest("first", "c1"))
        lending.says("b", c.ToolApprovalRequest("second", "c1"))
        assert lending.part.approval == {"id": "first"}
        lending.calls.decide("second", True, None)
        lending.calls.decide("first", False, "no")
        lending.calls.decide("first", True, None)
        assert lending.part.approval == {"id": "first", "approved": False, "reason": "no"}
        lending.begins("a")
        stands: str = lending.part.state
        assert stands == "approval-responded"
        lending.says("b", c.ToolOutputDenied("c1"))
        await running
        assert lending.part.state == "output-denied"

    run(talk())


@pytest.mark.parametrize("owner", [this_process() | {"started": "long ago"}, ELSEWHERE])
@pytest.mark.parametrize("repeatable", [False, True])
def test_a_kernel_that_is_gone_gives_its_call_back(
    owner: dict[str, Any], repeatable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lent, "LOOK", 0.01)
    monkeypatch.setattr(lent, "SILENCE", 0.05)

    async def talk() -> None:
        lending = Lending(repeatable=repeatable)
        running = asyncio.create_task(lending.run())
        await asyncio.sleep(0)
        lending.begins("a", owner=owner)
        while lending.part.tool_metadata != lent.LENT and not running.done():
            await asyncio.sleep(0.01)
        if repeatable:
            lending.begins("b")
            lending.says("a", c.ToolOutputAvailable("c1", 6))
            lending.says("b", c.ToolOutputAvailable("c1", 5))
        await running
        told = lending.part.error_text, lending.part.output
        assert told[1 if repeatable else 0] == (5 if repeatable else CRASHED)

    run(talk())


def test_a_call_that_had_begun_when_its_answer_broke_off_is_not_lent_again() -> None:
    lending = Lending(tool_metadata={"chatkit": {"began": True}})
    run(lending.run())
    assert lending.part.error_text == CRASHED


def test_where_no_kernel_says_anything_the_wait_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "LOOK", 0.01)
    monkeypatch.setattr(lent, "PATIENCE", 0.05)
    lending = Lending()
    with pytest.raises(StreamCut, match="no kernel came"):
        run(lending.run())
    assert lending.part.state == "input-available"


@pytest.mark.parametrize(
    "word",
    [
        {},
        {"do": "dance"},
        {"do": "calls", "by": "a", "owner": {}, "chunks": [{"type": "tool-output-available"}]},
        {"do": "calls", "by": "a", "owner": {}, "chunks": [{"type": "unheard-of"}, {}]},
        {"do": "calls", "by": "a", "owner": {}, "chunks": [{"type": "text-start", "id": "1"}]},
        {"do": "calls", "by": "a", "owner": None, "chunks": {}},
    ],
)
def test_a_word_that_says_nothing_changes_nothing(word: dict[str, Any]) -> None:
    async def talk() -> None:
        lending = Lending()
        before = lending.feed.message()
        lending.calls.hear(word)
        assert lending.feed.message() == before

    run(talk())
