"""Two processes on one chat: each sees what the other does, and neither undoes it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat
from chatkit.answers import inbox
from chatkit.engine import get_engine
from chatkit.errors import MessageError, StoreError
from chatkit.providers import Model
from chatkit.stores import Tail
from tests.peers import Peer
from tests.servers import Provider


@pytest.fixture
def peer(provider: Provider, tmp_path: Path) -> Iterator[Peer]:
    with Peer(provider.url, tmp_path / "store") as peer:
        yield peer


@pytest.fixture
def chat(peer: Peer, model: Model, tmp_path: Path) -> Chat:
    """The same chat here."""
    return Chat("trip", model=model, store=tmp_path / "store")


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.002)


def texts(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages]


def test_what_one_asks_appears_at_the_other_with_its_answer(peer: Peer, chat: Chat) -> None:
    peer.do("chat.ask('One?')")
    until(lambda: len(chat.messages) == 2 and chat.status == "ready")
    assert texts(chat) == ["One?", "Answer to: One?"]


def test_it_appears_while_it_is_being_written(peer: Peer, chat: Chat, provider: Provider) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    until(lambda: chat.status == "streaming")
    until(lambda: chat.messages[-1].text == "one two ")
    stands: str = chat.messages[-1].status
    assert stands == "streaming"
    answer.open()
    chat.wait(20)
    assert chat.messages[-1].text == "one two three"
    assert chat.messages[-1].status == "complete"
    assert len(provider.requests) == 1


def test_what_is_asked_here_waits_for_the_answer_there_and_knows_it(
    peer: Peer, chat: Chat, provider: Provider
) -> None:
    answer = provider.answer("first", gated=True)
    peer.do("reply = chat.send('One?')")
    provider.until(lambda: len(provider.requests) == 1)
    reply = chat.send("Two?")
    assert reply.status == "queued"
    answer.open()
    assert reply.wait(20).text == "Answer to: Two?"
    asked = [message["content"] for message in provider.requests[1].body["messages"]]
    assert asked == ["One?", "first", "Two?"]
    assert texts(chat) == ["One?", "first", "Two?", "Answer to: Two?"]
    peer.until("len(chat.messages) == 4 and chat.status == 'ready'")
    assert peer.get("[m.text for m in chat.messages]") == texts(chat)


def test_what_was_heard_of_but_is_not_followed_yet_comes_first_all_the_same(
    peer: Peer, chat: Chat, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer whose row was read, by the watch, just before its text is."""
    answer = provider.answer("first", gated=True)
    follow, read = chat.store.follow, threading.Event()
    may_follow = threading.Event()

    async def slowly(*args: Any, **more: Any) -> Tail:
        read.set()
        await asyncio.to_thread(may_follow.wait, 20)
        return await follow(*args, **more)

    monkeypatch.setattr(chat.store, "follow", slowly)
    peer.do("reply = chat.send('One?')")
    assert read.wait(20)  # the watch knows of the answer, and has not begun to follow it
    assert chat.status in ("submitted", "streaming")
    provider.until(lambda: len(provider.requests) == 1)
    conversation = chat._conversation
    with monkeypatch.context() as patched:
        patched.setattr(conversation, "refresh", lambda: None)  # it would wait for the watch
        reply = chat.send("Two?")
    may_follow.set()
    until(lambda: reply.status != "queued" or bool(reply._feed.after))
    assert len(provider.requests) == 1
    answer.open()
    assert reply.wait(20).text == "Answer to: Two?"
    asked = [message["content"] for message in provider.requests[1].body["messages"]]
    assert asked == ["One?", "first", "Two?"]


def test_two_that_ask_at_the_same_moment_lose_nothing(
    peer: Peer, chat: Chat, provider: Provider
) -> None:
    """Both believe that their turn comes first: the second one to be stored goes behind."""
    count = 12
    peer.start(f"replies = [chat.send(f'Peer {{n}}?') for n in range({count})]; chat.wait()")
    for number in range(count):
        chat.send(f"Here {number}?")
    chat.wait(60)
    peer.finish()
    until(lambda: len(chat.messages) == 4 * count and chat.status == "ready")
    peer.until(f"len(chat.messages) == {4 * count} and chat.status == 'ready'")
    found = texts(chat)
    assert peer.get("[m.text for m in chat.messages]") == found
    asked, answered = found[::2], found[1::2]
    assert answered == [f"Answer to: {each}" for each in asked]  # never interleaved
    for who in ("Peer", "Here"):  # each in its own order, on the one branch
        own = [each for each in asked if each.startswith(who)]
        assert own == [f"{who} {number}?" for number in range(count)]
    assert len(provider.requests) == 2 * count


