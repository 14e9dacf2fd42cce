"""What people hand over as files, as parts of a message."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from types import GeneratorType
from typing import Any
from urllib.parse import unquote, urlsplit

from chatkit.errors import MessageError
from chatkit.files.pictures import as_image
from chatkit.files.tables import as_csv
from chatkit.messages import FilePart, Part, TextPart, UnknownPart, mended, part_from_json

LARGEST = 20_000_000  # bytes of a file: 27 MB as base64, and Anthropic takes 32 MB a request
LARGEST_TEXT = 2_000_000  # bytes: some 500,000 tokens, more than most models take
TAKEN = (
    "paths, URLs, bytes, PIL images, matplotlib figures, pandas DataFrames, what shows itself "
    "as PNG, and FilePart or TextPart"
)

_SIGNATURES = {
    rb"\x89PNG\r\n\x1a\n": "image/png",
    rb"\xff\xd8\xff": "image/jpeg",
    rb"GIF8[79]a": "image/gif",
    rb"RIFF.{4}WEBP": "image/webp",
    rb"(II\*\0|MM\0\*)": "image/tiff",
    rb".{4}ftyp(heic|heix|mif1)": "image/heic",
    rb".{4}ftypavif": "image/avif",
    rb"%PDF-": "application/pdf",
    rb"RIFF.{4}WAVE": "audio/wav",
    rb"(ID3[\x02-\x04]|\xff[\xe2\xe3\xf2\xf3\xfa\xfb])": "audio/mpeg",
    rb"OggS\0": "audio/ogg",
    rb"fLaC\0": "audio/flac",
    rb".{4}ftypM4A": "audio/mp4",
    rb".{4}ftypqt": "video/quicktime",
    rb".{4}ftyp": "video/mp4",
    rb"\x1a\x45\xdf\xa3": "video/webm",
}


def as_parts(files: Any) -> list[Part]:
    """The parts of one file, or of each in a list or generator; `TAKEN` says what a file may be.

    Text (code, CSV, Markdown, a table) becomes a TextPart, a fenced block under the file's name:
    every model takes text, few take a text file, and a reader sees what was sent. All else is
    a FilePart with a `data:` URL; the address of a URL is kept as it is, and nothing is fetched.

    Raises MessageError where it is none of these, is missing, empty or too large.
    """
    if not isinstance(files, list | tuple | GeneratorType):
        files = [files]
    return [_part(value) for value in files]


def _part(value: Any) -> Part:
    match value:
        case TextPart() | FilePart():
            return value
        case Mapping():
            return _given(value)
        case str() if re.match(r"https?://", value, re.IGNORECASE):
            return _remote(value)
        case str() | os.PathLike():
            return _read(Path(os.path.expanduser(os.fsdecode(value))))
        case bytes() | bytearray() | memoryview():
            return part_of(bytes(value))
        case _:
            return _drawn(value)


def _given(value: Mapping[str, Any]) -> Part:
    part = part_from_json(value)
    if isinstance(part, UnknownPart):
        raise MessageError(f"a part of type {value['type']!r} is no file; files takes {TAKEN}")
    return part


def part_of(content: bytes, name: str | None = None) -> Part:
    """A file's bytes as a part: the type of what is in them goes before that of the suffix.
    Raises MessageError for nothing, too much, and text that is not UTF-8.
    """
    _check_size(len(content), name)
    if not content:
        raise MessageError(f"{_known(name)} is empty: there is nothing to send")
    kind = _by_content(content)
    text = _text(content) if kind is None else None
    if text is not None:
        return _as_text(text, name, len(content))
    kind = kind or _by_suffix(name or "") or "application/octet-stream"
    if kind.startswith("text/"):
        raise MessageError(
            f"{name!r} is text, but not in UTF-8: save it as UTF-8, or send its text"
        )
    data = base64.b64encode(content).decode("ascii")
    return FilePart(kind, f"data:{kind};base64,{data}", name)


def _remote(url: str) -> FilePart:
    """A file that the provider is to fetch; one without a suffix is most often an image."""
    try:
        name = unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError as error:
        raise MessageError(f"{url!r:.200} is no URL: {error}") from error
    return FilePart(_by_suffix(name) or "image/*", url, name or None)


def _read(path: Path) -> Part:
    _check_size(_size(path), path.name)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error
    return part_of(content, mended(path.name))


def _size(path: Path) -> int:
    try:
        found = path.stat()
    except FileNotFoundError as error:
        where = str(path.absolute().parent)
        raise MessageError(f"there is no file {path.name!r} in {where!r}") from error
    except (OSError, ValueError) as error:  # not allowed, or nothing that can be a path
        raise _unreadable(path, error) from error
    if stat.S_ISDIR(found.st_mode):
        raise MessageError(f"{str(path)!r} is a directory: give the files in it that matter")
    if not stat.S_ISREG(found.st_mode):
        raise MessageError(f"{str(path)!r} is a device or a pipe, not a file: give its bytes")
    return found.st_size


def _unreadable(path: Path, error: Exception) -> MessageError:
    reason = getattr(error, "strerror", None) or error
    return MessageError(f"{str(path)!r:.200} cannot be read as a file: {reason}")


def _check_size(size: int, name: str | None) -> None:
    if size > LARGEST:
        raise MessageError(
            f"{_known(name)} has {size / 1e6:.1f} MB, and a file may have "
            f"{LARGEST / 1e6:.0f} MB: make it smaller, or give the URL of it"
        )


def _known(name: str | None) -> str:
    return "the file" if name is None else repr(name)


def _by_content(content: bytes) -> str | None:
    for signature, kind in _SIGNATURES.items():
        if re.match(signature, content[:16], re.DOTALL):
            return kind
    return None


def _by_suffix(name: str) -> str | None:
    return mimetypes.guess_type(f"x{Path(name).suffix}", strict=False)[0]


def _text(content: bytes) -> str | None:
    """What it says, if it is text."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def _as_text(text: str, name: str | None, size: int) -> TextPart:
    if size > LARGEST_TEXT:
        raise MessageError(
            f"{_known(name)} has {size / 1e6:.1f} MB of text, more than a model reads: send the "
            "part that matters (a DataFrame is shortened by itself)"
        )
    if name is None:
        return _block("", text, "")
    shown = " ".join(name.split()).replace("`", "'")
    return _block(f"`{shown}`:", text, Path(name).suffix[1:])


def _block(heading: str, text: str, language: str) -> TextPart:
    """Text in a fence longer than any in it, a line apart from the text before it."""
    ticks = "`" * max([3, *(len(run) + 1 for run in re.findall(r"`{3,}", text))])
    language = language if re.fullmatch(r"[\w+-]*", language) else ""
    above = f"\n\n{heading}\n\n" if heading else "\n\n"
    return TextPart(f"{above}{ticks}{language}\n{text.rstrip()}\n{ticks}\n")


def _drawn(value: Any) -> Part:
    """What is an object in Python: a table, an image, a figure, or able to show itself."""
    table = as_csv(value)
    if table is not None:
        about, rows = table
        return _block(about, rows, "csv")
    content = as_image(value)
    if content is None:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        raise MessageError(f"a {kind} cannot be sent as a file: files takes {TAKEN}")
    return part_of(content)
