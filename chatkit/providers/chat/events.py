"""The events of a Chat Completions stream as types: decoded by their shape, the unknown passed
over."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from chatkit.chunks import JSON
from chatkit.providers.lenient import UNREADABLE


class Delta(msgspec.Struct, gc=False):
    content: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    refusal: Any = None
    tool_calls: Any = None
    function_call: Any = None
    annotations: Any = None
    images: Any = None
    audio: Any = None


class Choice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: Any = None
    usage: Any = None


class Event(msgspec.Struct, gc=False):
    """What one event says that has choices and is no error."""

    choices: list[Choice]
    error: None = None
    usage: Any = None
    id: Any = None
    model: Any = None
    x_groq: Any = None
    citations: Any = None
    search_results: Any = None


_Nothing = Annotated[list[Any], msgspec.Meta(max_length=0)] | Literal[""] | None


class _PlainDelta(msgspec.Struct, gc=False):
    content: str
    reasoning_content: _Nothing = None
    reasoning: _Nothing = None
    reasoning_details: _Nothing = None
    refusal: _Nothing = None
    tool_calls: _Nothing = None
    function_call: None = None
    annotations: _Nothing = None
    images: _Nothing = None
    audio: None = None


class _PlainChoice(msgspec.Struct, gc=False):
    delta: _PlainDelta
    index: Literal[0] = 0
    finish_reason: Literal[""] | None = None
    usage: None = None


class _Plain(msgspec.Struct, gc=False):
    """An event of a little more text, as nearly all are: only such a one has this type."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    x_groq: None = None
    citations: _Nothing = None
    search_results: _Nothing = None


decode = msgspec.json.Decoder(Event).decode
decode_plain = msgspec.json.Decoder(_Plain).decode


def convert(told: JSON) -> Event:
    """The event of a JSON object that `decode` cannot read; of an odd shape only what is safe."""
    try:
        return msgspec.convert({**told, "choices": told.get("choices") or [], "error": None}, Event)
    except UNREADABLE:
        return Event([], usage=told.get("usage"))
