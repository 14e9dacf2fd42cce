"""One chat as this process holds it: its tree, its store, and the answers being written.

Every `Chat` of the same id and store shares one `Conversation`, so that a cell that makes the
chat again finds the answer that is still streaming.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from chatkit import engine as engines
from chatkit import host
from chatkit.answers import continuing
from chatkit.answers.calls import is_at_calls
from chatkit.answers.feed import Feed
from chatkit.answers.follower import Follower, partial, take_over
from chatkit.answers.journal import Record
from chatkit.answers.producer import Ask, Producer
from chatkit.detached.handover import Held, detached, producer_of
from chatkit.detached.jobs import Job
from chatkit.errors import MessageError, StoreError, error_of
from chatkit.host import Position
from chatkit.ids import new_id
from chatkit.messages import ENDED, Message
from chatkit.progress import progress
from chatkit.prompts import Settings, prompt
from chatkit.record import ChatRecord
from chatkit.reducer import settled
from chatkit.replies import Reply
from chatkit.stores import Store
from chatkit.tree import Node, Tree
from chatkit.watch import Watch, watch


class Conversation:
    """The tree of a chat, and who writes in it."""

    def __init__(self, store: Store, id: str) -> None:
        self.store = store
        self.id = id
        self.record = ChatRecord(store, id)
        self.producers: dict[str, Producer | Follower] = {}
        self._settings: Settings | None = None
        self._execution = ""
        self._sends = 0  # how many the cell that runs now has made
        self._asked: dict[str, Settings] = {}
        self._feeds: dict[str, Feed] = {}
        self._catching_up = asyncio.Lock()
        self._watch: Watch | None = None
        self._unattended: list[str] = []  # what is new, until it has been looked after

    @property
    def tree(self) -> Tree:
        return self.record.tree

    @property
    def settings(self) -> Settings:
        """The chat's own, for an answer that was restored."""
        assert self._settings is not None  # a Chat made this conversation
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        model = settings.model
        told = {"model": model.id, "baseUrl": model.stored_url, "system": settings.system}
        self._settings = settings
        self.record.header |= told
        self.record.changed()

    # -- what is stored --

    async def load(self) -> None:
        """Read the chat from its store; answers whose producer is gone become `interrupted`."""
        await self.record.load()
        await self._attend(self.tree.nodes)

    def is_behind(self, revision: int | None) -> bool:
        """Whether the chat at this revision is not the one that is known here."""
        return self.record.is_behind(revision) or bool(self._unattended)

    async def catch_up(self) -> None:
        """Take in what other processes have written since."""
        async with self._catching_up:  # who comes second finds all of it taken in
            changed = await self.record.catch_up(self._is_written_here)
            for id in changed:
                feed = self._feeds.get(id)
                if feed is not None and feed.ended:
                    del self._feeds[id]
            self._unattended += changed
            await self._attend(self._unattended)
            self._unattended = []

    def refresh(self) -> None:
        """`catch_up`, from a cell; what cannot be read now is taken in later."""
        engine = engines.get_engine()
        if not engine.is_here:
            reading = progress(f"Reading chat {self.id!r}")
            with suppress(StoreError), reading:  # whoever writes next is told
                engine.run(self.catch_up())

    def _is_written_here(self, id: str) -> bool:
        producer = self.producers.get(id)
        return producer is not None and producer.is_at_work

    async def _attend(self, ids: Iterable[str]) -> None:
        """Follow what is being written elsewhere; end what nobody writes any more."""
        for node in [self.tree.nodes[id] for id in ids if id in self.tree.nodes]:
            if node.status not in ENDED and not self._is_written_here(node.id):
                await self._recover(node)

    async def _recover(self, node: Node) -> None:
        """An answer without an end: somebody else's, or nobody's any more."""
        tail = await self.store.follow(self.id, node.id)
        if tail.info is not None and tail.info.alive:
            self._follow(node, node.message)
            return await self._looked(node)
        if tail.row is not None and tail.info is not None and tail.info.state in ENDED:
            node.adopt(tail.row)  # it ended while the chat was read
            return None
        try:
            ended = await take_over(self.store, self.id, node.id) if tail.info else None
        except StoreError:  # it cannot be written: what it holds can still be shown
            ended = partial(node.message, tail.chunks)
        if ended is None and tail.info is not None and tail.row is not None:
            return await self._recover(node)  # somebody else has just taken it over
        node.message = ended or settled(node.message, "interrupted")

    def _follow(self, node: Node, message: Message) -> Feed:
        """Follow what another process writes, from `message` on."""
        feed = Feed(message, engines.get_engine())
        follower = Follower(feed, self.store, self.id)
        node.stored = True
        self._adopt(node, feed, follower)
        feed.engine.call(follower.start)
        return feed

    async def _looked(self, node: Node) -> None:
        """Return once what there is of a followed answer is here."""
        if isinstance(follower := self.producers.get(node.id), Follower):
            await follower.looked()

    def forget_threads(self) -> None:
        """In a forked child: whoever held a lock stayed with the parent."""
        self._catching_up = asyncio.Lock()
        self.record.forget_threads()

    def watch(self) -> None:
        """See to it that what other processes write appears here."""
        self._watch = watch(self.store, engines.get_engine())  # a forked child has one of its own
        self._watch.add(self)

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the engine's thread soon after a turn, a branch, an answer's writer
        or the title has changed, here or elsewhere, until what this returns is called."""
        return self.record.observe(callback)

    # -- asking --

    def anchor(self, position: Position) -> str | None:
        """The name of the next send of the cell that runs now; None where cells have no id."""
        if position.execution != self._execution:
            self._execution, self._sends = position.execution, 0
        number, self._sends = self._sends, self._sends + 1
        return None if position.cell is None else f"{position.cell}#{number}"

    def ask(self, turn: Node, settings: Settings, *, replaces: str = "") -> Reply:
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
        return self._produce(node, message, settings, replaces=replaces)

    def go_on(self, message: Message, settings: Settings) -> Reply:
        """Go on with an answer that broke off, in its own message."""
        node = self.node(message)
        node.stored = False  # what is stored says that it has ended
        begun = continuing.reopened(message).replace(status="queued")
        return self._produce(node, begun, settings, is_continuation=True)

    def _produce(
        self,
        node: Node,
        message: Message,
        settings: Settings,
        *,
        replaces: str = "",
        is_continuation: bool = False,
    ) -> Reply:
        engine = engines.get_engine()
        feed = Feed(message, engine)

        async def catch_up() -> None:
            await self.catch_up()
            known = (feed, *feed.after)
            others = [each for each in self.live() if each not in known]
            theirs = [each for each in others if each.message().id in self.record.theirs]
            feed.after = [*feed.after, *theirs]

        record = self.record.answer(node, catch_up)
        ask = Ask(
            settings.question(
                self.id,
                replaces=replaces,
                resumes=is_continuation,
                can_ask=host.current().asks,
            ),
            lambda: self._prompt(node.parent, settings.system),
            is_continuation=is_continuation,
            otherwise=lambda: self.regenerate(message).feed,
            elsewhere=lambda: self._follow(node, message),
        )
        feed.after = self.live()  # one may be stopped: the others come first all the same
        producer = self._writer(node, feed, ask, record, settings)
        self._adopt(node, feed, producer)
        if isinstance(producer, Producer):
            engine.call(feed.drain)
        engine.call(producer.start)
        self._asked[node.id] = settings
        self._borrow(node, settings)
        return self.reply(node)

    def _writer(
        self, node: Node, feed: Feed, ask: Ask, record: Record, settings: Settings
    ) -> Producer | Follower:
        if not settings.detached:
            return producer_of(feed, ask, record, self.store, feed.engine)
        return detached(
            feed,
            ask,
            record,
            self.store,
            system=settings.system,
            engine=feed.engine,
            adopt=lambda producer: self._adopt(node, feed, producer),
        )

    async def take_on(self, job: Job) -> Producer:
        """Who writes an answer here that another process has begun, once it is started. Raises
        StoreError, MessageError."""
        await self.catch_up()
        engine, node = engines.get_engine(), self.node(job.row_id)
        feed = self._feeds.get(node.id)  # followed so far, as others' answers are
        if feed is None or feed.ended:
            feed = Feed(node.message, engine)
        feed.after = [each for each in self.live() if each.message().id in job.after]
        ask = Ask(
            job.question,
            lambda: self._prompt(node.parent, job.system),
            is_continuation=job.is_continuation,
        )
        record = Held(self.record.answer(node, self.catch_up), job.lease, self.store)
        producer = producer_of(feed, ask, record, self.store, engine)
        self._adopt(node, feed, producer)
        feed.drain()
        return producer

    def _adopt(self, node: Node, feed: Feed, producer: Producer | Follower) -> None:
        if isinstance(follower := self.producers.get(node.id), Follower):
            follower.leave()
        node.live = feed.message
        self._feeds[node.id] = feed
        for id, each in list(self.producers.items()):
            if not each.is_at_work:  # what it was asked with, and its decoder, would stay for good
                self.producers.pop(id, None)
        self.producers[node.id] = producer
        self.record.changed()

    def _prompt(self, turn: str | None, system: str | None) -> list[Message]:
        with self.record.lock:
            before = self.tree.said(self.node(turn).parent)  # it may be removed meanwhile itself
            return prompt([*before, self.node(turn)], system)

    def delete(self) -> None:
        """Remove everything, here and in the store."""
        self.record.delete()
        self.producers.clear()
        self._feeds.clear()
        self._asked.clear()

    def switch(self, node: Node) -> None:
        """Make the branch through `node` the active one. While `changing`."""
        self.check_kept(node)
        if not self.tree.is_active(node):
            self.record.move(self.tree.leaf(node).id)

    def check_kept(self, node: Node) -> None:
        """Raises MessageError for a message that was removed from the conversation."""
        turn = self.tree.turn(node.id)
        if turn is not None and turn.removed:
            raise MessageError("it was removed from this conversation: restore() it first")

    # -- answers --

    def reply(self, node: Node) -> Reply:
        """The reply of an answer, live or from disk."""
        feed = self._feeds.get(node.id)
        if feed is None:
            error = error_of(node.message.metadata)
            feed = Feed.ended_with(node.message, engines.get_engine(), error)
            self._feeds[node.id] = feed
        asked = self._asked.get(node.id)
        turn = self.tree.nodes[node.parent].message if node.parent else None
        schema = asked.schema if asked else None
        return Reply(feed, self.producers.get(node.id), self, schema, turn)

    def running(self, id: str) -> Reply | None:
        """The reply of an answer that is being written, wherever."""
        feed, node = self._feeds.get(id), self.tree.nodes.get(id)
        return None if feed is None or feed.ended or node is None else self.reply(node)

    def asked_with(self, node: Node, settings: Settings) -> None:
        """An answer that was restored is what these settings ask for."""
        self._asked.setdefault(node.id, settings)
        self._borrow(node, settings)

    def _borrow(self, node: Node, settings: Settings) -> None:
        """What a worker's answer calls is run here, where the functions are."""
        follower, can_ask = self.producers.get(node.id), host.current().asks
        if isinstance(follower, Follower):
            borrow = follower.borrow
            follower.feed.engine.call(lambda: borrow(settings.tools, can_ask=can_ask))

    def regenerate(self, message: Message, settings: Settings | None = None) -> Reply:
        """Another answer beside `message`, asked as that one was or with other settings."""
        with self.record.changing():
            node = self.node(message)
            self.check_kept(node)
            turn = self.node(node.parent) if node.role == "assistant" else node
            replaces = node.message.metadata.get("responseId") or node.id
            return self.ask(turn, settings or self.asked_of(node), replaces=replaces)

    def can_resume(self, message: Message) -> bool:
        """Whether there is a way to go on with an answer where it broke off."""
        node = self.tree.nodes.get(message.id)
        if node is None:  # the chat was deleted
            return False
        settings = self.asked_of(node)
        return (
            is_at_calls(message)
            or settings.model.can_resume(message, self.id)
            or continuing.can_continue(message, settings.model, has_schema=bool(settings.schema))
        )

    def resume(self, message: Message) -> Reply:
        """Go on with an answer that broke off: where it was, else beside it."""
        with self.record.changing():
            node = self.node(message)
            is_live = node.id in self._feeds and not self._feeds[node.id].ended
            if is_live or node.status == "complete":
                return self.reply(node)  # somebody has gone on with it already
            if self.can_resume(node.message):
                return self.go_on(node.message, self.asked_of(node))
            return self.regenerate(node.message)

    def asked_of(self, node: Node) -> Settings:
        """How an answer was asked for, or would be now."""
        return self._asked.get(node.id) or self.settings

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

    def stop(self) -> None:
        """Stop whatever is being answered, wherever it is written."""
        self._stop(each for each in self._writers() if isinstance(each, Producer))
        self.refresh()  # what others write is told together
        self._stop(self._writers())

    def _writers(self) -> list[Producer | Follower]:
        found = [self.producers.get(feed.message().id) for feed in self.live()]
        return [each for each in found if each is not None]

    def _stop(self, writers: Iterable[Producer | Follower]) -> None:
        stopped = list(writers)
        if stopped:
            stopped[0].feed.engine.call(_stop_all, stopped)


def _stop_all(producers: list[Producer | Follower]) -> None:
    """The last first: none is to begin because the one before it has ended."""
    for each in reversed(producers):
        each.stop()


def conversation(store: Store, id: str) -> Conversation:
    """The conversation of this process for a chat, read from its store the first time."""
    key = (id, store.location, type(store))
    with _lock:
        found = _conversations.get(key)
    if found is not None:
        found.refresh()
    else:  # not under the lock: a tool that is run while this waits may open a chat, too
        fresh = Conversation(store, id)
        with progress(f"Opening chat {id!r}"):
            engines.get_engine().run(fresh.load())
        with _lock:
            found = _conversations.setdefault(key, fresh)
    found.watch()
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
