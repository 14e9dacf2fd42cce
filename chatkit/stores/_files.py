"""Files in rows, told apart by their hash: cut out of what is stored, and put back when read.

Pure: any store can keep each file once, however many messages hold it. A row (or a segment)
with files is stored as an envelope,

    {"row": the row with its data: URLs cut short, "files": [[place of the part, SHA-256], …]}

which nothing else can be taken for: a row has an "id", and a segment is a list.
"""

from __future__ import annotations

import binascii
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from chatkit.stores import _json

log = logging.getLogger("chatkit.store")

LARGE = 1024  # characters of a URL; a smaller file is no trouble in its row
ENVELOPE = b'{"row":'  # that with which an envelope begins
_KINDS = ("file", "reasoning-file")  # of parts and of chunks


class Packed(NamedTuple):
    """A row or segment as it is stored, and the bytes of its files by their SHA-256."""

    value: bytes
    files: Mapping[str, bytes]


def pack(value: Any) -> Packed:
    """Take the files out. Raises TypeError if `value` is not JSON."""
    found = {
        place: file
        for place, part in enumerate(_parts(value))
        if _is_large(part) and (file := _file(part["url"])) is not None
    }
    if not found:
        return Packed(_json.encode(value), {})
    cut = {place: file.head for place, file in found.items()}
    places = [(place, file.name) for place, file in found.items()]
    envelope = {"row": _with_urls(value, cut), "files": places}
    return Packed(_json.encode(envelope), {file.name: file.content for file in found.values()})


def unpack(values: Iterable[Any], fetch: Callable[[str], bytes | None]) -> list[Any]:
    """The decoded values with their files again; `fetch` gives the bytes of a hash.

    A file that is missing or damaged leaves a note in its place.
    """
    texts: dict[str, str | None] = {}  # base64 by hash: the same file is one text

    def text(name: str) -> str | None:
        if name not in texts:
            texts[name] = _checked(name, fetch(name))
        return texts[name]

    # a row without files, as most are, costs no call
    return [
        value if isinstance(value, dict) and "id" in value else _opened(value, text)
        for value in values
    ]


def file_names(values: Iterable[Any]) -> list[str]:
    """The hashes of the files in stored values; where chatkit did not write them, maybe more."""
    names: dict[str, None] = {}
    for value in values:
        match value:
            case {"files": [*places]}:
                names |= dict.fromkeys(name for place in places for name in _named(place))
    return list(names)


def _named(place: Any) -> list[str]:
    match place:
        case [int(), str(name)] if name.isascii():
            return [name]
        case _:
            return []


class _Envelope(msgspec.Struct, frozen=True):
    row: dict[str, Any] | list[Any]
    files: list[tuple[int, str]]


class _File(NamedTuple):
    head: str  # of its URL, up to and with the comma
    content: bytes
    name: str


def _file(url: str) -> _File | None:
    """The file in a URL that can be made again from its bytes; None of any other."""
    head, comma, text = url.partition(",")
    if not head.endswith(";base64"):
        return None
    try:
        content = binascii.a2b_base64(text)
    except ValueError:
        return None
    if _base64(content) != text:  # spelt in a way of its own
        return None
    return _File(head + comma, content, hashlib.sha256(content).hexdigest())


def _base64(content: bytes) -> str:
    return binascii.b2a_base64(content, newline=False).decode("ascii")


def _is_large(part: Any) -> bool:
    if not isinstance(part, dict) or part.get("type") not in _KINDS:
        return False
    url = part.get("url")
    return isinstance(url, str) and len(url) > LARGE and url.startswith("data:")


def _parts(value: Any) -> list[Any]:
    """The parts of a row's message, or the chunks of a segment."""
    match value:
        case {"message": {"parts": list(parts)}}:
            return parts
        case list():
            return value
        case _:
            return []


def _with_parts(value: Any, parts: list[Any]) -> Any:
    if isinstance(value, list):
        return parts
    return {**value, "message": {**value["message"], "parts": parts}}


def _with_urls(value: Any, urls: Mapping[int, str]) -> Any:
    parts = list(_parts(value))
    for place, url in urls.items():
        parts[place] = {**parts[place], "url": url}
    return _with_parts(value, parts)


def _opened(value: Any, text: Callable[[str], str | None]) -> Any:
    if not isinstance(value, dict):
        return value
    try:
        envelope = msgspec.convert(value, _Envelope)
    except msgspec.ValidationError:  # chatkit did not write this
        return value
    return _filled(envelope.row, {place: text(name) for place, name in envelope.files})


def _filled(row: Any, texts: Mapping[int, str | None]) -> Any:
    """The row with the text of each file behind the head of its URL, or a note."""
    note = _chunks_of_note if isinstance(row, list) else _part_of_note
    parts: list[Any] = []
    for place, part in enumerate(_parts(row)):
        match texts.get(place, ""), part:
            case None, dict():
                parts += note(part)
            case str(found), {"url": str(head)} if found:
                parts.append({**part, "url": head + found})
            case _:
                parts.append(part)
    return _with_parts(row, parts) if parts else row


def _checked(name: str, content: bytes | None) -> str | None:
    if content is not None and hashlib.sha256(content).hexdigest() == name:
        return _base64(content)
    log.warning("a file of the store is %s: %s", "missing" if content is None else "damaged", name)
    return None


def _part_of_note(part: Any) -> list[Any]:
    return [{"type": "text", "text": _note(part)}]


def _chunks_of_note(chunk: Any) -> list[Any]:
    text = {"id": "lost-file"}
    return [
        {"type": "text-start", **text},
        {"type": "text-delta", **text, "delta": _note(chunk)},
        {"type": "text-end", **text},
    ]


def _note(part: Any) -> str:
    kind = part.get("mediaType")
    return f"[The file {part.get('filename') or kind} ({kind}) is missing: the store has lost it.]"
