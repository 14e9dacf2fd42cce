"""Tools of MCP servers. This package alone knows the official `mcp`, and its HTTP client.

    files = MCPServer("python", "server.py")
    docs = MCPServer("https://host/mcp", headers={"Authorization": "Bearer …"})
    chat = Chat("trip", tools=[*files.tools, *docs.tools])

A server validates the arguments of a call itself.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping
from typing import Self
from urllib.parse import urlsplit

from chatkit.errors import ConfigError

try:
    from mcp import Client  # noqa: F401
except ImportError as error:  # it is not there, or is mcp 1
    needed = "MCP servers need mcp, 2 or later: install chatkit with its extra 'mcp'"
    raise ConfigError(needed) from error

from chatkit.mcp.connection import Connection
from chatkit.mcp.places import Address, Command, Place
from chatkit.mcp.translation import tools_of
from chatkit.tools.functions import Approve

__all__ = ["MCPServer"]


class MCPServer:
    """An MCP server that is open, and its `tools`, as they were when it was opened.

    It is closed by `close`, at the end of a `with`, when the cell that made it makes one again,
    when neither it nor its tools are held any more, and with this process.
    """

    def __init__(
        self,
        server: str,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        prefix: str = "",
        only: Iterable[str] | None = None,
        approve: Approve = False,
        timeout: float = 60.0,
    ) -> None:
        """Start a server by its command, or reach one at its URL, and ask for its tools.

        env: variables that it gets beside PATH, HOME and a few more. cwd: where it runs.
        headers: sent with each request to a URL. prefix: goes before the name of each tool.
        only: the names of the tools to take, as the server has them. approve: ask before one
        runs; a function of the arguments decides case by case. timeout: seconds to open it,
        and for each call. Raises ConfigError and ConnectionFailed.
        """
        place = _place(server, arguments, env=env, cwd=cwd, headers=headers)
        self._connection = Connection(place, timeout)
        try:
            self.tools = tools_of(self._connection, prefix=prefix, only=only, approve=approve)
        except ConfigError:
            self.close()
            raise

    def close(self) -> None:
        """End the session, and the process where it is one of ours. Its tools fail from now on."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = ", ".join(tool.name for tool in self.tools) or "no tools"
        state = "closed" if self._connection.is_closed else names
        return f"<MCPServer {self._connection.name!r}: {state}>"


def _place(
    server: str,
    arguments: tuple[str, ...],
    *,
    env: Mapping[str, str] | None,
    cwd: str | os.PathLike[str] | None,
    headers: Mapping[str, str] | None,
) -> Place:
    if server.lower().startswith(("http://", "https://")):
        if arguments or env or cwd:
            raise ConfigError("an MCP server at a URL takes headers, and no arguments, env or cwd")
        _check_url(server)
        return Address(server, dict(headers or {}))
    if headers:
        raise ConfigError("only an MCP server at a URL takes headers: give a command its env")
    command = [server, *arguments] if arguments else _split(server)
    return Command(command, dict(env or {}), cwd)


def _check_url(url: str) -> None:
    try:
        urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"{url!r} is no URL: {error}") from error


def _split(line: str) -> list[str]:
    try:
        words = shlex.split(line, posix=os.name == "posix")
    except ValueError as error:
        raise ConfigError(f"{line!r} is no command ({error}): give it word by word") from error
    if not words:
        raise ConfigError("an MCP server is a command or a URL, not an empty text")
    return words
