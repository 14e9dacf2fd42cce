"""(message, chunks) -> message: the one place where a stream becomes a message.

`Draft` is the fold in progress. It keeps each growing text as a list of pieces that are joined
when somebody looks, so that a long answer costs the same per chunk as a short one. It is
lenient where a stream is odd (a delta whose start was lost opens its part): nothing that
arrived is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

from msgspec import UNSET
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m

_FAILED_CALL = "The answer ended before this call was complete; it was not run."


def reduce(message: m.Message, chunks: Iterable[c.Chunk]) -> m.Message:
    """The message that `chunks` make of `message`."""
    draft = Draft(message)
    for chunk in chunks:
        draft.apply(chunk)
    return draft.message()


def settled(message: m.Message, status: m.Status) -> m.Message:
    """The message as it stands once nothing more can come: no part is left streaming."""
    return message.replace(status=status, parts=tuple(map(_settled_part, message.parts)))


def _settled_part(part: m.Part) -> m.Part:
    match part:
        case m.TextPart(state="streaming") | m.ReasoningPart(state="streaming"):
            return replace(part, state="done")
        case m.ToolPart(state="input-streaming"):
            given = part.raw_input if part.input is UNSET else part.input
            return replace(
                part,
                state="output-error",
                input=None if given is UNSET else given,
                raw_input=UNSET,
                error_text=_FAILED_CALL,
            )
    return part


class _Growing:
    """A text or reasoning part that still grows."""

    __slots__ = ("part", "pieces")

    def __init__(self, part: m.TextPart | m.ReasoningPart) -> None:
        self.part = part
        self.pieces = [part.text] if part.text else []

    def look(self) -> m.TextPart | m.ReasoningPart:
        if len(self.pieces) > 1:
            self.pieces = ["".join(self.pieces)]
        text = self.pieces[0] if self.pieces else ""
        if text is not self.part.text:
            self.part = replace(self.part, text=text)
        return self.part


class Draft:
    """A message in the making: apply chunks to it, look at it at any time."""

    def __init__(self, message: m.Message) -> None:
        self._base = message
        self._metadata = dict(message.metadata)
        self._parts: list[m.Part | _Growing] = list(message.parts)
        self._texts: dict[str, _Growing] = {}  # open parts by their id
        self._reasonings: dict[str, _Growing] = {}
        self._inputs: dict[str, list[str]] = {}  # tool inputs' text by call id

    def message(self) -> m.Message:
        """What has arrived so far, as a value."""
        parts = tuple(p.look() if isinstance(p, _Growing) else p for p in self._parts)
        parts = tuple(self._with_raw_input(part) for part in parts) if self._inputs else parts
        return self._base.replace(parts=parts, metadata=dict(self._metadata))

    def apply(self, chunk: c.Chunk) -> None:
        """Take in one chunk."""
        match chunk:
            case c.TextDelta():
                self._grow(self._texts, chunk)
            case c.ReasoningDelta():
                self._grow(self._reasonings, chunk)
            case c.TextStart() | c.ReasoningStart():
                self._open(chunk)
            case c.TextEnd() | c.ReasoningEnd():
                self._close(chunk)
            case c.ToolInputStart() | c.ToolInputDelta():
                self._tool_input(chunk)
            case c.ToolInputAvailable() | c.ToolInputError():
                self._tool_ready(chunk)
            case c.ToolApprovalRequest() | c.ToolApprovalResponse():
                self._approval(chunk)
            case c.ToolOutputAvailable() | c.ToolOutputError() | c.ToolOutputDenied():
                self._tool_output(chunk)
            case c.SourceUrl():
                self._source(m.SourceUrlPart(*_fields(chunk)))
            case c.SourceDocument():
                self._source(m.SourceDocumentPart(*_fields(chunk)))
            case c.File():
                part = m.FilePart(chunk.media_type, chunk.url)
                self._parts.append(replace(part, provider_metadata=chunk.provider_metadata))
            case c.ReasoningFile():
                self._parts.append(
                    m.ReasoningFilePart(chunk.media_type, chunk.url, chunk.provider_metadata)
                )
            case c.Custom():
                self._parts.append(m.CustomPart(chunk.kind, chunk.provider_metadata))
            case c.SteeringMessage():
                self._parts.append(m.SteeringPart(chunk.id, chunk.parts))
            case c.Data():
                self._data(chunk)
            case c.StartStep():
                self._parts.append(m.StepPart())
            case c.FinishStep():
                self._texts.clear()
                self._reasonings.clear()
            case c.ResetStep():
                del self._parts[self._step() :]
            case c.Start() | c.MessageMetadata() | c.Finish():
                self._describe(chunk)
            case c.Error() | c.Abort():
                pass  # how the stream ended is the producer's to say, not the message's
            case _:
                assert_never(chunk)

    def _grow(self, parts: dict[str, _Growing], chunk: c.TextDelta | c.ReasoningDelta) -> None:
        growing = parts.get(chunk.id)
        if growing is None:
            is_text = isinstance(chunk, c.TextDelta)
            self._open(c.TextStart(chunk.id) if is_text else c.ReasoningStart(chunk.id))
            growing = parts[chunk.id]
        growing.pieces.append(chunk.delta)
        if chunk.provider_metadata is not None:
            growing.part = replace(growing.part, provider_metadata=chunk.provider_metadata)

    def _open(self, chunk: c.TextStart | c.ReasoningStart) -> None:
        if isinstance(chunk, c.TextStart):
            text = m.TextPart("", "streaming", provider_metadata=chunk.provider_metadata)
            growing = self._texts[chunk.id] = _Growing(text)
        else:
            thought = m.ReasoningPart("", chunk.id, "streaming", chunk.provider_metadata)
            growing = self._reasonings[chunk.id] = _Growing(thought)
        self._parts.append(growing)

    def _close(self, chunk: c.TextEnd | c.ReasoningEnd) -> None:
        is_text = isinstance(chunk, c.TextEnd)
        growing = (self._texts if is_text else self._reasonings).pop(chunk.id, None)
        if growing is None:
            return
        part = replace(growing.look(), state="done")
        if chunk.provider_metadata is not None:
            part = replace(part, provider_metadata=chunk.provider_metadata)
        if isinstance(chunk, c.TextEnd) and isinstance(part, m.TextPart) and chunk.citations:
            part = replace(part, citations=chunk.citations)
        self._parts[self._parts.index(growing)] = part

    def _tool_input(self, chunk: c.ToolInputStart | c.ToolInputDelta) -> None:
        if isinstance(chunk, c.ToolInputDelta):
            self._inputs.setdefault(chunk.tool_call_id, []).append(chunk.input_text_delta)
            return
        self._inputs[chunk.tool_call_id] = []
        self._put(self._call(chunk, state="input-streaming", encoding=chunk.input_encoding))

    def _tool_ready(self, chunk: c.ToolInputAvailable | c.ToolInputError) -> None:
        self._inputs.pop(chunk.tool_call_id, None)
        if isinstance(chunk, c.ToolInputAvailable):
            self._put(self._call(chunk, state="input-available", input=chunk.input))
        else:
            failed = self._call(chunk, state="output-error", input=chunk.input)
            self._put(replace(failed, error_text=chunk.error_text))

    def _call(
        self,
        chunk: c.ToolInputStart | c.ToolInputAvailable | c.ToolInputError,
        *,
        state: m.ToolState,
        input: Any = UNSET,
        encoding: str | None = None,
    ) -> m.ToolPart:
        """The part of this call, with what `chunk` says and keeping what it does not repeat."""
        found = self._find(chunk.tool_call_id)
        known = found or m.ToolPart(chunk.tool_name, chunk.tool_call_id, state)
        executed = chunk.provider_executed
        return replace(
            known,
            tool_name=chunk.tool_name,
            state=state,
            input=input,
            raw_input=UNSET,
            input_encoding=encoding,
            provider_executed=known.provider_executed if executed is None else executed,
            title=chunk.title or known.title,
            dynamic=bool(chunk.dynamic) if found is None else known.dynamic,
            tool_metadata=chunk.tool_metadata or known.tool_metadata,
            call_provider_metadata=chunk.provider_metadata or known.call_provider_metadata,
        )

    def _approval(self, chunk: c.ToolApprovalRequest | c.ToolApprovalResponse) -> None:
        if isinstance(chunk, c.ToolApprovalRequest):
            part = self._find(chunk.tool_call_id)
            if part is not None:
                self._put(replace(part, state="approval-requested", approval=_request(chunk)))
            return
        for part in self._tools():
            if part.approval is not None and part.approval.get("id") == chunk.approval_id:
                answer = {**part.approval, "approved": chunk.approved}
                if chunk.reason is not None:
                    answer["reason"] = chunk.reason
                self._put(replace(part, state="approval-responded", approval=answer))

    def _tool_output(
        self, chunk: c.ToolOutputAvailable | c.ToolOutputError | c.ToolOutputDenied
    ) -> None:
        part = self._find(chunk.tool_call_id)
        if part is None:
            return
        if isinstance(chunk, c.ToolOutputDenied):
            self._put(replace(part, state="output-denied"))
            return
        executed = chunk.provider_executed
        part = replace(
            part,
            provider_executed=part.provider_executed if executed is None else executed,
            result_provider_metadata=chunk.provider_metadata or part.result_provider_metadata,
            tool_metadata=chunk.tool_metadata or part.tool_metadata,
        )
        if isinstance(chunk, c.ToolOutputAvailable):
            preliminary = chunk.preliminary
            part = replace(
                part, state="output-available", output=chunk.output, preliminary=preliminary
            )
        else:
            part = replace(part, state="output-error", error_text=chunk.error_text)
        self._put(part)

    def _source(self, part: m.SourceUrlPart | m.SourceDocumentPart) -> None:
        if part not in self._parts:  # providers repeat their sources
            self._parts.append(part)

    def _data(self, chunk: c.Data) -> None:
        if chunk.transient:
            return
        part = m.DataPart(chunk.name, chunk.data, chunk.id)
        for place, known in enumerate(self._parts):
            if isinstance(known, m.DataPart) and chunk.id is not None:
                if (known.name, known.id) == (chunk.name, chunk.id):
                    self._parts[place] = part
                    return
        self._parts.append(part)

    def _describe(self, chunk: c.Start | c.MessageMetadata | c.Finish) -> None:
        if isinstance(chunk, c.Finish) and chunk.finish_reason is not None:
            self._metadata["finishReason"] = chunk.finish_reason
        if chunk.message_metadata:
            self._metadata = _merged(self._metadata, chunk.message_metadata)

    def _with_raw_input(self, part: m.Part) -> m.Part:
        if isinstance(part, m.ToolPart) and part.state == "input-streaming":
            pieces = self._inputs.get(part.tool_call_id)
            return replace(part, raw_input="".join(pieces)) if pieces else part
        return part

    def _tools(self) -> list[m.ToolPart]:
        return [part for part in self._parts if isinstance(part, m.ToolPart)]

    def _find(self, call_id: str) -> m.ToolPart | None:
        found = [part for part in self._tools() if part.tool_call_id == call_id]
        return found[-1] if found else None

    def _put(self, part: m.ToolPart) -> None:
        """Replace the part of the same call, or add it."""
        for place in range(len(self._parts) - 1, -1, -1):
            known = self._parts[place]
            if isinstance(known, m.ToolPart) and known.tool_call_id == part.tool_call_id:
                self._parts[place] = part
                return
        self._parts.append(part)

    def _step(self) -> int:
        """Where the parts of the current step begin."""
        places = [i for i, part in enumerate(self._parts) if isinstance(part, m.StepPart)]
        return places[-1] + 1 if places else 0


def _request(chunk: c.ToolApprovalRequest) -> m.JSON:
    given = {
        "id": chunk.approval_id,
        "descriptor": chunk.approval_descriptor,
        "inputSchemaInput": chunk.input_schema_input,
        "requestReason": UNSET if chunk.reason is None else chunk.reason,
        "isAutomatic": True if chunk.is_automatic else UNSET,
        "signature": UNSET if chunk.signature is None else chunk.signature,
    }
    return {name: value for name, value in given.items() if value is not UNSET}


def _fields(chunk: c.SourceUrl | c.SourceDocument) -> tuple[Any, ...]:
    return tuple(getattr(chunk, name) for name in chunk.__struct_fields__)


def _merged(base: m.JSON, changes: m.JSON) -> m.JSON:
    """Objects merged deeply, as the AI SDK merges message metadata."""
    result = dict(base)
    for name, value in changes.items():
        known = result.get(name)
        if isinstance(known, dict) and isinstance(value, dict):
            value = _merged(known, value)
        result[name] = value
    return result
