"""What the streams of Google's two dialects have in common: state that goes back, and sound."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from chatkit import chunks as c
from chatkit.messages import mended
from chatkit.providers.dialect import Hide
from chatkit.providers.lenient import decoded
from chatkit.providers.stream import EventStream


class GoogleDecoder(EventStream):
    """One stream of either dialect. It never raises."""

    def __init__(self, provider: str, hide: Hide = str) -> None:
        super().__init__(provider, hide)
        self._audio: dict[str, list[str]] = {}  # pieces in base64 by media type

    def _state(self, **state: Any) -> c.JSON | None:
        """Provider metadata of what is given; it comes back with the part to the next request."""
        known = {name: value for name, value in state.items() if value}
        return {self._provider: known} if known else None

    def _hear(self, kind: str, data: str) -> None:
        """A piece of sound; it becomes a file once all of it is there."""
        self._audio.setdefault(mended(kind), []).append(data)

    def _finish(self, reason: c.FinishReason | None) -> None:
        for kind, pieces in self._audio.items():
            data = b64encode(decoded(pieces)).decode()
            self._parts.add(c.File(f"data:{kind};base64,{data}", kind))
        super()._finish(reason)
