"""What an answer costs: by list price where the model is known, never by a guess."""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Any

import pytest

from chatkit.costs import FREE, LISTED, accounted, cost_of, estimated
from chatkit.messages import Message, Usage
from chatkit.providers.table import ENDPOINTS

MILLION = 1_000_000
KNOWN = {
    "openai": "gpt-4o",
    "openai-chat": "gpt-4o-2024-08-06",
    "openai-responses": "gpt-5-mini",
    "anthropic": "claude-sonnet-4-5-20250929",
    "gemini": "gemini-2.5-flash",
    "gemini-interactions": "gemini-2.5-pro",
    "azure": "gpt-4o-2024-08-06",
    "openrouter": "anthropic/claude-sonnet-4.5",
    "groq": "llama-3.3-70b-versatile",
    "mistral": "mistral-large-latest",
    "deepseek": "deepseek-chat",
    "xai": "grok-4",
    "moonshot": "kimi-k2-0905-preview",
    "zai": "glm-4.6",
    "together": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "fireworks": "accounts/fireworks/models/llama-v3p1-8b-instruct",
    "perplexity": "sonar",
}
CLAUDE = ("anthropic", "claude-sonnet-4-5")


def cost(provider: str, model: str, into: int = 1_000, out: int = 1_000, **more: int) -> float:
    """A cost that must be known."""
    found = cost_of(provider, model, Usage(input_tokens=into, output_tokens=out, **more))
    assert found is not None
    return found


@pytest.mark.parametrize("provider", KNOWN)
def test_a_model_that_is_on_the_list_has_a_price_under_its_providers_name(provider: str) -> None:
    assert 0 < cost(provider, KNOWN[provider]) < 1


def test_the_price_grows_with_the_tokens_and_output_is_dearer_than_input() -> None:
    assert cost(*CLAUDE, 2_000, 0) == pytest.approx(2 * cost(*CLAUDE, 1_000, 0))
    assert cost(*CLAUDE, 0, 1_000) > 2 * cost(*CLAUDE, 1_000, 0)
    assert cost(*CLAUDE, 0, 0) == 0


def test_what_is_read_from_a_cache_is_cheaper_and_what_is_written_to_it_is_dearer() -> None:
    plain = cost(*CLAUDE, 1_000, 0)
    assert 0 < cost(*CLAUDE, 1_000, 0, cached_input_tokens=1_000) < plain / 2
    assert plain < cost(*CLAUDE, 1_000, 0, cache_write_tokens=1_000) < 2 * plain
    mixed = cost(*CLAUDE, 1_000, 0, cached_input_tokens=500)
    assert cost(*CLAUDE, 1_000, 0, cached_input_tokens=1_000) < mixed < plain


def test_reasoning_is_part_of_the_output_and_is_not_paid_for_twice() -> None:
    for provider, model in (CLAUDE, ("openai", "gpt-5-mini"), ("gemini", "gemini-2.5-flash")):
        assert cost(provider, model, reasoning_tokens=900) == pytest.approx(cost(provider, model))


@pytest.mark.parametrize("provider", ["local", "ollama", "lmstudio", "vllm", "llamacpp"])
def test_a_server_of_ones_own_costs_nothing(provider: str) -> None:
    assert cost_of(provider, "whatever", Usage(input_tokens=MILLION, output_tokens=MILLION)) == 0.0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o-made-up"),
        ("openai", ""),
        ("openrouter", "openrouter/auto"),
        ("acme", "gpt-4o"),
        ("my-openai", "gpt-4o"),
        ("alibaba", "qwen-max"),
        ("azure", "my-own-deployment"),
        ("openai", "text-embedding-3-small"),
    ],
)
def test_a_price_that_is_not_known_is_none(provider: str, model: str) -> None:
    assert cost_of(provider, model, Usage(input_tokens=10, output_tokens=10)) is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(input_tokens=10),
        Usage(output_tokens=10),
        Usage(input_tokens=10, output_tokens=1, cached_input_tokens=20),
        Usage(input_tokens=-1, output_tokens=1),
    ],
)
def test_counts_that_are_missing_or_contradict_each_other_have_no_price(usage: Usage) -> None:
    assert cost_of("openai", "gpt-4o", usage) is None


