"""A real MCP server with a tool for each thing that can happen. Run as a file in its own process.

python mcp_server.py            over its standard input and output
python mcp_server.py TRANSPORT  over HTTP ("streamable-http" or "sse"); prints its port
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent, ToolAnnotations

app = MCPServer("weather")


@app.tool(annotations=ToolAnnotations(read_only_hint=True))
def forecast(city: str, days: int = 1) -> CallToolResult:
    """Tell the weather of a city."""
    return CallToolResult(content=[TextContent(text=f"Sun in {city} for {days} days.")])


@app.tool(annotations=ToolAnnotations(idempotent_hint=True))
def measure() -> dict[str, float]:
    """Measure the temperature."""
    return {"celsius": 21.5}


@app.tool()
def picture() -> CallToolResult:
    """Take a picture of the sky."""
    image = ImageContent(data="iVBORw0KGgo=", mime_type="image/png")
    return CallToolResult(content=[TextContent(text="The sky:"), image])


@app.tool(name="city.lost/found")
def lost() -> str:
    """Look for a city."""
    raise ToolError("there is no such city")


@app.tool()
async def wait(mark: str) -> str:
    """Wait for ever, and leave a mark when this is cancelled."""
    try:
        Path(mark).write_text("waiting")
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        Path(mark).write_text("cancelled")
        raise
    return "never"


@app.tool()
def variable(name: str) -> str:
    """The value of a variable of this process's environment."""
    return os.environ.get(name, "none")


@app.tool()
def process() -> list[int]:
    """This process, its group and its parent."""
    return [os.getpid(), os.getpgrp(), os.getppid()]


@app.tool()
def die() -> str:
    """End this process at once."""
    os._exit(3)


def serve(transport: str) -> None:
    asgi = app.sse_app() if transport == "sse" else app.streamable_http_app()
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(asgi, log_level="error")).run(sockets=[listener])


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1])
    else:
        app.run()
