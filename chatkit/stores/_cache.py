"""diskcache, opened safely: the only module that knows it.

Its defaults delete rows past 1 GiB, unpickle what they find, and map the file into memory.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import diskcache
from diskcache.core import METADATA, MODE_RAW

from chatkit.errors import StoreError
from chatkit.stores._directory import network_file_system

log = logging.getLogger("chatkit.store")

Timeout: type[Exception] = diskcache.Timeout
LOCK_WAIT = 10  # seconds; diskcache's 60 keep an interrupt waiting that long

SETTINGS: dict[str, int | str] = {
    "eviction_policy": "none",  # the default deletes the oldest rows, silently
    "cull_limit": 0,
    "size_limit": 2**62,  # the default is 1 GiB
    "statistics": 0,
    "tag_index": 0,
    "disk_min_file_size": 2**31 - 1,  # everything in the database, no side files
    "disk_pickle_protocol": 0,
    "sqlite_journal_mode": "wal",
    "sqlite_synchronous": 1,  # safe against kill -9
    "sqlite_mmap_size": 0,  # mapped, a truncated file is a SIGBUS that kills the kernel
    "sqlite_auto_vacuum": 0,
    "sqlite_cache_size": 2048,
}
"""Passed on every opening: they live in the file, and others would rewrite them."""


class RawDisk(diskcache.Disk):  # type: ignore[misc]
    """Keys are `str`, values `bytes`, both as they are; pickles and side files are refused."""

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise StoreError(f"a key must be str, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if not raw or type(key) is not str:
            raise StoreError("a key in the store is not text: something else wrote it")
        return key

    def store(
        self, value: object, read: bool, key: object = None
    ) -> tuple[int, int, None, memoryview]:
        if type(value) is not bytes or read:
            raise StoreError(f"a value must be bytes, not {type(value).__name__}")
        return 0, MODE_RAW, None, memoryview(value)

    def fetch(self, mode: object, filename: object, value: object, read: bool) -> bytes:
        if mode != MODE_RAW or filename is not None or type(value) is not bytes or read:
            raise StoreError("a value in the store is not plain bytes: something else wrote it")
        return value

    def filename(self, key: object = None, value: object = None) -> tuple[str, str]:
        raise StoreError("the store keeps no side files")

    def remove(self, file_path: str) -> None:
        """Nothing: a file name in the database was planted there."""


def open_cache(directory: Path) -> Any:
    """A `diskcache.Cache` that deletes nothing, pickles nothing and maps nothing."""
    settings = dict(SETTINGS)
    if network := network_file_system(directory):
        log.warning(
            "the store %s is on a network file system (%s): one host at a time may use it",
            directory,
            network,
        )
        settings["sqlite_journal_mode"] = "delete"  # WAL from two hosts ruins the file
    cache = diskcache.Cache.__new__(diskcache.Cache)
    with ExitStack() as on_failure:
        on_failure.callback(cache.close)  # an opening that breaks off leaves its connection open
        cache.__init__(str(directory), timeout=LOCK_WAIT, disk=RawDisk, **settings)
        _requote_triggers(cache)
        on_failure.pop_all()
    return cache


def drop_strange_settings(connection: sqlite3.Connection) -> None:
    """Delete settings that are not ours: diskcache runs them, as pragmas and attributes."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'Settings'")
    if table.fetchone():
        rows = connection.execute("SELECT key, value FROM Settings").fetchall()
        strange = [(key,) for key, value in rows if not _is_ours(key, value)]
        connection.executemany("DELETE FROM Settings WHERE key IS ?", strange)


def _is_ours(key: str, value: object) -> bool:
    if key == "sqlite_journal_mode":
        return value in ("wal", "delete")
    return key in METADATA or SETTINGS.get(key) == value


def _requote_triggers(cache: Any) -> None:
    """Write diskcache's triggers with single quotes: SQLite built with DQS=0 wants them."""
    sql = cache._con.execute
    found = sql(
        "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%\"%'"
    ).fetchall()
    if found:
        with cache.transact():
            for name, trigger in found:
                sql(f"DROP TRIGGER IF EXISTS {name}")
                sql(trigger.replace('"', "'"))
