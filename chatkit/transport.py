"""The only module that knows httpx: a request -> the bytes of its answer, or a refusal.

What httpx or a client like it raises becomes chatkit's own error here. Only what failed before
the answer began is tried again: after that the request has been paid for. A body has limits, of
silence, time and size, that no answer comes near.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import os
import random
import sys
import time
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from chatkit.errors import ConnectionFailed, ProviderError, RateLimited, StreamCut
from chatkit.limits import LONGEST_WAIT, Gate, Limits, held_back
from chatkit.providers import Model, WireRequest
from chatkit.providers.refusals import in_words, request_id

if TYPE_CHECKING:
    import httpx

Report = Callable[[str], None]
log = logging.getLogger("chatkit.http")

TRIES = 3
CONNECT_TIMEOUT = 10.0
KEPT = 30.0  # seconds that a connection is kept for another answer
READ_TIMEOUT = 600.0  # a model may think for minutes
LONGEST_ANSWER = 4 * 3600.0  # seconds; pings alone would keep a stream alive for ever
LARGEST_BODY = 64 << 20  # bytes; 100,000 tokens have some 20 MB
LARGEST_LINE = 32 << 20  # bytes; an image comes in one
_LOOPBACK = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_REFUSAL_BYTES = 65_536
_REFUSAL_TIMEOUT = 10.0  # seconds for the words of a refusal
_BROKEN = frozenset(("RemoteProtocolError", "ReadError", "WriteError", "CloseError"))


class Transport:
    """The connections of a loop, kept for the streams to come.

    Each stream has a client to itself: httpx looks through all connections of a client whenever
    a request begins or ends, which with two hundred of them takes longer than a short answer.
    """

    def __init__(self) -> None:
        self._idle: defaultdict[str, deque[_Idle]] = defaultdict(deque)  # by host, last used last
        self._ssl: Any = None  # reading the certificates takes longer than all the rest
        self._limits = Limits()

    @asynccontextmanager
    async def open(
        self, model: Model, request: WireRequest, report: Report
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Send, and yield the body's bytes as they come; leaving closes the connection.

        `report` is told before each wait. Raises ProviderError, ConnectionFailed, and StreamCut
        out of the block where the body breaks off, falls silent or has no end.
        """
        host = urlsplit(request.url).netloc
        key = request.headers.get(model.endpoint.key_header, "")
        client = model.client or self._taken(host)
        try:
            gate = self._limits.gate(host, key)
            response = await _answer(client, gate, model, request, report)
            try:
                async with aclosing(_body(client, model, response)) as body:
                    yield body
            except _errors(client) as error:
                raise _broken_off(model, error) from error
            finally:
                await response.aclose()
        finally:
            if client is not model.client:
                await self._keep(host, client)

    async def aclose(self) -> None:
        """Close what is kept. A client of the user's own stays as it is."""
        await self._close_idle(since=math.inf)

    def _taken(self, host: str) -> httpx.AsyncClient:
        """A client for one stream; its connection, if there is one kept, is to this host."""
        return self._idle[host].pop().client if self._idle[host] else self._made()

    async def _keep(self, host: str, client: httpx.AsyncClient) -> None:
        now = time.monotonic()
        self._idle[host].append(_Idle(client, now))
        await self._close_idle(since=now - KEPT)

    async def _close_idle(self, *, since: float) -> None:
        for idle in list(self._idle.values()):
            while idle and idle[0].since < since:
                await idle.popleft().client.aclose()

    def _made(self) -> httpx.AsyncClient:
        import httpx

        self._ssl = self._ssl or httpx.create_ssl_context()
        return httpx.AsyncClient(
            verify=self._ssl,
            limits=httpx.Limits(max_connections=None, keepalive_expiry=KEPT),
            headers={"user-agent": "chatkit"},
            mounts=dict.fromkeys(_LOOPBACK),  # a proxy cannot reach this machine's servers
            follow_redirects=False,  # the key would go along
        )


