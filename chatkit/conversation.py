"""One chat as this process holds it: its tree, its store, and the answers being written.

Every `Chat` of the same id and store shares one `Conversation`, so that a cell that makes the
chat again finds the answer that is still streaming.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from chatkit import engine as engines
from chatkit import host
from chatkit.calls import is_at_calls
from chatkit.chunks import Finish, from_json
from chatkit.errors import BadChatId, MessageError, StoreError, revive
from chatkit.feed import Feed
from chatkit.follower import Follower
from chatkit.host import Position
from chatkit.journal import Journal
from chatkit.messages import ENDED, FilePart, Message, as_messages
from chatkit.producer import Ask, Producer
from chatkit.providers import Model
from chatkit.reducer import reduce, settled
from chatkit.replies import Reply, new_id
from chatkit.schema import Schema
from chatkit.steps import MAX_STEPS, Question
from chatkit.stores import Store
from chatkit.tools import Tool
from chatkit.tree import Node, Tree

JSON = dict[str, Any]


class Settings(NamedTuple):
    """Whom to ask, and how."""

    model: Model
    system: str | None
    options: Mapping[str, Any]
    tools: Mapping[str, Tool] = {}
    max_steps: int = MAX_STEPS
    schema: Schema | None = None
    repair: bool = False


class Conversation:
    """The tree of a chat, and who writes in it."""

    def __init__(self, store: Store, id: str) -> None:
        self.store = store
        self.id = id
        self.lock = threading.RLock()  # over the tree: cells and the engine both look at it
        self.tree = Tree()
        self.header: JSON = {}  # what the chat's header row holds beside what the store adds
        self.settings: Settings | None = None  # the chat's own, for an answer that was restored
        self.producers: dict[str, Producer | Follower] = {}
        self._execution = ""
        self._sends = 0  # how many the cell that runs now has made
        self._asked: dict[str, Settings] = {}
        self._feeds: dict[str, Feed] = {}
        self._unwritten: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._changes = 0  # how deep in `changing` the thread is that holds the lock

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the tree to change it. What that makes to be written is written once it is let
        go: the engine, which writes, looks at the tree too."""
        writes = []
        with self.lock:
            self._changes += 1
            try:
                yield
            finally:
                self._changes -= 1
                if not self._changes:
                    writes, self._unwritten = self._unwritten, []
        for write in writes:
            engines.get_engine().run(write())

    def forget_threads(self) -> None:
        """In a forked child: whoever held the lock stayed with the parent."""
        self.lock, self._changes, self._unwritten = threading.RLock(), 0, []

    # -- opening --

    async def load(self) -> None:
        """Read the chat from its store; answers whose producer is gone become `interrupted`."""
        stored = await self.store.load(self.id)
        if stored is None:
            return
        own = ("title", "model", "baseUrl", "system", "forkedFrom")
        self.header = {name: stored.header[name] for name in own if name in stored.header}
        self.tree = Tree(map(Node.from_row, stored.rows), stored.header.get("head"))
        for node in self.tree.nodes.values():
            if node.status not in ENDED:
                await self._recover(node)

    async def _recover(self, node: Node) -> None:
        """An answer without an end: somebody else's, or nobody's any more."""
        info = await self.store.status(self.id, node.id)
        if info is not None and info.alive:
            self._follow(node)
            return
        try:
            taken = await self.store.recover(self.id, node.id)
            lease, chunks = taken if taken is not None else (None, [])
        except StoreError:  # it cannot be written: what it holds can still be shown
            lease, segments = None, await self.store.segments(self.id, node.id)
            chunks = [chunk for segment in segments for chunk in segment]
        node.message = partial(node.message, chunks)
        if lease is not None:
            await self.store.finalize(lease, node.row())

    def _follow(self, node: Node) -> None:
        feed = Feed(node.message, engines.get_engine())
        follower = Follower(feed, self.store, self.id, partial)
        self._adopt(node, feed, follower)
        feed.engine.call(follower.start)

    # -- asking --

    def anchor(self, position: Position) -> str | None:
        """The name of the next send of the cell that runs now; None where cells have no id."""
        if position.execution != self._execution:
            self._execution, self._sends = position.execution, 0
        number, self._sends = self._sends, self._sends + 1
        return None if position.cell is None else f"{position.cell}#{number}"

    def ask(
        self, turn: Node, settings: Settings, *, replaces: str = "", resumes: bool = False
    ) -> Reply:
        """Ask for an answer to `turn`: it becomes the end of the active branch."""
        message = Message(
            id=new_id(),
            role="assistant",
            status="queued",
            created_at=datetime.now(UTC),
            metadata={"model": settings.model.id},
        )
        node = Node(message, turn.id)
        self.tree.add(node)
        self.tree.head = node.id
        return self._produce(node, message, settings, replaces=replaces, resumes=resumes)

    def go_on(self, message: Message, settings: Settings) -> Reply:
        """Go on with an answer that broke off at its tool calls, in its own message."""
        node = self.node(message)
        node.stored = False  # what is stored says that it has ended
        return self._produce(node, message.replace(status="queued"), settings, is_continuation=True)

    def _produce(
        self,
        node: Node,
        message: Message,
        settings: Settings,
        *,
        replaces: str = "",
        resumes: bool = False,
        is_continuation: bool = False,
    ) -> Reply:
        engine = engines.get_engine()
        feed = Feed(message, engine)

        async def save_turn() -> None:
            await self._save(node)

        journal = Journal(
            self.store, self.id, feed, save_turn=save_turn, row=node.row, engine=engine
        )
        ask = Ask(
            self._question(settings, replaces, resumes),
            lambda: self._prompt(node.parent, settings.system),
            is_continuation=is_continuation,
        )
        producer = Producer(feed, ask, engine, journal)
        feed.after = self.live()  # one may be stopped: the others come first all the same
        self._adopt(node, feed, producer)
        engine.call(feed.drain)
        engine.call(producer.start)
        self._asked[node.id] = settings
        return self.reply(node)

    def _question(self, settings: Settings, replaces: str, resumes: bool) -> Question:
        return Question(
            settings.model,
            settings.options,
            tools=settings.tools,
            max_steps=settings.max_steps,
            schema=settings.schema,
            repair=settings.repair,
            chat_id=self.id,
            replaces=replaces,
            resumes=resumes,
            can_ask=host.current().asks,
        )

    def _adopt(self, node: Node, feed: Feed, producer: Producer | Follower) -> None:
        node.live = feed.message
        self._feeds[node.id] = feed
        self.producers[node.id] = producer

    def _prompt(self, turn: str | None, system: str | None) -> list[Message]:
        with self.lock:
            path = self.tree.path(turn)
            # what was refused would be refused again with everything that is said after it
            refused = {asked.id for asked, answer in pairwise(path) if _is_refused(asked, answer)}
            kept = [node for node in path if node.id not in refused and node.parent not in refused]
            messages = [node.message for node in kept]
        if system is None:
            return messages
        return [*as_messages([{"role": "system", "content": system}]), *messages]

    async def _save(self, node: Node) -> None:
        """Store everything that leads to `node` and is not stored yet, in one transaction."""
        with self.lock:
            fresh = [each for each in self.tree.path(node.id) if not each.stored]
            rows = [each.row() for each in fresh]
            header = self._header()
        await self.store.append(self.id, rows, header=header)
        for each in fresh:
            each.stored = True

    def _header(self) -> JSON:
        if self.settings is not None:
            model = self.settings.model
            self.header |= {"model": model.id, "system": self.settings.system}
            self.header["baseUrl"] = model.stored_url
        if "title" not in self.header:
            first = next((node for node in self.tree.active() if node.role == "user"), None)
            self.header["title"] = first.message.text.strip()[:80] if first else ""
        return {**self.header, "head": self.tree.head}

    def save_row(self, node: Node) -> None:
        """Store what changed about a message that is stored already. While `changing`."""
        if node.stored:
            self._unwritten.append(lambda: self.store.update(self.id, node.row()))

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
            self.tree, self.header = Tree(), {}
            self.producers.clear()
            self._feeds.clear()
            self._asked.clear()

    def switch(self, node: Node) -> None:
        """Make the branch through `node` the active one. While `changing`."""
        if not self.tree.is_active(node):
            self.move(self.tree.leaf(node).id)

    def move(self, head: str | None) -> None:
        """The active branch ends at `head`. While `changing`."""
        self.tree.head = head
        if self.tree.nodes:
            self._unwritten.append(lambda: self.store.describe(self.id, {"head": head}))

    # -- answers --

    def reply(self, node: Node) -> Reply:
        """The reply of an answer, live or from disk."""
        feed = self._feeds.get(node.id)
        if feed is None:
            told = node.message.metadata.get("error")
            error = revive(told) if isinstance(told, dict) else None
            feed = Feed.ended_with(node.message, engines.get_engine(), error)
            self._feeds[node.id] = feed
        asked = self._asked.get(node.id)
        turn = self.tree.nodes[node.parent].message if node.parent else None
        schema = asked.schema if asked else None
        return Reply(feed, self.producers.get(node.id), self, schema, turn)

    def asked_with(self, node: Node, settings: Settings) -> None:
        """An answer that was restored is what these settings ask for."""
        self._asked.setdefault(node.id, settings)

    def regenerate(self, message: Message, *, resumes: bool = False) -> Reply:
        """Another answer beside `message`, asked as that one was."""
        with self.changing():
            node = self.node(message)
            turn = self.node(node.parent) if node.role == "assistant" else node
            replaces = node.message.metadata.get("responseId") or node.id
            return self.ask(turn, self.asked_of(node), replaces=replaces, resumes=resumes)

    def resume(self, message: Message) -> Reply:
        """Go on with an answer that broke off: where it was, else beside it."""
        with self.changing():
            node = self.node(message)
            if node.id in self._feeds and not self._feeds[node.id].ended:
                return self.reply(node)  # somebody has gone on with it already
            if is_at_calls(message):
                return self.go_on(message, self.asked_of(node))
            return self.regenerate(message, resumes=True)

    def asked_of(self, node: Node) -> Settings:
        """How an answer was asked for, or would be now."""
        settings = self._asked.get(node.id) or self.settings
        assert settings is not None  # a Chat made this conversation
        return settings

    def node(self, message: Message | str | None) -> Node:
        """The node of a message or its id. Raises MessageError if it is not in this chat."""
        id = message.id if isinstance(message, Message) else message
        if id is None or id not in self.tree.nodes:
            raise MessageError(f"no message {id!r} in chat {self.id!r}")
        return self.tree.nodes[id]

    def live(self) -> list[Feed]:
        """The answers that have not ended, in their order."""
        feeds = [self._feeds[id] for id in list(self.producers) if id in self._feeds]
        return [feed for feed in feeds if not feed.ended]


