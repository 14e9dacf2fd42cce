"""What a request must be for a provider to take it, beyond what its vendor's types can say.

Each rule is one that a server answers with 400 where it is broken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from tests import vendors
from tests.histories import NAMES

Json = dict[str, Any]

_FIELDS = ("reasoning_content", "reasoning_details")  # of some servers, which no vendor types


def check(provider: str, body: Json) -> None:
    """Raise AssertionError or ValidationError unless the provider takes the body."""
    body = json.loads(json.dumps(body, allow_nan=False))
    kind = KINDS[provider]
    RULES[kind](body)
    if provider in OWN:
        OWN[provider](body)
    if kind in vendors.CHECKS:
        vendors.CHECKS[kind](_known(kind, body))


def _known(kind: str, body: Json) -> Json:
    """The body without what servers understand and the SDK's types do not."""
    match kind:
        case "chat":
            messages = [_without(message, *_FIELDS) for message in body["messages"]]
            return {**body, "messages": messages}
        case "interactions":  # where a call may be signed
            steps = [
                _without(step, "signature") if step["type"] == "function_call" else step
                for step in body["input"]
            ]
            return {**body, "input": steps}
    return body


def _without(value: Json, *names: str) -> Json:
    return {name: value[name] for name in value if name not in names}


def _are_fit(ids: Iterable[str], pattern: str) -> None:
    """Each of the ids matches, and none comes twice."""
    ids = list(ids)
    assert len(set(ids)) == len(ids), ids
    for each in ids:
        assert re.fullmatch(pattern, each), each


def _is_object(arguments: str) -> None:
    assert isinstance(json.loads(arguments), dict)


def _alternate(roles: list[str], begin: str) -> None:
    assert roles[0] == begin
    assert all(a != b for a, b in pairwise(roles)), roles


# -- Chat Completions --


