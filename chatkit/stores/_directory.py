"""The directory of a store: its modes, its mark, and the file system it lies on."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

DATABASE = "cache.db"  # diskcache's name for it
_MOUNTS = Path("/proc/self/mounts")
_NETWORK = re.compile(
    r"nfs\d?|cifs|smb\w*|fuse\..+|9p|afs|ceph|glusterfs|lustre|beegfs|gpfs|pvfs2|vboxsf|virtiofs"
    r"|afpfs|webdav|macfuse|osxfuse"
)
_MOUNTED = re.compile(r"^.+? on (/.*?) \((\w+)[,)]", re.MULTILINE)  # as macOS tells it


def make(directory: Path) -> None:
    """Make the directory, that only its owner can read."""
    if not directory.exists():
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)  # whatever the umask


def prepare(directory: Path) -> bool:
    """Make the directory and an empty database that only their owner can read, unless they are
    there; whether the database was not."""
    make(directory)
    database = directory / DATABASE
    try:
        os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    database.chmod(0o600)  # SQLite gives -wal and -shm the modes of the database
    return True


def mark(directory: Path) -> None:
    """Keep the store out of version control, unless the directory holds other things too."""
    if all(entry.name.startswith(DATABASE) for entry in directory.iterdir()):
        (directory / ".gitignore").write_text("*\n")


def is_emptied(directory: Path) -> bool:
    """Whether the database has no bytes, which opens as a fresh one, but once held chats."""
    database = directory / DATABASE
    return (
        database.exists() and database.stat().st_size == 0 and (directory / ".gitignore").exists()
    )


def wal_size(database: Path) -> int:
    """The bytes of its write-ahead log: rows that are not in the database itself yet."""
    wal = Path(f"{database}-wal")
    return wal.stat().st_size if wal.exists() else 0


def identity(file: Path) -> tuple[int, int] | None:
    """What tells this file from another one later put in its place; None if it is not there."""
    try:
        stat = file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return stat.st_dev, stat.st_ino


def network_file_system(directory: Path) -> str | None:
    """The type of the file system the directory lies on, if it is one shared by hosts.

    Known on Linux and macOS; on Windows every directory counts as one of this host.
    """
    real = os.path.realpath(directory)
    best, kind = "", ""
    for point, mounted in _mounts():
        if len(point) >= len(best) and Path(real).is_relative_to(point):
            best, kind = point, mounted
    return kind if _NETWORK.fullmatch(kind) else None


def _mounts() -> Iterator[tuple[str, str]]:
    """Where each file system is mounted, and its type; the last hides those before it."""
    try:
        mounts = _MOUNTS.read_text(errors="surrogateescape")
    except OSError:  # not Linux
        yield from _told_mounts()
        return
    for line in mounts.splitlines():
        _, point, kind, *_ = line.split(" ")
        yield re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), point), kind


def _told_mounts() -> list[tuple[str, str]]:
    try:
        told = subprocess.run(["mount"], capture_output=True, text=True, errors="surrogateescape")
    except OSError:  # not a Unix: nothing is known
        return []
    return _MOUNTED.findall(told.stdout)
