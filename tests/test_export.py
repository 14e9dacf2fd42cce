"""A conversation as a file, in every form."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

from chatkit import ConfigError, FilePart, Message
from chatkit.export import export
from chatkit.messages import ReasoningPart, SourceUrlPart, TextPart, ToolPart, as_messages
from chatkit.render import image

HOSTILE = "Hi <script>alert(1)</script> ![x](https://evil.example/x.png) **bold**"


@pytest.fixture
def messages() -> list[Message]:
    told = as_messages([{"role": "user", "content": "What?", "id": "u"}])
    answer = Message(
        id="a",
        role="assistant",
        parts=(TextPart(HOSTILE),),
        status="stopped",
        metadata={"model": "local/smollm2"},
    )
    return [*told, answer]


def test_json_is_what_the_ai_sdk_keeps_and_reads_back(
    messages: list[Message], tmp_path: Path
) -> None:
    path = export("trip", messages, tmp_path / "trip.json")
    assert [Message.from_json(value) for value in json.loads(path.read_text())] == messages
    lines = export("trip", messages, tmp_path / "trip.jsonl").read_text().splitlines()
    assert [Message.from_json(json.loads(line)) for line in lines] == messages


def test_markdown_and_notebook_hold_the_text_and_nothing_that_runs(
    messages: list[Message], tmp_path: Path
) -> None:
    text = export("trip", messages, tmp_path / "trip.md").read_text()
    assert "**bold**" in text
    assert "local/smollm2" in text
    assert "stopped" in text
    assert "<script" not in text
    assert "![" not in text
    path = export("trip", messages, tmp_path / "t.ipynb")
    notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    assert "What?" in notebook.cells[1].source


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        assert not any(name.startswith("on") or name == "src" for name, _ in attrs)


def test_html_stands_alone_and_loads_nothing(messages: list[Message], tmp_path: Path) -> None:
    page = export("<trip>", messages, tmp_path / "trip.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "img", "link", "iframe"}
    assert "<strong>bold</strong>" in page
    assert "&lt;trip&gt;" in page


PNG = "data:image/png;base64,iVBORw0KGgo="
SVG = "data:image/svg+xml;base64,PHN2Zz4="
REMOTE = "https://example.org/a.png"


@pytest.mark.parametrize("suffix", [".html", ".md", ".ipynb"])
def test_an_image_of_the_chat_is_shown_and_a_remote_one_is_a_link(
    tmp_path: Path, suffix: str
) -> None:
    files = (
        FilePart("image/png", PNG, '"><script>alert(1)</script> $x$'),
        FilePart("image/svg+xml", SVG, "drawing.svg"),
        FilePart("image/png", REMOTE, "far.png"),
        FilePart("application/pdf", "data:application/pdf;base64,JVBERi0=", "paper.pdf"),
    )
    path = export("t", [Message(id="u", role="user", parts=files)], tmp_path / f"t{suffix}")
    text = path.read_text()
    if suffix == ".ipynb":
        notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
        text = notebook.cells[1].source
    assert text.count("<img ") == 1
    assert f'<img src="{PNG}" alt="&#34;&gt;&lt;script&gt;alert' in text
    assert "max-height" in text
    assert "<script" not in text
    assert SVG not in text
    assert "drawing.svg" in text
    assert "paper.pdf" in text
    assert (f'<a href="{REMOTE}"' if suffix == ".html" else f"({REMOTE})") in text
    assert "default-src 'none'" in text or suffix != ".html"


@pytest.mark.parametrize(
    "url",
    [
        REMOTE,
        SVG,
        "data:image/svg+xml,<svg onload=alert(1)>",
        "data:text/html;base64,AAAA",
        "data:image/png,AAAA",
        'data:image/png;base64,AAAA" onerror="alert(1)',
        "data:image/png;base64,AAAA\n",
        "DATA:image/png;base64,AAAA",
        "data:image/png;base64,",
        "javascript:alert(1)",
        "",
    ],
)
def test_nothing_but_a_plain_image_within_the_message_is_shown(url: str) -> None:
    assert image(url, "a") == ""


@pytest.mark.parametrize("suffix", [".html", ".md", ".ipynb"])
def test_that_an_answer_was_continued_is_exported(tmp_path: Path, suffix: str) -> None:
    answer = Message(id="a", role="assistant", parts=(TextPart("Half an answer."),))
    more = answer.replace(metadata={"continued": [{"at": 4, "by": "continuation"}]})
    for number, message in enumerate((answer, more)):
        text = export("t", [message], tmp_path / f"t{number}{suffix}").read_text()
        assert text.count("continued once") == number


def test_another_suffix_is_refused_and_names_the_forms(
    messages: list[Message], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\.md \.html"):
        export("trip", messages, tmp_path / "trip.docx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".md", ".html", ".ipynb"])
def test_reasoning_calls_and_sources_are_exported_where_they_stood(
    tmp_path: Path, suffix: str
) -> None:
    parts = (
        ReasoningPart("Hm."),
        ToolPart("add", "c", "output-available", {"a": 2}, 5),
        TextPart("It is five."),
        SourceUrlPart("s1", "https://example.org/a b", "Sums"),
        SourceUrlPart("s2", "https://example.org/a b", "Sums"),
    )
    path = export("t", [Message(id="a", role="assistant", parts=parts)], tmp_path / f"t{suffix}")
    text = path.read_text()
    if suffix == ".ipynb":
        notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
        text = notebook.cells[1].source
    titles = ["<summary>Reasoning</summary>", "<summary>add(a=2) → 5</summary>", "It is five."]
    places = [text.index(title) for title in (*titles, "Sources")]
    assert places == sorted(places)
    assert text.count("https://example.org/a%20b") == 1
