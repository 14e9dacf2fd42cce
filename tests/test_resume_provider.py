"""Answers that the provider goes on writing: OpenAI's background mode and Gemini's Interactions."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, get_model, stream_text
from chatkit import chunks as c
from chatkit.answers import far_side as policy
from chatkit.answers.producer import Producer
from chatkit.answers.totals import Totals
from chatkit.errors import NotFound, StoreError, StreamCut, UnknownOption
from chatkit.messages import Message, ReasoningPart, TextPart, as_messages
from chatkit.providers import Model
from chatkit.reducer import reduce, settled
from chatkit.replies import Reply
from chatkit.stores import Lease
from chatkit.stores.disk import DiskStore
from chatkit.tools import as_tools
from tests.far_side import TOO_OLD, UNKNOWN, FarSide, Refusal, events_of
from tests.recorded import Case, cases
from tests.resuming import call_wire, responses_wire, taken_up
from tests.test_steps import tools_of, until

WORDS = ("Three ", "days ", "in ", "Lisbon.")
WIRE = responses_wire(*WORDS)
WHOLE = "".join(WORDS)
POST = "POST /v1/responses"
STREAM = "GET /v1/responses/resp_1?stream=true"
POLL = "GET /v1/responses/resp_1"
CANCEL = "POST /v1/responses/resp_1/cancel"
UNAVAILABLE: Refusal = (503, {"error": {"message": "Deadline expired."}})
RECORDED = [
    *(case for case in cases("responses", folder="openai-responses") if "background-" in case.name),
    *cases("gemini-interactions", folder="gemini-interactions"),
    *(
        case
        for case in cases("responses", folder="openai-responses")
        if case.name.endswith(("tool-parallel", "reasoning-encrypted", "file-search", "refusal"))
    ),
]
WHOLE_ONES = [case for case in RECORDED if case.told["terminal_seen"].get("terminal_event")]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy, "BACKOFF", 0.001)
    monkeypatch.setattr(policy, "POLL", 0.005)


@pytest.fixture
def far_side() -> Iterator[FarSide]:
    with FarSide() as running:
        yield running


def model_at(far_side: FarSide, wire_format: str = "responses") -> Model:
    if wire_format == "responses":
        return get_model("openai/m", base_url=f"{far_side.address}/v1", api_key="k")
    return get_model("gemini-interactions/m", base_url=far_side.address, api_key="k")


def asked(far_side: FarSide, wire_format: str = "responses", **more: Any) -> Reply:
    return stream_text(model_at(far_side, wire_format), "Hi", background=True, **more)


def broken_off(wire: bytes, count: int, model: Model, *before: c.Chunk) -> Message:
    """What is left of an answer of which so many events had come when its process was killed."""
    empty = Message(id="m", role="assistant", metadata={"model": model.id})
    totals, decoder, chunks = Totals(), model.decoder(), [*before, c.StartStep()]
    totals.begin(reduce(empty, before), background=True)
    for event in events_of(wire)[:count]:
        chunks += totals.sum_up(decoder.feed(event))
    return settled(reduce(empty, chunks), "interrupted")


def said(reply: Reply) -> str:
    """What a reader of its deltas has read."""
    return "".join(reply.deltas())


def opened(parts: Any) -> list[Any]:
    """The parts without what a provider encrypts anew whenever it is asked."""
    known = (TextPart, ReasoningPart)
    return [(type(p), p.text) if isinstance(p, known) else p for p in parts]


# -- what is asked --


def test_what_is_asked_in_the_background_is_stored_there(far_side: FarSide) -> None:
    far_side.answer(WIRE)
    asked(far_side).wait(10)
    [body] = far_side.bodies
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)
    gemini = get_model("gemini-interactions/m", api_key="k")
    body = gemini.request(as_messages("Hi"), {"background": True}).body
    assert (body["background"], body["store"], body["stream"]) == (True, True, True)


@pytest.mark.parametrize("model", ["openai/m", "gemini-interactions/m"])
def test_else_nothing_is_stored_there_nor_taken_up(model: str) -> None:
    for options in ({}, {"background": False}):
        body = get_model(model, api_key="k").request(as_messages("Hi"), options).body
        assert "background" not in body
        assert body["store"] is False
    metadata = {"model": model, "responseId": "resp_1"}
    plain = Message(id="m", role="assistant", status="interrupted", metadata=metadata)
    assert not get_model(model, api_key="k").can_resume(plain)


@pytest.mark.parametrize("name", ["groq/m", "anthropic/m", "gemini/m", "xai/m", "openai-chat/m"])
def test_who_has_no_background_refuses_it_by_name(name: str) -> None:
    with pytest.raises(UnknownOption, match="takes no option 'background'"):
        get_model(name, api_key="k").check({"background": True})


def test_an_answer_is_taken_up_by_the_model_that_was_asked_for_it_alone(far_side: FarSide) -> None:
    model = model_at(far_side)
    message = broken_off(WIRE, 3, model)
    assert model.can_resume(message)
    assert not get_model(model_at(far_side), base_url=model.base_url).can_resume(
        message.replace(metadata={**message.metadata, "model": "openai/other"})
    )
    odd = {**message.metadata, "background": {"id": "a/../b?c"}}
    request = model.resume_request(message.replace(metadata=odd))
    assert request is not None
    assert request.url.endswith("/v1/responses/a%2F..%2Fb%3Fc?stream=true")
    for id in ("", ".", "..", None, 3):
        odd = {**message.metadata, "background": {"id": id}}
        assert not model.can_resume(message.replace(metadata=odd))


class Slow(DiskStore):
    """A store that writes when it is let."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.may_write = threading.Event()

    async def extend_all(
        self, segments: Sequence[tuple[Lease, Sequence[dict[str, Any]]]]
    ) -> list[StoreError | None]:
        await asyncio.to_thread(self.may_write.wait, 20)
        return await super().extend_all(segments)


