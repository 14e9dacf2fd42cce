"""What a Jupyter kernel knows of the code that runs in it, and what it does at a cell's end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from chatkit import engine as engines
from chatkit.host import Line, NoLine, Position
from chatkit.notebook.places import CellLine, CellOutput
from chatkit.replies import Reply

if TYPE_CHECKING:
    from chatkit.notebook.view import LiveView, SavedView


class KernelHost:
    """A kernel as the host of chatkit.

    A front end where somebody looks sends a cell's id with its code, Colab in a place of its own;
    nbclient, papermill and `jupyter execute` send none, save what is there when a cell ends, and
    never come back.
    """

    waits_at_exit = False  # where nobody looks the cells have waited, elsewhere somebody ends it

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._execution = ""
        self._shown: set[str] = set()  # ids of the replies that this execution shows
        self._live: dict[str, WeakSet[LiveView]] = {}  # by cell, "" for what a click asked
        self._awaited: list[Callable[[], Future[None]]] = []  # the cell ends after these
        self._unfinished: list[SavedView] = []
        shell.events.register("post_run_cell", self._cell_ends)

    @property
    def attended(self) -> bool:
        """What is no cell's code is somebody's click."""
        asked_by = self._parent.get("header", {}).get("msg_type")
        return asked_by != "execute_request" or self.position().cell is not None

    @property
    def asks(self) -> bool:
        return self.attended

    def position(self) -> Position:
        parent = self._parent
        told = parent.get("metadata", {})
        cell = told.get("cellId") or told.get("colab", {}).get("cell_id")
        return Position(cell or None, parent.get("header", {}).get("msg_id", ""))

    def show(self, reply: Reply, *, into: Any = None) -> None:
        from chatkit.notebook import view  # not before: it brings ipywidgets and Markdown along

        cell, attended = self._cell(), self.attended
        self._shown.add(reply.id)
        self.finish(lambda: reply.feed.done)
        if into is not None:
            return view.show_into(reply, into)
        if reply.turn is not None:
            view.show_files(reply.turn, CellOutput(self._shell))
        output = CellOutput(self._shell)
        is_over = reply.feed.done.done()  # not before: on_finish may have something to say
        if not attended and not is_over:
            self._unfinished.append(view.SavedView(reply, output))
            return
        live = view.show_ended(reply, output, offering=attended) if is_over else None
        if not is_over:
            live = view.show_live(reply, output)
        if live is not None:
            self._live.setdefault(cell or "", WeakSet()).add(live)

    def display(self, shown: Any) -> None:
        if isinstance(shown, Reply):
            self._cell()
            if shown.id not in self._shown:
                self.show(shown)
        else:
            from chatkit.notebook import comparing

            comparing.display(shown, self._shell)

    def shows(self, id: str) -> bool:
        return self.position().execution == self._execution and id in self._shown

    def finish(self, done: Callable[[], Future[None]]) -> None:
        if not self.attended:
            self._awaited.append(done)

    def line(self) -> Line:
        return CellLine(CellOutput(self._shell)) if self.attended else NoLine()

    def wake(self, work: Callable[[], None]) -> None:
        self._shell.kernel.io_loop.add_callback(work)

    @property
    def _parent(self) -> dict[str, Any]:
        """The message of the front end that made the code run that runs now."""
        return self._shell.get_parent() or {}

    def _cell(self) -> str | None:
        """The cell that runs now. What it showed when it ran before is gone from the page."""
        cell, execution = self.position()
        if execution != self._execution:
            self._execution = execution
            self._shown.clear()
            for view in self._live.pop(cell, ()) if cell is not None else ():
                view.retire()
        return cell

    def _cell_ends(self, result: Any) -> None:
        """Where nobody looks, the answers come first; an interrupt ends the wait, not them."""
        awaited, self._awaited = self._awaited, []
        unfinished, self._unfinished = self._unfinished, []
        if not isinstance(result.error_in_exec, KeyboardInterrupt):
            with suppress(KeyboardInterrupt):
                for done in awaited:
                    engines.wait(done())
        for view in unfinished:
            view.finish()
