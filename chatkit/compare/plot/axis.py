"""Where numbers stand along an axis, and which of them are written beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

WIDEST = 100  # how many times the least the greatest may be, before the scale is a logarithm
_ZERO = 56  # units that nothing stands left of the rest, where the scale is a logarithm
_MOST_DECADES = 6


class Quantity(NamedTuple):
    """What an axis shows: its name, and how its numbers are written."""

    name: str
    words: Callable[[float], str]
    bounds: tuple[float, float] | None = None  # shown whole, where all numbers are within


@dataclass(frozen=True, slots=True)
class Scale:
    """Numbers from `low` to `high` along the way from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False
    zero: float | None = None  # where 0 stands, where the scale is a logarithm

    def __call__(self, value: float) -> float:
        """Where a number stands; on the axis, whatever it is."""
        if self.zero is not None and value <= 0:
            return self.zero
        low, high, value = map(self._even, (self.low, self.high, value))
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round numbers along it, few enough to be read."""
        if not self.is_log:
            step = _step(self.high - self.low)
            first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
            return [round(step * count, 12 - _size(step)) for count in range(first, last + 1)]
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        every = -(-(last - first) // _MOST_DECADES)
        powers = [10.0**power for power in range(first, last + 1, max(every, 1))]
        return powers if self.zero is None else [0.0, *powers]

    def _even(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.is_log else value


def scale(
    values: Sequence[float],
    start: float,
    end: float,
    *,
    bounds: tuple[float, float] | None = None,
) -> Scale:
    """A scale for these numbers, of which none is beyond 1e15; what is next to nothing is 0.

    It shows `bounds` where all are within; it is a logarithm where the numbers above 0 span more
    than two decades and none is below; else it begins at 0 or at a round number below the least.
    """
    values = [round(value, 15) for value in values]
    low, high = min(values), max(values)
    if bounds and bounds[0] <= low and high <= bounds[1]:
        return Scale(*bounds, start, end)
    least = min((value for value in values if value > 0), default=0.0)
    if low >= 0 and least and high / least > WIDEST:
        return _logarithm(least, high, start, end, has_zero=low == 0)
    return _linear(min(low, 0.0) if high >= 0 and low < high / 2 else low, high, start, end)


def _linear(low: float, high: float, start: float, end: float) -> Scale:
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # as good as one number
        low, high = min(low, 0.0), max(high, 0.0) or low + 1.0
    step = _step(high - low)
    return Scale(math.floor(low / step) * step, math.ceil(high / step) * step, start, end)


def _logarithm(least: float, high: float, start: float, end: float, *, has_zero: bool) -> Scale:
    low = 10.0 ** math.floor(math.log10(least))
    if low * 4 < least:
        low *= 4
    begin = start + (math.copysign(_ZERO, end - start) if has_zero else 0)
    return Scale(low, high * 1.2, begin, end, True, start if has_zero else None)


def _step(span: float) -> float:
    """A round number that goes about five times into `span`."""
    power = 10.0 ** _size(span / 5)
    return next(power * each for each in (1, 2, 5, 10) if power * each * 5.5 >= span)


def _size(value: float) -> int:
    return math.floor(math.log10(value))
