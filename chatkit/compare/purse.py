"""What a comparison costs: an estimate before it, and a cap that is not passed.

What an answer will take is not known before it has ended: it is taken to be as long as `max_tokens`
allows, else as the longest of the same kind so far.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from chatkit.compare.run import Run
from chatkit.costs import FREE, cost_of, estimated
from chatkit.errors import ConfigError
from chatkit.messages import Usage
from chatkit.prompts import Settings
from chatkit.providers import Model

USUAL = 400  # tokens of an answer of which nothing is known
LONGEST = 1_000  # the same, where a budget must not be passed
Kind = tuple[str, str]  # provider and name of a model


class Purse:
    """What may be spent, what has been, and what is set aside for the answers under way."""

    def __init__(self, budget: float | None) -> None:
        self.budget = budget
        self.spent = 0.0
        self._aside: dict[Run, float] = {}
        self._longest: defaultdict[Kind, int] = defaultdict(int)  # tokens of an answer so far

    def check(self, models: Iterable[Model]) -> None:
        """Raises ConfigError where the budget cannot be kept, for want of a price."""
        if self.budget is None:
            return
        if not _is_number(self.budget) or not self.budget > 0:
            raise ConfigError(f"budget is {self.budget!r}; it is a number of US dollars above 0")
        for model in models:
            if _price(model, Usage(input_tokens=1_000, output_tokens=1_000)) is None:
                raise ConfigError(
                    f"the price of {model.id} is not known, so no budget can be kept:"
                    " leave budget= out for it"
                )

    def has_room(self, run: Run) -> bool:
        """Whether it may be asked: with all that is under way it stays within the budget."""
        if self.budget is None:
            return True
        return self.spent + sum(self._aside.values()) + self._most(run) <= self.budget

    @property
    def is_waiting(self) -> bool:
        """Whether money is set aside that may come back."""
        return bool(self._aside)

    def set_aside(self, run: Run) -> None:
        """It is asked now."""
        if self.budget is not None:
            self._aside[run] = self._most(run)

    def settle(self, run: Run) -> None:
        """It has ended, and cost what it cost."""
        self.let_go(run)
        self.count(run)

    def let_go(self, run: Run) -> None:
        """It is not asked from here any more."""
        self._aside.pop(run, None)

    def count(self, run: Run) -> None:
        """It has cost this, whenever that was."""
        if self.budget is None:
            return
        self.spent += run.cost or 0.0
        self.spent += sum(verdict.cost or 0.0 for verdict in run.scores.values())
        usage = run.usage
        if usage is not None and usage.output_tokens:
            kind = _kind(run.settings)
            self._longest[kind] = max(self._longest[kind], usage.output_tokens)

    def _most(self, run: Run) -> float:
        limit = run.settings.options.get("max_tokens")
        tokens = limit or max(LONGEST, 2 * self._longest[_kind(run.settings)])
        return _price(run.settings.model, _usage(run, tokens)) or 0.0


def estimate(runs: Iterable[Run]) -> float:
    """US dollars that asking these would take, roughly; models without a known price are left
    out."""
    by_kind: defaultdict[int, list[Run]] = defaultdict(list)
    for run in runs:
        by_kind[id(run.settings)].append(run)
    return sum(map(_estimate_alike, by_kind.values()))


def _estimate_alike(runs: list[Run]) -> float:
    settings = runs[0].settings
    if settings.model.vendor in FREE:
        return 0.0
    tokens = min(settings.options.get("max_tokens") or USUAL, USUAL)
    usages = [_usage(run, tokens) for run in runs]
    mean = sum(usage.input_tokens or 0 for usage in usages) // len(usages)
    each = _price(settings.model, Usage(input_tokens=mean, output_tokens=tokens))
    return len(runs) * (each or 0.0)


def _usage(run: Run, output_tokens: int) -> Usage:
    asked = estimated("".join(message.text for message in run.messages), "")
    return Usage(input_tokens=asked.input_tokens, output_tokens=output_tokens)


def _price(model: Model, usage: Usage) -> float | None:
    return cost_of(model.vendor, model.name, usage)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _kind(settings: Settings) -> Kind:
    return settings.model.vendor, settings.model.name
