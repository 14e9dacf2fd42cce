"""What is attached to the next message of a panel."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, NamedTuple

from chatkit.errors import MessageError
from chatkit.files import part_of
from chatkit.files.pictures import thumbnail
from chatkit.messages import FilePart, Message, Part, TextPart
from chatkit.render import image

LARGEST = 8 * 1024 * 1024  # bytes of one file: a Jupyter server takes messages of 10 MB


class Attached(NamedTuple):
    """A file that is to be sent."""

    id: str
    name: str
    size: int  # bytes
    part: Part

    def shown(self) -> dict[str, Any]:
        """How the script holds it."""
        url = self.part.url if isinstance(self.part, FilePart) else ""
        picture = image(thumbnail(url), self.name) or None
        return {"id": self.id, "name": self.name, "size": _size(self.size), "picture": picture}


class Composer:
    """The files that are attached and not yet sent."""

    def __init__(self) -> None:
        self._attached: list[Attached] = []

    @property
    def parts(self) -> list[Part]:
        return [each.part for each in self._attached]

    def shown(self) -> list[dict[str, Any]]:
        """How the script holds them."""
        return [each.shown() for each in self._attached]

    def attach(self, name: str, content: bytes) -> None:
        """Take a file along. Raises MessageError where it is empty or too large."""
        name = Path(name.replace("\0", "")).name or "file"
        if len(content) > LARGEST:
            raise MessageError(
                f"{name!r} has {_size(len(content))}, and a panel takes files of"
                f" {_size(LARGEST)}: give its path to chat.send(files=...)"
            )
        self._attached.append(
            Attached(secrets.token_hex(4), name, len(content), part_of(content, name))
        )

    def detach(self, id: str) -> None:
        """Leave a file out."""
        self._attached = [each for each in self._attached if each.id != id]

    def empty(self) -> None:
        """They have been sent."""
        self._attached = []


def said(message: Message) -> tuple[str, list[Part]]:
    """The text of a message to be edited, and the files that go with it."""
    first, *rest = [*message.parts, None]
    is_text = isinstance(first, TextPart) and not first.text.startswith("\n\n")  # as files begin
    text = first.text if isinstance(first, TextPart) and is_text else ""
    parts = rest if is_text else [first, *rest]
    return text, [part for part in parts if isinstance(part, FilePart | TextPart)]


def name_of(part: Part) -> str:
    """What a file is called."""
    if isinstance(part, FilePart):
        return part.filename or part.media_type
    heading = part.text.strip().partition("\n")[0] if isinstance(part, TextPart) else ""
    return heading.strip("`:") or "text"


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count, 1_000) / 1e3:.0f} KB"
