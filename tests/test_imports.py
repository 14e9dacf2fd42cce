"""Conversations that others kept, as chatkit's own: whole, in order, and fit to go on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message as AnthropicMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionMessage
from openai.types.responses import ResponseFunctionToolCall

from chatkit import BadChatId, Chat, Message, MessageError, conversation
from chatkit import messages as m
from chatkit.export import export
from chatkit.imports import imported
from chatkit.model_messages import to_model_messages
from chatkit.providers import Model
from tests import histories, strategies
from tests.conftest import Cells
from tests.histories import IMAGE, PNG
from tests.servers import Provider

Json = dict[str, Any]
CALLED = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city": "Faro"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "Sunny"},
    {"role": "assistant", "content": "It is sunny."},
]


def wire(provider: str, messages: list[Message]) -> Json:
    """What of a request holds the conversation."""
    body: Json = histories.model(provider).request(messages, {}).body
    return {name: body[name] for name in ("system", "messages", "input") if name in body}


def calls(messages: list[Message]) -> list[m.ToolPart]:
    return [p for message in messages for p in message.parts if isinstance(p, m.ToolPart)]


def test_calls_and_their_results_are_one_answer_in_steps() -> None:
    question, answer = imported(CALLED)
    assert (question.role, question.text) == ("user", "Weather?")
    call, step, text = answer.parts
    assert isinstance(call, m.ToolPart)
    assert (call.tool_name, call.tool_call_id, call.state) == ("weather", "c1", "output-available")
    assert (call.input, call.output) == ({"city": "Faro"}, "Sunny")
    assert isinstance(step, m.StepPart)
    assert isinstance(text, m.TextPart)
    assert text.text == "It is sunny."


@pytest.mark.parametrize(
    "provider", ["openai-chat", "deepseek", "openrouter", "openai", "anthropic"]
)
def test_what_a_provider_is_sent_comes_back_and_goes_out_again_the_same(provider: str) -> None:
    sent = wire(provider, histories.history(provider))
    assert wire(provider, imported(sent)) == sent


@pytest.mark.parametrize("target", ["openai-chat", "mistral", "openai", "anthropic", "gemini"])
@pytest.mark.parametrize("source", ["openai-chat", "openai", "anthropic"])
def test_what_came_from_one_provider_can_be_sent_to_any_other(source: str, target: str) -> None:
    told = imported(wire(source, histories.history(source)))
    sent = json.dumps(histories.model(target).request(told, {}).body)
    assert all(text in sent for text in ("What is this?", "A dot.", "Sunny", "Half of", "Go on."))


def plain(messages: list[Message]) -> list[Message]:
    """As a provider can be told it: without what is known of a part beside what it says."""

    def bare(part: m.Part) -> list[m.Part]:
        match part:
            case m.TextPart():
                return [m.TextPart(part.text)]
            case m.ToolPart() if not part.provider_executed:
                return [part]
        return []

    return [
        message.replace(parts=tuple(each for part in message.parts for each in bare(part)))
        for message in messages
    ]


def joined(sent: Json) -> Json:
    """What is sent, with neighbouring texts of an answer as one: a decoder joins them too."""
    for message in sent.get("messages", []):
        blocks: list[Json] = []
        for block in message["content"] if isinstance(message["content"], list) else []:
            is_text = message["role"] == "assistant" and block["type"] == "text"
            if is_text and blocks and blocks[-1]["type"] == "text":
                blocks[-1]["text"] += block["text"]
            else:
                blocks.append(dict(block))
        message["content"] = blocks or message["content"]
    return sent


@pytest.mark.parametrize("provider", ["openai-chat", "openai", "anthropic"])
@settings(max_examples=40)
@given(st.lists(strategies.messages, max_size=5))
def test_any_conversation_keeps_its_words_and_calls_through_a_provider(
    provider: str, messages: list[Message]
) -> None:
    sent = wire(provider, plain(messages))
    assert joined(wire(provider, imported(sent))) == joined(sent)


# -- the formats --


def parts(message: Json | list[Json], place: int = -1) -> list[m.Part]:
    return list(imported(message if isinstance(message, list) else [message])[place].parts)


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image_url", "image_url": {"url": IMAGE.url}},
        {"type": "input_image", "image_url": IMAGE.url, "detail": "auto"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}},
        {"type": "image", "image": IMAGE.url, "mediaType": "image/png"},
        {"type": "image", "image": PNG},
        {"type": "file", "mediaType": "image/png", "url": IMAGE.url},
        {"type": "file", "mediaType": "image/png", "data": PNG},
        {"type": "file", "mimeType": "image/png", "data": IMAGE.url},
        {"type": "file", "file": {"file_data": IMAGE.url}},
        {"type": "input_file", "file_data": IMAGE.url},
    ],
)
def test_an_image_is_the_same_in_everybodys_words(block: Json) -> None:
    assert parts({"role": "user", "content": [block]}) == [m.FilePart("image/png", IMAGE.url)]


def test_files_sounds_and_addresses_are_parts() -> None:
    found = parts(
        {
            "role": "user",
            "content": [
                {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:;base64,QUJD"}},
                {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}},
                {"type": "document", "title": "T", "source": {"type": "text", "data": "Hi"}},
                {"type": "image_url", "image_url": {"url": "https://a.example/b.webp?c=1"}},
            ],
        }
    )
    kinds = [part.media_type for part in found if isinstance(part, m.FilePart)]
    assert kinds == [
        "audio/mpeg",
        "application/pdf",
        "application/pdf",
        "text/plain",
        "image/webp",
    ]


def test_thoughts_keep_what_they_are_signed_with() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "S"},
        {"type": "redacted_thinking", "data": "R"},
        {"type": "text", "text": "Yes."},
    ]
    thought, hidden, text = parts({"role": "assistant", "content": blocks})
    assert isinstance(thought, m.ReasoningPart)
    assert isinstance(hidden, m.ReasoningPart)
    assert isinstance(text, m.TextPart)
    assert (thought.text, thought.provider_metadata) == ("Hm.", {"anthropic": {"signature": "S"}})
    assert hidden.provider_metadata == {"anthropic": {"redactedData": "R"}}


def test_anthropics_results_join_their_calls_and_its_own_tools_stay_whole() -> None:
    conversation = [
        {"role": "user", "content": "Hi"},
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": "a"}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"url": "u"}]},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
                {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t2", "content": "No.", "is_error": True},
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two"}],
                },
                {"type": "text", "text": "Go on."},
            ],
        },
    ]
    messages = imported(conversation)
    assert [message.role for message in messages] == ["user", "assistant", "user"]
    search, f, g = calls(messages)
    assert search.provider_executed
    assert search.output == [{"url": "u"}]
    assert (f.output, g.error_text) == ("One\ntwo", "No.")
    assert messages[-1].text == "Go on."


def test_responses_items_are_one_answer_and_their_hosted_calls_go_back_as_they_came() -> None:
    items: list[Json] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "r", "summary": [], "encrypted_content": "E"},
        {"type": "web_search_call", "id": "w", "status": "completed", "action": {"query": "a"}},
        {"type": "function_call", "id": "f", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "done"},
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "Yes.", "annotations": []}],
        },
    ]
    messages = imported(items)
    assert [message.role for message in messages] == ["user", "assistant"]
    assert messages[1].text == "Yes."
    assert wire("openai", messages)["input"] == items


def test_messages_of_the_ai_sdk_before_version_5_are_read() -> None:
    call = {"toolCallId": "c", "toolName": "f", "args": {"a": 1}, "state": "result", "result": 2}
    user, old, newer = imported(
        [
            {
                "id": "u",
                "role": "user",
                "content": "See",
                "createdAt": "2025-01-02T03:04:05.000Z",
                "experimental_attachments": [{"contentType": "image/png", "url": IMAGE.url}],
            },
            {
                "id": "a",
                "role": "assistant",
                "content": "Two.",
                "reasoning": "Hm.",
                "toolInvocations": [call],
            },
            {
                "id": "b",
                "role": "assistant",
                "content": "Two.",
                "parts": [
                    {"type": "reasoning", "reasoning": "Hm.", "details": [{"signature": "S"}]},
                    {"type": "tool-invocation", "toolInvocation": call},
                    {"type": "text", "text": "Two."},
                ],
            },
        ]
    )
    assert user.created_at is not None
    assert user.parts == (m.TextPart("See"), m.FilePart("image/png", IMAGE.url))
    for message in (old, newer):
        assert (message.text, message.reasoning) == ("Two.", "Hm.")
        [found] = calls([message])
        assert (found.tool_name, found.input, found.output) == ("f", {"a": 1}, 2)


def test_model_messages_of_the_ai_sdk_are_read_as_they_are_sent() -> None:
    messages = [each for each in histories.history("anthropic") if each.status == "complete"]
    sent = to_model_messages(messages)
    again = to_model_messages(imported(sent))
    assert [each["role"] for each in again] == [each["role"] for each in sent]
    assert again == sent


def test_a_custom_tool_a_refusal_and_deepseeks_thoughts_survive() -> None:
    answer = {
        "role": "assistant",
        "content": [{"type": "refusal", "refusal": "No."}, {"type": "novel", "x": 1}],
        "reasoning_content": "Hm.",
        "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "SELECT"}}],
    }
    [message] = imported([answer])
    assert (message.reasoning, message.text) == ("Hm.", "No.")
    assert m.UnknownPart({"type": "novel", "x": 1}) in message.parts
    assert calls([message])[0].input == {"input": "SELECT"}


def test_a_block_that_nobody_knows_is_kept_as_it_came() -> None:
    block = {"type": "hologram", "data": [1]}
    assert parts({"role": "user", "content": [block]}) == [m.UnknownPart(block)]
    kept = parts({"role": "assistant", "content": [block, {"type": "text", "text": "Hi"}]})
    assert kept[0] == m.CustomPart("anthropic.hologram", {"anthropic": block})
    asked = {"type": "file", "file": {"file_id": "f-1"}}
    assert parts({"role": "user", "content": [asked]}) == [m.UnknownPart(asked)]


def test_objects_of_the_sdks_are_taken_as_they_are() -> None:
    call = ResponseFunctionToolCall(type="function_call", call_id="c", name="f", arguments="{}")
    output = {"type": "function_call_output", "call_id": "c", "output": "1"}
    answer = ChatCompletionMessage(role="assistant", content="Hello")
    claude = AnthropicMessage.model_validate(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [{"type": "text", "text": "Hi", "citations": None}],
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )
    inside = {"role": "assistant", "content": claude.content}
    user = {"role": "user", "content": "?"}
    messages = imported([user, call, output, user, answer, user, claude, user, inside])
    assert [message.text for message in messages] == ["?", "", "?", "Hello", "?", "Hi", "?", "Hi"]
    assert calls(messages)[0].output == "1"
    assert messages[5].id == "msg_1"


# -- where they come from --


def test_an_export_comes_back_as_it_was(tmp_path: Path) -> None:
    messages = histories.history("anthropic")
    for suffix in (".json", ".jsonl"):
        assert imported(export("t", messages, tmp_path / f"t{suffix}")) == messages


def test_requests_and_lines_for_fine_tuning_hold_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "tune.jsonl"
    path.write_text(json.dumps({"messages": CALLED}) + "\n\n")
    assert imported(path) == imported(CALLED)
    system, user = imported({"model": "m", "system": "Be brief.", "messages": CALLED[:1]})
    assert (system.role, system.text, user.text) == ("system", "Be brief.", "Weather?")
    [asked] = imported({"model": "m", "input": "Weather?"})
    assert (asked.role, asked.text) == ("user", "Weather?")
    path.write_text(2 * (json.dumps({"messages": CALLED}) + "\n"))
    with pytest.raises(MessageError, match="2 conversations"):
        imported(path)


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([{"role": "user", "content": "a"}, {"content": "b"}], r"messages\[1\].* no"),
        ([{"role": "model", "content": "b"}], r"messages\[0\]: its role is 'model'"),
        ([{"role": "user", "content": [{"text": "b"}]}], r"messages\[0\]\.content\[0\]: a part"),
        ([{"role": "user", "content": 7}], r"messages\[0\]\.content: "),
        ([{"role": "assistant", "content": [7]}], r"messages\[0\]\.content\[0\]"),
        ([{"type": "text", "text": "b"}], r"messages\[0\]: this is a part"),
        ([*CALLED[:1], *CALLED[2:]], r"messages\[1\]: it answers a call 'c1'"),
        ([{"role": "tool", "content": [{"type": "odd"}]}], r"messages\[0\]\.content\[0\]: this is"),
        ([{"role": "user", "parts": [{"type": "text"}]}], r"messages\[0\]: part 0"),
        ([{"role": "user", "parts": [], "metadata": 7}], r"messages\[0\]\.metadata: .* not 7"),
        ([{"role": "user", "toolInvocations": [7]}], r"messages\[0\]\.toolInvocations: .*\[7\]"),
        ([{"role": "user", "parts": [], "experimental_attachments": 7}], r"attachments: .* not 7"),
        ([{"role": "assistant", "tool_calls": 7}], r"messages\[0\]\.tool_calls: .* not 7"),
        ({"input": ["Hi"]}, r"messages\[0\] is 'Hi'"),
        (["Hi"], r"messages\[0\] is 'Hi'"),
        (7, "not 7"),
        ([object()], "object"),
        ("talk.txt", r"\.jsonl"),
    ],
)
def test_what_is_no_conversation_is_refused_by_its_place(messages: Any, named: str) -> None:
    with pytest.raises(MessageError, match=named):
        imported(messages)


def test_a_file_that_is_no_json_is_refused_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{json.dumps(CALLED[0])}\nHi\n")
    with pytest.raises(MessageError, match=r"'a\.jsonl', line 2"):
        imported(path)


# -- chats that begin with them --


def test_a_chat_of_messages_goes_on_from_them(provider: Provider, model: Model) -> None:
    chat = Chat.from_messages(
        "old", [{"role": "system", "content": "Be brief."}, *CALLED], model=model
    )
    assert [message.role for message in chat.messages] == ["user", "assistant"]
    assert chat.system == "Be brief."
    assert chat.ask("And tomorrow?").text == "Answer to: And tomorrow?"
    sent = provider.requests[0].body["messages"]
    roles = [each["role"] for each in sent]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent[2]["tool_calls"][0]["id"] == "c1"
    assert Chat.from_messages("mine", CALLED, system="Rhyme.", model=model).system == "Rhyme."


def test_the_cells_of_an_imported_chat_can_be_run_again(
    provider: Provider, model: Model, cells: Cells
) -> None:
    for _ in range(2):
        conversation._conversations.clear()
        with cells("1"):
            chat = Chat.from_messages("old", CALLED, model=model)
        with cells("2"):
            chat.ask("And tomorrow?")
        assert len(chat.messages) == 4
    assert len(provider.requests) == 1


def test_without_cells_the_sends_of_an_imported_chat_find_their_turns(
    provider: Provider, model: Model
) -> None:
    for _ in range(2):
        Chat.from_messages("old", CALLED, model=model).ask("And tomorrow?")
    assert len(provider.requests) == 1


def test_another_conversation_of_that_name_is_refused_and_left_alone(
    provider: Provider, model: Model
) -> None:
    Chat("mine", model=model).ask("Hi")
    Chat.from_messages("old", CALLED, model=model)
    for name in ("mine", "old"):
        with pytest.raises(BadChatId, match=f"{name}.*delete"):
            Chat.from_messages(name, CALLED[:1], model=model)
    assert len(Chat("old").messages) == 2
    assert len(Chat("mine").messages) == 2
