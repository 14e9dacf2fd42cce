"""Sees what other processes write in the chats that are open here, all of a store at once."""

from __future__ import annotations

import asyncio
import logging
import weakref
from typing import Protocol

from chatkit.engine import Engine
from chatkit.errors import StoreError
from chatkit.stores import Store

PACE = 0.25  # seconds between looks
logger = logging.getLogger("chatkit")


class Watched(Protocol):
    """A chat that is open here."""

    @property
    def id(self) -> str: ...

    def is_behind(self, revision: int | None) -> bool:
        """Whether this is not the revision that is known here."""

    async def catch_up(self) -> None:
        """Take in what others have written."""


class Watch:
    """Looks as long as a chat is open. It keeps none of them open."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self._store = store
        self._engine = engine
        self._chats: weakref.WeakSet[Watched] = weakref.WeakSet()
        self._task: asyncio.Task[None] | None = None

    def add(self, chat: Watched) -> None:
        """See what is written in this chat. From any thread."""
        self._engine.call(self._add, weakref.ref(chat))

    def _add(self, chat: weakref.ref[Watched]) -> None:
        if (found := chat()) is not None:
            self._chats.add(found)
        if self._task is None or self._task.done():
            self._task = self._engine.loop.create_task(self._run())

    async def _run(self) -> None:
        while self._chats:
            try:
                await self._look()
            except StoreError as error:  # whoever writes next is told, and it is tried again
                logger.debug("what others write cannot be seen: %s", error)
            await asyncio.sleep(PACE)

    async def _look(self) -> None:
        chats = list(self._chats)
        revisions = await self._store.revisions([chat.id for chat in chats])
        for chat, revision in zip(chats, revisions, strict=True):
            if chat.is_behind(revision):
                await _catch_up(chat)


async def _catch_up(chat: Watched) -> None:
    try:
        await chat.catch_up()
    except StoreError as error:
        logger.debug("what others wrote in chat %r cannot be read: %s", chat.id, error)
    except Exception:  # one chat that cannot be understood does not keep the others from being seen
        logger.exception("what others wrote in chat %r is not understood", chat.id)


def watch(store: Store, engine: Engine) -> Watch:
    """The one watch of this store: it lives as long as a chat holds it."""
    return _watches.setdefault((id(store), id(engine)), Watch(store, engine))


_watches: weakref.WeakValueDictionary[tuple[int, int], Watch] = weakref.WeakValueDictionary()
