"""How the runs of a comparison stand, all together and column by column: counted as they change."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from chatkit.compare.run import Run
from chatkit.notebook.comparing.cells import money, number_words, seconds
from chatkit.notebook.comparing.shape import Shape

JSON = dict[str, Any]


class Part(NamedTuple):
    """What one run adds to the sums."""

    status: str = "queued"
    cost: float = 0.0  # US dollars
    judged: float = 0.0  # the same, of its scores
    seconds: float | None = None
    scores: tuple[tuple[str, bool, float], ...] = ()  # name, whether it is right or wrong, number


class Sums:
    """Of one column."""

    def __init__(self) -> None:
        self.cost = 0.0
        self.seconds = 0.0
        self.timed = 0
        self.scores: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])  # sum, count
        self.is_share: dict[str, bool] = {}

    def add(self, part: Part, sign: int) -> None:
        """Take a part in, or out again."""
        self.cost += sign * part.cost
        if part.seconds is not None:
            self.seconds += sign * part.seconds
            self.timed += sign
        for name, is_share, number in part.scores:
            self.is_share[name] = is_share
            self.scores[name][0] += sign * number
            self.scores[name][1] += sign

    def words(self) -> JSON:
        """The means of the scores, what it cost, and the mean time."""
        scores = [
            [name, _mean(total / count, self.is_share[name])]
            for name, (total, count) in self.scores.items()
            if count
        ]
        time = self.seconds / self.timed if self.timed else None
        took = [money(self.cost), seconds(time)]
        return {"scores": scores, "took": " · ".join(filter(None, took))}


class Totals:
    """The sums of all columns, for somebody who wants them again and again."""

    def __init__(self, runs: Sequence[Run], shape: Shape) -> None:
        self._runs = runs
        self._where = shape.where
        self._parts = [Part()] * len(runs)
        self.counts = Counter({"queued": len(runs)})
        self.cost = 0.0  # US dollars, judges and all
        self._columns = [Sums() for _ in shape.columns]
        self.update(range(len(runs)))

    def update(self, changed: Iterable[int]) -> None:
        """These runs have changed."""
        for index in changed:
            before, now = self._parts[index], _part(self._runs[index])
            if now == before:
                continue
            self._parts[index] = now
            self.counts[before.status] -= 1
            self.counts[now.status] += 1
            self.cost += now.cost + now.judged - before.cost - before.judged
            sums = self._columns[self._where[index][1]]
            sums.add(before, -1)
            sums.add(now, +1)

    def words(self, column: int) -> JSON:
        """What the head of a column says of its answers."""
        return self._columns[column].words()


_LIVE = Part("streaming")


def _part(run: Run) -> Part:
    if run.feed is not None and not run.feed.ended:
        return _LIVE  # hundreds are, and what they have said by now does not count yet
    scores = tuple(
        (name, isinstance(verdict.value, bool), number)
        for name, verdict in run.scores.items()
        if (number := verdict.number) is not None
    )
    judged = sum(verdict.cost or 0.0 for verdict in run.scores.values())
    took = run.seconds if run.status == "complete" else None
    return Part(run.status, run.cost or 0.0, judged, took, scores)


def _mean(mean: float, is_share: bool) -> str:
    return f"{mean:.0%}" if is_share else number_words(mean)
