"""Messages, their JSON, and what people may pass for one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from msgspec import UNSET

from chatkit import messages as m
from chatkit.errors import MessageError
from tests import strategies

META = {"openai": {"itemId": "msg_1"}}

# Each of the AI SDK's part types with all of its fields, as its `validateUIMessages` has them.
PARTS: list[tuple[m.Part, m.JSON]] = [
    (m.TextPart("Hi"), {"type": "text", "text": "Hi"}),
    (
        m.TextPart("Hi", "done", [{"type": "url"}], META),
        {
            "type": "text",
            "text": "Hi",
            "state": "done",
            "citations": [{"type": "url"}],
            "providerMetadata": META,
        },
    ),
    (
        m.ReasoningPart("Hm", "r1", "streaming", META),
        {
            "type": "reasoning",
            "text": "Hm",
            "id": "r1",
            "state": "streaming",
            "providerMetadata": META,
        },
    ),
    (
        m.FilePart("image/png", "data:,", "a.png", {"openai": "file-1"}, META),
        {
            "type": "file",
            "mediaType": "image/png",
            "url": "data:,",
            "filename": "a.png",
            "providerReference": {"openai": "file-1"},
            "providerMetadata": META,
        },
    ),
    (
        m.ReasoningFilePart("image/png", "data:,", META),
        {
            "type": "reasoning-file",
            "mediaType": "image/png",
            "url": "data:,",
            "providerMetadata": META,
        },
    ),
    (
        m.SourceUrlPart("s", "u", "t", META),
        {"type": "source-url", "sourceId": "s", "url": "u", "title": "t", "providerMetadata": META},
    ),
    (
        m.SourceDocumentPart("s", "application/pdf", "t", "f", META),
        {
            "type": "source-document",
            "sourceId": "s",
            "mediaType": "application/pdf",
            "title": "t",
            "filename": "f",
            "providerMetadata": META,
        },
    ),
    (
        m.CustomPart("openai.compaction", META),
        {"type": "custom", "kind": "openai.compaction", "providerMetadata": META},
    ),
    (
        m.SteeringPart("s", [{"type": "text", "text": "Shorter."}]),
        {
            "type": "steering-message",
            "id": "s",
            "parts": [{"type": "text", "text": "Shorter."}],
        },
    ),
    (m.StepPart(), {"type": "step-start"}),
    (
        m.ToolPart("weather", "c", "input-streaming", raw_input='{"ci', input_encoding="json"),
        {
            "type": "tool-weather",
            "toolCallId": "c",
            "state": "input-streaming",
            "rawInput": '{"ci',
            "inputEncoding": "json",
        },
    ),
    (
        m.ToolPart(
            "weather",
            "c",
            "output-available",
            input={"city": None},
            output=None,
            provider_executed=False,
            preliminary=True,
            title="Weather",
            approval={"id": "p", "approved": True},
            tool_metadata={"server": "s"},
            call_provider_metadata=META,
            result_provider_metadata=META,
        ),
        {
            "type": "tool-weather",
            "toolCallId": "c",
            "state": "output-available",
            "input": {"city": None},
            "output": None,
            "providerExecuted": False,
            "preliminary": True,
            "title": "Weather",
            "approval": {"id": "p", "approved": True},
            "toolMetadata": {"server": "s"},
            "callProviderMetadata": META,
            "resultProviderMetadata": META,
        },
    ),
    (
        m.ToolPart("weather", "c", "output-error", input=[], error_text="down", dynamic=True),
        {
            "type": "dynamic-tool",
            "toolName": "weather",
            "toolCallId": "c",
            "state": "output-error",
            "input": [],
            "errorText": "down",
        },
    ),
    (m.DataPart("weather", {"t": 1}, "w"), {"type": "data-weather", "data": {"t": 1}, "id": "w"}),
    (m.DataPart("weather", None), {"type": "data-weather", "data": None}),
    (m.UnknownPart({"type": "hologram", "depth": 3}), {"type": "hologram", "depth": 3}),
]


def user(*parts: m.Part, **fields: Any) -> m.Message:
    return m.Message(id="a", role="user", parts=parts, **fields)


# -- JSON --


@pytest.mark.parametrize(("part", "value"), PARTS, ids=[value["type"] for _, value in PARTS])
def test_the_json_of_each_part_is_the_ai_sdks_in_and_out(part: m.Part, value: m.JSON) -> None:
    assert m.part_to_json(part) == value
    assert m.part_from_json(value) == part


def test_every_part_class_is_in_the_examples_above() -> None:
    assert {type(part) for part, _ in PARTS} == {
        *m._Tagged.__args__,
        m.ToolPart,
        m.DataPart,
        m.UnknownPart,
    }


@given(strategies.messages)
def test_every_message_survives_its_json(message: m.Message) -> None:
    assert m.Message.from_json(message.to_json()) == message
    encoded = msgspec.json.encode(message.to_json())
    assert m.Message.from_json(msgspec.json.decode(encoded)) == message


@given(strategies.messages)
def test_a_message_is_left_as_it_was_by_writing_and_reading_it(message: m.Message) -> None:
    value = message.to_json()
    before = msgspec.json.encode(value)
    read = m.Message.from_json(value)
    read.metadata["mine"] = 1
    assert msgspec.json.encode(value) == before
    assert "mine" not in message.metadata


def test_a_message_is_a_ui_message_with_what_the_ai_sdk_has_no_field_for_in_its_metadata() -> None:
    noon = datetime(2026, 11, 22, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    message = m.Message(
        id="a",
        role="assistant",
        parts=(m.TextPart("Hi"),),
        status="stopped",
        created_at=noon,
        metadata={"model": "openai/x"},
    )
    assert message.to_json() == {
        "id": "a",
        "role": "assistant",
        "metadata": {
            "model": "openai/x",
            "status": "stopped",
            "createdAt": "2026-11-22T12:00:00+00:00",
        },
        "parts": [{"type": "text", "text": "Hi"}],
    }
    read = m.Message.from_json(message.to_json())
    assert (read.created_at, read.metadata) == (noon, {"model": "openai/x"})


@pytest.mark.parametrize("status", get_args(m.Status))
def test_every_status_survives(status: m.Status) -> None:
    assert m.Message.from_json(user(status=status).to_json()).status == status


def test_a_message_of_the_ai_sdk_without_metadata_is_complete() -> None:
    read = m.Message.from_json({"id": "a", "role": "user", "parts": []})
    assert (read.status, read.created_at, read.metadata) == ("complete", None, {})
    assert m.Message.from_json({"role": "user", "parts": [], "metadata": None}).id == ""


@pytest.mark.parametrize("created", [1_764_000_000_000, "yesterday", None, {"at": 1}])
def test_a_time_of_somebody_elses_stays_in_the_metadata(created: object) -> None:
    value = {"id": "a", "role": "user", "parts": [], "metadata": {"createdAt": created, "n": 1}}
    read = m.Message.from_json(value)
    assert (read.created_at, read.metadata) == (None, {"createdAt": created, "n": 1})
    assert read.to_json()["metadata"]["createdAt"] == created


@pytest.fixture
def _in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", "UTC-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_in_tokyo")
@pytest.mark.parametrize("text", ["2026-11-22T12:00:00Z", "2026-11-22T12:00:00.000"])
def test_a_time_without_a_zone_is_utc_whatever_machine_reads_it(text: str) -> None:
    value = {"id": "a", "role": "user", "parts": [], "metadata": {"createdAt": text}}
    assert m.Message.from_json(value).created_at == datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_time_out_of_reach_is_no_time() -> None:
    value = {"role": "user", "parts": [], "metadata": {"createdAt": "0001-01-01T00:00:00+23:00"}}
    m.Message.from_json(value).to_json()


@pytest.mark.parametrize("status", ["draft", 7, ["complete"], None])
def test_a_status_of_somebody_elses_reads_as_complete(status: object) -> None:
    value = {"id": "a", "role": "user", "parts": [], "metadata": {"status": status}}
    assert m.Message.from_json(value).status == "complete"


def test_fields_of_a_part_that_are_not_known_do_not_hinder_the_reading() -> None:
    value = {"type": "text", "text": "Hi", "sparkle": True}
    assert m.part_from_json(value) == m.TextPart("Hi")


def test_half_an_emoji_does_not_hinder_the_writing() -> None:
    message = user(m.TextPart("\ud83d"), m.DataPart("x", "\ude00"), metadata={"n": "\ud83d"})
    assert m.Message.from_json(message.to_json()) == message


def test_mended_puts_halves_together_and_replaces_the_ones_left() -> None:
    assert m.mended("a\ud83d\ude00b\ud83dc\ude00") == "a😀b\ufffdc\ufffd"
    whole = "Olá 😀"
    assert m.mended(whole) is whole


# -- what is read of a message --


def test_text_is_the_text_parts_joined_and_reasoning_the_thoughts() -> None:
    message = user(
        m.ReasoningPart("One."),
        m.TextPart("Hel"),
        m.StepPart(),
        m.ReasoningPart("Two."),
        m.TextPart("lo"),
        m.DataPart("x", "no"),
    )
    assert (message.text, message.reasoning) == ("Hello", "One.\n\nTwo.")


@pytest.mark.parametrize(
    ("parts", "empty"),
    [
        ((), True),
        ((m.StepPart(), m.TextPart(" \n"), m.ReasoningPart("")), True),
        ((m.TextPart("."),), False),
        ((m.ReasoningPart("Hm"),), False),
        ((m.FilePart("image/png", "data:,"),), False),
        ((m.ToolPart("f", "c", "input-streaming"),), False),
    ],
)
def test_a_message_is_empty_where_nothing_in_it_is_worth_keeping(
    parts: tuple[m.Part, ...], empty: bool
) -> None:
    assert user(*parts).is_empty is empty


def test_replace_makes_another_message() -> None:
    message = user(m.TextPart("Hi"))
    assert message.replace(status="error") == user(m.TextPart("Hi"), status="error")
    assert message.status == "complete"


def test_two_messages_do_not_share_their_metadata() -> None:
    user().metadata["n"] = 1
    assert user().metadata == {}


def test_usage_is_added_field_by_field_and_unknown_is_not_zero() -> None:
    known, partial = m.Usage(10, 5, 2, 1), m.Usage(input_tokens=3, output_tokens=4)
    assert known + partial == m.Usage(13, 9, 2, 1)
    assert m.Usage() + m.Usage() == m.Usage()
    assert m.Usage() + known == known


def test_usage_of_a_message_is_what_its_provider_said() -> None:
    said = {"inputTokens": 3, "outputTokens": 4, "outputTokenDetails": {}}
    assert user(metadata={"usage": said}).usage == m.Usage(3, 4)
    assert user().usage is None


@pytest.mark.parametrize("usage", ["12 tokens", {"inputTokens": "12"}, [1], None])
def test_usage_that_is_none_reads_as_unknown(usage: object) -> None:
    assert user(metadata={"usage": usage}).usage is None


# -- what people pass --


def test_text_messages_and_dicts_are_all_messages() -> None:
    hi = m.TextPart("Hi")
    ready = user(hi)
    assert [each.text for each in m.as_messages("Hi")] == ["Hi"]
    found = m.as_messages(
        [
            ready,
            {"role": "system", "content": "Hi"},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"id": "b", "role": "assistant", "parts": ({"type": "text", "text": "Hi"},)},
        ]
    )
    assert found[0] is ready
    assert [each.role for each in found] == ["user", "system", "user", "assistant"]
    assert all(each.parts == (hi,) for each in found)


TEXT = {"type": "text", "text": "Hi"}
BAD: list[tuple[Any, str]] = [
    (7, r"message 1 is a int, not a Message or a dict"),
    ("Hi", r"message 1 is a str"),
    ({"content": "Hi"}, r"message 1: role is None; .*'system', 'user', 'assistant'"),
    ({"role": "tool", "content": "Hi"}, r"message 1: role is 'tool'"),
    ({"role": ["user"], "content": "Hi"}, r"message 1: role is \['user'\]"),
    ({"role": "user"}, r"message 1: content is text or a list of parts, not None"),
    ({"role": "user", "content": 5}, r"message 1: content is text or a list of parts, not 5"),
    ({"role": "user", "parts": "Hi"}, r"message 1: parts is a list, not 'Hi'"),
    ({"role": "user", "parts": None}, r"message 1: parts is a list, not None"),
    ({"role": "user", "parts": [TEXT, 3]}, r"message 1: part 1: .* object with a type, not 3"),
    ({"role": "user", "parts": [{"text": "Hi"}]}, r"message 1: part 0: .* object with a type"),
    (
        {"role": "user", "parts": [TEXT, {"type": "text"}]},
        r"message 1: part 1: a 'text' part is not valid: .*missing required field `text`",
    ),
    (
        {"role": "assistant", "parts": [{"type": "tool-f", "toolCallId": "c", "state": "lost"}]},
        r"message 1: part 0: a 'tool-f' part is not valid: .*'lost'",
    ),
    (
        {"role": "user", "content": [TEXT, {"type": "image_url", "image_url": {"url": "u"}}]},
        r"message 1: part 1 is of type 'image_url'; .*\"mediaType\"",
    ),
    ({"role": "user", "parts": [], "metadata": "x"}, r"message 1: metadata is an object, not 'x'"),
]


@pytest.mark.parametrize(("value", "words"), BAD, ids=[words[:40] for _, words in BAD])
def test_what_is_no_message_is_refused_with_its_place_and_reason(value: Any, words: str) -> None:
    with pytest.raises(MessageError, match=words):
        m.as_messages([{"role": "user", "content": "fine"}, value])


def test_a_long_wrong_value_is_not_repeated_whole() -> None:
    with pytest.raises(MessageError) as caught:
        m.part_from_json("x" * 10_000)
    assert len(str(caught.value)) < 200


def test_a_part_without_its_optional_fields_has_them_unset() -> None:
    part = m.part_from_json({"type": "tool-f", "toolCallId": "c", "state": "input-streaming"})
    assert isinstance(part, m.ToolPart)
    assert (part.input, part.output, part.raw_input) == (UNSET, UNSET, UNSET)
