"""The tools of an MCP server as chatkit's, and their results as values that a model is given."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Protocol, assert_never

from mcp import Tool as Told
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from chatkit.errors import ConfigError, SchemaMismatch, ToolFailed
from chatkit.schema import Schema
from chatkit.tools import Tool
from chatkit.tools.functions import Approve

JSON = dict[str, Any]
_LONGEST = 64  # characters of a name that every provider takes


class Caller(Protocol):
    """What calls a server's tools."""

    @property
    def tools(self) -> list[Told]: ...

    async def call(self, name: str, arguments: JSON) -> CallToolResult: ...


def tools_of(
    server: Caller, *, prefix: str, only: Iterable[str] | None, approve: Approve
) -> list[Tool]:
    """The server's tools. Raises ConfigError where one of `only` is not there."""
    told = {tool.name: tool for tool in server.tools}
    wanted = list(told) if only is None else list(only)
    if missing := [name for name in wanted if name not in told]:
        raise ConfigError(f"the MCP server has no tool {missing[0]!r}; it has {', '.join(told)}")
    tools: dict[str, Tool] = {}
    for each in wanted:
        name = _free_name(prefix + each, tools)
        tools[name] = _tool(server, told[each], name=name, approve=approve)
    return list(tools.values())


def _tool(server: Caller, told: Told, *, name: str, approve: Approve) -> Tool:
    async def call(**arguments: Any) -> Any:
        return value_of(await server.call(told.name, arguments))

    hints = told.annotations
    return Tool(
        name=name,
        description=told.description or told.title or "",
        schema=Schema(name, _parameters(told.input_schema), _as_given),
        function=call,
        approve=approve,
        repeatable=bool(hints and (hints.read_only_hint or hints.idempotent_hint)),
    )


def _parameters(schema: JSON) -> JSON:
    return {"properties": {}, **schema, "type": "object"}  # a provider may want both


def _as_given(arguments: Any) -> JSON:
    """The server validates them itself."""
    if not isinstance(arguments, dict):
        raise SchemaMismatch(f"Expected `object`, got `{type(arguments).__name__}`.")
    return arguments


def _free_name(wanted: str, taken: Iterable[str]) -> str:
    """The name in the letters that every provider takes, and unlike the others."""
    name = re.sub(r"[^a-zA-Z0-9_-]", "_", wanted)
    name = name if re.match(r"[a-zA-Z_]", name) else f"_{name}"
    free, number = name[:_LONGEST], 1
    while free in taken:
        number += 1
        free = f"{name[: _LONGEST - 4]}_{number}"
    return free


def value_of(result: CallToolResult) -> Any:
    """A result as JSON: its structured content, else its text. Raises ToolFailed."""
    text = "\n\n".join(map(_text, result.content))
    if result.is_error:
        raise ToolFailed(text or "the tool failed, and did not say why")
    return text if result.structured_content is None else result.structured_content


def _text(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent() | AudioContent():
            return _left_out(block.mime_type, block.data)
        case ResourceLink():
            return f"{block.title or block.name}: {block.uri}"
        case EmbeddedResource():
            return _resource(block.resource)
        case _:
            assert_never(block)


def _resource(resource: TextResourceContents | BlobResourceContents) -> str:
    if isinstance(resource, TextResourceContents):
        return resource.text
    return _left_out(resource.mime_type or resource.uri, resource.blob)


def _left_out(kind: str, data: str) -> str:
    size = len(data) * 3 // 4 - data[-2:].count("=")  # of base64
    return f"[{kind}, {size} bytes: left out, as a result is text or JSON here]"
