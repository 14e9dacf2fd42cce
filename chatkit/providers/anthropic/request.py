"""Messages, outgoing: messages and options -> the JSON of a request.

What one model takes otherwise than another is data (`models`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chatkit.errors import ConfigError
from chatkit.providers.anthropic.history import THOUGHTS, turns
from chatkit.providers.anthropic.models import BUDGETS, LEAST_BUDGET, Traits, traits_of
from chatkit.providers.dialect import JSON, Prompt, ToolSpec
from chatkit.providers.outgoing import stops, system_text

_ROOM = 4_096  # tokens for the answer beside a budget for thoughts


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of `model`. Raises ConfigError or MessageError."""
    traits, options = traits_of(model), prompt.options
    messages = turns(prompt.messages, prompt.provider)
    asked: JSON = {"model": model, "max_tokens": traits.max_tokens, "stream": True}
    if system := system_text(prompt.messages):
        asked["system"] = system
    asked["messages"] = messages
    for option in ("max_tokens", "temperature", "top_p"):
        if option in options:
            asked[option] = options[option]
    if "stop" in options:
        asked["stop_sequences"] = stops(options["stop"])
    asked |= _tools(prompt.tools, prompt.tool_choice, messages)
    if prompt.schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
    if "reasoning" in options:
        _reason(asked, options["reasoning"], traits, limit=options.get("max_tokens"))
    if "claude" in model:
        _check(asked, prompt.tool_choice)
    return asked


def _tools(tools: Sequence[ToolSpec], choice: str, messages: list[JSON]) -> JSON:
    """The tools on offer. Where none is, those that were once called: a conversation with calls
    of tools that are not declared is refused."""
    if tools:
        return {"tools": [_tool(tool) for tool in tools], "tool_choice": _choice(choice)}
    blocks = [block for message in messages for block in message["content"]]
    names = dict.fromkeys(block["name"] for block in blocks if block["type"] == "tool_use")
    if not names:
        return {}
    declared = [{"name": name, "input_schema": {"type": "object"}} for name in names]
    return {"tools": declared, "tool_choice": {"type": "none"}}


def _tool(tool: ToolSpec) -> JSON:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": tool.parameters,
    }


def _choice(choice: str) -> JSON:
    match choice:
        case "auto" | "none":
            return {"type": choice}
        case "required":
            return {"type": "any"}
    return {"type": "tool", "name": choice}


def _reason(asked: JSON, word: str, traits: Traits, *, limit: int | None) -> None:
    """Have it think as hard as `word` says, in the form that the model takes."""
    if word == "none" and traits.off is not None:
        asked["thinking"] = {"type": traits.off}
    elif traits.adaptive:
        word = "low" if word == "none" else word
        asked["thinking"] = {"type": "adaptive", "display": "summarized"}  # else nothing is shown
        config = asked.get("output_config", {})
        asked["output_config"] = config | {"effort": traits.efforts.get(word, word)}
    elif _may_think(asked["messages"]):
        budget = BUDGETS[word] if limit is None else _budget_within(limit, BUDGETS[word])
        asked["thinking"] = {"type": "enabled", "budget_tokens": budget}
        asked["max_tokens"] = limit or max(traits.max_tokens, budget + _ROOM)


def _check(asked: JSON, choice: str) -> None:
    """Raise ConfigError for what the vendor refuses beside thoughts.

    https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility
    """
    kind = asked.get("thinking", {}).get("type")
    if kind not in ("enabled", "adaptive"):
        return
    if asked.get("temperature", 1) != 1:
        raise ConfigError(_refused("temperature", asked["temperature"], "1"))
    if not 0.95 <= asked.get("top_p", 1) <= 1:
        raise ConfigError(_refused("top_p", asked["top_p"], "0.95 to 1"))
    if kind == "enabled" and choice not in ("auto", "none"):  # "adaptive" takes any
        refused = _refused("tool_choice", choice, '"auto" or "none"')
        raise ConfigError(f"{refused}; schema= forces a call where the server has no such output")


def _refused(option: str, value: Any, taken: str) -> str:
    return (
        f"{option} is {value!r}, and with reasoning= this model takes {taken} alone: leave out"
        f" {option} or reasoning"
    )


def _may_think(messages: list[JSON]) -> bool:
    """Whether a budget for thoughts is taken: a turn that has begun without them, perhaps with
    another model, and goes on with the results of its calls must end without them."""
    begun = None
    for message in reversed(messages):
        if message["role"] == "assistant":
            begun = message["content"][0]
        elif message["content"][0]["type"] != "tool_result":
            break
    return begun is None or begun["type"] in THOUGHTS


def _budget_within(limit: int, budget: int) -> int:
    """The budget for thoughts where they and the answer have a limit together."""
    if limit <= LEAST_BUDGET:
        raise ConfigError(
            f"max_tokens is {limit}, and this model spends at least {LEAST_BUDGET} on reasoning:"
            " raise it, or leave out reasoning"
        )
    return max(LEAST_BUDGET, min(budget, limit // 2))
