"""Gemini's generateContent: the exact requests, and streams that no recording has."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import chunks as c
from chatkit.errors import MessageError, StreamFailed
from chatkit.messages import FilePart, Message, ReasoningPart, StepPart, TextPart, ToolPart
from chatkit.providers import Model, get_model
from chatkit.providers.gemini.stream import GeminiDecoder
from chatkit.reducer import reduce
from tests import strategies
from tests.recorded import check_order, decode

HELLO = Message(id="u", role="user", parts=(TextPart("Hello"),))
SAID = {"role": "user", "parts": [{"text": "Hello"}]}
DUMMY = "skip_thought_signature_validator"


@dataclass
class Weather:
    """A tool as a request knows it."""

    name: str = "weather"
    description: str = "The weather of a city."
    parameters: dict[str, Any] = field(
        default_factory=lambda: {"type": "object", "properties": {"city": {"type": "string"}}}
    )


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GOOGLE_API_KEY", "GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def model(name: str = "gemini-3.5-flash") -> Model:
    return get_model(f"gemini/{name}", api_key="not-a-key")


def body(*messages: Message, name: str = "gemini-3.5-flash", **asked: Any) -> dict[str, Any]:
    """The JSON that is sent."""
    return model(name).request(messages or [HELLO], asked.pop("options", {}), **asked).body


def contents(*messages: Message, name: str = "gemini-3.5-flash") -> list[dict[str, Any]]:
    """The turns that are sent."""
    sent: list[dict[str, Any]] = body(*messages, name=name)["contents"]
    return sent


def answer(*parts: Any) -> Message:
    return Message(id="a", role="assistant", parts=parts)


def call(**fields: Any) -> ToolPart:
    told = {"input": {"city": "Lisbon"}, "output": "sunny"} | fields
    return ToolPart("weather", told.pop("id", "c1"), "output-available", **told)


def called(signature: str | None = None, call_id: str = "c1") -> dict[str, Any]:
    told = {"functionCall": {"id": call_id, "name": "weather", "args": {"city": "Lisbon"}}}
    return told if signature is None else {**told, "thoughtSignature": signature}


def responded(response: dict[str, Any], call_id: str = "c1") -> dict[str, Any]:
    return {"functionResponse": {"id": call_id, "name": "weather", "response": response}}


# -- requests --


def test_a_request_goes_to_the_models_own_path_with_the_key_in_a_header() -> None:
    request = model().request([HELLO], {})
    assert request.method == "POST"
    assert request.url == (
        "https://generativelanguage.googleapis.com"
        "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse"
    )
    assert request.headers["x-goog-api-key"] == "not-a-key"
    assert "authorization" not in request.headers
    assert request.body == {"contents": [SAID]}


def test_the_key_and_the_address_come_from_googles_own_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "second")
    assert get_model("gemini/m").request([HELLO], {}).headers["x-goog-api-key"] == "second"
    monkeypatch.setenv("GOOGLE_API_KEY", "first")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "https://proxy.example/google/")
    request = get_model("gemini/m").request([HELLO], {})
    assert request.headers["x-goog-api-key"] == "first"
    assert request.url.startswith("https://proxy.example/google/v1beta/models/m:")


def test_what_the_system_says_is_no_turn() -> None:
    system = Message(id="s", role="system", parts=(TextPart("Be brief."), TextPart("Be kind.")))
    assert body(system, HELLO) == {
        "systemInstruction": {"parts": [{"text": "Be brief.\n\nBe kind."}]},
        "contents": [SAID],
    }


def test_options_go_by_googles_names() -> None:
    options = {
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": "END",
        "seed": 7,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
    }
    assert body(options=options) == {
        "contents": [SAID],
        "generationConfig": {
            "temperature": 0.5,
            "topP": 0.9,
            "maxOutputTokens": 100,
            "seed": 7,
            "presencePenalty": 0.1,
            "frequencyPenalty": 0.2,
            "stopSequences": ["END"],
        },
    }


@pytest.mark.parametrize(
    ("name", "effort", "sent"),
    [
        ("gemini-3.5-flash", "low", {"thinkingLevel": "low"}),
        ("gemini-3.5-flash", "minimal", {"thinkingLevel": "minimal"}),
        ("gemini-3.1-pro-preview", "minimal", {"thinkingLevel": "low"}),
        ("gemini-flash-latest", "max", {"thinkingLevel": "high"}),
        ("gemini-2.5-flash", "medium", {"thinkingBudget": 8192}),
        ("gemini-2.5-pro", "xhigh", {"thinkingBudget": 24576}),
        ("gemini-robotics-er-1.5-preview", "low", {"thinkingBudget": 1024}),
    ],
)
def test_reasoning_is_asked_for_as_the_model_takes_it(
    name: str, effort: str, sent: dict[str, Any]
) -> None:
    config = body(name=name, options={"reasoning": effort})["generationConfig"]
    assert config == {"thinkingConfig": {"includeThoughts": True, **sent}}


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("gemini-3.5-flash", {"thinkingLevel": "minimal"}),
        ("gemini-2.5-flash-lite", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
    ],
)
def test_no_reasoning_is_as_little_as_the_model_can(name: str, sent: dict[str, Any]) -> None:
    config = body(name=name, options={"reasoning": "none"})["generationConfig"]
    assert config == {"thinkingConfig": {"includeThoughts": False, **sent}}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_tools_are_told_with_their_json_schema(choice: str, sent: dict[str, Any]) -> None:
    declared = {
        "name": "weather",
        "description": "The weather of a city.",
        "parametersJsonSchema": Weather().parameters,
    }
    assert body(tools=[Weather()], options={"tool_choice": choice}) == {
        "contents": [SAID],
        "tools": [{"functionDeclarations": [declared]}],
        "toolConfig": {"functionCallingConfig": sent},
    }


def test_a_schema_is_asked_for_natively() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    assert body(schema=schema) == {
        "contents": [SAID],
        "generationConfig": {
            "responseMimeType": "application/json",
            "responseJsonSchema": schema,
        },
    }


def test_files_are_sent_as_data_or_by_their_address() -> None:
    message = Message(
        id="u",
        role="user",
        parts=(
            TextPart("Look:"),
            FilePart("image/png", "data:image/png;base64,iVBO"),
            FilePart("application/pdf", "data:application/pdf;base64,JVBE"),
            FilePart("audio/wav", "data:audio/wav;base64,UklG"),
            FilePart("text/plain", "data:text/plain,Hi%20there"),
            FilePart("image/jpeg", "https://example.org/a.jpg"),
            FilePart("video/mp4", "gs://bucket/b.mp4"),
        ),
    )
    assert contents(message) == [
        {
            "role": "user",
            "parts": [
                {"text": "Look:"},
                {"inlineData": {"mimeType": "image/png", "data": "iVBO"}},
                {"inlineData": {"mimeType": "application/pdf", "data": "JVBE"}},
                {"inlineData": {"mimeType": "audio/wav", "data": "UklG"}},
                {"inlineData": {"mimeType": "text/plain", "data": "SGkgdGhlcmU="}},
                {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://example.org/a.jpg"}},
                {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/b.mp4"}},
            ],
        }
    ]


def test_an_address_that_google_cannot_fetch_is_refused() -> None:
    message = Message(id="u", role="user", parts=(FilePart("image/png", "file:///a.png"),))
    with pytest.raises(MessageError, match=r"'file:///a\.png', where Google cannot fetch it"):
        body(message)


def test_turns_are_of_the_user_and_the_model_by_turns() -> None:
    said = answer(TextPart("One."), StepPart(), call(), StepPart(), TextPart("Sunny."))
    again = Message(id="u2", role="user", parts=(TextPart("Sure?"),))
    assert contents(HELLO, said, again, name="gemini-2.5-flash") == [
        SAID,
        {"role": "model", "parts": [{"text": "One."}, called()]},
        {"role": "user", "parts": [responded({"result": "sunny"})]},
        {"role": "model", "parts": [{"text": "Sunny."}]},
        {"role": "user", "parts": [{"text": "Sure?"}]},
    ]


@pytest.mark.parametrize(
    ("part", "response"),
    [
        (call(output={"sky": "blue"}), {"sky": "blue"}),
        (call(output=[1, 2]), {"result": [1, 2]}),
        (call(output=None), {"result": None}),
        (
            ToolPart("weather", "c1", "output-error", {"city": "Lisbon"}, error_text="No."),
            {"error": "No."},
        ),
        (
            ToolPart("weather", "c1", "output-denied", {"city": "Lisbon"}),
            {"error": "The user did not allow this call."},
        ),
    ],
)
def test_the_response_of_a_function_is_an_object(part: ToolPart, response: dict[str, Any]) -> None:
    turns = contents(HELLO, answer(part), name="gemini-2.5-flash")
    assert turns[1:] == [
        {"role": "model", "parts": [called()]},
        {"role": "user", "parts": [responded(response)]},
    ]


def test_the_arguments_of_a_call_are_an_object() -> None:
    turns = contents(HELLO, answer(call(input=[1])))
    assert turns[1]["parts"][0]["functionCall"]["args"] == {"input": [1]}


def test_signatures_go_back_on_the_parts_they_came_with() -> None:
    signed = {"gemini": {"thoughtSignature": "s1"}}
    said = answer(
        ReasoningPart("Hm.", provider_metadata=signed),
        TextPart("Whole.", provider_metadata={"gemini": {"thoughtSignature": "s2"}}),
        TextPart("Two.", provider_metadata={"gemini": {"thoughtSignature": "s3", "signedFrom": 4}}),
        FilePart("image/png", "data:image/png;base64,iVBO", provider_metadata=signed),
        call(call_provider_metadata={"gemini": {"thoughtSignature": "s4"}}),
        call(id="c2"),
    )
    assert contents(HELLO, said)[1] == {
        "role": "model",
        "parts": [
            {"text": "Hm.", "thought": True, "thoughtSignature": "s1"},
            {"text": "Whole.", "thoughtSignature": "s2"},
            {"text": "Two."},
            {"text": "", "thoughtSignature": "s3"},
            {
                "inlineData": {"mimeType": "image/png", "data": "iVBO"},
                "thoughtSignature": "s1",
            },
            called("s4"),
            called(call_id="c2"),
        ],
    }


def test_what_another_provider_signed_and_thought_stays_with_it() -> None:
    foreign = {"anthropic": {"signature": "s", "thoughtSignature": "s"}}
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
        FilePart("audio/pcm", "data:audio/pcm;base64,AAAA"),
    )
    assert contents(HELLO, said)[1:] == [{"role": "model", "parts": [{"text": "Hi."}]}]


def test_the_first_call_of_a_step_that_nobody_signed_gets_googles_dummy() -> None:
    foreign = {"openai": {"itemId": "fc_1"}}
    said = answer(call(call_provider_metadata=foreign), call(id="c2"), StepPart(), call(id="c3"))
    models = [turn["parts"] for turn in contents(HELLO, said) if turn["role"] == "model"]
    assert models == [[called(DUMMY), called(call_id="c2")], [called(DUMMY, call_id="c3")]]


def test_models_before_gemini_3_need_no_dummy() -> None:
    assert contents(HELLO, answer(call()), name="gemini-2.5-pro")[1]["parts"] == [called()]


def test_code_that_google_ran_goes_back_as_it_came() -> None:
    ran = {"executableCode": {"language": "PYTHON", "code": "1+1"}, "thoughtSignature": "s"}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
    said = message(event(parts(ran, result, {"text": "Two."}), finish("STOP")))
    assert contents(HELLO, said)[1] == {"role": "model", "parts": [ran, result, {"text": "Two."}]}


def test_an_answer_that_reached_the_limit_of_a_request_is_continued_by_its_token() -> None:
    so_far = message(event(parts({"text": "One"}), finish("CONTINUATION", continuationToken="t")))
    assert body(HELLO, so_far) == {"contents": [SAID], "continuationToken": "t"}
    whole = message(event(parts({"text": "One"}), finish("STOP")))
    assert "continuationToken" not in body(HELLO, whole)


@given(st.lists(strategies.messages, max_size=4))
def test_any_history_makes_a_request_whose_turns_alternate(history: list[Message]) -> None:
    turns = contents(*history, HELLO)
    assert all(one["role"] != other["role"] for one, other in pairwise(turns))
    assert all(turn["parts"] for turn in turns)
    json.dumps(turns)


@given(strategies.json_values | st.fixed_dictionaries({"field": strategies.json_values}))
def test_a_state_that_is_none_of_ours_does_no_harm(state: Any) -> None:
    told = {"gemini": state}
    ran = call(provider_executed=True, call_provider_metadata=told, result_provider_metadata=told)
    said = answer(
        ReasoningPart("Hm.", provider_metadata=told), ran, TextPart("Hi.", None, None, told)
    )
    assert contents(HELLO, said)[1]["parts"][-1] == {"text": "Hi."}


# -- streams --


def event(*fields: dict[str, Any], **more: Any) -> bytes:
    """An event of one candidate with these fields."""
    candidate = {name: value for each in fields for name, value in each.items()}
    told = {"candidates": [candidate], "modelVersion": "m", "responseId": "r1"} | more
    return b"data: %b\r\n\r\n" % json.dumps(told).encode()


def parts(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": list(parts)}}


def finish(reason: str, **more: Any) -> dict[str, Any]:
    return {"finishReason": reason, **more}


def pieces(*told: dict[str, Any], name: str = "", more: bool = True) -> bytes:
    """An event of a call that comes in pieces."""
    fields: dict[str, Any] = {"name": name} if name else {}
    fields |= {"partialArgs": list(told)} if told else {}
    return event(parts({"functionCall": fields | ({"willContinue": True} if more else {})}))


def text(path: str, value: str) -> dict[str, Any]:
    return {"jsonPath": path, "stringValue": value}


def chunks(*wire: bytes) -> list[c.Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(GeminiDecoder("gemini"), *wire)


def message(*wire: bytes) -> Message:
    return reduce(Message(id="m", role="assistant"), chunks(*wire))


def only(kind: type[Any], found: list[c.Chunk]) -> list[Any]:
    return [chunk for chunk in found if isinstance(chunk, kind)]


def ended(*wire: bytes) -> c.Finish:
    """How the answer finished."""
    last = chunks(*wire)[-1]
    assert isinstance(last, c.Finish)
    return last


STOP = event(finish("STOP"))


def test_an_answer_with_a_call_ends_for_its_calls_and_without_one_stops() -> None:
    assert ended(event(parts({"text": "Hi"}), finish("STOP"))).finish_reason == "stop"
    told = {"functionCall": {"name": "f", "args": {}}}
    assert ended(event(parts(told), finish("STOP"))).finish_reason == "tool-calls"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content-filter"),
        ("IMAGE_SAFETY", "content-filter"),
        ("SPII", "content-filter"),
        ("MALFORMED_FUNCTION_CALL", "error"),
        ("MISSING_THOUGHT_SIGNATURE", "error"),
        ("CONTINUATION", "other"),
        ("A_REASON_OF_2030", "other"),
    ],
)
def test_every_reason_to_finish_has_a_word_and_keeps_googles(raw: str, reason: str) -> None:
    last = ended(event(finish(raw, finishMessage="Why.")))
    assert last.finish_reason == reason
    assert last.message_metadata == {"rawFinishReason": raw, "finishMessage": "Why."}


def test_an_answer_is_only_finished_once_its_body_is_over() -> None:
    decoder = GeminiDecoder("gemini")
    decoder.feed(event(parts({"text": "One "}), finish("STOP")))
    assert not decoder.finished
    decoder.feed(event(parts({"text": "two."}), finish("STOP")))
    assert only(c.Finish, decoder.close())
    assert decoder.finished


def test_a_body_without_a_reason_to_finish_is_cut_and_gives_out_no_call() -> None:
    decoder = GeminiDecoder("gemini")
    found = decode(decoder, event(parts({"functionCall": {"name": "f", "args": {"a": 1}}})))
    assert not decoder.finished
    assert decoder.error is None
    assert only(c.ToolInputDelta, found) == [c.ToolInputDelta("call_r1_0", '{"a": 1}')]
    assert not only(c.ToolInputAvailable, found)


def test_a_refused_prompt_says_why() -> None:
    feedback = {"blockReason": "OTHER", "blockReasonMessage": "Not this."}
    wire = b"data: %b\n\n" % json.dumps({"promptFeedback": feedback}).encode()
    assert chunks(wire) == [
        c.Finish("content-filter", {"rawFinishReason": "OTHER", "finishMessage": "Not this."})
    ]


def test_only_the_first_candidate_is_the_answer() -> None:
    other = {"index": 1, **parts({"text": "Or else."}), "finishReason": "MAX_TOKENS"}
    both = event(candidates=[{"index": 0, **parts({"text": "So."})}, other])
    assert message(both, STOP).text == "So."
    assert ended(both, STOP).finish_reason == "stop"


def test_usage_counts_thoughts_as_output_and_what_tools_read_as_input() -> None:
    told = {
        "promptTokenCount": 10,
        "toolUsePromptTokenCount": 5,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 4,
        "cachedContentTokenCount": 2,
    }
    last = ended(event(finish("STOP"), usageMetadata=told))
    assert last.message_metadata == {
        "rawFinishReason": "STOP",
        "usage": {
            "inputTokens": 15,
            "outputTokens": 7,
            "reasoningTokens": 4,
            "cachedInputTokens": 2,
        },
    }


def test_an_answer_cut_short_keeps_its_usage() -> None:
    cut = event(parts({"text": "Hi"}), usageMetadata={"promptTokenCount": 9})
    assert message(cut).metadata == {
        "responseModel": "m",
        "responseId": "r1",
        "usage": {"inputTokens": 9},
    }


def test_thoughts_text_and_signatures_come_in_order() -> None:
    said = message(
        event(parts({"text": "Hm, ", "thought": True}, {"text": "so.", "thought": True})),
        event(parts({"text": "H"}, {"text": "i"})),
        event(parts({"text": " there", "thoughtSignature": "s1"}), finish("STOP")),
        event(parts({"text": "Bye"}, {"text": ""}, {"text": "", "thoughtSignature": "s2"})),
    )
    assert said.parts == (
        ReasoningPart("Hm, so.", "0", "done"),
        TextPart(
            "Hi there",
            "done",
            provider_metadata={"gemini": {"thoughtSignature": "s1", "signedFrom": 2}},
        ),
        TextPart(
            "Bye",
            "done",
            provider_metadata={"gemini": {"thoughtSignature": "s2", "signedFrom": 3}},
        ),
    )


def test_what_was_signed_comes_back_part_by_part() -> None:
    sent: list[dict[str, Any]] = [
        {"text": "Hm.", "thought": True, "thoughtSignature": "s0"},
        {"text": "Hi"},
        {"text": " there", "thoughtSignature": "s1"},
        {"text": "Draw:"},
        {"inlineData": {"mimeType": "image/png", "data": "iVBO"}, "thoughtSignature": "s2"},
        {
            "functionCall": {"id": "f1", "name": "f", "args": {"a": "ã"}},
            "thoughtSignature": "s3",
        },
        {"functionCall": {"id": "f2", "name": "f", "args": {}}},
    ]
    said = message(*[event(parts(part)) for part in sent], STOP)
    assert contents(HELLO, said)[1] == {"role": "model", "parts": sent}


def test_a_made_up_id_is_the_same_each_time_and_of_this_answer_alone() -> None:
    told = event(parts({"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}))
    ids = [start.tool_call_id for start in only(c.ToolInputStart, chunks(told, STOP))]
    assert ids == ["call_r1_0", "call_r1_1"]
    one = event(parts({"functionCall": {"name": "f"}}), responseId=None, usageMetadata={"a": 1})
    two = event(parts({"functionCall": {"name": "f"}}), responseId=None, usageMetadata={"a": 2})
    (first,), (again,), (second,) = (only(c.ToolInputStart, chunks(w)) for w in (one, one, two))
    assert first == again
    assert first.tool_call_id != second.tool_call_id


def test_arguments_in_pieces_are_told_as_they_come() -> None:
    found = chunks(
        pieces(name="book"),
        pieces(text("$.city", "São ")),
        pieces(text("$.city", "Paulo")),
        pieces({"jsonPath": "$.nights", "numberValue": 3}, {"jsonPath": "$.pets"}),
        pieces({"jsonPath": "$.guests[0].adult", "boolValue": True}),
        pieces(text("$.guests[0]['full name']", 'Ana "A"')),
        pieces({"jsonPath": "$.guests[1]", "nullValue": "NULL_VALUE"}),
        pieces(more=False),
        STOP,
    )
    asked = {"city": "São Paulo", "nights": 3}
    asked |= {"guests": [{"adult": True, "full name": 'Ana "A"'}, None]}
    deltas = [chunk.input_text_delta for chunk in only(c.ToolInputDelta, found)]
    assert deltas[:4] == ["{", '"city": "São ', "Paulo", '", "nights": 3']
    assert json.loads("".join(deltas)) == asked
    assert only(c.ToolInputAvailable, found) == [c.ToolInputAvailable("call_r1_0", "book", asked)]


@pytest.mark.parametrize(
    "path", ["city", "$", "", "$.a[5]", "$.a[999999999]", "$..a", "$.n.b", "$[0]", None, 7]
)
def test_a_piece_without_a_place_makes_the_call_one_that_failed(path: Any) -> None:
    found = chunks(
        pieces({"jsonPath": "$.n", "numberValue": 1}, name="f"),
        pieces({"jsonPath": path, "stringValue": "x"}, more=False),
        STOP,
    )
    assert [chunk.tool_name for chunk in only(c.ToolInputError, found)] == ["f"]
    assert not only(c.ToolInputAvailable, found)


def test_a_call_in_pieces_is_closed_by_the_end_of_the_answer_unless_it_was_cut_off() -> None:
    begun = (pieces(name="f"), pieces(text("$.a", "b")))
    whole = only(c.ToolInputAvailable, chunks(*begun, STOP))
    assert [chunk.input for chunk in whole] == [{"a": "b"}]
    cut = chunks(*begun, event(finish("MAX_TOKENS")))
    assert only(c.ToolInputError, cut)
    assert not only(c.ToolInputAvailable, cut)


def test_a_call_in_pieces_is_closed_by_the_next() -> None:
    found = chunks(
        pieces(text("$.a", "b"), name="f"),
        pieces(text("$.c", "d"), name="g"),
        event(finish("MAX_TOKENS")),
    )
    assert [chunk.input for chunk in only(c.ToolInputAvailable, found)] == [{"a": "b"}]
    assert [chunk.tool_name for chunk in only(c.ToolInputError, found)] == ["g"]


def test_a_whole_call_of_an_answer_that_ran_out_of_tokens_is_given_out() -> None:
    found = chunks(event(parts({"functionCall": {"name": "f"}}), finish("MAX_TOKENS")))
    assert [chunk.input for chunk in only(c.ToolInputAvailable, found)] == [{}]


def test_code_that_google_runs_is_a_tool_of_its_own_and_no_call_of_ours() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
    found = chunks(event(parts(code, result), finish("STOP")))
    assert ended(event(parts(code, result), finish("STOP"))).finish_reason == "stop"
    (part,) = reduce(Message(id="m", role="assistant"), found).parts
    assert isinstance(part, ToolPart)
    assert (part.tool_name, part.state) == ("code_execution", "output-available")
    assert part.provider_executed
    assert part.input == code["executableCode"]
    assert part.output == result["codeExecutionResult"]


def test_the_result_of_a_tool_of_googles_joins_the_call_it_names() -> None:
    calls: list[dict[str, Any]] = [
        {"toolCall": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": "a"}}},
        {"toolCall": {"id": "t2", "toolType": "URL_CONTEXT"}},
        {"toolResponse": {"id": "t1", "toolType": "GOOGLE_SEARCH_WEB", "response": {"n": 1}}},
    ]
    said = message(event(parts(*calls)), STOP)
    told = [(p.tool_name, p.state) for p in said.parts if isinstance(p, ToolPart)]
    assert told == [("google_search_web", "output-available"), ("url_context", "input-available")]
    # the one without a result is not sent back
    assert contents(HELLO, said)[1]["parts"] == [calls[0], calls[2]]


def test_a_result_without_a_call_is_passed_over() -> None:
    found = chunks(event(parts({"codeExecutionResult": {"output": "2"}})), STOP)
    assert [type(chunk) for chunk in found] == [c.MessageMetadata, c.Finish]


def test_an_image_stands_where_it_was_drawn() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBO"}}
    shown = message(
        event(parts({"text": "Before"}, {**picture, "thought": True}, picture, {"text": "After"})),
        event(parts({"fileData": {"mimeType": "video/mp4", "fileUri": "https://e.org/v"}})),
        STOP,
    )
    kinds = [type(part).__name__ for part in shown.parts]
    assert kinds == ["TextPart", "ReasoningFilePart", "FilePart", "TextPart", "FilePart"]
    assert FilePart("image/png", "data:image/png;base64,iVBO") in shown.parts


def test_sound_in_pieces_is_one_file() -> None:
    told = [{"inlineData": {"mimeType": "audio/L16;rate=24000", "data": d}} for d in ("AAE=", "Ag")]
    kind = "audio/L16;rate=24000"
    heard = message(*[event(parts(part)) for part in told], STOP)
    assert heard.parts == (FilePart(kind, f"data:{kind};base64,AAEC"),)


def test_each_source_is_given_once() -> None:
    grounding = {
        "groundingChunks": [
            {"web": {"uri": "https://a.org/", "title": "A"}},
            {"maps": {"uri": "https://maps.org/p", "title": "P"}},
            {"image": {"sourceUri": "https://i.org/", "imageUri": "https://i.org/i.png"}},
            {"retrievedContext": {"title": "Handbook", "text": "…"}},
            {"retrievedContext": {"uri": "gs://b/x.pdf", "title": "X"}},
        ]
    }
    visits = [
        {"retrievedUrl": "https://u.org/", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_SUCCESS"},
        {"retrievedUrl": "https://no.org/", "urlRetrievalStatus": "URL_RETRIEVAL_STATUS_ERROR"},
    ]
    told = {
        "groundingMetadata": grounding,
        "citationMetadata": {"citations": [{"uri": "https://a.org/"}, {"uri": "https://c.org/"}]},
        "urlContextMetadata": {"urlMetadata": visits},
    }
    found = chunks(event(told), event(told, finish("STOP")))
    assert [(s.url, s.title) for s in only(c.SourceUrl, found)] == [
        ("https://a.org/", "A"),
        ("https://maps.org/p", "P"),
        ("https://i.org/", None),
        ("gs://b/x.pdf", "X"),
        ("https://c.org/", None),
        ("https://u.org/", None),
    ]
    assert [s.title for s in only(c.SourceDocument, found)] == ["Handbook"]


ERROR = {"error": {"code": 503, "message": "Too busy.", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    "wire",
    [
        b"data: %b\n\n" % json.dumps(ERROR).encode(),
        b"data: %b" % json.dumps([ERROR]).encode(),
        json.dumps(ERROR).encode(),
        json.dumps([ERROR], indent=2).encode(),
        json.dumps(ERROR, indent=1).replace("\n", "\r\n").encode(),
    ],
)
def test_an_error_in_any_form_keeps_what_came_before_it(wire: bytes) -> None:
    decoder = GeminiDecoder("gemini")
    found = decode(decoder, event(parts({"text": "Hi"}), finish("STOP")), wire)
    assert isinstance(decoder.error, StreamFailed)
    assert decoder.error.retryable
    assert found[-1] == c.Error("gemini broke off: Too busy.")
    assert only(c.TextDelta, found) == [c.TextDelta("0", "Hi")]
    assert not decoder.finished


def test_an_answer_that_came_as_an_array_is_read_all_the_same() -> None:
    events = [json.loads(event(parts({"text": t}))[6:]) for t in ("One ", "two.")]
    events.append(json.loads(STOP[6:]))
    decoder = GeminiDecoder("gemini")
    found = decode(decoder, json.dumps(events, indent=2).encode())
    assert decoder.finished
    assert reduce(Message(id="m", role="assistant"), found).text == "One two."


def test_the_last_event_counts_without_its_blank_line() -> None:
    assert ended(event(parts({"text": "Hi"})), STOP.rstrip()).finish_reason == "stop"


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (b"<html>Sign in</html>", "Sign in"),
        (b"data: {not json\n\n", "an event that is not JSON"),
        (b"busy", "no stream but b'busy'"),
        (b'{"message": "No such route."}', "No such route."),
    ],
)
def test_what_is_no_stream_is_an_error(wire: bytes, words: str) -> None:
    decoder = GeminiDecoder("gemini")
    decode(decoder, wire)
    assert words in str(decoder.error)


def test_a_key_that_the_server_repeats_is_hidden() -> None:
    decoder = model().decoder()
    decode(decoder, b'data: {"error": {"message": "not-a-key is bad"}}\n\n')
    assert "not-a-key" not in str(decoder.error)


odd = st.one_of(
    strategies.json_values,
    st.sampled_from([{}, [], "", "STOP", "\ud83d", {"parts": [{}]}, 2**70, True]),
)
paths = st.sampled_from(["$.a", "$.a.b", "$.a[0]", "$[0]", "$.b[0].c", "a", ""])
values = st.sampled_from(["stringValue", "numberValue", "boolValue", "nullValue"])
partial = st.builds(lambda path, kind, v: {"jsonPath": path, kind: v}, paths, values, odd)
any_part = st.one_of(
    odd,
    st.fixed_dictionaries(
        {},
        optional={
            "text": st.sampled_from(["", "a", "\ud83d", "\ude00"]) | odd,
            "thought": st.booleans() | odd,
            "thoughtSignature": st.sampled_from(["", "s"]) | odd,
            "functionCall": odd
            | st.fixed_dictionaries(
                {},
                optional={
                    "id": st.just("x") | odd,
                    "name": st.sampled_from(["", "f"]) | odd,
                    "args": odd,
                    "partialArgs": st.lists(partial | odd, max_size=2) | odd,
                    "willContinue": st.booleans() | odd,
                },
            ),
            "inlineData": odd
            | st.fixed_dictionaries(
                {"mimeType": st.sampled_from(["image/png", "audio/L16"]), "data": st.text()}
            ),
            "fileData": odd,
            "executableCode": odd,
            "codeExecutionResult": odd,
            "toolCall": odd,
            "toolResponse": odd,
        },
    ),
)
any_candidate = st.fixed_dictionaries(
    {},
    optional={
        "index": st.sampled_from([0, 1]) | odd,
        "content": odd | st.fixed_dictionaries({"parts": st.lists(any_part, max_size=3) | odd}),
        "finishReason": st.sampled_from(["STOP", "MAX_TOKENS"]) | odd,
        "finishMessage": odd,
        "groundingMetadata": odd | st.fixed_dictionaries({"groundingChunks": odd}),
        "citationMetadata": odd,
    },
)
any_event = st.fixed_dictionaries(
    {},
    optional={
        "candidates": st.lists(any_candidate | odd, max_size=2) | odd,
        "modelVersion": st.just("m") | odd,
        "responseId": st.just("r") | odd,
        "usageMetadata": odd | st.fixed_dictionaries({"promptTokenCount": odd}),
        "promptFeedback": odd | st.fixed_dictionaries({"blockReason": odd}),
        "error": st.none(),
    },
)


@given(st.lists(any_event, max_size=5))
def test_no_sequence_of_events_raises_or_breaks_the_order_of_chunks(
    events: list[dict[str, Any]],
) -> None:
    check_order(chunks(*[b"data: %b\n\n" % json.dumps(each).encode() for each in events]))
