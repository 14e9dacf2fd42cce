"""The store in a directory: which rows there are, and what may be written when.

c/<chat>                 the chat's header
m/<chat>/<row>           a message
s/<chat>/<row>           the stream of a message: state, owner, heartbeat, epoch
g/<chat>/<row>/<number>  a segment of it: the chunks of one save, never changed
f/<sha256>               the bytes of a file in messages, once for all chats
r/<chat>/<sha256>        that the chat holds that file
w/<chat>/<row>/<number>  a word left for whoever writes the stream of a message
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from chatkit.errors import ConfigError, StoreError
from chatkit.stores import _files, _json
from chatkit.stores import _streams as streams
from chatkit.stores._chats import (
    appending,
    copy,
    header_of,
    put,
    put_files,
    remove,
    remove_all,
    touch,
    with_files,
)
from chatkit.stores._database import Database
from chatkit.stores._keys import key_of, prefix_of
from chatkit.stores._rows import Rows
from chatkit.stores._thread import IoThread
from chatkit.stores.protocol import Lease, Row, Stored, StreamInfo, Tail, final_state

POLL = 0.02  # seconds between looks for what another process writes: 2 % of a core


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
        self._leases = streams.Leases()

    def __repr__(self) -> str:
        return f"<DiskStore {self.location!r}>"

    @property
    def caution(self) -> str:
        return ""

    async def load(self, chat_id: str, *, limit: int | None = None) -> Stored | None:
        def look(stored: Rows) -> tuple[Any, list[Any]]:
            header = stored.get(key_of("c", chat_id))
            return header, with_files(stored, stored.latest(prefix_of("m", chat_id), limit))

        header, rows = await self._io.read(look)
        if header is None and not rows:
            return None
        return Stored(header_of(chat_id, header), [row for row in rows if isinstance(row, dict)])

    async def rows(self, chat_id: str, ids: Sequence[str]) -> list[Row | None]:
        keys = [key_of("m", chat_id, id) for id in ids]

        def look(stored: Rows) -> list[Any]:
            found = stored.get_all(keys)
            return with_files(stored, [found.get(key) for key in keys])

        return [row if isinstance(row, dict) else None for row in await self._io.read(look)]

    async def append(
        self, chat_id: str, rows: Sequence[Row], *, header: Mapping[str, Any] | None = None
    ) -> None:
        await self._io.write(appending(chat_id, rows, header))

    async def update(
        self, chat_id: str, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        key, packed, patch = key_of("m", chat_id, row["id"]), _files.pack(row), copy(header)

        def write(stored: Rows) -> None:
            if not stored.has(key):
                raise StoreError(
                    f"chat {chat_id!r} has no message {row['id']!r} to replace: it was deleted"
                )
            touch(stored, chat_id, patch)
            put(stored, chat_id, key, packed)

        await self._io.write(write)

    async def describe(self, chat_id: str, header: Mapping[str, Any]) -> None:
        await self.append(chat_id, (), header=header)

    async def chats(self) -> list[Row]:
        found = await self._io.read(lambda rows: rows.scan("c/"))
        headers = [header for header in found if isinstance(header, dict)]
        return sorted(headers, key=lambda header: str(header.get("updated_at")), reverse=True)

    async def revisions(self, chat_ids: Sequence[str]) -> list[int | None]:
        if not os.path.exists(self.location):  # and asking would make it
            return [None] * len(chat_ids)
        return await self._io.read(lambda stored: [_revision(stored, id) for id in chat_ids])

    async def delete(self, chat_id: str) -> None:
        await self._io.write(lambda stored: remove_all(stored, chat_id))

    async def remove(self, chat_id: str, ids: Sequence[str]) -> None:
        gone = list(ids)
        await self._io.write(lambda stored: remove(stored, chat_id, gone))

    async def acquire(
        self,
        chat_id: str,
        row_id: str,
        *,
        rows: Sequence[Row] = (),
        header: Mapping[str, Any] | None = None,
        heads: Sequence[str | None] | None = None,
        unless: Collection[str] = (),
    ) -> Lease | None:
        append = appending(chat_id, rows, header) if rows or header else None
        over = frozenset(unless) - {streams.STREAMING}
        place = streams.place_of(chat_id, row_id)

        def write(stored: Rows) -> Lease | None:
            stream, beside = streams.find_beside(stored, place)
            known = stored.get(key_of("c", chat_id)) if heads is not None else None
            if stream is not None and (stream.is_alive() or stream.state in over):
                return None
            if heads is not None and header_of(chat_id, known).get("head") not in heads:
                return None
            if append is not None:
                append(stored)
            stored.drop_beside(beside)  # of the writer before: its row holds what it had come to
            return self._leases.take(stored, chat_id, row_id, stream)

        return await self._io.write(write, ahead=place)

    async def extend(self, lease: Lease, chunks: Sequence[Row]) -> None:
        [error] = await self.extend_all([(lease, chunks)])
        if error is not None:
            raise error

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[Row]]]
    ) -> list[StoreError | None]:
        packed = [(lease, _files.pack(list(chunks))) for lease, chunks in segments]

        def write(stored: Rows) -> list[StoreError | None]:
            values = [(lease, segment.value) for lease, segment in packed]
            errors = self._leases.add(stored, values)
            for (lease, segment), error in zip(packed, errors, strict=True):
                if error is None:
                    put_files(stored, lease.chat_id, segment.files)
            return errors

        return await self._io.write(write)

    async def beat(self, lease: Lease) -> None:
        await self._io.write(lambda stored: self._leases.beat(stored, lease))

    async def finalize(
        self, lease: Lease, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        packed, patch = _files.pack(row), copy(header)
        state, place = final_state(row), streams.place_of(lease.chat_id, lease.row_id)

        def write(stored: Rows) -> None:
            found, beside = streams.find_beside(stored, place)
            stream = self._leases.held(stored, lease, found)
            touch(stored, lease.chat_id, patch)
            put(stored, lease.chat_id, key_of("m", lease.chat_id, lease.row_id), packed)
            streams.put(stored, lease, stream.ended(state))
            stored.drop_beside(beside)

        await self._io.write(write, ahead=place)
        self._leases.forget(lease)  # not before: where that failed, it is tried again

    async def follow(self, chat_id: str, row_id: str, since: int = 0, *, wait: float = 0.0) -> Tail:
        end = time.monotonic() + wait
        while True:
            tail = await self._io.read(lambda stored: _tail(stored, chat_id, row_id, since))
            is_quiet = tail.info is not None and tail.info.alive and not tail.segments
            if not is_quiet or time.monotonic() >= end:
                return tail
            await asyncio.sleep(POLL)

    async def status(self, chat_id: str, row_id: str) -> StreamInfo | None:
        return await self._io.read(lambda stored: _info(stored, chat_id, row_id))

    async def living(self) -> list[tuple[str, str, StreamInfo]]:
        if not os.path.exists(self.location):  # and asking would make it
            return []
        found = await self._io.read(streams.living)
        return [(chat_id, row_id, _told(stream, 0)) for chat_id, row_id, stream in found]

    async def tell(self, chat_id: str, row_id: str, word: Row) -> None:
        prefix, value = prefix_of("w", chat_id, row_id), _json.encode(word)

        def write(stored: Rows) -> None:
            stream = streams.find(stored, chat_id, row_id)
            if stream is not None and stream.state == streams.STREAMING:
                _, last = stored.get_with_last("", prefix)
                stored.add_all([(f"{prefix}{streams.number_after(last):08}", value)])

        await self._io.write(write)

    async def heard(self, leases: Sequence[Lease]) -> list[tuple[Lease, Row]]:
        mine = {prefix_of("w", lease.chat_id, lease.row_id) for lease in leases}
        keys = await self._io.read(lambda stored: stored.keys("w/"))
        if mine.isdisjoint(key[: key.rindex("/") + 1] for key in keys):
            return []

        def write(stored: Rows) -> list[tuple[Lease, Row]]:
            words: list[tuple[Lease, Row]] = []
            for lease in leases:
                prefix = prefix_of("w", lease.chat_id, lease.row_id)
                words += [(lease, word) for word in stored.scan(prefix) if isinstance(word, dict)]
                stored.drop_beside([prefix])
            return words

        return await self._io.write(write)

    async def recover(self, chat_id: str, row_id: str) -> tuple[Lease, list[Row]] | None:
        def write(stored: Rows) -> Lease | None:
            stream = streams.find(stored, chat_id, row_id)
            if stream is None or stream.state != streams.STREAMING or stream.is_alive():
                return None
            return self._leases.take(stored, chat_id, row_id, stream)

        lease = await self._io.write(write)
        if lease is None:
            return None
        tail = await self.follow(chat_id, row_id)  # nobody else can add to it any more
        return lease, tail.chunks

    async def close(self) -> None:
        await self._io.close()


def _revision(stored: Rows, chat_id: str) -> int | None:
    header = stored.get(key_of("c", chat_id))
    return header.get("rev", 0) if isinstance(header, dict) else None


def _info(stored: Rows, chat_id: str, row_id: str) -> StreamInfo | None:
    key, prefix = key_of("s", chat_id, row_id), prefix_of("g", chat_id, row_id)
    value, last = stored.get_with_last(key, prefix)
    stream = streams.parsed(value)
    if stream is None:
        return None
    return _told(stream, streams.number_after(last))


def _told(stream: streams.Stream, segments: int) -> StreamInfo:
    return StreamInfo(stream.state, stream.is_alive(), stream.epoch, segments, stream.owner)


def _tail(stored: Rows, chat_id: str, row_id: str, since: int) -> Tail:
    info = _info(stored, chat_id, row_id)
    if info is not None and info.alive and info.segments <= since:
        return Tail(info, [], None)
    found = stored.scan(prefix_of("g", chat_id, row_id), f"{since:08}")
    found.append(stored.get(key_of("m", chat_id, row_id)))
    *segments, row = with_files(stored, found)
    lists = [segment if isinstance(segment, list) else [] for segment in segments]
    return Tail(info, lists, row if isinstance(row, dict) else None)
