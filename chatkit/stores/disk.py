"""The store in a directory: which rows there are, and what may be written when.

    c/<chat>                 the chat's header
    m/<chat>/<row>           a message
    s/<chat>/<row>           the stream of a message: state, owner, heartbeat, epoch
    g/<chat>/<row>/<number>  a segment of it: the chunks of one save, never changed
    f/<sha256>               the bytes of a file in messages, once for all chats
    r/<chat>/<sha256>        that the chat holds that file

Every writer of a stream holds a lease with an epoch. Whoever takes a stream over, or ends it,
raises the epoch in the same transaction, and a writer with an older one is fenced off.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from chatkit.errors import ConfigError, Fenced, StoreError
from chatkit.stores import _files, _json, _owner
from chatkit.stores._database import Database
from chatkit.stores._rows import Rows
from chatkit.stores._thread import IoThread
from chatkit.stores.protocol import Lease, Row, Stored, StreamInfo

VERSION = 2  # of the stored format, in each chat's header; 1 kept files in the rows
STREAMING = "streaming"
BEAT = 1.0  # seconds between two heartbeats, at least


class DiskStore:
    """Chats and live streams in one directory; see `Store` for what each method does."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self.location = os.fspath(directory)
        if os.path.expandvars(self.location) != self.location:  # diskcache would, silently
            raise ConfigError(
                f"a store cannot be at {self.location!r}: '$' stands for a variable there; "
                "give a path without it"
            )
        self._io = IoThread(lambda: Database(Path(self.location)))

    async def load(self, chat_id: str, *, limit: int | None = None) -> Stored | None:
        def look(stored: Rows) -> tuple[Any, list[Any]]:
            header = stored.get(_key("c", chat_id))
            return header, _with_files(stored, stored.latest(_prefix("m", chat_id), limit))

        header, rows = await self._io.read(look)
        if header is None and not rows:
            return None
        return Stored(_header(chat_id, header), [row for row in rows if isinstance(row, dict)])

    async def append(
        self, chat_id: str, rows: Sequence[Row], *, header: Mapping[str, Any] | None = None
    ) -> None:
        values = [(_key("m", chat_id, row["id"]), _files.pack(row)) for row in rows]
        patch = _copy(header)

        def write(stored: Rows) -> None:
            _touch(stored, chat_id, patch)
            for key, packed in values:
                _put(stored, chat_id, key, packed)

        await self._io.write(write)

    async def update(
        self, chat_id: str, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        key, packed, patch = _key("m", chat_id, row["id"]), _files.pack(row), _copy(header)

        def write(stored: Rows) -> None:
            if not stored.has(key):
                raise StoreError(
                    f"chat {chat_id!r} has no message {row['id']!r} to replace: it was deleted"
                )
            _touch(stored, chat_id, patch)
            _put(stored, chat_id, key, packed)

        await self._io.write(write)

    async def describe(self, chat_id: str, header: Mapping[str, Any]) -> None:
        await self.append(chat_id, (), header=header)

    async def chats(self) -> list[Row]:
        found = await self._io.read(lambda rows: rows.scan("c/"))
        headers = [header for header in found if isinstance(header, dict)]
        return sorted(headers, key=lambda header: str(header.get("updated_at")), reverse=True)

    async def delete(self, chat_id: str) -> None:
        def write(stored: Rows) -> None:
            stored.drop(_key("c", chat_id))
            for kind in ("m", "s", "g"):
                stored.drop_all(_prefix(kind, chat_id))
            _drop_files(stored, chat_id)

        await self._io.write(write)

    async def acquire(self, chat_id: str, row_id: str) -> Lease | None:
        def write(stored: Rows) -> Lease | None:
            stream = _stream(stored, chat_id, row_id)
            if stream is not None and stream.is_alive():
                return None
            return _take(stored, chat_id, row_id, 0 if stream is None else stream.epoch)

        return await self._io.write(write)

    async def extend(self, lease: Lease, chunks: Sequence[Row]) -> None:
        packed = _files.pack(list(chunks))
        key = _key("s", lease.chat_id, lease.row_id)
        prefix = _prefix("g", lease.chat_id, lease.row_id)

        def write(stored: Rows) -> None:
            value, last = stored.get_with_last(key, prefix)
            stream = _held(lease, _parsed(value))
            number = _number_after(last)
            if stream.is_due():
                _put_stream(stored, lease, stream.beaten())
            stored.add(f"{prefix}{number:08}", packed.value)
            _put_files(stored, lease.chat_id, packed.files)

        await self._io.write(write)

    async def beat(self, lease: Lease) -> None:
        def write(stored: Rows) -> None:
            stream = _held(lease, _stream(stored, lease.chat_id, lease.row_id))
            _put_stream(stored, lease, stream.beaten())

        await self._io.write(write)

    async def finalize(
        self, lease: Lease, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        packed, patch = _files.pack(row), _copy(header)
        state = _final_state(row)

        def write(stored: Rows) -> None:
            stream = _held(lease, _stream(stored, lease.chat_id, lease.row_id))
            _touch(stored, lease.chat_id, patch)
            _put(stored, lease.chat_id, _key("m", lease.chat_id, lease.row_id), packed)
            _put_stream(stored, lease, stream.ended(state))
            stored.drop_all(_prefix("g", lease.chat_id, lease.row_id))

        await self._io.write(write)

    async def segments(self, chat_id: str, row_id: str, since: int = 0) -> list[list[Row]]:
        prefix = _prefix("g", chat_id, row_id)
        found = await self._io.read(
            lambda rows: _with_files(rows, rows.scan(prefix, f"{since:08}"))
        )
        return [segment if isinstance(segment, list) else [] for segment in found]

    async def status(self, chat_id: str, row_id: str) -> StreamInfo | None:
        key, prefix = _key("s", chat_id, row_id), _prefix("g", chat_id, row_id)

        def look(stored: Rows) -> StreamInfo | None:
            value, last = stored.get_with_last(key, prefix)
            stream = _parsed(value)
            if stream is None:
                return None
            count = _number_after(last)
            return StreamInfo(stream.state, stream.is_alive(), stream.epoch, count, stream.owner)

        return await self._io.read(look)

    async def recover(self, chat_id: str, row_id: str) -> tuple[Lease, list[Row]] | None:
        def write(stored: Rows) -> Lease | None:
            stream = _stream(stored, chat_id, row_id)
            if stream is None or stream.state != STREAMING or stream.is_alive():
                return None
            return _take(stored, chat_id, row_id, stream.epoch)

        lease = await self._io.write(write)
        if lease is None:
            return None
        segments = await self.segments(chat_id, row_id)  # nobody else can add to them any more
        return lease, [chunk for segment in segments for chunk in segment]

    async def close(self) -> None:
        await self._io.close()


def _put(stored: Rows, chat_id: str, key: str, packed: _files.Packed) -> None:
    stored.put(key, packed.value)
    _put_files(stored, chat_id, packed.files)


def _put_files(stored: Rows, chat_id: str, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        if stored.content(_key("f", name)) != content:  # not there, or damaged
            stored.put(_key("f", name), content)
        stored.put(_key("r", chat_id, name), b"true")


def _drop_files(stored: Rows, chat_id: str) -> None:
    """Forget that the chat holds files, and drop those that no other chat holds."""
    names = _names(stored, _prefix("r", chat_id))
    stored.drop_all(_prefix("r", chat_id))
    for name in names and names - _names(stored, "r/"):
        stored.drop(_key("f", name))


def _names(stored: Rows, prefix: str) -> set[str]:
    return {key.rpartition("/")[2] for key in stored.keys(prefix)}


def _with_files(stored: Rows, values: list[Any]) -> list[Any]:
    return _files.unpack(values, lambda name: stored.content(_key("f", name)))


class _Stream(msgspec.Struct, frozen=True):
    """The row that says who writes a message."""

    state: str
    owner: Row
    heartbeat: float  # seconds since the epoch
    epoch: int

    def is_alive(self) -> bool:
        now = time.time()
        return self.state == STREAMING and _owner.is_alive(self.owner, self.heartbeat, now)

    def is_due(self) -> bool:
        return not 0 <= time.time() - self.heartbeat < BEAT  # clocks are set back, too

    def beaten(self) -> _Stream:
        return msgspec.structs.replace(self, heartbeat=time.time())

    def ended(self, state: str) -> _Stream:
        return msgspec.structs.replace(self, state=state, epoch=self.epoch + 1)


def _stream(stored: Rows, chat_id: str, row_id: str) -> _Stream | None:
    return _parsed(stored.get(_key("s", chat_id, row_id)))


def _parsed(value: Any) -> _Stream | None:
    try:
        return None if value is None else msgspec.convert(value, _Stream)
    except msgspec.ValidationError:  # chatkit did not write this
        return None


def _put_stream(stored: Rows, lease: Lease, stream: _Stream) -> None:
    stored.put(_key("s", lease.chat_id, lease.row_id), _json.encode(stream))


def _take(stored: Rows, chat_id: str, row_id: str, epoch: int) -> Lease:
    """Make this process the writer, above `epoch`; segments that are there are kept."""
    lease = Lease(chat_id, row_id, epoch + 1)
    owner = _owner.this_process()
    _put_stream(stored, lease, _Stream(STREAMING, owner, time.time(), lease.epoch))
    return lease


def _held(lease: Lease, stream: _Stream | None) -> _Stream:
    if stream is None:
        raise Fenced(f"chat {lease.chat_id!r} was deleted while message {lease.row_id!r} streamed")
    if stream.epoch != lease.epoch or stream.state != STREAMING:
        raise Fenced(
            f"message {lease.row_id!r} of chat {lease.chat_id!r} was taken over or ended by "
            "another writer; what it keeps is theirs"
        )
    return stream


def _number_after(last: str | None) -> int:
    """The number of the segment to come, `last` being the key of the one before."""
    if last is None:
        return 0
    number = last.rpartition("/")[2]
    if not number.isdecimal():
        raise StoreError(f"the store holds a row that chatkit did not write: {last!r}")
    return int(number) + 1


def _touch(stored: Rows, chat_id: str, patch: Row) -> None:
    """Merge `patch` into the chat's header, or begin one."""
    key = _key("c", chat_id)
    header = _header(chat_id, stored.get(key))
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    own = {"created_at": header.get("created_at", now), "updated_at": now}
    stored.put(key, _json.encode({**header, **patch, "id": chat_id, "version": VERSION, **own}))


def _header(chat_id: str, found: object) -> Row:
    """The header as found, or a bare one. Raises StoreError if it is of a later format."""
    match found:
        case {"version": int(version)} if version > VERSION:
            raise StoreError(
                f"chat {chat_id!r} was saved by a newer chatkit (format {version}, this one "
                f"knows {VERSION}): upgrade chatkit-notebook to open it"
            )
        case dict():
            return found
        case _:
            return {"id": chat_id, "version": VERSION}


def _final_state(row: Row) -> str:
    match row:
        case {"message": {"metadata": {"status": str(status)}}}:
            return status
        case _:
            return "ended"


def _copy(header: Mapping[str, Any] | None) -> Row:
    """A copy that later changes do not reach. Raises TypeError if it is not JSON."""
    copy: Row = _json.decode(_json.encode(dict(header or {})))
    return copy


def _key(kind: str, *ids: str) -> str:
    return "/".join((kind, *map(_escape, ids)))


def _prefix(kind: str, *ids: str) -> str:
    return _key(kind, *ids) + "/"


@lru_cache(maxsize=4096)
def _escape(part: str) -> str:
    return quote(part, safe="", errors="surrogatepass")
