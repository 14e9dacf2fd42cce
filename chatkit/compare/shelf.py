"""Where the answers of comparisons are kept: rows of a store, named by what is asked.

All comparisons of a store share them, so that whoever asks the same finds the answer. They are
rows of a chat that no `Chat` can open, and no list of chats shows.
"""

from __future__ import annotations

import asyncio
import logging
import weakref
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from chatkit.answers.feed import Feed
from chatkit.answers.follower import take_over
from chatkit.answers.journal import Journal
from chatkit.answers.producer import Ask, Producer
from chatkit.compare.run import Run
from chatkit.engine import Engine
from chatkit.errors import StoreError
from chatkit.messages import Message
from chatkit.scores.verdict import Verdict
from chatkit.stores import Lease, Store
from chatkit.stores.protocol import Row

ANSWERS = "compare/answers"
SCORES = "compare/scores"
logger = logging.getLogger("chatkit")
FINAL = ("complete",)  # what is not asked again


class Attempt(NamedTuple):
    """An answer that is being written in this process, for runs of one comparison or several."""

    feed: Feed
    producer: Producer
    journal: Journal
    wanted_by: set[Run]

    def let_go(self, run: Run) -> bool:
        """This run does not want it any more; whether another one still does."""
        self.wanted_by.discard(run)
        return bool(self.wanted_by)


class Shelf:
    """The answers of comparisons in one store. On the engine's loop."""

    def __init__(self, store: Store, engine: Engine) -> None:
        self.live: dict[str, Attempt] = {}  # by the key of the run
        self._store = store
        self._engine = engine
        self._verdicts: dict[str, Row] = {}  # that are not stored yet
        self._flushing: asyncio.Task[None] | None = None

    # -- answers --

    async def restore(self, runs: Sequence[Run]) -> None:
        """Give each run the answer that there is. Raises StoreError."""
        rows = await self._store.rows(ANSWERS, [run.key for run in runs])
        unfinished = []
        for run, row in zip(runs, rows, strict=True):
            if row is not None:
                run.restore(row)
                run.is_restored = run.status in FINAL
                if run.status in ("queued", "streaming") and run.key not in self.live:
                    unfinished.append(run)
        if unfinished:
            await self._look_after(unfinished)

    async def look(self, runs: Sequence[Run]) -> None:
        """See how the runs stand that others ask: `is_elsewhere` where they still do."""
        for run in runs:
            run.is_elsewhere = False
        await self.restore(runs)

    async def _look_after(self, runs: Sequence[Run]) -> None:
        """Of answers without an end: those of others are theirs, what nobody writes has ended."""
        living = {row_id for chat_id, row_id, _ in await self._store.living() if chat_id == ANSWERS}
        for run in runs:
            if run.key in living:
                run.is_elsewhere = True
                continue
            left = await take_over(self._store, ANSWERS, run.key)
            if left is None:  # somebody has just ended it, or begun it
                [row] = await self._store.rows(ANSWERS, [run.key])
                run.is_elsewhere = _is_open(row)
                run.restore(row) if row is not None else None
            else:
                run.message = left

    def ask(self, run: Run, *, fresh: bool) -> Attempt:
        """Ask it; or what asks the same already."""
        if (live := self.live.get(run.key)) is not None:
            live.wanted_by.add(run)
            return live
        settings, messages = run.settings, run.messages
        message = Message(
            id=run.key, role="assistant", status="queued", metadata={"model": settings.model.id}
        )
        feed = Feed(message, self._engine)
        record = AnswerRow(self._store, run, fresh=fresh)
        journal = Journal(self._store, feed, record, engine=self._engine)
        question = settings.question("", replaces="", resumes=False, can_ask=False)
        producer = Producer(feed, Ask(question, lambda: messages), self._engine, journal)
        attempt = self.live[run.key] = Attempt(feed, producer, journal, {run})
        feed.done.add_done_callback(lambda _: self.live.pop(run.key))
        feed.drain()
        producer.start()
        return attempt

    async def remove(self, runs: Sequence[Run]) -> None:
        """Forget the answers of these runs, but for those that another comparison waits for."""
        await self._store.remove(ANSWERS, [run.key for run in runs if run.key not in self.live])

    # -- scores --

    async def verdicts(self, ids: Sequence[str]) -> list[Verdict | None]:
        """What scores have said, by the ids of what they were asked."""
        rows = await self._store.rows(SCORES, ids)
        return [None if row is None else _verdict(row) for row in rows]

    def keep(self, id: str, verdict: Verdict) -> None:
        """Store what a score says, at the next tick together with what others say."""
        if not self._verdicts:
            self._engine.ticker.soon(self._flush_soon)
        self._verdicts[id] = {"id": id, "verdict": msgspec.to_builtins(verdict)}

    async def flush(self) -> None:
        """Return once what scores have said is stored; what cannot be is scored again another
        time."""
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        await self._write_verdicts()

    async def _write_verdicts(self) -> None:
        rows, self._verdicts = list(self._verdicts.values()), {}
        try:
            if rows:
                await self._store.append(SCORES, rows)
        except StoreError as error:
            logger.warning("%d scores are not saved: %s", len(rows), error)

    def _flush_soon(self) -> None:
        self._flushing = self._engine.loop.create_task(self._write_verdicts())


class AnswerRow:
    """The row of a run, as the journal that writes its answer wants it."""

    def __init__(self, store: Store, run: Run, *, fresh: bool) -> None:
        self._store = store
        self._run = run
        self._unless = () if fresh else FINAL
        before = run.message
        self._older = run.older_rows  # as of now: the run is about to be given another answer
        if before is not None and not before.is_empty:
            self._older = [*self._older, before.to_json()]

    async def begin(self) -> Lease | None:
        return await self._acquire(self._unless)

    async def renew(self) -> Lease | None:
        return await self._acquire(())

    async def retake(self) -> Lease | None:
        return await self._store.acquire(ANSWERS, self._run.key)

    async def end(self, lease: Lease | None, message: Message) -> None:
        if lease is not None:  # else nothing was asked, and there is nothing to keep
            await self._store.finalize(lease, self._row(message))

    async def _acquire(self, unless: Sequence[str]) -> Lease | None:
        run = self._run
        bare = Message(
            id=run.key,
            role="assistant",
            status="streaming",
            metadata={"model": run.settings.model.id},
        )
        row = self._row(bare)
        lease = await self._store.acquire(ANSWERS, run.key, rows=[row], unless=unless)
        if lease is not None:
            run.older_rows = self._older
        return lease

    def _row(self, message: Message) -> Row:
        run = self._run
        row: Row = {"id": run.key, "message": message.to_json()}
        row["asked"] = {
            "messages": [each.to_json() for each in run.messages],
            "model": run.settings.model.id,
            "options": dict(run.settings.options),
        }
        return row | ({"older": self._older} if self._older else {})


def _is_open(row: Row | None) -> bool:
    return row is not None and row["message"]["metadata"]["status"] in ("queued", "streaming")


def _verdict(row: Row) -> Verdict | None:
    try:
        return msgspec.convert(row.get("verdict"), Verdict)
    except msgspec.ValidationError:  # of another version: it is asked again
        return None


def shelf_of(store: Store, engine: Engine) -> Shelf:
    """The one shelf of this store: it lives as long as somebody compares."""
    return _shelves.setdefault((id(store), id(engine)), Shelf(store, engine))


_shelves: weakref.WeakValueDictionary[tuple[int, int], Shelf] = weakref.WeakValueDictionary()
