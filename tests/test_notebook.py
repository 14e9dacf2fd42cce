"""The notebook's own words and changes, without a kernel."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.ultratb import FormattedTB

from chatkit import engine as engines
from chatkit.answers.feed import Feed
from chatkit.beside import call_line
from chatkit.errors import AuthError, ChatkitError, StoreError, StreamCut, UnknownModel
from chatkit.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    SourceUrlPart,
    TextPart,
    ToolPart,
)
from chatkit.notebook import view, words
from chatkit.notebook.panel import Panel
from chatkit.notebook.sections import Change, Sections
from chatkit.notebook.tracebacks import shorten
from chatkit.notebook.widget import ReplyWidget, static
from chatkit.providers import get_model
from chatkit.render import html
from chatkit.replies import Reply
from chatkit.standing import status_line

ANSWER = """\
## Three days 🚋

Start in **Alfama** 😀 and *walk*.

1. one
2. two

```python
def fare(): return 1.80  # €
```

| a | b |
| - | -: |
| 1 | 𝔅 |

The end, $x^2$."""


class Script:
    """What `static/reply.js` does with changes: text is counted in UTF-16 units there."""

    def __init__(self) -> None:
        self.sections: list[list[Any]] = []

    def take(self, changes: list[Change]) -> None:
        for number, kind, at, keep, more in json.loads(json.dumps(changes)):
            if kind is None:
                del self.sections[number:]
                continue
            if number == len(self.sections):
                self.sections.append([kind, []])
            blocks = self.sections[number][1]
            kept = blocks[at].encode("utf-16-le")[: 2 * keep].decode("utf-16-le") if keep else ""
            blocks[at:] = [kept + more[0], *more[1:]] if kept else more


def message(*parts: Part, status: Any = "streaming", **metadata: Any) -> Message:
    return Message(id="m", role="assistant", parts=parts, status=status, metadata=metadata)


def growing(text: str) -> TextPart:
    return TextPart(text, state="streaming")


def follow(*messages: Message) -> tuple[Script, Sections]:
    script, sections = Script(), Sections()
    for each in messages:
        script.take(sections.update(each, ended=each.status != "streaming"))
        assert script.sections == sections.state
    return script, sections


# -- changes --


@pytest.mark.parametrize("step", [1, 7, 40])
def test_changes_add_up_to_the_whole_answer_however_it_arrives(step: int) -> None:
    grown = [message(growing(ANSWER[:end])) for end in range(0, len(ANSWER), step)]
    script, _ = follow(*grown, message(TextPart(ANSWER), status="complete"))
    [[kind, blocks]] = script.sections
    assert (kind, "".join(blocks)) == ("text", html(ANSWER))


@given(st.lists(st.text("ab 😀\n`*|-#$1.>", max_size=12), max_size=20))
def test_changes_add_up_for_any_text(pieces: list[str]) -> None:
    texts = ["".join(pieces[:count]) for count in range(len(pieces) + 1)]
    ended = message(TextPart(texts[-1]), status="complete")
    script, _ = follow(*(message(growing(text)) for text in texts), ended)
    [[_, blocks]] = script.sections
    assert "".join(blocks) == html(texts[-1])


def test_reasoning_tools_and_sources_are_sections_of_their_own() -> None:
    tool = ToolPart("search", "c1", "input-available", {"for": "shoes"})
    source = SourceUrlPart("s1", "https://visitlisboa.com", "The *city*")
    done = ToolPart("search", "c1", "output-available", {"for": "shoes"}, {"found": 3})
    script, _ = follow(
        message(ReasoningPart("hm", state="streaming")),
        message(ReasoningPart("hm, hills"), tool),
        message(ReasoningPart("hm, hills"), done, growing("Wear")),
        message(
            ReasoningPart("hm, hills"), done, TextPart("Wear shoes."), source, status="complete"
        ),
    )
    titles = ["fold Reasoning", 'fold search(for="shoes") → {"found": 3}', "text", "aside"]
    assert [kind for kind, _ in script.sections] == titles
    assert "shoes" in script.sections[1][1][0]
    assert "found" in script.sections[1][1][0]
    assert script.sections[2][1] == ["<p>Wear shoes.</p>\n"]
    assert 'href="https://visitlisboa.com"' in script.sections[3][1][0]
    assert "The *city*" in script.sections[3][1][0]


def test_a_picture_is_shown_where_it_stands_and_a_remote_one_as_a_link() -> None:
    here = FilePart("image/png", "data:image/png;base64,iVBORw0KGgo=", "a.png")
    there = FilePart("image/png", "https://example.org/b.png")
    script, _ = follow(message(here, there, TextPart("See."), status="complete"))
    first, second, _ = [blocks for _, blocks in script.sections]
    assert first[0].startswith('<img src="data:image/png;base64,iVBORw0KGgo="')
    assert "<img" not in second[0]
    assert 'href="https://example.org/b.png"' in second[0]


def test_a_step_that_begins_anew_takes_back_what_it_showed() -> None:
    script, _ = follow(
        message(TextPart("kept"), growing("taken back")),
        message(TextPart("kept")),
        message(TextPart("kept"), ReasoningPart("instead")),
        message(TextPart("other"), status="complete"),
    )
    assert script.sections == [["text", ["<p>other</p>\n"]]]


def test_half_a_character_is_not_shown() -> None:
    script, _ = follow(message(growing("so far \ufffd")))
    assert "\ufffd" not in script.sections[0][1][0]
    script, _ = follow(message(TextPart("broken \ufffd"), status="complete"))
    assert "\ufffd" in script.sections[0][1][0]


def test_nothing_is_told_when_nothing_has_changed() -> None:
    sections = Sections()
    assert sections.update(message(growing("one\n\ntwo")), ended=False)
    assert sections.update(message(growing("one\n\ntwo")), ended=False) == []


def test_what_is_told_per_character_does_not_rise_with_the_length() -> None:
    def told(paragraphs: int) -> float:
        text, sections, size = f"{ANSWER}\n\n" * paragraphs, Sections(), 0
        for end in range(0, len(text), 25):
            changes = sections.update(message(growing(text[:end])), ended=False)
            size += len(json.dumps(changes))
        return size / len(text)

    assert told(200) <= 1.1 * told(20)


# -- the view --


@pytest.fixture
def engine() -> engines.Engine:
    return engines.get_engine()


class Output:
    """An output of a cell: all that it showed, in its order, and which kinds it shows now."""

    def __init__(self) -> None:
        self.shown: list[dict[str, Any]] = []
        self.below: list[Output] = []

    @property
    def now(self) -> set[str]:
        return {kind.rpartition("/")[2] for kind in self.shown[-1]}

    def open(self, bundle: dict[str, Any], metadata: object = None) -> None:
        self.shown.append(bundle)

    replace = put = open

    def clear(self) -> None:
        if self.shown:
            self.open({"text/plain": ""})

    def another(self) -> Output:
        self.below.append(Output())
        return self.below[-1]


class Elsewhere:
    """Who writes an answer, as far as a view knows: somewhere else, for all it can tell."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def stop(self) -> None:
        self.told.append("stop")

    def decide(self, approval_id: str, approved: bool, reason: str | None) -> None:
        self.told.append((approval_id, approved))


