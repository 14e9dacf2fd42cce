"""A conversation as a file: Markdown, HTML, a notebook, or the AI SDK's messages as JSON."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from chatkit import render
from chatkit.beside import continued, pieces
from chatkit.errors import ConfigError
from chatkit.messages import Message

_NAMES = {"user": "You", "assistant": "Model", "system": "System"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<style>
body {{ max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
body {{ font: 16px/1.6 system-ui, sans-serif; }}
h2 {{ font-size: .8rem; color: #767676; margin: 2.5rem 0 .25rem; font-weight: 600; }}
.note {{ color: #767676; font-size: .8rem; }}
{css}
</style>
</head>
<body>
<h1>{title}</h1>
{body}
</body>
</html>
"""


def export(title: str, messages: Sequence[Message], path: str | os.PathLike[str]) -> Path:
    """Write the messages to `path`, in the form its suffix names, and return it.

    `.md`, `.html` (self-contained, loads nothing), `.ipynb`, `.json` (a list of UIMessages of
    the AI SDK) or `.jsonl` (one a line). A file that is there is replaced, whole or not at all.
    Raises ConfigError for another suffix, OSError where it cannot be written.
    """
    target = Path(path)
    write = _FORMS.get(target.suffix.lower())
    if write is None:
        raise ConfigError(f"cannot export to {target.name!r}: the forms are {' '.join(_FORMS)}")
    beside = target.with_name(f".{target.name}.part")
    beside.write_text(write(title, messages), encoding="utf-8", newline="\n")
    os.replace(beside, target)
    return target


def to_markdown(title: str, messages: Sequence[Message]) -> str:
    """The conversation as Markdown that is safe to show."""
    return "\n".join([f"# {render.markdown(title)}\n", *map(_markdown, messages)])


def to_html(title: str, messages: Sequence[Message]) -> str:
    """The conversation as a page of its own: no script, nothing loaded."""
    body = "\n".join(map(_html, messages))
    return _PAGE.format(title=html.escape(title), css=render.CSS, body=body, policy=_POLICY)


def to_json(title: str, messages: Sequence[Message]) -> str:
    """The messages as the AI SDK keeps them."""
    return json.dumps([message.to_json() for message in messages], indent=2) + "\n"


def to_jsonl(title: str, messages: Sequence[Message]) -> str:
    """The same, one message a line."""
    return "".join(json.dumps(message.to_json()) + "\n" for message in messages)


def to_notebook(title: str, messages: Sequence[Message]) -> str:
    """A notebook of Markdown cells (nbformat 4.5)."""
    cells = [_cell(f"# {render.markdown(title)}\n", 0)]
    cells += [_cell(_markdown(message), number) for number, message in enumerate(messages, 1)]
    notebook = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(notebook, indent=1) + "\n"


def _cell(source: str, number: int) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    return {"cell_type": "markdown", "id": f"m{number}", "metadata": {}, "source": lines}


def _markdown(message: Message) -> str:
    lines = [f"**{_who(message)}**\n", *(f"{piece.markdown}\n" for piece in pieces(message))]
    return "\n".join([*lines, *(f"> {line}\n" for line in _ended(message))])


def _html(message: Message) -> str:
    answer = "".join(piece.html for piece in pieces(message))
    ended = "".join(f'<div class="note">{line}</div>\n' for line in _ended(message))
    name = html.escape(_who(message))
    return f'<section>\n<h2>{name}</h2>\n<div class="chatkit">{answer}</div>\n{ended}</section>'


def _who(message: Message) -> str:
    model = message.metadata.get("model")
    return str(model) if message.role == "assistant" and model else _NAMES[message.role]


def _ended(message: Message) -> list[str]:
    """How it ended, unless well and in one go."""
    ended = "" if message.status == "complete" else message.status
    return [word for word in (ended, continued(message)) if word]


_FORMS: dict[str, Callable[[str, Sequence[Message]], str]] = {
    ".md": to_markdown,
    ".html": to_html,
    ".json": to_json,
    ".jsonl": to_jsonl,
    ".ipynb": to_notebook,
}
