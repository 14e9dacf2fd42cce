"""Where an MCP server is: a command to start, or an address. How each is reached."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO
from urllib.parse import urlsplit

import httpx2
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client

LINES, CHARACTERS = 15, 2_000  # of what a server writes to its standard error, to be shown


class Place(Protocol):
    """Where a server is."""

    @property
    def name(self) -> str:
        """What to call it; it holds no key."""

    def clients(self) -> tuple[Client, Client]:
        """The way to reach it, and the one to try where the server refuses that."""

    def advice(self) -> str:
        """What else it has said and what to do, to follow an error."""


@dataclass
class Command:
    """A server that is started as a child of this process, and spoken to by its pipes."""

    words: list[str]
    env: dict[str, str] = field(repr=False)
    cwd: str | os.PathLike[str] | None
    _errors: Tail | None = None

    @property
    def name(self) -> str:
        return self.words[0]

    def clients(self) -> tuple[Client, Client]:
        # older servers end at a first request that they do not know
        return Client(self._streams()), Client(self._streams(), mode="legacy")

    def advice(self) -> str:
        text = self._errors.text() if self._errors else ""
        return f"\nIts last words:\n{text}" if text else "; run it in a terminal to see why"

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[Any]:
        command, *args = self.words
        cwd = None if self.cwd is None else os.fspath(self.cwd)
        parameters = StdioServerParameters(
            command=command, args=args, env=self.env, cwd=cwd, encoding_error_handler="replace"
        )
        self._errors = Tail()
        with self._errors.file as file:
            async with stdio_client(parameters, errlog=file) as streams:
                yield streams


class Tail:
    """The last lines of what is written to `file`."""

    def __init__(self) -> None:
        source, sink = os.pipe()
        self.file: TextIO = os.fdopen(sink, "w")
        self._lines: deque[str] = deque(maxlen=LINES)
        self._thread = threading.Thread(target=self._read, args=(source,), daemon=True)
        self._thread.start()

    def text(self) -> str:
        """What they say, to the very last where the file is closed."""
        self._thread.join(1)
        return "".join(self._lines).strip()[-CHARACTERS:]

    def _read(self, source: int) -> None:
        with open(source, errors="replace") as pipe:
            self._lines.extend(pipe)  # until its end


@dataclass
class Address:
    """A server that is spoken to by HTTP."""

    url: str = field(repr=False)  # it may hold a key
    headers: dict[str, str] = field(repr=False)
    _refusal: str = ""

    @property
    def name(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def clients(self) -> tuple[Client, Client]:
        # the transport of before March 2025, where the server refuses the one of today
        return Client(self._streams()), Client(sse_client(self.url, self.headers), mode="legacy")

    def advice(self) -> str:
        refusal = self._refusal and f" ({self._refusal})"
        return f"{refusal}; look at its URL, and at headers= where it wants a key"

    @asynccontextmanager
    async def _streams(self) -> AsyncIterator[Any]:
        # a call has its own limit; a stream of news may be silent for ever
        limits = httpx2.Timeout(30, read=None)
        hooks: dict[str, Any] = {"response": [self._note]}
        async with (
            httpx2.AsyncClient(headers=self.headers, timeout=limits, event_hooks=hooks) as client,
            streamable_http_client(self.url, http_client=client) as streams,
        ):
            yield streams

    async def _note(self, response: httpx2.Response) -> None:
        if response.is_error and response.request.method == "POST":
            self._refusal = f"{response.status_code} {response.reason_phrase}"
