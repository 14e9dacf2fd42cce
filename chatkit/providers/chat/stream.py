"""Chat Completions, incoming: the bytes of a stream -> chunks.

Every field is optional and may be of another type than documented: what is not understood is
passed over. Only choice 0 is the answer. The terminal mark is `[DONE]`, or a finish reason for
every choice once the body is over; until then no tool call is given out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError
from chatkit.messages import mended
from chatkit.providers.chat import fields
from chatkit.providers.chat.calls import Calls
from chatkit.providers.chat.events import (
    UNREADABLE,
    Choice,
    Delta,
    Event,
    convert,
    decode,
    decode_plain,
    json_object,
)
from chatkit.providers.dialect import Hide
from chatkit.providers.parts import Parts
from chatkit.providers.refusals import failure


class ChatDecoder:
    """One stream of Chat Completions. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._parts = Parts()
        self._calls = Calls(self._parts)
        self._begun = False  # an event came that could be read
        self._metadata: c.JSON = {}  # what is known of the answer as a whole
        self._reasons: dict[int, str] = {}  # by choice, empty until it is finished
        self._refused = False
        self._usage: c.JSON = {}
        self._details = fields.Details(provider)
        self._sources: set[str] = set()
        self._audio: list[str] = []

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        parts = self._parts
        for event in self._events.feed(data):
            if parts.kind == "text":
                try:
                    plain = decode_plain(event.data)
                except UNREADABLE:
                    self._read(event)
                else:
                    parts.text(plain.choices[0].delta.content)
            else:
                self._read(event)
        return parts.take()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        for event in self._events.close():
            self._read(event, is_last=True)
        if not self._is_over:
            self._read_stray(self._events.stray)
        if not self._is_over and self._reasons and all(self._reasons.values()):
            self._finish()
        elif not self._is_over:
            self._sum_up()
        return self._parts.take()

    @property
    def _is_over(self) -> bool:
        return self.finished or self.error is not None

    # -- events --

    def _read(self, event: sse.Event, *, is_last: bool = False) -> None:
        if self._is_over:
            return
        if event.event == "error":
            return self._fail(json_object(event.data) or event.data.decode("utf-8", "replace"))
        try:
            seen = decode(event.data)
        except UNREADABLE:
            self._read_odd(event.data, is_last=is_last)
        else:
            self._take(seen)

    def _read_odd(self, data: bytes, *, is_last: bool) -> None:
        """An event that is not as documented: the end, odd JSON, none at all."""
        if data.startswith(b"[DONE]"):
            self._finish()
        elif value := json_object(data):
            self._take(convert(value))
        elif data.startswith(b"{") and not is_last:
            self._fail(f"it sent an event that is not JSON: {data[:80]!r}")

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, a whole answer, a proxy's page."""
        values = [value for value in map(json_object, (stray, *stray.splitlines())) if value]
        errors = [value for value in values if "error" in value]
        if errors:
            self._fail(errors[0])
        elif not self._begun and values and "choices" in values[0]:
            self._take(convert(values[0]))
        elif not self._begun and stray.strip():
            self._fail(values[0] if values else f"it sent no stream but {stray.strip()[:200]!r}")

    def _take(self, seen: Event) -> None:
        self._begun = True
        if seen.error or (seen.choices is None and isinstance(seen.message, str)):
            return self._fail(seen.error or {"message": seen.message})
        if not self._metadata:
            self._describe(seen)
        for choice in seen.choices or ():
            self._take_choice(choice)
        if seen.usage is not None:
            self._count(seen.usage)
        if seen.x_groq is not None and isinstance(seen.x_groq, dict):
            self._count(seen.x_groq.get("usage"))
        if seen.search_results is not None or seen.citations is not None:
            self._cite(fields.citations(seen.search_results, seen.citations))

    def _take_choice(self, choice: Choice) -> None:
        if choice.index and isinstance(choice.index, int):
            return self._note_reason(choice.index, choice.finish_reason)
        delta = choice.delta
        if delta is None and not self._parts.begun:
            delta = choice.message  # of an answer that came whole
        if delta is not None:
            self._take_delta(delta)
        if choice.finish_reason is not None or not self._reasons:
            self._note_reason(0, choice.finish_reason)
        if choice.usage is not None:
            self._count(choice.usage)

    def _note_reason(self, choice: int, reason: Any) -> None:
        if isinstance(reason, str) and reason:
            self._reasons[choice] = reason
        elif choice not in self._reasons:
            self._reasons[choice] = ""

    # -- what a delta holds --

    def _take_delta(self, delta: Delta) -> None:
        self._think(delta)
        content = delta.content
        if type(content) is str and content:
            self._write(content)
        elif content:
            for kind, text in fields.pieces(content):
                (self._parts.reasoning if kind == "thinking" else self._write)(text)
        if delta.refusal and isinstance(delta.refusal, str):
            self._refused = True
            self._parts.refusal(delta.refusal, {self._provider: {"refusal": True}})
        if delta.tool_calls or delta.function_call:
            self._call(delta)
        if delta.annotations:
            self._cite(fields.annotated(delta.annotations))
        if delta.images:
            for file in fields.pictures(delta.images):
                self._parts.add(file)
        if delta.audio:
            self._hear(delta.audio)

    def _think(self, delta: Delta) -> None:
        """Reasoning goes by one of several names, and some tell it in details beside it."""
        details = delta.reasoning_details
        told = self._details.note(details) if details else ""
        thought = delta.reasoning_content or delta.reasoning or told
        if thought and isinstance(thought, str):
            self._parts.reasoning(thought)

    def _write(self, text: str) -> None:
        self._end_reasoning()
        self._parts.text(text)

    def _end_reasoning(self) -> None:
        if self._details and self._parts.kind == "reasoning":
            self._parts.end(self._details.take())

    def _call(self, delta: Delta) -> None:
        self._end_reasoning()
        calls = delta.tool_calls if isinstance(delta.tool_calls, list) else []
        if delta.function_call:
            calls = [*calls, {"index": 0, "function": delta.function_call}]  # the old form
        for call in calls:
            self._calls.take(call, self._scope)

    def _cite(self, pages: Iterator[tuple[str, str]]) -> None:
        for url, title in pages:
            if url not in self._sources:
                source_id = f"source-{len(self._sources)}"
                self._sources.add(url)
                self._parts.add(c.SourceUrl(source_id, url, title or None))

    def _hear(self, audio: Any) -> None:
        if isinstance(audio, dict):
            data, transcript = audio.get("data"), audio.get("transcript")
            if isinstance(data, str):
                self._audio.append(data)
            if transcript and isinstance(transcript, str):
                self._write(transcript)

    # -- the answer as a whole --

    @property
    def _scope(self) -> str:
        return str(self._metadata.get("responseId", ""))

    def _describe(self, seen: Event) -> None:
        if seen.model and isinstance(seen.model, str):
            self._metadata["responseModel"] = mended(seen.model)
            if seen.id and isinstance(seen.id, str):
                self._metadata["responseId"] = mended(seen.id)
            self._parts.add(c.MessageMetadata(dict(self._metadata)))

    def _count(self, usage: Any) -> None:
        """Counts are cumulative: the last that says something is right."""
        if isinstance(usage, dict) and fields.usage(usage):
            self._usage = usage

    def _outcome(self) -> c.JSON:
        outcome: c.JSON = {}
        if self._usage:
            outcome["usage"] = fields.usage(self._usage)
        if (cost := fields.cost(self._usage)) is not None:
            outcome["cost"] = cost
        if reason := self._reasons.get(0):
            outcome["rawFinishReason"] = mended(reason)
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

    def _finish(self) -> None:
        self._end_reasoning()
        details = self._details.take()
        self._parts.end(details if self._parts.kind == "text" else None)
        reason = fields.finish_reason(self._reasons.get(0), has_calls=bool(self._calls))
        closed = reason not in ("length", "content-filter", "error")
        self._calls.finish(self._scope, closed=closed, provider_metadata=details)
        if self._audio:
            self._parts.add(fields.sound(self._audio))
        reason = "content-filter" if self._refused else reason
        self._parts.add(c.Finish(reason, self._outcome() or None))
        self.finished = True
