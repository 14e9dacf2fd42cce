"""The exact requests of the Responses dialect, feature by feature."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from chatkit.errors import MessageError, UnknownOption
from chatkit.messages import FilePart, Message, Part, ReasoningPart, StepPart, TextPart, ToolPart
from chatkit.providers import Model, get_model
from chatkit.providers.responses.stream import ResponsesDecoder
from chatkit.reducer import reduce
from tests.recorded import Case, cases, decode, missing

Json = dict[str, Any]
ADDRESS = "https://acme.example/v1"
AWAY = {"model": "m", "stream": True}
HOME = {
    "model": "m",
    "stream": True,
    "store": False,
    "stream_options": {"include_obfuscation": False},
    "include": ["reasoning.encrypted_content"],
}
HELLO = Message(id="u", role="user", parts=(TextPart("Hello"),))
ASKED = {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]}
CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"city": {"type": "string"}}}


def is_whole(case: Case) -> bool:
    """Whether it came to its end. A call that waits for leave is not sent back without it."""
    return b"event: response.completed" in case.wire and "approval" not in case.name


@dataclass(frozen=True)
class Weather:
    """The least that a tool is."""

    parameters: Json
    name: str = "weather"
    description: str = "How is it?"


def away(name: str = "openai-responses/m") -> Model:
    """A model of the dialect on somebody else's server."""
    return get_model(name, base_url=ADDRESS)


def home(name: str = "openai/m") -> Model:
    """A model on the vendor's own server."""
    return get_model(name, api_key="sk-not-a-key")


def answer(*parts: Part) -> Message:
    return Message(id="a", role="assistant", parts=parts)


def sent(model: Model, *messages: Message) -> list[Json]:
    """The items that are sent."""
    items: list[Json] = model.request(messages, {}).body["input"]
    return items


# -- the request as a whole --


def test_a_server_of_the_dialect_is_asked_for_no_more_than_an_answer() -> None:
    request = away().request([HELLO], {})
    assert request.url == f"{ADDRESS}/responses"
    assert request.body == {**AWAY, "input": [ASKED]}


def test_openai_stores_nothing_and_hands_out_its_reasoning_encrypted() -> None:
    for name in ("openai/m", "openai-responses/m"):
        request = home(name).request([HELLO], {})
        assert request.url == "https://api.openai.com/v1/responses"
        assert request.body == {**HOME, "input": [ASKED]}


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4.1-mini", "gpt-5-chat-latest", "gpt-3.5-turbo"])
def test_a_model_that_does_not_reason_is_not_asked_for_reasoning_which_it_refuses(
    name: str,
) -> None:
    plain = {name: value for name, value in HOME.items() if name != "include"}
    assert home(f"openai/{name}").request([HELLO], {}).body == {
        **plain,
        "model": name,
        "input": [ASKED],
    }


@pytest.mark.parametrize("name", ["gpt-5.5", "o3", "o4-mini", "gpt-5-mini", "gpt-5.1-codex-max"])
def test_a_model_that_reasons_is_asked_for_its_reasoning(name: str) -> None:
    body = home(f"openai/{name}").request([HELLO], {}).body
    assert body["include"] == ["reasoning.encrypted_content"]


def test_xai_stores_nothing_either() -> None:
    assert home("xai/grok-4.3").request([HELLO], {}).body == {
        "model": "grok-4.3",
        "stream": True,
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "input": [ASKED],
    }
    assert "include" not in home("xai/grok-4-fast-non-reasoning").request([HELLO], {}).body


def test_a_system_prompt_stays_in_its_place() -> None:
    system = Message(id="s", role="system", parts=(TextPart("Be brief."), TextPart("Be kind.")))
    for model, role in ((home(), "developer"), (away(), "system"), (home("xai/m"), "system")):
        assert sent(model, HELLO, system, HELLO) == [
            ASKED,
            {"role": role, "content": "Be brief.\n\nBe kind."},
            ASKED,
        ]


def test_options_go_by_the_dialects_names() -> None:
    options = {"max_tokens": 100, "temperature": 0.5, "top_p": 0.9, "reasoning": "low"}
    assert away().request([HELLO], options).body == {
        **AWAY,
        "input": [ASKED],
        "max_output_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "reasoning": {"effort": "low"},
    }


