"""The content of a message that was given to a model, in the words of any of them, as parts."""

from __future__ import annotations

import base64
import mimetypes
from collections.abc import Iterator
from typing import Any

from chatkit import messages as m
from chatkit.errors import MessageError
from chatkit.imports.reading import at

_TEXTS = ("text", "input_text", "output_text")


def content_parts(content: Any) -> tuple[m.Part, ...]:
    """The parts of text or of a list of blocks; a block not known is kept as it came.

    Raises MessageError, which names the block.
    """
    if isinstance(content, str):
        return (m.TextPart(content),) if content else ()
    if not isinstance(content, list):
        raise MessageError(f".content: it is text or a list of parts, not {content!r:.80}")
    return tuple(_numbered(content))


def texts(content: list[Any]) -> str | None:
    """The text of blocks that are nothing else, None where one is."""
    said = []
    for block in content:
        match block:
            case {"type": str(kind), "text": str(text)} if kind in _TEXTS:
                said.append(text)
            case _:
                return None
    return "\n".join(said)


def file_part(block: m.JSON) -> m.FilePart | None:
    """The file that a block holds or points at, None where it says neither."""
    match block:
        case {"type": "image_url", "image_url": {"url": str(url)} | str(url)}:
            return _file(url, "image/*")
        case {"type": "input_image", "image_url": str(url)}:
            return _file(url, "image/*")
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": str(kind)}}:
            media_type = {"mp3": "audio/mpeg"}.get(kind, f"audio/{kind}")
            return _file(data, media_type)
        case {"type": "file", "file": {"file_data": str(data), **more}}:
            return _file(data, "", more.get("filename"))
        case {"type": "input_file", "file_data": str(data), **more}:
            return _file(data, "", more.get("filename"))
        case {"type": "input_file", "file_url": str(url), **more}:
            return _file(url, "", more.get("filename"))
        case {"type": "image" | "document", "source": dict(source), **more}:
            return _sourced(source, more.get("title"))
        case {"type": "image", "image": str(data)}:
            return _file(data, _media_type(block) or "image/*")
        case {"type": "file", "data": str(data)} | {"type": "file", "url": str(data)}:
            part = _file(data, _media_type(block), block.get("filename") or block.get("name"))
            return m.FilePart(
                part.media_type, part.url, part.filename, provider_metadata=own(block)
            )
    return None


def own(block: m.JSON) -> m.JSON | None:
    """What the AI SDK keeps with a part for its provider."""
    told = block.get("providerOptions") or block.get("providerMetadata")
    return told if isinstance(told, dict) else None


def _numbered(content: list[Any]) -> Iterator[m.Part]:
    for place, block in enumerate(content):
        with at(f".content[{place}]"):
            yield _part(block)


def _part(block: Any) -> m.Part:
    match block:
        case {"type": str(kind), "text": str(text)} if kind in _TEXTS:
            return m.TextPart(text, provider_metadata=own(block))
        case {"type": str()}:
            return file_part(block) or m.UnknownPart(block)
        case str():
            return m.TextPart(block)
    raise MessageError(f"a part is an object with a type, not {block!r:.80}")


def _sourced(source: m.JSON, title: Any) -> m.FilePart | None:
    """Anthropic's images and documents."""
    match source:
        case {"type": "base64", "media_type": str(kind), "data": str(data)}:
            return _file(data, kind, title)
        case {"type": "url", "url": str(url)}:
            return _file(url, "image/*" if title is None else "application/pdf", title)
        case {"type": "text", "data": str(text)}:
            return _file(base64.b64encode(text.encode()).decode(), "text/plain", title)
    return None


def _file(address: str, media_type: str, name: Any = None) -> m.FilePart:
    """A file by its address, or of base64; the address says best of what type it is."""
    filename = name if isinstance(name, str) else None
    if address.startswith("data:"):
        kind = address[5:].partition(",")[0].partition(";")[0] or media_type
        kind = kind or mimetypes.guess_type(filename or "")[0] or "text/plain"
        return m.FilePart(kind, address, filename)
    if address.startswith(("http://", "https://")):
        guessed = mimetypes.guess_type(filename or address.partition("?")[0])[0]
        kind = media_type if media_type and "*" not in media_type else guessed or media_type
        return m.FilePart(kind or "application/octet-stream", address, filename)
    kind = media_type or mimetypes.guess_type(filename or "")[0] or "application/octet-stream"
    kind = "image/png" if kind == "image/*" else kind
    return m.FilePart(kind, f"data:{kind};base64,{address}", filename)


def _media_type(block: m.JSON) -> str:
    """The media type as the AI SDK says it, now and before version 5."""
    return str(block.get("mediaType") or block.get("mimeType") or "")
