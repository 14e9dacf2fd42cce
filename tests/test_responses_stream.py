"""Streams of Responses that no recording has: each line of the dialect's small print."""

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
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    SourceDocument,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
)
from chatkit.messages import Message, ReasoningPart, TextPart, ToolPart
from chatkit.providers.responses.stream import ResponsesDecoder
from chatkit.reducer import reduce
from tests.recorded import check_order, decode

Json = dict[str, Any]
RESPONSE = {"id": "resp_1", "model": "m"}


def event(kind: str, **fields: Any) -> bytes:
    """One event as OpenAI writes it."""
    told = json.dumps({"type": kind, **fields}).encode()
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), told)


def added(index: int, kind: str, **fields: Any) -> bytes:
    item = {"id": f"{kind}_{index}", "type": kind, "status": "in_progress", **fields}
    return event("response.output_item.added", output_index=index, item=item)


def done(index: int, kind: str, **fields: Any) -> bytes:
    item = {"id": f"{kind}_{index}", "type": kind, "status": "completed", **fields}
    return event("response.output_item.done", output_index=index, item=item)


def text(index: int, delta: str, place: int = 0) -> bytes:
    return event("response.output_text.delta", output_index=index, content_index=place, delta=delta)


def summary(index: int, delta: str, place: int = 0) -> bytes:
    return event(
        "response.reasoning_summary_text.delta",
        output_index=index,
        summary_index=place,
        delta=delta,
    )


def arguments(index: int, delta: str) -> bytes:
    return event("response.function_call_arguments.delta", output_index=index, delta=delta)


def completed(**fields: Any) -> bytes:
    return event("response.completed", response={**RESPONSE, **fields})


CREATED = event("response.created", response=RESPONSE)
DESCRIBED = MessageMetadata({"responseModel": "m", "responseId": "resp_1"})
ENDED = Finish("stop", {"rawFinishReason": "completed"})
FUNCTION = {"call_id": "call_1", "name": "f"}


