"""Streams in a store: who may write one, and who takes it over."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from chatkit.errors import Fenced
from chatkit.stores import Lease, Store, _owner, _streams
from chatkit.stores._rows import Rows
from chatkit.stores.disk import DiskStore
from tests.storing import (
    another,
    child,
    end,
    eventually,
    everywhere,
    ids,
    line,
    loaded,
    message,
    run,
    sql,
    tell,
)


@everywhere
def test_a_stream_is_followed_segment_by_segment(store: Store) -> None:
    async def stream() -> None:
        await store.append("trip", [message("a", "", "streaming")])
        lease = await store.acquire("trip", "a")
        assert lease is not None
        for number in range(12):
            await store.extend(lease, [{"n": number}])
        assert (await store.follow("trip", "a", 10)).segments == [[{"n": 10}], [{"n": 11}]]
        assert (await store.follow("trip", "a", 12)).segments == []
        info = await store.status("trip", "a")
        assert info is not None
        assert (info.state, info.alive, info.segments) == ("streaming", True, 12)
        assert info.owner["pid"] == os.getpid()

    run(stream())


@everywhere
def test_the_end_of_a_stream_puts_the_row_in_the_place_of_its_segments(store: Store) -> None:
    async def stream() -> None:
        await store.append("trip", [message("a", "", "streaming"), message("b")])
        lease = await store.acquire("trip", "a")
        assert lease is not None
        await store.extend(lease, [{"n": 1}])
        await store.finalize(lease, message("a", "done"), header={"usage": 7})
        info = await store.status("trip", "a")
        assert info is not None
        assert (info.state, info.alive, info.segments) == ("complete", False, 0)
        assert (await store.follow("trip", "a")).segments == []
        for late in (
            store.extend(lease, []),
            store.beat(lease),
            store.finalize(lease, {"id": "a"}),
        ):
            with pytest.raises(Fenced):
                await late

    run(stream())
    assert loaded(store).rows == [message("a", "done"), message("b")]
    assert loaded(store).header["usage"] == 7


async def leases(store: Store, *chat_ids: str) -> list[Lease]:
    found = [await store.acquire(chat_id, "a") for chat_id in chat_ids]
    return [lease for lease in found if lease is not None]


@everywhere
def test_many_streams_are_extended_together(store: Store) -> None:
    async def stream() -> None:
        names = [str(number) for number in range(600)]
        held = await leases(store, *names)
        for tick in range(3):
            segments = [(lease, [{"n": tick, "of": lease.chat_id}]) for lease in held]
            assert await store.extend_all(segments) == [None] * 600
        for name in names[::100]:
            kept = (await store.follow(name, "a")).segments
            assert kept == [[{"n": tick, "of": name}] for tick in range(3)]

    run(stream())


def test_what_is_known_of_a_stream_is_not_read_again_at_each_tick(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    look = Rows.get_with_last

    def counted(self: Rows, key: str, prefix: str) -> tuple[Any, str | None]:
        looked.append(key)
        return look(self, key, prefix)

    monkeypatch.setattr(Rows, "get_with_last", counted)

    async def stream() -> None:
        held = await leases(store, *map(str, range(200)))
        for _ in range(3):
            await store.extend_all([(lease, [{}]) for lease in held])

    run(stream())
    assert len(looked) == 200


@everywhere
def test_of_many_streams_those_that_were_taken_over_are_fenced_alone(store: Store) -> None:
    elsewhere = another(store)

    async def stream() -> None:
        segments = [(lease, [{"n": 1}]) for lease in await leases(store, "a", "b", "c")]
        assert await store.extend_all(segments) == [None, None, None]
        await elsewhere.delete("b")
        first, second, third = await store.extend_all(segments)
        assert (first, third) == (None, None)
        assert isinstance(second, Fenced)
        assert [len((await store.follow(name, "a")).segments) for name in "abc"] == [2, 0, 2]

    run(stream())
    run(elsewhere.close())


@everywhere
def test_two_segments_of_one_stream_keep_their_order(store: Store) -> None:
    async def stream() -> None:
        [lease] = await leases(store, "trip")
        await store.extend_all([(lease, [{"n": 1}]), (lease, [{"n": 2}])])
        await store.beat(lease)
        await store.extend_all([(lease, [{"n": 3}]), (lease, [{"n": 4}])])
        assert (await store.follow("trip", "a")).segments == [[{"n": n}] for n in (1, 2, 3, 4)]

    run(stream())


@everywhere
def test_a_row_without_a_stream_has_no_status_and_nothing_to_recover(store: Store) -> None:
    run(store.append("trip", [message("a")]))
    assert run(store.status("trip", "a")) is None
    assert run(store.recover("trip", "a")) is None


@everywhere
def test_an_ended_stream_is_not_recovered_and_may_be_begun_again(store: Store) -> None:
    async def again() -> None:
        first = await store.acquire("trip", "a")
        assert first is not None
        await store.finalize(first, message("a", "one"))
        assert await store.recover("trip", "a") is None
        second = await store.acquire("trip", "a")
        assert second is not None
        assert second.epoch > first.epoch + 1
        await store.extend(second, [{"n": 1}])
        with pytest.raises(Fenced):
            await store.extend(first, [{"n": 2}])

    run(again())


@everywhere
def test_a_deleted_chat_fences_whoever_still_writes_it(store: Store) -> None:
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    run(store.delete("trip"))
    with pytest.raises(Fenced, match="deleted"):
        run(store.extend(lease, [{"n": 1}]))
    with pytest.raises(Fenced, match="deleted"):
        run(store.finalize(lease, message("a")))
    assert run(store.load("trip")) is None


@everywhere
def test_only_one_of_two_processes_writes_a_stream(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_owner, "LEASE", 60.0)
    other = child(
        store,
        """
        await store.append("trip", [{"id": "a"}])
        lease = await store.acquire("trip", "a")
        await store.extend(lease, [{"n": 1}])
        say("began")
        sys.stdin.readline()
        """,
    )
    try:
        assert line(other) == "began"
        assert run(store.acquire("trip", "a")) is None
        assert run(store.recover("trip", "a")) is None
        info = run(store.status("trip", "a"))
        assert info is not None
        assert info.alive
        assert info.owner["pid"] == other.pid
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # dead, but not buried yet
        info = run(store.status("trip", "a"))
        assert info is not None
        assert not info.alive
        recovered = run(store.recover("trip", "a"))
        assert recovered is not None
        assert recovered[1] == [{"n": 1}]
        run(store.finalize(recovered[0], message("a", "1", "interrupted")))
    finally:
        end(other)
    info = run(store.status("trip", "a"))
    assert info is not None
    assert info.state == "interrupted"


@everywhere
def test_a_suspended_writer_that_wakes_up_is_fenced(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_owner, "LEASE", 0.2)
    other = child(
        store,
        """
        lease = await store.acquire("trip", "a")
        await store.extend(lease, [{"n": 1}])
        say("began")
        sys.stdin.readline()
        try:
            await store.extend(lease, [{"n": 2}])
        except Fenced:
            say("fenced")
        """,
    )
    try:
        assert line(other) == "began"
        other.send_signal(signal.SIGSTOP)
        recovered = eventually(lambda: run(store.recover("trip", "a")))
        other.send_signal(signal.SIGCONT)
        tell(other)
        assert line(other) == "fenced"
    finally:
        end(other)
    assert recovered[1] == [{"n": 1}]
    assert run(store.follow("trip", "a")).segments == [[{"n": 1}]]


@everywhere
def test_the_streams_that_are_written_now_are_listed_with_whoever_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_owner, "LEASE", 60.0)
    other = child(
        store,
        """
        await store.append("a/b c", [{"id": "x/1"}])
        await store.acquire("a/b c", "x/1")
        say("began")
        sys.stdin.readline()
        """,
    )

    async def stream() -> None:
        for chat_id in ("trip", "food"):
            await store.append(chat_id, [message("a", "", "streaming")])
            held = await store.acquire(chat_id, "a")
        assert held is not None
        await store.finalize(held, message("a"))
        found = {(chat, row): info.owner["pid"] for chat, row, info in await store.living()}
        assert found == {("trip", "a"): os.getpid(), ("a/b c", "x/1"): other.pid}
        assert all(info.alive for _, _, info in await store.living())

    try:
        assert line(other) == "began"
        run(stream())
    finally:
        end(other)
    assert [chat for chat, _, _ in run(store.living())] == ["trip"]


@everywhere
def test_whoever_is_given_a_lease_becomes_the_writer_by_its_first_beat(store: Store) -> None:
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    other = child(
        store,
        """
        from chatkit.stores import Lease
        lease = Lease("trip", "a", int(sys.argv[1]))
        await store.beat(lease)
        say("beat")
        sys.stdin.readline()
        await store.extend(lease, [{"n": 1}])
        say("extended")
        sys.stdin.readline()
        """,
        str(lease.epoch),
    )
    try:
        assert line(other) == "beat"
        info = run(store.status("trip", "a"))
        assert info is not None
        assert info.owner["pid"] == other.pid
        tell(other)
        assert line(other) == "extended"
        assert run(store.follow("trip", "a")).segments == [[{"n": 1}]]
    finally:
        end(other)
    info = run(store.status("trip", "a"))
    assert info is not None
    assert not info.alive


def test_whoever_adds_to_a_stream_is_its_writer_again_with_the_next_sign_of_life(
    store: DiskStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    monkeypatch.setattr(_owner, "_role", "worker")  # as another process would be told apart
    monkeypatch.setattr(_streams, "BEAT", 0.0)
    run(store.extend(lease, [{"n": 1}]))
    info = run(store.status("trip", "a"))
    assert info is not None
    assert info.owner["role"] == "worker"


def test_a_beat_keeps_a_silent_stream_alive(store: DiskStore, database: Path) -> None:
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    [(value,)] = sql(database, "SELECT value FROM Cache WHERE key = 's/trip/a'")
    stream = json.loads(value)
    stream |= {"heartbeat": stream["heartbeat"] - 60, "ticks": stream["ticks"] - 60}
    aged = json.dumps(stream).encode()
    sql(database, "UPDATE Cache SET value = ? WHERE key = 's/trip/a'", aged)
    info = run(store.status("trip", "a"))
    assert info is not None
    assert not info.alive  # this process lives, but the task that wrote does not
    run(store.beat(lease))
    info = run(store.status("trip", "a"))
    assert info is not None
    assert info.alive


@pytest.mark.parametrize(
    ("change", "alive"),
    [
        ({}, True),
        ({"started": "1"}, False),  # the process id was used again
        ({"pid": 2**22 + 1}, False),  # no process has this id
        ({"boot": "another", "pid": 2**22 + 1}, True),  # another machine: the heartbeat decides
        ({"namespace": "another", "pid": 2**22 + 1}, True),  # another container
        ({"pid": "../self"}, True),
    ],
)
def test_an_owner_is_gone_only_if_that_is_certain(change: dict[str, Any], alive: bool) -> None:
    owner = {**_owner.this_process(), **change}
    assert _owner.is_alive(owner, 100.0, 101.0) is alive
    assert not _owner.is_alive(owner, 100.0, 106.0)


@everywhere
def test_two_processes_append_to_one_chat_without_losing_a_row(store: Store) -> None:
    body = """
        say("ready")
        sys.stdin.readline()
        for number in range(100):
            await store.append("trip", [{"id": f"%d-{number}"}], header={"%d": number})
        say("done")
        """
    others = [child(store, body % (who, who)) for who in (1, 2)]
    try:
        assert [line(other) for other in others] == ["ready", "ready"]
        for other in others:
            tell(other)
        assert [line(other) for other in others] == ["done", "done"]
    finally:
        for other in others:
            end(other)
    assert len(ids(store)) == 200
    header = loaded(store).header
    assert (header["1"], header["2"]) == (99, 99)