def test_every_provider_of_the_price_list_is_one_that_people_can_name() -> None:
    assert {*LISTED, *FREE} <= set(ENDPOINTS)


def test_prices_are_asked_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("somebody opens a socket")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert cost(*CLAUDE) > 0


def test_the_price_list_is_loaded_when_a_price_is_asked_for_and_not_for_a_free_one() -> None:
    code = """
import sys
from chatkit.costs import cost_of, is_at_hand
from chatkit.messages import Usage
usage = Usage(input_tokens=1, output_tokens=1)
cost_of("local", "smollm2", usage), cost_of("acme", "m", usage)
print("genai_prices" in sys.modules, is_at_hand("local"), is_at_hand("acme"), is_at_hand("openai"))
cost_of("openai", "gpt-4o", usage)
print("genai_prices" in sys.modules, is_at_hand("openai"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "False", "True", "True"]


# -- what is not told --


def test_tokens_are_estimated_at_four_characters_each_rounded_up() -> None:
    assert estimated("", "12345") == Usage(input_tokens=0, output_tokens=2)
    assert estimated("x" * 400, "") == Usage(input_tokens=100, output_tokens=0)


def added(metadata: dict[str, Any], answer: str = "x" * 40) -> dict[str, Any]:
    """What is added to this metadata, for a prompt of 100 tokens."""
    return accounted(
        metadata, model="gpt-4o", provider="openai", prompt_text="x" * 400, answer_text=answer
    )


def test_an_answer_that_was_stopped_is_estimated_and_marked() -> None:
    found = added({})
    assert found["usage"] == {"inputTokens": 100, "outputTokens": 10}
    assert found["usageEstimated"] is True
    assert found["cost"] == pytest.approx(cost("openai", "gpt-4o", 100, 10))
    message = Message(id="m", role="assistant", metadata=found)
    assert message.usage == Usage(input_tokens=100, output_tokens=10)


def test_counts_that_the_provider_tells_are_left_as_they_are_and_priced() -> None:
    told = {"usage": {"inputTokens": 7, "outputTokens": 3}, "finishReason": "stop"}
    assert added(told) == {"cost": pytest.approx(cost("openai", "gpt-4o", 7, 3))}


def test_a_cost_that_the_provider_tells_is_left_as_it_is() -> None:
    usage = {"inputTokens": 7, "outputTokens": 3}
    assert added({"usage": usage, "finishReason": "stop", "cost": 0.5}) == {}


def test_counts_of_the_beginning_of_an_answer_are_completed() -> None:
    begun = {"usage": {"inputTokens": 7, "outputTokens": 1, "cachedInputTokens": 5}}
    found = added(begun)
    assert found["usage"] == {"inputTokens": 7, "outputTokens": 10, "cachedInputTokens": 5}
    assert found["usageEstimated"] is True


def test_counts_that_were_told_along_the_way_are_not_replaced_by_smaller_ones() -> None:
    assert "usage" not in added({"usage": {"inputTokens": 7, "outputTokens": 30}})


def test_a_finished_answer_whose_counts_nobody_told_is_estimated_too() -> None:
    assert added({"finishReason": "stop"})["usageEstimated"] is True


@pytest.mark.parametrize("usage", ["many", {"inputTokens": "many"}, [1]])
def test_counts_that_are_none_are_estimated(usage: Any) -> None:
    assert added({"usage": usage})["usage"]["outputTokens"] == 10


def test_nothing_is_said_of_an_answer_of_which_nothing_came() -> None:
    assert added({}, answer="") == {}


def test_the_model_that_answered_sets_the_price() -> None:
    told = {"usage": {"inputTokens": 7, "outputTokens": 3}, "finishReason": "stop"}
    mini = added({**told, "responseModel": "gpt-4o-mini-2024-07-18"})
    assert mini["cost"] == pytest.approx(cost("openai", "gpt-4o-mini", 7, 3))
    assert added({**told, "responseModel": "a-secret-model"}) == {}
