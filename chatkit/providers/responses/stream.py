"""Responses, incoming: the bytes of a stream -> chunks.

The terminal mark is `response.completed`, `.incomplete` or `.cancelled`; an `error` event and
`response.failed` tell of the same failure.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import json_object
from chatkit.providers.refusals import failure
from chatkit.providers.responses import items
from chatkit.providers.responses.answer import Answer, Index
from chatkit.providers.responses.events import UNREADABLE, Event, convert, decode

_REASONS: dict[str, c.FinishReason] = {
    "completed": "stop",
    "max_output_tokens": "length",
    "content_filter": "content-filter",
    "cancelled": "interrupted",
}


class ResponsesDecoder:
    """One stream of Responses. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._answer = Answer(provider)
        self._parts = self._answer.parts
        self._metadata: c.JSON = {}  # what is known of the answer as a whole

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        parts, answer = self._parts, self._answer
        for event in self._events.feed(data):
            try:
                seen = decode(event.data)
            except UNREADABLE:
                self._read_odd(event)
                continue
            if (  # more of the text that is open, as nearly all are
                seen.type == "response.output_text.delta"
                and parts.kind == "text"
                and (seen.output_index, seen.content_index) == answer.at
                and type(seen.delta) is str
            ):
                parts.text(seen.delta)
            else:
                self._take(seen, event.event)
        return parts.take()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        for event in self._events.close():
            self._read_odd(event, is_last=True)
        if not self._is_over:
            self._read_stray(self._events.stray)
        return self._parts.take()

    @property
    def _is_over(self) -> bool:
        return self.finished or self.error is not None

    def _read_odd(self, event: sse.Event, *, is_last: bool = False) -> None:
        """An event that may not be as documented: odd JSON, `[DONE]`, none at all."""
        if value := json_object(event.data):
            self._take(convert(value), event.event)
        elif self._is_over:
            return
        elif event.event == "error":
            self._fail(event.data.decode("utf-8", "replace"))
        elif event.data.startswith(b"{") and not is_last:
            self._fail(f"it sent an event that is not JSON: {event.data[:80]!r}")

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, a whole answer, a proxy's page."""
        values = [value for value in map(json_object, (stray, *stray.splitlines())) if value]
        errors = [value for value in values if value.get("error")]
        if errors:
            self._fail(errors[0])
        elif self._answer.has_begun or self._metadata:
            return
        elif values and isinstance(values[0].get("output"), list):
            self._end(values[0].get("status"), values[0])
        elif stray.strip():
            self._fail(values[0] if values else f"it sent no stream but {stray.strip()[:200]!r}")

    def _take(self, seen: Event, name: str | None) -> None:
        if self._is_over:
            return
        try:
            self._take_part(seen, name)
        except RecursionError:  # it could be read, but not be written again
            self._fail("it sent an event that is nested too deeply")

    def _take_part(self, seen: Event, name: str | None) -> None:
        """An event that is about one item of the answer."""
        index, answer = _index(seen), self._answer
        match seen.type:
            case "response.output_text.delta":
                answer.say("text", (index, seen.content_index), seen.delta)
            case "response.refusal.delta":
                answer.say("refusal", (index, seen.content_index), seen.delta)
            case "response.reasoning_summary_text.delta":
                answer.say("reasoning", (index, ("summary", seen.summary_index)), seen.delta)
            case "response.reasoning_text.delta":
                answer.say("reasoning", (index, ("content", seen.content_index)), seen.delta)
            case (
                "response.function_call_arguments.delta"
                | "response.custom_tool_call_input.delta"
                | "response.code_interpreter_call_code.delta"
                | "response.mcp_call_arguments.delta"
            ):
                answer.extend_call(index, seen.delta)
            case "response.output_text.annotation.added":
                answer.cite(seen.annotation)
            case "response.output_item.added" if isinstance(seen.item, dict):
                answer.open(index, seen.item)
            case "response.output_item.done" if isinstance(seen.item, dict):
                answer.close(index, seen.item)
            case _:
                self._take_whole(seen, name)

    def _take_whole(self, seen: Event, name: str | None) -> None:
        """An event that is about the answer as a whole."""
        response = seen.response if isinstance(seen.response, dict) else {}
        match seen.type:
            case "response.created" | "response.queued" | "response.in_progress":
                self._describe(response)
            case "response.completed" | "response.incomplete" | "response.cancelled":
                self._end(seen.type.removeprefix("response."), response)
            case "response.failed":
                self._describe(response)
                if outcome := items.outcome(response):
                    self._parts.add(c.MessageMetadata(outcome))
                self._fail({"error": response.get("error")})
            case str(kind) if kind != "error" and name != "error":
                return  # progress of a tool, the repetition of a text, a keepalive, the unknown
            case _ if seen.type or name == "error" or seen.error or seen.message:
                self._fail({"error": seen.error, "code": seen.code, "message": seen.message})

    def _describe(self, response: c.JSON) -> None:
        named = {"responseModel": response.get("model"), "responseId": response.get("id")}
        told = {key: items.text(value) for key, value in named.items() if value}
        if told.keys() - self._metadata.keys():  # some tell their model at the end only
            self._metadata = {**told, **self._metadata}
            self._parts.add(c.MessageMetadata(self._metadata))

    def _fail(self, told: Any) -> None:
        self.error = failure(self._provider, told, self._hide)
        self._parts.add(c.Error(self.error.message))
        self._parts.abandon()

    def _end(self, status: Any, response: c.JSON) -> None:
        self._describe(response)
        self._answer.finish(response.get("output"))
        details = response.get("incomplete_details")
        why = items.text(details.get("reason")) if isinstance(details, dict) else ""
        reason = _REASONS.get(why or items.text(status), "other")
        if self._answer.is_refused:
            reason = "content-filter"
        elif reason == "stop" and self._answer.has_calls:
            reason = "tool-calls"
        outcome = {**items.outcome(response), "rawFinishReason": items.text(status)}
        self._parts.add(c.Finish(reason, outcome))
        self.finished = True


def _index(seen: Event) -> Index:
    """What the item of an event is known by."""
    if isinstance(seen.output_index, int):
        return seen.output_index
    item = seen.item if isinstance(seen.item, dict) else {}
    ids = (seen.item_id, item.get("id"), item.get("call_id"))
    return next((id for id in ids if isinstance(id, str) and id), None)