def test_openai_shows_a_summary_of_its_reasoning_where_it_is_asked_to_reason() -> None:
    for effort, told in (
        ("high", {"effort": "high", "summary": "auto"}),
        ("none", {"effort": "none"}),
    ):
        asked = home().request([HELLO], {"reasoning": effort}).body
        assert asked == {**HOME, "input": [ASKED], "reasoning": told}


@pytest.mark.parametrize("name", ["stop", "seed", "presence_penalty", "frequency_penalty"])
def test_an_option_that_the_dialect_has_no_word_for_is_refused(name: str) -> None:
    with pytest.raises(UnknownOption, match=f"takes no option '{name}'"):
        home().check_options({name: "x" if name == "stop" else 1})


def tool(parameters: Json, *, strict: bool) -> Json:
    told = {"name": "weather", "description": "How is it?", "parameters": parameters}
    return {"type": "function", **told, "strict": strict}


def schema(told: Json, *, strict: bool) -> Json:
    return {"type": "json_schema", "name": "answer", "schema": told, "strict": strict}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("weather", {"type": "function", "name": "weather"}),
    ],
)
def test_tools_are_told_flat_and_strict_only_where_they_can_be(choice: str, told: Any) -> None:
    tools = [Weather(CLOSED), Weather(OPEN)]
    assert away().request([HELLO], {"tool_choice": choice}, tools=tools).body == {
        **AWAY,
        "input": [ASKED],
        "tools": [tool(CLOSED, strict=True), tool(OPEN, strict=False)],
        "tool_choice": told,
    }


@pytest.mark.parametrize(("told", "strict"), [(CLOSED, True), (OPEN, False)])
def test_an_answer_is_held_to_its_schema_as_far_as_that_goes(told: Json, strict: bool) -> None:
    assert away().request([HELLO], {}, schema=told).body == {
        **AWAY,
        "input": [ASKED],
        "text": {"format": schema(told, strict=strict)},
    }


# -- what the user says --


def image(url: str) -> Json:
    return {"type": "input_image", "image_url": url, "detail": "auto"}


def test_files_are_sent_in_the_form_of_their_kind() -> None:
    files = Message(
        id="u",
        role="user",
        parts=(
            TextPart("What is this?"),
            FilePart("image/png", "data:image/png;base64,AAAA"),
            FilePart("image/jpeg", "https://a.example/cat.jpg"),
            FilePart("application/pdf", "data:application/pdf;base64,BBBB", "a.pdf"),
            FilePart("application/pdf", "https://a.example/a.pdf"),
            FilePart("text/csv", "data:text/csv;base64,CCCC"),
        ),
    )
    assert sent(away(), files) == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is this?"},
                image("data:image/png;base64,AAAA"),
                image("https://a.example/cat.jpg"),
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,BBBB",
                },
                {"type": "input_file", "file_url": "https://a.example/a.pdf"},
                {
                    "type": "input_file",
                    "filename": "file",
                    "file_data": "data:text/csv;base64,CCCC",
                },
            ],
        }
    ]


@pytest.mark.parametrize("kind", ["audio/mpeg", "video/mp4"])
def test_sound_and_film_are_refused_with_a_way_out(kind: str) -> None:
    heard = Message(id="u", role="user", parts=(FilePart(kind, f"data:{kind};base64,AAAA"),))
    with pytest.raises(MessageError, match=f"takes no {kind}.*gemini/"):
        sent(home(), heard)


# -- what a model of any provider said and did --


def call(state: Any, call_id: str = "call_1", **more: Any) -> ToolPart:
    return ToolPart("weather", call_id, state, {"city": "Berlin"}, **more)


def told_text(*texts: str) -> Json:
    """What another provider said."""
    said = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    return {"type": "message", "role": "assistant", "content": said}


def told_call(call_id: str, **more: Any) -> Json:
    told = {"call_id": call_id, "name": "weather", "arguments": '{"city":"Berlin"}'}
    return {"type": "function_call", **told, **more}


def told_result(call_id: str, output: str) -> Json:
    return {"type": "function_call_output", "call_id": call_id, "output": output}


