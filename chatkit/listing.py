"""The list of what a store holds, and of who writes there now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from chatkit import engine as engines
from chatkit.progress import progress
from chatkit.standing import count_of
from chatkit.stores import Store, StreamInfo, open_store

if TYPE_CHECKING:
    from chatkit.cards import Cell


SHOWN = 20  # rows of a table


def chats(store: str | os.PathLike[str] | Store | None = None) -> ChatList:
    """The chats of a store, the last used first: a list that shows itself as a table.

    None of them is loaded for it. Raises StoreError where the store cannot be read.
    """
    opened = open_store(store)
    with progress(f"Reading the chats in {opened.location!r}"):
        return engines.get_engine().run(_chats(opened))


async def _chats(store: Store) -> ChatList:
    living: dict[str, set[Writer]] = {}
    for chat_id, _, info in await store.living():
        living.setdefault(chat_id, set()).add(Writer.of(info))
    headers = filter(is_chat, await store.chats())
    infos = [ChatInfo.from_header(each, living.get(each["id"], ())) for each in headers]
    return ChatList(infos, store.location)


def is_chat(header: Mapping[str, Any]) -> bool:
    """Whether it is a chat's: those of other rows that chatkit keeps have a slash in their id."""
    return "/" not in str(header["id"])


class ChatList(list["ChatInfo"]):
    """Chats, the last used first, and where they are."""

    def __init__(self, infos: Iterable[ChatInfo], location: str) -> None:
        super().__init__(infos)
        self.location = location

    def __repr__(self) -> str:
        from chatkit.cards import text_table  # not needed before somebody looks

        head, rows = self._table()
        words = [[cell.text for cell in row] for row in rows]
        table = text_table(head, words, widest=40) if rows else ""
        return "\n".join(filter(None, [self._title, table, self._foot]))

    def _repr_html_(self) -> str:
        from chatkit.cards import table_card

        return table_card(self._title, *self._table(), self._foot)

    def _table(self) -> tuple[Sequence[str], list[list[Cell]]]:
        shown = self[:SHOWN]
        head = _HEAD if any(info.writers for info in shown) else _HEAD[:-1]
        return head, [_row(info)[: len(head)] for info in shown]

    @property
    def _title(self) -> str:
        return f"{count_of(len(self), 'chat') if self else 'No chats'} in {self.location}"

    @property
    def _foot(self) -> str:
        return f"… and {len(self) - SHOWN:,} more" if len(self) > SHOWN else ""


_HEAD = ("chat", "title", "model", "updated", "writes now")


def _row(info: ChatInfo) -> list[Cell]:
    from chatkit.cards import Cell, ago, exactly

    return [
        Cell(info.id, is_code=True),
        Cell(info.title),
        Cell(info.model or ""),
        Cell(ago(info.updated_at, datetime.now(UTC)), exactly(info.updated_at)),
        Cell(", ".join(map(str, info.writers))),
    ]


class Writer(msgspec.Struct, frozen=True):
    """A process that writes answers of a chat now."""

    host: str
    pid: int
    is_worker: bool  # it writes detached answers, and needs no kernel
    since: datetime | None  # when it first wrote something in its store

    @classmethod
    def of(cls, info: StreamInfo) -> Writer:
        """The process that writes this stream."""
        match info.owner:
            case {"host": str(host), "pid": int(pid), "since": str(since), "role": role}:
                return cls(host, pid, role == "worker", datetime.fromisoformat(since))
            case _:  # of an earlier version
                return cls(str(info.owner.get("host", "")), 0, False, None)

    def __str__(self) -> str:
        kind = "worker" if self.is_worker else "kernel"
        return f"{kind} {self.pid} on {self.host}"


class ChatInfo(msgspec.Struct, frozen=True):
    """A stored chat: `Chat(info.id)` opens it."""

    id: str
    title: str  # how it began
    model: str | None
    created_at: datetime
    updated_at: datetime
    writers: tuple[Writer, ...] = ()  # of its answers, now

    @classmethod
    def from_header(cls, header: Mapping[str, Any], writers: Iterable[Writer] = ()) -> ChatInfo:
        return cls(
            id=header["id"],
            title=header.get("title") or "",
            model=header.get("model"),
            created_at=datetime.fromisoformat(header["created_at"]),
            updated_at=datetime.fromisoformat(header["updated_at"]),
            writers=tuple(sorted(writers, key=str)),
        )

    def __repr__(self) -> str:
        return f"<ChatInfo {self}>"

    def __str__(self) -> str:
        written = f", written by {', '.join(map(str, self.writers))}" if self.writers else ""
        return f"{self.id}: {self.title!r} ({self.model}){written}"
