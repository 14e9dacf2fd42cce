"""Responses, incoming: the events of a stream -> chunks.

The terminal mark is `response.completed`, `.incomplete` or `.cancelled`; an `error` event and
`response.failed` tell of the same failure.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import UNREADABLE, at, text
from chatkit.providers.responses import items
from chatkit.providers.responses.answer import Answer, Index
from chatkit.providers.responses.events import decode_delta
from chatkit.providers.stream import EventStream

_REASONS: dict[str, c.FinishReason] = {
    "completed": "stop",
    "max_output_tokens": "length",
    "content_filter": "content-filter",
    "cancelled": "interrupted",
}


class ResponsesDecoder(EventStream):
    """One stream of Responses. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._answer = Answer(provider, self._parts)

    # -- events --

    def _take_at_once(self, data: bytes) -> bool:
        """More of the text that is open, as nearly all events are."""
        if self._parts.kind != "text":
            return False
        try:
            more = decode_delta(data)
        except UNREADABLE:
            return False
        if (more.output_index, more.content_index) != self._answer.at:
            return False
        self._parts.text(more.delta)
        return True

    def _is_error(self, told: c.JSON) -> bool:
        """An event may tell of an error that is not the answer's: of a tool's."""
        return not str(told.get("type")).startswith("response.") and super()._is_error(told)

    def _take(self, told: c.JSON) -> None:
        index, answer, delta = _index(told), self._answer, told.get("delta")
        match told.get("type"):
            case "response.output_text.delta":
                answer.say("text", (index, told.get("content_index")), delta)
            case "response.refusal.delta":
                answer.say("refusal", (index, told.get("content_index")), delta)
            case "response.reasoning_summary_text.delta":
                answer.say("reasoning", (index, ("summary", told.get("summary_index"))), delta)
            case "response.reasoning_text.delta":
                answer.say("reasoning", (index, ("content", told.get("content_index"))), delta)
            case (
                "response.function_call_arguments.delta"
                | "response.custom_tool_call_input.delta"
                | "response.code_interpreter_call_code.delta"
                | "response.mcp_call_arguments.delta"
            ):
                answer.extend_call(index, delta)
            case "response.output_text.annotation.added":
                answer.cite(told.get("annotation"))
            case "response.output_item.added" if isinstance(told.get("item"), dict):
                answer.open(index, told["item"])
            case "response.output_item.done" if isinstance(told.get("item"), dict):
                answer.close(index, told["item"])
            case str(kind):
                self._take_response(kind, told.get("response"))

    def _take_response(self, kind: str, told: Any) -> None:
        """An event that is about the answer as a whole."""
        response = told if isinstance(told, dict) else {}
        match kind.removeprefix("response."):
            case "created" | "queued" | "in_progress":
                self._describe(response.get("model"), response.get("id"))
            case "completed" | "incomplete" | "cancelled" as status:
                self._complete(status, response)
            case "failed":
                self._know(response)
                self._fail({"error": response.get("error")})

    def _is_answer(self, told: c.JSON) -> bool:
        return isinstance(told.get("output"), list)

    def _take_whole(self, answer: c.JSON) -> None:
        """An answer that is asked for may be any: one that is still written has no end yet."""
        match text(answer.get("status")):
            case "queued" | "in_progress":
                self._describe(answer.get("model"), answer.get("id"))
            case "failed":
                self._take_response("failed", answer)
            case status:
                self._complete(status, answer)

    # -- the answer as a whole --

    def _know(self, response: c.JSON) -> None:
        """Some tell their model at the end only."""
        self._describe(response.get("model"), response.get("id"))
        self._usage = items.usage(response.get("usage"))
        cost = at(response, "usage", "cost")  # OpenRouter's
        self._cost = float(cost) if isinstance(cost, int | float) else None

    def _complete(self, status: str, response: c.JSON) -> None:
        self._know(response)
        self._answer.finish(response.get("output"))
        self._reason = status
        why = text(at(response, "incomplete_details", "reason")) or status
        reason = _REASONS.get(why, "other")
        if self._answer.is_refused:
            reason = "content-filter"
        elif reason == "stop" and self._answer.has_calls:
            reason = "tool-calls"
        self._finish(reason)


def _index(told: c.JSON) -> Index:
    """What the item of an event is known by."""
    index = told.get("output_index")
    if isinstance(index, int):
        return index
    ids = (told.get("item_id"), at(told, "item", "id"), at(told, "item", "call_id"))
    return next(filter(None, map(text, ids)), None)
