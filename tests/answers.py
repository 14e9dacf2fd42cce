"""Replies made of given chunks, without a provider, for the tests of what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable

from chatkit.answers.feed import Feed
from chatkit.chunks import Chunk
from chatkit.engine import get_engine
from chatkit.messages import Message, Status
from chatkit.reducer import settled
from chatkit.replies import Reply


class Answering:
    """An answer in the making: `add` what arrives, then `end` it."""

    def __init__(self) -> None:
        self._engine = get_engine()
        self._feed = Feed(Message(id="ours", role="assistant"), self._engine)
        self.reply = Reply(self._feed)

    def add(self, chunks: Iterable[Chunk]) -> None:
        """These have arrived."""
        self._engine.run(self._add(list(chunks)))

    def end(self, status: Status = "complete", error: Exception | None = None) -> Reply:
        """Nothing more will come."""
        self._engine.run(self._end(status, error))
        return self.reply

    async def _add(self, chunks: list[Chunk]) -> None:
        self._feed.publish(chunks)

    async def _end(self, status: Status, error: Exception | None) -> None:
        self._feed.end(settled(self._feed.message(), status), error)
        self._feed.done.set_result(None)


def answered(
    chunks: Iterable[Chunk], status: Status = "complete", error: Exception | None = None
) -> Reply:
    """An answer that came in these chunks and is over."""
    answering = Answering()
    answering.add(chunks)
    return answering.end(status, error)
