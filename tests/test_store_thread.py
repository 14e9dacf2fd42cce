"""The I/O thread of a store: one transaction for many writes, cancelled tasks, forks."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from chatkit.errors import Fenced
from chatkit.stores import _database
from chatkit.stores._rows import Rows
from chatkit.stores.disk import DiskStore
from tests.storing import ids, message, run, sql


@asynccontextmanager
async def held(store: DiskStore) -> AsyncIterator[None]:
    """The I/O thread does nothing inside: whatever is written there queues up."""
    begun, over = threading.Event(), threading.Event()

    def wait(rows: object) -> None:
        begun.set()
        over.wait(30)

    busy = asyncio.create_task(store._io.read(wait))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    yield
    await asyncio.sleep(0)  # the tasks that were created get to queue their writes
    over.set()
    await busy


def test_writes_that_come_together_are_one_transaction(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    transaction = _database.Database.transaction

    def counted(self: _database.Database) -> Any:
        if self._directory == Path(store.location):  # and of no chat of another test
            begun.append(1)
        return transaction(self)

    monkeypatch.setattr(_database.Database, "transaction", counted)

    async def many() -> None:
        leases = [await store.acquire("trip", str(number)) for number in range(200)]
        begun.clear()
        async with held(store):
            tasks = [asyncio.create_task(store.extend(lease, [{}])) for lease in leases if lease]
        await asyncio.gather(*tasks)
        assert len(tasks) == 200

    run(many())
    assert len(begun) == 1


def test_writes_of_one_transaction_see_those_before_them(store: DiskStore) -> None:
    async def together() -> None:
        await store.append("trip", [message("a")])
        lease = await store.acquire("trip", "a")
        other = await store.acquire("other", "b")
        assert lease is not None
        assert other is not None
        await store.extend(lease, [{"n": 1}])
        await store.tell("trip", "a", {"stop": True})
        [before] = await store.revisions(["trip"])
        assert before is not None
        writes = (
            store.append("trip", [message("new")], header={"title": "one"}),
            store.update("trip", message("new", "edited")),
            store.tell("other", "b", {"n": 1}),
            store.tell("other", "b", {"n": 2}),
            store.finalize(lease, message("a", "done"), header={"usage": 7}),
            store.acquire("trip", "a", unless=("complete",)),
            store.acquire("trip", "a"),
            store.remove("trip", ["gone"]),
        )
        async with held(store):
            tasks = [asyncio.create_task(write) for write in writes]
        *_, refused, again, _ = await asyncio.gather(*tasks)
        assert refused is None
        assert again is not None
        stored = await store.load("trip")
        assert stored is not None
        assert stored.rows == [message("a", "done"), message("new", "edited")]
        header = stored.header
        assert (header["title"], header["usage"], header["rev"]) == ("one", 7, before + 3)
        assert await store.heard([again, other]) == [(other, {"n": 1}), (other, {"n": 2})]
        tail = await store.follow("trip", "a")
        assert tail.info is not None
        assert (tail.info.state, tail.segments) == ("streaming", [])

    run(together())


def test_of_two_that_take_a_row_in_one_transaction_one_has_it(store: DiskStore) -> None:
    async def together() -> list[object]:
        other = await store.acquire("trip", "other")
        assert other is not None
        writes = (
            store.acquire("trip", "a"),
            store.extend(other, [{"n": 1}]),  # what was put before is written for it
            store.acquire("trip", "a"),
        )
        async with held(store):
            tasks = [asyncio.create_task(write) for write in writes]
        return await asyncio.gather(*tasks)

    first, _, second = run(together())
    assert first is not None
    assert second is None


def test_a_chat_that_is_deleted_and_made_again_in_one_transaction_is_new(store: DiskStore) -> None:
    async def together() -> None:
        lease = await store.acquire("trip", "a", rows=[message("a")])
        assert lease is not None
        writes = (
            store.append("trip", [message("b")]),
            store.delete("trip"),
            store.append("trip", [message("c")]),
            store.finalize(lease, message("a")),
        )
        async with held(store):
            tasks = [asyncio.create_task(write) for write in writes]
        *_, fenced = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(fenced, Fenced)

    run(together())
    assert ids(store) == ["c"]


def test_hundreds_of_writes_are_few_statements(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    begin = Rows.__init__

    def traced(self: Rows, connection: sqlite3.Connection, file: int) -> None:
        begin(self, connection, file)
        execute = self._sql
        [_, _, path] = connection.execute("PRAGMA database_list").fetchone()
        if not Path(path).is_relative_to(store.location):
            return  # of another test, whose chat is open still

        def traced_execute(statement: str, *values: Any) -> sqlite3.Cursor:
            statements.append(statement)
            return execute(statement, *values)

        monkeypatch.setattr(self, "_sql", traced_execute)

    async def many() -> None:
        await store.chats()
        monkeypatch.setattr(Rows, "__init__", traced)
        names = [f"{number:032x}" for number in range(200)]
        async with held(store):
            taking = [store.acquire("trip", name, rows=[message(name)]) for name in names]
            tasks = [asyncio.create_task(take) for take in taking]
        leases = [lease for lease in await asyncio.gather(*tasks) if lease is not None]
        async with held(store):
            ending = [store.finalize(lease, message(lease.row_id)) for lease in leases]
            ends = [asyncio.create_task(end) for end in ending]
        await asyncio.gather(*ends)

    run(many())
    assert len(ids(store)) == 200
    assert 0 < len(statements) < 40


def test_one_fenced_write_fails_alone(store: DiskStore) -> None:
    async def together() -> list[object]:
        good = await store.acquire("trip", "good")
        bad = await store.acquire("trip", "bad")
        assert good is not None
        assert bad is not None
        await store.finalize(bad, message("bad"))
        writes = (
            store.append("trip", [message("before")]),
            store.extend(bad, [{"n": 1}]),
            store.extend(good, [{"n": 1}]),
        )
        async with held(store):
            tasks = [asyncio.create_task(write) for write in writes]
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, third = run(together())
    assert first is None
    assert isinstance(second, Fenced)
    assert third is None
    assert ids(store) == ["bad", "before"]
    assert run(store.follow("trip", "good")).segments == [[{"n": 1}]]
    assert run(store.follow("trip", "bad")).segments == []


def test_a_segment_that_was_undone_leaves_no_gap(store: DiskStore) -> None:
    def wrong(rows: object) -> None:
        raise ZeroDivisionError

    async def stream() -> None:
        lease = await store.acquire("trip", "a")
        assert lease is not None
        await store.extend(lease, [{"n": 1}])
        async with held(store):
            tasks = [
                asyncio.create_task(store.extend(lease, [{"n": 2}])),
                asyncio.create_task(store._io.write(wrong)),
            ]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [ZeroDivisionError] * 2
        assert (await store.follow("trip", "a")).segments == [[{"n": 1}]]
        await store.extend(lease, [{"n": 2}])
        assert (await store.follow("trip", "a")).segments == [[{"n": 1}], [{"n": 2}]]
        info = await store.status("trip", "a")
        assert info is not None
        assert info.segments == 2

    run(stream())


def test_a_cancelled_task_takes_back_nothing_it_has_queued(store: DiskStore) -> None:
    async def cancel_the_first() -> None:
        async with held(store):
            first, second = (
                asyncio.create_task(store.append("trip", [message(name)])) for name in "ab"
            )
            await asyncio.sleep(0)
            first.cancel()
        await second
        assert first.cancelled()

    run(cancel_the_first())
    assert ids(store) == ["a", "b"]


def test_a_loop_that_is_gone_takes_nobody_elses_results_along(store: DiskStore) -> None:
    async def leave_a_write_behind() -> None:
        async with held(store):
            gone = asyncio.new_event_loop()
            task = gone.create_task(store.append("trip", [message("a")]))
            await asyncio.to_thread(gone.run_until_complete, asyncio.sleep(0))
            task.cancel()
            await asyncio.to_thread(gone.run_until_complete, asyncio.wait([task]))
            gone.close()

    run(leave_a_write_behind())
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]


def test_a_mistake_in_one_write_is_undone_and_told(store: DiskStore) -> None:
    def wrong(rows: Any) -> None:
        rows.put("m/trip/x", b"{}")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(store._io.write(wrong))
    run(store.append("trip", [message("a")]))
    assert ids(store) == ["a"]


def test_a_closed_store_opens_again(store: DiskStore) -> None:
    run(store.close())
    run(store.append("trip", [message("a")]))
    run(store.close())
    run(store.close())
    assert ids(store) == ["a"]


def test_a_closed_store_has_no_file_open(store: DiskStore) -> None:
    run(store.append("trip", [message("a")]))
    run(store.close())
    open_files = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    assert not [name for name in open_files if name.startswith(store.location)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_parent_and_forked_children_go_on_writing(store: DiskStore) -> None:
    stop = threading.Event()
    written: list[int] = []

    async def write_all_the_time() -> None:
        while not stop.is_set():
            await store.append("parent", [message(str(len(written)))])
            written.append(1)

    run(store.append("child", []))
    writer = threading.Thread(target=lambda: run(write_all_the_time()))
    writer.start()
    try:
        for number in range(20):
            pid = os.fork()
            if pid == 0:
                try:
                    run(store.append("child", [message(str(number))]))
                finally:
                    os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        writer.join()
    assert ids(store, "child") == [str(number) for number in range(20)]
    assert ids(store, "parent") == [str(number) for number in range(len(written))]
    assert sql(Path(store.location) / "cache.db", "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_happens_with_no_database_open(store: DiskStore) -> None:
    run(store.append("trip", [message("a")]))
    pid = os.fork()
    if pid == 0:
        names = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
        os._exit(any(name.startswith(store.location) for name in names))
    assert os.waitpid(pid, 0)[1] == 0
    assert ids(store) == ["a"]
