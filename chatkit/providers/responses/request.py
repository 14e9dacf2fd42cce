"""Responses, outgoing: messages and options -> the JSON of a request.

The system prompt is an item of the input and not `instructions`: so it stays where it stands in
the conversation, which OpenAI takes as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping

from chatkit.errors import MessageError
from chatkit.providers.dialect import JSON, Prompt, ToolSpec
from chatkit.providers.fitting import hand_over
from chatkit.providers.outgoing import object_of, output_text, own, to_json
from chatkit.providers.responses.quirks import Quirks
from chatkit.providers.strict import is_strict

_NAMES = {"max_tokens": "max_output_tokens"}
_RESULT = "tool-result"
_LONGEST_ID = 64  # characters of a call id; longer ones, as some servers make, are refused


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of `model`. Raises MessageError."""
    quirks: Quirks = prompt.quirks
    asked: JSON = {"model": model, "stream": True, **quirks.fields}
    may_reason = not (quirks.encrypts_except and re.match(quirks.encrypts_except, model))
    if quirks.encrypts_except and may_reason:
        asked["include"] = ["reasoning.encrypted_content"]
    for option, value in prompt.options.items():
        if option == "reasoning":
            asked["reasoning"] = _reasoning(value, quirks)
        elif option == "background":
            asked |= {"background": True, "store": True} if value else {}
        elif option != "extra":
            asked[_NAMES.get(option, option)] = value
    if prompt.tools:
        asked["tools"] = [_tool(tool) for tool in prompt.tools]
        asked["tool_choice"] = _choice(prompt.tool_choice)
    if prompt.schema is not None:
        asked["text"] = {"format": _format(prompt.schema, prompt.schema_name)}
    state_of = prompt.provider if may_reason else ""  # else it refuses reasoning, even its own
    is_stored = {**quirks.fields, **prompt.options.get("extra", {})}.get("store", True)
    asked["input"] = list(_input(prompt, quirks, state_of, is_stored=is_stored))
    return asked


def _reasoning(effort: str, quirks: Quirks) -> JSON:
    summary = {"summary": quirks.summary} if quirks.summary and effort != "none" else {}
    return {"effort": effort, **summary}


def _tool(tool: ToolSpec) -> JSON:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": is_strict(tool.parameters),  # unsaid, it is true here
    }


def _choice(choice: str) -> str | JSON:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "name": choice}


def _format(schema: JSON, name: str) -> JSON:
    return {"type": "json_schema", "name": name, "schema": schema, "strict": is_strict(schema)}


# -- messages --


def _input(prompt: Prompt, quirks: Quirks, provider: str, *, is_stored: bool) -> Iterator[JSON]:
    for message in hand_over(prompt.messages, but=lambda part: _is_own_picture(part, provider)):
        content: list[JSON] = message["content"]
        match message["role"]:
            case "tool":
                yield from (_result(part, provider) for part in content)
            case "assistant":
                yield from _paired(_answer(content, provider), is_stored=is_stored)
            case "system":
                text = "\n\n".join(part["text"] for part in content)
                yield {"role": quirks.system_role, "content": text}
            case role:
                yield {"role": role, "content": [_content(part) for part in content]}


def _content(part: JSON) -> JSON:
    if part["type"] == "text":
        return {"type": "input_text", "text": part["text"]}
    kind, address = str(part["mediaType"]), str(part["data"])
    if kind.startswith("image/"):
        return {"type": "input_image", "image_url": address, "detail": "auto"}
    if kind.startswith(("audio/", "video/")):
        raise MessageError(
            f"the Responses API takes no {kind} file; ask a model that does, over openai-chat/"
            " or gemini/"
        )
    if not address.startswith("data:"):
        return {"type": "input_file", "file_url": address}
    filename = part.get("filename") or "file"
    return {"type": "input_file", "filename": filename, "file_data": address}


def _result(part: JSON, provider: str) -> JSON:
    is_custom = _kept(part, provider).get("type") == "custom_tool_call"
    return {
        "type": "custom_tool_call_output" if is_custom else "function_call_output",
        "call_id": _call_id(part),
        "output": output_text(part["output"]),
    }


# -- an earlier answer --


def _answer(parts: list[JSON], provider: str) -> list[JSON]:
    """Its items again, in their order; of another provider's only what any model can read."""
    outputs = {part["toolCallId"]: part["output"] for part in parts if part["type"] == _RESULT}
    answer: list[JSON] = []
    for part in parts:
        item = _item(part, outputs, provider)
        if item and answer and _is_same_message(item, answer[-1]):
            answer[-1]["content"] += item["content"]
        elif item:
            answer.append(item)
    return answer


def _item(part: JSON, outputs: Mapping[str, JSON], provider: str) -> JSON | None:
    kept = _kept(part, provider)
    match part["type"]:
        case "text":
            return _message(part, kept, provider)
        case "reasoning":
            return kept
        case "file" if _is_own_picture(part, provider):
            return {**kept, "result": str(part["data"]).partition(",")[2]}
        case "tool-call" if part.get("providerExecuted"):
            return _hosted(part, outputs.get(part["toolCallId"], {}), kept)
        case "tool-call":
            return _call(part, kept)
    return None


def _kept(part: JSON, provider: str) -> JSON:
    """What was kept of the item that this part is of, if it came from this provider."""
    item = own(part, provider).get("item")
    return item if isinstance(item, dict) else {}


def _is_own_picture(part: JSON, provider: str) -> bool:
    """Whether it goes back as the item that it came as."""
    return bool(_kept(part, provider)) and str(part["data"]).startswith("data:")


def _message(part: JSON, kept: JSON, provider: str) -> JSON:
    text = part["text"]
    if own(part, provider).get("refusal"):
        said: JSON = {"type": "refusal", "refusal": text}
    else:
        said = {"type": "output_text", "text": text, "annotations": []}
    # of another provider's it has no id, and made-up ones are looked up and not found
    whole = {**kept, "status": "completed"} if kept else {"type": "message", "role": "assistant"}
    return {**whole, "content": [said]}


def _is_same_message(item: JSON, before: JSON) -> bool:
    known_by = ("role", "type", "id")
    return "role" in item and all(item.get(name) == before.get(name) for name in known_by)


def _call(part: JSON, kept: JSON) -> JSON:
    named = {"call_id": _call_id(part), "name": part["toolName"]}
    given = part["input"]
    if kept.get("type") == "custom_tool_call":
        return {**kept, **named, "input": given}
    return {**kept, "type": "function_call", **named, "arguments": to_json(object_of(given))}


def _hosted(part: JSON, output: JSON, kept: JSON) -> JSON | None:
    """A call that the provider ran itself; nobody else knows what to make of it."""
    given, found = part["input"], output.get("value")
    if not kept or not isinstance(given, dict):
        return None
    return {**kept, **given, **(found if isinstance(found, dict) else {})}


def _paired(answer: list[JSON], *, is_stored: bool) -> Iterator[JSON]:
    """The items but for reasoning that would be refused: with nothing after it, or with nothing
    in it but an id where the server stores nothing."""
    held: list[JSON] = []
    for item in answer:
        if item.get("type") != "reasoning":
            yield from [*held, item]
            held = []
        elif is_stored or item.get("encrypted_content") or item.get("content"):
            held.append(item)


def _call_id(part: JSON) -> str:
    call_id: str = part["toolCallId"]
    if len(call_id) <= _LONGEST_ID:
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:_LONGEST_ID]
