"""A chat provider on loopback: Chat Completions over real TCP, one script a request.

    with Provider() as provider:
        answer = provider.answer("three short words", gated=True)
        ...  # a client posts to provider.url + "/chat/completions"
        answer.release(2)  # two more tokens may leave
        answer.open()  # and all the rest

Without a script a request is answered with "Answer to: " and its last user message.
`python -m tests.servers` serves in a process of its own, which `Remote(address)` scripts.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import re
import socket
import socketserver
import threading
import urllib.request
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

Json = dict[str, Any]
Gate = asyncio.Semaphore  # tokens that may go; lives on the provider's loop


# Of this process, and none that the system gives to whoever asks for any: a kernel chooses its
# ports some time before it listens there.
_begin = 12_000 + 3_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_ports = itertools.cycle(range(_begin, _begin + 3_000))


def listener(port: int = 0) -> socket.socket:
    """What listens at this port of loopback, by default at one that is free."""
    for each in (port,) if port else _ports:
        try:
            return socket.create_server(("127.0.0.1", each))
        except OSError:
            if port:
                raise
    raise AssertionError  # they go round


def free_port() -> int:
    """A port that nobody listens at."""
    with listener() as server:
        port: int = server.getsockname()[1]
        return port


def listen(server: socketserver.TCPServer) -> None:
    """Let a server that was made with `bind_and_activate=False` listen at such a port."""
    server.socket.close()
    server.socket = listener()
    server.server_address = server.socket.getsockname()


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names in lower case, the body parsed."""

    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Script:
    """What one request gets. A token is a piece of text, or a whole `delta` of the dialect."""

    tokens: Sequence[str | Json] | None = None  # None: echo the last user message
    delay: float = 0.0  # seconds before each token
    gated: bool = False  # each token, and then the ending, waits for a release
    finish_reason: str = "stop"
    usage: Json | None = None  # None: made up from the number of tokens
    error: Json | None = None  # sent inside the stream, in place of an ending
    cut: bool = False  # the body ends without finish reason and [DONE]
    drop: bool = False  # the connection closes in the middle of the body
    hold: bool = False  # the whole answer comes, and then the connection stays open
    flood: bool = False  # tokens for ever, as fast as the client takes them
    replay: str = ""  # a file with the bytes of a whole body
    cut_every: int = 0  # replay in pieces of so many bytes; 0: in one
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None  # of a refusal


class Scripted:
    """The words that script a provider, whether it is in a thread or in another process."""

    def answer(self, text: str = "", *, tokens: Sequence[str | Json] = (), **more: Any) -> Answer:
        """Answer one request with `text` word by word, or with `tokens`; `more`: see `Script`."""
        return self._script(Script(tokens=tuple(tokens) or words(text), **more))

    def refuse(self, status: int, body: str | Json, **headers: str) -> Answer:
        """Refuse one request; `retry_after="1"` sends the header `retry-after: 1`."""
        text = body if isinstance(body, str) else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._script(Script(status=status, body=text, headers=names))

    def replay(self, path: str | Path, *, cut_every: int = 0) -> Answer:
        """Answer one request with the bytes of a recorded body."""
        return self._script(Script(replay=str(path), cut_every=cut_every))

    def flood(self) -> Answer:
        """Answer one request with tokens until the client leaves."""
        return self._script(Script(flood=True))

    def _script(self, script: Script) -> Answer:
        raise NotImplementedError


@dataclass(frozen=True)
class Answer:
    """The handle of one scripted answer that is gated."""

    release_tokens: Callable[[int], object]

    def release(self, count: int = 1) -> None:
        """Let `count` more tokens go; the ending counts as one."""
        self.release_tokens(count)

    def open(self) -> None:
        """Let all the rest go."""
        self.release_tokens(100_000)


