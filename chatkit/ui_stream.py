"""An answer as the AI SDK's UI message stream: the bytes that a `useChat` front end reads.

The SDK's reader is strict where chatkit's is lenient: it ends with an error at a delta whose part
never began, or an output of a call it never saw. Such chunks are put right here or left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Protocol

import msgspec
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit.messages import Message, ToolPart

HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache",
    "connection": "keep-alive",
    "x-vercel-ai-ui-message-stream": "v1",
    "x-accel-buffering": "no",  # nginx would hold it back
}
_DONE = b"data: [DONE]\n\n"
_NEEDED = {  # what may be anything, but may not be missing
    "tool-input-available": "input",
    "tool-input-error": "input",
    "tool-output-available": "output",
}


class Answer(Protocol):
    """What is read of an answer: its chunks from the first on, and then how it ended."""

    @property
    def message(self) -> Message: ...
    @property
    def error(self) -> Exception | None: ...
    def __iter__(self) -> Iterator[c.Chunk]: ...
    def __aiter__(self) -> AsyncIterator[c.Chunk]: ...


class UIStream:
    """The stream of one answer, from its start and then as it goes on: `for` and `async for`.

    A reader that leaves changes nothing for the answer; one that nobody reads waits, unless it
    was told to `consume`.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    @property
    def headers(self) -> dict[str, str]:
        """The headers to send it with."""
        return dict(HEADERS)

    def __iter__(self) -> Iterator[bytes]:
        strict = _Strict()
        yield _events(self._start())
        for chunk in self._answer:
            if events := _events(strict.take(chunk)):
                yield events
        yield self._end(strict)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        strict = _Strict()
        yield _events(self._start())
        async for chunk in self._answer:
            if events := _events(strict.take(chunk)):
                yield events
        yield self._end(strict)

    def _start(self) -> list[c.Chunk]:
        return [c.Start(message_id=self._answer.message.id)]

    def _end(self, strict: _Strict) -> bytes:
        message = self._answer.message
        return _events([*strict.end(message), *_ending(message, self._answer.error)]) + _DONE


def _ending(message: Message, error: Exception | None) -> list[c.Chunk]:
    """How it ended, and all that is known of it."""
    metadata = message.to_json()["metadata"]
    if message.status == "complete":
        finish = {"type": "finish", "messageMetadata": metadata}
        known = c.from_json({**finish, "finishReason": metadata.get("finishReason")})
        return [known] if known is not None else []
    told = c.MessageMetadata(metadata)
    if error is not None or message.status == "error":
        return [told, c.Error(str(error or "the answer failed"))]
    return [told, c.Abort(message.status)]


def _events(chunks: Iterable[c.Chunk]) -> bytes:
    return b"".join(map(_event, chunks))


def _event(chunk: c.Chunk) -> bytes:
    value = c.to_json(chunk)
    if needed := _NEEDED.get(value["type"]):
        value.setdefault(needed, None)
    return b"data: %b\n\n" % msgspec.json.encode(value)


class _Strict:
    """What has begun so far, as far as the next chunk must know."""

    def __init__(self) -> None:
        self._open: dict[tuple[type[c.Chunk], str], None] = {}  # by what ends it; in order
        self._calls: set[str] = set()
        self._before: set[str] = set()  # the calls before this step
        self._approvals: dict[str, str] = {}  # the calls they are of
        self._sources: list[c.Chunk] = []

    def take(self, chunk: c.Chunk) -> Iterator[c.Chunk]:
        """The chunk as the AI SDK takes it; none for one that it does not."""
        match chunk:
            case c.Start() | c.Finish() | c.Abort() | c.Error():
                return  # how it begins and ends is said once, for what came from a store too
            case c.TextStart():
                self._open[c.TextEnd, chunk.id] = None
            case c.ReasoningStart():
                self._open[c.ReasoningEnd, chunk.id] = None
            case c.TextDelta() if self._begins(c.TextEnd, chunk.id):
                yield c.TextStart(chunk.id)
            case c.ReasoningDelta() if self._begins(c.ReasoningEnd, chunk.id):
                yield c.ReasoningStart(chunk.id)
            case c.TextEnd() | c.ReasoningEnd():
                if not self._ends(type(chunk), chunk.id):
                    return
            case c.SourceUrl() | c.SourceDocument():
                if chunk in self._sources:  # providers repeat their sources
                    return
                self._sources.append(chunk)
            case c.StartStep():
                self._before = set(self._calls)
            case c.ResetStep():
                self._open.clear()
                self._calls = set(self._before)
            case _ if not self._take_call(chunk):
                return
        yield chunk

    def end(self, message: Message) -> Iterator[c.Chunk]:
        """What closes the parts that are still open, as they are in the message that ended."""
        calls = {part.tool_call_id: part for part in message.parts if isinstance(part, ToolPart)}
        for ending, id in self._open:
            if ending is c.TextEnd:
                yield c.TextEnd(id)
            elif ending is c.ReasoningEnd:
                yield c.ReasoningEnd(id)
            elif (part := calls.get(id)) is not None:
                error = c.ToolInputError(id, part.tool_name, part.error_text or "", part.input)
                yield replace(error, dynamic=part.dynamic or None)

    def _take_call(self, chunk: c.Chunk) -> bool:
        """Note what a chunk says of a call; whether the SDK takes it."""
        match chunk:
            case c.ToolInputStart():
                self._open[c.ToolInputAvailable, chunk.tool_call_id] = None
                self._calls.add(chunk.tool_call_id)
            case c.ToolInputDelta():
                return (c.ToolInputAvailable, chunk.tool_call_id) in self._open
            case c.ToolInputAvailable() | c.ToolInputError():
                self._ends(c.ToolInputAvailable, chunk.tool_call_id)
                self._calls.add(chunk.tool_call_id)
            case c.ToolApprovalRequest():
                self._approvals[chunk.approval_id] = chunk.tool_call_id
                return self._answers(chunk.tool_call_id)
            case c.ToolApprovalResponse():
                return self._approvals.get(chunk.approval_id) in self._calls
            case c.ToolOutputAvailable() | c.ToolOutputError() | c.ToolOutputDenied():
                return self._answers(chunk.tool_call_id)
        return True

    def _answers(self, call_id: str) -> bool:
        """Whether there is a call to answer; its input comes no further."""
        self._ends(c.ToolInputAvailable, call_id)
        return call_id in self._calls

    def _begins(self, ending: type[c.Chunk], id: str) -> bool:
        """Open a part that is not open yet."""
        is_new = (ending, id) not in self._open
        self._open[ending, id] = None
        return is_new

    def _ends(self, ending: type[c.Chunk], id: str) -> bool:
        """Close a part; False where none was open."""
        return self._open.pop((ending, id), 0) is None
