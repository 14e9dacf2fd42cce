"""Rows by their ids: many read at once, taken unless they have ended, and removed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from chatkit.errors import Fenced
from chatkit.stores import Lease, Store
from chatkit.stores.disk import DiskStore
from chatkit.stores.redis import RedisStore
from tests.redis_server import RedisServer
from tests.storing import (
    another,
    child,
    end,
    everywhere,
    ids,
    line,
    loaded,
    message,
    on_redis,
    picture,
    run,
    sql,
    tell,
)

ANSWERS = "compare/answers"
FILE = b"only here" * 999


async def taken(store: Store, row_id: str = "a") -> Lease:
    lease = await store.acquire(ANSWERS, row_id, rows=[message(row_id, "", "streaming")])
    assert lease is not None
    return lease


async def answered(store: Store, row_id: str = "a", status: str = "complete") -> None:
    await store.finalize(await taken(store, row_id), message(row_id, "done", status))


# -- rows --


@everywhere
def test_rows_come_in_the_order_they_are_asked_for_and_none_where_there_is_none(
    store: Store,
) -> None:
    run(store.append(ANSWERS, [message("a"), picture("b/ü", FILE), message("c")]))
    run(store.append("trip", [message("d")]))
    asked = ["c", "d", "b/ü", "c", "", "a"]
    expected = [message("c"), None, picture("b/ü", FILE), message("c"), None, message("a")]
    assert run(store.rows(ANSWERS, asked)) == expected
    assert run(store.rows(ANSWERS, [])) == []
    assert run(store.rows("nowhere", ["a"])) == [None]


@everywhere
def test_more_rows_than_one_statement_takes_are_read_at_once(store: Store) -> None:
    names = [f"{number:032x}" for number in range(2345)]
    run(store.append(ANSWERS, [message(name, name) for name in names[::2]]))
    found = run(store.rows(ANSWERS, names))
    assert found[::2] == [message(name, name) for name in names[::2]]
    assert set(map(str, found[1::2])) == {"None"}


@everywhere
def test_a_row_whose_stream_is_being_written_is_read_as_it_is_stored(store: Store) -> None:
    lease = run(taken(store))
    run(store.extend(lease, [{"n": 1}]))
    assert run(store.rows(ANSWERS, ["a"])) == [message("a", "", "streaming")]


def test_a_row_that_chatkit_did_not_write_is_none(store: DiskStore, database: Path) -> None:
    run(store.append(ANSWERS, [message("a"), message("b"), message("c")]))
    key = "m/compare%2Fanswers/"
    sql(database, "UPDATE Cache SET value = x'80' WHERE key = ?", f"{key}a")
    sql(
        database, "UPDATE Cache SET value = NULL, filename = '/etc/passwd' WHERE key = ?", f"{key}b"
    )
    assert run(store.rows(ANSWERS, ["a", "b", "c"])) == [None, None, message("c")]


# -- acquire(unless=) --


@everywhere
def test_a_row_that_has_ended_in_a_state_that_is_final_is_not_begun_again(store: Store) -> None:
    run(answered(store))
    before = loaded(store, ANSWERS)
    again = store.acquire(
        ANSWERS, "a", rows=[message("a", "", "streaming")], header={"x": 1}, unless=("complete",)
    )
    assert run(again) is None
    assert loaded(store, ANSWERS) == before


@everywhere
def test_a_row_that_has_ended_in_another_state_or_never_began_is_taken(store: Store) -> None:
    run(answered(store, "a", "error"))
    run(store.append(ANSWERS, [message("b")]))
    for row_id in ("a", "b", "c"):
        assert run(store.acquire(ANSWERS, row_id, unless={"complete", "stopped"})) is not None


@everywhere
def test_a_row_whose_writer_is_gone_is_taken_whatever_is_final(store: Store) -> None:
    other = child(store, f"await store.acquire({ANSWERS!r}, 'a'); say('began'); time.sleep(60)")
    try:
        assert line(other) == "began"
        assert run(store.acquire(ANSWERS, "a", unless=("streaming",))) is None  # it lives
    finally:
        end(other)
    assert run(store.acquire(ANSWERS, "a", unless=("streaming", "complete"))) is not None


@everywhere
def test_two_processes_that_race_for_many_rows_write_each_once(store: Store) -> None:
    body = """
        async def one(id):
            row = {"id": id, "message": {"metadata": {"status": "streaming"}}}
            lease = await store.acquire("compare/answers", id, rows=[row], unless=("complete",))
            if lease is None:
                return 0
            row["message"]["metadata"]["status"] = "complete"
            await store.finalize(lease, row)
            return 1

        say("ready")
        sys.stdin.readline()
        mine = 0
        for begin in range(0, 600, 50):
            mine += sum(await asyncio.gather(*[one(str(begin + n)) for n in range(50)]))
        say(mine)
        """
    others = [child(store, body) for _ in range(2)]
    try:
        assert [line(other) for other in others] == ["ready", "ready"]
        for other in others:
            tell(other)
        assert sum(int(line(other)) for other in others) == 600
    finally:
        for other in others:
            end(other)


# -- remove --


@everywhere
def test_removed_rows_are_gone_with_what_is_beside_them_and_no_others(store: Store) -> None:
    for row_id in ("a", "b", "a/b"):
        run(answered(store, row_id))
    before = loaded(store, ANSWERS).header["rev"]
    run(store.remove(ANSWERS, ["a", "never there"]))
    assert ids(store, ANSWERS) == ["b", "a/b"]
    assert run(store.status(ANSWERS, "a")) is None
    assert run(store.status(ANSWERS, "a/b")) is not None
    assert loaded(store, ANSWERS).header["rev"] == before + 1
    run(store.remove(ANSWERS, ["a"]))
    assert loaded(store, ANSWERS).header["rev"] == before + 1
    run(store.remove("nowhere", ["a"]))
    assert run(store.load("nowhere")) is None


@everywhere
def test_rows_that_are_added_after_some_were_removed_come_last(store: Store) -> None:
    run(store.append(ANSWERS, [message(name) for name in ("c", "b", "z")]))
    run(store.remove(ANSWERS, ["c", "b"]))
    for name in ("y", "c", "x"):
        run(store.append(ANSWERS, [message(name)]))
    assert ids(store, ANSWERS) == ["z", "y", "c", "x"]


@everywhere
def test_who_writes_a_removed_row_is_fenced_also_where_it_is_begun_again(store: Store) -> None:
    elsewhere = another(store)

    async def stream() -> None:
        lease = await taken(store)
        await store.extend(lease, [{"n": 1}])
        await store.tell(ANSWERS, "a", {"stop": True})
        await elsewhere.remove(ANSWERS, ["a"])
        for late in (
            store.beat(lease),
            store.extend(lease, []),
            store.finalize(lease, {"id": "a"}),
        ):
            with pytest.raises(Fenced, match="deleted"):
                await late
        await asyncio.sleep(0.002)
        again = await taken(elsewhere)
        assert await elsewhere.heard([again]) == []
        assert (await elsewhere.follow(ANSWERS, "a")).segments == []
        for late in (
            store.beat(lease),
            store.extend(lease, []),
            store.finalize(lease, {"id": "a"}),
        ):
            with pytest.raises(Fenced):
                await late
        await elsewhere.finalize(again, message("a", "again"))
        await elsewhere.close()

    run(stream())
    assert run(store.rows(ANSWERS, ["a"])) == [message("a", "again")]


@everywhere
def test_files_of_removed_rows_stay_where_anything_else_holds_them(store: Store) -> None:
    shared, own = picture("a", b"shared" * 999), picture("b", FILE)
    file = picture("c", b"of a segment" * 999)["message"]["parts"][-1]
    run(store.append(ANSWERS, [shared, own, {**shared, "id": "d"}]))
    run(store.append("trip", [own]))
    lease = run(taken(store, "e"))
    run(store.extend(lease, [file]))
    run(store.remove(ANSWERS, ["a", "b"]))
    assert run(store.rows(ANSWERS, ["d"])) == [{**shared, "id": "d"}]
    assert run(store.rows("trip", ["b"])) == [own]
    assert run(store.follow(ANSWERS, "e")).segments == [[file]]


def test_files_that_nothing_holds_any_more_are_removed_with_the_last_row(
    store: DiskStore, database: Path
) -> None:
    run(store.append(ANSWERS, [picture("a", FILE), picture("b", FILE)]))
    run(store.remove(ANSWERS, ["a"]))
    files = "SELECT count(*) FROM Cache WHERE key LIKE 'f/%' OR key LIKE 'r/%'"
    assert sql(database, files) == [(2,)]
    run(store.remove(ANSWERS, ["b"]))
    assert sql(database, "SELECT key FROM Cache") == [("c/compare%2Fanswers",)]


@on_redis
def test_on_a_server_nothing_of_removed_rows_is_left(store: RedisStore, redis: RedisServer) -> None:
    run(store.append(ANSWERS, [picture("a", FILE)]))
    run(answered(store, "b"))
    lease = run(taken(store, "c"))
    run(store.extend(lease, [{"n": 1}]))
    run(store.remove(ANSWERS, ["a", "b", "c"]))
    with redis.client() as client:
        keys = sorted(key.decode() for key in client.keys("*"))
    deleted = "chatkit:d/compare%2Fanswers/c"
    assert keys == ["chatkit:c/compare%2Fanswers", "chatkit:chats", deleted]