Callbacks = list[Callable[[Reply], None]]  # to be told when somebody goes on


class BrokenOff(Reply):
    """An answer in a chat that broke off, and the one that follows if it is asked to go on."""

    def __init__(self, feed: Feed, following: Reply, waiting: Callbacks) -> None:
        super().__init__(feed)
        self._following = following
        self._callbacks = waiting

    in_chat = property(lambda self: True)
    can_resume = property(lambda self: True)

    def when_resumed(self, callback: Callable[[Reply], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: None

    def resume(self) -> Reply:
        for callback in self._callbacks:
            self.feed.engine.call(callback, self._following)
        return self._following

    def regenerate(self) -> Reply:
        return self._following


@pytest.fixture
def widgets(monkeypatch: pytest.MonkeyPatch) -> list[ReplyWidget]:
    """The widgets that are made."""
    made: list[ReplyWidget] = []

    class Kept(ReplyWidget):
        def __init__(self, foot: dict[str, Any]) -> None:
            super().__init__(foot)
            made.append(self)

    monkeypatch.setattr(view, "ReplyWidget", Kept)
    monkeypatch.setattr(view, "SAVE_PACE", 600.0)  # however slow it is
    return made


def settle(engine: engines.Engine) -> None:
    """Return once the engine has done what it was told."""
    engine.run(asyncio.sleep(0))


def test_an_answer_that_is_written_elsewhere_has_the_same_buttons(
    engine: engines.Engine, widgets: list[ReplyWidget]
) -> None:
    waiting = ToolPart("delete", "c1", "approval-requested", {}, approval={"id": "a1"})
    writer, output = Elsewhere(), Output()
    view.show_live(Reply(Feed(message(waiting), engine), writer), output)  # type: ignore[arg-type]
    settle(engine)
    [widget] = widgets
    clicks = [what for what, _ in widget.shown["foot"]["buttons"]]
    for what in clicks:
        widget.clicked(what)
    settle(engine)
    assert writer.told == [("a1", True), ("a1", False), "stop"]


def test_a_click_allows_the_calls_that_were_on_the_page_and_no_other(
    engine: engines.Engine, widgets: list[ReplyWidget]
) -> None:
    parts = [
        ToolPart("delete", f"c {n}", "approval-requested", {}, approval={"id": f"a{n}"})
        for n in range(3)
    ]
    writer, feed = Elsewhere(), Feed(message(*parts[:2]), engine)
    view.show_live(Reply(feed, writer), Output())  # type: ignore[arg-type]
    settle(engine)
    [widget] = widgets
    shown = widget.shown["foot"]
    assert [label for _, label in shown["buttons"]] == ["Allow all", "Allow none", "Stop"]
    assert 'data-call="c%201"' in shown["notices"]
    engine.call(feed.begin, message(*parts))
    settle(engine)
    widget.clicked(shown["buttons"][0][0])
    widget.clicked("deny c%202")
    settle(engine)
    assert writer.told == [("a0", True), ("a1", True), ("a2", False)]


def test_a_click_is_acknowledged_before_anything_is_done_about_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    happened: list[object] = []
    widget = ReplyWidget({})
    monkeypatch.setattr(widget, "send", happened.append)
    widget.clicked = happened.append
    widget._hear(widget, {"do": "stop"}, [])
    assert happened == [{"heard": True}, "stop"]


def test_what_is_saved_while_it_is_written_stands_in_for_a_view_that_is_gone(
    engine: engines.Engine, widgets: list[ReplyWidget], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "SAVE_PACE", 0.0)
    feed, output = Feed(message(growing("Half <b>")), engine), Output()
    view.show_live(Reply(feed), output)  # type: ignore[arg-type]
    settle(engine)
    [below], [widget] = output.below, widgets
    page = below.shown[-1]["text/html"]
    assert "<p>Half &lt;b&gt;</p>" in page
    assert "Saved while it was being written." in page
    assert f".{widget.live}-saved" in page
    assert widget.live in widget._dom_classes
    engine.call(feed.end, message(TextPart("Half."), status="complete"))
    settle(engine)
    assert below.shown[-1] == {"text/plain": ""}
    assert "Saved while" not in str(output.shown[-1])


@pytest.mark.parametrize("what", ["resume", "again"])
def test_what_goes_on_takes_the_place_of_what_broke_off(
    engine: engines.Engine, widgets: list[ReplyWidget], what: str
) -> None:
    half, output = message(TextPart("Half"), status="interrupted"), Output()
    more = Feed(
        message(growing("Half an answer")).replace(id="m" if what == "resume" else "n"), engine
    )
    reply = BrokenOff(Feed.ended_with(half, engine), Reply(more), [])
    view.show_ended(reply, output, offering=True)  # type: ignore[arg-type]
    [offer], [widget] = output.below, widgets
    assert [label for _, label in widget.shown["foot"]["buttons"]] == ["Resume", "Ask again"]
    widget.clicked(what)
    settle(engine)
    live, other = (output, offer) if what == "resume" else (offer, output)
    assert [blocks for _, blocks in widget.shown["sections"]] == [["<p>Half an answer</p>\n"]]
    assert (output.now, offer.now) == (
        ({"vnd.jupyter.widget-view+json", "markdown", "plain"}, {"plain"})
        if what == "resume"
        else ({"markdown", "plain"}, {"vnd.jupyter.widget-view+json", "plain"})
    )
    engine.call(more.end, message(TextPart("Half an answer."), status="complete"))
    settle(engine)
    assert live.shown[-1]["text/markdown"] == "Half an answer.\n\n*complete*"
    assert other.shown[-1].get("text/markdown", "") in ("", output.shown[0]["text/markdown"])
    assert len(output.below) == 1


def test_what_goes_on_does_so_in_each_cell_that_shows_how_it_broke_off(
    engine: engines.Engine, widgets: list[ReplyWidget]
) -> None:
    half, outputs = message(TextPart("Half"), status="interrupted"), [Output(), Output()]
    more, waiting = Feed(message(growing("Half an answer")), engine), Callbacks()
    for output in outputs:
        reply = BrokenOff(Feed.ended_with(half, engine), Reply(more), waiting)
        view.show_ended(reply, output, offering=True)  # type: ignore[arg-type]
    reply.resume()
    settle(engine)
    for widget in widgets:
        assert [blocks for _, blocks in widget.shown["sections"]] == [["<p>Half an answer</p>\n"]]
    engine.call(more.end, message(TextPart("Half an answer."), status="complete"))
    settle(engine)
    assert {output.shown[-1]["text/markdown"] for output in outputs} == {
        "Half an answer.\n\n*complete*"
    }
    assert [output.below[0].now for output in outputs] == [{"plain"}] * 2


# -- words --


def ended(
    engine: engines.Engine, *parts: Part, error: Exception | None = None, **more: Any
) -> Feed:
    return Feed.ended_with(message(*parts, **more), engine, error)


USED = {"inputTokens": 31, "outputTokens": 1212}


@pytest.mark.parametrize(
    ("more", "line"),
    [
        (
            {"model": "openai/gpt", "usage": USED, "seconds": 2.42, "cost": 0.00121},
            "complete · openai/gpt · 31 → 1,212 tokens · 2.4 s · $0.0012",
        ),
        ({"finishReason": "length"}, "complete, cut off at the token limit"),
        ({"status": "stopped", "model": "m", "seconds": 125.0}, "stopped · m · 2 min 5 s"),
        ({"status": "streaming", "model": "m"}, "still being written when this was saved · m"),
        ({"usage": {"outputTokens": 7}}, "complete · 7 tokens"),
        ({"usage": "none of ours", "seconds": "soon"}, "complete"),
        ({"continued": [{"at": 3, "by": "continuation"}]}, "complete · continued once"),
        (
            {"model": "m", "continued": [{"by": "continuation"}, {"by": "continuation"}]},
            "complete · continued 2 times · m",
        ),
        ({"continued": [{"at": 3, "by": "provider"}]}, "complete"),
        ({"continued": "none of ours"}, "complete"),
    ],
)
def test_the_status_line_says_what_is_known(more: dict[str, Any], line: str) -> None:
    assert status_line(message(**({"status": "complete"} | more))) == line


def test_an_answer_is_kept_as_markdown_and_plain_text(engine: engines.Engine) -> None:
    feed = ended(engine, TextPart("See **this**."), status="complete", model="a/b_c*d")
    assert words.saved(feed) == {
        "text/markdown": "See **this**.\n\n*complete · a/b_c\\*d*",
        "text/plain": "See **this**.\n\ncomplete · a/b_c*d",
    }


def test_reasoning_is_kept_folded_and_cannot_break_out(engine: engines.Engine) -> None:
    thought = ReasoningPart("</details><script>alert(1)</script>\n```\nopen")
    kept = words.saved(ended(engine, thought, TextPart("so"), status="complete"))
    lines = kept["text/markdown"].split("\n")
    assert lines[0] == "<details><summary>Reasoning</summary>"
    assert [line for line in lines if line.startswith("<")] == [lines[0], "</details>"]
    assert lines[-5:] == ["</details>", "", "so", "", "*complete*"]
    assert "alert" not in kept["text/plain"]


def test_an_image_is_kept_where_it_stood_and_a_remote_one_as_a_link(
    engine: engines.Engine,
) -> None:
    url = "data:image/png;base64,iVBORw0KGgo="
    files = FilePart("image/png", url, "a.png"), FilePart("image/png", "https://example.org/b_b")
    kept = words.saved(ended(engine, *files, TextPart("See."), status="complete"))
    first, second, *rest = kept["text/markdown"].split("\n\n")
    assert first.startswith(f'<img src="{url}" alt="a.png" style="max-height')
    assert second == "File: [image/png](https://example.org/b_b)"
    assert rest == ["See.", "*complete*"]


@pytest.mark.parametrize(
    ("part", "line"),
    [
        (ToolPart("add", "c", "input-streaming", raw_input='{"a'), "add(…) · being written"),
        (ToolPart("add", "c", "input-available", {"a": "x"}), 'add(a="x") · not run'),
        (ToolPart("add", "c", "approval-requested", {}), "add() · not run"),
        (ToolPart("add", "c", "output-available", {"a": 1}, 5), "add(a=1) → 5"),
        (ToolPart("add", "c", "output-available", {}, None), "add() → done"),
        (ToolPart("add", "c", "output-error", {}, error_text="no: <b>"), "add() failed: no: <b>"),
        (ToolPart("add", "c", "output-denied", {"a": [1]}), "add(a=[1]) · not allowed"),
    ],
)
def test_a_call_is_one_line_and_unfolds(engine: engines.Engine, part: ToolPart, line: str) -> None:
    kept = words.saved(ended(engine, part, TextPart("so"), status="complete"))["text/markdown"]
    title = line.replace("<", "&lt;").replace(">", "&gt;")
    assert kept.startswith(f"<details><summary>{title}</summary>\n\n")
    assert kept.endswith("</details>\n\nso\n\n*complete*")


def test_what_was_sent_along_is_shown_small() -> None:
    noise = io.BytesIO()
    PIL.Image.effect_noise((900, 600), 90).save(noise, "PNG")
    large = f"data:image/png;base64,{base64.b64encode(noise.getvalue()).decode()}"
    kept = words.sent(
        [FilePart("image/png", large, "a.png"), FilePart("application/pdf", "data:x", "b*.pdf")]
    )
    picture, paper = kept["text/markdown"].split("\n")
    assert picture.startswith('<img src="data:image/jpeg;base64,')
    assert len(picture) < 60_000 < len(large)
    assert paper == r"File: b\*.pdf"
    assert kept["text/plain"] == "Files: a.png, b*.pdf"
    broken = "data:image/png;base64," + "A" * 90_000
    assert words.sent([FilePart("image/png", broken, "c.png")])["text/markdown"] == "File: c.png"


def test_a_call_that_can_still_be_run_says_so() -> None:
    asked = ToolPart("add", "c", "approval-requested", {})
    assert call_line(asked) == "add() · waits for your word"
    assert call_line(ToolPart("add", "c", "input-available", {"a": 1})) == "add(a=1) · running"


def test_what_a_tool_gave_cannot_break_out_of_its_fold(engine: engines.Engine) -> None:
    hostile = "</details>\n```\n<script>alert(1)</script>\n````\nmore"
    part = ToolPart("look", "c", "output-available", {"a": "</summary>"}, hostile)
    kept = words.saved(ended(engine, part, status="complete"))["text/markdown"]
    inside = kept.split("`````\n")[1]
    assert inside == hostile + "\n"
    page = html(kept)
    assert "<script" not in page
    assert page.count("</details>") <= 1


def test_a_long_output_is_cut_and_says_so(engine: engines.Engine) -> None:
    part = ToolPart("look", "c", "output-available", {}, "x" * 10_000)
    kept = words.saved(ended(engine, part, status="complete"))["text/markdown"]
    assert "6,000 characters more" in kept
    assert len(kept) < 5_000


def test_an_answer_of_a_given_shape_is_shown_as_code(engine: engines.Engine) -> None:
    def shaped(*parts: Part, **more: Any) -> Message:
        return message(*parts, **more).replace(metadata={"schema": "City"})

    script, _ = follow(
        shaped(growing('{"name": "Lis')), shaped(TextPart('{"name": "Lisbon"}'), status="complete")
    )
    [[kind, blocks]] = script.sections
    assert kind == "text"
    assert "".join(blocks) == html('```json\n{\n  "name": "Lisbon"\n}\n```')


def test_a_call_that_waits_for_leave_is_asked_about(engine: engines.Engine) -> None:
    waiting = ToolPart("delete", "c1", "approval-requested", {"name": "a*b"}, approval={"id": "a1"})
    feed = Feed(message(waiting), engine)
    foot = words.foot(feed, feed.message())
    assert [what for what, _ in foot["buttons"]] == ["approve c1", "deny c1", "stop"]
    assert "May delete run?" in foot["notices"]
    assert "a*b" in foot["notices"]


def test_what_ends_open_does_not_swallow_the_status_line(engine: engines.Engine) -> None:
    kept = words.saved(ended(engine, TextPart("```python\nopen"), status="stopped"))
    assert kept["text/markdown"] == "```python\nopen\n```\n\n*stopped*"


def test_an_error_is_a_box_with_the_providers_own_words(engine: engines.Engine) -> None:
    told = AuthError(
        "who refused (401): *bad* `key`\n<b>see</b> https://x.io/a_b*c [1]", status=401
    )
    feed = ended(engine, status="error", error=told)
    box = words.saved(feed)["text/markdown"].split("\n\n")[0]
    assert box.startswith("> **Error:** who refused (401): \\*bad\\* ")
    assert box.endswith(" Run the cell again to ask again.")
    assert "\n" not in box
    assert "<b>" not in box
    live = words.foot(feed, feed.message())["notices"]
    assert "*bad* `key` &lt;b&gt;see&lt;/b&gt;" in live
    assert "Error: who refused (401): *bad* `key`" in words.saved(feed)["text/plain"]


def test_a_restored_error_is_told_from_what_was_stored(engine: engines.Engine) -> None:
    stored = {"type": "RateLimited", "message": "slow down", "status": 429}
    half = message(TextPart("half"), status="error").replace(metadata={"error": stored})
    kept = words.saved(Feed.ended_with(half, engine))
    assert "Error: slow down. What arrived is kept." in kept["text/plain"]
    silent = ended(engine, TextPart("half"), status="error")
    assert "no reason was given" in words.saved(silent)["text/plain"]


@pytest.mark.parametrize(
    ("offered", "ways", "labels"),
    [
        (
            words.offers(can_resume=True),
            " `reply.resume()` goes on from there, `reply.regenerate()` asks again.",
            ["Resume", "Ask again"],
        ),
        (words.offers(can_resume=False), " `reply.regenerate()` asks again.", ["Ask again"]),
        ((), "", []),
    ],
)
def test_an_interrupted_answer_says_what_is_kept_and_what_to_do(
    engine: engines.Engine, offered: words.Buttons, ways: str, labels: list[str]
) -> None:
    feed = ended(engine, TextPart("one two"), status="interrupted", error=StreamCut("gone"))
    kept = words.saved(feed, offered)["text/markdown"].split("\n\n")
    assert kept[1] == f"> **Interrupted** after 2 words; what arrived is kept.{ways}"
    foot = words.foot(feed, feed.message(), offered)
    assert [label for _, label in foot["buttons"]] == labels
    assert ("resume()" in foot["notices"]) == ("Resume" in labels)


def test_what_broke_off_before_its_first_word_is_asked_again_by_its_cell(
    engine: engines.Engine,
) -> None:
    nothing = ended(engine, status="interrupted", error=StreamCut("gone"))
    assert "Run the cell again" in words.saved(nothing)["text/plain"]
    assert not words.broke_off(nothing.message())


def test_what_was_stopped_is_asked_again_at_a_click_and_says_so_where_there_is_nothing(
    engine: engines.Engine,
) -> None:
    nothing = ended(engine, status="stopped")
    assert words.broke_off(nothing.message())
    assert words.saved(nothing)["text/plain"] == "Stopped before anything arrived.\n\nstopped"
    half = ended(engine, TextPart("Half"), status="stopped")
    assert words.broke_off(half.message())
    assert words.saved(half)["text/plain"] == "Half\n\nstopped"


def test_where_the_kernel_ends_an_answer_that_outlives_it_is_said_to_go_on(
    engine: engines.Engine,
) -> None:
    feed = Feed(message(growing("Half")), engine)
    assert "The kernel stopped" in words.foot(feed, feed.message())["gone"]
    assert "still being written" in words.foot(feed, feed.message(), outlives=True)["gone"]


def test_a_call_that_no_kernel_can_run_names_its_tool(engine: engines.Engine) -> None:
    lent = ToolPart("look", "c1", "input-available", {}, tool_metadata={"chatkit": {"lent": True}})
    feed = Feed(message(lent), engine)
    line = words.foot(feed, feed.message())["line"]
    assert line == "look waits for a kernel that has it: give tools=[look] to the Chat"


def test_the_live_line_says_what_it_waits_for(engine: engines.Engine) -> None:
    feed = Feed(message(status="queued", model="local/smollm2"), engine)

    def line() -> str:
        return str(words.foot(feed, feed.message())["line"])

    assert line() == "Queued behind another answer"
    feed.begin(message(model="local/smollm2"))
    assert line() == "Waiting for local/smollm2"
    feed.say("Fetching smollm2: 41 of 93 MB")
    assert line() == "Fetching smollm2: 41 of 93 MB"
    feed.say("")
    feed.warn("on_chunk raised <b>")
    foot = words.foot(feed, feed.message())
    assert "<b>" not in foot["notices"].replace("<strong>", "")
    assert foot["buttons"] == (("stop", "Stop"),)
    json.dumps(foot)


# -- errors --


def shown_by_ipython(error: ChatkitError, mode: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """As IPython shows it, without its colours."""
    monkeypatch.setattr(ChatkitError, "_render_traceback_", None, raising=False)  # to be undone
    formatter = FormattedTB(mode=mode, theme_name="nocolor")  # type: ignore[no-untyped-call]
    shorten(SimpleNamespace(InteractiveTB=formatter))
    lines: list[str] = error._render_traceback_()  # type: ignore[attr-defined]
    return "\n".join(lines)


def test_an_error_is_shown_at_the_users_own_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownModel) as raised:
        get_model("nobody/knows")  # the line at fault
    short = shown_by_ipython(raised.value, "Context", monkeypatch)
    assert 'get_model("nobody/knows")  # the line at fault' in short
    assert short.splitlines()[-1] == f"UnknownModel: {raised.value}"
    assert "chatkit/providers" not in short
    assert "chatkit/providers" in shown_by_ipython(raised.value, "Verbose", monkeypatch)


def test_what_led_to_an_error_inside_is_left_out_too(
    engine: engines.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise StoreError("it is full") from OSError(28, "No space left")

    with pytest.raises(StoreError) as raised:
        engine.run(fails())
    short = shown_by_ipython(raised.value, "Context", monkeypatch)
    assert "engine.run(fails())" in short
    assert "OSError" not in short.replace("from OSError", "")
    assert "engine.py" not in short


def test_the_script_and_its_style_are_small_and_load_nothing() -> None:
    script, style = static("answer.js", "reply.js"), static("reply.css")
    assert len(script) < 9_000
    assert len(style) < 4_000
    svg = "http://www.w3.org/2000/svg"  # a name, not a place
    shown = (script, style, str(Panel._esm).replace(svg, ""), str(Panel._css))
    for forbidden in (
        "http:",
        "https:",
        "import ",
        "import(",
        "url(",
        "fetch(",
        "eval(",
        "Function(",
    ):
        assert not any(forbidden in each for each in shown)
