"""An answer that another process writes: followed here, and taken over when its writer dies."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatkit import Chat, Message, Reply, open_store
from chatkit.answers import follower
from chatkit.answers.follower import Follower
from chatkit.errors import StoreError
from chatkit.providers import Model
from chatkit.stores import Store
from tests.servers import Answer, Provider

ASK = """
import sys
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
Chat("trip", model=model, store=sys.argv[2]).send("Count.").wait()
"""


@contextmanager
def asked_elsewhere(
    provider: Provider, model: Model, store: Path
) -> Iterator[tuple[subprocess.Popen[bytes], Answer, Reply]]:
    """Another process asks, and has its first two words; the same send here."""
    answer = provider.answer("one two three four", gated=True)
    answer.release(2)
    with subprocess.Popen([sys.executable, "-c", ASK, provider.url, str(store)]) as process:
        provider.until(lambda: len(provider.requests) == 1)
        chat = Chat("trip", model=model, store=store)
        yield process, answer, chat.send("Count.")


def two_words(reply: Reply) -> str:
    seen = ""
    for piece in reply.deltas():
        seen += piece
        if seen.strip() == "one two":
            break
    return seen


def test_an_answer_of_another_process_is_followed_to_its_end_and_asked_for_once(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    with asked_elsewhere(provider, model, tmp_path / "store") as (_, answer, reply):
        assert two_words(reply) == "one two "
        stands: str = reply.status
        assert stands == "streaming"
        answer.open()
        assert reply.wait(timeout=30).text == "one two three four"
        assert "".join(reply.deltas()) == "one two three four"
    assert reply.status == "complete"
    assert reply.usage is not None
    assert len(provider.requests) == 1


def test_when_its_writer_is_killed_what_it_had_is_kept_as_interrupted(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    with asked_elsewhere(provider, model, tmp_path / "store") as (process, _, reply):
        two_words(reply)
        process.kill()
        assert reply.wait(timeout=30).status == "interrupted"
        assert reply.text == "one two "
    assert len(provider.requests) == 1


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_store_that_cannot_be_written_at_its_writers_death_is_tried_again_for_a_while(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    comes_back: bool,
) -> None:
    def locked() -> StoreError:
        error = StoreError("the database is locked")
        error.retryable = True
        return error

    tried: list[str] = []
    take = follower.take_over

    async def take_over(store: Store, chat_id: str, row_id: str) -> Message | None:
        tried.append(row_id)
        if comes_back and len(tried) > 2:
            return await take(store, chat_id, row_id)
        raise locked()

    monkeypatch.setattr(follower, "take_over", take_over)
    if not comes_back:
        monkeypatch.setattr(follower, "END_PATIENCE", 0.5)
    with asked_elsewhere(provider, model, tmp_path / "store") as (process, _, reply):
        two_words(reply)
        process.kill()
        assert reply.wait(timeout=30).status == "interrupted"
        assert reply.text == "one two "
        assert len(tried) > 2
        assert str(reply.error or "") == ("" if comes_back else "the database is locked")


def test_a_chat_deleted_meanwhile_ends_here_too(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    with asked_elsewhere(provider, model, tmp_path / "store") as (process, answer, reply):
        two_words(reply)
        reply.feed.engine.run(
            Chat("trip", model=model, store=tmp_path / "store").store.delete("trip")
        )
        assert reply.wait(timeout=30).status == "interrupted"
        assert reply.text == "one two "
        answer.open()
        process.wait(30)


def test_one_that_was_left_adds_nothing_even_where_its_cancellation_is_lost(
    provider: Provider, model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that followed what it then writes would read its own words and write them again."""
    monkeypatch.setattr(Follower, "_cancel", lambda self: None)
    with asked_elsewhere(provider, model, tmp_path / "store") as (process, answer, reply):
        assert two_words(reply) == "one two "
        left = reply._writer()
        assert isinstance(left, Follower)
        left.leave()
        answer.open()
        process.wait(30)
        store, engine = open_store(tmp_path / "store"), reply.feed.engine
        tail = engine.run(store.follow("trip", reply.id))
        assert tail.info is not None
        assert tail.info.state == "complete"
        assert left._task is not None
        engine.run(_over(left._task))
        assert reply.text == "one two "


async def _over(task: asyncio.Task[None]) -> None:
    await asyncio.wait([task])
