"""One answer as it arrives: written by one producer, read by any number of cursors.

A feed lives on the engine's loop. Readers are positions in it and nothing more: dropping,
cancelling or raising in one changes nothing for the producer or for the others. What readers
do decide, until somebody calls `drain`, is the pace: the producer goes on when one of them
waits for more.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress

from chatkit.chunks import Chunk, merged
from chatkit.engine import Engine, get_engine
from chatkit.messages import Message, Status
from chatkit.reducer import Draft, settled, unfold
from chatkit.rest import rest

logger = logging.getLogger("chatkit")


class Feed:
    """The chunks and the message so far, how it stands, and who wants more."""

    def __init__(self, message: Message, engine: Engine) -> None:
        self._engine: Engine | None = engine  # None in a forked child
        self.after: Sequence[Feed] = ()  # those that come first, until it has ended
        self.chunks: list[Chunk] = unfold(message)  # of one that goes on, what came before
        self.error: Exception | None = None
        self.note = ""  # what it is waiting for, in words: "Starting smollm2"
        self.warnings: list[str] = []  # what went wrong beside the answer itself
        self.done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.successor: Feed | None = None  # of one that nobody could go on with: asked for beside
        self.draining = False
        self._message = message
        self._draft: Draft | None = Draft(message)
        self._lock = threading.Lock()  # over the draft: other threads look at it
        self._changed = asyncio.Event()
        self._demand = asyncio.Event()
        self._waiting = 0
        self._on_first_want: Callable[[], None] | None = None
        self._watchers: list[Callable[[], None]] = []
        self._dirty = False
        _feeds.add(self)

    @classmethod
    def ended_with(cls, message: Message, engine: Engine, error: Exception | None = None) -> Feed:
        """The feed of an answer that is over: everything at once, nothing more."""
        feed = cls(message, engine)
        feed.error = error
        feed._draft = None
        feed.done.set_result(None)
        return feed

    @property
    def engine(self) -> Engine:
        """The engine that reads it; a forked child's own looks at what is left of it there."""
        return self._engine or get_engine()

    @property
    def last(self) -> Feed:
        """Itself, or the one that came after it."""
        return self if self.successor is None else self.successor.last

    @property
    def status(self) -> Status:
        return self._message.status

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._draft is None

    def message(self) -> Message:
        """The message so far. From any thread."""
        with self._lock:
            return self._message if self._draft is None else self._draft.message()

    # -- for its producer, on the engine's loop --

    def when_wanted(self, start: Callable[[], None]) -> None:
        """Call `start` once, when somebody first wants something."""
        self._on_first_want = start

    async def wanted(self) -> None:
        """Return when somebody waits for more than there is, or nobody needs to any more."""
        if not self.draining:
            await self._demand.wait()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody here reads it, looks at it, or waits for its end."""
        return self.draining or self._waiting > 0 or bool(self._watchers)

    async def wanted_within(self, seconds: float) -> None:
        """Return when somebody wants more, at the latest after so many seconds."""
        # not wait_for, which before Python 3.12 loses a cancellation now and then:
        # https://github.com/python/cpython/issues/86296
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._demand.wait()

    async def until_end(self) -> None:
        """Wait for the end, wanting nothing."""
        while not self.ended:
            await self._changed.wait()

    def begin(self, message: Message) -> None:
        """It is being written now: the message as it stands before the first chunk."""
        with self._lock:
            self._message, self._draft = message, Draft(message)
        self._touch()

    def publish(self, chunks: list[Chunk]) -> None:
        """Add what has arrived."""
        if not chunks:
            return
        with self._lock:
            assert self._draft is not None
            for chunk in chunks:
                self._draft.apply(chunk)
        self.chunks += chunks
        self._wake()
        self._touch()

    def end(self, message: Message, error: Exception | None = None) -> None:
        """The last word: `message` is how it stands for good."""
        with self._lock:
            self._message, self._draft = message, None
        self.after = ()
        self.error = error
        self.note = ""
        self.chunks = list(merged(self.chunks))
        self._wake()
        self._call_watchers()

    def missing(self, message: Message) -> list[Chunk]:
        """What is missing here of the same message at a later time."""
        with self._lock:
            draft = self._draft
            return [] if draft is None else rest(draft.message(), message, draft.ids)

    def say(self, note: str) -> None:
        """What it is waiting for, in words; empty when it goes on."""
        self.note = note
        self._touch()

    def warn(self, warning: str) -> None:
        """Something went wrong that does not change the answer: told once."""
        if warning not in self.warnings:
            logger.warning("%s", warning)
            self.warnings.append(warning)
            self._touch()

    def settle(self, warning: str, since: str) -> None:
        """What was warned of is over: say that too."""
        if warning in self.warnings:
            self.warnings[self.warnings.index(warning)] = f"{warning} {since}"
            self._touch()

    # -- for its readers --

    def drain(self) -> None:
        """Read to the end, whether or not anybody looks. On the engine's loop."""
        self.draining = True
        self._want()

    def cursor(self) -> Cursor:
        """A reader that begins at the first chunk."""
        return Cursor(self)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the engine's thread after changes, at most once a tick, and at the
        end. Returns what ends the watching."""
        self._watchers.append(callback)
        return lambda: self._watchers.remove(callback) if callback in self._watchers else None

    async def more(self) -> None:
        """Wait for a change, as somebody who wants one."""
        self._waiting += 1
        self._want()
        try:
            await self._changed.wait()
        finally:
            self._waiting -= 1
            if self._waiting <= 0 and not self.draining:
                self._demand.clear()

    def _want(self) -> None:
        self._demand.set()
        if self._on_first_want is not None:
            start, self._on_first_want = self._on_first_want, None
            start()

    def _wake(self) -> None:
        self._changed.set()
        self._changed.clear()

    def _touch(self) -> None:
        if not self._dirty and self._watchers:
            self._dirty = True
            self.engine.ticker.soon(self._tick)

    def _tick(self) -> None:
        self._dirty = False
        if not self.ended:
            self._call_watchers()

    def _call_watchers(self) -> None:
        for callback in list(self._watchers):
            try:
                callback()
            except Exception:
                logger.exception("a view of this answer failed; the answer goes on")
                self._watchers.remove(callback)

    def _orphan(self) -> None:
        """In a forked child: the producer stayed with the parent, and the engine too."""
        self._engine, self._lock = None, threading.Lock()
        self._on_first_want = None
        self._watchers.clear()
        if self._draft is not None:
            self._message = settled(self._draft.message(), "interrupted")
            self._draft = None
        self.done = concurrent.futures.Future()
        self.done.set_result(None)


class Cursor:
    """A position in a feed. It keeps the list it reads, which the feed may shorten at its end."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._chunks = feed.chunks
        self._position = 0

    async def read(self) -> list[Chunk]:
        """The next chunks, waiting for at least one; none: that was the end."""
        while self._position >= len(self._chunks) and not self._feed.ended:
            await self._feed.more()
        found = self._chunks[self._position :]
        self._position += len(found)
        return found


def _orphan_all() -> None:
    for feed in list(_feeds):
        feed._orphan()


_feeds: weakref.WeakSet[Feed] = weakref.WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_orphan_all)