def test_calls_and_their_results_are_sent() -> None:
    said = answer(
        TextPart("Let me"),
        TextPart(" see."),
        call("output-available", "call_1", output={"celsius": 21}),
        call("output-available", "call_2", output="fine"),
        call("output-error", "call_3", error_text="no such city"),
        call("output-denied", "call_4", approval={"id": "1", "approved": False, "reason": "No."}),
        call("output-denied", "call_5", approval={"id": "2", "approved": False}),
        StepPart(),
        TextPart("It is warm."),
    )
    assert sent(home(), HELLO, said) == [
        ASKED,
        told_text("Let me", " see."),
        *(told_call(f"call_{number}") for number in range(1, 6)),
        told_result("call_1", '{"celsius":21}'),
        told_result("call_2", "fine"),
        told_result("call_3", "no such city"),
        told_result("call_4", "No."),
        told_result("call_5", "The user did not allow this call."),
        told_text("It is warm."),
    ]


def test_arguments_are_always_an_object() -> None:
    odd = ToolPart("f", "c", "output-available", [1, 2], output="3")
    assert sent(away(), HELLO, answer(odd))[1]["arguments"] == '{"input":[1,2]}'


def test_a_call_id_that_is_too_long_is_shortened_the_same_for_call_and_result() -> None:
    long = "call_" + "x" * 80
    _, asked, result = sent(away(), HELLO, answer(call("output-available", long, output=1)))
    assert asked["call_id"] == result["call_id"]
    assert len(asked["call_id"]) == 64


# -- what a model of this provider kept --

REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "So."}],
    "encrypted_content": "gAAA",
}


def kept(item: Json, provider: str = "openai") -> Json:
    return {provider: {"item": item}}


def thought(item: Json = REASONING, provider: str = "openai") -> tuple[Part, Part]:
    """Reasoning of two summaries, the last of which holds the item."""
    return (
        ReasoningPart("Hm.", "0", "done"),
        ReasoningPart("So.", "1", "done", kept(item, provider)),
    )


def test_reasoning_a_message_and_a_call_go_back_as_they_came() -> None:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "phase": "commentary"}
    said = answer(
        *thought(),
        TextPart("Let me", "done", provider_metadata=kept(message)),
        TextPart(" see.", "done", provider_metadata=kept(message)),
        call(
            "output-available",
            output="fine",
            call_provider_metadata=kept({"id": "fc_1", "type": "function_call", "status": "done"}),
        ),
    )
    texts: list[Json] = [
        {"type": "output_text", "text": text, "annotations": []} for text in ("Let me", " see.")
    ]
    assert sent(home(), HELLO, said) == [
        ASKED,
        REASONING,
        {**message, "status": "completed", "content": texts},
        told_call("call_1", id="fc_1", status="done"),
        told_result("call_1", "fine"),
    ]


def test_two_messages_stay_two() -> None:
    items = [{"id": name, "type": "message", "role": "assistant"} for name in ("msg_1", "msg_2")]
    said = answer(*(TextPart("Hi", "done", provider_metadata=kept(item)) for item in items))
    assert [item.get("id") for item in sent(home(), HELLO, said)] == [None, "msg_1", "msg_2"]


def test_another_providers_state_is_left_out() -> None:
    said = answer(
        *thought(provider="openai"),
        TextPart("Yes.", "done", provider_metadata=kept({"id": "msg_1"}, "openai")),
        call("output-available", output="x", call_provider_metadata=kept({"id": "fc_1"}, "openai")),
    )
    assert sent(away(), HELLO, said) == [
        ASKED,
        told_text("Yes."),
        told_call("call_1"),
        told_result("call_1", "x"),
    ]


def test_reasoning_that_nothing_follows_is_left_out() -> None:
    said = {"type": "input_text", "text": "Hello"}
    [asked] = sent(home(), HELLO, answer(*thought()), HELLO)
    assert asked == {"role": "user", "content": [said, said]}
    picture = FilePart("image/png", "data:image/png;base64,AAAA")  # which an answer cannot hold
    [asked] = sent(home(), HELLO, answer(*thought(), picture), HELLO)
    assert asked["role"] == "user"


