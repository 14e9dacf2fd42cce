"""What the fields of a Chat Completions event say, server by server."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

from chatkit.chunks import JSON, File, FinishReason
from chatkit.messages import mended
from chatkit.providers.lenient import at, counts, decoded, objects, text, whole

_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool-calls",
    "function_call": "tool-calls",
    "content_filter": "content-filter",
    "error": "error",
    "insufficient_system_resource": "error",
}
_TEXT_OF = {"reasoning.text": "text", "reasoning.summary": "summary"}


class Details:
    """Signed and encrypted reasoning, kept to be sent back; pieces of one text are joined."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._kept: list[JSON] = []

    def __bool__(self) -> bool:
        return bool(self._kept)

    def note(self, details: Any) -> str:
        """Keep them. Their text, to be shown where the server does not repeat it beside them."""
        told = ""
        for detail in objects(details):
            told += _piece(detail)
            self._keep(detail)
        return told

    def take(self) -> JSON | None:
        """The provider metadata of the part they belong to; they are kept no longer."""
        kept, self._kept = self._kept, []
        return {self._provider: {"reasoning_details": whole(kept)}} if kept else None

    def _keep(self, detail: JSON) -> None:
        last = self._kept[-1] if self._kept else {}
        name = _TEXT_OF.get(str(detail.get("type")))
        if name is None or any(last.get(key) != detail.get(key) for key in ("type", "index")):
            self._kept.append(dict(detail))
            return
        joined = _piece(last) + _piece(detail)
        last.update({key: value for key, value in detail.items() if value}, **{name: joined})


def _piece(detail: JSON) -> str:
    piece = detail.get(_TEXT_OF.get(str(detail.get("type")), ""))
    return piece if isinstance(piece, str) else ""


def pieces(content: Any) -> Iterator[tuple[str, str]]:
    """The kind and text of each of Mistral's typed parts: `text` or `thinking`."""
    for part in objects(content):
        match part:
            case {"type": "text", "text": str(said)} if said:
                yield "text", said
            case {"type": "thinking", "thinking": list(thoughts)}:
                for thought in thoughts:
                    match thought:
                        case {"text": str(said)} if said:
                            yield "thinking", said


def finish_reason(raw: str, *, has_calls: bool) -> FinishReason:
    """The reason in chatkit's words; a forced call ends with "stop", and some never say."""
    reason = _REASONS.get(raw, "other")
    return "tool-calls" if has_calls and (reason == "stop" or not raw) else reason


def usage(told: JSON) -> dict[str, int]:
    """The counts as a message keeps them."""
    cached = at(told, "prompt_tokens_details", "cached_tokens")
    return counts(
        inputTokens=told.get("prompt_tokens"),
        outputTokens=told.get("completion_tokens"),
        reasoningTokens=at(told, "completion_tokens_details", "reasoning_tokens"),
        cachedInputTokens=told.get("prompt_cache_hit_tokens") if cached is None else cached,
    )


def cost(told: JSON) -> float | None:
    """US dollars, where the provider says what it charges."""
    value = told.get("cost")
    value = value.get("total_cost") if isinstance(value, dict) else value
    return float(value) if isinstance(value, int | float) else None


def annotated(annotations: Any) -> Iterator[tuple[str, str]]:
    """The address and title of each page that `delta.annotations` cites."""
    for annotation in objects(annotations):
        match annotation:
            case {"url_citation": {"url": str(url), **more}}:
                yield mended(url), text(more.get("title"))


def citations(results: Any, addresses: Any) -> Iterator[tuple[str, str]]:
    """Perplexity's: addresses, and beside them search results of the same pages."""
    titles = {}
    for result in objects(results):
        match result:
            case {"url": str(url), **more}:
                titles[url] = text(more.get("title"))
    for url in addresses if isinstance(addresses, list) else titles:
        if isinstance(url, str):
            yield mended(url), titles.get(url, "")


def pictures(images: Any) -> Iterator[File]:
    """OpenRouter's images, which are `data:` addresses."""
    for image in objects(images):
        match image:
            case {"image_url": {"url": str(url)}}:
                kind = url.removeprefix("data:").partition(";")[0] if url[:5] == "data:" else ""
                yield File(mended(url), mended(kind) or "image/png")


def sound(pieces: list[str]) -> File:
    """Audio of its base64 pieces. Streams are of raw samples, whole answers of a file."""
    data = decoded(pieces)
    kind = "audio/wav" if data.startswith(b"RIFF") else "audio/pcm"
    return File(f"data:{kind};base64,{b64encode(data).decode()}", kind)
