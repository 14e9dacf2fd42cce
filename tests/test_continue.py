"""Answers that broke off in the middle of a text, continued by another request."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import chunks as c
from chatkit import get_model, stream_text
from chatkit.answers.continuing import (
    LONGEST,
    PLEASE,
    SHORTEST,
    Continuation,
    can_continue,
    prompt,
    reopened,
    repeated,
)
from chatkit.errors import StreamCut
from chatkit.messages import Message, SourceUrlPart, StepPart, TextPart, ToolPart, as_messages
from chatkit.model_messages import to_model_messages
from chatkit.providers import Model
from chatkit.reducer import reduce, settled, unfold
from chatkit.tools import as_tools
from tests.resuming import taken_up
from tests.servers import Provider

MODEL = get_model("openai-chat/test", api_key="k")
LIST = "Three things:\n\n- the castle\n- the riv"


def broken(text: str, *more: Any, **changes: Any) -> Message:
    """An answer that broke off after a text."""
    parts = (StepPart(), TextPart(text, "done"), *more)
    message = Message(id="m", role="assistant", status="interrupted", parts=parts)
    return message.replace(metadata={"model": MODEL.id}, **changes)


def pieces(chunks: list[c.Chunk]) -> str:
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, c.TextDelta))


# -- what is said twice --


@pytest.mark.parametrize(
    ("before", "more", "fresh"),
    [
        ("the riv", "er and", "er and"),
        ("- the castle\n- the riv", "- the river", "er"),
        ("I saw the castle and the riv", "the castle and the river", "er"),
        ("I saw the castle and the riv", "\n\nthe castle and the river", "er"),
        ("I saw the castle and the riv", "I saw the castle and the riv", ""),
        ("It is a cat", "a cat that", "a cat that"),
        ("She said: no no no no no", "no no no no no yes", " yes"),
        ("", "anything at all", "anything at all"),
        ("one two three", "", ""),
    ],
)
def test_what_more_begins_with_of_the_end_is_known(before: str, more: str, fresh: str) -> None:
    assert more[repeated(before, more) :] == fresh


@given(st.text(max_size=60), st.text("xyz", min_size=1, max_size=20))
def test_what_is_no_repetition_is_kept(before: str, more: str) -> None:
    unlike = before.translate(str.maketrans("xyz", "abc"))
    assert repeated(unlike, more) == 0


@given(st.data(), st.integers(0, 40))
def test_a_repetition_is_dropped_however_it_comes(data: st.DataObject, size: int) -> None:
    text = "".join(f"{number} and " for number in range(30))
    half = text[:100]
    whole = text[100 - size :]
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=6)))
    words = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    continuation = Continuation(broken(half))
    chunks: list[c.Chunk] = [
        c.TextStart("0"),
        *(c.TextDelta("0", word) for word in words),
        c.TextEnd("0"),
    ]
    found = [new for chunk in chunks for new in continuation.take([chunk])]
    dropped = size if size >= SHORTEST else 0
    assert pieces(found) == whole[dropped:]


def test_what_is_held_back_is_given_at_the_end_and_before_it_is_long() -> None:
    continuation = Continuation(broken("I saw the castle"))
    assert continuation.take([c.TextStart("0"), c.TextDelta("0", "the")]) == []
    assert pieces(continuation.take([c.TextEnd("0")])) == "the"
    again = Continuation(broken("x" * 2 * LONGEST))
    held = again.take([c.TextStart("0"), c.TextDelta("0", "x" * (LONGEST + 1))])
    assert pieces(held) != ""


def test_it_goes_on_in_the_same_part_and_thoughts_and_calls_are_beside_it() -> None:
    message = reopened(broken(LIST, SourceUrlPart("s", "https://a.b")))
    told: list[c.Chunk] = [c.ReasoningStart("0"), c.ReasoningDelta("0", "Hm."), c.ReasoningEnd("0")]
    more: list[c.Chunk] = [
        c.TextStart("1"),
        c.TextDelta("1", "er"),
        c.TextEnd("1", {"openai": {"item": {}}}),
    ]
    later: list[c.Chunk] = [c.TextStart("2"), c.TextDelta("2", "And more."), c.TextEnd("2")]
    found = Continuation(message).take([*told, *more, *later])
    made = reduce(message, found)
    assert [part.text for part in made.parts if isinstance(part, TextPart)] == [
        f"{LIST}er",
        "And more.",
    ]
    assert made.parts[1] == TextPart(f"{LIST}er", "done"), "its new end is not all of it"
    assert reduce(Message(id="m", role="assistant"), [*unfold(message), *found]).parts == made.parts


# -- where it can be done --


def test_a_text_that_broke_off_can_be_continued() -> None:
    assert can_continue(broken(LIST), MODEL)
    assert can_continue(broken(LIST, SourceUrlPart("s", "https://a.b")), MODEL)


def test_nothing_else_can() -> None:
    call = ToolPart("weather", "c1", "output-available", {}, output=1)
    backend = get_model("ui+https://host.example/api/chat")
    assert not can_continue(broken(" \n"), MODEL)
    assert not can_continue(broken(LIST, StepPart()), MODEL)
    assert not can_continue(broken(LIST, call), MODEL)
    assert not can_continue(Message(id="m", role="assistant", status="interrupted"), MODEL)
    assert not can_continue(broken(LIST), MODEL, has_schema=True)
    assert not can_continue(broken(LIST), backend)


def test_reopening_changes_the_last_text_alone() -> None:
    message = broken(LIST)
    assert reopened(message).parts == (StepPart(), TextPart(LIST, "streaming"))
    assert settled(reopened(message), "interrupted") == message
    call = broken(LIST, ToolPart("weather", "c1", "output-available", {}, output=1))
    assert reopened(call) == call


def test_what_is_asked_ends_with_a_turn_that_nobody_said() -> None:
    asked = prompt(as_messages("Tell me."), broken(LIST))
    sent = to_model_messages(asked)
    assert [each["role"] for each in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"][0]["text"] == LIST
    assert sent[2]["content"][0]["text"] == PLEASE


# -- over the wire --


def test_an_answer_that_broke_off_goes_on_where_it_ended(provider: Provider, model: Model) -> None:
    provider.answer(tokens=["Three things:\n\n", "- the castle\n", "- the riv"], cut=True)
    half = stream_text(model, "Lisbon?").wait(10)
    assert (half.status, half.text) == ("interrupted", LIST)
    provider.answer(tokens=["- the castle\n- ", "the riv", "er\n", "- the sea"])
    reply = taken_up(half.message, model, "Lisbon?").wait(10)
    assert (reply.status, reply.text) == ("complete", f"{LIST}er\n- the sea")
    assert [type(part) for part in reply.message.parts] == [StepPart, TextPart]
    assert "".join(reply.deltas()) == reply.text
    sent = provider.requests[1].body["messages"]
    assert [each["content"] for each in sent] == ["Lisbon?", LIST, PLEASE]
    assert reply.id == half.id
    assert reply.message.metadata["continued"] == [{"at": len(LIST), "by": "continuation"}]


def test_it_may_break_off_again_and_the_tokens_add_up(provider: Provider, model: Model) -> None:
    provider.answer(tokens=["One, ", "two, "], cut=True)
    reply = stream_text(model, "Count.").wait(10)
    usage = {"prompt_tokens": 100, "completion_tokens": 20}
    for tokens in (["three, ", "four, "], ["five."]):
        provider.answer(tokens=tokens, cut=tokens != ["five."], usage=usage)
        reply = taken_up(reply.message, model, "Count.").wait(10)
    assert (reply.status, reply.text) == ("complete", "One, two, three, four, five.")
    assert [mark["at"] for mark in reply.message.metadata["continued"]] == [10, 23]
    assert reply.usage is not None
    assert (reply.usage.input_tokens or 0) > 100
    assert (reply.usage.output_tokens or 0) > 20
    assert reply.message.metadata["usageEstimated"], "of what broke off nobody told the tokens"


def test_one_that_was_stopped_or_failed_goes_on_too(provider: Provider, model: Model) -> None:
    answer = provider.answer("one two three", gated=True)
    reply = stream_text(model, "Count.").consume()
    answer.release(2)
    provider.until(lambda: provider.bytes_taken > 0)
    while reply.text != "one two ":
        next(iter(reply.deltas()))
    stopped = reply.stop().wait(10)
    provider.answer("three")
    assert taken_up(stopped.message, model).wait(10).text == "one two three"
    provider.answer("one two ", error={"message": "overloaded"})
    failed = stream_text(model, "Count.").wait(10)
    assert failed.status == "error"
    provider.answer("three")
    assert taken_up(failed.message, model).wait(10).text == "one two three"


def test_a_call_in_the_rest_of_it_is_run(provider: Provider, model: Model) -> None:
    def days(city: str) -> int:
        return 3

    function = {"name": "days", "arguments": '{"city": "Lisbon"}'}
    call = {"tool_calls": [{"index": 0, "id": "c1", "function": function}]}
    provider.answer(tokens=["ook.", call], finish_reason="tool_calls")
    provider.answer("It takes 3.")
    reply = taken_up(broken("Let me l"), model, tools=as_tools([days])).wait(10)
    assert (reply.status, reply.text) == ("complete", "Let me look.It takes 3.")
    roles = [each["role"] for each in provider.requests[1].body["messages"]]
    assert roles == ["user", "assistant", "tool"], "what was said to go on is not said again"


def test_what_can_be_neither_taken_up_nor_continued_stays_as_it_is(
    provider: Provider, model: Model
) -> None:
    call = ToolPart("weather", "c1", "output-available", {}, output=1, provider_executed=True)
    reply = taken_up(broken(LIST, call), model).wait(10)
    assert (reply.status, reply.text) == ("interrupted", LIST)
    assert isinstance(reply.error, StreamCut)
    assert "regenerate() asks again" in str(reply.error)
    assert provider.requests == []


def test_an_answer_of_which_nothing_had_come_is_asked_for(provider: Provider, model: Model) -> None:
    empty = Message(id="m", role="assistant", status="interrupted", parts=(StepPart(),))
    reply = taken_up(empty, model, "Hello").wait(10)
    assert (reply.status, reply.text) == ("complete", "Answer to: Hello")
