"""Request after request, until the model asks for nothing more: one answer, step by step.

A step is one request and the calls that its answer asks for. Every step has a decoder of its
own; what each says of the whole answer (its end, its tokens) is made one here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from chatkit import chunks as c
from chatkit import defaults
from chatkit.answers import continuing, structure
from chatkit.answers.calls import Calls, calls_of_step, is_at_calls, open_calls
from chatkit.answers.exchange import Exchange
from chatkit.answers.far_side import FarSide, impatient
from chatkit.answers.feed import Feed
from chatkit.answers.lent import LentCalls
from chatkit.answers.replay import Replay
from chatkit.answers.totals import Totals
from chatkit.defaults import MAX_STEPS
from chatkit.engine import Engine
from chatkit.errors import (
    ConfigError,
    ConnectionFailed,
    NotFound,
    NothingMore,
    ProviderError,
    SchemaMismatch,
    StreamCut,
)
from chatkit.messages import Message
from chatkit.model_messages import PAUSED
from chatkit.providers import Model, WireRequest
from chatkit.schema import Schema
from chatkit.tools import Tool

Take = Callable[[list[c.Chunk]], list[c.Chunk]]


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
    resumes: bool = False  # the answer broke off: take it up where it is, or continue it
    can_ask: bool = False  # whether somebody is there to allow a call
    lends: bool = False  # the functions are not here: whoever has them runs the calls


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
        self.whole = False  # the model has said all it has to say
        self.calls = (LentCalls if question.lends else Calls)(
            question.tools, feed=feed, publish=publish, flush=flush, can_ask=question.can_ask
        )
        self._question = question
        self._feed = feed
        self._engine = engine
        self._publish = publish
        self._flush = flush
        self._far_side = FarSide(question.model, feed, engine, self._again)
        self._totals = Totals()
        self._exchange = self._reading(list)
        self._count = 0  # requests
        self._may_repair = question.repair
        self._mismatch: SchemaMismatch | None = None

    async def run(self, history: Sequence[Message]) -> None:
        """Ask, run what is asked for, ask again. Raises whatever ends an answer early."""
        if not (self._question.resumes and await self._resume()):
            await self._run_calls()  # of an answer that goes on after its process died
            await self._begin(history)
        while not self.whole:
            await self._run_calls()
            if self._count < self._question.max_steps:
                await self._ask([*history, self._feed.message()])
            else:
                self._give_up()
        if self._mismatch is not None:
            raise self._mismatch

    def close(self) -> None:
        """The body is over, or is to be read no further: take in what came of it."""
        self._exchange.close()

    def let_go(self) -> None:
        """It is over: what holds each other here would stay until the garbage is collected, which
        with many answers takes a tenth of all time."""
        vars(self).clear()

    async def cancel(self) -> None:
        """Somebody said stop: the far side is told, where closing the connection is not enough."""
        question = self._question
        chat_id = question.chat_id if question.options.get("stoppable") else ""
        request = question.model.cancel_request(self._feed.message(), chat_id)
        if request is not None:
            await self._far_side.cancel(request)
            self._publish([c.MessageMetadata({"background": None})])

    @property
    def told_cost(self) -> bool:
        """Whether the provider has said what it takes."""
        return self._totals.told_cost

    @property
    def error(self) -> Exception | None:
        """What is wrong with what came, as far as the stream itself says it."""
        told = None if self._totals.is_background else self._exchange.decoder.error
        return told or self._mismatch

    @property
    def aborted(self) -> bool:
        """Whether the far side said that somebody stopped it there."""
        return isinstance(next(reversed(self._feed.chunks), None), c.Abort)

    @property
    def told_error(self) -> bool:
        """Whether the stream itself has said the error already, as a chunk."""
        return self._exchange.decoder.error is not None and not self._totals.is_background

    # -- one request --

    async def _begin(self, history: Sequence[Message]) -> None:
        """The first request: for an answer, for what follows its calls, or for more of its text."""
        so_far, question = self._feed.message(), self._question
        if so_far.is_empty:
            await self._ask(history)
        elif not question.resumes or is_at_calls(so_far):
            await self._ask([*history, so_far])
        elif continuing.can_continue(so_far, question.model, has_schema=bool(question.schema)):
            more = continuing.Continuation(so_far)
            await self._ask(continuing.prompt(history, so_far), continues=more)
        else:
            raise NothingMore(
                f"{question.model.id} has no more of this answer; regenerate() asks again"
            )

    async def _ask(
        self,
        messages: Sequence[Message],
        *,
        continues: continuing.Continuation | None = None,
    ) -> None:
        question, options = self._question, self._options()
        if continues is not None:  # its stream would come again as a part of what is shown
            options = {**options, "background": None}
        request = question.model.request(
            messages,
            options,
            tools=list(question.tools.values()),
            schema=question.schema.json if question.schema else None,
            chat_id=question.chat_id,
            replaces=question.replaces,
        )
        self._count += 1
        self._totals.begin(self._feed.message(), background=bool(options.get("background")))
        self._exchange = self._reading(list if continues is None else continues.take)
        first: list[c.Chunk] = self._beginning() if continues is None else [continues.mark]
        try:
            await self._exchange.run(request, opened=lambda: self._publish(first))
        except (StreamCut, ConnectionFailed, ProviderError) as error:
            if question.model.poll_request(self._feed.message()) is None:
                raise
            await self._far_side.follow(error)

    async def _resume(self) -> bool:
        """Read the answer on where the far side writes it; False where it has no more of it."""
        question, message = self._question, self._feed.message()
        request = question.model.resume_request(message, question.chat_id)
        if request is None:
            return False
        self._publish([c.Start(message_id=message.id), *self._totals.begin_again(message)])
        try:
            if self._totals.is_background:
                await self._far_side.follow()
                has_more = True
            else:
                has_more = await self._read_on(request)
        except NotFound:
            has_more = False
        if not has_more:
            self._publish([c.MessageMetadata({"background": None})])
        self._count = int(has_more)
        return has_more

    async def _read_on(self, request: WireRequest) -> bool:
        """The running answer of a backend, which has no other way to be asked for it."""
        replay = self._replay()
        exchange = self._exchange = self._reading(replay.take)
        try:
            await exchange.run(request)
        except StreamCut:
            if exchange.came and not replay.is_other:
                raise
        return exchange.came and not replay.is_other

    def _again(self) -> Exchange:
        """What reads the stream of this step from its beginning, and shows what is new."""
        self._exchange = self._reading(self._replay().take)
        return self._exchange

    def _replay(self) -> Replay:
        whole = self._question.model.frames_steps
        return Replay(self._feed.message(), self._feed.chunks, whole=whole)

    def _reading(self, through: Take) -> Exchange:
        """What reads one answer, `through` what leaves out some of it."""
        question, model = self._question, self._question.model
        tools = list(question.tools.values())
        decoder = model.decoder(wants_schema=question.schema is not None, tools=tools)
        is_background = self._totals.is_background
        return Exchange(
            impatient(model) if is_background else model,
            decoder,
            self._feed,
            self._engine,
            take=lambda chunks: self._take(through(chunks)),
            keep=self._flush if is_background else None,
        )

    def _beginning(self) -> list[c.Chunk]:
        is_first = self._count <= 1
        start: list[c.Chunk] = [c.Start(message_id=self._feed.message().id)] if is_first else []
        return start if self._question.model.frames_steps else [*start, c.StartStep()]

    def _options(self) -> Mapping[str, Any]:
        """A choice of tool is for the first step; kept up, it would never let the model answer."""
        options = self._question.options
        if "tool_choice" in options and (self._count or not self._feed.message().is_empty):
            return {**options, "tool_choice": None}
        return options

    # -- what a step says of the whole --

    def _take(self, chunks: list[c.Chunk]) -> None:
        if self._totals.is_background:  # an error of the stream is none of an answer that goes on
            chunks = [chunk for chunk in chunks if not isinstance(chunk, c.Error)]
        chunks = self._totals.sum_up(chunks)
        last = chunks[-1] if chunks else None
        if isinstance(last, c.Finish):
            self._show(chunks[:-1])
            self._finish_step(last)
        else:
            self._show(chunks)

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
        self._exchange.linger()

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


def checked_steps(limit: int | None) -> int:
    """The most steps an answer may take; None is the default. Raises ConfigError unless that is 1
    or more."""
    limit = defaults.get("max_steps") if limit is None else limit
    if not isinstance(limit, int) or limit < 1:
        raise ConfigError(f"max_steps is {limit!r}; it is a number of requests, 1 or more")
    return limit
