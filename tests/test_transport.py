"""Requests over real sockets: what is sent, what is tried again, and how it fails."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import httpx
import pytest

from chatkit import local, transport
from chatkit.errors import (
    AuthError,
    ChatkitError,
    ConnectionFailed,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
    StreamCut,
    TooLarge,
)
from chatkit.messages import as_messages
from chatkit.providers import Model, WireRequest, get_model
from chatkit.transport import Transport
from tests.recorded import missing, refusals
from tests.servers import Provider, listener

KEY = "sk-very-secret"
HELLO = as_messages("Hello")
BODY = b'data: {"choices": [{"delta": {"content": "Hi"}}]}\n\ndata: [DONE]\n\n'
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off takes no time worth noticing; what a server asks for is waited for."""
    monkeypatch.setattr(random, "uniform", lambda *_: 0.001)


def model_at(url: str, **more: Any) -> Model:
    return get_model("acme/m", base_url=url, api_key=KEY, **more)


def request_of(model: Model) -> WireRequest:
    return model.request(HELLO, {})


async def read(model: Model, *, said: list[str] | None = None) -> bytes:
    """The whole body of one answer."""
    own = Transport()
    report = (said if said is not None else []).append
    try:
        async with own.open(model, request_of(model), report) as body:
            return b"".join([piece async for piece in body])
    finally:
        await own.aclose()


def fails(model: Model, kind: type[ChatkitError]) -> ChatkitError:
    """How asking fails; the key is in no line of it."""
    with pytest.raises(kind) as caught:
        asyncio.run(read(model))
    lines = traceback.format_exception(caught.value)
    assert KEY not in "".join(lines)
    return caught.value


@asynccontextmanager
async def serving(serve: Serve, **more: Any) -> AsyncIterator[str]:
    """A server on loopback that does only what `serve` does to each connection."""
    at_work: list[asyncio.Task[None]] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        at_work.append(asyncio.create_task(connection(reader, writer)))

    server = await asyncio.start_server(connected, sock=listener(), **more)
    host, port = server.sockets[0].getsockname()
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        server.close()
        for task in at_work:
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)
        await asyncio.sleep(0)  # closed sockets leave the loop


