"""The items of a Responses answer as they stream -> chunks. What is open where is known here alone.

Items are told apart by `output_index`, for a gateway may change their ids midway; by their ids
where a server counts nothing. An item as it is once it is done is the truth; a call is given out
then and not before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from chatkit import chunks as c
from chatkit.providers.lenient import text, tool_input
from chatkit.providers.parts import Kind, Parts
from chatkit.providers.responses import items

Index = int | str | None
Place = tuple[Index, Any]  # an item, and the text in it
_CALLS = ("function_call", "custom_tool_call")
_FREE_TEXT = ("custom_tool_call", "code_interpreter_call")  # their input is no JSON
_SILENT = ("message", "reasoning", "mcp_approval_request", "")  # nothing shows that they began


@dataclass
class _Item:
    """What is known of an item while it streams."""

    told: c.JSON  # as it was announced
    call_id: str = ""
    is_shown: bool = False  # something of it was given out
    is_done: bool = False
    pieces: list[str] = field(default_factory=list)  # of a call's arguments
    left: str = ""  # the id of its reasoning part, while that is open behind another


class Answer:
    """Collects the chunks of all items."""

    def __init__(self, provider: str, parts: Parts) -> None:
        self.at: Place = (None, None)  # what is open
        self.has_calls = False
        self.is_refused = False
        self._provider = provider
        self._parts = parts
        self._items: dict[Index, _Item] = {}
        self._sources: set[str] = set()

    def open(self, index: Index, item: c.JSON) -> None:
        """An item begins; of a call its tool is known."""
        if self.at[0] == index:
            self._end_part()  # some servers give every item the same index
        known = self._items[index] = _Item(items.without(item))
        if items.kind(item) not in _SILENT:
            self._start_call(index, known, item)

    def say(self, kind: Kind, at: Place, delta: Any) -> None:
        """More text of one kind, at a place in an item."""
        if not isinstance(delta, str) or not delta:
            return
        if self._parts.kind != kind or self.at != at:
            self._turn_to(at)
            self._known(at[0]).is_shown = True
        if kind == "text":
            self._parts.text(delta)
        elif kind == "reasoning":
            self._parts.reasoning(delta)
        else:
            self.is_refused = True
            self._parts.refusal(delta, {self._provider: {"refusal": True}})

    def extend_call(self, index: Index, delta: Any) -> None:
        """More of the arguments of a call."""
        known = self._known(index)
        if not isinstance(delta, str) or not delta or known.is_done:
            return
        known.pieces.append(delta)
        if known.call_id:
            self._extend(index, known, delta)

    def cite(self, annotation: Any) -> None:
        """A page or a file that the answer rests on; they are told more than once."""
        source = items.source(annotation, self._provider)
        if source and source.source_id not in self._sources:
            self._sources.add(source.source_id)
            self._parts.add(source)

    def close(self, index: Index, item: c.JSON) -> None:
        """An item is done: nothing more of it comes, and this is what it is."""
        known = self._known(index)
        if known.is_done:
            return
        known.is_done = True
        match items.kind(item):
            case "message":
                self._close_message(index, known, item)
            case "reasoning":
                self._close_reasoning(index, known, item)
            case "function_call" | "custom_tool_call":
                self._close_call(index, known, item)
            case kind if kind:
                self._close_hosted(index, known, item)

    def finish(self, output: Any) -> None:
        """The end repeats all items: those of which no event told, or not to their end, count."""
        has_begun = bool(self._items)
        for index, item in enumerate(output if isinstance(output, list) else []):
            known = self._items.get(index)
            if not isinstance(item, dict) or (has_begun and known is None):
                continue
            if known is None or known.told.get("type") == item.get("type"):
                self.close(index, item)
        self._end_part()
        for known in self._items.values():
            self._end_left(known)

    # -- the end of each kind --

    def _close_message(self, index: Index, known: _Item, item: c.JSON) -> None:
        known.told = item
        if not known.is_shown:  # some servers send no deltas
            for place, (kind, said) in enumerate(items.texts(item)):
                self.say("refusal" if kind == "refusal" else "text", (index, place), said)
        for annotation in items.cited(item):
            self.cite(annotation)
        if self.at[0] == index:
            self._end_part()

    def _close_reasoning(self, index: Index, known: _Item, item: c.JSON) -> None:
        """The whole item is kept with the last part of it: encrypted, it goes back as it came."""
        if not known.is_shown:
            for place, (_, said) in enumerate(items.texts(item)):
                self.say("reasoning", (index, place), said)
        kept = self._kept(items.without(item))
        if known.left:
            return self._end_left(known, kept)
        if self._parts.kind != "reasoning" or self.at[0] != index:
            self._turn_to((index, None))
            self._parts.reasoning("")  # nothing of it is shown
        self._parts.end(kept)

    def _close_call(self, index: Index, known: _Item, item: c.JSON) -> None:
        self.has_calls = True
        arguments = self._complete(index, known, item)
        if item.get("status") == "incomplete":
            return  # it ran into the limit: its arguments were never closed
        name, kept = items.tool_name(item), self._kept(items.without(item, "arguments", "input"))
        if items.kind(item) == "custom_tool_call":
            call: c.Chunk = c.ToolInputAvailable(
                known.call_id, name, arguments, provider_metadata=kept
            )
        else:
            call = tool_input(known.call_id, name, arguments, closed=True, provider_metadata=kept)
        self._parts.add(call)

    def _complete(self, index: Index, known: _Item, item: c.JSON) -> str:
        """The arguments are those of the item; what no delta said of them is said now."""
        if not known.call_id:
            self._start_call(index, known, item)
        said = text("".join(known.pieces))
        told = item.get("arguments", item.get("input"))
        told = json.dumps(told) if isinstance(told, dict) else told
        told = text(told) if isinstance(told, str) else said
        if told != said and told.startswith(said):
            self._extend(index, known, told[len(said) :])
        self._end_part()
        return told

    def _extend(self, index: Index, known: _Item, delta: str) -> None:
        if self._parts.kind != "input" or self.at[0] != index:
            self._turn_to((index, None))
        self._parts.input(known.call_id, delta)

    def _close_hosted(self, index: Index, known: _Item, item: c.JSON) -> None:
        if items.kind(item) == "mcp_approval_request":
            known.call_id = items.call_id(item, index)
            run = items.question(item, known.call_id)
        else:
            if not known.call_id:
                self._start_call(index, known, item)
            run = items.hosted(item, known.call_id, self._provider)
        self._turn_to((index, None))
        for chunk in run:
            self._parts.add(chunk)

    # -- what is open --

    def _known(self, index: Index) -> _Item:
        known = self._items.get(index)
        if known is None:
            known = self._items[index] = _Item({})
        return known

    def _start_call(self, index: Index, known: _Item, item: c.JSON) -> None:
        self._turn_to((index, None))
        kind, known.call_id = items.kind(item), items.call_id(item, index)
        is_ours = kind in _CALLS
        kept = self._kept(items.without(item, "arguments", "input", "status"))
        self._parts.add(
            c.ToolInputStart(
                known.call_id,
                items.tool_name(item),
                input_encoding="text" if kind in _FREE_TEXT else None,
                provider_executed=None if is_ours else True,
                provider_metadata=kept if is_ours else None,
            )
        )
        for piece in known.pieces:
            self._parts.input(known.call_id, piece)

    def _turn_to(self, at: Place) -> None:
        """What comes next is at another place: the part that is open ends.

        Reasoning of an item that is not done waits for its end, with which its opaque state comes.
        """
        before, after = self._items.get(self.at[0]), self._items.get(at[0])
        if before and before is not after and self._parts.kind == "reasoning":
            self._end_left(before)
            before.left = self._parts.leave()
        self._end_part()
        self.at = at
        if after:
            self._end_left(after)

    def _end_part(self) -> None:
        """Close what is open; a text with what its message is known by."""
        known, kept = self._items.get(self.at[0]), None
        if known and known.told and self._parts.kind in ("text", "refusal"):
            kept = self._kept(items.without(known.told, "content", "status"))
            if self._parts.kind == "refusal":
                kept[self._provider]["refusal"] = True
        self._parts.end(kept)

    def _end_left(self, known: _Item, kept: c.JSON | None = None) -> None:
        if known.left:
            self._parts.add(c.ReasoningEnd(known.left, kept))
            known.left = ""

    def _kept(self, fields: c.JSON) -> c.JSON:
        return {self._provider: {"item": fields}}
