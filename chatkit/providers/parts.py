"""The parts of an answer as its stream opens, extends and closes them, in any dialect.

Deltas of one part that come in one read leave as one chunk, and no chunk holds half a
character.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

from chatkit import chunks as c
from chatkit.messages import mended

Kind = Literal["text", "refusal", "reasoning", "input"]


class Parts:
    """Collects chunks; `take` hands over what has come since."""

    def __init__(self) -> None:
        self.kind: Kind | None = None  # what is open
        self._chunks: list[c.Chunk] = []
        self._pieces: list[str] = []  # deltas of what is open, not yet a chunk
        self._half = ""  # of a character whose other half is still to come
        self._id = ""  # of what is open
        self._delta: Callable[[str, str], c.Chunk] = c.TextDelta  # and what extends it
        self._count = 0
        self._sources: set[str] = set()

    def text(self, delta: str) -> None:
        """More text: of the open text part, else of a new one."""
        if self.kind != "text":
            self._begin("text", c.TextStart, c.TextDelta)
        self._pieces.append(delta)

    def reasoning(self, delta: str) -> None:
        """More reasoning: of the open reasoning part, else of a new one."""
        if self.kind != "reasoning":
            self._begin("reasoning", c.ReasoningStart, c.ReasoningDelta)
        self._pieces.append(delta)

    def refusal(self, delta: str, provider_metadata: c.JSON) -> None:
        """More of what the model says instead of an answer: a text part of its own."""
        if self.kind != "refusal":
            self._begin(
                "refusal", partial(c.TextStart, provider_metadata=provider_metadata), c.TextDelta
            )
        self._pieces.append(delta)

    def input(self, call_id: str, delta: str) -> None:
        """More of the arguments of a tool call that has started."""
        if self.kind != "input" or self._id != call_id:
            self.end()
            self.kind, self._id, self._delta = "input", call_id, c.ToolInputDelta
        self._pieces.append(delta)

    def end(self, provider_metadata: c.JSON | None = None) -> None:
        """Close the text or reasoning part that is open, if one is."""
        self._flush()
        if self._half:
            self._half = ""
            self._chunks.append(self._delta(self._id, "\ufffd"))
        if self.kind == "reasoning":
            self._chunks.append(c.ReasoningEnd(self._id, provider_metadata))
        elif self.kind in ("text", "refusal"):
            self._chunks.append(c.TextEnd(self._id, provider_metadata))
        self.kind = None

    def leave(self) -> str:
        """Leave what is open as it is, for its end to come later; its id."""
        self._flush()
        self.kind, self._half = None, ""
        return self._id

    def abandon(self) -> None:
        """Leave what is open without its end: the stream failed."""
        self.kind = None

    def add(self, chunk: c.Chunk) -> None:
        """A chunk of any other kind, in its place; what is open stays open."""
        self._flush()
        self._chunks.append(chunk)

    def cite(self, pages: Iterable[tuple[str, str]]) -> None:
        """Sources by address and title, each once; one without an address is a document."""
        for url, title in pages:
            if (url or title) and (url or title) not in self._sources:
                source_id = f"source-{len(self._sources)}"
                self._sources.add(url or title)
                document = c.SourceDocument(source_id, "text/plain", title)
                self.add(c.SourceUrl(source_id, url, title or None) if url else document)

    def take(self) -> list[c.Chunk]:
        """The chunks since the last time."""
        if self._pieces:
            self._flush()
        taken, self._chunks = self._chunks, []
        return taken

    @property
    def begun(self) -> bool:
        """Whether the answer has any part yet."""
        return self._count > 0 or self.kind is not None

    def _begin(
        self, kind: Kind, start: Callable[[str], c.Chunk], delta: Callable[[str, str], c.Chunk]
    ) -> None:
        self.end()
        self.kind, self._id, self._delta = kind, str(self._count), delta
        self._count += 1
        self._chunks.append(start(self._id))

    def _flush(self) -> None:
        pieces = self._pieces
        if not pieces:
            return
        text = pieces[0] if len(pieces) == 1 else "".join(pieces)
        pieces.clear()
        if self._half or not text.isascii():
            text = self._whole(self._half + text)
        if text:
            self._chunks.append(self._delta(self._id, text))

    def _whole(self, text: str) -> str:
        """The text without the first half of a character at its end, which is kept back."""
        self._half = text[-1] if "\ud800" <= text[-1:] <= "\udbff" else ""
        return mended(text[: len(text) - len(self._half)])
