"""The table of a comparison: models across, or the prompts where there is one; cases down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from chatkit.compare.labels import brief, option_words, safe
from chatkit.compare.page.cell import cell
from chatkit.compare.page.style import style
from chatkit.compare.rows import Compared
from chatkit.compare.run import Run
from chatkit.standing import count_of

_NAME = 120  # characters of a name
_FIELD = 160  # characters of a field of a case
_MORE = 2_000  # characters of it that are shown when the mouse rests on it
_ACROSS = 6  # prompts, at most, that stand across
_PART = 60  # places of the grid that are laid out together
_NOTE = 500  # bytes of the line that says what is left out
_LENGTHS = (2_000, 200)  # characters of a text where the size is bounded: the first that fits


class _Column(NamedTuple):
    """Whom it was asked of, and how."""

    prompt: str  # "" unless prompts stand across
    model: str
    system: str
    options: str  # in words


class _Row(NamedTuple):
    """What was asked."""

    case_index: int
    prompt: str  # "" where prompts stand across


_Cells = dict[_Column, list[Run]]  # the samples of each place in a row


class Table:
    """Where runs lie in a table, in the order in which they come."""

    def __init__(self, runs: Compared) -> None:
        self._scores = list(runs.score_names)
        self.columns: dict[_Column, None] = {}
        self.rows: dict[_Row, _Cells] = {}
        asked = len(runs.models) * len(runs.systems) * len(runs.variants)
        self._is_across = asked == 1 and 1 < len(runs.prompts) <= _ACROSS
        for run in runs:
            prompt = run.prompt if self._is_across else ""
            column = _Column(prompt, run.model, run.place.system, option_words(run.options))
            self.columns[column] = None
            down = _Row(run.place.case_index, "" if self._is_across else run.prompt)
            row = self.rows.setdefault(down, {})
            row.setdefault(column, []).append(run)

    def html(self, rows: Iterable[str]) -> str:
        """The whole table, of such rows as these; in pieces that a browser lays out when seen."""
        parts = "".join(self._part(part) for part in _parted(rows, self.rows_of_a_part))
        return (
            '<div class="box" tabindex="0" role="region" aria-label="All answers"'
            f' style="--columns: {len(self.columns)}">{parts}</div>'
        )

    @property
    def rows_of_a_part(self) -> int:
        """How many rows a browser lays out together."""
        return max(1, _PART // len(self.columns))

    def html_rows(self) -> Iterator[str]:
        """Each row, with the whole of its texts."""
        return (self._row(row, cells, None) for row, cells in self.rows.items())

    def html_rows_within(self, size: int) -> Iterator[str]:
        """The first rows, as many as go into `size` bytes."""
        for row, cells in self.rows.items():
            found = self._fitting(row, cells, size)
            if found is None:
                return
            size -= len(found.encode())
            yield found

    def _part(self, rows: Sequence[str]) -> str:
        head = "".join(map(_head, self.columns))
        names = "case" if self._is_across else "case and prompt"
        return (
            f'<div class="part" style="--rows: {len(rows)}"><table class="grid"><thead>\n'
            f'<tr><th class="model asked">{names}</th>{head}</tr></thead>\n'
            f"<tbody>\n{''.join(rows)}</tbody></table></div>\n"
        )

    def _fitting(self, row: _Row, cells: _Cells, size: int) -> str | None:
        tried = (self._row(row, cells, longest) for longest in _LENGTHS)
        return next((found for found in tried if len(found.encode()) <= size), None)

    def _row(self, row: _Row, cells: _Cells, longest: int | None) -> str:
        first = next(iter(cells.values()))[0]
        places = (cells.get(column, ()) for column in self.columns)
        told = "".join(cell(runs, self._scores, longest=longest) for runs in places)
        return (
            f'<tr><th class="asked" scope="row"><div>{_asked(row, first)}</div></th>{told}</tr>\n'
        )


def table_html(runs: Compared, *, limit: int = 200, size: int = 1_000_000) -> str:
    """The table as a piece of HTML in a notebook's colours, with its style.

    It holds the first `limit` rows, and of them what goes into `size` bytes, long texts clipped; a
    line says how many rows are left out, and how to see them.
    """
    table = Table(runs)
    if not table.rows:
        return "<p>There is nothing to compare yet.</p>"
    look = f"<style>{style()}</style>\n"
    parts = 1 + min(limit, len(table.rows)) // table.rows_of_a_part
    around = len(look) + parts * len(table.html([""]).encode()) + _NOTE
    shown = list(islice(table.html_rows_within(size - around), limit))
    hidden = len(table.rows) - len(shown)
    more = f'<p class="more">{_more(hidden)}</p>' if hidden else ""
    return f'{look}<div class="ck-runs">{table.html(shown)}{more}</div>'


def _parted(rows: Iterable[str], size: int) -> Iterator[list[str]]:
    left = iter(rows)
    while part := list(islice(left, size)):
        yield part


def _more(hidden: int) -> str:
    kept = "they are" if hidden > 1 else "it is"
    return (
        f"{count_of(hidden, 'more row')} not shown here: {kept} in <code>runs.df</code>, and in"
        ' the report that <code>runs.export("report.html")</code> writes.'
    )


def _head(column: _Column) -> str:
    name, *more_names = filter(None, (column.prompt, column.model, column.options, column.system))
    more = " · ".join(more_names)
    below = f"<small>{safe(brief(more, _NAME))}</small>" if more else ""
    return f'<th class="model" scope="col">{safe(brief(name, _NAME))}{below}</th>'


def _asked(row: _Row, run: Run) -> str:
    """The prompt, unless it stands across, and the fields of the case."""
    fields = "".join(_field(name, value) for name, value in run.case.items())
    return f"<b>{safe(brief(row.prompt, _NAME))}</b>{fields}" if row.prompt else fields


def _field(name: str, value: Any) -> str:
    text = str(value)
    more = f' title="{safe(brief(text, _MORE))}"' if len(text) > _FIELD else ""
    shown = f"<i>{safe(brief(name, _NAME))}</i> {safe(brief(text, _FIELD))}"
    return f'<span class="field"{more}>{shown}</span>'
