"""What the fields of a generateContent event say: why it ended, what it cost, what it rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit.chunks import JSON, FinishReason
from chatkit.providers.lenient import at, counts, first, objects, text, total

_REASONS: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content-filter",
    "RECITATION": "content-filter",
    "LANGUAGE": "content-filter",
    "BLOCKLIST": "content-filter",
    "PROHIBITED_CONTENT": "content-filter",
    "SPII": "content-filter",
    "IMAGE_SAFETY": "content-filter",
    "IMAGE_PROHIBITED_CONTENT": "content-filter",
    "IMAGE_RECITATION": "content-filter",
    "MODEL_ARMOR": "content-filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
}


def finish_reason(raw: str, *, has_calls: bool) -> FinishReason:
    """The reason in chatkit's words; an answer that calls functions just stops."""
    reason = _REASONS.get(raw, "other")
    return "tool-calls" if has_calls and reason == "stop" else reason


def usage(told: Any) -> JSON:
    """The counts as a message keeps them."""
    thoughts = at(told, "thoughtsTokenCount")
    return counts(
        inputTokens=total(at(told, "promptTokenCount"), at(told, "toolUsePromptTokenCount")),
        outputTokens=total(at(told, "candidatesTokenCount"), thoughts),
        reasoningTokens=thoughts,
        cachedInputTokens=at(told, "cachedContentTokenCount"),
    )


def pages(candidate: JSON) -> Iterator[tuple[str, str]]:
    """The address and title of each page and document that the answer rests on."""
    for chunk in objects(at(candidate, "groundingMetadata", "groundingChunks")):
        for name in ("web", "retrievedContext", "maps", "image"):
            if isinstance(found := chunk.get(name), dict):
                yield _page(found)
    for name in ("citations", "citationSources"):
        yield from map(_page, objects(at(candidate, "citationMetadata", name)))
    for visit in objects(at(candidate, "urlContextMetadata", "urlMetadata")):
        if str(visit.get("urlRetrievalStatus", "SUCCESS")).endswith("SUCCESS"):
            yield text(visit.get("retrievedUrl")), ""


def _page(told: JSON) -> tuple[str, str]:
    title = first(told, "title", "documentName", "fileSearchStore")
    return first(told, "uri", "sourceUri"), title
