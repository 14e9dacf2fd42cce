"""A comparison as a table: whom it asks stands across, what it asks down; where it asks one model
alone, its prompts stand across. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from chatkit.compare.run import Place, Run

JSON = dict[str, Any]
_FIELDS = 4  # of a case that a row names
_VALUE = 90  # characters of one of them
_ACROSS = 6  # prompts, at most, that stand across


class Row(NamedTuple):
    """What is asked: a prompt with a case, and which of the samples."""

    prompt: str  # "" where prompts stand across
    case_index: int
    sample: int


class Column(NamedTuple):
    """Who is asked, and how: each as it is labelled."""

    prompt: str  # "" unless prompts stand across
    model: str
    system: str
    options: str


class Shape:
    """Where each run stands."""

    def __init__(self, runs: Sequence[Run]) -> None:
        asked = {_column(run.place) for run in runs}
        prompts = {run.prompt for run in runs}
        self.is_across = len(asked) == 1 and 1 < len(prompts) <= _ACROSS
        columns: dict[Column, int] = {}
        rows: dict[Row, int] = {}
        self.where: list[tuple[int, int]] = []  # of each run: its row and its column
        self._cases: dict[int, Mapping[str, Any]] = {}
        for run in runs:
            place = run.place
            prompt = place.prompt if self.is_across else ""
            row = Row("" if prompt else place.prompt, place.case_index, place.sample)
            column = _column(place)._replace(prompt=prompt)
            at = rows.setdefault(row, len(rows)), columns.setdefault(column, len(columns))
            self.where.append(at)
            self._cases.setdefault(place.case_index, place.case)
        self.rows, self.columns = list(rows), list(columns)
        self.prompts = list(dict.fromkeys(row.prompt for row in self.rows))
        self.samples = max((row.sample for row in self.rows), default=1)
        self._cells: list[list[int | None]] = [[None] * len(columns) for _ in rows]
        for index, (down, across) in enumerate(self.where):
            self._cells[down][across] = index
        self._rows = rows

    def cells(self, row: int) -> list[int | None]:
        """The runs of a row, one a column; None where the grid has none."""
        return self._cells[row]

    def case(self, row: int) -> Mapping[str, Any]:
        """The fields of a row's case."""
        return self._cases[self.rows[row].case_index]

    @property
    def fields(self) -> list[str]:
        """The names of what the cases hold."""
        return list(dict.fromkeys(name for case in self._cases.values() for name in case))

    def field(self, row: int, name: str) -> Any:
        """What the case of a row holds under a name; None where it holds nothing."""
        return self.case(row).get(name)

    def beside(self, row: int, prompt: str) -> int | None:
        """The row that asks the same with another prompt."""
        return self._rows.get(self.rows[row]._replace(prompt=prompt))

    def label(self, row: int) -> JSON:
        """What the head of a row says: the prompt where there are several, the case, the sample."""
        told, case = self.rows[row], list(self.case(row).items())
        named = len(self.prompts) > 1 or not case
        return {
            "prompt": told.prompt if named else "",
            "case": [[str(name), short(value)] for name, value in case[:_FIELDS]],
            "more": max(0, len(case) - _FIELDS),
            "sample": told.sample if self.samples > 1 else 0,
        }

    def heading(self, column: int) -> JSON:
        """What the head of a column says."""
        name, *more = filter(None, self.columns[column])
        return {"name": name, "about": " · ".join(more)}

    def title(self, column: int) -> str:
        """A column in one line."""
        prompt, *whom = self.columns[column]
        return prompt or " · ".join(filter(None, whom))


def _column(place: Place) -> Column:
    options = ", ".join(f"{name} {value}" for name, value in place.options.items())
    return Column("", place.model, place.system, options)


def short(value: Any) -> str:
    """A value on one line, of a length to look at."""
    line = " ".join(str("" if value is None else value)[: 4 * _VALUE].split())
    return line if len(line) <= _VALUE else f"{line[: _VALUE - 1]}…"
