"""The calls of one step: asked for leave, run, and their results published.

The only module that runs a user's functions for a model, none of them on the engine's loop.
Before a function begins, the call and that it began are in the store, so that the death of this
process never runs it a second time by accident; where the store fails, that is warned of and
the function runs all the same.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import inspect
import logging
import os
import secrets
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from msgspec import UNSET

from chatkit import chunks as c
from chatkit import errands
from chatkit.answers.feed import Feed
from chatkit.errors import ConfigError, SchemaMismatch
from chatkit.messages import JSON, OPEN, Message, StepPart, ToolPart
from chatkit.tools import Tool

logger = logging.getLogger("chatkit")
BEGAN = {"chatkit": {"began": True}}  # tool metadata of a call whose function was started
REFUSED = "Nobody is here to allow this call, so it was not run."
CRASHED = (
    "The process that ran this call ended before its result was there. It may have had its effect;"
    " it was not run again."
)
CANCELLED = "CancelledError: the function was cancelled before it had a result."
ITSELF = (
    "this would wait for itself: the tool or on_finish= that runs now belongs to that answer, or to"
    " one before it in its chat. Ask in another chat, or with stream_text()"
)
ON_TOOLS = (
    "this would hold up every asynchronous tool: write `await chat.send(...)`, which waits without"
    " blocking, or make the tool a plain def, which has a thread of its own"
)
STOPPED = "This answer was stopped before the call had a result."


def open_calls(message: Message) -> list[ToolPart]:
    """The calls that still want a result from here."""
    return [
        part
        for part in message.parts
        if isinstance(part, ToolPart) and part.state in OPEN and not part.provider_executed
    ]


def calls_of_step(message: Message) -> list[ToolPart]:
    """The calls of the last step that are for us, answered or not."""
    calls = (part for part in message.last_step if isinstance(part, ToolPart))
    return [part for part in calls if not part.provider_executed]


def is_at_calls(message: Message) -> bool:
    """Whether an answer broke off where calls were to be run, or their results to be sent."""
    parts = [part for part in message.parts if not isinstance(part, StepPart)]
    last = parts[-1] if parts else None
    return isinstance(last, ToolPart) and not last.provider_executed and last.input is not UNSET


def check_wait(feed: Feed, *, blocks: bool) -> None:
    """Raises ConfigError where this answer waits for the very code that would wait for it, and
    where a wait that `blocks` its thread would do so to the loop of asynchronous tools."""
    if blocks and threading.current_thread() is _tools_thread:
        raise ConfigError(ON_TOOLS)
    ours = [each for each, run in _within.get() if not run.done()]
    if any(each in ours for each in (feed, *feed.after)):
        raise ConfigError(ITSELF)


class NotOurs(Exception):
    """The call is run by another process, or is over."""


class Calls:
    """Runs what a model asks for. On the engine's loop."""

    def __init__(
        self,
        tools: Mapping[str, Tool],
        *,
        feed: Feed,
        publish: Callable[[list[c.Chunk]], None],
        flush: Callable[[], Awaitable[None]],
        can_ask: bool,
    ) -> None:
        self._tools = tools
        self._feed = feed
        self._publish = publish
        self._flush = flush  # returns once what was published is in the store
        self.can_ask = can_ask  # whether somebody is there to be asked
        self._questions: dict[str, asyncio.Future[bool]] = {}  # by approval id

    async def run(self, parts: Iterable[ToolPart]) -> None:
        """Run these calls side by side; return when each has its result."""
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(self._run(part))

    def hear(self, word: JSON) -> None:
        """Another process says something of a call: that is for those that are lent out."""

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        """The user says yes or no to a call."""
        question = self._questions.pop(approval_id, None)
        if question is not None and not question.done():
            self._publish([c.ToolApprovalResponse(approval_id, approved, reason)])
            question.set_result(approved)

    async def _run(self, part: ToolPart) -> None:
        tool = self._tools.get(part.tool_name)
        if tool is None:
            return self._fail(part, self._unknown(part.tool_name))
        if began(part) and not tool.repeatable:
            return self._fail(part, CRASHED)
        enter(self._feed)
        try:
            arguments = await _in_thread(partial(tool.arguments, part.input), tool.name)
            if not await self._is_allowed(part, tool, arguments):
                return self._publish([c.ToolOutputDenied(part.tool_call_id)])
            await self._begin(part)
            output = await _output(tool, arguments)
        except NotOurs as why:
            logger.debug("call %s: %s", part.tool_call_id, why)
        except SchemaMismatch as mismatch:
            self._fail(part, f"The arguments do not fit: {mismatch}")
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            self._fail(part, CANCELLED)
        except Exception as error:  # the user's function: whatever it raises, the model is told
            logger.info("tool %s failed", tool.name, exc_info=True)
            self._fail(part, f"{type(error).__name__}: {error}")
        else:
            self._publish([c.ToolOutputAvailable(part.tool_call_id, output)])

    async def _is_allowed(self, part: ToolPart, tool: Tool, arguments: JSON) -> bool:
        given = (part.approval or {}).get("approved")
        if isinstance(given, bool):
            return given
        needed = tool.approve
        if callable(needed):
            needed = await _in_thread(partial(needed, arguments), tool.name)
        if not needed:
            return True
        approval_id = (part.approval or {}).get("id") or f"approval_{secrets.token_hex(8)}"
        self._publish([c.ToolApprovalRequest(approval_id, part.tool_call_id)])
        return await self._decision(part, approval_id)

    async def _decision(self, part: ToolPart, approval_id: str) -> bool:
        """What is said to the question whether this call may be run."""
        question: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._questions[approval_id] = question
        if not self.can_ask:
            self.decide(approval_id, False, REFUSED)
        return await question

    async def _begin(self, part: ToolPart) -> None:
        """Return once it is known that the function begins here. Raises NotOurs if it must not."""
        self._publish([marked(part, BEGAN)])
        await self._flush()

    def _fail(self, part: ToolPart, words: str) -> None:
        self._publish([c.ToolOutputError(part.tool_call_id, words)])

    def _unknown(self, name: str) -> str:
        known = ", ".join(sorted(self._tools)) or "none"
        return f"There is no tool {name!r} here. The tools are: {known}."


