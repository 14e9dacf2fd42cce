"""Backends of the AI SDK: what is sent to them, and the small print of what they send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import Chat, chats
from chatkit import chunks as c
from chatkit.engine import get_engine
from chatkit.errors import ConfigError, MessageError, UnknownModel, UnknownOption
from chatkit.messages import Message, StepPart, TextPart, as_messages
from chatkit.providers import Model, WireRequest, get_model
from chatkit.providers.ui.stream import UIDecoder
from chatkit.reducer import reduce
from chatkit.single import stream_text
from chatkit.transport import Transport
from tests import strategies
from tests.recorded import check_order, decode
from tests.servers import Provider

URL = "https://host.example/api/chat"
MODEL = get_model(f"ui+{URL}")
HALF = Message(id="half", role="assistant", status="interrupted")
HI = Message(id="u1", role="user", parts=(TextPart("Hi"),))
ANSWER = Message(
    id="a1",
    role="assistant",
    parts=(StepPart(), TextPart("Hello!", "done")),
    metadata={
        "model": MODEL.id,
        "seconds": 1.5,
        "finishReason": "stop",
        "rawFinishReason": "stop",
        "responseId": "theirs",
        "totalTokens": 7,
    },
)
AGAIN = Message(id="u2", role="user", parts=(TextPart("Again?"),))
HI_JSON = {"id": "u1", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}
AGAIN_JSON = {"id": "u2", "role": "user", "parts": [{"type": "text", "text": "Again?"}]}
DONE = b"data: [DONE]\n\n"


def event(type: str, **fields: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps({"type": type, **fields}).encode()


def request(*history: Message, model: Model = MODEL, **options: Any) -> WireRequest:
    return model.request(history or [HI], options, chat_id="trip")


def chunks(*pieces: bytes) -> list[c.Chunk]:
    """All that one decoder makes of a body in these pieces, and of its end."""
    return decode(UIDecoder("ui"), *pieces)


def failure(*pieces: bytes) -> str:
    """The words of the error that a body ends with."""
    decoder = UIDecoder("ui")
    [*_, last] = decode(decoder, *pieces)
    assert decoder.error is not None
    assert not decoder.finished
    assert last == c.Error(str(decoder.error))
    return str(decoder.error)


TEXT = event("text-start", id="t") + event("text-delta", id="t", delta="Hi")
TEXT_CHUNKS = [c.TextStart("t"), c.TextDelta("t", "Hi")]


# -- what is sent --


def test_the_whole_conversation_is_posted_as_use_chat_posts_it() -> None:
    sent = request(HI, ANSWER, AGAIN)
    assert (sent.method, sent.url) == ("POST", URL)
    assert sent.headers == {"content-type": "application/json", "accept": "text/event-stream"}
    answer = {
        "id": "theirs",
        "role": "assistant",
        "parts": [{"type": "step-start"}, {"type": "text", "text": "Hello!", "state": "done"}],
        "metadata": {"totalTokens": 7},
    }
    assert sent.body == {
        "id": "trip",
        "messages": [HI_JSON, answer, AGAIN_JSON],
        "trigger": "submit-message",
    }


def test_the_last_message_alone_is_posted_to_a_backend_that_keeps_the_rest() -> None:
    sent = request(HI, ANSWER, AGAIN, history="last")
    assert sent.body == {"id": "trip", "message": AGAIN_JSON}


def test_extra_goes_into_the_body_and_may_say_anything_else() -> None:
    again = {"trigger": "regenerate-message", "messageId": "theirs", "body": {"plan": "pro"}}
    assert request(HI, extra=again).body == {"id": "trip", "messages": [HI_JSON], **again}


def test_metadata_of_the_backends_own_goes_back_whole() -> None:
    told = {"model": "gpt", "createdAt": 1, "status": "fine"}
    body = request(HI, ANSWER.replace(metadata=told), AGAIN).body
    assert body["messages"][1]["metadata"] == told


def test_an_answer_of_another_provider_goes_along_by_its_own_id() -> None:
    [_, sent, _] = request(HI, ANSWER.replace(metadata={}), AGAIN).body["messages"]
    assert (sent["id"], "metadata" in sent) == ("a1", False)


def test_an_answer_with_nothing_in_it_is_left_out() -> None:
    failed = ANSWER.replace(parts=(StepPart(),))
    assert request(HI, failed, AGAIN).body["messages"] == [HI_JSON, AGAIN_JSON]


def test_what_is_asked_outside_of_a_chat_has_ids_too() -> None:
    body = MODEL.request(as_messages("Hi"), {}).body
    other = MODEL.request(as_messages("Hi"), {}).body
    assert body["id"] != other["id"]
    assert body["messages"][0]["id"]


def test_a_system_message_goes_first_but_not_where_only_the_last_is_sent() -> None:
    system = as_messages([{"role": "system", "content": "Be brief."}])
    assert request(*system, HI).body["messages"][0]["role"] == "system"
    with pytest.raises(ConfigError, match="leave out system="):
        request(*system, HI, history="last")


def test_nothing_to_send_is_an_error() -> None:
    with pytest.raises(MessageError, match="nothing to send"):
        MODEL.request([], {})


def test_the_key_and_the_headers_are_sent_and_shown_nowhere() -> None:
    model = get_model(f"ui+{URL}?x=1", api_key="sk-secret", headers={"x-tenant": "acme"})
    sent = request(HI, model=model)
    assert sent.url == f"{URL}?x=1"
    assert sent.headers["authorization"] == "Bearer sk-secret"
    assert sent.headers["x-tenant"] == "acme"
    assert "sk-secret" not in repr(model) + repr(sent) + json.dumps(sent.body)


@pytest.mark.parametrize(
    ("address", "chat_id", "url"),
    [
        (URL, "trip", f"{URL}/trip/stream"),
        (f"{URL}?x=1", "trip", f"{URL}/trip/stream?x=1"),
        (f"{URL}/", "my trip?", f"{URL}/my%20trip%3F/stream"),
    ],
)
def test_a_running_answer_is_asked_for_by_the_id_of_its_chat(
    address: str, chat_id: str, url: str
) -> None:
    asked = get_model(f"ui+{address}", api_key="sk-secret").resume_request(HALF, chat_id)
    assert asked is not None
    assert (asked.method, asked.url, asked.body) == ("GET", url, {})
    assert asked.headers == {"accept": "text/event-stream", "authorization": "Bearer sk-secret"}


def test_nothing_can_be_asked_for_again_without_a_chat_or_of_another_provider() -> None:
    assert [MODEL.resume_request(HALF, id) for id in ("", ".", "..")] == [None, None, None]
    assert get_model("groq/m", api_key="k").resume_request(HALF, "trip") is None


def test_an_answer_that_the_backend_has_no_more_of_is_not_asked_for_again() -> None:
    assert MODEL.can_resume(HALF, "trip")
    assert not MODEL.can_resume(HALF.replace(metadata={"background": None}), "trip")
    assert [MODEL.poll_request(HALF), MODEL.cancel_request(HALF)] == [None, None]


def test_the_address_is_the_name_of_the_model() -> None:
    model = get_model(f"UI+{URL}/?x=1")
    assert (model.provider, model.name, model.id) == ("ui", f"{URL}/?x=1", f"ui+{URL}/?x=1")
    assert get_model(model.id).request([HI], {}).url == f"{URL}/?x=1"
    assert repr(model) == f"<Model ui+{URL}/?x=1 at host.example>"


@pytest.mark.parametrize("name", ["ui+host/api/chat", "ui+ftp://host/api", "ui+https://"])
def test_what_is_no_address_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnknownModel, match="write 'ui\\+https://host/api/chat'"):
        get_model(name)


@pytest.mark.parametrize("name", ["ui+https://me:pw@host/api", "ui+https://host/api?api_key=sk-1"])
def test_an_address_with_a_key_in_it_is_refused_as_it_would_be_stored(name: str) -> None:
    with pytest.raises(ConfigError, match="api_key=") as refused:
        get_model(name)
    assert "pw" not in str(refused.value)
    assert "sk-1" not in str(refused.value)


def test_it_takes_no_options_but_its_own_and_nobody_else_takes_that() -> None:
    with pytest.raises(UnknownOption, match=r"It takes extra, history, stoppable\."):
        MODEL.check_options({"temperature": 1})
    with pytest.raises(UnknownOption, match="history"):
        get_model("groq/m").check_options({"history": "last"})
    with pytest.raises(ConfigError, match='"all" or "last"'):
        MODEL.check_options({"history": "some"})


@dataclass(frozen=True)
class Tool:
    name: str = "weather"
    description: str = ""
    parameters: Any = None


def test_tools_and_a_schema_are_refused_as_the_backend_has_its_own() -> None:
    with pytest.raises(ConfigError, match="tools of its own"):
        MODEL.request([HI], {}, tools=[Tool()])
    with pytest.raises(ConfigError, match="schema="):
        MODEL.request([HI], {}, schema={"type": "object"})


# -- over the wire --


@asynccontextmanager
async def opened(model: Model, asked: WireRequest) -> AsyncIterator[AsyncIterator[bytes]]:
    transport = Transport()
    try:
        async with transport.open(model, asked, print) as body:
            yield body
    finally:
        await transport.aclose()


async def body_of(model: Model, asked: WireRequest) -> bytes:
    async with opened(model, asked) as body:
        return b"".join([piece async for piece in body])


def test_a_request_without_a_body_is_sent_without_one(provider: Provider) -> None:
    model = get_model(f"ui+{provider.address}/api/chat")
    provider.refuse(204, "")
    asked = model.resume_request(HALF, "trip")
    assert asked is not None
    assert get_engine().run(body_of(model, asked)) == b""
    [seen] = provider.requests
    assert (seen.path, seen.body) == ("/api/chat/trip/stream", None)
    assert "content-length" not in seen.headers
    assert "content-type" not in seen.headers


def test_an_answer_is_one_message_with_the_steps_that_the_backend_says(provider: Provider) -> None:
    step = event("start-step") + TEXT + event("text-end", id="t") + event("finish-step")
    wire = event("start", messageId="theirs") + step + event("finish", finishReason="stop") + DONE
    provider.refuse(200, wire.decode())
    reply = stream_text(f"ui+{provider.address}/api/chat", "Hi").wait()
    assert (reply.status, reply.text, reply.finish_reason) == ("complete", "Hi", "stop")
    assert [type(part) for part in reply.message.parts] == [StepPart, TextPart]
    assert reply.id != reply.message.metadata["responseId"] == "theirs"


def test_a_chat_sends_back_the_ids_it_was_given_and_is_stored_with_its_address(
    provider: Provider,
) -> None:
    address = f"ui+{provider.address}/api/chat"
    for id in ("theirs-1", "theirs-2"):
        wire = event("start", messageId=id) + TEXT + event("finish") + DONE
        provider.refuse(200, wire.decode())
    chat = Chat("trip", model=address)
    chat.ask("Hi")
    chat.ask("Again?")
    first, second = (request.body for request in provider.requests)
    assert first["id"] == second["id"] == "trip"
    assert [message["id"] for message in second["messages"]][1] == "theirs-1"
    assert second["messages"][0] == first["messages"][0]
    assert [info.model for info in chats()] == [address]


# -- what comes back --


def test_the_backends_id_and_metadata_are_kept_and_its_start_is_not_told_twice() -> None:
    wire = event("start", messageId="theirs", messageMetadata={"n": 1})
    told = {"m": 2, "responseId": "its provider's"}
    wire += event("finish", finishReason="stop", messageMetadata=told) + DONE
    assert chunks(wire) == [
        c.MessageMetadata({"n": 1, "responseId": "theirs"}),
        c.MessageMetadata({"m": 2, "responseId": "theirs"}),
        c.Finish("stop", {"rawFinishReason": "stop"}),
    ]


def test_a_reason_that_is_not_known_is_kept_beside_one_that_is() -> None:
    finish = c.Finish("other", {"rawFinishReason": "unknown"})
    assert chunks(event("finish", finishReason="unknown")) == [finish]
    assert chunks(event("finish", finishReason=["stop"])) == [c.Finish("other")]


@pytest.mark.parametrize("ending", [DONE, event("finish"), event("finish") + DONE])
def test_a_terminal_mark_makes_an_answer_complete(ending: bytes) -> None:
    decoder = UIDecoder("ui")
    assert decode(decoder, TEXT + ending) == [*TEXT_CHUNKS, c.Finish()]
    assert (decoder.finished, decoder.error) == (True, None)


def test_an_answer_without_a_terminal_mark_is_not_complete() -> None:
    decoder = UIDecoder("ui")
    assert decode(decoder, TEXT) == TEXT_CHUNKS
    assert (decoder.finished, decoder.error) == (False, None)


def test_an_answer_that_was_aborted_is_not_complete_and_no_error() -> None:
    decoder = UIDecoder("ui")
    assert decode(decoder, TEXT + event("abort", reason="user") + DONE) == [
        *TEXT_CHUNKS,
        c.Abort("user"),
    ]
    assert (decoder.finished, decoder.error) == (False, None)


def test_a_finish_inside_a_merged_stream_ends_nothing() -> None:
    more = event("data-title", data="Hello")
    wire = event("finish", finishReason="length") + TEXT + event("finish") + more + DONE
    assert chunks(wire) == [*TEXT_CHUNKS, c.Data("title", "Hello"), c.Finish()]


def test_nothing_is_read_after_the_end() -> None:
    assert chunks(DONE + TEXT, event("error", errorText="late") + b"{not an event}") == [c.Finish()]


def test_an_error_keeps_what_came_before_it_and_what_comes_after() -> None:
    error = event("error", errorText="Oops: upstream 529")
    wire = TEXT + error + event("text-delta", id="t", delta=" there")
    wire += event("error", errorText="another") + event("finish", finishReason="error") + DONE
    assert "Oops: upstream 529" in failure(wire)
    assert chunks(wire)[:-1] == [
        *TEXT_CHUNKS,
        c.TextDelta("t", " there"),
        c.MessageMetadata({"finishReason": "error", "rawFinishReason": "error"}),
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": {"message": "No such chat"}}', "No such chat"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b'{"message": "Not found"}', "Not found"),
        (b'{\n "detail": "Rate limit"\n}', "Rate limit"),
        (b"<!doctype html><h1>Bad gateway</h1>", "Bad gateway"),
        (b'0:"Hello"\nd:{"finishReason":"stop"}\n', "no stream"),
        (TEXT + b'{"error": "the worker died"}\n', "the worker died"),
        (TEXT + b'data: {"error": "overloaded"}\n\n', "overloaded"),
        (TEXT + b'event: error\ndata: {"message": "too slow"}\n\n', "too slow"),
        (TEXT + b"event: error\ndata: plain words\n\n", "plain words"),
        (TEXT + b'data: {"type":"text-de\n\n' + DONE, "not JSON"),
        (event("error", errorText=""), "no reason"),
        (event("error"), "no reason"),
    ],
)
def test_an_error_is_told_in_the_words_of_the_server(body: bytes, words: str) -> None:
    assert words in failure(body)


def test_the_key_is_in_no_error() -> None:
    decoder = get_model(f"ui+{URL}", api_key="sk-very-secret").decoder()
    decode(decoder, event("error", errorText="bad key sk-very-secret"))
    assert str(decoder.error) == "ui broke off: bad key [hidden]"


def test_an_event_that_breaks_off_is_the_end_of_a_cut_answer_and_no_error() -> None:
    decoder = UIDecoder("ui")
    assert decode(decoder, TEXT + b'data: {"type":"text-del') == TEXT_CHUNKS
    assert decoder.error is None


@pytest.mark.parametrize(
    "odd",
    [
        event("future", id="t"),
        event("text-delta", id="t"),
        event("text-delta", id=["t"], delta="lost"),
        event("text-delta", id="t", delta=5),
        event("tool-output-available", output=1),
        event("message-metadata", messageMetadata="new"),
        b"data: null\n\n",
        b"data: [1, 2]\n\n",
        b'data: {"type": ["text-delta"]}\n\n',
        b'data: {"id": 5}\n\n',
        b"data: " + b'{"type":' * 5_000 + b"\n\n",
        b": ping\n\n",
        b"data:\n\n",
    ],
)
def test_what_is_not_understood_is_passed_over(odd: bytes) -> None:
    found = chunks(TEXT + odd + event("finish") + DONE)
    assert [each for each in found if not isinstance(each, c.Error | c.Finish)] == TEXT_CHUNKS


def test_a_field_that_is_wrong_is_left_out_and_the_rest_is_kept() -> None:
    call = {"toolCallId": "c", "toolName": "f", "input": 1, "title": 5, "dynamic": "yes"}
    wire = event("tool-input-available", **call)
    wire += event("text-delta", id="t", delta="Hi", providerMetadata={"acme": "not an object"})
    wire += event("tool-input-start", toolCallId="d", toolName="f", inputEncoding="xml")
    wire += event("data-x", id=7, data=1)
    assert chunks(wire) == [
        c.ToolInputAvailable("c", "f", 1),
        c.TextDelta("t", "Hi"),
        c.ToolInputStart("d", "f"),
        c.Data("x", 1),
    ]


def test_an_emoji_that_is_cut_between_two_deltas_is_whole() -> None:
    def delta(kind: str, text: str, **named: str) -> bytes:
        named = named or {"id": "t"}
        name = "inputTextDelta" if kind == "tool-input" else "delta"
        told = ", ".join(f'"{key}": "{value}"' for key, value in {**named, name: text}.items())
        return b'data: {"type": "%b-delta", %b}\n\n' % (kind.encode(), told.encode())

    wire = delta("text", r"a\ud83d", id="t") + delta("text", r"\ud83d", id="u")
    wire += delta("tool-input", r"\ud83d", toolCallId="t") + delta("text", r"\ude42b", id="t")
    wire += delta("tool-input", r"\ude42", toolCallId="t") + event("text-end", id="u")
    found = chunks(wire)
    assert [(each.id, each.delta) for each in found if isinstance(each, c.TextDelta)] == [
        ("t", "a"),
        ("u", ""),
        ("t", "🙂b"),
        ("u", "\ufffd"),
    ]
    inputs = [each.input_text_delta for each in found if isinstance(each, c.ToolInputDelta)]
    assert "".join(inputs) == "🙂"


def test_halves_of_characters_elsewhere_are_replaced() -> None:
    wire = b'data: {"type": "data-x", "data": {"\\ud83d": "\\ude42"}}\n\n'
    assert chunks(wire) == [c.Data("x", {"\ufffd": "\ufffd"})]


ODD = st.one_of(
    strategies.json_values,
    st.sampled_from(["\ud83d", "\ude42", [], {}, {"a": 1}, "finish", "stop", True, 1e300]),
)
KINDS = [*c._TYPES, "data-x", "data-", "future", ""]
EVENTS = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(KINDS) | ODD,
    st.dictionaries(
        st.sampled_from(
            "id delta toolCallId toolName inputTextDelta input output errorText providerMetadata "
            "messageMetadata messageId finishReason approvalId approved data transient url error "
            "mediaType sourceId title parts kind reason inputEncoding citations".split()
        ),
        ODD,
    ),
)
PIECES = st.one_of(
    EVENTS.map(lambda value: b"data: %b\n\n" % json.dumps(value).encode()),
    strategies.chunks.map(lambda chunk: event(**c.to_json(chunk))),
    st.binary(max_size=20),
    st.sampled_from([DONE, b"data: {\n\n", b"event: error\n", b"\n\n", b'{"error": 1}\n']),
)


@given(st.lists(PIECES, max_size=12), st.integers(min_value=0))
def test_no_stream_makes_it_raise_or_breaks_the_order(pieces: list[bytes], place: int) -> None:
    wire = b"".join(pieces)
    cut = place % (len(wire) + 1)
    decoder = UIDecoder("ui")
    found = decode(decoder, wire[:cut], wire[cut:])
    check_order(found, calls_last=False)
    assert isinstance(found[-1] if found else None, c.Finish) == decoder.finished
    assert not (decoder.finished and decoder.error)
    message = reduce(Message(id="a", role="assistant"), found)
    assert Message.from_json(json.loads(json.dumps(message.to_json()))).parts == message.parts
