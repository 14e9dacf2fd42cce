"""What a model is asked with: always a request that it can take."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import messages as m
from chatkit.model_messages import NO_RESULT, to_model_messages
from chatkit.reducer import settled
from tests import strategies

META = {"google": {"thoughtSignature": "s"}}
OTHER = {"google": {"thoughtSignature": "t"}}
STEP = m.StepPart()


def user(text: str = "Hi") -> m.Message:
    return m.Message(id="u", role="user", parts=(m.TextPart(text),))


def answer(*parts: m.Part) -> m.Message:
    return m.Message(id="a", role="assistant", parts=parts)


def sent(*parts: m.Part) -> list[m.JSON]:
    """What is sent of an answer with these parts."""
    return to_model_messages([answer(*parts)])


def text(value: str) -> m.JSON:
    return {"type": "text", "text": value}


def call(call_id: str = "c", given: Any = None) -> m.JSON:
    given = {} if given is None else given
    return {"type": "tool-call", "toolCallId": call_id, "toolName": "f", "input": given}


def result(output: m.JSON, call_id: str = "c") -> m.JSON:
    return {"type": "tool-result", "toolCallId": call_id, "toolName": "f", "output": output}


def done(call_id: str = "c", **fields: Any) -> m.ToolPart:
    fields = {"input": {}, "output": 1, **fields}
    return m.ToolPart("f", call_id, "output-available", **fields)


ONE = {"type": "json", "value": 1}


# -- always valid --


NOBODY: m.JSON = {"role": "", "content": []}


def must_be_valid(request: list[m.JSON]) -> None:
    for before, turn in itertools.pairwise([NOBODY, *request, NOBODY]):
        assert before["role"] != turn["role"] or not request
        answers = [part.get("toolCallId") for part in turn["content"] if turn["role"] == "tool"]
        assert answers == own_calls(before)
    for turn in request:
        assert turn["content"]
        for part in turn["content"]:
            must_be_allowed(turn["role"], part)
        if turn["role"] == "assistant":
            assert turn["content"][-1]["type"] != "reasoning"
            must_answer_the_providers_calls(turn["content"])
    msgspec.json.encode(request)


def own_calls(turn: m.JSON) -> list[str]:
    """The ids of the calls that the application must answer."""
    calls = [part for part in turn["content"] if part["type"] == "tool-call"]
    return [part["toolCallId"] for part in calls if not part.get("providerExecuted")]


def must_answer_the_providers_calls(content: list[m.JSON]) -> None:
    for part, after in zip(content, [*content[1:], {}], strict=True):
        if part["type"] == "tool-call" and part.get("providerExecuted"):
            assert after["type"] == "tool-result"
            assert after["toolCallId"] == part["toolCallId"]


KINDS = {
    "system": {"text"},
    "user": {"text", "file"},
    "assistant": {"text", "reasoning", "file", "tool-call", "tool-result"},
    "tool": {"tool-result"},
}


def must_be_allowed(role: str, part: m.JSON) -> None:
    assert part["type"] in KINDS[role]
    assert part["type"] != "text" or part["text"].strip()
    assert part["type"] != "tool-result" or part["output"]["type"]
    assert part["type"] != "tool-call" or "input" in part


@given(st.lists(strategies.messages, max_size=8))
def test_any_messages_make_a_valid_request(messages: list[m.Message]) -> None:
    must_be_valid(to_model_messages(messages))


@given(st.lists(strategies.messages, max_size=4), st.sampled_from(sorted(m.ENDED)))
def test_any_settled_messages_make_a_valid_request(
    messages: list[m.Message], status: m.Status
) -> None:
    must_be_valid(to_model_messages(settled(message, status) for message in messages))


@given(st.lists(strategies.messages, max_size=4))
def test_every_text_that_was_said_is_sent_in_its_order(messages: list[m.Message]) -> None:
    for message in messages:
        parts = [part for part in message.parts if not isinstance(part, m.SteeringPart)]
        said = [part.text for part in parts if isinstance(part, m.TextPart) and part.text.strip()]
        turns = to_model_messages([message.replace(parts=tuple(parts))])
        contents = [part for turn in turns for part in turn["content"] if part["type"] == "text"]
        assert [part["text"] for part in contents] == said


# -- texts and roles --


def test_a_conversation_is_sent_as_it_is() -> None:
    system = m.Message(id="s", role="system", parts=(m.TextPart("Be brief."),))
    conversation = [system, user("Hi"), answer(STEP, m.TextPart("Hello!")), user("Bye")]
    assert to_model_messages(conversation) == [
        {"role": "system", "content": [text("Be brief.")]},
        {"role": "user", "content": [text("Hi")]},
        {"role": "assistant", "content": [text("Hello!")]},
        {"role": "user", "content": [text("Bye")]},
    ]


@pytest.mark.parametrize(
    "empty",
    [
        (),
        (STEP,),
        (STEP, m.TextPart("", "streaming")),
        (m.TextPart(" \n\u3000"),),
        (m.ReasoningPart("Let me see"),),
        (m.ReasoningPart("", provider_metadata=META),),
        (m.SourceUrlPart("s", "u"), m.DataPart("x", 1)),
        (m.ToolPart("f", "c", "input-streaming", raw_input='{"ci'),),
        (
            m.ReasoningPart("Hm"),
            m.ToolPart("f", "c", "input-available", {}, provider_executed=True),
        ),
    ],
)
def test_an_answer_with_nothing_to_send_leaves_one_question(empty: tuple[m.Part, ...]) -> None:
    conversation = [user("One"), answer(*empty), user("Two")]
    assert to_model_messages(conversation) == [
        {"role": "user", "content": [text("One"), text("Two")]}
    ]


def test_a_stale_part_is_sent_as_far_as_it_came() -> None:
    assert sent(m.TextPart("Half an ans", "streaming")) == [
        {"role": "assistant", "content": [text("Half an ans")]}
    ]


def test_what_is_not_a_roles_to_say_is_not_sent_as_its() -> None:
    odd = (m.ReasoningPart("Hm"), done(), m.TextPart("Hi"), m.FilePart("image/png", "data:,"))
    file = {"type": "file", "mediaType": "image/png", "data": "data:,"}
    for role, contents in (("user", [text("Hi"), file]), ("system", [text("Hi")])):
        message = m.Message(id="a", role=role, parts=odd)  # type: ignore[arg-type]
        assert to_model_messages([message]) == [{"role": role, "content": contents}]


def test_files_go_with_their_names_and_the_providers_own_words() -> None:
    named = m.FilePart("image/png", "data:,", "a.png", provider_metadata=META)
    message = m.Message(id="u", role="user", parts=(named,))
    [turn] = to_model_messages([message])
    [file] = turn["content"]
    assert (file["filename"], file["providerOptions"]) == ("a.png", META)


def test_the_providers_own_words_go_back_with_text_and_thoughts() -> None:
    parts = (m.ReasoningPart("", provider_metadata=META), m.TextPart("Hi", provider_metadata=OTHER))
    assert sent(*parts)[0]["content"] == [
        {"type": "reasoning", "text": "", "providerOptions": META},
        {"type": "text", "text": "Hi", "providerOptions": OTHER},
    ]


def test_thoughts_that_led_to_nothing_are_not_sent() -> None:
    parts = (m.ReasoningPart("One"), m.TextPart("Hi"), m.ReasoningPart("Two"))
    contents = sent(*parts)[0]["content"]
    assert [part["text"] for part in contents] == ["One", "Hi"]


def test_half_an_emoji_makes_no_request_that_cannot_be_written() -> None:
    msgspec.json.encode(to_model_messages([user("\ud83d\ude00 \ud83d")]))


def test_what_the_user_said_on_the_way_is_sent_where_it_was_said() -> None:
    steering = m.SteeringPart("s", [{"type": "text", "text": "Shorter."}])
    assert sent(STEP, done(), steering, STEP, m.TextPart("1.")) == [
        {"role": "assistant", "content": [call()]},
        {"role": "tool", "content": [result(ONE)]},
        {"role": "user", "content": [text("Shorter.")]},
        {"role": "assistant", "content": [text("1.")]},
    ]


def test_the_messages_that_are_given_are_not_changed() -> None:
    parts = (m.TextPart("One", provider_metadata=META), m.TextPart("Two"))
    conversation = [answer(*parts), answer(*parts)]
    before = [message.to_json() for message in conversation]
    request = to_model_messages(conversation)
    request[0]["content"][0]["text"] = "changed"
    assert [message.to_json() for message in conversation] == before
    assert len(to_model_messages(conversation)[0]["content"]) == 4


# -- tools --


def test_each_step_is_its_calls_and_then_their_results() -> None:
    two = {"type": "text", "value": "two"}
    assert sent(
        STEP, m.TextPart("Let me see."), done("c"), done("d", output="two"), STEP, m.TextPart("1!")
    ) == [
        {"role": "assistant", "content": [text("Let me see."), call("c"), call("d")]},
        {"role": "tool", "content": [result(ONE, "c"), result(two, "d")]},
        {"role": "assistant", "content": [text("1!")]},
    ]


def test_a_text_after_a_call_in_one_step_stays_with_it() -> None:
    """Both were said in one answer; cut in two, the second would lack the thoughts before both."""
    assert sent(m.ReasoningPart("Hm"), done(), m.TextPart("Wait."), done("d")) == [
        {
            "role": "assistant",
            "content": [{"type": "reasoning", "text": "Hm"}, call(), text("Wait."), call("d")],
        },
        {"role": "tool", "content": [result(ONE), result(ONE, "d")]},
    ]


NEVER: list[m.ToolState] = ["input-available", "approval-requested", "approval-responded"]


@pytest.mark.parametrize("state", NEVER)
def test_a_call_that_was_left_without_a_result_gets_one_that_says_so(state: m.ToolState) -> None:
    assert sent(m.ToolPart("f", "c", state, {"city": "Oslo"})) == [
        {"role": "assistant", "content": [call(given={"city": "Oslo"})]},
        {"role": "tool", "content": [result({"type": "error-text", "value": NO_RESULT})]},
    ]


def test_a_call_that_was_cut_off_while_it_was_written_is_not_sent() -> None:
    cut = m.ToolPart("f", "c", "input-streaming", input={"ci": ""}, raw_input='{"ci')
    assert sent(m.TextPart("Let me see."), cut) == [
        {"role": "assistant", "content": [text("Let me see.")]}
    ]


@pytest.mark.parametrize("given", ['{"ci', None, [1], {"city": "Oslo"}])
def test_a_failed_call_is_sent_with_its_error_and_an_object_for_its_input(given: Any) -> None:
    part = m.ToolPart("f", "c", "output-error", input=given, error_text="no JSON")
    assert sent(part) == [
        {"role": "assistant", "content": [call(given=given if isinstance(given, dict) else {})]},
        {"role": "tool", "content": [result({"type": "error-text", "value": "no JSON"})]},
    ]


@pytest.mark.parametrize("state", ["output-denied", "approval-responded"])
@pytest.mark.parametrize("reason", [{}, {"reason": "too dear"}])
def test_a_call_that_the_user_denied_says_so(state: m.ToolState, reason: m.JSON) -> None:
    part = m.ToolPart("f", "c", state, {}, approval={"id": "p", "approved": False, **reason})
    assert sent(part)[1]["content"] == [result({"type": "execution-denied", **reason})]


def test_a_call_that_the_provider_ran_is_answered_in_the_same_message() -> None:
    ran = done(provider_executed=True)
    calls = [{**call(), "providerExecuted": True}, result(ONE)]
    assert sent(ran, m.TextPart("One.")) == [
        {"role": "assistant", "content": [*calls, text("One.")]}
    ]
    lost = m.ToolPart("f", "d", "output-available", provider_executed=True)
    assert sent(lost)[0]["content"][0]["input"] == {}


def test_a_call_that_the_provider_did_not_finish_is_not_sent() -> None:
    unfinished = m.ToolPart("f", "c", "input-available", {}, provider_executed=True)
    assert sent(unfinished, m.TextPart("Hm.")) == [{"role": "assistant", "content": [text("Hm.")]}]


def test_the_providers_own_words_go_back_with_calls_and_results() -> None:
    parts = sent(done(call_provider_metadata=META))
    assert parts[0]["content"][0]["providerOptions"] == META
    assert parts[1]["content"][0]["providerOptions"] == META
    parts = sent(done(call_provider_metadata=META, result_provider_metadata=OTHER))
    assert parts[1]["content"][0]["providerOptions"] == OTHER


def test_an_output_without_a_value_is_null() -> None:
    part = m.ToolPart("f", "c", "output-available", {})
    assert sent(part)[1]["content"] == [result({"type": "json", "value": None})]
