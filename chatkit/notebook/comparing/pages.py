"""What else there is to see of a comparison: its summary, and a score against cost or time.

Made of the answers so far, on a thread of its own, and anew while more come and somebody looks.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import TYPE_CHECKING, Any

from chatkit.errors import ChatkitError
from chatkit.notebook.comparing.board import Board

if TYPE_CHECKING:
    from chatkit.compare.runs import Runs

JSON = dict[str, Any]
PACE = 2.0  # seconds at least between two of a page, and SHARE times what it took to make
SHARE = 10


class Pages:
    """The page that is shown beside the table, if one is."""

    def __init__(self, runs: Runs, board: Board, loop: asyncio.AbstractEventLoop) -> None:
        self._runs = runs
        self._board = board
        self._loop = loop
        self._wanted: JSON | None = None
        self._is_stale = self._is_busy = self._is_called = False
        self._due = 0.0

    def show(self, page: str, told: JSON) -> None:
        """Show `summary` or `plot`, of a score and against what was `told`. From any thread."""
        against = told.get("against") or ("cost" if self._runs.cost else "seconds")
        wanted = {"page": page, "score": told.get("score"), "against": against}
        self._loop.call_soon_threadsafe(self._want, wanted)

    def leave(self) -> None:
        """Nobody looks at it any more. From any thread."""
        self._loop.call_soon_threadsafe(self._want, None)

    def note(self) -> None:
        """Something has changed. On the engine's thread."""
        self._is_stale = True
        self._look()

    def _want(self, wanted: JSON | None) -> None:
        self._wanted, self._is_stale, self._due = wanted, True, 0.0
        self._look()

    def _look(self) -> None:
        if not self._is_stale or self._wanted is None or self._is_busy:
            return
        if (wait := self._due - self._loop.time()) <= 0:
            self._is_busy, self._is_stale = True, False
            self._task = self._loop.create_task(self._make(self._wanted))
        elif not self._is_called:
            self._is_called = True
            self._loop.call_later(wait, self._again)

    def _again(self) -> None:
        self._is_called = False
        self._look()

    async def _make(self, wanted: JSON) -> None:
        began = self._loop.time()
        page = {**wanted, "html": await asyncio.to_thread(self._html, wanted)}
        took = self._loop.time() - began
        self._is_busy = False
        if self._wanted is wanted:
            self._due = self._loop.time() + max(PACE, SHARE * took)
            if page != self._board.shown["page"]:
                self._board.tell({"page": page})
        self._look()

    def _html(self, wanted: JSON) -> str:
        """The page, as the comparison writes it: safe."""
        try:
            if wanted["page"] == "summary":
                return self._runs.summary()._repr_html_()
            plot = self._runs.plot(wanted["score"], wanted["against"])
            return plot._repr_html_()
        except ChatkitError as error:
            return f"<p>{escape(str(error))}</p>"
