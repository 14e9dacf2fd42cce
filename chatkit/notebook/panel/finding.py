"""What is looked for in a panel: words in the conversation, and the stored chats."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from chatkit.cards import ago, exactly
from chatkit.listing import chats
from chatkit.messages import Message
from chatkit.stores import Store

JSON = dict[str, Any]
MOST = 50  # hits that are shown, the newest first
_BEFORE, _AFTER = 40, 120  # characters of a hit around what was looked for
_ACCENTS = re.compile("[\u0300-\u036f]+")


def search(messages: Sequence[Message], query: str) -> JSON:
    """The messages in whose text `query` occurs, whatever its case and accents."""
    wanted = _folded(" ".join(query.split()))
    hits = [each for each in reversed(messages) if wanted and wanted in _folded(_line(each))]
    return {
        "query": query,
        "total": len(hits),
        "hits": [_hit(message, wanted) for message in hits[:MOST]],
    }


def stored(store: Store, current: str) -> list[JSON]:
    """The chats of a store, the last used first. Raises StoreError."""
    now = datetime.now(UTC)
    return [
        {
            "id": info.id,
            "title": info.title or info.id,
            "model": info.model or "",
            "when": ago(info.updated_at, now),
            "exact": exactly(info.updated_at),
            "current": info.id == current,
            "writing": bool(info.writers),
        }
        for info in chats(store)
    ]


def _hit(message: Message, wanted: str) -> JSON:
    when = message.created_at and message.created_at.isoformat()
    html = _snippet(_line(message), wanted)
    return {"id": message.id, "role": message.role, "when": when, "html": html}


def _snippet(text: str, wanted: str) -> str:
    """What stands around the first place where it occurs, as safe HTML, that place marked."""
    folded = [_folded(char) for char in text]
    at = "".join(folded).find(wanted)
    places = [place for place, chars in enumerate(folded) for _ in chars]
    begin = end = 0
    if at >= 0:  # else it has marks in another order than the text
        begin, end = places[at], places[at + len(wanted) - 1] + 1
    before, after = text[max(0, begin - _BEFORE) : begin], text[end : end + _AFTER]
    left = "…" if begin > _BEFORE else ""
    right = "…" if len(text) > end + _AFTER else ""
    return f"{left}{escape(before)}<mark>{escape(text[begin:end])}</mark>{escape(after)}{right}"


def _line(message: Message) -> str:
    return " ".join(message.text.split())


def _folded(text: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text)).casefold()