def test_a_branch_taken_there_is_active_here(peer: Peer, chat: Chat) -> None:
    peer.do("chat.ask('One?')")
    peer.do("chat.edit(chat.messages[0], 'Eins?').wait()")
    until(lambda: texts(chat) == ["Eins?", "Answer to: Eins?"])
    assert [message.text for message in chat.branches(chat.messages[0])] == ["One?", "Eins?"]


def test_stop_stops_what_another_process_writes(peer: Peer, chat: Chat, provider: Provider) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    until(lambda: bool(chat.messages) and chat.messages[-1].text == "one two ")
    chat.stop()
    provider.until(lambda: provider.disconnects == 1)  # the provider's connection is closed
    chat.wait(20)
    peer.do("reply.wait(20)")
    for message in (chat.messages[-1], Chat("trip", store=chat.store).messages[-1]):
        assert (message.status, message.text) == ("stopped", "one two ")
        assert message.usage is not None
    assert peer.get("reply.status") == "stopped"


def test_stop_stops_what_another_process_has_queued(
    peer: Peer, chat: Chat, provider: Provider
) -> None:
    provider.answer("one two three", gated=True)
    peer.do("replies = [chat.send(f'{n}?') for n in range(3)]")
    until(lambda: len(chat.messages) == 6)
    provider.until(lambda: len(provider.requests) == 1)
    chat.stop()
    chat.wait(20)
    peer.do("chat.wait(20)")
    assert peer.get("[reply.status for reply in replies]") == ["stopped"] * 3
    assert len(provider.requests) == 1


