"""A comparison as a page of its own: what was compared, what came of it, and every answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from chatkit.compare.labels import brief, safe
from chatkit.compare.page.style import report_style
from chatkit.compare.page.table import Table
from chatkit.compare.plot import plot_of
from chatkit.compare.rows import Compared
from chatkit.compare.run import Run
from chatkit.compare.summary import Summary
from chatkit.export.page import page
from chatkit.messages import Message, Usage
from chatkit.progress import ticking
from chatkit.standing import cost_words, count_of, token_words

_LONGEST = 20_000  # characters of a message of a prompt
_MOST_PLOTS = 6
_MOST_ERRORS = 100  # that differ
_MOST_NAMED = 5  # runs that ended with the same error
_REASON = 1_000  # characters of an error
_ROLES = {"user": "You", "assistant": "Model", "system": "System"}


def report_html(runs: Compared, *, title: str = "Comparison") -> str:
    """The whole comparison as a page that stands alone: it runs nothing and loads nothing."""
    sections = (
        ("What was compared", _compared(runs)),
        ("Summary", Summary(runs)._repr_html_()),
        ("Scores, cost and time", _plots(runs)),
        ("All answers", _table(runs)),
        ("Errors", _errors(runs)),
    )
    body = "\n".join(_section(name, inside) for name, inside in sections if inside)
    return page(safe(title), _line(runs), body, css=report_style(), kind="ck-runs")


def _section(name: str, inside: str) -> str:
    return f"<section>\n<h2>{name}</h2>\n{inside}\n</section>"


def _line(runs: Compared) -> Iterator[str]:
    """When, how many, and what it took."""
    times = [time for run in runs if (time := run.message and run.message.created_at)]
    if times:
        days = (f"{time.astimezone():%Y-%m-%d %H:%M}" for time in (min(times), max(times)))
        yield " to ".join(dict.fromkeys(days))
    answered = sum(run.status == "complete" for run in runs)
    yield f"{answered:,} of {count_of(len(runs), 'answer')}"
    yield token_words(sum((run.usage or Usage() for run in runs), Usage()))
    yield cost_words(sum(run.cost or 0 for run in runs))


def _compared(runs: Compared) -> str:
    """The sides of the grid, the prompts as they were asked first."""
    fields = list(dict.fromkeys(name for case in runs.cases for name in case))
    cases = count_of(len(runs.cases), "case") + (f" of {', '.join(fields)}" if fields else "")
    told = (
        ("prompts", "".join(_asked(runs))),
        ("models", _list(_models(runs))),
        ("cases", safe(brief(cases, _REASON)) if fields else ""),
        ("samples", f"{runs.samples:,}" if runs.samples > 1 else ""),
        ("scores", safe(", ".join(runs.score_names))),
    )
    rows = (f"<dt>{name}</dt><dd>{inside}</dd>" for name, inside in told if inside)
    return f'<dl class="sides">{"".join(rows)}</dl>'


def _list(names: Iterable[str]) -> str:
    return "".join(f"<p>{safe(name)}</p>" for name in names)


def _models(runs: Compared) -> list[str]:
    """Each model with all the options that it was asked with."""
    asked: dict[str, dict[str, None]] = {}
    for run in runs:
        options = ", ".join(f"{name} {value!r}" for name, value in run.settings.options.items())
        asked.setdefault(run.model, {})[options] = None
    return [
        f"{model} · {brief(options, _REASON)}" if options else model
        for model, choices in asked.items()
        for options in choices
    ]


def _asked(runs: Compared) -> Iterator[str]:
    """Each prompt under each system prompt: what was sent for the first case."""
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        first.setdefault((run.prompt, run.place.system), run)
    note = "<small>as asked for the first case</small>" if any(map(bool, runs.cases)) else ""
    for (prompt, system), run in first.items():
        name = " · ".join(filter(None, (prompt, system)))
        said = "".join(map(_said, run.messages))
        is_open = " open" if len(first) <= 3 else ""
        yield f"<details{is_open}><summary><b>{safe(name)}</b> {note}</summary>{said}</details>"


def _said(message: Message) -> str:
    text = message.text
    more = f"\n… {len(text) - _LONGEST:,} characters more" if len(text) > _LONGEST else ""
    shown = safe(f"{text[:_LONGEST]}{more}") or "(no text)"
    return f'<div class="said"><small>{_ROLES[message.role]}</small><p>{shown}</p></div>'


def _plots(runs: Compared) -> str:
    names: Sequence[str | None] = runs.score_names[:_MOST_PLOTS]
    plots = (plot_of(runs, score=name) for name in names or [None])
    drawn = "".join(f"<figure>{plot._repr_html_()}</figure>" for plot in plots)
    return f'<div class="plots">{drawn}</div>'


def _table(runs: Compared) -> str:
    table = Table(runs)
    return table.html(ticking(table.html_rows())) if table.rows else ""


def _errors(runs: Compared) -> str:
    """What went wrong, each with the runs in which it did."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.status in ("error", "interrupted", "skipped"):
            error = run.error
            told = "it broke off" if error is None else f"{type(error).__name__}: {error}"
            found.setdefault(brief(told, _REASON), []).append(run)
    shown = [_error(told, where) for told, where in list(found.items())[:_MOST_ERRORS]]
    more = len(found) - len(shown)
    return "".join([*shown, *([f"<p>… and {more:,} others</p>"] if more else [])])


def _error(told: str, runs: Sequence[Run]) -> str:
    places = [f"{run.prompt} · {run.model} (run {run.index})" for run in runs[:_MOST_NAMED]]
    more = [f"… {len(runs) - _MOST_NAMED:,} more"] if len(runs) > _MOST_NAMED else []
    where = safe(", ".join([*places, *more]))
    return f'<p class="broke">{safe(told)}<br><small>{where}</small></p>'
