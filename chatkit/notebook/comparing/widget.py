"""The widgets of the view of a comparison: alone knows how its script and its style are put
together, and what stands below the table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ipywidgets import VBox

from chatkit.notebook.comparing.clicks import Clicks
from chatkit.notebook.comparing.keeper import Keeper
from chatkit.notebook.comparing.stage import Stage
from chatkit.notebook.panel import panel
from chatkit.notebook.places import Bundle, CellOutput
from chatkit.notebook.widget import LiveWidget, static
from chatkit.render import CSS

if TYPE_CHECKING:
    from chatkit.chat import Chat
    from chatkit.compare.runs import Runs
    from chatkit.notebook.panel import Panel

_SHARED = ("icons", "basics", "layer", "kernel")  # what the panel is made with, too
_PARTS = ("source", "cell", "table", "detail", "choices", "bar", "view")


class Table(LiveWidget):
    """The table and all that is around it."""

    _esm = static(
        "answer.js",
        *(f"panel/{part}.js" for part in _SHARED),
        *(f"comparing/{part}.js" for part in _PARTS),
    )
    _css = f".chatkit-panel {{{CSS}}}\n" + static("panel/panel.css", "comparing/comparing.css")

    def __init__(self, stage: Stage) -> None:
        self._clicks = Clicks(stage)
        super().__init__(stage.board.shown)
        stage.board.send = self.send
        stage.tell_all = partial(stage.live.engine.call, self.tell_all)

    def _hear(self, _: object, content: Any, buffers: Any) -> None:
        self.send({"took": content.get("click")})
        self._clicks.take(content)


class View:
    """A comparison to look at while it runs, and below it a chat that goes on from one answer."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._stage = Stage(runs)
        self._table = Table(self._stage)
        self._box = VBox([self._table])
        self._chat: Panel | None = None
        self._keepers: dict[str, Keeper] = {}  # by the place where it is displayed
        self._stage.show_chat = self._show_chat
        self._stage.begin()

    def keep(self, place: str, output: CellOutput) -> None:
        """It is displayed at this place, and `output` stands in for it where it is gone."""
        if place in self._keepers:
            self._keepers[place].end()
        self._keepers[place] = Keeper(self._stage, self._table.live, output)

    def leave(self, place: str) -> None:
        """It is not displayed there any more; nowhere: it is closed."""
        if place in self._keepers:
            self._keepers.pop(place).end()
        if not self._keepers:
            self.close()

    def close(self) -> None:
        """End it here and in the browser; the comparison goes on."""
        self._stage.end()
        while self._keepers:
            self._keepers.popitem()[1].end()
        self._show_chat(None)
        self._table.close()
        layout = self._box.layout
        self._box.close()
        layout.close()

    def _show_chat(self, chat: Chat | None) -> None:
        before = self._chat
        self._chat = None if chat is None else panel(chat, height="560px")
        self._box.children = (self._table, *filter(None, [self._chat]))
        if before is not None:
            before.close()

    def _repr_mimebundle_(self) -> tuple[Bundle, Bundle]:
        return self._box._repr_mimebundle_(), {}
