"""The tree of turns: which messages follow which, which branch is active, and the re-run rule.

Pure: no store, engine or notebook in it. A turn is a user message and the answers to it, its
children. The active branch ends at `head`; everything else stays reachable.

The re-run rule (`Tree.place`) says what a `send` means: a turn that is already there, or a new
one and after which message. A turn is known by its anchor (the cell that sent it and which
send of that cell it was) and by its fingerprint (what was asked, of whom, how); without a
known anchor, by its place in the order of sends. VS Code names cells anew at each opening, by
their order: there an anchor that asks something else now is believed only where no other turn
asks just this.

A message never changes its place once others may know it. A turn that is removed stays where it
is, with what was said after it, and is passed over: so it comes back where it was, whatever was
removed and put back meanwhile, and whoever did that.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, NamedTuple

from chatkit.messages import Message, Role, Status

JSON = dict[str, Any]
_GIVEN_ANEW = "vscode-notebook-cell:"


class Node:
    """A message in the tree. Its row is JSON; the message is made of it when first needed.

    While it is being answered, `live` says how it stands.
    """

    __slots__ = (
        "_json",
        "_message",
        "anchor",
        "fingerprint",
        "goes_last",
        "id",
        "live",
        "parent",
        "removed",
        "stored",
    )

    def __init__(
        self,
        message: Message | JSON,
        parent: str | None,
        *,
        anchor: str | None = None,
        fingerprint: str | None = None,
        removed: bool = False,
        stored: bool = False,
    ) -> None:
        self._message: Message | None = None
        self._json: JSON = {}
        self.id: str
        if isinstance(message, Message):
            self._message, self.id = message, message.id
        else:
            self._json, self.id = message, message["id"]
        self.parent = parent
        self.anchor = anchor
        self.fingerprint = fingerprint
        self.removed = removed  # taken out of the conversation, until it is put back
        self.stored = stored  # whether its row is in the store
        self.goes_last = False  # said at the end of the active branch, wherever that then is
        self.live: Callable[[], Message] | None = None

    @property
    def message(self) -> Message:
        """The message, as it stands now."""
        if self.live is not None:
            return self.live()
        if self._message is None:
            self._message = Message.from_json(self._json)
        return self._message

    @message.setter
    def message(self, message: Message) -> None:
        self._message, self._json = message, {}

    @property
    def role(self) -> Role:
        return self._message.role if self._message is not None else self._json["role"]

    @property
    def status(self) -> Status:
        if self.live is None and self._message is None:
            status: Status = (self._json.get("metadata") or {}).get("status", "complete")
            return status
        return self.message.status

    @property
    def is_failed_attempt(self) -> bool:
        """Whether it is an answer with nothing in it."""
        return self.status in ("error", "interrupted") and self.message.is_empty

    def row(self, message: Message | None = None) -> JSON:
        """The row to store."""
        row: JSON = {"id": self.id, "parent": self.parent}
        if self.anchor is not None:
            row["anchor"] = self.anchor
        if self.fingerprint is not None:
            row["fingerprint"] = self.fingerprint
        if self.removed:
            row["removed"] = True
        return {**row, "message": (message or self.message).to_json()}

    def is_as(self, row: JSON) -> bool:
        """Whether this row of the store says nothing new."""
        if self.live is None and self._json:  # as it was read: making messages of all takes long
            own = {"parent": self.parent, "anchor": self.anchor, "fingerprint": self.fingerprint}
            is_same = self.removed == row.get("removed", False) and self._json == row["message"]
            return is_same and all(row.get(k) == v for k, v in own.items())
        return self.row() == row

    def adopt(self, row: JSON) -> None:
        """It stands as this row of the store says, which another process has written."""
        self._message, self._json, self.live = None, row["message"], None
        self.anchor, self.fingerprint = row.get("anchor"), row.get("fingerprint")
        self.removed, self.stored = row.get("removed", False), True

    @classmethod
    def from_row(cls, row: JSON) -> Node:
        """The node that a stored row holds."""
        return cls(
            row["message"],
            row.get("parent"),
            anchor=row.get("anchor"),
            fingerprint=row.get("fingerprint"),
            removed=row.get("removed", False),
            stored=True,
        )


class Place(NamedTuple):
    """What a send means: the turn that is there already, or None and the parent of a new one."""

    turn: Node | None
    parent: str | None


class Tree:
    """Every message of a chat, and which branch is active."""

    def __init__(self, nodes: Iterable[Node] = (), head: str | None = None) -> None:
        self.nodes: dict[str, Node] = {}
        self._children: dict[str | None, list[str]] = {}
        self.head: str | None = None
        for node in nodes:
            self.add(node)
        is_lost = head is not None and head not in self.nodes  # with a row of a damaged store
        self.head = next(reversed(self.nodes), None) if is_lost else head

    def add(self, node: Node) -> None:
        """Add a message after its parent; the active branch stays."""
        if self._is_below_itself(node):
            node.parent = None  # in a damaged store: nothing would lead to either
        self.nodes[node.id] = node
        self._children.setdefault(node.parent, []).append(node.id)

    def move(self, node: Node, parent: str | None) -> None:
        """Put a message that nobody else knows yet after another one than before."""
        self._children[node.parent].remove(node.id)
        node.parent = parent
        self._children.setdefault(parent, []).append(node.id)

    def children(self, parent: str | None) -> list[Node]:
        """What follows `parent`, oldest first; None: how the chat may begin."""
        nodes = [self.nodes[id] for id in self._children.get(parent, ())]
        if not any(node.removed for node in nodes):
            return nodes
        shown = {node.id for node in nodes if not node.removed}
        shown |= {turn.id for node in nodes if node.removed for turn in self._beyond(node)}
        return [node for node in self.nodes.values() if node.id in shown]

    def siblings(self, node: Node) -> list[Node]:
        """The alternatives at its place, itself among them, oldest first."""
        parent = node.parent
        if node.role == "user":
            while (turn := self.turn(parent)) is not None and turn.removed:
                parent = turn.parent
        return self.children(parent)

    def alternatives(self, node: Node) -> list[Node]:
        """The same without failed attempts with nothing in them; itself stays."""
        return [each for each in self.siblings(node) if each is node or not each.is_failed_attempt]

    def path(self, end: str | None) -> list[Node]:
        """From the first message to `end`, with what was removed."""
        nodes = list(self._up(end))
        nodes.reverse()
        return nodes

    def said(self, end: str | None) -> list[Node]:
        """The same without the turns that were removed, and their answers."""
        kept, is_removed = [], False
        for node in self.path(end):
            is_removed = node.removed or (is_removed and node.role != "user")
            if not is_removed:
                kept.append(node)
        return kept

    def active(self) -> list[Node]:
        """The active branch, first message first."""
        return self.said(self.head)

    def turn(self, id: str | None) -> Node | None:
        """The turn that a message belongs to, or what opens the chat in its place."""
        node = None
        for node in self._up(id):
            if node.role == "user":
                break
        return node

    def leaf(self, node: Node) -> Node:
        """The newest end of the branch that goes through `node`."""
        while children := self.children(node.id):
            node = children[-1]
        return node

    def answer(self, turn: Node) -> Node | None:
        """The answer to show for a turn: the active one, else the newest."""
        answers = self.children(turn.id)
        active = {node.id for node in self._up(self.head)}
        on_path = [node for node in answers if node.id in active]
        return next(reversed(on_path or answers), None)

    def is_active(self, node: Node) -> bool:
        """Whether it is on the active branch, or was before it was removed."""
        return any(node.id == other.id for other in self._up(self.head))

    def has_anchor(self, anchor: str) -> bool:
        """Whether a cell's send has had a turn, on any branch."""
        return any(node.anchor == anchor and not node.removed for node in self.nodes.values())

    def place(
        self,
        anchor: str | None,
        order: int,
        fingerprint: str,
        *,
        claimed: set[str],
        replay: bool,
        theirs: Container[str] = (),
    ) -> Place:
        """What this send means.

        `order`: how many sends came before it since the chat was opened. `claimed`: the turns
        those have taken. `replay`: they all found their turn by order alone, as when a
        notebook whose cell ids change is run from its top. `theirs`: turns that other
        processes have added since the chat was opened: they have no place in that order.
        """
        turns = [node for node in self.active() if node.fingerprint is not None]
        anchored = [node for node in turns if node.anchor == anchor and anchor is not None]
        if anchor is not None and anchor.startswith(_GIVEN_ANEW):
            same = [node for node in turns if node.fingerprint == fingerprint]
            others = [node for node in same if node.id not in claimed]
            anchored = [n for n in same if n.anchor == anchor] or others[:1] or anchored
        if anchored:
            return self._at(anchored[0], fingerprint)
        if anchor is not None and self.has_anchor(anchor):
            return self._after(self.head, fingerprint, anchor)
        ours = [node for node in turns if node.id not in theirs]
        nth = ours[order] if order < len(ours) else None
        if nth is not None and nth.id not in claimed:
            if nth.fingerprint == fingerprint or anchor is None or replay:
                return self._at(nth, fingerprint)
        return self._after(self.head, fingerprint, anchor)

    def _at(self, turn: Node, fingerprint: str) -> Place:
        """At the place of `turn`: itself, or the sibling that asked just this, or a fork."""
        same = [node for node in self.siblings(turn) if node.fingerprint == fingerprint]
        if turn in same:
            return Place(turn, turn.parent)
        return Place(same[-1] if same else None, turn.parent)

    def _after(self, parent: str | None, fingerprint: str, anchor: str | None) -> Place:
        """After `parent`: what this cell asked there before, or something new."""
        for node in self.children(parent):
            if node.fingerprint == fingerprint and node.anchor == anchor:
                return Place(node, parent)
        return Place(None, parent)

    def _beyond(self, removed: Node) -> Iterator[Node]:
        """The turns that come in the place of one that was removed: what was said after it."""
        left = [removed]
        while left:
            for node in map(self.nodes.__getitem__, self._children.get(left.pop().id, ())):
                if node.role == "user" and not node.removed:
                    yield node
                else:
                    left.append(node)

    def _is_below_itself(self, node: Node) -> bool:
        """Whether its parents lead back to a message that is about to be added."""
        if node.id not in self._children:  # as always where rows come in their order
            return node.parent == node.id
        return any(each.parent == node.id for each in self._up(node.parent))

    def _up(self, end: str | None) -> Iterator[Node]:
        node = self.nodes.get(end or "")
        while node is not None:
            yield node
            node = self.nodes.get(node.parent or "")  # None where a damaged store lost a row, too
