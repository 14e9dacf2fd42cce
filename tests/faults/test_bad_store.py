"""A chat whose store fails, for real: the answer goes on, and nothing stored is lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from chatkit import Chat, StoreError, conversation
from chatkit.engine import get_engine
from chatkit.providers import Model
from tests.servers import Provider
from tests.storing import eventually, fill

pytestmark = pytest.mark.faults


def reopened(model: Model, disk: Path) -> Chat:
    conversation._conversations.clear()
    return Chat("trip", model=model, store=disk / "store")


def test_a_disk_that_fills_up_in_mid_stream_costs_nothing_once_there_is_room(
    provider: Provider, model: Model, disk: Path
) -> None:
    chat = Chat("trip", model=model, store=disk / "store")
    chat.ask("before")
    answer = provider.answer(tokens=[f"{n:03d} " * 200 for n in range(200)], gated=True)
    reply = chat.send("Count.")
    answer.release(1)
    assert next(iter(reply.deltas()))
    filler = fill(disk)
    answer.open()
    reply.wait()
    assert reply.status == "complete"
    assert reply.text.startswith("000 ")
    assert "Not saved" in reply.warnings[0]
    assert str(disk) in reply.warnings[0]
    filler.unlink()
    eventually(lambda: not get_engine().running or None)
    assert reopened(model, disk).messages[-1].text == reply.text


def test_nothing_is_asked_where_the_answer_could_not_be_kept(
    provider: Provider, model: Model, disk: Path
) -> None:
    chat = Chat("trip", model=model, store=disk / "store")
    chat.ask("before")
    filler = fill(disk)
    reply = chat.ask("x" * 100_000)
    assert reply.status == "error"
    assert isinstance(reply.error, StoreError)
    assert len(provider.requests) == 1
    filler.unlink()
    assert chat.ask("x" * 100_000).status == "complete"
    assert [message.text for message in reopened(model, disk).messages][:2] == [
        "before",
        "Answer to: before",
    ]


def test_a_damaged_store_is_set_aside_and_the_chat_begins_again(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    store = tmp_path / "damaged"
    store.mkdir()
    (store / "cache.db").write_bytes(b"this is no database" * 1000)
    chat = Chat("trip", model=model, store=store)
    assert chat.ask("Hello?").text == "Answer to: Hello?"
    kept = [path for path in store.iterdir() if "damaged" in path.name]
    assert b"this is no database" in kept[0].read_bytes()


def test_a_store_that_is_no_directory_is_refused_by_its_name(model: Model, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("not a store")
    with pytest.raises(StoreError, match=str(place)):
        Chat("trip", model=model, store=place)
    assert place.read_text() == "not a store"
    assert os.listdir(tmp_path) == ["file"]
