"""An error of chatkit as IPython shows it: the user's own lines, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from types import TracebackType
from typing import Any

from chatkit.errors import ChatkitError

_AROUND = ("IPython.", "ipykernel.")  # who runs the user's lines


def shorten(shell: Any) -> None:
    """Leave out where in chatkit its errors arise; `%tb Verbose` shows that, and `%xmode Verbose`
    does from then on."""

    def rendered(error: ChatkitError) -> list[str]:
        formatter, trace = shell.InteractiveTB, _users_own(error.__traceback__)
        if formatter.mode != "Context" or trace is None:
            whole = (type(error), error, error.__traceback__)
            lines: list[str] = formatter.structured_traceback(*whole, tb_offset=1)
        else:  # an error without its causes, which are chatkit's concern
            told = (type(error), ChatkitError(str(error)), trace)
            lines = formatter.structured_traceback(*told, tb_offset=0)
        return lines

    ChatkitError._render_traceback_ = rendered  # type: ignore[attr-defined]  # IPython's name


def _users_own(trace: TracebackType | None) -> TracebackType | None:
    """The lines that led into chatkit."""
    own = [
        each
        for each in takewhile(lambda each: not _module(each).startswith("chatkit."), _each(trace))
        if not _module(each).startswith(_AROUND)
    ]
    kept: TracebackType | None = None
    for each in reversed(own):
        kept = TracebackType(kept, each.tb_frame, each.tb_lasti, each.tb_lineno)
    return kept


def _each(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace is not None:
        yield trace
        trace = trace.tb_next


def _module(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__"))
