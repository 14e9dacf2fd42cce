"""A message as pieces to read: its text, and what it holds beside that, in words.

Pure functions, from parts to plain text, Markdown and safe HTML.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from html import escape
from typing import Any, NamedTuple

from msgspec import UNSET

from chatkit import render
from chatkit.messages import (
    ENDED,
    OPEN,
    FilePart,
    Message,
    Part,
    ReasoningPart,
    SourceDocumentPart,
    SourceUrlPart,
    TextPart,
    ToolPart,
)

_LINE = 100  # characters of a call in one line
_INSIDE = 4_000  # characters of an input or output that is unfolded
_DETAILS = "<details><summary>{}</summary>\n\n{}\n\n</details>"
_STANDING = {
    "input-streaming": "being written",
    "input-available": "running",
    "approval-requested": "waits for your word",
    "approval-responded": "running",
    "output-denied": "not allowed",
}


class Piece(NamedTuple):
    """One thing to read: Markdown, folded under a title if it has one; or safe HTML as it is."""

    text: str
    title: str = ""
    is_html: bool = False

    @property
    def markdown(self) -> str:
        """As Markdown that is safe to show."""
        if self.is_html:
            return self.text
        inside = render.markdown(self.text)
        return _DETAILS.format(escape(self.title, quote=False), inside) if self.title else inside

    @property
    def html(self) -> str:
        """As safe HTML."""
        if self.is_html:
            return f"<p>{self.text}</p>\n"
        inside = render.html(self.text)
        return _DETAILS.format(escape(self.title, quote=False), inside) if self.title else inside


def pieces(message: Message) -> list[Piece]:
    """What there is to read of a message, in its order; the sources come last."""
    over = message.status in ENDED
    shown = [piece for part in message.parts if (piece := _piece(message, part, over))]
    return [*shown, Piece(cited)] if (cited := sources(message.parts)) else shown


def continued(message: Message) -> str:
    """That its text was continued by another request after a break, in words; "" if it was not."""
    told = message.metadata.get("continued")
    marks = told if isinstance(told, list) else []
    count = sum(isinstance(mark, dict) and mark.get("by") == "continuation" for mark in marks)
    return f"continued {'once' if count == 1 else f'{count} times'}" if count else ""


def _piece(message: Message, part: Part, over: bool) -> Piece | None:
    match part:
        case TextPart() if part.text.strip():
            return Piece(shaped(message, part.text, whole=True))
        case ReasoningPart() if part.text.strip():
            return Piece(part.text, "Reasoning")
        case ToolPart():
            return Piece(call_inside(part), call_line(part, over=over))
        case FilePart() if picture := render.image(part.url, part.filename or part.media_type):
            return Piece(picture, is_html=True)
        case FilePart():
            return Piece(file_line(part))
    return None


def file_line(part: FilePart) -> str:
    """A file that is not shown, as Markdown: a remote one is a link."""
    name = literal(part.filename or part.media_type)
    return f"File: [{name}](<{part.url}>)" if part.url.startswith("http") else f"File: {name}"


def call_line(part: ToolPart, *, over: bool = False) -> str:
    """A call in one line: `add(a=2, b=3) → 5`; `over`: nothing more can come of it."""
    outcome = "· not run" if over and part.state in OPEN else _outcome(part)
    return _short(f"{part.title or part.tool_name}({_arguments(part.input)}) {outcome}")


def call_inside(part: ToolPart) -> str:
    """A call with its whole input and output, as Markdown."""
    given = part.input if part.input is not UNSET else part.raw_input
    asked = "" if given is UNSET else f"Asked with:\n\n{fenced(_json(given), 'json')}"
    return "\n\n".join(filter(None, (asked, _gave(part)))) or "Nothing is known of it yet."


def _gave(part: ToolPart) -> str:
    if part.state == "output-error":
        return f"Failed:\n\n{fenced(part.error_text or 'No reason was given.')}"
    if part.output is UNSET:
        return ""
    text = part.output if isinstance(part.output, str) else _json(part.output)
    return f"Gave:\n\n{fenced(text, '' if isinstance(part.output, str) else 'json')}"


def question(part: ToolPart) -> str:
    """What is to be allowed, as Markdown."""
    return f"\n\n{fenced(_json(part.input), 'json')}" if part.input not in (UNSET, {}, None) else ""


def sources(parts: Iterable[Any]) -> str:
    """The sources of an answer as a numbered list; "" where there are none."""
    cited = [part for part in parts if isinstance(part, SourceUrlPart | SourceDocumentPart)]
    different = dict.fromkeys(map(_source, cited))  # a page is cited more than once
    lines = [f"{number}. {told}" for number, told in enumerate(different, 1)]
    return "\n".join(["**Sources**", "", *lines]) if lines else ""


def shaped(message: Message, text: str, *, whole: bool) -> str:
    """The text of an answer that is JSON by its schema, as Markdown; any other as it is."""
    if not message.metadata.get("schema"):
        return text
    if not whole:
        return f"```json\n{text}"
    with suppress(ValueError):  # what does not fit its schema is shown as it is
        text = _json(json.loads(text))
    return fenced(text, "json")


def fenced(text: str, language: str = "") -> str:
    """Text as a block of code, cut where it is long."""
    if len(text) > _INSIDE:
        text = f"{text[:_INSIDE]}\n… {len(text) - _INSIDE:,} characters more"
    runs = [len(run) for run in re.findall("`+", text)]
    fence = "`" * max(3, *(run + 1 for run in runs or [0]))
    return f"{fence}{language}\n{text}\n{fence}"


def literal(text: str) -> str:
    """Text as Markdown that shows it as it is, in one line; addresses stay links."""
    words = (word if "://" in word else _MARKS.sub(r"\\\g<0>", word) for word in text.split())
    return " ".join(words)


def _arguments(given: Any) -> str:
    if isinstance(given, dict):
        return ", ".join(f"{name}={_value(value)}" for name, value in given.items())
    return "…" if given is UNSET else _value(given)


def _outcome(part: ToolPart) -> str:
    match part.state:
        case "output-available":
            return f"→ {_value(part.output)}" if part.output not in (UNSET, None) else "→ done"
        case "output-error":
            return f"failed: {part.error_text or 'no reason was given'}"
    return f"· {_STANDING[part.state]}"


def _source(part: SourceUrlPart | SourceDocumentPart) -> str:
    if isinstance(part, SourceUrlPart):
        address = part.url.replace(" ", "%20")
        return f"[{literal(part.title or part.url)}](<{address}>)"
    return literal(part.title)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~$!&]")
