"""Messages, the dialect of Anthropic: each request it makes, and streams that no recording has."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.chunks import (
    Chunk,
    Custom,
    Error,
    Finish,
    FinishReason,
    MessageMetadata,
    ReasoningDelta,
    ReasoningEnd,
    ReasoningStart,
    ResetStep,
    SourceDocument,
    SourceUrl,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
)
from chatkit.errors import ConfigError, MessageError, MissingKey, UnknownOption
from chatkit.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    StepPart,
    TextPart,
    ToolPart,
    Usage,
)
from chatkit.providers import get_model
from chatkit.providers.anthropic.stream import AnthropicDecoder
from chatkit.reducer import reduce
from tests.recorded import check_order, decode
from tests.strategies import messages as any_messages

Json = dict[str, Any]
PIXEL = "data:image/png;base64,iVBORw=="


@dataclass(frozen=True)
class Spec:
    """A tool as a model is told of it."""

    name: str
    description: str
    parameters: Json


WEATHER = Spec("weather", "How it is there.", {"type": "object", "properties": {}})


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(variable, raising=False)


def user(*parts: Part | str) -> Message:
    told = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    return Message(id="u", role="user", parts=told)


def system(text: str) -> Message:
    return Message(id="s", role="system", parts=(TextPart(text),))


def assistant(*parts: Part | str) -> Message:
    told = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    return Message(id="a", role="assistant", parts=told)


def call(call_id: str = "toolu_1", **fields: Any) -> ToolPart:
    """A call of ours that has an answer, unless `fields` say otherwise."""
    told = {"state": "output-available", "input": {"city": "Rome"}, "output": "Sunny"} | fields
    return ToolPart("weather", call_id, **told)


def thought(text: str = "Hm.", **metadata: Any) -> ReasoningPart:
    return ReasoningPart(text, provider_metadata=metadata or None)


def body(*messages: Message, model: str = "claude-opus-4-8", **asked: Any) -> Json:
    """The JSON that is sent; `asked` are options, but for tools and schema."""
    others = {name: asked.pop(name) for name in ("tools", "schema") if name in asked}
    named = get_model(f"anthropic/{model}", api_key="sk-not-a-key")
    return named.request(messages or [user("Hello")], asked, **others).body


def added(*messages: Message, **asked: Any) -> Json:
    """What the options add to the request without any."""
    plain = body(*messages, model=asked.get("model", "claude-opus-4-8"))
    told = body(*messages, **asked)
    assert plain.keys() <= told.keys()
    return {name: value for name, value in told.items() if plain.get(name) != value}


def sent(*messages: Message) -> list[Json]:
    """The messages that are sent."""
    found: list[Json] = body(*messages)["messages"]
    return found


def said(text: str) -> Json:
    return {"type": "text", "text": text}


def by_user(*content: Json) -> Json:
    return {"role": "user", "content": list(content)}


def by_model(*content: Json) -> Json:
    return {"role": "assistant", "content": list(content)}


HELLO = by_user(said("Hello"))
USED = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Sunny"}


# -- addresses and keys --


def test_a_request_goes_to_messages_with_the_key_and_the_pinned_version() -> None:
    request = get_model("anthropic/claude-opus-4-8", api_key="sk-1").request([user("Hello")], {})
    assert request.method == "POST"
    assert request.url == "https://api.anthropic.com/v1/messages"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "text/event-stream",
        "anthropic-version": "2023-06-01",
        "x-api-key": "sk-1",
    }
    assert request.body == {
        "model": "claude-opus-4-8",
        "max_tokens": 64_000,
        "stream": True,
        "messages": [HELLO],
    }


@pytest.mark.parametrize(
    ("variables", "header"),
    [
        ({"ANTHROPIC_API_KEY": "sk-1"}, ("x-api-key", "sk-1")),
        ({"ANTHROPIC_AUTH_TOKEN": "t-1"}, ("authorization", "Bearer t-1")),
        ({"ANTHROPIC_API_KEY": "sk-1", "ANTHROPIC_AUTH_TOKEN": "t-1"}, ("x-api-key", "sk-1")),
        ({"ANTHROPIC_API_KEY": "", "ANTHROPIC_AUTH_TOKEN": "t-1"}, ("authorization", "Bearer t-1")),
    ],
)
def test_a_key_and_a_token_go_in_headers_of_their_own(
    variables: dict[str, str], header: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    headers = get_model("anthropic/m").request([], {}).headers
    found = [(name, headers[name]) for name in ("x-api-key", "authorization") if name in headers]
    assert found == [header]


def test_a_key_that_is_passed_is_none_of_the_environments_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "t-1")
    headers = get_model("anthropic/m", api_key="sk-1").request([], {}).headers
    assert (headers["x-api-key"], headers.get("authorization")) == ("sk-1", None)


def test_a_missing_key_names_both_variables() -> None:
    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"):
        get_model("anthropic/m").check({})


@pytest.mark.parametrize("address", ["http://localhost:8080", "http://localhost:8080/v1/"])
def test_another_server_needs_no_key_and_may_be_named_with_the_version_or_without(
    address: str,
) -> None:
    request = get_model("anthropic/m", base_url=address).request([], {})
    assert request.url == "http://localhost:8080/v1/messages"
    assert not {"x-api-key", "authorization"} & set(request.headers)


def test_the_address_comes_from_the_vendors_own_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://gate.example/")
    request = get_model("anthropic/m", api_key="k").request([], {})
    assert request.url == "https://gate.example/v1/messages"


# -- options --


def test_the_options_are_called_as_the_vendor_calls_them() -> None:
    given = {"max_tokens": 9, "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"]}
    assert added(**given) == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop_sequences": ["a", "b"],
    }
    assert added(stop="a") == {"stop_sequences": ["a"]}


def test_what_the_vendor_alone_knows_goes_as_it_is_and_wins() -> None:
    extra = {"cache_control": {"type": "ephemeral"}, "top_k": 5, "max_tokens": 7}
    assert added(extra=extra) == extra


@pytest.mark.parametrize("option", ["seed", "presence_penalty", "frequency_penalty"])
def test_an_option_that_the_vendor_lacks_is_refused_before_it_is_sent(option: str) -> None:
    with pytest.raises(UnknownOption, match=option):
        added(**{option: 1})


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-5-5", 64_000),
        ("claude-fable-5-2", 64_000),
        ("claude-haiku-4-5-20251001", 64_000),
        ("anthropic/claude-sonnet-4.6", 64_000),
        ("claude-opus-4-1-20250805", 4_096),
        ("claude-sonnet-4-20250514", 4_096),
        ("claude-3-5-haiku-latest", 4_096),
        ("smollm2", 4_096),
    ],
)
def test_an_answer_is_limited_to_what_its_model_can_write(model: str, limit: int) -> None:
    assert body(model=model)["max_tokens"] == limit


ADAPTIVE = {"type": "adaptive", "display": "summarized"}
OFF = {"type": "disabled"}


@pytest.mark.parametrize(
    ("model", "word", "asked"),
    [
        ("claude-opus-4-8", "high", {"thinking": ADAPTIVE, "output_config": {"effort": "high"}}),
        ("claude-opus-4-8", "minimal", {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        ("claude-opus-4-7", "xhigh", {"thinking": ADAPTIVE, "output_config": {"effort": "xhigh"}}),
        ("claude-sonnet-4-6", "xhigh", {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}),
        ("claude-haiku-5-5", "max", {"thinking": ADAPTIVE, "output_config": {"effort": "max"}}),
        ("claude-opus-4-8", "none", {"thinking": OFF}),
        ("claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}),
        ("claude-fable-5-1", "none", {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        ("claude-opus-5-5", "none", {"thinking": ADAPTIVE, "output_config": {"effort": "low"}}),
        ("claude-haiku-4-5", "low", {"thinking": {"type": "enabled", "budget_tokens": 4_096}}),
        ("claude-opus-4-5", "none", {"thinking": OFF}),
    ],
)
def test_reasoning_is_asked_for_in_the_form_that_the_model_takes(
    model: str, word: str, asked: Json
) -> None:
    assert added(model=model, reasoning=word) == asked


def test_a_budget_for_thoughts_leaves_room_for_the_answer() -> None:
    asked = added(model="claude-sonnet-4-20250514", reasoning="high")
    assert asked == {
        "max_tokens": 20_480,
        "thinking": {"type": "enabled", "budget_tokens": 16_384},
    }
    asked = added(model="claude-haiku-4-5", reasoning="high", max_tokens=6_000)
    assert asked == {"max_tokens": 6_000, "thinking": {"type": "enabled", "budget_tokens": 3_000}}
    asked = added(model="claude-haiku-4-5", reasoning="high", max_tokens=1_500)
    assert asked == {"max_tokens": 1_500, "thinking": {"type": "enabled", "budget_tokens": 1_024}}


def test_a_limit_without_room_for_thoughts_is_refused_with_the_remedy() -> None:
    with pytest.raises(ConfigError, match=r"max_tokens is 1000.*1024.*leave out reasoning"):
        body(model="claude-haiku-4-5", reasoning="low", max_tokens=1_000)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-opus-4-6"])
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"temperature": 0.5}, r"temperature is 0\.5.*takes 1 alone"),
        ({"top_p": 0.9}, r"top_p is 0\.9.*takes 0\.95 to 1 alone"),
    ],
)
def test_what_is_refused_beside_thoughts_is_named_with_the_remedy(
    model: str, options: Json, words: str
) -> None:
    [name] = options
    with pytest.raises(ConfigError, match=f"{words}: leave out {name} or reasoning"):
        body(model=model, reasoning="low", **options)
    body(model=model, **options)
    body(model=model, reasoning="none", **options)


@pytest.mark.parametrize("choice", ["required", "weather"])
def test_a_call_can_be_forced_with_thoughts_only_where_they_have_no_budget(choice: str) -> None:
    asked = {"reasoning": "low", "tools": [WEATHER]}
    with pytest.raises(ConfigError, match=f"tool_choice is '{choice}'.* tool_choice or reasoning"):
        body(model="claude-haiku-4-5", tool_choice=choice, **asked)
    for model, chosen in (("claude-opus-4-6", choice), ("claude-haiku-4-5", "none")):
        assert "thinking" in body(model=model, tool_choice=chosen, **asked)


def test_beside_thoughts_the_values_that_are_taken_are_sent() -> None:
    asked = body(model="claude-haiku-4-5", reasoning="low", temperature=1, top_p=0.95)
    assert (asked["temperature"], asked["top_p"]) == (1, 0.95)
    asked = body(model="smollm2", reasoning="low", max_tokens=4_000, temperature=0)
    assert asked["temperature"] == 0, "another server has rules of its own"


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ([user("Hi"), assistant(call())], False),
        ([user("Hi"), assistant(thought(anthropic={"signature": "s"}), call())], True),
        (
            [
                user("Hi"),
                assistant(thought(anthropic={"signature": "s"}), call(), StepPart(), call("b")),
            ],
            True,
        ),
        ([user("Hi"), assistant(call(), StepPart(), "Sunny."), user("And then?")], True),
    ],
)
def test_a_turn_that_began_without_thoughts_goes_on_without_a_budget_for_them(
    messages: list[Message], thinks: bool
) -> None:
    asked = body(*messages, model="claude-haiku-4-5", reasoning="low")
    assert ("thinking" in asked) is thinks


def test_a_schema_is_asked_for_beside_the_effort() -> None:
    schema = {"type": "object", "properties": {}, "additionalProperties": False}
    told = {"type": "json_schema", "schema": schema}
    assert added(schema=schema) == {"output_config": {"format": told}}
    both = added(schema=schema, reasoning="high")["output_config"]
    assert both == {"format": told, "effort": "high"}


# -- tools --


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ("weather", {"type": "tool", "name": "weather"}),
    ],
)
def test_tools_are_told_with_what_to_choose(choice: str, told: Json) -> None:
    assert added(tools=[WEATHER], tool_choice=choice) == {
        "tools": [
            {
                "name": "weather",
                "description": "How it is there.",
                "input_schema": {"type": "object", "properties": {}},
            }
        ],
        "tool_choice": told,
    }


def test_tools_of_the_past_are_declared_where_none_are_on_offer() -> None:
    asked = body(user("Hi"), assistant(call(), call("b")), user("And?"))
    assert asked["tools"] == [{"name": "weather", "input_schema": {"type": "object"}}]
    assert asked["tool_choice"] == {"type": "none"}


def test_the_results_of_a_turn_are_one_message_before_what_the_user_says_next() -> None:
    failed = call("b", state="output-error", error_text="No such city", output=None)
    denied = call("c", state="output-denied", output=None)
    no = {"id": "x", "approved": False, "reason": "Not now."}
    refused = call("d", state="approval-responded", approval=no, output=None)
    lost = call("e", state="input-available", output=None)
    others = (failed, denied, refused, lost, call("f", output={"degrees": 20}))
    assert sent(user("Hello"), assistant("Let me see.", call(), *others), user("Thanks")) == [
        HELLO,
        by_model(said("Let me see."), USED, *(USED | {"id": name} for name in "bcdef")),
        by_user(
            RESULT,
            RESULT | {"tool_use_id": "b", "content": "No such city", "is_error": True},
            RESULT
            | {
                "tool_use_id": "c",
                "content": "The user did not allow this call.",
                "is_error": True,
            },
            RESULT | {"tool_use_id": "d", "content": "Not now.", "is_error": True},
            RESULT
            | {
                "tool_use_id": "e",
                "content": "This call was interrupted; it has no result.",
                "is_error": True,
            },
            RESULT | {"tool_use_id": "f", "content": '{"degrees":20}'},
            said("Thanks"),
        ),
    ]


def test_ids_that_the_vendor_would_refuse_are_replaced_the_same_way_each_time() -> None:
    asked = sent(user("Hello"), assistant(call("functions.weather:0|x")))
    assert asked == sent(user("Hello"), assistant(call("functions.weather:0|x")))
    call_id = asked[1]["content"][0]["id"]
    assert re.fullmatch(r"call_[0-9a-f]{24}", call_id)
    assert asked[2]["content"][0]["tool_use_id"] == call_id


def test_ids_that_come_again_in_later_answers_are_each_used_once() -> None:
    asked = sent(
        user("Hello"), assistant(call("call_0"), StepPart(), call("call_0")), assistant(call("1"))
    )
    used = [block["id"] for turn in asked for block in turn["content"] if "id" in block]
    answered = [
        block["tool_use_id"]
        for turn in asked
        for block in turn["content"]
        if "tool_use_id" in block
    ]
    assert used == answered == ["call_0", "call_0_2", "1"]


def test_the_input_of_a_call_is_always_an_object() -> None:
    asked = sent(user("Hello"), assistant(call(input=["Rome"])))
    assert asked[1]["content"][0]["input"] == {"input": ["Rome"]}


# -- messages --


def test_what_the_system_says_stands_apart_joined() -> None:
    asked = body(system("Be kind."), user("Hello"), system("Be brief."), user("Again"))
    assert asked["system"] == "Be kind.\n\nBe brief."
    assert asked["messages"] == [by_user(said("Hello"), said("Again"))]
    assert "system" not in body(system(" "), user("Hello"))


def test_roles_take_turns_and_empty_texts_are_left_out() -> None:
    asked = sent(
        user("Hello", " "), user("", "there"), assistant(" \n"), assistant("Hi"), user("A")
    )
    assert asked == [
        by_user(said("Hello"), said("there")),
        by_model(said("Hi")),
        by_user(said("A")),
    ]


@pytest.mark.parametrize("messages", [[], [system("Be kind.")], [assistant("Welcome!")]])
def test_a_conversation_that_no_user_began_gets_a_beginning(messages: list[Message]) -> None:
    beginning = by_user(said("(The conversation begins here.)"))
    model = get_model("anthropic/m", api_key="k")
    said_then = [by_model(said("Welcome!"))] if messages and messages[0].role != "system" else []
    assert model.request(messages, {}).body["messages"] == [beginning, *said_then]


def test_an_answer_that_is_to_go_on_does_not_end_with_white_space() -> None:
    assert sent(user("Hello"), assistant("Once upon \n"))[1] == by_model(said("Once upon"))
    assert sent(user("Hello"), assistant("Hi \n"), user("A"))[1] == by_model(said("Hi \n"))


SIGNED = {"type": "thinking", "thinking": "Hm.", "signature": "sig=="}


def test_signed_and_hidden_thoughts_go_back_unchanged_before_what_they_led_to() -> None:
    told = assistant(
        thought(anthropic={"signature": "sig=="}),
        thought("", anthropic={"redactedData": "abc"}),
        thought("", anthropic={"signature": "only"}),
        call(),
    )
    assert sent(user("Hello"), told)[1] == by_model(
        SIGNED,
        {"type": "redacted_thinking", "data": "abc"},
        {"type": "thinking", "thinking": "", "signature": "only"},
        USED,
    )


@pytest.mark.parametrize(
    "unsigned",
    [
        thought(),
        thought(anthropic={"signature": ""}),
        thought(anthropic={}),
        thought(bedrock={"signature": "s"}),
        thought(openai={"itemId": "rs_1", "reasoningEncryptedContent": "e"}),
    ],
)
def test_thoughts_without_a_signature_of_its_own_are_left_out(unsigned: ReasoningPart) -> None:
    assert sent(user("Hello"), assistant(unsigned, "Hi"), user("A"))[1] == by_model(said("Hi"))
    assert sent(user("Hello"), assistant(unsigned)) == [HELLO]


def test_thoughts_that_led_to_nothing_are_left_out() -> None:
    told = assistant(thought(anthropic={"signature": "sig=="}))
    assert sent(user("Hello"), told, user("A")) == [by_user(said("Hello"), said("A"))]
    picture = FilePart("image/png", PIXEL)  # which an answer cannot hold
    drawn = assistant(thought(anthropic={"signature": "sig=="}), picture)
    [asked] = sent(user("Hello"), drawn, user("A"))
    assert [block["type"] for block in asked["content"]] == ["text", "text", "image", "text"]


def test_what_the_provider_ran_itself_goes_back_as_it_came() -> None:
    use = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "x"}}
    found = [{"type": "web_search_result", "url": "https://a.example", "encrypted_content": "e"}]
    result = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": found}
    asked = {
        "type": "mcp_tool_use",
        "id": "mcptoolu_1",
        "name": "echo",
        "input": {},
        "server_name": "s",
    }
    failed = {
        "type": "mcp_tool_result",
        "tool_use_id": "mcptoolu_1",
        "is_error": True,
        "content": [{"type": "text", "text": "Gone."}],
    }
    answer = message(*begin(), *blocks(said("Let me see."), use, result, asked, failed), *END)
    content = by_model(said("Let me see."), use, result, asked, failed)
    assert sent(user("Hello"), answer, user("A"))[1] == content
    other = get_model("anthropic2/m", base_url="https://a.example").request([answer], {}).body
    assert "search" not in json.dumps(other)


def test_who_called_a_tool_goes_back_with_the_call() -> None:
    use = USED | {"caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}}
    answer = message(*begin(), *blocks(use), *END)
    assert sent(user("Hello"), answer)[1] == by_model(use)


# -- files --


def test_files_go_as_the_blocks_of_their_kind() -> None:
    files = [
        FilePart("image/png", PIXEL),
        FilePart("image/png", "data:image/png,%89PNG"),
        FilePart("image/*", "https://a.example/b.tiff"),
        FilePart("application/pdf", "data:application/pdf;base64,JVBERg==", "paper.pdf"),
        FilePart("application/pdf", "https://a.example/b.pdf"),
        FilePart("text/csv; charset=utf-8", "data:text/csv;base64,YSxi", "t.csv"),
        FilePart("application/json", "data:application/json,%7B%7D"),
    ]
    pixel = {"type": "base64", "media_type": "image/png", "data": "iVBORw=="}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}
    assert sent(user("See:", *files)) == [
        by_user(
            said("See:"),
            {"type": "image", "source": pixel},
            {"type": "image", "source": pixel},
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.tiff"}},
            {"type": "document", "source": pdf, "title": "paper.pdf"},
            {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}},
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "a,b"},
                "title": "t.csv",
            },
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "{}"},
            },
        )
    ]


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (FilePart("audio/wav", "data:audio/wav;base64,AAAA"), "audio/wav file cannot be sent"),
        (FilePart("image/tiff", "data:image/tiff;base64,AAAA"), "it takes JPEG, PNG, GIF and WebP"),
        (FilePart("", "data:;base64,AAAA"), "a nameless file cannot be sent"),
        (FilePart("text/plain", "https://a.example/b.txt"), "download it first"),
        (FilePart("text/plain", "data:text/plain;base64,A"), "is not valid"),
    ],
)
def test_a_file_that_cannot_be_sent_is_refused_with_the_reason(file: FilePart, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        sent(user(file))


@given(st.lists(any_messages, max_size=5))
def test_whatever_was_said_the_request_is_one_that_is_taken(history: list[Message]) -> None:
    try:
        asked = get_model("anthropic/m", api_key="k").request(history, {}).body
    except MessageError:
        return
    turns = asked["messages"]
    assert [turn["role"] for turn in turns] == [
        ("user", "assistant")[place % 2] for place in range(len(turns))
    ]
    waiting: list[str] = []
    for turn in turns:
        assert turn["content"]
        kinds = [block["type"] for block in turn["content"]]
        results = kinds.count("tool_result")
        assert kinds[:results] == ["tool_result"] * results
        answered = [block["tool_use_id"] for block in turn["content"][:results]]
        assert answered == waiting
        waiting = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        for block in turn["content"]:
            assert block["type"] != "text" or block["text"].strip()
            assert block["type"] != "thinking" or block["signature"]


# -- streams --


def event(kind: str, **fields: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (
        kind.encode(),
        json.dumps({"type": kind} | fields).encode(),
    )


def begin(**usage: Any) -> list[bytes]:
    return [event("message_start", message={"id": "msg_1", "model": "m", "usage": usage})]


def start(index: int, **block: Any) -> bytes:
    return event("content_block_start", index=index, content_block=block)


def more(index: int, kind: str, **fields: Any) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind} | fields)


def text(index: int, told: str) -> bytes:
    return more(index, "text_delta", text=told)


def stop(index: int) -> bytes:
    return event("content_block_stop", index=index)


def end(reason: str | None = "end_turn", **usage: Any) -> list[bytes]:
    return [
        event("message_delta", delta={"stop_reason": reason}, usage=usage),
        event("message_stop"),
    ]


END = end()


def blocks(*whole: Json) -> list[bytes]:
    """These blocks, each of them whole in its start."""
    return [
        piece for index, block in enumerate(whole) for piece in (start(index, **block), stop(index))
    ]


def chunks(*pieces: bytes) -> list[Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(AnthropicDecoder("anthropic"), *pieces)


def message(*pieces: bytes) -> Message:
    return reduce(Message(id="m", role="assistant"), chunks(*pieces))


def only(kind: type[Any], found: list[Chunk]) -> list[Any]:
    return [chunk for chunk in found if isinstance(chunk, kind)]


def test_text_comes_as_it_is_read_and_the_end_says_how_it_was() -> None:
    decoder = AnthropicDecoder("anthropic")
    assert decoder.feed(b"".join(begin(input_tokens=3))) == [
        MessageMetadata({"responseModel": "m", "responseId": "msg_1"})
    ]
    assert decoder.feed(start(0, type="text", text="")) == []
    assert decoder.feed(text(0, "one ") + text(0, "two")) == [
        TextStart("0"),
        TextDelta("0", "one two"),
    ]
    assert decoder.feed(stop(0)) == []
    assert decoder.feed(b"".join(end(output_tokens=2))) == [
        TextEnd("0"),
        Finish(
            "stop",
            {"usage": {"inputTokens": 3, "outputTokens": 2}, "rawFinishReason": "end_turn"},
        ),
    ]
    assert decoder.finished
    assert decoder.feed(text(0, "after the end")) == decoder.close() == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool-calls"),
        ("refusal", "content-filter"),
        ("pause_turn", "other"),
        ("compaction", "other"),
        ("something_new", "other"),
    ],
)
def test_each_reason_to_stop_has_chatkits_word_and_its_own(raw: str, reason: FinishReason) -> None:
    assert only(Finish, chunks(*begin(), *end(raw))) == [Finish(reason, {"rawFinishReason": raw})]


def test_a_reason_that_is_not_told_is_seen_by_the_calls() -> None:
    assert only(Finish, chunks(*begin(), *end(None))) == [Finish("other")]
    assert (
        only(Finish, chunks(*begin(), *blocks(USED), *end(None)))[0].finish_reason == "tool-calls"
    )
    assert only(Finish, chunks(*begin(), *blocks(USED), *END))[0].finish_reason == "tool-calls"


def test_tokens_of_the_cache_are_counted_into_the_input_and_later_counts_win() -> None:
    first: Json = {"input_tokens": 1, "cache_read_input_tokens": 0, "output_tokens": 1}
    last: Json = {
        "input_tokens": 5,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "output_tokens": 7,
        "output_tokens_details": {"thinking_tokens": 4},
    }
    assert message(*begin(**first), *end(**last)).usage == Usage(125, 7, 4, 100, 20)
    assert message(*begin(**first), *end(output_tokens=7)).usage == Usage(1, 7, None, 0)
    assert message(*begin(**first), *end(input_tokens=None)).usage == Usage(1, 1, None, 0)
    assert message(*begin(), *end(output_tokens=7)).usage == Usage(None, 7)


def test_thoughts_are_parts_of_their_own_with_their_signatures() -> None:
    found = chunks(
        *begin(),
        start(0, type="thinking", thinking="", signature=""),
        more(0, "thinking_delta", thinking="One "),
        more(0, "thinking_delta", thinking="thing."),
        more(0, "signature_delta", signature="a"),
        more(0, "signature_delta", signature="b"),
        stop(0),
        start(1, type="thinking", thinking="Another.", signature="c"),
        stop(1),
        start(2, type="redacted_thinking", data="hidden"),
        stop(2),
        start(3, type="thinking", thinking="", signature=""),
        stop(3),
        *END,
    )
    ends = [chunk.provider_metadata for chunk in only(ReasoningEnd, found)]
    assert ends == [
        {"anthropic": {"signature": "ab"}},
        {"anthropic": {"signature": "c"}},
        {"anthropic": {"redactedData": "hidden"}},
        None,
    ]
    parts = reduce(Message(id="m", role="assistant"), found).parts
    assert [part.text for part in parts if isinstance(part, ReasoningPart)] == [
        "One thing.",
        "Another.",
        "",
        "",
    ]


def test_text_that_is_cut_into_blocks_by_its_citations_is_one_part() -> None:
    page = {"url": "https://a.example", "title": "A", "cited_text": "x", "encrypted_index": "e"}
    place = {"type": "page_location", "document_index": 1, "document_title": None}
    note = {"type": "search_result_location", "source": "notes", "title": "My notes"}
    found = message(
        *begin(),
        *[start(0, type="text", text="- One"), stop(0)],
        *[start(1, type="text", text=": "), more(1, "citations_delta", citation=page)],
        *[more(1, "citations_delta", citation=place), text(1, "two"), stop(1)],
        *[start(2, type="text", text=".", citations=[note]), stop(2)],
        *END,
    )
    first, *sources = found.parts
    assert first == TextPart("- One: two.", "done")
    told = [getattr(source, "provider_metadata", None) for source in sources]
    assert told == [{"anthropic": {"citation": cited}} for cited in (page, place, note)]
    cited = only(SourceUrl, chunks(*begin(), more(0, "citations_delta", citation=page)))
    assert [(source.url, source.title) for source in cited] == [("https://a.example", "A")]
    cited = only(SourceDocument, chunks(*begin(), more(0, "citations_delta", citation=place)))
    assert [(source.title, source.media_type) for source in cited] == [
        ("Document 2", "application/pdf")
    ]


# -- calls --

ASKED = {"type": "tool_use", "id": "t1", "name": "weather", "input": {}}


def test_a_call_is_given_out_once_the_answer_is_finished() -> None:
    decoder = AnthropicDecoder("anthropic")
    decoder.feed(b"".join(begin()))
    found = decoder.feed(start(0, **ASKED) + more(0, "input_json_delta", partial_json=""))
    assert found == [ToolInputStart("t1", "weather")]
    found = decoder.feed(more(0, "input_json_delta", partial_json='{"city": "Rome"}'))
    assert found == [ToolInputDelta("t1", '{"city": "Rome"}')]
    assert decoder.feed(stop(0)) == []
    found = decoder.feed(b"".join(end("tool_use")))
    assert found == [
        ToolInputAvailable("t1", "weather", {"city": "Rome"}),
        Finish("tool-calls", {"rawFinishReason": "tool_use"}),
    ]


def test_a_call_without_arguments_has_none() -> None:
    found = chunks(*begin(), start(0, **ASKED), stop(0), *end("tool_use"))
    assert only(ToolInputDelta, found) == [ToolInputDelta("t1", "{}")]
    assert only(ToolInputAvailable, found) == [ToolInputAvailable("t1", "weather", {})]


def test_arguments_that_come_whole_with_the_start_are_taken() -> None:
    found = chunks(*begin(), *blocks(ASKED | {"input": {"city": "Rome"}}), *end("tool_use"))
    assert [chunk.input for chunk in only(ToolInputAvailable, found)] == [{"city": "Rome"}]


@pytest.mark.parametrize("piece", ["", '{"city": "Ro'])
def test_a_call_that_the_limit_cut_off_is_an_error(piece: str) -> None:
    cut = more(0, "input_json_delta", partial_json=piece)
    found = chunks(*begin(), start(0, **ASKED), cut, stop(0), *end("max_tokens"))
    assert only(ToolInputAvailable, found) == []
    assert [(chunk.tool_call_id, chunk.input) for chunk in only(ToolInputError, found)] == [
        ("t1", piece)
    ]


def test_a_call_that_was_never_closed_is_never_given_out() -> None:
    whole = more(0, "input_json_delta", partial_json="{}")
    for rest in ([], [stop(0)], [stop(0), end("tool_use")[0]], end("tool_use")):
        found = chunks(*begin(), start(0, **ASKED), whole, *rest)
        assert only(ToolInputAvailable, found) == []


def test_what_the_provider_runs_itself_comes_with_its_output_as_it_goes() -> None:
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    found = [{"type": "web_search_result", "url": "https://a.example"}]
    decoder = AnthropicDecoder("anthropic")
    decoder.feed(b"".join(begin()))
    kept = {"anthropic": {"type": "server_tool_use"}}
    decoder.feed(start(0, **use))
    assert decoder.feed(more(0, "input_json_delta", partial_json='{"query": "x"}') + stop(0)) == [
        ToolInputDelta("s1", '{"query": "x"}'),
        ToolInputAvailable(
            "s1", "web_search", {"query": "x"}, provider_executed=True, provider_metadata=kept
        ),
    ]
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": found}
    assert decoder.feed(start(1, **result) + stop(1)) == [
        ToolOutputAvailable(
            "s1",
            found,
            provider_executed=True,
            provider_metadata={"anthropic": {"type": "web_search_tool_result"}},
        )
    ]


def test_what_the_provider_failed_to_run_says_why() -> None:
    use = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    content = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    result = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": content}
    found = only(ToolOutputError, chunks(*begin(), *blocks(use, result), *END))
    assert [chunk.error_text for chunk in found] == ["max_uses_exceeded"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Gone.", "Gone."),
        (
            [{"type": "text", "text": "Gone"}, {"type": "text", "text": "for good."}],
            "Gone\nfor good.",
        ),
        ([], "It failed, and did not say why."),
    ],
)
def test_a_failure_of_a_tool_elsewhere_is_told_in_its_words(content: Any, words: str) -> None:
    result = {"type": "mcp_tool_result", "tool_use_id": "s1", "is_error": True, "content": content}
    found = only(ToolOutputError, chunks(*begin(), *blocks(result)))
    assert [chunk.error_text for chunk in found] == [words]


# -- what is to be dropped, kept or passed over --


def test_after_a_refusal_what_came_before_it_is_dropped_and_no_call_is_given_out() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "No."}
    told = event("message_delta", delta={"stop_reason": "refusal", "stop_details": details})
    pieces = [*begin(), *blocks(said("Sure, first"), ASKED), told, event("message_stop")]
    found = chunks(*pieces)
    assert only(ToolInputAvailable, found) == []
    assert found[-2:] == [
        ResetStep(),
        Finish("content-filter", {"rawFinishReason": "refusal", "stopDetails": details}),
    ]
    assert message(*pieces).parts == ()


def test_blocks_that_are_no_words_of_the_answer_are_kept_and_not_shown() -> None:
    found = chunks(
        *begin(),
        start(0, type="compaction", content=None),
        more(0, "compaction_delta", content="Before.", encrypted_content="e"),
        stop(0),
        start(1, type="something_new", text="no answer", id=5),
        text(1, "nor this"),
        stop(1),
        *END,
    )
    first = {"type": "compaction", "content": "Before.", "encrypted_content": "e"}
    second = {"type": "something_new", "text": "no answer", "id": 5}
    assert only(Custom, found) == [
        Custom("anthropic.compaction", {"anthropic": first}),
        Custom("anthropic.something_new", {"anthropic": second}),
    ]
    assert only(TextDelta, found) == []


def test_text_on_either_side_of_such_a_block_is_two_parts() -> None:
    switch = {"type": "fallback", "from": {"model": "m"}, "to": {"model": "n"}}
    found = message(*begin(), *blocks(said("One."), switch, said("Two.")), *END)
    assert [getattr(part, "text", None) for part in found.parts] == ["One.", None, "Two."]


def test_a_second_beginning_changes_nothing() -> None:
    again = event("message_start", message={"id": "msg_2", "model": "n"})
    found = message(*begin(), start(0, type="text"), text(0, "So "), again, text(0, "far"), *END)
    assert found.text == "So far"
    assert found.metadata["responseId"] == "msg_1"


def test_deltas_whose_start_was_lost_are_what_they_say() -> None:
    thinking = more(0, "thinking_delta", thinking="Hm.")
    found = message(
        *begin(), thinking, text(1, "Hi"), more(2, "input_json_delta", partial_json="{")
    )
    assert (found.reasoning, found.text, len(found.parts)) == ("Hm.", "Hi", 2)


def test_half_a_character_waits_for_its_other_half() -> None:
    pieces = [*begin(), start(0, type="text"), text(0, "a\ud83d"), text(0, "\ude00b"), *END]
    assert message(*pieces).text == "a😀b"
    assert "".join(chunk.delta for chunk in only(TextDelta, chunks(*pieces))) == "a😀b"


def test_an_answer_that_came_whole_is_one() -> None:
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [SIGNED, said("Hi"), USED],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    found = message(json.dumps(answer, indent=1).encode())
    kinds = [type(part) for part in found.parts]
    assert kinds == [ReasoningPart, TextPart, ToolPart]
    assert found.metadata == {
        "responseModel": "m",
        "responseId": "msg_1",
        "finishReason": "tool-calls",
        "usage": {"inputTokens": 1, "outputTokens": 2},
        "rawFinishReason": "tool_use",
    }


# -- errors --


def test_a_stream_that_is_cut_keeps_what_it_said_and_is_not_finished() -> None:
    decoder = AnthropicDecoder("anthropic")
    pieces = [*begin(input_tokens=3), start(0, type="text"), text(0, "So far"), end()[0]]
    found = decode(decoder, *pieces)
    assert not decoder.finished
    assert decoder.error is None
    known = {"usage": {"inputTokens": 3}, "rawFinishReason": "end_turn"}
    assert found[-1] == MessageMetadata(known)


OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded."}}


@pytest.mark.parametrize(
    ("wire", "words"),
    [
        (event("error", error=OVERLOADED["error"]), "Overloaded."),
        (b"data: %b\n\n" % json.dumps(OVERLOADED).encode(), "Overloaded."),
        (b'data: {"error": "Overloaded."}\n\n', "Overloaded."),
        (b"event: error\ndata: Overloaded.\n\n", "Overloaded."),
        (json.dumps(OVERLOADED, indent=1).encode(), "Overloaded."),
        (b'data: {"type": "content_block_delta", "ind\n\n', "not JSON"),
    ],
)
def test_an_error_in_the_stream_comes_after_what_came_before_it(wire: bytes, words: str) -> None:
    decoder = AnthropicDecoder("anthropic")
    found = decode(decoder, *begin(), start(0, type="text"), text(0, "So far"), wire)
    assert [chunk.delta for chunk in only(TextDelta, found)] == ["So far"]
    assert isinstance(found[-1], Error)
    assert words in found[-1].error_text
    assert decoder.error is not None
    assert decoder.feed(text(0, "more")) == []


@pytest.mark.parametrize(
    ("code", "retryable"),
    [("overloaded_error", True), ("api_error", True), ("invalid_request_error", False)],
)
def test_an_error_says_whether_asking_again_may_help(code: str, retryable: bool) -> None:
    decoder = AnthropicDecoder("anthropic")
    decode(decoder, event("error", error={"type": code, "message": "x"}))
    assert decoder.error is not None
    assert (decoder.error.retryable, decoder.error.code) == (retryable, code)


def test_a_page_in_place_of_a_stream_is_told_as_it_is() -> None:
    decoder = AnthropicDecoder("anthropic")
    decode(decoder, b"<html><title>502 Bad Gateway</title></html>")
    assert "502 Bad Gateway" in str(decoder.error)


def test_a_key_that_a_server_repeats_is_not() -> None:
    decoder = AnthropicDecoder("a", lambda told: told.replace("sk-secret", "[hidden]"))
    found = decode(decoder, event("error", error={"message": "Bad key sk-secret"}))
    assert "sk-secret" not in f"{found}{decoder.error}"


# -- anything --

KINDS = """text thinking redacted_thinking tool_use server_tool_use mcp_tool_use
    web_search_tool_result compaction error message something_new""".split()
DELTAS = """text_delta thinking_delta signature_delta input_json_delta citations_delta
    compaction_delta new_delta""".split()
NAMES = """type text thinking signature data id name input partial_json citation citations url
    title source content tool_use_id is_error error_code stop_reason stop_details usage
    input_tokens output_tokens_details message model error""".split()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
LEAVES |= st.sampled_from(["\ud83d", "\ude00", "{", "{}", "t1", "refusal", "max_tokens", *KINDS])
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=10,
)
FIELDS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5)
PLACES = st.integers(0, 2)
STARTS = st.builds(
    lambda place, kind, told: start(place, **{"id": "t1", "name": "n", "text": "x"} | told | kind),
    PLACES,
    st.sampled_from(KINDS).map(lambda kind: {"type": kind}),
    FIELDS,
)
GROWTHS = st.builds(
    lambda place, kind, told: event(
        "content_block_delta", index=place, delta={"text": "x"} | told | {"type": kind}
    ),
    PLACES,
    st.sampled_from(DELTAS),
    FIELDS,
)
STOPS = PLACES.map(stop)
ENDS = st.builds(
    lambda kind, told: event(kind, **{"delta": told, "usage": told} | told | {"type": kind}),
    st.sampled_from(["message_start", "message_delta", "message_stop", "ping", "new_event"]),
    FIELDS,
)
RAW = st.binary(max_size=20) | VALUES.map(
    lambda told: b"data: " + json.dumps(told).encode() + b"\n\n"
)


@given(st.lists(STARTS | GROWTHS | STOPS | ENDS | RAW, max_size=14))
def test_whatever_comes_no_decoder_raises_and_every_chunk_can_be_written(
    pieces: list[bytes],
) -> None:
    check_order(chunks(*begin(), *pieces))


@given(st.lists(STARTS | GROWTHS | STOPS, max_size=14), st.sampled_from(["tool_use", "max_tokens"]))
def test_whatever_came_each_part_has_an_end_before_the_answer_has(
    pieces: list[bytes], reason: str
) -> None:
    found = chunks(*begin(), *pieces, *end(reason))
    assert isinstance(found[-1], Finish)
    for starts, ends in ((TextStart, TextEnd), (ReasoningStart, ReasoningEnd)):
        begun = [chunk.id for chunk in only(starts, found)]
        assert begun == [chunk.id for chunk in only(ends, found)]
    grown = {chunk.id for chunk in only(TextDelta, found) + only(ReasoningDelta, found)}
    assert grown <= {chunk.id for chunk in only(TextStart, found) + only(ReasoningStart, found)}
