"""The chunks between two states of a message: what a reader has missed, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.reducer import Draft, reduce, settled, unfold
from chatkit.rest import is_ahead, rest
from tests import strategies
from tests.recorded import FORMATS, Case, cases, decode, model_for, own

EMPTY = m.Message(id="a", role="assistant", status="streaming")
META = {"openai": {"itemId": "msg_1"}}
CALL = c.ToolInputAvailable("c", "weather", {"city": "Oslo"})
TEXT: list[c.Chunk] = [
    c.TextStart("t"),
    c.TextDelta("t", "Hel"),
    c.TextDelta("t", "lo"),
    c.TextEnd("t", META),
]


def check(seen: list[c.Chunk], more: list[c.Chunk]) -> list[c.Chunk]:
    """What takes a reader of `seen` to the message of all: as a value, and in a Draft."""
    draft = Draft(EMPTY)
    for chunk in seen:
        draft.apply(chunk)
    before, after = draft.message(), reduce(EMPTY, [*seen, *more])
    same(reduce(before, rest(before, after)), after)
    missing = rest(before, after, draft.ids)
    for chunk in missing:
        draft.apply(chunk)
    same(draft.message(), after)
    return missing


def same(made: m.Message, wanted: m.Message) -> None:
    assert made.parts == wanted.parts
    assert made.metadata == wanted.metadata


def said(chunks: list[c.Chunk]) -> int:
    """How many characters of text and thought they bring."""
    return sum(
        len(each.delta) for each in chunks if isinstance(each, c.TextDelta | c.ReasoningDelta)
    )


def length(message: m.Message) -> int:
    texts = [p for p in message.parts if isinstance(p, m.TextPart | m.ReasoningPart)]
    return sum(len(part.text) for part in texts)


# -- what a reader has missed --


@given(strategies.orderly_streams(), st.integers(0), st.integers(0))
def test_a_reader_is_taken_from_anywhere_to_anywhere_later(
    stream: list[c.Chunk], cut: int, end: int
) -> None:
    end %= len(stream) + 1
    cut %= end + 1
    missing = check(stream[:cut], stream[cut:end])
    before, after = reduce(EMPTY, stream[:cut]), reduce(EMPTY, stream[:end])
    assert said(missing) == length(after) - length(before), "nothing is said twice"
    assert c.ResetStep() not in missing
    for seen in (before, settled(before, "interrupted")):
        assert is_ahead(seen, after)
        for there in (after, settled(after, "complete"), settled(after, "interrupted")):
            same(reduce(seen, rest(seen, there)), there)


@given(strategies.streams, st.integers(0, 30))
def test_however_odd_the_stream_its_reader_ends_with_the_same_message(
    stream: list[c.Chunk], cut: int
) -> None:
    stream = [own_approval(chunk) for chunk in stream]
    check(stream[:cut], stream[cut:])


def own_approval(chunk: c.Chunk) -> c.Chunk:
    """An approval is one call's."""
    if isinstance(chunk, c.ToolApprovalRequest):
        return replace(chunk, approval_id=chunk.tool_call_id)
    return chunk


@given(strategies.orderly_streams())
def test_nothing_is_missing_of_the_same_message(stream: list[c.Chunk]) -> None:
    for cut in range(len(stream) + 1):
        message = reduce(EMPTY, stream[:cut])
        assert rest(message, message) == []


@given(strategies.orderly_streams(), st.integers(0))
def test_an_answer_is_made_again_of_nothing_wherever_it_is(stream: list[c.Chunk], cut: int) -> None:
    message = reduce(EMPTY, stream[: cut % (len(stream) + 1)])
    assert reduce(EMPTY, unfold(message)).parts == message.parts


@given(strategies.messages, strategies.messages)
def test_any_two_messages_have_something_between_them(before: m.Message, after: m.Message) -> None:
    reduce(before, rest(before, after))
    assert rest(after, after) == []
    assert is_ahead(after, after)


