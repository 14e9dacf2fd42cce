"""Follows a conversation: sees to it that a panel's board shows it as it is.

Whatever happens to the conversation, here or in another process, only calls `look`; what is new
is found by comparing, and is told at the pace of a view. Only the newest messages are shown until
more are asked for: what has not been shown costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from typing import Any

from chatkit import engine as engines
from chatkit.answers.feed import Feed
from chatkit.chat import Chat
from chatkit.notebook.panel.board import Board
from chatkit.notebook.panel.choices import choices, models
from chatkit.notebook.panel.items import Item, look
from chatkit.notebook.panel.totals import Totals
from chatkit.notebook.view import PACE, SHARE
from chatkit.tree import Node

JSON = dict[str, Any]
NEWEST = 30  # messages that are shown at first, and how many more at once


class Live:
    """One chat as it is shown on a board. What is shown at first is prepared where this is made;
    all else happens on the engine's thread."""

    def __init__(self, chat: Chat, board: Board, *, used: Sequence[str] = ()) -> None:
        self.chat = chat
        self.engine = engines.get_engine()
        self.told: Callable[[JSON], object] = lambda news: None  # called with what was told
        self._board = board
        self._conversation = chat._conversation
        self.used = used  # models that were asked before
        self._watched: dict[str, tuple[Feed, Callable[[], None]]] = {}
        self._grown: set[str] = set()  # answers that have grown since they were shown
        self._totals = Totals()
        self._stale = True  # anything else may have changed
        self._due = 0.0
        self._called = False
        self._over = False
        self._leave: Callable[[], None] = lambda: None
        path = self._path()
        self._above = _last(path[:-NEWEST])  # the message above the first that is shown
        self._items = self._made(path[-NEWEST:])

    def begin(self) -> None:
        """Show it, and follow it until `end`."""
        self._leave = self._conversation.observe(self.look)
        self.look()

    def end(self) -> None:
        """Leave it."""
        self._over = True
        self._leave()
        for id in list(self._watched):
            self._unwatch(id)

    def look(self) -> None:
        """Something has changed."""
        self._stale = True
        self._soon()

    def update(self) -> None:
        """Tell what is new."""
        if not self._over and (news := self._news()):
            self._board.tell(news)
            self.told(news)

    # -- more of the past: on the thread that takes what is clicked --

    def earlier(self) -> None:
        """Show some more of what was said before."""
        path = self._path()
        self._show_from(path, max(0, self._first(path) - NEWEST))

    def reach(self, id: str) -> bool:
        """Show a message, and all that was said after it; whether it is in the conversation."""
        path = self._path()
        at = next((place for place, node in enumerate(path) if node.id == id), None)
        if at is not None and at < self._first(path):
            self._show_from(path, max(0, at - NEWEST // 2))
        return at is not None

    def _show_from(self, path: list[Node], at: int) -> None:
        made = self._made(path[at : self._first(path)])

        def show() -> None:
            self._items = made | self._items
            self._above = _last(path[:at])
            self._stale = True
            self.update()

        self.engine.call(show)

    def _made(self, nodes: list[Node]) -> dict[str, Item]:
        return {node.id: Item(look(self._conversation, node)) for node in nodes}

    # -- when --

    def _soon(self) -> None:
        if self._over:
            return
        if self._due <= time.monotonic():
            self._due = time.monotonic() + max(PACE, SHARE * len(self.engine.running))
            self.update()
        elif not self._called:
            self._called = True
            self.engine.ticker.soon(self._again)

    def _again(self) -> None:
        self._called = False
        self._soon()

    def _watch(self) -> None:
        """Follow the answers that are being written, and only these."""
        live = {feed.message().id: feed for feed in self._conversation.live()}
        for id, (feed, _) in list(self._watched.items()):
            if live.get(id) is not feed:
                self._unwatch(id)
        for id in live.keys() - self._watched.keys():
            self._watched[id] = live[id], live[id].watch(partial(self._grow, id, live[id]))

    def _unwatch(self, id: str) -> None:
        self._watched.pop(id)[1]()

    def _grow(self, id: str, feed: Feed) -> None:
        if feed.ended:
            self._stale = True
            feed.done.add_done_callback(lambda _: self.engine.call(self.look))  # it may warn yet
        self._grown.add(id)
        self._soon()

    # -- what --

    def _news(self) -> JSON:
        grown, self._grown = self._grown, set()
        if not self._stale:
            news = self._grew(grown)
            return news | self._changed_of_chat({"status": self.chat.status})
        self._stale = False
        path = self._path()
        at = self._first(path)
        self._above = _last(path[:at])
        news = self._rearranged(path[at:])
        self._watch()
        return news | self._changed_of_chat(self._about(at))

    def _path(self) -> list[Node]:
        record = self._conversation.record
        with record.lock:
            return record.tree.active()

    def _first(self, path: list[Node]) -> int:
        """Where in the branch begins what is shown; of another branch, the newest is."""
        ids = [node.id for node in path]
        known = next((place for place, id in enumerate(ids) if id in self._items), None)
        if known is None:
            return max(0, len(path) - NEWEST)
        above = ids.index(self._above) + 1 if self._above in ids else known
        return min(known, above if self._above else 0)

    def _rearranged(self, shown: list[Node]) -> JSON:
        """What is new where anything may be."""
        told = {item["id"]: item for item in self._board.shown["items"]}
        known = [node for node in shown if node.id in self._items]
        self._items |= self._made([node for node in shown if node.id not in self._items])
        self._items = {node.id: self._items[node.id] for node in shown}
        fresh = {id: item for id, item in self._items.items() if told.get(id) is not item.state}
        news = self._updated(known)
        if not fresh and list(told) == list(self._items):
            return news
        states = {id: item.state for id, item in fresh.items()}
        return {"order": list(self._items), "fresh": states, **news}

    def _grew(self, grown: set[str]) -> JSON:
        nodes = self._conversation.tree.nodes
        return self._updated([nodes[id] for id in grown if id in self._items and id in nodes])

    def _updated(self, nodes: list[Node]) -> JSON:
        """What is new of messages that are shown."""
        changes: list[list[Any]] = []
        items: JSON = {}
        for node in nodes:
            told, changed = self._items[node.id].update(look(self._conversation, node))
            changes += [[node.id, *change] for change in told]
            items.update({node.id: changed} if changed else {})
        news = {"changes": changes, "items": items}
        return {name: value for name, value in news.items() if value}

    def _changed_of_chat(self, now: JSON) -> JSON:
        told = self._board.shown["chat"]
        changed = {name: value for name, value in now.items() if told.get(name, ...) != value}
        return {"chat": changed} if changed else {}

    def _about(self, earlier: int) -> JSON:
        """The chat itself."""
        chat = self.chat
        options = choices(chat.model)
        place = f"{chat.store.location}\n{chat.id}".encode()
        return {
            "id": chat.id,
            "title": chat.title,
            "model": chat.model.id,
            "models": models(chat.model.id, self.used),
            "system": chat.system or "",
            "options": {name: chat.options.get(name) for name in options},
            "choices": options,
            "status": chat.status,
            "totals": self._totals.words(self._conversation.tree.nodes.values()),
            "earlier": earlier,
            "draftKey": f"chatkit-draft-{sha256(place).hexdigest()[:16]}",
        }


def _last(nodes: list[Node]) -> str:
    return nodes[-1].id if nodes else ""
