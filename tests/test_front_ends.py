"""Notebooks that run with nobody in front of them: nbclient, papermill, nbconvert. The answer is
readable in the file and in the page that is made of it, with no widget and no script beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from chatkit.notebook.kernel import KernelHost
from tests.servers import Provider

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.filterwarnings("default::DeprecationWarning"),  # papermill's and nbclient's own
]

FORMAT: Any = nbformat  # its functions are not annotated
ANSWER = """\
## Three days

| Day | Where |
| --- | --- |
| 1 | **Alfama** |

```python
def walk(hills: int = 7) -> None: ...
```

The sum is $x^2$."""
HOSTILE = """\
<script>window.__pwned = 1</script> <img src=x onerror="window.__pwned = 2">
[link](javascript:window.__pwned=3)

<iframe srcdoc="<script>parent.__pwned = 4</script>"></iframe>

The end."""


def written(directory: Path, provider: Provider) -> Path:
    """A notebook file that asks twice, the second time for what is hostile."""
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    code, markdown = FORMAT.v4.new_code_cell, FORMAT.v4.new_markdown_cell
    cells = [
        code("name = 'trip'", metadata={"tags": ["parameters"]}),
        code(f"from chatkit import Chat, get_model\nchat = Chat(name, model={model})"),
        code("chat.send('Three days in Lisbon?')"),
        markdown("Between the two."),
        code("reply = chat.send('And with children?')\nprint('asked')"),
    ]
    provider.answer(ANSWER, delay=0.02)  # it goes on after the cell's last line
    provider.answer(HOSTILE)
    file = directory / "asks.ipynb"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    FORMAT.write(FORMAT.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
    return file


# In seconds: what a cell shows may come that late.
PATIENT: dict[str, Any] = {
    "timeout": 60,
    "iopub_timeout": 60,
}
PATIENTLY = [f"--ExecutePreprocessor.{name}={value}" for name, value in PATIENT.items()]


def with_nbclient(file: Path) -> Path:
    document = FORMAT.read(file, 4)
    resources = {"metadata": {"path": str(file.parent)}}
    FORMAT.write(NotebookClient(document, resources=resources, **PATIENT).execute(), file)
    return file


def with_papermill(file: Path) -> Path:
    done = file.with_name("done.ipynb")
    tool("papermill", str(file), str(done), "-p", "name", "papers", "--cwd", str(file.parent))
    return done


def with_nbconvert(file: Path) -> Path:
    tool("nbconvert", "--to", "notebook", "--execute", "--inplace", *PATIENTLY, str(file))
    return file


RUNS = [with_nbclient, with_papermill, with_nbconvert]


def tool(name: str, *arguments: str) -> None:
    """Run a tool of Jupyter's as from a terminal."""
    ran = subprocess.run(
        [sys.executable, "-m", name, *arguments], capture_output=True, text=True, timeout=200
    )
    assert ran.returncode == 0, ran.stderr


class Shell:
    """As much of IPython as says which cell runs."""

    def __init__(self, metadata: dict[str, Any]) -> None:
        header = {"msg_id": "m1", "msg_type": "execute_request"}
        self._parent = {"header": header, "metadata": metadata}
        self.events = self

    def get_parent(self) -> dict[str, Any]:
        return self._parent

    def register(self, event: str, called: object) -> None:
        """Nothing ends here."""


@pytest.mark.parametrize(
    ("front_end", "metadata", "cell"),
    [
        ("JupyterLab", {"cellId": "a1", "deletedCells": []}, "a1"),
        ("VS Code", {"cellId": "vscode-notebook-cell:/a#W0"}, "vscode-notebook-cell:/a#W0"),
        ("Colab", {"colab": {"cell_id": "b2"}}, "b2"),
        ("nbclient", {}, None),
    ],
)
def test_a_front_end_that_names_its_cells_has_somebody_in_front_of_it(
    front_end: str, metadata: dict[str, Any], cell: str | None
) -> None:
    host = KernelHost(Shell(metadata))
    assert (host.position().cell, host.attended) == (cell, cell is not None)


@pytest.mark.parametrize("run", RUNS)
def test_the_file_holds_each_answer_whole_as_markdown_and_no_widget(
    tmp_path: Path, provider: Provider, run: Callable[[Path], Path]
) -> None:
    done = run(written(tmp_path, provider))
    document: Any = json.loads(done.read_text())
    cells = {"".join(cell["source"]): cell for cell in document["cells"]}
    [answer] = cells["chat.send('Three days in Lisbon?')"]["outputs"]
    assert set(answer["data"]) == {"text/markdown", "text/plain"}
    assert "".join(answer["data"]["text/markdown"]).startswith(f"{ANSWER}\n\n*complete · ")
    second, printed = cells["reply = chat.send('And with children?')\nprint('asked')"]["outputs"]
    assert "The end." in "".join(second["data"]["text/plain"])
    assert "".join(printed["text"]) == "asked\n"
    assert "widgets" not in document["metadata"]
    assert len(provider.requests) == 2


class Page(HTMLParser):
    """What a reader finds in a page: its text, its elements, the classes of its code."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self._skipping = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag in ("script", "style"):
            self._skipping = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipping:
            self._skipping = ""

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.text += data


@pytest.mark.parametrize("template", ["lab", "classic"])
def test_nbconvert_makes_a_page_in_which_the_answers_are_readable_and_inert(
    tmp_path: Path, provider: Provider, template: str
) -> None:
    file = written(tmp_path, provider)
    options = ["--execute", "--to", "html", "--template", template, "--output", "page"]
    tool("nbconvert", *options, *PATIENTLY, str(file))
    page = Page((tmp_path / "page.html").read_text())
    for said in ("Three days", "Alfama", "The sum is", "complete · ", "The end.", "asked"):
        assert said in page.text
    cells = [tag for tag, _ in page.elements if tag in ("table", "td")]
    assert cells.count("td") == 2
    assert {"class": "k"} in [told for tag, told in page.elements if tag == "span"]  # `def`
    assert "| Day |" not in page.text
    assert "Error displaying widget" not in page.text
    for tag, told in page.elements:
        assert tag != "iframe"
        assert "widget" not in str(told.get("type"))
        assert not any(name.startswith("on") for name in told)
        assert not str(told.get("href")).startswith("javascript")


def test_a_run_with_papermill_of_what_was_asked_before_asks_nothing(
    tmp_path: Path, provider: Provider
) -> None:
    file = written(tmp_path, provider)
    first, second = with_papermill(file).read_text(), with_papermill(file).read_text()
    assert len(provider.requests) == 2
    assert answers(json.loads(first)) == answers(json.loads(second))


def answers(document: Any) -> list[Any]:
    return [
        output["data"]
        for cell in document["cells"]
        for output in cell.get("outputs", ())
        if "data" in output
    ]
