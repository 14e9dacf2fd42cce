"""The quickstart, as `jupyter execute` runs it: from top to bottom, with the embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

STATUS = "*complete · local/smollm2 · "
QUICKSTART = Path(__file__).parent.parent / "notebooks" / "quickstart.ipynb"


def executed(directory: Path) -> list[list[str]]:
    """Run it in `directory`: what each code cell shows, as the saved file holds it."""
    notebook: Any = nbformat.read(QUICKSTART, 4)  # type: ignore[no-untyped-call]
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


@pytest.mark.local
@pytest.mark.kernel
def test_the_quickstart_runs_and_a_second_run_shows_the_same_answers(tmp_path: Path) -> None:
    first, second = executed(tmp_path), executed(tmp_path)
    answers = [text for cell in first for text in cell if STATUS in text]
    assert len(answers) == 6
    assert "Paris" in answers[0]
    again = [text for cell in second for text in cell if STATUS in text]
    assert again == answers, "their seconds and tokens too: nothing was asked again"


def test_the_quickstart_is_kept_without_outputs() -> None:
    notebook: Any = nbformat.read(QUICKSTART, 4)  # type: ignore[no-untyped-call]
    assert all(not cell.get("outputs") for cell in notebook.cells)
