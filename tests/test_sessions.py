"""Chats as the memory of other frameworks, against the frameworks themselves."""

from __future__ import annotations

import asyncio
import json
import warnings
from typing import Any

import agents
import pytest
from agents.items import ModelResponse
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.runnables.history import RunnableWithMessageHistory
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
)

from chatkit import Chat
from chatkit.providers import Model
from chatkit.sessions import AgentsSession, LangChainHistory
from chatkit.stores.disk import DiskStore
from tests.servers import Provider
from tests.storing import child, end, line, run, tell

PICTURE = "data:image/png;base64," + "QUJD" * 2000


class Fake(agents.Model):
    """A model that says what it is told to, and keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Any] = []

    async def get_response(
        self, system_instructions: Any, input: Any, *more: Any, **options: Any
    ) -> ModelResponse:
        self.asked.append(input)
        return ModelResponse([self.answers.pop(0)], agents.Usage(), None)

    def stream_response(self, *more: Any, **options: Any) -> Any:
        raise NotImplementedError


def said(text: str) -> ResponseOutputMessage:
    part = ResponseOutputText(annotations=[], text=text, type="output_text")
    return ResponseOutputMessage(
        id="m1", content=[part], role="assistant", status="completed", type="message"
    )


@agents.function_tool
def weather(city: str) -> str:
    """The weather there."""
    return f"rain in {city}"


def agent(model: Fake) -> agents.Agent[Any]:
    agents.set_tracing_disabled(True)
    return agents.Agent(name="guide", model=model, tools=[weather])


def shown(chat_id: str) -> list[tuple[str, str]]:
    return [(message.role, message.text) for message in Chat(chat_id).messages]


def test_an_agent_remembers_what_was_said_in_a_session() -> None:
    model = Fake(
        said("Hello Ada."),
        ResponseFunctionToolCall(
            arguments='{"city": "Oslo"}', call_id="c1", name="weather", type="function_call"
        ),
        said("It rains."),
    )
    guide = agent(model)

    async def talk() -> None:
        await agents.Runner.run(guide, "I am Ada.", session=AgentsSession("trip"))
        again = AgentsSession("trip")
        result = await agents.Runner.run(guide, "How is Oslo?", session=again)
        assert result.final_output == "It rains."
        assert [item.get("type", "message") for item in await again.get_items()] == [
            "message", "message", "message", "function_call", "function_call_output", "message",
        ]  # fmt: skip

    run(talk())
    assert [item["content"] for item in model.asked[1] if item["role"] == "user"] == [
        "I am Ada.",
        "How is Oslo?",
    ]
    assert [each for each in shown("trip") if each[1]] == [
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "How is Oslo?"),
        ("assistant", "It rains."),
    ]


def test_a_session_is_one_to_the_agents_sdk_and_keeps_items_as_they_are() -> None:
    session = AgentsSession("trip")
    assert isinstance(session, agents.Session)
    items: list[Any] = [
        {"role": "user", "content": [{"type": "input_text", "text": "Look: \ud83d"},
                                     {"type": "input_image", "image_url": PICTURE}]},
        {"type": "reasoning", "id": "r1", "summary": [], "encrypted_content": "x" * 100},
        {"type": "unheard_of", "deep": {"list": [1, 2.5, None, True, {"a": []}]}},
        {"role": "developer", "content": "Be brief."},
    ]  # fmt: skip
    before = json.dumps(items)
    run(session.add_items(items))
    run(session.add_items([]))
    assert json.dumps(run(AgentsSession("trip").get_items())) == before
    assert run(session.get_items(limit=2)) == items[2:]
    assert run(session.get_items(limit=0)) == []
    assert run(session.get_items(limit=9)) == items


def test_the_last_item_of_a_session_can_be_taken_back() -> None:
    session = AgentsSession("trip")
    assert run(session.pop_item()) is None
    first, second, third = ({"role": "user", "content": word} for word in ("one", "two", "three"))
    run(session.add_items([first, second]))
    assert run(session.pop_item()) == second
    run(session.add_items([third]))
    assert run(session.get_items()) == [first, third]
    assert shown("trip") == [("user", "one"), ("user", "three")]
    assert [run(session.pop_item()), run(session.pop_item())] == [third, first]
    assert run(session.pop_item()) is None
    run(session.add_items([first]))
    run(session.clear_session())
    assert run(session.get_items()) == []


def test_a_chat_goes_on_where_a_session_was(provider: Provider, model: Model) -> None:
    session = AgentsSession("trip")
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    answer = {"role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
    run(session.add_items([{"role": "user", "content": "Hi"}, call, answer]))
    assert Chat("trip", model=model).ask("And now?").status == "complete"
    assert [each["content"] for each in provider.requests[0].body["messages"]] == [
        "Hi",
        "Hello.",
        "And now?",
    ]
    assert len(run(session.get_items())) == 3, "a session holds what its agent added"


def test_two_processes_that_add_to_one_session_lose_nothing(store: DiskStore) -> None:
    program = """
        from chatkit.sessions import AgentsSession
        session = AgentsSession("trip", store=store)
        say("ready")
        sys.stdin.readline()
        for number in range(40):
            await session.add_items([{"role": "user", "content": f"{sys.argv[1]} {number}"}] * 2)
        say("done")
    """
    both = [child(store, program, name) for name in ("a", "b")]
    try:
        assert [line(each) for each in both] == ["ready", "ready"]
        for each in both:
            tell(each)
        assert [line(each) for each in both] == ["done", "done"]
    finally:
        for each in both:
            end(each)
    items = run(AgentsSession("trip", store=store).get_items())
    for name in ("a", "b"):
        kept = [item["content"] for item in items if item["content"].startswith(name)]
        assert kept == [f"{name} {number}" for number in range(40) for _ in range(2)]


def test_langchain_keeps_its_messages_in_a_chat() -> None:
    messages: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage(
            [{"type": "text", "text": "Look"}, {"type": "image_url", "image_url": PICTURE}]
        ),
        AIMessage(
            "Calling",
            tool_calls=[{"name": "f", "args": {"a": 1}, "id": "c1", "type": "tool_call"}],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            response_metadata={"model": "m"},
            id="run-1",
        ),
        ToolMessage("42", tool_call_id="c1", artifact={"raw": [1]}),
    ]  # fmt: skip
    history = LangChainHistory("trip")
    assert history.messages == []
    history.add_messages(messages)
    assert LangChainHistory("trip").messages == messages
    assert shown("trip") == [
        ("system", "Be brief."),
        ("user", "Look"),
        ("assistant", "Calling"),
        ("assistant", "42"),
    ]
    history.clear()
    assert history.messages == []


@pytest.mark.parametrize("awaited", [False, True])
def test_a_langchain_runnable_remembers(awaited: bool) -> None:
    with warnings.catch_warnings():  # LangChain wants everybody to move on to LangGraph
        warnings.simplefilter("ignore", DeprecationWarning)
        fake = FakeListChatModel(responses=["Hello Ada.", "You are Ada."])
        history: Any = LangChainHistory  # one by its methods
        chain: Any = RunnableWithMessageHistory(fake, history)
        config = {"configurable": {"session_id": "trip"}}
        for question in ("I am Ada.", "Who am I?"):
            if awaited:
                asyncio.run(chain.ainvoke([HumanMessage(question)], config))
            else:
                chain.invoke([HumanMessage(question)], config)
    assert [message.content for message in LangChainHistory("trip").messages] == [
        "I am Ada.",
        "Hello Ada.",
        "Who am I?",
        "You are Ada.",
    ]
    if awaited:
        run(LangChainHistory("trip").aclear())
        assert LangChainHistory("trip").messages == []
