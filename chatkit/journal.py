"""What makes an answer durable: its rows before the request, its stream as it comes, its end.

A journal is written at the engine's ticks, one segment a tick, all journals of a store together,
and never makes the stream wait: a store that cannot be written is told about once, and tried
again at the next tick with everything that is not there yet.
"""

from __future__ import annotations

import asyncio
import weakref
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
BEAT = 1.0  # seconds between signs of life while nothing arrives: a lease lasts 5


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
        self._writer = _writer(store, engine)
        self._lease: Lease | None = None
        self._written = len(feed.chunks)  # that are in the store: of one that goes on, in its row
        self._heart: asyncio.Task[None] | None = None
        self._unsaved: Message | None = None  # the end, as long as it is not written
        self._hopeless = False  # the process ends
        self._closed = False  # nothing but the end is to be written from here

    async def prepare(self, message_id: str) -> None:
        """Store ids and states, and whose they are, before anything is asked. Raises StoreError."""
        await self._save_turn()
        taking = self._engine.loop.create_task(self._store.acquire(self._chat_id, message_id))
        try:
            self._lease = await asyncio.shield(taking)
        except asyncio.CancelledError:  # a lease that nobody knows of would be nobody's to end
            self._lease = await taking
            raise
        if self._lease is None:
            raise Fenced(f"another process is already writing the answer {message_id!r}")
        self._heart = self._engine.loop.create_task(self._beat(self._lease))

    def touch(self) -> None:
        """There is more to write: at the next tick."""
        if self.is_behind:
            self._writer.soon(self)

    async def flush(self) -> None:
        """Return once all that was published is in the store, or cannot be written now."""
        upto = len(self._feed.chunks)
        for _ in range(2):  # what is being written may not hold the newest
            if self._written >= upto or not self.is_behind:
                return
            self._writer.soon(self)
            await self._writer.written()

    async def close(self, message: Message) -> None:
        """Write the end, in one transaction; `settle` tries again where that failed."""
        self._closed = True
        if self._heart is not None:
            self._heart.cancel()
        await self._writer.idle()
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

    # -- for the writer --

    @property
    def is_behind(self) -> bool:
        """Whether there is something to write, and it may be written."""
        is_open = self._lease is not None and not self._closed
        return is_open and self._written < len(self._feed.chunks)

    def segment(self) -> tuple[Lease, list[JSON], int]:
        """Everything that came since the last, and how many chunks are written with it."""
        assert self._lease is not None
        upto = len(self._feed.chunks)
        fresh = merged(self._feed.chunks[self._written : upto])
        return self._lease, [to_json(chunk) for chunk in fresh], upto

    def wrote(self, upto: int, error: StoreError | None) -> None:
        """So many chunks are in the store, or are not because of `error`."""
        match error:
            case None:
                self._written = upto
            case Fenced():
                self._fence(error)
            case _:
                self._feed.warn(f"Not saved while this lasts: {error}")
        self.touch()

    async def _beat(self, lease: Lease) -> None:
        while True:
            before = self._written
            await asyncio.sleep(BEAT)
            if self._written > before:
                continue  # a segment is a sign of life, too
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


class _Writer:
    """Writes what the journals of one store have to write, all together."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._due: dict[Journal, None] = {}  # in the order they asked
        self._scheduled = False
        self._writing: asyncio.Task[None] | None = None

    def soon(self, journal: Journal) -> None:
        """Write this one at the next tick."""
        self._due[journal] = None
        if not self._scheduled:
            self._scheduled = True
            self._engine.ticker.soon(self._tick)

    async def written(self) -> None:
        """Write now; return once that, or what was being written, has been."""
        if self._writing is None:
            self._begin()
        await self.idle()

    async def idle(self) -> None:
        """Return once nothing is being written of what was when this was called."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _tick(self) -> None:
        if self._writing is not None:  # the store is slower than the ticks
            self._engine.ticker.soon(self._tick)
            return
        self._scheduled = False
        self._begin()

    def _begin(self) -> None:
        behind = [journal for journal in self._due if journal.is_behind]
        self._due.clear()
        if behind:
            self._writing = self._engine.loop.create_task(self._write(behind))

    async def _write(self, journals: list[Journal]) -> None:
        try:
            segments = [journal.segment() for journal in journals]
            errors = await self._extend([(lease, rows) for lease, rows, _ in segments])
        finally:
            self._writing = None
        for journal, (_, _, upto), error in zip(journals, segments, errors, strict=True):
            journal.wrote(upto, error)

    async def _extend(self, segments: list[tuple[Lease, list[JSON]]]) -> list[StoreError | None]:
        try:
            return await self._store.extend_all(segments)
        except StoreError as error:
            return [error] * len(segments)


def _writer(store: Store, engine: Engine) -> _Writer:
    """The one writer of this store: it lives as long as its journals do."""
    return _writers.setdefault((id(store), id(engine)), _Writer(store, engine))


_writers: weakref.WeakValueDictionary[tuple[int, int], _Writer] = weakref.WeakValueDictionary()
