"""A disk that fails under an answer, for real: what can be kept is kept, and no state is a lie.

The answer is on its way while the disk fills up, turns read-only or loses the store's files; it
goes on in memory meanwhile, and says so.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, Reply, conversation, open_store
from chatkit.engine import get_engine
from chatkit.providers import Model
from chatkit.stores.disk import DiskStore
from tests.servers import Answer, Provider
from tests.storing import eventually, fill, message, run, sql

pytestmark = pytest.mark.faults

TOKENS = [f"{number:03d} " * 50 for number in range(200)]
TRUTH = "".join(TOKENS)
TIMES = 5  # each fault, at moments of its own


class Told:
    """One chat, one finished turn, and an answer that has begun to arrive."""

    def __init__(
        self, provider: Provider, model: Model, store: Path, begun: int, *, id: str = "trip"
    ) -> None:
        self.id, self.model, self.store = id, model, store
        self.chat = Chat(id, model=model, store=store)
        self.chat.ask("before")
        run(open_store(store).close())  # that turn is in the database, the next in its log
        self._answer: Answer = provider.answer(tokens=TOKENS, gated=True)
        self.reply: Reply = self.chat.send("Count.")
        self.arrived = 0
        self.more(begun)

    def more(self, count: int) -> None:
        """So many more tokens arrive."""
        self.arrived += count
        self._answer.release(count)
        eventually(lambda: self.reply.text.startswith("".join(TOKENS[: self.arrived])) or None)

    def saved(self) -> bool:
        """Whether the store holds a part of the answer."""
        row = self.chat.messages[-1].id
        tail = run(open_store(self.store).follow("trip", row))
        return any(tail.segments)

    def warned(self) -> str:
        """What the reader is told, once something is."""
        return eventually(lambda: self.reply.warnings[0] if self.reply.warnings else None)

    def finish(self) -> None:
        """All the rest arrives, and everything is written that can be."""
        self._answer.open()
        self.reply.wait()
        assert (self.reply.status, self.reply.text) == ("complete", TRUTH)
        eventually(lambda: not get_engine().running or None)

    def texts(self) -> list[str]:
        """The chat as a process finds it that opens it now."""
        run(open_store(self.store).close())
        conversation._conversations.clear()
        chat = Chat(self.id, model=self.model, store=self.store)
        assert all(message.status == "complete" for message in chat.messages)
        return [message.text for message in chat.messages]


def is_clean(store: Path) -> bool:
    """Whether nothing is left of a stream but how it ended."""
    run(open_store(store).close())
    database = store / "cache.db"
    assert sql(database, "PRAGMA integrity_check") == [("ok",)]
    left = sql(database, "SELECT key FROM Cache WHERE key LIKE 'g/%' OR key LIKE 'w/%'")
    streams = sql(database, "SELECT value FROM Cache WHERE key LIKE 's/%'")
    states = {json.loads(value)["state"] for (value,) in streams}
    return not left and "streaming" not in states


WHOLE = ["before", "Answer to: before", "Count.", TRUTH]


def test_a_disk_that_fills_up_and_is_cleared_under_an_answer(
    provider: Provider, model: Model, disk: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    for time in range(TIMES):
        told = Told(provider, model, disk / f"store{time}", chance.randint(1, 60))
        filler = fill(disk)
        told.more(100)
        assert "the disk is full" in told.warned()
        filler.unlink()
        told.finish()
        assert told.texts() == WHOLE
        assert is_clean(told.store)
        remove(told.store)
    tell(f"{TIMES} times, 0 lost")


def test_a_disk_that_turns_read_only_and_back_under_an_answer(
    provider: Provider, model: Model, disk: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    for time in range(TIMES):
        told = Told(provider, model, disk / "store", chance.randint(1, 60), id=f"trip {time}")
        remount(disk, "ro", told.store)
        told.more(60)
        assert "it is read-only" in told.warned()
        assert told.reply.status == "streaming"
        remount(disk, "rw", told.store)
        told.finish()
        assert told.texts() == WHOLE
        assert is_clean(told.store)
    tell(f"{TIMES} times, 0 lost")


def remount(disk: Path, how: str, store: Path) -> None:
    """A disk is not made read-only while a file on it is open: the store lets go of its own."""
    held = open_store(store)
    assert isinstance(held, DiskStore)
    over = held._io.pause()
    command = ["mount", "-o", f"remount,{how}", str(disk)]
    try:  # for some moments it counts as busy even so
        eventually(lambda: subprocess.run(command).returncode == 0 or None)
    finally:
        over.set()


def truncate(store: Path) -> None:
    os.truncate(store / "cache.db", (store / "cache.db").stat().st_size // 2)


def empty(store: Path) -> None:
    os.truncate(store / "cache.db", 0)


def zero(store: Path) -> None:
    size = (store / "cache.db").stat().st_size
    with (store / "cache.db").open("r+b") as file:
        file.write(bytes(size))


def garbage(store: Path) -> None:
    size = (store / "cache.db").stat().st_size
    with (store / "cache.db").open("r+b") as file:
        file.write(random.randbytes(size))


def remove(store: Path) -> None:
    """At once: whoever looks into it at this moment would put files into what is being removed."""
    gone = store.rename(store.with_name(f"{store.name}-gone"))
    shutil.rmtree(gone, ignore_errors=True)


DAMAGES: list[Callable[[Path], Any]] = [truncate, zero, garbage]
LOSSES: list[Callable[[Path], Any]] = [empty, remove]


def filled(store: Path) -> Path:
    """A store that holds another chat: pages that no answer to this one touches."""
    run(open_store(store).append("other", [message(str(n), "x" * 1000) for n in range(400)]))
    return store


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_database_that_is_ruined_under_an_answer_is_set_aside_and_the_answer_kept(
    damage: Callable[[Path], Any],
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    for time in range(TIMES):
        store = filled(tmp_path / f"store{time}")
        told = Told(provider, model, store, chance.randint(1, 60))
        eventually(lambda told=told: told.saved() or None)  # type: ignore[misc]
        damage(store)
        told.more(60)
        told.finish()
        texts = told.texts()
        assert set(texts) <= set(WHOLE)
        assert texts[-1] == TRUTH
        assert is_clean(store)
        assert list(store.glob("cache.db.damaged-*"))
    tell(f"{TIMES} times, 0 answers lost")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_database_that_is_gone_under_an_answer_is_made_anew_with_the_chat_that_is_here(
    loss: Callable[[Path], Any],
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    for time in range(TIMES):
        told = Told(provider, model, filled(tmp_path / f"store{time}"), chance.randint(1, 60))
        eventually(lambda told=told: told.saved() or None)  # type: ignore[misc]
        loss(told.store)
        told.more(60)
        told.finish()
        assert any("has been saved since" in warning for warning in told.reply.warnings)
        assert told.texts() == WHOLE
        assert is_clean(told.store)
    tell(f"{TIMES} times, each told, 0 lost")


@pytest.mark.parametrize("damage", [*DAMAGES, *LOSSES])
def test_a_database_that_is_ruined_between_two_runs_leaves_a_chat_that_can_be_used(
    damage: Callable[[Path], Any],
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    kept = 0
    for time in range(TIMES):
        told = Told(provider, model, filled(tmp_path / f"store{time}"), chance.randint(1, 60))
        told.finish()
        held = open_store(told.store)
        assert isinstance(held, DiskStore)
        over = held._io.pause()  # no file is open, and nobody opens one
        damage(told.store)
        over.set()
        texts = told.texts()
        assert set(texts) <= set(WHOLE)
        kept += len(texts)
        assert Chat("trip", model=model, store=told.store).ask("after").status == "complete"
        assert is_clean(told.store)
        assert bool(list(told.store.glob("cache.db.damaged-*"))) is (damage in DAMAGES)
    tell(f"{TIMES} times, {kept} of {TIMES * len(WHOLE)} messages could be read")
