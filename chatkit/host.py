"""Where chatkit runs: what a script, a console and a notebook do differently.

`current()` is a plain script's host until `chatkit.notebook` puts its own in place. Nothing
here knows IPython; the host is how the modules below the notebook ask it things.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple, Protocol


class Position(NamedTuple):
    """Where in the user's code a send stands."""

    cell: str | None  # the cell's own id; None where there is none (a script, a headless run)
    execution: str  # changes each time a cell runs


class Line(Protocol):
    """One line where the code that runs now shows things. No trace of it stays."""

    def say(self, text: str) -> None:
        """Show this text in it, in place of what it said before."""

    def clear(self) -> None:
        """Take it away."""


class Host(Protocol):
    """What surrounds this process."""

    @property
    def attended(self) -> bool:
        """Whether somebody is there to come back: then a cell may end before its replies do."""

    @property
    def asks(self) -> bool:
        """Whether somebody is there who can be asked to allow a tool call."""

    @property
    def waits_at_exit(self) -> bool:
        """Whether the process ends only when its replies have."""

    def position(self) -> Position:
        """Where the code that runs now stands."""

    def show(self, reply: Any, *, into: Any = None) -> None:
        """Show a reply where the code that runs now shows things, or in a widget."""

    def display(self, shown: Any) -> None:
        """Show the value of a cell, a reply or a comparison, unless this cell shows it already."""

    def shows(self, id: str) -> bool:
        """Whether the code that runs now shows the reply of this id, live."""

    def finish(self, done: Callable[[], Future[None]]) -> None:
        """Where nobody comes back, the code that runs now does not end before this is done."""

    def line(self) -> Line:
        """A line to say in what is going on; nothing is shown before it says something."""

    def wake(self, work: Callable[[], None]) -> None:
        """Call `work` on the main thread once that is idle, if it has a loop of its own."""


class Script:
    """A script or a plain console: nothing is shown, and the process waits for its replies."""

    attended = False
    asks = False
    waits_at_exit = True

    def position(self) -> Position:
        return Position(None, "script")

    def show(self, reply: Any, *, into: Any = None) -> None:
        """A script prints what it wants to."""

    def display(self, shown: Any) -> None:
        print(repr(shown))

    def shows(self, id: str) -> bool:
        return False

    def finish(self, done: Callable[[], Future[None]]) -> None:
        """A script waits at its exit."""

    def line(self) -> Line:
        return TerminalLine() if sys.stderr is not None and sys.stderr.isatty() else NoLine()

    def wake(self, work: Callable[[], None]) -> None:
        """A script's main thread is its own: it works for others while it waits."""


class TerminalLine:
    """The last line of a terminal, as long as it says something."""

    def __init__(self) -> None:
        self._said = ""

    def say(self, text: str) -> None:
        self._said = "".join(char if char.isprintable() else " " for char in text)[:78]
        self._write(self._said)

    def clear(self) -> None:
        if self._said:
            self._said = ""
            self._write("")

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r\x1b[K{text}")  # from the line's beginning, which is emptied first
        sys.stderr.flush()


class NoLine:
    """Where nobody looks."""

    def say(self, text: str) -> None:
        pass

    def clear(self) -> None:
        pass


_current: Host = Script()


def current() -> Host:
    """The host of this process."""
    return _current


def use(host: Host) -> None:
    """Put another host in place."""
    global _current
    _current = host
