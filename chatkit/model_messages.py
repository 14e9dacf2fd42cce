"""Messages as a model is asked with them: always a valid request, whatever was stored.

The result is the AI SDK's ModelMessage list (`{"role", "content": [parts]}`), which each
provider translates into its own words. What would make a provider refuse is mended here, once:
empty and whitespace texts go, an answer with nothing in it but thoughts goes, a tool call
without a result gets one that says so, and neighbours of one role become one message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from chatkit import messages as m

JSON = dict[str, Any]

PAUSED = ("pause_turn", "CONTINUATION")  # raw reasons: it goes on when it is sent back
NO_RESULT = "This call was interrupted; it has no result."


def to_model_messages(messages: Iterable[m.Message]) -> list[JSON]:
    """What to send: each `{"role": system | user | assistant | tool, "content": [parts]}`."""
    messages = list(messages)
    result: list[JSON] = []
    for message in messages:
        for role, content in _turns(message):
            if not content:
                continue
            if result and result[-1]["role"] == role:
                result[-1]["content"] += content
            else:
                result.append({"role": role, "content": content})
    if messages and (waiting := _waiting(messages[-1])):
        if result and result[-1]["role"] == "assistant":
            result[-1]["content"] += waiting
        else:
            result.append({"role": "assistant", "content": waiting})
    return result


def _turns(message: m.Message) -> Iterable[tuple[str, list[JSON]]]:
    if message.role != "assistant":
        yield message.role, _given(message.parts, files=message.role == "user")
        return
    for step in _steps(message.parts):
        match step:
            case [m.SteeringPart() as steering]:
                yield "user", _given(map(m.part_from_json, steering.parts))
            case _:
                yield "assistant", _said(step)
                yield "tool", [_result(part) for part in _calls(step) if not part.provider_executed]


def _given(parts: Iterable[m.Part], *, files: bool = True) -> list[JSON]:
    """What a user or the system says."""
    kinds = (m.TextPart, m.FilePart) if files else (m.TextPart,)
    return _contents(part for part in parts if isinstance(part, kinds))


def _steps(parts: Iterable[m.Part]) -> list[list[m.Part]]:
    """The parts of each request to the model; what the user said in between is on its own."""
    steps: list[list[m.Part]] = [[]]
    for part in parts:
        if isinstance(part, m.StepPart):
            steps.append([])
        elif isinstance(part, m.SteeringPart):
            steps += [[part], []]
        else:
            steps[-1].append(part)
    return steps


def _said(step: list[m.Part]) -> list[JSON]:
    """What the model said; thoughts that led to nothing are refused when they are sent back."""
    contents = _contents(step)
    while contents and contents[-1]["type"] == "reasoning":
        contents.pop()
    return contents


def _contents(parts: Iterable[m.Part]) -> list[JSON]:
    return [content for part in parts for content in _content(part)]


def _content(part: m.Part) -> list[JSON]:
    match part:
        case m.TextPart() if part.text.strip():
            text = {"type": "text", "text": m.mended(part.text)}
            return [_with(text, part.provider_metadata)]
        case m.ReasoningPart() if part.text.strip() or part.provider_metadata:
            thought = {"type": "reasoning", "text": m.mended(part.text)}
            return [_with(thought, part.provider_metadata)]
        case m.FilePart():
            return [_file(part)]
        case m.ToolPart() if _is_call(part):
            return [_call(part), _result(part)] if part.provider_executed else [_call(part)]
    return []


def _calls(step: Iterable[m.Part]) -> list[m.ToolPart]:
    return [part for part in step if isinstance(part, m.ToolPart) and _is_call(part)]


def _waiting(message: m.Message) -> list[JSON]:
    """Calls that the provider is still to run: it goes on where it paused."""
    has_paused = message.metadata.get("rawFinishReason") in PAUSED
    step = _steps(message.parts)[-1] if has_paused and message.role == "assistant" else []
    calls = [part for part in step if isinstance(part, m.ToolPart) and part.provider_executed]
    return [_call(part) for part in calls if part.state == "input-available"]


def _file(part: m.FilePart) -> JSON:
    content = {"type": "file", "mediaType": part.media_type, "data": part.url}
    if part.filename is not None:
        content["filename"] = part.filename
    return _with(content, part.provider_metadata)


def _is_call(part: m.ToolPart) -> bool:
    """Whether the model finished asking: a call whose arguments were cut off never happened.

    Nor did one that the provider was to run itself and did not finish: nobody else has a result.
    """
    if part.provider_executed:
        return part.state in ("output-available", "output-error")
    return part.state != "input-streaming" and part.input is not UNSET


def _call(part: m.ToolPart) -> JSON:
    content: JSON = {
        "type": "tool-call",
        "toolCallId": part.tool_call_id,
        "toolName": part.tool_name,
        "input": part.input,
    }
    failed = part.input is UNSET or part.state == "output-error"
    if failed and not isinstance(part.input, dict):
        content["input"] = {}  # what there is of it may be half an object, which servers refuse
    if part.provider_executed:
        content["providerExecuted"] = True
    return _with(content, part.call_provider_metadata)


def _result(part: m.ToolPart) -> JSON:
    content = {
        "type": "tool-result",
        "toolCallId": part.tool_call_id,
        "toolName": part.tool_name,
        "output": _output(part),
    }
    return _with(content, part.result_provider_metadata or part.call_provider_metadata)


def _output(part: m.ToolPart) -> JSON:
    approval = part.approval or {}
    if part.state == "output-available":
        value = None if part.output is UNSET else part.output
        return {"type": "text" if isinstance(value, str) else "json", "value": value}
    if part.state == "output-denied" or approval.get("approved") is False:
        reason = approval.get("reason")
        return {"type": "execution-denied", **({"reason": reason} if reason else {})}
    return {"type": "error-text", "value": part.error_text or NO_RESULT}


def _with(content: JSON, provider_metadata: JSON | None) -> JSON:
    return {**content, "providerOptions": provider_metadata} if provider_metadata else content
