"""The store on a Redis server, which kernels on different machines share.

One server of version 5 or later (no cluster: a file belongs to many chats). What is written
together is written by one script; see `_redis_scripts` for what is kept where. Whether a writer
lives is told by the server's clock, since those of two machines differ.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from chatkit.errors import Fenced, StoreError, StoreLost
from chatkit.stores import _files, _json, _owner
from chatkit.stores import _redis_scripts as scripts
from chatkit.stores._redis_server import Server
from chatkit.stores._redis_words import (
    MARK,
    VERSION,
    Change,
    Word,
    change_of,
    check_format,
    decoded,
    field_of,
    header_of,
    id_of,
    many,
    new_mark,
    of_files,
    stored_ids,
    stored_key,
)
from chatkit.stores.protocol import Lease, Row, Stored, StreamInfo, Tail, final_state

STREAMING = b"streaming"
CHUNK = 1000  # rows of one call
BLOCK = 0.5  # seconds of one wait for what is new: then whoever writes may have died


class RedisStore:
    """Chats and live streams on one Redis server; see `Store` for what each method does."""

    def __init__(self, url: str) -> None:
        self._server = Server(url)
        self.location = self._server.location
        self._numbers: dict[Lease, int] = {}  # of each stream's segment to come
        self._taken: set[tuple[str, bytes]] = set()  # words heard that are still on the server

    def __repr__(self) -> str:
        return f"<RedisStore {self.location!r}>"

    @property
    def caution(self) -> str:
        """What is wrong with the server's settings, as far as that is known by now."""
        return self._server.caution

    async def load(self, chat_id: str, *, limit: int | None = None) -> Stored | None:
        most = -1 if limit is None else limit
        fields, rows = await self._server.run(scripts.LOAD, id_of(chat_id), most)
        header = header_of(chat_id, fields) or {"id": chat_id, "version": VERSION}
        check_format(chat_id, header.get("version"))
        if not fields and not rows:
            return None
        found = await self._with_files([decoded(stored_key("m", chat_id), row) for row in rows])
        return Stored(header, [row for row in found if isinstance(row, dict)])

    async def rows(self, chat_id: str, ids: Sequence[str]) -> list[Row | None]:
        key, fields = stored_key("m", chat_id), [field_of(id) for id in ids]
        stored: list[bytes | None] = []
        for some in _chunks(fields):
            stored += await self._server.command("HMGET", key, *some)
        found = await self._with_files([decoded(key, row) for row in stored])
        return [row if isinstance(row, dict) else None for row in found]

    async def append(
        self, chat_id: str, rows: Sequence[Row], *, header: Mapping[str, Any] | None = None
    ) -> None:
        await self._change(scripts.WRITE, change_of(chat_id, rows, header), "")

    async def update(
        self, chat_id: str, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        change = change_of(chat_id, [row], header)
        [answer] = await self._change(scripts.WRITE, change, field_of(row["id"]))
        if answer == b"gone":
            raise StoreError(
                f"chat {chat_id!r} has no message {row['id']!r} to replace: it was deleted"
            )

    async def describe(self, chat_id: str, header: Mapping[str, Any]) -> None:
        await self.append(chat_id, (), header=header)

    async def chats(self) -> list[Row]:
        found = await self._server.run(scripts.CHATS)
        known = [(ids[0], fields) for name, fields in found if (ids := stored_ids(name, 1))]
        headers = [header_of(chat_id, fields) for chat_id, fields in known]
        return [header for header in headers if header is not None]

    async def revisions(self, chat_ids: Sequence[str]) -> list[int | None]:
        found = await self._server.run(scripts.REVISIONS, *map(id_of, chat_ids))
        return [None if revision is None else _number(revision) for revision in found]

    async def delete(self, chat_id: str) -> None:
        await self._server.run(scripts.DELETE, id_of(chat_id))

    async def remove(self, chat_id: str, ids: Sequence[str]) -> None:
        for some in _chunks(list(ids)):
            pairs: list[Word] = [word for id in some for word in (field_of(id), id_of(chat_id, id))]
            await self._server.run(scripts.REMOVE, id_of(chat_id), *many(pairs))
        await self._server.run(scripts.SWEEP, id_of(chat_id))

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
        change = change_of(chat_id, rows, header)
        may: list[Word] = [-1] if heads is None else many([_json.encode(head) for head in heads])
        changes = int(bool(rows or header))
        return await self._take(change, row_id, changes, 0, *many(list(unless)), *may)

    async def extend(self, lease: Lease, chunks: Sequence[Row]) -> None:
        [error] = await self.extend_all([(lease, chunks)])
        if error is not None:
            raise error

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[Row]]]
    ) -> list[StoreError | None]:
        words: list[Word] = [len(segments)]
        before: Counter[Lease] = Counter()  # segments of the same stream, in this call
        for lease, chunks in segments:
            packed = _files.pack(list(chunks))
            known = self._numbers.get(lease)
            words += [*_held(lease), -1 if known is None else known + before[lease]]
            words += [packed.value, *many(of_files(packed.files))]
            before[lease] += 1
        answers = await self._server.run(scripts.EXTEND, *words)
        pairs = zip(segments, answers, strict=True)
        return [self._extended(lease, answer) for (lease, _), answer in pairs]

    def _extended(self, lease: Lease, answer: int | bytes) -> StoreError | None:
        if isinstance(answer, bytes):
            return self._refused(lease, answer)
        self._numbers[lease] = answer
        return None

    async def beat(self, lease: Lease) -> None:
        owner = _json.encode(_owner.this_process())
        answer, *segments = await self._server.run(scripts.BEAT, *_held(lease), owner)
        if answer != b"done":
            raise self._refused(lease, answer)
        self._numbers.setdefault(lease, *segments)

    async def finalize(
        self, lease: Lease, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        change = change_of(lease.chat_id, [{**row, "id": lease.row_id}], header)
        _, id, epoch = _held(lease)
        [answer] = await self._change(scripts.END, change, id, epoch, final_state(row))
        if answer != b"done":
            raise self._refused(lease, answer)
        self._numbers.pop(lease, None)

    async def follow(self, chat_id: str, row_id: str, since: int = 0, *, wait: float = 0.0) -> Tail:
        end = time.monotonic() + wait
        while True:
            tail, last = await self._look(chat_id, row_id, since)
            is_quiet = tail.info is not None and tail.info.alive and not tail.segments
            left = end - time.monotonic()
            if not is_quiet or left <= 0:
                return tail
            await self._server.news(stored_key("g", chat_id, row_id), last, min(left, BLOCK))

    async def status(self, chat_id: str, row_id: str) -> StreamInfo | None:
        found = await self._seen(chat_id, row_id, since=2**31)
        return found.info

    async def living(self) -> list[tuple[str, str, StreamInfo]]:
        found: list[tuple[str, str, StreamInfo]] = []
        for id, state, owner, age, epoch in await self._server.run(scripts.LIVING):
            ids, info = stored_ids(id, 2), _info(state, owner, age, epoch, 0)
            if ids is not None and info.alive:
                found.append((ids[0], ids[1], info))
        return found

    async def tell(self, chat_id: str, row_id: str, word: Row) -> None:
        said = new_mark().encode() + _json.encode(word)  # two alike are two
        await self._server.run(scripts.TELL, id_of(chat_id, row_id), said)

    async def heard(self, leases: Sequence[Lease]) -> list[tuple[Lease, Row]]:
        ids: list[Word] = [id_of(lease.chat_id, lease.row_id) for lease in leases]
        taken = set(self._taken)  # off the server only now: the answer before might be lost
        flat: list[Word] = [part for pair in taken for part in pair]
        found = await self._server.run(scripts.HEAR, *many(flat), *many(ids))
        self._taken -= taken
        words: list[tuple[Lease, Row]] = []
        for lease, said in zip(leases, found, strict=True):
            words += [(lease, word) for one in said for word in self._word(lease, one)]
        return words

    def _word(self, lease: Lease, said: bytes) -> list[Row]:
        """The word, if it is one and was not heard yet."""
        one = id_of(lease.chat_id, lease.row_id), said
        if one in self._taken:
            return []
        self._taken.add(one)
        word = decoded(stored_key("w", lease.chat_id, lease.row_id), said[MARK:])
        return [word] if isinstance(word, dict) else []

    async def recover(self, chat_id: str, row_id: str) -> tuple[Lease, list[Row]] | None:
        lease = await self._take(change_of(chat_id, (), None), row_id, 0, 1, 0, -1)
        if lease is None:
            return None
        tail, _ = await self._look(chat_id, row_id, 0)  # nobody else can add to it any more
        return lease, tail.chunks

    async def close(self) -> None:
        await self._server.close()

    async def _seen(self, chat_id: str, row_id: str, *, since: int) -> _Seen:
        ids = (id_of(chat_id), field_of(row_id), id_of(chat_id, row_id))
        state, *found = await self._server.run(scripts.LOOK, *ids, since)
        return _Seen(None if state is None else _info(state, *found[:4]), *found[4:])

    async def _look(self, chat_id: str, row_id: str, since: int) -> tuple[Tail, bytes]:
        """What is new, and the id of the stream's last entry."""
        seen = await self._seen(chat_id, row_id, since=since)
        if seen.info is None and since and not seen.deleted:
            raise self._forgot(chat_id, row_id)
        if seen.info is not None and seen.info.alive and not seen.segments:
            return Tail(seen.info, [], None), seen.last
        key = stored_key("g", chat_id, row_id)
        stored = [decoded(key, segment) for segment in seen.segments]
        stored.append(decoded(stored_key("m", chat_id), seen.row))
        *segments, row = await self._with_files(stored)
        lists = [segment if isinstance(segment, list) else [] for segment in segments]
        return Tail(seen.info, lists, row if isinstance(row, dict) else None), seen.last

    async def _take(self, change: Change, row_id: str, *how: Word) -> Lease | None:
        """Become the writer of a stream, in place of one that is seen to be gone."""
        changes, only_open, *bounds = how
        id, owner = id_of(change.chat_id, row_id), _json.encode(_owner.this_process())
        mark, seen, key = new_mark(), b"", stored_key("s", change.chat_id, row_id)
        while True:
            words = (changes, id, owner, mark, seen, only_open, *bounds)
            match await self._change(scripts.TAKE, change, *words):
                case [b"done", epoch, segments]:
                    lease = Lease(change.chat_id, row_id, int(epoch))
                    self._numbers[lease] = segments
                    return lease
                case [b"alive", by, age, seen] if not _is_alive(decoded(key, by), age):
                    continue  # and take it, if it is still as it was seen
                case _:
                    return None

    async def _change(self, script: str, change: Change, *more: Word) -> list[Any]:
        """Run a script that begins with a change, at first without files that may be there."""
        answer = await self._server.run(script, *change.words(whole=False), *more)
        if answer[0] == b"missing":
            answer = await self._server.run(script, *change.words(whole=True), *more)
        if answer[0] == b"later":
            check_format(change.chat_id, int(answer[1]))
        return list(answer)

    async def _with_files(self, values: list[Any]) -> list[Any]:
        contents: dict[str, bytes | None] = {}
        if names := _files.file_names(values):
            keys = [f"chatkit:f/{name}" for name in names]
            contents = dict(zip(names, await self._server.command("MGET", *keys), strict=True))
        return _files.unpack(values, contents.get)

    def _refused(self, lease: Lease, answer: bytes) -> StoreError:
        row = f"message {lease.row_id!r} of chat {lease.chat_id!r}"
        match answer:
            case b"deleted":
                return Fenced(f"{row} was deleted meanwhile")
            case b"lost":
                self._numbers.pop(lease, None)
                return StoreLost(
                    f"the Redis server {self.location!r} has lost {row}, which this process "
                    "still has: it restarted without its data, or evicted it"
                )
            case b"other":
                again = StoreError(f"of {row} something else arrived: save its last segment again")
                again.retryable = True
                return again
            case _:
                return Fenced(f"{row} was taken over or ended by another writer; it is theirs now")

    def _forgot(self, chat_id: str, row_id: str) -> StoreError:
        """Of a stream that was there: whoever writes it may still have it, and store it again."""
        forgot = StoreError(
            f"the Redis server {self.location!r} has lost message {row_id!r} of chat {chat_id!r}; "
            "it is there again if whoever writes it still has it"
        )
        forgot.retryable = True
        return forgot


class _Seen(NamedTuple):
    info: StreamInfo | None
    last: bytes  # the id of the last entry
    segments: list[bytes]
    row: bytes | None
    deleted: int  # the chat was, today


def _chunks(words: Sequence[str]) -> list[Sequence[str]]:
    """Not all at once: meanwhile the server answers nobody else."""
    return [words[at : at + CHUNK] for at in range(0, len(words), CHUNK)]


def _held(lease: Lease) -> tuple[str, str, int]:
    return id_of(lease.chat_id), id_of(lease.chat_id, lease.row_id), lease.epoch


def _info(
    state: bytes, owner: bytes | None, age: bytes, epoch: bytes | None, segments: int
) -> StreamInfo:
    by = decoded("the owner of a stream", owner)
    alive = state == STREAMING and _is_alive(by, age)
    whose = by if isinstance(by, dict) else {}
    return StreamInfo(state.decode("utf-8", "replace"), alive, _number(epoch), segments, whose)


def _number(said: bytes | None) -> int:
    return int(said) if said is not None and said.isdigit() else 0


def _is_alive(owner: Any, age: bytes) -> bool:
    """Whether a writer lives whose last sign of life is so many microseconds old."""
    return isinstance(owner, dict) and _owner.is_alive(owner, 0.0, int(age) / 1e6)
