"""The stream of a message in the rows: who writes it, the fence around it, and its segments.

Every writer of a stream holds a lease with an epoch. Whoever takes a stream over, or ends it,
raises the epoch in the same transaction, and a writer with an older one is fenced off.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from chatkit.errors import Fenced, StoreError, StoreLost
from chatkit.stores import _json, _owner
from chatkit.stores._keys import ids_of, key_of, prefix_of
from chatkit.stores._rows import Place, Rows
from chatkit.stores.protocol import Lease, Row

STREAMING = "streaming"
BEAT = 1.0  # seconds between two heartbeats, at least
_BEGINNING = b'{"state":"streaming"'  # of the row of a stream that has not ended


class Stream(msgspec.Struct, frozen=True):
    """The row that says who writes a message."""

    state: str
    owner: Row
    heartbeat: float  # seconds since the epoch
    epoch: int
    ticks: float | None = None  # the same by the monotonic clock of the owner's computer

    def is_alive(self) -> bool:
        beaten, now = self.heartbeat, time.time()
        if self.ticks is not None and _owner.is_here(self.owner):
            beaten, now = self.ticks, time.monotonic()  # nobody sets it; in sleep it stands still
        return self.state == STREAMING and _owner.is_alive(self.owner, beaten, now)

    def is_due(self) -> bool:
        return self.ticks is None or not 0 <= time.monotonic() - self.ticks < BEAT

    def beaten(self) -> Stream:
        return Stream(self.state, _owner.this_process(), time.time(), self.epoch, time.monotonic())

    def ended(self, state: str) -> Stream:
        return msgspec.structs.replace(self, state=state, epoch=self.epoch + 1)


def find(stored: Rows, chat_id: str, row_id: str) -> Stream | None:
    """The stream of a message, or None if it never had one."""
    return parsed(stored.get(key_of("s", chat_id, row_id)))


def place_of(chat_id: str, row_id: str) -> Place:
    """Where the stream of a message is, with its segments and words beside."""
    beside = prefix_of("g", chat_id, row_id), prefix_of("w", chat_id, row_id)
    return Place(key_of("s", chat_id, row_id), beside)


def find_beside(stored: Rows, place: Place) -> tuple[Stream | None, list[str]]:
    """The stream at a place, and the prefixes of what lies beside it."""
    value, used = stored.get_beside(place)
    return parsed(value), used


def parsed(value: Any) -> Stream | None:
    """The stream that a row says, or None of a row that chatkit did not write."""
    try:
        return None if value is None else msgspec.convert(value, Stream)
    except msgspec.ValidationError:
        return None


def living(stored: Rows) -> list[tuple[str, str, Stream]]:
    """The streams that somebody writes now, with the ids of their chats and messages."""
    found = []
    for key, value in stored.scan_beginning("s/", _BEGINNING):
        stream, ids = parsed(value), ids_of(key)
        if stream is not None and stream.is_alive() and len(ids) == 2:
            found.append((ids[0], ids[1], stream))
    return found


def put(stored: Rows, lease: Lease, stream: Stream) -> None:
    """Write the stream's row."""
    stored.put(key_of("s", lease.chat_id, lease.row_id), _json.encode(stream))


def number_after(last: str | None) -> int:
    """The number of the segment to come, `last` being the key of the one before."""
    if last is None:
        return 0
    number = last.rpartition("/")[2]
    if not number.isdecimal():
        raise StoreError(f"the store holds a row that chatkit did not write: {last!r}")
    return int(number) + 1


class _Seen(NamedTuple):
    """What the rows said of a stream when this process last added to it."""

    stream: Stream
    row: tuple[str, bytes]  # of the stream: key and value
    prefix: str  # of its segments
    number: int  # of the segment to come

    @property
    def last(self) -> str:
        return f"{self.prefix}{self.number - 1:08}"


