"""The AI SDK's lists beside the UIMessages of today: ModelMessages, and messages of version 4."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.errors import MessageError
from chatkit.imports.content import content_parts, file_part, own
from chatkit.imports.reading import at
from chatkit.tool_parts import Answer

JSON = m.JSON
Outcome = Answer | c.ToolApprovalResponse  # what came of a call
_STATES = {
    "partial-call": "input-streaming",
    "call": "input-available",
    "result": "output-available",
}
_OWN = ("tool-call", "tool-result", "tool-approval-request", "reasoning", "reasoning-file", "file")


# -- ModelMessages --


def is_model_answer(blocks: list[JSON]) -> bool:
    """Whether this is the content of an assistant's ModelMessage."""
    return any(block["type"] in _OWN for block in blocks)


def model_answer(blocks: list[JSON]) -> tuple[tuple[m.Part, ...], list[Outcome]]:
    """The parts of such an answer, and what came of its calls within it."""
    parts: list[m.Part] = []
    results: list[Outcome] = []
    for place, block in enumerate(blocks):
        with at(f".content[{place}]"):
            if block["type"] in ("tool-result", "tool-approval-request"):
                results.append(_outcome(block))
            else:
                parts.append(_answered(block))
    return tuple(parts), results


def model_results(content: list[Any]) -> Iterator[Outcome]:
    """What a ModelMessage of a tool tells."""
    for place, block in enumerate(content):
        with at(f".content[{place}]"):
            yield _outcome(block)


def _answered(block: JSON) -> m.Part:
    match block:
        case {"type": "reasoning", "text": str(text)}:
            return m.ReasoningPart(text, provider_metadata=own(block))
        case {"type": "reasoning-file"} if file := file_part({**block, "type": "file"}):
            return m.ReasoningFilePart(file.media_type, file.url, own(block))
        case {"type": "tool-call", "toolCallId": str(call_id), "toolName": str(name)}:
            return m.ToolPart(
                name,
                call_id,
                "input-available",
                block.get("input", block.get("args")),
                provider_executed=block.get("providerExecuted") or None,
                call_provider_metadata=own(block),
            )
    return content_parts([block])[0]


def _outcome(block: Any) -> Outcome:
    """What came of a call, in version 4's words too."""
    match block:
        case {"type": "tool-result", "toolCallId": str(call_id), "output": dict(output)}:
            return _output(call_id, output, own(block))
        case {"type": "tool-result", "toolCallId": str(call_id), "isError": True}:
            return c.ToolOutputError(call_id, _said(block.get("result")))
        case {"type": "tool-result", "toolCallId": str(call_id)}:
            return c.ToolOutputAvailable(call_id, block.get("result"))
        case {"type": "tool-approval-request", "approvalId": str(id), "toolCallId": str(call_id)}:
            return c.ToolApprovalRequest(id, call_id)
        case {"type": "tool-approval-response", "approvalId": str(id), "approved": bool(approved)}:
            return c.ToolApprovalResponse(id, approved, block.get("reason"))
    raise MessageError(f"this is no result of a tool: {block!r:.80}")


def _output(call_id: str, output: JSON, kept: JSON | None) -> Outcome:
    match output.get("type"):
        case "error-text" | "error-json":
            why = _said(output.get("value"))
            return c.ToolOutputError(call_id, why, provider_metadata=kept)
        case "execution-denied":
            return c.ToolOutputDenied(call_id)
    return c.ToolOutputAvailable(call_id, output.get("value"), provider_metadata=kept)


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# -- UIMessages --


def upgraded(message: JSON) -> JSON:
    """A UIMessage of today of one of today or of version 4."""
    metadata = message.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise MessageError(f".metadata: it is an object, not {metadata!r:.80}")
    if "createdAt" in message:
        metadata = {**metadata, "createdAt": message["createdAt"]}
    attached = map(_attachment, _objects(message, "experimental_attachments"))
    parts = message["parts"] if isinstance(message.get("parts"), list) else _said_before(message)
    return {**message, "metadata": metadata, "parts": [*map(_upgraded, parts), *attached]}


def _objects(message: JSON, name: str) -> list[JSON]:
    """What it lists under this name. Raises MessageError."""
    found = message.get(name) or []
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise MessageError(f".{name}: it is a list of objects, not {found!r:.80}")
    return found


def _said_before(message: JSON) -> list[JSON]:
    """The parts of a message from before there were any."""
    parts: list[JSON] = []
    if message.get("reasoning"):
        parts.append({"type": "reasoning", "text": message["reasoning"]})
    for call in _objects(message, "toolInvocations"):
        parts.append({"type": "tool-invocation", "toolInvocation": call})
    if message.get("content"):
        parts.append({"type": "text", "text": message["content"]})
    return parts


def _upgraded(part: Any) -> Any:
    match part:
        case {"type": "tool-invocation", "toolInvocation": {"toolName": name, **call}}:
            known = {"state": _STATES.get(str(call.get("state")), "input-available")}
            found = {"output": call["result"]} if "result" in call else {}
            id, given = call.get("toolCallId"), call.get("args")
            return {"type": f"tool-{name}", "toolCallId": id, "input": given, **known, **found}
        case {"type": "reasoning", "reasoning": text, **more}:
            return {"type": "reasoning", "text": text, **_signed(more.get("details"))}
        case {"type": "source", "source": {"url": url, **more}}:
            told = {"sourceId": str(more.get("id") or url), "title": more.get("title")}
            return {"type": "source-url", "url": url, **told}
        case {"type": "file", "mimeType": str(kind), "data": str(data)}:
            return {"type": "file", "mediaType": kind, "url": f"data:{kind};base64,{data}"}
    return part


def _signed(details: Any) -> JSON:
    """What thoughts are signed with: only Anthropic signed them, when version 4 was there."""
    for detail in details if isinstance(details, list) else ():
        match detail:
            case {"signature": str(signature)}:
                return {"providerMetadata": {"anthropic": {"signature": signature}}}
            case {"type": "redacted", "data": str(data)}:
                return {"providerMetadata": {"anthropic": {"redactedData": data}}}
    return {}


def _attachment(told: JSON) -> JSON:
    kind, name = told.get("contentType") or "application/octet-stream", told.get("name")
    return {"type": "file", "mediaType": kind, "url": told.get("url"), "filename": name}
