"""The line above the table: how far a comparison has come, what it costs, and what it waits for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatkit.notebook.comparing.cells import money
from chatkit.notebook.comparing.totals import Totals
from chatkit.standing import count_of

if TYPE_CHECKING:
    from chatkit.compare.runs import Runs

JSON = dict[str, Any]


def head(runs: Runs, totals: Totals, expected: float) -> JSON:
    """How it stands, of which `totals` has the sums; `expected`, in US dollars, is what it is
    thought to cost in all."""
    total, counts = len(runs), totals.counts
    running, queued = counts["streaming"], counts["queued"]
    broken = [[name, number] for name in _BROKEN if (number := counts[name])]
    answers = count_of(queued or total, "answer")
    return {
        "total": total,
        "complete": counts["complete"],
        "running": running,
        "queued": queued,
        "broken": broken,
        "money": _money(totals.cost, 0.0 if runs.is_over else expected),
        "left": "" if runs.is_over or runs.left is None else f"{_time(runs.left)} left",
        "held": f"About {money(runs.estimate)} for {answers}" if runs.is_held else "",
        "over": runs.is_over,
        "notes": [] if runs.is_over else list(runs.notes),
        "again": sum(number for _, number in broken),
    }


_BROKEN = ("error", "interrupted", "stopped", "skipped")  # what retry() asks again


def _money(cost: float, expected: float) -> str:
    spent, of = money(cost), money(expected)
    return f"{spent or '$0'} of about {of}" if of and of != spent else spent


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 90 else f"about {minutes / 60:.1f} h"
