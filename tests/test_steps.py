"""The step loop: what a model asks for is run, and it is asked again until it has its answer."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from chatkit import Chat, Reply, errands, get_model, stream_text, tool
from chatkit import engine as engines
from chatkit.chunks import Finish, FinishStep, StartStep
from chatkit.errors import ConfigError, ConnectionFailed, NothingMore, SchemaMismatch
from chatkit.messages import Message, SteeringPart, StepPart, TextPart, ToolPart, Usage
from chatkit.providers import Model
from chatkit.stores import Store
from tests.conftest import Cells
from tests.resuming import taken_up
from tests.servers import Provider

Json = dict[str, Any]


def call(name: str, arguments: str = "{}", *, id: str = "call_1", index: int = 0) -> Json:
    """A delta that calls a tool."""
    function = {"name": name, "arguments": arguments}
    return {"tool_calls": [{"index": index, "id": id, "function": function}]}


def asks_for(provider: Provider, *tokens: Json | str, **more: Any) -> Any:
    return provider.answer(tokens=tokens, finish_reason="tool_calls", **more)


def tools_of(message: Message) -> list[ToolPart]:
    return [part for part in message.parts if isinstance(part, ToolPart)]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_call_is_run_and_its_result_sent_back(provider: Provider, model: Model) -> None:
    asks_for(provider, call("add", '{"a": 2, "b": 3}'))
    provider.answer("It is five.")
    reply = stream_text(model, "2 + 3?", tools=[add]).wait(10)
    assert (reply.status, reply.text) == ("complete", "It is five.")
    first, second = (request.body for request in provider.requests)
    [told] = first["tools"]
    assert told["function"]["name"] == "add"
    assert told["function"]["description"] == "Add two numbers."
    assert set(told["function"]["parameters"]["properties"]) == {"a", "b"}
    asked, answered = second["messages"][1:]
    assert asked["tool_calls"][0]["function"]["name"] == "add"
    assert (answered["role"], answered["tool_call_id"], answered["content"]) == (
        "tool",
        "call_1",
        "5",
    )


def test_the_message_holds_every_step_with_the_tokens_of_all(
    provider: Provider, model: Model
) -> None:
    asks_for(provider, "Let me see. ", call("add", '{"a": 2, "b": 3}'))
    provider.answer("It is five.")
    reply = stream_text(model, "2 + 3?", tools=[add]).wait(10)
    kinds = [type(part).__name__ for part in reply.message.parts]
    assert kinds == ["StepPart", "TextPart", "ToolPart", "StepPart", "TextPart"]
    [part] = tools_of(reply.message)
    assert (part.state, part.input, part.output) == ("output-available", {"a": 2, "b": 3}, 5)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (20, 5)
    assert reply.finish_reason == "stop"
    chunks = list(reply)
    assert sum(isinstance(chunk, Finish) for chunk in chunks) == 1
    assert sum(isinstance(chunk, StartStep) for chunk in chunks) == 2
    assert sum(isinstance(chunk, FinishStep) for chunk in chunks) == 2


def test_parallel_calls_run_side_by_side(provider: Provider, model: Model) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet(name: str) -> str:
        both.wait()  # neither goes on before the other has begun
        return f"met {name}"

    asks_for(
        provider,
        call("meet", '{"name": "a"}', id="c1"),
        call("meet", '{"name": "b"}', id="c2", index=1),
    )
    provider.answer("Done.")
    reply = stream_text(model, "Meet.", tools=[meet]).wait(20)
    assert [part.output for part in tools_of(reply.message)] == ["met a", "met b"]


def test_asynchronous_tools_run_side_by_side_on_one_loop(provider: Provider, model: Model) -> None:
    loops: list[Any] = []
    met = asyncio.Event()

    async def meet(first: bool) -> str:
        loops.append(asyncio.get_running_loop())
        if first:
            await met.wait()
        met.set()
        return "met"

    asks_for(
        provider,
        call("meet", '{"first": true}', id="c1"),
        call("meet", '{"first": false}', id="c2", index=1),
    )
    provider.answer("Done.")
    reply = stream_text(model, "Meet.", tools=[meet]).wait(20)
    assert [part.output for part in tools_of(reply.message)] == ["met", "met"]
    assert loops[0] is loops[1] is not engines.get_engine().loop


def test_what_a_tool_raises_goes_to_the_model_as_an_error(provider: Provider, model: Model) -> None:
    def fail() -> None:
        raise LookupError("no such town")

    asks_for(provider, call("fail"))
    provider.answer("Sorry.")
    reply = stream_text(model, "Go.", tools=[fail]).wait(10)
    assert reply.status == "complete"
    [part] = tools_of(reply.message)
    assert (part.state, part.error_text) == ("output-error", "LookupError: no such town")
    assert provider.requests[1].body["messages"][-1]["content"] == "LookupError: no such town"


def test_a_tool_that_exits_ends_neither_the_process_nor_the_answer(
    provider: Provider, model: Model
) -> None:
    async def leave() -> None:
        raise SystemExit

    def leave_too() -> None:
        raise KeyboardInterrupt

    asks_for(provider, call("leave", id="c1"), call("leave_too", id="c2", index=1))
    provider.answer("Still here.")
    reply = stream_text(model, "Go.", tools=[leave, leave_too]).wait(10)
    assert reply.text == "Still here."
    assert [part.state for part in tools_of(reply.message)] == ["output-error"] * 2


@pytest.mark.parametrize(
    ("delta", "words"),
    [
        (call("ad"), "There is no tool 'ad' here. The tools are: add."),
        (call("add", '{"a": 1'), "not JSON"),
        (call("add", '{"a": "one", "b": 2}'), "do not fit"),
    ],
)
def test_a_call_that_cannot_be_run_is_told_to_the_model(
    provider: Provider, model: Model, delta: Json, words: str
) -> None:
    asks_for(provider, delta)
    provider.answer("I see.")
    reply = stream_text(model, "Go.", tools=[add]).wait(10)
    assert reply.text == "I see."
    [part] = tools_of(reply.message)
    assert part.state == "output-error"
    assert words in (part.error_text or "")
    assert words in provider.requests[1].body["messages"][-1]["content"]


def test_the_number_of_steps_is_limited(provider: Provider, model: Model) -> None:
    for number in range(3):
        asks_for(provider, call("add", '{"a": 1, "b": 1}', id=f"c{number}"))
    reply = stream_text(model, "Go on.", tools=[add], max_steps=2).wait(10)
    assert (reply.status, reply.finish_reason) == ("complete", "tool-calls")
    assert len(provider.requests) == 2
    assert [part.output for part in tools_of(reply.message)] == [2, 2]
    assert "after 2 steps" in reply.warnings[0]
    with pytest.raises(ConfigError, match="max_steps is 0"):
        stream_text(model, "Go on.", tools=[add], max_steps=0)


def test_without_tools_of_ours_a_call_is_left_to_the_caller(
    provider: Provider, model: Model
) -> None:
    asks_for(provider, call("add", '{"a": 2, "b": 3}'))
    reply = stream_text(model, "2 + 3?").wait(10)
    assert (reply.status, reply.finish_reason) == ("complete", "tool-calls")
    assert [part.state for part in tools_of(reply.message)] == ["input-available"]


def test_stop_ends_an_answer_that_waits_for_its_tool(provider: Provider, model: Model) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        began.set()
        go_on.wait(10)

    asks_for(provider, call("wait"))
    reply = stream_text(model, "Wait.", tools=[wait]).consume()
    assert began.wait(10)
    reply.stop().wait(10)
    go_on.set()
    assert reply.status == "stopped"
    [part] = tools_of(reply.message)
    assert part.state == "output-error"
    assert "stopped before" in (part.error_text or "")
    assert len(provider.requests) == 1


def test_a_failure_in_a_later_step_keeps_what_the_earlier_ones_brought(
    provider: Provider, model: Model
) -> None:
    asks_for(provider, "Let me see. ", call("add", '{"a": 2, "b": 3}'))
    provider.refuse(400, {"error": {"message": "no more"}})
    reply = stream_text(model, "2 + 3?", tools=[add]).wait(10)
    assert reply.status == "error"
    assert "no more" in str(reply.error)
    assert reply.text == "Let me see. "
    assert tools_of(reply.message)[0].output == 5


# -- where a function runs --


def test_a_tool_runs_in_a_worker_thread_and_one_for_the_main_thread_there(
    provider: Provider, model: Model
) -> None:
    threads: Json = {}

    def aside() -> None:
        threads["aside"] = threading.current_thread()

    @tool(main=True)
    def ahead() -> None:
        threads["ahead"] = threading.current_thread()

    asks_for(provider, call("aside", id="c1"), call("ahead", id="c2", index=1))
    provider.answer("Done.")
    reply = stream_text(model, "Go.", tools=[aside, ahead]).wait(10)
    assert [part.state for part in tools_of(reply.message)] == ["output-available"] * 2
    assert threads["ahead"] is threading.main_thread()
    assert threads["aside"] not in (threading.main_thread(), engines.get_engine()._thread)


def test_an_interrupt_of_work_on_the_main_thread_ends_the_wait_too() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    future = errands.submit(interrupted)
    with pytest.raises(KeyboardInterrupt):
        engines.wait(future, 10)
    assert isinstance(future.exception(), RuntimeError)


# -- leave to run --


def guarded(ran: list[str]) -> Callable[..., Any]:
    @tool(approve=True)
    def delete(name: str) -> str:
        ran.append(name)
        return f"deleted {name}"

    return delete


def test_where_nobody_can_be_asked_a_guarded_tool_is_refused(
    provider: Provider, model: Model
) -> None:
    ran: list[str] = []
    asks_for(provider, call("delete", '{"name": "x"}'))
    provider.answer("Then not.")
    reply = stream_text(model, "Delete x.", tools=[guarded(ran)]).wait(10)
    assert (reply.text, ran) == ("Then not.", [])
    [part] = tools_of(reply.message)
    assert part.state == "output-denied"
    assert "Nobody is here" in provider.requests[1].body["messages"][-1]["content"]


@pytest.mark.parametrize("allowed", [True, False])
def test_a_guarded_tool_waits_for_its_word(
    provider: Provider, model: Model, cells: Cells, allowed: bool
) -> None:
    ran: list[str] = []
    asks_for(provider, call("delete", '{"name": "x"}'))
    provider.answer("Done.")
    reply = stream_text(model, "Delete x.", tools=[guarded(ran)]).consume()
    until(lambda: bool(reply.approvals))
    [part] = reply.approvals
    assert (part.tool_name, part.input, ran) == ("delete", {"name": "x"}, [])
    if allowed:
        reply.approve(part)
    else:
        reply.deny(part, "not today")
    reply.wait(10)
    assert reply.approvals == []
    [part] = tools_of(reply.message)
    if allowed:
        assert (ran, part.output) == (["x"], "deleted x")
    else:
        assert (ran, part.state) == ([], "output-denied")
        assert provider.requests[1].body["messages"][-1]["content"] == "not today"


def test_a_rule_decides_by_the_arguments_what_needs_leave(provider: Provider, model: Model) -> None:
    @tool(approve=lambda arguments: arguments["name"] == "b")
    def delete(name: str) -> str:
        return f"deleted {name}"

    asks_for(
        provider,
        call("delete", '{"name": "a"}', id="c1"),
        call("delete", '{"name": "b"}', id="c2", index=1),
    )
    provider.answer("Done.")
    reply = stream_text(model, "Delete a and b.", tools=[delete]).wait(10)
    states = [part.state for part in tools_of(reply.message)]
    assert states == ["output-available", "output-denied"]


# -- answers of a given shape --

CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
    "additionalProperties": False,
}


def test_an_answer_of_a_given_shape_is_an_object(provider: Provider, model: Model) -> None:
    answer = provider.answer(tokens=['{"name": "Lis', 'bon", "people": 5', "}"], gated=True)
    reply = stream_text(model, "Lisbon?", schema=CITY).consume()
    answer.release(1)
    until(lambda: reply.partial == {"name": "Lis"})
    answer.open()
    assert reply.object == {"name": "Lisbon", "people": 5}
    told = provider.requests[0].body["response_format"]
    assert told["json_schema"]["schema"] == CITY


def test_an_answer_that_does_not_fit_is_an_error_that_keeps_the_text(
    provider: Provider, model: Model
) -> None:
    provider.answer('{"name": "Lisbon"}')
    reply = stream_text(model, "Lisbon?", schema=CITY).wait(10)
    assert (reply.status, reply.text) == ("error", '{"name": "Lisbon"}')
    assert isinstance(reply.error, SchemaMismatch)
    assert reply.error.text == '{"name": "Lisbon"}'
    assert "people" in str(reply.error)
    with pytest.raises(SchemaMismatch):
        _ = reply.object


def test_an_answer_that_does_not_fit_is_repaired_once_if_asked(
    provider: Provider, model: Model
) -> None:
    provider.answer("Sorry, what?")
    provider.answer('{"name": "Lisbon", "people": 5}')
    reply = stream_text(model, "Lisbon?", schema=CITY, repair=True).wait(10)
    assert reply.status == "complete"
    assert reply.object == {"name": "Lisbon", "people": 5}
    assert any(isinstance(part, SteeringPart) for part in reply.message.parts)
    asked = provider.requests[1].body["messages"]
    assert [each["role"] for each in asked] == ["user", "assistant", "user"]
    assert "does not fit" in asked[-1]["content"]
    provider.answer("No.")
    provider.answer("No!")
    assert stream_text(model, "Lisbon?", schema=CITY, repair=True).wait(10).status == "error"
    assert len(provider.requests) == 4


def test_an_answer_without_a_shape_has_no_object(provider: Provider, model: Model) -> None:
    with pytest.raises(ConfigError, match="schema="):
        _ = stream_text(model, "Lisbon?").wait(10).object


def test_a_chat_keeps_the_object_and_asks_nothing_again(
    provider: Provider, model: Model, store: Store
) -> None:
    provider.answer('{"name": "Lisbon", "people": 5}')
    for _ in range(2):
        chat = Chat("c", model=model, store=store)
        assert chat.send("Lisbon?", schema=CITY).object == {"name": "Lisbon", "people": 5}
    assert len(provider.requests) == 1
    other = Chat("c", model=model, store=store).send("Lisbon?", schema={**CITY, "title": "x"})
    other.wait(10)
    assert len(provider.requests) == 2


def test_what_ended_an_answer_is_raised_for_its_object(model: Model, provider: Provider) -> None:
    provider.answer("{", cut=True)
    reply = stream_text(model, "Lisbon?", schema=CITY)
    with pytest.raises(Exception, match="before its answer") as raised:
        _ = reply.object
    assert not isinstance(raised.value, ConnectionFailed)


# -- what it took --


def test_the_tokens_of_a_stopped_answer_are_estimated_and_marked(
    provider: Provider, model: Model
) -> None:
    answer = provider.answer("one two three four five", gated=True)
    reply = stream_text(model, "Count for me, please.").consume()
    answer.release(3)
    until(lambda: "three" in reply.text)
    reply.stop().wait(10)
    assert reply.usage == Usage(input_tokens=6, output_tokens=4)
    assert reply.message.metadata["usageEstimated"] is True
    provider.answer("one two", usage={"prompt_tokens": 7, "completion_tokens": 2})
    counted = stream_text(model, "Count.").wait(10)
    assert counted.usage == Usage(input_tokens=7, output_tokens=2)
    assert "usageEstimated" not in counted.message.metadata


def test_an_answer_costs_what_its_vendor_takes_and_nothing_on_a_server_of_ones_own(
    provider: Provider,
) -> None:
    home = get_model("openai-chat/gpt-4o-mini", api_key="k")
    assert [home.vendor, get_model(home, base_url=provider.url).vendor] == ["openai-chat", ""]
    elsewhere = get_model("openai-chat/gpt-4o-mini", base_url=provider.url, api_key="k")
    assert stream_text(elsewhere, "Hello").wait(10).cost is None
    own = get_model("ollama/qwen3", base_url=provider.url)
    assert stream_text(own, "Hello").wait(10).cost == 0.0


# -- going on --

EVENTS = "text/event-stream"
WRITTEN = (
    'data: {"type":"start","messageId":"theirs"}\n\ndata: {"type":"start-step"}\n\n'
    'data: {"type":"text-start","id":"0"}\n\n'
    'data: {"type":"text-delta","id":"0","delta":"Three days"}\n\n'
)
REST = (
    'data: {"type":"text-end","id":"0"}\n\ndata: {"type":"finish-step"}\n\n'
    'data: {"type":"finish"}\n\ndata: [DONE]\n\n'
)


def broken_off(provider: Provider, store: Store) -> tuple[Chat, Reply]:
    """A chat with a backend whose connection ended in the middle of its answer, and that."""
    chat = Chat("trip", model=f"ui+{provider.address}/api/chat", store=store)
    provider.refuse(200, WRITTEN, content_type=EVENTS)
    reply = chat.send("Lisbon?").wait(10)
    assert reply.status == "interrupted"
    return chat, reply


def test_resume_takes_up_what_a_backend_is_still_writing(provider: Provider, store: Store) -> None:
    chat, broken = broken_off(provider, store)
    provider.refuse(200, WRITTEN + REST, content_type=EVENTS)
    reply = broken.resume().wait(10)
    assert (reply.status, reply.text) == ("complete", "Three days")
    assert [request.path for request in provider.requests] == [
        "/api/chat",
        "/api/chat/trip/stream",
    ]
    assert [message.status for message in chat.messages] == ["complete", "complete"]


def test_resume_asks_again_where_the_backend_writes_nothing_any_more(
    provider: Provider, store: Store
) -> None:
    _, broken = broken_off(provider, store)
    provider.refuse(204, "")
    provider.refuse(200, WRITTEN + REST, content_type=EVENTS)
    reply = broken.resume().wait(10)
    assert (reply.status, reply.text) == ("complete", "Three days")
    assert [request.path for request in provider.requests][1:] == [
        "/api/chat/trip/stream",
        "/api/chat",
    ]


def half_at(provider: Provider, *texts: str, **metadata: Any) -> tuple[Message, Model]:
    """What is left of a backend's answer, a step for each text, and its model."""
    model = get_model(f"ui+{provider.address}/api/chat")
    parts = [part for text in texts for part in (StepPart(), TextPart(text, "done"))]
    metadata = {"model": model.id, **metadata}
    message = Message(id="ours", role="assistant", parts=tuple(parts), metadata=metadata)
    return message.replace(status="interrupted"), model