async def take_request(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    [length] = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    await reader.readexactly(int(length.split(b":")[1]))


def answer(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer of a known length."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


# -- what is sent --


def test_the_request_arrives_as_it_was_made_and_the_body_comes_as_it_was_sent(
    provider: Provider,
) -> None:
    provider.answer("Hello to you.")
    model = model_at(provider.url)
    body = asyncio.run(read(model))
    [seen] = provider.requests
    assert seen.path == "/v1/chat/completions"
    assert seen.body == request_of(model).body
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["accept"] == "text/event-stream"
    assert len(body) == provider.bytes_taken
    assert body.endswith(b"data: [DONE]\n\n")


def test_connections_are_kept_and_not_limited_in_number(provider: Provider) -> None:
    gates = [provider.answer("x", gated=True) for _ in range(110)]

    async def many() -> None:
        own = Transport()
        model = model_at(provider.url)

        async def one() -> None:
            async with own.open(model, request_of(model), print) as body:
                async for _ in body:
                    pass

        tasks = [asyncio.create_task(one()) for _ in gates]
        await asyncio.to_thread(provider.until, lambda: len(provider.requests) == len(gates))
        for gate in gates:
            gate.open()
        await asyncio.gather(*tasks)
        await one()
        await own.aclose()

    asyncio.run(many())
    assert provider.connections == len(gates)


def test_a_connection_is_kept_for_its_host_and_not_for_ever(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = 0
        while not reader.at_eof():
            with suppress(asyncio.IncompleteReadError):
                await take_request(reader)
                asked += 1
                writer.write(answer(BODY))
        closed.append(asked)

    async def both() -> None:
        async with serving(serve) as url:
            own, model, other = Transport(), model_at(url), model_at(provider.url)

            async def ask(*models: Model) -> None:
                for each in models:
                    async with own.open(each, request_of(each), print) as body:
                        async for _ in body:
                            pass

            await asyncio.gather(ask(model), ask(model))
            await ask(other, model, other, model)
            assert (provider.connections, closed) == (1, [])
            monkeypatch.setattr(transport, "KEPT", 0.0)
            await ask(other)
            async with asyncio.timeout(10):
                while len(closed) < 2:
                    await asyncio.sleep(0.01)
            await own.aclose()

    asyncio.run(both())
    assert sorted(closed) == [1, 3], "the one that was used last is used again"


def test_the_embedded_models_address_is_filled_in(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def address(name: str, report: Callable[[str], None]) -> str:
        report(f"Starting {name}")
        return provider.url

    monkeypatch.setattr(local, "address", address)
    said: list[str] = []
    assert b"[DONE]" in asyncio.run(read(get_model("local/smollm2"), said=said))
    assert provider.requests[0].path == "/v1/chat/completions"
    assert said == ["Starting smollm2"]


def test_a_client_of_ones_own_is_used_and_left_open(provider: Provider) -> None:
    async def twice() -> None:
        async with httpx.AsyncClient(headers={"x-mine": "yes"}) as client:
            model = model_at(provider.url, client=client)
            await read(model)
            await read(model)
            assert not client.is_closed

    asyncio.run(twice())
    assert [request.headers["x-mine"] for request in provider.requests] == ["yes", "yes"]


def test_httpx_is_not_imported_before_something_is_sent() -> None:
    code = "import sys; from chatkit.transport import Transport; Transport(); print(*sys.modules)"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not {"httpx", "httpcore", "h11"} & set(result.stdout.split())


def test_a_body_compressed_against_our_wish_is_read_all_the_same() -> None:
    async def compressed() -> bytes:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await take_request(reader)
            writer.write(answer(gzip.compress(BODY), content_encoding="gzip"))

        async with serving(serve) as url:
            return await read(model_at(url))

    assert asyncio.run(compressed()) == BODY


def test_a_reader_that_stops_reading_stops_the_provider(provider: Provider) -> None:
    provider.flood()

    async def idle() -> None:
        model, own = model_at(provider.url), Transport()
        async with own.open(model, request_of(model), print) as body:
            await anext(aiter(body))
            await asyncio.to_thread(provider.until, lambda: provider.stalled == 1)
        await own.aclose()

    asyncio.run(idle())
    assert provider.bytes_taken < 20_000_000
    provider.until(lambda: provider.disconnects == 1)


# -- what is tried again --


def test_a_rate_limit_is_waited_for_and_said(provider: Provider) -> None:
    provider.refuse(429, {"error": {"message": "Slow down."}}, retry_after="0.2")
    provider.refuse(503, "busy")
    said: list[str] = []
    assert b"[DONE]" in asyncio.run(read(model_at(provider.url), said=said))
    assert said == [
        "Rate limited by acme; trying again in 0.2 s (2 of 3)",
        "acme failed (503); trying again in 0.0 s (3 of 3)",
    ]
    assert len(provider.requests) == 3


def test_three_refusals_are_enough(provider: Provider) -> None:
    for _ in range(4):
        provider.refuse(500, {"error": {"message": "Out of order."}})
    assert "Out of order." in str(fails(model_at(provider.url), ServerError))
    assert len(provider.requests) == 3


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (400, {"error": {"message": "No."}}, {}),
        (401, {"error": {"message": "No."}}, {}),
        (404, {"error": {"message": "No."}}, {}),
        (429, {"error": {"message": "No.", "code": "insufficient_quota"}}, {}),
        (503, {"error": {"message": "No."}}, {"x_should_retry": "false"}),
        (429, {"error": {"message": "No."}}, {"retry_after": "121"}),
    ],
)
def test_what_waiting_does_not_mend_is_told_at_once(
    status: int, body: dict[str, Any], headers: dict[str, str], provider: Provider
) -> None:
    provider.refuse(status, body, **headers)
    error = fails(model_at(provider.url), ProviderError)
    assert isinstance(error, ProviderError)
    assert (error.status, len(provider.requests)) == (status, 1)
    assert "No." in str(error)


def test_a_wait_too_long_to_be_waited_for_is_told(provider: Provider) -> None:
    provider.refuse(429, "Slow down.", retry_after="600")
    assert "try again in 10 min" in str(fails(model_at(provider.url), RateLimited))


def test_an_answer_that_has_begun_is_never_asked_for_again(provider: Provider) -> None:
    provider.answer("So far", drop=True)
    error = fails(model_at(provider.url), StreamCut)
    assert "acme broke off" in str(error)
    assert len(provider.requests) == 1


def test_a_kept_connection_that_the_server_had_closed_is_replaced() -> None:
    async def closing() -> tuple[list[bytes], list[str], int]:
        """As llama.cpp does: it promises to keep the connection and closes it."""
        served = 0

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal served
            served += 1
            await take_request(reader)
            writer.write(answer(BODY, connection="keep-alive"))
            await reader.read(1)  # the next request comes and finds nobody

        async with serving(serve) as url:
            own, model, said = Transport(), model_at(url), list[str]()
            bodies = []
            for _ in range(3):
                async with own.open(model, request_of(model), said.append) as body:
                    bodies.append(b"".join([piece async for piece in body]))
            await own.aclose()
            return bodies, said, served

    bodies, said, served = asyncio.run(closing())
    assert bodies == [BODY, BODY, BODY]
    assert said == []
    assert served == 3


def test_a_server_that_hangs_up_on_every_request_is_asked_three_times() -> None:
    asked = 0

    async def hanging_up() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await take_request(reader)

        async with serving(serve) as url:
            await read(model_at(url))

    with pytest.raises(ConnectionFailed, match="closed the connection before it answered"):
        asyncio.run(hanging_up())
    assert asked == 3


# -- how it fails --


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_server_that_is_not_there_is_named_with_the_remedy() -> None:
    port, said = closed_port(), list[str]()
    with pytest.raises(ConnectionFailed) as caught:
        asyncio.run(read(model_at(f"http://127.0.0.1:{port}/v1"), said=said))
    for words in ("acme/m", f"127.0.0.1:{port}", "Connection refused", "running", "base_url"):
        assert words in str(caught.value)
    assert said[0] == "No connection to acme; trying again in 0.0 s (2 of 3)"
    assert len(said) == 2


def test_a_host_that_nobody_knows_is_named() -> None:
    error = fails(model_at("https://nobody.invalid/v1"), ConnectionFailed)
    assert "cannot reach nobody.invalid" in str(error)


def test_a_silent_server_is_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 0.2)
    asked = 0

    async def silent() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal asked
            asked += 1
            await take_request(reader)
            await reader.read()

        async with serving(serve) as url:
            await read(model_at(url))

    with pytest.raises(ConnectionFailed, match="took the request and then said nothing"):
        asyncio.run(silent())
    assert asked == 1


def test_a_stream_that_falls_silent_is_cut(
    monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT", 4.0)
    provider.answer("never released", gated=True)
    assert "has said nothing for 4 s" in str(fails(model_at(provider.url), StreamCut))


def test_only_the_time_that_is_waited_for_counts_towards_the_longest_answer(
    monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    now = [0.0]
    monkeypatch.setattr(transport, "time", SimpleNamespace(monotonic=lambda: now[0]))
    gate = provider.answer("one two three", gated=True)

    async def paused() -> None:
        model, own = model_at(provider.url), Transport()
        async with own.open(model, request_of(model), print) as body:
            await anext(body)
            now[0] += 2 * transport.LONGEST_ANSWER  # a reader may take its time
            gate.release()
            await anext(body)
            gate.release()
            await anext(body)
            waiting = asyncio.ensure_future(anext(body))
            await asyncio.sleep(0)
            now[0] += 2 * transport.LONGEST_ANSWER
            gate.release()
            await waiting
            with pytest.raises(StreamCut, match="came to no end in 240 min"):
                await anext(body)
        await own.aclose()

    asyncio.run(paused())


def test_a_refusal_of_endless_words_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    async def endless() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await take_request(reader)
            writer.write(b"HTTP/1.1 401 No\r\nconnection: close\r\n\r\n")
            while not reader.at_eof():
                writer.write(b"no " * 1_000)
                await writer.drain()

        async with serving(serve) as url:
            await read(model_at(url))

    with pytest.raises(AuthError, match="no no no"):
        asyncio.run(endless())


def test_a_refusal_whose_words_never_come_is_told_without_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transport, "_REFUSAL_TIMEOUT", 0.1)

    async def stalling() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await take_request(reader)
            writer.write(b"HTTP/1.1 404 No\r\ncontent-length: 100\r\n\r\nNot here")
            await reader.read()

        async with serving(serve) as url:
            await read(model_at(url))

    with pytest.raises(NotFound, match="Not here"):
        asyncio.run(stalling())


@pytest.mark.skipif(bool(missing()), reason="\n".join(missing()))
@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("openai-401-key", AuthError, "Incorrect API key provided"),
        ("mistral-401-detail", AuthError, "Invalid API Key"),
        ("gemini-404-model", NotFound, "models/there-is-no-such-model"),
        ("ollama-404-error-is-string", NotFound, "model 'nonexistent-model:latest' not found"),
        ("openai-400-context-length", TooLarge, "exceeds the context window"),
        ("openai-429-insufficient-quota", RateLimited, "check your plan and billing"),
    ],
)
def test_a_recorded_refusal_is_told_in_its_own_words(
    name: str, kind: type[ChatkitError], words: str, provider: Provider
) -> None:
    told = refusals()[name]
    provider.refuse(told["status"], told["body"], **told["headers"])
    assert words in str(fails(model_at(provider.url), kind))
    assert len(provider.requests) == 1


