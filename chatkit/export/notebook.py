"""A conversation as a notebook (nbformat 4.5), the Python in an answer as cells that can be run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from chatkit import render
from chatkit.beside import Piece, pieces
from chatkit.export.words import ending, who
from chatkit.messages import (
    FilePart,
    Message,
    Part,
    SourceDocumentPart,
    SourceUrlPart,
    TextPart,
)
from chatkit.progress import ticking

JSON = dict[str, Any]

_FENCE = re.compile(r"(`{3,}|~{3,})[ \t]*([\w+-]*)[ \t]*")
_PYTHON = ("python", "py", "python3", "ipython")
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def to_notebook(title: str, messages: Sequence[Message]) -> str:
    """A cell a message; what an answer says in blocks of Python is in code cells, not run."""
    cells = [_cell("markdown", f"# {render.markdown(title)}")]
    for message in ticking(messages):
        cells += _cells(message)
    for number, cell in enumerate(cells):
        cell["id"] = f"m{number}"
    notebook = {"cells": cells, "metadata": _METADATA, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _cell(kind: str, source: str) -> JSON:
    cell: JSON = {"cell_type": kind, "id": "", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": source.splitlines(keepends=True)}


def _cells(message: Message) -> list[JSON]:
    cells: list[JSON] = []
    said = [f"**{who(message)}**"]
    pictures: JSON = {}

    def close() -> None:
        if said:
            cells.append(_cell("markdown", "\n\n".join(said)))
            if pictures:
                cells[-1]["attachments"] = dict(pictures)
        said.clear()
        pictures.clear()

    for is_code, text, picture in _told(message):
        if is_code:
            close()
            cells.append(_cell("code", text))
        elif picture:
            attached = f"image-{len(pictures) + 1}"
            pictures[attached] = picture
            said.append(f"![image](attachment:{attached})")
        else:
            said.append(text)
    if line := ending(message):
        said.append(line)
    close()
    return cells


def _told(message: Message) -> Iterator[tuple[bool, str, JSON]]:
    """What is said, in its order: whether it is code, its text, and the picture that it is."""
    cited: list[Part] = []
    for part in message.parts:
        match part:
            case SourceUrlPart() | SourceDocumentPart():
                cited.append(part)
            case FilePart() if render.image(part.url, ""):
                kind, _, data = part.url.removeprefix("data:").partition(";base64,")
                yield False, "", {kind: data}
            case TextPart() if message.role == "user" and part.text.strip():
                yield False, render.markdown(_quoted(part.text)), {}
            case TextPart() if message.role == "assistant" and not message.metadata.get("schema"):
                for is_code, text in _sections(part.text):
                    yield is_code, text if is_code else render.markdown(text), {}
            case _:
                yield from ((False, p.markdown, {}) for p in _pieces(message, part))
    yield from ((False, p.markdown, {}) for p in _pieces(message, *cited))


def _quoted(text: str) -> str:
    """What you said stands out from what you were told."""
    return "\n".join(f"> {line}" for line in text.splitlines())


def _pieces(message: Message, *parts: Part) -> list[Piece]:
    return pieces(message.replace(parts=parts))


def _sections(text: str) -> Iterator[tuple[bool, str]]:
    """The text cut at its blocks of Python: whether it is one, and what it says."""
    start, fence, begun = 0, "", 0
    lines = text.splitlines(keepends=True)
    name = ""
    for number, line in enumerate(lines):
        found = _FENCE.fullmatch(line.rstrip("\r\n"))
        if found is None:
            continue
        if not fence:
            fence, name, begun = found[1], found[2].lower(), number
        elif not found[2] and found[1].startswith(fence):
            if name in _PYTHON:
                yield from _prose(lines[start:begun])
                yield True, "".join(lines[begun + 1 : number]).rstrip("\n")
                start = number + 1
            fence = ""
    yield from _prose(lines[start:])


def _prose(lines: list[str]) -> Iterator[tuple[bool, str]]:
    text = "".join(lines)
    if text.strip():
        yield False, text
