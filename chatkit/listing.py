"""The list of what a store holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from chatkit import engine as engines
from chatkit.stores import Store, open_store


def chats(store: str | os.PathLike[str] | Store | None = None) -> list[ChatInfo]:
    """The chats of a store, the last used first."""
    headers = engines.get_engine().run(open_store(store).chats())
    return [ChatInfo.from_header(header) for header in headers]


class ChatInfo(msgspec.Struct, frozen=True):
    """A stored chat: `Chat(info.id)` opens it."""

    id: str
    title: str  # how it began
    model: str | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def from_header(cls, header: Mapping[str, Any]) -> ChatInfo:
        return cls(
            id=header["id"],
            title=header.get("title") or "",
            model=header.get("model"),
            created_at=datetime.fromisoformat(header["created_at"]),
            updated_at=datetime.fromisoformat(header["updated_at"]),
        )
