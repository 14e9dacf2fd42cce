"""What the streams of Google's two dialects have in common: events that are JSON, errors in any
form, sources and sound, and what is known of the answer as a whole."""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import loads
from chatkit.providers.parts import Parts
from chatkit.providers.refusals import failure


class GoogleDecoder(ABC):
    """One stream. It never raises. A dialect says what an event and the end of all mean."""

    _known: frozenset[str]  # fields by which an answer that is not streamed is told

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._parts = Parts()
        self._begun = False  # an event came that could be read
        self._seen = 0  # a checksum of the events so far
        self._metadata: c.JSON = {}  # what is known of the answer as a whole
        self._reason = ""  # why it ended, in Google's words
        self._usage: c.JSON = {}
        self._sources: set[str] = set()
        self._audio: dict[str, list[str]] = {}  # pieces in base64 by media type

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        for event in self._events.feed(data):
            self._read(event.data)
        return self._parts.take()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        for event in self._events.close():
            self._read(event.data, is_last=True)
        if not self._is_over:
            self._read_stray(self._events.stray)
        if not self._is_over:
            self._end()
        return self._parts.take()

    @abstractmethod
    def _take(self, event: c.JSON) -> None:
        """An event, or a whole answer that is like one."""

    @abstractmethod
    def _end(self) -> None:
        """The body is over, and nothing in it was an error."""

    # -- events --

    @property
    def _is_over(self) -> bool:
        return self.finished or self.error is not None

    def _read(self, data: bytes, *, is_last: bool = False) -> None:
        if self._is_over or data.startswith(b"[DONE]"):
            return
        values = _objects(data)
        for value in values:
            self._read_object(value, data)
        if not values and data.startswith(b"{") and not is_last:
            self._fail(f"it sent an event that is not JSON: {data[:80]!r}")

    def _read_object(self, value: c.JSON, data: bytes) -> None:
        self._begun = True
        self._seen = zlib.crc32(data, self._seen)
        if self._is_over:
            return
        if value.get("error") or value.get("event_type") == "error":
            self._fail(value)
        else:
            self._take(value)

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, an answer not streamed, a page."""
        values = _objects(stray)
        each = [value for line in stray.splitlines() for value in _objects(line)]
        errors = [value for value in values + each if value.get("error")]
        if errors:
            self._fail(errors[0])
        elif not self._begun and any(self._known & value.keys() for value in values):
            for value in values:
                self._read_object(value, stray)
        elif not self._begun and stray.strip():
            self._fail(values[0] if values else f"it sent no stream but {stray.strip()[:200]!r}")

    # -- what both dialects say --

    @property
    def _scope(self) -> str:
        """What makes an id unique that has to be made up; not every answer has one itself."""
        return str(self._metadata.get("responseId", f"{self._seen:08x}"))

    def _describe(self, model: Any, response_id: Any) -> None:
        if self._metadata or not (isinstance(model, str) and model):
            return
        self._metadata["responseModel"] = mended(model)
        if isinstance(response_id, str) and response_id:
            self._metadata["responseId"] = mended(response_id)
        self._parts.add(c.MessageMetadata(dict(self._metadata)))

    def _state(self, **state: Any) -> c.JSON | None:
        """Provider metadata of what is given; it comes back with the part to the next request."""
        known = {name: value for name, value in state.items() if value}
        return {self._provider: known} if known else None

    def _cite(self, pages: Iterable[tuple[str, str]]) -> None:
        """Sources by address and title; without an address it is a document."""
        for url, title in pages:
            if (url or title) and (url or title) not in self._sources:
                source_id = f"source-{len(self._sources)}"
                self._sources.add(url or title)
                document = c.SourceDocument(source_id, "text/plain", title)
                self._parts.add(c.SourceUrl(source_id, url, title or None) if url else document)

    def _hear(self, kind: str, data: str) -> None:
        """A piece of sound; it becomes a file once all of it is there."""
        self._audio.setdefault(mended(kind), []).append(data)

    # -- the answer as a whole --

    def _outcome(self) -> c.JSON:
        outcome: c.JSON = {}
        if self._usage:
            outcome["usage"] = self._usage
        if self._reason:
            outcome["rawFinishReason"] = mended(self._reason)
        return outcome

    def _sum_up(self) -> None:
        """What is known of an answer that did not finish."""
        if outcome := self._outcome():
            self._parts.add(c.MessageMetadata(outcome))

    def _fail(self, told: Any) -> None:
        self.error = failure(self._provider, told, self._hide)
        self._sum_up()
        self._parts.add(c.Error(self.error.message))
        self._parts.abandon()

    def _finish(self, reason: c.FinishReason) -> None:
        for kind, pieces in self._audio.items():
            self._parts.add(c.File(f"data:{kind};base64,{_joined(pieces)}", kind))
        self._parts.add(c.Finish(reason, self._outcome() or None))
        self.finished = True


def text(value: Any) -> str:
    """The text without half characters, empty where it is none."""
    return mended(value) if isinstance(value, str) else ""


def first(told: c.JSON, *names: str) -> str:
    """The first text that is told under one of these names, empty where none is."""
    return next(filter(None, (text(told.get(name)) for name in names)), "")


def sums(*counts: Any) -> int | None:
    """The sum of the counts that are known, None where none is."""
    known = [count for count in counts if type(count) is int]
    return sum(known) if known else None


def _objects(data: bytes) -> list[c.JSON]:
    """The JSON object of these bytes, or the objects of its array."""
    try:
        value = loads(data)
    except ValueError:
        return []
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def _joined(pieces: list[str]) -> str:
    """One base64 text of several."""
    return b64encode(b"".join(map(_bytes, pieces))).decode()


def _bytes(piece: str) -> bytes:
    try:
        return b64decode(piece + "=" * (-len(piece) % 4))
    except ValueError:
        return b""
