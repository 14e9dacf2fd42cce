"""A conversation as a file: Markdown, HTML, a notebook, or the AI SDK's messages as JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from chatkit import render
from chatkit.beside import pieces
from chatkit.errors import ConfigError
from chatkit.export.notebook import to_notebook
from chatkit.export.page import html_fragment, to_html
from chatkit.export.words import ending, who
from chatkit.messages import Message, mended
from chatkit.progress import ticking

__all__ = ["export", "exported", "html_fragment"]


def export(title: str, messages: Sequence[Message], path: str | os.PathLike[str]) -> Path:
    """Write the messages to `path`, in the form its suffix names, and return it.

    `.md`, `.html` (self-contained, loads nothing), `.ipynb`, `.json` (a list of UIMessages of
    the AI SDK) or `.jsonl` (one a line). A file that is there is replaced, whole or not at all.
    Raises ConfigError for another suffix, OSError where it cannot be written.
    """
    target = Path(path)
    content = exported(title, messages, target.suffix)
    beside = target.with_name(f".{target.name}.part")
    beside.write_bytes(content)
    os.replace(beside, target)
    return target


def exported(title: str, messages: Sequence[Message], suffix: str) -> bytes:
    """What `export` writes to a file with this suffix. Raises ConfigError for another one."""
    write = _FORMS.get(suffix.lower())
    if write is None:
        forms = " ".join(_FORMS)
        raise ConfigError(f"a chat cannot be exported as {suffix!r}: the forms are {forms}")
    return mended(write(title, messages)).encode()


def to_markdown(title: str, messages: Sequence[Message]) -> str:
    """The conversation as Markdown that is safe to show."""
    return "\n".join([f"# {render.markdown(title)}\n", *map(_markdown, ticking(messages))])


def to_json(title: str, messages: Sequence[Message]) -> str:
    """The messages as the AI SDK keeps them."""
    told = [message.to_json() for message in messages]
    return json.dumps(told, indent=2, ensure_ascii=False) + "\n"


def to_jsonl(title: str, messages: Sequence[Message]) -> str:
    """The same, one message a line."""
    lines = (json.dumps(message.to_json(), ensure_ascii=False) for message in messages)
    return "".join(f"{line}\n" for line in lines)


def _markdown(message: Message) -> str:
    said = [piece.markdown for piece in pieces(message)]
    lines = filter(None, ["---", f"**{who(message)}**", *said, ending(message)])
    return "".join(f"{each}\n\n" for each in lines)


_FORMS: dict[str, Callable[[str, Sequence[Message]], str]] = {
    ".md": to_markdown,
    ".html": to_html,
    ".json": to_json,
    ".jsonl": to_jsonl,
    ".ipynb": to_notebook,
}
