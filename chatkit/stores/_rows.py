"""The rows of a store by key: the SQL there is, and JSON on its way in and out."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

from chatkit.stores import _json
from chatkit.stores._keys import end_of

log = logging.getLogger("chatkit.store")
T = TypeVar("T")
_BATCH = 256  # rows in one statement: two parameters each, of which some builds take 999

_OR_REPLACE = (
    "ON CONFLICT (key, raw) DO UPDATE SET value = excluded.value, mode = 1, filename = NULL"
)

# A value that is not just as chatkit writes them (a pickle, a file name) reads as NULL.
_VALUE = (
    "CASE WHEN raw = 1 AND mode = 1 AND filename IS NULL AND typeof(value) = 'blob' THEN value END"
)


class Place(NamedTuple):
    """A row, and the prefixes of what lies beside it."""

    key: str
    beside: tuple[str, str]


class Rows:
    """What one transaction, or one read, sees. A prefix is a key that ends in "/".

    Each statement lets go of the interpreter's lock, and beside a busy loop it takes
    milliseconds to get it back. So what hundreds of writes need is read ahead in one statement,
    and what they put or drop is kept here until the transaction ends, or a statement would
    miss it: a header that all of them touch is written once.
    """

    def __init__(self, connection: sqlite3.Connection, file: int) -> None:
        self.file = file  # of those that were opened here one after the other, which this is
        self._sql = connection.execute
        self._put: dict[str, Any] = {}  # bytes or JSON, and not written yet
        self._dropped: dict[str, None] = {}  # prefixes, and not deleted yet: before what was put
        self._kinds: set[str] = set()  # of both
        self._known: dict[str, bytes | None] = {}  # values that were read ahead
        self._used: dict[str, bool] = {}  # prefixes that were: whether there are rows

    def get(self, key: str) -> Any:
        """The value, or None if there is none (or none that can be read)."""
        if (put := self._put.get(key)) is not None:
            return _value(key, put) if isinstance(put, bytes) else put
        found = self._sql(f"SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1", (key,))
        row = found.fetchone()
        return None if row is None else _value(key, row[0])

    def get_all(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values of these keys, as far as there are any."""
        values: dict[str, Any] = {}
        self.write()
        for some in _batches(list(keys), 2 * _BATCH):
            statement = f"SELECT key, {_VALUE} FROM Cache WHERE key IN ({_many('?', some)})"
            found = self._sql(f"{statement} AND raw = 1", some)
            values |= {key: _value(key, value) for key, value in found}
        return values

    def content(self, key: str) -> bytes | None:
        """The bytes of a row that is no JSON, or None if there is none."""
        if (put := self._put.get(key)) is not None:
            return _data(put)
        found = self._sql(f"SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1", (key,))
        row = found.fetchone()
        return None if row is None else row[0]

    def keys(self, prefix: str) -> list[str]:
        """Every key under `prefix`."""
        self._write_kind(prefix)
        found = self._sql(
            "SELECT key FROM Cache WHERE key >= ? AND key < ?", (prefix, end_of(prefix))
        )
        return [key for (key,) in found]

    def has(self, key: str) -> bool:
        """Whether there is such a row."""
        if key in self._put:
            return True
        found = self._sql("SELECT 1 FROM Cache WHERE key = ? AND raw = 1", (key,))
        return found.fetchone() is not None

    def scan(self, prefix: str, start: str = "") -> list[Any]:
        """The values under `prefix`, in the order of their keys, from `prefix + start` on."""
        self._write_kind(prefix)
        found = self._sql(
            f"SELECT key, {_VALUE} FROM Cache WHERE key >= ? AND key < ? ORDER BY key, raw",
            (prefix + start, end_of(prefix)),
        )
        return [_value(key, value) for key, value in found]

    def scan_beginning(self, prefix: str, beginning: bytes) -> list[tuple[str, Any]]:
        """Keys and values under `prefix`, of the values that begin so: no other is decoded."""
        self._write_kind(prefix)
        found = self._sql(
            f"SELECT key, {_VALUE} FROM Cache WHERE key >= ? AND key < ?"
            " AND substr(value, 1, ?) = ? ORDER BY key",
            (prefix, end_of(prefix), len(beginning), beginning),
        )
        return [(key, _value(key, value)) for key, value in found]

    def latest(self, prefix: str, limit: int | None) -> list[Any]:
        """The values put under `prefix` (the last `limit` of them), oldest first."""
        self._write_kind(prefix)
        query, given = f"SELECT key, {_VALUE} FROM Cache WHERE ", (prefix, end_of(prefix))
        if limit is None:
            found = self._sql(f"{query} key >= ? AND key < ? ORDER BY rowid", given)
        else:
            newest = "SELECT rowid FROM Cache WHERE key >= ? AND key < ?"
            newest += " ORDER BY rowid DESC LIMIT ?"
            found = self._sql(f"{query} rowid IN ({newest}) ORDER BY rowid", (*given, limit))
        return [_value(key, value) for key, value in found]

    def get_with_last(self, key: str, prefix: str) -> tuple[Any, str | None]:
        """The value of `key`, and the greatest key under `prefix`, in one statement."""
        self._write_kind(key)
        self._write_kind(prefix)
        found = self._sql(
            f"SELECT (SELECT {_VALUE} FROM Cache WHERE key = ? AND raw = 1),"
            " (SELECT max(key) FROM Cache WHERE key >= ? AND key < ?)",
            (key, prefix, end_of(prefix)),
        )
        value, last = found.fetchone()
        return None if value is None else _value(key, value), last

    def read_ahead(self, places: Sequence[Place]) -> None:
        """Read what `get_beside` will be asked for."""
        for some in _batches(places, _BATCH // 2):
            found = self._sql(
                f"SELECT column1, (SELECT {_VALUE} FROM Cache WHERE key = column1 AND raw = 1),"
                " EXISTS (SELECT 1 FROM Cache WHERE key >= column2 AND key < column3),"
                " EXISTS (SELECT 1 FROM Cache WHERE key >= column4 AND key < column5)"
                f" FROM (VALUES {_many('(?, ?, ?, ?, ?)', some)})",
                [
                    word
                    for key, (one, two) in some
                    for word in (key, one, end_of(one), two, end_of(two))
                ],
            )
            for (_, beside), (key, value, *used) in zip(some, found, strict=True):
                self._known[key] = value
                self._used.update(zip(beside, map(bool, used), strict=True))

    def get_beside(self, place: Place) -> tuple[Any, list[str]]:
        """The value of a row, and those prefixes beside it that have rows."""
        if place.key not in self._known or not self._used.keys() >= set(place.beside):
            self.write()
            self.read_ahead([place])
        value = self._put.get(place.key, self._known[place.key])
        used = [prefix for prefix in place.beside if self._used[prefix]]
        return None if value is None else _value(place.key, value), used

    def has_all(self, rows: Sequence[tuple[str, bytes | None]]) -> bool:
        """Whether all these rows are there, with just these values (None: with any)."""
        found = 0
        self.write()
        for some in _batches(rows, _BATCH):
            statement = (
                f"SELECT count(*) FROM (VALUES {_many('(?, ?)', some)}) AS known CROSS JOIN Cache"
                " ON key = known.column1 AND raw = 1"
                " AND (known.column2 IS NULL OR value = known.column2)"
            )
            found += self._sql(statement, _flat(some)).fetchone()[0]
        return found == len(rows)

    def put(self, key: str, value: bytes) -> None:
        """Write a row; one that is there is replaced and keeps its place."""
        self._put[key] = value
        self._kinds.add(key[:1])

    def put_json(self, key: str, value: Any) -> None:
        """Write a row that will be put again: it is made JSON once."""
        self._put[key] = value
        self._kinds.add(key[:1])

    def add_all(self, rows: Sequence[tuple[str, bytes]]) -> None:
        """Write rows that are new."""
        self.write()
        for key, _ in rows:
            self._used.pop(key[: key.rindex("/") + 1], None)
        for some in _batches(rows, _BATCH):
            self._sql(_insert(some), _flat(some))

    def drop_beside(self, prefixes: Iterable[str]) -> None:
        """Delete what lies beside a row."""
        for prefix in prefixes:
            self._dropped[prefix] = None
            self._used[prefix] = False
            self._kinds.add(prefix[:1])

    def write(self) -> None:
        """Write and delete what was put and dropped until now."""
        dropped = [(prefix, end_of(prefix)) for prefix in self._dropped]
        put = [(key, _data(value)) for key, value in self._put.items()]
        self._known.update((key, value) for key, value in put if key in self._known)
        for pending in (self._dropped, self._put, self._kinds):
            pending.clear()
        for some in _batches(dropped, _BATCH):
            self._sql(
                "DELETE FROM Cache WHERE rowid IN (SELECT Cache.rowid"
                f" FROM (VALUES {_many('(?, ?)', some)}) AS gone CROSS JOIN Cache"
                " ON key >= gone.column1 AND key < gone.column2)",
                _flat(some),
            )
        for some_rows in _batches(put, _BATCH):
            self._sql(f"{_insert(some_rows)} {_OR_REPLACE}", _flat(some_rows))

    def drop(self, key: str) -> None:
        """Delete one row."""
        self.drop_each([key])

    def drop_each(self, keys: Iterable[str]) -> int:
        """Delete these rows; how many there were."""
        self._begin_anew()
        statement = "DELETE FROM Cache WHERE key IN"
        batches = _batches(list(keys), 2 * _BATCH)
        return sum(
            self._sql(f"{statement} ({_many('?', some)})", some).rowcount for some in batches
        )

    def drop_all(self, prefix: str) -> None:
        """Delete every row under `prefix`."""
        self._begin_anew()
        self._sql("DELETE FROM Cache WHERE key >= ? AND key < ?", (prefix, end_of(prefix)))

    def _begin_anew(self) -> None:
        """Write what there is to write, and know nothing."""
        self.write()
        self._known.clear()
        self._used.clear()

    def _write_kind(self, key: str) -> None:
        if key[:1] in self._kinds:
            self.write()


def _batches(rows: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """In few sizes: each makes a statement, and sqlite3 keeps those, 100 KB for a long one."""
    begin = 0
    while left := len(rows) - begin:
        size = min(most, 1 << left.bit_length() - 1)
        yield rows[begin : begin + size]
        begin += size


def _insert(rows: Sequence[object]) -> str:
    return (
        "INSERT INTO Cache (key, raw, store_time, access_time, mode, value)"
        f" VALUES {_many('(?, 1, 0, 0, 1, ?)', rows)}"
    )


def _many(place: str, rows: Sequence[object]) -> str:
    return ", ".join([place] * len(rows))


def _flat(rows: Sequence[tuple[str, str | bytes | None]]) -> list[str | bytes | None]:
    return [value for row in rows for value in row]


def _data(value: Any) -> bytes:
    return value if isinstance(value, bytes) else _json.encode(value)


def _value(key: object, data: bytes | None) -> Any:
    if data is not None:
        try:
            return _json.decode(data)
        except ValueError:
            pass
    log.warning("skipped a row of the store that chatkit did not write: %r", key)
    return None
