"""A provider whose connection is reset, goes silent or is closed by half, at random moments."""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from chatkit import Chat, Reply, get_model
from chatkit.engine import get_engine
from tests.servers import listener
from tests.storing import eventually

pytestmark = pytest.mark.faults

WORDS = [f"word{number} " for number in range(40)]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
UNTIL_CLOSED = HEAD + b"connection: close\r\n\r\n"


def event(word: str) -> bytes:
    choice = {"index": 0, "delta": {"content": word}, "finish_reason": None}
    return b"data: %b\n\n" % json.dumps({"choices": [choice]}).encode()


def reset(connection: socket.socket) -> None:
    """Close it with RST, as a crashed host or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close_half(connection: socket.socket) -> None:
    """Say no more, and go on listening."""
    connection.shutdown(socket.SHUT_WR)


def say_nothing(connection: socket.socket) -> None:
    """Keep the connection open, for ever."""


class Broken:
    """A server that sends so many bytes of each answer, and then breaks as it is told."""

    def __init__(self, head: bytes, fault: Callable[[socket.socket], None]) -> None:
        self.left: list[int] = []  # bytes to send of each answer to come
        self.asked = 0
        self.strike = threading.Semaphore(0)  # released for each fault, once all that came is read
        self._head, self._fault = head, fault
        self._events = [event(word) for word in WORDS]
        if head == CHUNKED:
            self._events = [b"%x\r\n%b\r\n" % (len(each), each) for each in self._events]
        self._socket = listener()
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        for connection in self._open:
            connection.close()

    @property
    def url(self) -> str:
        return "http://{}:{}/v1".format(*self._socket.getsockname())

    def words_in(self, sent: int) -> str:
        """The words that are whole in so many bytes."""
        ends = itertools.accumulate(map(len, self._events))
        return "".join(word for word, end in zip(WORDS, ends, strict=True) if end <= sent)

    def _serve(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                connection, _ = self._socket.accept()
                self._open.append(connection)
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        asked = b""
        while b"\r\n\r\n" not in asked:
            asked += connection.recv(65536)
        self.asked += 1
        connection.sendall(self._head + b"".join(self._events)[: self.left.pop(0)])
        self.strike.acquire()
        self._fault(connection)


@pytest.fixture(params=[reset, close_half, say_nothing], ids=lambda fault: fault.__name__)
def broken(request: pytest.FixtureRequest) -> Iterator[Broken]:
    with Broken(CHUNKED, request.param) as server:
        yield server


def test_what_had_come_before_a_fault_is_kept_and_said_to_be_interrupted(
    broken: Broken, tmp_path: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    lengths = breaks(broken, tmp_path, chance, 6 if broken._fault is say_nothing else 12)
    tell(f"{len(lengths)} faults, {min(lengths)} to {max(lengths)} characters kept")


def test_a_body_that_just_ends_is_no_whole_answer(
    tmp_path: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    with Broken(UNTIL_CLOSED, close_half) as broken:
        lengths = breaks(broken, tmp_path, chance, 12)
    tell(f"{len(lengths)} early ends, {min(lengths)} to {max(lengths)} characters kept")


def _has(reply: Reply, text: str) -> bool | None:
    """True once the answer has begun and has so much text."""
    began = reply.status in ("streaming", "interrupted")
    return (began and reply.text.startswith(text)) or None


def breaks(broken: Broken, tmp_path: Path, chance: random.Random, count: int) -> list[int]:
    """Break so many answers; the length of what was kept of each."""
    silent = broken._fault is say_nothing  # which is known by the time that it takes alone
    timeout = 3.0 if silent else 60.0
    model = get_model("openai-chat/test", base_url=broken.url, api_key="x", timeout=timeout)
    size = sum(len(event(word)) for word in WORDS)
    kept = []
    for number in range(count):
        sent = chance.randrange(size)
        broken.left.append(sent)
        chat = Chat(f"trip {number}", model=model, store=tmp_path / "store")
        reply = chat.send("Count.")
        came = broken.words_in(sent)
        eventually(partial(_has, reply, came))
        broken.strike.release()
        assert reply.wait(30).status == "interrupted", (number, sent, reply.error, reply.text)
        assert reply.text.startswith(came)
        assert "".join(WORDS).startswith(reply.text)  # and a word whose event is whole but its end
        assert reply.error is not None
        again = Chat(f"trip {number}", store=tmp_path / "store")
        assert again.messages[-1] == reply.message
        tail = get_engine().run(chat.store.follow(chat.id, reply.id))
        assert tail.info is not None
        assert (tail.info.state, tail.segments) == ("interrupted", [])
        kept.append(len(reply.text))
    assert broken.asked == count, "what had begun was not asked for again"
    return kept
