"""What is said to the scripts on a Redis server, and what their answers say: values, no network.

A script takes a flat list of words; a list within it goes after its length.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import unquote

from chatkit.errors import StoreError
from chatkit.stores import _files, _json
from chatkit.stores._keys import key_of
from chatkit.stores.protocol import Row

VERSION = 2  # of the stored format, in each chat's header; the same as on disk
MARK = 16  # characters that tell a call, or a word left, from all others
_OWN = ("id", "version", "created_at", "updated_at", "rev")  # of a header, the store's

_LAST = 253_402_300_799_000_000  # microseconds to the end of the year 9999

log = logging.getLogger("chatkit.store")

Word: TypeAlias = str | bytes | int


class Change(NamedTuple):
    """What is to be written of a chat, as bytes already: later changes do not reach it."""

    chat_id: str
    fields: list[Word]
    rows: list[Word]
    files: dict[str, bytes]

    def words(self, *, whole: bool) -> list[Word]:
        """The change as scripts take it; with the contents of files only if `whole`."""
        files = of_files(self.files, whole=whole)
        return [id_of(self.chat_id), VERSION, *many(self.fields), *many(self.rows), *many(files)]


def change_of(chat_id: str, rows: Sequence[Row], header: Mapping[str, Any] | None) -> Change:
    """These rows and fields, to be written. Raises TypeError if that is not JSON."""
    fields: list[Word] = []
    for name, value in (header or {}).items():
        if name not in _OWN:
            fields += [field_of(name), _json.encode(value)]
    packed = [(row["id"], _files.pack(row)) for row in rows]
    flat: list[Word] = []
    files: dict[str, bytes] = {}
    for row_id, row in packed:
        flat += [field_of(row_id), row.value]
        files |= row.files
    return Change(chat_id, fields, flat, files)


def of_files(files: Mapping[str, bytes], *, whole: bool = True) -> list[Word]:
    """Name, length and content of each; without contents, those that should be there."""
    flat: list[Word] = []
    for name, content in files.items():
        flat += [name, len(content), content if whole else b""]
    return flat


def many(words: Sequence[Word]) -> list[Word]:
    """A list within a list."""
    return [len(words), *words]


def id_of(*ids: str) -> str:
    """A chat, or a message of it, as the end of a key: "/" and each id."""
    return key_of("", *ids)


def field_of(name: str) -> str:
    """A message, or a field of a header, as the field of a hash."""
    return key_of("", name)[1:]


def stored_key(kind: str, *ids: str) -> str:
    """The key of what belongs to these ids."""
    return f"chatkit:{key_of(kind, *ids)}"


def new_mark() -> str:
    """What tells this call from all others, if it arrives twice."""
    return os.urandom(MARK // 2).hex()


def decoded(key: str, data: bytes | None) -> Any:
    """The JSON in `data`; None if there is none, or chatkit did not write it."""
    if data is None:
        return None
    try:
        return _json.decode(data)
    except ValueError:
        log.warning("skipped a row of the store that chatkit did not write: %r", key)
        return None


def stored_ids(end: bytes, count: int) -> list[str] | None:
    """The ids at the end of a key, as `id_of` was given them; None if chatkit did not write it."""
    _, *parts = end.split(b"/")
    return [_unescaped(part) for part in parts] if len(parts) == count else None


def header_of(chat_id: str, fields: Sequence[bytes]) -> Row | None:
    """The header that these names and values say; None without any."""
    if not fields:
        return None
    key = stored_key("c", chat_id)
    pairs = zip(fields[::2], fields[1::2], strict=True)
    header: Row = {_unescaped(name): decoded(key, value) for name, value in pairs}
    for moment in ("created_at", "updated_at"):
        if isinstance(header.get(moment), int) and 0 <= header[moment] < _LAST:
            then = datetime.fromtimestamp(header[moment] / 1e6, UTC)
            header[moment] = then.isoformat(timespec="microseconds")
    return {**header, "id": chat_id}


def check_format(chat_id: str, version: object) -> None:
    """Raise StoreError if a chat is of a later format."""
    if isinstance(version, int) and version > VERSION:
        raise StoreError(
            f"chat {chat_id!r} was saved by a newer chatkit (format {version}, this one "
            f"knows {VERSION}): upgrade chatkit-notebook to open it"
        )


def _unescaped(name: bytes) -> str:
    return unquote(name.decode("utf-8", "replace"), errors="surrogatepass")
