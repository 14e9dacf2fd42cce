"""A DataFrame as text for a model: CSV within a budget, saying what was left out.

The only module that knows pandas and polars, and it imports neither: whoever has a table of
theirs has imported them.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, zip_longest
from typing import Any, NamedTuple

BUDGET = 20_000  # characters of the whole text: some 8,000 tokens
COLUMNS = 60  # at most, as many from either end
_TYPE = 40  # characters of the name of a column's type
_NOTHING = ("nan", "NaT", "<NA>", "None")


class _Table(NamedTuple):
    """What a table is to us, whoever made it; the columns are those that are shown."""

    kind: str
    shape: tuple[int, int]
    names: list[str]
    types: list[str]
    rows: Iterator[Sequence[Any]]
    backwards: Iterator[Sequence[Any]]  # the same rows, last first


def as_csv(value: object) -> tuple[str, str] | None:
    """A DataFrame or Series of pandas or polars: what there is to say of it, and its CSV.

    Its shape, its columns with their types, and its rows, all of it within 20,000 characters:
    the first and the last rows and columns, with what is left out between them said. None of
    anything else.
    """
    table = _table(value)
    if table is None:
        return None
    cell = max(20, BUDGET // 4 // max(len(table.names), 1))
    about, head = _about(table, cell), _record(table.names, cell)
    room = BUDGET - len(about) - len(head) - 200  # for the words that follow
    first, last = _ends(table, cell, room)
    missing = table.shape[0] - len(first) - len(last)
    gap = [f"… {missing:,} rows left out …\n"] if missing else []
    return about + _left_out(missing, table.shape[1]), "".join([head, *first, *gap, *last])


def _about(table: _Table, cell: int) -> str:
    columns = zip(table.names, table.types, strict=True)
    types = ", ".join(f"{_cut(name, cell)} {_cut(kind, _TYPE)}" for name, kind in columns)
    rows, width = table.shape
    return f"{table.kind}, {rows:,} rows × {width:,} columns: {types}"


def _left_out(rows: int, width: int) -> str:
    counts = ((rows, "rows"), (max(width - COLUMNS, 0), "columns"))
    said = " and ".join(f"{count:,} {what}" for count, what in counts if count)
    if not said:
        return ""
    return f"\n{said} in the middle are left out, to keep within {BUDGET:,} characters"


def _ends(table: _Table, cell: int, room: int) -> tuple[list[str], list[str]]:
    """The first and the last rows that there is room for, in turn from either end."""
    first: list[str] = []
    last: list[str] = []
    pairs = zip_longest(table.rows, table.backwards)
    for number, row in zip(range(table.shape[0]), chain.from_iterable(pairs), strict=False):
        record = _record(row, cell)
        room -= len(record)
        if room < 0:
            break
        (last if number % 2 else first).append(record)
    return first, last[::-1]


def _record(cells: Iterable[Any], limit: int) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_cut(_cell(each), limit) for each in cells])
    return out.getvalue()


def _cell(value: Any) -> str:
    text = str(value)
    return "" if text in _NOTHING else text


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _table(value: Any) -> _Table | None:
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    kind = type(value).__name__
    if pandas is not None and isinstance(value, pandas.DataFrame | pandas.Series):
        frame = value.to_frame() if isinstance(value, pandas.Series) else value
        is_numbered = frame.index.name is None and frame.index.equals(pandas.RangeIndex(len(frame)))
        return _pandas(f"A pandas {kind}", frame, is_numbered)
    if polars is not None and isinstance(value, polars.DataFrame | polars.Series):
        frame = value.to_frame() if isinstance(value, polars.Series) else value
        return _polars(f"A polars {kind}", frame)
    return None


def _pandas(kind: str, frame: Any, is_numbered: bool) -> _Table:
    """`is_numbered`: its index only counts the rows, and is not shown."""
    shown = frame.iloc[:, _shown(frame.shape[1])]
    numbers = () if is_numbered else range(frame.index.nlevels)
    levels = [frame.index.get_level_values(number) for number in numbers]

    def rows(part: Any) -> Iterator[Sequence[Any]]:
        for key, *cells in part.itertuples(name=None):
            yield [*(key if len(levels) > 1 else [key][: len(levels)]), *cells]

    names = [str(name) for name in shown.columns]
    types = [str(kind) for kind in shown.dtypes]
    return _Table(
        kind,
        frame.shape,
        [*(str(level.name or "index") for level in levels), *names],
        [*(str(level.dtype) for level in levels), *types],
        rows(shown),
        rows(shown.iloc[::-1]),
    )


def _polars(kind: str, frame: Any) -> _Table:
    shown = frame[:, _shown(frame.shape[1])]
    types = [str(kind) for kind in shown.dtypes]
    rows, backwards = shown.iter_rows(), shown.reverse().iter_rows()
    return _Table(kind, frame.shape, list(shown.columns), types, rows, backwards)


def _shown(count: int) -> list[int]:
    """Which of so many columns are shown."""
    if count <= COLUMNS:
        return list(range(count))
    half = COLUMNS // 2
    return [*range(half), *range(count - half, count)]
