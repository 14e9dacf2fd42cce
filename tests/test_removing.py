"""Whatever is removed, put back, said and switched, by whomever and at once: the tree is sane."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import Chat
from chatkit.engine import get_engine
from chatkit.errors import MessageError
from chatkit.messages import Message, TextPart
from chatkit.providers import Model
from chatkit.stores import Stored
from chatkit.tree import Node, Tree
from tests.servers import Provider

# -- one process --


@pytest.fixture
def chat(model: Model, tmp_path: Path) -> Chat:
    chat = Chat("trip", model=model, store=tmp_path / "store")
    for number in range(4):
        chat.ask(f"{number}?")
    return chat


def texts(chat: Chat) -> list[str]:
    return [message.text for message in chat.messages if message.role == "user"]


def beside(chat: Chat) -> Chat:
    """The same chat as another process has it."""
    from chatkit.conversation import _conversations

    _conversations.clear()
    return Chat(chat.id, model=chat.model, store=chat.store)


def test_turns_come_back_in_the_order_of_the_conversation_whatever_came_back_first(
    chat: Chat,
) -> None:
    first, second, third = chat.messages[0], chat.messages[2], chat.messages[4]
    for each in (third, first, second):
        chat.remove(each)
    assert texts(chat) == ["3?"]
    chat.restore(third)
    assert texts(chat) == ["2?", "3?"]
    chat.restore(second)
    chat.restore(first)
    assert texts(chat) == texts(beside(chat)) == ["0?", "1?", "2?", "3?"]


def test_a_turn_of_another_branch_is_removed_and_put_back_there(chat: Chat) -> None:
    before = chat.messages
    chat.edit(before[2], "other?").wait(20)
    chat.remove(before[4])
    chat.switch(before[6])
    assert texts(chat) == ["0?", "1?", "3?"]
    chat.switch(chat.branches(before[2])[1])
    chat.restore(before[4])
    assert texts(chat) == ["0?", "other?"]
    chat.switch(before[6])
    assert texts(chat) == ["0?", "1?", "2?", "3?"]


def test_what_came_after_a_removed_turn_is_a_branch_beside_its_alternatives(chat: Chat) -> None:
    before = chat.messages
    chat.edit(before[2], "other?").wait(20)
    chat.switch(before[2])
    chat.remove(before[2])
    assert [each.text for each in chat.branches(before[4])] == ["2?", "other?"]


def test_what_was_removed_is_said_to_be_so_to_who_goes_on_with_it(chat: Chat) -> None:
    turn, answer = chat.messages[2:4]
    chat.remove(turn)
    for go_on in (chat.switch, chat.regenerate, lambda each: chat.edit(each, "else?")):
        with pytest.raises(MessageError, match=r"restore\(\)"):
            go_on(turn)
    with pytest.raises(MessageError, match=r"restore\(\)"):
        chat.regenerate(answer)
    assert texts(chat) == ["0?", "2?", "3?"]


def test_the_end_of_the_branch_is_stored_with_what_it_ends_at_and_not_before(chat: Chat) -> None:
    record, end = chat._conversation.record, chat._tree.head
    turn = Node(Message(id="turn", role="user", parts=(TextPart("And then?"),)), end)
    answer = Node(Message(id="answer", role="assistant", status="queued"), "turn")
    turn.goes_last = True
    with record.changing():
        record.tree.add(turn)
        record.tree.add(answer)
        record.move("answer")
    assert beside(chat)._tree.head == end

    begun = get_engine().submit(record.begin(answer, _nothing))
    assert begun.result(20) is not None
    assert texts(chat) == texts(beside(chat)) == ["0?", "1?", "2?", "3?", "And then?"]


async def _nothing() -> None:
    """There is nothing new to take in."""


# -- others at the same time --


def test_two_processes_remove_neighbours_at_once_and_both_are_gone(chat: Chat) -> None:
    before, other = chat.messages, beside(chat)
    mine, theirs = chat._conversation.record, other._conversation.record
    with mine.changing(), theirs.changing():  # neither has heard of the other
        mine.remove(chat._node(before[2]))
        theirs.remove(other._node(before[4].id))
    assert texts(beside(chat)) == ["0?", "3?"]


def test_a_look_at_the_store_does_not_undo_what_is_not_written_yet(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, load = beside(chat), chat.store.load
    record = chat._conversation.record
    turn = chat._node(chat.messages[2])
    other.rename("Somebody else's")  # so that there is something to take in

    async def slow(*args: Any, **more: Any) -> Stored | None:
        """What is read is old by the time that it is taken in."""
        stored = await load(*args, **more)
        with record.lock:
            record._changes = 1  # as if a cell held it: nothing is written before the end
            record.remove(turn)
            record.move(turn.parent)
            record.rename("Mine")
            record._changes = 0
        return stored

    with monkeypatch.context() as patch:
        patch.setattr(chat.store, "load", slow)
        get_engine().run(record.catch_up(lambda id: False))
    with record.changing():
        """What was changed is written."""
    assert (texts(chat), chat.title) == (["0?"], "Mine")
    again = beside(chat)
    assert (texts(again), again.title) == (["0?"], "Mine")


class Desk:
    """A process as far as the tree goes: what it wrote is heard of by others when they look."""

    def __init__(self, rows: dict[str, Any], name: str) -> None:
        self.tree, self.rows, self.name = Tree(), rows, name

    def look(self) -> None:
        for row in [row for id, row in self.rows.items() if id != "head"]:
            known = self.tree.nodes.get(row["id"])
            if known is None:
                self.tree.add(Node.from_row(row))
            elif not known.is_as(row):
                known.adopt(row)
        self.tree.head = self.rows.get("head")

    def _write(self, node: Node) -> None:
        self.rows[node.id] = node.row()

    def _say(self, parent: str | None) -> None:
        id = f"{self.name}{len(self.tree.nodes)}"
        turn = Node(Message(id=id, role="user", parts=(TextPart(id),)), parent)
        self.tree.add(turn)
        self._answer(turn)

    def _answer(self, turn: Node) -> None:
        id = f"{self.name}{len(self.tree.nodes)}"
        answer = Node(Message(id=id, role="assistant", parts=(TextPart("Yes."),)), turn.id)
        self.tree.add(answer)
        for each in self.tree.path(answer.id):
            self.rows.setdefault(each.id, each.row())
        self.tree.head = self.rows["head"] = answer.id

    def do(self, what: str, which: int) -> None:
        turns = [node for node in self.tree.nodes.values() if node.role == "user"]
        turn = turns[which % len(turns)] if turns else None
        match what:
            case "say":
                self._say(self.tree.head)
            case "clear":
                self.tree.head = self.rows["head"] = None
            case "edit" if turn:
                self._say(turn.parent)
            case "regenerate" if turn:
                self._answer(turn)
            case "switch" if turn:
                self.tree.head = self.rows["head"] = self.tree.leaf(turn).id
            case "remove" | "restore" if turn:
                turn.removed = what == "remove"
                self._write(turn)


ACTIONS = ("say", "say", "edit", "regenerate", "switch", "clear", "remove", "restore", "look")
STEPS = st.tuples(st.integers(0, 2), st.sampled_from(ACTIONS), st.integers(0, 30))


def is_sane(tree: Tree) -> bool:
    """Every message is reached from the beginning, and what is shown is whole."""
    left, reached = list(tree._children[None]) if tree.nodes else [], set[str]()
    while left:
        reached.add(id := left.pop())
        left += tree._children.get(id, ())
    shown = tree.active()
    return (
        reached == set(tree.nodes)
        and (tree.head is None or tree.head in tree.nodes)
        and not any(node.removed for node in shown)
        and [node.id for node in shown] == [n.id for n in tree.path(tree.head) if n in shown]
        and all(node in tree.siblings(node) for node in shown)
    )


@given(st.lists(STEPS, max_size=60))
def test_three_processes_do_anything_in_any_order(steps: list[tuple[int, str, int]]) -> None:
    rows: dict[str, Any] = {}
    desks = [Desk(rows, name) for name in "abc"]
    said: set[str] = set()
    for who, what, which in steps:
        desk = desks[who]
        desk.look() if what == "look" else desk.do(what, which)
        said |= set(desk.tree.nodes)
        assert is_sane(desk.tree)
    for desk in desks:
        desk.look()
        assert is_sane(desk.tree)
        assert set(desk.tree.nodes) == said  # nothing that was said is lost
    shown = [[node.id for node in desk.tree.active()] for desk in desks]
    assert shown[0] == shown[1] == shown[2]


def test_rows_that_come_after_themselves_hang_nobody() -> None:
    rows = [
        {"id": id, "parent": parent, "message": Message(id=id, role="user").to_json()}
        for id, parent in (("a", "c"), ("b", "a"), ("c", "b"), ("d", "d"), ("e", "c"))
    ]
    tree = Tree(map(Node.from_row, rows), "e")
    assert [node.id for node in tree.active()] == ["c", "e"]
    assert is_sane(tree)
    assert tree.leaf(tree.nodes["d"]).id == "d"


@pytest.mark.parametrize("seed", range(3))
def test_two_processes_and_their_cells_do_anything_at_once(
    chat: Chat, provider: Provider, seed: int
) -> None:
    chats = [chat, beside(chat)]
    failed: list[BaseException] = []

    def work(mine: Chat, random: random.Random) -> None:
        try:
            for _ in range(12):
                one_of(mine, random)()
        except BaseException as error:
            failed.append(error)

    threads = [
        threading.Thread(target=work, args=(each, random.Random(f"{seed}/{number}")))
        for number, each in enumerate((*chats, *chats))  # two threads in each
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert not failed
    for each in chats:
        each.wait(20)
    known = {id for each in chats for id in each._tree.nodes}
    stored = beside(chat)
    assert set(stored._tree.nodes) == known
    for each in (*chats, stored):
        each._conversation.refresh()
        assert is_sane(each._tree)
    assert len({tuple(message.id for message in each.messages) for each in chats}) == 1


def one_of(chat: Chat, random: random.Random) -> Callable[[], object]:
    """Something that a user may do now."""
    ids = list(chat._tree.nodes)
    id = random.choice(ids)
    turn = chat._turn(id).id

    def tried(do: Callable[..., object], *args: Any) -> Callable[[], object]:
        def attempt() -> None:
            with suppress(MessageError):  # it is removed, or being answered
                do(*args)

        return attempt

    return random.choice(
        [
            lambda: chat._say(f"{random.random()}?"),
            tried(chat.edit, turn, f"{random.random()}?"),
            tried(chat.regenerate, turn),
            *[tried(chat.remove, id), tried(chat.restore, id)] * 2,
            tried(chat.switch, id),
            lambda: chat.wait(20),
        ]
    )
