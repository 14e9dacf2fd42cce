"""What holds of every dialect's stream: how an error is told in it, or a page instead of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chatkit.chunks import Chunk, Error, Finish, ToolInputStart
from chatkit.providers.anthropic.stream import AnthropicDecoder
from chatkit.providers.chat.stream import ChatDecoder
from chatkit.providers.dialect import Decoder
from chatkit.providers.gemini.stream import GeminiDecoder
from chatkit.providers.interactions.stream import InteractionsDecoder
from chatkit.providers.responses.stream import ResponsesDecoder
from chatkit.providers.stream import EventStream
from chatkit.providers.ui.stream import UIDecoder
from tests.recorded import decode

Make = type[EventStream]
DIALECTS: list[Make] = [
    ChatDecoder,
    AnthropicDecoder,
    ResponsesDecoder,
    GeminiDecoder,
    InteractionsDecoder,
    UIDecoder,
]
UNKNOWN = b'data: {"type": "of a later time", "event_type": "later"}\n\n'


def every(makes: list[Make]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("make", makes, ids=[make.__name__ for make in makes])


def read(make: Make, *pieces: bytes) -> tuple[Decoder, list[Chunk]]:
    decoder = make("acme", lambda told: told.replace("sk-secret", "[hidden]"))
    return decoder, decode(decoder, *pieces)


@every(DIALECTS)
@pytest.mark.parametrize("before", [b"", UNKNOWN])
@pytest.mark.parametrize(
    "wire",
    [
        b'data: {"error": {"message": "Too busy, sk-secret."}}\n\n',
        b'data: {"error": "Too busy, sk-secret."}\n\n',
        b'data: [{"error": {"message": "Too busy, sk-secret."}}]\n\n',
        b'data: {"object": "error", "message": "Too busy, sk-secret."}\n\n',
        b'data: {"detail": "Too busy, sk-secret."}\n\n',
        b"event: error\ndata: Too busy, sk-secret.\n\n",
        b'event: error\ndata: {"message": "Too busy, sk-secret."}\n\n',
        b'{"error": {"message": "Too busy, sk-secret."}}',
        b'[{\n "error": {\n  "message": "Too busy, sk-secret."\n }\n}]',
        b'error: {"error": {"message": "Too busy, sk-secret."}}\n',
        b'{"type": "error", "message": "Too busy, sk-secret."}\n',
    ],
)
def test_an_error_is_told_in_its_own_words_in_any_form(
    make: Make, before: bytes, wire: bytes
) -> None:
    decoder, found = read(make, before, wire)
    assert found == [Error("acme broke off: Too busy, [hidden].")]
    assert (str(decoder.error), decoder.finished) == ("acme broke off: Too busy, [hidden].", False)


@every(DIALECTS)
@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"<html><title>Bad gateway</title></html>", "it sent no stream but b'<html>"),
        (b'{"status": 5}', "it sent no stream but b'{\"status\": 5}'"),
        (b'{"message": "No such route"}', "No such route"),
        (b'data: {"type": "respo\n\n', "an event that is not JSON"),
        (b'{"choices": 1, "content": 1, "output": 1, "steps": 1}', "no stream but"),
    ],
)
def test_what_is_no_stream_is_told_as_it_is(make: Make, wire: bytes, words: str) -> None:
    decoder, _ = read(make, wire)
    assert words in str(decoder.error)


@every(DIALECTS)
def test_a_page_after_an_event_and_an_event_that_is_cut_off_are_no_errors(make: Make) -> None:
    for rest in (b"<html>", b'data: {"type": "respo', b"data: plain words\n\n", b"data: 5\n\n"):
        decoder, found = read(make, UNKNOWN, rest)
        assert (found, decoder.error, decoder.finished) == ([], None, False)


@every(DIALECTS)
@pytest.mark.parametrize("cut", [b"d", b"dat", b"data", b"ev", b"i", b"retr", b":"])
def test_a_stream_that_is_cut_off_in_its_first_word_is_no_other_thing(
    make: Make, cut: bytes
) -> None:
    decoder, found = read(make, cut)
    assert (found, decoder.error, decoder.finished) == ([], None, False)


WHOLE: list[tuple[Make, dict[str, Any]]] = [
    (ChatDecoder, {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}),
    (AnthropicDecoder, {"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}),
    (ResponsesDecoder, {"status": "completed", "output": []}),
    (GeminiDecoder, {"candidates": [{"finishReason": "STOP"}]}),
    (InteractionsDecoder, {"status": "completed", "steps": []}),
]


@pytest.mark.parametrize(("make", "told"), WHOLE)
def test_an_answer_that_came_whole_and_says_it_had_no_error_is_one(
    make: Make, told: dict[str, Any]
) -> None:
    _, found = read(make, json.dumps({**told, "error": None}, indent=1).encode())
    assert isinstance(found[-1], Finish)
    assert found[-1].finish_reason == "stop"


DEEP: list[tuple[Make, str]] = [
    (ChatDecoder, '{"choices": [{"delta": {"reasoning_details": [{"x": %s}]}}]}'),
    (
        AnthropicDecoder,
        '{"type": "content_block_start", "index": 0, "content_block": {"type": "x", "x": %s}}',
    ),
    (ResponsesDecoder, '{"type": "response.output_item.done", "item": {"type": "x", "x": %s}}'),
    (GeminiDecoder, '{"candidates": [{"content": {"parts": [{"toolCall": {"x": %s}}]}}]}'),
    (
        InteractionsDecoder,
        '{"event_type": "step.start", "index": 0, "step": {"type": "x_call", "arguments": %s}}',
    ),
    (UIDecoder, '{"type": "data-x", "data": %s}'),
]


@pytest.mark.parametrize(("make", "event"), DEEP)
def test_an_event_that_is_nested_too_deeply_raises_nothing(make: Make, event: str) -> None:
    for depth in (*range(800, 1_050), 100_000):
        wire = b"data: %b\n\n" % (event % ("[" * depth + "]" * depth)).encode()
        stop = b'data: {"event_type": "step.stop", "index": 0}\n\ndata: [DONE]\n\n'
        decoder, _ = read(make, wire, stop)
    assert decoder.error is not None


@every([ChatDecoder, GeminiDecoder])
def test_calls_without_an_id_in_answers_without_one_are_told_apart(make: Make) -> None:
    def call(number: int) -> str:
        function = {"name": "f", "arguments": json.dumps(number), "args": {"x": number}}
        choices = [{"delta": {"tool_calls": [{"function": function}]}}]
        candidates = [{"content": {"parts": [{"functionCall": function}]}}]
        wire = json.dumps({"choices": choices, "candidates": candidates}).encode()
        _, found = read(make, b"data: %b\n\n" % wire)
        [start] = [chunk for chunk in found if isinstance(chunk, ToolInputStart)]
        return start.tool_call_id

    assert call(1) != call(2)
    assert call(1) == call(1)
