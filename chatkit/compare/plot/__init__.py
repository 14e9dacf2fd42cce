"""A score of each prompt and model against what it costs or how long it takes, as a drawing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path
from statistics import fmean, median
from typing import NamedTuple

from chatkit.compare.labels import money, option_words, safe, seconds_words, short_number
from chatkit.compare.plot.axis import Quantity
from chatkit.compare.plot.scatter import Point, scatter
from chatkit.compare.rows import Compared
from chatkit.compare.run import Run
from chatkit.compare.summary.statistics import Estimate, estimate
from chatkit.errors import ConfigError
from chatkit.standing import count_of

_ALL_NAMED = 6  # points; of more, those are named than which none is cheaper and better
_LARGEST = 1e15  # a number beyond is no score, price or time


class Plot:
    """A drawing, and in words what it shows. A notebook shows it; `save` keeps it."""

    def __init__(self, summary: str, svg: str = "", missing: str = "") -> None:
        self.summary = summary
        self.svg = svg  # "" where there is nothing to draw
        self.missing = missing  # what is not in the drawing, in words

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing to `path`, an SVG file, and return it.

        Raises ConfigError for another suffix and where nothing is drawn.
        """
        target = Path(path)
        if target.suffix.lower() != ".svg":
            raise ConfigError(f"a plot cannot be saved as {target.suffix!r}: name it *.svg")
        if not self.svg:
            raise ConfigError(f"there is no plot to save: {self.summary}")
        alone = self.svg.replace('class="ck-plot"', 'class="ck-plot alone"', 1)
        target.write_text(f"{alone}\n", encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return f"<Plot: {' '.join(filter(None, (self.summary, self.missing)))}>"

    def _repr_html_(self) -> str:
        if not self.svg:
            return f"<p>{safe(self.summary)}</p>"
        below = f"<p>{safe(self.missing)}</p>" if self.missing else ""
        return f'<div style="overflow-x: auto">{self.svg}</div>{below}'


def plot_of(runs: Compared, score: str | None = None, against: str | None = None) -> Plot:
    """The mean of a score, by default the first, against `"cost"` or `"seconds"`.

    By default against cost where any is known. Without scores, cost against seconds.
    Raises ConfigError for a score that there is not, and for another `against`.
    """
    if against not in (None, "cost", "seconds"):
        raise ConfigError(f'against is {against!r}; it is "cost" or "seconds"')
    names = list(runs.score_names)
    if score is not None and score not in names:
        raise ConfigError(f"there is no score {score!r}: {_known(names)}")
    groups = _groups(runs)
    if not names:
        return _plot(groups, _SECONDS, _COST)
    if against is None:
        against = "seconds" if not any(each.cost for each in groups) else "cost"
    shown = _score(names[0] if score is None else score)
    return _plot(groups, _COST if against == "cost" else _SECONDS, shown)


_Names = tuple[str, str, str, str]  # prompt, system prompt, model, options in words


class _Group(NamedTuple):
    """The answers of one prompt by one model, under one system prompt and with the same options."""

    names: _Names
    runs: list[Run]

    @property
    def answers(self) -> list[Run]:
        return [run for run in self.runs if run.status == "complete"]

    @property
    def cost(self) -> Estimate | None:
        costs = _drawable(run.cost for run in self.answers)
        return Estimate(fmean(costs), None) if costs else None

    @property
    def seconds(self) -> Estimate | None:
        seconds = _drawable(run.seconds for run in self.answers)
        return Estimate(median(seconds), None) if seconds else None

    def score(self, name: str) -> Estimate | None:
        cases: dict[int, list[float]] = {}
        for run in self.runs:
            if verdict := run.scores.get(name):
                cases.setdefault(run.place.case_index, []).extend(_drawable([verdict.number]))
        return estimate(list(cases.values()))


class _Measure(NamedTuple):
    """What an axis shows of a group."""

    quantity: Quantity
    of: Callable[[_Group], Estimate | None]
    better: int  # 1 where more is better, -1 where less is

    def told(self, found: Estimate) -> str:
        """`right: 0.8 (0.5 to 0.95)`."""
        name, words, _ = self.quantity
        sure = f" ({' to '.join(map(words, found.interval))})" if found.interval else ""
        return f"{name}: {words(found.mean)}{sure}"


_COST = _Measure(Quantity("cost per answer", money), lambda group: group.cost, -1)
_SECONDS = _Measure(Quantity("median seconds", seconds_words), lambda group: group.seconds, -1)


def _score(name: str) -> _Measure:
    return _Measure(Quantity(name, short_number, (0.0, 1.0)), lambda group: group.score(name), 1)


def _groups(runs: Compared) -> list[_Group]:
    found: dict[_Names, _Group] = {}
    for run in runs:
        names = (run.prompt, run.place.system, run.model, option_words(run.options))
        found.setdefault(names, _Group(names, [])).runs.append(run)
    return list(found.values())


def _drawable(values: Iterable[float | None]) -> list[float]:
    """The numbers that can be drawn."""
    return [value for value in values if value is not None and abs(value) < _LARGEST]


def _known(names: Sequence[str]) -> str:
    if not names:
        return "compare(scores=...) was given none"
    return f"there {'is' if len(names) == 1 else 'are'} {', '.join(map(repr, names))}"


def _plot(groups: Sequence[_Group], x: _Measure, y: _Measure) -> Plot:
    names = _names(groups)
    drawn = {each.names: _point(each, names[each.names], x, y) for each in groups}
    points = [point for point in drawn.values() if point is not None]
    if not points:
        return Plot(_nothing(groups, x, y))
    best = _unbeaten(points, y.better)
    if len(points) > _ALL_NAMED:
        points = [point if point in best else replace(point, label="") for point in points]
    summary = _summary(best[-1], len(points), x, y)
    svg = scatter(points, x.quantity, y.quantity, summary=summary)
    left_out = [names[each] for each, point in drawn.items() if point is None]
    return Plot(summary, svg, _missing(left_out, x, y))


def _point(group: _Group, name: str, x: _Measure, y: _Measure) -> Point | None:
    """Where a group stands; None where nobody knows."""
    across, up = x.of(group), y.of(group)
    if across is None or up is None:
        return None
    count = count_of(len(group.answers), "answer")
    return Point(
        across.mean,
        up.mean,
        colour=_joined(group.names[2:]),
        shape=_joined(group.names[:2]),
        label=name,
        told="\n".join((_joined(group.names), y.told(up), x.told(across), count)),
        interval=up.interval,
    )


def _unbeaten(points: Sequence[Point], better: int) -> list[Point]:
    """The points than which none is both cheaper (or faster) and better; the best comes last."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.x, -better * point.y)):
        if not found or better * point.y > better * found[-1].y:
            found.append(point)
    return found


def _names(groups: Sequence[_Group]) -> dict[_Names, str]:
    """What tells each group from the others; all of it where there is but one."""
    columns = zip(*(each.names for each in groups), strict=True)
    varies = [len(groups) == 1 or len(set(column)) > 1 for column in columns]
    return {each.names: _joined(compress(each.names, varies)) for each in groups}


def _joined(names: Iterable[str]) -> str:
    return " · ".join(filter(None, names))


def _summary(best: Point, count: int, x: _Measure, y: _Measure) -> str:
    """What the drawing shows, in a sentence."""
    told = f"{x.quantity.name} of {count_of(count, 'point')}"
    if y is _COST:
        return f"Cost per answer against {told}."
    at = f"{best.label} with {y.quantity.words(best.y)} at {x.quantity.words(best.x)}"
    return f"The mean of {y.quantity.name} against {told}; the highest is {at}."


def _nothing(groups: Sequence[_Group], x: _Measure, y: _Measure) -> str:
    """Why there is no drawing, and what to do."""
    name = y.quantity.name
    if not any(each.answers for each in groups):
        return "There are no answers to plot yet."
    if x is _COST and not any(map(x.of, groups)):
        return f'No answer has a known cost: plot(against="seconds") shows {name} against time.'
    return f"No answer has a known {name} to plot."


def _missing(names: Sequence[str], x: _Measure, y: _Measure) -> str:
    if not names:
        return ""
    return f"Not shown, for want of {x.quantity.name} or {y.quantity.name}: {', '.join(names)}."
