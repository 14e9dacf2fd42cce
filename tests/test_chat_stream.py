"""Streams of Chat Completions that no recording has: each line of the dialect's small print."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.chunks import (
    Chunk,
    Error,
    File,
    Finish,
    MessageMetadata,
    ReasoningStart,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
)
from chatkit.messages import Message, ReasoningPart
from chatkit.providers.chat.stream import ChatDecoder
from chatkit.reducer import reduce
from tests.recorded import check_order, decode

DONE = b"data: [DONE]\n\n"


def event(**fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"id": "r1", "model": "m"} | fields).encode()


def delta(finish_reason: str | None = None, **fields: Any) -> bytes:
    return event(choices=[{"index": 0, "delta": fields, "finish_reason": finish_reason}])


def call(*deltas: dict[str, Any]) -> bytes:
    return delta(tool_calls=list(deltas))


def function(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    told = {"name": name, "arguments": arguments}
    return fields | {"function": {key: value for key, value in told.items() if value is not None}}


def chunks(*pieces: bytes) -> list[Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(ChatDecoder("acme"), *pieces)


def message(*pieces: bytes) -> Message:
    return reduce(Message(id="m", role="assistant"), chunks(*pieces))


def only(kind: type[Any], found: list[Chunk]) -> list[Any]:
    return [chunk for chunk in found if isinstance(chunk, kind)]


def ready(*pieces: bytes) -> list[tuple[str, str, Any]]:
    """The calls that were given out: id, name and input."""
    calls = only(ToolInputAvailable, chunks(*pieces))
    return [(call.tool_call_id, call.tool_name, call.input) for call in calls]


# -- text --


def test_events_of_one_read_leave_as_one_delta() -> None:
    found = chunks(delta(content="one ") + delta(content="two ") + delta(content="three"))
    assert found == [
        MessageMetadata({"responseModel": "m", "responseId": "r1"}),
        TextStart("0"),
        TextDelta("0", "one two three"),
    ]


def test_text_and_reasoning_alternate_in_parts_of_their_own() -> None:
    found = message(
        delta(reasoning_content="Hm. "),
        delta(content="One. "),
        delta(reasoning="Hm again."),
        delta(content="Two."),
        DONE,
    )
    assert [(type(part).__name__, part.text) for part in found.parts] == [  # type: ignore[union-attr]
        ("ReasoningPart", "Hm. "),
        ("TextPart", "One. "),
        ("ReasoningPart", "Hm again."),
        ("TextPart", "Two."),
    ]


def test_reasoning_told_under_two_names_is_shown_once() -> None:
    assert message(delta(reasoning_content="Hm.", reasoning="Hm."), DONE).reasoning == "Hm."


@pytest.mark.parametrize("between", [b"", delta(content="")])
def test_a_character_whose_halves_come_in_two_deltas_is_whole(between: bytes) -> None:
    found = chunks(delta(content="so \ud83d"), between, delta(content="\ude00!"), DONE)
    assert "".join(chunk.delta for chunk in only(TextDelta, found)) == "so \U0001f600!"


def test_half_a_character_on_its_own_is_replaced() -> None:
    found = message(
        delta(content="a\ud83d"), delta(content="b\ude00"), delta(content="\ud83d"), DONE
    )
    assert found.text == "a\ufffdb\ufffd\ufffd"


def test_a_refusal_is_text_of_a_refused_answer() -> None:
    found = chunks(delta(refusal="I can't "), delta(refusal="help."), delta("stop"), DONE)
    assert TextStart("0", {"acme": {"refusal": True}}) in found
    assert found[-1] == Finish("content-filter", {"rawFinishReason": "stop"})


def test_only_choice_0_is_the_answer_and_all_choices_must_finish() -> None:
    def choice(index: int, text: str, finish_reason: str | None = None) -> bytes:
        told = {"index": index, "delta": {"content": text}, "finish_reason": finish_reason}
        return event(choices=[told])

    begun = choice(0, "yes") + choice(1, "no") + choice(0, "", "stop")
    assert only(Finish, chunks(begun)) == []
    found = message(begun, choice(1, "", "stop"))
    assert (found.text, found.metadata["finishReason"]) == ("yes", "stop")


def test_an_answer_that_came_whole_is_read_like_a_stream() -> None:
    answer = {
        "object": "chat.completion",
        "model": "m",
        "choices": [
            {"message": {"content": "Hello: all.", "reasoning": "Hm."}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    for body in (json.dumps(answer), json.dumps(answer, indent=2)):
        found = message(body.encode())
        assert (found.text, found.reasoning) == ("Hello: all.", "Hm.")
        assert found.metadata["usage"] == {"inputTokens": 3, "outputTokens": 4}
        assert found.metadata["finishReason"] == "stop"


def test_a_message_that_grows_beside_the_deltas_is_not_read_twice() -> None:
    told = {"index": 0, "delta": {"content": "b"}, "message": {"content": "ab"}}
    last = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"}
    assert message(delta(content="a"), event(choices=[told]), event(choices=[last])).text == "ab"


# -- the end --


def test_without_a_terminal_mark_nothing_is_closed_and_nothing_finished() -> None:
    decoder = ChatDecoder("acme")
    found = decode(decoder, delta(content="So far"), call(function("f", "{}", index=0, id="c")))
    assert only(Finish, found) == only(ToolInputAvailable, found) == []
    assert not decoder.finished
    assert decoder.error is None


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("tool_calls", "tool-calls"),
        ("function_call", "tool-calls"),
        ("content_filter", "content-filter"),
        ("insufficient_system_resource", "error"),
        ("eos", "other"),
    ],
)
def test_a_finish_reason_is_told_in_chatkits_words_and_in_the_providers(
    raw: str, reason: Any
) -> None:
    found = chunks(delta(content="x"), delta(raw), DONE)
    assert found[-1] == Finish(reason, {"rawFinishReason": raw})


def test_an_early_finish_reason_ends_nothing_until_the_body_does() -> None:
    found = message(delta("stop", content="One"), delta(content=" two"), delta("", content="!"))
    assert (found.text, found.metadata["finishReason"]) == ("One two!", "stop")


def test_what_comes_after_done_is_not_read() -> None:
    found = chunks(delta(content="x") + DONE + delta(content="y"), event(error={"message": "no"}))
    assert isinstance(found[-1], Finish)
    assert [chunk.delta for chunk in only(TextDelta, found)] == ["x"]


def test_the_last_usage_that_says_something_is_right() -> None:
    counts = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "completion_tokens_details": {"reasoning_tokens": 5},
        "prompt_tokens_details": {"cached_tokens": 8},
    }
    found = chunks(
        event(choices=[{"delta": {"content": "x"}}], usage={"prompt_tokens": 10}),
        delta("stop"),
        event(choices=[], usage=counts),
        event(choices=[], usage={"prompt_tokens": None}),
        DONE,
    )
    usage = {"inputTokens": 10, "outputTokens": 20, "reasoningTokens": 5, "cachedInputTokens": 8}
    assert found[-1] == Finish("stop", {"usage": usage, "rawFinishReason": "stop"})


def test_usage_and_cost_are_found_where_servers_put_them() -> None:
    groq = event(choices=[], x_groq={"usage": {"prompt_tokens": 1}})
    moonshot = event(choices=[{"index": 0, "delta": {}, "usage": {"prompt_tokens": 1}}])
    for told in (groq, moonshot):
        assert message(told, DONE).metadata["usage"] == {"inputTokens": 1}
    openrouter = event(choices=[], usage={"prompt_tokens": 1, "cost": 0.25})
    assert message(openrouter, DONE).metadata["cost"] == 0.25


def test_a_cut_stream_still_tells_what_is_known_of_it() -> None:
    found = chunks(event(choices=[{"delta": {"content": "x"}}], usage={"prompt_tokens": 9}))
    assert found[-1] == MessageMetadata({"usage": {"inputTokens": 9}})


# -- tool calls --


def test_calls_are_joined_by_index_and_given_out_at_the_end() -> None:
    begun = (
        call(function("add", "", index=0, id="a"), function("mul", "", index=1, id="b")),
        call(function(arguments='{"x":', index=1), function(arguments="{}", index=0)),
        call(function(arguments="2}", index=1)),
    )
    assert ready(*begun) == []
    assert ready(*begun, delta("tool_calls"), DONE) == [("a", "add", {}), ("b", "mul", {"x": 2})]


def test_calls_without_an_index_are_joined_by_id_or_belong_to_the_last() -> None:
    by_id = (
        call(function("add", '{"x"', id="a")),
        call(function("mul", "{}", id="b")),
        call(function(arguments=":1}", id="a")),
    )
    assert ready(*by_id, DONE) == [("a", "add", {"x": 1}), ("b", "mul", {})]
    last = (call(function("add", '{"x"', id="a")), call(function(arguments=":1}")))
    assert ready(*last, DONE) == [("a", "add", {"x": 1})]


def test_parallel_calls_that_a_server_all_numbers_0_stay_apart() -> None:
    assert ready(
        call(function("add", '{"x":1}', index=0, id="a")),
        call(function("mul", '{"x":2}', index=0, id="b")),
        DONE,
    ) == [("a", "add", {"x": 1}), ("b", "mul", {"x": 2})]


def test_an_id_and_a_name_may_be_repeated_with_each_piece() -> None:
    pieces = ("", '{"x"', ":1}")
    same = [call(function("add", piece, index=0, id="a")) for piece in pieces]
    assert ready(*same, DONE) == [("a", "add", {"x": 1})]


def test_a_name_may_come_after_the_arguments_began() -> None:
    found = chunks(
        call(function(arguments='{"x"', index=0, id="a")),
        call(function("add", ":1}", index=0)),
        DONE,
    )
    assert only(ToolInputStart, found) == [ToolInputStart("a", "add")]
    assert "".join(part.input_text_delta for part in only(ToolInputDelta, found)) == '{"x":1}'
    assert only(ToolInputAvailable, found)[0].input == {"x": 1}


def test_a_call_without_an_id_gets_one_that_is_not_used_twice() -> None:
    calls = (call(function("add", "{}", index=0), function("mul", "{}", index=1)), DONE)
    ids = [call_id for call_id, _, _ in ready(*calls)]
    assert ids == ["call_r1_0", "call_r1_1"]


def test_the_old_form_of_a_call_is_one() -> None:
    old = delta(function_call={"name": "add", "arguments": '{"x":1}'})
    assert ready(old, delta("function_call"), DONE) == [("call_r1_0", "add", {"x": 1})]


def test_arguments_may_be_an_object_or_nothing_at_all() -> None:
    assert ready(call(function("add", {"x": 1}, index=0, id="a")), DONE) == [("a", "add", {"x": 1})]
    assert ready(call(function("add", "", index=0, id="a")), DONE) == [("a", "add", {})]


def test_a_forced_call_ends_with_stop_and_is_still_a_call() -> None:
    found = chunks(call(function("add", "{}", index=0, id="a")), delta("stop"), DONE)
    assert found[-1] == Finish("tool-calls", {"rawFinishReason": "stop"})


@pytest.mark.parametrize("reason", ["length", "content_filter"])
@pytest.mark.parametrize("arguments", ["", '{"x": 1', '{"path": "/'])
def test_a_call_that_ran_into_a_limit_is_not_given_out(reason: str, arguments: str) -> None:
    found = chunks(call(function("rm", arguments, index=0, id="a")), delta(reason), DONE)
    assert only(ToolInputAvailable, found) == []
    [broken] = only(ToolInputError, found)
    assert (broken.tool_call_id, broken.input) == ("a", arguments)


@pytest.mark.parametrize("arguments", ["{'x': 1}", '{"x": NaN}', '{"x": 1}}', "[" * 5_000])
def test_arguments_that_are_not_json_are_an_error_of_the_call(arguments: str) -> None:
    found = chunks(call(function("add", arguments, index=0, id="a")), delta("tool_calls"), DONE)
    [broken] = only(ToolInputError, found)
    assert broken.input == arguments
    assert "not JSON" in broken.error_text
    assert isinstance(found[-1], Finish)


def test_half_characters_in_arguments_are_mended() -> None:
    calls = (call(function("say", '{"text": "\\ud83d\\ude00 \\ud83d"}', index=0, id="a")), DONE)
    assert ready(*calls) == [("a", "say", {"text": "\U0001f600 \ufffd"})]


def test_text_before_between_and_after_calls_keeps_its_place() -> None:
    found = message(
        delta(content="First. "),
        call(function("a", "{}", index=0, id="a")),
        delta(content="Then."),
        DONE,
    )
    assert [type(part).__name__ for part in found.parts] == ["TextPart", "ToolPart", "TextPart"]


# -- what else an answer holds --


def test_signed_reasoning_is_kept_with_its_part_pieces_joined() -> None:
    def thought(text: str, **more: str) -> bytes:
        detail = {"type": "reasoning.text", "text": text, "index": 0, **more}
        return delta(reasoning=text, reasoning_details=[detail])

    found = message(
        thought("Hm, "), thought("yes."), thought("", signature="s"), delta(content="Yes."), DONE
    )
    kept = {"type": "reasoning.text", "text": "Hm, yes.", "index": 0, "signature": "s"}
    assert found.parts[0] == ReasoningPart(
        "Hm, yes.", "0", "done", {"acme": {"reasoning_details": [kept]}}
    )


def test_encrypted_reasoning_goes_with_the_call_or_the_text_it_belongs_to() -> None:
    secret = {"type": "reasoning.encrypted", "data": "xyz", "index": 0}
    kept = {"acme": {"reasoning_details": [secret]}}
    hidden = delta(reasoning=None, reasoning_details=[secret])
    [given] = only(
        ToolInputAvailable, chunks(hidden, call(function("f", "{}", index=0, id="a")), DONE)
    )
    assert given.provider_metadata == kept
    assert only(TextEnd, chunks(hidden, delta(content="x"), DONE)) == [TextEnd("0", kept)]


def test_reasoning_told_only_in_details_is_shown() -> None:
    detail = {"type": "reasoning.summary", "summary": "Thought about it."}
    assert message(delta(reasoning_details=[detail]), DONE).reasoning == "Thought about it."


def test_a_page_is_cited_once_however_often_it_is_named() -> None:
    page = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": "A"}}
    found = chunks(
        delta(content="x", annotations=[page]),
        delta(content="y", annotations=[page]),
        event(choices=[], citations=["https://a.example", "https://b.example"]),
        DONE,
    )
    assert only(SourceUrl, found) == [
        SourceUrl("source-0", "https://a.example", "A"),
        SourceUrl("source-1", "https://b.example"),
    ]


def test_pictures_and_sound_become_files() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}}
    found = chunks(
        delta(images=[picture]),
        delta(audio={"data": "AAE="}),
        delta(audio={"data": "AgM=", "transcript": "Hi."}),
        DONE,
    )
    assert only(File, found) == [
        File("data:image/webp;base64,AAAA", "image/webp"),
        File("data:audio/pcm;base64,AAECAw==", "audio/pcm"),
    ]
    assert [chunk.delta for chunk in only(TextDelta, found)] == ["Hi."]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"tool_calls": [function("f", "{}", index=0, id="a")]}, ToolInputStart),
        ({"function_call": {"name": "f", "arguments": "{}"}}, ToolInputStart),
        ({"reasoning": "Hm."}, ReasoningStart),
        ({"reasoning_content": "Hm."}, ReasoningStart),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]}, ReasoningStart),
        ({"annotations": [{"url_citation": {"url": "https://a.example"}}]}, SourceUrl),
        ({"images": [{"image_url": {"url": "data:image/png;base64,AAAA"}}]}, File),
        ({"audio": {"data": "AAE="}}, File),
        ({"refusal": "No."}, TextEnd),
    ],
)
def test_what_stands_beside_more_text_is_not_lost(fields: dict[str, Any], kind: type[Any]) -> None:
    before = chunks(delta(content="So "), delta(content="far"), DONE)
    found = chunks(delta(content="So "), delta(content="far", **fields), DONE)
    assert len(only(kind, found)) == len(only(kind, before)) + 1
    assert "".join(chunk.delta for chunk in only(TextDelta, found)).startswith("So far")


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": {"prompt_tokens": 1}},
        {"x_groq": {"usage": {"prompt_tokens": 1}}},
        {"citations": ["https://a.example"]},
        {"search_results": [{"url": "https://a.example"}]},
    ],
)
def test_what_an_event_of_text_tells_of_the_whole_is_not_lost(fields: dict[str, Any]) -> None:
    more = [{"index": 0, "delta": {"content": "far"}, "finish_reason": None}]
    found = message(delta(content="So "), event(choices=more, **fields), DONE)
    assert found.text == "So far"
    assert found.metadata.get("usage") == {"inputTokens": 1} or len(found.parts) == 2


# -- errors inside a stream --


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (event(error={"message": "Overloaded.", "type": "overloaded_error"}), "Overloaded."),
        (event(error="Overloaded."), "Overloaded."),
        (b'data: {"object": "error", "message": "Overloaded."}\n\n', "Overloaded."),
        (b'event: error\ndata: {"detail": "Overloaded."}\n\n', "Overloaded."),
        (b"event: error\ndata: Overloaded.\n\n", "Overloaded."),
        (b'[{\n "error": {\n  "code": 503,\n  "message": "Overloaded."\n }\n}]\n', "Overloaded."),
        (b'error: {"error": {"message": "Overloaded."}}\n\n', "Overloaded."),
        (b'data: {"choices": [{"delta": {"content": "cut\n\n', "not JSON"),
    ],
)
def test_an_error_in_the_stream_comes_after_what_came_before_it(wire: bytes, words: str) -> None:
    decoder = ChatDecoder("acme")
    found = decode(decoder, delta(content="So far"), wire, delta(content=" more"))
    assert "So far" in [chunk.delta for chunk in only(TextDelta, found)]
    assert isinstance(found[-1], Error)
    assert words in found[-1].error_text
    assert decoder.error is not None
    assert str(decoder.error) == found[-1].error_text
    assert only(Finish, found) == []


def test_nothing_comes_after_an_error() -> None:
    failed = event(error={"message": "no"})
    found = chunks(delta(content="x") + failed + delta(content="y") + failed + DONE)
    assert isinstance(found[-1], Error)
    assert [chunk.delta for chunk in only(TextDelta, found)] == ["x"]


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        ({"message": "x", "type": "server_error"}, True),
        ({"message": "x", "code": 502}, True),
        ({"message": "x", "code": "rate_limit_exceeded"}, True),
        ({"message": "x", "code": 400}, False),
        ({"message": "x", "type": "invalid_request_error"}, False),
    ],
)
def test_an_error_in_the_stream_says_whether_asking_again_may_help(
    error: dict[str, Any], retryable: bool
) -> None:
    decoder = ChatDecoder("acme")
    decode(decoder, event(error=error))
    assert decoder.error is not None
    assert decoder.error.retryable is retryable


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": {"message": "No credits left."}}', "No credits left."),
        (b"upstream connect error", "upstream connect error"),
    ],
)
def test_a_body_that_is_no_stream_is_told_as_it_is(body: bytes, words: str) -> None:
    decoder = ChatDecoder("acme")
    decode(decoder, body)
    assert words in str(decoder.error)


def test_an_empty_body_is_neither_an_answer_nor_an_error() -> None:
    decoder = ChatDecoder("acme")
    assert decode(decoder, b"", b": keep-alive\n\n") == []
    assert not decoder.finished
    assert decoder.error is None


def test_a_key_that_a_server_repeats_is_not() -> None:
    decoder = ChatDecoder("acme", lambda text: text.replace("sk-secret", "[hidden]"))
    found = decode(decoder, event(error={"message": "Bad key sk-secret"}))
    assert "sk-secret" not in f"{found}{decoder.error}"


# -- anything --

NAMES = re.findall(
    r"\w+",
    """choices delta message index finish_reason usage error content reasoning reasoning_details
    tool_calls function arguments name id model annotations url_citation url images image_url
    audio data type text thinking""",
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
LEAVES |= st.sampled_from(
    ["\ud83d", "\ude00", "stop", "{", "", "text", "thinking", "reasoning.text"]
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
DELTAS = FIELDS.map(lambda told: event(choices=[{"delta": told}]))
EVENTS = FIELDS.map(lambda told: event(**told))


@given(st.lists(DELTAS | EVENTS | st.binary(max_size=20) | st.just(DONE), max_size=8))
def test_whatever_comes_no_decoder_raises_and_every_chunk_can_be_written(
    pieces: list[bytes],
) -> None:
    check_order(chunks(*pieces))
