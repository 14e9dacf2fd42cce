"""Gemini's generateContent, outgoing: messages and options -> the JSON of a request."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from chatkit.providers.dialect import JSON, Prompt, ToolSpec
from chatkit.providers.gemini import google
from chatkit.providers.outgoing import has_failed, object_of, output_text, own, stops, system_text

# what Google says to sign a call with that another model made, or nobody did:
# https://ai.google.dev/gemini-api/docs/thought-signatures
UNSIGNED = "skip_thought_signature_validator"
_NAMES = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "seed": "seed",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_RUNS = ("executableCode", "toolCall")  # parts of tools that Google runs itself
_RAN = ("codeExecutionResult", "toolResponse")
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def body(model: str, prompt: Prompt) -> JSON:
    """The request for an answer of `model`. Raises MessageError."""
    contents = _contents(prompt.messages, model, prompt.provider)
    asked: JSON = {"contents": contents}
    if token := _token(prompt):  # the same request again: the token stands for the answer so far
        asked["continuationToken"] = token
        if contents[-1:] and contents[-1]["role"] == "model":
            contents.pop()
    if system := system_text(prompt.messages):
        asked["systemInstruction"] = {"parts": [{"text": system}]}
    if prompt.tools:
        asked["tools"] = [{"functionDeclarations": [_tool(tool) for tool in prompt.tools]}]
        asked["toolConfig"] = {"functionCallingConfig": _choice(prompt.tool_choice)}
    if config := _config(model, prompt):
        asked["generationConfig"] = config
    return asked


def _token(prompt: Prompt) -> Any:
    """What continues an answer that reached the limit of one request; None of any other."""
    last = prompt.history[-1] if prompt.history else None
    if last is None or last.metadata.get("rawFinishReason") != "CONTINUATION":
        return None
    return last.metadata.get("continuationToken")


def _tool(tool: ToolSpec) -> JSON:
    return {
        "name": tool.name,
        "description": tool.description,
        "parametersJsonSchema": tool.parameters,
    }


def _choice(choice: str) -> JSON:
    if choice in _MODES:
        return {"mode": _MODES[choice]}
    return {"mode": "ANY", "allowedFunctionNames": [choice]}


def _config(model: str, prompt: Prompt) -> JSON:
    options = prompt.options
    config: JSON = {_NAMES[name]: options[name] for name in options if name in _NAMES}
    if "stop" in options:
        config["stopSequences"] = stops(options["stop"])
    if "reasoning" in options:
        config["thinkingConfig"] = _thinking(model, options["reasoning"])
    if prompt.schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = prompt.schema
    return config


def _thinking(model: str, effort: str) -> JSON:
    shown = {"includeThoughts": effort != "none"}
    if google.is_before_3(model):
        return {**shown, "thinkingBudget": google.budget(model, effort)}
    return {**shown, "thinkingLevel": google.level(model, effort)}


def _contents(messages: list[JSON], model: str, provider: str) -> list[JSON]:
    """The turns, of the user and the model by turns: there is no third role."""
    contents: list[JSON] = []
    for message in messages:
        role, parts = _turn(message, model, provider)
        if parts and contents and contents[-1]["role"] == role:
            contents[-1]["parts"] += parts
        elif parts:
            contents.append({"role": role, "parts": parts})
    return contents


def _turn(message: JSON, model: str, provider: str) -> tuple[str, list[JSON]]:
    content: list[JSON] = message["content"]
    match message["role"]:
        case "assistant":
            said = [each for part in content for each in _said(part, provider)]
            return "model", said if google.is_before_3(model) else _signed_calls(said)
        case "tool":
            return "user", [_result(part) for part in content]
        case "user":
            return "user", [_given(part) for part in content]
    return "user", []


def _signed_calls(parts: list[JSON]) -> list[JSON]:
    """A model from Gemini 3 on refuses a step whose first call has no signature."""
    first = next((part for part in parts if "functionCall" in part), None)
    if first is not None:
        first.setdefault("thoughtSignature", UNSIGNED)
    return parts


def _given(part: JSON) -> JSON:
    if part["type"] == "text":
        return {"text": part["text"]}
    kind, data = part["mediaType"], google.base64_of(part)
    if data is None:
        return {"fileData": {"mimeType": kind, "fileUri": part["data"]}}
    return {"inlineData": {"mimeType": kind, "data": data}}


def _said(part: JSON, provider: str) -> Iterator[JSON]:
    """What the model said: the parts as they came, each with the signature it came with."""
    state = own(part, provider)
    match part:
        case {"type": "text"}:
            yield from _texts(part["text"], state, {})
        case {"type": "reasoning"} if state:
            yield from _texts(part["text"], state, {"thought": True})
        case {"type": "file"} if str(part["mediaType"]).startswith("image/"):
            yield _signed(_given(part), state)
        case {"type": "tool-call", "providerExecuted": True, "input": given}:
            if (field := state.get("field")) in _RUNS:
                yield _signed({field: given}, state)
        case {"type": "tool-call"}:
            call = {"id": part["toolCallId"], "name": part["toolName"]}
            yield _signed({"functionCall": {**call, "args": object_of(part["input"])}}, state)
        case {"type": "tool-result", "output": {"value": dict(value)}}:
            if (field := state.get("field")) in _RAN:
                yield _signed({field: value}, state)


def _texts(text: str, state: JSON, more: JSON) -> Iterator[JSON]:
    """One text of the stream is two parts where only its end was signed."""
    begin = state.get("signedFrom")
    begin = begin if isinstance(begin, int) else 0
    if begin:
        yield {"text": text[:begin], **more}
    yield _signed({"text": text[begin:], **more}, state)


def _signed(part: JSON, state: JSON) -> JSON:
    match state:
        case {"thoughtSignature": str(signature)}:
            return {**part, "thoughtSignature": signature}
    return part


def _result(part: JSON) -> JSON:
    response = {"id": part["toolCallId"], "name": part["toolName"]}
    return {"functionResponse": {**response, "response": _response(part["output"])}}


def _response(output: JSON) -> JSON:
    """The output of a tool, which must be an object."""
    if has_failed(output):
        return {"error": output_text(output)}
    value: Any = output["value"]
    return value if isinstance(value, dict) else {"result": value}
