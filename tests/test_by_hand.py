"""What is done to a conversation by hand, as in a panel: say, edit, remove, put back, rename."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatkit import Chat, chats
from chatkit.engine import get_engine
from chatkit.errors import MessageError
from chatkit.providers import Model
from tests.peers import Peer
from tests.servers import Provider


@pytest.fixture
def chat(model: Model, tmp_path: Path) -> Chat:
    return Chat("trip", model=model, store=tmp_path / "store")


def texts(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages if message.role == "user"]


def opened(chat: Chat) -> Chat:
    """The same chat as the next process reads it."""
    from chatkit.conversation import _conversations

    _conversations.clear()
    return Chat("trip", store=chat.store)


def test_what_is_removed_is_not_told_to_the_model(chat: Chat, provider: Provider) -> None:
    for number in range(3):
        chat.ask(f"{number}?")
    chat.remove(chat.messages[2])
    assert texts(chat) == ["0?", "2?"]
    chat.ask("3?")
    asked = [each["content"] for each in provider.requests[-1].body["messages"]]
    assert asked == ["0?", "Answer to: 0?", "2?", "Answer to: 2?", "3?"]
    assert texts(opened(chat)) == ["0?", "2?", "3?"]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_turn_comes_back_where_it_was(chat: Chat, number: int) -> None:
    for each in range(3):
        chat.ask(f"{each}?")
    answer = chat.messages[2 * number + 1]
    chat.remove(answer)  # by any of its messages
    assert len(chat.messages) == 4
    assert texts(opened(chat)) == texts(chat)
    chat.restore(answer)
    assert texts(chat) == ["0?", "1?", "2?"]
    assert texts(opened(chat)) == ["0?", "1?", "2?"]


def test_what_was_said_since_comes_after_a_turn_that_is_put_back(chat: Chat) -> None:
    chat.ask("0?")
    removed = chat.messages[0]
    chat.remove(removed)
    assert chat.messages == []
    chat.ask("1?")
    chat.restore(removed)
    assert texts(chat) == ["0?", "1?"]


def test_a_turn_that_is_removed_is_no_branch(chat: Chat) -> None:
    chat.ask("0?")
    chat.ask("1?")
    first = chat.messages[0]
    chat.remove(first)
    assert [each.text for each in chat.branches(chat.messages[0])] == ["1?"]
    chat.remove(first)  # once more changes nothing
    assert texts(chat) == ["1?"]


def test_what_is_being_answered_is_not_removed(chat: Chat, provider: Provider) -> None:
    answer = provider.answer("one two", gated=True)
    reply = chat.send("Count.")
    with pytest.raises(MessageError, match=r"stop\(\)"):
        chat.remove(reply.message)
    answer.open()
    reply.wait(20)
    chat.remove(reply.message)
    assert chat.messages == []


def test_another_process_sees_it_go_and_come(
    chat: Chat, provider: Provider, tmp_path: Path
) -> None:
    with Peer(provider.url, tmp_path / "store") as peer:
        for number in range(3):
            chat.ask(f"{number}?")
        turn = chat.messages[2]
        users = "[m.text for m in chat.messages if m.role == 'user']"
        peer.until(f"{users} == ['0?', '1?', '2?']")
        chat.remove(turn)
        peer.until(f"{users} == ['0?', '2?']")
        peer.do(f"chat.restore({turn.id!r})")
        peer.until(f"{users} == ['0?', '1?', '2?']")
    assert texts(opened(chat)) == ["0?", "1?", "2?"]


def test_what_is_said_by_hand_is_new_each_time_and_no_cells(chat: Chat, model: Model) -> None:
    chat._say("Hello?").wait(20)
    chat._say("Hello?").wait(20)
    assert texts(chat) == ["Hello?", "Hello?"]
    again = Chat("trip", model=model, store=chat.store)
    again.ask("Hello?")  # the first send of a script: it was asked by hand, not by a script
    assert texts(again) == ["Hello?"] * 3
    chat._edit(chat.messages[0], "Hi?").wait(20)
    assert texts(chat) == ["Hi?"]
    assert [each.text for each in chat.branches(chat.messages[0])] == ["Hello?", "Hi?"]


def test_a_chat_is_renamed_in_lists_and_keeps_its_id(chat: Chat) -> None:
    chat.rename("Lisbon")
    chat.ask("Three days in Lisbon?")
    assert chat.title == "Lisbon"
    chat.rename("Portugal")
    assert [(each.id, each.title) for each in chats(chat.store)] == [("trip", "Portugal")]
    assert opened(chat).title == "Portugal"


def test_a_chat_is_called_after_what_was_said_and_not_after_a_file(chat: Chat) -> None:
    chat.ask("How much rain?", files=b"month,mm\njan,99\n")
    assert chat.title == "How much rain?"


class TestObserving:
    @pytest.fixture
    def told(self, chat: Chat) -> Iterator[threading.Event]:
        told = threading.Event()
        leave = chat._conversation.observe(told.set)
        yield told
        leave()
        get_engine().run(_nothing())
        told.clear()
        chat.rename("Nobody is told")
        get_engine().run(_nothing())
        assert not told.is_set()

    def test_a_turn_a_removal_and_a_name_are_told(self, chat: Chat, told: threading.Event) -> None:
        for happen in (
            lambda: chat.ask("0?"),
            lambda: chat.remove(chat.messages[0]),
            lambda: chat.rename("Lisbon"),
            lambda: chat.clear(),
            lambda: chat.delete(),
        ):
            get_engine().run(_nothing())
            told.clear()
            happen()
            assert told.wait(20)

    def test_what_another_process_says_is_told(
        self, chat: Chat, told: threading.Event, provider: Provider, tmp_path: Path
    ) -> None:
        with Peer(provider.url, tmp_path / "store") as peer:
            peer.do("chat.ask('There?')")
            assert told.wait(20)


async def _nothing() -> None:
    """What was called before this has run by then."""
