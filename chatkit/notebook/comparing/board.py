"""What the view of a comparison shows, as its script holds it, and the numbered news of it.

As in the panel, the state is changed in place and never assigned anew: a page that is loaded later
is given the whole of it; a page that is there follows the news. Of the table it holds the rows
that somebody has looked at last, by their place in the order they stand in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

JSON = dict[str, Any]
_VALUES = ("head", "grid", "page", "chat", "notice", "detail")  # what is replaced whole


class Board:
    """The state. Changed on the engine's thread, once it is open to others."""

    def __init__(self) -> None:
        self.send: Callable[..., object] = lambda told, buffers=None: None  # nobody follows yet
        self.shown: JSON = {
            "number": 0,
            "opened": False,
            "names": {},
            "head": {},
            "grid": {},
            "rows": {},  # by place, in words, as JSON has it
            "detail": None,
            "page": None,
            "chat": None,
            "notice": None,
        }

    @property
    def rows(self) -> dict[str, JSON]:
        """The rows that are held."""
        rows: dict[str, JSON] = self.shown["rows"]
        return rows

    def tell(self, news: JSON) -> None:
        """Take in what is new, and tell the script. What is new of the detail's sections is in
        its state already."""
        shown, rows = self.shown, self.rows
        shown.update({name: news[name] for name in _VALUES if name in news})
        if news.get("anew"):
            rows.clear()
        for place in news.get("gone", ()):
            rows.pop(place, None)
        rows.update(news.get("rows", {}))
        for place, column, cell in news.get("cells", ()):
            rows[place]["cells"][column] = cell
        if "foot" in news and shown["detail"] is not None:
            shown["detail"]["foot"] = news["foot"]
        shown["number"] += 1
        self.send({"number": shown["number"], **news})
