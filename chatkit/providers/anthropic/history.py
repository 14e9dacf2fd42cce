"""A conversation as the turns of a Messages request: user first, then by turns.

Thoughts go back only with the signature they came with, to whom they came from.
"""

from __future__ import annotations

import hashlib
import re

from chatkit.providers.anthropic.files import file_block
from chatkit.providers.dialect import JSON
from chatkit.providers.fitting import hand_over
from chatkit.providers.outgoing import has_failed, object_of, output_text, own

THOUGHTS = ("thinking", "redacted_thinking")


def turns(messages: list[JSON], state_of: str) -> list[JSON]:
    """The messages but for the system's, those of one role in a row as one. Raises MessageError.

    `state_of` is the provider whose signed thoughts and own tool calls are sent.
    """
    found: list[JSON] = []
    for message in hand_over(messages):
        match message["role"]:
            case "system":
                continue
            case "assistant":
                role, content = "assistant", _said(message["content"], state_of)
            case "tool":
                role, content = "user", [_result(part) for part in message["content"]]
            case _:
                role, content = "user", [_given(part) for part in message["content"]]
        if content and found and found[-1]["role"] == role:
            found[-1]["content"] += content
        elif content:
            found.append({"role": role, "content": content})
    _trim(found[-1])
    return found


def _trim(last: JSON) -> None:
    """An answer that is to be continued must not end with white space."""
    block = last["content"][-1]
    if last["role"] == "assistant" and block["type"] == "text":
        block["text"] = block["text"].rstrip()


def _text(text: str) -> JSON:
    return {"type": "text", "text": text}


def _given(part: JSON) -> JSON:
    return _text(part["text"]) if part["type"] == "text" else file_block(part)


def _said(parts: list[JSON], state_of: str) -> list[JSON]:
    """An earlier answer; nothing of it where it is thoughts alone, which are refused."""
    blocks = [block for part in parts if (block := _block(part, own(part, state_of)))]
    while blocks and blocks[-1]["type"] in THOUGHTS:
        blocks.pop()
    return blocks


def _block(part: JSON, kept: JSON) -> JSON | None:
    """One part of an answer, None where it cannot go back."""
    match part["type"]:
        case "text":
            return _text(part["text"])
        case "reasoning" if kept.get("redactedData"):
            return {"type": "redacted_thinking", "data": kept["redactedData"]}
        case "reasoning" if kept.get("signature"):
            return {"type": "thinking", "thinking": part["text"], "signature": kept["signature"]}
        case "tool-call" if not part.get("providerExecuted"):
            call = {"type": "tool_use", "id": _call_id(part), "name": part["toolName"]}
            caller = {"caller": kept["caller"]} if "caller" in kept else {}
            return call | {"input": object_of(part["input"])} | caller
        case "tool-call" if "type" in kept:
            call = {"id": part["toolCallId"], "name": part["toolName"]}
            return call | {"input": object_of(part["input"])} | kept
        case "tool-result" if str(kept.get("type")).endswith("tool_result"):
            found = {"tool_use_id": part["toolCallId"], "content": part["output"].get("value")}
            return found | kept
    return None


def _result(part: JSON) -> JSON:
    output = part["output"]
    result = {"type": "tool_result", "tool_use_id": _call_id(part), "content": output_text(output)}
    return result | ({"is_error": True} if has_failed(output) else {})


def _call_id(part: JSON) -> str:
    call_id: str = part["toolCallId"]
    if re.fullmatch(r"[a-zA-Z0-9_-]+", call_id):
        return call_id
    return f"call_{hashlib.sha256(call_id.encode()).hexdigest()[:24]}"
