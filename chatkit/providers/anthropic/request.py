"""Messages, outgoing: messages and options -> the JSON of a request.

What one model takes otherwise than another is data (`models`).
"""

from __future__ import annotations

from collections.abc import Sequence

from chatkit.errors import ConfigError
from chatkit.providers.anthropic.history import THOUGHTS, turns
from chatkit.providers.anthropic.models import BUDGETS, LEAST_BUDGET, Traits, traits_of
from chatkit.providers.dialect import JSON, Prompt, ToolSpec

_ROOM = 4_096  # tokens for the answer beside a budget for thoughts


def body(model: str, prompt: Prompt, quirks: object) -> JSON:
    """The request for an answer of `model`. Raises ConfigError or MessageError."""
    traits, options = traits_of(model), prompt.options
    messages = turns(prompt.messages, prompt.provider)
    asked: JSON = {"model": model, "max_tokens": traits.max_tokens, "stream": True}
    if system := _system(prompt.messages):
        asked["system"] = system
    asked["messages"] = messages
    for option in ("max_tokens", "temperature", "top_p"):
        if option in options:
            asked[option] = options[option]
    if "stop" in options:
        stop = options["stop"]
        asked["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    asked |= _tools(prompt.tools, prompt.tool_choice, messages)
    if prompt.schema is not None:
        asked["output_config"] = {"format": {"type": "json_schema", "schema": prompt.schema}}
    if "reasoning" in options:
        _reason(asked, options["reasoning"], traits, limit=options.get("max_tokens"))
    asked |= options.get("extra") or {}
    return asked


def _system(messages: list[JSON]) -> str:
    parts = [
        part for message in messages if message["role"] == "system" for part in message["content"]
    ]
    return "\n\n".join(part["text"] for part in parts)


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
