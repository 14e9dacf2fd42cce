"""The content blocks of a Messages stream, each from its start to its stop.

Neighbouring blocks of text become one part: the server cuts its text wherever a citation begins
or ends, in the middle of a sentence or a list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from msgspec.structs import replace

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.anthropic import fields
from chatkit.providers.anthropic.events import BlockDelta, TextDelta, ThinkingDelta
from chatkit.providers.lenient import objects, text, tool_input, whole
from chatkit.providers.parts import Parts

_CALL = {"type", "id", "name", "input"}  # what a call's part has fields for


@dataclass
class _Block:
    kind: str
    told: c.JSON  # as it started
    pieces: list[str] = field(default_factory=list)  # of its input, or of its signature

    @property
    def is_call(self) -> bool:
        """Whether it asks for a tool: ours, or one that the provider itself runs."""
        names = (self.told.get("id"), self.told.get("name"))
        return self.kind.endswith("tool_use") and all(name and type(name) is str for name in names)


class Blocks:
    """Makes parts of blocks. Calls of our tools are held back until the answer is finished:
    only its end tells whether a call without arguments has none, or was cut off before them."""

    def __init__(self, provider: str, parts: Parts) -> None:
        self._provider = provider
        self._parts = parts
        self._open: dict[int, _Block] = {}
        self._calls: list[_Block] = []  # stopped, and not yet given out
        self._sources = 0

    @property
    def has_calls(self) -> bool:
        """Whether the answer asks for tools of ours."""
        return bool(self._calls)

    # -- a block begins --

    def start(self, index: int, told: c.JSON) -> None:
        """A block, which may hold its first text, or all of it."""
        told = whole(told)
        if not isinstance(told.get("type"), str):
            return
        block = self._open[index] = _Block(told["type"], told)
        match told:
            case {"type": "text"}:
                self._start_text(index, told)
            case {"type": "thinking"}:
                self._parts.end()
                self._parts.reasoning(text(told.get("thinking")))  # it may be a signature alone
                block.pieces.append(text(told.get("signature")))
            case {"type": "redacted_thinking", "data": str(data)}:
                self._parts.end()
                self._parts.reasoning("")
                self._parts.end({self._provider: {"redactedData": data}})
            case {"type": str(kind), "tool_use_id": str(call_id)} if kind.endswith("tool_result"):
                self._answer(call_id, told)
            case _ if block.is_call:
                self._start_call(block)

    def _start_text(self, index: int, told: c.JSON) -> None:
        self._write(index, text(told.get("text")))
        for citation in objects(told.get("citations")):
            self._cite(citation)

    def _start_call(self, call: _Block) -> None:
        self._parts.end()
        self._parts.add(
            c.ToolInputStart(
                call.told["id"],
                call.told["name"],
                provider_executed=_is_theirs(call) or None,
                provider_metadata=self._metadata(call),
            )
        )

    def _answer(self, call_id: str, told: c.JSON) -> None:
        """What a tool that the provider runs has found: it comes whole."""
        self._parts.end()
        content = told.get("content")
        kept = {key: told[key] for key in told if key not in ("tool_use_id", "content")}
        if error := fields.failure_of(told):
            kept = {self._provider: kept | {"content": content}}  # the error's text is not all
            chunk: c.Chunk = c.ToolOutputError(call_id, error, True, provider_metadata=kept)
        else:
            kept = {self._provider: kept}
            chunk = c.ToolOutputAvailable(
                call_id, content, provider_executed=True, provider_metadata=kept
            )
        self._parts.add(chunk)

    # -- it grows --

    def grow(self, event: BlockDelta) -> None:
        """A little more text, thought or input."""
        delta = event.delta
        if isinstance(delta, TextDelta):
            self._write(event.index, delta.text)
        elif isinstance(delta, ThinkingDelta):
            self._think(event.index, delta.thinking)
        else:
            self._input(event.index, delta.partial_json)

    def change(self, index: int, delta: c.JSON) -> None:
        """Whatever else may come of a block that has started."""
        block = self._open.get(index)
        match delta:
            case {"type": "text_delta", "text": str(piece)}:
                self._write(index, piece)
            case {"type": "thinking_delta", "thinking": str(piece)}:
                self._think(index, piece)
            case {"type": "input_json_delta", "partial_json": str(piece)}:
                self._input(index, piece)
            case {"type": "signature_delta", "signature": str(piece)} if block:
                block.pieces.append(piece)
            case {"type": "citations_delta", "citation": dict(citation)}:
                self._cite(whole(citation))
            case {"type": "compaction_delta", **more} if block:
                block.told |= whole(more)

    def _write(self, index: int, piece: str) -> None:
        block = self._open.get(index)  # None: its start was lost
        if piece and (block is None or block.kind == "text"):
            self._parts.text(piece)

    def _think(self, index: int, piece: str) -> None:
        block = self._open.get(index)
        if piece and (block is None or block.kind == "thinking"):
            self._parts.reasoning(piece)

    def _input(self, index: int, piece: str) -> None:
        call = self._open.get(index)
        if piece and call is not None and call.is_call:
            call.pieces.append(piece)
            self._parts.input(call.told["id"], piece)

    def _cite(self, citation: c.JSON) -> None:
        metadata = {self._provider: {"citation": citation}}
        self._parts.add(fields.source(self._sources, citation, metadata))
        self._sources += 1

    # -- it ends --

    def stop(self, index: int) -> None:
        """Nothing more comes of this block."""
        block = self._open.pop(index, None)
        if block is None:
            return
        if block.kind == "thinking":
            signature = mended("".join(block.pieces))
            self._parts.end({self._provider: {"signature": signature}} if signature else None)
        elif block.is_call and _is_theirs(block):
            self._give_out(block, closed=True)
        elif block.is_call:
            self._calls.append(block)
        elif block.kind not in ("text", "redacted_thinking") and "tool_use_id" not in block.told:
            kept = {self._provider: block.told}
            self._parts.end()
            self._parts.add(c.Custom(f"{self._provider}.{block.kind}", kept))

    def finish(self, *, closed: bool) -> None:
        """Give out the calls of our tools; they are `closed` unless the answer hit a limit."""
        for call in self._calls:
            self._give_out(call, closed=closed)

    def _give_out(self, call: _Block, *, closed: bool) -> None:
        call_id, name = call.told["id"], call.told["name"]
        arguments = "".join(call.pieces)
        if closed and not arguments.strip():
            arguments = json.dumps(call.told.get("input") or {})
            self._parts.input(call_id, arguments)
        chunk = tool_input(
            call_id, name, arguments, closed=closed, provider_metadata=self._metadata(call)
        )
        self._parts.end()
        self._parts.add(replace(chunk, provider_executed=_is_theirs(call) or None))

    def _metadata(self, call: _Block) -> c.JSON | None:
        """What the call's block says that its part has no field for; it goes back with it."""
        kept = {key: call.told[key] for key in call.told if key not in _CALL}
        if _is_theirs(call):
            kept["type"] = call.kind
        return {self._provider: kept} if kept else None


def _is_theirs(call: _Block) -> bool:
    return call.kind != "tool_use"
