"""What a comparison says so far: for each prompt and model its scores, cost and time; who wins.

Pure: numbers of runs, none of which is asked anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import fmean, median
from typing import Any, NamedTuple

from chatkit.compare.labels import option_words
from chatkit.compare.rows import Compared, Row, frame, free_names, names_in
from chatkit.compare.run import Run
from chatkit.compare.summary.statistics import estimate, pass_at_k, sign_test, wins

MOST = 30  # labels of a side of which each two are compared
_LARGEST = 1e150  # of a score: the square of a larger one is no float
_FAILED = frozenset(("error", "interrupted"))
_COUNTS = ("runs", "answers", "errors")
_TOTALS = ("input_tokens", "output_tokens", "cost", "judges_cost")
_MEANS = ("output_tokens_per_answer", "cost_per_answer", "seconds_to_first_token", "seconds")
_FIXED = frozenset(("prompt", "system", "model", *_COUNTS, *_TOTALS, *_MEANS))


Numbers = dict[tuple[int, int], float]  # by case and sample


class Labels(NamedTuple):
    """What makes a group of runs: they differ in their case and sample alone."""

    prompt: str
    system: str
    model: str
    options: str  # in words


class Summary:
    """The numbers of a comparison, as they were when it was asked for.

    A mean is over cases, each of which counts once however many samples it has, and so does its
    interval (of 95 %); answers that have no score are left out of both. For pass@k an answer is
    right where its score is true, or at least the score's threshold.
    """

    def __init__(self, runs: Compared) -> None:
        self.score_names = list(runs.score_names)
        self.samples = runs.samples
        self.sides = {
            "prompt": list(runs.prompts),
            "system": list(runs.systems),
            "model": list(runs.models),
            "options": [option_words(each) for each in runs.variants],
        }
        self.cases = len(runs.cases)
        self.is_over = runs.is_over
        self.columns = free_names("score", self.score_names, _FIXED)  # of the scores
        self.option_columns = free_names(
            "option", names_in(runs.variants), {*_FIXED, *self.columns.values()}
        )
        groups = _groups(runs)
        self._rows = [self._row(each, runs.thresholds) for each in groups.values()]
        self._wins = list(self._compared(groups))

    def rows(self) -> list[Row]:
        """One dict a prompt, system prompt, model and choice of options.

        Their names; runs, answers (that are complete), errors; for each score its mean by its
        name, `NAME.low`, `NAME.high`, `NAME.scored`, `NAME.failed` (answers) and `NAME.pass@1`, ...
        where there are several samples; tokens and US dollars in all, the judges' apart; then
        means of an answer, and median seconds. What is not known is None.
        """
        return [dict(row) for row in self._rows]

    def wins(self) -> list[Row]:
        """One dict for each score and each two prompts, models, ... that differ in nothing else.

        How often `first` was better than `second` at the same case and sample (`wins`), `ties` and
        `losses`; `p` is of an exact two-sided sign test over cases, over samples where there is
        one case. A side with more than 30 names is not compared.
        """
        return [dict(row) for row in self._wins]

    @property
    def df(self) -> Any:
        """`rows()` as a pandas DataFrame, where there is pandas."""
        labels = {"prompt", "system", "model", *self.option_columns.values()}
        rows = self.rows()
        return frame(rows, {name for row in rows[:1] for name in row if name not in labels})

    def __repr__(self) -> str:
        from chatkit.compare.summary.tables import summary_text

        return summary_text(self)

    def _repr_html_(self) -> str:
        from chatkit.compare.summary.tables import summary_html

        return summary_html(self)

    def _row(self, runs: Sequence[Run], thresholds: Mapping[str, float]) -> Row:
        first = runs[0]
        answers = [run for run in runs if run.status == "complete"]
        row = {
            "prompt": first.prompt,
            **({"system": first.place.system} if any(self.sides["system"]) else {}),
            "model": first.model,
            **{column: first.options.get(name) for name, column in self.option_columns.items()},
            "runs": len(runs),
            "answers": len(answers),
            "errors": sum(run.status in _FAILED for run in runs),
        }
        for name, column in self.columns.items():
            row |= _scored(runs, name, column, self.samples, thresholds.get(name, 1.0))
        return {**row, **_spent(runs), **_means(answers)}

    def _compared(self, groups: Mapping[Labels, Sequence[Run]]) -> Iterator[Row]:
        told = {
            name: {labels: _numbers(runs, name) for labels, runs in groups.items()}
            for name in self.score_names
        }
        for side, names in self.sides.items():
            if len(names) > MOST:
                continue
            for one, other in _pairs(groups, side):
                for name, numbers in told.items():
                    yield from _match(name, side, (one, other), numbers[one], numbers[other])


def _groups(runs: Iterable[Run]) -> dict[Labels, list[Run]]:
    found: dict[Labels, list[Run]] = {}
    for run in runs:
        labels = Labels(run.prompt, run.place.system, run.model, option_words(run.options))
        found.setdefault(labels, []).append(run)
    return found


def _numbers(runs: Iterable[Run], score: str) -> Numbers:
    """What a score says of each run that it says something of."""
    found: Numbers = {}
    for run in runs:
        verdict = run.scores.get(score)
        number = None if verdict is None else verdict.number
        if number is not None and abs(number) < _LARGEST:
            found[run.place.case_index, run.sample] = number
    return found


def _by_case(numbers: Numbers) -> list[list[float]]:
    cases: dict[int, list[float]] = {}
    for (case, _), number in numbers.items():
        cases.setdefault(case, []).append(number)
    return list(cases.values())


def _scored(runs: Sequence[Run], name: str, column: str, samples: int, threshold: float) -> Row:
    numbers = _numbers(runs, name)
    cases = _by_case(numbers)
    told = estimate(cases)
    low, high = (None, None) if told is None or told.interval is None else told.interval
    passes = {
        f"{column}.pass@{k}": _pass_at(cases, k, threshold)
        for k in range(1, samples + 1)
        if samples > 1
    }
    return {
        column: None if told is None else told.mean,
        f"{column}.low": low,
        f"{column}.high": high,
        f"{column}.scored": len(numbers),
        f"{column}.failed": sum(bool(run.scores[name].error) for run in runs if name in run.scores),
        **passes,
    }


def _pass_at(cases: Sequence[Sequence[float]], k: int, threshold: float) -> float | None:
    """The mean over the cases that have as many answers."""
    told = [
        pass_at_k(len(values), sum(value >= threshold for value in values), k)
        for values in cases
        if len(values) >= k
    ]
    return fmean(told) if told else None


def _spent(runs: Sequence[Run]) -> Row:
    usages = [usage for run in runs if (usage := run.usage)]
    verdicts = [verdict for run in runs for verdict in list(run.scores.values())]
    return {
        "input_tokens": _sum(usage.input_tokens for usage in usages),
        "output_tokens": _sum(usage.output_tokens for usage in usages),
        "cost": _sum(run.cost for run in runs),
        "judges_cost": _sum(verdict.cost for verdict in verdicts),
    }


def _means(answers: Sequence[Run]) -> Row:
    usages = [usage for run in answers if (usage := run.usage)]
    return {
        "output_tokens_per_answer": _of(fmean, (usage.output_tokens for usage in usages)),
        "cost_per_answer": _of(fmean, (run.cost for run in answers)),
        "seconds_to_first_token": _of(median, (run.seconds_to_first_token for run in answers)),
        "seconds": _of(median, (run.seconds for run in answers)),
    }


def _sum(values: Iterable[float | None]) -> float | None:
    return _of(sum, values)


def _of(what: Callable[[list[float]], float], values: Iterable[float | None]) -> float | None:
    """That of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return what(known) if known else None


