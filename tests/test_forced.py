"""Structured output of servers that have none: a tool that must be called stands in for it."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.chunks import TextDelta, ToolInputAvailable
from chatkit.messages import as_messages
from chatkit.providers import get_model
from chatkit.tools import as_tools
from tests.histories import data

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
NATIVE = {
    "openai-chat": "response_format",
    "openai-responses": "text",
    "anthropic": "output_config",
}


def look_up(name: str) -> str:
    """Look up a city."""
    return name


def body(provider: str, *tools: Any, **given: Any) -> dict[str, Any]:
    model = get_model(f"{provider}/m", base_url="http://127.0.0.1:9", **given)
    chosen = list(as_tools(tools).values())
    history = as_messages("Tell me of Paris.")
    return dict(model.request(history, {"max_tokens": 9}, tools=chosen, schema=CITY).body)


def names(tools: list[Any]) -> list[str]:
    return [tool.get("function", tool)["name"] for tool in tools]


@pytest.mark.parametrize("provider", NATIVE)
def test_a_server_that_has_structured_output_is_asked_for_it(provider: str) -> None:
    asked = body(provider, schemas=True)
    assert NATIVE[provider] in asked
    assert "tools" not in asked


def test_unsaid_a_server_has_it_but_for_strangers_that_speak_messages() -> None:
    assert "text" in body("openai-responses")
    assert "output_config" not in body("anthropic"), "llama.cpp passes over it without a word"
    home = get_model("anthropic/claude-opus-5", api_key="k")
    assert "output_config" in home.request(as_messages("Paris?"), {}, schema=CITY).body


@pytest.mark.parametrize("provider", NATIVE)
def test_of_one_that_has_none_a_call_is_required(provider: str) -> None:
    asked = body(provider, schemas=False)
    assert NATIVE[provider] not in asked
    assert names(asked["tools"]) == ["answer"]
    assert asked["tool_choice"] == ({"type": "any"} if provider == "anthropic" else "required")


def test_it_may_call_other_tools_before_it_answers() -> None:
    asked = body("openai-chat", look_up, schemas=False)
    assert names(asked["tools"]) == ["look_up", "answer"]
    assert asked["tool_choice"] == "required"


def answer(text: str) -> str:
    """Note what was answered."""
    return text


def test_a_tool_that_is_called_answer_is_not_taken_for_the_answer() -> None:
    asked = body("openai-chat", answer, schemas=False)
    assert names(asked["tools"]) == ["answer", "answer_2"]
    model = get_model("openai-chat/m", base_url="http://127.0.0.1:9", schemas=False)
    decoder = model.decoder(wants_schema=True, tools=list(as_tools([answer]).values()))
    calls = [
        {"index": place, "id": name, "function": {"name": name, "arguments": given}}
        for place, (name, given) in enumerate(
            [("answer", '{"text": "Rome"}'), ("answer_2", '{"name": "Paris"}')]
        )
    ]
    events: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": {"tool_calls": calls}}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]},
    ]
    chunks = decoder.feed(data(*events)) + decoder.close()
    called = [(c.tool_name, c.input) for c in chunks if isinstance(c, ToolInputAvailable)]
    assert called == [("answer", {"text": "Rome"})]
    told = [c.delta for c in chunks if isinstance(c, TextDelta)]
    assert "".join(told) == '{"name": "Paris"}'
