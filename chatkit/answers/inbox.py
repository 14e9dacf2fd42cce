"""Words that other processes leave for the answers written here: stop, allow a call, a result.

All answers of a store are looked after together, as long as there are any.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Callable
from typing import Any

from chatkit.engine import Engine
from chatkit.errors import StoreError
from chatkit.stores import Lease, Store

Word = dict[str, Any]
PACE = 0.08  # seconds between looks
logger = logging.getLogger("chatkit")


class Inbox:
    """Hands each word to whom it is for. On the engine's loop."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._listeners: dict[Lease, Callable[[Word], None]] = {}
        self._task: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    def listen(self, lease: Lease, hear: Callable[[Word], None]) -> None:
        """Call `hear` with each word left for the stream of this lease."""
        self._listeners[lease] = hear
        if self._task is None or self._task.done():
            self._task = self._engine.loop.create_task(self._run())

    def leave(self, lease: Lease) -> None:
        """Nobody writes there any more."""
        self._listeners.pop(lease, None)

    async def look(self) -> None:
        """Hand out all that has been said until now; also where who waits for this is stopped,
        for a word that was taken off the store is nowhere else."""
        await asyncio.shield(self._engine.loop.create_task(self._look()))

    async def _look(self) -> None:
        async with self._looking:
            try:
                words = await self._store.heard(list(self._listeners))
            except StoreError as error:  # the journals tell the user, and it is tried again
                logger.debug("no words can be heard: %s", error)
                words = []
            for lease, word in words:
                if hear := self._listeners.get(lease):
                    _hand(hear, word)

    async def _run(self) -> None:
        while self._listeners:
            await self.look()
            await asyncio.sleep(PACE)


def _hand(hear: Callable[[Word], None], word: Word) -> None:
    try:
        hear(word)
    except Exception:  # a word of another version: the others are heard all the same
        logger.exception("a word of another process could not be understood: %r", word.get("do"))


def inbox(store: Store, engine: Engine) -> Inbox:
    """The one inbox of this store: it lives as long as somebody holds it."""
    return _inboxes.setdefault((id(store), id(engine)), Inbox(store, engine))


_inboxes: weakref.WeakValueDictionary[tuple[int, int], Inbox] = weakref.WeakValueDictionary()
