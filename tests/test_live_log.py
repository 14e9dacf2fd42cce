"""The live log: whoever comes late gets every chunk once, in order, and then follows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, Message, Reply
from chatkit.chunks import Chunk
from chatkit.providers import Model
from chatkit.reducer import reduce
from tests.peers import Peer
from tests.servers import Provider

WORDS = [f"word{number} " for number in range(200)]


@pytest.fixture
def peer(provider: Provider, tmp_path: Path) -> Iterator[Peer]:
    with Peer(provider.url, tmp_path / "store") as peer:
        yield peer


def opened(model: Model, tmp_path: Path, **more: Any) -> Reply:
    """The answer of the other process, as the same send finds it here."""
    return Chat("trip", model=model, store=tmp_path / "store", **more).send("Count.")


def double(n: int) -> int:
    return 2 * n


def parts_of(chunks: list[Chunk]) -> object:
    """What chunks make, without what only the end of the message knows."""
    return reduce(Message(id="x", role="assistant"), chunks).parts


def test_a_late_reader_gets_every_chunk_once_and_ends_with_the_stored_message(
    peer: Peer, provider: Provider, model: Model, tmp_path: Path
) -> None:
    answer = provider.answer(tokens=WORDS, gated=True)
    answer.release(100)
    peer.do("reply = chat.send('Count.')")
    peer.until("reply.text.count('word') == 100")
    reply = opened(model, tmp_path)
    seen: list[Chunk] = []
    reader = threading.Thread(target=lambda: seen.extend(reply))
    reader.start()
    answer.open()
    reader.join(30)
    assert "".join(reply.deltas()) == "".join(WORDS)
    stored = Chat("trip", store=tmp_path / "store").messages[-1]
    assert reply.message == stored
    assert parts_of(seen) == stored.parts
    assert len(provider.requests) == 1


def test_one_that_calls_tools_is_followed_call_by_call(
    peer: Peer, provider: Provider, model: Model, tmp_path: Path
) -> None:
    peer.do("from tests.test_live_log import double")
    peer.do("chat = Chat('trip', model=model, store=store, tools=[double])")
    call = {"index": 0, "id": "c1", "function": {"name": "double", "arguments": '{"n": 2}'}}
    asked = provider.answer(
        tokens=["Let me see. ", {"tool_calls": [call]}], finish_reason="tool_calls", gated=True
    )
    provider.answer("It is 4.")
    asked.release(1)
    peer.do("reply = chat.send('Count.')")
    peer.until("reply.text != ''")
    reply = opened(model, tmp_path, tools=[double])
    seen: list[Chunk] = []
    reader = threading.Thread(target=lambda: seen.extend(reply))
    reader.start()
    asked.open()
    reader.join(30)
    assert reply.text == "Let me see. It is 4."
    assert reply.message == Chat("trip", store=tmp_path / "store").messages[-1]
    assert parts_of(seen) == reply.message.parts


@pytest.mark.parametrize("left", range(4))
def test_a_reader_that_comes_at_the_very_end_gets_the_finished_message(
    peer: Peer, provider: Provider, model: Model, tmp_path: Path, left: int
) -> None:
    """The last words go out while the reader opens the chat, again and again."""
    for number in range(10):
        answer = provider.answer(tokens=WORDS[:20], gated=True)
        answer.release(20 - left)
        peer.do(f"reply = chat.send('{number}')")
        peer.until(f"reply.text.count('word') == {20 - left}")
        with ThreadPoolExecutor() as threads:
            threads.submit(answer.open)
            chat = Chat("trip", model=model, store=tmp_path / "store")
            chat.wait(30)
        assert chat.messages[-1].text == "".join(WORDS[:20])
        assert chat.messages[-1].status == "complete"
        del chat


def test_fifty_late_readers_of_one_stream_all_get_all_of_it(
    peer: Peer, provider: Provider, model: Model, tmp_path: Path
) -> None:
    answer = provider.answer(tokens=WORDS, gated=True)
    peer.do("reply = chat.send('Count.')")
    provider.until(lambda: len(provider.requests) == 1)
    reply = opened(model, tmp_path)
    texts: list[str] = []

    def read() -> None:
        texts.append("".join(reply.deltas()))

    readers = [threading.Thread(target=read) for _ in range(50)]
    for number, reader in enumerate(readers):
        reader.start()
        answer.release(4 if number else 1)
    answer.open()
    for reader in readers:
        reader.join(60)
    assert texts == ["".join(WORDS)] * 50
    assert len(provider.requests) == 1


def test_a_reader_that_is_killed_changes_nothing(
    peer: Peer, provider: Provider, tmp_path: Path
) -> None:
    answer = provider.answer(tokens=WORDS, gated=True)
    answer.release(50)
    peer.do("reply = chat.send('Count.')")
    for number in range(1, 4):
        with Peer(provider.url, tmp_path / "store") as reader:
            reader.do("reply = chat.send('Count.').consume()")
            reader.until(f"reply.text.count('word') == {50 * number}")
            reader.kill()
        answer.release(50)
    answer.open()
    peer.do("reply.wait(30)")
    assert peer.get("reply.text") == "".join(WORDS)
    assert peer.get("reply.status") == "complete"
    assert provider.disconnects == 0
