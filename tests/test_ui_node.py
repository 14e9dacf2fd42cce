"""Both directions against npm `ai` itself: it reads what we serve, and we read what it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatkit import chunks as c
from chatkit.answers.feed import Feed
from chatkit.chat import Chat
from chatkit.engine import get_engine
from chatkit.errors import ProviderError, StreamCut, StreamFailed
from chatkit.messages import DataPart, FilePart, Message, SourceUrlPart, ToolPart
from chatkit.providers import get_model
from chatkit.replies import Reply
from chatkit.single import stream_text
from tests import ai_sdk, strategies
from tests.ai_sdk import AiSdk, Backend
from tests.answers import answered
from tests.serving import served
from tests.test_ui import body_of
from tests.working import until

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(bool(ai_sdk.missing()), reason="; ".join(ai_sdk.missing())),
]

META = {"openai": {"itemId": "msg_1"}}
EVERYTHING: list[c.Chunk] = [
    c.Start("ours"),
    c.StartStep(),
    c.MessageMetadata({"responseModel": "m", "usage": {"inputTokens": 1}}),
    c.ReasoningStart("1", META),
    c.ReasoningDelta("1", "Hm"),
    c.ReasoningEnd("1"),
    c.ToolInputStart("c", "weather"),
    c.ToolInputDelta("c", '{"city":'),
    c.ToolInputDelta("c", '"Oslo"}'),
    c.ToolInputAvailable("c", "weather", {"city": "Oslo"}, provider_metadata=META),
    c.ToolInputAvailable("d", "delete", {}, dynamic=True),
    c.ToolApprovalRequest("p", "d"),
    c.ToolApprovalResponse("p", True, "sure"),
    c.ToolOutputAvailable("c", {"t": -3}),
    c.ToolOutputError("d", "down"),
    c.Data("progress", 1, "x"),
    c.Data("progress", 2, "x"),
    c.Data("note", "gone", transient=True),
    c.FinishStep(),
    c.StartStep(),
    c.TextStart("t"),
    c.TextDelta("t", "It is −3 °C "),
    c.TextDelta("t", "❄️"),
    c.TextEnd("t", META),
    c.SourceUrl("s", "https://example.org", "Weather"),
    c.SourceDocument("e", "application/pdf", "Report"),
    c.File("data:text/plain;base64,SGk=", "text/plain"),
    c.ReasoningFile("data:text/plain;base64,SGk=", "text/plain"),
    c.Custom("openai.compaction", META),
    c.FinishStep(),
    c.Finish("stop", {"rawFinishReason": "end"}),
]
ENDINGS: list[tuple[Any, Exception | None]] = [
    ("complete", None),
    ("stopped", None),
    ("interrupted", None),
    ("interrupted", StreamCut("the line is dead")),
    ("error", StreamFailed("overloaded")),
]


def read(sdk: AiSdk, reply: Reply) -> list[str]:
    """The errors that the SDK's reader told; the message it made is the reply's own."""
    made = sdk.read(b"".join(reply.ui_stream()))
    assert made["message"] == reply.message.to_json()
    errors: list[str] = made["errors"]
    return errors


# -- what we serve --


@pytest.mark.parametrize(("status", "error"), ENDINGS)
def test_the_sdk_makes_our_message_of_our_stream(
    sdk: AiSdk, status: Any, error: Exception | None
) -> None:
    reply = answered(EVERYTHING, status, error)
    assert read(sdk, reply) == ([str(error)] if error else [])


@pytest.mark.parametrize("upto", range(len(EVERYTHING)))
def test_the_sdk_makes_our_message_of_an_answer_that_was_stopped_anywhere(
    sdk: AiSdk, upto: int
) -> None:
    assert read(sdk, answered(EVERYTHING[:upto], "stopped")) == []


def test_the_sdk_makes_our_message_of_an_answer_from_a_store(sdk: AiSdk) -> None:
    chunks = [chunk for chunk in EVERYTHING if not isinstance(chunk, c.ToolApprovalRequest)]
    message = answered(chunks).message
    assert read(sdk, Reply(Feed.ended_with(message, get_engine()))) == []


@given(strategies.orderly_streams(), st.data())
@settings(max_examples=60)
def test_the_sdk_reads_an_answer_of_which_any_chunks_were_lost(
    sdk: AiSdk, stream: list[c.Chunk], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(stream), max_size=len(stream)))
    reply = answered(chunk for chunk, is_kept in zip(stream, kept, strict=True) if is_kept)
    made = sdk.read(b"".join(reply.ui_stream()))
    assert made["errors"] == []
    assert Message.from_json(made["message"]).text == reply.text


@given(strategies.streams)
@settings(max_examples=60)
def test_the_sdk_finds_no_fault_in_whatever_we_write(sdk: AiSdk, stream: list[c.Chunk]) -> None:
    reply = answered(map(_without_citations, stream))
    assert sdk.read(b"".join(reply.ui_stream()))["errors"] == []


def _without_citations(chunk: c.Chunk) -> c.Chunk:
    """They pass through as they came, and random ones are none."""
    return replace(chunk, citations=None) if isinstance(chunk, c.TextEnd) else chunk


def test_use_chat_reads_an_answer_from_a_server_of_ours_and_comes_back_to_it(sdk: AiSdk) -> None:
    reply = answered(EVERYTHING)
    asked: list[Any] = []

    async def send(request: Request) -> Response:
        asked.append(await request.json())
        stream = reply.ui_stream()
        return StreamingResponse(stream, headers=stream.headers)

    async def resume(request: Request) -> Response:
        if request.path_params["id"] != "my trip?":
            return Response(status_code=204)
        stream = reply.ui_stream()
        return StreamingResponse(stream, headers=stream.headers)

    messages = [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
    routes = [
        Route("/api/chat", send, methods=["POST"]),
        Route("/api/chat/{id}/stream", resume),
    ]
    with served(Starlette(routes=routes)) as url:
        made = sdk.send(f"{url}/api/chat", "my trip?", messages)
        again = sdk.resume(f"{url}/api/chat", "my trip?")
        nothing = sdk.resume(f"{url}/api/chat", "other")
    assert made == again == {"message": reply.message.to_json(), "errors": []}
    assert nothing is None
    [body] = asked
    ours = get_model(f"ui+{url}/api/chat").request([Message.from_json(messages[0])], {})
    assert body == ours.body | {"id": "my trip?"}


# -- what it serves --


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    ai_sdk.install()
    running = Backend()
    yield running
    running.close()


def api(backend: Backend) -> str:
    return f"ui+{backend.address}/api/chat"


def test_everything_that_a_backend_sends_is_in_the_message(backend: Backend) -> None:
    reply = stream_text(api(backend), "everything").wait()
    assert (reply.status, reply.error) == ("complete", None)
    assert (reply.text, reply.reasoning) == ("It is −3 °C ❄️", "Hm")
    parts = reply.message.parts
    [call] = [part for part in parts if isinstance(part, ToolPart)]
    assert (call.state, call.input, call.output) == (
        "output-available",
        {"city": "Oslo"},
        {"t": -3},
    )
    assert [part for part in parts if isinstance(part, DataPart)] == [
        DataPart("weather", {"state": "done"}, "w")
    ]
    assert [part.url for part in parts if isinstance(part, SourceUrlPart)] == [
        "https://example.org"
    ]
    assert [part.media_type for part in parts if isinstance(part, FilePart)] == ["text/plain"]
    kinds = [part["type"] for part in reply.message.to_json()["parts"]]
    assert kinds.count("step-start") == 2


@pytest.mark.parametrize("history", ["all", "last"])
def test_a_chat_is_known_to_the_backend_by_its_ids(backend: Backend, history: str) -> None:
    chat = Chat(f"trip {history}", model=api(backend), history=history)
    first = chat.ask("everything")
    second = chat.ask("How many messages?")
    assert second.text == "Message 3."
    assert second.finish_reason == "length"
    assert second.message.metadata["totalUsage"]["totalTokens"] == 13
    asked = [each["body"] for each in backend.seen()["asked"] if each["body"]["id"] == chat.id]
    sent = [[each["id"] for each in body.get("messages", [body.get("message")])] for body in asked]
    [one, answer, two] = [message.id for message in chat.messages][:3]
    assert first.id == answer
    theirs = first.message.metadata["responseId"]
    assert sent == ([[one], [one, theirs, two]] if history == "all" else [[one], [two]])


def test_a_backend_that_fails_says_so(backend: Backend) -> None:
    reply = stream_text(api(backend), "fail").wait()
    assert reply.status == "error"
    assert isinstance(reply.error, ProviderError)
    assert "the database is down" in str(reply.error)


def test_what_the_backend_does_not_take_is_refused_in_its_words(backend: Backend) -> None:
    odd = {"messages": [{"id": "u", "role": "user", "parts": []}]}
    reply = stream_text(api(backend), "Hi", extra=odd).wait()
    assert isinstance(reply.error, ProviderError)
    assert reply.error.status == 400
    assert "at least one part" in str(reply.error)


def test_an_answer_that_is_stopped_ends_at_the_backend_too(backend: Backend) -> None:
    left = backend.seen()["left"]
    reply = stream_text(api(backend), "wait")
    for chunk in reply:
        if isinstance(chunk, c.TextDelta):
            break
    reply.stop().wait()
    assert (reply.status, reply.text) == ("stopped", "half")
    until(lambda: backend.seen()["left"] == left + 1)


def test_a_running_answer_is_replayed_from_its_start_and_one_that_ended_is_not(
    backend: Backend,
) -> None:
    model = get_model(api(backend))
    running = Chat("running?", model=model).send("wait")
    next(chunk for chunk in running if isinstance(chunk, c.TextDelta))
    asked = model.resume_request(running.message, "running?")
    none = model.resume_request(running.message, "nobody's")
    assert asked is not None
    assert none is not None
    decoder = model.decoder()
    chunks = decoder.feed(get_engine().run(body_of(model, asked)))
    assert decoder.finished
    assert c.TextDelta("t", "❄️") in chunks
    assert get_engine().run(body_of(model, none)) == b""
    running.stop().wait()
