"""What makes an answer durable: its rows before the request, its stream as it comes, its end.

A journal writes at the engine's ticks, one segment a tick, and never makes the stream wait: a
store that cannot be written is told about once, and tried again at the next tick with
everything that is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from chatkit.chunks import merged, to_json
from chatkit.engine import Engine
from chatkit.errors import Fenced, StoreError
from chatkit.feed import Feed
from chatkit.messages import Message
from chatkit.stores import Lease, Store

JSON = dict[str, Any]
RETRY = 1.0  # seconds between tries to write an end that could not be written
TRIES = 600
BEAT = 2.0  # seconds between signs of life while nothing arrives: a lease lasts 5


class Journal:
    """Writes one answer to its store."""

    def __init__(
        self,
        store: Store,
        chat_id: str,
        feed: Feed,
        *,
        save_turn: Callable[[], Awaitable[None]],
        row: Callable[[Message], JSON],
        engine: Engine,
    ) -> None:
        self._store = store
        self._chat_id = chat_id
        self._feed = feed
        self._save_turn = save_turn  # stores what leads to this answer, and its own row
        self._row = row
        self._engine = engine
        self._lease: Lease | None = None
        self._written = 0  # chunks of the feed that are in the store
        self._scheduled = False
        self._writing: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._unsaved: Message | None = None  # the end, as long as it is not written
        self._hopeless = False  # the process ends
        self._closed = False  # nothing but the end is to be written from here

    async def prepare(self, message_id: str) -> None:
        """Store ids and states, and whose they are, before anything is asked. Raises StoreError."""
        await self._save_turn()
        self._lease = await self._store.acquire(self._chat_id, message_id)
        if self._lease is None:
            raise Fenced(f"another process is already writing the answer {message_id!r}")
        self._heart = self._engine.loop.create_task(self._beat(self._lease))

    def touch(self) -> None:
        """There is more to write: at the next tick."""
        if not self._scheduled and self._lease is not None and not self._closed:
            self._scheduled = True
            self._engine.ticker.soon(self._tick)

    async def flush(self) -> None:
        """Return once all that was published is in the store, or cannot be written now."""
        upto = len(self._feed.chunks)
        for _ in range(2):  # what is being written may not hold the newest
            if self._lease is None or self._closed or self._written >= upto:
                return
            if self._writing is None:
                self._writing = self._engine.loop.create_task(self._write())
            await asyncio.wait([self._writing])

    async def close(self, message: Message) -> None:
        """Write the end, in one transaction; `settle` tries again where that failed."""
        self._closed = True
        if self._heart is not None:
            self._heart.cancel()
        if self._writing is not None:
            await asyncio.wait([self._writing])
        self._unsaved = message
        await self._write_end()

    async def settle(self) -> None:
        """Return once the end is stored, or there is no hope for it."""
        for _ in range(TRIES):
            if self._unsaved is None or self._hopeless:
                return
            await asyncio.sleep(RETRY)
            await self._write_end()

    def give_up(self) -> None:
        """The process ends: what cannot be written at once will not be."""
        self._hopeless = True

    def _tick(self) -> None:
        if self._writing is not None:  # the store is slower than the ticks
            self._engine.ticker.soon(self._tick)
            return
        self._scheduled = False
        if not self._closed:
            self._writing = self._engine.loop.create_task(self._write())

    async def _write(self) -> None:
        """One segment: everything that came since the last."""
        assert self._lease is not None
        upto = len(self._feed.chunks)
        fresh = merged(self._feed.chunks[self._written : upto])
        try:
            await self._store.extend(self._lease, [to_json(chunk) for chunk in fresh])
            self._written = upto
        except Fenced as fenced:
            self._fence(fenced)
        except StoreError as error:
            self._feed.warn(f"Not saved while this lasts: {error}")
        finally:
            self._writing = None
        if self._written < len(self._feed.chunks):
            self.touch()

    async def _beat(self, lease: Lease) -> None:
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self._store.beat(lease)
            except Fenced as fenced:
                self._fence(fenced)
                return
            except StoreError as error:
                self._feed.warn(f"Not saved while this lasts: {error}")

    async def _write_end(self) -> None:
        if self._unsaved is None:
            return
        row = self._row(self._unsaved)
        try:
            if self._lease is None:  # it ended before it began
                await self._save_turn()
                await self._store.update(self._chat_id, row)
            else:
                await self._store.finalize(self._lease, row)
            self._unsaved = None
        except Fenced as fenced:
            self._fence(fenced)
        except StoreError as error:
            if error.retryable:
                self._feed.warn(f"Not saved yet, trying again: {error}")
            else:
                self._unsaved = None
                self._feed.warn(f"Not saved: {error}")

    def _fence(self, fenced: Fenced) -> None:
        self._closed, self._unsaved = True, None
        self._feed.warn(f"No longer saved from here: {fenced}")
