"""What a step says of the whole answer: its tokens and cost with those of the steps before it,
and, of one that the far side writes on by itself, what it takes to take it up.

That is kept in the message's metadata as `background`: the answer's `id` there, and what the steps
before it had come to; None once it has been read to its end, or is not there any more.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit.messages import JSON, Message, Usage

_SUMS = ("usage", "cost", "usageEstimated")
_TELLING = frozenset((c.MessageMetadata, c.Finish))  # chunks that speak of the whole answer


class Totals:
    """Sums up the steps of one answer."""

    def __init__(self) -> None:
        self.told_cost = False  # the provider has said what it takes
        self.is_background = False  # the far side writes this step on when nobody reads it
        self._before = Message(id="", role="assistant")  # as it stood when the step began

    def begin(self, message: Message, *, background: bool) -> None:
        """A step begins."""
        self._before, self.is_background = message, background

    def begin_again(self, message: Message) -> list[c.Chunk]:
        """The last step is read again: what was counted and guessed of it is forgotten."""
        told = message.metadata.get("background")
        self.begin(message, background=isinstance(told, dict))
        if not isinstance(told, dict):
            return []
        sums = {name: told.get(name) for name in _SUMS if name in message.metadata}
        self._before = message.replace(metadata={**message.metadata, **sums})
        return [c.MessageMetadata(sums)] if sums else []

    def sum_up(self, chunks: list[c.Chunk]) -> list[c.Chunk]:
        """The chunks, with what they tell of this step as that of all steps."""
        if _TELLING.isdisjoint(map(type, chunks)):  # at every read: a loop would cost more
            return chunks
        return [self._in_total(chunk) for chunk in chunks]

    def _in_total(self, chunk: c.Chunk) -> c.Chunk:
        if not isinstance(chunk, c.MessageMetadata | c.Finish):
            return chunk
        told, before = dict(chunk.message_metadata or {}), self._before
        step = Message(id="", role="assistant", metadata=told)
        if before.usage is not None and told:
            told["usage"] = msgspec.to_builtins(before.usage + (step.usage or Usage()))
        if step.cost is not None:
            self.told_cost = True
            told["cost"] = (before.cost or 0) + step.cost
        if self.is_background:
            told |= self._kept(chunk, told.get("responseId"))
        return replace(chunk, message_metadata=told) if told else chunk

    def _kept(self, chunk: c.MessageMetadata | c.Finish, id: str | None) -> JSON:
        if isinstance(chunk, c.Finish):
            return {"background": None}
        before = self._before.metadata
        sums = {name: before[name] for name in _SUMS if before.get(name) is not None}
        return {"background": {"id": id, **sums}} if id else {}
