"""Servers that answer badly, over real sockets: what a user is told, and what is kept."""

from __future__ import annotations

import gzip
import json
import random
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from chatkit import Chat, Reply, conversation, get_model, stream_text, transport
from chatkit.engine import get_engine
from chatkit.errors import (
    AuthError,
    ChatkitError,
    ConfigError,
    ConnectionFailed,
    ProviderError,
    RateLimited,
    ServerError,
    StreamCut,
    StreamFailed,
)
from chatkit.messages import ENDED
from tests.servers import Provider, listen

KEY = "sk-very-secret-key"
Speak = Callable[[socket.socket], object]


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off takes no time worth noticing."""
    monkeypatch.setattr(random, "uniform", lambda *_: 0.001)


@contextmanager
def serving(speak: Speak, *, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on loopback that reads each request and then does only what `speak` does."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            lines = list(iter(self.rfile.readline, b"\r\n"))
            [length] = [line for line in lines if line.lower().startswith(b"content-length")]
            self.rfile.read(int(length.split(b":")[1]))
            with suppress(OSError):  # the client left
                speak(self.connection)

    with socketserver.ThreadingTCPServer(("", 0), Handler, bind_and_activate=False) as server:
        listen(server)
        server.daemon_threads = True
        scheme, port = "http", server.server_address[1]
        if tls is not None:
            scheme, server.socket = "https", tls.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"{scheme}://127.0.0.1:{port}/v1"
        finally:
            server.shutdown()
            thread.join()


def asked(url: str, **more: Any) -> Reply:
    """The answer of that server once it has ended; the key is in nothing that is told of it."""
    model = get_model("acme/m", base_url=url, api_key=KEY, **more)
    reply = stream_text(model, "Hello").wait(60)
    assert reply.status in ENDED
    told = [str(reply.error), repr(reply.error), repr(reply), json.dumps(reply.message.to_json())]
    assert KEY not in "".join(told)
    return reply


def answered(wire: bytes, **more: Any) -> Reply:
    """The answer of a server that sends these bytes and closes the connection."""
    with serving(lambda connection: connection.sendall(wire)) as url:
        return asked(url, **more)


def data(**fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(fields).encode()


def delta(content: str = "", finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": finish_reason}
    return data(choices=[choice])


def http(body: bytes, kind: str = "text/event-stream", status: int = 200, **headers: str) -> bytes:
    """An answer of a known length, `content_encoding="gzip"` a header."""
    named = {"content_type": kind, "content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join([f"HTTP/1.1 {status} Told", *lines, "", ""]).encode() + body


def chunked(*chunks: bytes) -> bytes:
    """The begin of an answer in chunks whose end is not there."""
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)


def error(message: str, **more: Any) -> bytes:
    return json.dumps({"error": {"message": f"{message} (key {KEY})", **more}}).encode()


HELLO = delta("Hello")
STOP = delta(finish_reason="stop")
DONE = b"data: [DONE]\n\n"
ANSWER = HELLO + STOP + DONE
JSON_TYPE = "application/json"
PAGE = f"<html><head><style>b {{}}</style></head>Sign <b>in</b> {KEY} &amp; more</html>".encode()
WHOLE = {
    "id": "r",
    "model": "m",
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


@dataclass(frozen=True)
class Bad:
    """An answer as it is sent, and how it is to end."""

    wire: bytes
    kind: type[ChatkitError]
    words: str
    text: str = ""


BEFORE = {
    "a wrong key": Bad(http(error("Bad key"), JSON_TYPE, 401), AuthError, "Bad key"),
    "overloaded": Bad(
        http(error("Overloaded", type="overloaded_error"), JSON_TYPE, 529),
        ServerError,
        "failed (529): Overloaded",
    ),
    "a limit": Bad(
        http(error("Slow down"), JSON_TYPE, 429, retry_after="3600"), RateLimited, "Slow down"
    ),
    "a filter": Bad(
        http(error("The prompt was filtered", code="content_filter"), JSON_TYPE, 400),
        ProviderError,
        "The prompt was filtered",
    ),
    "a page under 502": Bad(
        http(PAGE, "text/html", 502), ServerError, "(502): Sign in [hidden] & "
    ),
    "a page under 200": Bad(
        http(PAGE, "text/html"),
        ProviderError,
        "a page, not an answer (200): Sign in [hidden] & more",
    ),
    "a page that is called a stream": Bad(http(b"\n" + PAGE), ProviderError, "base_url"),
    "a redirect": Bad(
        http(b"", status=302, location=f"https://other.example/login?key={KEY}"),
        ProviderError,
        "sends on (302) to https://other.example/login. ",
    ),
    "a redirect to nowhere": Bad(http(b"", status=304), ProviderError, "(304)"),
    "another protocol": Bad(b"SSH-2.0-OpenSSH_9.9\r\n", ConnectionFailed, "before it answered"),
    "a head without end": Bad(
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * 200_000, ConnectionFailed, "before it answered"
    ),
}
INSIDE = {
    "an error at once": Bad(http(b"data: " + error("No") + b"\n\n"), StreamFailed, "off: No (key"),
    "an error in the text": Bad(
        http(HELLO + b"data: " + error("Lost") + b"\n\n"), StreamFailed, "off: Lost", "Hello"
    ),
    "an event called error": Bad(
        http(HELLO + b"event: error\ndata: " + error("Overloaded") + b"\n\n"),
        StreamFailed,
        "Overloaded",
        "Hello",
    ),
    "an error after the reason": Bad(
        http(HELLO + STOP + b"data: " + error("Late") + b"\n\n"), StreamFailed, "Late", "Hello"
    ),
    "a bare error in the stream": Bad(
        http(HELLO + json.dumps([json.loads(error("Gone"))], indent=2).encode()),
        StreamFailed,
        "Gone",
        "Hello",
    ),
    "a bare error alone": Bad(http(error("Loading")), StreamFailed, "Loading"),
    "an error under 200": Bad(http(error("Loading"), JSON_TYPE), StreamFailed, "Loading"),
    "FastAPI's under 200": Bad(
        http(json.dumps({"detail": f"No such thing as {KEY}"}).encode(), JSON_TYPE),
        StreamFailed,
        "No such thing as [hidden]",
    ),
    "plain words": Bad(
        http(f"upstream: {KEY} went away".encode(), "text/plain"), StreamFailed, "went away"
    ),
    "a picture": Bad(http(b"\x89PNG\r\n\x1a\n\0\0", "image/png"), StreamFailed, "no stream but"),
}
CUT = {
    "nothing": Bad(http(b""), StreamCut, "ended its stream before its answer"),
    "no content": Bad(b"HTTP/1.1 204 No\r\n\r\n", StreamCut, "ended its stream before its answer"),
    "half an answer": Bad(http(HELLO), StreamCut, "ended its stream before its answer", "Hello"),
    "a length too long": Bad(
        http(HELLO, content_length="5000"), StreamCut, "acme broke off: ", "Hello"
    ),
    "a chunk that is none": Bad(
        chunked(HELLO) + b"zz\r\n", StreamCut, "broke off: illegal chunk", "Hello"
    ),
    "chunks without their end": Bad(chunked(HELLO), StreamCut, "acme broke off: ", "Hello"),
    "an end of HTTP/1.0 in the middle": Bad(
        b"HTTP/1.0 200 OK\r\n\r\n" + HELLO, StreamCut, "before its answer", "Hello"
    ),
    "gzip that is damaged": Bad(
        http(gzip.compress(HELLO)[:10] + b"\xff" * 40, content_encoding="gzip"),
        StreamCut,
        "while decompressing",
    ),
}


@pytest.mark.parametrize("name", [*BEFORE, *INSIDE, *CUT])
def test_a_bad_answer_is_told_in_the_servers_words_and_what_came_is_kept(name: str) -> None:
    bad = (BEFORE | INSIDE | CUT)[name]
    reply = answered(bad.wire)
    assert (type(reply.error), reply.text) == (bad.kind, bad.text)
    assert bad.words in str(reply.error)
    assert reply.status == ("interrupted" if name in CUT else "error")


GOOD = {
    "HTTP/1.0 until it closes": b"HTTP/1.0 200 OK\r\n\r\n" + ANSWER,
    "gzip": http(gzip.compress(ANSWER), content_encoding="gzip"),
    "early hints": b"HTTP/1.1 103 Early\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Go\r\n\r\n"
    + http(ANSWER),
    "no type": b"HTTP/1.1 200 OK\r\n\r\n" + ANSWER,
    "a stream that is called a page": http(ANSWER, "text/html"),
    "a stream that is called JSON": http(ANSWER, JSON_TYPE),
    "a whole answer": http(json.dumps(WHOLE).encode(), JSON_TYPE),
    "a whole answer in lines": http(json.dumps(WHOLE, indent=2).encode(), JSON_TYPE),
    "an error after the end": http(ANSWER + b"data: " + error("Late") + b"\n\n"),
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_odd_and_yet_an_answer_is_taken(name: str) -> None:
    reply = answered(GOOD[name])
    assert (reply.status, reply.text, reply.error) == ("complete", "Hello", None)


@pytest.mark.parametrize("text", ["", "Hello"])
def test_an_answer_that_a_filter_ends_says_so_and_keeps_its_text(text: str) -> None:
    reply = answered(http(delta(text) + delta(finish_reason="content_filter") + DONE))
    assert (reply.status, reply.finish_reason) == ("complete", "content-filter")
    assert reply.text == text


def test_a_connection_that_is_reset_in_the_middle_keeps_what_came() -> None:
    def reset(connection: socket.socket) -> None:
        connection.sendall(chunked(HELLO))
        assert shown.wait(30)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    shown = Event()  # its first text
    with serving(reset) as url:
        reply = stream_text(get_model("acme/m", base_url=url, api_key=KEY), "Hello")
        assert next(iter(reply.deltas()))
        shown.set()
        reply.wait(60)
    assert (reply.status, reply.text) == ("interrupted", "Hello")
    assert str(reply.error) == "acme broke off: Connection reset by peer"


@pytest.mark.parametrize("bad", [INSIDE["an error in the text"], CUT["half an answer"]])
def test_a_chat_keeps_what_came_and_why_it_ended(bad: Bad) -> None:
    with serving(lambda connection: connection.sendall(bad.wire)) as url:
        model = get_model("acme/m", base_url=url, api_key=KEY)
        status = Chat("bad", model=model).send("Hello").wait(60).status
    conversation._conversations.clear()
    kept = Chat("bad", model=model).messages[-1]
    assert (kept.text, kept.status) == ("Hello", status)
    assert bad.words in kept.metadata["error"]["message"]


# -- silence, and no end --


def hello_and_silence(connection: socket.socket) -> None:
    connection.sendall(chunked(HELLO))
    connection.recv(1)  # until the client leaves


def test_a_stream_that_stalls_is_given_up_after_the_time_that_was_asked_for() -> None:
    with serving(hello_and_silence) as url:
        reply = asked(url, timeout=4)
    assert (reply.status, reply.text) == ("interrupted", "Hello")
    assert str(reply.error) == "acme has said nothing for 4 s; what came is kept"


def test_a_server_that_never_begins_is_given_up_with_the_time_it_had() -> None:
    with serving(lambda connection: connection.recv(1)) as url:
        reply = asked(url, timeout=0.3)
    assert (reply.status, type(reply.error)) == ("error", ConnectionFailed)
    assert "took the request and then said nothing for 0.3 s" in str(reply.error)


def test_a_client_of_ones_own_is_given_the_same_time() -> None:
    client = httpx.AsyncClient(timeout=0.01)
    with serving(hello_and_silence) as url:
        reply = asked(url, timeout=4, client=client)
    get_engine().run(client.aclose())
    assert (reply.status, reply.text) == ("interrupted", "Hello")


def test_a_ping_is_a_sign_of_life(provider: Provider) -> None:
    pings: list[str | dict[str, Any]] = ["Hel", *[{"pinged": True}] * 8, "lo"]
    provider.answer(tokens=pings, delay=0.45)
    reply = asked(provider.url, timeout=4)
    assert (reply.status, reply.text) == ("complete", "Hello")


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), "soon"])
def test_a_time_that_is_none_is_refused_before_anything_is_sent(timeout: Any) -> None:
    with pytest.raises(ConfigError, match="timeout is"):
        get_model("acme/m", base_url="https://acme.example/v1", timeout=timeout)


def test_an_answer_of_endless_text_is_left_at_a_limit(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LARGEST_BODY", 1 << 20)
    provider.flood()
    reply = asked(provider.url)
    assert (reply.status, type(reply.error)) == ("interrupted", StreamCut)
    assert "acme sent more than 1 MB" in str(reply.error)
    assert reply.text.startswith("flood flood ")
    provider.until(lambda: provider.disconnects == 1)


def test_a_stream_of_nothing_but_pings_is_left_at_a_limit(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 1_000_000, 1_000))
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    provider.answer(tokens=["Hello", *[{}] * 100], delay=0.01)
    reply = asked(provider.url)
    assert (reply.status, reply.text) == ("interrupted", "Hello")
    assert "acme came to no end in 240 min" in str(reply.error)


CHILD = """
import resource, sys
from chatkit import get_model, stream_text
model = get_model("acme/m", base_url=sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
reply = stream_text(model, "Hello").wait(100)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(reply.status, reply.text, grown, reply.error, sep="|")
"""


def test_a_line_of_100_megabytes_is_left_in_the_middle_and_fills_no_memory() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + HELLO + b'data: {"choices": [{"delta": "')
        for _ in range(1600):
            connection.sendall(b"x" * 65_536)

    with serving(endless) as url:
        command = [sys.executable, "-c", CHILD, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    status, text, grown, told = done.stdout.strip().split("|")
    assert (status, text) == ("interrupted", "Hello")
    assert "acme sent a line of more than 32 MB" in told
    scale = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    assert int(grown) * scale < 200 << 20


# -- TLS --


def certified() -> ssl.SSLContext:
    """A server's context, with a certificate that nobody vouches for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


CERTIFICATE = Path(__file__).with_name("localhost.pem")


def over_tls(host: str, **more: Any) -> Reply:
    with serving(lambda connection: connection.sendall(http(ANSWER)), tls=certified()) as url:
        return asked(url.replace("127.0.0.1", host), **more)


def test_a_certificate_that_nobody_vouches_for_is_refused_with_the_remedy() -> None:
    reply = over_tls("127.0.0.1")
    assert (reply.status, type(reply.error)) == ("error", ConnectionFailed)
    for words in ("no safe connection to 127.0.0.1", "certificate", "verify="):
        assert words in str(reply.error)


def test_the_certificate_of_another_host_is_refused_and_its_own_is_taken() -> None:
    client = httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(CERTIFICATE)))
    mistaken = over_tls("127.1", client=client)
    assert (mistaken.status, type(mistaken.error)) == ("error", ConnectionFailed)
    assert "certificate is not valid for '127.1'" in str(mistaken.error)
    assert over_tls("localhost", client=client).text == "Hello"
    get_engine().run(client.aclose())