def chunks(*pieces: bytes) -> list[Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(ResponsesDecoder("acme"), *pieces)


def message(*pieces: bytes) -> Message:
    return reduce(Message(id="m", role="assistant"), chunks(*pieces))


def only(kind: type[Any], found: list[Chunk]) -> list[Any]:
    return [chunk for chunk in found if isinstance(chunk, kind)]


def ready(*pieces: bytes) -> list[tuple[str, str, Any]]:
    """The calls that were given out: id, name and input."""
    calls = only(ToolInputAvailable, chunks(*pieces))
    return [(call.tool_call_id, call.tool_name, call.input) for call in calls]


def kept(item: Json) -> Json:
    return {"acme": {"item": item}}


# -- text --


def test_events_of_one_read_leave_as_one_delta_and_the_end_knows_its_message() -> None:
    found = chunks(
        CREATED + added(0, "message", phase="final_answer", content=[]),
        text(0, "one ") + text(0, "two ") + text(0, "three"),
        done(0, "message", phase="final_answer", content=[]),
        completed(),
    )
    item = {"id": "message_0", "type": "message", "phase": "final_answer"}
    assert found == [
        DESCRIBED,
        TextStart("0"),
        TextDelta("0", "one two three"),
        TextEnd("0", kept(item)),
        ENDED,
    ]


def test_each_text_of_a_message_is_a_part_of_its_own() -> None:
    found = message(added(0, "message"), text(0, "a"), text(0, "b", 1), text(1, "c"), completed())
    assert [part.text for part in found.parts if isinstance(part, TextPart)] == ["a", "b", "c"]


def test_an_id_that_changes_midway_changes_nothing() -> None:
    def delta(item_id: str, words: str) -> bytes:
        place = {"output_index": 0, "content_index": 0}
        return event("response.output_text.delta", item_id=item_id, delta=words, **place)

    found = message(
        added(0, "message", id="a"),
        delta("b", "Hel"),
        delta("c", "lo"),
        done(0, "message", id="d"),
        completed(),
    )
    assert found.parts == (TextPart("Hello", "done", None, kept({"id": "d", "type": "message"})),)


def test_a_server_that_numbers_every_item_0_still_tells_them_apart() -> None:
    one = (added(0, "message"), text(0, "one"))
    two = (added(0, "message"), text(0, "two"), done(0, "message"))
    call = (added(0, "function_call", **FUNCTION), arguments(0, "{}"), done(0, "function_call"))
    found = message(*one, *two, *call, completed())
    assert [type(part).__name__ for part in found.parts] == ["TextPart", "TextPart", "ToolPart"]


def test_a_character_whose_halves_come_in_two_deltas_is_whole() -> None:
    assert message(text(0, "so \ud83d"), text(0, "\ude00!"), completed()).text == "so \U0001f600!"


def test_a_text_of_which_no_delta_came_is_told_by_its_item() -> None:
    content = [{"type": "output_text", "text": "Hello", "annotations": []}]
    assert message(done(0, "message", content=content), completed()).text == "Hello"
    assert message(completed(output=[{"type": "message", "content": content}])).text == "Hello"


def test_what_the_end_repeats_is_not_read_twice() -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
    begun = (added(0, "message"), text(0, "Hello"))
    assert (
        message(*begun, done(0, "message", content=item["content"]), completed(output=[item])).text
        == "Hello"
    )
    assert message(*begun, completed(output=[item])).text == "Hello"
    assert message(text(0, "Hello"), completed(output=[item, item])).text == "Hello"


def test_an_answer_that_came_whole_is_read_like_a_stream() -> None:
    item = {"type": "message", "content": [{"type": "output_text", "text": "Hello: all."}]}
    body = {**RESPONSE, "status": "completed", "error": None, "output": [item]}
    found = message(json.dumps(body, indent=1).encode())
    assert found.text == "Hello: all."
    assert found.metadata["finishReason"] == "stop"


def test_a_refusal_is_text_of_a_refused_answer() -> None:
    found = chunks(
        added(0, "message"),
        event("response.refusal.delta", output_index=0, content_index=0, delta="I cannot."),
        done(0, "message", content=[{"type": "refusal", "refusal": "I cannot."}]),
        completed(),
    )
    metadata = {"acme": {"refusal": True, "item": {"id": "message_0", "type": "message"}}}
    assert found == [
        TextStart("0", {"acme": {"refusal": True}}),
        TextDelta("0", "I cannot."),
        TextEnd("0", metadata),
        DESCRIBED,
        Finish("content-filter", {"rawFinishReason": "completed"}),
    ]


# -- reasoning --

ENCRYPTED = {"summary": [], "encrypted_content": "gAAA"}


def test_summaries_of_one_item_are_parts_and_the_last_keeps_the_item() -> None:
    told = [{"type": "summary_text", "text": "A"}, {"type": "summary_text", "text": "B"}]
    found = chunks(
        added(0, "reasoning", summary=[], encrypted_content="half"),
        summary(0, "A"),
        summary(0, "B", 1),
        done(0, "reasoning", summary=told, encrypted_content="gAAA"),
    )
    item = {"id": "reasoning_0", "type": "reasoning", "status": "completed"}
    assert found == [
        ReasoningStart("0"),
        ReasoningDelta("0", "A"),
        ReasoningEnd("0"),
        ReasoningStart("1"),
        ReasoningDelta("1", "B"),
        ReasoningEnd("1", kept({**item, "summary": told, "encrypted_content": "gAAA"})),
    ]


def test_reasoning_of_which_nothing_is_shown_is_kept() -> None:
    (part,) = message(added(0, "reasoning"), done(0, "reasoning", **ENCRYPTED)).parts
    assert isinstance(part, ReasoningPart)
    assert part.text == ""
    assert part.provider_metadata is not None
    assert part.provider_metadata["acme"]["item"]["encrypted_content"] == "gAAA"


def test_reasoning_that_is_done_after_the_text_began_is_kept_before_it() -> None:
    found = message(
        added(0, "reasoning"),
        summary(0, "Hm."),
        added(1, "message"),
        text(1, "Yes."),
        done(1, "message"),
        done(0, "reasoning", **ENCRYPTED),
        completed(),
    )
    thought, said = found.parts
    assert isinstance(thought, ReasoningPart)
    assert isinstance(said, TextPart)
    assert (thought.text, thought.state, said.text) == ("Hm.", "done", "Yes.")
    assert thought.provider_metadata is not None
    assert thought.provider_metadata["acme"]["item"]["encrypted_content"] == "gAAA"


def test_reasoning_that_is_never_done_ends_with_the_answer() -> None:
    found = chunks(added(0, "reasoning"), summary(0, "Hm."), text(1, "Yes."), completed())
    assert found[-4:] == [DESCRIBED, TextEnd("1"), ReasoningEnd("0"), ENDED]


# -- calls --


def test_a_call_is_given_out_when_its_item_is_done_and_as_it_is_then() -> None:
    begun = added(0, "function_call", **FUNCTION, arguments="")
    closed = done(0, "function_call", **FUNCTION, arguments='{"a":1}')
    pieces = (begun, arguments(0, '{"a"'), arguments(0, ":1}"))
    item = {"id": "function_call_0", "type": "function_call", **FUNCTION}
    assert chunks(*pieces, closed) == [
        ToolInputStart("call_1", "f", provider_metadata=kept(item)),
        ToolInputDelta("call_1", '{"a"'),
        ToolInputDelta("call_1", ":1}"),
        ToolInputAvailable(
            "call_1", "f", {"a": 1}, provider_metadata=kept({**item, "status": "completed"})
        ),
    ]
    said = event("response.function_call_arguments.done", output_index=0, arguments='{"a":1}')
    assert ready(*pieces) == ready(*pieces, said) == []
    assert only(Finish, chunks(*pieces, closed, completed()))[0].finish_reason == "tool-calls"


def test_the_item_is_right_where_the_deltas_are_not() -> None:
    begun = added(0, "function_call", **FUNCTION)
    closed = done(0, "function_call", **FUNCTION, arguments='{"a":1}')
    for pieces in ((), (arguments(0, '{"a"'),), (arguments(0, '{"b":2}'),)):
        assert ready(begun, *pieces, closed) == [("call_1", "f", {"a": 1})]
    assert only(ToolInputDelta, chunks(begun, arguments(0, '{"a"'), closed)) == [
        ToolInputDelta("call_1", '{"a"'),
        ToolInputDelta("call_1", ":1}"),
    ]


def test_a_call_whose_beginning_was_not_seen_is_read_from_its_item() -> None:
    closed = done(0, "function_call", **FUNCTION, arguments='{"a":1}')
    assert ready(closed) == ready(arguments(0, ":1}"), closed) == [("call_1", "f", {"a": 1})]


def test_a_call_that_only_the_end_tells_of_is_given_out() -> None:
    item = {"type": "function_call", **FUNCTION, "arguments": "{}"}
    assert ready(completed(output=[item])) == [("call_1", "f", {})]
    begun = added(0, "function_call", **FUNCTION)
    assert ready(begun, arguments(0, "{"), completed(output=[item])) == [("call_1", "f", {})]
    assert ready(begun, arguments(0, "{}"), completed()) == []


def test_a_call_that_ran_into_the_limit_is_not_given_out() -> None:
    found = chunks(
        added(0, "function_call", **FUNCTION),
        arguments(0, "{}"),
        done(0, "function_call", **FUNCTION, arguments="{}", status="incomplete"),
        event(
            "response.incomplete",
            response={"incomplete_details": {"reason": "max_output_tokens"}},
        ),
    )
    assert only(ToolInputAvailable, found) == []
    assert found[-1] == Finish("length", {"rawFinishReason": "incomplete"})


def test_arguments_may_be_nothing_an_object_or_no_json() -> None:
    def made(told: Any) -> Chunk:
        return chunks(done(0, "function_call", **FUNCTION, arguments=told))[-1]

    for told, value in (("", {}), (None, {}), ({"a": 1}, {"a": 1})):
        call = made(told)
        assert isinstance(call, ToolInputAvailable)
        assert call.input == value
    assert isinstance(made('{"a":'), ToolInputError)


def test_calls_that_stream_side_by_side_stay_apart() -> None:
    other = {"call_id": "call_2", "name": "g"}
    assert ready(
        added(0, "function_call", **FUNCTION),
        added(1, "function_call", **other),
        arguments(0, '{"a":'),
        arguments(1, '{"b":'),
        arguments(0, "1}"),
        arguments(1, "2}"),
        done(1, "function_call", **other),
        done(0, "function_call", **FUNCTION),
    ) == [("call_2", "g", {"b": 2}), ("call_1", "f", {"a": 1})]


def test_a_custom_tool_takes_free_text() -> None:
    found = chunks(
        added(0, "custom_tool_call", call_id="call_1", name="sql", input=""),
        event("response.custom_tool_call_input.delta", output_index=0, delta="SELECT "),
        event("response.custom_tool_call_input.delta", output_index=0, delta="1"),
        done(0, "custom_tool_call", call_id="call_1", name="sql", input="SELECT 1"),
        completed(),
    )
    start, call = only(ToolInputStart, found)[0], only(ToolInputAvailable, found)[0]
    assert (start.input_encoding, call.input) == ("text", "SELECT 1")
    assert call.provider_metadata["acme"]["item"]["type"] == "custom_tool_call"
    assert only(Finish, found)[0].finish_reason == "tool-calls"


# -- tools that the provider runs --


def test_a_call_that_the_provider_runs_comes_with_its_answer() -> None:
    found = chunks(
        added(0, "code_interpreter_call", code="", container_id="c"),
        event("response.code_interpreter_call_code.delta", output_index=0, delta="1+1"),
        event("response.code_interpreter_call.interpreting", output_index=0),
        done(
            0,
            "code_interpreter_call",
            code="1+1",
            container_id="c",
            outputs=[{"type": "logs", "logs": "2"}],
        ),
        completed(),
    )
    call_id, name = "code_interpreter_call_0", "code_interpreter"
    item = {"id": call_id, "type": "code_interpreter_call", "status": "completed"}
    assert found == [
        ToolInputStart(call_id, name, "text", True),
        ToolInputDelta(call_id, "1+1"),
        ToolInputAvailable(
            call_id,
            name,
            {"code": "1+1", "container_id": "c"},
            provider_executed=True,
            provider_metadata=kept(item),
        ),
        ToolOutputAvailable(
            call_id, {"outputs": [{"type": "logs", "logs": "2"}]}, provider_executed=True
        ),
        DESCRIBED,
        ENDED,
    ]


def test_a_call_of_a_tool_nobody_knows_yet_is_shown_too() -> None:
    closed = done(0, "crystal_ball_call", question="When?", result="Soon.")
    (part,) = message(added(0, "crystal_ball_call"), closed, completed()).parts
    assert isinstance(part, ToolPart)
    assert (part.tool_name, part.input, part.output) == (
        "crystal_ball",
        {"question": "When?"},
        {"result": "Soon."},
    )
    assert part.provider_executed


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"error": "Connection refused", "output": None}, "Connection refused"),
        ({"error": {"code": 500, "message": "Oh no"}}, "Oh no"),
        ({"status": "failed"}, "acme gave no reason"),
    ],
)
def test_a_call_that_failed_on_the_providers_side_says_why(told: Json, words: str) -> None:
    found = chunks(done(0, "mcp_call", name="f", arguments="{}", **told), completed())
    assert only(ToolOutputError, found) == [
        ToolOutputError("mcp_call_0", words, provider_executed=True)
    ]
    (call,) = only(ToolInputAvailable, found)
    item = {"id": "mcp_call_0", "type": "mcp_call", "status": "completed", **told}
    assert call.provider_metadata == kept(item)


