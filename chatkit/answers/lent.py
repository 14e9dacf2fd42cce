"""Calls whose functions are in another process than the writer of their answer.

A worker has no functions. It lends the calls of a step out: marks them in the live log, and waits.
Every kernel that follows the answer and has the functions may run them, and says what comes of
it in words left for the worker. The worker alone decides what of that holds, and writes it down:
of the kernels that would begin a call the first may, and it begins when it sees that written.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from chatkit import chunks as c
from chatkit.answers.calls import (
    CRASHED,
    REFUSED,
    Calls,
    NotOurs,
    began,
    mark_of,
    marked,
    open_calls,
)
from chatkit.answers.feed import Feed
from chatkit.errors import StreamCut
from chatkit.messages import JSON, ToolPart
from chatkit.stores import is_gone, this_process
from chatkit.tools import Tool

LENT = {"chatkit": {"lent": True}}  # tool metadata of a call that whoever has its function may run
LOOK = 1.0  # seconds between looks at those who run calls
HERE = 5.0  # seconds between their signs of life
SILENCE = 30.0  # seconds without one after which a kernel counts as gone
PATIENCE = 600.0  # seconds to wait for a kernel
ALONE = "no kernel came to run its calls: run the cell that asked again, and it goes on from there"
Say = Callable[[JSON], Awaitable[None]]


class _Kernel(NamedTuple):
    """A kernel as the worker knows it."""

    owner: JSON  # its process
    heard: float

    @property
    def is_gone(self) -> bool:
        return is_gone(self.owner) or time.monotonic() > self.heard + SILENCE


class LentCalls(Calls):
    """The worker's side."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._kernels: dict[str, _Kernel] = {}
        self._run_by: dict[str, str] = {}  # calls, and which kernel has begun them
        self._news = asyncio.Event()

    async def run(self, parts: Iterable[ToolPart]) -> None:
        """Lend these calls out; return when each has its result. Raises StreamCut."""
        for part in parts:
            self._lend(part)
        lent = time.monotonic()
        while calls := open_calls(self._feed.message()):
            heard = [kernel.heard for kernel in self._kernels.values()]
            if time.monotonic() > max(lent, *heard, 0.0) + PATIENCE:
                raise StreamCut(ALONE)
            self._take_back(calls)
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK):  # not wait_for: see `Feed.wanted_within`
                    await self._news.wait()

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        for part in open_calls(self._feed.message()):
            told = part.approval or {}
            if told.get("id") == approval_id and "approved" not in told:
                self._write(c.ToolApprovalResponse(approval_id, approved, reason))

    def hear(self, word: JSON) -> None:
        """What a kernel says of the calls: that it is there, and what is to be written."""
        match word:
            case {"do": "calls", "by": str(by), "owner": dict(owner), "chunks": list(said)}:
                self._kernels[by] = _Kernel(owner, time.monotonic())
                with suppress(msgspec.ValidationError):  # of another version
                    for one in said:
                        self._take(by, c.from_json(one))

    def _take(self, by: str, said: c.Chunk | None) -> None:
        match said:
            case c.ToolApprovalResponse(id, approved, reason):
                return self.decide(id, approved, reason)
            case c.ToolInputAvailable() | c.ToolApprovalRequest():
                part = self._open(said.tool_call_id)
            case c.ToolOutputAvailable() | c.ToolOutputError() | c.ToolOutputDenied():
                part = self._open(said.tool_call_id)
            case _:
                return
        if part is not None and self._holds(by, part, said):
            self._write(said)

    def _holds(self, by: str, part: ToolPart, said: c.Chunk) -> bool:
        """Whether this kernel may say this of an open call; what comes too late may not be."""
        runner, approved = (
            self._run_by.get(part.tool_call_id),
            (part.approval or {}).get("approved"),
        )
        match said:
            case c.ToolInputAvailable() if runner is None and approved is not False:
                self._run_by[part.tool_call_id] = by
                return True
            case c.ToolApprovalRequest():
                return runner is None and part.state == "input-available" and approved is None
            case c.ToolOutputDenied():
                return approved is False
            case c.ToolOutputError():
                return runner in (by, None)
            case _:
                return runner == by

    def _lend(self, part: ToolPart) -> None:
        tool = self._tools.get(part.tool_name)
        if tool is None:
            self._fail(part, self._unknown(part.tool_name))
        elif began(part) and not tool.repeatable:
            self._fail(part, CRASHED)
        else:
            self._run_by.pop(part.tool_call_id, None)
            self._write(marked(part, LENT))

    def _take_back(self, calls: Iterable[ToolPart]) -> None:
        """Of those that were begun, the ones whose kernel is gone."""
        for part in calls:
            runner = self._run_by.get(part.tool_call_id)
            if runner is not None and self._kernels[runner].is_gone:
                self._lend(part)

    def _open(self, call_id: str) -> ToolPart | None:
        calls = open_calls(self._feed.message())
        return next((part for part in calls if part.tool_call_id == call_id), None)

    def _write(self, chunk: c.Chunk) -> None:
        self._publish([chunk])
        self._news.set()


