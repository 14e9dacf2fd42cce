"""The event of a Responses stream that nearly all are, decoded by its type."""

from __future__ import annotations

import msgspec


class TextDelta(msgspec.Struct, tag_field="type", tag="response.output_text.delta", gc=False):
    """A little more text, at a place in an item: only such an event has this type."""

    delta: str
    output_index: int
    content_index: int | None = None


decode_delta = msgspec.json.Decoder(TextDelta).decode
