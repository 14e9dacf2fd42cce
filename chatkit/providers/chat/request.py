"""Chat Completions, outgoing: messages and options -> the JSON of a request.

What servers of this dialect do differently is data (`Quirks`), set in `table`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from chatkit.errors import MessageError
from chatkit.providers.chat.quirks import Quirks
from chatkit.providers.dialect import JSON, Prompt, ToolSpec
from chatkit.providers.fitting import hand_over
from chatkit.providers.outgoing import object_of, output_text, own, to_json
from chatkit.providers.strict import is_strict

_ID_LENGTH = 9  # of an id that replaces another: what Mistral takes, and all others too
_UNKNOWN = " "  # reasoning that nobody told, where there must be some
_BRIDGE = "(This answer was interrupted.)"
_AUDIO = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of `model`. Raises MessageError."""
    quirks: Quirks = prompt.quirks
    if not quirks.takes_files:
        _refuse_files(prompt.messages, model)
    messages = list(_messages(prompt, quirks))
    asked: JSON = {"model": model, "messages": messages, "stream": True}
    if quirks.stream_options is not None:
        asked["stream_options"] = dict(quirks.stream_options)
    for option, value in prompt.options.items():
        if option == "reasoning":
            asked.update(quirks.reasoning(value))
        elif option != "extra":
            asked[quirks.names.get(option, option)] = value
    if prompt.tools and (quirks.calls_of_itself or prompt.tool_choice != "auto"):
        asked["tools"] = [_tool(tool) for tool in prompt.tools]
        asked["tool_choice"] = _choice(prompt.tool_choice)
    if prompt.schema is not None:
        asked["response_format"] = _format(prompt.schema, prompt.schema_name)
    return asked


def _tool(tool: ToolSpec) -> JSON:
    told: JSON = {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }
    if is_strict(tool.parameters):
        told["strict"] = True  # unsaid, it is false here
    return {"type": "function", "function": told}


def _choice(choice: str) -> str | JSON:
    if choice in ("auto", "none", "required"):
        return choice
    return {"type": "function", "function": {"name": choice}}


def _format(schema: JSON, name: str) -> JSON:
    told = {"name": name, "schema": schema, "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": told}


def _refuse_files(messages: list[JSON], model: str) -> None:
    for part in (part for message in messages for part in message["content"]):
        if part["type"] == "file":
            name = part.get("filename") or part["mediaType"]
            raise MessageError(f"{model} takes text only, and no file {name!r}; ask another model")


def _messages(prompt: Prompt, quirks: Quirks) -> Iterator[JSON]:
    before, has_called = "", False  # the role before, and whether this turn has called tools
    for message in hand_over(prompt.messages):
        content: list[JSON] = message["content"]
        if quirks.bridges and (before, message["role"]) == ("tool", "user"):
            yield {"role": "assistant", "content": _BRIDGE}
        before = message["role"]
        has_called = before == "tool" or (has_called and before == "assistant")
        match before:
            case "tool":
                yield from (_result(part, quirks) for part in content)
            case "assistant":
                yield from _answer(content, prompt.provider, quirks, has_called=has_called)
            case "system":
                yield {"role": quirks.system_role, "content": _texts(content, "\n\n")}
            case role:
                yield {"role": role, "content": _content(content)}


def _content(parts: list[JSON]) -> str | list[JSON]:
    """Plain text where there is only text: many servers take nothing else."""
    if all(part["type"] == "text" for part in parts):
        return _texts(parts, "\n\n")
    return [_part(part) for part in parts]


def _texts(parts: Iterable[JSON], between: str = "") -> str:
    return between.join(part["text"] for part in parts if part["type"] == "text")


def _part(part: JSON) -> JSON:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, address = str(part["mediaType"]), str(part["data"])
    if kind.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": address}}
    if not address.startswith("data:"):
        raise MessageError(
            f"a {kind} file is sent as data, not by its address {address!r:.80}; download it first"
        )
    if kind in _AUDIO:
        audio = {"data": address.partition(",")[2], "format": _AUDIO[kind]}
        return {"type": "input_audio", "input_audio": audio}
    filename = part.get("filename") or "file"
    return {"type": "file", "file": {"filename": filename, "file_data": address}}


def _answer(
    parts: list[JSON], provider: str, quirks: Quirks, *, has_called: bool
) -> Iterator[JSON]:
    """An earlier answer; none where nothing of it can be sent, as of reasoning alone."""
    text = _texts(parts)
    calls = [
        _call(part, quirks)
        for part in parts
        if part["type"] == "tool-call" and not part.get("providerExecuted")
    ]
    if not text and not calls:
        return
    answer: JSON = {"role": "assistant", "content": text or None}
    if calls:
        answer["tool_calls"] = calls
    if details := [detail for part in parts for detail in _details(part, provider)]:
        answer["reasoning_details"] = details
    if quirks.reasoning_field and (calls or has_called):
        reasoning = "".join(part["text"] for part in parts if part["type"] == "reasoning")
        answer[quirks.reasoning_field] = reasoning or _UNKNOWN
    yield answer


def _details(part: JSON, provider: str) -> list[Any]:
    """Signed and encrypted reasoning goes back as it came, to where it came from."""
    details = own(part, provider).get("reasoning_details")
    return details if isinstance(details, list) else []


def _call(part: JSON, quirks: Quirks) -> JSON:
    function = {"name": part["toolName"], "arguments": to_json(object_of(part["input"]))}
    return {"id": _call_id(part, quirks), "type": "function", "function": function}


def _result(part: JSON, quirks: Quirks) -> JSON:
    text = output_text(part["output"])
    return {"role": "tool", "tool_call_id": _call_id(part, quirks), "content": text}


def _call_id(part: JSON, quirks: Quirks) -> str:
    call_id: str = part["toolCallId"]
    if re.fullmatch(quirks.call_ids, call_id, re.DOTALL):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:_ID_LENGTH]
