"""A Redis server killed in mid-stream, and machines that share one: for real."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from chatkit import Chat
from chatkit.chunks import from_json
from chatkit.messages import Message
from chatkit.providers import Model
from chatkit.reducer import reduce
from chatkit.stores.redis import RedisStore
from tests import redis_server
from tests.peers import Peer
from tests.redis_server import RedisServer
from tests.servers import Provider, free_port
from tests.storing import eventually, run

pytestmark = [pytest.mark.faults, pytest.mark.redis, redis_server.needed]

ANSWERS, KILLS = 10, 4  # so many times the server is killed while an answer comes
TOKENS = [f"{number:04d} " for number in range(400)]
WHOLE = "".join(TOKENS)


def test_a_server_killed_in_mid_stream_loses_nothing_that_was_stored(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    kills, away = 0, 0.0
    with RedisServer(tmp_path / "redis", appendonly="yes", appendfsync="no") as server:
        for number in range(ANSWERS):
            id = f"trip {number}"
            with Peer(provider.url, server.url, id=id) as peer:
                provider.answer(tokens=TOKENS, delay=0.002)
                peer.do("reply = chat.send('Count.')")
                for _ in range(KILLS):
                    time.sleep(chance.uniform(0, 0.3))  # the moment is what is random here
                    before = stored_text(server, id)
                    server.kill()
                    kills += 1
                    began = time.monotonic()
                    time.sleep(chance.uniform(0, 0.2))
                    server.start()
                    away += time.monotonic() - began
                    after = stored_text(server, id)
                    assert after.startswith(before), "what was there is there"
                    assert WHOLE.startswith(after), "a clean prefix"
                assert peer.get("reply.wait(60).text") == WHOLE
                assert peer.get("reply.status") == "complete"
                eventually(lambda: True if stored_state(server, id) == "complete" else None)  # noqa: B023
            assert len(provider.requests) == number + 1, "it is asked for once"
        for number in range(ANSWERS):
            asked, answer = Chat(f"trip {number}", model=model, store=server.url).messages
            assert (asked.text, answer.text, answer.status) == ("Count.", WHOLE, "complete")
        assert run(RedisStore(server.url).living()) == []
    tell(f"{kills} kills, {1000 * away / kills:.0f} ms away each: 0 lost, 0 broken")


def stored_state(server: RedisServer, id: str) -> str:
    """How the answer stands there."""
    store = RedisStore(server.url)
    stored = run(store.load(id))
    info = run(store.status(id, stored.rows[-1]["id"])) if stored is not None else None
    return info.state if info is not None else ""


def stored_text(server: RedisServer, id: str) -> str:
    """What another machine reads there of the answer now."""
    store = RedisStore(server.url)
    stored = run(store.load(id))
    if stored is None:
        return ""
    answer = stored.rows[-1]
    tail = run(store.follow(id, answer["id"]))
    row = tail.row or answer
    chunks = [from_json(chunk) for segment in tail.segments for chunk in segment]
    return reduce(Message.from_json(row["message"]), [chunk for chunk in chunks if chunk]).text


def test_a_server_that_comes_back_empty_in_mid_stream_is_given_everything_again(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    kills = 0
    texts = ["Hi", "Answer to: Hi", "Count.", WHOLE, "Then?", "and then"]
    for number in range(4):
        with RedisServer(tmp_path / f"redis {number}") as server:
            with Peer(provider.url, server.url) as peer:
                assert peer.get("chat.ask('Hi').text") == "Answer to: Hi"
                answer = provider.answer(tokens=TOKENS, delay=0.004, gated=True)
                answer.release(len(TOKENS) - 1)  # it flows, and does not end before it may
                provider.answer("and then")
                peer.do("reply = chat.send('Count.'); then = chat.send('Then?')")
                for _ in range(3):
                    time.sleep(chance.uniform(0, 0.3))
                    assert peer.get("reply.status") in ("queued", "streaming"), "in mid-stream"
                    server.kill()
                    kills += 1
                    time.sleep(chance.uniform(0, 0.2))
                    server.start()
                answer.open()
                assert peer.get("reply.wait(60).text") == WHOLE
                assert peer.get("then.wait(60).text") == "and then"
                eventually(lambda: True if stored_end(server) == "and then" else None)
            assert len(provider.requests) == 3 * (number + 1), "nothing is asked for again"
            there = Chat("trip", model=model, store=server.url).messages
            assert [message.text for message in there] == texts
            assert [message.status for message in there] == ["complete"] * 6
            assert run(RedisStore(server.url).living()) == []
    tell(f"{kills} kills of a server with nothing on disk: 0 lost, 0 broken")


def stored_end(server: RedisServer) -> str:
    """What the active branch ends with there."""
    stored = run(RedisStore(server.url).load("trip"))
    rows = {row["id"]: row["message"] for row in stored.rows} if stored is not None else {}
    if stored is None or stored.header.get("head") not in rows:
        return ""
    return Message.from_json(rows[stored.header["head"]]).text


def test_a_chat_goes_on_after_the_server_has_lost_it(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    with RedisServer(tmp_path / "redis") as server, Peer(provider.url, server.url) as peer:
        assert peer.get("chat.ask('One?').text") == "Answer to: One?"
        server.restart()
        assert peer.get("chat.ask('Two?').text") == "Answer to: Two?"
        there = Chat("trip", model=model, store=server.url).messages
        texts = [message.text for message in there]
        assert texts == ["One?", "Answer to: One?", "Two?", "Answer to: Two?"]


def test_who_follows_sees_the_end_though_the_server_lost_all_in_mid_stream(
    provider: Provider, tmp_path: Path
) -> None:
    with (
        RedisServer(tmp_path / "redis") as server,
        Peer(provider.url, server.url) as writer,
        Peer(provider.url, server.url) as reader,
    ):
        answer = provider.answer("one two three four", gated=True)
        writer.do("reply = chat.send('Count.')")
        answer.release(2)
        reader.until("chat.messages and chat.messages[-1].text == 'one two '")
        server.restart()
        answer.release(1)
        reader.until("chat.messages[-1].text == 'one two three '")
        answer.open()
        reader.until("chat.messages[-1].status == 'complete'")
        assert reader.get("chat.messages[-1].text") == "one two three four"
        assert writer.get("reply.wait(20).text") == "one two three four"


class Machine(NamedTuple):
    """Where a kernel runs: the command that takes it there, and the server as seen from it."""

    before: tuple[str, ...]
    url: str


class Machines:
    """Two machines and a server that both reach; each has a network and processes of its own."""

    def __init__(self, directory: Path) -> None:
        self._mark = f"ck{os.getpid()}"
        self._directory = directory
        self.separate = os.geteuid() == 0 and all(map(shutil.which, ("ip", "unshare")))

    def __enter__(self) -> Machines:
        for name in "abr" if self.separate else "":
            _do(f"ip netns add {self._mark}{name}")
            self._in(name, "ip link set lo up")
        for number, name in enumerate("ab" if self.separate else ""):
            far, near = f"{self._mark}{name}0", f"{self._mark}{name}1"
            _do(f"ip link add {far} type veth peer name {near}")
            for end, where, last in ((far, name, 1), (near, "r", 2)):
                _do(f"ip link set {end} netns {self._mark}{where}")
                self._in(where, f"ip addr add 10.199.{number}.{last}/24 dev {end}")
                self._in(where, f"ip link set {end} up")
        inside = self._inside("r") if self.separate else ()
        host = "0.0.0.0" if self.separate else "127.0.0.1"
        more = {"appendonly": "yes", "protected_mode": "no"}
        self._server = RedisServer(self._directory, host=host, inside=inside, **more)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.kill()
        for name in "abr" if self.separate else "":
            _do(f"ip netns delete {self._mark}{name}")

    def machine(self, name: str) -> Machine:
        """Machine "a" or "b"."""
        if not self.separate:
            return Machine((), self._server.url)
        alone = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--uts")
        url = f"redis://10.199.{'ab'.index(name)}.2:{self._server.port}/0"
        return Machine((*self._inside(name), *alone), url)

    def cut(self, name: str) -> None:
        """Take the machine's cable out; nobody is told."""
        self._in("r", f"ip link set {self._mark}{name}1 down")

    def mend(self, name: str) -> None:
        """Put it back."""
        self._in("r", f"ip link set {self._mark}{name}1 up")

    def _inside(self, name: str) -> tuple[str, ...]:
        return ("ip", "netns", "exec", f"{self._mark}{name}")

    def _in(self, name: str, command: str) -> None:
        _do(" ".join([*self._inside(name), command]))


