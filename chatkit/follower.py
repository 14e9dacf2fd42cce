"""An answer that another process writes, as a feed here: a reader of its live log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from chatkit.chunks import Chunk, ReasoningDelta, TextDelta, from_json
from chatkit.errors import Fenced, StoreError
from chatkit.feed import Feed
from chatkit.messages import Message
from chatkit.stores import Store

JSON = dict[str, Any]
POLL = 0.05  # seconds between looks at the store


class Follower:
    """Copies what arrives in the store into a feed, until the answer has ended."""

    def __init__(
        self,
        feed: Feed,
        store: Store,
        chat_id: str,
        partial: Callable[[Message, list[JSON]], Message],
    ) -> None:
        self.feed = feed
        self._store = store
        self._chat_id = chat_id
        self._partial = partial
        self._id = feed.message().id
        self._chunks: list[JSON] = []
        self._seen = 0  # segments
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to follow. On the engine's loop."""
        self._task = self.feed.engine.loop.create_task(self._run())

    def stop(self) -> None:
        """Only the process that writes the answer can stop it."""
        self.feed.warn("This answer is written by another kernel: stop it there.")

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        """Only the process that writes the answer waits for the word."""
        self.feed.warn("This answer is written by another kernel: allow its tool calls there.")

    async def _run(self) -> None:
        message = self.feed.message().replace(status="streaming")
        self.feed.begin(message)
        try:
            while (ended := await self._look()) is None:
                await asyncio.sleep(POLL)
        except StoreError as error:
            self.feed.end(self._partial(self.feed.message(), []), error)
        else:
            self._end(ended)
        self.feed.done.set_result(None)

    async def _look(self) -> Message | None:
        """Take in what is new; the message, once it has its end."""
        for segment in await self._store.segments(self._chat_id, self._id, since=self._seen):
            self._seen += 1
            self._chunks += segment
            self.feed.publish([c for value in segment if (c := from_json(value)) is not None])
        info = await self._store.status(self._chat_id, self._id)
        if info is not None and info.state == "streaming":
            return None if info.alive else await self._take_over()
        return await self._stored()

    async def _take_over(self) -> Message | None:
        taken = await self._store.recover(self._chat_id, self._id)
        if taken is None:
            return None
        lease, chunks = taken
        rows = await self._rows()
        row = rows[self._id]
        message = self._partial(Message.from_json(row["message"]), chunks)
        try:
            await self._store.finalize(lease, {**row, "message": message.to_json()})
        except Fenced:
            return None
        return message

    async def _stored(self) -> Message:
        return Message.from_json((await self._rows())[self._id]["message"])

    async def _rows(self) -> dict[str, JSON]:
        stored = await self._store.load(self._chat_id)
        if stored is None:
            raise StoreError(f"chat {self._chat_id!r} was deleted while its answer was written")
        return {row["id"]: row for row in stored.rows}

    def _end(self, message: Message) -> None:
        """What came between the last look and the end goes to the readers too."""
        so_far = self.feed.message()
        missing: list[Chunk] = [
            delta("rest", whole[len(known) :])
            for delta, whole, known in (
                (ReasoningDelta, message.reasoning, so_far.reasoning),
                (TextDelta, message.text, so_far.text),
            )
            if len(whole) > len(known)
        ]
        self.feed.publish(missing)
        self.feed.end(message)
