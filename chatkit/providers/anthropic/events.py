"""The events of a Messages stream: the many small ones decoded by their type, the rest as JSON."""

from __future__ import annotations

import msgspec


class TextDelta(msgspec.Struct, tag_field="type", tag="text_delta", gc=False):
    text: str


class ThinkingDelta(msgspec.Struct, tag_field="type", tag="thinking_delta", gc=False):
    thinking: str


class InputDelta(msgspec.Struct, tag_field="type", tag="input_json_delta", gc=False):
    partial_json: str


class BlockDelta(msgspec.Struct, tag_field="type", tag="content_block_delta", gc=False):
    """A little more of a block, as nearly every event is: only such a one has this type."""

    index: int
    delta: TextDelta | ThinkingDelta | InputDelta


decode_delta = msgspec.json.Decoder(BlockDelta).decode
