"""Chats as the memory of other frameworks: an OpenAI Agents session, a LangChain message history.

Alone knows their items. Each is kept whole, in the metadata of a message in a row of its own: any
number of processes may add to one session, and `Chat(session_id)` shows what was said in it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from chatkit.engine import get_engine
from chatkit.ids import new_id
from chatkit.messages import Message, Role, TextPart
from chatkit.stores import Row, Store, open_store

T = TypeVar("T")
JSON = dict[str, Any]

_ITEM = "item"  # the key in a message's metadata
_ROLES: dict[Any, Role] = {"user": "user", "human": "user", "system": "system"}  # else assistant


class AgentsSession:
    """A `Session` of the OpenAI Agents SDK: `Runner.run(agent, "Hi", session=AgentsSession("a"))`.

    `store` is as for `Chat`. Raises StoreError where the store cannot be read or written.
    """

    session_settings: Any = None  # the SDK's own defaults

    def __init__(
        self, session_id: str, *, store: str | os.PathLike[str] | Store | None = None
    ) -> None:
        self.session_id = session_id
        self._items = _Items(session_id, open_store(store))

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """The items in the order they were added; the last `limit` of them."""
        items = await _on_engine(self._items.all())
        return items if limit is None else items[max(len(items) - limit, 0) :]

    async def add_items(self, items: Iterable[Any]) -> None:
        """Add items, all of them or none."""
        await _on_engine(self._items.add([(each.get("role"), _text(each), each) for each in items]))

    async def pop_item(self) -> Any | None:
        """Take back the last item; None if there is none."""
        return await _on_engine(self._items.pop())

    async def clear_session(self) -> None:
        """Delete the session, and the chat that it is."""
        await _on_engine(self._items.clear())


class LangChainHistory:
    """A message history of LangChain: `RunnableWithMessageHistory(chain, LangChainHistory)`.

    `store` is as for `Chat`. Raises StoreError where the store cannot be read or written.
    """

    def __init__(
        self, session_id: str, *, store: str | os.PathLike[str] | Store | None = None
    ) -> None:
        self._items = _Items(session_id, open_store(store))

    @property
    def messages(self) -> list[Any]:
        """The messages in the order they were added."""
        from langchain_core.messages import messages_from_dict  # whoever asks has it

        return messages_from_dict(get_engine().run(self._items.all()))

    def add_messages(self, messages: Sequence[Any]) -> None:
        """Add messages, all of them or none."""
        told = [(each.type, str(each.text), _told(each)) for each in messages]
        get_engine().run(self._items.add(told))

    def clear(self) -> None:
        """Delete the history, and the chat that it is."""
        get_engine().run(self._items.clear())

    async def aget_messages(self) -> list[Any]:
        """`messages`, awaited."""
        return await asyncio.to_thread(lambda: self.messages)

    async def aadd_messages(self, messages: Sequence[Any]) -> None:
        """`add_messages`, awaited."""
        await asyncio.to_thread(self.add_messages, messages)

    async def aclear(self) -> None:
        """`clear`, awaited."""
        await asyncio.to_thread(self.clear)


class _Items:
    """Foreign items in a chat, one row an item."""

    def __init__(self, chat_id: str, store: Store) -> None:
        self._chat_id = chat_id
        self._store = store

    async def all(self) -> list[JSON]:
        return [row["message"]["metadata"][_ITEM] for row in await self._rows()]

    async def add(self, said: Sequence[tuple[Any, str, JSON]]) -> None:
        """Add items, each with who said it and the text to show."""
        stored = await self._store.load(self._chat_id, limit=1)
        parent = stored.header.get("head") if stored is not None else None
        rows: list[Row] = []
        for role, text, item in said:
            parts = (TextPart(text),) if text else ()
            shown = Message(
                id=new_id(), role=_ROLES.get(role, "assistant"), parts=parts, metadata={_ITEM: item}
            )
            rows.append({"id": shown.id, "parent": parent, "message": shown.to_json()})
            parent = shown.id
        if rows:
            await self._store.append(self._chat_id, rows, header={"head": parent})

    async def pop(self) -> JSON | None:
        rows = await self._rows()
        if not rows:
            return None
        last = rows[-1]
        item: JSON = last["message"]["metadata"].pop(_ITEM)
        await self._store.update(self._chat_id, last, header={"head": last["parent"]})
        return item

    async def clear(self) -> None:
        await self._store.delete(self._chat_id)

    async def _rows(self) -> list[Row]:
        stored = await self._store.load(self._chat_id)
        rows = stored.rows if stored is not None else []
        return [row for row in rows if _ITEM in row["message"]["metadata"]]


async def _on_engine(work: Coroutine[Any, Any, T]) -> T:
    return await asyncio.wrap_future(get_engine().submit(work))


def _text(item: JSON) -> str:
    """What a message of the Responses API says; nothing of a call or a result."""
    content = item.get("content") if "role" in item else None
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _told(message: Any) -> JSON:
    return {"type": message.type, "data": message.model_dump(mode="json")}
