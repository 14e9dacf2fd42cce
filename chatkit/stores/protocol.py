"""What a store is: the protocol chats and producers are written against, and its values.

Plain JSON objects go in and come out. A chat is one header and one row a message; a message
being written has a stream beside its row: an owner, a heartbeat, and append-only segments.
There is no `save(all_messages)`: two writers of one chat would lose each other's rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    owner: Row  # pid, boot, host ... of the process that writes or wrote it


@dataclass(frozen=True, slots=True)
class Stored:
    """A chat as stored: its header, and its rows, oldest first."""

    header: Row
    rows: list[Row]


@runtime_checkable
class Store(Protocol):
    """Chats and live streams. Every method raises `StoreError` if the store cannot do it.

    A file in a row or chunk (a large `data:` URL) is kept once, however many hold it.

    A `StoreError` that is `retryable` (full disk, lock) wrote nothing: keep what was to be
    written and try again.
    """

    location: str  # what a person would call it: the directory

    async def load(self, chat_id: str, *, limit: int | None = None) -> Stored | None:
        """The chat with its rows (the last `limit` of them), or None if there is none."""

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

    async def delete(self, chat_id: str) -> None:
        """Remove the chat: header, rows and streams. Whoever still writes one is fenced."""

    async def acquire(self, chat_id: str, row_id: str) -> Lease | None:
        """Begin to write the row's stream, or None while somebody alive writes it."""

    async def extend(self, lease: Lease, chunks: Sequence[Row]) -> None:
        """Add one segment. Raises `Fenced` if the stream was taken over, ended or deleted."""

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[Row]]]
    ) -> list[StoreError | None]:
        """Add a segment to each of many streams, together: what a tick of all of them costs.

        For each, what kept it from being added (`Fenced`), or None. As ever, a `StoreError`
        that is raised means that nothing was written.
        """

    async def beat(self, lease: Lease) -> None:
        """Say that the writer lives: needed every second or two in which nothing arrives."""

    async def finalize(
        self, lease: Lease, row: Row, *, header: Mapping[str, Any] | None = None
    ) -> None:
        """End the stream: its row takes the place of its segments, at once. May be `Fenced`."""

    async def segments(self, chat_id: str, row_id: str, since: int = 0) -> list[list[Row]]:
        """The chunks of each segment from number `since` on; none after the end."""

    async def status(self, chat_id: str, row_id: str) -> StreamInfo | None:
        """How the row's stream stands, or None if it never had one."""

    async def recover(self, chat_id: str, row_id: str) -> tuple[Lease, list[Row]] | None:
        """Take over a stream whose writer is gone: a lease to finalize it, and all its chunks.

        None while the writer lives, and when there is nothing to recover. A writer that was
        only suspended is `Fenced` from then on.
        """

    async def close(self) -> None:
        """Finish every write begun and let go of the files; a later call opens them again."""
