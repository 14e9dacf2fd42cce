"""A chat as it is stored: its tree, and the one way in which it is read and written.

Several processes may write the same chat. Each message is a row of its own, so no writer undoes
what another wrote; the end of the active branch is in the header, and a turn goes behind it only
where it still is what this process takes it for: else what the others wrote comes first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from chatkit import engine as engines
from chatkit.errors import BadChatId, StoreError
from chatkit.messages import ENDED, Message, TextPart
from chatkit.reducer import settled
from chatkit.shared import Shared
from chatkit.stores import Lease, Store, Stored
from chatkit.tree import Node, Tree

JSON = dict[str, Any]
OWN = ("title", "model", "baseUrl", "system", "forkedFrom")  # what chatkit says in a header


class ChatRecord(Shared):
    """The tree of a chat, and its rows."""

    def __init__(self, store: Store, id: str) -> None:
        super().__init__()
        self.store = store
        self.id = id
        self.tree = Tree()
        self.header: JSON = {}  # what the chat's header row holds beside what the store adds
        self.theirs: set[str] = set()  # messages that others added since the chat was opened
        self._head: str | None = None  # where the active branch ends, as it is stored
        self._lost: set[str] = set()  # messages that were in the store and are no more
        self._revision = 0  # of the chat in the store, as far as it is known here
        self._beginning = asyncio.Lock()

    def forget_threads(self) -> None:
        """In a forked child: whoever held a lock stayed with the parent."""
        super().forget_threads()
        self._beginning = asyncio.Lock()

    # -- reading --

    async def load(self) -> None:
        """Read the chat for the first time."""
        stored = await self.store.load(self.id)
        if stored is not None:
            self._take_header(stored)
            self.tree = Tree(map(Node.from_row, stored.rows), self._head)

    def is_behind(self, revision: int | None) -> bool:
        """Whether the chat at this revision is not the one that is known here."""
        return (revision or 0) != self._revision

    async def catch_up(self, is_written_here: Callable[[str], bool]) -> list[str]:
        """Take in what other processes wrote; the ids of what is new or not as it was."""
        [revision] = await self.store.revisions([self.id])
        if not self.is_behind(revision):
            return []
        stored = await self.store.load(self.id) or Stored({}, [])
        with self.lock:
            self._take_header(stored)
            self._miss(stored)
            changed = [row["id"] for row in stored.rows if self._take(row, is_written_here)]
            self.changed()
            if "head" in self.unwritten or not all(node.stored for node in self.tree.active()):
                return changed  # where the branch ends is about to be written from here
            if self._head is None or self._head in self.tree.nodes:
                self.tree.head = self._head
        return changed

    def _miss(self, stored: Stored) -> None:
        """What the store has lost is stored with the next turn that needs it, unless whoever
        wrote it has done so meanwhile."""
        there = {row["id"] for row in stored.rows}
        known = {node.id for node in self.tree.nodes.values() if node.stored}
        lost, back = known - there, self._lost & there
        for id in lost | back:
            self.tree.nodes[id].stored = id in back
        self._lost = (self._lost | lost) - back

    def _take_header(self, stored: Stored) -> None:
        told = {name: stored.header[name] for name in OWN if name in stored.header}
        self.header |= {name: told[name] for name in told if name not in self.unwritten}
        self._head = stored.header.get("head")
        self._revision = stored.header.get("rev", 0)

    def _take(self, row: JSON, is_written_here: Callable[[str], bool]) -> bool:
        """Take in a row; whether it says anything new."""
        known = self.tree.nodes.get(row["id"])
        if known is None:
            self.tree.add(Node.from_row(row))
            self.theirs.add(row["id"])
            return True
        is_ours = is_written_here(known.id) or known.id in self.unwritten
        if is_ours or not known.stored or known.is_as(row):
            return False
        known.adopt(row)
        return True

    # -- writing --

    def save_row(self, node: Node) -> None:
        """Store what changed about a message that is stored already. While `changing`."""

        async def write() -> None:
            with suppress(StoreError):  # it shows what is stored all the same
                await self._update(node)

        if node.stored:
            self.write_later(node.id, write)

    def move(self, head: str | None) -> None:
        """The active branch ends at `head`. While `changing`."""

        async def write() -> None:
            is_there = head is None or self.tree.nodes[head].stored  # else it is stored with it
            if is_there and self.tree.head == head:  # else whoever has moved it since says so
                await self._describe(head=head)
                self._head = head

        self.tree.head = head
        if self.tree.nodes:
            self.write_later("head", write)

    def rename(self, title: str) -> None:
        """Give the chat another title. While `changing`."""

        async def write() -> None:
            await self._describe(title=self.header["title"])

        self.header["title"] = title
        if self.tree.nodes:
            self.write_later("title", write)

    def remove(self, turn: Node) -> None:
        """Take a turn out of the conversation. While `changing`."""
        self._set_removed(turn, True)

    def restore(self, turn: Node) -> None:
        """Put a turn back that was removed. While `changing`."""
        self._set_removed(turn, False)

    def _set_removed(self, turn: Node, removed: bool) -> None:
        turn.removed = removed
        if turn.stored:
            self.write_later(turn.id, lambda: self._update(turn))

    async def _update(self, node: Node) -> None:
        with self._one_change():
            await self.store.update(self.id, node.row())

    async def _describe(self, **header: Any) -> None:
        with self._one_change():
            await self.store.describe(self.id, header)

    def begin_with(self, origin: str, messages: Sequence[Message]) -> None:
        """A fork begins as a copy of another chat's branch. Raises BadChatId if it is no fork."""
        if self.header.get("forkedFrom") == origin:
            return
        if self.tree.nodes:
            raise BadChatId(f"there is a chat {self.id!r} already: fork to another id")
        self.header["forkedFrom"] = origin
        with self.lock:
            for message in messages:
                ended = message if message.status in ENDED else settled(message, "interrupted")
                node = Node(ended, self.tree.head)
                self.tree.add(node)
                self.tree.head = node.id
        if self.tree.head is not None:
            engines.get_engine().run(self._save(self.tree.nodes[self.tree.head]))

    def delete(self) -> None:
        """Remove everything, here and in the store."""
        engines.get_engine().run(self.store.delete(self.id))
        with self.lock:
            self.tree, self.header, self._lost = Tree(), {}, set()
            self._head, self._revision = None, 0
        self.changed()

    def answer(self, node: Node, catch_up: Callable[[], Coroutine[Any, Any, Any]]) -> AnswerRecord:
        """The rows of an answer that is to be written; `catch_up` takes in what others wrote."""
        return AnswerRecord(self, node, catch_up)

    async def begin(
        self, node: Node, catch_up: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Lease | None:
        """Store everything that leads to `node` and the right to write it, at once."""
        refused = None
        async with self._beginning:
            while True:
                await catch_up()  # what is known of others' answers may not be followed yet
                known = self._revision
                if known == refused:
                    return None  # it is this very answer that somebody else writes
                is_last = self._put_last(node)
                fresh, rows, header = self._fresh(node)
                heads = [self._head] if is_last else None
                lease = await self.store.acquire(
                    self.id,
                    node.id,
                    rows=rows,
                    header=header,
                    heads=heads,
                    unless=("complete",),  # by who went on with it a moment before
                )
                if lease is not None:
                    self._count_one(known)
                    self._mark_stored(fresh, header)
                    return lease
                refused = known

    async def renew(self, node: Node) -> Lease | None:
        """Store again all that there is here, and the right to write `node` from its start."""
        async with self._beginning:
            with self.lock:
                ended = [each for each in self.tree.nodes.values() if each.status in ENDED]
                bare = node.message.replace(parts=(), status="streaming")
                rows = [each.row() for each in ended if each is not node] + [node.row(bare)]
                head = self.tree.head
                is_there = head == node.id or head in {each.id for each in ended}
                # else whoever writes the answer at the end of the branch says so
                header = {**self.header, **({"head": head} if is_there else {})}
            known = self._revision
            lease = await self.store.acquire(self.id, node.id, rows=rows, header=header)
            if lease is not None:
                self._count_one(known)
                self._mark_stored([*ended, node], header)
            return lease

    async def retake(self, node: Node) -> Lease | None:
        """The right to write an answer that another process has ended; None if one writes it."""
        return await self.store.acquire(self.id, node.id)

    async def end(self, node: Node, lease: Lease | None, message: Message) -> None:
        """Store how an answer ended."""
        row = node.row(message)
        if lease is None:
            await self._save(node)
        with self._one_change():
            if lease is None:
                await self.store.update(self.id, row)
            else:
                await self.store.finalize(lease, row)

    async def _save(self, node: Node) -> None:
        """Store everything that leads to `node` and is not stored yet, in one transaction."""
        fresh, rows, header = self._fresh(node)
        with self._one_change():
            await self.store.append(self.id, rows, header=header)
        self._mark_stored(fresh, header)

    def _fresh(self, node: Node) -> tuple[list[Node], list[JSON], JSON]:
        """What leads to `node` and is not stored yet, and the header to be stored with it."""
        with self.lock:
            fresh = [each for each in self.tree.path(node.id) if not each.stored]
            if "title" not in self.header:
                first = next((each for each in fresh if each.role == "user"), None)
                self.header["title"] = _title(first.message) if first else ""
            # of the branch that is active here, only what is stored now can be its end; of another
            # nothing is said, for somebody else may have moved the head
            head = {"head": node.id} if self.tree.is_active(node) else {}
            return fresh, [each.row() for each in fresh], {**self.header, **head}

    def _mark_stored(self, fresh: list[Node], header: JSON) -> None:
        for each in fresh:
            each.stored, each.goes_last = True, False
        self._head = header.get("head", self._head)

    @contextmanager
    def _one_change(self) -> Iterator[None]:
        """A write that raises the chat's revision by one."""
        known = self._revision
        yield
        self._count_one(known)

    def _count_one(self, known: int) -> None:
        """The revision was `known` before a write. Where it was read meanwhile, it may hold that
        already: a number too low costs a look, one too high would hide what others write."""
        if self._revision == known:
            self._revision += 1

    def _put_last(self, node: Node) -> bool:
        """Put what is said at the end of the branch behind what others have said there meanwhile;
        whether it is to be stored only if nobody says more."""
        with self.lock:
            first = next((each for each in self.tree.path(node.id) if not each.stored), node)
            stored = [each.id for each in self.tree.path(self._head)]
            is_after = first.parent is None or first.parent in stored
            if not first.goes_last or not is_after or first.id in stored:
                return False
            if first.parent != self._head:
                self.tree.move(first, self._head)
                self.changed()
            return True


def _title(message: Message) -> str:
    """What a chat that begins with it is called; the texts of files come after what was said."""
    texts = [part.text.strip() for part in message.parts if isinstance(part, TextPart)]
    return texts[0][:80] if texts else ""


class AnswerRecord:
    """The row of one answer, as the journal that writes it wants it."""

    def __init__(
        self, record: ChatRecord, node: Node, catch_up: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        self._record = record
        self._node = node
        self._catch_up = catch_up

    async def begin(self) -> Lease | None:
        return await self._record.begin(self._node, self._catch_up)

    async def renew(self) -> Lease | None:
        return await self._record.renew(self._node)

    async def retake(self) -> Lease | None:
        return await self._record.retake(self._node)

    async def end(self, lease: Lease | None, message: Message) -> None:
        await self._record.end(self._node, lease, message)


def checked_id(id: str) -> str:
    """Raises BadChatId unless `id` can name a chat: 1 to 200 printable characters, no slash."""
    if not isinstance(id, str):
        raise BadChatId(f"a chat id is text, not {type(id).__name__}: {id!r:.80}")
    if not id.strip() or id != id.strip() or len(id) > 200:
        raise BadChatId(
            f"{id!r:.80} cannot name a chat: 1 to 200 characters, no space at either end"
        )
    odd = [char for char in id if char in "/\\" or not char.isprintable()]
    if odd:
        raise BadChatId(f"{id!r} cannot name a chat: {odd[0]!r} is not allowed in it")
    return id