def test_what_is_stopped_while_it_waits_never_begins(
    chat: Chat, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process has said so since this one last looked for what others say."""
    monkeypatch.setattr(inbox, "PACE", 3600.0)
    answer = provider.answer("one two three", gated=True)
    running, waiting = [chat.send(f"{n}?") for n in range(2)]
    answer.release()
    until(lambda: running.text == "one ")
    until(lambda: get_engine().run(chat.store.status("trip", waiting.id)) is not None)
    get_engine().run(chat.store.tell("trip", waiting.id, {"do": "stop"}))
    answer.open()
    assert running.wait(20).status == "complete"
    assert waiting.wait(20).status == "stopped"
    assert len(provider.requests) == 1


def test_an_answer_that_another_process_writes_can_be_had_here(
    peer: Peer, model: Model, tmp_path: Path, provider: Provider
) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    peer.until("'two' in str(get_engine().run(chat.store.follow('trip', reply.id)).segments)")
    opened = Chat("trip", model=model, store=tmp_path / "store")
    assert opened.messages[-1].text == "one two "  # at once
    reply = opened.reply()
    answer.open()
    assert reply.wait(20).text == "one two three"
    assert opened.reply(opened.messages[-1]).id == reply.id
    with pytest.raises(MessageError, match="only an answer"):
        opened.reply(opened.messages[0])
    assert len(provider.requests) == 1


def test_who_only_leaves_stops_nothing(peer: Peer, chat: Chat, provider: Provider) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    until(lambda: bool(chat.messages) and chat.messages[-1].text == "one two ")
    chat.send("Count.").detach()  # the same question: the same answer
    answer.open()
    peer.do("reply.wait(20)")
    assert peer.get("reply.status") == "complete"
    assert provider.disconnects == 0


def test_a_suspended_writer_is_fenced_off_when_it_wakes(
    peer: Peer, chat: Chat, provider: Provider
) -> None:
    """It sleeps for longer than its lease; others end its answer; then it goes on reading, and
    more is to come."""
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    until(lambda: bool(chat.messages) and chat.messages[-1].text == "one two ")
    peer.suspend()
    answer.release()
    chat.wait(30)
    stored = chat.messages[-1]
    assert (stored.status, stored.text) == ("interrupted", "one two ")
    peer.wake()
    peer.do("reply.wait(20)")
    assert "taken over" in peer.get("reply.warnings")[0]
    assert peer.get("(reply.status, reply.text)") == ["interrupted", "one two "]
    again = Chat("trip", store=chat.store).messages[-1]
    assert again == stored
    assert no_orphans(chat, stored.id)


def test_of_two_that_resume_one_answer_one_asks_and_both_see_it(
    peer: Peer, chat: Chat, provider: Provider, tmp_path: Path
) -> None:
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    with Peer(provider.url, tmp_path / "store") as dead:
        dead.do("reply = chat.send('Count.')")
        until(lambda: bool(chat.messages) and chat.messages[-1].text == "one two ")
        dead.kill()
    until(lambda: chat.messages[-1].status == "interrupted")
    peer.until("chat.messages and chat.messages[-1].status == 'interrupted'")
    more = provider.answer("three four", gated=True)
    peer.do("reply = chat.reply()")
    peer.start("resumed = reply.resume()")
    resumed = chat.reply().resume()
    peer.finish()
    more.open()
    assert resumed.wait(20).text == "one two three four"
    peer.do("resumed.wait(20)")
    assert peer.get("(resumed.status, resumed.text)") == ["complete", "one two three four"]
    assert Chat("trip", store=chat.store).messages[-1].status == "complete"
    assert len(provider.requests) == 2


def test_who_waits_for_it_is_told_when_another_process_resumes_an_answer(
    peer: Peer, chat: Chat, provider: Provider
) -> None:
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    peer.until("chat.messages and chat.messages[-1].text == 'one two '")
    reply.stop().wait(20)
    told: list[str] = []
    reply.when_resumed(lambda resumed: told.append(resumed.id))
    more = provider.answer("three four", gated=True)
    peer.until("chat.messages[-1].status == 'stopped'")
    peer.do("resumed = chat.reply().resume()")
    until(lambda: told == [reply.id])
    more.open()
    peer.do("resumed.wait(20)")
    until(lambda: chat.messages[-1].text == "one two three four")
    assert told == [reply.id]


def test_who_waits_for_it_is_told_once_however_often_the_chat_changes_at_that_moment(
    chat: Chat, provider: Provider
) -> None:
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    until(lambda: reply.text == "one two ")
    reply.stop().wait(20)
    more = provider.answer("three four", gated=True)
    resumed, told = reply.resume(), list[str]()

    async def changes() -> None:
        for _ in range(3):
            chat._conversation.record.changed()
        leave = reply.when_resumed(lambda resumed: told.append("left"))
        chat._conversation.record.changed()
        leave()

    reply.when_resumed(lambda resumed: told.append(resumed.id))
    get_engine().run(changes())
    get_engine().run(asyncio.sleep(0.05))
    assert told == [reply.id]
    more.open()
    assert resumed.wait(20).status == "complete"


def test_a_chat_that_is_deleted_and_begun_again_elsewhere_can_be_gone_on_with_here(
    peer: Peer, chat: Chat
) -> None:
    """Here it is open still, and what was said in it comes back with the next turn."""
    chat.ask("Old?")
    peer.until("len(chat.messages) == 2")
    peer.do("chat.delete(); chat.ask('New?')")
    until(lambda: any(node.message.text == "New?" for node in chat._tree.nodes.values()))
    assert chat.ask("Next?").text == "Answer to: Next?"
    opened = Chat("trip", store=chat.store)
    assert {node.message.text for node in opened._tree.nodes.values() if node.role == "user"} == {
        "Old?",
        "New?",
        "Next?",
    }


def test_one_look_that_fails_leaves_no_answer_unfollowed(
    peer: Peer, chat: Chat, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed: list[bool] = []
    follow = chat.store.follow

    async def failing(*given: Any, **named: Any) -> Tail:
        if not failed:
            failed.append(True)
            raise StoreError("it is away")
        return await follow(*given, **named)

    monkeypatch.setattr(chat.store, "follow", failing)
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    peer.do("reply = chat.send('Count.')")
    until(lambda: bool(chat.messages) and chat.messages[-1].text == "one two ")
    chat.stop()
    peer.do("reply.wait(20)")
    assert peer.get("reply.status") == "stopped"


def test_a_whole_answer_that_others_took_for_lost_is_stored_all_the_same(
    peer: Peer, chat: Chat, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its store is full for longer than a lease: another process ends it with what was stored."""
    answer = provider.answer("one two three", gated=True)
    answer.release(2)
    reply = chat.send("Count.")
    peer.until("chat.messages and chat.messages[-1].text == 'one two '")

    async def full(*_: Any, **__: Any) -> None:
        error = StoreError("it is full")
        error.retryable = True
        raise error

    with monkeypatch.context() as while_full:
        for name in ("extend_all", "finalize", "beat"):
            while_full.setattr(chat.store, name, full)
        answer.open()
        until(lambda: reply.status == "complete")
        peer.do("from chatkit.stores import _owner; _owner.LEASE = 0.2")
        peer.until("chat.messages[-1].status == 'interrupted'")
    peer.until("chat.messages[-1].status == 'complete'")
    assert peer.get("chat.messages[-1].text") == "one two three"
    assert Chat("trip", store=chat.store).messages[-1].text == "one two three"
    assert no_orphans(chat, reply.id)


def no_orphans(chat: Chat, id: str) -> bool:
    tail = get_engine().run(chat.store.follow("trip", id))
    return tail.info is not None and tail.info.state != "streaming" and not tail.segments
