"""The Redis store: what a server does, forgets, refuses and takes twice."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chatkit.errors import ConfigError, Fenced, StoreError, StoreLost
from chatkit.stores import Lease, _owner, _redis_server, open_store
from chatkit.stores import redis as redis_store
from chatkit.stores.redis import RedisStore
from tests import redis_server
from tests.redis_server import RedisServer
from tests.servers import free_port, listener
from tests.storing import another, eventually, loaded, message, picture, run

pytestmark = [pytest.mark.redis, redis_server.needed]


@pytest.fixture
def store(redis: RedisServer) -> Iterator[RedisStore]:
    it = RedisStore(redis.url)
    yield it
    run(it.close())


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for this test alone, which keeps nothing when it is killed."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


def begun(store: RedisStore, row_id: str = "a") -> Lease:
    lease = run(store.acquire("trip", row_id, rows=[message(row_id)], header={"head": row_id}))
    assert lease is not None
    return lease


def keys(redis: RedisServer) -> list[str]:
    with redis.client() as client:
        return sorted(key.decode() for key in client.scan_iter())


# -- where it is --


def test_the_same_url_is_the_same_store() -> None:
    first = open_store("redis://localhost:1/0")
    assert open_store("redis://localhost:1/0") is first
    assert open_store("redis://localhost:1/1") is not first
    assert isinstance(open_store("rediss://localhost:1/0"), RedisStore)
    assert isinstance(open_store("unix:///run/redis.sock?db=2"), RedisStore)


def test_the_variable_may_name_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_STORE", "redis://localhost:1/3")
    assert open_store().location == "redis://localhost:1/3"


def test_a_server_may_be_a_socket_of_this_machine(tmp_path: Path) -> None:
    where = tmp_path / "redis.sock"
    with RedisServer(tmp_path / "redis", unixsocket=str(where)):
        store = RedisStore(f"unix://{where}?db=1")
        run(store.append("trip", [message("a")]))
        assert loaded(store).rows == [message("a")]


@pytest.mark.parametrize(
    "url",
    [
        "redis://me:hunter2@localhost:1/0",
        "redis://:hunter2@localhost:1/0?socket_timeout=1",
        "redis://localhost:1/0?password=hunter2",
        "rediss://me:hunter2@localhost:1",
        "unix://me@/run/nobody.sock?db=2&password=hunter2",
    ],
)
def test_the_password_is_not_told(url: str) -> None:
    store = RedisStore(url)
    with pytest.raises(StoreError, match="start it") as caught:
        run(store.chats())
    assert caught.value.retryable
    for told in (store.location, repr(store), str(caught.value), repr(caught.value)):
        assert "hunter2" not in told
        assert "me@" not in told


@pytest.mark.parametrize("url", ["redis://me:hunter2@host:port/0", "redis://[hunter2/0"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="redis://host:6379/0") as caught:
        open_store(url)
    assert "hunter2" not in str(caught.value)


def test_without_redis_py_the_error_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from chatkit.stores import open_store\n"
        "try: open_store('redis://localhost/0')\n"
        "except ValueError as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.startswith("ConfigError")
    assert "pip install 'chatkit-notebook[redis]'" in done.stdout


# -- what a server refuses --


def test_a_wrong_password_is_named_and_not_tried_again(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        with server.client() as client:
            client.config_set("requirepass", "right")
        for secret in ("", ":hunter2@"):
            store = RedisStore(server.url.replace("//", f"//{secret}"))
            with pytest.raises(StoreError, match="password") as caught:
                run(store.chats())
            assert not caught.value.retryable
            assert "hunter2" not in str(caught.value)
        assert run(RedisStore(server.url.replace("//", "//:right@")).chats()) == []


def test_a_full_server_takes_nothing_and_then_goes_on(own: RedisServer) -> None:
    store = RedisStore(own.url)
    lease = begun(store)
    with own.client() as client:
        client.config_set("maxmemory", "1mb")
        for attempt in (
            store.extend(lease, [{"n": 1}]),
            store.append("trip", [message("b")]),
            store.finalize(lease, message("a", "all")),
        ):
            with pytest.raises(StoreError, match="memory is full") as caught:
                run(attempt)
            assert caught.value.retryable
        client.config_set("maxmemory", "0")
    assert [row["id"] for row in loaded(store).rows] == ["a"]
    run(store.extend(lease, [{"n": 1}]))
    run(store.finalize(lease, message("a", "all")))
    assert loaded(store).rows == [message("a", "all")]


def test_a_replica_says_that_it_cannot_be_written(own: RedisServer) -> None:
    with own.client() as client:
        client.replicaof("127.0.0.1", free_port())
    with pytest.raises(StoreError, match="replica"):
        run(RedisStore(own.url).append("trip", [message("a")]))


def test_a_server_that_holds_something_else_under_our_keys_is_told_so(
    store: RedisStore, redis: RedisServer
) -> None:
    with redis.client() as client:
        client.set("chatkit:c/trip", "mine")
    with pytest.raises(StoreError, match="WRONGTYPE") as caught:
        run(store.append("trip", [message("a")]))
    assert not caught.value.retryable


def test_rows_that_chatkit_did_not_write_are_skipped_and_told_of(
    store: RedisStore, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    run(store.append("trip", [message("a"), message("b")], header={"title": "Lisbon"}))
    with redis.client() as client:
        client.hset("chatkit:m/trip", "a", b"\x80\x04\x95pickle")
        client.hset("chatkit:c/trip", "title", b"\xff")
    found = loaded(store)
    assert found.rows == [message("b")]
    assert found.header["title"] is None
    assert "chatkit did not write" in caplog.text


def test_nothing_that_others_put_under_our_keys_does_harm(
    store: RedisStore, redis: RedisServer
) -> None:
    begun(store)
    bad = b"\x80\xff"
    with redis.client() as client:
        client.zadd("chatkit:chats", {bad: 1, "no slash": 2, "/trip": 3})
        client.sadd("chatkit:open", bad, "/a/b/c", "/trip/a")
        client.hset("chatkit:c/trip", mapping={bad: bad, "created_at": "9" * 40, "rev": "7"})
        client.xadd("chatkit:g/trip/a", {bad: bad})
        client.zadd("chatkit:w/trip/a", {bad: 1})
    assert [header["id"] for header in run(store.chats())] == ["trip"]
    assert [ids[:2] for ids in run(store.living())] == [("trip", "a")]
    assert run(store.follow("trip", "a")).segments == [[]]
    assert run(store.heard([Lease("trip", "a", 1)])) == []
    with redis.client() as client:
        client.hset("chatkit:c/trip", "version", bad)
        whole = client.hgetall("chatkit:s/trip/a")
        for name in whole:
            client.hset("chatkit:s/trip/a", mapping={**whole, name: bad})
            assert run(store.status("trip", "a")) is not None
            run(store.recover("trip", "a"))
    assert loaded(store).rows == [message("a")]


def test_a_chat_of_a_later_format_is_refused_and_left_alone(
    store: RedisStore, redis: RedisServer
) -> None:
    run(store.append("trip", [message("a")]))
    with redis.client() as client:
        client.hset("chatkit:c/trip", "version", "3")
    for attempt in (
        store.load("trip"),
        store.append("trip", [message("b")]),
        store.update("trip", message("a", "changed")),
        store.acquire("trip", "a", rows=[message("c")]),
    ):
        with pytest.raises(StoreError, match="upgrade"):
            run(attempt)
    with redis.client() as client:
        assert client.hkeys("chatkit:m/trip") == [b"a"]


# -- what is kept --


def test_a_deleted_chat_leaves_no_more_than_that_it_was_for_a_day(
    store: RedisStore, redis: RedisServer
) -> None:
    lease = begun(store)
    run(store.extend(lease, [{"n": 1}]))
    run(store.tell("trip", "a", {"do": "stop"}))
    run(store.append("trip", [picture("b", b"only here" * 999)]))
    run(store.append("other", [message("a")]))
    run(store.delete("trip"))
    run(store.delete("other"))
    assert keys(redis) == ["chatkit:d/trip"]
    with redis.client() as client:
        assert 0 < client.ttl("chatkit:d/trip") <= 86400


def test_a_file_is_kept_once_and_sent_once_and_goes_with_the_last_chat(
    store: RedisStore, redis: RedisServer
) -> None:
    content = os.urandom(300_000)
    name = hashlib.sha256(content).hexdigest()
    run(store.append("trip", [picture("a", content)]))
    with redis.client() as client:
        before = client.info("stats")["total_net_input_bytes"]
        run(store.append("trip", [picture("b", content)]))
        run(store.append("other", [picture("c", content)]))
        assert client.info("stats")["total_net_input_bytes"] - before < 100_000
        assert loaded(store).rows == [picture("a", content), picture("b", content)]
        assert client.strlen(f"chatkit:f/{name}") == len(content)
        run(store.delete("trip"))
        assert loaded(store, "other").rows == [picture("c", content)]
        run(store.delete("other"))
    assert keys(redis) == []


def test_a_file_that_is_missing_leaves_a_note_and_is_mended_by_sending_it_again(
    store: RedisStore, redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    content = b"picture" * 1000
    run(store.append("trip", [picture("a", content)]))
    with redis.client() as client:
        client.delete(f"chatkit:f/{hashlib.sha256(content).hexdigest()}")
    assert "is missing" in loaded(store).rows[0]["message"]["parts"][1]["text"]
    run(store.append("other", [picture("b", content)]))
    assert loaded(store).rows == [picture("a", content)]


def test_a_file_that_a_model_makes_is_kept_from_its_segment_to_its_row(
    store: RedisStore, redis: RedisServer
) -> None:
    content = b"picture" * 1000
    lease = begun(store)
    [made] = picture("a", content)["message"]["parts"][1:]
    run(store.extend(lease, [made]))
    assert run(store.follow("trip", "a")).segments == [[made]]
    run(store.finalize(lease, picture("a", content)))
    assert loaded(store).rows == [picture("a", content)]
    assert len([key for key in keys(redis) if "/f/" in key or ":f/" in key]) == 1


def test_the_live_log_is_gone_soon_after_the_end(store: RedisStore, redis: RedisServer) -> None:
    lease = begun(store)
    for number in range(100):
        run(store.extend(lease, [{"n": number}]))
    run(store.finalize(lease, message("a", "all")))
    with redis.client() as client:
        assert client.xlen("chatkit:g/trip/a") == 1  # what wakes its readers
        assert 0 < client.ttl("chatkit:g/trip/a") <= 10
        assert not client.exists("chatkit:open")


# -- what is alive --


def test_the_writers_clock_does_not_matter(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = begun(store)
    now = time.time()
    for shift in (-3600, 3600):
        monkeypatch.setattr(time, "time", lambda: now + shift)  # noqa: B023
        run(store.extend(lease, [{"n": 1}]))
        info = run(another(store).status("trip", "a"))
        assert info is not None
        assert info.alive


def test_a_beat_keeps_a_silent_stream_alive_and_silence_ends_it(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_owner, "LEASE", 2.0)
    lease = begun(store)
    eventually(lambda: None if is_alive(store) else True)
    run(store.beat(lease))
    assert is_alive(store)


def is_alive(store: RedisStore) -> bool:
    info = run(store.status("trip", "a"))
    assert info is not None
    return info.alive


def test_a_server_that_was_away_takes_no_writer_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can give a sign of life while it is away, however long that is."""
    monkeypatch.setattr(_owner, "LEASE", 4.0)
    with RedisServer(tmp_path / "redis", appendonly="yes", appendfsync="no") as server:
        store = RedisStore(server.url)
        lease = begun(store)
        server.kill()
        time.sleep(5)  # longer than a lease
        server.start()
        assert is_alive(store)
        assert run(store.recover("trip", "a")) is None
        run(store.extend(lease, [{"n": 1}]))


