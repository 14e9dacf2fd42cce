"""What a panel shows, as its script holds it: one state, and numbered news of what changes in it.

The state is changed in place and is never assigned anew: a page that is loaded later is given the
whole of it, as it is by then; a page that is there follows the news. What has changed is in the
state before the number says so: whoever reads both at that moment applies a change twice, which
does no harm, and misses none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

JSON = dict[str, Any]
_VALUES = ("files", "notice", "chats", "found")  # what is replaced whole


class Board:
    """The state. Changed on the engine's thread, once it is open to others."""

    def __init__(self) -> None:
        self.send: Callable[..., object] = lambda told, buffers=None: None  # nobody follows yet
        self.shown: JSON = {
            "number": 0,
            "opened": False,
            "chat": {},
            "items": [],
            "files": [],
            "notice": None,
            "chats": None,
            "found": None,
        }

    def tell(self, news: JSON) -> None:
        """Take in what is new, and tell the script. Of items that stay, what is new is in their
        states already."""
        shown = self.shown
        shown.update({name: news[name] for name in _VALUES if name in news})
        shown["chat"] = {**shown["chat"], **news.get("chat", {})}
        if "order" in news:
            known = {item["id"]: item for item in shown["items"]} | news["fresh"]
            shown["items"] = [known[id] for id in news["order"]]
        shown["number"] += 1
        self.send({"number": shown["number"], **news})
