"""`Chat`: kept, restored, queued, forked, stopped; and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chatkit import (
    BadChatId,
    Chat,
    MessageError,
    MissingKey,
    UnknownModel,
    UnknownOption,
    chats,
    conversation,
)
from chatkit.providers import Model, get_model
from tests.conftest import Cells
from tests.servers import Provider


def restarted(model: Model, id: str = "trip") -> Chat:
    """The chat as another kernel would open it: nothing is left but the store."""
    conversation._conversations.clear()
    return Chat(id, model=model)


def prompts(provider: Provider) -> list[list[str]]:
    """What each request said, message by message."""
    return [
        [message["content"] for message in request.body["messages"]]
        for request in provider.requests
    ]


def test_an_answer_is_there_again_after_everything_else_is_gone(
    provider: Provider, model: Model
) -> None:
    chat = Chat("trip", model=model, system="Be brief.")
    reply = chat.ask("Lisbon?")
    again = restarted(model)
    assert again.system == "Be brief."
    assert [message.text for message in again.messages] == ["Lisbon?", "Answer to: Lisbon?"]
    restored = again.ask("Lisbon?")
    assert (restored.id, restored.text, restored.status) == (reply.id, reply.text, "complete")
    assert restored.usage == reply.usage
    assert "".join(restored.deltas()) == reply.text
    assert len(provider.requests) == 1


def test_sends_queue_in_order_and_each_sees_the_answers_before_it(
    provider: Provider, model: Model
) -> None:
    chat = Chat("trip", model=model)
    first = provider.answer("one", gated=True)
    replies = [chat.send(prompt) for prompt in ("a", "b", "c")]
    busy: str = chat.status
    assert busy in ("submitted", "streaming")
    provider.until(lambda: len(provider.requests) == 1)
    assert [reply.status for reply in replies[1:]] == ["queued", "queued"]
    first.open()
    chat.wait()
    assert prompts(provider) == [
        ["a"],
        ["a", "one", "b"],
        ["a", "one", "b", "Answer to: b", "c"],
    ]
    assert chat.status == "ready"
    assert chat.usage.output_tokens == sum(r.usage.output_tokens or 0 for r in replies if r.usage)


def test_a_failed_turn_does_not_hold_up_the_one_behind_it(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model)
    provider.refuse(400, {"error": {"message": "no"}})
    failed, after = chat.send("a"), chat.send("b")
    assert failed.wait().status == "error"
    assert after.wait().status == "complete"
    assert prompts(provider)[1] == ["a\n\nb"] or prompts(provider)[1] == ["a", "b"]


def test_a_cell_run_again_asks_nothing_and_a_changed_one_forks(
    provider: Provider, model: Model, cells: Cells
) -> None:
    chat = Chat("trip", model=model)
    for cell, prompt in (("1", "a"), ("2", "b")):
        with cells(cell):
            chat.ask(prompt)
    with cells("1"):
        assert chat.ask("a").text == "Answer to: a"
    assert len(provider.requests) == 2
    with cells("1"):
        chat.ask("A")
    assert [message.text for message in chat.messages] == ["A", "Answer to: A"]
    assert [message.text for message in chat.branches(chat.messages[0])] == ["a", "A"]
    chat.switch(chat.branches(chat.messages[0])[0])
    assert [message.text for message in chat.messages][-1] == "Answer to: b"
    again = restarted(model)
    assert [message.text for message in again.messages][-1] == "Answer to: b"


def test_a_cell_run_again_while_its_answer_streams_attaches_to_it(
    provider: Provider, model: Model, cells: Cells
) -> None:
    answer = provider.answer("one two three", gated=True)
    with cells("1"):
        first = Chat("trip", model=model).send("Count.")
    answer.release(1)
    with cells("1"):
        second = Chat("trip", model=model).send("Count.")
    answer.open()
    assert second.wait().text == "one two three"
    assert (second.id, second.status) == (first.id, "complete")
    assert len(provider.requests) == 1


def test_a_loop_of_sends_in_one_cell_is_found_again_send_by_send(
    provider: Provider, model: Model, cells: Cells
) -> None:
    for _ in range(2):
        with cells("1"):
            chat = restarted(model)
            texts = [chat.ask(f"{number}?").text for number in range(3)]
        assert texts == ["Answer to: 0?", "Answer to: 1?", "Answer to: 2?"]
    assert len(provider.requests) == 3


def test_without_cell_ids_the_kth_send_finds_the_kth_turn(provider: Provider, model: Model) -> None:
    for _ in range(3):
        chat = restarted(model)
        for prompt in ("same", "same", "other"):
            chat.ask(prompt)
    assert len(provider.requests) == 3


def test_the_same_prompt_with_other_options_or_system_is_another_question(
    provider: Provider, model: Model, cells: Cells
) -> None:
    asked: list[tuple[str, dict[str, Any]]] = [("x", {}), ("y", {}), ("y", {"temperature": 0.5})]
    for system, options in asked:
        with cells("1"):
            Chat("trip", model=model, system=system, **options).ask("a")
    assert len(provider.requests) == 3


def test_fresh_and_regenerate_ask_beside_and_both_stay(
    provider: Provider, model: Model, cells: Cells
) -> None:
    chat = Chat("trip", model=model)
    for text in ("first", "second", "third"):
        provider.answer(text)
    with cells("1"):
        first = chat.ask("a")
    with cells("1"):
        assert chat.ask("a", fresh=True).text == "second"
    assert first.regenerate().wait().text == "third"
    assert [message.text for message in chat.branches(first.id)] == ["first", "second", "third"]
    assert [message.text for message in chat.messages] == ["a", "third"]
    assert prompts(provider) == [["a"]] * 3
    with cells("1"):
        assert chat.ask("a").text == "third", "the active one is the one shown"


@pytest.mark.parametrize("ending", [{"status": 500, "body": "{}"}, {"cut": True}])
def test_what_failed_or_broke_off_with_nothing_is_asked_again(
    provider: Provider, model: Model, cells: Cells, ending: dict[str, Any]
) -> None:
    chat = Chat("trip", model=model)
    if "status" in ending:
        for _ in range(3):
            provider.refuse(400, "{}")
    else:
        provider.answer("", **ending)
    with cells("1"):
        failed = chat.ask("a")
    assert failed.status in ("error", "interrupted")
    asked = len(provider.requests)
    provider._queue.clear()
    with cells("1"):
        assert chat.ask("a").text == "Answer to: a"
    assert len(provider.requests) == asked + 1
    assert [message.text for message in chat.branches(chat.messages[-1])] == ["Answer to: a"]


def test_a_kept_partial_is_shown_as_it_is_and_asked_again_only_on_demand(
    provider: Provider, model: Model, cells: Cells
) -> None:
    chat = Chat("trip", model=model)
    provider.answer("one two", cut=True)
    with cells("1"):
        chat.ask("a")
    with cells("1"):
        chat = restarted(model)
        partial = chat.ask("a")
    assert (partial.status, partial.text) == ("interrupted", "one two")
    assert partial.error is not None
    assert len(provider.requests) == 1
    provider.answer(" three four")
    resumed = partial.resume().wait()
    assert (resumed.id, resumed.text) == (partial.id, "one two three four")
    assert resumed.message.metadata["continued"] == [{"at": 7, "by": "continuation"}]
    assert [message.text for message in chat.messages] == ["a", "one two three four"]
    cells.attended = False
    provider.answer("one", cut=True)
    with cells("2"):
        chat.ask("b")
    with cells("2"):
        assert chat.ask("b").status == "complete", "where nobody is there, it goes on by itself"


def test_where_nobody_can_go_on_with_an_answer_it_is_asked_for_beside(
    provider: Provider, model: Model
) -> None:
    chat = Chat("trip", model=model)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    provider.answer('{"n": 1', cut=True)
    broken = chat.send("a", schema=schema).wait()
    assert not broken.can_resume
    provider.answer('{"n": 12}')
    resumed = broken.resume().wait()
    assert resumed.object == {"n": 12}
    assert resumed.id != broken.id
    assert [message.text for message in chat.branches(broken.id)] == ['{"n": 1', '{"n": 12}']


def test_cost_is_what_the_provider_told(provider: Provider, model: Model) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25}
    chat = Chat("trip", model=get_model("openrouter/test", base_url=provider.url, api_key="x"))
    assert chat.cost is None
    for _ in range(2):
        provider.answer("dear", usage=usage)
        assert chat.ask("a", fresh=True).cost == 0.25
    assert chat.cost == 0.5
    assert Chat("other", model=model).ask("b").cost is None


def test_edit_says_something_else_there(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model)
    chat.ask("a")
    chat.ask("b")
    first = chat.messages[0]
    chat.edit(first, "A").wait()
    assert [message.text for message in chat.messages] == ["A", "Answer to: A"]
    asked = len(provider.requests)
    chat.edit(chat.messages[0], "a").wait()
    assert [message.text for message in chat.messages] == [
        "a",
        "Answer to: a",
        "b",
        "Answer to: b",
    ]
    assert len(provider.requests) == asked
    with pytest.raises(MessageError, match="regenerate"):
        chat.edit(chat.messages[1], "no")


def test_stop_stops_what_runs_and_what_waits(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model)
    answer = provider.answer("one two three", gated=True)
    running, waiting = chat.send("a"), chat.send("b")
    answer.release(1)
    assert next(iter(running.deltas()))
    chat.stop()
    chat.wait()
    assert (running.status, waiting.status) == ("stopped", "stopped")
    assert len(provider.requests) == 1
    assert [m.status for m in restarted(model).messages] == [
        "complete",
        "stopped",
        "complete",
        "stopped",
    ]


def test_clear_begins_again_and_can_be_undone(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model)
    chat.ask("a")
    old = chat.messages[-1]
    chat.clear()
    assert chat.messages == []
    assert restarted(model).messages == []
    chat = restarted(model)
    chat.switch(old)
    assert [message.text for message in chat.messages] == ["a", "Answer to: a"]


def test_a_fork_goes_its_own_way_and_is_found_again(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model, system="Be brief.")
    chat.ask("a")
    other = chat.fork("other")
    other.ask("b")
    assert prompts(provider)[-1] == ["Be brief.", "a", "Answer to: a", "b"]
    assert len(chat.messages) == 2
    assert [message.text for message in restarted(model).fork("other").messages] == [
        "a",
        "Answer to: a",
        "b",
        "Answer to: b",
    ]
    Chat("mine", model=model).ask("x")
    with pytest.raises(BadChatId, match="mine"):
        chat.fork("mine")


def test_delete_removes_it_for_good_and_chats_lists_the_rest(
    provider: Provider, model: Model
) -> None:
    Chat("one", model=model).ask("First question?")
    two = Chat("two", model=model)
    two.ask("x")
    assert [info.id for info in chats()] == ["two", "one"]
    assert chats()[1].title == "First question?"
    assert chats()[1].model == "openai-chat/test"
    two.delete()
    assert two.messages == []
    assert [info.id for info in chats()] == ["one"]
    assert restarted(model, "two").messages == []
    two.ask("again")
    assert restarted(model, "two").messages[0].text == "again"


def test_a_chat_asks_the_model_it_was_asked_with_before(provider: Provider, model: Model) -> None:
    Chat("trip", model=model).ask("a")
    conversation._conversations.clear()
    assert Chat("trip").model.id == "openai-chat/test"


def test_no_key_reaches_the_store(provider: Provider, model: Model, tmp_path: Path) -> None:
    chat = Chat("trip", model=model)
    chat.ask("a")
    assert "sk-not-a-key" not in repr(chat.model) + repr(chat)
    files = [path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert any(b"Answer to" in data for data in files)
    assert not any(b"sk-not-a-key" in data for data in files)


@pytest.mark.parametrize("id", ["", " ", "a/b", "a\\b", "tab\tbed", "nul\0", "x" * 201, " a", 7])
def test_an_id_that_cannot_be_a_name_is_refused(id: str) -> None:
    with pytest.raises(BadChatId):
        Chat(id)


def test_what_cannot_work_is_refused_before_anything_is_stored_or_sent(
    provider: Provider, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(UnknownModel, match="nobody"):
        Chat("trip", model="nobody/x")
    with pytest.raises(UnknownOption, match="temprature"):
        Chat("trip", model=model, temprature=1)
    chat = Chat("trip", model=model)
    with pytest.raises(UnknownOption, match="tempo"):
        chat.send("a", tempo=1)
    with pytest.raises(MessageError, match="empty"):
        chat.send("  ")
    with pytest.raises(MessageError):
        chat.send(7)  # type: ignore[arg-type]
    with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
        Chat("other", model="openai-chat/gpt-x").send("a")
    with pytest.raises(MessageError, match="no-such"):
        chat.switch("no-such")
    assert not provider.requests
    assert chats() == []


def test_stored_answers_are_shown_without_a_key(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-x")
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    Chat("trip", model="openai-chat/gpt-x").ask("a")
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.delenv("OPENAI_BASE_URL")
    conversation._conversations.clear()
    assert Chat("trip").ask("a").text == "Answer to: a"


def test_a_message_is_stored_as_the_ai_sdk_writes_it(provider: Provider, model: Model) -> None:
    chat = Chat("trip", model=model)
    chat.ask("a")
    user, answer = [message.to_json() for message in chat.messages]
    assert user["parts"] == [{"type": "text", "text": "a"}]
    assert answer["role"] == "assistant"
    assert {"type": "text", "text": "Answer to: a", "state": "done"} in answer["parts"]
    assert answer["metadata"]["status"] == "complete"
    assert json.loads(json.dumps(answer)) == answer


def test_model_given_by_name_is_the_embedded_one_by_default() -> None:
    assert Chat("trip").model.id == get_model().id
    assert get_model().provider == "local"
