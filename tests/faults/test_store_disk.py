"""A full disk and a read-only one, for real: file systems of a megabyte, mounted here."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from chatkit.errors import StoreError
from chatkit.stores.disk import DiskStore
from tests.storing import child, end, ids, line, loaded, message, picture, run

pytestmark = pytest.mark.faults


def test_a_full_disk_loses_nothing_and_works_again_when_there_is_room(disk: Path) -> None:
    store = DiskStore(disk / "store")
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * 300_000)
    run(store.append("trip", [message("a")]))
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    kept = 0
    with pytest.raises(StoreError, match="full") as caught:  # noqa: PT012
        while True:
            run(store.extend(lease, [{"n": kept, "text": "x" * 5000}]))
            kept += 1
    assert str(disk) in str(caught.value)
    assert caught.value.retryable
    for _ in range(3):
        with pytest.raises(StoreError, match="full"):
            run(store.extend(lease, [{"n": kept, "text": "x" * 5000}]))
    chunks = [chunk["n"] for (chunk,) in run(store.follow("trip", "a")).segments]
    assert chunks == list(range(kept))
    ballast.unlink()
    run(store.extend(lease, [{"n": kept}]))
    run(store.finalize(lease, message("a", "whole")))
    assert loaded(store).rows == [message("a", "whole")]
    run(store.close())
    assert loaded(store).rows == [message("a", "whole")]
    run(store.close())


def test_a_file_that_the_disk_is_too_full_for_leaves_no_message_without_it(disk: Path) -> None:
    store = DiskStore(disk / "store")
    small, large = picture("a", b"x" * 100_000), picture("b", b"y" * 900_000)
    run(store.append("trip", [small]))
    for _ in range(2):
        with pytest.raises(StoreError, match="full") as caught:
            run(store.append("trip", [large]))
        assert caught.value.retryable
        assert loaded(store).rows == [small]
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    run(store.append("trip", [large]))
    assert loaded(store).rows == [small, large]
    run(store.close())


def test_a_disk_that_is_full_from_the_start_can_be_read(disk: Path) -> None:
    store = DiskStore(disk / "store")
    run(store.append("trip", [message("a")]))
    run(store.close())
    ballast = disk / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    assert ids(store) == ["a"]
    with pytest.raises(StoreError):
        run(store.append("trip", [message("b", "x" * 100_000)]))
    assert ids(store) == ["a"]
    ballast.unlink()
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]
    run(store.close())


def kill_a_writer(store: DiskStore) -> None:
    """Leave rows behind that are in the write-ahead log only."""
    program = 'await store.append("trip", [{"id": "a"}]); say("written"); time.sleep(60)'
    writer = child(store, program)
    assert line(writer) == "written"
    end(writer)


@pytest.mark.parametrize("clean", [True, False])
def test_a_read_only_disk_can_be_read_and_says_so_when_written(disk: Path, clean: bool) -> None:
    store = DiskStore(disk / "store")
    if clean:
        run(store.append("trip", [message("a")]))
        run(store.close())
    else:  # its write-ahead log is still there
        kill_a_writer(store)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert ids(store) == ["a"]
    for _ in range(2):
        with pytest.raises(StoreError, match="read-only") as caught:
            run(store.append("trip", [message("b")]))
        assert store.location in str(caught.value)
        assert ids(store) == ["a"]
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    run(store.append("trip", [message("b")]))
    assert ids(store) == ["a", "b"]
    run(store.close())


def test_a_read_only_disk_with_rows_that_cannot_be_reached_says_so(disk: Path) -> None:
    store = DiskStore(disk / "store")
    kill_a_writer(store)
    (disk / "store" / "cache.db-shm").unlink()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(StoreError, match="read-only"):
        run(store.load("trip"))


def test_a_read_only_disk_without_a_store_is_named(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    store = DiskStore(disk / "store")
    with pytest.raises(StoreError, match="read-only"):
        run(store.append("trip", [message("a")]))
    with pytest.raises(StoreError, match="read-only"):
        run(store.load("trip"))
