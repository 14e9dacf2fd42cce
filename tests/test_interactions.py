"""Gemini Interactions: the exact requests, and streams that no recording has."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import chunks as c
from chatkit.errors import MessageError, StreamFailed, UnknownOption
from chatkit.messages import (
    FilePart,
    Message,
    ReasoningFilePart,
    ReasoningPart,
    StepPart,
    TextPart,
    ToolPart,
)
from chatkit.providers import get_model
from chatkit.providers.interactions.stream import InteractionsDecoder
from chatkit.reducer import reduce
from tests import strategies
from tests.recorded import check_order, decode
from tests.test_gemini import Weather

OURS = "gemini-interactions"
HELLO = Message(id="u", role="user", parts=(TextPart("Hello"),))
SAID = {"type": "user_input", "content": [{"type": "text", "text": "Hello"}]}
ASKED = {"model": "gemini-3.5-flash", "input": [SAID], "stream": True, "store": False}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def body(*messages: Message, name: str = "gemini-3.5-flash", **asked: Any) -> dict[str, Any]:
    """The JSON that is sent."""
    model = get_model(f"{OURS}/{name}", api_key="not-a-key")
    return model.request(messages or [HELLO], asked.pop("options", {}), **asked).body


def steps(*messages: Message) -> list[dict[str, Any]]:
    """The conversation as it is sent."""
    sent: list[dict[str, Any]] = body(*messages)["input"]
    return sent


def answer(*parts: Any) -> Message:
    return Message(id="a", role="assistant", parts=parts)


def output(*texts: str) -> dict[str, Any]:
    return {"type": "model_output", "content": [{"type": "text", "text": text} for text in texts]}


CALL = {"type": "function_call", "id": "c1", "name": "weather", "arguments": {"city": "Lisbon"}}
RESULT = {"type": "function_result", "call_id": "c1", "name": "weather"}


# -- requests --


def test_a_request_names_the_model_in_its_body_and_the_revision_in_a_header() -> None:
    model = get_model(f"{OURS}/gemini-3.5-flash", api_key="not-a-key")
    request = model.request([HELLO], {})
    assert request.method == "POST"
    assert request.url == "https://generativelanguage.googleapis.com/v1beta/interactions"
    assert request.headers["x-goog-api-key"] == "not-a-key"
    assert request.headers["api-revision"] == "2026-05-20"
    assert request.body == ASKED


def test_what_the_system_says_is_an_instruction() -> None:
    system = Message(id="s", role="system", parts=(TextPart("Be brief."),))
    assert body(system, HELLO) == {**ASKED, "system_instruction": "Be brief."}


def test_options_go_by_googles_names() -> None:
    options = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["END", "FIN"],
        "seed": 7,
        "reasoning": "high",
    }
    assert body(options=options) == {
        **ASKED,
        "generation_config": {
            "temperature": 0.5,
            "top_p": 0.9,
            "max_output_tokens": 100,
            "seed": 7,
            "stop_sequences": ["END", "FIN"],
            "thinking_level": "high",
            "thinking_summaries": "auto",
        },
    }


def test_no_reasoning_is_as_little_as_the_model_can_and_shows_none() -> None:
    config = body(options={"reasoning": "none"})["generation_config"]
    assert config == {"thinking_level": "minimal", "thinking_summaries": "none"}


@pytest.mark.parametrize("option", ["presence_penalty", "frequency_penalty"])
def test_an_option_that_the_dialect_has_no_word_for_is_refused(option: str) -> None:
    with pytest.raises(UnknownOption, match=f"takes no option '{option}'"):
        body(options={option: 0.5})


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "any"),
        ("weather", {"allowed_tools": {"mode": "any", "tools": ["weather"]}}),
    ],
)
def test_tools_are_told_with_their_json_schema(choice: str, sent: Any) -> None:
    told = {
        "type": "function",
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": Weather().parameters,
    }
    assert body(tools=[Weather()], options={"tool_choice": choice}) == {
        **ASKED,
        "tools": [told],
        "generation_config": {"tool_choice": sent},
    }


def test_a_schema_is_asked_for_natively() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    wanted = {"type": "text", "mime_type": "application/json", "schema": schema}
    assert body(schema=schema) == {**ASKED, "response_format": wanted}


def test_files_are_content_of_their_kind() -> None:
    message = Message(
        id="u",
        role="user",
        parts=(
            FilePart("image/png", "data:image/png;base64,iVBO"),
            FilePart("audio/wav", "data:audio/wav;base64,UklG"),
            FilePart("video/mp4", "https://example.org/b.mp4"),
            FilePart("application/pdf", "data:application/pdf;base64,JVBE"),
            TextPart("Look."),
        ),
    )
    content = [
        {"type": "image", "mime_type": "image/png", "data": "iVBO"},
        {"type": "audio", "mime_type": "audio/wav", "data": "UklG"},
        {"type": "video", "mime_type": "video/mp4", "uri": "https://example.org/b.mp4"},
        {"type": "document", "mime_type": "application/pdf", "data": "JVBE"},
        {"type": "text", "text": "Look."},
    ]
    assert steps(message) == [{"type": "user_input", "content": content}]


def test_an_address_that_google_cannot_fetch_is_refused() -> None:
    message = Message(id="u", role="user", parts=(FilePart("image/png", "blob:a"),))
    with pytest.raises(MessageError, match="'blob:a', where Google cannot fetch it"):
        body(message)


def test_the_whole_conversation_is_sent_as_steps() -> None:
    call = ToolPart("weather", "c1", "output-available", {"city": "Lisbon"}, "sunny")
    picture = FilePart("image/png", "data:image/png;base64,iVBO")
    said = answer(TextPart("One."), picture, call, StepPart(), TextPart("Sunny."))
    again = Message(id="u2", role="user", parts=(TextPart("Hello"),))
    drawn = {"type": "image", "mime_type": "image/png", "data": "iVBO"}
    assert steps(HELLO, said, again) == [
        SAID,
        {"type": "model_output", "content": [{"type": "text", "text": "One."}, drawn]},
        CALL,
        {**RESULT, "result": "sunny"},
        output("Sunny."),
        SAID,
    ]


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (ToolPart("weather", "c1", "output-available", {}, {"n": 1}), {"result": '{"n":1}'}),
        (
            ToolPart("weather", "c1", "output-error", {}, error_text="No."),
            {"result": "No.", "is_error": True},
        ),
        (
            ToolPart("weather", "c1", "output-denied", {}),
            {"result": "The user did not allow this call.", "is_error": True},
        ),
    ],
)
def test_a_result_says_whether_it_is_an_error(part: ToolPart, sent: dict[str, Any]) -> None:
    assert steps(HELLO, answer(part))[2:] == [{**RESULT, **sent}]


def test_what_another_provider_signed_and_thought_stays_with_it() -> None:
    foreign = {"gemini": {"signature": "s", "type": "google_search_call"}}
    said = answer(
        ReasoningPart("Hm.", provider_metadata=foreign),
        TextPart("Hi.", provider_metadata=foreign),
        ToolPart(
            "web_search",
            "w1",
            "output-available",
            input={},
            output={},
            provider_executed=True,
            call_provider_metadata=foreign,
        ),
        ToolPart(
            "weather",
            "c1",
            "output-available",
            {"city": "Lisbon"},
            "sunny",
            call_provider_metadata=foreign,
        ),
    )
    assert steps(HELLO, said)[1:] == [output("Hi."), CALL, {**RESULT, "result": "sunny"}]


@given(strategies.json_values | st.fixed_dictionaries({"type": strategies.json_values}))
def test_a_state_that_is_none_of_ours_does_no_harm(state: Any) -> None:
    told = {OURS: state}
    ran = ToolPart(
        "t",
        "c1",
        "output-available",
        input={},
        output={},
        provider_executed=True,
        call_provider_metadata=told,
    )
    said = answer(
        ReasoningPart("Hm.", provider_metadata=told), ran, TextPart("Hi.", None, None, told)
    )
    assert steps(HELLO, said)[-1] == output("Hi.")


@given(st.lists(strategies.messages, max_size=4))
def test_any_history_makes_a_request(history: list[Message]) -> None:
    json.dumps(steps(*history, HELLO))


# -- streams --


def event(kind: str, **fields: Any) -> bytes:
    """One event, named as Google names them."""
    told = {"event_type": kind, **fields}
    return f"event: {kind}\ndata: {json.dumps(told)}\n\n".encode()


CREATED = event("interaction.created", interaction={"id": "v1_x", "model": "m"})


def start(index: int, kind: str, **fields: Any) -> bytes:
    return event("step.start", index=index, step={"type": kind, **fields})


def delta(index: int, kind: str, **fields: Any) -> bytes:
    return event("step.delta", index=index, delta={"type": kind, **fields})


def stop(index: int) -> bytes:
    return event("step.stop", index=index)


def completed(status: str = "completed", **fields: Any) -> bytes:
    return event("interaction.completed", interaction={"status": status, **fields})


def step(index: int, kind: str, *deltas: dict[str, Any], **fields: Any) -> bytes:
    """A step from its start to its stop."""
    middle = b"".join(event("step.delta", index=index, delta=each) for each in deltas)
    return start(index, kind, **fields) + middle + stop(index)


def said(text: str, index: int = 1, **more: Any) -> bytes:
    return step(index, "model_output", {"type": "text", "text": text, **more})


def argued(arguments: str) -> dict[str, Any]:
    return {"type": "arguments_delta", "arguments": arguments}


def chunks(*wire: bytes) -> list[c.Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(InteractionsDecoder(OURS), *wire)


def message(*wire: bytes) -> Message:
    return reduce(Message(id="m", role="assistant"), chunks(*wire))


def only(kind: type[Any], found: list[c.Chunk]) -> list[Any]:
    return [chunk for chunk in found if isinstance(chunk, kind)]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("completed", "stop"),
        ("requires_action", "tool-calls"),
        ("incomplete", "length"),
        ("cancelled", "other"),
        ("a status of 2030", "other"),
    ],
)
def test_every_status_has_a_word_and_stays_as_google_says_it(
    status: str, reason: c.FinishReason
) -> None:
    found = chunks(CREATED, said("Hi"), completed(status))
    assert found[-1] == c.Finish(reason, {"rawFinishReason": status})


def test_an_answer_is_finished_with_its_own_mark_and_nothing_after_it_counts() -> None:
    decoder = InteractionsDecoder(OURS)
    decoder.feed(CREATED + said("Hi"))
    assert not decoder.finished
    decoder.feed(completed())
    assert decoder.finished
    assert decoder.feed(said("More.", 2) + b"event: done\ndata: [DONE]\n\n") == []
    assert decoder.close() == []


def test_a_body_without_that_mark_is_cut_and_keeps_what_it_said() -> None:
    usage = {"total_input_tokens": 9, "total_output_tokens": 1}
    decoder = InteractionsDecoder(OURS)
    told = event("step.delta", index=1, delta={"type": "text", "text": "Hi"})
    told += event("interaction.status_update", status="in_progress", usage=usage)
    rest = stop(1) + b"data: [DONE]\n\n"
    found = decode(decoder, CREATED, start(1, "model_output"), told, rest)
    assert not decoder.finished
    assert decoder.error is None
    assert found[-1] == c.MessageMetadata(
        {"usage": {"inputTokens": 9, "outputTokens": 1}, "rawFinishReason": "in_progress"}
    )


def test_usage_counts_thoughts_as_output_and_what_tools_read_as_input() -> None:
    usage = {
        "total_input_tokens": 10,
        "total_tool_use_tokens": 5,
        "total_output_tokens": 3,
        "total_thought_tokens": 4,
        "total_cached_tokens": 2,
    }
    early = event("step.stop", index=1, metadata={"total_usage": {"total_input_tokens": 1}})
    (last,) = only(c.Finish, chunks(CREATED, early, completed(usage=usage)))
    assert last.message_metadata["usage"] == {
        "inputTokens": 15,
        "outputTokens": 7,
        "reasoningTokens": 4,
        "cachedInputTokens": 2,
    }


def test_a_thought_is_reasoning_and_goes_back_with_its_signature() -> None:
    told = message(
        CREATED,
        step(
            0,
            "thought",
            {"type": "thought_summary", "content": {"type": "text", "text": "Hm."}},
            {"type": "thought_signature", "signature": "s"},
            {"type": "thought_signature", "signature": ""},
        ),
        step(1, "thought", signature="t"),
        said("Hi", 2),
        completed(),
    )
    assert told.parts == (
        ReasoningPart("Hm.", "0", "done", {OURS: {"signature": "s"}}),
        ReasoningPart("", "1", "done", {OURS: {"signature": "t"}}),
        TextPart("Hi", "done"),
    )
    assert steps(HELLO, told)[1:] == [
        {"type": "thought", "signature": "s", "summary": [{"type": "text", "text": "Hm."}]},
        {"type": "thought", "signature": "t", "summary": []},
        output("Hi"),
    ]


def test_an_empty_thought_is_none() -> None:
    assert message(CREATED, step(0, "thought"), completed()).parts == ()


def test_a_call_is_given_out_with_the_end_and_goes_back_with_its_signature() -> None:
    wire = step(
        1,
        "function_call",
        argued('{"city": '),
        argued('"Lisbon"}'),
        id="c1",
        name="weather",
        arguments={},
        signature="s",
    )
    decoder = InteractionsDecoder(OURS)
    before = decoder.feed(CREATED + wire)
    assert only(c.ToolInputStart, before)
    assert not only(c.ToolInputAvailable, before)
    found = before + decoder.feed(completed("requires_action"))
    assert only(c.ToolInputAvailable, found) == [
        c.ToolInputAvailable(
            "c1", "weather", {"city": "Lisbon"}, provider_metadata={OURS: {"signature": "s"}}
        )
    ]
    told = reduce(Message(id="m", role="assistant"), found)
    assert steps(HELLO, told)[1] == {**CALL, "signature": "s"}


@pytest.mark.parametrize(("arguments", "sent"), [({}, "{}"), ({"a": "ã"}, '{"a": "ã"}')])
def test_arguments_may_all_come_with_the_start_of_the_call(
    arguments: dict[str, Any], sent: str
) -> None:
    wire = step(0, "function_call", id="c1", name="f", arguments=arguments)
    found = chunks(CREATED, wire, completed())
    assert only(c.ToolInputDelta, found) == [c.ToolInputDelta("c1", sent)]
    assert [call.input for call in only(c.ToolInputAvailable, found)] == [arguments]
    assert only(c.Finish, found)[0].finish_reason == "tool-calls"


@pytest.mark.parametrize("pieces", [(), ('{"a": ',), ('{"a": 1',)])
def test_a_call_that_was_not_stopped_is_one_that_failed(pieces: tuple[str, ...]) -> None:
    begun = start(0, "function_call", id="c1", name="f", arguments={})
    wire = b"".join(delta(0, "arguments_delta", arguments=piece) for piece in pieces)
    found = chunks(CREATED, begun, wire, completed("incomplete"))
    assert only(c.ToolInputError, found)
    assert not only(c.ToolInputAvailable, found)


def test_an_id_that_is_missing_is_made_up_of_that_of_the_answer() -> None:
    called = step(3, "function_call", name="f")
    found = chunks(CREATED, called, completed())
    assert only(c.ToolInputStart, found) == [c.ToolInputStart("call_v1_x_3", "f")]
    unnamed = event("interaction.created", interaction={"id": "", "model": "m"})
    wires = [(unnamed, step(0, "thought", signature=s), called) for s in ("s", "s", "t")]
    (one,), (again,), (other,) = (only(c.ToolInputStart, chunks(*wire)) for wire in wires)
    assert one == again
    assert one.tool_call_id != other.tool_call_id


def test_a_tool_that_google_runs_is_shown_and_goes_back_as_it_came() -> None:
    found = {"type": "url_context_result", "result": [{"url": "https://a.org/"}], "signature": "t"}
    asked = {"type": "url_context_call", "arguments": {"urls": ["https://a.org/"]}}
    wire = (
        CREATED,
        step(0, "url_context_call", asked, id="t1", signature="s"),
        step(1, "url_context_result", found, call_id="t1", signature=""),
        said("Hi", 2),
        completed(),
    )
    told = message(*wire)
    part = told.parts[0]
    assert isinstance(part, ToolPart)
    assert (part.tool_name, part.state) == ("url_context", "output-available")
    assert part.provider_executed
    assert part.input == asked["arguments"]
    assert part.output == found["result"]
    assert steps(HELLO, told)[1:] == [
        {**asked, "id": "t1", "signature": "s"},
        {**found, "call_id": "t1"},
        output("Hi"),
    ]
    assert [source.url for source in only(c.SourceUrl, chunks(*wire))] == ["https://a.org/"]
    assert only(c.Finish, chunks(*wire))[0].finish_reason == "stop"


def test_a_result_without_a_call_is_passed_over() -> None:
    found = chunks(CREATED, step(0, "google_search_result", call_id="x"), completed())
    assert [type(chunk) for chunk in found] == [c.MessageMetadata, c.Finish]


def test_each_source_is_given_once() -> None:
    annotations = [
        {"type": "url_citation", "url": "https://a.org/", "title": "A"},
        {"type": "url_citation", "url": "https://a.org/", "title": "A again"},
        {"type": "file_citation", "file_name": "notes.pdf"},
        {"type": "place_citation", "url": "https://maps.org/p", "name": "Café"},
    ]
    cited = {"type": "text_annotation_delta", "annotations": annotations}
    output_ = step(0, "model_output", {"type": "text", "text": "Hi"}, cited, cited)
    found = chunks(CREATED, output_, completed())
    assert [(s.url, s.title) for s in only(c.SourceUrl, found)] == [
        ("https://a.org/", "A"),
        ("https://maps.org/p", "Café"),
    ]
    assert [s.title for s in only(c.SourceDocument, found)] == ["notes.pdf"]


def test_images_stand_where_they_were_drawn_and_sound_is_one_file() -> None:
    picture = {"type": "image", "mime_type": "image/png", "data": "iVBO"}
    kind = "audio/l16"
    told = message(
        CREATED,
        step(0, "thought", {"type": "thought_summary", "content": picture}),
        step(1, "model_output", {"type": "text", "text": "Before"}, picture),
        said("After", 2),
        step(3, "model_output", {"type": "video", "uri": "https://e.org/v"}),
        step(4, "model_output", *[{"type": "audio", "mime_type": kind, "data": "AAE="}] * 2),
        completed(),
    )
    url = "data:image/png;base64,iVBO"
    assert told.parts == (
        ReasoningFilePart("image/png", url),
        TextPart("Before", "done"),
        FilePart("image/png", url),
        TextPart("After", "done"),
        FilePart("video/mp4", "https://e.org/v"),
        FilePart(kind, f"data:{kind};base64,AAEAAQ=="),
    )


def test_what_the_user_said_is_no_answer() -> None:
    picture = {"type": "image", "mime_type": "image/png", "data": "iVBO"}
    asked = step(0, "user_input", {"type": "text", "text": "Hello"}, picture)
    assert message(CREATED, asked, said("Hi"), completed()).parts == (TextPart("Hi", "done"),)


def test_steps_may_come_between_each_other() -> None:
    told = message(
        CREATED,
        start(0, "thought"),
        start(1, "model_output"),
        delta(0, "thought_summary", content={"type": "text", "text": "Hm."}),
        delta(1, "text", text="Hi"),
        delta(0, "thought_signature", signature="s"),
        stop(1),
        stop(0),
        completed(),
    )
    assert (told.reasoning.strip(), told.text) == ("Hm.", "Hi")


def test_an_error_event_keeps_what_came_before_it() -> None:
    decoder = InteractionsDecoder(OURS)
    failed = event("error", error={"code": "gateway_timeout", "message": "Too late."})
    found = decode(decoder, CREATED, said("Hi"), failed, completed())
    assert isinstance(decoder.error, StreamFailed)
    assert decoder.error.retryable
    assert found[-1] == c.Error("gemini-interactions broke off: Too late.")
    assert only(c.TextDelta, found) == [c.TextDelta("0", "Hi")]
    assert not decoder.finished


def test_an_answer_that_google_gives_up_is_an_error_in_its_own_words() -> None:
    broken = start(0, "model_output", error={"code": 8, "message": "Out of memory."})
    decoder = InteractionsDecoder(OURS)
    decode(decoder, CREATED, broken, completed("failed"))
    assert str(decoder.error) == "gemini-interactions broke off: Out of memory."
    assert decoder.error is not None
    again = InteractionsDecoder(OURS)
    decode(again, CREATED, completed("failed"))
    assert str(again.error) == "gemini-interactions broke off: it gave up on the answer"


def test_a_bare_error_between_events_is_read() -> None:
    decoder = InteractionsDecoder(OURS)
    told = [{"error": {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}}]
    decode(decoder, CREATED, said("Hi"), json.dumps(told, indent=2).encode())
    assert str(decoder.error) == "gemini-interactions broke off: Too busy."


def test_an_answer_that_came_whole_is_read_all_the_same() -> None:
    told = {
        "object": "interaction",
        "id": "v1_x",
        "model": "m",
        "status": "requires_action",
        "steps": [
            {"type": "thought", "signature": "s", "summary": [{"type": "text", "text": "Hm."}]},
            output("Hi"),
            CALL,
        ],
        "usage": {"total_output_tokens": 3},
    }
    answered = message(json.dumps(told, indent=2).encode())
    assert steps(HELLO, answered)[1:4] == [told["steps"][0], output("Hi"), CALL]  # type: ignore[index]
    assert answered.usage is not None
    assert answered.usage.output_tokens == 3


def test_events_of_the_time_before_may_2026_and_of_the_future_are_passed_over() -> None:
    old = event("content.delta", index=0, delta={"type": "text", "text": "Old"})
    new = step(0, "dream", {"type": "dream", "text": "New"})
    assert message(CREATED, old, new, said("Hi"), completed()).parts == (TextPart("Hi", "done"),)


odd = st.one_of(
    strategies.json_values,
    st.sampled_from([{}, [], "", "\ud83d", {"type": "text"}, 2**70, True]),
)
kinds = st.sampled_from(
    [
        "model_output",
        "thought",
        "function_call",
        "google_search_call",
        "google_search_result",
        "mcp_server_tool_call",
        "user_input",
        "_call",
    ]
)
delta_kinds = kinds | st.sampled_from(
    ["text", "thought_summary", "thought_signature", "arguments_delta", "image", "audio"]
)
fields = {
    "id": st.just("x") | odd,
    "call_id": st.just("x") | odd,
    "name": st.just("f") | odd,
    "arguments": st.sampled_from(["", "{", "}", "{}"]) | odd,
    "signature": st.sampled_from(["", "s"]) | odd,
    "text": st.sampled_from(["a", "\ud83d", "\ude00"]) | odd,
    "content": st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}) | odd,
    "summary": st.lists(odd, max_size=2),
    "result": odd,
    "data": st.text(max_size=4) | odd,
    "mime_type": st.just("image/png") | odd,
    "annotations": st.lists(odd | st.fixed_dictionaries({"url": odd}), max_size=2) | odd,
    "error": odd,
}
indexes = st.sampled_from([0, 1, True]) | odd
any_event = st.one_of(
    odd,
    st.builds(
        lambda index, step: {"event_type": "step.start", "index": index, "step": step},
        indexes,
        st.fixed_dictionaries({"type": kinds | odd}, optional=fields) | odd,
    ),
    st.builds(
        lambda index, delta: {"event_type": "step.delta", "index": index, "delta": delta},
        indexes,
        st.fixed_dictionaries({"type": delta_kinds | odd}, optional=fields) | odd,
    ),
    st.builds(lambda index: {"event_type": "step.stop", "index": index}, indexes),
    st.builds(
        lambda kind, told: {"event_type": f"interaction.{kind}", "interaction": told},
        st.sampled_from(["created", "completed"]),
        odd
        | st.fixed_dictionaries(
            {"status": st.sampled_from(["completed", "failed"]) | odd},
            optional={"id": odd, "model": odd, "usage": odd, "steps": odd},
        ),
    ),
)


@given(st.lists(any_event, max_size=8))
def test_no_sequence_of_events_raises_or_breaks_the_order_of_chunks(events: list[Any]) -> None:
    check_order(chunks(*[b"data: %b\n\n" % json.dumps(each).encode() for each in events]))
