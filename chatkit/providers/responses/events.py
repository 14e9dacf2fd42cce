"""The events of a Responses stream as a type: decoded by their shape, the unknown passed over."""

from __future__ import annotations

from typing import Any

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class Event(msgspec.Struct, gc=False):
    """What one event says; which of it is there depends on its type."""

    type: Any = None
    output_index: Any = None  # of the item it belongs to: its id may change midway
    item_id: Any = None  # says that too, where a server counts nothing
    content_index: Any = None  # of the text in that item
    summary_index: Any = None
    delta: Any = None
    item: Any = None
    annotation: Any = None
    response: Any = None
    error: Any = None
    code: Any = None
    message: Any = None


decode = msgspec.json.Decoder(Event).decode


def convert(value: dict[str, Any]) -> Event:
    """The event of a JSON object that `decode` cannot read."""
    return msgspec.convert(value, Event)
