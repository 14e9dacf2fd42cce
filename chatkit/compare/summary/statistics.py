"""What scores say and how surely: means with intervals, pass@k, and who wins. Pure numbers.

Answers to the same case are not independent: a hard case is hard in each of its samples. So with
several cases each of them counts once, by the mean of its samples, and an interval tells how far
the mean would move with other cases of the same kind (clustered by case: E. Miller, "Adding Error
Bars to Evals", arXiv:2411.00640). With a single case it tells how far it would move with other
samples of that case, and nothing about other cases.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from statistics import NormalDist, fmean, variance
from typing import NamedTuple

from chatkit.errors import ConfigError

Interval = tuple[float, float]


class Estimate(NamedTuple):
    """A mean, and the interval that it may lie in; None where the values do not tell of one."""

    mean: float
    interval: Interval | None


class Wins(NamedTuple):
    """How often the first of two was better, and the second, and neither."""

    wins: int
    losses: int
    ties: int


def estimate(cases: Sequence[Sequence[float]], confidence: float = 0.95) -> Estimate | None:
    """The mean over cases of the values of each, and its interval; None where there is no value.

    Zeros and ones (right and wrong) have a Wilson interval, other numbers one of Student's t over
    the means of the cases; between 0 and 1 where all values are.
    """
    cases = [values for values in cases if values]
    if not cases:
        return None
    if len(cases) == 1:
        cases = [[value] for value in cases[0]]
    means = [fmean(values) for values in cases]
    flat = [value for values in cases for value in values]
    if all(value in (0, 1) for value in flat):
        return Estimate(fmean(means), _wilson_of(means, len(flat), confidence))
    return Estimate(fmean(means), _bounded(student(means, confidence), flat))


def interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The interval of the mean of independent values: see `estimate`."""
    told = estimate([values], confidence)
    return None if told is None else told.interval


def wilson(share: float, count: float, confidence: float = 0.95) -> Interval:
    """The interval of a share of `count` answers, good for few of them and for 0 and 1 as well.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    middle = share + z * z / (2 * count)
    around = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    whole = 1 + z * z / count
    return max(0.0, (middle - around) / whole), min(1.0, (middle + around) / whole)


def student(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The interval of the mean of independent numbers by Student's t.

    None for a single one, and where all are the same: nothing tells how far they may scatter.
    """
    if len(set(values)) < 2:
        return None
    mean = fmean(values)
    error = math.sqrt(variance(values, mean) / len(values))
    around = t_quantile(confidence, len(values) - 1) * error
    return mean - around, mean + around


@cache
def t_quantile(confidence: float, freedom: int) -> float:
    """How many standard errors around the mean hold that share of Student's t distribution."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):  # halves it to less than a float can tell
        angle = (low + high) / 2
        low, high = (angle, high) if _t_within(angle, freedom) < confidence else (low, angle)
    return math.sqrt(freedom) * math.tan(low)


def pass_at_k(answers: int, right: int, k: int) -> float:
    """The chance that at least one of `k` answers is right, where `right` of `answers` were.

    The unbiased estimate of M. Chen et al., "Evaluating Large Language Models Trained on Code",
    arXiv:2107.03374. Raises ConfigError where there are fewer than `k` answers.
    """
    if not 1 <= k <= answers:
        raise ConfigError(f"pass@{k} of {answers} answers: k is from 1 to the number of answers")
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)


def wins(first: Sequence[float], second: Sequence[float]) -> Wins:
    """Value by value, which of the two is higher."""
    pairs = list(zip(first, second, strict=True))
    won, lost = sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
    return Wins(won, lost, len(pairs) - won - lost)


def sign_test(won: int, lost: int) -> float:
    """How likely such a difference is, or a greater one, where both win equally often (p-value).

    The exact two-sided sign test; ties say nothing.
    """
    count = won + lost
    ways, total = 1, 0
    for few in range(min(won, lost) + 1):
        total += ways
        ways = ways * (count - few) // (few + 1)
    return min(1.0, 2 * total / (1 << count))


def _wilson_of(means: Sequence[float], answers: int, confidence: float) -> Interval:
    """Wilson's interval over cases with several samples each, by their effective number.

    That is how many independent answers would scatter as much as the cases do: at least as many
    as there are cases, at most as there are answers (N. Dean and M. Pagano, "Evaluating Confidence
    Interval Methods for Binomial Proportions in Clustered Surveys", 2015).
    """
    share, count = fmean(means), len(means)
    if count < answers and count > 1 and 0 < share < 1:
        scatter = variance(means) / count
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        surely = (z / t_quantile(confidence, count - 1)) ** 2  # few cases tell little of scatter
        effective = surely * share * (1 - share) / scatter if scatter else math.inf
        return wilson(share, min(max(effective, count), answers), confidence)
    return wilson(share, count, confidence)


def _bounded(found: Interval | None, values: Sequence[float]) -> Interval | None:
    if found is None or min(values) < 0 or max(values) > 1:
        return found
    return max(0.0, found[0]), min(1.0, found[1])


def _t_within(angle: float, freedom: int) -> float:
    """The share of Student's t distribution within `sqrt(freedom) * tan(angle)` of its middle.

    The finite series of Abramowitz and Stegun, 26.7.3 and 26.7.4.
    """
    sine, cosine, is_odd = math.sin(angle), math.cos(angle), freedom % 2
    term = total = cosine if is_odd else 1.0
    for place in range(2 + is_odd, freedom - 1, 2):
        term *= cosine * cosine * (place - 1) / place
        total += term
    if not is_odd:
        return sine * total
    return 2 / math.pi * (angle + (sine * total if freedom > 1 else 0.0))
