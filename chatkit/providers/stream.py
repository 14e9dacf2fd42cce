"""What all incoming streams have in common: events that are JSON, errors in any form, one end.

What an event says, and what is the last of them, is known to each dialect alone.
"""

from __future__ import annotations

import zlib
from abc import ABC, abstractmethod
from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import json_objects, text
from chatkit.providers.parts import Parts
from chatkit.providers.refusals import failure, words

_TOO_DEEP = "it sent an event that is nested too deeply"  # it can be read, but not written again


class EventStream(ABC):
    """One stream of bytes as it becomes chunks. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._parts = Parts()
        self._over = False  # nothing more is read
        self._seen = 0  # a checksum of the events that were no mere deltas, 0 before the first
        self._metadata: c.JSON = {}  # what the answer is known by
        self._usage: c.JSON = {}  # as a message keeps it
        self._cost: float | None = None  # in US dollars, where the provider says it
        self._reason = ""  # why the answer ended, in the provider's words

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        for event in self._events.feed(data):
            try:
                if not self._take_at_once(event.data):
                    self._read(event)
            except RecursionError:
                self._fail(_TOO_DEEP)
        return self._parts.take()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        try:
            for event in self._events.close():
                if not self._take_at_once(event.data):
                    self._read(event, is_last=True)
            if not self._over:
                self._read_stray(self._events.stray)
            if not self._over:
                self._end()
        except RecursionError:
            self._fail(_TOO_DEEP)
        return self._parts.take()

    # -- what a dialect says --

    def _take_at_once(self, data: bytes) -> bool:
        """Take the event if its bytes are of a shape that is known; else it is read as JSON."""
        return False

    @abstractmethod
    def _take(self, told: c.JSON) -> None:
        """An event, which is no error."""

    def _is_answer(self, told: c.JSON) -> bool:
        """Whether an object is an answer that was not streamed."""
        return False

    def _take_whole(self, answer: c.JSON) -> None:
        """Such an answer; in most dialects it is like an event."""
        self._take(answer)

    def _is_error(self, told: c.JSON) -> bool:
        """Whether an object tells of an error; of no kind at all, whether it has a message."""
        kinds = (told.get("type"), told.get("event_type"), told.get("object"))
        if told.get("error") or "error" in kinds:
            return True
        return not any(kinds) and bool(words(told)[0])

    def _outcome(self) -> c.JSON:
        """What is known of the answer's end."""
        told = {
            "usage": self._usage or None,
            "cost": self._cost,
            "rawFinishReason": self._reason or None,
        }
        return {name: value for name, value in told.items() if value is not None}

    def _end(self) -> None:
        """The body is over, and nothing in it was an end or an error."""
        self._sum_up()

    # -- what comes --

    def _read(self, event: sse.Event, *, is_last: bool = False) -> None:
        """An event; the last one may have been cut off."""
        if self._over:
            return
        told = json_objects(event.data)
        if event.event == "error":
            return self._fail(told[0] if told else event.data.decode("utf-8", "replace"))
        if told:
            self._note(event.data)
        elif event.data.startswith(b"{") and not is_last:
            return self._fail(f"it sent an event that is not JSON: {event.data[:80]!r}")
        for each in told:
            if self._over:
                return
            if self._is_error(each):
                self._fail(each)
            else:
                self._take(each)

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, a whole answer, a proxy's page."""
        told = json_objects(stray) or [
            each for line in stray.splitlines() for each in json_objects(line)
        ]
        errors = [each for each in told if self._is_error(each)]
        if errors:
            self._fail(errors[0])
        elif self._seen or not stray.strip():
            return
        elif any(self._is_answer(each) for each in told):
            self._note(stray)
            for each in told:
                if not self._over:
                    self._take_whole(each)
        else:
            self._fail(f"it sent no stream but {stray.strip()[:200]!r}")

    # -- the answer as a whole --

    def _note(self, data: bytes) -> None:
        self._seen = zlib.crc32(data, self._seen)

    @property
    def _scope(self) -> str:
        """What makes an id unique that has to be made up; not every answer has one itself."""
        return self._metadata.get("responseId") or f"{self._seen:08x}"

    def _describe(self, model: Any, response_id: Any) -> None:
        """Tell once what the answer is known by; some say it with every event."""
        if len(self._metadata) == 2:
            return
        told = {"responseModel": text(model), "responseId": text(response_id)}
        known = {name: value for name, value in told.items() if value} | self._metadata
        if known != self._metadata:
            self._metadata = known
            self._parts.add(c.MessageMetadata(known))

    def _sum_up(self) -> None:
        """What is known of an answer that did not finish."""
        if outcome := self._outcome():
            self._parts.add(c.MessageMetadata(outcome))

    def _fail(self, told: Any) -> None:
        self.error = failure(self._provider, told, self._hide)
        self._over = True
        self._sum_up()
        self._parts.add(c.Error(self.error.message))
        self._parts.abandon()

    def _finish(self, reason: c.FinishReason | None) -> None:
        self._parts.add(c.Finish(reason, self._outcome() or None))
        self.finished = self._over = True