def chat(body: Json) -> None:
    """Each call is answered once, directly after; nothing is empty."""
    waiting: list[str] = []
    assert body["messages"]
    for message in body["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] == waiting.pop(0)
            continue
        assert waiting == []
        calls = message.get("tool_calls", [])
        waiting = [call["id"] for call in calls]
        content = message["content"]
        assert content.strip() if isinstance(content, str) else content or calls
        for call in calls:
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"])
            _is_object(call["function"]["arguments"])
    assert waiting == []


def _chat_ids(pattern: str) -> Callable[[Json], None]:
    def rule(body: Json) -> None:
        calls = [call for message in body["messages"] for call in message.get("tool_calls", [])]
        _are_fit((call["id"] for call in calls), pattern)

    return rule


def mistral(body: Json) -> None:
    """Its ids have nine letters, and the model has the word after a tool."""
    _chat_ids(r"[a-zA-Z0-9]{9}")(body)
    roles = [message["role"] for message in body["messages"]]
    assert ("tool", "user") not in pairwise(roles)


def deepseek(body: Json) -> None:
    """Once tools were called, each answer of the turn has its reasoning."""
    has_called = False
    for message in body["messages"]:
        has_called = message["role"] != "user" and (has_called or "tool_calls" in message)
        if message["role"] == "assistant" and has_called:
            assert message["reasoning_content"]


# -- Responses --


def responses(body: Json) -> None:
    """Calls are answered once, directly after; reasoning leads to something of the same answer."""
    items = body["input"]
    assert items
    _are_fit((item["id"] for item in items if "id" in item), r"[a-z]+_.{1,60}")
    calls = [item for item in items if item.get("type") == "function_call"]
    _are_fit((call["call_id"] for call in calls), r".{1,64}")
    waiting: list[str] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "function_call":
            waiting.append(item["call_id"])
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", item["name"])
            _is_object(item["arguments"])
        elif kind == "function_call_output":
            assert item["call_id"] == waiting.pop(0)
        elif item.get("role") not in (None, "assistant"):
            assert waiting == []
        assert kind != "message" or item["content"]
        assert kind != "reasoning" or item["encrypted_content"]
    assert waiting == []
    for item, following in pairwise([*items, {"type": "end"}]):
        if item.get("type") == "reasoning":
            is_theirs = following.get("role") == "assistant" or "id" in following
            assert is_theirs, following


# -- Messages --


def anthropic(body: Json) -> None:
    """Roles alternate; results come first and answer all calls; thoughts are signed."""
    turns = body["messages"]
    _alternate([turn["role"] for turn in turns], "user")
    blocks = [block for turn in turns for block in turn["content"]]
    _are_fit((b["id"] for b in blocks if b["type"] == "tool_use"), r"[a-zA-Z0-9_-]+")
    waiting: list[str] = []
    for turn in turns:
        kinds = [block["type"] for block in turn["content"]]
        assert kinds
        results = [block for block in turn["content"] if block["type"] == "tool_result"]
        assert turn["content"][: len(results)] == results
        assert [block["tool_use_id"] for block in results] == waiting
        waiting = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        assert kinds[-1] not in ("thinking", "redacted_thinking")
    assert waiting == []
    for block in blocks:
        _anthropic_block(block)
    last = blocks[-1]
    is_prefill = turns[-1]["role"] == "assistant" and last["type"] == "text"
    assert not is_prefill or last["text"] == last["text"].rstrip()


def _anthropic_block(block: Json) -> None:
    match block:
        case {"type": "text"}:
            assert block["text"].strip()
        case {"type": "thinking"}:
            assert block["signature"]
        case {"type": "tool_use" | "server_tool_use"}:
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", block["name"])
        case {"type": "tool_result", "is_error": True}:
            assert block["content"]


# -- Gemini --


def gemini(body: Json) -> None:
    """Roles alternate; the turn after calls answers all of them; the first call is signed."""
    contents = body["contents"]
    _alternate([content["role"] for content in contents], "user")
    waiting: list[tuple[str, str]] = []
    for content in contents:
        parts = content["parts"]
        assert parts
        answers = [part["functionResponse"] for part in parts if "functionResponse" in part]
        assert [(answer["id"], answer["name"]) for answer in answers] == waiting
        calls = [part for part in parts if "functionCall" in part]
        waiting = [(part["functionCall"]["id"], part["functionCall"]["name"]) for part in calls]
        assert not calls or calls[0]["thoughtSignature"]
        for part in parts:
            assert part.get("text", "some") or "thoughtSignature" in part
        for _, name in waiting:
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", name)
    assert waiting == []


def interactions(body: Json) -> None:
    """Each call is answered once, directly after; nothing is empty; thoughts are signed."""
    steps = body["input"]
    assert steps[0]["type"] == "user_input"
    calls = [step for step in steps if step["type"] == "function_call"]
    _are_fit((call["id"] for call in calls), r".+")
    waiting: list[tuple[str, str]] = []
    for step in steps:
        match step["type"]:
            case "function_call":
                waiting.append((step["id"], step["name"]))
                assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}", step["name"])
            case "function_result":
                assert (step["call_id"], step["name"]) == waiting.pop(0)
            case "user_input":
                assert waiting == []
                assert step["content"]
            case "model_output":
                assert step["content"]
            case "thought":
                assert step["signature"]
    assert waiting == []


# -- UI messages --


def ui(body: Json) -> None:
    """Messages as `useChat` posts them; the AI SDK's own check is a test of its own."""
    assert body["id"]
    assert body["messages"]
    for message in body["messages"]:
        assert message["id"]
        assert message["parts"]
        assert message["role"] in ("system", "user", "assistant")


KINDS = {
    "openai": "responses",
    "xai": "responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "gemini-interactions": "interactions",
    "ui": "ui",
}
KINDS = {provider: KINDS.get(provider, "chat") for provider in NAMES}
RULES: dict[str, Callable[[Json], None]] = {
    "chat": chat,
    "responses": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "interactions": interactions,
    "ui": ui,
}
OWN: dict[str, Callable[[Json], None]] = {  # rules of one server of a dialect
    "openai-chat": _chat_ids(r".{1,40}"),
    "mistral": mistral,
    "deepseek": deepseek,
}
