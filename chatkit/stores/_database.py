"""The database under a store: opened when needed, read where it cannot be written, set aside
when damaged, noticed when taken away.

It belongs to the store's I/O thread. SQLite's and the system's errors leave it as `StoreError`.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from chatkit.errors import StoreError
from chatkit.stores import _directory
from chatkit.stores._cache import LOCK_WAIT, Timeout, drop_strange_settings, open_cache
from chatkit.stores._claim import Claim
from chatkit.stores._damage import is_damage, salvage, set_aside
from chatkit.stores._rows import Rows

log = logging.getLogger("chatkit.store")

_FULL = "the disk is full; free some space"
_READ_ONLY = "it is read-only; make it writable, or choose another with store= or $CHATKIT_STORE"
_A_FILE = "that is a file; give a directory, with store= or $CHATKIT_STORE"
_DAMAGED = (
    "its file is damaged; try again, and what can be read of it goes on in a fresh one, with the "
    "damaged one kept beside it"
)
_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.ENOTDIR: _A_FILE,
    errno.EEXIST: _A_FILE,
}
_SQLITE = {
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_BUSY: f"another process keeps it locked for {LOCK_WAIT} s; end that one",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check it, and the space left on it",
}


_Identity: TypeAlias = tuple[int, int]


class Database:
    """One directory's database, opened when it is needed, and again after it was lost."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._path = self._directory / _directory.DATABASE
        self._identity: _Identity | None = None  # of the file that is open
        self._damaged: _Identity | None = None  # of a file to set aside at the next opening
        self._latest: _Identity | None = None  # of the file that was opened last, unless it is lost
        self._files = 0  # that were opened here, each in the place of the one before
        self._cache: Any = None  # a diskcache.Cache; None beside a connection: read-only
        self._connection: sqlite3.Connection | None = None
        self._claim: Claim | None = None  # on a file system that hosts share

    @contextmanager
    def transaction(self) -> Iterator[Rows]:
        """Rows to write: at the end all of it is kept, or nothing and `StoreError` is raised."""
        with self._translated():
            if self._is_lost():
                raise self._refusal(
                    "its files were removed or replaced while in use, so what it held is not "
                    "in it any more; the next save begins a new one"
                )
            self._renew_claim()
            if self._cache is None:
                self._open()
            with self._cache.transact():
                rows = Rows(self._connected(), self._files)
                yield rows
                rows.write()
                if self._claim is not None:
                    self._claim.check()

    @contextmanager
    def reading(self) -> Iterator[Rows]:
        """Rows to read, as of one moment; also where nothing can be written."""
        with self._translated():
            if self._is_lost():
                log.warning("the store %s was removed or replaced while in use", self._directory)
            self._renew_claim()
            if self._connection is None:
                self._open_for_reading()
            connection = self._connected()
            connection.execute("BEGIN")
            try:
                yield Rows(connection, self._files)
            finally:
                connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the files; the next use opens them again."""
        if self._connection is not None:
            self._connection.close()
        self._cache = self._connection = self._identity = self._claim = None

    @property
    def _is_read_only(self) -> bool:
        return self._connection is not None and self._cache is None

    def _connected(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def _is_lost(self) -> bool:
        """Whether the file was taken away under its connection; if so, that is closed."""
        if self._connection is None or _directory.identity(self._path) == self._identity:
            return False
        self.close()
        self._latest = None  # and the next may be given its number
        return True

    def _renew_claim(self) -> None:
        """Close what another host may have written to. Raises StoreError while it has the store."""
        if self._claim is not None and not self._claim.hold():
            self.close()

    def _open(self) -> None:
        self.close()
        _directory.make(self._directory)
        if _directory.network_file_system(self._directory):
            claim = Claim(self._directory)
            claim.hold()
            self._claim = claim
        damaged = self._prepared()
        try:
            self._cache = open_cache(self._directory)
        except sqlite3.DatabaseError as error:  # deeper than was looked at
            if damaged is not None or not is_damage(error):
                raise
            self._damaged = self._identity
            damaged = self._prepared()
            self._cache = open_cache(self._directory)
        self._connection = self._cache._con
        if self._identity != self._latest:
            self._latest, self._files = self._identity, self._files + 1
        if damaged is not None:
            with self._cache.transact():
                salvage(damaged, self._connected())
        _directory.mark(self._directory)

    def _prepared(self) -> Path | None:
        """Make the file ready to open; the new name of a damaged one that was in its place."""
        if _directory.is_emptied(self._directory):
            log.warning("%s has no bytes: the chats it held are gone from it", self._path)
            self._latest = None
            if _directory.wal_size(self._path):  # SQLite would delete that now
                set_aside(self._path)
        self._make()
        is_known = _directory.identity(self._path) == self._damaged
        aside = set_aside(self._path) if is_known else _vet(self._path)
        self._damaged = None
        self._make()
        self._identity = _directory.identity(self._path)
        return aside

    def _make(self) -> None:
        if _directory.prepare(self._directory):
            self._latest = None  # the file before is gone, also where this one has its number

    def _open_for_reading(self) -> None:
        try:
            self._open()
        except (sqlite3.OperationalError, OSError):
            self.close()
            if not self._path.exists():
                raise
            self._connection = _open_read_only(self._path)
            self._identity = _directory.identity(self._path)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """SQLite's, diskcache's and the system's errors leave as `StoreError`."""
        try:
            yield
        except (Timeout, sqlite3.Error, OSError) as error:
            root: BaseException = error
            while root.__context__ is not None:  # a failed rollback, or diskcache's Timeout
                root = root.__context__
            if is_damage(root) and not self._is_read_only:  # there another host may be writing
                self._damaged = self._identity
            self.close()  # and with it whatever transaction was left open
            raise self._refusal(_explain(root)) from error

    def _refusal(self, why: str) -> StoreError:
        refusal = StoreError(f"the store {str(self._directory)!r} cannot be used: {why}")
        refusal.retryable = True
        return refusal


def _open_read_only(path: Path) -> sqlite3.Connection:
    connection = _connect(f"{path.as_uri()}?mode=ro")
    try:
        connection.execute("SELECT 1 FROM Cache LIMIT 1")
    except sqlite3.DatabaseError:  # the directory does not take the -shm file this needs
        connection.close()
        if _directory.wal_size(path):
            raise  # rows that were not in the database yet would be missing
        connection = _connect(f"{path.as_uri()}?immutable=1")
    return connection


def _connect(target: str) -> sqlite3.Connection:
    uri = target.startswith("file:")
    connection = sqlite3.connect(target, uri=uri, timeout=LOCK_WAIT, isolation_level=None)
    connection.execute("PRAGMA mmap_size = 0")
    return connection


def _explain(error: BaseException) -> str:
    if isinstance(error, OSError):
        return _ERRNO.get(error.errno or 0, str(error))
    if is_damage(error):
        return _DAMAGED
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without the extended part
    return _SQLITE.get(code, str(error))


def _vet(path: Path) -> Path | None:
    """See that the file can be given to diskcache; a damaged one is set aside: its new name."""
    before = _directory.identity(path)
    with closing(_connect(str(path))) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
            drop_strange_settings(connection)
            connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            if not is_damage(error) or _directory.identity(path) != before:
                raise
            return set_aside(path)  # before it is closed, which may write to it
    return None
