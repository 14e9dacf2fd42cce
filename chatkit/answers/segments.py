"""Writes what all answers of a store have brought since the last tick, all together."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Protocol

from chatkit.engine import Engine
from chatkit.errors import StoreError
from chatkit.stores import Lease, Store

JSON = dict[str, Any]


class Segmented(Protocol):
    """What keeps one answer."""

    @property
    def is_behind(self) -> bool:
        """Whether there is something to write, and it may be written."""

    def segment(self) -> tuple[Lease, list[JSON], int]:
        """What is to be written now, and how many chunks are written with it."""

    def wrote(self, upto: int, error: StoreError | None) -> None:
        """So many chunks are in the store, or are not because of `error`."""


class SegmentWriter:
    """Writes what the journals of one store have to write, all together."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._due: dict[Segmented, None] = {}  # in the order they asked
        self._scheduled = False
        self._writing: asyncio.Task[None] | None = None

    def soon(self, journal: Segmented) -> None:
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

    async def _write(self, journals: list[Segmented]) -> None:
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


def segment_writer(store: Store, engine: Engine) -> SegmentWriter:
    """The one writer of this store: it lives as long as its journals do."""
    return _writers.setdefault((id(store), id(engine)), SegmentWriter(store, engine))


_writers: weakref.WeakValueDictionary[tuple[int, int], SegmentWriter] = (
    weakref.WeakValueDictionary()
)