def _do(command: str) -> None:
    subprocess.run(command.split(), check=True)


@pytest.fixture
def machines(tmp_path: Path, tell: Callable[[str], None]) -> Iterator[Machines]:
    with Machines(tmp_path / "redis") as machines:
        if not machines.separate:
            tell("between processes only: network namespaces need root, ip and unshare")
        yield machines


class Pair(NamedTuple):
    """Kernels on two machines. The first has the provider, too: `provider`, `answer`."""

    first: Peer
    second: Peer


@pytest.fixture
def pair(machines: Machines) -> Iterator[Pair]:
    a, b, port = machines.machine("a"), machines.machine("b"), free_port()
    url = f"http://127.0.0.1:{port}/v1"
    with Peer(url, a.url, before=a.before) as first, Peer(url, b.url, before=b.before) as second:
        first.do("from tests.servers import Provider")
        first.do(f"provider = Provider(port={port}).__enter__()")
        first.do("answer = provider.answer('one two three four', gated=True)")
        yield Pair(first, second)


def test_two_machines_follow_one_stream_to_the_same_end(pair: Pair) -> None:
    first, second = pair
    first.do("reply = chat.send('Count.')")
    for count, text in ((1, "one "), (2, "one two three ")):
        first.do(f"answer.release({count})")
        second.until(f"chat.messages and chat.messages[-1].text == {text!r}")
        assert second.get("chat.messages[-1].status") == "streaming"
    first.do("answer.open()")
    second.do("chat.wait(20)")
    told = "[(m.id, m.text, m.status) for m in chat.messages]"
    assert first.get("reply.wait(20).text") == "one two three four"
    assert second.get(told) == first.get(told)
    assert first.get("len(provider.requests)") == 1


def test_another_machine_stops_the_stream(pair: Pair) -> None:
    first, second = pair
    first.do("reply = chat.send('Count.'); answer.release(2)")
    second.until("chat.messages and chat.messages[-1].text == 'one two '")
    second.do("chat.stop()")
    first.until("provider.disconnects == 1")
    second.until("chat.messages[-1].status == 'stopped'")
    assert first.get("reply.wait(20).text") == "one two "


def test_a_machine_that_is_cut_off_is_taken_for_dead_and_fenced_when_it_is_back(
    machines: Machines, pair: Pair
) -> None:
    if not machines.separate:
        pytest.skip("there is no cable between processes")
    first, second = pair
    first.do("reply = chat.send('Count.'); answer.release(2)")
    second.until("chat.messages and chat.messages[-1].text == 'one two '")
    machines.cut("a")
    second.until("chat.messages[-1].status == 'interrupted'")
    first.do("answer.release(1)")
    machines.mend("a")
    told = "[(m.id, m.text, m.status) for m in chat.messages]"
    first.until("reply.status == 'interrupted'")
    assert first.get(told) == second.get(told)
    assert second.get("chat.messages[-1].text") == "one two "
    eventually(lambda: True if first.get("chat.status") == "ready" else None)
