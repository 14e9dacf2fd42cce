"""Who writes an answer that this process asks for: a producer here, or a worker.

A worker is given what the kernel has begun, the right to write it included, and is followed from
then on through the store, like any other process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from msgspec.structs import replace

from chatkit.answers.feed import Feed
from chatkit.answers.follower import Follower
from chatkit.answers.journal import BEAT, Journal, Record
from chatkit.answers.producer import Ask, Producer
from chatkit.detached.jobs import Job, job_of
from chatkit.engine import Engine, Running
from chatkit.errors import ConfigError, StoreError
from chatkit.messages import Message
from chatkit.stores import Lease, Store, this_process

HERE = "Written in this kernel, not detached from it: "
Adopt = Callable[[Producer], None]


class Held:
    """The record of an answer whose lease this process holds already."""

    def __init__(self, record: Record, lease: Lease, store: Store) -> None:
        self._record = record
        self._lease = lease
        self._store = store

    async def begin(self) -> Lease | None:
        await self._store.beat(self._lease)  # from here on it is this process's
        return self._lease

    async def renew(self) -> Lease | None:
        return await self._record.renew()

    async def retake(self) -> Lease | None:
        return await self._record.retake()

    async def end(self, lease: Lease | None, message: Message) -> None:
        await self._record.end(lease, message)


def producer_of(feed: Feed, ask: Ask, record: Record, store: Store, engine: Engine) -> Producer:
    """Who writes the answer here."""
    return Producer(feed, ask, engine, Journal(store, feed, record, engine=engine))


def detached(
    feed: Feed,
    ask: Ask,
    record: Record,
    store: Store,
    *,
    system: str | None,
    engine: Engine,
    adopt: Adopt,
) -> Producer | Follower:
    """Who follows the answer that a worker is to write; where that cannot be, who writes it here.

    `adopt` is told of whoever writes it here after all, because no worker takes it.
    """
    id = feed.message().id
    try:
        job = job_of(ask.question, store, id, system=system, is_continuation=ask.is_continuation)
    except ConfigError as hindrance:
        feed.warn(f"{HERE}{hindrance}.")
        return producer_of(feed, ask, record, store, engine)

    def take_back(record: Record) -> None:
        producer = producer_of(feed, ask, record, store, engine)
        adopt(producer)
        feed.drain()
        producer.start()

    handover = Handover(job, feed, record, store, engine=engine, take_back=take_back)
    return Follower(feed, store, job.chat_id, begin=handover.begin, otherwise=ask.otherwise)


class Handover(Running):
    """Begins an answer, and hands it over. The process does not end before that."""

    def __init__(
        self,
        job: Job,
        feed: Feed,
        record: Record,
        store: Store,
        *,
        engine: Engine,
        take_back: Callable[[Record], None],
    ) -> None:
        self._job = job
        self._feed = feed
        self._record = record
        self._store = store
        self._engine = engine
        self._take_back = take_back
        self._over = asyncio.Event()

    async def begin(self) -> None:
        """Return once somebody writes it."""
        self._engine.running.add(self)
        try:
            await self._begin()
        finally:
            self._engine.running.discard(self)
            self._over.set()

    async def _begin(self) -> None:
        from chatkit.detached.workers import NoWorker, workers  # subprocesses are not needed before

        try:
            lease = await self._record.begin()
        except StoreError:  # it is told by whoever tries here, as ever
            return self._take_back(self._record)
        if lease is None:
            return None  # another process writes it
        beating = self._engine.loop.create_task(self._beat(lease))
        try:
            await workers(self._store, self._engine).hand(self._complete(lease))
        except NoWorker as why:
            self._feed.warn(f"{HERE}{why}.")
            self._take_back(Held(self._record, lease, self._store))
        finally:
            beating.cancel()

    def _complete(self, lease: Lease) -> Job:
        after = [feed.message().id for feed in self._feed.after if not feed.ended]
        return replace(self._job, epoch=lease.epoch, after=after)

    async def _beat(self, lease: Lease) -> None:
        """Until the worker does: it may have to be started."""
        with suppress(StoreError):  # it is told by whoever writes
            while True:
                await asyncio.sleep(BEAT)
                info = await self._store.status(lease.chat_id, lease.row_id)
                if info is None or info.owner == this_process() or not info.alive:
                    await self._store.beat(lease)  # else its worker has said that it is there

    @property
    def unattended(self) -> bool:
        return True

    def interrupt(self) -> None:
        """It takes but a moment, and then goes on elsewhere."""

    async def ended(self) -> None:
        await self._over.wait()
