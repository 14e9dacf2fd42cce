"""A stream that is read once more: what is given of it is what was not shown, to the character."""

from __future__ import annotations

import pytest

from chatkit import chunks as c
from chatkit.answers.continuing import reopened
from chatkit.answers.replay import Replay
from chatkit.messages import Message
from chatkit.reducer import reduce, settled, unfold
from tests.far_side import events_of
from tests.recorded import Case, cases, model_for

EMPTY = Message(id="m", role="assistant")
STEP = c.StartStep()
CASES = [*cases("responses", folder="*responses"), *cases("gemini-interactions")]
SHORT = [case for case in CASES if len(events_of(case.wire)) < 200]


def told_by(case: Case) -> list[list[c.Chunk]]:
    """What each event of a recording becomes."""
    decoder = model_for(case).decoder()
    chunks = [decoder.feed(event) for event in events_of(case.wire)]
    return [*chunks, decoder.close()]


def replayed(replay: Replay, told: list[list[c.Chunk]]) -> list[c.Chunk]:
    return [new for chunks in told for new in replay.take(chunks)]


def text_of(chunks: list[c.Chunk]) -> str:
    kinds = (c.TextDelta, c.ReasoningDelta)
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, kinds))


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_after_any_cut_a_reader_is_given_the_rest_and_nothing_twice(case: Case) -> None:
    told = told_by(case)
    whole = [chunk for chunks in told for chunk in chunks]
    for cut in range(len(told)):
        shown = [STEP, *(chunk for chunks in told[:cut] for chunk in chunks)]
        if any(isinstance(chunk, c.Finish | c.Error) for chunk in shown):
            break
        rest = replayed(Replay(reduce(EMPTY, shown), shown), told)
        assert c.ResetStep() not in rest
        assert text_of([*shown, *rest]) == text_of(whole)
        assert reduce(EMPTY, [*shown, *rest]) == reduce(EMPTY, [STEP, *whole])


@pytest.mark.parametrize("case", SHORT, ids=lambda case: case.name)
def test_after_any_cut_a_message_from_disk_becomes_the_whole(case: Case) -> None:
    told = told_by(case)
    whole = [chunk for chunks in told for chunk in chunks]
    for cut in range(len(told)):
        shown = [STEP, *(chunk for chunks in told[:cut] for chunk in chunks)]
        if any(isinstance(chunk, c.Finish | c.Error) for chunk in shown):
            break
        message = reopened(settled(reduce(EMPTY, shown), "interrupted"))
        rest = replayed(Replay(message, unfold(message)), told)
        assert c.ResetStep() not in rest
        assert text_of([*unfold(message), *rest]) == text_of(whole)
        assert reduce(message, rest).parts == reduce(EMPTY, [STEP, *whole]).parts
        assert reduce(EMPTY, [*unfold(message), *rest]).parts == reduce(message, rest).parts


def a_text(*words: str) -> list[c.Chunk]:
    return [c.TextStart("t"), *(c.TextDelta("t", word) for word in words)]


def test_a_step_that_comes_otherwise_is_taken_back_once_it_has_ended() -> None:
    shown = [STEP, *a_text("Three ", "nights")]
    replay = Replay(reduce(EMPTY, shown), shown)
    assert replay.take(a_text("Three ", "days")) == []
    rest = replay.take([c.TextEnd("t"), c.Finish("stop")])
    assert rest[0] == c.ResetStep()
    assert reduce(EMPTY, [*shown, *rest]).text == "Three days"
    assert rest[-1] == c.Finish("stop")


def test_the_steps_before_the_last_are_not_looked_at() -> None:
    shown = [STEP, *a_text("First."), c.TextEnd("t"), STEP, *a_text("Sec")]
    replay = Replay(reduce(EMPTY, shown), shown)
    rest = replay.take([*a_text("Second."), c.TextEnd("t"), c.Finish("stop")])
    assert reduce(EMPTY, [*shown, *rest]).text == "First.Second."
    assert text_of(rest) == "ond."


def test_of_another_answer_nothing_is_given_where_all_of_it_comes_again() -> None:
    shown = [STEP, *a_text("Three days"), c.TextEnd("t"), STEP, *a_text("Four")]
    replay = Replay(reduce(EMPTY, shown), shown, whole=True)
    other = [STEP, *a_text("Something else"), c.TextEnd("t"), c.Finish("stop")]
    assert replay.take(other) == []
    assert replay.is_other
    same = Replay(reduce(EMPTY, shown), shown, whole=True)
    more = [*a_text(" and five"), c.TextEnd("t"), c.Finish("stop")][1:]
    assert text_of(same.take([*shown, *more])) == " and five"
    assert not same.is_other
