"""The way to one provider: who waits for it, and how many may be under way at once."""

from __future__ import annotations

from collections import deque

from chatkit.compare.run import Run
from chatkit.compare.shelf import Attempt


class Lane:
    """The runs of one provider. How many go at once halves with each refusal for too many
    requests, and grows again by one for each round of answers."""

    def __init__(self, limit: int) -> None:
        self.waiting: deque[Run] = deque()
        self.busy: dict[Run, Attempt] = {}
        self._limit = limit
        self._window = float(limit)

    @property
    def has_room(self) -> bool:
        """Whether one more may be asked now."""
        return len(self.busy) < int(self._window)

    @property
    def note(self) -> str:
        """What holds it back, in words; "" if nothing does."""
        notes = (attempt.feed.note for attempt in self.busy.values())
        return next(filter(None, notes), "")

    def answered(self) -> None:
        """One was answered: a little more may go at once."""
        self._window = min(float(self._limit), self._window + 1 / self._window)

    def refused(self) -> None:
        """One was refused, for too many requests."""
        self._window = max(1.0, self._window / 2)
