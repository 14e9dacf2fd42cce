"""The stream vocabulary: one frozen class for each UI message stream chunk of the AI SDK.

Names, fields and JSON are those of npm `ai` 7 (https://ai-sdk.dev/docs/ai-sdk-ui/stream-protocol),
so that a stream written by either side can be read by the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, get_args

import msgspec
from msgspec import UNSET

FinishReason = Literal[
    "stop", "length", "content-filter", "tool-calls", "error", "interrupted", "other"
]
JSON = dict[str, Any]


class Struct(msgspec.Struct, frozen=True, tag_field="type", rename="camel", omit_defaults=True):
    """A chunk: `type` in its JSON is the class's tag, field names are camelCase there."""


class Start(Struct, frozen=True, tag="start"):
    message_id: str | None = None
    message_metadata: JSON | None = None


class TextStart(Struct, frozen=True, tag="text-start"):
    id: str
    provider_metadata: JSON | None = None


class TextDelta(Struct, frozen=True, tag="text-delta"):
    id: str
    delta: str
    provider_metadata: JSON | None = None


class TextEnd(Struct, frozen=True, tag="text-end"):
    id: str
    provider_metadata: JSON | None = None
    citations: list[Any] | None = None


class ReasoningStart(Struct, frozen=True, tag="reasoning-start"):
    id: str
    provider_metadata: JSON | None = None


class ReasoningDelta(Struct, frozen=True, tag="reasoning-delta"):
    id: str
    delta: str
    provider_metadata: JSON | None = None


class ReasoningEnd(Struct, frozen=True, tag="reasoning-end"):
    id: str
    provider_metadata: JSON | None = None


class ToolInputStart(Struct, frozen=True, tag="tool-input-start"):
    tool_call_id: str
    tool_name: str
    input_encoding: str | None = None
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    provider_metadata: JSON | None = None
    tool_metadata: JSON | None = None


class ToolInputDelta(Struct, frozen=True, tag="tool-input-delta"):
    tool_call_id: str
    input_text_delta: str


class ToolInputAvailable(Struct, frozen=True, tag="tool-input-available"):
    tool_call_id: str
    tool_name: str
    input: Any = UNSET
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    provider_metadata: JSON | None = None
    tool_metadata: JSON | None = None


class ToolInputError(Struct, frozen=True, tag="tool-input-error"):
    tool_call_id: str
    tool_name: str
    error_text: str
    input: Any = UNSET
    provider_executed: bool | None = None
    dynamic: bool | None = None
    title: str | None = None
    provider_metadata: JSON | None = None
    tool_metadata: JSON | None = None


class ToolApprovalRequest(Struct, frozen=True, tag="tool-approval-request"):
    approval_id: str
    tool_call_id: str
    approval_descriptor: Any = UNSET
    input_schema_input: Any = UNSET
    reason: str | None = None
    is_automatic: bool | None = None
    signature: str | None = None


class ToolApprovalResponse(Struct, frozen=True, tag="tool-approval-response"):
    approval_id: str
    approved: bool
    reason: str | None = None
    provider_executed: bool | None = None
    provider_metadata: JSON | None = None


class ToolOutputAvailable(Struct, frozen=True, tag="tool-output-available"):
    tool_call_id: str
    output: Any = UNSET
    preliminary: bool | None = None
    provider_executed: bool | None = None
    dynamic: bool | None = None
    provider_metadata: JSON | None = None
    tool_metadata: JSON | None = None


class ToolOutputError(Struct, frozen=True, tag="tool-output-error"):
    tool_call_id: str
    error_text: str
    provider_executed: bool | None = None
    dynamic: bool | None = None
    provider_metadata: JSON | None = None
    tool_metadata: JSON | None = None


class ToolOutputDenied(Struct, frozen=True, tag="tool-output-denied"):
    tool_call_id: str


class SourceUrl(Struct, frozen=True, tag="source-url"):
    source_id: str
    url: str
    title: str | None = None
    provider_metadata: JSON | None = None


class SourceDocument(Struct, frozen=True, tag="source-document"):
    source_id: str
    media_type: str
    title: str
    filename: str | None = None
    provider_metadata: JSON | None = None


class File(Struct, frozen=True, tag="file"):
    url: str
    media_type: str
    provider_metadata: JSON | None = None


