"""The notebooks, as `jupyter execute` runs them: from top to bottom, with the embedded model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

STATUS = "local/smollm2 · "  # in the line below an answer
pytestmark = pytest.mark.timeout(1200)  # each runs two of them, and the model writes a lot
NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


Cells = list[list[Any]]  # what each code cell shows: its outputs


def executed(name: str, directory: Path) -> Cells:
    """Run one in `directory`: what each code cell shows, as the saved file holds it."""
    notebook: Any = nbformat.read(NOTEBOOKS / name, 4)  # type: ignore[no-untyped-call]
    resources = {"metadata": {"path": directory}}
    NotebookClient(notebook, timeout=300, iopub_timeout=60, resources=resources).execute()
    nbformat.validate(notebook)
    return [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]


def texts(outputs: list[Any]) -> list[str]:
    return [_text(output) for output in outputs]


def _text(output: Any) -> str:
    data = output.get("data", {})
    return str(data.get("text/markdown") or data.get("text/plain") or output.get("text"))


def answers(cells: Cells) -> list[str]:
    return [text for cell in cells for text in texts(cell) if STATUS in text]


def pages(cells: Cells) -> list[str]:
    """The conversations that stand where panels would be."""
    data = [output.get("data", {}) for cell in cells for output in cell]
    return [each["text/html"] for each in data if "chatkit" in each.get("text/html", "")]


@pytest.mark.local
@pytest.mark.kernel
def test_the_quickstart_runs_and_a_second_run_shows_the_same_answers(tmp_path: Path) -> None:
    first, second = (executed("quickstart.ipynb", tmp_path) for _ in range(2))
    shown = answers(first)
    assert len(shown) == 7
    assert "Paris" in shown[0]
    assert all("*complete" in text for text in shown)
    assert answers(second) == shown, "their seconds and tokens too: nothing was asked again"
    assert "child of 6 years" in pages(second)[0], "the panel has what was asked by the magic"


@pytest.mark.local
@pytest.mark.kernel
def test_the_notebook_on_losing_nothing_loses_nothing_and_asks_nothing_twice(
    tmp_path: Path,
) -> None:
    first, second = (executed("losing_nothing.ipynb", tmp_path) for _ in range(2))
    shown = [texts(cell) for cell in first]
    assert "The answer is streaming" in shown[1][-1]
    assert "The answer is complete" in texts(second[1])[-1]
    assert "'interrupted'" in shown[3][0], "the process that asked was killed"
    assert "continued" in shown[4][0]
    assert "*complete" in shown[4][0]
    assert re.findall(r"\d+", shown[6][-1]) == ["0", "4", "2", "4"]
    assert "3 chats" in shown[7][0]
    assert answers(second) == answers(first)
    assert len(answers(first)) == 4


@pytest.mark.local
@pytest.mark.kernel
def test_the_notebook_on_providers_and_tools_runs_and_calls_nothing_twice(
    tmp_path: Path,
) -> None:
    first, second = (executed("providers_and_tools.ipynb", tmp_path) for _ in range(2))
    shown = [texts(cell) for cell in first]
    assert "at gpu-box" in shown[0][0]
    assert "did you mean 'anthropic/claude-sonnet-5-5'?" in shown[3][0]
    assert "545,796" in shown[5][0]
    assert "545,796 people live in Lisbon." in shown[6][0]
    assert "not allowed" in shown[7][0], "nobody is here to allow it"
    assert "City(name='Lisbon', country='Portugal', river='Tagus')" in shown[8][-1]
    assert shown[10][0].endswith("0.0)")
    assert answers(second) == answers(first)
    assert len(answers(first)) == 6


@pytest.mark.local
@pytest.mark.kernel
def test_the_panel_notebook_keeps_the_conversation_as_a_page(tmp_path: Path) -> None:
    first, second = (executed("panel.ipynb", tmp_path) for _ in range(2))
    opened, later = pages(first)
    assert "What is a lighthouse?" in opened
    assert "What is a windmill?" in later
    assert "What is a ferry?" not in later, "it is in the other branch"
    assert "What is a windmill?" in (tmp_path / "panel-chat.html").read_text()
    assert answers(second) == answers(first)
    assert len(answers(first)) == 3


@pytest.mark.local
@pytest.mark.kernel
def test_the_notebook_on_comparing_asks_only_what_is_new_and_nothing_in_another_kernel(
    tmp_path: Path,
) -> None:
    first, second = (executed("comparing.ipynb", tmp_path) for _ in range(2))
    shown = [texts(cell) for cell in first]
    assert shown[1][0] == "10 of 18 answers were there already, 8 are asked.\n"
    assert texts(second[1])[0] == "18 of 18 answers were there already, 0 are asked.\n"
    tables = pages(first[:3])
    assert ["brief" in table for table in tables] == [False, False, True], "scored in the third"
    assert "The capital of France is Paris." in tables[0]
    assert "3 prompts × 6 cases · 18 of 18 answered" in shown[3][0]
    assert "pass@3" in shown[6][0]
    assert {path.name for path in tmp_path.iterdir()} == {"store", "comparing-report.html"}
    assert [texts(cell) for cell in second[2:]] == shown[2:], "their tokens and seconds too"
    assert len(answers(first)) == 1


COURSE = {
    "quickstart": "1 Quickstart",
    "losing_nothing": "2 Losing nothing",
    "providers_and_tools": "3 Providers, tools and structure",
    "panel": "4 The panel",
    "comparing": "5 Comparing prompts",
}


def test_the_course_has_these_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(COURSE)


@pytest.mark.parametrize("name", COURSE)
def test_a_notebook_opens_with_the_way_to_the_others_and_is_kept_without_outputs(
    name: str,
) -> None:
    read: Any = nbformat.read(NOTEBOOKS / f"{name}.ipynb", 4)  # type: ignore[no-untyped-call]
    way = [
        f"**{title}**" if other == name else f"[{title}]({other}.ipynb)"
        for other, title in COURSE.items()
    ]
    assert read.cells[0].source.splitlines()[0] == " · ".join(way)
    assert f"\n\n# {COURSE[name][2:]}\n\n" in read.cells[0].source
    assert all(not cell.get("outputs") for cell in read.cells)
