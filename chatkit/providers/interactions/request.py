"""Gemini Interactions, outgoing: messages and options -> the JSON of a request.

The whole conversation goes along each time and nothing is stored but what is asked for in the
background, so that a chat may go on with any other provider, and what is sent is what is shown.
"""

from __future__ import annotations

from collections.abc import Iterator

from chatkit.providers.dialect import JSON, Prompt, ToolSpec
from chatkit.providers.gemini import google
from chatkit.providers.outgoing import has_failed, object_of, output_text, own, stops, system_text

_NAMES = {
    "temperature": "temperature",
    "top_p": "top_p",
    "max_tokens": "max_output_tokens",
    "seed": "seed",
}
_CHOICES = {"auto": "auto", "none": "none", "required": "any"}
_KINDS = ("image", "audio", "video")  # of content; all others are documents


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of `model`. Raises MessageError."""
    steps = [step for each in prompt.messages for step in _steps(each, prompt.provider)]
    asked: JSON = {"model": model, "input": steps, "stream": True, "store": False}
    if prompt.options.get("background"):  # what goes on without us is kept there
        asked |= {"background": True, "store": True}
    if system := system_text(prompt.messages):
        asked["system_instruction"] = system
    if prompt.tools:
        asked["tools"] = [_tool(tool) for tool in prompt.tools]
    if config := _config(model, prompt):
        asked["generation_config"] = config
    if prompt.schema is not None:
        json_text = {"type": "text", "mime_type": "application/json"}
        asked["response_format"] = {**json_text, "schema": prompt.schema}
    return asked


def _tool(tool: ToolSpec) -> JSON:
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
    }


def _config(model: str, prompt: Prompt) -> JSON:
    options = prompt.options
    config: JSON = {_NAMES[name]: options[name] for name in options if name in _NAMES}
    if "stop" in options:
        config["stop_sequences"] = stops(options["stop"])
    if effort := options.get("reasoning"):
        config["thinking_level"] = google.level(model, effort)
        config["thinking_summaries"] = "none" if effort == "none" else "auto"
    if prompt.tools:
        config["tool_choice"] = _choice(prompt.tool_choice)
    return config


def _choice(choice: str) -> str | JSON:
    if choice in _CHOICES:
        return _CHOICES[choice]
    return {"allowed_tools": {"mode": "any", "tools": [choice]}}


def _steps(message: JSON, provider: str) -> Iterator[JSON]:
    content: list[JSON] = message["content"]
    match message["role"]:
        case "user":
            yield {"type": "user_input", "content": [_content(part) for part in content]}
        case "assistant":
            yield from _together(step for part in content for step in _said(part, provider))
        case "tool":
            yield from map(_result, content)


def _content(part: JSON) -> JSON:
    if part["type"] == "text":
        return {"type": "text", "text": part["text"]}
    kind, data = str(part["mediaType"]), google.base64_of(part)
    family = kind.partition("/")[0]
    told = {"type": family if family in _KINDS else "document", "mime_type": kind}
    return {**told, "uri": part["data"]} if data is None else {**told, "data": data}


def _together(steps: Iterator[JSON]) -> list[JSON]:
    """The steps, with neighbouring texts and images in one, as the model gave them."""
    result: list[JSON] = []
    for step in steps:
        if step["type"] == "model_output" and result and result[-1]["type"] == "model_output":
            result[-1]["content"] += step["content"]
        else:
            result.append(step)
    return result


def _said(part: JSON, provider: str) -> Iterator[JSON]:
    """What the model said; thoughts and tools of Google's own as they came, and to it alone."""
    state = own(part, provider)
    match part:
        case {"type": "text"}:
            yield {"type": "model_output", "content": [_content(part)]}
        case {"type": "file"} if str(part["mediaType"]).startswith("image/"):
            yield {"type": "model_output", "content": [_content(part)]}
        case {"type": "reasoning"} if state:
            summary = [{"type": "text", "text": part["text"]}] if part["text"] else []
            yield {**state, "type": "thought", "summary": summary}
        case {"type": "tool-call", "providerExecuted": True, "input": given}:
            if _is_of(state, "_call"):
                yield {**state, "id": part["toolCallId"], "arguments": given}
        case {"type": "tool-call"}:
            call = {"id": part["toolCallId"], "name": part["toolName"]}
            arguments = object_of(part["input"])
            yield {**state, "type": "function_call", **call, "arguments": arguments}
        case {"type": "tool-result", "output": {"value": value}}:
            if _is_of(state, "_result"):
                yield {**state, "call_id": part["toolCallId"], "result": value}


def _is_of(state: JSON, kind: str) -> bool:
    """Whether it is the state of such a step."""
    return str(state.get("type")).endswith(kind)


def _result(part: JSON) -> JSON:
    output = part["output"]
    result = {"type": "function_result", "call_id": part["toolCallId"], "name": part["toolName"]}
    result["result"] = output_text(output)
    return {**result, "is_error": True} if has_failed(output) else result
