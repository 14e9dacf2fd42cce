"""Widgets with a script of ours, and that of one answer: alone knows anywidget."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from chatkit.messages import Message
from chatkit.notebook.places import Bundle
from chatkit.notebook.sections import Sections
from chatkit.render import CSS

_STATIC = Path(__file__).parent / "static"
Foot = dict[str, Any]


def static(*names: str) -> str:
    """The text of these files, one after the other: a widget's script is sent as one."""
    return "\n".join((_STATIC / name).read_text() for name in names)


class LiveWidget(anywidget.AnyWidget):
    """Shows what it is told, and passes on what is clicked.

    `shown` is never assigned anew: what changes in it goes to the script as a message of its
    own, while a page that is loaded later is given the whole of it, as it is by then.
    """

    shown = traitlets.Dict().tag(sync=True)

    def __init__(self, shown: dict[str, Any]) -> None:
        self.live = f"chatkit-{secrets.token_hex(8)}"  # a class that only its element has
        super().__init__(shown=shown, _dom_classes=(self.live,))
        shown["opened"] = True
        self.on_msg(self._hear)
        answer_while_a_cell_runs(self.comm)

    def tell_all(self) -> None:
        """Tell the script everything again: it has missed something."""
        self.send_state("shown")

    def close(self) -> None:
        """End it here and in the browser; its layout is a widget too, which ends with it."""
        layout = self.layout
        super().close()
        layout.close()

    def _hear(self, _: object, content: Any, buffers: Any) -> None:
        """The script says something."""
        raise NotImplementedError


class ReplyWidget(LiveWidget):
    """The view of one answer."""

    _esm = static("answer.js", "reply.js")
    _css = f"@layer chatkit {{{CSS}}}\n" + static("reply.css")

    def __init__(self, foot: Foot) -> None:
        self._sections = Sections()
        self.clicked: Callable[[str], object] = lambda what: None
        shown = {"number": 0, "opened": False, "sections": self._sections.state, "foot": foot}
        super().__init__(shown)

    def show(self, foot: Foot, message: Message | None = None, *, ended: bool = False) -> None:
        """Show `message` as it stands now, or what was shown before, with `foot` below it."""
        news: dict[str, Any] = {"number": self.shown["number"] + 1}
        if message and (changes := self._sections.update(message, ended=ended)):
            news["changes"] = changes
        if foot != self.shown["foot"]:
            news["foot"] = foot
        if len(news) > 1:
            self.shown.update(number=news["number"], foot=foot)
            self.send(news)

    def bundle(self, words: Bundle) -> tuple[Bundle, Bundle]:
        """What displays the widget, and `words` where there are no widgets; with its metadata."""
        data, metadata = self._repr_mimebundle_() or ({}, {})
        return {**data, **words}, metadata

    def _hear(self, _: object, content: Any, buffers: Any) -> None:
        self.send({"heard": True})
        self.clicked(str(content.get("do")))


def answer_while_a_cell_runs(comm: Any) -> None:
    """ipykernel 7.4 keeps a widget's clicks for the thread that last wrote to it, which a cell
    may be blocking; as in 7.3, a free thread takes them."""
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
