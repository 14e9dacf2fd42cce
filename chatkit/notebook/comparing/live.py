"""Follows a comparison: sees to it that the board of its view shows it as it is.

The rows are numbered as the grid has them; their place is where they stand in the order that is
shown. Only the rows that somebody looks at are held, and only what changes in these is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from chatkit import engine as engines
from chatkit.compare.run import Run
from chatkit.notebook.comparing.board import Board
from chatkit.notebook.comparing.cells import cell
from chatkit.notebook.comparing.detail import Detail
from chatkit.notebook.comparing.head import head
from chatkit.notebook.comparing.shape import Shape
from chatkit.notebook.comparing.totals import Totals
from chatkit.notebook.comparing.wanted import Wanted, columns_of, rows_of

if TYPE_CHECKING:
    from chatkit.compare.runs import Runs

JSON = dict[str, Any]
PACE = 0.12  # seconds between updates
CLOCK = 1.0  # seconds between updates of what changes by itself: the time left
_HELD = 160  # cells that are held at once, about 50 KB of them
_LEAST = 14  # rows of them at least: a screen, and what is near it


class Live:
    """What is shown of a comparison. What is shown at first is prepared where this is made; all
    else happens on the engine's thread."""

    def __init__(self, runs: Runs, board: Board) -> None:
        self.runs = runs
        self.board = board
        self.engine = engines.get_engine()
        self.shape = Shape(runs)
        self.wanted = Wanted()
        self.told: Callable[[], object] = lambda: None  # called when something was told
        self._changed = set() if runs.is_over else set(range(len(runs)))  # perhaps, meanwhile
        self._totals = Totals(runs, self.shape)
        self._expected = self._totals.cost + (runs.estimate or 0.0)  # US dollars
        self._order = list(range(len(self.shape.rows)))
        self._columns = columns_of(self.shape, self.wanted)
        self._room = max(_LEAST, _HELD // max(1, len(self._columns)))
        self._detail: Detail | None = None
        self._is_stale = False  # answers came that may change which rows are shown
        self._arranged = 0  # how often
        self._due = 0.0
        self._called = self._ticking = self._over = False
        self._leave: Callable[[], None] = lambda: None
        board.shown.update(
            names=self._names(),
            head=self._head(),
            grid=self._grid(),
            rows=self._rows_at(range(min(self._room, len(self._order)))),
        )

    # -- on the engine's thread --

    def begin(self) -> None:
        """Follow it until `end`."""
        self._leave = self.runs.observe(self._note)
        self.look()

    def end(self) -> None:
        """Leave it."""
        self._over = True
        self._leave()

    def _note(self, changed: set[int]) -> None:
        self._changed |= changed
        self.look()

    def look(self) -> None:
        """Something may have changed."""
        if self._called or self._over:
            return
        self._called = True
        wait = max(0.0, self._due - time.monotonic())
        self.engine.loop.call_later(wait, self._update)

    def _tick(self) -> None:
        self._ticking = False
        self.look()

    def _update(self) -> None:
        self._called, self._due = False, time.monotonic() + PACE
        if not self._over and (news := self._news()):
            self.board.tell(news)
            self.told()
        if not self._over and not self._ticking and not self.runs.is_over:
            self._ticking = True  # while it goes on, the time left does too
            self.engine.loop.call_later(CLOCK, self._tick)

    def _news(self) -> JSON:
        changed, self._changed = self._changed, set()
        self._totals.update(changed)
        self._is_stale |= bool(changed) and self.wanted.may_go_stale
        shown = self.board.shown
        now = {"head": self._head(), "grid": self._grid()}
        news = {name: value for name, value in now.items() if value != shown[name]}
        return news | self._cells(changed) | self._grown(changed)

    # -- the cells --

    def _cells(self, changed: set[int]) -> JSON:
        """What is new in the rows that are held."""
        news: list[list[Any]] = []
        for place, row in self.board.rows.items():
            down = self._order[int(place)]
            for across, index in enumerate(self._in(down)):
                beside = self._beside(down, self._columns[across])
                if index in changed or (beside is not None and beside.index in changed):
                    now = self._cell(down, across)
                    if now != row["cells"][across]:
                        news.append([place, across, now])
        return {"cells": news} if news else {}

    def _in(self, down: int) -> list[int | None]:
        cells = self.shape.cells(down)
        return [cells[column] for column in self._columns]

    def _cell(self, down: int, across: int) -> JSON | None:
        index = self._in(down)[across]
        if index is None:
            return None
        run, wanted = self.runs[index], self.wanted
        return cell(
            run,
            self.runs.thresholds,
            hit=wanted.hit,
            dim=wanted.picks and not wanted.fits(run),
            beside=self._beside(down, self._columns[across]),
        )

    def _compared(self, run: Run) -> Run | None:
        """With which one a run is compared, if it is."""
        return self._beside(*self.shape.where[run.index])

    def _beside(self, down: int, column: int) -> Run | None:
        """Whose text the text of a cell is compared with, if differences are shown in it."""
        wanted, found = self.wanted, None
        if wanted.differ == "columns" and str(column) == wanted.other:
            found = self.shape.cells(down)[int(wanted.one)]
        elif wanted.differ == "prompts" and self.shape.rows[down].prompt == wanted.other:
            row = self.shape.beside(down, wanted.one)
            found = None if row is None else self.shape.cells(row)[column]
        return None if found is None else self.runs[found]

    def _rows_at(self, places: Iterable[int]) -> dict[str, JSON]:
        return {str(place): self._row(self._order[place]) for place in places}

    def _row(self, down: int) -> JSON:
        cells = [self._cell(down, across) for across in range(len(self._columns))]
        return {"label": self.shape.label(down), "cells": cells}

    # -- what is looked at --

    def reach(self, places: range, arranged: int) -> None:
        """Hold these rows, unless they have been `arranged` anew since somebody saw them; what
        was looked at longest ago is let go."""
        held = self.board.rows
        if arranged != self._arranged:
            return
        places = places[: max(0, len(self._order) - places.start)]
        for place in map(str, places):
            if place in held:
                held[place] = held.pop(place)  # looked at last
        fresh = self._rows_at([place for place in places if str(place) not in held])
        spare = max(0, len(held) + len(fresh) - max(self._room, len(places)))
        self.board.tell({"gone": list(held)[:spare], "rows": fresh})

    def arrange(self, wanted: Wanted, order: list[int]) -> None:
        """Show these rows in this order."""
        self.wanted, self._order = wanted, order
        self._columns = columns_of(self.shape, wanted)
        self._is_stale = False
        self._arranged += 1
        rows = self._rows_at(range(min(self._room, len(order))))
        self.board.tell({"grid": self._grid(), "anew": True, "rows": rows})
        detail = self._detail
        if detail is not None and detail.beside is not self._compared(detail.run):
            self.open(detail.run)

    def arranged(self, wanted: Wanted) -> list[int]:
        """The rows that are wanted, in their order. On any thread."""
        return rows_of(self.runs, self.shape, wanted)

    def open(self, run: Run | None) -> None:
        """Show a run in full; None: close it."""
        if run is None:
            self._detail = None
            return self.board.tell({"detail": None})
        self.board.tell({"detail": self._opened(run)})

    def _opened(self, run: Run) -> JSON:
        self._detail = Detail(run, self.runs.thresholds, self._compared(run))
        return self._detail.state

    def _grown(self, changed: set[int]) -> JSON:
        detail = self._detail
        if detail is None or not changed & {run.index for run in detail.runs}:
            return {}
        if detail.is_asked_again:
            return {"detail": self._opened(detail.run)}
        changes, foot = detail.update()
        news = {"changes": changes, "foot": foot}
        return {name: value for name, value in news.items() if value}

    # -- around the cells --

    def _names(self) -> JSON:
        """What there is to choose from."""
        shape = self.shape
        return {
            "columns": [shape.title(at) for at in range(len(shape.columns))],
            "prompts": shape.prompts,
            "side": "prompt" if shape.is_across else "model",  # what stands across
            "samples": shape.samples,
            "scores": self.runs.score_names,
            "fields": shape.fields,
        }

    def _head(self) -> JSON:
        return head(self.runs, self._totals, self._expected)

    def _grid(self) -> JSON:
        return {
            "arranged": self._arranged,
            "rows": len(self._order),
            "of": len(self.shape.rows),
            "stale": self._is_stale,
            "wanted": msgspec.structs.asdict(self.wanted),
            "columns": [
                {"at": at, **self.shape.heading(at), **self._totals.words(at)}
                for at in self._columns
            ],
        }
