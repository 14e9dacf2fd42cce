"""The one owner of an answer: its connection, its message and its writes.

It reads the provider as fast as somebody wants it, reduces what arrives into the feed, writes
it to the store if there is one, and says how it ended: `complete` only where the provider's
own terminal mark was seen.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

import msgspec

from chatkit.answers.calls import STOPPED, enter, open_calls
from chatkit.answers.feed import Feed
from chatkit.answers.inbox import Word
from chatkit.answers.journal import Journal
from chatkit.answers.steps import Question, Steps
from chatkit.chunks import (
    Abort,
    Chunk,
    Error,
    ReasoningDelta,
    TextDelta,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputError,
)
from chatkit.costs import accounted, is_at_hand
from chatkit.engine import Engine, Running
from chatkit.errors import ChatkitError, NothingMore, StreamCut, describe
from chatkit.messages import Message, Status, Usage
from chatkit.reducer import settled

logger = logging.getLogger("chatkit")
Outcome = Literal["complete", "stopped", "interrupted", "error"]
# what a model writes, token by token; a step or what the answer is known by comes before
_TOKENS = frozenset((TextDelta, ReasoningDelta, ToolInputStart, ToolInputDelta, ToolInputAvailable))


class FinishEvent(msgspec.Struct, frozen=True):
    """What `on_finish` is given: how an answer ended, after its final write.

    `messages` is the conversation with this answer at its end.
    """

    outcome: Outcome
    finish_reason: str | None
    usage: Usage | None
    message: Message
    messages: list[Message]
    is_continuation: bool = False
    error: Exception | None = None


OnFinish = Callable[[FinishEvent], Any]
OnChunk = Callable[[Chunk], Any]


class Ask(msgspec.Struct, frozen=True):
    """What a producer needs to know: what is asked, after which messages, and whom to tell."""

    question: Question
    messages: Callable[[], Sequence[Message]]  # called when it is this ask's turn
    on_chunk: OnChunk | None = None
    on_finish: OnFinish | None = None
    is_continuation: bool = False  # it goes on with an answer that broke off
    otherwise: Callable[[], Feed] | None = None  # asks beside it, where nobody can go on with it
    elsewhere: Callable[[], Feed] | None = None  # follows it, where another process writes it


class Producer(Running):
    """Asks, and sees one answer through to its end."""

    def __init__(
        self, feed: Feed, ask: Ask, engine: Engine, journal: Journal | None = None
    ) -> None:
        self.feed = feed
        self._ask = ask
        self._engine = engine
        self._journal = journal
        if journal is not None:
            journal.serve(self)
        self._steps = Steps(ask.question, feed, engine, publish=self._publish, flush=self._flush)
        self._halt: Status | None = None  # why it was told to end
        self._can_end = False  # not before its task has begun, nor while its end is written
        self._began = time.monotonic()
        self._first: float | None = None  # when its first token came
        self._task: asyncio.Task[None] | None = None
        self._on_chunk = ask.on_chunk
        self._ended = asyncio.Event()
        self._is_over = False

    def start(self) -> None:
        """Begin, once the answers before this one have ended. On the engine's loop."""
        self._engine.running.add(self)
        self._task = self._engine.loop.create_task(self._run())

    def stop(self) -> None:
        """Somebody said stop: the connection is closed, what arrived is kept."""
        self._end_early("stopped")
        self.feed.drain()  # one that was never begun ends too

    def interrupt(self) -> None:
        """The process ends: what arrived is kept."""
        self._end_early("interrupted")
        if self._journal is not None:
            self._journal.give_up()

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        """Somebody allows a tool call, or does not."""
        if self.is_at_work:
            self._steps.calls.decide(approval_id, approved, reason)

    def hear(self, word: Word) -> None:
        """What another process says to whoever writes this answer."""
        match word:
            case {"do": "stop"}:
                self.stop()
            case {"do": "decide", "id": str(id), "approved": bool(approved)}:
                self.decide(id, approved, word.get("reason"))
            case _ if self.is_at_work:
                self._steps.calls.hear(word)

    def lose(self) -> None:
        """Another process has taken the answer over: here it is over."""
        self._end_early("interrupted")

    @property
    def is_at_work(self) -> bool:
        """Whether it still has something to write, be it the end."""
        return not self._is_over

    @property
    def unattended(self) -> bool:
        return self.feed.draining and not self.feed.done.done()

    async def ended(self) -> None:
        await self._ended.wait()

    def _end_early(self, status: Status) -> None:
        if self._halt is None:
            self._halt = status
            if self._task is not None and self._can_end:
                self._task.cancel()

    async def _run(self) -> None:
        self._can_end = True
        status, error = await self._answer()
        self._can_end = False
        try:
            if status == "stopped":
                await self._steps.cancel()
            await self._finish(await self._accounted(self._final(status, error)), error)
        finally:
            if not self.feed.ended:  # what could not be summed up or written is over all the same
                self.feed.end(settled(self.feed.message(), status), error)
            self.feed.done.set_result(None)
            self._ended.set()
            try:
                if self._journal is not None:
                    await self._journal.settle()
            finally:  # a worker waits for this
                self._is_over = True
                self._engine.running.discard(self)
                self._steps.let_go()

    async def _answer(self) -> tuple[Status, Exception | None]:
        """How it ended, and why. Every foreign way to end becomes one of four here."""
        try:
            await self._read()
        except asyncio.CancelledError:
            return self._halted()
        except StreamCut as cut:
            return ("stopped", None) if self._steps.aborted else ("interrupted", cut)
        except ChatkitError as refused:
            return "error", refused
        except Exception as defect:
            logger.exception("reading %s failed", self._ask.question.model.id)
            return "error", defect
        return "complete", None

    def _halted(self) -> tuple[Status, Exception | None]:
        """Told to end; but what had been said to its end is complete."""
        self._steps.close()
        if self._steps.error is not None:
            return "error", self._steps.error
        return ("complete" if self._steps.whole else self._halt or "interrupted"), None

    async def _read(self) -> None:
        if self._halt is not None:
            raise asyncio.CancelledError  # before it began
        if self._journal is not None:
            await self._journal.prepare()
        for earlier in self.feed.after:
            await earlier.until_end()
        await self.feed.wanted()
        if self.feed.after and self._journal is not None:
            await self._journal.look()  # who stopped that one may have stopped this one too
            await asyncio.sleep(0)  # where it ends if so
        messages = self._ask.messages()
        started = self._started(self.feed.message())
        self.feed.begin(started)
        self._began = time.monotonic()
        await self._steps.run(messages)

    def _started(self, message: Message) -> Message:
        """The message as it begins, or goes on."""
        metadata = {name: told for name, told in message.metadata.items() if name != "error"}
        if schema := self._ask.question.schema:
            metadata["schema"] = schema.name
        created_at = message.created_at if self._ask.is_continuation else None
        return message.replace(
            status="streaming", created_at=created_at or datetime.now(UTC), metadata=metadata
        )

    async def _flush(self) -> None:
        if self._journal is not None:
            await self._journal.flush()

    def _publish(self, chunks: list[Chunk]) -> None:
        if not chunks:
            return
        if self.feed.note:
            self.feed.say("")
        if self._first is None and not _TOKENS.isdisjoint(map(type, chunks)):
            self._first = time.monotonic()
        self.feed.publish(chunks)
        if self._journal is not None:
            self._journal.touch()
        if self._on_chunk is not None:
            self._tell(chunks)

    def remark(self, chunks: list[Chunk]) -> None:
        """Say something beside the answer to whoever follows it elsewhere."""
        self.feed.publish(chunks)
        if self._journal is not None:
            self._journal.touch()

    def _tell(self, chunks: list[Chunk]) -> None:
        try:
            for chunk in chunks:
                assert self._on_chunk is not None
                self._on_chunk(chunk)
        except Exception as error:
            self._on_chunk = None
            self.feed.warn(f"on_chunk raised {error!r} and is not called again; the answer goes on")

    def _final(self, status: Status, error: Exception | None) -> Message:
        if status == "stopped":
            calls = open_calls(self.feed.message())
            end = [] if self._steps.aborted else [Abort("stopped")]
            closed = [ToolOutputError(each.tool_call_id, STOPPED) for each in calls]
            self.feed.publish([*closed, *end])
        elif status == "error" and not self._steps.told_error:
            self.feed.publish([Error(str(error))])
        message = settled(self.feed.message(), status)
        began = self._began - message.metadata.get("seconds", 0)  # as if it had never broken off
        metadata = {**message.metadata, "seconds": round(time.monotonic() - began, 3)}
        if self._first is not None:
            metadata.setdefault("secondsToFirstToken", round(self._first - began, 3))
        if error is not None:
            metadata["error"] = describe(error)
        return message.replace(metadata=metadata)

    async def _accounted(self, message: Message) -> Message:
        """The message with its tokens and its cost, as far as they can be known."""
        model = self._ask.question.model
        asked = "" if message.usage else "\n".join(m.text for m in self._ask.messages())
        told = dict(message.metadata)
        if not self._steps.told_cost:
            told.pop("cost", None)  # of what there was before this went on
        price = partial(
            accounted,
            told,
            model=model.name,
            provider=model.vendor,
            prompt_text=asked,
            answer_text=message.reasoning + message.text,
        )
        found = price() if is_at_hand(model.vendor) else await _in_thread(price)
        return message.replace(metadata={**message.metadata, **found})

    async def _finish(self, message: Message, error: Exception | None) -> None:
        if self._journal is not None:
            message = await self._journal.close(message)
        if isinstance(error, NothingMore) and self._ask.otherwise is not None:
            self.feed.successor = self._ask.otherwise()
        if self._journal is not None and self._journal.is_elsewhere and self._ask.elsewhere:
            self.feed.successor = self._ask.elsewhere()
        self.feed.end(message, error)
        if self._ask.on_finish is not None:
            await self._call_on_finish(self._ask.on_finish, message, error)

    async def _call_on_finish(
        self, on_finish: OnFinish, message: Message, error: Exception | None
    ) -> None:
        event = FinishEvent(
            outcome=message.status,  # type: ignore[arg-type]  # one of the four that end
            finish_reason=message.metadata.get("finishReason"),
            usage=message.usage,
            message=message,
            messages=[*self._ask.messages(), message],
            is_continuation=self._ask.is_continuation,
            error=error,
        )
        enter(self.feed)
        try:
            result = await _in_thread(partial(on_finish, event))
            if inspect.isawaitable(result):
                await result
        except Exception as failure:
            self.feed.warn(f"on_finish raised {failure!r}; the answer is kept all the same")


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Do it off the loop, so that what is slow slows no stream; in place at exit."""
    loop = asyncio.get_running_loop()
    try:
        result = loop.run_in_executor(None, contextvars.copy_context().run, work)
    except RuntimeError:  # the interpreter takes no more work for threads
        return work()
    return await result
