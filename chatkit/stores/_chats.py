"""What is written of a chat on disk, and read: its header, its rows, and the files in them.

Alone knows how a header is merged and numbered, and which files nothing holds any more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chatkit.errors import StoreError
from chatkit.stores import _files, _json
from chatkit.stores._keys import key_of, prefix_of
from chatkit.stores._rows import Rows
from chatkit.stores.protocol import Row

VERSION = 2  # of the stored format, in each chat's header; 1 kept files in the rows


def appending(
    chat_id: str, rows: Sequence[Row], header: Mapping[str, Any] | None
) -> Callable[[Rows], None]:
    """What adds these rows, with their values of now."""
    values = [(key_of("m", chat_id, row["id"]), _files.pack(row)) for row in rows]
    patch = copy(header)

    def write(stored: Rows) -> None:
        touch(stored, chat_id, patch)
        for key, packed in values:
            put(stored, chat_id, key, packed)

    return write


def put(stored: Rows, chat_id: str, key: str, packed: _files.Packed) -> None:
    """Write a row of the chat, and its files."""
    stored.put(key, packed.value)
    put_files(stored, chat_id, packed.files)


def put_files(stored: Rows, chat_id: str, files: Mapping[str, bytes]) -> None:
    """Write files, as far as they are not there, and that the chat holds them."""
    for name, content in files.items():
        if stored.content(key_of("f", name)) != content:  # not there, or damaged
            stored.put(key_of("f", name), content)
        stored.put(key_of("r", chat_id, name), b"true")


def remove_all(stored: Rows, chat_id: str) -> None:
    """Remove the chat and everything that belongs to it."""
    stored.drop(key_of("c", chat_id))
    for kind in ("m", "s", "g", "w"):
        stored.drop_all(prefix_of(kind, chat_id))
    _release(stored, chat_id, _names(stored, prefix_of("r", chat_id)))


def remove(stored: Rows, chat_id: str, row_ids: Iterable[str]) -> None:
    """Remove these rows, and what is beside them."""
    ids = list(row_ids)
    keys = [key_of(kind, chat_id, id) for id in ids for kind in ("m", "s")]
    mine = {prefix_of(kind, chat_id, id) for id in ids for kind in ("g", "w")}
    beside = stored.keys(prefix_of("g", chat_id)) + stored.keys(prefix_of("w", chat_id))
    keys += [key for key in beside if key[: key.rindex("/") + 1] in mine]
    if stored.drop_each(keys) and stored.has(key_of("c", chat_id)):
        touch(stored, chat_id, {})
    held = _names(stored, prefix_of("r", chat_id))
    _release(stored, chat_id, held - (held and _in_envelopes(stored, chat_id)))


def _in_envelopes(stored: Rows, chat_id: str) -> set[str]:
    """The files that rows and segments of the chat hold."""
    found = [
        value
        for kind in ("m", "g")
        for _, value in stored.scan_beginning(prefix_of(kind, chat_id), _files.ENVELOPE)
    ]
    return set(_files.file_names(found))


def _release(stored: Rows, chat_id: str, names: set[str]) -> None:
    """Forget that the chat holds these files, and drop those that no other chat holds."""
    stored.drop_each(key_of("r", chat_id, name) for name in names)
    stored.drop_each(key_of("f", name) for name in names and names - _names(stored, "r/"))


def _names(stored: Rows, prefix: str) -> set[str]:
    return {key.rpartition("/")[2] for key in stored.keys(prefix)}


def with_files(stored: Rows, values: list[Any]) -> list[Any]:
    """The values with their files in them again."""
    return _files.unpack(values, lambda name: stored.content(key_of("f", name)))


def touch(stored: Rows, chat_id: str, patch: Row) -> None:
    """Merge `patch` into the chat's header, or begin one."""
    key = key_of("c", chat_id)
    header = header_of(chat_id, stored.get(key))
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    own: Row = {"created_at": header.get("created_at", now), "updated_at": now}
    # begun by the clock: a chat that is deleted and made again has no revision twice
    own |= {"id": chat_id, "version": VERSION, "rev": header.get("rev", time.time_ns() // 1000) + 1}
    stored.put_json(key, {**header, **patch, **own})


def header_of(chat_id: str, found: object) -> Row:
    """The header as found, or a bare one. Raises StoreError if it is of a later format."""
    match found:
        case {"version": int(version)} if version > VERSION:
            raise StoreError(
                f"chat {chat_id!r} was saved by a newer chatkit (format {version}, this one "
                f"knows {VERSION}): upgrade chatkit-notebook to open it"
            )
        case dict():
            return found
        case _:
            return {"id": chat_id, "version": VERSION}


def copy(header: Mapping[str, Any] | None) -> Row:
    """A copy that later changes do not reach. Raises TypeError if it is not JSON."""
    copy: Row = _json.decode(_json.encode(dict(header or {})))
    return copy
