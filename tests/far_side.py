"""A provider that writes answers on when nobody reads them, on loopback: OpenAI's Responses and
Gemini's Interactions, with the events of recordings.

    with FarSide() as far_side:
        answer = far_side.answer(recorded_case)
        answer.write(3)  # three events are there
        answer.cuts = [2]  # the first connection ends after two of them
        answer.finish()
        assert far_side.asked == ["POST /v1/responses", "GET /v1/responses/resp_1?stream=true"]
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

from tests.recorded import Case
from tests.servers import Request, _read_request, listener

Json = dict[str, Any]
Refusal = tuple[int, Json]
TOO_OLD: Refusal = (
    400,
    {"error": {"message": "Response can no longer be streamed because it is more than 5 minutes"}},
)
UNKNOWN: Refusal = (404, {"error": {"message": "Response with id 'x' not found."}})


class Answer:
    """One answer as the far side has it: how far it is written, and what its readers get."""

    def __init__(self, events: list[bytes], whole: Json, changed: Callable[[], None]) -> None:
        self.events = events
        self.whole = whole  # as one object, once it is written
        self.written = 0  # events
        self.cuts: list[int] = []  # after how many events each connection ends that reads it
        self.resets = False  # a cut is a reset of the connection, not a clean end
        self.refusal: Refusal | None = None  # of who wants to read it again
        self.unknown: Refusal | None = None  # of who asks for it at all
        self.status = "in_progress"  # until it is written
        self.readers = 0
        self._changed = changed

    @property
    def id(self) -> str:
        return str(self.whole["id"])

    def write(self, count: int) -> None:
        """So many more events are there."""
        self.written = min(len(self.events), self.written + count)
        self._changed()

    def finish(self) -> None:
        """All of it is there."""
        self.write(len(self.events))

    @property
    def now(self) -> Json:
        """How it stands, as one object."""
        if self.written == len(self.events):
            return self.whole
        return {"id": self.id, "object": self.whole["object"], "status": self.status, "output": []}


class FarSide:
    """The provider, on a loop in a thread of its own."""

    def __init__(self) -> None:
        self.asked: list[str] = []  # method and address of each request
        self.bodies: list[Json] = []  # of those that asked for an answer
        self.sent = 0  # events, to all who read
        self.answers: dict[str, Answer] = {}  # by id, once they were asked for
        self._next: deque[Answer] = deque()
        self._seen = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self.address = ""
        self._changed = asyncio.Event()  # is set when anything has changed, and then another

    def __enter__(self) -> Self:
        self._thread.start()
        self.until(lambda: bool(self.address))
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def answer(self, case: Case | bytes, *, written: int | None = None) -> Answer:
        """The next request gets this one; `written`: only so many events are there yet."""
        events = events_of(case if isinstance(case, bytes) else case.wire)
        answer = Answer(events, whole_of(events), self._change)
        answer.written = len(events) if written is None else written
        self._next.append(answer)
        return answer

    def until(self, happened: Callable[[], bool], *, timeout: float = 20) -> None:
        """Wait for what only the far side sees."""
        with self._seen:
            assert self._seen.wait_for(happened, timeout), f"not in {timeout} s: {self.asked}"

    def _change(self) -> None:
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
        with self._seen:
            self._seen.notify_all()

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._converse, sock=listener())
        self.address = "http://{}:{}".format(*server.sockets[0].getsockname())
        self._wake()
        await self._closing.wait()
        server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if request := await _read_request(reader):
                await self._respond(request, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass  # who asked has left
        finally:
            writer.close()

    async def _respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path, _, asked = request.path.partition("?")
        if request.body is not None:
            self._note(f"POST {request.path}", request.body)
            answer = self._next.popleft()
            self.answers[answer.id] = answer
            return await self._stream(answer, writer)
        if path.endswith("/cancel"):
            self._note(f"POST {request.path}")
            answer = self.answers[path.split("/")[-2]]
            answer.status = "in_progress" if answer.unknown else "cancelled"
            return await _send(writer, *(answer.unknown or (200, answer.now)))
        self._note(f"GET {request.path}")
        answer = self.answers[path.split("/")[-1]]
        refusal = answer.unknown or (answer.refusal if "stream" in asked else None)
        if refusal is not None:
            await _send(writer, *refusal)
        elif "stream" in asked:
            await self._stream(answer, writer)
        else:
            await _send(writer, 200, answer.now)

    def _note(self, what: str, body: Json | None = None) -> None:
        self.asked.append(what)
        self.bodies += [body] if body else []
        self._wake()

    async def _stream(self, answer: Answer, writer: asyncio.StreamWriter) -> None:
        """All that is written of it, and what is being written, to its end or to a cut."""
        cut = answer.cuts.pop(0) if answer.cuts else len(answer.events)
        answer.readers += 1
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
        writer.write(b"connection: close\r\n" + b"content-length: 999999\r\n" * answer.resets)
        writer.write(b"\r\n")
        for place in range(cut):
            while answer.written <= place:
                await self._changed.wait()
            writer.write(answer.events[place])
            await writer.drain()
            self.sent += 1
        self._wake()


async def _send(writer: asyncio.StreamWriter, status: int, value: Json) -> None:
    body = json.dumps(value, indent=2).encode()  # as OpenAI writes it
    writer.write(
        b"HTTP/1.1 %d Said\r\ncontent-type: application/json\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%b" % (status, len(body), body)
    )
    await writer.drain()


# -- what a recording says --


def events_of(wire: bytes) -> list[bytes]:
    """The events of a stream, each with the blank line after it."""
    return [event + b"\n\n" for event in wire.replace(b"\r\n", b"\n").split(b"\n\n") if event]


def told_by(events: list[bytes]) -> Iterator[Json]:
    """What each event says."""
    for event in events:
        data = b"".join(line[5:] for line in event.splitlines() if line.startswith(b"data:"))
        if data.strip().startswith(b"{"):
            yield json.loads(data)


def whole_of(events: list[bytes]) -> Json:
    """The answer as one object, as its provider gives it when it is asked for."""
    told = list(told_by(events))
    if "event_type" not in told[0]:
        ends: list[Json] = [each["response"] for each in told if "response" in each]
        return {**ends[-1], "object": "response"}
    steps: dict[int, Json] = {}
    for each in told:
        match each:
            case {"event_type": "step.start", "index": index, "step": dict(step)}:
                steps[index] = dict(step)
            case {"event_type": "step.delta", "index": index, "delta": dict(delta)}:
                _extend(steps[index], delta)
    [end] = [each["interaction"] for each in told if each["event_type"].endswith("completed")]
    return {**end, "steps": list(steps.values())}


def _extend(step: Json, delta: Json) -> None:
    match delta:
        case {"type": "text", "text": text}:
            content = step.setdefault("content", [{"type": "text", "text": ""}])
            content[-1]["text"] += text
        case {"type": "thought_summary", "content": {"text": text}}:
            step.setdefault("summary", [{"type": "text", "text": ""}])[-1]["text"] += text
        case {"type": "thought_signature", "signature": signature}:
            step["signature"] = signature or step.get("signature", "")
        case {"type": "arguments_delta", "arguments": arguments}:
            step["arguments"] = json.loads(arguments)