def test_a_tool_that_waits_for_leave_asks_for_it() -> None:
    item = {"name": "shorten", "arguments": "{}", "server_label": "zip"}
    found = chunks(
        added(0, "mcp_approval_request", **item), done(0, "mcp_approval_request", **item)
    )
    call_id = "mcp_approval_request_0"
    assert found == [
        ToolInputAvailable(call_id, "mcp", item, provider_executed=True),
        ToolApprovalRequest(call_id, call_id),
    ]


def test_a_picture_becomes_a_file_and_is_kept_once() -> None:
    found = chunks(
        added(0, "image_generation_call"),
        event(
            "response.image_generation_call.partial_image",
            output_index=0,
            partial_image_b64="AAAA",
        ),
        done(0, "image_generation_call", result="BBBB", output_format="webp"),
    )
    item = {"id": "image_generation_call_0", "type": "image_generation_call"}
    item |= {"status": "completed", "output_format": "webp"}
    assert only(File, found) == [File("data:image/webp;base64,BBBB", "image/webp", kept(item))]
    assert str(found).count("BBBB") == 1


# -- sources --


def test_pages_and_files_are_cited_once_however_often_they_are_named() -> None:
    page = {"type": "url_citation", "url": "https://a.example", "title": "A"}
    file = {"type": "file_citation", "file_id": "file-1", "filename": "a.pdf", "index": 3}
    untold = {"type": "file_path", "file_id": "file-2"}
    notes = [page, file, untold, page, {"type": "new"}, 5]
    annotated = [
        event("response.output_text.annotation.added", output_index=0, annotation=note)
        for note in notes
    ]
    content = [{"type": "output_text", "text": "A", "annotations": notes}]
    found = chunks(text(0, "A"), *annotated, done(0, "message", content=content), completed())
    assert only(SourceUrl, found) == [SourceUrl("https://a.example", "https://a.example", "A")]
    assert only(SourceDocument, found) == [
        SourceDocument(
            "file-1", "application/pdf", "a.pdf", "a.pdf", {"acme": {"annotation": file}}
        ),
        SourceDocument(
            "file-2",
            "application/octet-stream",
            "file-2",
            None,
            {"acme": {"annotation": untold}},
        ),
    ]


