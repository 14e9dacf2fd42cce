"""What a score says of an answer."""

from __future__ import annotations

import msgspec


class Verdict(msgspec.Struct, frozen=True):
    """A number, usually between 0 and 1, or right and wrong; and why."""

    value: bool | float | None  # None: it could not be scored
    reason: str = ""
    error: str = ""  # what was raised instead, in words
    cost: float | None = None  # US dollars, of a judge

    @property
    def number(self) -> float | None:
        """The value as a number: right is 1.0, wrong 0.0."""
        return None if self.value is None else float(self.value)
