"""The AI SDK's UI message stream, incoming: the bytes of a stream -> chunks.

The events are chunks already; what is not understood in them is passed over. A backend may merge
several streams into one and go on after an `error`, a `finish` or an `abort`, so that each of
these waits for `[DONE]` or the end of the body, and is given out once, as the last.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import at, text, whole
from chatkit.providers.stream import EventStream
from chatkit.providers.ui.events import chunk_of

_DELTAS = {
    "text-delta": ("id", "delta"),
    "reasoning-delta": ("id", "delta"),
    "tool-input-delta": ("toolCallId", "inputTextDelta"),
}


class UIDecoder(EventStream):
    """One UI message stream. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._halves: dict[tuple[str, str], str] = {}  # of characters, by kind and id of delta
        self._failure: Any = None  # the first error, as it is told
        self._ending: c.Finish | c.Abort | None = None  # the last that came

    # -- events --

    def _take_at_once(self, data: bytes) -> bool:
        """The mark that ends all of it."""
        is_end = data.startswith(b"[DONE]")
        if is_end and not self._over:
            self._ending = self._ending or c.Finish()
            self._end()
        return is_end

    def _take(self, told: c.JSON) -> None:
        kind = str(told.get("type", ""))
        if kind in _DELTAS:
            told = self._with_whole_characters(kind, told)
        elif self._halves:
            self._close_half(told)
        match chunk_of(whole(told)):
            case c.Start() as start:
                self._start(start)
            case c.MessageMetadata() as metadata:
                self._tell(metadata.message_metadata)
            case c.Finish() as finish:
                self._note_finish(finish, told.get("finishReason"))
            case c.Abort() as abort:
                self._ending = abort
            case None:
                pass
            case chunk:
                self._parts.add(chunk)

    # -- halves of characters --

    def _with_whole_characters(self, kind: str, value: c.JSON) -> c.JSON:
        """The delta without the first half of a character at its end, which is kept back."""
        id_name, name = _DELTAS[kind]
        key, delta = (kind, str(value.get(id_name))), value.get(name)
        if not isinstance(delta, str):
            return value
        delta = self._halves.pop(key, "") + delta
        if "\ud800" <= delta[-1:] <= "\udbff":
            self._halves[key], delta = delta[-1], delta[:-1]
        return {**value, name: mended(delta)}

    def _close_half(self, value: c.JSON) -> None:
        """A part that ends has no other half to come."""
        kind = str(value.get("type", "")).replace("-end", "-delta")
        if self._halves.pop((kind, str(value.get("id"))), ""):
            self._take({"type": kind, "id": value.get("id"), "delta": "\ufffd"})

    # -- the answer as a whole --

    def _start(self, start: c.Start) -> None:
        """The message has chatkit's id; the backend's own is kept for the next request."""
        if start.message_id:
            self._metadata = {"responseId": start.message_id}
        self._tell({**(start.message_metadata or {}), **self._metadata})

    def _tell(self, metadata: c.JSON | None) -> None:
        """What the backend tells of its message, but for another id of it."""
        if metadata:
            self._parts.add(c.MessageMetadata({**metadata, **self._metadata}))

    def _note_finish(self, finish: c.Finish, reason: Any) -> None:
        """Metadata is shown at once: another stream that is merged into this one may go on."""
        self._tell(finish.message_metadata)
        self._ending, self._reason = finish, text(reason)

    def _outcome(self) -> c.JSON:
        told = super()._outcome()
        if told and self._failure is not None and isinstance(self._ending, c.Finish):
            told["finishReason"] = self._ending.finish_reason
        return told

    def _fail(self, told: Any) -> None:
        """The first error counts, and what comes after it is read all the same."""
        if self._failure is None:
            self._failure = at(told, "errorText") or told

    def _end(self) -> None:
        if self._failure is not None:
            super()._fail(self._failure)
        elif isinstance(self._ending, c.Finish):
            self._finish(self._ending.finish_reason)
        elif self._ending is not None:
            self._parts.add(self._ending)
            self._over = True
