"""What makes an answer durable: its rows before the request, its stream as it comes, its end.

A journal is written at the engine's ticks, one segment a tick, all journals of a store together,
and never makes the stream wait: a store that cannot be written is told about once, and tried
again at the next tick with everything that is not there yet. A store that has lost what it held,
such as a server without a disk that restarts, is given it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Protocol

from chatkit.answers.feed import Feed
from chatkit.answers.inbox import Word, inbox
from chatkit.answers.segments import segment_writer
from chatkit.chunks import merged, to_json
from chatkit.engine import Engine
from chatkit.errors import Fenced, StoreError, StoreLost
from chatkit.messages import ENDED, Message
from chatkit.rest import is_ahead
from chatkit.stores import Lease, Store

JSON = dict[str, Any]
RETRY = 1.0  # seconds between tries to write an end that could not be written
TRIES = 600
BEAT = 1.0  # seconds between signs of life while nothing arrives: a lease lasts 5


class Record(Protocol):
    """The rows of an answer in its store, and of what leads to it."""

    def begin(self) -> Awaitable[Lease | None]:
        """Store what is not stored yet, and the right to write the answer; None: another has it."""

    def renew(self) -> Awaitable[Lease | None]:
        """Store again all that leads to the answer, and the right to write it from its start."""

    def retake(self) -> Awaitable[Lease | None]:
        """The right to write it again, after another process has ended it; None: one writes it."""

    def end(self, lease: Lease | None, message: Message) -> Awaitable[None]:
        """Store how the answer ended; without a lease, of one that ended before it began."""


class Writer(Protocol):
    """Who writes the answer that a journal keeps."""

    def hear(self, word: Word) -> None:
        """Another process says something to it."""

    def lose(self) -> None:
        """Another process has taken the answer over: it is no longer this one's."""


