"""Where a store is kept: private, with safe settings, locked, removed, on odd file systems."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
from diskcache import Cache

from chatkit.errors import ConfigError, Fenced, StoreError, StoreLost
from chatkit.stores import _cache, _database, _directory
from chatkit.stores.disk import DiskStore
from tests.storing import child, end, ids, line, message, run, sql, tell


def test_a_store_is_private_whatever_the_umask(tmp_path: Path) -> None:
    for umask in (0, 0o022, 0o777):
        before = os.umask(umask)
        try:
            private = DiskStore(tmp_path / f"umask{umask}")
            run(private.append("trip", [message("a")]))
        finally:
            os.umask(before)
        directory = Path(private.location)
        modes = {
            entry.name: stat.S_IMODE(entry.stat().st_mode)
            for entry in directory.iterdir()
            if entry.name.startswith("cache.db")
        }
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert modes == {"cache.db": 0o600, "cache.db-wal": 0o600, "cache.db-shm": 0o600}
        run(private.close())


def test_a_store_keeps_itself_out_of_version_control(store: DiskStore) -> None:
    run(store.chats())
    assert (Path(store.location) / ".gitignore").read_text() == "*\n"


def test_processes_that_open_a_new_store_at_once_share_it(store: DiskStore) -> None:
    body = """
        say("ready")
        sys.stdin.readline()
        await store.append("trip", [{"id": sys.argv[1]}])
        say("done")
        """
    others = [child(store, body, str(number)) for number in range(4)]
    try:
        assert [line(other) for other in others] == ["ready"] * 4
        for other in others:
            tell(other)
        assert [line(other) for other in others] == ["done"] * 4
    finally:
        for other in others:
            end(other)
    assert sorted(ids(store)) == ["0", "1", "2", "3"]


def test_a_directory_with_other_things_in_it_gets_no_gitignore(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    here = DiskStore(tmp_path)
    run(here.append("trip", [message("a")]))
    run(here.close())
    assert not (tmp_path / ".gitignore").exists()


def test_every_opening_brings_back_the_settings_that_lose_nothing(
    store: DiskStore, database: Path
) -> None:
    run(store.append("trip", [message("a")]))
    run(store.close())
    with Cache(store.location, eviction_policy="least-recently-used", size_limit=1, cull_limit=9):
        pass
    run(store.append("trip", [message("b")]))
    kept = dict(sql(database, "SELECT key, value FROM Settings"))
    assert kept["eviction_policy"] == "none"
    assert kept["size_limit"] == 2**62
    assert kept["disk_min_file_size"] == 2**31 - 1
    zero = ("cull_limit", "statistics", "sqlite_mmap_size", "disk_pickle_protocol")
    assert [kept[name] for name in zero] == [0, 0, 0, 0]
    assert (kept["sqlite_journal_mode"], kept["sqlite_synchronous"]) == ("wal", 1)
    assert ids(store) == ["a", "b"]


def test_triggers_are_written_as_a_strict_sqlite_wants_them(
    store: DiskStore, database: Path
) -> None:
    run(store.chats())
    triggers = sql(database, "SELECT sql FROM sqlite_master WHERE type = 'trigger'")
    assert len(triggers) == 5
    assert not [trigger for (trigger,) in triggers if '"' in trigger]


def test_a_network_file_system_is_named_and_gets_no_write_ahead_log(
    store: DiskStore,
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    mounts = tmp_path / "mounts"
    point = str(tmp_path).replace("test", r"\164est")
    mounts.write_text(
        f"/dev/x / ext4 rw 0 0\nhost:/home {point} nfs4 rw 0 0\nproc /proc proc 0 0\n"
    )
    monkeypatch.setattr(_directory, "_MOUNTS", mounts)
    run(store.append("trip", [message("a")]))
    assert "nfs4" in caplog.text
    assert sql(database, "PRAGMA journal_mode") == [("delete",)]
    assert ids(store) == ["a"]


@pytest.mark.parametrize(
    ("kind", "shared"),
    [
        ("nfs", True), ("cifs", True), ("fuse.sshfs", True), ("9p", True),
        ("ext4", False), ("tmpfs", False), ("overlay", False), ("fuseblk", False),
    ],
)  # fmt: skip
def test_file_systems_shared_by_hosts_are_known(
    kind: str, shared: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"a / {kind} rw 0 0\nb /elsewhere ext4 rw 0 0\n")
    monkeypatch.setattr(_directory, "_MOUNTS", mounts)
    assert _directory.network_file_system(tmp_path) == (kind if shared else None)


def test_a_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        wrong = DiskStore(path)
        for attempt in (wrong.load("trip"), wrong.append("trip", [])):
            with pytest.raises(StoreError, match=rf"{path}'.* is a file"):
                run(attempt)
    assert (tmp_path / "file").read_text() == "mine"


def test_a_path_that_diskcache_would_change_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHERE", "elsewhere")
    with pytest.raises(ConfigError, match="WHERE"):
        DiskStore(tmp_path / "$WHERE")


def test_a_locked_store_says_so_and_works_once_it_is_free(
    store: DiskStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "LOCK_WAIT", 0.05)
    monkeypatch.setattr(_database, "LOCK_WAIT", 0.05)
    run(store.append("trip", [message("a")]))
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):  # once with the file open, once opening it
        with pytest.raises(StoreError, match="locked") as caught:
            run(store.append("trip", [message("b")]))
        assert caught.value.retryable
        assert store.location in str(caught.value)
        assert ids(store) == ["a"]
    other.execute("ROLLBACK")
    other.close()
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]


def test_a_commit_held_up_by_a_reader_is_undone_and_may_be_tried_again(
    store: DiskStore, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache, "LOCK_WAIT", 0.05)
    monkeypatch.setitem(_cache.SETTINGS, "sqlite_journal_mode", "delete")
    run(store.append("trip", [message("a")]))
    reader = sqlite3.connect(database, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM Cache").fetchone()
    with pytest.raises(StoreError, match="locked"):
        run(store.append("trip", [message("b")]))
    reader.close()
    assert ids(store) == ["a"]
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]


def test_a_directory_removed_while_in_use_is_noticed_at_the_next_write(store: DiskStore) -> None:
    run(store.append("trip", [message("a")]))
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    shutil.rmtree(store.location)
    with pytest.raises(StoreError, match="removed") as caught:
        run(store.extend(lease, [{"n": 1}]))
    assert store.location in str(caught.value)
    assert not isinstance(caught.value, Fenced)
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["b"]


@pytest.mark.parametrize("how", ["removed", "removed while it is closed", "replaced"])
def test_a_stream_is_lost_with_the_files_that_held_it_and_deleted_with_its_chat(
    store: DiskStore, tmp_path: Path, how: str
) -> None:
    """Who writes a lost one has all of it still; a deleted one is not wanted any more."""
    aside = tmp_path / "aside"
    lost = run(store.acquire("trip", "a"))
    assert lost is not None
    if how == "removed while it is closed":
        run(store.close())
    if how != "replaced":
        shutil.rmtree(store.location)
    else:
        os.rename(store.location, aside)
        run(DiskStore(store.location).append("other", [message("b")]))
    assert run(store.load("trip")) is None  # a reader finds out before the writer does
    with pytest.raises(StoreLost, match="removed or replaced"):
        run(store.extend(lost, [{"n": 1}]))
    with pytest.raises(StoreLost, match="removed or replaced"):
        run(store.beat(lost))
    with pytest.raises(StoreLost, match="removed or replaced"):
        run(store.finalize(lost, message("a")))
    again = run(store.acquire("trip", "a", rows=[message("a")]))
    assert again is not None
    run(store.extend(again, [{"n": 1}]))
    run(store.delete("trip"))
    with pytest.raises(Fenced, match="deleted"):
        run(store.extend(again, [{"n": 2}]))


def test_a_directory_removed_on_purpose_is_begun_anew(
    store: DiskStore, caplog: pytest.LogCaptureFixture
) -> None:
    run(store.append("trip", [message("a")]))
    shutil.rmtree(store.location)
    assert run(store.load("trip")) is None
    assert "removed" in caplog.text
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["b"]


def test_giving_up_a_removed_store_does_no_harm_to_the_one_in_its_place(
    store: DiskStore, database: Path
) -> None:
    run(store.append("trip", [message("a")]))
    shutil.rmtree(store.location)
    other = child(
        store,
        """
        await store.append("trip", [{"id": "b"}])
        say("written")
        sys.stdin.readline()
        """,
    )
    try:
        assert line(other) == "written"
        with pytest.raises(StoreError, match="replaced"):
            run(store.append("trip", [message("c")]))
        run(store.close())
    finally:
        end(other)
    assert Path(f"{database}-wal").stat().st_size
    assert ids(store) == ["b"]
