"""What each chunk of a tool call makes of the call's part, field by field as the AI SDK does."""

from __future__ import annotations

from typing import TypeVar, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m

Call = c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError
Answer = c.ToolApprovalRequest | c.ToolOutputAvailable | c.ToolOutputError | c.ToolOutputDenied

CUT_OFF = "The answer ended before this call was complete; it was not run."

_T = TypeVar("_T")


def called(chunk: Call, known: m.ToolPart | None = None) -> m.ToolPart:
    """The part of a call: what `chunk` says, and what it leaves out as it was in `known`."""
    if known is None:
        dynamic = bool(chunk.dynamic)
        known = m.ToolPart(chunk.tool_name, chunk.tool_call_id, "input-streaming", dynamic=dynamic)
    part = replace(
        known,
        tool_name=chunk.tool_name,
        provider_executed=_or(chunk.provider_executed, known.provider_executed),
        title=_or(chunk.title, known.title),
        tool_metadata=_or(chunk.tool_metadata, known.tool_metadata),
        input=UNSET,
        raw_input=UNSET,
        input_encoding=None,
        output=UNSET,
        preliminary=None,
        error_text=None,
        result_provider_metadata=None,
    )
    metadata = _or(chunk.provider_metadata, known.call_provider_metadata)
    match chunk:
        case c.ToolInputStart():
            return replace(
                part,
                state="input-streaming",
                input_encoding=chunk.input_encoding,
                call_provider_metadata=metadata,
            )
        case c.ToolInputAvailable():
            return replace(
                part, state="input-available", input=chunk.input, call_provider_metadata=metadata
            )
        case c.ToolInputError():
            return replace(
                part,
                state="output-error",
                input=chunk.input,
                error_text=chunk.error_text,
                result_provider_metadata=chunk.provider_metadata,
            )
        case _:
            assert_never(chunk)


def answered(part: m.ToolPart, chunk: Answer) -> m.ToolPart:
    """The part once its call has an answer: an output, an error, or a question to the user."""
    part = replace(part, input_encoding=None)  # of an input that streams, and no longer does
    match chunk:
        case c.ToolApprovalRequest():
            return replace(part, state="approval-requested", approval=_question(chunk))
        case c.ToolOutputDenied():
            return replace(part, state="output-denied")
        case c.ToolOutputAvailable():
            state: m.ToolState = "output-available"
            output, preliminary, error_text = chunk.output, chunk.preliminary, None
        case c.ToolOutputError():
            state = "output-error"
            output, preliminary, error_text = UNSET, None, chunk.error_text
        case _:
            assert_never(chunk)
    return replace(
        part,
        state=state,
        output=output,
        preliminary=preliminary,
        error_text=error_text,
        provider_executed=_or(chunk.provider_executed, part.provider_executed),
        result_provider_metadata=_or(chunk.provider_metadata, part.result_provider_metadata),
        tool_metadata=_or(chunk.tool_metadata, part.tool_metadata),
    )


def approved(part: m.ToolPart, chunk: c.ToolApprovalResponse) -> m.ToolPart:
    """The part once the user has said yes or no to its call."""
    approval = {**(part.approval or {}), "approved": chunk.approved}
    if chunk.reason is not None:
        approval["reason"] = chunk.reason
    return replace(
        part,
        state="approval-responded",
        approval=approval,
        provider_executed=_or(chunk.provider_executed, part.provider_executed),
        call_provider_metadata=_or(chunk.provider_metadata, part.call_provider_metadata),
    )


def _question(chunk: c.ToolApprovalRequest) -> m.JSON:
    given = {
        "id": chunk.approval_id,
        "descriptor": UNSET if chunk.approval_descriptor is None else chunk.approval_descriptor,
        "inputSchemaInput": chunk.input_schema_input,
        "requestReason": UNSET if chunk.reason is None else chunk.reason,
        "isAutomatic": True if chunk.is_automatic else UNSET,
        "signature": UNSET if chunk.signature is None else chunk.signature,
    }
    return {name: value for name, value in given.items() if value is not UNSET}


def _or(value: _T | None, otherwise: _T | None) -> _T | None:
    return otherwise if value is None else value
