"""A conversation as HTML: a page of its own, or what a notebook keeps of a chat.

No script and nothing loaded in either; a file that is no picture is a download.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import groupby
from typing import Literal

from chatkit import render
from chatkit.beside import call_inside, call_line, fenced, file_line, shaped, sources
from chatkit.export.style import PAGE, SAVED
from chatkit.export.words import broke_off, line, name
from chatkit.messages import (
    ENDED,
    DataPart,
    FilePart,
    Message,
    Part,
    ReasoningFilePart,
    ReasoningPart,
    SteeringPart,
    TextPart,
    ToolPart,
    UnknownPart,
    Usage,
    part_from_json,
    part_to_json,
)
from chatkit.progress import ticking
from chatkit.standing import cost_words, count_of, token_words

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<header><h1>{title}</h1><p>{line}</p></header>
<main class="{kind}">
{body}
</main>
</body>
</html>
"""
_Files = FilePart | ReasoningFilePart
_Shown = Literal["all", "pictures", "names"]  # what there is of files: a name in any case
_DATA = re.compile(r"data:[^,]*;base64,([A-Za-z0-9+/]+={0,2})")
_WORST = 6  # bytes that a character takes at most, once it is escaped


def to_html(title: str, messages: Sequence[Message]) -> str:
    """The conversation as a page of its own."""
    usage = sum((message.usage or Usage() for message in messages), Usage())
    cost = sum(message.cost or 0 for message in messages)
    told = (count_of(len(messages), "message"), token_words(usage), cost_words(cost))
    said = "\n".join(_article(message, "all") for message in ticking(messages))
    css = PAGE + SAVED + render.CSS
    return page(escape(title), told, said, css=css, kind="chatkit-saved")


def page(title: str, told: Iterable[str], body: str, *, css: str, kind: str) -> str:
    """A page that stands alone, runs nothing and loads nothing; all of it is HTML already.

    `told` stands side by side under the title; `kind` is the class of what holds the `body`.
    """
    line = " · ".join(filter(None, told))
    return _PAGE.format(policy=_POLICY, title=title, line=line, css=css, body=body, kind=kind)


def html_fragment(messages: Sequence[Message], *, newest: int = 200, size: int = 500_000) -> str:
    """The conversation as a piece of HTML in a notebook's colours, with its style.

    It holds the `newest` messages, and of them what goes into `size` bytes; a line says how many
    are left out. Files are named, and pictures shown where they fit.
    """
    shown: list[str] = []
    left = size
    for message in reversed(messages[-newest:] if newest else []):
        found = _fitting(message, left, is_newest=not shown)
        if found is None:
            break
        shown.append(found)
        left -= len(found.encode())
    hidden = len(messages) - len(shown)
    more = f'<p class="more">{count_of(hidden, "earlier message")} not shown here</p>'
    body = "\n".join([*([more] if hidden else []), *reversed(shown)])
    own = (
        f".chatkit-saved {{{render.CSS}}}"  # before a notebook's rules for what stands in an output
    )
    return f'<style>{SAVED}{own}</style>\n<div class="chatkit-saved">\n{body}\n</div>'


def _fitting(message: Message, size: int, *, is_newest: bool) -> str | None:
    """A message in at most so many bytes: with its pictures, without, or its end as it stands."""
    ways: tuple[_Shown, ...] = ("pictures", "names")
    for files in ways:
        found = _article(message, files)
        if len(found.encode()) <= size:
            return found
    if not is_newest:
        return None
    end = escape(message.text[max(len(message.text) - size // _WORST, 0) :], quote=False)
    raw = f'<div class="chatkit"><p class="raw">…{end}</p></div>'
    return f'<article class="{message.role}">{raw}</article>'


def _article(message: Message, files: _Shown) -> str:
    parts = "".join(_body(message, files))
    why, took = escape(broke_off(message)), escape(line(message))
    below = f'<p class="broke">{why}</p>\n' if why else ""
    below += f"<footer>{took}</footer>\n" if took else ""
    return (
        f'<article class="{message.role}">\n<header><b>{escape(name(message))}</b>'
        f'{_time(message)}</header>\n<div class="chatkit">{parts}</div>\n{below}</article>'
    )


def _time(message: Message) -> str:
    if message.created_at is None:
        return ""
    time = message.created_at
    return f'<time datetime="{time.isoformat()}">{time.astimezone():%Y-%m-%d %H:%M}</time>'


def _body(message: Message, files: _Shown) -> Iterator[str]:
    """What there is to read of a message, in its order; the sources come last."""
    for is_file, group in groupby(message.parts, lambda part: isinstance(part, _Files)):
        if is_file:
            shown = [_file(part, files) for part in group if isinstance(part, _Files)]
            yield f'<div class="files">{"".join(shown)}</div>\n'
        else:
            yield from (_part(message, part) for part in group)
    if cited := sources(message.parts):
        yield f'<div class="sources">{render.html(cited)}</div>\n'


def _part(message: Message, part: Part) -> str:
    match part:
        case TextPart() if part.text.strip():
            return render.html(shaped(message, part.text, whole=True))
        case ReasoningPart() if part.text.strip():
            return _folded("Reasoning", part.text, "thought")
        case ToolPart():
            title = call_line(part, over=message.status in ENDED)
            return _folded(title, call_inside(part), "call")
        case SteeringPart():
            said = (part_from_json(each) for each in part.parts)
            text = "\n\n".join(each.text for each in said if isinstance(each, TextPart))
            return f'<div class="steering">{render.html(text)}</div>\n'
        case DataPart() | UnknownPart():
            told = part_to_json(part)
            inside = fenced(json.dumps(told, ensure_ascii=False, indent=2), "json")
            return _folded(str(told.get("type")), inside, "data")
    return ""


def _folded(title: str, inside: str, kind: str) -> str:
    head = escape(title, quote=False)
    return f'<details class="{kind}"><summary>{head}</summary>\n{render.html(inside)}</details>\n'


def _file(part: FilePart | ReasoningFilePart, files: _Shown) -> str:
    """A picture, a download, or the file's name."""
    filename = getattr(part, "filename", None)
    title = filename or part.media_type
    if files != "names" and (picture := render.image(part.url, title)):
        return picture
    data = _DATA.fullmatch(part.url) if files == "all" else None
    if data is None:
        named = FilePart(part.media_type, part.url, filename)
        return f'<div class="file">{render.html(file_line(named))}</div>'
    # of no type that a browser would open: whatever is in it, it is saved
    address = f"data:application/octet-stream;base64,{data[1]}"
    saved_as = escape(filename or "file")
    return f'<a class="file" href="{address}" download="{saved_as}">{escape(title)}</a>'