# -- the end --


@pytest.mark.parametrize(
    ("kind", "response", "reason"),
    [
        ("completed", {}, "stop"),
        ("incomplete", {"incomplete_details": {"reason": "max_output_tokens"}}, "length"),
        ("incomplete", {"incomplete_details": {"reason": "content_filter"}}, "content-filter"),
        ("incomplete", {"incomplete_details": {"reason": "tired"}}, "other"),
        ("incomplete", {}, "other"),
        ("cancelled", {}, "interrupted"),
    ],
)
def test_an_end_is_told_in_chatkits_words_and_in_the_providers(
    kind: str, response: Json, reason: str
) -> None:
    found = chunks(text(0, "Hi"), event(f"response.{kind}", response=response))
    assert found[-2:] == [TextEnd("0"), Finish(reason, {"rawFinishReason": kind})]  # type: ignore[arg-type]


def test_usage_and_cost_are_told_with_the_end() -> None:
    usage = {
        "input_tokens": 9,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens_details": {"reasoning_tokens": 3},
        "cost": 0.25,
    }
    counts = {"inputTokens": 9, "outputTokens": 5, "reasoningTokens": 3, "cachedInputTokens": 4}
    told = {"usage": counts, "cost": 0.25, "rawFinishReason": "completed"}
    assert chunks(completed(usage=usage))[-1] == Finish("stop", told)
    failed = event("response.failed", response={"usage": usage})
    assert MessageMetadata({"usage": counts, "cost": 0.25}) in chunks(failed)


