"""An answer that the far side goes on writing when nobody reads it: taken up, asked for, cancelled.

Its stream is read again from the beginning as long as the far side gives it; after that it is
asked how the answer stands, until that has an end. When and how often is known here alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from chatkit.answers.exchange import Exchange
from chatkit.answers.feed import Feed
from chatkit.engine import Engine
from chatkit.errors import ChatkitError, ConnectionFailed, ProviderError, StreamCut
from chatkit.providers import Model, WireRequest
from chatkit.providers.lenient import json_objects
from chatkit.providers.refusals import in_words
from chatkit.transport import LONGEST_ANSWER

TRIES = 3  # to read the stream on, one after the other, before it is asked how the answer stands
BACKOFF = 0.5  # seconds before the second of them, doubled for each that follows
POLL = 2.0  # seconds between questions how the answer stands
FAILURES = 10  # of those questions, one after the other
QUEUED = 600.0  # seconds that an answer may wait there for its beginning
SILENCE = 120.0  # seconds: streams that were taken up have hung after their first events
RUNNING = ("queued", "in_progress")
CANCEL = 5.0  # seconds to be told that nobody wants the rest


class FarSide:
    """The far side of one answer. On the engine's loop.

    `exchange` makes what reads its stream from the beginning and shows what is new in it.
    """

    def __init__(
        self, model: Model, feed: Feed, engine: Engine, exchange: Callable[[], Exchange]
    ) -> None:
        self._model = impatient(model)
        self._feed = feed
        self._engine = engine
        self._exchange = exchange

    async def follow(self, lost: ChatkitError | None = None) -> None:
        """Bring the answer to its end; `lost` is what has just ended its stream.

        Raises what ends it otherwise: ProviderError in the provider's words (NotFound where it is
        not kept any more), StreamCut where it cannot be reached or is never begun.
        """
        tried = 0 if lost is None else TRIES if isinstance(lost, ProviderError) else 1
        while tried < TRIES:
            if tried:
                self._feed.say(f"The connection to {self._model.provider} is lost; trying again")
                await asyncio.sleep(BACKOFF * 2 ** (tried - 1) * random.uniform(0.75, 1.0))
            before = self._feed.message().parts
            try:
                return await self._exchange().run(_needed(self._request()))
            except (StreamCut, ConnectionFailed):
                tried = 1 if self._feed.message().parts != before else tried + 1
            except ProviderError:  # too old to be streamed, or failed: the next question tells
                break
        await self._poll()

    async def cancel(self, request: WireRequest) -> None:
        """Say that nobody wants the rest; where that fails, the user is told."""
        try:
            async with asyncio.timeout(CANCEL):
                await self._body(request)
        except (ChatkitError, TimeoutError) as error:
            self._feed.warn(
                f"{self._model.provider} could not be told to stop ({error or 'it took too long'});"
                " it may write on, and bill it"
            )

    def _request(self) -> WireRequest | None:
        return self._model.resume_request(self._feed.message())

    async def _poll(self) -> None:
        """Ask how the answer stands until it has its end."""
        began, failures, status = self._engine.loop.time(), 0, ""
        while True:
            try:
                body = await self._body(_needed(self._model.poll_request(self._feed.message())))
            except (StreamCut, ConnectionFailed, ProviderError) as error:
                failures += 1
                if isinstance(error, ProviderError) and not error.retryable:
                    raise
                if failures == FAILURES:
                    raise StreamCut(f"{error} resume() asks again.") from error
            else:
                failures, status = 0, _status(body)
                if status not in RUNNING and self._exchange().read_whole(body):
                    return
            limit = QUEUED if status == "queued" else LONGEST_ANSWER
            if self._engine.loop.time() - began >= limit:
                raise StreamCut(
                    f"{self._model.id} has kept this answer {status!r} for {in_words(limit)};"
                    " resume() asks for it again"
                )
            self._feed.say(f"{self._model.provider} writes on without us; asking how it stands")
            await asyncio.sleep(POLL)

    async def _body(self, request: WireRequest) -> bytes:
        transport = self._engine.transport
        async with transport.open(self._model, request, self._feed.say) as body:
            return b"".join([data async for data in body])


def impatient(model: Model) -> Model:
    """The model, given up after a shorter silence: what is lost is taken up again."""
    return replace(model, timeout=min(model.timeout or SILENCE, SILENCE))


def _needed(request: WireRequest | None) -> WireRequest:
    assert request is not None  # of an answer that can be resumed
    return request


def _status(body: bytes) -> str:
    return next((str(told.get("status")) for told in json_objects(body)), "")
