"""What the fields of a Messages event say, in chatkit's words."""

from __future__ import annotations

from typing import Any

from chatkit.chunks import JSON, FinishReason, SourceDocument, SourceUrl
from chatkit.providers.lenient import at, counts, objects, text, total

_REASONS: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool-calls",
    "refusal": "content-filter",
}
_MEDIA_TYPES = {"page_location": "application/pdf"}  # of a citation; the others are of text


def finish_reason(raw: str, *, has_calls: bool) -> FinishReason:
    """The reason in chatkit's words; some servers never say it, or call every end one."""
    reason = _REASONS.get(raw, "other")
    return "tool-calls" if has_calls and (reason == "stop" or not raw) else reason


def usage(told: JSON) -> dict[str, int]:
    """The counts as a message keeps them; what is not said is not there.

    `input_tokens` counts neither what was read from the cache nor what was written to it.
    """
    read, written = told.get("cache_read_input_tokens"), told.get("cache_creation_input_tokens")
    fresh = told.get("input_tokens")
    return counts(
        inputTokens=total(fresh, read, written) if type(fresh) is int else None,
        outputTokens=told.get("output_tokens"),
        reasoningTokens=at(told, "output_tokens_details", "thinking_tokens"),
        cachedInputTokens=read,
        cacheWriteTokens=written,
    )


def source(number: int, citation: JSON, metadata: JSON) -> SourceUrl | SourceDocument:
    """What a citation rests on: a page, or a document of the conversation."""
    source_id = f"source-{number}"
    address = citation.get("url") or citation.get("source")
    title = text(citation.get("title") or citation.get("document_title"))
    if isinstance(address, str) and address.startswith(("http://", "https://")):
        return SourceUrl(source_id, address, title or None, metadata)
    place = citation.get("document_index")
    named = f"Document {place + 1}" if isinstance(place, int) else "Document"
    kind = _MEDIA_TYPES.get(str(citation.get("type")), "text/plain")
    return SourceDocument(source_id, kind, title or named, provider_metadata=metadata)


def failure_of(result: JSON) -> str | None:
    """Why a tool that the provider runs gave no output; None where it gave one."""
    content = result.get("content")
    match content:
        case {"type": str(kind), **more} if kind.endswith("_error"):
            return str(more.get("error_code") or more.get("error_message") or kind)
    if result.get("is_error") is True:
        return _texts(content) or "It failed, and did not say why."
    return None


def _texts(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(filter(None, (text(block.get("text")) for block in objects(content))))
