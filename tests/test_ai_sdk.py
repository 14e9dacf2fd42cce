"""Chats move both ways: what we write, npm `ai` reads, and what it saves, we read."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.model_messages import to_model_messages
from chatkit.reducer import reduce, settled
from chatkit.sse import Decoder
from tests import ai_sdk, strategies
from tests.ai_sdk import AiSdk
from tests.recorded import Case, cases

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(bool(ai_sdk.missing()), reason="; ".join(ai_sdk.missing())),
]

EMPTY = m.Message(id="a", role="assistant")
META = {"openai": {"itemId": "msg_1"}}
RECORDED = cases("vercel-ui")


def wire(stream: Iterable[c.Chunk]) -> bytes:
    events = [b"data: " + msgspec.json.encode(c.to_json(chunk)) + b"\n\n" for chunk in stream]
    return b"".join([*events, b"data: [DONE]\n\n"])


def chunks(body: bytes) -> list[c.Chunk]:
    decoder = Decoder()
    events = [*decoder.feed(body), *decoder.close()]
    found = [c.from_json(json.loads(e.data)) for e in events if e.data != b"[DONE]"]
    assert None not in found
    return [chunk for chunk in found if chunk is not None]


def parts(message: m.JSON) -> list[m.JSON]:
    """The parts of a UIMessage, but for the guess at what an input that still streams will be."""
    return [
        {key: part[key] for key in part if key != "input" or part["state"] != "input-streaming"}
        for part in message["parts"]
    ]


# -- streams --


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case.name))
def test_a_recorded_stream_makes_the_same_message_here_and_there(case: Case, sdk: AiSdk) -> None:
    ours = reduce(EMPTY, chunks(case.wire)).to_json()
    theirs = sdk.read(case.wire)["message"]
    assert parts(theirs) == parts(ours)
    for key, value in (theirs.get("metadata") or {}).items():
        assert ours["metadata"][key] == value
    assert sdk.read(wire(chunks(case.wire)))["message"] == theirs


@given(strategies.orderly_streams(), st.integers(min_value=0))
@settings(max_examples=50)
def test_any_stream_cut_anywhere_makes_the_same_message_here_and_there(
    sdk: AiSdk, stream: list[c.Chunk], place: int
) -> None:
    shown = c.MessageMetadata({})  # a step that has begun is shown with what comes next
    stream = [*stream[: place % (len(stream) + 1)], shown]
    ours, answer = reduce(EMPTY, stream), sdk.read(wire(stream))
    assert answer["errors"] == []
    assert parts(answer["message"]) == parts(ours.to_json())
    known = {name: ours.metadata[name] for name in ours.metadata if name != "finishReason"}
    assert answer["message"]["metadata"] == known


def test_a_step_that_is_reset_is_taken_back_here_and_there(sdk: AiSdk) -> None:
    kept: list[c.Chunk] = [
        c.StartStep(),
        c.TextStart("1"),
        c.TextDelta("1", "kept"),
        c.TextEnd("1"),
    ]
    lost: list[c.Chunk] = [c.StartStep(), c.TextStart("1"), c.TextDelta("1", "lost"), c.ResetStep()]
    stream = [*kept, *lost, *kept[1:], c.Finish("stop")]
    assert parts(sdk.read(wire(stream))["message"]) == parts(reduce(EMPTY, stream).to_json())


def test_an_id_that_comes_again_in_a_later_step_is_another_part_here_and_there(sdk: AiSdk) -> None:
    stream: list[c.Chunk] = [
        c.StartStep(),
        c.ToolInputStart("c", "f"),
        c.ToolInputAvailable("c", "f", {"n": 1}),
        c.ToolOutputAvailable("c", 1),
        c.StartStep(),
        c.ToolInputAvailable("c", "f", {"n": 2}),
        c.ToolOutputAvailable("c", 2),
        c.ToolInputError("d", "f", "no JSON", "{", provider_metadata=META),
    ]
    assert parts(sdk.read(wire(stream))["message"]) == parts(reduce(EMPTY, stream).to_json())


def test_an_error_in_a_stream_leaves_what_came_before_it_here_and_there(sdk: AiSdk) -> None:
    stream: list[c.Chunk] = [c.TextStart("1"), c.TextDelta("1", "half"), c.Error("overloaded")]
    answer = sdk.read(wire(stream))
    assert answer["errors"] == ["overloaded"]
    assert parts(answer["message"]) == parts(reduce(EMPTY, stream).to_json())


# -- messages that we save --


def user(text: str) -> m.Message:
    return m.Message(id="u", role="user", parts=(m.TextPart(text),))


def answer(*parts: m.Part, **fields: Any) -> m.Message:
    return m.Message(id="a", role="assistant", parts=parts, **fields)


def tool(state: m.ToolState, **fields: Any) -> m.ToolPart:
    return m.ToolPart("weather", "c", state, input={"city": "Oslo"}, **fields)


STEP, DONE = m.StepPart(), tool("output-available", output={"t": -3})
EVERY_PART = answer(
    STEP,
    m.ReasoningPart("Hm", "r1", "done", META),
    m.TextPart("Hi", "done", None, META),
    m.FilePart("image/png", "data:image/png;base64,AA==", "a.png", None, META),
    m.ReasoningFilePart("image/png", "data:image/png;base64,AA==", META),
    m.SourceUrlPart("s", "https://example.org", "t", META),
    m.SourceDocumentPart("d", "application/pdf", "t", "f", META),
    m.CustomPart("openai.compaction", META),
    m.SteeringPart("x", [{"type": "text", "text": "Shorter."}]),
    m.DataPart("weather", {"t": -3}, "w"),
    m.DataPart("weather", None),
    m.TextPart("Bye"),
)
STATES: dict[m.ToolState, m.ToolPart] = {
    "input-streaming": m.ToolPart(
        "f", "c", "input-streaming", raw_input="{", input_encoding="json"
    ),
    "input-available": tool("input-available", title="Weather", tool_metadata={"server": "s"}),
    "approval-requested": tool("approval-requested", approval={"id": "p", "isAutomatic": True}),
    "approval-responded": tool("approval-responded", approval={"id": "p", "approved": True}),
    "output-available": tool("output-available", output=None, preliminary=True),
    "output-error": tool("output-error", error_text="down", result_provider_metadata=META),
    "output-denied": tool("output-denied", approval={"id": "p", "approved": False}),
}


def taken(sdk: AiSdk, *messages: m.Message) -> list[m.JSON]:
    """Messages of ours as they are stored, once the AI SDK has taken them."""
    stored = [message.to_json() for message in messages]
    assert sdk.refusal(stored) is None
    return stored


def test_every_part_that_we_write_is_taken(sdk: AiSdk) -> None:
    taken(sdk, user("Hi"), EVERY_PART)


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_call_that_we_write_is_taken(state: m.ToolState, sdk: AiSdk) -> None:
    part = STATES[state]
    taken(sdk, answer(part, msgspec.structs.replace(part, tool_call_id="d", dynamic=True)))


def test_every_state_of_a_call_is_tried_above() -> None:
    assert set(STATES) == set(get_args(m.ToolState))


@pytest.mark.parametrize("status", get_args(m.Status))
def test_every_status_that_we_write_is_taken(status: m.Status, sdk: AiSdk) -> None:
    cut = answer(m.TextPart("Half", "streaming"), *STATES.values(), metadata={"model": "x"})
    taken(sdk, cut.replace(status=status))
    taken(sdk, settled(cut, status))


@given(strategies.orderly_streams(), st.integers(min_value=0))
@settings(max_examples=50)
def test_whatever_a_stream_left_is_taken(sdk: AiSdk, stream: list[c.Chunk], place: int) -> None:
    cut = reduce(EMPTY, stream[: place % (len(stream) + 1)])
    taken(sdk, cut)
    taken(sdk, settled(cut, "interrupted"))


# -- what is sent of them --

SYSTEM = m.Message(id="s", role="system", parts=(m.TextPart("Be brief."),))
FILE = m.FilePart("text/plain", "data:text/plain;base64,SGk=", "a.txt")
FAILED = tool("output-error", error_text="down")
THOUGHT, TEXT = EVERY_PART.parts[1:3]
RAN = tool("output-available", output=[1], provider_executed=True, call_provider_metadata=META)
DYNAMIC = tool("output-available", output="fine", dynamic=True)
CHATS: dict[str, list[m.Message]] = {
    "text": [SYSTEM, user("Hi"), answer(STEP, m.TextPart("Hello!", "done", None, META)), user("?")],
    "a file": [m.Message(id="u", role="user", parts=(m.TextPart("Read."), FILE))],
    "thoughts": [
        user("Hi"),
        answer(STEP, m.ReasoningPart("Hm", "r", "done", META), *EVERY_PART.parts[2:3]),
    ],
    "a tool": [user("?"), answer(STEP, m.TextPart("Let me see."), DONE, STEP, m.TextPart("-3."))],
    "two tools": [
        user("?"),
        answer(STEP, DONE, msgspec.structs.replace(DYNAMIC, tool_call_id="d"), STEP, DONE),
        user("!"),
    ],
    "a text after a call": [user("?"), answer(STEP, DONE, m.TextPart("Wait."))],
    "a failed tool": [user("?"), answer(STEP, FAILED, STEP, m.TextPart("It is down."))],
    "a provider's tool": [user("?"), answer(STEP, RAN, m.TextPart("One."), STEP, m.TextPart("!"))],
    "steering": [user("?"), answer(STEP, DONE, *EVERY_PART.parts[7:9], STEP, m.TextPart("-3"))],
}


def plain(request: list[m.JSON]) -> list[m.JSON]:
    """The AI SDK's request in our words: parts in a list, one message for neighbours of a role."""
    turns: list[m.JSON] = []
    for turn in request:
        content = turn["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        content = [_plain(part) for part in content if not _is_left_out(part)]
        if turns and turns[-1]["role"] == turn["role"]:
            turns[-1]["content"] += content
        elif content:
            turns.append({"role": turn["role"], "content": content})
    return turns


def _is_left_out(part: m.JSON) -> bool:
    """Whether we do not send it: what one provider alone knows, and blanks, which some refuse."""
    return part["type"] == "custom" or (part["type"] == "text" and not part["text"].strip())


def _plain(part: m.JSON) -> m.JSON:
    if part["type"] == "file":
        return {**part, "data": part["data"]["url"]}
    return part


@pytest.mark.parametrize("name", CHATS)
def test_what_is_sent_of_a_chat_is_the_same_here_and_there(name: str, sdk: AiSdk) -> None:
    theirs = sdk.request(taken(sdk, *CHATS[name]))
    assert to_model_messages(CHATS[name]) == plain(theirs)


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case.name))
def test_what_is_sent_of_a_recorded_answer_is_the_same_here_and_there(
    case: Case, sdk: AiSdk
) -> None:
    chat = [user("?"), settled(reduce(EMPTY, chunks(case.wire)), "complete")]
    theirs = plain(sdk.request(taken(sdk, *chat)))
    ours = to_model_messages(chat)
    unanswered = [each for turn in ours for each in turn["content"] if "interrupted" in str(each)]
    if unanswered:  # which it sends without a result, for the provider to refuse
        assert theirs == ours[:-1]
    else:
        assert theirs == ours


# -- messages that it saves --


@pytest.mark.parametrize("case", RECORDED, ids=lambda case: str(case.name))
def test_what_it_saves_of_a_recorded_stream_is_read_without_loss(case: Case, sdk: AiSdk) -> None:
    saved = sdk.read(case.wire)["message"]
    read = m.Message.from_json(saved)
    assert (read.id, read.role, read.status) == (saved["id"], "assistant", "complete")
    assert read.metadata == saved.get("metadata", {})
    assert read.to_json()["parts"] == saved["parts"]
    taken(sdk, read)


@given(strategies.orderly_streams())
@settings(max_examples=50)
def test_whatever_it_saves_is_read_without_loss(sdk: AiSdk, stream: list[c.Chunk]) -> None:
    saved = sdk.read(wire(stream))["message"]
    assert m.Message.from_json(saved).to_json()["parts"] == saved["parts"]