class BorrowedCalls(Calls):
    """The kernel's side: what it would write it says, and sees it when it is written."""

    def __init__(self, by: str, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._by = by

    async def _decision(self, part: ToolPart, approval_id: str) -> bool:
        if not self.can_ask:
            self._publish([c.ToolApprovalResponse(approval_id, False, REFUSED)])
        while "approved" not in ((now := self._now(part)).approval or {}):
            await self._feed.more()
        approved: bool = (now.approval or {})["approved"]
        return approved

    async def _begin(self, part: ToolPart) -> None:
        self._publish([marked(part, {"chatkit": {"began": True, "by": self._by}})])
        while not began(now := self._now(part)):
            await self._feed.more()
        if mark_of(now).get("by") != self._by:
            raise NotOurs("another kernel runs it")

    def _now(self, part: ToolPart) -> ToolPart:
        """The call as it is written by now. Raises NotOurs if it has its result."""
        calls = [] if self._feed.ended else open_calls(self._feed.message())
        for now in calls:
            if now.tool_call_id == part.tool_call_id:
                return now
        raise NotOurs("it is over")


class Borrower:
    """Runs the calls of an answer that are lent out, as long as it is written. On the loop."""

    def __init__(self, tools: Mapping[str, Tool], feed: Feed, say: Say, *, can_ask: bool) -> None:
        self._tools = tools
        self._feed = feed
        self._say = say
        self._by = secrets.token_hex(8)
        self._said: asyncio.Queue[list[c.Chunk]] = asyncio.Queue()
        self._calls = BorrowedCalls(
            self._by, tools, feed=feed, publish=self._said.put_nowait, flush=_never, can_ask=can_ask
        )
        self._running: dict[str, asyncio.Task[None]] = {}  # by call
        loop = feed.engine.loop
        self._tasks = [loop.create_task(self._watch()), loop.create_task(self._tell())]

    async def _watch(self) -> None:
        cursor = self._feed.cursor()
        while chunks := await cursor.read():
            if any(isinstance(chunk, c.ToolInputAvailable) for chunk in chunks):
                self._begin_calls()
        await self._said.put([])

    def _begin_calls(self) -> None:
        for part in open_calls(self._feed.message()):
            id, is_known = part.tool_call_id, part.tool_name in self._tools
            if is_known and mark_of(part).get("lent") and id not in self._running:
                self._running[id] = asyncio.create_task(self._run(part))

    async def _run(self, part: ToolPart) -> None:
        try:
            await self._calls.run([part])
        finally:
            del self._running[part.tool_call_id]

    async def _tell(self) -> None:
        """Say what there is to say, in its order; and that this kernel is there, while it is."""
        while not self._feed.ended:
            said: list[c.Chunk] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(HERE):
                    said = await self._said.get()
            if said or self._running:
                chunks = [c.to_json(chunk) for chunk in said]
                word = {"do": "calls", "by": self._by, "owner": this_process(), "chunks": chunks}
                await self._say(word)


async def _never() -> None:
    """What is said is seen when it is written."""
