"""A conversation as a file, in every form."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest

from chatkit import ConfigError, Message, TextPart
from chatkit.export import export
from chatkit.messages import as_messages

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


def test_another_suffix_is_refused_and_names_the_forms(
    messages: list[Message], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"\.md \.html"):
        export("trip", messages, tmp_path / "trip.docx")
    assert list(tmp_path.iterdir()) == []