def _is_refused(asked: Node, answer: Node) -> bool:
    """Whether all that was answered is that the turn cannot be sent: for its files, its length."""
    if answer.role != "assistant" or answer.status != "error" or not answer.message.is_empty:
        return False
    told = answer.message.metadata.get("error") or {}
    has_files = any(isinstance(part, FilePart) for part in asked.message.parts)
    return told.get("type") in ("MessageError", "TooLarge") or (
        has_files and told.get("status") in (400, 415, 422, 500)
    )


def partial(message: Message, chunks: list[JSON]) -> Message:
    """What is left of an answer whose producer is gone."""
    known = [chunk for value in chunks if (chunk := from_json(value)) is not None]
    finished = any(isinstance(chunk, Finish) for chunk in known)
    return settled(reduce(message, known), "complete" if finished else "interrupted")


def conversation(store: Store, id: str) -> Conversation:
    """The conversation of this process for a chat, read from its store the first time."""
    with _lock:
        key = (id, store.location, type(store))
        found = _conversations.get(key)
        if found is None:
            found = Conversation(store, id)
            engines.get_engine().run(found.load())
            _conversations[key] = found
        return found


def _forget_threads() -> None:
    global _lock
    _lock = threading.Lock()
    for each in _conversations.values():
        each.forget_threads()


_lock = threading.Lock()
_conversations: weakref.WeakValueDictionary[Any, Conversation] = weakref.WeakValueDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
