"""Messages, incoming: the bytes of a stream -> chunks.

The terminal mark is `message_stop`; the reason comes before it, in `message_delta`. Events,
blocks and deltas that are not known are passed over: the vendor reserves the right to add some.
"""

from __future__ import annotations

from typing import Any

from chatkit import chunks as c
from chatkit import sse
from chatkit.errors import ProviderError
from chatkit.messages import mended
from chatkit.providers.anthropic import fields
from chatkit.providers.anthropic.blocks import Blocks
from chatkit.providers.anthropic.events import UNREADABLE, decode_delta
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import json_object, whole
from chatkit.providers.parts import Parts
from chatkit.providers.refusals import failure


class AnthropicDecoder:
    """One stream of Messages. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        self.finished = False
        self.error: ProviderError | None = None
        self._provider = provider
        self._hide = hide
        self._events = sse.Decoder()
        self._parts = Parts()
        self._blocks = Blocks(provider, self._parts)
        self._begun = False  # an event came that could be read
        self._described = False
        self._usage: c.JSON = {}
        self._reason = ""
        self._details: c.JSON = {}  # of the reason

    def feed(self, data: bytes) -> list[c.Chunk]:
        """The chunks that these bytes of the body, cut anywhere, complete."""
        parts, blocks = self._parts, self._blocks
        for event in self._events.feed(data):
            if parts.kind is None:  # nothing is open that could grow
                self._read(event)
                continue
            try:
                growth = decode_delta(event.data)
            except UNREADABLE:
                self._read(event)
            else:
                blocks.grow(growth)
        return parts.take()

    def close(self) -> list[c.Chunk]:
        """What is still pending once the body is over, cleanly or not."""
        for event in self._events.close():
            self._read(event, is_last=True)
        if not self._is_over:
            self._read_stray(self._events.stray)
        if not self._is_over:
            self._sum_up()
        return self._parts.take()

    @property
    def _is_over(self) -> bool:
        return self.finished or self.error is not None

    # -- events --

    def _read(self, event: sse.Event, *, is_last: bool = False) -> None:
        if self._is_over:
            return
        told = json_object(event.data)
        if event.event == "error":
            self._fail(told or event.data.decode("utf-8", "replace"))
        elif told is not None:
            self._begun = True
            self._take(told)
        elif event.data.startswith(b"{") and not is_last:
            self._fail(f"it sent an event that is not JSON: {event.data[:80]!r}")

    def _take(self, told: c.JSON) -> None:
        match told:
            case {"type": "content_block_start", "index": int(at), "content_block": dict(block)}:
                self._blocks.start(at, block)
            case {"type": "content_block_delta", "index": int(at), "delta": dict(delta)}:
                self._blocks.change(at, delta)
            case {"type": "content_block_stop", "index": int(at)}:
                self._blocks.stop(at)
            case {"type": "message_start", "message": dict(message)}:
                self._describe(message)
            case {"type": "message_delta"}:
                self._note(told)
            case {"type": "message_stop"}:
                self._finish()
            case {"type": "error"} | {"error": dict()} | {"error": str()}:
                self._fail(told)

    def _read_stray(self, stray: bytes) -> None:
        """What came outside of events: a bare JSON error, a whole answer, a proxy's page."""
        values = [value for value in map(json_object, (stray, *stray.splitlines())) if value]
        errors = [value for value in values if "error" in value]
        if errors:
            self._fail(errors[0])
        elif not self._begun and values and isinstance(values[0].get("content"), list):
            self._take_whole(values[0])
        elif not self._begun and stray.strip():
            self._fail(values[0] if values else f"it sent no stream but {stray.strip()[:200]!r}")

    def _take_whole(self, answer: c.JSON) -> None:
        """An answer that came as one, as the events it would have been."""
        self._take({"type": "message_start", "message": answer})
        for index, block in enumerate(answer["content"]):
            place = {"index": index, "content_block": block}
            self._take({"type": "content_block_start", **place})
            self._take({"type": "content_block_stop", **place})
        self._take({"type": "message_delta", "delta": answer})
        self._take({"type": "message_stop"})

    # -- the answer as a whole --

    def _describe(self, message: c.JSON) -> None:
        """What a message begins with; a proxy that tries again says it twice."""
        self._count(message.get("usage"))
        model, response_id = message.get("model"), message.get("id")
        if not self._described and model and isinstance(model, str):
            self._described = True
            known = {"responseModel": mended(model)}
            if response_id and isinstance(response_id, str):
                known["responseId"] = mended(response_id)
            self._parts.add(c.MessageMetadata(known))

    def _note(self, told: c.JSON) -> None:
        self._count(told.get("usage"))
        match told.get("delta"):
            case {"stop_reason": str(reason), **more}:
                self._reason = mended(reason)
                details = more.get("stop_details")
                self._details = whole(details) if isinstance(details, dict) else {}

    def _count(self, usage: Any) -> None:
        """Counts are cumulative, and each event says some of them."""
        if isinstance(usage, dict):
            self._usage |= {name: count for name, count in usage.items() if count is not None}

    def _outcome(self) -> c.JSON:
        outcome: c.JSON = {}
        if usage := fields.usage(self._usage):
            outcome["usage"] = usage
        if self._reason:
            outcome["rawFinishReason"] = self._reason
        if self._details:
            outcome["stopDetails"] = self._details
        return outcome

    def _sum_up(self) -> None:
        """What is known of an answer that did not finish."""
        if outcome := self._outcome():
            self._parts.add(c.MessageMetadata(outcome))

    def _fail(self, told: Any) -> None:
        self.error = failure(self._provider, told, self._hide)
        self._sum_up()
        self._parts.add(c.Error(self.error.message))
        self._parts.abandon()

    def _finish(self) -> None:
        self._parts.end()
        reason = fields.finish_reason(self._reason, has_calls=self._blocks.has_calls)
        if reason == "content-filter":
            self._parts.add(c.ResetStep())  # the vendor's rule: what came before is to be dropped
        else:
            self._blocks.finish(closed=reason != "length")
        self._parts.add(c.Finish(reason, self._outcome() or None))
        self.finished = True
