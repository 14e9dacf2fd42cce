"""Two hosts on one directory of a file server, for real: two mounts through sshfs.

Each has caches and locks of its own, as two computers have, and SQLite's locks of one mount are
nothing to the other: without more, two writers ruin the database within a second.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatkit.stores.disk import DiskStore
from tests.storing import child, end, line, sql

pytestmark = pytest.mark.faults

SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
WRITES = """
    from chatkit.errors import StoreError
    from chatkit.stores import _claim
    _claim.EXPIRES = float(sys.argv[2])
    say("began")
    number, refused = 0, ""
    finish = time.monotonic() + float(sys.argv[3])
    while time.monotonic() < finish:
        try:
            await store.append("trip", [{"id": f"{sys.argv[1]}-{number}", "text": "x" * 2000}])
            number, refused = number + 1, ""
            if number == 1:
                say("wrote")
                finish = time.monotonic() + float(sys.argv[4])
        except StoreError as error:
            refused = str(error)
            if number:
                break
        await asyncio.sleep(0.01)
    say(number)
    say(refused)
    await store.close()
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[tuple[Path, Path, Path]]:
    """A directory on a server, and two mounts of it."""
    if not shutil.which("sshfs") or not SFTP_SERVER.exists():
        pytest.skip("needs sshfs and openssh-sftp-server, and to be root")
    served, left, right = (tmp_path / name for name in ("served", "left", "right"))
    command = tmp_path / "serve"
    command.write_text(f"#!/bin/sh\nexec {SFTP_SERVER}\n")
    command.chmod(0o700)
    served.mkdir()
    for point in (left, right):
        point.mkdir()
        options = f"ssh_command={command},dcache_timeout=1"
        subprocess.run(["sshfs", "-o", options, f"server:{served}", str(point)], check=True)
    yield served, left, right
    for point in (left, right):
        subprocess.run(["umount", str(point)], check=True)


def written(process: subprocess.Popen[str]) -> tuple[int, str]:
    """How many messages it was told are stored, and what it was refused with at last."""
    return int(line(process)), line(process)


def stored(served: Path, name: str) -> int:
    """How many messages of that writer are in a database that is whole."""
    database = served / "store" / "cache.db"
    assert sql(database, "PRAGMA integrity_check") == [("ok",)]
    assert not list(database.parent.glob("*damaged*"))
    rows = sql(database, "SELECT count(*) FROM Cache WHERE key LIKE ?", f"m/trip/{name}-%")
    count: int = rows[0][0]
    return count


def test_of_two_hosts_that_write_at_once_one_is_refused_and_no_file_is_damaged(
    mounts: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    served, left, right = mounts
    programs = [("left", left), ("right", right), ("beside", left)]
    writers = [
        child(DiskStore(at / "store"), WRITES, name, "60", "25", "4") for name, at in programs
    ]
    try:
        assert [line(each) for each in writers] == ["began"] * 3
        told = {name: told_by(each) for (name, _), each in zip(programs, writers, strict=True)}
    finally:
        for each in writers:
            end(each)
    for name, (count, _) in told.items():
        assert stored(served, name) == count
    refused = {name for name, (count, _) in told.items() if count == 0}
    assert refused in ({"right"}, {"left", "beside"})
    assert all("one host at a time" in told[name][1] for name in refused)
    with capsys.disabled():
        counts = ", ".join(f"{name} {count}" for name, (count, _) in told.items())
        print(f"\ntwo hosts, three writers: stored {counts}; 0 damaged")


def told_by(process: subprocess.Popen[str]) -> tuple[int, str]:
    said = line(process)
    return written(process) if said == "wrote" else (int(said), line(process))


def test_a_host_that_was_suspended_while_another_took_over_writes_nothing_when_it_wakes(
    mounts: tuple[Path, Path, Path],
) -> None:
    served, left, right = mounts
    first = child(DiskStore(left / "store"), WRITES, "left", "3", "60", "120")
    second = None
    try:
        assert [line(first), line(first)] == ["began", "wrote"]
        first.send_signal(signal.SIGSTOP)
        second = child(DiskStore(right / "store"), WRITES, "right", "3", "60", "12")
        assert [line(second), line(second)] == ["began", "wrote"]
        first.send_signal(signal.SIGCONT)
        count, refused = written(first)
        assert "one host at a time" in refused
        beside, _ = written(second)  # nobody writes from here on
        assert count == stored(served, "left")
        assert beside == stored(served, "right")
    finally:
        for each in (first, second):
            if each is not None:
                end(each)
