"""The AI SDK's UI message stream, incoming: the bytes of a stream -> chunks.

The events are chunks already; what is not understood in them is passed over. A backend may merge
several streams into one and go on after an `error`, a `finish` or an `abort`, so that each of
these waits for `[DONE]` or the end of the body, and is given out once, as the last.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError, StreamFailed
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.refusals import failure, words
from chatkit.providers.ui.events import chunk_of, json_object

_DELTAS = {
    "text-delta": ("id", "delta"),
    "reasoning-delta": ("id", "delta"),
    "tool-input-delta": ("toolCallId", "inputTextDelta"),
}


class UIDecoder:
    """One UI message stream. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._chunks: list[c.Chunk] = []
        self._halves: dict[tuple[str, str], str] = {}  # of characters, by kind and id of delta
        self._begun = False  # an event came that could be read
        self._id: c.JSON = {}  # of the message, as metadata
        self._over = False
        self._failure: StreamFailed | None = None  # the first error
        self._ending: c.Finish | c.Abort | None = None  # the last that came

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        for event in self._events.feed(data):
            self._read(event)
        return self._take_chunks()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        for event in self._events.close():
            self._read(event, is_last=True)
        if not self._over:
            self._read_stray(self._events.stray)
            self._end()
        return self._take_chunks()

    def _take_chunks(self) -> list[c.Chunk]:
        taken, self._chunks = self._chunks, []
        return taken

    # -- events --

    def _read(self, event: sse.Event, *, is_last: bool = False) -> None:
        if self._over:
            return
        if event.data.startswith(b"[DONE]"):
            self._ending = self._ending or c.Finish()
            return self._end()
        value = json_object(event.data)
        if event.event == "error":
            self._fail(value or event.data.decode("utf-8", "replace"))
        elif value is not None:
            self._take(value)
        elif event.data.startswith(b"{") and not is_last:
            self._fail(f"it sent an event that is not JSON: {event.data[:80]!r}")

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, a proxy's page."""
        values = [value for value in map(json_object, (stray, *stray.splitlines())) if value]
        errors = [value for value in values if "error" in value]
        if not self._begun:
            errors += [value for value in values if words(value)[0]]
        if errors:
            self._fail(errors[0])
        elif not self._begun and stray.strip():
            self._fail(f"it sent no stream but {stray.strip()[:200]!r}")

    def _take(self, value: c.JSON) -> None:
        self._begun = True
        kind = str(value.get("type", ""))
        if kind == "error" or (not kind and "error" in value):
            return self._fail(value.get("errorText") or value)
        if kind in _DELTAS:
            value = self._with_whole_characters(kind, value)
        elif self._halves:
            self._close_half(value)
        match chunk_of(value):
            case c.Start() as start:
                self._start(start)
            case c.MessageMetadata() as told:
                self._describe(told.message_metadata)
            case c.Finish() as finish:
                self._finish(finish, value.get("finishReason"))
            case c.Abort() as abort:
                self._ending = abort
            case None:
                pass
            case chunk:
                self._chunks.append(chunk)

    # -- halves of characters --

    def _with_whole_characters(self, kind: str, value: c.JSON) -> c.JSON:
        """The delta without the first half of a character at its end, which is kept back."""
        id_name, name = _DELTAS[kind]
        key, text = (kind, str(value.get(id_name))), value.get(name)
        if not isinstance(text, str):
            return value
        text = self._halves.pop(key, "") + text
        if "\ud800" <= text[-1:] <= "\udbff":
            self._halves[key], text = text[-1], text[:-1]
        return {**value, name: mended(text)}

    def _close_half(self, value: c.JSON) -> None:
        """A part that ends has no other half to come."""
        kind = str(value.get("type", "")).replace("-end", "-delta")
        if self._halves.pop((kind, str(value.get("id"))), ""):
            self._take({"type": kind, "id": value.get("id"), "delta": "\ufffd"})

    # -- the answer as a whole --

    def _start(self, start: c.Start) -> None:
        """The message has chatkit's id; the backend's own is kept for the next request."""
        if start.message_id:
            self._id = {"responseId": start.message_id}
        self._describe({**(start.message_metadata or {}), **self._id})

    def _describe(self, metadata: c.JSON | None) -> None:
        """What the backend tells of its message, but for another id of it."""
        if metadata:
            self._chunks.append(c.MessageMetadata({**metadata, **self._id}))

    def _finish(self, finish: c.Finish, reason: Any) -> None:
        """Metadata is shown at once: another stream that is merged into this one may go on."""
        self._describe(finish.message_metadata)
        told = {"rawFinishReason": reason} if isinstance(reason, str) else None
        self._ending = c.Finish(finish.finish_reason, told)

    def _fail(self, told: Any) -> None:
        if self._failure is None:
            self._failure = failure(self._provider, told, self._hide)

    def _end(self) -> None:
        ending, self._over = self._ending, True
        if self._failure is not None:
            self.error = self._failure
            if isinstance(ending, c.Finish) and ending.message_metadata:
                told = {"finishReason": ending.finish_reason, **ending.message_metadata}
                self._chunks.append(c.MessageMetadata(told))
            self._chunks.append(c.Error(self.error.message))
        elif ending is not None:
            self._chunks.append(ending)
            self.finished = isinstance(ending, c.Finish)