def test_what_a_backend_is_still_writing_is_read_on_in_the_same_message(provider: Provider) -> None:
    half, model = half_at(provider, "Three")
    provider.refuse(200, WRITTEN + REST, content_type=EVENTS)
    reply = taken_up(half, model, chat_id="trip").wait(10)
    assert (reply.id, reply.status, reply.text) == ("ours", "complete", "Three days")
    assert "".join(reply.deltas()) == "Three days"
    assert len(provider.requests) == 1


def test_what_it_writes_no_more_is_kept(provider: Provider) -> None:
    half, model = half_at(provider, "Two d")
    provider.refuse(204, "")
    reply = taken_up(half, model, chat_id="trip").wait(10)
    assert (reply.status, reply.text) == ("interrupted", "Two d")
    assert isinstance(reply.error, NothingMore)
    assert len(provider.requests) == 1


@pytest.mark.parametrize("wire", ["", WRITTEN.replace("Three", "Four") + REST])
def test_several_steps_that_are_not_written_on_are_kept_and_not_mixed_with_another_answer(
    provider: Provider, wire: str
) -> None:
    half, model = half_at(provider, "Let me see.", "Three")
    provider.refuse(200 if wire else 204, wire, **({"content_type": EVENTS} if wire else {}))
    reply = taken_up(half, model, chat_id="trip").wait(10)
    assert (reply.status, reply.text) == ("interrupted", "Let me see.Three")
    assert not model.can_resume(reply.message, "trip")
    assert len(provider.requests) == 1