def test_segments_are_numbered_on_when_a_stream_is_taken_over(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begun(store)
    run(store.extend_all([(first, [{"n": 0}]), (first, [{"n": 1}])]))
    monkeypatch.setattr(_owner, "LEASE", -1.0)
    recovered = run(another(store).recover("trip", "a"))
    assert recovered is not None
    second, _ = recovered
    with pytest.raises(Fenced):
        run(store.extend(first, [{"n": 9}]))
    taken = another(store)
    run(taken.extend(second, [{"n": 2}]))  # without having been told how many there are
    assert run(store.follow("trip", "a", 1)).segments == [[{"n": 1}], [{"n": 2}]]


def test_only_one_of_many_takes_over(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(store)
    monkeypatch.setattr(_owner, "LEASE", 2.0)
    eventually(lambda: None if is_alive(store) else True)

    async def all_at_once() -> list[object]:
        stores = [RedisStore(store.location) for _ in range(8)]
        return await asyncio.gather(*(each.recover("trip", "a") for each in stores))

    assert len([taken for taken in run(all_at_once()) if taken is not None]) == 1


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_that(
    own: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(own.url)
    run(store.append("trip", [message("a")]))
    monkeypatch.setattr(_redis_server, "PATIENCE", 0.3)
    own.suspend()
    with pytest.raises(StoreError, match="does not answer for") as caught:
        run(store.load("trip"))
    assert caught.value.retryable
    own.wake()
    monkeypatch.undo()
    assert loaded(store).rows == [message("a")]


# -- followers --


def test_a_follower_is_told_of_a_segment_and_of_the_end_without_looking(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "BLOCK", 3.0)

    async def follow() -> None:
        lease = await store.acquire("trip", "a", rows=[message("a", "")])
        assert lease is not None
        waiting = asyncio.create_task(store.follow("trip", "a", wait=30))
        await asyncio.sleep(0.05)
        await store.extend(lease, [{"n": 0}])
        assert (await asyncio.wait_for(waiting, 2)).segments == [[{"n": 0}]]
        waiting = asyncio.create_task(store.follow("trip", "a", 1, wait=30))
        await asyncio.sleep(0.05)
        await store.finalize(lease, message("a", "done"))
        tail = await asyncio.wait_for(waiting, 2)
        assert tail.row == message("a", "done")
        assert tail.info is not None
        assert tail.info.state == "complete"

    run(follow())


def test_those_who_wait_hold_nobody_up(
    store: RedisStore, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "BLOCK", 25.0)
    monkeypatch.setattr(_owner, "LEASE", 60.0)

    async def follow() -> None:
        lease = await store.acquire("trip", "a", rows=[message("a")])
        assert lease is not None
        waiting = [asyncio.create_task(store.follow("trip", "a", wait=30)) for _ in range(150)]
        with redis.client() as client:
            while client.info("clients")["blocked_clients"] < 150:
                await asyncio.sleep(0.01)
            for number in range(20):
                await store.append("other", [message(str(number))])
            assert client.info("clients")["blocked_clients"] == 150  # none had to end before
        await store.extend(lease, [{"n": 0}])
        assert {len((await each).segments) for each in waiting} == {1}

    run(follow())


def test_a_wait_that_nobody_wants_any_more_leaves_a_clean_connection(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_owner, "LEASE", 60.0)

    async def follow() -> None:
        lease = await store.acquire("trip", "a", rows=[message("a")])
        assert lease is not None
        for _ in range(20):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(store.follow("trip", "a", wait=30), 0.01)
            assert (await store.chats())[0]["id"] == "trip"

    run(follow())


def test_words_are_heard_once_and_in_order_by_the_writer_of_the_stream(store: RedisStore) -> None:
    first, second = begun(store), begun(store, "b")
    elsewhere = another(store)
    for number in (1, 2):
        run(elsewhere.tell("trip", "a", {"n": number}))
    run(elsewhere.tell("trip", "b", {"n": 3}))
    run(elsewhere.tell("trip", "b", {"n": 3}))
    run(elsewhere.tell("trip", "nobody", {"n": 4}))
    assert run(store.heard([first])) == [(first, {"n": 1}), (first, {"n": 2})]
    assert run(store.heard([first, second])) == [(second, {"n": 3}), (second, {"n": 3})]
    assert run(store.heard([first, second])) == []
    run(elsewhere.tell("trip", "a", {"n": 5}))
    run(store.finalize(first, message("a")))
    run(elsewhere.tell("trip", "a", {"n": 6}))
    assert run(store.heard([first])) == []


# -- loops, threads, processes --


def test_several_loops_and_threads_use_one_store(store: RedisStore) -> None:
    def append(who: int) -> None:
        for number in range(10):
            run(store.append("trip", [message(f"{who}-{number}")]))

    run(store.describe("trip", {}))
    before = loaded(store).header["rev"]
    threads = [threading.Thread(target=append, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loaded(store).rows) == 40
    assert loaded(store).header["rev"] == before + 40


def test_no_connection_is_left_when_a_loop_has_ended(store: RedisStore, redis: RedisServer) -> None:
    for number in range(5):
        run(store.append("trip", [message(str(number))]))
    with redis.client() as client:
        assert eventually(lambda: True if len(client.client_list()) <= 2 else None)


def test_a_forked_child_has_connections_of_its_own(redis: RedisServer) -> None:
    program = f"""
import asyncio, os
from chatkit.stores import open_store
store = open_store({redis.url!r})
async def main():
    await store.append("trip", [{{"id": "parent"}}])
    child = os.fork()
    if child == 0:
        os._exit(in_child())
    await asyncio.gather(*(store.append("trip", [{{"id": f"p{{n}}"}}]) for n in range(50)))
    assert os.waitpid(child, 0)[1] == 0
def in_child():
    import threading
    def work():
        for n in range(50):
            asyncio.run(store.append("trip", [{{"id": f"c{{n}}"}}]))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return 0
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)
    assert len(loaded(RedisStore(redis.url)).rows) == 101


# -- answers that are lost on their way --


class Lossy:
    """A wire to the server that loses one answer and breaks, when it is told to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loses = threading.Event()
        self.lost = 0
        self._server = listener()
        self.url = f"redis://127.0.0.1:{self._server.getsockname()[1]}/0"
        threading.Thread(target=self._accept, daemon=True).start()

    def lose(self) -> None:
        self._loses.set()

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._port))
            for work, args in ((self._up, (near, far)), (self._down, (far, near))):
                threading.Thread(target=work, args=args, daemon=True).start()

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        self._pump(near, far, lambda: False)

    def _down(self, far: socket.socket, near: socket.socket) -> None:
        self._pump(far, near, self._is_to_lose)

    def _is_to_lose(self) -> bool:
        if not self._loses.is_set():
            return False
        self._loses.clear()
        self.lost += 1
        return True

    def _pump(
        self, source: socket.socket, target: socket.socket, breaks: Callable[[], bool]
    ) -> None:
        with source, target:
            try:
                while (data := source.recv(65536)) and not breaks():
                    target.sendall(data)
            except OSError:
                pass
            for each in (source, target):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def wire(redis: RedisServer) -> Iterator[Lossy]:
    wire = Lossy(redis.port)
    yield wire
    wire.close()


def test_what_arrived_though_its_answer_was_lost_is_there_once(
    wire: Lossy, store: RedisStore
) -> None:
    async def stream() -> None:
        shaky = RedisStore(wire.url)
        await shaky.append("trip", [message("before")])
        wire.lose()
        lease = await shaky.acquire("trip", "a", rows=[message("a")], header={"head": "a"})
        assert lease is not None
        for number in range(6):
            wire.lose()
            await shaky.extend_all([(lease, [{"n": number}]), (lease, [{"m": number}])])
        found = await store.follow("trip", "a")
        assert found.segments == [[{k: n}] for n in range(6) for k in "nm"]
        wire.lose()
        await shaky.tell("trip", "a", {"do": "stop"})
        wire.lose()
        assert await shaky.heard([lease]) == [(lease, {"do": "stop"})]
        wire.lose()
        assert await shaky.heard([lease]) == []
        wire.lose()
        await shaky.finalize(lease, message("a", "all"))
        wire.lose()
        await shaky.append("trip", [message("after")])
        assert wire.lost == 12

    run(stream())
    assert [row["id"] for row in loaded(store).rows] == ["before", "a", "after"]
    assert loaded(store).rows[1] == message("a", "all")


def test_a_segment_whose_fate_is_unknown_is_there_once_when_it_is_tried_again(
    wire: Lossy, store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_redis_server, "RETRIES", 0)

    async def stream() -> None:
        shaky = RedisStore(wire.url)
        lease = await shaky.acquire("trip", "a", rows=[message("a")])
        assert lease is not None
        wire.lose()
        with pytest.raises(StoreError) as caught:
            await shaky.extend(lease, [{"n": 0}])
        assert caught.value.retryable
        await shaky.extend(lease, [{"n": 0}])
        await shaky.extend(lease, [{"n": 0}])
        assert (await store.follow("trip", "a")).segments == [[{"n": 0}], [{"n": 0}]]

    run(stream())


# -- servers that restart --


def test_what_was_acknowledged_is_there_after_a_kill_and_the_stream_goes_on(
    tmp_path: Path,
) -> None:
    settings = {"appendonly": "yes", "appendfsync": "no"}  # else it may put off what it writes
    with RedisServer(tmp_path / "redis", **settings) as server:
        store = RedisStore(server.url)

        async def stream() -> None:
            lease = await store.acquire("trip", "a", rows=[message("a")])
            assert lease is not None
            for number in range(5):
                await store.extend(lease, [{"n": number}])
                server.kill()
                with pytest.raises(StoreError, match="start it") as caught:
                    await store.extend(lease, [{"n": number + 1}])
                assert caught.value.retryable
                server.start()
            found = await store.follow("trip", "a")
            assert found.segments == [[{"n": number}] for number in range(5)]
            await store.finalize(lease, message("a", "all"))

        run(stream())
        server.restart()
        assert loaded(store).rows == [message("a", "all")]


def test_a_server_that_comes_back_empty_is_not_taken_for_a_deleted_chat(own: RedisServer) -> None:
    store = RedisStore(own.url)
    lease = begun(store)
    run(store.extend(lease, [{"n": 0}]))
    own.restart()
    for attempt in (
        store.extend(lease, [{"n": 1}]),
        store.beat(lease),
        store.finalize(lease, message("a", "all")),
    ):
        with pytest.raises(StoreLost, match="restarted without its data") as caught:
            run(attempt)
        assert not isinstance(caught.value, Fenced)
    again = begun(store)
    assert again.epoch > lease.epoch
    run(store.extend(again, [{"n": 0}, {"n": 1}]))
    with pytest.raises(Fenced):
        run(store.extend(lease, [{"n": 2}]))
    run(store.finalize(again, message("a", "all")))
    assert loaded(store).rows == [message("a", "all")]


def test_who_follows_what_the_server_has_lost_is_told_to_try_again(own: RedisServer) -> None:
    store = RedisStore(own.url)
    lease = begun(store)
    run(store.extend(lease, [{"n": 0}]))
    own.restart()
    with pytest.raises(StoreError, match="has lost message 'a'") as caught:
        run(store.follow("trip", "a", 1, wait=5))
    assert caught.value.retryable
    again = begun(store)
    run(store.extend(again, [{"n": 0}, {"n": 1}]))
    assert run(store.follow("trip", "a")).segments == [[{"n": 0}, {"n": 1}]]
    run(store.delete("trip"))
    assert run(store.follow("trip", "a", 1, wait=5)).info is None


def test_a_server_that_comes_back_with_an_older_state_keeps_no_stream_with_a_gap(
    tmp_path: Path,
) -> None:
    with RedisServer(tmp_path / "redis", save="3600 1000000") as server:
        store = RedisStore(server.url)
        lease = begun(store)
        run(store.extend(lease, [{"n": 0}]))
        with server.client() as client:
            client.save()
        run(store.extend(lease, [{"n": 1}]))
        server.restart()
        with pytest.raises(StoreLost):
            run(store.extend(lease, [{"n": 2}]))
        again = begun(store)
        run(store.extend(again, [{"n": 0}, {"n": 1}, {"n": 2}]))
        assert run(store.follow("trip", "a")).segments == [[{"n": 0}, {"n": 1}, {"n": 2}]]


# -- warnings --


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "keeps nothing on disk"),
        ({"maxmemory": "500mb", "maxmemory_policy": "allkeys-lru", "appendonly": "yes"}, "evicts"),
        ({"maxmemory": "500mb", "maxmemory_policy": "volatile-lru", "appendonly": "yes"}, ""),
        ({"maxmemory_policy": "allkeys-lru", "appendonly": "yes"}, ""),
        ({"save": "3600 1"}, "only now and then"),
        ({"appendonly": "yes"}, ""),
    ],
)
def test_settings_that_lose_chats_are_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, settings: dict[str, str], says: str
) -> None:
    with RedisServer(tmp_path / "redis", inside=(), **settings) as server:
        store = RedisStore(server.url)
        run(store.chats())
        run(store.chats())
    assert [says in record.message for record in caplog.records] == ([True] if says else [])
    assert says in store.caution
    assert bool(store.caution) == bool(says)


def test_a_server_that_does_not_tell_its_settings_is_used_without_a_word(
    own: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    with own.client() as client:
        client.execute_command("ACL", "SETUSER", "me", "on", ">pw", "~*", "+@all", "-config")
    store = RedisStore(own.url.replace("//", "//me:pw@"))
    assert run(store.chats()) == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
