"""Server-sent events from bytes cut anywhere.

The rules are the WHATWG's (https://html.spec.whatwg.org/multipage/server-sent-events.html),
with two more that real providers need: what is left at a clean end is kept (`close`), and lines
that are no field at all are kept aside (`stray`), because some servers write a bare JSON error
into a stream that breaks.
"""

from __future__ import annotations

import re

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
        self._rest: list[bytes] = []  # an unfinished line, in the pieces it came in
        self._between = False  # two events: nothing of the next has come
        self._begun = False  # a byte order mark may still come
        self._after_cr = False  # a LF that comes next ends no second line
        self._data: list[bytes] = []
        self._event: str | None = None
        self._stray: list[bytes] = []
        self._stray_size = 0

    def feed(self, data: bytes) -> list[Event]:
        """Each event that `data` completes."""
        if self._between and data[-2:] == b"\n\n" and b"\r" not in data:
            above, _, line = data[:-2].rpartition(b"\n")
            if line[:6] == b"data: ":  # one event a read: nearly all are
                if not above:
                    return [Event(line[6:])]
                if above[:7] == b"event: " and b"\n" not in above:
                    return [Event(line[6:], _text(above[7:]) or None)]
        if not self._begun:
            data = self._begin(data)
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            lines = _LINE_END.split(data)
        else:
            lines = data.split(b"\n")
        rest = lines.pop()
        if lines and self._rest:
            lines[0] = self._take_rest() + lines[0]
        if rest:
            self._rest.append(rest)
        events = self._dispatched(lines)
        self._between = self._begun and not (
            self._rest or self._data or self._event or self._after_cr
        )
        return events

    def close(self) -> list[Event]:
        """What a clean end of the stream leaves: the last event without its blank line."""
        line = self._take_rest()
        if any(name.startswith(line) and name != line for name in _FIELDS):
            line = b""  # the beginning of a field, cut off: no line of its own
        return self._dispatched([line, b""])

    @property
    def stray(self) -> bytes:
        """The lines so far that are not fields, joined by LF: perhaps a bare JSON error."""
        return b"\n".join(self._stray)

    def _begin(self, data: bytes) -> bytes:
        data = self._take_rest() + data
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._rest = [data]
            return b""
        self._begun = True
        return data.removeprefix(_BOM)

    def _take_rest(self) -> bytes:
        rest, self._rest = self._rest, []
        return b"".join(rest)

    def _dispatched(self, lines: list[bytes]) -> list[Event]:
        events = []
        data = self._data
        for line in lines:
            if line[:6] == b"data: ":
                data.append(line[6:])
            elif not line:
                if data:
                    whole = data[0] if len(data) == 1 else b"\n".join(data)
                    events.append(Event(whole, self._event))
                    data.clear()
                self._event = None
            elif line[:7] == b"event: ":
                self._event = _text(line[7:]) or None
            else:
                self._field(line)
        return events

    def _field(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = _text(value) or None
        elif name and name not in _FIELDS:
            self._keep(line, name if not colon else value)

    def _keep(self, line: bytes, value: bytes) -> None:
        """Keep what is no field of the standard: whole if it looks like JSON, else its value."""
        if self._stray_size < _STRAY_LIMIT:
            kept = line if line.lstrip()[:1] in b'{[]}",' else value
            self._stray.append(kept)
            self._stray_size += len(kept)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
