"""The function calls of a generateContent stream: whole, or in pieces by JSON path."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

from chatkit.chunks import JSON, ToolInputStart
from chatkit.providers.lenient import text, tool_input
from chatkit.providers.parts import Parts

_KEY = re.compile(r"""\.([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]|\["([^"]*)"\]""")
_ENDS = '"]}'  # of a text, a list and an object


class _Call:
    def __init__(self, call_id: str, name: str, provider_metadata: JSON | None) -> None:
        self.id = call_id
        self.name = name
        self.provider_metadata = provider_metadata
        self.arguments: Any = {}
        self.shown = ""  # the JSON of them, as far as it has been told
        self.is_closed = False
        self.is_broken = False  # a piece of them has no place


class Calls:
    """Collects the calls, and gives them out once the answer has ended."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._calls: list[_Call] = []

    def __bool__(self) -> bool:
        return bool(self._calls)

    def take(self, told: JSON, scope: str, provider_metadata: JSON | None) -> None:
        """One `functionCall`; `scope` makes an id unique that had to be made up."""
        if name := text(told.get("name")):
            call_id = text(told.get("id")) or f"call_{scope}_{len(self._calls)}"
            self._start(_Call(call_id, name, provider_metadata))
        if not self._calls or self._calls[-1].is_closed:
            return
        call = self._calls[-1]
        if (arguments := told.get("args")) is not None:
            call.arguments = arguments
        pieces = told.get("partialArgs")
        for piece in pieces if isinstance(pieces, list) else []:
            call.is_broken |= not _placed(call.arguments, piece)
        call.is_closed = told.get("willContinue") is not True
        self._show(call)

    def finish(self, *, closed: bool) -> None:
        """Nothing more comes: every call is ready, or known to be broken.

        A call in pieces that has no end of its own is ended by an answer that `closed` well.
        """
        for call in self._calls:
            if closed and not call.is_closed:
                call.is_closed = True
                self._show(call)
            whole = _json(call.arguments) if call.is_closed and not call.is_broken else ""
            self._parts.add(
                tool_input(
                    call.id,
                    call.name,
                    whole,
                    closed=False,
                    provider_metadata=call.provider_metadata,
                )
            )

    def _start(self, call: _Call) -> None:
        if self._calls:
            self._calls[-1].is_closed = True
            self._show(self._calls[-1])
        self._calls.append(call)
        self._parts.end()
        self._parts.add(ToolInputStart(call.id, call.name))

    def _show(self, call: _Call) -> None:
        """Tell more of the arguments: of those not closed, what no later piece can change."""
        known = _json(call.arguments)
        known = known if call.is_closed else known.rstrip(_ENDS)
        if known != call.shown and known.startswith(call.shown):
            self._parts.input(call.id, known[len(call.shown) :])
            call.shown = known


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _placed(arguments: Any, piece: Any) -> bool:
    """Put a piece into the arguments, by its path; a text goes on where it was."""
    keys = _keys(piece.get("jsonPath")) if isinstance(piece, dict) else []
    if not keys:
        return False
    holder = arguments
    for key, following in pairwise(keys):
        holder = _at(holder, key, [] if isinstance(following, int) else {})
    match piece:
        case {"stringValue": str(value)}:
            before = _at(holder, keys[-1], "")
            return isinstance(before, str) and _put(holder, keys[-1], before + value)
        case {"numberValue": value} | {"boolValue": value}:
            return _put(holder, keys[-1], value)
        case {"nullValue": _}:
            return _put(holder, keys[-1], None)
    return True  # the beginning of something whose pieces have paths of their own


def _keys(path: Any) -> list[str | int]:
    """The keys of a path such as `$.people[0]['full name']`; none where it is no path."""
    found = list(_KEY.finditer(path)) if isinstance(path, str) else []
    if not found or path != "$" + "".join(match[0] for match in found):
        return []
    return [int(match[2]) if match[2] else match[match.lastindex or 0] for match in found]


def _at(holder: Any, key: str | int, new: Any) -> Any:
    """What the object or list has there, `new` if nothing yet; None where it has no such place."""
    if isinstance(holder, dict) and isinstance(key, str):
        return holder.setdefault(key, new)
    if isinstance(holder, list) and isinstance(key, int):
        holder.extend([new] if key == len(holder) else [])
        return holder[key] if key < len(holder) else None
    return None


def _put(holder: Any, key: str | int, value: Any) -> bool:
    if isinstance(holder, dict) and isinstance(key, str):
        holder[key] = value
    elif isinstance(holder, list) and isinstance(key, int) and key <= len(holder):
        holder[key : key + 1] = [value]
    else:
        return False
    return True
