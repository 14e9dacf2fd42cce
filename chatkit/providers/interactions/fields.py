"""What the fields of an Interactions event say: why it ended, what it cost, what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit.chunks import JSON, FinishReason
from chatkit.providers.lenient import at, counts, first, objects, total

_REASONS: dict[str, FinishReason] = {
    "completed": "stop",
    "requires_action": "tool-calls",
    "incomplete": "length",
    "budget_exceeded": "length",
}


def finish_reason(status: str, *, has_calls: bool) -> FinishReason:
    """The status in chatkit's words; some answers that call functions are just completed."""
    reason = _REASONS.get(status, "other")
    return "tool-calls" if has_calls and reason == "stop" else reason


def usage(event: JSON) -> JSON:
    """The counts of an event as a message keeps them, wherever it says them."""
    for holder in (event, event.get("interaction"), event.get("metadata")):
        for name in ("usage", "total_usage"):
            if found := _counts(at(holder, name)):
                return found
    return {}


def _counts(told: Any) -> JSON:
    thoughts = at(told, "total_thought_tokens")
    return counts(
        inputTokens=total(at(told, "total_input_tokens"), at(told, "total_tool_use_tokens")),
        outputTokens=total(at(told, "total_output_tokens"), thoughts),
        reasoningTokens=thoughts,
        cachedInputTokens=at(told, "total_cached_tokens"),
    )


def cited(annotations: Any) -> Iterator[tuple[str, str]]:
    """The address and title of each page, file and place that a text cites."""
    for told in objects(annotations):
        yield first(told, "url", "document_uri"), first(told, "title", "file_name", "name")


def found(result: Any) -> Iterator[tuple[str, str]]:
    """The pages and places that a tool of Google's found."""
    for told in objects(result):
        for each in (told, *objects(told.get("places"))):
            if each.get("url") and each.get("status", "success") == "success":
                yield from cited([each])
