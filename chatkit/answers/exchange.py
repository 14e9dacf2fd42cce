"""One request and its answer: the bytes of a body -> chunks, to the terminal mark.

What came in one wake-up of the loop is decoded together, and nothing is read that nobody wants.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from chatkit import chunks as c
from chatkit.answers.feed import Feed
from chatkit.engine import Engine
from chatkit.errors import StreamCut
from chatkit.providers import Decoder, Model, WireRequest

LINGER = 1.0  # seconds that a server has to close its stream after its last word


class Exchange:
    """Reads one answer. On the engine's loop."""

    def __init__(
        self,
        model: Model,
        decoder: Decoder,
        feed: Feed,
        engine: Engine,
        *,
        take: Callable[[list[c.Chunk]], None],
        keep: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.decoder = decoder
        self.came = False  # something has, of its body
        self._model = model
        self._feed = feed
        self._engine = engine
        self._take = take
        self._keep = keep  # stores what the answer is known by, before anything is shown of it
        self._received: list[bytes] = []
        self._leaving: asyncio.Timeout | None = None

    async def run(self, request: WireRequest, *, opened: Callable[[], None] | None = None) -> None:
        """Read to the terminal mark; `opened` is called once the answer begins.

        Raises what ends it before: StreamCut, ConnectionFailed, ProviderError.
        """
        cut = StreamCut(f"{self._model.id} ended its stream before its answer")
        try:
            await self._read(request, opened)
        except StreamCut as broken:
            cut = broken
        self.close()
        if self.decoder.error is not None:
            raise self.decoder.error
        if not self.decoder.finished:
            raise cut

    def read_whole(self, body: bytes) -> bool:
        """Take in an answer that came at once, if it has ended. Raises ProviderError."""
        chunks = [*self.decoder.feed(body), *self.decoder.close()]
        if self.decoder.finished:
            self._take(chunks)
        if self.decoder.error is not None:
            raise self.decoder.error
        return self.decoder.finished

    def close(self) -> None:
        """The body is over, or is to be read no further: take in what came of it."""
        self._digest()
        self._take(self.decoder.close())

    def linger(self) -> None:
        """All has been said; some servers keep the connection open, and nobody waits for that."""
        if self._leaving is not None:
            self._leaving.reschedule(self._engine.loop.time() + LINGER)

    async def _read(self, request: WireRequest, opened: Callable[[], None] | None) -> None:
        transport = self._engine.transport
        async with transport.open(self._model, request, self._feed.say) as body:
            if opened is not None:
                opened()
            try:
                async with asyncio.timeout(None) as self._leaving:
                    await self._read_body(body)
            except TimeoutError:
                pass  # all had been said
            finally:
                self._leaving = None

    async def _read_body(self, body: AsyncIterator[bytes]) -> None:
        async for data in body:
            self.came = True
            if self._keep is not None:
                await self._begin(data, self._keep)
            else:
                self._hold(data)
            if not self._feed.draining:
                await asyncio.sleep(0)  # let `_digest` show what came, then wait to be asked
                await self._feed.wanted()
            if self.decoder.error is not None:
                return

    async def _begin(self, data: bytes, keep: Callable[[], Awaitable[None]]) -> None:
        """Until it is stored what the answer is known by, one chunk goes after the other."""
        for chunk in self.decoder.feed(data):
            self._take([chunk])
            if isinstance(chunk, c.MessageMetadata) and "responseId" in chunk.message_metadata:
                self._keep = None
                await keep()

    def _hold(self, data: bytes) -> None:
        """Hold what came; everything of one wake-up of the loop is digested at once."""
        if not self._received:
            self._engine.loop.call_soon(self._digest)
        self._received.append(data)

    def _digest(self) -> None:
        data = b"".join(self._received)
        self._received.clear()
        if data:
            self._take(self.decoder.feed(data))
