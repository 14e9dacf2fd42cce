"""The notebooks, as `jupyter execute` runs them: from top to bottom, with the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

STATUS = "local/smollm2 · "  # in the line below an answer
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def executed(name: str, directory: Path) -> list[list[str]]:
    """Run one in `directory`: what each code cell shows, as the saved file holds it."""
    notebook: Any = nbformat.read(NOTEBOOKS / name, 4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": directory}}).execute()
    nbformat.validate(notebook)
    return [
        [_text(output) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _text(output: Any) -> str:
    data = output.get("data", {})
    return str(data.get("text/markdown") or data.get("text/plain") or output.get("text"))


def answers(cells: list[list[str]]) -> list[str]:
    return [text for cell in cells for text in cell if STATUS in text]


@pytest.mark.local
@pytest.mark.kernel
def test_the_quickstart_runs_and_a_second_run_shows_the_same_answers(tmp_path: Path) -> None:
    first = answers(executed("quickstart.ipynb", tmp_path))
    again = answers(executed("quickstart.ipynb", tmp_path))
    assert len(first) == 6
    assert "Paris" in first[0]
    assert all("*complete ·" in text for text in first)
    assert again == first, "their seconds and tokens too: nothing was asked again"


@pytest.mark.local
@pytest.mark.kernel
def test_the_tools_notebook_runs_and_calls_nothing_twice(tmp_path: Path) -> None:
    first, second = (executed("tools.ipynb", tmp_path) for _ in range(2))
    assert "545,796" in first[0][0]
    assert "545,796 people live in Lisbon." in first[1][0]
    assert "not allowed" in first[2][0], "nobody is here to allow it"
    assert "City(name='Lisbon', country='Portugal', river='Tagus')" in first[3][-1]
    assert first[5][0].endswith("0.0)")
    assert answers(second) == answers(first)
    assert len(answers(first)) == 4


@pytest.mark.local
@pytest.mark.kernel
def test_the_notebook_on_losing_nothing_loses_nothing_and_asks_nothing_twice(
    tmp_path: Path,
) -> None:
    first, second = (executed("losing_nothing.ipynb", tmp_path) for _ in range(2))
    assert "The answer is streaming" in first[1][-1]
    assert "The answer is complete" in second[1][-1]
    assert "'interrupted'" in first[3][0], "the process that asked was killed"
    assert "continued" in first[4][0] and "*complete" in first[4][0]
    assert first[6][-1].split() == ["0", "4", "2", "4"]
    assert "3 chats" in first[7][0]
    assert answers(second) == answers(first)
    assert len(answers(first)) == 4


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    read: Any = nbformat.read(notebook, 4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in read.cells)
