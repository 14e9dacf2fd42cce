"""IPython in a terminal: a reply that is the value of a line is printed as it arrives."""

from __future__ import annotations

from typing import Any

from chatkit.host import Script
from chatkit.replies import Reply


class Console(Script):
    """A terminal with somebody at it."""

    attended = True

    def display(self, shown: Any) -> None:
        if not isinstance(shown, Reply):
            return super().display(shown)
        from chatkit.render import plain
        from chatkit.standing import status_line

        for delta in shown.deltas():
            print(plain(delta), end="", flush=True)
        print(f"\n\n{status_line(shown.message)}")
