"""Messages as a model is asked with them: always a valid request, whatever was stored.

The result is the AI SDK's ModelMessage list (`{"role", "content": [parts]}`), which each
provider translates into its own words. What would make a provider refuse is mended here, once:
empty and whitespace texts go, an answer with nothing in it goes, a tool call without a result
gets one that says so, and neighbours of one role become one message.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import UNSET

from chatkit import messages as m

JSON = dict[str, Any]

NO_RESULT = "This call was interrupted; it has no result."


def to_model_messages(messages: Iterable[m.Message]) -> list[JSON]:
    """What to send: each `{"role": system | user | assistant | tool, "content": [parts]}`."""
    result: list[JSON] = []
    for message in messages:
        for turn in _turns(message):
            _append(result, turn)
    return result


def _append(result: list[JSON], turn: JSON) -> None:
    if not turn["content"]:
        return
    if result and result[-1]["role"] == turn["role"]:
        result[-1]["content"] += turn["content"]
    else:
        result.append(turn)


def _turns(message: m.Message) -> Iterable[JSON]:
    if message.role != "assistant":
        yield {"role": message.role, "content": list(_contents(message.parts))}
        return
    for step in _steps(message.parts):
        calls = [part for part in step if isinstance(part, m.ToolPart)]
        yield {"role": "assistant", "content": list(_contents(step))}
        own = [part for part in calls if not part.provider_executed and _is_call(part)]
        yield {"role": "tool", "content": [_result(part) for part in own]}


def _steps(parts: Iterable[m.Part]) -> list[list[m.Part]]:
    """The parts of each request to the model: cut at step marks and where text follows a call."""
    steps: list[list[m.Part]] = [[]]
    for part in parts:
        after_call = bool(steps[-1]) and isinstance(steps[-1][-1], m.ToolPart)
        if isinstance(part, m.StepPart):
            steps.append([])
        elif after_call and not isinstance(part, m.ToolPart):
            steps.append([part])
        else:
            steps[-1].append(part)
    return steps


def _contents(parts: Iterable[m.Part]) -> Iterable[JSON]:
    for part in parts:
        match part:
            case m.TextPart() if part.text.strip():
                yield _with({"type": "text", "text": part.text}, part.provider_metadata)
            case m.ReasoningPart() if part.text.strip() or part.provider_metadata:
                yield _with({"type": "reasoning", "text": part.text}, part.provider_metadata)
            case m.FilePart():
                yield _file(part)
            case m.ToolPart() if _is_call(part):
                yield _call(part)


def _file(part: m.FilePart) -> JSON:
    content = {"type": "file", "mediaType": part.media_type, "data": part.url}
    if part.filename is not None:
        content["filename"] = part.filename
    return _with(content, part.provider_metadata)


def _is_call(part: m.ToolPart) -> bool:
    """Whether the model finished asking: a call whose arguments were cut off never happened."""
    return part.state != "input-streaming" and part.input is not UNSET


def _call(part: m.ToolPart) -> JSON:
    content: JSON = {
        "type": "tool-call",
        "toolCallId": part.tool_call_id,
        "toolName": part.tool_name,
        "input": part.input,
    }
    if part.provider_executed:
        content["providerExecuted"] = True
    return _with(content, part.call_provider_metadata)


def _result(part: m.ToolPart) -> JSON:
    output: JSON = {"type": "error-text", "value": part.error_text or NO_RESULT}
    if part.state == "output-available":
        value = None if part.output is UNSET else part.output
        kind = "text" if isinstance(value, str) else "json"
        output = {"type": kind, "value": value}
    elif part.state == "output-denied":
        reason = (part.approval or {}).get("reason")
        output = {"type": "execution-denied", **({"reason": reason} if reason else {})}
    content = {
        "type": "tool-result",
        "toolCallId": part.tool_call_id,
        "toolName": part.tool_name,
        "output": output,
    }
    return _with(content, part.result_provider_metadata)


def _with(content: JSON, provider_metadata: JSON | None) -> JSON:
    return {**content, "providerOptions": provider_metadata} if provider_metadata else content