class Journal:
    """Writes one answer to its store, and hears there what others have to say to it."""

    def __init__(self, store: Store, feed: Feed, record: Record, *, engine: Engine) -> None:
        self._store = store
        self._feed = feed
        self._record = record
        self._engine = engine
        self._owner: Writer | None = None
        self._writer = segment_writer(store, engine)
        self._inbox = inbox(store, engine)
        self._lease: Lease | None = None
        self._written = len(feed.chunks)  # that are in the store: of one that goes on, in its row
        self._tried: tuple[list[JSON], int] | None = None  # a segment that may be there or not
        self._renewing: asyncio.Task[None] | None = None
        self._heart: asyncio.Task[None] | None = None
        self._unsaved: Message | None = None  # the end, as long as it is not written
        self._complaints: set[str] = set()  # what keeps it from being saved, as the user knows it
        self._hopeless = False  # the process ends
        self._closed = False  # nothing but the end is to be written from here
        self._lost = False  # nothing at all is

    def serve(self, owner: Writer) -> None:
        """This is who writes the answer."""
        self._owner = owner

    async def prepare(self) -> None:
        """Store ids and states, and whose they are, before anything is asked. Raises StoreError."""
        taking = self._engine.loop.create_task(_awaited(self._record.begin()))
        try:
            self._lease = await asyncio.shield(taking)
        except asyncio.CancelledError:  # a lease that nobody knows of would be nobody's to end
            self._lease = await taking
            self._lost = self._lease is None
            raise
        if self._lease is None:
            self._lost = True  # nor is its end written from here
            id = self._feed.message().id
            raise Fenced(f"another process is already writing the answer {id!r}")
        self._heart = self._engine.loop.create_task(self._beat())
        if self._store.caution:
            self._feed.warn(self._store.caution)
        if self._owner is not None:
            self._inbox.listen(self._lease, self._owner.hear)

    def touch(self) -> None:
        """There is more to write: at the next tick."""
        if self.is_behind:
            self._writer.soon(self)

    async def look(self) -> None:
        """Hear at once what others have said until now."""
        await self._inbox.look()

    async def flush(self) -> None:
        """Return once all that was published is in the store, or cannot be written now."""
        upto = len(self._feed.chunks)
        for _ in range(2):  # what is being written may not hold the newest
            if self._written >= upto or not self.is_behind:
                return
            self._writer.soon(self)
            await self._writer.written()

    async def close(self, message: Message) -> Message:
        """Write the end, in one transaction; `settle` tries again where that failed.

        Returns how the answer stands for good: where another process has taken it over and
        ended it, as that one left it.
        """
        self._closed = True
        if self._heart is not None:
            self._heart.cancel()
        self._heart = self._owner = None  # each holds the journal, which holds them
        await self._writer.idle()
        if self._renewing is not None:
            await asyncio.wait([self._renewing])
        if self._lease is not None:
            self._inbox.leave(self._lease)
        if not self._lost:
            self._unsaved = message
            await self._write_end()
        return await self._as_stored(message) if self._lost else message

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process was writing the answer when this one would have begun."""
        return self._lost and self._lease is None

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
        is_open = self._lease is not None and self._renewing is None and not self._closed
        return is_open and self._written < len(self._feed.chunks)

    def segment(self) -> tuple[Lease, list[JSON], int]:
        """Everything that came since the last, and how many chunks are written with it; after a
        failure, what was tried then: it may have arrived."""
        assert self._lease is not None
        if self._tried is None:
            upto = len(self._feed.chunks)
            fresh = merged(self._feed.chunks[self._written : upto])
            self._tried = [to_json(chunk) for chunk in fresh], upto
        return self._lease, *self._tried

    def wrote(self, upto: int, error: StoreError | None) -> None:
        """So many chunks are in the store, or are not because of `error`."""
        match error:
            case None:
                self._written, self._tried = upto, None
                self._is_saved()
            case Fenced():
                self._fence(error)
            case _:
                self._missed(error)
        self.touch()

    async def _beat(self) -> None:
        while True:
            before = self._written
            await asyncio.sleep(BEAT)
            if self._written > before or self._renewing is not None:
                continue  # a segment is a sign of life, too
            assert self._lease is not None
            try:
                await self._store.beat(self._lease)
            except Fenced as fenced:
                self._fence(fenced)
                return
            except StoreError as error:
                self._missed(error)

    def _missed(self, error: StoreError) -> None:
        """This could not be saved: tell so, and give a store that has lost the answer all of it."""
        self._complain(f"Not saved while this lasts: {error}")
        if isinstance(error, StoreLost):
            self._renew_soon()

    def _renew_soon(self) -> None:
        if self._renewing is None and not self._closed:
            self._renewing = self._engine.loop.create_task(self._renewed())

    async def _renewed(self) -> None:
        try:
            await self._renew()
        except Fenced as fenced:
            self._fence(fenced)
        except StoreError as error:
            self._complain(f"Not saved while this lasts: {error}")
        finally:
            self._renewing = None
            self.touch()

    async def _renew(self) -> None:
        """Give the store all of it again. Raises StoreError."""
        lease = await self._record.renew()
        if lease is None:
            raise Fenced(f"another process writes the answer {self._feed.message().id!r} now")
        if self._owner is not None and self._lease is not None:
            self._inbox.leave(self._lease)
            self._inbox.listen(lease, self._owner.hear)
        self._lease, self._written, self._tried = lease, 0, None

    async def _write_end(self) -> None:
        if (message := self._unsaved) is None:
            return
        try:
            await self._end(message)
            self._unsaved = None
            self._is_saved()
        except Fenced as fenced:
            self._fence(fenced)
            self._lost = not await self._put_right(message)
        except StoreError as error:
            if error.retryable:
                self._complain(f"Not saved yet, trying again: {error}")
                await self._stay()
            else:
                self._unsaved = None
                self._feed.warn(f"Not saved: {error}")

    async def _put_right(self, message: Message) -> bool:
        """Where another process took it for lost while it could not be stored, and ended it with
        what there was: it is whole here."""
        stored = await self._as_stored(message)
        is_partial = stored.status == "interrupted" and is_ahead(stored, message)
        if message.status != "complete" or not is_partial:
            return False
        try:
            lease = await self._record.retake()
            if lease is not None:
                await self._record.end(lease, message)
        except StoreError:  # it stays as the other process left it, which has been told
            return False
        self._is_saved()
        return lease is not None

    async def _stay(self) -> None:
        """Say that this process still has the answer: else others end it with what is stored."""
        if self._lease is not None:
            with suppress(StoreError):  # which the next try to write the end tells
                await self._store.beat(self._lease)

    async def _end(self, message: Message) -> None:
        try:
            await self._record.end(self._lease, message)
        except StoreLost as lost:
            self._complain(f"Not saved while this lasts: {lost}")
            await self._renew()
            await self._record.end(self._lease, message)

    def _complain(self, warning: str) -> None:
        self._complaints.add(warning)
        self._feed.warn(warning)

    def _is_saved(self) -> None:
        while self._complaints:
            self._feed.settle(self._complaints.pop(), "(It has been saved since.)")

    def _fence(self, fenced: Fenced) -> None:
        self._closed = self._lost = True
        self._unsaved = None
        self._feed.warn(f"No longer saved from here: {fenced}")
        if self._owner is not None:
            self._owner.lose()

    async def _as_stored(self, message: Message) -> Message:
        """The answer as whoever took it over has ended it; as it is here, if nobody has yet."""
        if self._lease is None:
            return message  # it never was this process's
        try:
            tail = await self._store.follow(self._lease.chat_id, self._lease.row_id)
        except StoreError:
            return message
        is_over = tail.row is not None and tail.info is not None and tail.info.state in ENDED
        return Message.from_json(tail.row["message"]) if is_over and tail.row else message


async def _awaited(work: Awaitable[Lease | None]) -> Lease | None:
    return await work
