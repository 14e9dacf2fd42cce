"""The list of what a store holds, and of who writes there now."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from chatkit import engine as engines
from chatkit.stores import Store, StreamInfo, open_store


def chats(store: str | os.PathLike[str] | Store | None = None) -> list[ChatInfo]:
    """The chats of a store, the last used first."""
    return engines.get_engine().run(_chats(open_store(store)))


async def _chats(store: Store) -> list[ChatInfo]:
    living: dict[str, set[Writer]] = {}
    for chat_id, _, info in await store.living():
        living.setdefault(chat_id, set()).add(Writer.of(info))
    return [
        ChatInfo.from_header(header, living.get(header["id"], ())) for header in await store.chats()
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