def test_nothing_is_shown_before_it_is_on_disk_what_it_is_known_by(
    far_side: FarSide, tmp_path: Path
) -> None:
    store = Slow(tmp_path / "slow")
    far_side.answer(WIRE)
    reply = Chat("c", model=model_at(far_side), store=store).send("Hi", background=True)
    until(lambda: "background" in reply.message.metadata)
    assert reply.message.metadata["background"] == {"id": "resp_1"}
    far_side.until(lambda: far_side.sent == len(events_of(WIRE)))
    assert reply.text == ""
    store.may_write.set()
    assert reply.wait(10).text == WHOLE
    assert reply.message.metadata["background"] is None


# -- a connection that breaks --


@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("cut", range(1, len(events_of(WIRE))))
def test_a_stream_that_breaks_is_read_on_by_itself(
    far_side: FarSide, cut: int, resets: bool
) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts, answer.resets = [cut], resets
    reply = asked(far_side).wait(10)
    assert (reply.status, reply.text, said(reply)) == ("complete", WHOLE, WHOLE)
    assert far_side.asked == [POST, STREAM]
    assert reply.message.usage is not None
    assert reply.message.usage.output_tokens == len(WORDS)


def test_one_that_breaks_again_and_again_is_read_on_as_long_as_something_comes(
    far_side: FarSide,
) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts = list(range(3, len(answer.events)))
    reply = asked(far_side).wait(10)
    assert (reply.status, said(reply)) == ("complete", WHOLE)
    assert far_side.asked == [POST, *[STREAM] * (len(answer.events) - 3)]


