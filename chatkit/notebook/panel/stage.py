"""What a panel shows, of which chat, and who is told of it: a panel without its widget."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chatkit.chat import Chat
from chatkit.notebook.panel.board import Board
from chatkit.notebook.panel.live import Live

JSON = dict[str, Any]


class Stage:
    """A board, and what keeps it as the chat is that it shows."""

    def __init__(self, chat: Chat, board: Board, used: list[str]) -> None:
        self.board = board
        self.live = Live(chat, board, used=used)
        self.tell_all: Callable[[], object] = lambda: None  # everything, to a script that lost it
        self.followers: list[Callable[[JSON], object]] = []  # called with what the chat has told

    @property
    def chat(self) -> Chat:
        """The chat that it shows."""
        return self.live.chat

    def begin(self) -> None:
        """Follow the chat."""
        self.live.told = self._told
        self.live.engine.call(self.live.begin)

    def end(self) -> None:
        """Leave it."""
        self.live.engine.call(self.live.end)

    def open(self, chat: Chat) -> None:
        """Show another chat."""
        self.end()
        self.live = Live(chat, self.board, used=self.live.used)
        self.begin()

    def tell(self, **news: Any) -> None:
        """Change what is shown beside the chat. From any thread."""
        self.live.engine.call(self.board.tell, news)

    def look(self) -> None:
        """Show what was chosen, too. From any thread."""
        self.live.engine.call(self.live.look)

    def send(self, told: JSON, buffers: list[bytes] | None = None) -> None:
        """Tell the script something that is not kept."""
        self.board.send(told, buffers)

    def _told(self, news: JSON) -> None:
        for follower in list(self.followers):
            follower(news)
