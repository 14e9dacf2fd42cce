"""What the fields of an Interactions event say: why it ended, what it cost, what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit.chunks import JSON, FinishReason
from chatkit.providers.gemini.decoder import first, sums

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
    holders = (event, event.get("interaction"), event.get("metadata"))
    for holder in holders:
        for name in ("usage", "total_usage"):
            told = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(told, dict) and (counts := _counts(told)):
                return counts
    return {}


def _counts(told: JSON) -> JSON:
    thoughts = told.get("total_thought_tokens")
    counts = {
        "inputTokens": sums(told.get("total_input_tokens"), told.get("total_tool_use_tokens")),
        "outputTokens": sums(told.get("total_output_tokens"), thoughts),
        "reasoningTokens": sums(thoughts),
        "cachedInputTokens": sums(told.get("total_cached_tokens")),
    }
    return {name: count for name, count in counts.items() if count is not None}


def cited(annotations: Any) -> Iterator[tuple[str, str]]:
    """The address and title of each page, file and place that a text cites."""
    for told in _objects(annotations):
        yield first(told, "url", "document_uri"), first(told, "title", "file_name", "name")


def found(result: Any) -> Iterator[tuple[str, str]]:
    """The pages and places that a tool of Google's found."""
    for told in _objects(result):
        for each in (told, *_objects(told.get("places"))):
            if each.get("url") and each.get("status", "success") == "success":
                yield from cited([each])


def _objects(values: Any) -> list[JSON]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []
