"""The tool calls of a Chat Completions stream, whose pieces servers label in many ways."""

from __future__ import annotations

import json
from typing import Any

from chatkit.chunks import JSON, ToolInputStart
from chatkit.providers.lenient import text, tool_input
from chatkit.providers.parts import Parts


class _Call:
    def __init__(self, index: int | None) -> None:
        self.index = index
        self.id = ""
        self.name = ""
        self.pieces: list[str] = []  # of its arguments
        self.started = False


class Calls:
    """Joins the pieces of each call, and gives the calls out once they are closed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, delta: Any, scope: str) -> None:
        """One item of `delta.tool_calls`; `scope` makes an id unique that had to be made up."""
        if not isinstance(delta, dict):
            return
        function = delta.get("function")
        function = function if isinstance(function, dict) else {}
        call_id, name = text(delta.get("id")), text(function.get("name"))
        call = self._call(delta.get("index"), call_id, name)
        call.id = call.id or call_id
        call.name = call.name or name
        piece = _piece(function.get("arguments"))
        if not call.started and call.name and (call.id or piece):
            self._start(call, scope)
        if piece:
            call.pieces.append(piece)
            if call.started:
                self._parts.input(call.id, piece)

    def finish(self, scope: str, *, closed: bool, provider_metadata: JSON | None) -> None:
        """Nothing more comes: every call is ready, or known to be broken.

        `provider_metadata` goes with the first of them.
        """
        for call in self._calls:
            if not call.started:
                self._start(call, scope)
            self._parts.add(
                tool_input(
                    call.id,
                    call.name,
                    "".join(call.pieces),
                    closed=closed,
                    provider_metadata=provider_metadata,
                )
            )
            provider_metadata = None

    def _call(self, index: Any, call_id: str, name: str) -> _Call:
        """The call a delta belongs to: by index, else by id, else the last one."""
        known = self._known(index, call_id, name)
        if known is None:
            known = _Call(index if isinstance(index, int) else None)
            self._calls.append(known)
        return known

    def _known(self, index: Any, call_id: str, name: str) -> _Call | None:
        calls = reversed(self._calls)
        if isinstance(index, int):
            call = next((call for call in calls if call.index == index), None)
            # some servers number every call 0
            is_other = call and name and call_id and call.id and call.id != call_id
            return None if is_other else call
        if call_id:
            return next((call for call in calls if call.id == call_id), None)
        last = next(calls, None)
        return None if last and name and last.name else last

    def _start(self, call: _Call, scope: str) -> None:
        if not call.id:
            call.id = f"call_{scope}_{self._calls.index(call)}"
        call.started = True
        self._parts.end()
        self._parts.add(ToolInputStart(call.id, call.name))
        for piece in call.pieces:
            self._parts.input(call.id, piece)


def _piece(arguments: Any) -> str:
    """A piece of the arguments; some servers send the whole object instead of its text."""
    if isinstance(arguments, dict):
        return json.dumps(arguments)
    return arguments if isinstance(arguments, str) else ""
