"""A store on a file system that hosts share: one host at a time, by the clock of the server."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from chatkit.errors import StoreError
from chatkit.stores import _claim, _directory
from chatkit.stores._database import Database
from chatkit.stores.disk import DiskStore
from tests.storing import child, end, ids, line, message, run, sql

REFUSED = "one host at a time"


class Hosts:
    """Two hosts in one process: each database belongs to the one that is `here` as it opens."""

    def __init__(self) -> None:
        self.here = "left"

    def name(self, directory: Path) -> bytes:
        return f'{{"host": "{self.here}"}}'.encode()


@pytest.fixture
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hosts:
    """The test's own directory as a mount of another computer's."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/home {tmp_path} nfs4 rw 0 0\n")
    hosts = Hosts()
    monkeypatch.setattr(_directory, "_MOUNTS", mounts)
    monkeypatch.setattr(_claim, "_this_host", hosts.name)
    monkeypatch.setattr(_claim, "SETTLES", 0.1)
    return hosts


@pytest.fixture
def claim(database: Path) -> Path:
    """The file that says whose the store is."""
    return database.with_name("cache.db-host")


def grow_old(claim: Path) -> None:
    written = claim.stat().st_mtime - 2 * _claim.EXPIRES
    os.utime(claim, (written, written))


def test_another_host_is_refused_by_name_and_changes_nothing(
    store: DiskStore, hosts: Hosts
) -> None:
    run(store.append("trip", [message("a")]))
    before = contents(Path(store.location))
    hosts.here = "right"
    other = DiskStore(store.location)
    for attempt in (other.load("trip"), other.append("trip", []), other.chats()):
        with pytest.raises(StoreError, match=REFUSED) as caught:
            run(attempt)
        assert "'left'" in str(caught.value)
        assert store.location in str(caught.value)
        assert caught.value.retryable
    assert contents(Path(store.location)) == before
    hosts.here = "left"
    assert ids(store) == ["a"]


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_host_that_was_not_seen_for_a_minute_gives_way_and_comes_back_as_any_other(
    store: DiskStore, claim: Path, hosts: Hosts
) -> None:
    run(store.append("trip", [message("a")]))
    grow_old(claim)
    hosts.here = "right"
    other = DiskStore(store.location)
    run(other.append("trip", [message("b")]))
    hosts.here = "left"
    with pytest.raises(StoreError, match="'right'"):
        run(store.append("trip", [message("c")]))
    with pytest.raises(StoreError, match="'right'"):
        run(store.load("trip"))
    grow_old(claim)
    run(store.append("trip", [message("d")]))
    assert ids(store) == ["a", "b", "d"]
    hosts.here = "right"
    with pytest.raises(StoreError, match="'left'"):
        run(other.load("trip"))
    run(other.close())


def test_a_host_that_loses_the_store_within_a_transaction_writes_nothing(
    store: DiskStore, claim: Path, hosts: Hosts
) -> None:
    run(store.append("trip", [message("a")]))
    database = Database(Path(store.location))
    with pytest.raises(StoreError, match="right"), database.transaction() as rows:  # noqa: PT012
        rows.put("m/trip/b", b"{}")
        claim.write_bytes(b'{"host": "right"}')
    database.close()
    claim.write_bytes(b'{"host": "left"}')
    assert ids(store) == ["a"]


def test_a_host_that_was_taken_over_while_it_took_over_is_refused(
    store: DiskStore, claim: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def meanwhile(seconds: float) -> None:
        claim.write_bytes(b'{"host": "right"}')

    monkeypatch.setattr("chatkit.stores._claim.time.sleep", meanwhile)
    with pytest.raises(StoreError, match="'right'"):
        run(store.append("trip", [message("a")]))
    assert [path.name for path in Path(store.location).iterdir()] == ["cache.db-host"]


def test_of_two_hosts_that_begin_at_once_one_has_the_store(
    store: DiskStore, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_claim, "SETTLES", 4)
    names = iter([b'{"host": "left"}', b'{"host": "right"}'])
    monkeypatch.setattr(_claim, "_this_host", lambda directory: next(names))
    both = [DiskStore(store.location), DiskStore(store.location)]

    async def begin() -> list[Any]:
        writes = [each.append("trip", [message("a")]) for each in both]
        return await asyncio.gather(*writes, return_exceptions=True)

    outcomes = run(begin())
    assert sorted(outcome is None for outcome in outcomes) == [False, True]
    for each in both:
        run(each.close())


def test_processes_of_one_host_share_the_store(
    store: DiskStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/home {tmp_path} cifs rw 0 0\n")
    monkeypatch.setattr(_directory, "_MOUNTS", mounts)
    run(store.append("trip", [message("a")]))
    program = """
        from pathlib import Path
        from chatkit.stores import _directory
        _directory._MOUNTS = Path(sys.argv[1])
        await store.append("trip", [{"id": "b"}])
        say("written")
        sys.stdin.readline()
    """
    other = child(store, program, str(mounts))
    try:
        assert line(other) == "written"
        assert ids(store) == ["a", "b"]
        run(store.append("trip", [message("c")]))
    finally:
        end(other)
    assert ids(store) == ["a", "b", "c"]


def test_a_store_in_use_says_so_again_and_again(
    store: DiskStore, claim: Path, hosts: Hosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store.append("trip", [message("a")]))
    grow_old(claim)
    old = claim.stat().st_mtime
    run(store.append("trip", [message("b")]))
    assert claim.stat().st_mtime == old, "not at each write"
    monkeypatch.setattr(_claim, "RENEWS", 0)
    run(store.load("trip"))
    assert claim.stat().st_mtime > old


def test_a_store_on_a_disk_of_this_host_has_no_such_file(store: DiskStore, claim: Path) -> None:
    run(store.append("trip", [message("a")]))
    assert not claim.exists()


def test_a_claim_that_says_nothing_is_somebodys_until_it_is_old(
    store: DiskStore, claim: Path, hosts: Hosts
) -> None:
    claim.parent.mkdir()
    claim.write_bytes(b"")
    with pytest.raises(StoreError, match="'another host'"):
        run(store.append("trip", [message("a")]))
    grow_old(claim)
    run(store.append("trip", [message("a")]))
    assert ids(store) == ["a"]


def test_a_database_with_a_write_ahead_log_loses_it_where_hosts_share_it(
    store: DiskStore, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(store.append("trip", [message("a")]))
    run(store.close())
    assert sql(database, "PRAGMA journal_mode") == [("wal",)]
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/home {tmp_path} nfs rw 0 0\n")
    monkeypatch.setattr(_directory, "_MOUNTS", mounts)
    monkeypatch.setattr(_claim, "SETTLES", 0.1)
    assert ids(store) == ["a"]
    assert sql(database, "PRAGMA journal_mode") == [("delete",)]


MACOS = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
devfs on /dev (devfs, local, nobrowse)
map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)
//me@server/share on {there}/my share (smbfs, nodev, nosuid, mounted by me)
"""


def test_macos_tells_its_mounts_through_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "my share"
    share.mkdir()
    program = tmp_path / "mount"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{MACOS.format(there=tmp_path)}END\n")
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(_directory, "_MOUNTS", tmp_path / "no such file")
    assert _directory.network_file_system(share / "store") == "smbfs"
    assert _directory.network_file_system(tmp_path) is None
    monkeypatch.setenv("PATH", str(share))
    assert _directory.network_file_system(share) is None, "nobody to ask"
