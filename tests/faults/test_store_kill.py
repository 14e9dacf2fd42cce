"""Writers killed with -9 at random moments: what they were told is written is there."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatkit.stores.disk import DiskStore
from tests.storing import child, end, line, loaded, message, picture, run

pytestmark = pytest.mark.faults

LIVES = 50

EXTENDS = """
    await store.append(sys.argv[1], [{"id": "a"}])
    lease = await store.acquire(sys.argv[1], "a")
    say("began")
    for number in range(1_000_000):
        await store.extend(lease, [{"n": 2 * number}, {"n": 2 * number + 1}])
        say(number)
        await asyncio.sleep(float(sys.argv[2]))
"""

FINALIZES = """
    await store.load("trip")
    say("began")
    for number in range(1_000_000):
        id = f"{sys.argv[1]}-{number}"
        await store.append("trip", [{"id": id}])
        lease = await store.acquire("trip", id)
        for segment in range(3):
            await store.extend(lease, [{"n": segment}])
        say("extended", id)
        row = {"id": id, "message": {"metadata": {"status": "complete"}}}
        await store.finalize(lease, row, header={"last": id})
        say("ended", id)
"""

KEEPS = """
    from tests.storing import picture
    await store.load("trip")
    say("began")
    for number in range(1_000_000):
        id = f"{sys.argv[1]}-{number}"
        await store.append("trip", [picture(id, id.encode() * 50_000)])
        say(id)
        await store.append("other", [picture(id, id.encode() * 50_000)])
        await store.delete("other")
"""

CREATES = """
    say("began")
    await store.append("trip", [{"id": "a"}])
    say("written")
    await store.close()
"""


def lived(store: DiskStore, program: str, *arguments: str, seconds: float) -> list[str]:
    """What a process said before it was killed, `seconds` after it began."""
    process = child(store, program, *arguments)
    try:
        assert line(process) == "began"
        time.sleep(seconds)
        process.kill()
        assert process.stdout is not None
        return process.stdout.read().split("\n")[:-1]  # without a line that was cut off
    finally:
        end(process)


@pytest.mark.parametrize("pause", ["0.04", "0"])
def test_a_killed_writer_leaves_a_clean_prefix_with_all_it_was_told(
    store: DiskStore, pause: str, chance: random.Random, tell: Callable[[str], None]
) -> None:
    for life in range(LIVES // 2):
        chat = f"chat {life}"
        said = lived(store, EXTENDS, chat, pause, seconds=chance.uniform(0, 0.3))
        info = run(store.status(chat, "a"))
        assert info is not None
        assert (info.state, info.alive) == ("streaming", False)  # at once, not after the lease
        recovered = run(store.recover(chat, "a"))
        assert recovered is not None
        lease, chunks = recovered
        assert chunks == [{"n": number} for number in range(len(chunks))]
        assert len(chunks) % 2 == 0
        assert len(said) <= len(chunks) // 2 <= len(said) + 1
        run(store.finalize(lease, message("a", "kept", "interrupted")))
        assert loaded(store, chat).rows == [message("a", "kept", "interrupted")]
    tell(f"{LIVES // 2} kills, no broken prefix")


def test_a_writer_killed_at_the_end_of_its_stream_has_either_the_row_or_the_segments(
    store: DiskStore, chance: random.Random, tell: Callable[[str], None]
) -> None:
    for life in range(20):
        said = lived(store, FINALIZES, str(life), seconds=chance.uniform(0.01, 0.15))
        found = run(store.load("trip"))
        rows = {row["id"]: row for row in found.rows} if found is not None else {}
        for told in said:
            what, row_id = told.split()
            info = run(store.status("trip", row_id))
            segments = run(store.follow("trip", row_id)).segments
            assert info is not None
            if "message" in rows[row_id]:
                assert (info.state, segments) == ("complete", [])
            else:
                assert what == "extended"
                assert (info.state, info.alive) == ("streaming", False)
                assert segments == [[{"n": 0}], [{"n": 1}], [{"n": 2}]]
    assert loaded(store).header["last"] in rows
    tell("20 kills, each row whole or its segments all there")


def test_a_killed_writer_leaves_no_message_without_its_file(
    store: DiskStore, chance: random.Random, tell: Callable[[str], None]
) -> None:
    said: list[str] = []
    for life in range(20):
        said += lived(store, KEEPS, str(life), seconds=chance.uniform(0, 0.1))
    found = run(store.load("trip"))
    rows = {row["id"]: row for row in found.rows} if found is not None else {}
    assert said
    assert set(said) <= set(rows)
    for row_id, row in rows.items():
        assert row == picture(row_id, row_id.encode() * 50_000)
    tell(f"20 kills, {len(rows)} messages with their files")


def test_a_store_whose_maker_was_killed_opens(
    tmp_path: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    for life in range(20):
        store = DiskStore(tmp_path / str(life))
        said = lived(store, CREATES, seconds=chance.uniform(0, 0.04))
        found = run(store.load("trip"))
        assert found is None or [row["id"] for row in found.rows] == ["a"]
        assert found is not None or said == []
        run(store.append("trip", [message("b")]))
        assert loaded(store).rows[-1] == message("b")
        run(store.close())
        assert sorted(entry.name for entry in (tmp_path / str(life)).iterdir()) == [
            ".gitignore",
            "cache.db",
        ]
    tell("20 kills, each store opens")