def test_without_a_terminal_event_nothing_is_closed_and_nothing_finished() -> None:
    decoder = ResponsesDecoder("acme")
    found = decode(decoder, CREATED, text(0, "Hel"), b"data: [DONE]\n\n")
    assert found == [DESCRIBED, TextStart("0"), TextDelta("0", "Hel")]
    assert not decoder.finished
    assert decoder.error is None


def test_the_last_event_may_lack_its_blank_line() -> None:
    assert chunks(text(0, "Hi"), completed().rstrip())[-1] == ENDED


def test_what_comes_after_the_end_is_not_read() -> None:
    assert chunks(completed(), text(0, "more"), completed(), event("error", message="x")) == [
        DESCRIBED,
        ENDED,
    ]


def test_keepalives_and_events_nobody_knows_yet_are_passed_over() -> None:
    unknown = (
        event("keepalive", sequence_number=3),
        event("response.mcp_call.failed", error={"message": "not the answer's"}),
        event("response.levitated", output_index=0, delta="up"),
        b"data: {}\n\n",
        b"data: 5\n\n",
        b"data: [1]\n\n",
        b": comment\n\n",
    )
    found = message(text(0, "a"), *unknown, text(0, "b"), completed())
    assert (found.text, found.metadata["finishReason"]) == ("ab", "stop")


def test_the_type_is_read_from_the_data_where_no_event_line_is() -> None:
    def bare(wire: bytes) -> bytes:
        return re.sub(rb"event: .*\n", b"", wire)

    found = message(bare(text(0, "Hi")), bare(completed()))
    assert (found.text, found.metadata["finishReason"]) == ("Hi", "stop")


# -- errors --

FLAT = event("error", code="server_error", message="An error occurred.")
NESTED = event("error", error={"code": "rate_limit_exceeded", "message": "Slow down."})
FAILED = event("response.failed", response={"error": {"code": "server_error", "message": "Oh."}})


@pytest.mark.parametrize(
    ("wire", "words", "retryable"),
    [
        (FLAT, "An error occurred.", True),
        (NESTED, "Slow down.", True),
        (FAILED, "Oh.", True),
        (event("response.failed", response=None), "it gave no reason", False),
        (event("error", error={"code": "insufficient_quota", "message": "Pay."}), "Pay.", False),
        (b'data: {"error": {"message": "Gateway."}}\n\n', "Gateway.", False),
        (b'event: error\ndata: {"type": "odd", "message": "Named."}\n\n', "Named.", False),
        (b'data: {"error": "Text."}\n\n', "Text.", False),
        (b'data: {"object": "error", "message": "Old."}\n\n', "Old.", False),
        (b"event: error\ndata: plain words\n\n", "plain words", False),
        (b'{"error": {"message": "Bare."}}', "Bare.", False),
    ],
)
def test_an_error_in_the_stream_comes_after_what_came_before_it(
    wire: bytes, words: str, retryable: bool
) -> None:
    decoder = ResponsesDecoder("acme")
    found = decode(decoder, text(0, "Hel"), wire)
    assert found[:2] == [TextStart("0"), TextDelta("0", "Hel")]
    assert isinstance(found[-1], Error)
    assert words in found[-1].error_text
    assert not decoder.finished
    assert decoder.error is not None
    assert decoder.error.retryable is retryable


