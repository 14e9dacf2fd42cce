"""The stream vocabulary: the AI SDK's JSON in and out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.reducer import reduce
from chatkit.sse import Decoder
from tests import strategies

EMPTY = m.Message(id="a", role="assistant")
META = {"openai": {"itemId": "msg_1"}}

# Each of the AI SDK's chunk types with all of its fields, as its `uiMessageChunkSchema` has them.
WIRE: list[dict[str, Any]] = [
    {"type": "start", "messageId": "m1", "messageMetadata": {"model": "x"}},
    {"type": "start"},
    {"type": "text-start", "id": "t", "providerMetadata": META},
    {"type": "text-delta", "id": "t", "delta": "Hi", "providerMetadata": META},
    {"type": "text-delta", "id": "t", "delta": ""},
    {"type": "text-end", "id": "t", "providerMetadata": META, "citations": [{"type": "url"}]},
    {"type": "reasoning-start", "id": "r", "providerMetadata": META},
    {"type": "reasoning-delta", "id": "r", "delta": "Hm", "providerMetadata": META},
    {"type": "reasoning-end", "id": "r", "providerMetadata": META},
    {
        "type": "tool-input-start",
        "toolCallId": "c",
        "toolName": "weather",
        "inputEncoding": "json",
        "providerExecuted": False,
        "dynamic": True,
        "title": "Weather",
        "providerMetadata": META,
        "toolMetadata": {"server": "s"},
    },
    {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"ci'},
    {
        "type": "tool-input-available",
        "toolCallId": "c",
        "toolName": "weather",
        "input": {"city": None},
        "providerExecuted": True,
        "dynamic": False,
        "title": "Weather",
        "providerMetadata": META,
        "toolMetadata": {"server": "s"},
    },
    {"type": "tool-input-available", "toolCallId": "c", "toolName": "weather", "input": None},
    {
        "type": "tool-input-error",
        "toolCallId": "c",
        "toolName": "weather",
        "input": '{"ci',
        "errorText": "no JSON",
        "providerExecuted": True,
        "dynamic": True,
        "title": "Weather",
        "providerMetadata": META,
        "toolMetadata": {"server": "s"},
    },
    {
        "type": "tool-approval-request",
        "approvalId": "p",
        "toolCallId": "c",
        "approvalDescriptor": {"risk": 1},
        "inputSchemaInput": {"city": "Oslo"},
        "reason": "it costs",
        "isAutomatic": True,
        "signature": "s",
    },
    {
        "type": "tool-approval-response",
        "approvalId": "p",
        "approved": False,
        "reason": "too much",
        "providerExecuted": True,
        "providerMetadata": META,
    },
    {
        "type": "tool-output-available",
        "toolCallId": "c",
        "output": [1, None],
        "preliminary": True,
        "providerExecuted": True,
        "dynamic": True,
        "providerMetadata": META,
        "toolMetadata": {"server": "s"},
    },
    {"type": "tool-output-available", "toolCallId": "c", "output": None},
    {
        "type": "tool-output-error",
        "toolCallId": "c",
        "errorText": "down",
        "providerExecuted": True,
        "dynamic": True,
        "providerMetadata": META,
        "toolMetadata": {"server": "s"},
    },
    {"type": "tool-output-denied", "toolCallId": "c"},
    {"type": "source-url", "sourceId": "s", "url": "u", "title": "t", "providerMetadata": META},
    {
        "type": "source-document",
        "sourceId": "s",
        "mediaType": "application/pdf",
        "title": "t",
        "filename": "f",
        "providerMetadata": META,
    },
    {"type": "file", "url": "data:,", "mediaType": "text/plain", "providerMetadata": META},
    {"type": "reasoning-file", "url": "data:,", "mediaType": "image/png", "providerMetadata": META},
    {"type": "custom", "kind": "openai.compaction", "providerMetadata": META},
    {"type": "steering-message", "id": "s", "parts": [{"type": "text", "text": "Shorter."}]},
    {"type": "data-weather", "data": {"t": -3}, "id": "w", "transient": True},
    {"type": "data-weather", "data": None},
    {"type": "data-", "data": 1},
    {"type": "start-step"},
    {"type": "finish-step"},
    {"type": "reset-step"},
    {"type": "message-metadata", "messageMetadata": {"tokens": 1}},
    {"type": "finish", "finishReason": "tool-calls", "messageMetadata": {"tokens": 1}},
    {"type": "finish"},
    {"type": "abort", "reason": "the user"},
    {"type": "error", "errorText": "overloaded"},
]


def events(chunks: Iterable[c.Chunk]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(c.to_json(each)) + b"\n\n" for each in chunks)


def read(*pieces: bytes) -> list[c.Chunk | None]:
    decoder = Decoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return [c.from_json(json.loads(event.data)) for event in found]


@pytest.mark.parametrize("value", WIRE, ids=[value["type"] for value in WIRE])
def test_the_json_of_each_chunk_is_the_ai_sdks_in_and_out(value: dict[str, Any]) -> None:
    chunk = c.from_json(value)
    assert chunk is not None
    assert c.to_json(chunk) == value


def test_every_chunk_class_is_in_the_examples_above() -> None:
    kinds = {type(c.from_json(value)) for value in WIRE}
    assert kinds == {*c.Tagged.__args__, c.Data}


@given(strategies.chunks)
def test_every_chunk_survives_its_json(chunk: c.Chunk) -> None:
    assert c.from_json(msgspec.json.decode(msgspec.json.encode(c.to_json(chunk)))) == chunk


@pytest.mark.parametrize("kind", ["text-sparkle", "", "Start", None, 7, ["start"], {"a": 1}])
def test_a_chunk_of_a_type_not_known_is_none(kind: object) -> None:
    assert c.from_json({"type": kind, "id": "1"}) is None
    assert c.from_json({"id": "1"}) is None


def test_fields_not_known_are_left_out() -> None:
    assert c.from_json({"type": "abort", "sparkle": 1}) == c.Abort()


@pytest.mark.parametrize("reason", ["unknown", "paused", 7])
def test_a_finish_reason_not_known_still_finishes(reason: object) -> None:
    assert c.from_json({"type": "finish", "finishReason": reason}) == c.Finish("other")


def test_a_chunk_that_lacks_what_it_must_have_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError, match="missing required field `delta`"):
        c.from_json({"type": "text-delta", "id": "1"})
    with pytest.raises(msgspec.ValidationError, match="Expected `str`, got `int`"):
        c.from_json({"type": "text-delta", "id": "1", "delta": 5})


def test_merged_joins_the_neighbours_of_one_part_and_nothing_else() -> None:
    stream: list[c.Chunk] = [
        c.TextStart("1"),
        c.TextDelta("1", "ha"),
        c.TextDelta("1", "ha"),
        c.TextDelta("1", "!"),
        c.TextDelta("2", "x"),
        c.TextDelta("2", "z", META),
        c.TextDelta("2", "z"),
        c.ReasoningDelta("2", "y"),
        c.TextEnd("2"),
        c.TextDelta("2", "z"),
    ]
    assert list(c.merged(stream)) == [
        c.TextStart("1"),
        c.TextDelta("1", "haha!"),
        c.TextDelta("2", "x"),
        c.TextDelta("2", "zz", META),
        c.ReasoningDelta("2", "y"),
        c.TextEnd("2"),
        c.TextDelta("2", "z"),
    ]
    assert list(c.merged([])) == []


@given(strategies.streams)
def test_a_merged_stream_makes_the_same_message(stream: list[c.Chunk]) -> None:
    assert reduce(EMPTY, c.merged(stream)) == reduce(EMPTY, stream)


@given(strategies.streams, st.integers(0, 30))
def test_a_stream_merged_in_two_halves_makes_the_same_message(
    stream: list[c.Chunk], place: int
) -> None:
    halves = [*c.merged(stream[:place]), *c.merged(stream[place:])]
    assert reduce(EMPTY, halves) == reduce(EMPTY, stream)


@given(strategies.streams, st.integers(min_value=0))
def test_a_stream_that_is_written_and_read_cut_anywhere_is_the_same(
    stream: list[c.Chunk], place: int
) -> None:
    wire = events(stream)
    place %= len(wire) + 1
    assert read(wire[:place], wire[place:]) == stream