def test_a_redirect_is_not_followed_for_the_key_would_go_along(provider: Provider) -> None:
    async def redirected() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await take_request(reader)
            writer.write(answer(b"", "307 Temporary Redirect", location=provider.url))

        async with serving(serve) as url:
            await read(model_at(url))

    with pytest.raises(ProviderError, match=r"307.*base_url="):
        asyncio.run(redirected())
    assert provider.requests == []


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once() -> None:
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(Path(__file__).with_name("localhost.pem"))
    reached = 0

    async def unsafe() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal reached
            reached += 1

        async with serving(serve, ssl=served) as url:
            said: list[str] = []
            await read(model_at(url.replace("http:", "https:")), said=said)

    with pytest.raises(ConnectionFailed, match=r"no safe connection.*certificate.*verify="):
        asyncio.run(unsafe())
    assert reached == 0


def test_a_server_without_tls_is_no_safe_connection() -> None:
    async def plain() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(answer(b"this is http", "400 Bad Request"))

        async with serving(serve) as url:
            await read(model_at(url.replace("http:", "https:")))

    with pytest.raises(ConnectionFailed, match=r"no safe connection.*SSL"):
        asyncio.run(plain())


def test_errors_of_another_library_like_httpx_are_known_by_its_own_classes() -> None:
    class RequestError(Exception):
        pass

    class ReadError(RequestError):
        pass

    class ConnectTimeout(RequestError):
        pass

    class AsyncClient(httpx.AsyncClient):
        async def send(self, request: httpx.Request, **_: Any) -> Any:
            raise failure

    library = ModuleType("otherhttp")
    library.RequestError = RequestError  # type: ignore[attr-defined]
    AsyncClient.__module__ = "otherhttp.client"
    sys.modules["otherhttp"] = library
    try:
        for failure in (ReadError("gone"), ConnectTimeout("late")):
            error = fails(model_at("http://a.example/v1", client=AsyncClient()), ConnectionFailed)
            assert str(failure) in str(error)
    finally:
        del sys.modules["otherhttp"]


