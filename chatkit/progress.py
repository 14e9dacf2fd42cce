"""One line about what is being waited for, once that takes more than a second.

    with progress("Opening chat 'trip'"):
        engine.run(load())

No thread of its own: whatever blocks calls `tick` now and then. The host knows where the line goes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from chatkit import host

T = TypeVar("T")

PATIENCE = 1.0  # seconds of silence; then as many between two lines


class _Progress:
    def __init__(self, words: Callable[[], str]) -> None:
        self._words = words
        self._began = time.monotonic()
        self._due = self._began + PATIENCE
        self._line = host.current().line()

    def tick(self) -> None:
        now = time.monotonic()
        if now >= self._due:
            self._due = now + PATIENCE
            if words := self._words():
                self._line.say(f"{words} · {now - self._began:.0f} s")
            else:
                self._line.clear()

    def end(self) -> None:
        self._line.clear()


_current: ContextVar[_Progress | None] = ContextVar("chatkit.progress", default=None)


@contextmanager
def progress(words: str | Callable[[], str], *, is_needed: bool = True) -> Iterator[None]:
    """Say `words` while the block takes longer than a second; no trace of them stays."""
    if not is_needed:
        yield
        return
    shown = _Progress((lambda: words) if isinstance(words, str) else words)
    before = _current.set(shown)
    try:
        yield
    finally:
        _current.reset(before)
        shown.end()


def tick() -> None:
    """Time has passed: called by whatever blocks, several times a second."""
    if (shown := _current.get()) is not None:
        shown.tick()


def ticking(items: Iterable[T]) -> Iterator[T]:
    """The items, each of which takes its time."""
    for item in items:
        tick()
        yield item
