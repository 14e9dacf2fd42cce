"""The embedded model: one server for this process, shared by every chat, started when first asked.

    address("smollm2")  ->  weights (find or fetch)  ->  server (start)  ->  "http://127.0.0.1:…/v1"

It is there to try chatkit, not to be clever. `local/…` asks it in the Chat Completions dialect; it
speaks Responses and Messages too, at the same address. It never calls a tool of its own accord:
with `tool_choice="required"` it does, in the first step. An answer always fits a given schema.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, field

from chatkit.local import server, weights
from chatkit.local.server import Server
from chatkit.local.weights import Report, Weights

__all__ = ["address", "names", "stop"]


async def address(name: str, report: Report) -> str:
    """The base URL of a running server for the embedded model `name`.

    Fetches and starts what is missing, telling `report` in short lines. Callers at the same
    time share one start, which goes on if a caller is cancelled.
    Raises UnknownModel and LocalModelError.
    """
    wanted = weights.known(name)
    here = _here()
    here.listeners.append(report)
    try:
        return (await asyncio.shield(here.running(wanted))).url
    finally:
        here.listeners.remove(report)


def names() -> list[str]:
    """The embedded models, as they follow "local/"."""
    return sorted(weights.MODELS)


def stop() -> None:
    """Stop this process's server, if it has one. The next `address` starts another."""
    here = _here()
    if here.server is not None:
        here.server.stop()


@dataclass(slots=True)
class _State:
    """What one process has of the embedded model. Used on one event loop, so without locks."""

    pid: int = field(default_factory=os.getpid)
    server: Server | None = None
    starting: asyncio.Task[Server] | None = None
    listeners: list[Report] = field(default_factory=list)

    def running(self, wanted: Weights) -> asyncio.Task[Server]:
        """The start under way, the last one where its server still runs, or a new one."""
        if self.starting is None or (self.starting.done() and not self._is_running()):
            self.starting = asyncio.create_task(self._start(wanted))
        return self.starting

    def _is_running(self) -> bool:
        return self.server is not None and self.server.is_running()

    async def _start(self, wanted: Weights) -> Server:
        server.check_installed()
        stop()  # closes the pipe of one that has died
        model = await weights.obtain(wanted, self._tell)
        self._tell(f"Starting {wanted.name}")
        self.server = await server.start(model, alias=wanted.name)
        return self.server

    def _tell(self, line: str) -> None:
        for listener in self.listeners:
            listener(line)


_state: _State | None = None


def _here() -> _State:
    """This process's state. A forked child gets its own, and starts a server of its own."""
    global _state
    if _state is None or _state.pid != os.getpid():
        _state = _State()
    return _state
