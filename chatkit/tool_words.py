"""The words that bring a tool call from one state to another: the reverse of `tool_parts`."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import UNSET
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.tool_parts import CUT_OFF, Answer, Call, answered, approved, called

_Word = Call | Answer | c.ToolApprovalResponse


def of(part: m.ToolPart) -> list[c.Chunk]:
    """The chunks that make this call of nothing."""
    found = between(None, part, is_last=True, may_call=True)
    return found or [_call(part), *_asked(part), *_last(part)]  # a state that none come to


def between(
    old: m.ToolPart | None, new: m.ToolPart, *, is_last: bool, may_call: bool
) -> list[c.Chunk] | None:
    """The fewest chunks that make the one of the other; None where none do.

    Chunks name a call by its id. `is_last`: no later call has it too; `may_call`: the call is of
    the step that is written now, where another chunk of the call is not another call.
    """
    is_typed = new.state == "input-streaming" and isinstance(new.raw_input, str)
    deltas = [c.ToolInputDelta(new.tool_call_id, new.raw_input)] if is_typed else []
    known = None if old is None else replace(old, raw_input=UNSET)
    wanted = replace(new, raw_input=UNSET)
    if old is not None and known == wanted and is_last and (more := _typed(old, new)) is not None:
        return [c.ToolInputDelta(new.tool_call_id, more)] if old != new else []
    for way in _ways(old, new):
        calls = any(isinstance(word, Call) for word in way)
        answers = any(not isinstance(word, c.ToolApprovalResponse) for word in way)
        if (may_call or not calls) and (is_last or not answers) and _made(known, way) == wanted:
            return [*way, *deltas]
    return None


def _typed(old: m.ToolPart, new: m.ToolPart) -> str | None:
    """How the text of the input goes on; None where it does not."""
    before = "" if old.raw_input is UNSET else old.raw_input
    if isinstance(new.raw_input, str) and isinstance(before, str):
        return new.raw_input.removeprefix(before) if new.raw_input.startswith(before) else None
    return "" if new.raw_input == old.raw_input else None


def _ways(old: m.ToolPart | None, new: m.ToolPart) -> Iterator[list[_Word]]:
    """How a call may have come to where it is, the shortest way first."""
    call, asked, said, last = _call(new), _asked(new), _said(new), _last(new)
    yield last
    yield [*asked[1:], *last]
    yield [*asked, *last]
    if old is not None and old.state == "input-streaming":
        yield [_failed(new)]  # no call is shown that was never whole
    yield [call, *last]
    yield [call, *asked, *last]
    yield [call, *said, *asked, *last]


def _made(part: m.ToolPart | None, way: list[_Word]) -> m.ToolPart | None:
    for word in way:
        if isinstance(word, Call):
            part = called(word, part)
        elif part is None:
            return None
        elif isinstance(word, c.ToolApprovalResponse):
            part = approved(part, word)
        else:
            part = answered(part, word)
    return part


def _call(part: m.ToolPart) -> c.ToolInputAvailable:
    return c.ToolInputAvailable(
        part.tool_call_id,
        part.tool_name,
        part.input,
        part.provider_executed,
        part.dynamic or None,
        part.title,
        part.call_provider_metadata,
        part.tool_metadata,
    )


def _begun(part: m.ToolPart) -> c.ToolInputStart:
    return c.ToolInputStart(
        part.tool_call_id,
        part.tool_name,
        part.input_encoding,
        part.provider_executed,
        part.dynamic or None,
        part.title,
        part.call_provider_metadata,
        part.tool_metadata,
    )


def _failed(part: m.ToolPart) -> c.ToolInputError:
    return c.ToolInputError(
        part.tool_call_id,
        part.tool_name,
        part.error_text or "",
        part.input,
        part.provider_executed,
        part.dynamic or None,
        part.title,
        part.result_provider_metadata,
        part.tool_metadata,
    )


def _asked(part: m.ToolPart) -> list[_Word]:
    """The question whether the call may be run, and what was said to it."""
    told = part.approval
    if told is None or not isinstance(told.get("id"), str):
        return []
    asked = c.ToolApprovalRequest(
        told["id"],
        part.tool_call_id,
        told.get("descriptor", UNSET),
        told.get("inputSchemaInput", UNSET),
        told.get("requestReason"),
        told.get("isAutomatic"),
        told.get("signature"),
    )
    if not isinstance(told.get("approved"), bool):
        return [asked]
    return [asked, c.ToolApprovalResponse(told["id"], told["approved"], told.get("reason"))]


def _said(part: m.ToolPart) -> list[_Word]:
    """What came of the call."""
    id, told = part.tool_call_id, part.result_provider_metadata
    if part.error_text is not None:
        return [c.ToolOutputError(id, part.error_text, provider_metadata=told)]
    return [c.ToolOutputAvailable(id, part.output, part.preliminary, provider_metadata=told)]


def _last(part: m.ToolPart) -> list[_Word]:
    """The word that brings a call into the state it is in."""
    match part.state:
        case "input-streaming":
            return [_begun(part)]
        case "input-available":
            return [_call(part)]
        case "output-available" | "output-error":
            return _said(part)
        case "output-denied":
            return [c.ToolOutputDenied(part.tool_call_id)]
        case _:
            return []


def is_ahead(old: m.ToolPart, new: m.ToolPart) -> bool:
    """Whether the call has come at least as far."""
    stage = _stage(new)
    text = _input_text(new) if stage == 0 else _input_text(old)
    is_same = old.tool_call_id == new.tool_call_id
    return is_same and stage >= _stage(old) and text.startswith(_input_text(old))


def _stage(part: m.ToolPart) -> int:
    """How far a call has come: being written, whole, answered."""
    if part.state == "input-streaming" or part.error_text == CUT_OFF:
        return 0
    return 1 if part.state in m.OPEN else 2


def _input_text(part: m.ToolPart) -> str:
    """The text of an input that is not whole."""
    if _stage(part) > 0:
        return ""
    text = part.raw_input if part.state == "input-streaming" else part.input
    return text if isinstance(text, str) else ""