def test_one_that_breaks_before_it_says_its_id_cannot_be_taken_up(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts = [0]
    reply = asked(far_side).wait(10)
    assert (reply.status, far_side.asked) == ("interrupted", [POST])


def test_one_that_was_not_asked_for_in_the_background_is_not_taken_up(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts = [4]
    reply = stream_text(model_at(far_side), "Hi").wait(10)
    assert (reply.status, reply.text, far_side.asked) == ("interrupted", "Three days ", [POST])


@pytest.mark.parametrize("refusal", [TOO_OLD, UNKNOWN, UNAVAILABLE])
def test_where_it_is_streamed_no_more_it_is_asked_for_until_it_has_its_end(
    far_side: FarSide, refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit.transport.TRIES", 1)
    answer = far_side.answer(WIRE, written=4)
    answer.cuts, answer.refusal = [4], refusal
    reply = asked(far_side).consume()
    far_side.until(lambda: far_side.asked.count(POLL) > 2)
    assert (reply.status, reply.text) == ("streaming", "Three days ")
    answer.finish()
    assert (reply.wait(10).status, said(reply)) == ("complete", WHOLE)
    assert far_side.asked[:3] == [POST, STREAM, POLL]
    assert set(far_side.asked[3:]) == {POLL}


def test_an_error_in_its_stream_is_none_of_the_answer(far_side: FarSide) -> None:
    burst = b'data: {"type":"error","message":"An error occurred"}\n\n'
    answer = far_side.answer(WIRE)
    answer.events.insert(4, burst)
    answer.finish()
    reply = asked(far_side).wait(10)
    assert (reply.status, said(reply)) == ("complete", WHOLE)
    assert not [chunk for chunk in reply if isinstance(chunk, c.Error)]
    assert far_side.asked == [POST, POLL]


def test_an_answer_that_hangs_is_asked_for(
    far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkit.answers.far_side.SILENCE", 3.0)
    answer = far_side.answer(WIRE, written=4)
    reply = asked(far_side).consume()
    far_side.until(lambda: POLL in far_side.asked, timeout=60)
    answer.finish()
    assert (reply.wait(10).status, said(reply)) == ("complete", WHOLE)


def test_an_answer_that_failed_there_is_an_error_in_its_words(far_side: FarSide) -> None:
    told = {"code": "server_error", "message": "The model gave up."}
    answer = far_side.answer(responses_wire(*WORDS, status="failed", error=told))
    answer.cuts = [4]
    reply = asked(far_side).wait(10)
    assert (reply.status, reply.text) == ("error", WHOLE)
    assert "The model gave up." in str(reply.error)


def test_an_answer_that_was_cut_short_there_ends_as_it_would_have(far_side: FarSide) -> None:
    why = {"reason": "max_output_tokens"}
    wire = responses_wire(*WORDS, status="incomplete", incomplete_details=why)
    answer = far_side.answer(wire)
    answer.cuts, answer.refusal = [4], TOO_OLD
    reply = asked(far_side).wait(10)
    assert (reply.status, reply.finish_reason, reply.text) == ("complete", "length", WHOLE)


def test_an_answer_that_is_not_known_there_is_an_error_in_the_providers_words(
    far_side: FarSide,
) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts, answer.unknown = [4], UNKNOWN
    reply = asked(far_side).wait(10)
    assert (reply.status, reply.text) == ("error", "Three days ")
    assert isinstance(reply.error, NotFound)
    assert "not found" in str(reply.error)


def test_an_answer_that_is_never_begun_is_given_up_and_can_be_asked_for_again(
    far_side: FarSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy, "QUEUED", 0.05)
    answer = far_side.answer(WIRE, written=1)
    answer.cuts, answer.refusal, answer.status = [1], TOO_OLD, "queued"
    reply = asked(far_side).wait(10)
    assert reply.status == "interrupted"
    assert isinstance(reply.error, StreamCut)
    assert "'queued'" in str(reply.error)
    answer.finish()
    again = taken_up(reply.message, model_at(far_side)).wait(10)
    assert (again.status, again.text, len(far_side.bodies)) == ("complete", WHOLE, 1)


# -- a process that dies --


@pytest.mark.parametrize("refusal", [None, TOO_OLD])
@pytest.mark.parametrize("case", WHOLE_ONES, ids=lambda case: case.name)
def test_whatever_had_come_the_answer_becomes_the_whole(
    far_side: FarSide, case: Case, refusal: Refusal | None
) -> None:
    model = model_at(far_side, case.wire_format)
    answer = far_side.answer(case)
    whole = asked(far_side, case.wire_format).wait(10).message
    answer.refusal = refusal
    for cut in range(1, len(answer.events)):
        reply = taken_up(broken_off(case.wire, cut, model), model).wait(10)
        assert reply.status == "complete"
        seen = reduce(Message(id="m", role="assistant"), reply)
        assert seen.parts == reply.message.parts, "who reads the chunks has the same message"
        if refusal is None:
            assert reply.message.parts == whole.parts
        else:
            assert opened(reply.message.parts) == opened(whole.parts)
        assert not [chunk for chunk in reply if isinstance(chunk, c.ResetStep)]
        assert said(reply) == whole.text
        assert reply.usage == whole.usage
        assert reply.finish_reason == whole.metadata["finishReason"]
    assert len(far_side.bodies) == 1


KILLED = """
import sys
from chatkit import Chat, get_model
model = get_model("openai/m", base_url=sys.argv[1], api_key="k")
chat = Chat("trip", model=model, store=sys.argv[2])
for delta in chat.send("Hi", background=True).deltas():
    print(delta, flush=True)
"""


def test_an_answer_whose_process_was_killed_is_read_on_in_another(
    far_side: FarSide, tmp_path: Path
) -> None:
    answer = far_side.answer(WIRE, written=4)
    command = [sys.executable, "-c", KILLED, f"{far_side.address}/v1", str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said_there = ""
        while said_there != "Three days ":
            said_there += process.stdout.readline().removesuffix("\n")
            assert process.poll() is None
        process.kill()
    answer.finish()
    model = model_at(far_side)
    chat = Chat("trip", model=model, store=tmp_path / "s")
    until(lambda: chat.messages[-1].status == "interrupted")
    [_, half] = chat.messages
    reply = chat._conversation.resume(half).wait(10)
    assert (reply.id, reply.status, reply.text) == (half.id, "complete", WHOLE)
    assert said(reply) == WHOLE
    assert far_side.asked == [POST, STREAM]
    assert [message.status for message in chat.messages] == ["complete", "complete"]


def test_what_is_read_on_is_shown_as_it_comes(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE)
    asked(far_side).wait(10)
    answer.written = 5
    model = model_at(far_side)
    reply = taken_up(broken_off(WIRE, 3, model), model).consume()
    until(lambda: reply.text == "Three days in ")
    assert reply.status == "streaming"
    answer.finish()
    assert reply.wait(10).text == WHOLE


def test_an_answer_that_comes_otherwise_than_it_was_shown_is_said_anew(far_side: FarSide) -> None:
    far_side.answer(WIRE)
    asked(far_side).wait(10)
    model = model_at(far_side)
    other = broken_off(responses_wire("Three ", "nights "), 4, model)
    reply = taken_up(other, model).wait(10)
    assert (reply.status, reply.text) == ("complete", WHOLE)
    assert any(isinstance(chunk, c.ResetStep) for chunk in reply)


def test_an_answer_that_is_not_kept_any_more_is_continued(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE)
    asked(far_side).wait(10)
    answer.unknown = UNKNOWN
    far_side.answer(responses_wire("in Porto.", id="resp_2"))
    model = model_at(far_side)
    options = {"background": True}
    reply = taken_up(broken_off(WIRE, 4, model), model, options=options).wait(10)
    assert (reply.status, reply.text) == ("complete", "Three days in Porto.")
    assert far_side.asked == [POST, STREAM, POLL, POST]
    assert reply.message.metadata["background"] is None
    assert "background" not in far_side.bodies[1]


# -- answers of several steps --


def days(city: str) -> int:
    """How many days a city takes."""
    ran.append(city)
    return 3


ran: list[str] = []


@pytest.mark.parametrize("cut", range(1, len(events_of(WIRE))))
def test_a_later_step_is_taken_up_with_what_the_earlier_ones_took(
    far_side: FarSide, cut: int
) -> None:
    ran.clear()
    far_side.answer(call_wire("days", {"city": "Lisbon"}))
    answer = far_side.answer(WIRE)
    answer.cuts = [cut, 0, 0]
    answer.refusal = None
    reply = asked(far_side, tools=[days]).wait(10)
    assert (reply.status, reply.text, ran) == ("complete", WHOLE, ["Lisbon"])
    assert [part.output for part in tools_of(reply.message)] == [3]
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (110, 20 + len(WORDS))


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_calls_are_run_once_their_step_was_read_to_its_end(far_side: FarSide, cut: int) -> None:
    ran.clear()
    wire = call_wire("days", {"city": "Lisbon"})
    far_side.answer(wire)
    stream_text(model_at(far_side), "Hi", background=True).wait(10)
    far_side.answer(WIRE)
    model = model_at(far_side)
    message = broken_off(wire, cut, model)
    tools = as_tools([days])
    reply = taken_up(message, model, tools=tools, options={"background": True}).wait(10)
    assert (reply.status, reply.text, ran) == ("complete", WHOLE, ["Lisbon"])
    assert far_side.asked == [POST, "GET /v1/responses/resp_0?stream=true", POST]
    assert reply.usage is not None
    assert reply.usage.input_tokens == 110


def test_a_step_that_was_read_to_its_end_is_not_read_again(far_side: FarSide) -> None:
    ran.clear()
    wire = call_wire("days", {"city": "Lisbon"})
    far_side.answer(wire)
    stream_text(model_at(far_side), "Hi", background=True).wait(10)
    far_side.answer(WIRE)
    model = model_at(far_side)
    message = broken_off(wire, 4, model)
    assert not model.can_resume(message)
    reply = taken_up(message, model, tools=as_tools([days])).wait(10)
    assert (reply.status, reply.text, ran) == ("complete", WHOLE, ["Lisbon"])
    assert far_side.asked == [POST, POST]


def test_what_was_guessed_of_an_answer_that_broke_off_is_forgotten(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE)
    answer.cuts = [4]
    asked(far_side).wait(10)
    model = model_at(far_side)
    message = broken_off(WIRE, 4, model)
    guess = {"usage": {"inputTokens": 5, "outputTokens": 900}, "usageEstimated": True}
    message = message.replace(metadata={**message.metadata, **guess})
    reply = taken_up(message, model).wait(10)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (10, len(WORDS))
    assert not reply.message.metadata["usageEstimated"]


# -- stopping --


def test_stop_stops_the_far_side_too(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE, written=4)
    reply = asked(far_side).consume()
    until(lambda: reply.text == "Three days ")
    assert reply.stop().wait(10).status == "stopped"
    assert far_side.asked == [POST, CANCEL]
    assert answer.status == "cancelled"
    assert not model_at(far_side).can_resume(reply.message)


def test_a_far_side_that_cannot_be_told_to_stop_is_warned_of(far_side: FarSide) -> None:
    answer = far_side.answer(WIRE, written=4)
    reply = asked(far_side).consume()
    until(lambda: reply.text == "Three days ")
    answer.unknown = UNKNOWN
    reply.stop().wait(10)
    assert reply.status == "stopped"
    assert "may write on" in reply.warnings[0]


def test_the_end_of_a_process_does_not_stop_it(far_side: FarSide) -> None:
    far_side.answer(WIRE, written=4)
    reply = asked(far_side).consume()
    until(lambda: reply.text == "Three days ")
    producer = reply._producer
    assert isinstance(producer, Producer)
    reply.feed.engine.call(producer.interrupt)
    assert reply.wait(10).status == "interrupted"
    assert far_side.asked == [POST]
    assert model_at(far_side).can_resume(reply.message)


# -- how it stands, as one object --


@pytest.mark.parametrize("status", ["queued", "in_progress"])
@pytest.mark.parametrize(
    ("provider", "more"),
    [
        ("openai", {"output": [], "error": None}),
        ("gemini-interactions", {}),
        ("gemini-interactions", {"steps": [{"type": "thought"}]}),
    ],
)
def test_an_answer_that_is_still_written_has_no_end_and_no_error(
    provider: str, more: dict[str, Any], status: str
) -> None:
    decoder = get_model(f"{provider}/m", api_key="k").decoder()
    chunks = decoder.feed(json.dumps({"id": "x", "status": status, **more}).encode())
    chunks += decoder.close()
    assert (decoder.finished, decoder.error) == (False, None)
    assert all(isinstance(chunk, c.MessageMetadata) for chunk in chunks)


@pytest.mark.parametrize("provider", ["openai", "gemini-interactions"])
def test_one_that_failed_is_an_error_in_its_words(provider: str) -> None:
    failed = {"id": "x", "status": "failed", "output": [], "steps": []}
    for error, words in (({"message": "No room."}, "No room."), (None, "")):
        decoder = get_model(f"{provider}/m", api_key="k").decoder()
        decoder.feed(json.dumps({**failed, "error": error}, indent=2).encode())
        decoder.close()
        assert words in str(decoder.error)
        assert not decoder.finished