def _pairs(groups: Iterable[Labels], side: str) -> Iterator[tuple[Labels, Labels]]:
    """Each two groups that differ in this alone."""
    alike: dict[Labels, list[Labels]] = {}
    for labels in groups:
        alike.setdefault(labels._replace(**{side: ""}), []).append(labels)
    for each in alike.values():
        yield from combinations(each, 2)


def _match(
    score: str,
    side: str,
    labels: tuple[Labels, Labels],
    first: Numbers,
    second: Numbers,
) -> Iterator[Row]:
    """Their wins against each other, if both have been scored anywhere."""
    both = [place for place in first if place in second]
    if not both:
        return
    ones, others = ({place: each[place] for place in both} for each in (first, second))
    told = wins(list(ones.values()), list(others.values()))
    cases = list(zip(_by_case(ones), _by_case(others), strict=True))
    sure = told
    if len(cases) > 1:  # samples of a case are not independent
        sure = wins([fmean(each) for each, _ in cases], [fmean(each) for _, each in cases])
    where = labels[0]._asdict() | {side: None}
    yield {
        "score": score,
        "between": side,
        "first": getattr(labels[0], side),
        "second": getattr(labels[1], side),
        **where,
        "wins": told.wins,
        "ties": told.ties,
        "losses": told.losses,
        "p": sign_test(sure.wins, sure.losses),
    }