class Provider(Scripted):
    """The provider, on a loop in a thread of its own."""

    def __init__(self, *, port: int = 0) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.answered = 0  # answers that went out whole
        self.disconnects = 0  # answers whose client left before their end
        self.bytes_taken = 0  # body bytes that the socket has accepted
        self.stalled = 0  # answers whose client does not read: the socket takes no more
        self.address = ""
        self._tasks: set[asyncio.Future[None]] = set()
        self._port = port
        self._queue: deque[tuple[Script, Gate]] = deque()
        self._gates: list[Gate] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.until(lambda: bool(self.address))
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"{self.address}/v1"

    def until(self, happened: Callable[[], bool], *, timeout: float = 30) -> None:
        """Wait for what only the provider sees: a request, bytes taken, a client that left."""
        with self._changed:
            assert self._changed.wait_for(happened, timeout), f"not in {timeout} s: {self.seen()}"

    def seen(self) -> Json:
        """Everything that happened so far, as JSON."""
        counts = ("connections", "answered", "disconnects", "bytes_taken", "stalled")
        requests = [asdict(request) for request in self.requests]
        return {name: getattr(self, name) for name in counts} | {"requests": requests}

    def _script(self, script: Script) -> Answer:
        gate = Gate(0)
        self._gates.append(gate)
        self._queue.append((script, gate))
        return Answer(lambda count: self._loop.call_soon_threadsafe(_let_go, gate, count))

    async def _serve(self) -> None:
        self._loop, self._closing = asyncio.get_running_loop(), asyncio.Event()
        listening = listener(self._port)
        server = await asyncio.start_server(self._connected, sock=listening)
        self.address = "http://{}:{}".format(*server.sockets[0].getsockname())
        self._count()
        await self._closing.wait()
        server.close()

    def _count(self, **more: int) -> None:
        with self._changed:
            for name, value in more.items():
                setattr(self, name, getattr(self, name) + value)
            self._changed.notify_all()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count(connections=1)
        self._tasks.add(asyncio.ensure_future(self._converse(reader, writer)))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # drained means: the socket took it
        coming = asyncio.ensure_future(_read_request(reader))
        try:
            while request := await coming:
                answering = asyncio.ensure_future(self._respond(request, writer))
                coming = asyncio.ensure_future(_read_request(reader))  # None: the client left
                coming.add_done_callback(partial(_cancel, answering))
                [outcome] = await asyncio.gather(answering, return_exceptions=True)
                if isinstance(outcome, asyncio.CancelledError | ConnectionError):
                    self._count(disconnects=1)
                elif outcome:
                    raise outcome
        finally:
            writer.close()

    async def _respond(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.startswith("/_"):
            reply = json.dumps(self._controlled(request.path, request.body))
            return await self._send(writer, Script(body=reply), Gate(0), request)
        script, gate = self._queue.popleft() if self._queue else (Script(), Gate(0))
        self.requests.append(request)
        self._count()
        await self._send(writer, script, gate, request)
        self._count(answered=1)

    async def _send(
        self,
        writer: asyncio.StreamWriter,
        script: Script,
        gate: Gate,
        request: Request,
    ) -> None:
        writer.write(_head(script))
        if script.status == 204:  # which has no body
            return await writer.drain()
        for waits, piece in _pieces(script, request):
            if waits and script.gated:
                await gate.acquire()
            if waits:
                await asyncio.sleep(script.delay)
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if writer.transport.get_write_buffer_size():
                self._count(stalled=1)
                try:
                    await writer.drain()
                finally:
                    self._count(stalled=-1)
            self._count(bytes_taken=len(piece))
        if script.drop:
            return writer.close()
        if script.hold:
            await gate.acquire()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _controlled(self, path: str, body: Any) -> Json:
        match path, body:
            case "/_script", dict(fields):
                self._script(Script(**fields))
                return {"number": len(self._gates) - 1}
            case "/_release", {"number": int(number), "count": int(count)}:
                _let_go(self._gates[number], count)
        return self.seen()


class Remote(Scripted):
    """A provider in another process, scripted over its own port."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.url = f"{address}/v1"

    def seen(self) -> Json:
        """Everything that happened so far, as JSON."""
        return self._post("/_seen", {})

    def _script(self, script: Script) -> Answer:
        number = self._post("/_script", asdict(script))["number"]
        return Answer(lambda count: self._post("/_release", {"number": number, "count": count}))

    def _post(self, path: str, body: Json) -> Json:
        with urllib.request.urlopen(self.address + path, json.dumps(body).encode()) as response:
            seen: Json = json.load(response)
            return seen


def words(text: str) -> tuple[str, ...]:
    """The text in tokens: each word with the space after it."""
    return tuple(re.findall(r"\S+\s*|\s+", text))


def _pieces(script: Script, request: Request) -> Iterator[tuple[bool, bytes]]:
    """Yield the pieces of a body, each with whether it waits for delay and gate."""
    if script.body is not None:
        yield False, script.body.encode()
    elif script.replay:
        wire = Path(script.replay).read_bytes()
        size = script.cut_every or len(wire)
        yield from ((True, wire[at : at + size]) for at in range(0, len(wire), size))
    else:
        yield from _completion(script, request.body)


def _completion(script: Script, asked: Json) -> Iterator[tuple[bool, bytes]]:
    def event(delta: Json, finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return data({"choices": [choice]})

    def data(more: Json) -> bytes:
        fields = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": asked["model"]}
        return b"data: %b\n\n" % json.dumps(fields | more).encode()

    yield False, event({"role": "assistant", "content": ""})
    tokens = words(_echo(asked)) if script.tokens is None else script.tokens
    for token in itertools.repeat("flood ") if script.flood else tokens:
        yield True, event({"content": token} if isinstance(token, str) else token)
    if script.error:
        yield True, data({"error": script.error})
    elif script.cut or script.drop:
        yield True, b": the last that comes\n\n"
    else:
        usage = {"prompt_tokens": 10, "completion_tokens": len(tokens)}
        usage["total_tokens"] = sum(usage.values())
        yield True, event({}, script.finish_reason)
        yield False, data({"choices": [], "usage": script.usage or usage}) + b"data: [DONE]\n\n"


def _echo(asked: Json) -> str:
    content = [each["content"] for each in asked["messages"] if each["role"] == "user"][-1]
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    return f"Answer to: {text}"


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    """The next request of a connection, None once the client has left."""
    try:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
        headers = {name.lower(): value for name, _, value in (at.partition(": ") for at in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    return Request(first.split()[1], headers, json.loads(body) if body else None)


def _let_go(gate: Gate, count: int) -> None:
    for _ in range(count):
        gate.release()


def _cancel(answering: asyncio.Future[None], _: object) -> None:
    answering.cancel()


def _head(script: Script) -> bytes:
    kind = "text/event-stream" if script.body is None else "application/json"
    headers = {"content-type": kind, "transfer-encoding": "chunked"} | script.headers
    if script.status == 204:
        headers = script.headers
    lines = [f"HTTP/1.1 {script.status} Scripted", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--port", type=int, default=0)
    with Provider(port=options.parse_args().port) as provider:
        print(provider.address, flush=True)
        threading.Event().wait()
