"""What the view of a comparison shows, and who is told of it: the view without its widgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from chatkit.compare.run import Run
from chatkit.notebook.comparing.board import Board
from chatkit.notebook.comparing.live import Live
from chatkit.notebook.comparing.pages import Pages

if TYPE_CHECKING:
    from chatkit.chat import Chat
    from chatkit.compare.runs import Runs


class Stage:
    """A board, and what keeps it as the comparison is that it shows."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.board = Board()
        self.live = Live(runs, self.board)
        self.pages = Pages(runs, self.board, self.live.engine.loop)
        self.tell_all: Callable[[], object] = lambda: None  # everything, to a script that lost it
        self.show_chat: Callable[[Chat | None], object] = lambda chat: None  # below; None: no more
        self.followers: list[Callable[[], object]] = [self.pages.note]  # of what changes

    def begin(self) -> None:
        """Follow the comparison."""
        self.live.told = self._told
        self.live.engine.call(self.live.begin)

    def end(self) -> None:
        """Leave it."""
        self.pages.leave()
        self.live.engine.call(self.live.end)

    def tell(self, **news: Any) -> None:
        """Change what is shown beside the table. From any thread."""
        self.live.engine.call(self.board.tell, news)

    def open_chat(self, run: Run) -> None:
        """Show a chat below that goes on from a run. Raises ChatkitError."""
        chat = run.chat()
        self.show_chat(chat)
        self.tell(chat={"run": run.index, "title": chat.title})

    def close_chat(self) -> None:
        """Show it no more; it stays where it is stored."""
        self.show_chat(None)
        self.tell(chat=None)

    def _told(self) -> None:
        for follower in list(self.followers):
            follower()
