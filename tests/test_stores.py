"""Stores: what is kept of a chat, and how a store is found."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit.errors import ConfigError, StoreError
from chatkit.stores import Store, open_store
from chatkit.stores.disk import DiskStore
from tests.storing import everywhere, ids, loaded, message, run, sql


@everywhere
def test_what_was_appended_is_loaded_in_order(store: Store) -> None:
    rows = [message(f"m{number}") for number in (3, 1, 2)]
    run(store.append("trip", rows[:2], header={"title": "Lisbon"}))
    run(store.append("trip", rows[2:]))
    found = loaded(store)
    assert found.rows == rows
    assert found.header["title"] == "Lisbon"
    assert found.header["id"] == "trip"


@everywhere
def test_a_chat_that_was_never_saved_is_none(store: Store) -> None:
    run(store.append("other", [message("m")]))
    assert run(store.load("trip")) is None


@everywhere
def test_a_limit_gives_the_last_rows(store: Store) -> None:
    run(store.append("trip", [message(f"m{number}") for number in range(30)]))
    found = run(store.load("trip", limit=2))
    assert found is not None
    assert [row["id"] for row in found.rows] == ["m28", "m29"]


@everywhere
def test_an_update_keeps_the_place_of_its_row(store: Store) -> None:
    run(store.append("trip", [message("a"), message("b")]))
    run(store.update("trip", message("a", "edited"), header={"title": "new"}))
    assert loaded(store).rows == [message("a", "edited"), message("b")]
    assert loaded(store).header["title"] == "new"


@everywhere
def test_an_update_of_a_deleted_row_says_so(store: Store) -> None:
    run(store.append("trip", [message("a")]))
    run(store.delete("trip"))
    with pytest.raises(StoreError, match="'a'"):
        run(store.update("trip", message("a")))
    assert run(store.load("trip")) is None


@everywhere
def test_a_header_is_merged_but_its_own_keys_are_the_stores(store: Store) -> None:
    run(store.describe("trip", {"title": "Lisbon", "model": "a"}))
    before = loaded(store).header
    run(store.describe("trip", {"model": "b", "id": "x", "version": 99, "created_at": "never"}))
    after = loaded(store).header
    assert after["title"] == "Lisbon"
    assert after["model"] == "b"
    assert after["rev"] == before["rev"] + 1
    changed = {"updated_at": 0, "model": 0, "rev": 0}
    assert {**after, **changed} == {**before, **changed}
    assert after["updated_at"] > before["updated_at"]


@everywhere
def test_chats_are_listed_with_the_last_updated_first(store: Store) -> None:
    for chat_id in ("a", "b", "c"):
        run(store.append(chat_id, [message("m")]))
    run(store.describe("a", {}))
    assert [header["id"] for header in run(store.chats())] == ["a", "c", "b"]


def test_a_deleted_chat_leaves_nothing_and_takes_nothing_else(
    store: DiskStore, database: Path
) -> None:
    for chat_id in ("trip", "trip2", "tri"):
        run(store.append(chat_id, [message("m")]))
        lease = run(store.acquire(chat_id, "m"))
        assert lease is not None
        run(store.extend(lease, [{"type": "start"}]))
    run(store.delete("trip"))
    assert run(store.load("trip")) is None
    assert sorted(header["id"] for header in run(store.chats())) == ["tri", "trip2"]
    keys = [key for (key,) in sql(database, "SELECT key FROM Cache")]
    assert len(keys) == 8
    assert not [key for key in keys if "/trip/" in key + "/"]


@everywhere
def test_ids_of_any_kind_stay_apart(store: Store) -> None:
    names = ["a", "a/b", "a/b/c", "旅 行", "%2F", "\ud800", "..", "a'b\"c"]
    for name in names:
        run(store.append(name, [message(other) for other in names]))
    for name in names:
        assert ids(store, name) == names


@everywhere
def test_rows_are_kept_as_they_were_when_the_call_was_made(store: Store) -> None:
    async def change_while_it_is_written() -> None:
        row, header = message("a"), {"tags": ["one"]}
        task = asyncio.create_task(store.append("trip", [row], header=header))
        await asyncio.sleep(0)
        row["message"]["parts"].clear()
        header["tags"].append("two")
        await task

    run(change_while_it_is_written())
    assert loaded(store).rows == [message("a")]
    assert loaded(store).header["tags"] == ["one"]


@everywhere
def test_what_is_not_json_is_refused_before_anything_is_written(store: Store) -> None:
    with pytest.raises(TypeError):
        run(store.append("trip", [message("a"), {"id": "b", "value": object()}]))
    assert run(store.load("trip")) is None


_text = st.text(st.characters(exclude_categories=()), max_size=20) | st.sampled_from(
    ["\r\n", "😀", "\ud83d", "\udc00\ud83d", "\0", "\u2028", "x" * 40_000, "é\r\n" * 13_000]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_text, inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@everywhere
def test_any_json_comes_back_as_it_was(store: Store) -> None:
    @given(value=_json)
    @settings(max_examples=150, deadline=None)
    def round_trip(value: object) -> None:
        async def there_and_back() -> tuple[object, object]:
            await store.append("trip", [{"id": "m", "value": value}], header={"value": value})
            found = await store.load("trip")
            assert found is not None
            return found.header["value"], found.rows[0]["value"]

        expected = json.loads(json.dumps(value))  # which joins the two halves of an emoji
        assert run(there_and_back()) == (expected, expected)

    round_trip()


def test_a_chat_of_format_1_is_read_as_it_was_laid_down(store: DiskStore, database: Path) -> None:
    run(store.chats())
    insert = "INSERT INTO Cache (key, raw, mode, value) VALUES (?, 1, 1, ?)"
    for key, value in {
        "c/trip": b'{"id":"trip","version":1,"title":"Lisbon"}',
        "m/trip/b": b'{"id":"b"}',
        "m/trip/a": b'{"id":"a"}',
        "s/trip/a": b'{"state":"streaming","owner":{},"heartbeat":0.0,"epoch":7}',
        "g/trip/a/00000000": b'[{"type":"start"}]',
        "g/trip/a/00000001": b'[{"type":"finish"}]',
    }.items():
        sql(database, insert, key, value)
    assert loaded(store).header["title"] == "Lisbon"
    assert ids(store) == ["b", "a"]
    assert run(store.follow("trip", "a")).segments == [[{"type": "start"}], [{"type": "finish"}]]
    recovered = run(store.recover("trip", "a"))
    assert recovered is not None
    assert recovered[0].epoch == 8


def test_a_chat_of_a_later_format_is_refused_and_left_alone(
    store: DiskStore, database: Path
) -> None:
    run(store.append("trip", [message("a")]))
    later = b'{"id":"trip","version":3}'
    sql(database, "UPDATE Cache SET value = ? WHERE key = 'c/trip'", later)
    for attempt in (
        store.load("trip"),
        store.append("trip", [message("b")]),
        store.update("trip", message("a", "changed")),
        store.describe("trip", {}),
    ):
        with pytest.raises(StoreError, match="upgrade"):
            run(attempt)
    stored = dict(sql(database, "SELECT key, value FROM Cache"))
    assert stored["c/trip"] == later
    assert json.loads(stored["m/trip/a"]) == message("a")


def test_the_same_directory_is_the_same_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "a")
    first = open_store("a")
    assert open_store(tmp_path / "a") is first
    assert open_store("./link") is first
    assert open_store(first) is first
    assert first.location == str(tmp_path / "a")
    assert not (tmp_path / "a").exists()  # nothing before it is used


def test_the_default_is_the_variable_and_then_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CHATKIT_STORE", str(tmp_path / "from variable"))
    assert open_store().location == str(tmp_path / "from variable")
    monkeypatch.delenv("CHATKIT_STORE")
    assert open_store().location == str(tmp_path / ".chatkit")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_store("~/mine").location == str(tmp_path / "mine")


def test_an_address_that_is_no_store_is_refused_without_telling_the_password() -> None:
    with pytest.raises(ConfigError, match="redis://") as caught:
        open_store("mysql://me:hunter2@host/0")
    assert "hunter2" not in str(caught.value)


@everywhere
def test_an_object_with_the_methods_of_a_store_is_one(store: Store) -> None:
    assert isinstance(store, Store)
    with pytest.raises(ConfigError, match="int"):
        open_store(7)  # type: ignore[arg-type]


def test_diskcache_is_not_imported_before_a_store_is_opened() -> None:
    program = "import sys, chatkit.stores; sys.exit('diskcache' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
