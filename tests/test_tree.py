"""The re-run rule, as sentences about cells, without a model or a store."""

from __future__ import annotations

from chatkit.messages import Message, TextPart
from chatkit.tree import Node, Place, Tree


class Notebook:
    """Cells that send, and a tree that grows by the rule."""

    def __init__(self, tree: Tree | None = None) -> None:
        self.tree = tree or Tree()
        self.open()

    def open(self) -> None:
        self.order = 0
        self.claimed: set[str] = set()

    def send(self, prompt: str, cell: str | None, *, replay: bool = False) -> Node:
        """Send, answer what is new, and return the turn."""
        place: Place = self.tree.place(
            cell, self.order, prompt, claimed=self.claimed, replay=replay
        )
        self.order += 1
        turn = place.turn
        if turn is None:
            turn = self._add("user", prompt, place.parent, cell)
            self.tree.head = self._add("assistant", f"re: {prompt}", turn.id).id
        elif not self.tree.is_active(turn):
            self.tree.head = self.tree.leaf(turn).id
        self.claimed.add(turn.id)
        turn.anchor = cell or turn.anchor
        return turn

    def said(self) -> list[str]:
        """What was asked on the active branch."""
        return [node.message.text for node in self.tree.active() if node.role == "user"]

    def _add(self, role: str, text: str, parent: str | None, cell: str | None = None) -> Node:
        message = Message(
            id=f"{len(self.tree.nodes)}",
            role="user" if role == "user" else "assistant",
            parts=(TextPart(text),),
        )
        print_ = text if role == "user" else None
        node = Node(message, parent, anchor=cell, fingerprint=print_)
        self.tree.add(node)
        return node


def asked(notebook: Notebook) -> int:
    return sum(node.role == "user" for node in notebook.tree.nodes.values())


def test_new_cells_follow_one_another() -> None:
    notebook = Notebook()
    for prompt, cell in (("a", "1"), ("b", "2"), ("c", "3")):
        notebook.send(prompt, cell)
    assert notebook.said() == ["a", "b", "c"]


def test_the_same_send_in_the_same_cell_is_the_same_turn_and_the_end_does_not_move() -> None:
    notebook = Notebook()
    first = notebook.send("a", "1")
    notebook.send("b", "2")
    head = notebook.tree.head
    assert notebook.send("a", "1") is first
    assert notebook.tree.head == head
    assert asked(notebook) == 2


def test_a_changed_prompt_forks_there_and_the_cells_below_are_asked_again() -> None:
    notebook = Notebook()
    for prompt, cell in (("a", "1"), ("b", "2"), ("c", "3")):
        notebook.send(prompt, cell)
    notebook.send("B", "2")
    assert notebook.said() == ["a", "B"]
    notebook.send("c", "3")
    assert notebook.said() == ["a", "B", "c"]
    assert asked(notebook) == 5


def test_changing_it_back_finds_the_old_branch_with_all_that_followed() -> None:
    notebook = Notebook()
    for prompt, cell in (("a", "1"), ("b", "2"), ("c", "3"), ("B", "2"), ("b", "2")):
        notebook.send(prompt, cell)
    assert notebook.said() == ["a", "b", "c"]
    assert asked(notebook) == 4


def test_two_cells_with_the_same_prompt_are_two_turns() -> None:
    notebook = Notebook()
    assert notebook.send("a", "1") is not notebook.send("a", "2")
    assert notebook.said() == ["a", "a"]


def test_a_restart_with_ids_finds_every_turn() -> None:
    notebook = Notebook()
    turns = [notebook.send(prompt, prompt) for prompt in "abc"]
    notebook.open()
    assert [notebook.send(prompt, prompt) for prompt in "abc"] == turns


def test_a_restart_without_ids_finds_the_kth_turn_by_the_kth_send() -> None:
    notebook = Notebook()
    turns = [notebook.send(prompt, None) for prompt in "aab"]
    notebook.open()
    assert [notebook.send(prompt, None) for prompt in "aab"] == turns


