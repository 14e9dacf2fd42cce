"""What a stream of chunks makes of a message."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.reducer import Draft, reduce, settled, unfold
from tests import strategies

EMPTY = m.Message(id="a", role="assistant")
META = {"openai": {"itemId": "msg_1"}}
OTHER = {"openai": {"itemId": "msg_2"}}


def parts(*stream: c.Chunk) -> list[m.Part]:
    return list(reduce(EMPTY, stream).parts)


def tool(*stream: c.Chunk) -> m.ToolPart:
    [part] = parts(*stream)
    assert isinstance(part, m.ToolPart)
    return part


def metadata(*stream: c.Chunk) -> m.JSON:
    return reduce(EMPTY, stream).metadata


# -- text and reasoning --


def test_text_grows_from_its_start_to_its_end() -> None:
    stream: list[c.Chunk] = [
        c.TextStart("1"),
        c.TextDelta("1", "Hel"),
        c.TextDelta("1", "lo"),
        c.TextEnd("1"),
    ]
    seen = [parts(*stream[: place + 1]) for place in range(4)]
    assert seen == [
        [m.TextPart("", "streaming")],
        [m.TextPart("Hel", "streaming")],
        [m.TextPart("Hello", "streaming")],
        [m.TextPart("Hello", "done")],
    ]


def test_a_delta_equal_to_what_has_come_is_not_taken_for_a_repetition() -> None:
    deltas = [c.TextDelta("1", each) for each in ("ha", "ha", "haha", "!")]
    assert reduce(EMPTY, deltas).text == "hahahaha!"


def test_reasoning_grows_beside_text_and_keeps_its_id() -> None:
    assert parts(
        c.ReasoningStart("1"),
        c.TextStart("1"),
        c.ReasoningDelta("1", "Hm"),
        c.TextDelta("1", "Hi"),
        c.ReasoningEnd("1"),
    ) == [m.ReasoningPart("Hm", "1", "done"), m.TextPart("Hi", "streaming")]


def test_parts_that_grow_at_once_are_told_apart_by_their_ids() -> None:
    assert parts(
        c.TextStart("1"),
        c.TextStart("2"),
        c.TextDelta("1", "a"),
        c.TextDelta("2", "b"),
        c.TextDelta("1", "c"),
        c.TextEnd("2"),
        c.TextEnd("1"),
    ) == [m.TextPart("ac", "done"), m.TextPart("b", "done")]


def test_an_id_that_comes_again_in_a_later_step_is_another_part() -> None:
    step: list[c.Chunk] = [
        c.StartStep(),
        c.TextStart("0"),
        c.TextDelta("0", "x"),
        c.TextEnd("0"),
        c.FinishStep(),
    ]
    text = m.TextPart("x", "done")
    assert parts(*step, *step) == [m.StepPart(), text, m.StepPart(), text]


def test_an_id_that_comes_again_before_its_end_is_another_part() -> None:
    assert parts(
        c.TextStart("0"), c.TextDelta("0", "x"), c.TextStart("0"), c.TextDelta("0", "y")
    ) == [m.TextPart("x", "streaming"), m.TextPart("y", "streaming")]


def test_a_part_may_go_on_after_a_step_has_finished() -> None:
    """The AI SDK: a merged stream's step can finish while another stream's part is active."""
    assert parts(
        c.TextStart("1"),
        c.TextDelta("1", "a"),
        c.FinishStep(),
        c.StartStep(),
        c.TextDelta("1", "b"),
        c.TextEnd("1"),
    ) == [m.TextPart("ab", "done"), m.StepPart()]


def test_a_delta_without_its_start_opens_its_part() -> None:
    assert parts(c.TextDelta("1", "lo"), c.TextEnd("1")) == [m.TextPart("lo", "done")]
    assert parts(c.ReasoningDelta("1", "m")) == [m.ReasoningPart("m", "1", "streaming")]


def test_a_delta_after_the_end_of_its_part_opens_another() -> None:
    assert parts(c.TextDelta("1", "a"), c.TextEnd("1"), c.TextDelta("1", "b")) == [
        m.TextPart("a", "done"),
        m.TextPart("b", "streaming"),
    ]


def test_an_end_without_a_part_changes_nothing() -> None:
    assert parts(c.TextEnd("1"), c.ReasoningEnd("1", META)) == []


def test_the_last_provider_metadata_of_a_part_is_kept() -> None:
    stream: list[c.Chunk] = [c.TextStart("1", META), c.TextDelta("1", "a"), c.TextEnd("1")]
    assert parts(*stream) == [m.TextPart("a", "done", None, META)]
    stream[1] = c.TextDelta("1", "a", OTHER)
    assert parts(*stream) == [m.TextPart("a", "done", None, OTHER)]
    assert parts(c.ReasoningStart("1", META), c.ReasoningEnd("1", OTHER)) == [
        m.ReasoningPart("", "1", "done", OTHER)
    ]


def test_citations_come_with_the_end_of_a_text() -> None:
    cited: list[Any] = [{"type": "url"}]
    assert parts(c.TextStart("1"), c.TextEnd("1", None, cited)) == [m.TextPart("", "done", cited)]


def test_an_emoji_whose_halves_came_apart_is_put_together() -> None:
    draft = Draft(EMPTY)
    draft.apply(c.TextDelta("1", "a \ud83d"))
    assert draft.message().text == "a \N{REPLACEMENT CHARACTER}"
    draft.apply(c.TextDelta("1", "\ude00 b"))
    assert draft.message().text == "a 😀 b"
    draft.apply(c.ToolInputStart("c", "f"))
    draft.apply(c.ToolInputDelta("c", '"\ud83d'))
    draft.apply(c.ToolInputDelta("c", '\ude00"'))
    msgspec.json.encode(draft.message().to_json())


# -- tools --

CALL = c.ToolInputAvailable("c", "weather", {"city": "Oslo"})
CALLED = m.ToolPart("weather", "c", "input-available", input={"city": "Oslo"})


def test_a_call_streams_its_input_and_then_has_it() -> None:
    begun: list[c.Chunk] = [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", '{"ci')]
    assert tool(begun[0]) == m.ToolPart("weather", "c", "input-streaming")
    assert tool(*begun) == m.ToolPart("weather", "c", "input-streaming", raw_input='{"ci')
    assert tool(*begun, c.ToolInputDelta("c", 'ty"')).raw_input == '{"city"'
    assert tool(*begun, CALL) == CALLED


def test_a_call_may_come_whole() -> None:
    assert tool(CALL) == CALLED
    assert tool(c.ToolInputDelta("c", "{"), CALL) == CALLED


def test_a_call_keeps_what_its_later_chunks_leave_out() -> None:
    start = c.ToolInputStart("c", "weather", "text", True, True, "Weather", META, {"server": "s"})
    assert tool(start) == m.ToolPart(
        "weather",
        "c",
        "input-streaming",
        input_encoding="text",
        provider_executed=True,
        dynamic=True,
        title="Weather",
        call_provider_metadata=META,
        tool_metadata={"server": "s"},
    )
    expected = msgspec.structs.replace(
        tool(start), state="input-available", input={"city": "Oslo"}, input_encoding=None
    )
    assert tool(start, CALL) == expected
    said = msgspec.structs.replace(CALL, provider_executed=False, provider_metadata=OTHER, title="")
    assert tool(start, said) == msgspec.structs.replace(
        expected, provider_executed=False, call_provider_metadata=OTHER, title=""
    )


def test_a_call_with_an_invalid_input_has_failed() -> None:
    failed = c.ToolInputError("c", "weather", "no JSON", '{"ci', provider_metadata=META)
    expected = m.ToolPart(
        "weather",
        "c",
        "output-error",
        input='{"ci',
        error_text="no JSON",
        result_provider_metadata=META,
    )
    assert tool(failed) == expected
    assert tool(c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", "{"), failed) == expected


def test_a_call_has_an_output() -> None:
    answer = c.ToolOutputAvailable("c", {"t": -3}, provider_executed=True, provider_metadata=META)
    assert tool(CALL, answer) == msgspec.structs.replace(
        CALLED,
        state="output-available",
        output={"t": -3},
        provider_executed=True,
        result_provider_metadata=META,
    )
    assert tool(CALL, c.ToolOutputAvailable("c", None)).output is None


def test_each_preliminary_output_replaces_the_one_before() -> None:
    first, second = (c.ToolOutputAvailable("c", n, preliminary=True) for n in (1, 2))
    assert (tool(CALL, first, second).output, tool(CALL, first).preliminary) == (2, True)
    last = tool(CALL, first, c.ToolOutputAvailable("c", 3))
    assert (last.output, last.preliminary) == (3, None)


def test_a_call_that_is_answered_before_its_input_is_complete_streams_no_more() -> None:
    start = c.ToolInputStart("c", "weather", "text")
    assert tool(start, c.ToolOutputDenied("c")) == m.ToolPart("weather", "c", "output-denied")


def test_a_call_that_fails_keeps_no_preliminary_output() -> None:
    part = tool(CALL, c.ToolOutputAvailable("c", 1, True), c.ToolOutputError("c", "down"))
    assert part == msgspec.structs.replace(CALLED, state="output-error", error_text="down")
    again = tool(CALL, c.ToolOutputError("c", "down"), c.ToolOutputAvailable("c", 2))
    assert (again.state, again.output, again.error_text) == ("output-available", 2, None)


def test_a_call_is_asked_about_and_approved() -> None:
    ask = c.ToolApprovalRequest("p", "c", {"risk": 1}, {"city": "oslo"}, "it costs", True, "s")
    question = {
        "id": "p",
        "descriptor": {"risk": 1},
        "inputSchemaInput": {"city": "oslo"},
        "requestReason": "it costs",
        "isAutomatic": True,
        "signature": "s",
    }
    asked = tool(CALL, ask)
    assert (asked.state, asked.approval) == ("approval-requested", question)
    answer = c.ToolApprovalResponse("p", True, "fine", True, META)
    granted = tool(CALL, ask, answer)
    assert granted.state == "approval-responded"
    assert granted.approval == {**question, "approved": True, "reason": "fine"}
    assert (granted.provider_executed, granted.call_provider_metadata) == (True, META)
    done = tool(CALL, ask, answer, c.ToolOutputAvailable("c", 1))
    assert (done.state, done.approval) == ("output-available", granted.approval)


def test_a_call_is_asked_about_and_denied() -> None:
    ask, answer = c.ToolApprovalRequest("p", "c"), c.ToolApprovalResponse("p", False)
    assert tool(CALL, ask).approval == {"id": "p"}
    denied = tool(CALL, ask, answer, c.ToolOutputDenied("c"))
    assert (denied.state, denied.approval) == ("output-denied", {"id": "p", "approved": False})


def test_an_approval_is_the_one_call_s_that_was_asked_about() -> None:
    other = c.ToolInputAvailable("d", "weather", {})
    stream: list[c.Chunk] = [
        CALL,
        other,
        c.ToolApprovalRequest("p", "d"),
        c.ToolApprovalResponse("p", True),
    ]
    states = [part.state for part in parts(*stream) if isinstance(part, m.ToolPart)]
    assert states == ["input-available", "approval-responded"]


def test_parallel_calls_keep_their_order_whichever_ends_first() -> None:
    stream: list[c.Chunk] = [
        c.ToolInputStart("1", "a"),
        c.ToolInputStart("2", "b"),
        c.ToolInputDelta("2", "[2]"),
        c.ToolInputDelta("1", "[1]"),
        c.ToolInputAvailable("2", "b", [2]),
        c.ToolOutputAvailable("2", "two"),
    ]
    first, second = parts(*stream)
    assert first == m.ToolPart("a", "1", "input-streaming", raw_input="[1]")
    assert second == m.ToolPart("b", "2", "output-available", input=[2], output="two")


def test_a_call_id_that_comes_again_in_a_later_step_is_another_call() -> None:
    answer = c.ToolOutputAvailable("c", 1)
    done = msgspec.structs.replace(CALLED, state="output-available", output=1)
    assert parts(c.StartStep(), CALL, answer, c.StartStep(), CALL) == [
        m.StepPart(),
        done,
        m.StepPart(),
        CALLED,
    ]
    assert parts(c.StartStep(), CALL, c.StartStep(), answer) == [m.StepPart(), done, m.StepPart()]


def test_an_answer_whose_call_was_lost_changes_nothing() -> None:
    assert parts(c.ToolOutputAvailable("c", 1), c.ToolOutputError("c", "x")) == []
    assert parts(c.ToolApprovalRequest("p", "c"), c.ToolApprovalResponse("p", True)) == []


# -- everything else --


def test_each_other_part_is_added_as_it_comes() -> None:
    said: list[m.JSON] = [{"type": "text", "text": "Shorter."}]
    assert parts(
        c.StartStep(),
        c.File("data:,", "text/plain", META),
        c.ReasoningFile("data:,", "image/png", META),
        c.SourceUrl("s", "u", "t", META),
        c.SourceDocument("s", "application/pdf", "t", "f", META),
        c.Custom("openai.compaction", META),
        c.SteeringMessage("m", said),
    ) == [
        m.StepPart(),
        m.FilePart("text/plain", "data:,", provider_metadata=META),
        m.ReasoningFilePart("image/png", "data:,", META),
        m.SourceUrlPart("s", "u", "t", META),
        m.SourceDocumentPart("s", "application/pdf", "t", "f", META),
        m.CustomPart("openai.compaction", META),
        m.SteeringPart("m", said),
    ]


def test_a_source_that_is_repeated_is_kept_once() -> None:
    page, other = c.SourceUrl("s", "u"), c.SourceUrl("s", "u2")
    assert parts(page, other, page) == [m.SourceUrlPart("s", "u"), m.SourceUrlPart("s", "u2")]


def test_data_with_a_name_and_id_replaces_the_earlier_in_its_place() -> None:
    assert parts(
        c.Data("weather", 1, "w"),
        c.Data("weather", 2),
        c.Data("weather", 3, "x"),
        c.Data("note", 4, "w"),
        c.Data("weather", 5),
        c.Data("weather", 6, "w"),
    ) == [
        m.DataPart("weather", 6, "w"),
        m.DataPart("weather", 2),
        m.DataPart("weather", 3, "x"),
        m.DataPart("note", 4, "w"),
        m.DataPart("weather", 5),
    ]


def test_transient_data_is_not_kept() -> None:
    kept = c.Data("weather", 1, "w")
    assert parts(kept, c.Data("weather", 2, "w", True), c.Data("x", 3, None, True)) == [
        m.DataPart("weather", 1, "w")
    ]


def test_reset_step_takes_back_what_the_step_had_said() -> None:
    kept: list[c.Chunk] = [
        c.StartStep(),
        c.TextStart("1"),
        c.TextDelta("1", "kept"),
        c.TextEnd("1"),
    ]
    lost: list[c.Chunk] = [
        c.StartStep(),
        c.TextDelta("1", "lost"),
        c.ReasoningDelta("2", "lost"),
        CALL,
    ]
    again: list[c.Chunk] = [c.TextDelta("1", "again"), c.TextEnd("1")]
    assert parts(*kept, *lost, c.ResetStep(), *again) == [
        m.StepPart(),
        m.TextPart("kept", "done"),
        m.StepPart(),
        m.TextPart("again", "done"),
    ]
    assert parts(c.TextDelta("1", "lost"), c.ResetStep(), c.TextEnd("1")) == []


def test_metadata_is_merged_deeply_and_the_finish_reason_is_kept() -> None:
    assert metadata(
        c.Start("m1", {"model": "x", "usage": {"in": 1, "details": {"cached": 1}}, "list": [1, 2]}),
        c.MessageMetadata({"usage": {"out": 2, "details": {"audio": 3}}, "list": [3]}),
        c.Finish("length", {"usage": {"in": None}, "model": {"name": "y"}}),
    ) == {
        "model": {"name": "y"},
        "usage": {"in": None, "details": {"cached": 1, "audio": 3}, "out": 2},
        "list": [3],
        "finishReason": "length",
    }
    assert metadata(c.Finish()) == {}


def test_the_id_stays_the_one_that_was_minted_before_the_request() -> None:
    assert reduce(EMPTY, [c.Start("theirs")]).id == "a"


@pytest.mark.parametrize("chunk", [c.Error("overloaded"), c.Abort("the user"), c.FinishStep()])
def test_how_a_stream_ends_changes_nothing_that_was_said(chunk: c.Chunk) -> None:
    stream: list[c.Chunk] = [c.TextDelta("1", "half an ans")]
    assert reduce(EMPTY, [*stream, chunk]) == reduce(EMPTY, stream)


def test_the_message_that_is_given_is_not_changed() -> None:
    given = m.Message(id="a", role="assistant", metadata={"usage": {"in": 1}}, parts=(CALLED,))
    before = msgspec.json.encode(given.to_json())
    reduce(given, [c.TextDelta("1", "x"), c.Finish("stop", {"usage": {"in": 2}}), c.ResetStep()])
    assert msgspec.json.encode(given.to_json()) == before


def test_looking_at_a_draft_gives_a_value_that_later_chunks_do_not_change() -> None:
    draft = Draft(EMPTY)
    draft.apply(c.TextDelta("1", "a"))
    draft.apply(c.Finish("stop", {"n": 1}))
    seen = draft.message()
    draft.apply(c.TextDelta("1", "b"))
    draft.apply(c.MessageMetadata({"n": 2}))
    assert (seen.text, seen.metadata["n"]) == ("a", 1)
    assert (draft.message().text, draft.message().metadata["n"]) == ("ab", 2)


@given(strategies.streams)
def test_any_stream_makes_a_message_and_no_text_of_it_is_lost(stream: list[c.Chunk]) -> None:
    message = reduce(EMPTY, [chunk for chunk in stream if not isinstance(chunk, c.ResetStep)])
    said = sum(len(chunk.delta) for chunk in stream if isinstance(chunk, c.TextDelta))
    thought = sum(len(chunk.delta) for chunk in stream if isinstance(chunk, c.ReasoningDelta))
    assert len(message.text) == said
    assert len(message.reasoning.replace("\n\n", "")) <= thought
    assert m.Message.from_json(msgspec.json.decode(msgspec.json.encode(message.to_json()))) == (
        message
    )


@given(strategies.streams, st.sets(st.integers(0, 30)))
def test_looking_on_the_way_changes_nothing(stream: list[c.Chunk], looks: set[int]) -> None:
    draft = Draft(EMPTY)
    for place, chunk in enumerate(stream):
        draft.apply(chunk)
        if place in looks:
            assert draft.message() == reduce(EMPTY, stream[: place + 1])
    assert draft.message() == reduce(EMPTY, stream)


# -- taking up a message that has begun --


def test_a_message_taken_up_again_goes_on_after_what_it_has() -> None:
    begun = reduce(EMPTY, [c.Start(None, {"n": 1}), c.StartStep(), c.TextDelta("1", "Half")])
    resumed = reduce(begun, [c.StartStep(), c.TextDelta("1", "whole"), c.TextEnd("1")])
    assert resumed.parts == (*begun.parts, m.StepPart(), m.TextPart("whole", "done"))
    assert resumed.metadata == {"n": 1}


def test_a_call_taken_up_again_goes_on_with_the_input_it_has() -> None:
    begun = reduce(EMPTY, [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", '{"ci')])
    resumed = reduce(begun, [c.ToolInputDelta("c", 'ty":')])
    assert resumed.parts == (m.ToolPart("weather", "c", "input-streaming", raw_input='{"city":'),)
    assert reduce(begun, []) == begun
    assert reduce(begun, [CALL]).parts == (CALLED,)


# -- the end --


def test_settled_leaves_nothing_streaming() -> None:
    draft = reduce(
        EMPTY,
        [
            c.ReasoningDelta("1", "Hm"),
            c.TextDelta("1", "Half"),
            c.ToolInputStart("c", "weather", "json"),
            c.ToolInputDelta("c", '{"ci'),
            c.ToolInputStart("d", "weather"),
            msgspec.structs.replace(CALL, tool_call_id="e"),
        ],
    )
    thought, text, cut, empty, whole = settled(draft, "interrupted").parts
    assert thought == m.ReasoningPart("Hm", "1", "done")
    assert text == m.TextPart("Half", "done")
    assert isinstance(cut, m.ToolPart)
    assert (cut.state, cut.input, cut.raw_input) == ("output-error", '{"ci', UNSET)
    assert "was not run" in str(cut.error_text)
    assert isinstance(empty, m.ToolPart)
    assert (empty.state, empty.input) == ("output-error", None)
    assert isinstance(whole, m.ToolPart)
    assert whole.state == "input-available"


@given(strategies.messages, st.sampled_from(sorted(m.ENDED)))
def test_settling_a_settled_message_changes_nothing(message: m.Message, status: m.Status) -> None:
    once = settled(message, status)
    assert once.status == status
    assert settled(once, status) == once
    assert (once.text, once.reasoning) == (message.text, message.reasoning)
    states = [getattr(part, "state", None) for part in once.parts]
    assert not {"streaming", "input-streaming"} & set(states)


@given(strategies.orderly_streams(), st.integers(min_value=0))
def test_a_settled_answer_is_replayed_as_it_was(stream: list[c.Chunk], place: int) -> None:
    """But for the ids of thoughts, which are numbered anew, and what was asked about a call."""

    def plain(part: m.Part) -> m.Part:
        return msgspec.structs.replace(part, id=None) if isinstance(part, m.ReasoningPart) else part

    asked = (c.ToolApprovalRequest, c.ToolApprovalResponse)
    stream = [chunk for chunk in stream if not isinstance(chunk, asked)]
    stream = stream[: place % (len(stream) + 1)]
    answer = settled(reduce(EMPTY, stream), "complete")
    replayed = reduce(EMPTY, unfold(answer))
    assert list(map(plain, replayed.parts)) == list(map(plain, answer.parts))


# -- growth --


class Counted(str):
    """Text that counts how much of it and of its neighbours is copied by adding."""

    __slots__ = ()
    copied = 0

    def __add__(self, other: str) -> str:
        Counted.copied += len(self) + len(other)
        return Counted(str.__add__(self, other))

    def __radd__(self, other: str) -> str:
        Counted.copied += len(self) + len(other)
        return Counted(str.__add__(other, self))


@pytest.mark.parametrize("kind", [c.TextDelta, c.ReasoningDelta, c.ToolInputDelta])
def test_a_delta_copies_none_of_what_has_come(kind: type[c.TextDelta]) -> None:
    draft = Draft(EMPTY)
    draft.apply(c.ToolInputStart("1", "f"))
    joins = 0

    def watch(_: object, event: str, function: Any) -> None:
        nonlocal joins
        joins += event == "c_call" and function.__name__ == "join"

    Counted.copied = 0
    sys.setprofile(watch)
    try:
        for _ in range(5000):
            draft.apply(kind("1", Counted("word ")))
        assert (Counted.copied, joins) == (0, 0)
        message = draft.message()
    finally:
        sys.setprofile(None)
    assert joins == 1
    [call, *texts] = message.parts
    assert isinstance(call, m.ToolPart)
    assert (texts[0].text if texts else call.raw_input) == "word " * 5000  # type: ignore[union-attr]
