"""A damaged database file: kept under another name, and what it still says is copied out."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

log = logging.getLogger("chatkit.store")

_COMPANIONS = ("-journal", "-shm", "-wal")


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says the file is not, or no longer, a database."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def set_aside(database: Path) -> Path:
    """Rename the file and what belongs to it, by the time; the new path."""
    now = datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    aside = database.with_name(f"{database.name}.damaged-{now}")
    for suffix in _COMPANIONS:  # before the database: without it SQLite would delete them
        with suppress(FileNotFoundError):
            os.rename(f"{database}{suffix}", f"{aside}{suffix}")
    os.rename(database, aside)
    log.warning("%s was damaged and is now %s; a fresh one goes on", database, aside)
    return aside


def salvage(damaged: Path, fresh: sqlite3.Connection) -> None:
    """Copy every row that can be read, from either end up to the damage, in its place."""
    uri = f"{damaged.as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as source:
        for order in ("ASC", "DESC"):
            fresh.executemany(
                "INSERT OR IGNORE INTO Cache (rowid, key, raw, mode, value) VALUES (?, ?, 1, 1, ?)",
                _readable(source, order),
            )
    (count,) = fresh.execute("SELECT count(*) FROM Cache").fetchone()
    log.warning("%d rows of %s could be read and are kept", count, damaged)


def _readable(source: sqlite3.Connection, order: str) -> Iterator[tuple[Any, ...]]:
    with suppress(sqlite3.DatabaseError):
        source.execute("PRAGMA mmap_size = 0")
        source.execute("PRAGMA writable_schema = ON")  # else a file cut short is refused whole
        yield from source.execute(
            "SELECT rowid, key, value FROM Cache NOT INDEXED WHERE raw = 1 AND mode = 1"
            f" AND filename IS NULL AND typeof(value) = 'blob' ORDER BY rowid {order}"
        )
