"""A stream that is read once more from its beginning: what of it was not shown yet.

A far side that keeps an answer gives its events again, all of them or those after a cursor. To go
on in the middle would take the state that the decoder had there, and that died with its process;
so all are decoded anew, and what was shown is left out here, to the character.
"""

from __future__ import annotations

from collections.abc import Iterable

from chatkit import chunks as c
from chatkit.messages import Message, Part, ReasoningPart, TextPart
from chatkit.reducer import Draft
from chatkit.rest import is_ahead, rest

_TELLING = (c.Start, c.MessageMetadata, c.Finish, c.Abort, c.Error)  # of no part, but of the whole
_ENDINGS = (c.Finish, c.Abort, c.Error)


class Replay:
    """Takes the chunks of a stream from its beginning, and gives those that are new.

    `shown` are the chunks that readers have of `message`. The stream is that of its last step,
    or with `whole` that of all of it; then one that does not begin as `message` does is another
    answer, of which nothing is given. A step that comes otherwise than it was shown is taken
    back at its end, and given anew.
    """

    def __init__(self, message: Message, shown: Iterable[c.Chunk], *, whole: bool = False) -> None:
        empty = message.replace(parts=(), metadata={})
        self.is_other = False
        self._whole = whole
        self._name = message.metadata.get("responseId")  # the far side's own, once it was told
        self._shown, self._again = Draft(empty), Draft(empty)
        self._told: list[c.Chunk] = []  # of the whole, while what was shown comes again
        self._apply(self._shown, shown)
        before = self._shown.message()
        kept = len(before.parts) - len(before.last_step)
        if not whole:
            self._again = Draft(before.replace(parts=before.parts[:kept]))

    def take(self, chunks: list[c.Chunk]) -> list[c.Chunk]:
        """What is new in these."""
        self.is_other = self.is_other or (self._whole and any(map(self._names_another, chunks)))
        if self.is_other:
            return []
        self._apply(self._again, chunks)
        self._told += (chunk for chunk in chunks if isinstance(chunk, _TELLING))
        before = self._shown.message()
        after = _as_shown(before, self._again.message())
        has_ended = any(isinstance(chunk, _ENDINGS) for chunk in self._told)
        if not is_ahead(before, after):
            self.is_other = has_ended and self._whole
            if self.is_other or not has_ended:
                return []
        found = rest(before, after, self._shown.ids)
        self._apply(self._shown, found)
        told, self._told = self._told, []
        return [*found, *told]

    def _names_another(self, chunk: c.Chunk) -> bool:
        """Whether the far side says that this is another answer than the one that was shown."""
        told = chunk.message_metadata if isinstance(chunk, c.MessageMetadata) else {}
        return None not in (self._name, told.get("responseId")) and told["responseId"] != self._name

    def _apply(self, draft: Draft, chunks: Iterable[c.Chunk]) -> None:
        for chunk in chunks:
            if not isinstance(chunk, _TELLING):
                draft.apply(chunk)


def _as_shown(before: Message, after: Message) -> Message:
    """The message with the texts that were shown to their end as they were: one that has not come
    to its end again will, and some providers encrypt their state anew whenever they are asked."""
    pairs = zip(before.parts, after.parts, strict=False)
    same = [old if _has_ended(old, new) else new for old, new in pairs]
    return after.replace(parts=(*same, *after.parts[len(same) :]))


def _has_ended(old: Part, new: Part) -> bool:
    """Whether it is a text with the state that comes with its end, and this says no more of it."""
    for kind in (TextPart, ReasoningPart):
        if isinstance(old, kind) and isinstance(new, kind) and old.text == new.text:
            is_known = old.provider_metadata is not None
            return is_known and (old.state == "done" or new.state == "streaming")
    return False