def test_an_error_and_the_failure_it_leads_to_are_told_once() -> None:
    found = chunks(text(0, "Hel"), NESTED, FAILED, text(0, "lo"), completed())
    assert [chunk.error_text for chunk in only(Error, found)] == ["acme broke off: Slow down."]
    assert isinstance(found[-1], Error)


def test_an_event_that_is_broken_is_an_error_unless_it_is_the_last_and_cut() -> None:
    broken = b'data: {"type": "response.outp\n\n'
    assert isinstance(chunks(broken, completed())[-1], Error)
    assert chunks(text(0, "Hi"), broken[:-2])[-1] == TextDelta("0", "Hi")


@pytest.mark.parametrize("kind", ["web_search_call", "function_call", "message", "reasoning"])
def test_an_item_that_is_nested_too_deeply_is_an_error(kind: str) -> None:
    shape = '{"type":"response.output_item.done","item":{"type":"%s","arguments":{"a":%s}}}'
    for depth in (*range(800, 1_050, 5), 100_000):
        told = shape % (kind, "[" * depth + "]" * depth)
        found = chunks(b"data: %b\n\n" % told.encode())
    assert isinstance(found[-1], Error)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"error": {"message": "No credits left."}}', "No credits left."),
        (b'{"status": "failed", "output": [], "error": {"message": "Oh."}}', "Oh."),
    ],
)
def test_a_body_that_is_no_stream_is_told_as_it_is(body: bytes, words: str) -> None:
    decoder = ResponsesDecoder("acme")
    decode(decoder, body)
    assert words in str(decoder.error)


def test_a_key_that_a_server_repeats_is_not() -> None:
    decoder = ResponsesDecoder("acme", lambda told: told.replace("sk-secret", "[hidden]"))
    found = decode(decoder, event("error", message="Bad key sk-secret"))
    assert "sk-secret" not in f"{found}{decoder.error}"


# -- anything --

NAMES = re.findall(
    r"\w+",
    """type output_index content_index summary_index delta item annotation response error code
    message id model status output call_id name arguments input summary content text refusal
    annotations url file_id usage incomplete_details reason encrypted_content result outputs""",
)
KINDS = re.findall(
    r"[\w.]+",
    """response.created response.output_item.added response.output_item.done
    response.output_text.delta response.refusal.delta response.reasoning_text.delta
    response.reasoning_summary_text.delta response.function_call_arguments.delta
    response.custom_tool_call_input.delta response.output_text.annotation.added
    response.completed response.incomplete response.failed error response.unknown""",
)
TYPES = re.findall(
    r"\w+",
    """message reasoning function_call custom_tool_call web_search_call image_generation_call
    mcp_approval_request mcp_list_tools output_text refusal summary_text url_citation""",
)
LEAVES = st.none() | st.booleans() | st.integers(0, 2) | st.floats() | st.text(max_size=3)
LEAVES |= st.sampled_from(["\ud83d", "\ude00", "{", "{}", "", "incomplete", *TYPES])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=4)
ITEMS = st.builds(lambda kind, fields: {**fields, "type": kind}, st.sampled_from(TYPES), FIELDS)
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "output_index": st.integers(0, 2) | LEAVES,
        "content_index": st.integers(0, 1) | LEAVES,
        "summary_index": st.integers(0, 1) | LEAVES,
        "delta": st.text(max_size=3) | LEAVES,
        "item": ITEMS | VALUES,
        "response": FIELDS | VALUES,
        "annotation": ITEMS | VALUES,
    },
)
EVENTS = st.builds(
    lambda kind, fields: b"data: %b\n\n" % json.dumps({**fields, "type": kind}).encode(),
    st.sampled_from(KINDS),
    LIKELY | FIELDS,
)


@given(st.lists(EVENTS | st.binary(max_size=20), max_size=12))
def test_whatever_comes_no_decoder_raises_and_every_chunk_can_be_written(
    pieces: list[bytes],
) -> None:
    check_order(chunks(*pieces), calls_last=False)
