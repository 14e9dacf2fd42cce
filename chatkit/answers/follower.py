"""An answer that another process writes, as a feed here: a reader of its live log.

A reader can do no harm: it never writes but to leave a word, and to end an answer whose writer
is gone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from chatkit.answers.feed import Feed
from chatkit.answers.inbox import Word
from chatkit.answers.lent import Borrower
from chatkit.chunks import Chunk, Data, Finish, from_json
from chatkit.errors import ChatkitError, Fenced, NothingMore, StoreError, error_of
from chatkit.messages import ENDED, Message
from chatkit.reducer import reduce, settled
from chatkit.stores import Store, Tail
from chatkit.tools import Tool

JSON = dict[str, Any]
WAIT = 1.0  # seconds that the store may take to say that there is nothing new
PACE = 0.25  # seconds between looks while nobody here wants to see it
PATIENCE = 600.0  # seconds for a store that cannot be read to come back
END_PATIENCE = 30.0  # and for one that cannot be written, where an answer has to be given its end
logger = logging.getLogger("chatkit")


class Follower:
    """Copies what arrives in the store into a feed, until the answer has ended."""

    def __init__(
        self,
        feed: Feed,
        store: Store,
        chat_id: str,
        *,
        begin: Callable[[], Awaitable[None]] | None = None,
        otherwise: Callable[[], Feed] | None = None,
    ) -> None:
        self.feed = feed
        self._store = store
        self._chat_id = chat_id
        self._begin = begin  # what makes another process write it
        self._otherwise = otherwise  # asks beside it, where nobody can go on with it
        self._begun = asyncio.Event()  # somebody is there to hear
        self._id = feed.message().id
        self._seen = 0  # segments
        self._epoch: int | None = None  # of the writer whose segments these are
        self._readable = time.monotonic()  # when the store could last be read
        self._is_away = False  # it could not just now
        self._orphaned: float | None = None  # since when nobody writes it, and it has no end
        self._task: asyncio.Task[None] | None = None
        self._looked = asyncio.Event()
        self._is_left = False
        self._borrower: Borrower | None = None

    @property
    def is_at_work(self) -> bool:
        """Whether the answer is still being written, as far as is known here."""
        return not self.feed.ended

    def start(self) -> None:
        """Begin to follow. On the engine's loop."""
        if not self._is_left:
            self._task = self.feed.engine.loop.create_task(self._run())

    def leave(self) -> None:
        """Follow it no further: it is written here from now on. From any thread."""
        self._is_left = True
        self.feed.engine.call(self._cancel)

    def _cancel(self) -> None:
        self._looked.set()
        if self._task is not None:
            self._task.cancel()

    def borrow(self, tools: Mapping[str, Tool], *, can_ask: bool) -> None:
        """Run here what the answer calls, if its writer has not the functions. On the loop."""
        if tools and self._borrower is None and not self.feed.ended:
            self._borrower = Borrower(tools, self.feed, self._say, can_ask=can_ask)

    def stop(self) -> None:
        """Tell whoever writes the answer to stop."""
        self._tell({"do": "stop"})

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        """Tell whoever writes the answer that a call is allowed, or is not."""
        self._tell({"do": "decide", "id": approval_id, "approved": approved, "reason": reason})

    def _tell(self, word: Word) -> None:
        if not self.feed.ended:
            self.feed.engine.loop.create_task(self._say(word))

    async def _say(self, word: Word) -> None:
        await self._begun.wait()
        while not self.feed.ended:
            try:
                return await self._store.tell(self._chat_id, self._id, word)
            except StoreError as error:
                self.feed.warn(f"Whoever writes this answer could not be told: {error}")
                if not error.retryable:
                    return None
                await asyncio.sleep(PACE)

    async def looked(self) -> None:
        """Return once all is here that there was when it began to follow."""
        await self._looked.wait()

    async def _run(self) -> None:
        message, error = await self._followed()
        self._begun.set()
        self._looked.set()
        error = error or error_of(message.metadata)
        try:
            self.feed.publish(self.feed.missing(message))
            if isinstance(error, NothingMore) and self._otherwise is not None:
                self.feed.successor = self._otherwise()
        finally:  # whoever waits for it, here or behind it, is told all the same
            self.feed.end(message, error)
            self.feed.done.set_result(None)

    async def _followed(self) -> tuple[Message, Exception | None]:
        """The message at its end; what keeps it from being seen to its end, if anything does."""
        try:
            if self._begin is not None:
                await self._begin()
            self._begun.set()
            while (ended := await self._look()) is None:
                self._looked.set()
                if not self.feed.is_wanted:
                    await self.feed.wanted_within(PACE)
        except ChatkitError as error:
            return settled(self.feed.message(), "interrupted"), error
        except Exception as defect:
            logger.exception("following %s failed", self._id)
            return settled(self.feed.message(), "interrupted"), defect
        return ended, None

    async def _look(self) -> Message | None:
        """Take in what is new; the message, once it has its end."""
        wait = WAIT if self.feed.is_wanted else 0.0
        try:
            tail = await self._store.follow(self._chat_id, self._id, self._seen, wait=wait)
            if self._is_left:  # what it writes itself would come back to it
                raise asyncio.CancelledError
            message = await self._take(tail)
            if self._is_away:
                self._is_away = False
                self.feed.say("")
        except StoreError as error:
            if not error.retryable or time.monotonic() > self._readable + PATIENCE:
                raise
            self.feed.say(f"Trying again: {error}")
            self._is_away = True
            self._looked.set()
            await asyncio.sleep(PACE)
            return None
        self._readable = time.monotonic()
        return message

    async def _take(self, tail: Tail) -> Message | None:
        if tail.info is None:
            raise StoreError(f"chat {self._chat_id!r} was deleted while its answer was written")
        if tail.row is None and not tail.info.alive:
            raise StoreError(f"the store has lost message {self._id!r} of chat {self._chat_id!r}")
        if tail.row is not None and tail.info.state in ENDED:
            return Message.from_json(tail.row["message"])
        if self._epoch in (None, tail.info.epoch):
            self._publish(tail)
            self._epoch = tail.info.epoch
        else:
            await self._begin_again()
        if tail.info.alive:
            self._orphaned = None
            return None
        self._orphaned = self._orphaned or time.monotonic()
        try:
            return await take_over(self._store, self._chat_id, self._id)
        except StoreError as error:
            if time.monotonic() > self._orphaned + END_PATIENCE:  # it can be read, not written
                error.retryable = False
            raise

    def _publish(self, tail: Tail) -> None:
        if not tail.segments:
            return
        self._seen += len(tail.segments)
        if self.feed.status == "queued":
            self.feed.begin(self.feed.message().replace(status="streaming"))
        self.feed.publish([chunk for chunk in _known(tail.chunks) if not self._is_remark(chunk)])

    def _is_remark(self, chunk: Chunk) -> bool:
        """Take in what a worker says beside the answer."""
        match chunk:
            case Data(name="chatkit-note", data=str(note)):
                self.feed.say(note)
            case Data(name="chatkit-warning", data=str(warning)):
                self.feed.warn(warning)
            case _:
                return False
        return True

    async def _begin_again(self) -> None:
        """Somebody else writes it now, from where they took it over."""
        tail = await self._store.follow(self._chat_id, self._id)
        self._seen = len(tail.segments)
        if tail.row is None or tail.info is None:
            return  # nothing is said there yet: with its first segment
        self._epoch = tail.info.epoch
        row = Message.from_json(tail.row["message"])
        self.feed.publish(self.feed.missing(reduce(row, _known(tail.chunks))))


async def take_over(store: Store, chat_id: str, row_id: str) -> Message | None:
    """End an answer whose writer is gone with what is left of it; None if somebody writes it."""
    row = (await store.follow(chat_id, row_id)).row  # not told any more once it is ours, and empty
    taken = await store.recover(chat_id, row_id) if row is not None else None
    if row is None or taken is None:
        return None
    lease, chunks = taken
    logger.debug("the writer of %s in chat %r is gone: taken over", row_id, chat_id)
    message = partial(Message.from_json(row["message"]), chunks)
    try:
        await store.finalize(lease, {**row, "message": message.to_json()})
    except Fenced:
        return None
    return message


def partial(message: Message, chunks: list[JSON]) -> Message:
    """What is left of an answer whose producer is gone."""
    known = _known(chunks)
    finished = any(isinstance(chunk, Finish) for chunk in known)
    return settled(reduce(message, known), "complete" if finished else "interrupted")


def _known(chunks: list[JSON]) -> list[Chunk]:
    """The chunks, without those that only a later version knows."""
    return [chunk for value in chunks if (chunk := from_json(value)) is not None]
