"""What each item of a foreign list says: a message, a step of an answer, what came of a call.

A model's answer is read by the decoder that reads it when it streams, so that it goes back to its
provider as one of chatkit's own would.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.errors import MessageError
from chatkit.imports.ai_sdk import (
    Outcome,
    is_model_answer,
    model_answer,
    model_results,
    upgraded,
)
from chatkit.imports.content import content_parts, texts
from chatkit.providers.anthropic.stream import AnthropicDecoder
from chatkit.providers.chat.stream import ChatDecoder
from chatkit.providers.dialect import Decoder
from chatkit.providers.responses.stream import ResponsesDecoder
from chatkit.reducer import reduce

JSON = m.JSON
_RESULTS = ("function_call_output", "custom_tool_call_output")
_OF_CHAT = (
    "tool_calls",
    "function_call",
    "refusal",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "annotations",
    "images",
    "audio",
)
_UI = ("parts", "toolInvocations", "experimental_attachments")
_PARTS = ("text", "image", "image_url", "file", "document", "tool_use", "tool_result", "thinking")
_ROLES: dict[str, m.Role] = {"system": "system", "developer": "system", "user": "user"}


@dataclass(frozen=True)
class Said:
    """A message, or a step of an answer."""

    role: m.Role
    parts: tuple[m.Part, ...]
    id: str = ""
    metadata: JSON = field(default_factory=dict)


Entry = m.Message | Said | Outcome


def is_output(item: m.Message | JSON) -> bool:
    """Whether it is an item of a Responses answer, which is read with those around it."""
    if isinstance(item, m.Message):
        return False
    kind = item.get("type")
    if "role" in item:
        is_answer = kind == "message" and item["role"] == "assistant"
        return is_answer and (_has(item, "output_text") or _has(item, "refusal"))
    is_named = isinstance(kind, str) and kind not in (*_RESULTS, *_PARTS)
    return is_named and not str(kind).startswith("input_") and "-" not in str(kind)


def answer(items: Sequence[Any]) -> Said:
    """The items of a Responses answer."""
    done = {"type": "response.completed", "response": {"output": list(items)}}
    first: JSON = next((item for item in items if item.get("role")), {})
    parts = map(_without_name, _decoded(ResponsesDecoder("openai"), [done]))
    return Said("assistant", tuple(parts), str(first.get("id") or ""))


def _without_name(part: m.Part) -> m.Part:
    """A text that somebody made up goes back as one, and not as an item of the provider's."""
    match part:
        case m.TextPart(provider_metadata={"openai": {"item": dict(item), **more}}):
            if item.keys() <= {"type", "role"}:
                return replace(part, provider_metadata={"openai": more} if more else None)
    return part


def entries(item: m.Message | JSON) -> Iterator[Entry]:
    """What an item says. Raises MessageError."""
    if isinstance(item, m.Message):
        yield item
        return
    match item:
        case _ if any(isinstance(item.get(name), list) for name in _UI):
            yield m.Message.from_json(upgraded(item))
        case {"type": str(kind), "call_id": str(call_id)} if kind in _RESULTS:
            yield c.ToolOutputAvailable(call_id, _output(item.get("output")))
        case {"role": "tool", "tool_call_id": str(call_id)}:
            yield c.ToolOutputAvailable(call_id, _output(item.get("content")))
        case {"role": "tool", "content": list(content)}:
            yield from model_results(content)
        case {"role": "assistant"}:
            yield from _assistant(item)
        case {"role": str(role)} if role in _ROLES:
            yield from _given(item, _ROLES[role])
        case {"role": role}:
            raise MessageError(f"its role is {role!r:.80}, which no message has that is known")
        case {"type": str(kind)}:
            raise MessageError(
                f"this is a part of type {kind!r} and no message: put it into the content of one"
            )
        case _:
            raise MessageError(f"a message has a role, and this has none: {item!r:.80}")


# -- what is given to a model --


