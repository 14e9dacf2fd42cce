"""An answer that broke off in the middle of a text, continued by a new request.

What is asked for that, and how the two texts become one, is known here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.providers import Model
from chatkit.rest import part_id

PLEASE = (
    "Your last message was cut off. Continue it exactly where it ends, in the middle of a sentence"
    " or a word if need be. Repeat nothing of it, and say nothing about this."
)
SHORTEST = 8  # characters that are no repetition by chance
LONGEST = 400  # characters in which a repetition is looked for
_ASIDE = (m.SourceUrlPart, m.SourceDocumentPart)  # they come while a text goes on


def can_continue(message: m.Message, model: Model, *, has_schema: bool = False) -> bool:
    """Whether the model can be asked to write on where the text of an answer broke off.

    Not a backend with a conversation of its own, nor an answer of a given shape or one that has
    calls in its last step.
    """
    calls = any(isinstance(part, m.ToolPart) for part in message.last_step)
    has_text = _open_text(message) is not None
    return has_text and not (calls or has_schema or model.frames_steps)


def reopened(message: m.Message) -> m.Message:
    """The message with the text at its end open: more of it may come, to everybody who reads."""
    place = _last(message)
    if place is None:
        return message
    parts = list(message.parts)
    part = parts[place]
    if isinstance(part, m.TextPart | m.ReasoningPart):
        parts[place] = replace(part, state="streaming")
    return message.replace(parts=tuple(parts))


def prompt(history: Sequence[m.Message], message: m.Message) -> list[m.Message]:
    """The conversation that asks for more of `message`. The last turn is nobody's, and not kept."""
    return [*history, message, *m.as_messages(PLEASE)]


def repeated(before: str, more: str) -> int:
    """How many characters `more` begins with that `before` ends with."""
    start = len(more) - len(more.lstrip())
    for skipped in sorted({0, start}):
        for end in range(min(len(more), LONGEST), skipped + SHORTEST - 1, -1):
            if before.endswith(more[skipped:end]):
                return end
    return 0


class Continuation:
    """Takes the chunks of a request for more, and gives those that go on with a message."""

    def __init__(self, message: m.Message) -> None:
        told: list[Any] = list(message.metadata.get("continued") or [])
        here = {"at": len(message.text), "by": "continuation"}
        self.mark = c.MessageMetadata({"continued": [*told, here]})  # that it was, and where
        self._text = message.text[-LONGEST:]  # of what there is
        self._id = part_id(_last(message) or 0)  # under which its last text goes on
        self._theirs: str | None = None  # the id that the new text has
        self._held: str | None = ""  # its beginning, as long as it may be a repetition

    def take(self, chunks: list[c.Chunk]) -> list[c.Chunk]:
        """What these add to the message."""
        return [new for chunk in chunks for new in self._new(chunk)]

    def _new(self, chunk: c.Chunk) -> list[c.Chunk]:
        match chunk:
            case c.TextStart() if self._theirs is None:
                self._theirs = chunk.id
                return []
            case c.TextDelta(id=self._theirs):
                return self._more(chunk.delta)
            case c.TextEnd(id=self._theirs):
                self._theirs = ""
                # what the provider knows the new text by is not what it knows the whole by
                return [*self._let_go(), c.TextEnd(self._id)]
        return [chunk]

    def _more(self, delta: str) -> list[c.Chunk]:
        if self._held is None:
            return [c.TextDelta(self._id, delta)]
        self._held += delta
        may_repeat = len(self._held) < LONGEST and self._held.lstrip() in self._text
        return [] if may_repeat else self._let_go()

    def _let_go(self) -> list[c.Chunk]:
        held, self._held = self._held or "", None
        fresh = held[repeated(self._text, held) :]
        return [c.TextDelta(self._id, fresh)] if fresh else []


def _open_text(message: m.Message) -> m.TextPart | None:
    """The text that an answer broke off in."""
    place = _last(message)
    part = None if place is None else message.parts[place]
    return part if isinstance(part, m.TextPart) and part.text.strip() else None


def _last(message: m.Message) -> int | None:
    """Where the last part of the last step is that more could come of."""
    first = len(message.parts) - len(message.last_step)
    places = reversed(range(first, len(message.parts)))
    return next((i for i in places if not isinstance(message.parts[i], _ASIDE)), None)
