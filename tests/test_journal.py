"""Journals: what all streams of a store have brought since the last tick is saved together."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatkit.answers import inbox
from chatkit.answers import journal as journals
from chatkit.answers.feed import Feed
from chatkit.answers.journal import Journal
from chatkit.answers.producer import Ask, Producer
from chatkit.answers.steps import Question
from chatkit.chunks import TextDelta
from chatkit.engine import get_engine
from chatkit.errors import StoreError
from chatkit.messages import Message, as_messages
from chatkit.providers import Model
from chatkit.stores import Lease, Row
from chatkit.stores.disk import DiskStore


class Watched(DiskStore):
    """A disk store that counts the segments of each call, and may be out of order."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.calls: list[int] = []
        self.beats = 0
        self.broken = False

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[Row]]]
    ) -> list[StoreError | None]:
        self.calls.append(len(segments))
        if self.broken:
            raise StoreError("it is full")
        return await super().extend_all(segments)

    async def beat(self, lease: Lease) -> None:
        self.beats += 1
        await super().beat(lease)


class OneRow:
    """The record of an answer "a" that nothing leads to."""

    def __init__(self, store: Watched, chat_id: str) -> None:
        self.store, self.chat_id = store, chat_id

    async def begin(self) -> Lease | None:
        return await self.store.acquire(self.chat_id, "a", rows=[{"id": "a"}])

    async def retake(self) -> Lease | None:
        return await self.store.acquire(self.chat_id, "a")

    async def renew(self) -> Lease | None:
        return await self.begin()

    async def end(self, lease: Lease | None, message: Message) -> None:
        assert lease is not None
        await self.store.finalize(lease, {"id": "a", "message": message.to_json()})


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "store")


async def begun(store: Watched, chat_id: str) -> tuple[Journal, Feed]:
    """A journal of an answer "a" that is being written."""
    engine = get_engine()
    feed = Feed(Message(id="a", role="assistant", status="streaming"), engine)

    journal = Journal(store, feed, OneRow(store, chat_id), engine=engine)
    await journal.prepare()
    return journal, feed


def say(journal: Journal, feed: Feed, text: str) -> None:
    feed.publish([TextDelta("0", text)])
    journal.touch()


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def on_the_engine() -> None:
        await work()

    get_engine().run(on_the_engine())


async def saved(store: Watched, chat_id: str) -> list[str]:
    segments = (await store.follow(chat_id, "a")).segments
    return ["".join(chunk["delta"] for chunk in segment) for segment in segments]


def test_what_many_streams_bring_in_one_tick_is_saved_in_one_call(store: Watched) -> None:
    async def stream() -> None:
        answers = [await begun(store, name) for name in ("one", "two", "three")]
        for journal, feed in answers:
            say(journal, feed, "Hi ")
            say(journal, feed, "there")
        for journal, _ in answers:
            await journal.flush()
        assert store.calls == [3]
        assert [await saved(store, name) for name in ("one", "two", "three")] == [["Hi there"]] * 3
        for journal, feed in answers:
            await journal.close(feed.message())

    run(stream)


def test_a_stream_that_was_taken_over_is_told_so_and_the_others_are_saved(store: Watched) -> None:
    async def stream() -> None:
        (lost, its_feed), (kept, feed) = await begun(store, "lost"), await begun(store, "kept")
        await store.delete("lost")
        say(lost, its_feed, "gone")
        say(kept, feed, "here")
        await kept.flush()
        assert await saved(store, "kept") == ["here"]
        assert "No longer saved from here" in its_feed.warnings[0]
        assert not feed.warnings
        say(lost, its_feed, "more")
        await lost.flush()
        assert (await store.follow("lost", "a")).segments == []
        for journal, each in ((lost, its_feed), (kept, feed)):
            await journal.close(each.message())
        assert await store.load("lost") is None

    run(stream)


def test_a_word_reaches_whom_it_is_for_though_who_looked_for_it_is_stopped(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PACE", 3600.0)
    hear = store.heard

    async def stream() -> None:
        taken, may_go_on, told = asyncio.Event(), asyncio.Event(), asyncio.Event()
        lease = await store.acquire("trip", "a")
        assert lease is not None

        async def slowly(leases: Sequence[Lease]) -> list[tuple[Lease, dict[str, Any]]]:
            words = await hear(leases)
            taken.set()
            await may_go_on.wait()
            return words

        box = inbox.inbox(store, get_engine())
        box.listen(lease, lambda word: told.set())
        await box.look()
        await store.tell("trip", "a", {"do": "stop"})
        monkeypatch.setattr(store, "heard", slowly)
        looking = asyncio.create_task(box.look())
        await taken.wait()
        looking.cancel()
        may_go_on.set()
        await asyncio.wait_for(told.wait(), 20)
        box.leave(lease)

    run(stream)


def test_what_could_not_be_saved_is_saved_as_it_was_before_what_comes_next(store: Watched) -> None:
    async def stream() -> None:
        journal, feed = await begun(store, "trip")
        store.broken = True
        say(journal, feed, "one ")
        await journal.flush()
        assert feed.warnings == ["Not saved while this lasts: it is full"]
        store.broken = False
        say(journal, feed, "two")
        await journal.flush()
        await journal.flush()
        assert await saved(store, "trip") == ["one ", "two"]
        await journal.close(feed.message())

    run(stream)


def test_nothing_is_written_where_nothing_is_new(store: Watched) -> None:
    async def stream() -> None:
        journal, feed = await begun(store, "trip")
        say(journal, feed, "all")
        await journal.flush()
        await journal.flush()
        await journal.close(feed.message())
        assert store.calls == [1]

    run(stream)


def test_a_stream_in_which_nothing_arrives_keeps_giving_signs_of_life(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "BEAT", 0.01)

    async def stream() -> None:
        journal, feed = await begun(store, "trip")
        while store.beats < 3:
            await store.load("trip")
        await journal.close(feed.message())

    run(stream)


def test_an_answer_that_is_over_leaves_nothing_to_the_garbage_collector(
    store: Watched, model: Model
) -> None:
    engine = get_engine()

    async def answered() -> weakref.ref[Producer]:
        feed = Feed(Message(id="a", role="assistant", status="queued"), engine)
        feed.drain()
        journal = Journal(store, feed, OneRow(store, "one"), engine=engine)
        ask = Ask(Question(model), lambda: as_messages("Hello?"))
        producer = Producer(feed, ask, engine, journal)
        producer.start()
        await producer.ended()
        assert feed.message().text == "Answer to: Hello?"
        return weakref.ref(producer)

    gc.disable()  # with thousands of answers it takes a tenth of the time to find them again
    try:
        left = engine.run(answered())
        engine.run(asyncio.sleep(0.1))
        assert left() is None
    finally:
        gc.enable()
