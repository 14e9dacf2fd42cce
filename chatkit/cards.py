"""Chats, messages and tables as HTML to look at in a notebook.

Pure functions. Whatever a model, a user or a store says is escaped or rendered: nothing of it runs,
and nothing is fetched. Styled by classes of its own, so that no live view changes beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

from chatkit import render
from chatkit.beside import pieces
from chatkit.files.pictures import thumbnail
from chatkit.messages import FilePart, Message, Part, ReasoningPart, TextPart, Usage
from chatkit.standing import cost_words, count_of, status_line, token_words

LATEST = 4  # messages that a chat's card shows
LONGEST = 4_000  # characters of a text in it
_NAMES = {"user": "You", "assistant": "Model", "system": "System"}
_STYLE = """
.chatkit { max-width: 60em; }
.chatkit > .title { font-size: 1.15em; font-weight: 600; }
.chatkit .quiet { color: var(--ck-quiet); font-size: 0.9em; }
.chatkit .message { margin: 1em 0 0; max-height: 28em; overflow-y: auto; }
.chatkit > style + .message { margin: 0; max-height: none; }
.chatkit .message.user { background: var(--ck-tint); border-radius: 8px; padding: 0.6em 1em; }
.chatkit .said > :first-child { margin-top: 0.2em; }
.chatkit .said > :last-child { margin-bottom: 0.2em; }
.chatkit .rows :is(th, td) { max-width: 30em; }
"""
_OWN = ".chatkit-card.chatkit-card"  # said twice, it goes before what a notebook says of tables
_STYLED = f"<style>{f'{render.CSS}{_STYLE}'.replace('.chatkit', _OWN)}</style>"


class Summary(NamedTuple):
    """What a chat's card says above its messages."""

    id: str
    title: str
    model: str
    status: str
    usage: Usage
    cost: float | None


class Cell(NamedTuple):
    """A cell of a table: its words, and what else they stand for."""

    text: str
    more: str = ""  # shown when the mouse rests on it
    is_code: bool = False


def message_card(message: Message) -> str:
    """One message: who says it, what, and how it ended."""
    return _card(_message(message))


def chat_card(summary: Summary, messages: Sequence[Message]) -> str:
    """A chat: what it is, and its last messages."""
    told = [
        summary.id if summary.id != summary.title else "",
        summary.model,
        count_of(len(messages), "message"),
        summary.status,
        token_words(summary.usage),
        cost_words(summary.cost),
    ]
    line = " · ".join(filter(None, told))
    earlier = len(messages) - LATEST
    hint = f"… {count_of(earlier, 'earlier message')}" if earlier > 0 else ""
    return _card(
        f'<div class="title">{_safe(summary.title)}</div>{_quiet(line)}',
        *([_quiet(hint)] if hint else []),
        *(_message(_clipped(message)) for message in messages[-LATEST:]),
    )


def table_card(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]], foot: str) -> str:
    """A table, with a line above it and one below."""
    names = "".join(f"<th>{_safe(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    table = f'<table class="rows"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>'
    shown = f'<div class="table">{table}</div>' if rows else ""
    return _card(_quiet(title), shown, _quiet(foot) if foot else "")


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, widest: int = 48) -> str:
    """The same for a terminal: columns of plain text, each cell in one line."""
    lines = [[_short(render.plain(text), widest) for text in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (zip(line, widths, strict=True) for line in lines)
    return "\n".join("  ".join(f"{text:{n}}" for text, n in line).rstrip() for line in padded)


def ago(then: datetime, now: datetime) -> str:
    """How long ago, as people say it; after a week the date."""
    seconds = max(0.0, (now - then).total_seconds())
    for size, limit, unit in _UNITS:
        if seconds < limit:
            return f"{count_of(int(seconds // size), unit)} ago" if size else "just now"
    return exactly(then)[:10]


def exactly(then: datetime) -> str:
    """The time on this machine's clock, to the minute."""
    return f"{then.astimezone():%Y-%m-%d %H:%M}"


_UNITS = (
    (0, 60, ""),
    (60, 3600, "minute"),
    (3600, 86_400, "hour"),
    (86_400, 7 * 86_400, "day"),
)


def _card(*parts: str) -> str:
    return f'<div class="chatkit-card">{_STYLED}\n{"".join(parts)}\n</div>'


def _message(message: Message) -> str:
    said = "".join(piece.html for piece in pieces(message))
    line = status_line(message) if message.role == "assistant" else ""
    when = "" if message.created_at is None else exactly(message.created_at.astimezone(UTC))
    who = f'<div class="quiet" title="{when}">{_safe(_who(message))}</div>'
    below = _quiet(line) if line else ""
    return f'<div class="message {message.role}">{who}<div class="said">{said}</div>{below}</div>'


def _who(message: Message) -> str:
    return _NAMES[message.role]


def _clipped(message: Message) -> Message:
    """The message without what is too long for a card."""
    return message.replace(parts=tuple(map(_clipped_part, message.parts)))


def _clipped_part(part: Part) -> Part:
    match part:
        case TextPart() if len(part.text) > LONGEST:
            return TextPart(_clipped_text(part.text))
        case ReasoningPart() if len(part.text) > LONGEST:
            return ReasoningPart(_clipped_text(part.text))
        case FilePart():
            url = thumbnail(part.url) if part.url.startswith("data:") else part.url
            return FilePart(part.media_type, url, part.filename)
    return part


def _clipped_text(text: str) -> str:
    return f"{text[:LONGEST]}\n\n… {len(text) - LONGEST:,} characters more"


def _quiet(text: str) -> str:
    return f'<div class="quiet">{_safe(text)}</div>'


def _cell(cell: Cell) -> str:
    text = f"<code>{_safe(cell.text)}</code>" if cell.is_code else _safe(cell.text)
    return f'<td title="{_safe(cell.more)}">{text}</td>' if cell.more else f"<td>{text}</td>"


def _short(text: str, widest: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= widest else f"{line[: widest - 1]}…"


def _safe(text: str) -> str:
    """What somebody said as it is, without what would turn the text around it."""
    return escape(render.plain(text))
