"""What a store is: the protocol chats and producers are written against, and its values.

Plain JSON objects go in and come out. A chat is one header and one row a message; a message
being written has a stream beside its row: an owner, a heartbeat, and append-only segments.
There is no `save(all_messages)`: two writers of one chat would lose each other's rows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from chatkit.errors import StoreError

Row: TypeAlias = dict[str, Any]  # a JSON object; a message's row has an "id"


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write one stream, until somebody bumps its epoch."""

    chat_id: str
    row_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known about a stream; `streaming` and not `alive` means interrupted."""

    state: str  # "streaming", or the status its message ended with
    alive: bool  # somebody is writing it now
    epoch: int
    segments: int  # how many are stored; 0 after the end, when the row holds everything
    owner: Row  # pid, boot, host, role ... of the process that writes or wrote it


@dataclass(frozen=True, slots=True)
class Tail:
    """What is new of a stream and how it stands, as of one moment."""

    info: StreamInfo | None  # None if the row never had a stream
    segments: list[list[Row]]  # the chunks of each new segment, in order
    row: Row | None  # the message's row; once the stream has ended, with all that was said

    @property
    def chunks(self) -> list[Row]:
        """The chunks of all of these segments."""
        return [chunk for segment in self.segments for chunk in segment]


@dataclass(frozen=True, slots=True)
class Stored:
    """A chat as stored: its header, and its rows, oldest first."""

    header: Row
    rows: list[Row]


def final_state(row: Row) -> str:
    """How a stream ends that ends with this row."""
    match row:
        case {"message": {"metadata": {"status": str(status)}}}:
            return status
        case _:
            return "ended"


@runtime_checkable
class Store(Protocol):
    """Chats and live streams. Every method raises `StoreError` if the store cannot do it.

    A file in a row or chunk (a large `data:` URL) is kept once, however many hold it.

    A `StoreError` that is `retryable` (full disk, lock, a server that is away) wrote nothing: keep
    what was to be written and try again. A server's answer may get lost: so a segment is tried
    again just as it was, and is there once.
    """

    location: str  # what a person would call it: the directory, or the server without its password

    @property
    def caution(self) -> str:
        """What its users must know of how it is set up, as far as that is known; "" if nothing."""

    async def load(self, chat_id: str, *, limit: int | None = None) -> Stored | None:
        """The chat with its rows (the last `limit` of them), or None if there is none."""

    async def rows(self, chat_id: str, ids: Sequence[str]) -> list[Row | None]:
        """The rows of these ids as they are stored; None where there is none."""

    async def append(
        self, chat_id: str, rows: Sequence[Row], *, header: Mapping[str, Any] | None = None
    ) -> None:
        """Add rows, each with an "id", and merge `header` into the chat's header, at once.

        The header is created with the first rows: "id", "version", "created_at" and
        "updated_at" (ISO 8601, UTC) are the store's own. An id already there is replaced.
        """

    async def update(
        self, chat_id: str, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        """Replace the row that has `row["id"]`; it keeps its place."""

    async def describe(self, chat_id: str, header: Mapping[str, Any]) -> None:
        """Merge `header` into the chat's header."""

    async def chats(self) -> list[Row]:
        """Every chat's header, the last updated first."""

    async def revisions(self, chat_ids: Sequence[str]) -> list[int | None]:
        """Of each chat a number that every change of its header and rows raises by one, as its
        header says it under "rev"; None where there is no such chat. One that is deleted and
        made again begins with a number of its own."""

    async def delete(self, chat_id: str) -> None:
        """Remove the chat: header, rows and streams. Whoever still writes one is fenced."""

    async def remove(self, chat_id: str, ids: Sequence[str]) -> None:
        """Remove these rows and their streams, and the files that nothing else holds; an id
        that is not there is no error. Whoever still writes one is fenced, also where its row is
        begun again."""

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
        """Begin to write the row's stream; `rows` and `header` are appended with it, at once.
        Segments of a writer that is gone are dropped: `recover` keeps them.

        None, and nothing is written, while somebody alive writes the stream; where it has ended
        in one of the states `unless`, such as "complete"; or where `heads` is given and the
        "head" in the chat's header is none of them.
        """

    async def extend(self, lease: Lease, chunks: Sequence[Row]) -> None:
        """Add one segment. Raises `Fenced` if the stream was taken over, ended or deleted, and
        `StoreLost` if the store has lost what it held."""

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[Row]]]
    ) -> list[StoreError | None]:
        """Add a segment to each of many streams, together: what a tick of all of them costs.

        For each, what kept it from being added (`Fenced`), or None. As ever, a `StoreError`
        that is raised means that nothing was written.
        """

    async def beat(self, lease: Lease) -> None:
        """Say that this process writes the stream and lives: needed every second or two in which
        nothing arrives. Whoever is given a lease by another process begins with this. Raises as
        `extend` does."""

    async def finalize(
        self, lease: Lease, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        """End the stream: its row takes the place of its segments, at once. Raises as
        `extend` does."""

    async def follow(self, chat_id: str, row_id: str, since: int = 0, *, wait: float = 0.0) -> Tail:
        """The segments from number `since` on (none after the end), and how the stream stands.

        Where there is nothing new of a living stream, waits for that up to `wait` seconds.
        """

    async def status(self, chat_id: str, row_id: str) -> StreamInfo | None:
        """How the row's stream stands, or None if it never had one."""

    async def living(self) -> list[tuple[str, str, StreamInfo]]:
        """The streams that somebody writes now: the ids of chat and row, and how they stand, but
        for `segments`, which is 0 here."""

    async def tell(self, chat_id: str, row_id: str, word: Row) -> None:
        """Leave a word for whoever writes the stream; nobody hears it once that has ended."""

    async def heard(self, leases: Sequence[Lease]) -> list[tuple[Lease, Row]]:
        """Take the words left for these streams, in their order: nobody hears one twice."""

    async def recover(self, chat_id: str, row_id: str) -> tuple[Lease, list[Row]] | None:
        """Take over a stream whose writer is gone: a lease to finalize it, and all its chunks.

        None while the writer lives, and when there is nothing to recover. A writer that was
        only suspended is `Fenced` from then on.
        """

    async def close(self) -> None:
        """Finish every write begun and let go of the files; a later call opens them again."""
