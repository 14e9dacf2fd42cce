"""One answer as it arrives: laziness, backpressure, readers, endings, callbacks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from chatkit import FinishEvent, MessageError, Reply, UnknownOption, get_model, stream_text
from chatkit.chunks import TextDelta
from chatkit.providers import Model
from tests.resuming import taken_up
from tests.servers import Provider


def finished(reply: Reply) -> Reply:
    return reply.wait(timeout=30)


def test_nothing_is_requested_before_somebody_reads(provider: Provider, model: Model) -> None:
    reply = stream_text(model, "Hello?")
    assert (reply.status, reply.text) == ("queued", "")
    other = finished(stream_text(model, "And you?"))
    assert other.text == "Answer to: And you?"
    assert [request.body["messages"][-1]["content"] for request in provider.requests] == [
        "And you?"
    ]
    assert reply.status == "queued"


def test_reading_asks_and_reading_again_replays(provider: Provider, model: Model) -> None:
    reply = stream_text(model, "Hello?")
    assert "".join(reply.deltas()) == "Answer to: Hello?"
    assert "".join(reply.deltas()) == "Answer to: Hello?"
    assert len(provider.requests) == 1
    assert reply.status == "complete"
    assert reply.finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.output_tokens is not None


def test_an_answer_knows_when_its_first_token_came(provider: Provider, model: Model) -> None:
    answer = provider.answer("one two", gated=True)
    reply = stream_text(model, "Count.").consume()
    while "responseModel" not in reply.message.metadata:  # it has begun, with no word yet
        time.sleep(0.01)
    time.sleep(0.05)
    answer.release(1)
    next(iter(reply.deltas()))
    time.sleep(0.05)
    answer.open()
    told = finished(reply).message.metadata
    assert 0.05 <= told["secondsToFirstToken"] <= told["seconds"] - 0.05
    assert told["secondsToFirstToken"] == round(told["secondsToFirstToken"], 3)


def test_an_answer_without_a_token_knows_of_none(provider: Provider, model: Model) -> None:
    provider.answer("", cut=True)
    told = finished(stream_text(model, "Hello?")).message.metadata
    assert "seconds" in told
    assert "secondsToFirstToken" not in told


def test_an_answer_that_goes_on_keeps_when_its_first_token_came(
    provider: Provider, model: Model
) -> None:
    provider.answer("one ", cut=True)
    half = finished(stream_text(model, "Count.")).message
    known = {**half.metadata, "seconds": 7.0, "secondsToFirstToken": 5.0}
    provider.answer("two")
    told = finished(taken_up(half.replace(metadata=known), model)).message.metadata
    assert (told["secondsToFirstToken"], told["seconds"] >= 7) == (5.0, True)
    silent = {name: told for name, told in known.items() if name != "secondsToFirstToken"}
    again = taken_up(half.replace(parts=(), metadata=silent), model)
    assert finished(again).message.metadata["secondsToFirstToken"] >= 7, "of all its requests"


def test_an_idle_reader_stops_the_provider_at_a_buffer_full(
    provider: Provider, model: Model
) -> None:
    provider.flood()
    reply = stream_text(model, "Talk.")
    first = list(islice(reply, 3))
    assert first
    provider.until(lambda: provider.stalled == 1)
    taken = provider.bytes_taken
    assert taken < 16_000_000, "what the sockets of both sides hold, and no more"
    held = len(reply.text)
    list(islice(reply.deltas(), 50))
    assert len(reply.text) < held + 1_000_000
    reply.stop()
    assert finished(reply).status == "stopped"
    provider.until(lambda: provider.disconnects == 1)


def test_consume_reads_to_the_end_with_nobody_looking(provider: Provider, model: Model) -> None:
    reply = stream_text(model, "Hello?").consume()
    provider.until(lambda: len(provider.requests) == 1)
    assert finished(reply).text == "Answer to: Hello?"


def test_a_reader_that_raises_or_goes_away_changes_nothing(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three four five six", gated=True)
    reply = stream_text(model, "Count.").consume()
    answer.release(2)
    with pytest.raises(ZeroDivisionError):
        next(1 // 0 for _ in reply)
    reader = iter(reply.deltas())
    assert next(reader)
    del reader
    answer.open()
    assert finished(reply).text == "one two three four five six"
    assert "".join(reply.deltas()) == "one two three four five six"


def test_a_cancelled_awaiter_does_not_cancel_the_answer(provider: Provider, model: Model) -> None:
    answer = provider.answer("one two three", gated=True)
    reply = stream_text(model, "Count.")

    async def give_up() -> None:
        waiting = asyncio.ensure_future(reply._ended())
        while not provider.requests:
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        answer.open()
        assert (await reply).text == "one two three"

    asyncio.run(give_up())
    assert reply.status == "complete"


def test_readers_of_every_kind_see_the_same_from_the_start(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three four", gated=True)
    reply = stream_text(model, "Count.").consume()
    answer.release(2)
    seen: dict[int, str] = {}

    def read(number: int) -> None:
        seen[number] = "".join(reply.deltas())

    async def read_async() -> str:
        return "".join([piece async for piece in reply.deltas()])

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    answer.open()
    assert asyncio.run(read_async()) == "one two three four"
    for thread in threads:
        thread.join(30)
    assert set(seen.values()) == {"one two three four"}
    assert len(provider.requests) == 1


def test_a_stream_without_its_terminal_mark_is_interrupted_and_keeps_its_text(
    provider: Provider, model: Model
) -> None:
    provider.answer("one two", cut=True)
    reply = finished(stream_text(model, "Count."))
    assert (reply.status, reply.text) == ("interrupted", "one two")
    assert reply.finish_reason is None
    assert "one two" not in str(reply.error)


def test_a_connection_that_drops_is_interrupted_and_keeps_its_text(
    provider: Provider, model: Model
) -> None:
    provider.answer("one two", drop=True)
    reply = finished(stream_text(model, "Count."))
    assert (reply.status, reply.text) == ("interrupted", "one two")


def test_a_server_that_never_hangs_up_is_left_after_its_last_word(
    provider: Provider, model: Model
) -> None:
    provider.answer("one two", hold=True)
    reply = finished(stream_text(model, "Count."))
    assert (reply.status, reply.text) == ("complete", "one two")
    provider.until(lambda: provider.disconnects == 1)


def test_an_error_inside_the_stream_is_an_error_in_the_providers_words(
    provider: Provider, model: Model
) -> None:
    provider.answer("one two", error={"message": "The tape ran out", "type": "server_error"})
    reply = finished(stream_text(model, "Count."))
    assert (reply.status, reply.text) == ("error", "one two")
    assert "The tape ran out" in str(reply.error)


def test_a_refusal_is_an_error_in_the_providers_words(provider: Provider, model: Model) -> None:
    provider.refuse(401, {"error": {"message": "Incorrect API key provided"}})
    reply = finished(stream_text(model, "Hello?"))
    assert reply.status == "error"
    assert "Incorrect API key provided" in str(reply.error)
    assert "sk-not-a-key" not in str(reply.error)
    assert reply.message.metadata["error"]["type"] == "AuthError"


def test_an_unreachable_host_is_an_error_that_names_it() -> None:
    nobody = get_model("openai-chat/test", base_url="http://127.0.0.1:9/v1", api_key="x")
    reply = finished(stream_text(nobody, "Hello?"))
    assert reply.status == "error"
    assert "127.0.0.1:9" in str(reply.error)


def test_stop_keeps_what_arrived_and_closes_the_connection(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three", gated=True)
    reply = stream_text(model, "Count.").consume()
    answer.release(2)
    assert next(iter(reply.deltas())).startswith("one")
    reply.stop()
    assert finished(reply).status == "stopped"
    assert "one two three".startswith(reply.text)
    provider.until(lambda: provider.disconnects == 1)
    assert reply.stop().wait().status == "stopped", "again: nothing happens"


@pytest.mark.parametrize(
    ("script", "outcome"),
    [
        ({}, "complete"),
        ({"cut": True}, "interrupted"),
        ({"error": {"message": "no"}}, "error"),
    ],
)
def test_on_finish_tells_the_truth_once_after_the_end(
    provider: Provider, model: Model, script: dict[str, Any], outcome: str
) -> None:
    provider.answer("one two", **script)
    events: list[FinishEvent] = []
    reply = finished(stream_text(model, "Count.", on_finish=events.append))
    [event] = events
    assert event.outcome == outcome == reply.status
    assert event.message == reply.message
    assert event.message.text == "one two"
    assert [message.role for message in event.messages] == ["user", "assistant"]
    assert event.usage == reply.usage
    assert event.finish_reason == reply.finish_reason
    assert event.is_continuation is False


def test_on_finish_of_a_stopped_answer_says_stopped(provider: Provider, model: Model) -> None:
    provider.answer("one two", gated=True)
    events: list[FinishEvent] = []
    reply = stream_text(model, "Count.", on_finish=events.append).consume()
    provider.until(lambda: len(provider.requests) == 1)
    finished(reply.stop())
    assert [event.outcome for event in events] == ["stopped"]


def test_an_on_finish_may_be_a_coroutine_and_may_take_its_time(model: Model) -> None:
    told: list[str] = []

    async def tell(event: FinishEvent) -> None:
        await asyncio.sleep(0)
        told.append(event.message.text)

    finished(stream_text(model, "Hello?", on_finish=tell))
    assert told == ["Answer to: Hello?"]


def test_an_on_finish_that_waits_for_its_own_answer_is_told_that_this_would_never_end(
    model: Model,
) -> None:
    read: list[str] = []

    def waits(_: object) -> None:
        read.append("".join(reply.deltas()))  # which has ended, and only that
        reply.wait()

    reply = stream_text(model, "Hello?", on_finish=waits)
    finished(reply)
    assert (reply.status, read) == ("complete", ["Answer to: Hello?"])
    assert "this would wait for itself" in reply.warnings[0]


def test_callbacks_that_raise_are_reported_and_change_nothing(model: Model) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("my mistake")

    reply = finished(stream_text(model, "Hello?", on_chunk=fail, on_finish=fail))
    assert (reply.status, reply.text) == ("complete", "Answer to: Hello?")
    assert len(reply.warnings) == 2
    assert all("my mistake" in warning for warning in reply.warnings)


def test_on_chunk_sees_every_chunk(model: Model) -> None:
    chunks: list[object] = []
    reply = finished(stream_text(model, "Hello?", on_chunk=chunks.append))
    text = "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))
    assert text == reply.text


def test_what_cannot_work_is_refused_before_anything_is_sent(
    provider: Provider, model: Model
) -> None:
    with pytest.raises(UnknownOption, match="temprature"):
        stream_text(model, "Hello?", temprature=0)
    with pytest.raises(MessageError, match="message 0"):
        stream_text(model, [{"role": "tutor", "content": "Hello?"}])
    assert not provider.requests


def test_waiting_gives_up_after_its_timeout_and_the_answer_goes_on(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two", gated=True)
    reply = stream_text(model, "Count.").consume()
    with pytest.raises(TimeoutError):
        reply.wait(timeout=0.2)
    answer.open()
    assert finished(reply).text == "one two"


def test_a_forked_child_can_ask_and_sees_its_parents_answers_as_they_were(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three", gated=True)
    running = stream_text(model, "Count.").consume()
    answer.release(1)
    assert next(iter(running.deltas()))
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        told = f"{running.status}|{finished(stream_text(model, 'Child?')).text}"
        os.write(write, told.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "interrupted|Answer to: Child?"
    assert os.waitpid(child, 0)[1] == 0
    answer.open()
    assert finished(running).text == "one two three"


SCRIPT = """
import sys
from chatkit import get_model, stream_text
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
stream_text(model, "unread")
stream_text(model, "Hello?", on_finish=lambda e: print(e.outcome, e.message.text)).consume()
"""


def test_a_script_does_not_end_before_what_it_consumes(provider: Provider, tmp_path: Path) -> None:
    provider.answer("late but whole", delay=0.1)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, provider.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout == "complete late but whole\n"
    assert done.stderr == ""
