"""`chat.panel()`: a chat in a widget, to read and to write, live in both directions.

board     what the script holds, and the numbered news of what changes in it
items     one message of it
live      keeps the board as the conversation is
clicks    what each click does; composer, settings, choices and finding serve it
cell      where it is displayed, and what a notebook keeps of it
widget    the widget itself
"""

from __future__ import annotations

from chatkit.chat import Chat
from chatkit.listing import chats
from chatkit.notebook.panel.board import Board
from chatkit.notebook.panel.stage import Stage
from chatkit.notebook.panel.widget import Panel

__all__ = ["Panel", "panel"]


def panel(chat: Chat, *, height: str) -> Panel:
    """A panel on this chat, `height` high in CSS's words."""
    board = Board()
    board.shown["chat"]["height"] = height
    used = [info.model for info in chats(chat.store) if info.model]
    stage = Stage(chat._like(chat.id), board, used)
    stage.live.update()
    return Panel(stage)
