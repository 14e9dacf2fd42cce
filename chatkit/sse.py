"""Server-sent events from bytes cut anywhere.

The rules are the WHATWG's (https://html.spec.whatwg.org/multipage/server-sent-events.html),
with two more that real providers need: what is left at a clean end is kept (`close`), and lines
that are no field at all are kept aside (`stray`), because some servers write a bare JSON error
into a stream that breaks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r")  # and nothing else: U+2028 may stand in the JSON
_FIELDS = frozenset((b"data", b"event", b"id", b"retry"))
_STRAY_LIMIT = 1_048_576  # bytes kept of what is not an event


class Event(msgspec.Struct, frozen=True):
    """One dispatched event: its data (UTF-8 bytes, lines joined by LF) and its name, if any."""

    data: bytes
    event: str | None = None


class Decoder:
    """Bytes in, events out; nothing waits."""

    def __init__(self) -> None:
        self._rest = b""  # an unfinished line
        self._begun = False  # a byte order mark may still come
        self._after_cr = False  # a LF that comes next ends no second line
        self._data: list[bytes] = []
        self._event: str | None = None
        self._stray: list[bytes] = []
        self._stray_size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield each event that `data` completes."""
        if not self._begun:
            data = self._begin(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        text = self._rest + data if self._rest else data
        if b"\r" in text:
            self._after_cr = text.endswith(b"\r")
            *lines, self._rest = _LINE_END.split(text)
        else:
            *lines, self._rest = text.split(b"\n")
        yield from self._lines(lines)

    def close(self) -> Iterator[Event]:
        """Yield what a clean end of the stream leaves: the last event without its blank line."""
        last, self._rest = self._rest, b""
        yield from self._lines([last, b""])

    @property
    def stray(self) -> bytes:
        """The lines so far that are not fields, joined by LF: perhaps a bare JSON error."""
        return b"\n".join(self._stray)

    def _begin(self, data: bytes) -> bytes:
        data = self._rest + data
        self._rest = b""
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._rest = data
            return b""
        self._begun = True
        return data.removeprefix(_BOM)

    def _lines(self, lines: list[bytes]) -> Iterator[Event]:
        for line in lines:
            if line[:6] == b"data: ":
                self._data.append(line[6:])
            elif line:
                self._field(line)
            elif self._data:
                yield Event(b"\n".join(self._data), self._event)
                self._data, self._event = [], None
            else:
                self._event = None

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")
        elif name and name not in _FIELDS:
            self._keep(line, name if not colon else value)

    def _keep(self, line: bytes, value: bytes) -> None:
        """Keep what is no field of the standard: whole if it looks like JSON, else its value."""
        if self._stray_size < _STRAY_LIMIT:
            kept = line if line.lstrip()[:1] in b'{[]}",' else value
            self._stray.append(kept)
            self._stray_size += len(kept)
