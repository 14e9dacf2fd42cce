"""Files in a store: kept once by content, given back as they were, gone with the last chat."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import pytest

from chatkit.stores import Store
from chatkit.stores.disk import DiskStore
from tests import storing
from tests.storing import child, end, everywhere, line, loaded, message, run, sql

IMAGE = random.Random(7).randbytes(2_000_000)


URL = f"data:image/png;base64,{base64.b64encode(IMAGE).decode()}"


def picture(row_id: str, content: bytes = IMAGE) -> dict[str, Any]:
    return storing.picture(row_id, content)


def kept(database: Path) -> list[str]:
    """The hashes of the files that are in the database."""
    return [key[2:] for (key,) in sql(database, "SELECT key FROM Cache WHERE key LIKE 'f/%'")]


def test_ten_messages_with_one_image_take_the_room_of_one(store: DiskStore, database: Path) -> None:
    rows = [picture(f"m{number}") for number in range(10)]
    for row in rows:
        run(store.append("trip", [row]))
    run(store.append("other", rows[:1]))
    assert loaded(store).rows == rows
    assert loaded(store, "other").rows == rows[:1]
    run(store.close())
    assert kept(database) == [hashlib.sha256(IMAGE).hexdigest()]
    assert len(IMAGE) < database.stat().st_size < 1.1 * len(IMAGE)


def test_a_deleted_chat_takes_the_files_that_no_other_chat_has(
    store: DiskStore, database: Path
) -> None:
    run(store.append("trip", [picture("a"), picture("b", b"only here" * 999)]))
    run(store.append("trip2", [picture("a")]))
    run(store.delete("trip"))
    assert loaded(store, "trip2").rows == [picture("a")]
    assert kept(database) == [hashlib.sha256(IMAGE).hexdigest()]
    run(store.delete("trip2"))
    assert kept(database) == []
    assert sql(database, "SELECT key FROM Cache") == []


def test_a_file_that_a_model_makes_is_kept_once_from_its_segment_to_its_row(
    store: DiskStore, database: Path
) -> None:
    run(store.append("trip", [message("a", status="streaming")]))
    lease = run(store.acquire("trip", "a"))
    assert lease is not None
    made = {"type": "file", "mediaType": "image/png", "url": URL}
    thought = {**made, "type": "reasoning-file"}
    delta = {"type": "text-delta", "id": "0", "delta": "Here."}
    run(store.extend(lease, [delta, made, thought]))
    run(store.extend(lease, [delta]))
    assert run(store.follow("trip", "a")).segments == [[delta, made, thought], [delta]]
    assert len(kept(database)) == 1
    run(store.finalize(lease, picture("a")))
    assert loaded(store).rows == [picture("a")]
    assert len(kept(database)) == 1


def test_what_another_process_stored_is_there_and_is_not_stored_again(
    store: DiskStore, database: Path
) -> None:
    body = """
        import json
        await store.append("other", [json.loads(sys.stdin.readline())])
        say("written")
        """
    process = child(store, body)
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(picture("a")) + "\n")
        process.stdin.flush()
        assert line(process) == "written"
    finally:
        end(process)
    run(store.append("trip", [picture("a")]))
    assert loaded(store, "other").rows == loaded(store).rows == [picture("a")]
    assert len(kept(database)) == 1


@everywhere
def test_a_file_that_one_process_drops_is_there_for_the_one_that_begins_to_use_it(
    store: Store,
) -> None:
    body = """
        from tests.storing import picture
        while True:
            await store.append("other", [picture("a", b"shared" * 1000)])
            await store.delete("other")
            say("again")
        """
    other = child(store, body)
    shared = picture("a", b"shared" * 1000)
    try:
        for _ in range(50):
            assert line(other) == "again"
            run(store.append("trip", [shared]))
            assert line(other) == "again"
            assert loaded(store).rows == [shared]
            run(store.delete("trip"))
    finally:
        end(other)


@everywhere
@pytest.mark.parametrize(
    "odd",
    [
        "data:image/png;base64,",
        "data:image/png;base64," + "A" * 2001,  # no base64
        "data:image/png;base64," + "A" * 2002 + "==",
        "data:image/png;base64," + "A" * 2001 + "B==",  # bits that its bytes do not have
        "data:image/png;base64," + "AAAA\n" * 400,
        "data:image/png;base64," + "é" * 2000,
        "data:image/png;base64," + "\ud800" * 2000,
        "data:image/svg+xml," + "%3Csvg%3E" * 500,
        "data:" + "x" * 2000,
        "https://example.org/" + "x" * 2000,
        "x" * 2000,
    ],
)
def test_an_address_of_any_spelling_comes_back_as_it_was(store: Store, odd: str) -> None:
    row = picture("a")
    row["message"]["parts"] += [
        {"type": "file", "mediaType": "image/png", "url": odd},
        {"type": "text", "text": odd, "url": odd},
        {"type": "file", "mediaType": "image/png", "url": None},
        {"type": "file"},
        "file",
    ]
    run(store.append("trip", [row]))
    assert loaded(store).rows == [row]


def test_nothing_that_is_said_is_taken_for_a_stored_file(store: DiskStore, database: Path) -> None:
    run(store.append("other", [picture("a")]))
    name = hashlib.sha256(IMAGE).hexdigest()
    envelope = {"row": message("b"), "files": [[0, name]]}
    row = {"id": "a", **envelope, "message": {"parts": [envelope, {"type": "file", "url": name}]}}
    written = {
        "id": "c",
        "message": json.loads(
            sql(database, "SELECT value FROM Cache WHERE key = ?", "m/other/a")[0][0]
        ),
    }
    run(store.append("trip", [row, written], header={"title": json.dumps(envelope)}))
    assert loaded(store).rows == [row, written]
    run(store.acquire("trip", "a"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE Cache SET value = x'00' WHERE key LIKE 'f/%'",
        "UPDATE Cache SET value = NULL, filename = '/etc/passwd' WHERE key LIKE 'f/%'",
        "DELETE FROM Cache WHERE key LIKE 'f/%'",
    ],
)
def test_a_missing_or_damaged_file_leaves_a_note_and_is_mended_by_sending_it_again(
    store: DiskStore, database: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    run(store.append("trip", [picture("a"), message("b")]))
    lease = run(store.acquire("trip", "b"))
    assert lease is not None
    made = {"type": "file", "mediaType": "image/png", "url": URL}
    run(store.extend(lease, [made]))
    sql(database, damage)
    [said, note] = loaded(store).rows[0]["message"]["parts"]
    assert said == {"type": "text", "text": "hi"}
    assert note["type"] == "text"
    assert "a.png (image/png) is missing" in note["text"]
    [segment] = run(store.follow("trip", "b")).segments
    assert [chunk["type"] for chunk in segment] == ["text-start", "text-delta", "text-end"]
    assert "image/png" in segment[1]["delta"]
    assert loaded(store).rows[1] == message("b")
    assert hashlib.sha256(IMAGE).hexdigest() in caplog.text
    run(store.append("trip2", [picture("c")]))
    assert loaded(store).rows[0] == picture("a")
    assert run(store.follow("trip", "b")).segments == [[made]]


@pytest.mark.parametrize(
    "planted",
    [
        b'{"row":{},"files":[[0,"x"]]}',
        b'{"row":{"message":{"parts":[1]}},"files":[[0,"../x"],[9,"y"],[-1,"z"]]}',
        b'{"row":[1,{"url":7}],"files":[[0,"x"],[1,"x"]]}',
        b'{"row":7,"files":7}',
        b'{"files":[["0"]]}',
    ],
)
def test_an_envelope_that_chatkit_did_not_write_does_no_harm(
    store: DiskStore, database: Path, planted: bytes
) -> None:
    run(store.append("trip", [message("a"), message("b")]))
    sql(database, "UPDATE Cache SET value = ? WHERE key = 'm/trip/a'", planted)
    assert loaded(store).rows[-1] == message("b")
