"""A message that grows, as sections of safe HTML blocks, and what has changed in them.

Each part of a message that shows something is a section. A change is what the view's script
needs to follow: from which block on, how much of that block stays, and what comes after.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from chatkit.beside import call_inside, call_line, file_line, shaped, sources
from chatkit.messages import FilePart, Message, ReasoningPart, TextPart, ToolPart
from chatkit.render import Blocks, html, image

Change = tuple[int, str | None, int, int, list[str]]
"""(section, kind, first block, UTF-16 units of it that stay, what comes after them); a kind of
None: there is no such section any more."""
FOLD = "fold "  # how the kind of a section begins that is folded; its title follows
_HALF = "\ufffd"  # stands for half a character, until the other half comes


class Growing(NamedTuple):
    """A text that grows, in Markdown, and whether it has come to its end."""

    text: str
    closed: bool


class Ready(NamedTuple):
    """Something that is safe HTML already."""

    html: str


class Sections:
    """The sections of one message. `state` is how the script would hold them."""

    def __init__(self) -> None:
        self.state: list[list[Any]] = []  # [kind, blocks] of each section
        self._sections: list[_Section] = []

    def update(self, message: Message, *, ended: bool) -> list[Change]:
        """Show `message`; returns what is new since the last time."""
        return list(self._changes(message, ended))

    def _changes(self, message: Message, ended: bool) -> Iterator[Change]:
        shown = list(_shown(message, ended))
        for number, (kind, content) in enumerate(shown):
            if number < len(self._sections) and self._sections[number].kind != kind:
                yield self._drop(number)
            opened = number == len(self._sections)
            if opened:
                self._open(kind)
            change = self._sections[number].change(content)
            if opened or change is not None:
                yield number, kind, *(change or (0, 0, []))
        if len(shown) < len(self._sections):
            yield self._drop(len(shown))

    def _open(self, kind: str) -> None:
        section = _Section(kind)
        self._sections.append(section)
        self.state.append([kind, section.html])

    def _drop(self, number: int) -> Change:
        del self._sections[number:], self.state[number:]
        return number, None, 0, 0, []


class _Section:
    """One part as blocks of HTML: as they were last told, and how to go on from there."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.html: list[str] = []
        self._text = ""
        self._closed = False
        self._blocks = Blocks()
        self._final = 0  # how many blocks no longer change

    def change(self, content: Growing | Ready | str) -> tuple[int, int, list[str]] | None:
        """Take in what it shows now, in Markdown; what changed, or None."""
        if isinstance(content, Growing):
            self._grow(content.text, content.closed)
            tail = [] if self._closed else self._blocks.tail()
            now = [*self._blocks.done[self._final :], *tail]
        else:
            now = [content.html if isinstance(content, Ready) else html(content)]
        told = self.html[self._final :]
        same = _common(told, now)
        at, self._final = self._final + same, len(self._blocks.done)
        if same == len(told) == len(now):
            return None
        self.html[at:] = now[same:]
        if same == len(told) or same == len(now):
            return at, 0, now[same:]
        kept = now[same][: _common(told[same], now[same])]
        return at, _utf16_units(kept), [now[same][len(kept) :], *now[same + 1 :]]

    def _grow(self, text: str, closed: bool) -> None:
        if self._closed and text == self._text:
            return
        if self._closed or not text.startswith(self._text):  # it was written anew
            self._blocks, self._text, self._closed, self._final = Blocks(), "", False, 0
        grown = text if closed else text.removesuffix(_HALF)
        self._blocks.feed(grown[len(self._text) :])
        self._text, self._closed = grown, closed
        if closed:
            self._blocks.finish()


def _shown(message: Message, ended: bool) -> Iterator[tuple[str, Growing | Ready | str]]:
    """What each section is, and what is in it as Markdown: the sources come last."""
    for part in message.parts:
        match part:
            case TextPart():
                whole = ended or part.state != "streaming"
                yield "text", Growing(shaped(message, part.text, whole=whole), whole)
            case ReasoningPart() if part.text.strip():
                yield f"{FOLD}Reasoning", Growing(part.text, ended or part.state != "streaming")
            case ToolPart():
                yield FOLD + call_line(part, over=ended), call_inside(part)
            case FilePart() if picture := image(part.url, part.filename or part.media_type):
                yield "aside", Ready(picture)
            case FilePart():
                yield "aside", file_line(part)
    if cited := sources(message.parts):
        yield "aside", cited


def _common(a: Any, b: Any) -> int:
    """How much two texts, or two lists, have in common at their beginning."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _utf16_units(text: str) -> int:
    """The length of `text` as JavaScript counts it."""
    return len(text.encode("utf-16-le")) // 2
