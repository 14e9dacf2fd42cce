"""Damaged and planted files: nothing is run, nothing is deleted, the rest goes on."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from diskcache import Cache

from chatkit.errors import StoreError
from chatkit.stores import _cache
from chatkit.stores.disk import DiskStore
from tests.storing import ids, loaded, message, run, sql


def fill(store: DiskStore) -> dict[str, list[dict[str, Any]]]:
    chats = {name: [message(str(n), "x" * 1000) for n in range(60)] for name in "abcdef"}
    for name, rows in chats.items():
        run(store.append(name, rows))
    run(store.close())
    return chats


def aside(database: Path) -> list[Path]:
    return sorted(database.parent.glob("cache.db.damaged-*"))


def test_a_file_of_garbage_is_set_aside_and_a_fresh_one_goes_on(
    store: DiskStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store)
    garbage = os.urandom(10_000)
    database.write_bytes(garbage)
    assert run(store.chats()) == []
    run(store.append("trip", [message("a")]))
    assert ids(store) == ["a"]
    (kept,) = aside(database)
    assert kept.read_bytes() == garbage
    assert str(kept) in caplog.text


def test_a_file_cut_short_keeps_the_rows_that_are_left(store: DiskStore, database: Path) -> None:
    chats = fill(store)
    os.truncate(database, database.stat().st_size // 2)
    size = database.stat().st_size
    found = loaded(store, "a")
    assert found.rows == chats["a"]
    assert run(store.load("f")) is None
    assert aside(database)[0].stat().st_size == size


async def read_all(store: DiskStore, names: Iterable[str]) -> None:
    for name in names:
        await store.load(name)


def test_a_file_damaged_in_the_middle_keeps_the_rows_around_it(
    store: DiskStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chats = fill(store)
    with database.open("r+b") as file:
        file.seek(database.stat().st_size // 2)
        file.write(os.urandom(12_000))

    with pytest.raises(StoreError, match="damaged") as caught:
        run(read_all(store, chats))
    assert caught.value.retryable
    kept = {name: loaded(store, name).rows for name in chats}
    assert kept["a"] == chats["a"]
    assert kept["f"] == chats["f"]
    assert sum(map(len, kept.values())) > 300
    assert len([name for name in aside(database) if name.name[-1].isdigit()]) == 1
    run(store.append("a", [message("more")]))
    assert ids(store, "a")[-1] == "more"


def test_a_file_damaged_while_it_is_open_is_replaced_at_the_second_try(
    store: DiskStore, database: Path
) -> None:
    fill(store)
    run(store.chats())  # open, with nothing in the write-ahead log that would hide the damage
    os.truncate(database, 8192)
    with pytest.raises(StoreError, match="damaged"):
        run(store.load("a"))
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["b"]
    assert aside(database)


def test_a_file_of_no_bytes_is_reported(
    store: DiskStore, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store)
    os.truncate(database, 0)
    assert run(store.chats()) == []
    assert "has no bytes" in caplog.text
    assert not aside(database)


def test_a_log_beside_a_file_of_no_bytes_is_not_deleted(store: DiskStore, database: Path) -> None:
    fill(store)
    os.truncate(database, 0)
    wal = Path(f"{database}-wal")
    wal.write_bytes(b"rows that were never moved")
    assert run(store.chats()) == []
    assert [kept.read_bytes() for kept in aside(database)] == [b"", b"rows that were never moved"]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


def test_planted_pickles_and_file_names_are_never_followed(
    store: DiskStore, database: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run(store.append("good", [message("a")]))
    run(store.append("trip", [message("a")]))
    run(store.close())
    secret = tmp_path / "secret.json"
    secret.write_text('{"id": "secret"}')
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    row = "INSERT INTO Cache (key, raw, mode, filename, value) VALUES (?, ?, ?, ?, ?)"
    for key, raw, mode, filename, value in [
        ("m/trip/pickle", 1, 4, None, bomb),
        ("c/pickle", 1, 4, None, bomb),
        (bomb, 0, 1, None, b"{}"),
        (b"m/trip/blob", 1, 1, None, b"{}"),
        ("m/trip/raw0", 0, 1, None, bomb),
        ("m/trip/file", 1, 2, "../secret.json", None),
        ("m/trip/text", 1, 3, "../secret.json", None),
        ("m/trip/both", 1, 1, "../secret.json", b'{"id": "both"}'),
        ("m/trip/number", 1, 1, None, 7),
        ("m/trip/words", 1, 1, None, "{}"),
        ("m/trip/garbage", 1, 1, None, b"\xff{"),
        ("m/trip/list", 1, 1, None, b"[1]"),
        ("c/list", 1, 1, None, b"[1]"),
        ("s/trip/a", 1, 1, None, b'{"state": 1}'),
        ("g/trip/a/00000000", 1, 4, None, bomb),
        ("g/trip/a/00000001", 1, 1, None, b'[{"n": 1}]'),
    ]:
        sql(database, row, key, raw, mode, filename, value)
    assert ids(store, "good") == ["a"]
    assert ids(store, "trip") == ["a"]
    assert sorted(header["id"] for header in run(store.chats())) == ["good", "trip"]
    assert run(store.status("trip", "a")) is None
    assert run(store.follow("trip", "a")).segments == [[], [{"n": 1}]]
    assert "m/trip/pickle" in caplog.text
    run(store.append("trip", [{"id": name, "mine": 1} for name in ("pickle", "file", "both")]))
    assert [row["id"] for row in loaded(store).rows if "mine" in row] == ["pickle", "file", "both"]
    run(store.delete("trip"))
    assert secret.exists()
    assert not (tmp_path / "exploded").exists()


def test_diskcache_itself_refuses_what_is_not_plain_text_and_bytes(
    store: DiskStore, database: Path, tmp_path: Path
) -> None:
    run(store.append("trip", [message("a")]))
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    row = "INSERT INTO Cache (key, raw, mode, filename, value) VALUES (?, ?, ?, ?, ?)"
    sql(database, row, "pickle", 1, 4, None, bomb)
    sql(database, row, "file", 1, 2, "../secret", None)
    sql(database, row, bomb, 0, 1, None, b"{}")
    with Cache(store.location, disk=_cache.RawDisk) as cache:
        for key in ("pickle", "file"):
            with pytest.raises(StoreError):
                cache.get(key)
        with pytest.raises(StoreError):
            list(cache)
        for name, value in [("k", {"not": "bytes"}), ("k", "text"), (("tuple",), b""), (1, b"")]:
            with pytest.raises(StoreError):
                cache.set(name, value)
        with database.open("rb") as file, pytest.raises(StoreError):
            cache.set("k", file, read=True)
    assert not (tmp_path / "exploded").exists()


def test_planted_settings_are_not_obeyed(store: DiskStore, database: Path, tmp_path: Path) -> None:
    run(store.append("trip", [message("a")]))
    run(store.close())
    planted = {
        "_directory": str(tmp_path / "elsewhere"),
        "transact": "x",
        "disk_store": "x",
        "disk_unknown": "x",
        "sqlite_user_version": 77,
        "sqlite_mmap_size": 2**26,
    }
    for name, value in planted.items():
        sql(database, "INSERT OR REPLACE INTO Settings VALUES (?, ?)", name, value)
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]
    assert sql(database, "PRAGMA user_version") == [(0,)]
    assert not (tmp_path / "elsewhere").exists()
