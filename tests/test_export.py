"""A conversation as a file, in every form."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import ConfigError, FilePart, Message
from chatkit import messages as m
from chatkit.export import export, exported, html_fragment
from chatkit.messages import ReasoningPart, SourceUrlPart, TextPart, ToolPart, as_messages
from chatkit.render import image
from tests import ai_sdk, histories, strategies
from tests.ai_sdk import AiSdk

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
    """What a page holds; nothing in it may run or be loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        told = dict(attrs)
        assert not any(name.startswith("on") for name in told)
        assert str(told.get("src", "data:image/")).startswith("data:image/")
        if tag == "a":
            self.links.append(told)
            told_of = str(told["href"])
            assert told_of.startswith(("http", "mailto:")) or "download" in told


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
        assert notebook.cells[1].attachments == {"image-1": {"image/png": PNG.partition(",")[2]}}
        assert text.count("![") == text.count("![image](attachment:image-1)") == 1
    else:
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


def tags(page: str) -> Tags:
    found = Tags()
    found.feed(page)
    assert not found.seen & {"script", "link", "iframe", "object", "embed", "form", "base"}
    return found


ANSWER = """Load it:

```python
import pandas as pd

df = pd.read_csv("a.csv")
```

- then
  ```python
  df.head()
  ```

```bash
ls
```

```python
df.plot(
"""


def test_the_python_of_an_answer_is_in_cells_that_can_be_run(tmp_path: Path) -> None:
    messages = [
        Message(id="u", role="user", parts=(TextPart("```python\nmine\n```"),)),
        Message(id="a", role="assistant", parts=(TextPart(ANSWER),), metadata={"model": "a/b"}),
    ]
    path = export("t", messages, tmp_path / "t.ipynb")
    notebook: Any = nbformat.read(path, 4)  # type: ignore[no-untyped-call]
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert kinds == ["markdown", "markdown", "markdown", "code", "markdown"]
    assert notebook.cells[3].source == 'import pandas as pd\n\ndf = pd.read_csv("a.csv")'
    assert notebook.cells[3].outputs == []
    assert "df.head()" in notebook.cells[4].source
    assert "ls" in notebook.cells[4].source
    assert "df.plot(" in notebook.cells[4].source


def test_a_file_is_saved_by_a_click_and_never_opened() -> None:
    page = "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=="
    files = (
        FilePart("text/html", page, 'a".html'),
        FilePart("text/html", "data:text/html,<script>alert(1)</script>", "b.html"),
        FilePart("text/html", "javascript:alert(1)", "c.html"),
    )
    message = Message(id="u", role="user", parts=files)
    found = exported("t", [message], ".html").decode()
    [link] = tags(found).links
    assert link["download"] == 'a".html'
    assert str(link["href"]).startswith("data:application/octet-stream;base64,PHNj")
    assert "b.html" in found
    assert "c.html" in found
    assert tags(html_fragment([message])).links == []


@pytest.mark.parametrize("suffix", [".html", ".md", ".ipynb"])
@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("queued", "waiting to be answered"),
        ("streaming", "still being written"),
        ("stopped", "stopped"),
        ("interrupted", "broke off"),
        ("error", "It failed: Slow down."),
    ],
)
def test_an_answer_that_is_not_whole_says_so(status: m.Status, said: str, suffix: str) -> None:
    error = {"error": {"type": "RateLimited", "message": "Slow down."}}
    half = Message(id="a", role="assistant", parts=(TextPart("Half"),), status=status)
    half = half.replace(metadata=error if status == "error" else {})
    assert said in exported("t", [half], suffix).decode()
    assert said not in exported("t", [half.replace(status="complete")], suffix).decode()


def test_a_page_says_who_when_and_what_it_took() -> None:
    told = {"model": "a/b", "usage": {"inputTokens": 1200, "outputTokens": 34}, "cost": 0.0123}
    answer = Message(id="a", role="assistant", parts=(TextPart("Hi"),), metadata=told)
    [timed] = as_messages([{**answer.to_json(), "metadata": {**told, "createdAt": "2026-01-02"}}])
    page = exported("t", [timed], ".html").decode()
    assert "<b>a/b</b>" in page
    assert '<time datetime="2026-01-02T00:00:00+00:00">' in page
    assert "<footer>1,200 → 34 tokens · $0.012</footer>" in page


@settings(max_examples=30)
@given(st.lists(strategies.messages, max_size=4))
def test_any_conversation_can_be_exported_in_every_form(messages: list[Message]) -> None:
    tags(exported("t", messages, ".html").decode())
    tags(html_fragment(messages))
    exported("t", messages, ".md")
    notebook = json.loads(exported("t", messages, ".ipynb"))
    nbformat.validate(notebook)
    told = json.loads(exported("t", messages, ".json"))
    assert [Message.from_json(value) for value in told] == messages


def test_what_a_notebook_keeps_is_small_and_says_what_it_leaves_out() -> None:
    messages = [
        Message(id=str(number), role="user", parts=(TextPart(f"number {number}\n" * 50),))
        for number in range(300)
    ]
    whole = html_fragment(messages, newest=3)
    assert "297 earlier messages not shown" in whole
    assert "number 297" in whole
    assert "number 296" not in whole
    style = len(html_fragment([]).encode())
    small = html_fragment(messages, size=2_000)
    assert "number 299" in small
    assert len(small.encode()) < style + 2_200
    picture = FilePart("image/png", "data:image/png;base64," + "A" * 10_000, "big.png")
    large = Message(id="l", role="user", parts=(TextPart("<é>" * 9_000), picture))
    assert "big.png" in html_fragment([large.replace(parts=(picture,))], size=2_000)
    cut = html_fragment([*messages, large], size=3_000)
    assert len(cut.encode()) < style + 3_200
    assert "&lt;é&gt;" in cut


def test_the_style_of_what_a_notebook_keeps_touches_nothing_else() -> None:
    style = html_fragment([]).partition("</style>")[0].partition("<style>")[2]
    selectors = [
        rule.partition("{")[0].strip() for rule in style.split("}") if "{" in rule.partition(";")[0]
    ]
    assert len(selectors) > 20
    assert {s for s in selectors if not s.startswith((".chatkit ", ".chatkit-saved"))} <= {
        ".chatkit"
    }


@pytest.mark.node
@pytest.mark.skipif(bool(ai_sdk.missing()), reason="; ".join(ai_sdk.missing()))
def test_the_ai_sdk_takes_what_is_exported(sdk: AiSdk) -> None:
    messages = [each for each in histories.history("anthropic") if each.parts]
    assert sdk.refusal(json.loads(exported("t", messages, ".json"))) is None
