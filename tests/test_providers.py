"""Models by name, and the exact requests that are made of messages and options."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chatkit.errors import ConfigError, MessageError, MissingKey, UnknownModel, UnknownOption
from chatkit.messages import FilePart, Message, ReasoningPart, StepPart, TextPart, ToolPart
from chatkit.providers import Model, get_model
from chatkit.providers.table import ENDPOINTS

KEYS = {key for endpoint in ENDPOINTS.values() for key in endpoint.keys}
VARIABLES = {endpoint.variable for endpoint in ENDPOINTS.values() if endpoint.variable}
HELLO = Message(id="u", role="user", parts=(TextPart("Hello"),))
ADDRESS = "https://acme.example/v1"


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in KEYS | VARIABLES | {"OPENAI_ORG_ID", "OPENAI_PROJECT_ID"}:
        monkeypatch.delenv(variable, raising=False)


def body(name: str, *messages: Message, **options: Any) -> dict[str, Any]:
    """The JSON that is sent."""
    model = get_model(name, api_key="sk-not-a-key")
    return model.request(messages or [HELLO], options).body


def sent(name: str, *messages: Message) -> list[dict[str, Any]]:
    """The messages that are sent."""
    found: list[dict[str, Any]] = body(name, *messages)["messages"]
    return found


# -- names and addresses --


def test_a_name_is_a_provider_and_what_that_calls_the_model() -> None:
    model = get_model("huggingface/meta-llama/Llama-3.3-70B-Instruct:groq")
    assert (model.provider, model.name) == ("huggingface", "meta-llama/Llama-3.3-70B-Instruct:groq")
    assert model.id == "huggingface/meta-llama/Llama-3.3-70B-Instruct:groq"


def test_without_a_name_it_is_the_variables_model_else_the_embedded_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert get_model().id == "local/smollm2"
    monkeypatch.setenv("CHATKIT_MODEL", "groq/llama")
    assert get_model().id == "groq/llama"


@pytest.mark.parametrize("name", ["gpt-5", "/gpt-5", "openai/", "/"])
def test_a_name_without_a_provider_or_a_model_is_refused(name: str) -> None:
    with pytest.raises(UnknownModel, match="write provider/name"):
        get_model(name)


def test_an_unknown_provider_is_named_with_the_nearest_and_the_known() -> None:
    with pytest.raises(UnknownModel) as caught:
        get_model("opnrouter/x")
    for words in ("'opnrouter'", "did you mean 'openrouter/x'", "groq", "base_url="):
        assert words in str(caught.value)


def test_an_unlisted_server_needs_only_its_address() -> None:
    request = get_model("acme/m", base_url=ADDRESS).request([], {})
    assert request.url == "https://acme.example/v1/chat/completions"
    assert "authorization" not in request.headers


@pytest.mark.parametrize("address", ["acme.example/v1", "ftp://acme.example", "https://", ""])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="base_url is"):
        get_model("openai-chat/m", base_url=address)


def test_a_provider_without_an_address_of_its_own_asks_for_one() -> None:
    with pytest.raises(ConfigError, match="AZURE_OPENAI_ENDPOINT"):
        get_model("azure/m", api_key="k").request([], {})


@pytest.mark.parametrize(
    ("name", "variable", "value", "url"),
    [
        ("openai-chat", "OPENAI_BASE_URL", "http://gate:1/v1/", "http://gate:1/v1"),
        ("groq", "GROQ_BASE_URL", "https://gate", "https://gate/openai/v1"),
        ("azure", "AZURE_OPENAI_ENDPOINT", "https://r.example/", "https://r.example/openai/v1"),
        ("databricks", "DATABRICKS_HOST", "w.example", "https://w.example/serving-endpoints"),
        ("ollama", "OLLAMA_HOST", "0.0.0.0", "http://0.0.0.0:11434/v1"),
        ("ollama", "OLLAMA_HOST", "box:9", "http://box:9/v1"),
        ("ollama", "OLLAMA_HOST", "http://box:9", "http://box:9/v1"),
    ],
)
def test_the_address_comes_from_the_vendors_own_variable(
    name: str, variable: str, value: str, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    request = get_model(f"{name}/m", api_key="k").request([], {})
    assert request.url == f"{url}/chat/completions"


def test_a_query_stays_behind_the_path() -> None:
    old = "https://r.example/openai/deployments/d?api-version=2024-10-21"
    request = get_model("azure/d", base_url=old, api_key="k").request([], {})
    path = "/openai/deployments/d/chat/completions?api-version=2024-10-21"
    assert request.url == f"https://r.example{path}"


@pytest.mark.parametrize("name", sorted(set(ENDPOINTS) - {"azure", "cloudflare", "databricks"}))
def test_every_listed_provider_makes_a_request(name: str) -> None:
    request = get_model(f"{name}/some-model", api_key="sk-not-a-key").request([HELLO], {})
    path = ENDPOINTS[name].dialect.path.replace("{model}", "some-model")
    assert request.method == "POST"
    assert request.url.endswith(path)
    assert "some-model" in (request.body.get("model"), *path.replace(":", "/").split("/"))
    assert "Hello" in json.dumps(request.body)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("openai", "/responses"),
        ("openai-responses", "/responses"),
        ("openai-chat", "/chat/completions"),
        ("xai", "/responses"),
        ("xai-chat", "/chat/completions"),
        ("azure", "/chat/completions"),
        ("local", "/chat/completions"),
    ],
)
def test_a_name_says_which_of_a_vendors_dialects_is_spoken(name: str, path: str) -> None:
    request = get_model(f"{name}/m", base_url=ADDRESS, api_key="k").request([], {})
    assert request.url == f"{ADDRESS}{path}"


# -- keys, headers and clients --


def test_a_missing_key_names_its_variable_and_the_argument() -> None:
    with pytest.raises(MissingKey, match=r"GROQ_API_KEY.*api_key="):
        get_model("groq/m").check({})


def test_a_key_may_be_set_after_the_model_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    model = get_model("groq/m")
    monkeypatch.setenv("GROQ_API_KEY", "  gsk-1\n")
    assert model.request([], {}).headers["authorization"] == "Bearer gsk-1"


def test_another_server_and_a_local_one_need_no_key() -> None:
    for model in (
        get_model("openai-chat/m", base_url="http://localhost:8000/v1"),
        get_model("ollama/m"),
        get_model("local/smollm2"),
    ):
        assert "authorization" not in model.request([], {}).headers
    with pytest.raises(MissingKey):
        get_model("openai-chat/m", base_url="https://api.openai.com/v1").check({})


def test_azure_takes_its_key_in_a_header_of_its_own_or_a_token() -> None:
    at = "https://r.example/openai/v1"
    assert get_model("azure/m", base_url=at, api_key="k").request([], {}).headers["api-key"] == "k"
    token = get_model("azure/m", base_url=at, headers={"Authorization": "Bearer t"})
    headers = token.request([], {}).headers
    assert headers["authorization"] == "Bearer t"
    assert "api-key" not in headers


def test_headers_are_sent_and_override_chatkits_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    model = get_model("openai/m", api_key="k", headers={"X-Title": "Mine", "Accept": "*/*"})
    assert model.request([], {}).headers == {
        "content-type": "application/json",
        "accept": "*/*",
        "openai-organization": "org-1",
        "authorization": "Bearer k",
        "x-title": "Mine",
    }


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk-ключ"])
def test_a_key_that_no_header_can_hold_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get_model("groq/m", api_key=key).check({})
    assert "authorization" in str(caught.value)
    assert key not in str(caught.value)


def test_no_key_is_in_a_repr() -> None:
    address = "https://user:sk-third@acme.example/v1?key=sk-third"
    headers = {"x-key": "sk-other"}
    model = get_model("acme/m", base_url=address, api_key="sk-secret", headers=headers)
    shown = f"{model!r} {model.request([], {})!r}"
    assert "acme/m" in shown
    assert "acme.example" in shown
    assert "sk-" not in shown


def test_a_client_that_cannot_be_awaited_is_refused() -> None:
    with httpx.Client() as client, pytest.raises(ConfigError, match=r"Client.*AsyncClient"):
        get_model("openai/m", client=client)
    get_model("openai/m", client=httpx.AsyncClient())


def test_a_model_can_be_changed_in_one_thing() -> None:
    model = get_model("groq/m", api_key="k", headers={"x-a": "1"})
    moved = get_model(model, base_url=ADDRESS)
    assert (moved.id, moved.base_url, moved.api_key) == ("groq/m", ADDRESS, "k")
    assert moved.headers == {"x-a": "1"}
    assert isinstance(moved, Model)


# -- options --


def test_an_unknown_option_is_named_with_the_nearest_and_the_known() -> None:
    with pytest.raises(UnknownOption) as caught:
        get_model("local/smollm2").check({"temprature": 1})
    for words in ("'temprature'", "did you mean 'temperature'", "max_tokens", "extra="):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": "hot"},
        {"temperature": True},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"stop": ["a", 1]},
        {"seed": "1"},
        {"reasoning": "hard"},
        {"extra": [1]},
        {"extra": {"tools": object()}},
    ],
)
def test_an_option_of_the_wrong_kind_says_what_it_is(options: dict[str, Any]) -> None:
    [name] = options
    with pytest.raises(ConfigError, match=f"{name} is .*; it is "):
        get_model("local/smollm2").check(options)


def test_options_go_by_the_dialects_names_and_extra_is_merged_last() -> None:
    asked = body(
        "groq/m",
        temperature=0.5,
        top_p=0.9,
        max_tokens=100,
        stop=["\n"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning="low",
        extra={"seed": 8, "service_tier": "flex"},
    )
    assert asked == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 100,
        "stop": ["\n"],
        "seed": 8,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "reasoning_effort": "low",
        "service_tier": "flex",
    }


@dataclass(frozen=True)
class Spec:
    """A tool as a model is told of it."""

    name: str
    description: str
    parameters: dict[str, Any]


EMPTY = {"type": "object", "properties": {}, "additionalProperties": False}
NESTED = {  # an object within an object of the request
    "openai-chat/gpt-5.2": ("response_format", "json_schema"),
    "openai/gpt-5.2": ("text", "format"),
    "anthropic/claude-opus-4-8": ("output_config", "format"),
    "gemini/gemini-3": ("generationConfig", "responseJsonSchema"),
    "gemini-interactions/gemini-3": ("response_format", "schema"),
}


@pytest.mark.parametrize("name", NESTED)
def test_extra_adds_to_objects_at_any_depth_and_to_lists_and_replaces_the_rest(name: str) -> None:
    model, tools = get_model(name, api_key="k"), [Spec("look_up", "Look it up.", EMPTY)]
    outer, inner = NESTED[name]
    extra = {outer: {inner: {"more": 1}}, "tools": [{"type": "web_search"}], "stream": "no"}
    asked, plain = (
        model.request([HELLO], options, tools=tools, schema=EMPTY).body
        for options in ({"extra": extra}, {})
    )
    assert asked == {
        **plain,
        outer: {**plain[outer], inner: {**plain[outer][inner], "more": 1}},
        "tools": [*plain["tools"], {"type": "web_search"}],
        "stream": "no",
    }
    assert "more" not in EMPTY, "what the user gave stays as it was"


def test_an_option_that_is_none_is_not_sent() -> None:
    assert "seed" not in body("groq/m", seed=None)
    assert body("local/smollm2", max_tokens=None)["max_tokens"] == 512


@pytest.mark.parametrize(
    ("name", "options", "fields"),
    [
        ("openai-chat/m", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("azure/m", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("cerebras/m", {"max_tokens": 5}, {"max_completion_tokens": 5}),
        ("xai-chat/m", {"max_tokens": 5}, {"max_tokens": 5}),
        ("mistral/m", {"seed": 5}, {"random_seed": 5}),
        ("openai-chat/m", {"reasoning": "xhigh"}, {"reasoning_effort": "xhigh"}),
        ("openrouter/m", {"reasoning": "low"}, {"reasoning": {"effort": "low"}}),
        ("deepseek/m", {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ("deepseek/m", {"reasoning": "max"}, {"reasoning_effort": "max"}),
        ("zai/m", {"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ("moonshot/m", {"reasoning": "high"}, {"reasoning_effort": "high"}),
        ("alibaba/m", {"reasoning": "none"}, {"enable_thinking": False}),
    ],
)
def test_an_option_is_sent_as_the_server_takes_it(
    name: str, options: dict[str, Any], fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.example")
    plain, asked = body(name), body(name, **options)
    assert {key: asked[key] for key in asked.keys() - plain.keys()} == fields


def test_usage_is_asked_for_except_where_that_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://w.example")
    without_padding = {"include_usage": True, "include_obfuscation": False}
    assert body("openai-chat/m")["stream_options"] == without_padding
    assert body("openrouter/m")["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body("mistral/m")
    assert "stream_options" not in body("databricks/m")


def test_openais_own_quirks_are_not_those_of_a_server_like_it() -> None:
    system = Message(id="s", role="system", parts=(TextPart("Be brief."),))
    messages = [system, HELLO]
    home = get_model("openai-chat/m", api_key="k").request(messages, {"max_tokens": 5}).body
    away = get_model("openai-chat/m", base_url=ADDRESS).request(messages, {"max_tokens": 5}).body
    assert home["messages"][0] == {"role": "developer", "content": "Be brief."}
    assert home["max_completion_tokens"] == 5
    assert away["messages"][0] == {"role": "system", "content": "Be brief."}
    assert away["max_tokens"] == 5


def test_the_embedded_model_is_asked_so_that_it_does_not_wander() -> None:
    asked = body("local/smollm2", temperature=0.9)
    assert asked["messages"][0] == {"role": "system", "content": "You are a helpful assistant."}
    assert (asked["temperature"], asked["max_tokens"]) == (0.9, 512)
    own = Message(id="s", role="system", parts=(TextPart("You are a pirate."),))
    assert [each["role"] for each in sent("local/smollm2", own, HELLO)] == ["system", "user"]


# -- tools and schemas --


@dataclass(frozen=True)
class Weather:
    """The least that a tool is."""

    parameters: dict[str, Any]
    name: str = "weather"
    description: str = "How is it?"


CLOSED = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
OPEN = {"type": "object", "properties": {"city": {"type": "string"}}}


def test_a_tool_that_can_be_kept_to_its_schema_says_so() -> None:
    model = get_model("groq/m", api_key="k")
    for choice, sent_choice in (
        ("required", "required"),
        ("weather", {"type": "function", "function": {"name": "weather"}}),
    ):
        tools = [Weather(CLOSED), Weather(OPEN)]
        asked = model.request([HELLO], {"tool_choice": choice}, tools=tools).body
        function = {"name": "weather", "description": "How is it?"}
        assert asked["tools"] == [
            {"type": "function", "function": {**function, "parameters": CLOSED, "strict": True}},
            {"type": "function", "function": {**function, "parameters": OPEN}},
        ]
        assert asked["tool_choice"] == sent_choice


@pytest.mark.parametrize(("schema", "strict"), [(CLOSED, True), (OPEN, False)])
def test_an_answer_is_held_to_its_schema_as_far_as_that_goes(
    schema: dict[str, Any], strict: bool
) -> None:
    asked = get_model("groq/m", api_key="k").request([HELLO], {}, schema=schema).body
    told = {"name": "answer", "schema": schema, "strict": strict}
    assert asked["response_format"] == {"type": "json_schema", "json_schema": told}


# -- messages --


def test_files_are_sent_in_the_form_of_their_kind() -> None:
    files = Message(
        id="u",
        role="user",
        parts=(
            TextPart("What is this?"),
            FilePart("image/png", "data:image/png;base64,AAAA"),
            FilePart("image/jpeg", "https://a.example/cat.jpg"),
            FilePart("application/pdf", "data:application/pdf;base64,BBBB", "a.pdf"),
            FilePart("audio/mpeg", "data:audio/mpeg;base64,CCCC"),
        ),
    )
    assert sent("openai-chat/m", files) == [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://a.example/cat.jpg"}},
                {
                    "type": "file",
                    "file": {
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,BBBB",
                    },
                },
                {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "mp3"}},
            ],
        }
    ]


def test_a_file_that_only_has_an_address_is_refused() -> None:
    page = Message(
        id="u", role="user", parts=(FilePart("application/pdf", "https://a.example/a.pdf"),)
    )
    with pytest.raises(MessageError, match=r"application/pdf.*https://a.example/a.pdf"):
        sent("openai-chat/m", page)


def tool(state: Any, call_id: str = "call_1", **more: Any) -> ToolPart:
    return ToolPart("weather", call_id, state, {"city": "Berlin"}, **more)


def test_calls_and_their_results_are_sent() -> None:
    answer = Message(
        id="a",
        role="assistant",
        parts=(
            TextPart("Let me see."),
            tool("output-available", "call_1", output={"celsius": 21}),
            tool("output-available", "call_2", output="fine"),
            tool("output-error", "call_3", error_text="no such city"),
            StepPart(),
            TextPart("It is warm."),
        ),
    )
    arguments = '{"city":"Berlin"}'

    def call(call_id: str) -> dict[str, Any]:
        function = {"name": "weather", "arguments": arguments}
        return {"id": call_id, "type": "function", "function": function}

    assert sent("openai-chat/m", HELLO, answer) == [
        {"role": "user", "content": "Hello"},
        {
            "role": "assistant",
            "content": "Let me see.",
            "tool_calls": [call("call_1"), call("call_2"), call("call_3")],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius":21}'},
        {"role": "tool", "tool_call_id": "call_2", "content": "fine"},
        {"role": "tool", "tool_call_id": "call_3", "content": "no such city"},
        {"role": "assistant", "content": "It is warm."},
    ]


def test_a_call_that_was_not_allowed_says_so() -> None:
    approval = {"id": "1", "approved": False, "reason": "Not today."}
    denied = tool("output-denied", approval=approval)
    messages = sent("openai-chat/m", HELLO, Message(id="a", role="assistant", parts=(denied,)))
    assert messages[1]["content"] is None
    assert messages[2]["content"] == "Not today."


def test_arguments_are_always_an_object() -> None:
    odd = ToolPart("f", "c", "output-available", [1, 2], output="3")
    messages = sent("openai-chat/m", HELLO, Message(id="a", role="assistant", parts=(odd,)))
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == '{"input":[1,2]}'


def test_reasoning_goes_back_only_beside_calls_and_only_where_it_is_wanted() -> None:
    thought = ReasoningPart("Hm.", "0")
    with_call = Message(
        id="a", role="assistant", parts=(thought, tool("output-available", output=1))
    )
    without = Message(id="b", role="assistant", parts=(thought, TextPart("Yes.")))
    for name in ("deepseek/m", "moonshot/m", "zai/m"):
        assert sent(name, HELLO, with_call)[1]["reasoning_content"] == "Hm."
        assert "reasoning_content" not in sent(name, HELLO, without)[1]
    assert "reasoning_content" not in sent("groq/m", HELLO, with_call)[1]


def test_signed_reasoning_goes_back_to_where_it_came_from() -> None:
    signed = {"openrouter": {"reasoning_details": [{"type": "reasoning.text", "signature": "s"}]}}
    hidden = {"openrouter": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}}
    answer = Message(
        id="a",
        role="assistant",
        parts=(
            ReasoningPart("Hm.", "0", "done", signed),
            tool("output-available", output=1, call_provider_metadata=hidden),
        ),
    )
    assert sent("openrouter/m", HELLO, answer)[1]["reasoning_details"] == [
        {"type": "reasoning.text", "signature": "s"},
        {"type": "reasoning.encrypted", "data": "x"},
    ]
    for name in ("openai-chat/m", "vercel/m"):
        assert "reasoning_details" not in sent(name, HELLO, answer)[1]


def test_an_answer_of_which_nothing_can_be_sent_is_left_out() -> None:
    film = FilePart("video/mp4", "data:video/mp4;base64,AAAA")
    drawn = Message(id="a", role="assistant", parts=(film,))
    assert {each["role"] for each in sent("groq/m", HELLO, drawn, HELLO)} == {"user"}


def test_an_image_that_the_model_made_is_shown_to_it_by_the_user() -> None:
    picture = FilePart("image/png", "data:image/png;base64,AAAA")
    drawn = Message(id="a", role="assistant", parts=(picture,))
    [asked] = sent("groq/m", HELLO, drawn, HELLO)
    assert asked["content"] == [
        {"type": "text", "text": "Hello"},
        {"type": "text", "text": "(The assistant made this image.)"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "Hello"},
    ]


def test_mistral_gets_call_ids_of_the_length_it_takes_the_same_for_call_and_result() -> None:
    answer = Message(
        id="a",
        role="assistant",
        parts=(
            tool("output-available", "call_1234567890", output=1),
            tool("output-available", "EscTeQY62", output=2),
        ),
    )
    _, asked, first, second = sent("mistral/m", HELLO, answer)
    ids = [call["id"] for call in asked["tool_calls"]]
    assert ids == [first["tool_call_id"], second["tool_call_id"]]
    assert len(ids[0]) == 9
    assert ids[0].isalnum()
    assert ids[1] == "EscTeQY62"
