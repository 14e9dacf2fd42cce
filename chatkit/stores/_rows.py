"""The rows of a store by key: the SQL there is, and JSON on its way in and out."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from chatkit.stores import _json

log = logging.getLogger("chatkit.store")
T = TypeVar("T")
_BATCH = 256  # rows in one statement: two parameters each, of which some builds take 999

# A value that is not just as chatkit writes them (a pickle, a file name) reads as NULL.
_VALUE = (
    "CASE WHEN raw = 1 AND mode = 1 AND filename IS NULL AND typeof(value) = 'blob' THEN value END"
)


class Rows:
    """What one transaction, or one read, sees. A prefix is a key that ends in "/"."""

    def __init__(self, connection: sqlite3.Connection, cache: Any) -> None:
        self._sql = connection.execute
        self._cache = cache  # None where there is only reading

    def get(self, key: str) -> Any:
        """The value, or None if there is none (or none that can be read)."""
        found = self._sql(f"SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1", (key,))
        row = found.fetchone()
        return None if row is None else _value(key, row[0])

    def content(self, key: str) -> bytes | None:
        """The bytes of a row that is no JSON, or None if there is none."""
        found = self._sql(f"SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1", (key,))
        row = found.fetchone()
        return None if row is None else row[0]

    def keys(self, prefix: str) -> list[str]:
        """Every key under `prefix`."""
        found = self._sql(
            "SELECT key FROM Cache WHERE key >= ? AND key < ?", (prefix, _end(prefix))
        )
        return [key for (key,) in found]

    def has(self, key: str) -> bool:
        """Whether there is such a row."""
        found = self._sql("SELECT 1 FROM Cache WHERE key = ? AND raw = 1", (key,))
        return found.fetchone() is not None

    def scan(self, prefix: str, start: str = "") -> list[Any]:
        """The values under `prefix`, in the order of their keys, from `prefix + start` on."""
        found = self._sql(
            f"SELECT key, {_VALUE} FROM Cache WHERE key >= ? AND key < ? ORDER BY key, raw",
            (prefix + start, _end(prefix)),
        )
        return [_value(key, value) for key, value in found]

    def scan_beginning(self, prefix: str, beginning: bytes) -> list[tuple[str, Any]]:
        """Keys and values under `prefix`, of the values that begin so: no other is decoded."""
        found = self._sql(
            f"SELECT key, {_VALUE} FROM Cache WHERE key >= ? AND key < ?"
            " AND substr(value, 1, ?) = ? ORDER BY key",
            (prefix, _end(prefix), len(beginning), beginning),
        )
        return [(key, _value(key, value)) for key, value in found]

    def latest(self, prefix: str, limit: int | None) -> list[Any]:
        """The values put under `prefix` (the last `limit` of them), oldest first."""
        query, given = f"SELECT key, {_VALUE} FROM Cache WHERE ", (prefix, _end(prefix))
        if limit is None:
            found = self._sql(f"{query} key >= ? AND key < ? ORDER BY rowid", given)
        else:
            newest = "SELECT rowid FROM Cache WHERE key >= ? AND key < ?"
            newest += " ORDER BY rowid DESC LIMIT ?"
            found = self._sql(f"{query} rowid IN ({newest}) ORDER BY rowid", (*given, limit))
        return [_value(key, value) for key, value in found]

    def get_with_last(self, key: str, prefix: str) -> tuple[Any, str | None]:
        """The value of `key`, and the greatest key under `prefix`, in one statement."""
        found = self._sql(
            f"SELECT (SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1),"
            " (SELECT max(key) FROM Cache WHERE key >= ? AND key < ?)",
            (key, prefix, _end(prefix)),
        )
        value, last = found.fetchone()
        return None if value is None else _value(key, value), last

    def has_all(self, rows: Sequence[tuple[str, bytes | None]]) -> bool:
        """Whether all these rows are there, with just these values (None: with any)."""
        found = 0
        for some in _batches(rows):
            statement = (
                f"SELECT count(*) FROM (VALUES {_many('(?, ?)', some)}) AS known CROSS JOIN Cache"
                " ON key = known.column1 AND raw = 1"
                " AND (known.column2 IS NULL OR value = known.column2)"
            )
            found += self._sql(statement, _flat(some)).fetchone()[0]
        return found == len(rows)

    def put(self, key: str, value: bytes) -> None:
        """Write a row; one that is there is replaced and keeps its place."""
        self._cache.set(key, value)

    def add_all(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Write rows that are new: half the work of `put`, which looks first."""
        for some in _batches(rows):
            self._sql(
                "INSERT INTO Cache (key, raw, store_time, access_time, mode, value)"
                f" VALUES {_many('(?, 1, 0, 0, 1, ?)', some)}",
                _flat(some),
            )

    def drop(self, key: str) -> None:
        """Delete one row."""
        self._sql("DELETE FROM Cache WHERE key = ?", (key,))

    def drop_all(self, prefix: str) -> None:
        """Delete every row under `prefix`."""
        self._sql("DELETE FROM Cache WHERE key >= ? AND key < ?", (prefix, _end(prefix)))


def key_of(kind: str, *ids: str) -> str:
    """The key of a row: its kind and the ids that it belongs to."""
    return "/".join((kind, *map(_escape, ids)))


def prefix_of(kind: str, *ids: str) -> str:
    """What the keys of all rows of a kind begin with that belong to these ids."""
    return key_of(kind, *ids) + "/"


def ids_of(key: str) -> tuple[str, ...]:
    """The ids in a key."""
    return tuple(unquote(part, errors="surrogatepass") for part in key.split("/")[1:])


@lru_cache(maxsize=4096)
def _escape(part: str) -> str:
    return quote(part, safe="", errors="surrogatepass")


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """In few sizes: each makes a statement, and sqlite3 keeps those, 100 KB for a long one."""
    begin = 0
    while left := len(rows) - begin:
        size = min(_BATCH, 1 << left.bit_length() - 1)
        yield rows[begin : begin + size]
        begin += size


def _many(place: str, rows: Sequence[object]) -> str:
    return ", ".join([place] * len(rows))


def _flat(rows: Sequence[tuple[str, bytes | None]]) -> list[str | bytes | None]:
    return [value for row in rows for value in row]


def _end(prefix: str) -> str:
    return prefix[:-1] + "0"  # "0" follows "/"


def _value(key: object, data: bytes | None) -> Any:
    if data is not None:
        try:
            return _json.decode(data)
        except ValueError:
            pass
    log.warning("skipped a row of the store that chatkit did not write: %r", key)
    return None