@pytest.mark.parametrize("case", [*own(), *cases(*FORMATS)], ids=lambda case: str(case.name))
def test_a_reader_of_a_recording_is_taken_to_its_end_from_anywhere(case: Case) -> None:
    stream = decode(model_for(case).decoder(), case.wire)
    whole = settled(reduce(EMPTY, stream), "complete")
    draft = Draft(EMPTY)
    step = max(1, len(stream) // 40)
    for cut, chunk in enumerate(stream):
        if cut % step == 0:
            before = draft.message()
            for seen in (before, settled(before, "interrupted")):
                missing = rest(seen, whole)
                same(reduce(seen, missing), whole)
                assert said(missing) == length(whole) - length(seen)
                assert is_ahead(seen, whole)
        draft.apply(chunk)


# -- what it is --


def test_a_text_goes_on_under_the_id_its_readers_know() -> None:
    assert check(TEXT[:2], TEXT[2:]) == [c.TextDelta("t", "lo"), c.TextEnd("t", META)]
    assert check(TEXT[:3], TEXT[3:]) == [c.TextEnd("t", META)]
    assert check(TEXT, []) == []


def test_of_a_message_alone_a_text_goes_on_by_its_place() -> None:
    before, after = reduce(EMPTY, TEXT[:2]), reduce(EMPTY, TEXT)
    missing: list[c.Chunk] = [c.TextDelta("part 0", "lo"), c.TextEnd("part 0", META)]
    assert rest(before, after) == missing
    same(reduce(settled(before, "interrupted"), missing), after)
    same(reduce(EMPTY, [*unfold(before), *missing]), after)
    same(reduce(EMPTY, [*TEXT[:2], *missing]), after)


def test_a_text_that_was_named_by_its_place_too_has_one_end() -> None:
    a, b, d = (c.TextDelta(id, id[-1]) for id in ("t", "part 0", "part 0"))
    made = reduce(EMPTY, [c.TextStart("t"), a, b, c.TextEnd("t"), d])
    assert made.parts == (m.TextPart("t00", "streaming"),)


def test_a_reader_of_an_answer_that_is_taken_up_knows_its_open_parts_by_the_ids_of_its_replay() -> (
    None
):
    thought: list[c.Chunk] = [c.ReasoningStart("r"), c.ReasoningDelta("r", "Hm"), *TEXT[:2]]
    taken_up = Draft(reduce(EMPTY, thought))
    assert taken_up.ids == {0: "r", 1: "part 1"}
    assert [chunk.id for chunk in unfold(taken_up.message()) if isinstance(chunk, c.TextStart)] == [
        "part 1"
    ]


def test_an_id_that_says_a_place_where_no_text_is_opens_a_part() -> None:
    for id in ("part 0", "part 7", "part x", "part " + "9" * 5000):
        made = reduce(EMPTY, [c.StartStep(), c.TextDelta(id, "Hi")])
        assert made.parts == (m.StepPart(), m.TextPart("Hi", "streaming"))
    thought = reduce(EMPTY, [c.ReasoningDelta("r", "Hm"), c.TextDelta("part 0", "Hi")])
    assert thought.parts[1] == m.TextPart("Hi", "streaming")


def test_of_an_input_that_grows_the_end_is_missing() -> None:
    begun: list[c.Chunk] = [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", '{"ci')]
    more = c.ToolInputDelta("c", 'ty":')
    assert check(begun, [more]) == [more]
    assert check(begun, [more, CALL]) == [CALL]


def test_of_two_calls_with_one_id_the_later_is_meant() -> None:
    begun: list[c.Chunk] = [c.StartStep(), c.ToolInputStart("c", "weather")]
    more = c.ToolInputDelta("c", "{")
    assert check([*begun, *begun, more], [more]) == [more]
    output = c.ToolOutputAvailable("c", 7)
    assert check([begun[0], CALL, *begun], [CALL, output]) == [CALL, output]


def test_a_call_of_an_earlier_step_keeps_its_input_when_a_later_one_is_taken_back() -> None:
    begun: list[c.Chunk] = [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", "{")]
    assert check([*begun, c.StartStep()], [c.ResetStep()]) == []


def test_of_a_call_only_what_came_after_is_missing() -> None:
    ask, answer = c.ToolApprovalRequest("p", "c"), c.ToolApprovalResponse("p", True, "fine")
    began, output = replace(CALL, tool_metadata={"began": True}), c.ToolOutputAvailable("c", 7)
    life: list[c.Chunk] = [CALL, ask, answer, began, output]
    for cut in range(1, len(life)):
        assert check(life[:cut], life[cut : cut + 1]) == life[cut : cut + 1]
    assert check(life[:3], life[3:]) == [began, output]
    assert check(life[:2], life[2:4]) == [answer, began]


def test_a_call_that_was_cut_off_was_never_made() -> None:
    before = reduce(EMPTY, [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", '{"ci')])
    [missing] = rest(before, settled(before, "interrupted"))
    assert isinstance(missing, c.ToolInputError)
    assert missing.input == '{"ci'


def test_the_end_of_an_answer_is_told_with_what_is_new_of_the_whole() -> None:
    before = reduce(EMPTY, [c.Start(None, {"usage": {"in": 1}, "model": "x"})])
    told = {"usage": {"in": 1, "out": 2}, "model": "x"}
    whole = before.replace(status="complete", metadata={**told, "finishReason": "stop"})
    assert rest(before, whole) == [c.Finish("stop", {"usage": {"out": 2}})]
    known = before.replace(metadata={**before.metadata, "finishReason": "stop"})
    assert rest(known, whole) == [c.MessageMetadata({"usage": {"out": 2}})]
    stopped = before.replace(status="stopped", metadata=told)
    assert rest(before, stopped) == [c.MessageMetadata({"usage": {"out": 2}}), c.Abort("stopped")]
    failed = before.replace(status="error", metadata={"error": {"message": "overloaded"}})
    assert rest(before, failed)[-1] == c.Error("overloaded")
    assert rest(before, before.replace(status="interrupted")) == []


# -- where one does not lead to the other --


def test_a_last_step_that_is_not_as_it_was_is_taken_back_and_said_anew() -> None:
    first: list[c.Chunk] = [c.StartStep(), CALL, c.ToolOutputAvailable("c", 7), c.StartStep()]
    before = reduce(EMPTY, [*first, c.TextDelta("1", "Hello wor")])
    for stored in ("Hello, you", "Hello", ""):
        after = settled(reduce(EMPTY, [*first, c.TextDelta("1", stored)]), "interrupted")
        missing = rest(before, after)
        assert missing[0] == c.ResetStep()
        same(reduce(before, missing), after)
        assert said(missing) == len(stored)
    shorter = reduce(EMPTY, first)
    assert rest(before, shorter) == [c.ResetStep()]


def test_an_earlier_step_that_is_not_as_it_was_stays_and_what_comes_after_is_added() -> None:
    step: list[c.Chunk] = [c.StartStep(), c.TextDelta("1", "one"), c.TextEnd("1"), c.StartStep()]
    other = [step[0], c.TextDelta("1", "two"), *step[2:], c.TextDelta("2", "three")]
    before, after = reduce(EMPTY, step), reduce(EMPTY, other)
    assert reduce(before, rest(before, after)).text == "onethree"
    assert rest(after, EMPTY) == []


def test_what_has_not_caught_up_is_not_ahead() -> None:
    def ahead(seen: list[c.Chunk], came: list[c.Chunk]) -> bool:
        return is_ahead(settled(reduce(EMPTY, seen), "interrupted"), reduce(EMPTY, came))

    begun: list[c.Chunk] = [c.ToolInputStart("c", "weather"), c.ToolInputDelta("c", '{"ci')]
    assert not ahead(TEXT[:3], TEXT[:2])
    assert ahead(TEXT[:2], TEXT[:3])
    assert not ahead([*TEXT, CALL], TEXT)
    assert not ahead([CALL], begun)
    assert not ahead(begun, begun[:1])
    assert ahead(begun, begun)
    assert ahead(begun, [CALL])
    assert not ahead([CALL, c.ToolOutputAvailable("c", 7)], [CALL])
    assert not ahead([c.ReasoningDelta("1", "Hmm")], [c.ReasoningDelta("1", "Hm")])
    assert not ahead([c.Data("n", 1, "x")], [c.Data("n", 1, "y")])
    assert ahead([c.Data("n", 1, "x")], [c.Data("n", 2, "x")])