class Leases:
    """The leases of this process: what each may still write.

    It adds a segment to each of many streams in few statements. Each statement lets go of the
    interpreter's lock, and beside a busy loop it takes milliseconds to get it back: two
    statements a stream would make two hundred streams late. So what is known of a stream from
    its last segment is not read again but checked, in one statement for all; where anything
    else is found, they are read one by one.
    """

    def __init__(self) -> None:
        self._seen: dict[Lease, _Seen] = {}
        self._files: dict[Lease, int] = {}  # in which each was taken, or first used

    def take(self, stored: Rows, chat_id: str, row_id: str, before: Stream | None) -> Lease:
        """Make this process the writer, after `before`; segments that are there are kept."""
        # the first by the clock: of a row that is removed and made again, none is given twice
        epoch = time.time_ns() // 1000 if before is None else before.epoch + 1
        lease = Lease(chat_id, row_id, epoch)
        owner = _owner.this_process()
        put(stored, lease, Stream(STREAMING, owner, time.time(), lease.epoch, time.monotonic()))
        self._files[lease] = stored.file
        return lease

    def held(self, stored: Rows, lease: Lease, stream: Stream | None) -> Stream:
        """The stream, if the lease still holds. Raises Fenced if not, and StoreLost where the
        file that held it is not this one."""
        row = f"message {lease.row_id!r} of chat {lease.chat_id!r}"
        if stream is None:
            if self._files.get(lease, stored.file) != stored.file:
                raise StoreLost(
                    f"the store has lost {row}, which this process still has: its files were "
                    "removed or replaced while in use"
                )
            self.forget(lease)
            raise Fenced(f"{row} was deleted meanwhile")
        if stream.epoch != lease.epoch or stream.state != STREAMING:
            self.forget(lease)
            raise Fenced(
                f"{row} was taken over or ended by another writer; what it keeps is theirs"
            )
        self._files[lease] = stored.file
        return stream

    def add(self, stored: Rows, segments: Sequence[tuple[Lease, bytes]]) -> list[StoreError | None]:
        """Add them; for each what kept it from being added, such as `Fenced`, or None."""
        self._check(stored, [lease for lease, _ in segments])
        rows: list[tuple[str, bytes]] = []
        errors: list[StoreError | None] = []
        for lease, value in segments:
            try:
                seen = self._seen.get(lease) or self._look(stored, lease)
            except StoreError as error:
                errors.append(error)
                continue
            if seen.stream.is_due():
                seen = _beaten(stored, lease, seen)
            stream, row, prefix, number = seen
            rows.append((f"{prefix}{number:08}", value))
            self._seen[lease] = _Seen(stream, row, prefix, number + 1)
            errors.append(None)
        stored.add_all(rows)
        return errors

    def beat(self, stored: Rows, lease: Lease) -> None:
        """Say that this process is the writer and lives. Raises Fenced and StoreLost."""
        self._seen[lease] = _beaten(stored, lease, self._look(stored, lease))

    def forget(self, lease: Lease) -> None:
        """Nothing more will be added to this stream."""
        self._seen.pop(lease, None)
        self._files.pop(lease, None)

    def _check(self, stored: Rows, leases: Sequence[Lease]) -> None:
        """Forget what is known of these streams unless all of it is still so."""
        known = [seen for lease in leases if (seen := self._seen.get(lease))]
        rows: list[tuple[str, bytes | None]] = [seen.row for seen in known]
        # a last segment is not there where its write failed
        rows += [(seen.last, None) for seen in known if seen.number]
        if not stored.has_all(rows):
            for lease in leases:
                self._seen.pop(lease, None)

    def _look(self, stored: Rows, lease: Lease) -> _Seen:
        key = key_of("s", lease.chat_id, lease.row_id)
        prefix = prefix_of("g", lease.chat_id, lease.row_id)
        value, last = stored.get_with_last(key, prefix)
        stream = self.held(stored, lease, parsed(value))
        return _Seen(stream, (key, _json.encode(stream)), prefix, number_after(last))


def _beaten(stored: Rows, lease: Lease, seen: _Seen) -> _Seen:
    stream = seen.stream.beaten()
    put(stored, lease, stream)
    return seen._replace(stream=stream, row=(seen.row[0], _json.encode(stream)))
