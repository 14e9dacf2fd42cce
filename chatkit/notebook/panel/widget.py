"""The panel's widget: alone knows how its script and its style are put together, and how it is
told of clicks."""

from __future__ import annotations

from functools import partial
from typing import Any

from chatkit.chat import Chat
from chatkit.notebook.panel import cell
from chatkit.notebook.panel.clicks import Clicks
from chatkit.notebook.panel.stage import Stage
from chatkit.notebook.places import CellOutput
from chatkit.notebook.widget import LiveWidget, static
from chatkit.render import CSS

_PARTS = ("icons", "basics", "layer", "kernel", "history", "composer", "search", "drawers", "panel")


class Panel(LiveWidget):
    """A chat to look at and to talk in: live in both directions, until it is closed.

    Display it, or put it into a box of ipywidgets. What is chosen in it, a model or an option, is
    for what is asked from it; the cells' own `Chat` stays as it is.
    """

    _esm = static("answer.js", *(f"panel/{part}.js" for part in _PARTS))
    _css = f".chatkit-panel {{{CSS}}}\n" + static("panel/panel.css")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._keepers: dict[str, cell.Keeper] = {}  # by the place where it is displayed
        self._clicks = Clicks(stage)
        super().__init__(stage.board.shown)
        stage.board.send = self.send
        stage.tell_all = partial(stage.live.engine.call, self.tell_all)
        self.comm.on_close(lambda _: self.close())
        stage.begin()

    @property
    def chat(self) -> Chat:
        """The chat that it shows."""
        return self._stage.chat

    def keep(self, place: str, output: CellOutput) -> None:
        """It is displayed at this place, and `output` stands in for it where it is gone."""
        if place in self._keepers:
            self._keepers[place].end()
        self._keepers[place] = cell.Keeper(self._stage, self.live, output)

    def leave(self, place: str) -> None:
        """It is not displayed there any more; nowhere: it is closed."""
        if place in self._keepers:
            self._keepers.pop(place).end()
        if not self._keepers:
            self.close()

    def close(self) -> None:
        """End it here and in the browser."""
        self._stage.end()
        while self._keepers:
            self._keepers.popitem()[1].end()
        super().close()

    def _hear(self, _: object, content: Any, buffers: Any) -> None:
        self.send({"took": content.get("click")})
        self._clicks.take(content, buffers)

    def _ipython_display_(self) -> None:
        cell.display(self)
