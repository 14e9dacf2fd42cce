"""An answer as the AI SDK's stream: its bytes, and a server that sends them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from chatkit import chunks as c
from chatkit.answers.feed import Feed
from chatkit.chat import Chat
from chatkit.engine import get_engine
from chatkit.errors import StreamCut, StreamFailed
from chatkit.providers import Model
from chatkit.providers.ui.stream import UIDecoder
from chatkit.replies import Reply
from chatkit.single import stream_text
from tests.answers import Answering, answered
from tests.recorded import decode
from tests.servers import Provider
from tests.serving import served

TEXT: list[c.Chunk] = [c.TextStart("t"), c.TextDelta("t", "Hé"), c.TextEnd("t")]
CALL = c.ToolInputStart("c", "f")


def body(reply: Reply) -> bytes:
    return b"".join(reply.ui_stream())


def events(reply: Reply) -> list[Any]:
    """The JSON of each event, but for the start and the mark at the end."""
    first, *rest = body(reply).split(b"\n\n")
    assert first == b'data: {"type":"start","messageId":"%b"}' % reply.id.encode()
    assert rest[-2:] == [b"data: [DONE]", b""]
    return [json.loads(event.removeprefix(b"data: ")) for event in rest[:-2]]


# -- bytes --


def test_the_bytes_are_those_that_the_sdk_writes() -> None:
    metadata = c.MessageMetadata({"n": 1})
    reply = answered([c.Start("ours"), c.StartStep(), *TEXT, metadata, c.Finish("stop")])
    assert body(reply).decode().split("\n\n") == [
        'data: {"type":"start","messageId":"ours"}',
        'data: {"type":"start-step"}',
        'data: {"type":"text-start","id":"t"}',
        'data: {"type":"text-delta","id":"t","delta":"Hé"}',
        'data: {"type":"text-end","id":"t"}',
        'data: {"type":"message-metadata","messageMetadata":{"n":1}}',
        'data: {"type":"finish","finishReason":"stop","messageMetadata":'
        '{"n":1,"finishReason":"stop","status":"complete"}}',
        "data: [DONE]",
        "",
    ]


def test_the_headers_are_those_of_the_protocol() -> None:
    assert answered([]).ui_stream().headers == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache",
        "connection": "keep-alive",
        "x-vercel-ai-ui-message-stream": "v1",
        "x-accel-buffering": "no",
    }


def test_it_can_be_read_again_and_asynchronously_with_the_same_result() -> None:
    async def collected(reply: Reply) -> bytes:
        return b"".join([piece async for piece in reply.ui_stream()])

    reply = answered([*TEXT, c.Finish("stop")])
    stream = reply.ui_stream()
    assert b"".join(stream) == b"".join(stream) == asyncio.run(collected(reply))


def test_a_reader_gets_what_has_come_before_the_rest_has() -> None:
    answering = Answering()
    answering.add(TEXT[:2])
    reading = iter(answering.reply.ui_stream())
    assert b"start" in next(reading)
    assert b"text-start" in next(reading)
    assert b"text-delta" in next(reading)
    answering.add([c.TextDelta("t", "!")])
    assert json.loads(next(reading)[6:])["delta"] == "!"
    answering.end("stopped")
    [last] = reading
    assert b'"abort"' in last
    assert last.endswith(b"data: [DONE]\n\n")


def test_our_own_decoder_reads_what_we_write() -> None:
    reply = answered([c.StartStep(), *TEXT, c.Finish("length")])
    decoder = UIDecoder("ui")
    found = decode(decoder, body(reply))
    assert (decoder.finished, decoder.error) == (True, None)
    assert [chunk for chunk in found if not isinstance(chunk, c.MessageMetadata)] == [
        c.StartStep(),
        *TEXT,
        c.Finish("length", {"rawFinishReason": "length"}),
    ]


# -- endings --


def test_an_answer_that_was_stopped_ends_as_aborted() -> None:
    *_, end, metadata, abort = events(answered(TEXT[:2], "stopped"))
    assert end == {"type": "text-end", "id": "t"}
    assert metadata["messageMetadata"] == {"status": "stopped"}
    assert abort == {"type": "abort", "reason": "stopped"}


@pytest.mark.parametrize(
    ("status", "error"), [("error", StreamFailed("overloaded")), ("interrupted", StreamCut("cut"))]
)
def test_an_answer_that_failed_ends_with_its_words(status: Any, error: Exception) -> None:
    chunks = [*TEXT, c.Error(str(error))]  # which is not told twice
    *_, metadata, last = events(answered(chunks, status, error))
    assert metadata["messageMetadata"]["status"] == status
    assert last == {"type": "error", "errorText": str(error)}
    assert len(events(answered(chunks, status, error))) == 5


def test_an_answer_whose_process_ended_ends_as_aborted() -> None:
    assert events(answered(TEXT, "interrupted"))[-1] == {"type": "abort", "reason": "interrupted"}


def test_a_failed_answer_whose_reason_is_lost_is_an_error_still() -> None:
    assert events(answered([], "error"))[-1]["errorText"] == "the answer failed"


def test_an_answer_from_a_store_is_sent_as_a_live_one_is() -> None:
    live = answered([c.StartStep(), *TEXT, c.Finish("stop")])
    stored = Reply(Feed.ended_with(live.message, get_engine()))
    types = [event["type"] for event in events(stored)]
    assert types == [event["type"] for event in events(live)]
    assert events(stored)[-1] == events(live)[-1]


# -- what the SDK would refuse --


def test_a_delta_whose_part_never_began_gets_its_beginning() -> None:
    chunks: list[c.Chunk] = [
        c.TextDelta("t", "a"),
        c.ReasoningDelta("t", "b"),
        c.TextDelta("t", "c"),
    ]
    types = [event["type"] for event in events(answered(chunks))]
    assert types == [
        "text-start",
        "text-delta",
        "reasoning-start",
        "reasoning-delta",
        "text-delta",
        "text-end",
        "reasoning-end",
        "finish",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        c.TextEnd("t"),
        c.ReasoningEnd("t"),
        c.ToolInputDelta("c", "{"),
        c.ToolOutputAvailable("c", 1),
        c.ToolOutputError("c", "down"),
        c.ToolOutputDenied("c"),
        c.ToolApprovalRequest("a", "c"),
        c.ToolApprovalResponse("a", True),
    ],
)
def test_what_belongs_to_nothing_is_left_out(odd: c.Chunk) -> None:
    [finish] = events(answered([odd]))
    assert finish["type"] == "finish"


def test_a_call_that_a_reset_took_back_is_forgotten() -> None:
    step: list[c.Chunk] = [c.StartStep(), CALL, c.ToolInputAvailable("c", "f", 1)]
    output = c.ToolOutputAvailable("c", 2)
    types = [event["type"] for event in events(answered([*step, c.ResetStep(), output]))]
    assert types[-2:] == ["reset-step", "finish"]
    types = [event["type"] for event in events(answered([*step, c.StartStep(), output]))]
    assert types[-2:] == ["tool-output-available", "finish"]


def test_a_source_that_comes_again_is_told_once_as_the_message_has_it_once() -> None:
    source = c.SourceUrl("s", "https://example.org", "Weather")
    reply = answered([source, source, c.SourceUrl("s", "https://example.org")])
    assert len(reply.message.parts) == 2
    assert [event["type"] for event in events(reply)] == ["source-url", "source-url", "finish"]


def test_a_call_that_was_cut_off_ends_as_the_message_says() -> None:
    reply = answered([CALL, c.ToolInputDelta("c", '{"a":')], "stopped")
    [part] = reply.message.to_json()["parts"]
    error = next(each for each in events(reply) if each["type"] == "tool-input-error")
    assert (error["input"], error["errorText"]) == ('{"a":', part["errorText"])


# -- served --


@pytest.fixture
def chat(model: Model) -> Chat:
    return Chat("trip", model=model)


@pytest.fixture
def address(chat: Chat) -> Iterator[str]:
    """The chat, served to a `useChat` front end."""
    replies: list[Reply] = []

    async def send(request: Request) -> Response:
        messages = (await request.json())["messages"]
        replies.append(chat.send(messages[-1]["parts"]))
        stream = replies[-1].ui_stream()
        return StreamingResponse(stream, headers=stream.headers)

    async def resume(request: Request) -> Response:
        if chat.status in ("ready", "error"):
            return Response(status_code=204)
        stream = replies[-1].ui_stream()
        return StreamingResponse(stream, headers=stream.headers)

    routes = [
        Route("/api/chat", send, methods=["POST"]),
        Route("/api/chat/{id}/stream", resume),
    ]
    with served(Starlette(routes=routes)) as url:
        yield f"{url}/api/chat"


ASKED: dict[str, Any] = {
    "id": "trip",
    "messages": [{"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
    "trigger": "submit-message",
}


def test_a_chat_is_served_by_any_asgi_server(chat: Chat, address: str, provider: Provider) -> None:
    provider.answer("Hello there!")
    response = httpx.post(address, json=ASKED, trust_env=False, timeout=60)
    reply = chat.messages[-1]
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["content-type"] == "text/event-stream"
    assert response.content.startswith(
        b'data: {"type":"start","messageId":"%b"}' % reply.id.encode()
    )
    assert response.content.endswith(b"data: [DONE]\n\n")
    assert reply.text == "Hello there!"
    assert httpx.get(f"{address}/trip/stream", trust_env=False, timeout=60).status_code == 204


def test_a_front_end_goes_on_with_a_chat_that_a_notebook_began(
    chat: Chat, address: str, provider: Provider
) -> None:
    chat.ask("First")
    asked = [*(message.to_json() for message in chat.messages), *ASKED["messages"]]
    assert httpx.post(
        address, json={**ASKED, "messages": asked}, trust_env=False, timeout=60
    ).is_success
    said = [message["content"] for message in provider.requests[-1].body["messages"]]
    assert said == ["First", "Answer to: First", "Hi"]
    assert [message.text for message in chat.messages] == [*said, "Answer to: Hi"]


def test_an_answer_goes_on_when_the_front_end_leaves_and_is_there_when_it_comes_back(
    chat: Chat, address: str, provider: Provider
) -> None:
    answer = provider.answer("one two three", gated=True)
    answer.release(1)
    with httpx.stream("POST", address, json=ASKED, trust_env=False, timeout=60) as response:
        lines = response.iter_lines()
        assert next(line for line in lines if "text-delta" in line)
    with httpx.stream("GET", f"{address}/trip/stream", trust_env=False, timeout=60) as response:
        answer.open()
        again = response.read()
    deltas = [json.loads(line[6:]) for line in again.splitlines() if b"text-delta" in line]
    assert "".join(delta["delta"] for delta in deltas) == "one two three"
    assert chat.wait().messages[-1].status == "complete"


def test_another_chat_talks_to_it_as_to_a_backend_of_the_sdk(
    chat: Chat, address: str, provider: Provider
) -> None:
    provider.answer("Hello there!")
    ours = stream_text(f"ui+{address}", "Hi").wait()
    theirs = chat.messages[-1]
    assert (ours.status, ours.text) == ("complete", theirs.text)
    assert ours.message.parts == theirs.parts
    assert ours.message.metadata["responseId"] == theirs.id
    assert ours.usage == theirs.usage


def test_the_messages_that_a_front_end_sends_are_a_prompt(model: Model, provider: Provider) -> None:
    stream_text(model, ASKED["messages"]).wait()
    [request] = provider.requests
    assert request.body["messages"] == [{"role": "user", "content": "Hi"}]