class ReasoningFile(Struct, frozen=True, tag="reasoning-file"):
    url: str
    media_type: str
    provider_metadata: JSON | None = None


class Custom(Struct, frozen=True, tag="custom"):
    kind: str
    provider_metadata: JSON | None = None


class SteeringMessage(Struct, frozen=True, tag="steering-message"):
    id: str
    parts: list[JSON]


class StartStep(Struct, frozen=True, tag="start-step"):
    pass


class FinishStep(Struct, frozen=True, tag="finish-step"):
    pass


class ResetStep(Struct, frozen=True, tag="reset-step"):
    pass


class MessageMetadata(Struct, frozen=True, tag="message-metadata"):
    message_metadata: JSON


class Finish(Struct, frozen=True, tag="finish"):
    finish_reason: FinishReason | None = None
    message_metadata: JSON | None = None


class Abort(Struct, frozen=True, tag="abort"):
    reason: str | None = None


class Error(Struct, frozen=True, tag="error"):
    error_text: str


class Data(msgspec.Struct, frozen=True):
    """`data-NAME`: the same name and id replaces the earlier; a transient one is not kept."""

    name: str
    data: Any
    id: str | None = None
    transient: bool = False


Tagged = (
    Start
    | TextStart
    | TextDelta
    | TextEnd
    | ReasoningStart
    | ReasoningDelta
    | ReasoningEnd
    | ToolInputStart
    | ToolInputDelta
    | ToolInputAvailable
    | ToolInputError
    | ToolApprovalRequest
    | ToolApprovalResponse
    | ToolOutputAvailable
    | ToolOutputError
    | ToolOutputDenied
    | SourceUrl
    | SourceDocument
    | File
    | ReasoningFile
    | Custom
    | SteeringMessage
    | StartStep
    | FinishStep
    | ResetStep
    | MessageMetadata
    | Finish
    | Abort
    | Error
)
Chunk = Tagged | Data


def to_json(chunk: Chunk) -> JSON:
    """The chunk as the AI SDK writes it."""
    if isinstance(chunk, Data):
        return _data_json(chunk)
    encoded: JSON = msgspec.to_builtins(chunk)
    return encoded


def from_json(value: JSON) -> Chunk | None:
    """The chunk that `value` says, or None for a type this version does not know.

    Raises msgspec.ValidationError where a known type lacks what it must have.
    """
    kind = value.get("type")
    if not isinstance(kind, str):
        return None
    if kind.startswith("data-"):
        return Data(kind[5:], value.get("data"), value.get("id"), bool(value.get("transient")))
    if kind not in _TYPES:
        return None
    if kind == "finish" and value.get("finishReason") not in (None, *get_args(FinishReason)):
        value = {**value, "finishReason": "other"}  # older and newer writers have more of them
    chunk: Chunk = msgspec.convert(value, _TYPES[kind])  # the class: a union costs 30 µs
    return chunk


def merged(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """The same stream with neighbouring deltas of one part joined into one."""
    held: TextDelta | ReasoningDelta | None = None
    pieces: list[str] = []
    for chunk in chunks:
        if (
            held is not None
            and isinstance(chunk, (TextDelta, ReasoningDelta))
            and type(chunk) is type(held)
            and chunk.id == held.id
            and chunk.provider_metadata is None
        ):
            pieces.append(chunk.delta)
            continue
        if held is not None:
            yield _joined(held, pieces)
            held = None
        if isinstance(chunk, (TextDelta, ReasoningDelta)):
            held, pieces = chunk, [chunk.delta]
        else:
            yield chunk
    if held is not None:
        yield _joined(held, pieces)


def _joined(first: TextDelta | ReasoningDelta, pieces: list[str]) -> Chunk:
    if len(pieces) == 1:
        return first
    return type(first)(first.id, "".join(pieces), first.provider_metadata)


def _data_json(chunk: Data) -> JSON:
    encoded: JSON = {"type": f"data-{chunk.name}", "data": chunk.data}
    if chunk.id is not None:
        encoded["id"] = chunk.id
    if chunk.transient:
        encoded["transient"] = True
    return encoded


_TYPES = {str(cls.__struct_config__.tag): cls for cls in get_args(Tagged)}
