"""Messages, incoming: the events of a stream -> chunks.

The terminal mark is `message_stop`; the reason comes before it, in `message_delta`. Events,
blocks and deltas that are not known are passed over: the vendor reserves the right to add some.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit.providers.anthropic import fields
from chatkit.providers.anthropic.blocks import Blocks
from chatkit.providers.anthropic.events import decode_delta
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import UNREADABLE, text, whole
from chatkit.providers.stream import EventStream


class AnthropicDecoder(EventStream):
    """One stream of Messages. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._blocks = Blocks(provider, self._parts)
        self._counted: c.JSON = {}  # its usage, as it is told
        self._details: c.JSON = {}  # of the reason

    # -- events --

    def _take_at_once(self, data: bytes) -> bool:
        """A little more of what is open, as nearly every event is."""
        if self._parts.kind is None:
            return False
        try:
            growth = decode_delta(data)
        except UNREADABLE:
            return False
        self._blocks.grow(growth)
        return True

    def _take(self, told: c.JSON) -> None:
        match told:
            case {"type": "content_block_start", "index": int(at), "content_block": dict(block)}:
                self._blocks.start(at, block)
            case {"type": "content_block_delta", "index": int(at), "delta": dict(delta)}:
                self._blocks.change(at, delta)
            case {"type": "content_block_stop", "index": int(at)}:
                self._blocks.stop(at)
            case {"type": "message_start", "message": dict(message)}:
                self._describe(message.get("model"), message.get("id"))
                self._count(message.get("usage"))
            case {"type": "message_delta"}:
                self._count(told.get("usage"))
                self._explain(told.get("delta"))
            case {"type": "message_stop"}:
                self._complete()

    def _is_answer(self, told: c.JSON) -> bool:
        return isinstance(told.get("content"), list)

    def _take_whole(self, answer: c.JSON) -> None:
        """As the events it would have been."""
        self._take({"type": "message_start", "message": answer})
        for index, block in enumerate(answer["content"]):
            place = {"index": index, "content_block": block}
            self._take({"type": "content_block_start", **place})
            self._take({"type": "content_block_stop", **place})
        self._take({"type": "message_delta", "delta": answer})
        self._take({"type": "message_stop"})

    # -- the answer as a whole --

    def _count(self, usage: Any) -> None:
        """Counts are cumulative, and each event says some of them."""
        if isinstance(usage, dict):
            self._counted |= {name: count for name, count in usage.items() if count is not None}
            self._usage = fields.usage(self._counted)

    def _explain(self, delta: Any) -> None:
        match delta:
            case {"stop_reason": str(reason), **more}:
                self._reason = text(reason)
                details = more.get("stop_details")
                self._details = whole(details) if isinstance(details, dict) else {}

    def _outcome(self) -> c.JSON:
        details = {"stopDetails": self._details} if self._details else {}
        return super()._outcome() | details

    def _complete(self) -> None:
        self._parts.end()
        reason = fields.finish_reason(self._reason, has_calls=self._blocks.has_calls)
        if reason == "content-filter":
            self._parts.add(c.ResetStep())  # the vendor's rule: what came before is to be dropped
        else:
            self._blocks.finish(closed=reason != "length")
        self._finish(reason)
