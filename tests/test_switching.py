"""A conversation changes provider in mid-course: the next request is valid for the new one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from chatkit import messages as m
from chatkit.errors import MessageError
from chatkit.providers import get_model
from chatkit.reducer import reduce, settled
from tests import ai_sdk, recorded, strategies
from tests.ai_sdk import AiSdk
from tests.histories import IMAGE, NAMES, PNG, SEAL, history, model, sealed
from tests.recorded import Case
from tests.rules import check

Json = dict[str, Any]


@dataclass(frozen=True)
class Weather:
    """A tool as a model is told of it."""

    name: str = "weather"
    description: str = "The weather in a city."
    parameters: Json = field(
        default_factory=lambda: {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        }
    )


def request(provider: str, messages: list[m.Message]) -> Json:
    """The body that the provider is sent; a backend of the AI SDK has tools of its own."""
    tools = [] if provider == "ui" else [Weather()]
    return model(provider).request(messages, {}, tools=tools).body


def user(*parts: m.Part) -> m.Message:
    return m.Message(id="u", role="user", parts=parts)


def seals(value: Any) -> set[str]:
    """What is sealed in it."""
    return set(re.findall(SEAL + r"\w{4}", json.dumps(value)))


# -- every ordered pair --


@pytest.mark.parametrize("to", NAMES)
@pytest.mark.parametrize("begun", NAMES)
def test_a_conversation_goes_on_with_any_other_provider(begun: str, to: str) -> None:
    check(to, request(to, history(begun)))


@pytest.mark.parametrize("to", [name for name in NAMES if name != "ui"])
@pytest.mark.parametrize("begun", NAMES)
def test_what_one_provider_sealed_is_shown_to_no_other(begun: str, to: str) -> None:
    runs_on_anthropic = (begun, to) == ("ui", "anthropic")
    if begun != to and not runs_on_anthropic:
        assert seals(request(to, history(begun))) == set()


@pytest.mark.skipif(bool(recorded.missing()), reason="; ".join(recorded.missing()))
@pytest.mark.parametrize("to", NAMES)
def test_a_conversation_goes_on_after_any_answer_that_was_recorded(to: str) -> None:
    for case in recorded.cases(*recorded.FORMATS):
        try:
            check(to, request(to, [HELLO, _recorded(case), HELLO]))
        except Exception as error:
            raise AssertionError(f"after {case.name}: {error}") from error


HELLO = user(m.TextPart("Hello."))


def _recorded(case: Case) -> m.Message:
    decoder = recorded.model_for(case).decoder()
    answer = m.Message(id="a", role="assistant")
    answer = settled(reduce(answer, recorded.decode(decoder, case.wire)), "complete")
    return answer.replace(parts=tuple(map(_with_whole_image, answer.parts)))


def _with_whole_image(part: m.Part) -> m.Part:
    """Recordings keep no more than the beginning and the end of a large file."""
    is_cut = isinstance(part, m.FilePart) and "..." in part.url
    return replace(part, url=IMAGE.url) if is_cut else part


@pytest.mark.node
@pytest.mark.skipif(bool(ai_sdk.missing()), reason="; ".join(ai_sdk.missing()))
@pytest.mark.parametrize("begun", NAMES)
def test_a_backend_of_the_ai_sdk_takes_it_too(begun: str, sdk: AiSdk) -> None:
    assert sdk.refusal(request("ui", history(begun))["messages"]) is None


# -- back to the provider that it came from --


THOUGHT = {"type": "summary_text", "text": "A dot?"}
SAID = {"type": "output_text", "text": "Let me see.", "annotations": []}
ITEMS: list[Json] = [
    {
        "type": "reasoning",
        "id": f"rs_{sealed(10)}",
        "summary": [THOUGHT],
        "encrypted_content": sealed(110),
    },
    {
        "type": "message",
        "id": f"msg_{sealed(210)}",
        "role": "assistant",
        "status": "completed",
        "phase": "final_answer",
        "content": [SAID],
    },
    {
        "type": "function_call",
        "id": f"fc_{sealed(310)}",
        "call_id": "functions.weather:0",
        "name": "look",
        "arguments": '{"city":"Faro"}',
        "status": "completed",
    },
]
BACK: dict[str, list[Json]] = {  # the first objects with something sealed in them
    "openrouter": [
        {"type": "reasoning.text", "text": "A dot?", "index": 0, "signature": sealed(10)},
        {"type": "reasoning.encrypted", "data": sealed(110), "index": 1},
    ],
    "openai": ITEMS,
    "xai": ITEMS,
    "anthropic": [
        {"type": "thinking", "thinking": "A dot?", "signature": sealed(10)},
        {"type": "redacted_thinking", "data": sealed(110)},
    ],
    "gemini": [
        {"text": "A dot?", "thought": True, "thoughtSignature": sealed(110)},
        {"text": "", "thoughtSignature": sealed(210)},
        {
            "functionCall": {
                "id": "functions.weather:0",
                "name": "look",
                "args": {"city": "Faro"},
            },
            "thoughtSignature": sealed(10),
        },
    ],
    "gemini-interactions": [
        {
            "type": "thought",
            "summary": [{"type": "text", "text": "A dot?"}],
            "signature": sealed(10),
        },
    ],
}


def holders(value: Any) -> list[Json]:
    """The objects that hold something sealed themselves, in their order."""
    if isinstance(value, list):
        return [holder for each in value for holder in holders(each)]
    if not isinstance(value, dict):
        return []
    if any(isinstance(each, str) and SEAL in each for each in value.values()):
        return [value]
    return holders(list(value.values()))


@pytest.mark.parametrize("provider", BACK)
def test_what_a_provider_sealed_goes_back_to_it_on_the_part_it_came_with(provider: str) -> None:
    found = holders(request(provider, history(provider)))
    assert found[: len(BACK[provider])] == BACK[provider]


@pytest.mark.parametrize("provider", [*BACK, "ui"])
def test_nothing_that_a_provider_sealed_is_lost_but_thoughts_that_led_to_nothing(
    provider: str,
) -> None:
    chat = history(provider)
    lost = seals([message.to_json() for message in chat]) - seals(request(provider, chat))
    assert lost <= {sealed(80), sealed(180)}


def test_what_a_backend_tells_of_anthropics_thoughts_goes_to_anthropic() -> None:
    found = holders(request("anthropic", history("ui")))
    assert found[0] == {"type": "thinking", "thinking": "A dot?", "signature": sealed(10)}


@pytest.mark.parametrize("begun", NAMES)
def test_deepseek_is_told_the_thoughts_of_each_turn_with_calls(begun: str) -> None:
    sent = request("deepseek", history(begun))["messages"]
    told = [message.get("reasoning_content") for message in sent if message["role"] == "assistant"]
    assert told[:4] == ["A dot?", "Two more.", "Done.", "All three."]
    assert told[4] == " "  # nobody told, and it must be there
    assert set(told[5:]) == {None}


@pytest.mark.parametrize("name", ["openai/gpt-4.1", "xai/grok-3"])
def test_a_model_that_does_not_reason_is_sent_no_reasoning(name: str) -> None:
    provider = name.partition("/")[0]
    sent = get_model(name, api_key="k").request(history(provider), {}).body
    assert seals(sent) == set()
    check(provider, sent)


# -- images that a model made --

DRAWN = m.FilePart("image/png", "data:image/png;base64,ZHJhd24=")
ANSWERS: dict[str, tuple[m.Part, ...]] = {
    "an image alone": (DRAWN,),
    "an image after thoughts": (m.ReasoningPart("Hm."), DRAWN),
    "an image and a text": (m.TextPart("There."), DRAWN),
    "an image, then a call": (
        DRAWN,
        m.ToolPart("look", "c", "output-available", input={}, output=1),
        m.StepPart(),
        m.TextPart("There."),
    ),
    "an image after a call": (
        m.ToolPart("look", "c", "output-available", input={}, output=1),
        m.StepPart(),
        DRAWN,
    ),
}


@pytest.mark.parametrize("to", NAMES)
@pytest.mark.parametrize("name", ANSWERS)
def test_an_image_that_a_model_made_goes_along_once(name: str, to: str) -> None:
    answer = m.Message(id="a", role="assistant", parts=ANSWERS[name])
    thanks = m.Message(id="b", role="assistant", parts=(m.TextPart("Here."),))
    body = request(to, [HELLO, answer, user(m.TextPart("Now in red.")), thanks, HELLO])
    check(to, body)
    written = json.dumps(body)
    assert written.count("ZHJhd24=") == 1
    assert written.index("ZHJhd24=") < written.index("Now in red.")


@pytest.mark.parametrize("to", ["openai-chat", "xai", "anthropic"])
def test_an_image_that_only_a_user_can_show_waits_for_the_users_next_turn(to: str) -> None:
    called = m.ToolPart("look", "c", "output-available", input={}, output=1)
    answer = m.Message(id="a", role="assistant", parts=(DRAWN, called))
    body = request(to, [HELLO, answer])
    check(to, body)
    assert "ZHJhd24=" not in json.dumps(body)
    steered = m.SteeringPart("s", [{"type": "text", "text": "In red."}])
    body = request(to, [HELLO, answer.replace(parts=(DRAWN, called, steered))])
    check(to, body)
    assert "ZHJhd24=" in json.dumps(body)


# -- what cannot be sent --

CHAT = ("openai-chat", "deepseek", "mistral", "openrouter")
RESPONSES = ("openai", "xai")
GOOGLE = ("gemini", "gemini-interactions")
FILES: dict[str, tuple[m.FilePart, tuple[str, ...]]] = {  # and by whom they are refused
    "a PDF at an address": (
        m.FilePart("application/pdf", "https://example.org/a.pdf"),
        CHAT,
    ),
    "a text at an address": (
        m.FilePart("text/csv", "https://example.org/a.csv"),
        (*CHAT, "anthropic"),
    ),
    "a sound": (
        m.FilePart("audio/wav", f"data:audio/wav;base64,{PNG}"),
        (*RESPONSES, "anthropic"),
    ),
    "a film": (
        m.FilePart("video/mp4", f"data:video/mp4;base64,{PNG}"),
        (*RESPONSES, "anthropic"),
    ),
    "a TIFF": (
        m.FilePart("image/tiff", f"data:image/tiff;base64,{PNG}"),
        ("anthropic",),
    ),
    "a sheet": (
        m.FilePart("application/vnd.ms-excel", f"data:application/vnd.ms-excel;base64,{PNG}"),
        ("anthropic",),
    ),
    "an image on this machine": (
        m.FilePart("image/png", "file:///dot.png"),
        GOOGLE,
    ),
}


@pytest.mark.parametrize("provider", NAMES)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_new_provider_cannot_take_is_named_before_anything_is_sent(
    name: str, provider: str
) -> None:
    file, refused_by = FILES[name]
    chat = [user(m.TextPart("Look."), file), *history("openai")[2:]]
    if provider not in refused_by:
        check(provider, request(provider, chat))
    else:
        with pytest.raises(MessageError, match=file.media_type):
            request(provider, chat)


# -- any conversation --


@pytest.mark.parametrize("provider", NAMES)
@given(st.lists(strategies.messages, max_size=5))
@settings(max_examples=50)
def test_of_any_messages_there_is_a_request_that_is_taken_or_an_error_that_says_why(
    provider: str, messages: list[m.Message]
) -> None:
    try:
        body = request(provider, messages)
    except MessageError:
        return
    check(provider, body)