def mark_of(part: ToolPart) -> JSON:
    """What chatkit has noted about a call."""
    told = (part.tool_metadata or {}).get("chatkit")
    return told if isinstance(told, dict) else {}


def began(part: ToolPart) -> bool:
    """Whether its function was started somewhere."""
    return mark_of(part).get("began") is True


def marked(part: ToolPart, tool_metadata: JSON) -> c.Chunk:
    """The call once more, with something new known of it."""
    return c.ToolInputAvailable(
        part.tool_call_id, part.tool_name, part.input, tool_metadata=tool_metadata
    )


def enter(feed: Feed) -> None:
    """What this task does, and what it starts, is something that answer waits for."""
    run = asyncio.current_task()
    assert run is not None
    _within.set((*(each for each in _within.get() if not each[1].done()), (feed, run)))


# -- where a function runs --


async def _output(tool: Tool, arguments: JSON) -> Any:
    """What the function gives, as JSON, from the thread that it belongs to."""
    work = partial(_called, tool, arguments)
    if tool.main:
        return await asyncio.wrap_future(errands.submit(work))
    output = await _in_thread(work, tool.name)
    if inspect.isawaitable(output):
        future = asyncio.run_coroutine_threadsafe(_guarded(output), _loop())
        output = await asyncio.wrap_future(future)
    return output


def _called(tool: Tool, arguments: JSON) -> Any:
    """The output of the function; where that is to be awaited, what gives it then."""
    value = tool.function(**arguments)
    return _awaited(tool, value) if inspect.isawaitable(value) else tool.to_output(value)


async def _awaited(tool: Tool, work: Awaitable[Any]) -> Any:
    value = await work
    return await _in_thread(partial(tool.to_output, value), tool.name)


async def _in_thread(work: Callable[[], Any], name: str) -> Any:
    """A thread for each call: a slow one holds up nothing, and none holds up the exit."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(context.run(work))
            except BaseException as error:  # an exit too, which is for the main thread only
                future.set_exception(errands.as_exception(error))

    threading.Thread(target=run, name=f"chatkit-{name}", daemon=True).start()
    return await asyncio.wrap_future(future)


async def _guarded(work: Awaitable[Any]) -> Any:
    try:
        return await work
    except (asyncio.CancelledError, GeneratorExit):  # its task is ended, or thinks so
        raise
    except BaseException as error:  # an exit would end the loop of all tools
        raise errands.as_exception(error) from None


def _is_cancelled() -> bool:
    """Whether it is the running task that was cancelled, not something it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _loop() -> asyncio.AbstractEventLoop:
    """The loop of asynchronous tools: one for all, as their clients want, and not the engine's,
    which a tool that blocks would stop."""
    global _tools_loop, _tools_thread
    if _tools_loop is None:  # the engine's thread alone asks
        _tools_loop = loop = asyncio.new_event_loop()
        _tools_thread = threading.Thread(target=loop.run_forever, name="chatkit-tools", daemon=True)
        _tools_thread.start()
    return _tools_loop


def _forget() -> None:
    """In a forked child: its parent's thread is not there."""
    global _tools_loop, _tools_thread
    _tools_loop = _tools_thread = None


_Call = tuple[Feed, asyncio.Task[Any]]  # an answer, and a task that it waits for
_within: contextvars.ContextVar[tuple[_Call, ...]] = contextvars.ContextVar("within", default=())
_tools_loop: asyncio.AbstractEventLoop | None = None
_tools_thread: threading.Thread | None = None
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
