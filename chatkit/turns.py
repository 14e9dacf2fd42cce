"""What a `send` is: its message, its fingerprint, and its place in the order of sends."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.errors import MessageError
from chatkit.files import as_parts
from chatkit.ids import new_id
from chatkit.messages import Message, TextPart, as_messages, part_to_json
from chatkit.prompts import Settings
from chatkit.tree import Place, Tree

Content = str | Sequence[Any]


class Session:
    """The sends since one `Chat` was made: what the re-run rule knows of their order."""

    def __init__(self) -> None:
        self.count = 0
        self.claimed: set[str] = set()
        self.replay = False  # every send so far found its turn by order alone

    def place(
        self, tree: Tree, anchor: str | None, print_: str, *, theirs: Container[str]
    ) -> Place:
        """Where the next send belongs."""
        known = anchor is not None and tree.has_anchor(anchor)
        place = tree.place(
            anchor,
            self.count,
            print_,
            claimed=self.claimed,
            replay=self.replay and self.count > 0,
            theirs=theirs,
        )
        self.replay = (self.replay or self.count == 0) and not known and place.turn is not None
        self.count += 1
        return place


def user_message(content: Content, files: Any) -> Message:
    if not isinstance(content, str | Sequence):
        raise MessageError(f"send takes text or a list of parts, not {type(content).__name__}")
    if isinstance(content, str):
        content = [TextPart(content)] if content else []
    parts = [_part_json(part) for part in (*content, *as_parts(files))]
    [message] = as_messages([{"role": "user", "content": parts, "id": new_id()}])
    if message.is_empty:
        raise MessageError("there is nothing to send: the message is empty")
    return message.replace(created_at=datetime.now(UTC))


def _part_json(part: Any) -> Any:
    return part if isinstance(part, Mapping) else part_to_json(part)


def fingerprint(message: Message, settings: Settings) -> str:
    """What was asked, of whom, and how; not when, nor at which address."""
    asked: list[Any] = [
        [part_to_json(part) for part in message.parts],
        settings.model.id,
        settings.system,
        dict(settings.options),
    ]
    if settings.tools:
        asked.append([[t.name, t.description, t.parameters] for t in settings.tools.values()])
    if settings.schema is not None:
        asked.append(settings.schema.json)
    text = json.dumps(asked, sort_keys=True, default=repr)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
