"""A comparison as the value of a cell: a live table that fills in, to read, sort and go on from.

board     what the script holds, and the numbered news of what changes in it
shape     where each run stands: whom it asks across, what it asks down
cells     one answer as a few lines; detail is one in full
totals    how they stand, all together and column by column; head is the line above
wanted    which rows somebody wants to see, and in which order
live      keeps the board as the comparison is
pages     the summary and the plot
clicks    what each click does
keeper    what a notebook keeps of it
widget    the widgets themselves
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatkit import host
from chatkit.compare.page import table_html
from chatkit.notebook.comparing.widget import View
from chatkit.notebook.panel import cell
from chatkit.notebook.places import CellOutput

if TYPE_CHECKING:
    from chatkit.compare.runs import Runs

__all__ = ["View", "display"]


def display(runs: Runs, shell: Any) -> None:
    """Show a comparison in the output of the cell that runs now."""
    if host.current().attended:
        cell.show(View(runs), CellOutput(shell))
    else:
        _show_at_end(runs, CellOutput(shell), shell)


def _show_at_end(runs: Runs, output: CellOutput, shell: Any) -> None:
    """Where nobody looks: the table as it stands now, and again once the cell ends, which is
    after the comparison."""
    output.open(_page(runs))

    def finish(result: Any) -> None:
        shell.events.unregister("post_run_cell", finish)
        output.replace(_page(runs))

    shell.events.register("post_run_cell", finish)


def _page(runs: Runs) -> dict[str, str]:
    return {"text/html": table_html(runs), "text/plain": repr(runs)}