def _given(item: JSON, role: m.Role) -> Iterator[Entry]:
    """A message of the user or of the system; Anthropic's hold the results of calls too."""
    content = item.get("content")
    blocks = content if isinstance(content, list) else []
    results = [block for block in blocks if _kind(block) == "tool_result"]
    for block in results:
        yield _result(block)
    parts = content_parts([b for b in blocks if b not in results] if results else content)
    if parts or not results:
        named = {"name": item["name"]} if item.get("name") else {}
        yield Said(role, parts, str(item.get("id") or ""), named)


def _result(block: JSON) -> Outcome:
    call_id, output = str(block.get("tool_use_id")), _output(block.get("content"))
    if block.get("is_error"):
        why = output if isinstance(output, str) else json.dumps(output)
        return c.ToolOutputError(call_id, why)
    return c.ToolOutputAvailable(call_id, output)


def _output(content: Any) -> Any:
    """What a tool gave: text where it is only text, else as it came."""
    if content is None:
        return ""
    if isinstance(content, list) and (told := texts(content)) is not None:
        return told
    return content


# -- what a model answers --


def _assistant(item: JSON) -> Iterator[Entry]:
    content, id = item.get("content"), str(item.get("id") or "")
    blocks = content if isinstance(content, list) else []
    for place, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            raise MessageError(f".content[{place}]: a part has a type, and this has none")
    if is_model_answer(blocks):
        parts, results = model_answer(blocks)
        yield Said("assistant", parts, id)
        yield from results
    elif any(item.get(name) for name in _OF_CHAT) or _has(item, "refusal"):
        yield Said("assistant", _of_chat(item, blocks), id)
    elif blocks and any(_kind(block) != "text" or block.get("citations") for block in blocks):
        yield Said("assistant", _of_anthropic(blocks), id)
    else:
        yield Said("assistant", content_parts(content) if content else (), id)


def _of_chat(item: JSON, blocks: list[JSON]) -> tuple[m.Part, ...]:
    calls = item.get("tool_calls") or []
    if not isinstance(calls, list):
        raise MessageError(f".tool_calls: it is a list, not {calls!r:.80}")
    known = ("text", "thinking", "refusal")
    unknown = [m.UnknownPart(block) for block in blocks if _kind(block) not in known]
    refused = "".join(str(b.get("refusal")) for b in blocks if _kind(b) == "refusal")
    message = {
        **item,
        "refusal": refused or item.get("refusal"),
        "tool_calls": [_function(call) for call in calls],
    }
    provider = "openrouter" if item.get("reasoning_details") else "openai-chat"
    told = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return (*_decoded(ChatDecoder(provider), [told]), *unknown)


def _function(call: Any) -> JSON:
    """A call of a function; what a custom tool takes, which is free text, as its one argument."""
    match call:
        case {"function": dict()}:
            return {name: call[name] for name in call if name != "index"}
        case {"id": str(id), "custom": {"name": str(name), "input": given}}:
            arguments = json.dumps({"input": given})
            return {"id": id, "function": {"name": name, "arguments": arguments}}
    raise MessageError(f".tool_calls: this calls no function: {call!r:.80}")


def _of_anthropic(blocks: list[JSON]) -> tuple[m.Part, ...]:
    events: list[JSON] = [{"type": "message_start", "message": {}}]
    for index, block in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    ended = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    return _decoded(AnthropicDecoder("anthropic"), [*events, ended, {"type": "message_stop"}])


def _decoded(decoder: Decoder, events: Iterable[JSON]) -> tuple[m.Part, ...]:
    """The parts of an answer that was streamed like this."""
    chunks: list[c.Chunk] = []
    for event in events:
        chunks += decoder.feed(b"data: %b\n\n" % json.dumps(event).encode())
    chunks += decoder.close()
    if decoder.error is not None:
        raise MessageError(decoder.error.message)
    return reduce(m.Message(id="", role="assistant"), chunks).parts


def _kind(block: Any) -> Any:
    return block.get("type") if isinstance(block, dict) else None


def _has(item: JSON, kind: str) -> bool:
    content = item.get("content")
    return isinstance(content, list) and any(_kind(block) == kind for block in content)
