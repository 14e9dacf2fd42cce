"""A session with an MCP server: held open on a loop in a thread of its own, used from any thread.

anyio wants what a task has entered to be left by the same one. So each session has a task that
enters it, waits until it is cancelled, and leaves it; calls are tasks beside that.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import threading
import weakref
from contextlib import AsyncExitStack
from typing import Any

import httpx2
from mcp import Client, MCPError, Tool
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, CallToolResult

from chatkit import engine, host
from chatkit.errors import ChatkitError, ConfigError, ConnectionFailed, ToolFailed
from chatkit.mcp.places import Place
from chatkit.progress import progress

EXIT_GRACE = 10.0  # seconds: the package gives a server 2 to end by itself, and 2 by SIGTERM
# What the package raises; its task groups put it into an ExceptionGroup.
FOREIGN = (
    *(MCPError, httpx2.HTTPError, httpx2.InvalidURL),
    *(OSError, ValueError, RuntimeError, ExceptionGroup),
)


class Connection:
    """An open session, closed by `close`, or when nobody holds this object any more.

    Raises ConfigError where the command cannot be started, ConnectionFailed where nobody
    answers in `timeout` seconds, which each call has too.
    """

    def __init__(self, place: Place, timeout: float) -> None:
        self._place, self._timeout = place, timeout
        self._made = host.current().position()
        self._close_earlier()
        self._session = session = _Session(place, timeout)
        self._close = weakref.finalize(self, session.end)
        self._close.atexit = False  # at exit somebody waits for it
        _connections.add(self)
        try:
            with progress(f"Opening the MCP server {place.name!r}"):
                engine.wait(session.opened)
        except KeyboardInterrupt:  # it would be held by the traceback
            self._close()
            raise
        except FOREIGN as error:
            cause = _innermost(error)
            raise self._unreachable(cause) from cause
        info = session.client.server_info
        self.name = info.name if info else place.name  # what the server calls itself

    @property
    def tools(self) -> list[Tool]:
        """The tools that the server has named."""
        return self._session.tools

    @property
    def is_closed(self) -> bool:
        """Whether the session has ended, or is one of the process that forked this one."""
        return self._session.ended.done() or self._session.pid != os.getpid()

    def close(self) -> None:
        """End the session, and wait until its process has ended."""
        self._close()
        if not self.is_closed:
            engine.wait(self._session.ended)

    async def call(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """The result of a tool. Cancelled, it cancels the request at the server.

        Raises ConnectionFailed, and ToolFailed where the server refuses the call.
        """
        if self.is_closed:
            raise self._gone()
        client, loop = self._session.client, self._session.loop
        work = client.call_tool(name, arguments, read_timeout_seconds=self._timeout)
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))
        except FOREIGN as error:
            cause = _innermost(error)
            raise self._failed(name, cause) from cause

    def _close_earlier(self) -> None:
        """Close what an earlier run of this cell has opened: answers hold on to their tools."""
        cell, execution = self._made
        for other in list(_connections) if cell else ():
            if other._made.cell == cell and other._made.execution != execution:
                other.close()

    # -- what went wrong, in words --

    def _unreachable(self, error: BaseException) -> ChatkitError:
        name, advice = self._place.name, self._place.advice()
        match error:
            case TimeoutError():
                return ConnectionFailed(
                    f"the MCP server {name!r} was not ready after {self._timeout:g} s (timeout="
                    f" gives it longer){advice}"
                )
            case OSError(filename=str() as missing):
                return ConfigError(
                    f"the MCP server {name!r} cannot be started, {missing!r}: {error.strerror};"
                    " give a command that is on this kernel's PATH"
                )
        words = str(error) or type(error).__name__
        return ConnectionFailed(f"the MCP server {name!r} cannot be opened: {words}{advice}")

    def _failed(self, tool: str, error: BaseException) -> ChatkitError:
        code = error.code if isinstance(error, MCPError) else None
        if code == CONNECTION_CLOSED:
            return self._gone()
        if code == REQUEST_TIMEOUT:
            return ConnectionFailed(
                f"{tool!r} had no result after {self._timeout:g} s and was cancelled; timeout= of"
                " MCPServer allows longer"
            )
        return ToolFailed(str(error) or type(error).__name__)

    def _gone(self) -> ConnectionFailed:
        how = "has gone" if self._close.alive else "is closed"
        return ConnectionFailed(
            f"the MCP server {self.name!r} {how}: run the cell again that makes it, and the one"
            " that gives its tools to the chat"
        )


class _Session:
    """What lives on the loop. It does not know its Connection, so that this can be let go."""

    client: Client
    tools: list[Tool]

    def __init__(self, place: Place, timeout: float) -> None:
        self.pid = os.getpid()
        self.opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.ended: concurrent.futures.Future[None] = concurrent.futures.Future()
        self.loop = _loop()
        self._place, self._timeout = place, timeout
        self.loop.call_soon_threadsafe(self._start)

    def end(self) -> None:
        """Have the task leave what it has entered."""
        self.loop.call_soon_threadsafe(self._stop)

    def _start(self) -> None:
        _sessions.add(self)
        self._task = self.loop.create_task(self._run())
        self._task.add_done_callback(self._over)

    def _stop(self) -> None:
        if not self._task.cancelling():  # a second time would break off the leaving
            self._task.cancel()

    async def _run(self) -> None:
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(self._timeout):
                self.client = await self._entered(stack)
                self.tools = await _listed(self.client)
            self.opened.set_result(None)
            await asyncio.Event().wait()  # until it is cancelled

    async def _entered(self, stack: AsyncExitStack) -> Client:
        first, second = self._place.clients()
        try:
            return await stack.enter_async_context(first)
        except (MCPError, ExceptionGroup) as refusal:
            if not isinstance(_innermost(refusal), MCPError):
                raise
            try:
                return await stack.enter_async_context(second)
            except FOREIGN:
                raise refusal from None

    def _over(self, task: asyncio.Task[None]) -> None:
        _sessions.discard(self)
        error = None if task.cancelled() else task.exception()
        if not self.opened.done():
            self.opened.set_exception(error or ConnectionFailed("it was closed"))
        self.ended.set_result(None)


async def _listed(client: Client) -> list[Tool]:
    """All pages of its tools."""
    page = await client.list_tools()
    tools = list(page.tools)
    while page.next_cursor is not None:
        page = await client.list_tools(cursor=page.next_cursor)
        tools += page.tools
    return tools


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


# -- the loop of this process --

_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_sessions: set[_Session] = set()
_shared: asyncio.AbstractEventLoop | None = None
_lock = threading.Lock()


def _loop() -> asyncio.AbstractEventLoop:
    global _shared
    with _lock:
        if _shared is None:
            _shared = asyncio.new_event_loop()
            threading.Thread(target=_shared.run_forever, name="chatkit-mcp", daemon=True).start()
            # what the package logs would be printed into a cell; what matters of it is raised
            logging.getLogger("mcp").addHandler(logging.NullHandler())
            atexit.register(_close_all)
        return _shared


def _close_all() -> None:
    """At exit: no server that this process has started outlives it."""
    left = list(_sessions)
    for session in left:
        session.end()
    concurrent.futures.wait([session.ended for session in left], EXIT_GRACE)


def _forget() -> None:
    """In a forked child: the thread and the sessions are its parent's."""
    global _shared, _lock
    _shared, _lock = None, threading.Lock()
    _sessions.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