def test_a_backend_that_leaves_out_its_last_mark_has_ended_all_the_same(
    provider: Provider, store: Store
) -> None:
    provider.refuse(200, (WRITTEN + REST).replace("data: [DONE]", ""), content_type=EVENTS)
    reply = Chat("trip", model=f"ui+{provider.address}/api/chat", store=store).send("Lisbon?")
    assert reply.wait(10).status == "complete"


def test_an_answer_that_was_stopped_at_the_backend_is_stopped(
    provider: Provider, store: Store
) -> None:
    end = 'data: {"type":"abort"}\n\ndata: [DONE]\n\n'
    provider.refuse(200, WRITTEN + end, content_type=EVENTS)
    reply = Chat("trip", model=f"ui+{provider.address}/api/chat", store=store).send("Lisbon?")
    assert (reply.wait(10).status, reply.text, reply.error) == ("stopped", "Three days", None)


def test_asking_a_backend_again_says_which_answer_is_replaced(
    provider: Provider, store: Store
) -> None:
    chat = Chat("trip", model=f"ui+{provider.address}/api/chat", store=store)
    for _ in range(2):
        provider.refuse(200, WRITTEN + REST, content_type=EVENTS)
    chat.send("Lisbon?").wait(10).regenerate().wait(10)
    asked = provider.requests[1].body
    assert (asked["trigger"], asked["messageId"]) == ("regenerate-message", "theirs")


def test_an_answer_that_paused_is_sent_back_to_go_on(provider: Provider) -> None:
    def event(kind: str, **fields: Any) -> str:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"

    def answer(block: Json, reason: str) -> str:
        message = {"id": "m", "model": "claude", "usage": {"input_tokens": 1, "output_tokens": 1}}
        return (
            event("message_start", message=message)
            + event("content_block_start", index=0, content_block=block)
            + event("content_block_stop", index=0)
            + event("message_delta", delta={"stop_reason": reason}, usage={"output_tokens": 2})
            + event("message_stop")
        )

    search = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"q": "x"}}
    provider.refuse(200, answer(search, "pause_turn"), content_type=EVENTS)
    provider.refuse(
        200, answer({"type": "text", "text": "Found."}, "end_turn"), content_type=EVENTS
    )
    claude = get_model("anthropic/claude-sonnet-4-5", base_url=provider.address, api_key="k")
    reply = stream_text(claude, "Search.").wait(10)
    assert (reply.status, reply.text, reply.finish_reason) == ("complete", "Found.", "stop")
    sent = provider.requests[1].body["messages"]
    assert [each["role"] for each in sent] == ["user", "assistant"]
    assert sent[1]["content"][0]["id"] == "srv_1"


def until(happened: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.01)
