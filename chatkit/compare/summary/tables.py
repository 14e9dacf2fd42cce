"""A summary to look at, as aligned text and as HTML. Pure; alone knows which numbers are shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from chatkit import render
from chatkit.cards import Cell, table_card
from chatkit.compare.labels import brief
from chatkit.standing import count_of

Row = Mapping[str, Any]
Column = tuple[str, list[str]]  # its head, and its cells in words
Words = Callable[[float], str]

SHOWN = 20  # rows of who wins
_LONGEST = 40  # characters of a name
_BEST = "★ "
_NOTHING = "–"
_STYLE = """<style>
.chatkit-numbers + .chatkit-numbers {{ margin-top: 1.5em; }}
.chatkit-numbers.chatkit-numbers .chatkit-card.chatkit-card {{ max-width: none; }}
.chatkit-numbers.chatkit-numbers.names-{names} :is(th, td):nth-child(n+{first}) {{
  font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap;
}}</style>"""


class Summed(Protocol):
    """What is shown of a `Summary`."""

    sides: dict[str, list[str]]  # the names of prompts, models, ...
    cases: int
    samples: int
    is_over: bool
    columns: dict[str, str]  # of the scores
    option_columns: dict[str, str]

    def rows(self) -> list[dict[str, Any]]: ...
    def wins(self) -> list[dict[str, Any]]: ...


class Table(NamedTuple):
    """Columns of names, then columns of numbers, with a line above and one below."""

    title: str
    names: int  # of the columns
    columns: list[Column]
    foot: str


def summary_text(summary: Summed) -> str:
    """For a terminal."""
    return "\n\n".join(map(_text, _tables(summary)))


def summary_html(summary: Summed) -> str:
    """For a notebook; nothing in it runs."""
    return "".join(map(_html, _tables(summary)))


def _tables(summary: Summed) -> list[Table]:
    wins = summary.wins()
    return [_numbers(summary), *([_who_wins(summary, wins)] if wins else [])]


def _text(table: Table) -> str:
    padded = []
    for place, (head, cells) in enumerate(table.columns):
        plain = [render.plain(cell) for cell in (head, *cells)]
        width = max(map(len, plain))
        is_name = place < table.names
        padded.append([cell.ljust(width) if is_name else cell.rjust(width) for cell in plain])
    lines = ["  ".join(line).rstrip() for line in zip(*padded, strict=True)]
    return "\n".join(filter(None, [render.plain(table.title), *lines, table.foot]))


def _html(table: Table) -> str:
    style = _STYLE.format(names=table.names, first=table.names + 1)
    heads, cells = [head for head, _ in table.columns], [cells for _, cells in table.columns]
    rows = [list(map(Cell, row)) for row in zip(*cells, strict=True)]
    card = table_card(table.title, heads, rows, table.foot)
    return f'<div class="chatkit-numbers names-{table.names}">{style}{card}</div>'


# -- what each prompt and model comes to --


def _numbers(summary: Summed) -> Table:
    rows = summary.rows()
    names: list[Column] = [(name, [_name(row[name]) for row in rows]) for name in _varied(summary)]
    numbers: list[Column] = [("answers", list(map(_answers, rows)))]
    if any(row["errors"] for row in rows):
        numbers.append(("errors", [str(row["errors"]) for row in rows]))
    for score in summary.columns.values():
        numbers.append(_column(score, rows, score, _share, max, more=_interval))
        if any(row.get(last := f"{score}.pass@{summary.samples}") for row in rows):
            numbers.append(_column(f"pass@{summary.samples}", rows, last, _share, max))
    numbers.append(_column("tokens", rows, "output_tokens_per_answer", _whole))
    dollars = _dollars([row["cost_per_answer"] for row in rows])
    numbers.append(_column("cost", rows, "cost_per_answer", dollars, min))
    numbers.append(_column("seconds", rows, "seconds", _seconds, min))
    known = [column for column in numbers if set(column[1]) != {_NOTHING}]
    return Table(_title(summary, rows), len(names), [*names, *known], _foot(summary, rows))


def _varied(summary: Summed) -> list[str]:
    """The names that tell the rows apart; that of the model where there is but one row."""
    sides = [side for side, names in summary.sides.items() if len(names) > 1]
    options = summary.option_columns.values() if "options" in sides else ()
    return [*(side for side in sides if side != "options"), *options] or ["model"]


def _title(summary: Summed, rows: Sequence[Row]) -> str:
    """`2 prompts × 2 models × 5 cases · 14 of 20 answered so far · $0.012, judges $0.003`."""
    counts = {side: len(names) for side, names in summary.sides.items()}
    counts |= {"case": summary.cases, "sample": summary.samples}
    sides = [count_of(n, _MANY.get(side, side)) for side, n in counts.items() if n > 1]
    answers, runs = (sum(row[name] for row in rows) for name in ("answers", "runs"))
    told = [
        " × ".join(sides),
        f"{answers:,} of {runs:,} answered{'' if summary.is_over else ' so far'}",
        _total(rows, "cost", ""),
        _total(rows, "judges_cost", "judges "),
    ]
    return " · ".join(filter(None, told))


def _foot(summary: Summed, rows: Sequence[Row]) -> str:
    scores = summary.columns.values()
    told = []
    if any(row[f"{score}.low"] is not None for row in rows for score in scores):
        told.append(f"in brackets the 95 % interval over {_units(summary)}")
    if any(row["answers"] for row in rows):
        told.append("tokens and cost of an answer, median seconds")
    for score in scores:
        if failed := sum(row[f"{score}.failed"] for row in rows):
            told.append(f"{score} failed on {count_of(failed, 'answer')}")
    return " · ".join(told)


def _units(summary: Summed) -> str:
    """What is independent of each other."""
    return "cases" if summary.cases > 1 else "samples"


def _total(rows: Sequence[Row], column: str, what: str) -> str:
    dollars = sum(row[column] or 0 for row in rows)
    return f"{what}{_dollars([dollars])(dollars)}" if dollars else ""


def _answers(row: Row) -> str:
    answers, runs = row["answers"], row["runs"]
    return f"{answers:,}" if answers == runs else f"{answers:,} of {runs:,}"


def _interval(row: Row, score: str) -> str:
    """` [0.61, 0.94]`."""
    low, high = row[f"{score}.low"], row[f"{score}.high"]
    return "" if low is None else f" [{_share(low)}, {_share(high)}]"


def _column(
    head: str,
    rows: Sequence[Row],
    name: str,
    words: Words,
    best: Callable[[Any], float] | None = None,
    *,
    more: Callable[[Row, str], str] = lambda row, name: "",
) -> Column:
    """The numbers of that name in words, with a star at the best unless all are as good."""
    told = [_NOTHING if row[name] is None else words(row[name]) for row in rows]
    known = {row[name]: words(row[name]) for row in rows if row[name] is not None}
    chosen = known[best(known)] if best and len(set(known.values())) > 1 else None
    stars = [_BEST if each == chosen else "" for each in told]
    after = [more(row, name) if row[name] is not None else "" for row in rows]
    return head, list(map("".join, zip(stars, told, after, strict=True)))


# -- who wins --


def _who_wins(summary: Summed, wins: Sequence[Row]) -> Table:
    """All of it, or the least likely by chance."""
    shown = wins if len(wins) <= SHOWN else sorted(wins, key=lambda row: row["p"])[:SHOWN]
    names: list[Column] = [
        ("first", [_name(row["first"]) for row in shown]),
        ("second", [_name(row["second"]) for row in shown]),
        ("with", [_where(summary, row) for row in shown]),
        ("score", [row["score"] for row in shown]),
    ]
    needed = [column for column in names if column[0] != "with" or any(column[1])]
    numbers = [(head, [f"{row[head]:,}" for row in shown]) for head in ("wins", "ties", "losses")]
    chances = ("p", [_chance(row["p"]) for row in shown])
    told = [f"p is of a sign test over {_units(summary)}, for each row by itself"]
    if more := len(wins) - len(shown):
        told.append(f"… and {more:,} more in summary.wins()")
    columns = [*needed, *numbers, chances]
    return Table("Who wins at the same case and sample", len(needed), columns, " · ".join(told))


def _where(summary: Summed, row: Row) -> str:
    """What is the same for both, as far as it is one of several."""
    told = (row[side] for side, names in summary.sides.items() if len(names) > 1)
    return " · ".join(_name(each) for each in told if each)


def _chance(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


# -- numbers in words, as many places in each row of a column --


def _name(value: Any) -> str:
    return _NOTHING if value is None else brief(str(value), _LONGEST)


def _share(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 1000 else f"{value:,.0f}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"{value:,.1f} s"


def _dollars(values: Sequence[float | None]) -> Words:
    """With two digits of the least of them that say something: `$0.0021`, `$0.0130`, `$1.20`."""
    least = min((abs(value) for value in values if value), default=1.0)
    places = min(9, max(2, 1 - math.floor(math.log10(least))))
    return lambda value: f"${value:,.{places}f}"


_MANY = {"system": "system prompt", "options": "setting"}
