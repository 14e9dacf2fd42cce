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
from chatkit import tool_parts
from chatkit.rest import open_id, place_of, rest

_TextChunk = c.TextDelta | c.TextEnd | c.ReasoningDelta | c.ReasoningEnd


def reduce(message: m.Message, chunks: Iterable[c.Chunk]) -> m.Message:
    """The message that `chunks` make of `message`."""
    draft = Draft(message)
    for chunk in chunks:
        draft.apply(chunk)
    return draft.message()


def settled(message: m.Message, status: m.Status) -> m.Message:
    """The message as it stands once nothing more can come: no part is left streaming."""
    return message.replace(status=status, parts=tuple(map(_settled_part, message.parts)))


def unfold(message: m.Message) -> list[c.Chunk]:
    """Chunks that make this message again: how an answer from disk is replayed."""
    return rest(message.replace(parts=()), message)


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
                input_encoding=None,
                raw_input=UNSET,
                error_text=tool_parts.CUT_OFF,
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
        text = m.mended(self.pieces[0]) if self.pieces else ""
        if text is not self.part.text:
            self.part = replace(self.part, text=text)
        return self.part


class Draft:
    """A message in the making: apply chunks to it, look at it at any time."""

    def __init__(self, message: m.Message) -> None:
        self._base = message
        self._metadata = dict(message.metadata)
        self._parts: list[m.Part | _Growing] = [_without_raw_input(p) for p in message.parts]
        self._texts: dict[str, _Growing] = {}  # open parts by their id
        self._reasonings: dict[str, _Growing] = {}
        self._inputs = _raw_inputs(message)  # the texts of tool inputs by call id
        for place, part in enumerate(message.parts):
            if isinstance(part, m.TextPart | m.ReasoningPart) and part.state == "streaming":
                self._take_up(part, place)

    def message(self) -> m.Message:
        """What has arrived so far, as a value."""
        parts = tuple(p.look() if isinstance(p, _Growing) else p for p in self._parts)
        parts = tuple(self._with_raw_input(part) for part in parts) if self._inputs else parts
        return self._base.replace(parts=parts, metadata=dict(self._metadata))

    @property
    def ids(self) -> dict[int, str]:
        """Under which id each open text goes on, by its place."""
        texts = [*self._texts.items(), *self._reasonings.items()]
        ids: dict[object, str] = {growing: id for id, growing in reversed(texts)}
        parts = enumerate(self._parts)
        return {place: ids[p] for place, p in parts if isinstance(p, _Growing) and p in ids}

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
            case c.ToolInputDelta():
                self._inputs.setdefault(chunk.tool_call_id, []).append(chunk.input_text_delta)
            case c.ToolInputStart() | c.ToolInputAvailable() | c.ToolInputError():
                self._call(chunk)
            case c.ToolApprovalRequest() | c.ToolOutputDenied():
                self._answer(chunk)
            case c.ToolOutputAvailable() | c.ToolOutputError():
                self._answer(chunk)
            case c.ToolApprovalResponse():
                self._approve(chunk)
            case c.SourceUrl():
                self._source(m.SourceUrlPart(*_fields(chunk)))
            case c.SourceDocument():
                self._source(m.SourceDocumentPart(*_fields(chunk)))
            case c.File():
                part = m.FilePart(
                    chunk.media_type, chunk.url, provider_metadata=chunk.provider_metadata
                )
                self._parts.append(part)
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
                pass  # a part may go on in the next step, where streams are merged into one
            case c.ResetStep():
                self._reset_step()
            case c.Start() | c.MessageMetadata() | c.Finish():
                self._describe(chunk)
            case c.Error() | c.Abort():
                pass  # how the stream ended is the producer's to say, not the message's
            case _:
                assert_never(chunk)

    def _grow(self, parts: dict[str, _Growing], chunk: c.TextDelta | c.ReasoningDelta) -> None:
        growing = parts.get(chunk.id) or self._placed(parts, chunk)
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
        parts = self._texts if isinstance(chunk, c.TextEnd) else self._reasonings
        growing = parts.get(chunk.id) or self._placed(parts, chunk)
        if growing is None:
            return
        for id in [id for id, each in parts.items() if each is growing]:
            del parts[id]
        part = replace(growing.look(), state="done")
        if chunk.provider_metadata is not None:
            part = replace(part, provider_metadata=chunk.provider_metadata)
        if isinstance(chunk, c.TextEnd) and isinstance(part, m.TextPart) and chunk.citations:
            part = replace(part, citations=chunk.citations)
        self._parts[self._parts.index(growing)] = part

    def _take_up(self, part: m.TextPart | m.ReasoningPart, place: int) -> _Growing:
        growing = self._parts[place] = _Growing(replace(part, state="streaming"))
        parts = self._texts if isinstance(part, m.TextPart) else self._reasonings
        parts[open_id(part, place)] = growing
        return growing

    def _placed(self, parts: dict[str, _Growing], chunk: _TextChunk) -> _Growing | None:
        """The part whose place the id says, as `rest` does: it grows on, or again."""
        place = place_of(chunk.id)
        if place is None or place >= len(self._parts):
            return None
        part = self._parts[place]
        whole = part.part if isinstance(part, _Growing) else part
        if not isinstance(whole, m.TextPart | m.ReasoningPart):
            return None
        if isinstance(whole, m.TextPart) != (parts is self._texts):
            return None
        growing = part if isinstance(part, _Growing) else self._take_up(whole, place)
        parts[chunk.id] = growing
        return growing

    def _reset_step(self) -> None:
        del self._parts[self._step() :]
        self._texts.clear()
        self._reasonings.clear()

    def _call(self, chunk: tool_parts.Call) -> None:
        self._inputs.pop(chunk.tool_call_id, None)
        found = self._find(chunk.tool_call_id, since=self._step())  # ids come again in later steps
        if found is None:
            self._parts.append(tool_parts.called(chunk))
        else:
            place, known = found
            self._parts[place] = tool_parts.called(chunk, known)

    def _answer(self, chunk: tool_parts.Answer) -> None:
        found = self._find(chunk.tool_call_id)
        if found is not None:  # an answer whose call was lost belongs to no tool
            place, known = found
            self._parts[place] = tool_parts.answered(known, chunk)

    def _approve(self, chunk: c.ToolApprovalResponse) -> None:
        for place, part in enumerate(self._parts):
            if isinstance(part, m.ToolPart) and part.approval is not None:
                if part.approval.get("id") == chunk.approval_id:
                    self._parts[place] = tool_parts.approved(part, chunk)

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
            return replace(part, raw_input=m.mended("".join(pieces))) if pieces else part
        return part

    def _find(self, call_id: str, *, since: int = 0) -> tuple[int, m.ToolPart] | None:
        """The last part of this call, and where it is."""
        for place in range(len(self._parts) - 1, since - 1, -1):
            part = self._parts[place]
            if isinstance(part, m.ToolPart) and part.tool_call_id == call_id:
                return place, part
        return None

    def _step(self) -> int:
        """Where the parts of the current step begin."""
        places = [i for i, part in enumerate(self._parts) if isinstance(part, m.StepPart)]
        return places[-1] + 1 if places else 0


def _without_raw_input(part: m.Part) -> m.Part:
    """While an input grows its text is kept beside its part."""
    return replace(part, raw_input=UNSET) if _raw_input(part) is not None else part


def _raw_inputs(message: m.Message) -> dict[str, list[str]]:
    calls = (part for part in message.parts if isinstance(part, m.ToolPart))
    found = ((call.tool_call_id, _raw_input(call)) for call in calls)
    return {id: [text] for id, text in found if text is not None}


def _raw_input(part: m.Part) -> str | None:
    """The text of an input that still grows."""
    if isinstance(part, m.ToolPart) and part.state == "input-streaming":
        return part.raw_input if isinstance(part.raw_input, str) else None
    return None


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