@pytest.mark.parametrize("when", ["before the first byte", "in the middle"])
def test_a_cancelled_reader_closes_the_connection_at_once(when: str, provider: Provider) -> None:
    gate = provider.answer("one two", gated=True)

    async def cancelled() -> None:
        task = asyncio.create_task(read(model_at(provider.url)))
        if when == "in the middle":
            gate.release()
        await asyncio.to_thread(provider.until, lambda: provider.bytes_taken > 0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(cancelled())
    provider.until(lambda: provider.disconnects == 1)


def test_a_wait_can_be_cancelled(provider: Provider) -> None:
    provider.refuse(429, "Slow down.", retry_after="100")
    said: list[str] = []

    async def cancelled() -> None:
        task = asyncio.create_task(read(model_at(provider.url), said=said))
        while not said:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())
    assert len(provider.requests) == 1


@pytest.mark.parametrize("pieces", [0, 1])
def test_leaving_early_closes_the_connection(pieces: int, provider: Provider) -> None:
    provider.answer("one two", gated=True)

    async def leave() -> None:
        model, own = model_at(provider.url), Transport()
        async with own.open(model, request_of(model), print) as body:
            for _ in range(pieces):
                await anext(aiter(body))
        await asyncio.to_thread(provider.until, lambda: provider.disconnects == 1)
        await own.aclose()

    asyncio.run(leave())


def test_a_body_of_any_characters_can_be_sent(provider: Provider) -> None:
    async def odd() -> None:
        own, model = Transport(), model_at(provider.url)
        request = model.request(as_messages("é"), {"extra": {"odd": "\ud83d 你"}})
        async with own.open(model, request, print) as body:
            async for _ in body:
                pass
        await own.aclose()

    asyncio.run(odd())
    assert json.dumps(provider.requests[0].body["messages"][0]["content"])


def test_a_proxy_is_not_asked_for_servers_of_this_machine(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    provider.answer("straight")
    model = model_at(provider.url)
    assert b"straight" in asyncio.run(read(model))
