"""What an answer holds beside its text, in words: tool calls, sources, answers of a given shape.

Pure functions, from parts to plain text and Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from msgspec import UNSET

from chatkit.messages import Message, SourceDocumentPart, SourceUrlPart, ToolPart

_LINE = 100  # characters of a call in one line
_INSIDE = 4_000  # characters of an input or output that is unfolded
_STANDING = {
    "input-streaming": "being written",
    "input-available": "running",
    "approval-requested": "waits for your word",
    "approval-responded": "running",
    "output-denied": "not allowed",
}


def call_line(part: ToolPart) -> str:
    """A call in one line: `add(a=2, b=3) → 5`."""
    return _short(f"{part.title or part.tool_name}({_arguments(part.input)}) {_outcome(part)}")


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
    lines = [f"{number}. {_source(part)}" for number, part in enumerate(cited, 1)]
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
        return f"[{literal(part.title or part.url)}](<{part.url}>)"
    return literal(part.title)


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE else f"{line[: _LINE - 1]}…"


_MARKS = re.compile(r"[\\`*_{}\[\]<>#|~$!&]")