class _Idle(NamedTuple):
    """A client that nobody uses, and since when."""

    client: httpx.AsyncClient
    since: float


async def _answer(
    client: Any, gate: Gate, model: Model, request: WireRequest, report: Report
) -> Any:
    """The response once it has begun, after as many tries as it deserves."""

    def limited(wait: str) -> None:
        report(f"Rate limited by {model.provider}; sending in {wait}")

    for tried in range(1, TRIES + 1):
        await gate.passed(limited)
        try:
            return await _try(client, gate, model, request, report)
        except (ProviderError, ConnectionFailed) as error:
            wait = _wait(error, tried)
            log.debug("try %d of %d failed: %s", tried, TRIES, error)
            if wait is None:
                raise
            reason = _reason(error, model)
        if wait:
            report(f"{reason}; trying again in {in_words(wait)} ({tried + 1} of {TRIES})")
            await asyncio.sleep(wait)
    raise AssertionError("the last try returns or raises")


async def _try(client: Any, gate: Gate, model: Model, request: WireRequest, report: Report) -> Any:
    url = request.url
    if url.startswith("local:"):
        from chatkit import local  # subprocesses and hashes are not needed before

        address = await local.address(model.name, report)
        url = address + url.removeprefix("local:")
    began = time.monotonic()
    try:
        response = await client.send(_built(client, model, request, url), stream=True)
    except _errors(client) as error:
        raise _unreachable(model, url, error) from error
    _note(request.method, url, response, time.monotonic() - began)
    gate.close(held_back(response.headers))
    if 200 <= response.status_code < 300:
        return response
    refused = await _refusal(client, model, response, response.aiter_bytes())
    if refused.retryable:
        gate.close(refused.retry_after)
    raise refused


def _note(method: str, url: str, response: Any, seconds: float) -> None:
    if log.isEnabledFor(logging.DEBUG):
        id = request_id(response.headers) or "no request id"
        log.debug("%s %s: %d in %.2f s (%s)", method, url, response.status_code, seconds, id)


def _built(client: Any, model: Model, request: WireRequest, url: str) -> Any:
    silence = model.timeout or READ_TIMEOUT
    return client.build_request(
        request.method,
        url,
        headers={"accept-encoding": "identity", **request.headers},  # compression buffers
        content=json.dumps(request.body).encode() if request.body else None,
        timeout=(CONNECT_TIMEOUT, silence, silence, None),  # to connect, read, write, be let in
    )


async def _body(client: Any, model: Model, response: Any) -> AsyncGenerator[bytes, None]:
    """The pieces of a body. Raises ProviderError for a web page, StreamCut at a limit."""
    encoding = response.headers.get("content-encoding", "identity")
    pieces = response.aiter_raw() if encoding == "identity" else response.aiter_bytes()
    size = line = 0
    clock = time.monotonic
    waited, asked = 0.0, clock()
    async with aclosing(pieces):
        async for piece in pieces:
            waited += clock() - asked  # a reader may take its time
            if not size and piece.lstrip().startswith(b"<"):  # a page, of a proxy or a portal
                raise await _refusal(client, model, response, pieces, piece)
            end = piece.rfind(b"\n") + 1
            line = len(piece) - end if end else line + len(piece)
            size += len(piece)
            yield piece
            if line > LARGEST_LINE or size > LARGEST_BODY or waited > LONGEST_ANSWER:
                over = _exceeded(size, line)
                raise StreamCut(f"{model.provider} {over}; it was left there, what came is kept")
            asked = clock()


def _exceeded(size: int, line: int) -> str:
    """The limit that an answer has passed, in words."""
    if line > LARGEST_LINE:
        return f"sent a line of more than {LARGEST_LINE >> 20} MB"
    if size > LARGEST_BODY:
        return f"sent more than {LARGEST_BODY >> 20} MB"
    return f"came to no end in {in_words(LONGEST_ANSWER)}"


