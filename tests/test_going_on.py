"""Answers that go on, are stopped or changed in the middle: nothing is asked, run or said twice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chatkit import Chat, get_model, stream_text
from chatkit import engine as engines
from chatkit.answers.follower import partial
from chatkit.chunks import from_json
from chatkit.errors import ConfigError, SchemaMismatch
from chatkit.messages import Message, ToolPart
from chatkit.providers import Model
from chatkit.reducer import reduce, unfold
from chatkit.stores import Store
from chatkit.stores.disk import DiskStore
from tests.conftest import Cells
from tests.servers import Provider
from tests.storing import run
from tests.test_steps import CITY, add, asks_for, call, tools_of, until


def test_a_chat_that_is_cleared_while_it_begins_to_ask_does_not_hang(
    provider: Provider, model: Model, store: Store
) -> None:
    chat = Chat("c", model=model, store=store)
    for _ in range(20):
        chat.send("Hello")
        chat.clear()
        chat.send("Hello", fresh=True)
        chat.switch(chat.messages[0])
    chat.wait(20)
    assert all(message.status in ("complete", "stopped") for message in chat.messages)


def broken_off(provider: Provider, model: Model, store: Store, cells: Cells, ran: list[int]) -> Any:
    """A function that sends the same in the same cell again; its second step fails first."""

    def book() -> str:
        ran.append(1)
        return "booked"

    asks_for(provider, "Let me see. ", call("book"))
    provider.refuse(400, {"error": {"message": "no"}})

    def send() -> Any:
        with cells("a"):
            chat = Chat("c", model=model, store=store, tools=[book])
            return chat.send("Book it.", tool_choice="required")

    assert send().wait(10).status == "error"
    return send


def test_an_answer_that_failed_after_its_calls_goes_on_without_them(
    provider: Provider, model: Model, store: Store, cells: Cells
) -> None:
    ran: list[int] = []
    send = broken_off(provider, model, store, cells, ran)
    provider.answer("It is booked.")
    reply = send().wait(10)
    assert (reply.status, ran) == ("complete", [1])
    assert reply.text == "Let me see. It is booked."
    assert len(Chat("c", model=model, store=store).messages) == 2
    first, *_, last = (request.body["tool_choice"] for request in provider.requests)
    assert (first, last) == ("required", "auto")
    assert provider.requests[-1].body["messages"][-1]["content"] == "booked"


def test_what_goes_on_is_on_disk_once(
    provider: Provider, model: Model, store: DiskStore, cells: Cells
) -> None:
    send = broken_off(provider, model, store, cells, [])
    answer = provider.answer("It is booked.", gated=True)
    reply = send()
    answer.release(2)
    until(lambda: "is" in reply.text.removeprefix("Let me see. "))
    other = DiskStore(store.location)

    def on_disk() -> Message:
        stored = run(other.load("c"))
        assert stored is not None
        row = stored.rows[-1]
        segments = run(other.follow("c", row["id"])).segments
        return partial(Message.from_json(row["message"]), [c for each in segments for c in each])

    until(lambda: "It is" in on_disk().text)
    assert on_disk().text == "Let me see. It is "
    assert len(tools_of(on_disk())) == 1
    seen = list(reply.feed.chunks)
    assert reduce(Message(id="x", role="assistant"), seen).text == "Let me see. It is "
    answer.open()
    reply.wait(10)
    run(other.close())


def test_resuming_twice_goes_on_once(
    provider: Provider, model: Model, store: Store, cells: Cells
) -> None:
    ran: list[int] = []
    send = broken_off(provider, model, store, cells, ran)
    answer = provider.answer("It is booked.", gated=True)
    reply = send()
    again = reply.resume()
    answer.open()
    assert [reply.wait(10).status, again.wait(10).status] == ["complete", "complete"]
    assert len(provider.requests) == 3


def test_one_that_is_stopped_while_it_waits_lets_nobody_overtake(
    provider: Provider, model: Model, store: Store
) -> None:
    answer = provider.answer("The first answer.", gated=True)
    chat = Chat("c", model=model, store=store)
    first, second, third = (chat.send(text) for text in ("One", "Two", "Three"))
    until(lambda: first.status == "streaming")
    second.stop().wait(10)
    assert third.status == "queued"
    answer.open()
    third.wait(10)
    said = [message["content"] for message in provider.requests[1].body["messages"]]
    assert said == ["One", "The first answer.", "Two\n\nThree"] or said[:2] == [
        "One",
        "The first answer.",
    ]
    assert len(provider.requests) == 2


def test_one_that_is_stopped_before_it_begins_is_never_asked(
    provider: Provider, model: Model
) -> None:
    reply = stream_text(model, "Hello").stop().wait(10)
    assert (reply.status, reply.text, provider.requests) == ("stopped", "", [])


def test_stopping_at_any_moment_leaves_no_lease_behind(
    provider: Provider, model: Model, store: DiskStore
) -> None:
    chat = Chat("c", model=model, store=store)

    async def stop_after(turns: int) -> None:
        for _ in range(turns):
            await asyncio.sleep(0)
        chat.stop()

    for turns in range(0, 60, 2):
        reply = chat.send(f"Hello {turns}")
        engines.get_engine().run(stop_after(turns))
        reply.wait(10)
        info = run(store.status("c", reply.id))
        assert info is None or info.state == reply.status


def test_a_step_that_was_stopped_has_no_finish_reason_of_the_one_before(
    provider: Provider, model: Model
) -> None:
    asks_for(provider, call("add", '{"a": 2, "b": 3}'))
    answer = provider.answer("one two three " * 20, gated=True)
    reply = stream_text(model, "Count.", tools=[add]).consume()
    answer.release(50)
    until(lambda: len(reply.text) > 200)
    assert reply.finish_reason is None
    reply.stop().wait(10)
    assert reply.finish_reason is None
    assert reply.usage is not None
    assert (reply.usage.output_tokens or 0) > 50
    assert reply.message.metadata["usageEstimated"] is True


def test_the_cost_of_every_step_is_added(provider: Provider, model: Model) -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.25}
    asks_for(provider, call("add", '{"a": 2, "b": 3}'), usage=usage)
    provider.answer("Five.", usage=usage)
    assert stream_text(model, "2 + 3?", tools=[add]).wait(10).cost == 0.5


@pytest.mark.parametrize("tools", [[], [add]])
def test_an_answer_of_a_shape_that_takes_too_many_steps_is_an_error(
    provider: Provider, model: Model, tools: list[Any]
) -> None:
    if tools:
        asks_for(provider, call("add", '{"a": 2, "b": 3}'))
    else:
        provider.answer("No.")
    more: dict[str, Any] = {"schema": CITY, "repair": True, "max_steps": 1}
    reply = stream_text(model, "Lisbon?", tools=tools, **more).wait(10)
    assert reply.status == "error"
    assert isinstance(reply.error, SchemaMismatch)
    assert len(provider.requests) == 1


def test_only_the_last_step_is_the_object(provider: Provider, model: Model) -> None:
    asks_for(provider, '{"name": "Porto"}', call("add", '{"a": 2, "b": 3}'))
    provider.answer('{"name": "Lisbon", "people": 5}')
    reply = stream_text(model, "Lisbon?", tools=[add], schema=CITY)
    assert reply.object == {"name": "Lisbon", "people": 5}


def test_a_fork_has_the_tools_of_its_chat(provider: Provider, model: Model, store: Store) -> None:
    chat = Chat("c", model=model, store=store, tools=[add], max_steps=3)
    chat.ask("Hello")
    fork = chat.fork("d")
    fork.ask("And now?")
    assert fork.max_steps == 3
    assert provider.requests[1].body["tools"] == provider.requests[0].body["tools"]


def test_what_one_send_asked_for_is_its_own(provider: Provider, model: Model, store: Store) -> None:
    chat = Chat("c", model=model, store=store)
    for _ in range(2):
        provider.answer('{"name": "Lisbon", "people": 5}')
    chat.ask("Lisbon?", schema=CITY, temperature=0.5)
    edited = chat.edit(chat.messages[0], "Porto?").wait(10)
    assert edited.object["name"] == "Lisbon"
    assert provider.requests[1].body["temperature"] == 0.5
    chat.ask("Thanks.")
    assert "temperature" not in provider.requests[2].body


def test_other_tools_are_another_question(
    provider: Provider, model: Model, store: Store, cells: Cells
) -> None:
    for tools in ([], [add], [add]):
        with cells("a"):
            Chat("c", model=model, store=store, tools=tools).send("Hello").wait(10)
    assert len(provider.requests) == 2


@pytest.mark.parametrize("state", ["approval-requested", "approval-responded", "output-denied"])
def test_a_call_that_was_asked_about_is_replayed_with_its_question(state: Any) -> None:
    approval = {"id": "a1"} if state == "approval-requested" else {"id": "a1", "approved": False}
    part = ToolPart("delete", "c1", state, {"name": "x"}, approval=approval)
    chunks = unfold(Message(id="m", role="assistant", parts=(part,)))
    assert reduce(Message(id="m", role="assistant"), chunks).parts == (part,)
    assert from_json({"type": "nonsense"}) is None


def test_what_was_refused_is_not_sent_with_the_next_question(
    provider: Provider, model: Model, store: Store
) -> None:
    chat = Chat("c", model=model, store=store)
    chat.ask("Hello")
    provider.refuse(400, {"error": {"message": "image input is not supported"}})
    assert chat.ask("Look.", files=b"\x89PNG\r\n\x1a\n").status == "error"
    assert chat.ask("Say hi.").text == "Answer to: Say hi."
    said = [message["content"] for message in provider.requests[2].body["messages"]]
    assert said == ["Hello", "Answer to: Hello", "Say hi."]


def test_a_failure_on_the_providers_side_is_no_reason_to_forget_the_question(
    provider: Provider, model: Model, store: Store
) -> None:
    chat = Chat("c", model=model, store=store)
    provider.answer("", cut=True)
    chat.ask("I am Ann.")
    chat.ask("Who am I?")
    assert "I am Ann." in str(provider.requests[1].body["messages"])


def test_the_embedded_model_refuses_files_in_words(store: Store) -> None:
    reply = Chat("c", model="local/smollm2", store=store).ask("Look.", files=b"\x89PNG\r\n\x1a\n")
    assert reply.status == "error"
    assert "takes text only" in str(reply.error)


def test_a_chat_is_opened_again_at_the_address_of_its_model(
    provider: Provider, model: Model, store: Store
) -> None:
    Chat("c", model=model, store=store).ask("Hello")
    again = Chat("c", store=store)
    assert again.model.base_url == model.base_url
    fork = again.fork("d")
    fork.ask("And now?")
    assert Chat("d", store=store).model.base_url == model.base_url
    secret = get_model(model, base_url="https://ann:pw@example.org/v1?api-key=s3cret&v=2")
    assert secret.stored_url == "https://example.org/v1"
    assert get_model("groq/x").stored_url is None


def test_a_choice_of_no_tool_is_refused_before_anything_is_stored(
    model: Model, store: Store
) -> None:
    chat = Chat("c", model=model, store=store, tools=[add])
    with pytest.raises(ConfigError, match="no tool is called that"):
        chat.send("Hello", tool_choice="maybe")
    with pytest.raises(ConfigError, match="no tool is called that"):
        stream_text(model, "Hello", tool_choice="add")
    assert chat.messages == []
