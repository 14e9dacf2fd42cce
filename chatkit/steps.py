"""Request after request, until the model asks for nothing more: one answer, step by step.

A step is one request and the calls that its answer asks for. Every step has a decoder of its
own; what each says of the whole answer (its end, its tokens) is made one here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import structure
from chatkit.calls import Calls, calls_of_step, open_calls
from chatkit.engine import Engine
from chatkit.errors import ConfigError, SchemaMismatch, StreamCut
from chatkit.feed import Feed
from chatkit.messages import Message, Usage
from chatkit.model_messages import PAUSED
from chatkit.providers import Decoder, Model, WireRequest
from chatkit.schema import Schema
from chatkit.tools import Tool

LINGER = 1.0  # seconds that a server has to close its stream after its last word
MAX_STEPS = 20
_TELLING = frozenset((c.MessageMetadata, c.Finish))  # chunks that speak of the whole answer


class Question(msgspec.Struct, frozen=True):
    """What is asked, beside the messages: of whom, with which tools, and for what."""

    model: Model
    options: Mapping[str, Any] = {}
    tools: Mapping[str, Tool] = {}
    max_steps: int = MAX_STEPS
    schema: Schema | None = None
    repair: bool = False  # ask once more where the answer does not fit the schema
    chat_id: str = ""
    replaces: str = ""  # the id of the answer that this takes the place of
    resumes: bool = False  # first see whether the far side is still writing the answer
    can_ask: bool = False  # whether somebody is there to allow a call


class Steps:
    """Asks until the answer is whole. On the engine's loop."""

    def __init__(
        self,
        question: Question,
        feed: Feed,
        engine: Engine,
        *,
        publish: Callable[[list[c.Chunk]], None],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        self.told_cost = False  # the provider has said what it takes
        self.whole = False  # the model has said all it has to say
        self.calls = Calls(
            question.tools, feed=feed, publish=publish, flush=flush, can_ask=question.can_ask
        )
        self._question = question
        self._feed = feed
        self._engine = engine
        self._publish = publish
        self._decoder = self._new_decoder()
        self._received: list[bytes] = []
        self._leaving: asyncio.Timeout | None = None
        self._count = 0  # requests
        self._came = False  # something has, of this request
        self._before: Message = feed.message()  # as it stood when this step began
        self._may_repair = question.repair
        self._mismatch: SchemaMismatch | None = None

    async def run(self, history: Sequence[Message]) -> None:
        """Ask, run what is asked for, ask again. Raises whatever ends an answer early."""
        await self._run_calls()  # of an answer that goes on after its process died
        if not (self._question.resumes and await self._resume()):
            await self._ask(history)
        while not self.whole:
            await self._run_calls()
            if self._count < self._question.max_steps:
                await self._ask(history)
            else:
                self._give_up()
        if self._mismatch is not None:
            raise self._mismatch

    def close(self) -> None:
        """The body is over, or is to be read no further: take in what came of it."""
        self._digest()
        self._take(self._decoder.close())

    @property
    def error(self) -> Exception | None:
        """What is wrong with what came, as far as the stream itself says it."""
        return self._decoder.error or self._mismatch

    @property
    def aborted(self) -> bool:
        """Whether the far side said that somebody stopped it there."""
        return isinstance(next(reversed(self._feed.chunks), None), c.Abort)

    @property
    def told_error(self) -> bool:
        """Whether the stream itself has said the error already, as a chunk."""
        return self._decoder.error is not None

    # -- one request --

    async def _ask(self, history: Sequence[Message]) -> None:
        question, so_far = self._question, self._feed.message()
        request = question.model.request(
            [*history, *([] if so_far.is_empty else [so_far])],
            self._options(),
            tools=list(question.tools.values()),
            schema=question.schema.json if question.schema else None,
            chat_id=question.chat_id,
            replaces=question.replaces,
        )
        self._count += 1
        await self._exchange(request)

    async def _resume(self) -> bool:
        """Take up the answer that the far side is still writing; False where it writes none."""
        request = self._question.model.resume_request(self._question.chat_id)
        if request is None:
            return False
        try:
            await self._exchange(request)
        except StreamCut:
            if self._came:
                raise
        return self._came

    async def _exchange(self, request: WireRequest) -> None:
        """One request and its answer, to the terminal mark. Raises what ends it before that."""
        model = self._question.model
        self._before, self._decoder, self._came = self._feed.message(), self._new_decoder(), False
        cut = StreamCut(f"{model.id} ended its stream before its answer")
        try:
            await self._read(request)
        except StreamCut as broken:
            cut = broken
        self.close()
        if self._decoder.error is not None:
            raise self._decoder.error
        if not self._decoder.finished:
            raise cut

    def _beginning(self) -> list[c.Chunk]:
        is_first = self._count <= 1
        start: list[c.Chunk] = [c.Start(message_id=self._before.id)] if is_first else []
        return start if self._question.model.frames_steps else [*start, c.StartStep()]

    def _options(self) -> Mapping[str, Any]:
        """A choice of tool is for the first step; kept up, it would never let the model answer."""
        options = self._question.options
        if "tool_choice" in options and (self._count or not self._feed.message().is_empty):
            return {**options, "tool_choice": None}
        return options

    def _new_decoder(self) -> Decoder:
        question = self._question
        tools = list(question.tools.values())
        return question.model.decoder(wants_schema=question.schema is not None, tools=tools)

    async def _read(self, request: WireRequest) -> None:
        question, transport = self._question, self._engine.transport
        async with transport.open(question.model, request, self._feed.say) as body:
            self._publish(self._beginning())
            try:
                async with asyncio.timeout(None) as self._leaving:
                    await self._read_body(body)
            except TimeoutError:
                pass  # all had been said
            finally:
                self._leaving = None

    async def _read_body(self, body: AsyncIterator[bytes]) -> None:
        async for data in body:
            self._hold(data)
            if not self._feed.draining:
                await asyncio.sleep(0)  # let `_digest` show what came, then wait to be asked
                await self._feed.wanted()
            if self._decoder.error is not None:
                return

    def _hold(self, data: bytes) -> None:
        """Hold what came; everything of one wake-up of the loop is digested at once."""
        if not self._received:
            self._engine.loop.call_soon(self._digest)
        self._received.append(data)
        self._came = True

    def _digest(self) -> None:
        data = b"".join(self._received)
        self._received.clear()
        if data:
            self._take(self._decoder.feed(data))

    # -- what a step says of the whole --

    def _take(self, chunks: list[c.Chunk]) -> None:
        if not _TELLING.isdisjoint(map(type, chunks)):  # at every read: a loop would cost more
            chunks = [self._in_total(chunk) for chunk in chunks]
        last = chunks[-1] if chunks else None
        if isinstance(last, c.Finish):
            self._show(chunks[:-1])
            self._finish_step(last)
        else:
            self._show(chunks)

    def _in_total(self, chunk: c.Chunk) -> c.Chunk:
        """The chunk with the tokens and the cost of all steps where it tells those of this one."""
        if not isinstance(chunk, c.MessageMetadata | c.Finish) or not chunk.message_metadata:
            return chunk
        told, before = dict(chunk.message_metadata), self._before
        step = Message(id="", role="assistant", metadata=told)
        if before.usage is not None:
            told["usage"] = msgspec.to_builtins(before.usage + (step.usage or Usage()))
        if step.cost is not None:
            self.told_cost = True
            told["cost"] = (before.cost or 0) + step.cost
        return replace(chunk, message_metadata=told)

    def _finish_step(self, finish: c.Finish) -> None:
        """The model's own terminal mark: of the answer, or of one step of it."""
        told = finish.message_metadata or {}
        paused = told.get("rawFinishReason") in PAUSED
        steering = None if paused or self._wants_results(finish) else self._check(finish)
        self.whole = not (paused or steering or self._wants_results(finish))
        end: list[c.Chunk] = [] if self._question.model.frames_steps else [c.FinishStep()]
        if self.whole and self._mismatch is None:
            self._publish([*end, finish])
        else:
            if self.whole:
                told = {**told, "finishReason": finish.finish_reason}
            self._publish([c.MessageMetadata(told), *end, *([steering] if steering else [])])
        if self._leaving is not None:
            # all has been said; some servers keep the connection open, and nobody waits for that
            self._leaving.reschedule(self._engine.loop.time() + LINGER)

    def _wants_results(self, finish: c.Finish) -> bool:
        """Whether the model waits for what its calls give."""
        if not self._question.tools:
            return False
        calls = calls_of_step(self._feed.message())
        failed = finish.finish_reason == "tool-calls" and any(
            part.state == "output-error" for part in calls
        )
        return failed or bool(open_calls(self._feed.message()))

    def _check(self, finish: c.Finish) -> c.SteeringMessage | None:
        """See whether the answer is what was asked for; what to say to the model if it is not."""
        schema = self._question.schema
        if schema is None:
            return None
        try:
            structure.object_of(self._feed.message(), schema)
        except SchemaMismatch as mismatch:
            is_last = self._count >= self._question.max_steps
            if self._may_repair and not is_last and finish.finish_reason == "stop":
                self._may_repair = False
                return structure.repair(mismatch)
            self._mismatch = mismatch
        return None

    async def _run_calls(self) -> None:
        if calls := open_calls(self._feed.message()):
            await self.calls.run(calls)

    def _give_up(self) -> None:
        self.whole = True
        limit = self._question.max_steps
        self._feed.warn(f"It ended after {limit} steps, the most it may take: see max_steps=.")
        if self._question.schema is not None:
            self._mismatch = SchemaMismatch(f"There is no answer after {limit} steps.")
        else:
            self._publish([c.Finish("tool-calls")])

    def _show(self, chunks: list[c.Chunk]) -> None:
        if chunks:
            self._publish(chunks)


def checked_steps(limit: int) -> int:
    """The most steps an answer may take. Raises ConfigError unless that is 1 or more."""
    if not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"max_steps is {limit!r}; it is a number of requests, 1 or more")
    return limit