async def _refusal(
    client: Any, model: Model, response: Any, pieces: AsyncIterator[bytes], body: bytes = b""
) -> ProviderError:
    """What the server says instead of an answer: `body` and the rest of its pieces."""
    try:
        async with asyncio.timeout(_REFUSAL_TIMEOUT):
            async for piece in pieces:
                body += piece
                if len(body) > _REFUSAL_BYTES:
                    break
    except (TimeoutError, _errors(client)):
        pass  # the words that came are all there are
    finally:
        await response.aclose()
    return model.refusal(response.status_code, response.headers, body[:_REFUSAL_BYTES])


def _wait(error: ProviderError | ConnectionFailed, tried: int) -> float | None:
    """Seconds before the next try, None where there is none."""
    if tried == TRIES or not error.retryable:
        return None
    if tried == 1 and _kinds(error.__cause__) & _BROKEN:
        return 0.0  # it was a kept connection, most likely, that the server had closed
    asked = error.retry_after if isinstance(error, ProviderError) else None
    if asked:
        return asked if asked <= LONGEST_WAIT else None
    backoff: float = min(8.0, 0.5 * 2 ** (tried - 1))
    return backoff * random.uniform(0.75, 1.0)


def _reason(error: ProviderError | ConnectionFailed, model: Model) -> str:
    if isinstance(error, RateLimited):
        return f"Rate limited by {model.provider}"
    if isinstance(error, ProviderError):
        return f"{model.provider} failed ({error.status})"
    return f"No connection to {model.provider}"


def _unreachable(model: Model, url: str, error: Exception) -> ConnectionFailed:
    parts = urlsplit(url)
    place = f"{parts.hostname}:{parts.port}" if parts.port else f"{parts.hostname}"
    kinds, words = _kinds(error), _words(error)
    is_unsafe = "certificate" in words.lower() or "ssl" in words.lower()
    if "ReadTimeout" in kinds:
        told = f"{place} took the request and then said nothing for {_silence(model)}."
    elif is_unsafe:
        told = f"no safe connection to {place}: {words}. If a proxy of your own network is in"
        told += " between, pass client=httpx.AsyncClient(verify=…)."
    elif kinds & _BROKEN:
        told = f"{place} closed the connection before it answered: {words}"
    else:
        told = f"cannot reach {place}: {words}. Is it running, and is base_url right?"
    failed = ConnectionFailed(f"{model.id}: {told}")
    # a silent one may be at work on the answer; a certificate gets no better
    failed.retryable = not (is_unsafe or "ReadTimeout" in kinds)
    return failed


def _broken_off(model: Model, error: Exception) -> StreamCut:
    if "ReadTimeout" in _kinds(error):
        return StreamCut(
            f"{model.provider} has said nothing for {_silence(model)}; what came is kept"
        )
    return StreamCut(f"{model.provider} broke off: {_words(error)}")


def _silence(model: Model) -> str:
    return in_words(model.timeout or READ_TIMEOUT)


def _errors(client: Any) -> type[Exception]:
    """What this client raises when a request fails: httpx's, or of a library like it."""
    for cls in type(client).__mro__:
        library = sys.modules.get(cls.__module__.partition(".")[0])
        error = getattr(library, "RequestError", None)
        if isinstance(error, type) and issubclass(error, Exception):
            return error
    import httpx

    return httpx.RequestError


def _kinds(error: BaseException | None) -> set[str]:
    """The names of its classes, which httpx and its continuations share."""
    return {cls.__name__ for cls in type(error).__mro__}


def _words(error: Exception) -> str:
    """What happened: the operating system's words where the library's own say nothing."""
    kinds = _kinds(error)
    if str(error) and "ConnectError" not in kinds:
        return str(error)
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
        if isinstance(cause, BaseExceptionGroup):  # one for each address of the host
            cause = cause.exceptions[0]
    if isinstance(cause, ConnectionError) and cause.errno:
        return os.strerror(cause.errno)
    said = getattr(cause, "strerror", None) or str(cause or error)
    return said or (
        "it took too long" if "TimeoutException" in kinds else "the connection was lost"
    )
