"""What cells and the engine both look at and change: its lock, its writes, and who is told.

Alone knows in which order that goes: the engine, which writes, looks at the same things, so what a
change makes to be written is written once the lock is let go.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from chatkit import engine as engines

Work = Callable[[], Coroutine[Any, Any, None]]


class Shared:
    """Something that is stored, and changed by any thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()  # cells and the engine both look at it
        self.unwritten: list[str] = []  # the names of what is changed here and not written yet
        self._due: list[tuple[str, Work]] = []
        self._changes = 0  # how deep in `changing` the thread is that holds the lock
        self._observers: list[Callable[[], None]] = []

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the tree to change it. What that makes to be written is written once it is let
        go: the engine, which writes, looks at the tree too."""
        writes = []
        with self.lock:
            self._changes += 1
            try:
                yield
            finally:
                self._changes -= 1
                if not self._changes:
                    writes, self._due = self._due, []
                    self.changed()
        try:
            for _, write in writes:
                engines.get_engine().run(write())
        finally:
            with self.lock:
                for what, _ in writes:
                    self.unwritten.remove(what)

    def observe(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on the engine's thread soon after the tree or the header has changed,
        until what this returns is called."""
        self._observers.append(callback)

        def leave() -> None:
            if callback in self._observers:
                self._observers.remove(callback)

        return leave

    def changed(self) -> None:
        """The tree or the header is not as it was."""
        for callback in list(self._observers):
            engines.get_engine().call(callback)

    def write_later(self, what: str, work: Work) -> None:
        """Have this done once the lock is let go, while `changing`. Until it is, `what` is among
        the `unwritten`: what others wrote of it must not take its place here."""
        self._due.append((what, work))
        self.unwritten.append(what)

    def forget_threads(self) -> None:
        """In a forked child: whoever held the lock stayed with the parent."""
        self.lock, self._changes = threading.RLock(), 0
        self.unwritten, self._due, self._observers = [], [], []