def test_reasoning_that_holds_nothing_but_an_id_goes_back_only_to_where_it_is_stored() -> None:
    bare = {"id": "rs_1", "type": "reasoning", "summary": []}
    raw = {**bare, "content": [{"type": "reasoning_text", "text": "Hm."}]}
    for item, model, goes in ((bare, home(), False), (raw, home(), True), (bare, away(), True)):
        said = answer(*thought(item, model.provider), TextPart("Yes."))
        assert (item in sent(model, HELLO, said)) is goes
    said = answer(*thought(bare), TextPart("Yes."))
    stored = home().request([HELLO, said], {"extra": {"store": True}}).body
    assert bare in stored["input"]


def test_a_refusal_goes_back_as_one() -> None:
    metadata = {"openai": {"refusal": True, "item": {"id": "msg_1", "role": "assistant"}}}
    said = answer(TextPart("I cannot.", "done", provider_metadata=metadata))
    refused = {
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "refusal", "refusal": "I cannot."}],
    }
    assert sent(home(), HELLO, said) == [ASKED, refused]


def test_a_custom_tools_call_and_result_go_back_in_their_own_form() -> None:
    item = {"id": "ct_1", "type": "custom_tool_call"}
    run = ToolPart(
        "sql",
        "call_1",
        "output-available",
        "SELECT 1",
        output="1",
        call_provider_metadata=kept(item),
    )
    assert sent(home(), HELLO, answer(run)) == [
        ASKED,
        {**item, "call_id": "call_1", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "call_1", "output": "1"},
    ]


def test_a_call_that_the_provider_ran_goes_back_to_it_and_to_nobody_else() -> None:
    item = {"id": "ci_1", "type": "code_interpreter_call", "status": "completed"}
    run = ToolPart(
        "code_interpreter",
        "ci_1",
        "output-available",
        {"code": "1+1", "container_id": "c"},
        output={"outputs": [{"type": "logs", "logs": "2"}]},
        provider_executed=True,
        call_provider_metadata=kept(item),
    )
    whole = {
        **item,
        "code": "1+1",
        "container_id": "c",
        "outputs": [{"type": "logs", "logs": "2"}],
    }
    assert sent(home(), HELLO, answer(run)) == [ASKED, whole]
    assert sent(away(), HELLO, answer(run)) == [ASKED]


def test_a_picture_goes_back_with_its_item() -> None:
    item = {"id": "ig_1", "type": "image_generation_call", "status": "completed"}
    picture = FilePart("image/webp", "data:image/webp;base64,AAAA", provider_metadata=kept(item))
    assert sent(home(), HELLO, answer(picture)) == [ASKED, {**item, "result": "AAAA"}]
    [told] = sent(away(), HELLO, answer(picture), HELLO)
    assert told["content"][2] == image("data:image/webp;base64,AAAA")


# -- and what comes in goes out again --

RECORDED = [] if missing() else [case for case in cases("responses") if is_whole(case)]


@pytest.mark.skipif(bool(missing()), reason="; ".join(missing()))
@pytest.mark.parametrize("case", RECORDED, ids=[case.name for case in RECORDED])
def test_a_recorded_answer_goes_back_item_by_item(case: Case) -> None:
    message = reduce(answer(), decode(ResponsesDecoder("openai-responses"), case.wire))
    items = [as_sent(item) for item in sent(away(), HELLO, message)[1:]]
    assert [item for item in items if not item["type"].endswith("_call_output")] == [
        as_sent(item) for item in output(case.wire) if is_sent(item)
    ]


def output(wire: bytes) -> list[Json]:
    """The items of a recorded answer as each was when it was done, in their order."""
    told = [json.loads(line[6:]) for line in wire.splitlines() if line.startswith(b"data: {")]
    done = [event for event in told if event["type"] == "response.output_item.done"]
    return [event["item"] for event in sorted(done, key=lambda event: event["output_index"])]


def is_sent(item: Json) -> bool:
    """A message without a word is not."""
    return item["type"] != "message" or any(
        part.get("text") or part.get("refusal") for part in item["content"]
    )


def as_sent(item: Json) -> Json:
    """What is not kept to the letter: white space in arguments, that a message is cut off, and
    its citations, for no part says where in the text they stood."""
    if item["type"] == "function_call":
        return {**item, "arguments": json.loads(item["arguments"])}
    if item["type"] != "message":
        return item
    names = ("type", "text", "refusal")
    content = [{name: part[name] for name in names if name in part} for part in item["content"]]
    return {**item, "status": "completed", "content": content}
