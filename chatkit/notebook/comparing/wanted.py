"""Which rows somebody wants to see, and in which order. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from statistics import fmean
from typing import Any, Literal

import msgspec

from chatkit.compare.run import Run
from chatkit.notebook.comparing.shape import Shape

JSON = dict[str, Any]
_FIELD = "case:"


class Wanted(msgspec.Struct, frozen=True):
    """What is chosen in the view; as it is made, it is everything, as it was asked."""

    status: str = ""  # "running" is queued or streaming
    score: str = ""  # its name
    test: Literal["", "right", "wrong", "below", "least", "failed"] = ""  # of that score
    number: float = 0.0  # that the test is about
    prompt: str = ""
    column: int = -1
    sample: int = 0
    text: str = ""  # looked for
    by: str = ""  # prompt | case:field | cost | tokens | seconds | score:name; "": as asked
    of: int = -1  # the column that it is sorted by; -1: the mean of all
    down: bool = False  # the highest first
    differ: Literal["", "columns", "prompts"] = ""
    one: str = ""  # of these two: a column's number, or a prompt
    other: str = ""

    @property
    def picks(self) -> bool:
        """Whether single cells are picked out."""
        return bool(self.status or self.test or self.text.strip())

    @property
    def may_go_stale(self) -> bool:
        """Whether answers that come may change which rows these are, or their order."""
        return self.picks or not (self.by in ("", "prompt") or self.by.startswith(_FIELD))

    def fits(self, run: Run) -> bool:
        """Whether a run is one of those that are picked out."""
        return self._has_status(run) and self._has_score(run) and self._has_text(run)

    def _has_status(self, run: Run) -> bool:
        if self.status == "running":
            return run.status in ("queued", "streaming")
        return not self.status or run.status == self.status

    def _has_score(self, run: Run) -> bool:
        if not self.test:
            return True
        verdict = run.scores.get(self.score)
        if verdict is None:
            return False
        if self.test == "failed":
            return bool(verdict.error)
        number = verdict.number
        return number is not None and _TESTS[self.test](number, self.number)

    def _has_text(self, run: Run) -> bool:
        wanted = self.hit
        return not wanted or wanted in run.text.casefold() or _in_case(run, wanted)

    @property
    def hit(self) -> str:
        """What is looked for, as it is looked for."""
        return self.text.strip().casefold()


_TESTS: dict[str, Callable[[float, float], bool]] = {
    "right": operator.ge,
    "wrong": operator.lt,
    "below": operator.lt,
    "least": operator.ge,
}


def wanted_of(told: JSON, right_from: Mapping[str, float]) -> Wanted:
    """What a script says is wanted; right is what has the number from which that counts.

    Raises msgspec.ValidationError for what no script of ours says.
    """
    wanted = msgspec.convert(told, Wanted)
    if wanted.test in ("right", "wrong"):
        return msgspec.structs.replace(wanted, number=right_from.get(wanted.score, 1.0))
    return wanted


def columns_of(shape: Shape, wanted: Wanted) -> list[int]:
    """The columns that are shown."""
    every = list(range(len(shape.columns)))
    return [wanted.column] if wanted.column in every else every


def rows_of(runs: Sequence[Run], shape: Shape, wanted: Wanted) -> list[int]:
    """The rows that are shown, in their order."""
    columns = columns_of(shape, wanted)
    rows = [row for row in range(len(shape.rows)) if _is_shown(runs, shape, wanted, columns, row)]
    if wanted.by == "prompt":
        order = {prompt: at for at, prompt in enumerate(shape.prompts)}
        return sorted(rows, key=lambda row: order[shape.rows[row].prompt], reverse=wanted.down)
    if not wanted.by:
        return rows[::-1] if wanted.down else rows
    if wanted.by.startswith(_FIELD):
        return _by_field(rows, shape, wanted.by.removeprefix(_FIELD), down=wanted.down)
    of = [wanted.of] if wanted.of in columns else columns
    values = {row: _value(runs, shape, wanted.by, of, row) for row in rows}
    known = [row for row in rows if values[row] is not None]
    known.sort(key=lambda row: values[row] or 0.0, reverse=wanted.down)
    return known + [row for row in rows if values[row] is None]


def _by_field(rows: Sequence[int], shape: Shape, name: str, *, down: bool) -> list[int]:
    """Cases that hold nothing under the name come last."""
    values = {row: shape.field(row, name) for row in rows}
    keys = {row: _key(value) for row, value in values.items() if value not in (None, "")}
    known = [row for row in rows if row in keys]
    known.sort(key=keys.__getitem__, reverse=down)
    return known + [row for row in rows if row not in keys]


def _key(value: Any) -> tuple[bool, float, str]:
    """Numbers by their size, before texts; those of a CSV are texts that read as numbers."""
    text = str(value).casefold()
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return True, 0.0, text
    return (False, number, "") if isfinite(number) else (True, 0.0, text)


def _is_shown(
    runs: Sequence[Run], shape: Shape, wanted: Wanted, columns: Sequence[int], row: int
) -> bool:
    told = shape.rows[row]
    if wanted.prompt and told.prompt != wanted.prompt:
        return False
    if wanted.sample and told.sample != wanted.sample:
        return False
    cells = shape.cells(row)
    here = [runs[index] for column in columns if (index := cells[column]) is not None]
    return not wanted.picks or any(map(wanted.fits, here))


def _value(
    runs: Sequence[Run], shape: Shape, by: str, columns: Sequence[int], row: int
) -> float | None:
    cells = shape.cells(row)
    found = [measure(runs[index], by) for at in columns if (index := cells[at]) is not None]
    known = [number for number in found if number is not None]
    return fmean(known) if known else None


def measure(run: Run, by: str) -> float | None:
    """What a row can be sorted by, of one run."""
    match by:
        case "cost":
            return run.cost
        case "seconds":
            return run.seconds
        case "tokens":
            return None if run.usage is None else run.usage.output_tokens
    verdict = run.scores.get(by.removeprefix("score:"))
    return None if verdict is None else verdict.number


def _in_case(run: Run, wanted: str) -> bool:
    return any(wanted in str(value).casefold() for value in run.case.values())
