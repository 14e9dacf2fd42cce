"""Where a panel is displayed: the cell it is in, and what a notebook keeps of it there.

The panel lives in its widget. Beside it the cell has a second output, the conversation as HTML,
which is shown where the widget is gone. Where nobody looks, that is all there is.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol
from weakref import WeakSet

from IPython.core.getipython import get_ipython

from chatkit import engine as engines
from chatkit import host
from chatkit.chat import Chat
from chatkit.export import html_fragment
from chatkit.notebook.panel.stage import Stage
from chatkit.notebook.places import CellOutput
from chatkit.notebook.saved import fallback

PACE = 2.0  # seconds at least between updates of what a notebook keeps
NEWEST = 100  # messages that it keeps
SIZE = 300_000  # bytes of them
_SHARE = 4  # while an answer grows, it must have grown by such a part of what is sent again


class Shown(Protocol):
    """A panel as a cell knows it, or the view of a comparison."""

    def _repr_mimebundle_(self) -> Any: ...

    def keep(self, place: str, output: CellOutput) -> None:
        """It is displayed at this place, and `output` stands in for it where it is gone."""

    def leave(self, place: str) -> None:
        """It is not displayed there any more."""


class Panel(Shown, Protocol):
    """A panel."""

    @property
    def chat(self) -> Chat: ...


# by cell: which execution it was, and what it showed
_shown: dict[str, tuple[str, WeakSet[Shown]]] = {}


def display(panel: Panel) -> None:
    """Show a panel in the output of the cell that runs now."""
    shell = get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        print(repr(panel.chat))
    elif host.current().attended:
        show(panel, CellOutput(shell))
    else:
        _show_at_end(panel.chat, CellOutput(shell), shell)


def show(panel: Shown, output: CellOutput) -> None:
    """Show it in an output of the cell that runs now. What this showed before is gone from it."""
    cell, execution = host.current().position()
    place = cell or execution
    before, shown = _shown.get(place, (execution, WeakSet()))
    if before != execution:  # what it showed then is gone from the page
        for gone in shown - {panel}:
            gone.leave(place)
        shown = WeakSet()
    shown.add(panel)
    _shown[place] = execution, shown
    data, metadata = panel._repr_mimebundle_()
    output.open(data | {"text/plain": ""}, metadata)
    panel.keep(place, output.another())


def _show_at_end(chat: Chat, output: CellOutput, shell: Any) -> None:
    """Where nobody looks: the conversation as it stands now, and again once the cell ends."""
    output.open(_page(chat))

    def finish(result: Any) -> None:
        shell.events.unregister("post_run_cell", finish)
        if not isinstance(result.error_in_exec, KeyboardInterrupt):
            with suppress(KeyboardInterrupt):  # it ends the wait, not the answers
                engines.wait_all([feed.done for feed in chat._conversation.live()], None)
        output.replace(_page(chat))

    shell.events.register("post_run_cell", finish)


def _page(chat: Chat) -> dict[str, str]:
    return {"text/html": html_fragment(chat.messages), "text/plain": repr(chat)}


class Keeper:
    """Keeps the output up to date that stands in for a panel which is gone. On the engine's
    thread."""

    def __init__(self, stage: Stage, mark: str, output: CellOutput) -> None:
        self._stage = stage
        self._mark = mark  # a class of the panel's element
        self._output = output
        self._behind = 1  # about how many characters are not in it yet
        self._size = 0
        self._busy = False
        self._over = False
        stage.followers.append(self.note)
        stage.live.engine.call(self.look)

    def note(self, news: dict[str, Any]) -> None:
        """This has been shown since."""
        more = (text for change in news.get("changes", ()) for text in change[-1])
        self._behind += 1 + sum(map(len, more))
        self.look()

    def look(self) -> None:
        """Write it anew if there is reason to."""
        is_calm = self._stage.board.shown["chat"].get("status") in ("ready", "error")
        is_due = is_calm or self._behind * _SHARE > self._size
        if self._behind and is_due and not self._busy and not self._over:
            self._busy, self._behind = True, 0
            self._task = self._stage.live.engine.loop.create_task(self._write())

    def end(self) -> None:
        """The panel is not there any more: what is kept stays as it is."""
        self._over = True
        self._stage.followers.remove(self.note)

    async def _write(self) -> None:
        html = await asyncio.to_thread(self._html)
        self._size = len(html)
        if not self._over:
            self._output.put(fallback(html, live=self._mark, has_words=False))
        await asyncio.sleep(PACE)
        self._busy = False
        self.look()

    def _html(self) -> str:
        return html_fragment(self._stage.chat.messages, newest=NEWEST, size=SIZE)
