"""The list of chats: what a store holds, and who writes there now."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from chatkit import Chat, chats
from chatkit.providers import Model
from chatkit.stores import open_store
from tests.peers import Peer
from tests.servers import Provider
from tests.storing import message, run


def test_a_store_without_chats_has_none(tmp_path: Path) -> None:
    assert chats(tmp_path / "nowhere") == []


def test_a_chat_is_listed_with_how_it_began(model: Model, provider: Provider) -> None:
    Chat("trip", model=model).ask("Three days in Lisbon?")
    Chat("food", model=model).ask("What is bacalhau?")
    Chat("trip").ask("And with children?")
    trip, food = chats()
    assert (trip.id, trip.title, trip.model) == ("trip", "Three days in Lisbon?", model.id)
    assert trip.created_at <= food.created_at <= food.updated_at <= trip.updated_at
    assert str(food) == "food: 'What is bacalhau?' (openai-chat/test)"


def test_what_comparisons_keep_is_no_chat(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    run(store.append("compare/answers", [message("a")]))
    run(store.append("trip", [message("a")]))
    assert [info.id for info in chats()] == ["trip"]


def test_whoever_writes_in_a_chat_is_told_as_long_as_it_does(
    model: Model, provider: Provider
) -> None:
    answer = provider.answer("one two", gated=True)
    before = datetime.now(UTC)
    reply = Chat("trip", model=model).send("Count.")
    provider.until(lambda: len(provider.requests) == 1)
    [info] = chats()
    [writer] = info.writers
    assert (writer.host, writer.pid, writer.is_worker) == (platform.node(), os.getpid(), False)
    assert writer.since is not None
    assert writer.since <= datetime.now(UTC)
    assert before <= info.created_at
    assert str(info).endswith(f"written by kernel {os.getpid()} on {platform.node()}")
    answer.open()
    reply.wait(20)
    assert chats()[0].writers == ()


def test_a_process_is_told_once_however_many_answers_it_writes(
    model: Model, provider: Provider, tmp_path: Path
) -> None:
    answers = [provider.answer("one", gated=True) for _ in range(3)]
    with Peer(provider.url, tmp_path / "store") as peer:
        peer.do("chat.send('One?'); chat.send('Two?')")
        peer.until("len(chat.messages) == 4 and all(m.status for m in chat.messages)")
        provider.until(lambda: len(provider.requests) == 1)
        reply = Chat("trip", model=model).send("Three?")
        until_both = [writer.pid for writer in chats()[0].writers]
        assert peer.pid in until_both
        assert len(until_both) == len(set(until_both)) <= 2
        for answer in answers:
            answer.open()
        reply.wait(20)


def test_who_was_killed_writes_no_more(provider: Provider, tmp_path: Path) -> None:
    provider.answer("one", gated=True)
    with Peer(provider.url, tmp_path / "store") as peer:
        peer.do("chat.send('One?')")
        provider.until(lambda: len(provider.requests) == 1)
        assert [writer.pid for writer in chats()[0].writers] == [peer.pid]
        peer.kill()
        assert chats()[0].writers == ()
