"""The output items of a Responses answer: what is shown of each, and what is kept to go back.

A part of a message keeps under its provider's name the fields of its item that it does not show
itself, so that the item can be made again for the next request.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator
from typing import Any

from chatkit import chunks as c
from chatkit.chunks import JSON
from chatkit.messages import mended
from chatkit.providers.lenient import at, counts, objects, text, whole
from chatkit.providers.refusals import words

_CALLS = ("function_call", "custom_tool_call")
_NAMES = ("id", "type", "status")
_RESULTS = ("output", "outputs", "result", "results", "tools", "error")


def kind(item: JSON) -> str:
    """Its type: `message`, `reasoning`, `function_call`, `web_search_call`, …"""
    return text(item.get("type"))


def tool_name(item: JSON) -> str:
    """What the tool is called that it calls."""
    if kind(item) in _CALLS:
        return text(item.get("name"))
    return kind(item).removesuffix("_call")


def call_id(item: JSON, index: Any) -> str:
    """The id that its result is to name; a tool that the provider runs has only the item's own."""
    own = text(item.get("call_id")) if kind(item) in _CALLS else ""
    return own or text(item.get("id")) or f"call_{index}"


def without(item: JSON, *names: str) -> JSON:
    """The item but for these fields, fit to be stored."""
    fields: JSON = whole({name: value for name, value in item.items() if name not in names})
    return fields


def texts(item: JSON) -> Iterator[tuple[str, str]]:
    """The type and text of each piece that a message or a reasoning item holds."""
    for field in ("summary", "content"):
        for piece in objects(item.get(field)):
            match piece:
                case {"type": "refusal", "refusal": str(said)} if said:
                    yield "refusal", said
                case {"type": str(sort), "text": str(said)} if said:
                    yield sort, said


def cited(item: JSON) -> Iterator[Any]:
    """What the texts of a message cite."""
    for piece in objects(item.get("content")):
        yield from objects(piece.get("annotations"))


def source(annotation: Any, provider: str) -> c.SourceUrl | c.SourceDocument | None:
    """The page or the file that an annotation cites."""
    match annotation:
        case {"type": "url_citation", "url": str(url), **more}:
            return c.SourceUrl(mended(url), mended(url), text(more.get("title")) or None)
        case {"file_id": str(file_id), **more}:
            filename = text(more.get("filename"))
            media_type = mimetypes.guess_type(filename)[0] or "application/octet-stream"
            kept = {provider: {"annotation": whole(annotation)}}
            title = filename or mended(file_id)
            return c.SourceDocument(mended(file_id), media_type, title, filename or None, kept)
    return None


def hosted(item: JSON, call_id: str, provider: str) -> Iterator[c.Chunk]:
    """A call that the provider ran itself: its answer comes with it."""
    given, found = without(item, *_NAMES, *_RESULTS), _found(item)
    picture = _picture(item, provider)
    failed = item.get("status") == "failed" or bool(found.get("error"))
    hidden = without(item, *given, *(() if failed else found))
    yield c.ToolInputAvailable(
        call_id,
        tool_name(item),
        given,
        provider_executed=True,
        provider_metadata=None if picture else {provider: {"item": hidden}},
    )
    if failed:
        why = words(found)[0] or f"{provider} gave no reason"
        yield c.ToolOutputError(call_id, why, provider_executed=True)
    else:
        yield c.ToolOutputAvailable(call_id, found, provider_executed=True)
    if picture:
        yield picture


def question(item: JSON, call_id: str) -> Iterator[c.Chunk]:
    """A tool of an MCP server that the provider runs only with the user's leave."""
    given = without(item, *_NAMES)
    yield c.ToolInputAvailable(call_id, "mcp", given, provider_executed=True)
    yield c.ToolApprovalRequest(call_id, call_id)


def _found(item: JSON) -> JSON:
    """What came of a call; an image is a part of its own."""
    is_picture = kind(item) == "image_generation_call"
    named = (name for name in _RESULTS if name in item and not (is_picture and name == "result"))
    found: JSON = whole({name: item[name] for name in named})
    return found


def _picture(item: JSON, provider: str) -> c.File | None:
    """The image that an item holds; its item goes back with it."""
    data = text(item.get("result"))
    if kind(item) != "image_generation_call" or not data:
        return None
    media_type = f"image/{text(item.get('output_format')) or 'png'}"
    kept = {provider: {"item": without(item, "result")}}
    return c.File(f"data:{media_type};base64,{data}", media_type, kept)


def usage(told: Any) -> dict[str, int]:
    """The counts as a message keeps them."""
    return counts(
        inputTokens=at(told, "input_tokens"),
        outputTokens=at(told, "output_tokens"),
        reasoningTokens=at(told, "output_tokens_details", "reasoning_tokens"),
        cachedInputTokens=at(told, "input_tokens_details", "cached_tokens"),
    )