def test_a_restart_with_other_ids_finds_the_kth_turn_by_the_kth_send() -> None:
    notebook = Notebook()
    turns = [notebook.send(prompt, f"old {n}") for n, prompt in enumerate("aab")]
    notebook.open()
    assert [notebook.send(prompt, f"new {n}") for n, prompt in enumerate("aab")] == turns
    assert notebook.send("a", "new 0") is turns[0], "and it is known by its new id from then on"


def test_where_each_opening_gives_the_ids_anew_every_turn_is_found_all_the_same() -> None:
    """As VS Code does, by the order of the cells: here one was put between two others."""
    at = "vscode-notebook-cell:/trip.ipynb#W{}#0".format
    notebook = Notebook()
    for prompt, cell in (("a", at(0)), ("c", at(1)), ("b", at(2))):
        notebook.send(prompt, cell)
    for _ in range(2):
        notebook.open()
        for number, prompt in enumerate("abc"):
            notebook.send(prompt, at(number))
        assert asked(notebook) == 3
    assert notebook.said() == ["a", "c", "b"]
    notebook.send("B", at(1))
    assert notebook.said() == ["a", "c", "B"]
    assert asked(notebook) == 4


def test_a_cell_with_such_an_id_is_asked_anew_where_another_has_the_answer() -> None:
    at = "vscode-notebook-cell:/trip.ipynb#W{}#0".format
    notebook = Notebook()
    for prompt, cell in (("go on", at(0)), ("b", at(1)), ("go on", at(1))):
        notebook.send(prompt, cell)
    assert notebook.said() == ["go on", "go on"]
    assert asked(notebook) == 3


def test_without_ids_a_changed_prompt_forks_at_its_place() -> None:
    notebook = Notebook()
    for prompt in "abc":
        notebook.send(prompt, None)
    notebook.open()
    for prompt in "aBc":
        notebook.send(prompt, None)
    assert notebook.said() == ["a", "B", "c"]
    assert asked(notebook) == 5


def test_with_other_ids_a_changed_prompt_forks_once_the_replay_is_plain() -> None:
    notebook = Notebook()
    for n, prompt in enumerate("abc"):
        notebook.send(prompt, f"old {n}")
    notebook.open()
    notebook.send("a", "new 0")
    notebook.send("B", "new 1", replay=True)
    assert notebook.said() == ["a", "B"]


def test_a_new_cell_in_a_restored_chat_goes_to_the_end_and_forks_nothing() -> None:
    notebook = Notebook()
    for prompt in "ab":
        notebook.send(prompt, prompt)
    notebook.open()
    notebook.send("new", "x")
    assert notebook.said() == ["a", "b", "new"]


def test_a_new_cell_with_an_old_prompt_is_a_new_turn_while_its_own_cell_is_known() -> None:
    notebook = Notebook()
    first = notebook.send("a", "1")
    notebook.open()
    assert notebook.send("a", "1") is first
    assert notebook.send("a", "2") is not first


def test_messages_that_were_copied_in_are_never_matched_by_their_order() -> None:
    tree = Tree()
    copied = Node(Message(id="old", role="user", parts=(TextPart("a"),)), None)
    tree.add(copied)
    tree.head = "old"
    notebook = Notebook(tree)
    assert notebook.send("a", None) is not copied
    assert notebook.said() == ["a", "a"]


def test_the_row_of_a_node_makes_the_same_node_again() -> None:
    message = Message(id="m", role="assistant", parts=(TextPart("hi"),), status="stopped")
    node = Node(message, "p", anchor="c#0", fingerprint="f")
    again = Node.from_row(node.row())
    assert (again.id, again.parent, again.anchor, again.fingerprint) == ("m", "p", "c#0", "f")
    assert (again.role, again.status, again.message) == ("assistant", "stopped", message)
    assert again.stored
