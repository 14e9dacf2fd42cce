"""A real server in each of its dialects: the same answers, tools, shapes and errors."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from chatkit import Chat, Reply, local, stream_text
from chatkit import engine as engines
from chatkit.errors import ProviderError
from chatkit.messages import StepPart, ToolPart
from chatkit.providers import Model, get_model

pytestmark = pytest.mark.local

DIALECTS = ["openai-chat", "openai-responses", "anthropic"]
SYSTEM = "You are a helpful assistant."
FRANCE = "What is the capital of France?"
WEATHER = "What is the weather in Paris?"
NEVER = 30.0  # seconds after which what must happen counts as not happening

in_every_dialect = pytest.mark.parametrize("model", DIALECTS, indirect=True)
and_as_the_default = pytest.mark.parametrize("model", [*DIALECTS, "local"], indirect=True)


@dataclass
class City:
    name: str
    population: int


@pytest.fixture(scope="module")
def root() -> Iterator[str]:
    """The address of this process's server."""
    url = engines.get_engine().run(local.address("smollm2", lambda line: None))
    yield url.removesuffix("/v1")
    local.stop()


@pytest.fixture
def sent() -> list[str]:
    """The bodies of the requests that were made."""
    return []


@pytest.fixture
def client(sent: list[str]) -> Iterator[httpx.AsyncClient]:
    """A client that notes what it sends."""

    async def note(request: httpx.Request) -> None:
        sent.append(request.content.decode())

    listening = httpx.AsyncClient(event_hooks={"request": [note]})
    yield listening
    engines.get_engine().run(listening.aclose())


@pytest.fixture
def speaker(root: str, client: httpx.AsyncClient) -> Callable[[str], Model]:
    """The embedded model, spoken to in a dialect."""

    def named(provider: str) -> Model:
        if provider == "local":
            return get_model("local/smollm2", client=client)
        base = root if provider == "anthropic" else f"{root}/v1"
        has_schemas = provider == "openai-chat"  # it passes over them in the other two
        return get_model(f"{provider}/smollm2", base_url=base, client=client, schemas=has_schemas)

    return named


@pytest.fixture
def model(request: pytest.FixtureRequest, speaker: Callable[[str], Model]) -> Model:
    return speaker(request.param)


class Weather:
    """A tool that notes what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_weather(self, city: str) -> str:
        """The weather in a city."""
        self.asked.append(city)
        return f"It is foggy in {city}."


def asked(model: Model, question: Any, *, longest: int = 60, **more: Any) -> Reply:
    """An answer that has ended, the same each time."""
    reply = stream_text(model, question, system=SYSTEM, temperature=0, max_tokens=longest, **more)
    return reply.wait(NEVER)


def calls(reply: Reply) -> list[ToolPart]:
    return [part for part in reply.message.parts if isinstance(part, ToolPart)]


def tokens(root: str, *messages: dict[str, str]) -> int:
    """How long the server itself finds a conversation."""
    body = {"messages": [{"role": "system", "content": SYSTEM}, *messages], "max_tokens": 1}
    answer = httpx.post(f"{root}/v1/chat/completions", json=body, timeout=NEVER).json()
    return int(answer["usage"]["prompt_tokens"])


def until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + NEVER
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@in_every_dialect
def test_an_answer_streams(model: Model, root: str) -> None:
    reply = stream_text(model, FRANCE, system=SYSTEM, temperature=0, max_tokens=60)
    pieces = list(reply.deltas())
    assert len(pieces) > 5
    assert "".join(pieces) == reply.text
    assert "The capital of France is Paris" in reply.text
    assert (reply.status, reply.finish_reason, reply.error) == ("complete", "stop", None)
    assert reply.usage is not None
    assert reply.usage.input_tokens == tokens(root, {"role": "user", "content": FRANCE})
    assert (reply.usage.output_tokens or 0) >= len(pieces)


@in_every_dialect
def test_every_word_of_a_conversation_reaches_the_model(model: Model, root: str) -> None:
    told = [
        {"role": "user", "content": "My name is Ada."},
        {"role": "assistant", "content": "Hello Ada."},
        {"role": "user", "content": "What is my name?"},
    ]
    reply = asked(model, told, longest=5)
    assert reply.usage is not None
    if model.provider == "openai-responses":  # the server drops what it has said itself there
        told[1] = {"role": "assistant", "content": ""}
    assert reply.usage.input_tokens == tokens(root, *told)


@in_every_dialect
def test_a_limit_ends_an_answer(model: Model) -> None:
    reply = asked(model, FRANCE, longest=5)
    assert (reply.status, reply.text) == ("complete", "The capital of France is")
    assert reply.usage is not None
    assert reply.usage.output_tokens == 5
    # in Responses the server does not say that it was the limit
    says = "stop" if model.provider == "openai-responses" else "length"
    assert reply.finish_reason == says


@in_every_dialect
def test_a_conversation_goes_on_and_running_it_again_asks_nothing(
    model: Model, sent: list[str]
) -> None:
    def talk() -> list[Reply]:
        chat = Chat("talk", model=model, system=SYSTEM, temperature=0, max_tokens=12)
        return [chat.ask(FRANCE), chat.ask("And of Italy?")]

    first = talk()
    assert [reply.status for reply in first] == ["complete", "complete"]
    assert first[0].text in sent[-1]
    sent.clear()
    assert [reply.message for reply in talk()] == [reply.message for reply in first]
    assert sent == []


@and_as_the_default
def test_a_tool_is_run_and_its_result_goes_back(model: Model, sent: list[str]) -> None:
    weather = Weather()
    reply = asked(model, WEATHER, tools=[weather.get_weather], tool_choice="required")
    assert (reply.status, reply.error) == ("complete", None)
    [call] = calls(reply)
    assert (call.tool_name, call.state) == ("get_weather", "output-available")
    assert [call.input] == [{"city": city} for city in weather.asked]
    assert call.output == f"It is foggy in {weather.asked[0]}."
    assert sum(isinstance(part, StepPart) for part in reply.message.parts) == 2
    assert call.output not in sent[0]
    assert call.output in sent[-1]
    assert call.tool_call_id in sent[-1]
    assert reply.text


@in_every_dialect
def test_every_call_of_an_answer_is_run_once_with_its_own_arguments(model: Model) -> None:
    weather = Weather()
    question = "Call get_weather for Tokyo and get_weather for London."
    reply = asked(
        model,
        question,
        tools=[weather.get_weather],
        tool_choice="required",
        extra={"parallel_tool_calls": True},
        longest=80,
    )
    assert reply.status == "complete"
    made = [(call.input, call.output, call.state) for call in calls(reply)]
    cities = sorted(weather.asked)
    assert sorted(made, key=str) == [
        ({"city": city}, f"It is foggy in {city}.", "output-available") for city in cities
    ]
    # in Messages the server lets it call one tool at a time
    assert cities == (["Tokyo"] if model.provider == "anthropic" else ["London", "Tokyo"])


@and_as_the_default
def test_an_answer_has_the_shape_it_is_asked_for(model: Model) -> None:
    reply = asked(model, "Tell me of Paris.", schema=City, longest=120)
    assert (reply.status, reply.finish_reason, reply.error) == ("complete", "stop", None)
    assert isinstance(reply.object, City)
    assert reply.partial == {"name": reply.object.name, "population": reply.object.population}
    assert calls(reply) == []


@in_every_dialect
def test_conversations_go_on_side_by_side(model: Model) -> None:
    def begun(name: str) -> Reply:
        chat = Chat(name, model=model, system=SYSTEM, temperature=0, max_tokens=12)
        return chat.send(FRANCE)

    replies = [begun(name) for name in ("one", "two", "three")]  # one more than it has slots
    assert [reply.wait(NEVER).status for reply in replies] == ["complete"] * 3
    assert all(reply.text.startswith("The capital of France is") for reply in replies)


@in_every_dialect
def test_stopping_an_answer_stops_the_model(model: Model, root: str) -> None:
    def is_busy() -> bool:
        return any(slot["is_processing"] for slot in httpx.get(f"{root}/slots", timeout=60).json())

    reply = stream_text(model, "Tell me a long story.", temperature=0, max_tokens=500)
    assert next(iter(reply.deltas()))
    assert is_busy()
    reply.stop().wait(NEVER)
    assert (reply.status, bool(reply.text), reply.error) == ("stopped", True, None)
    until(lambda: not is_busy())


@in_every_dialect
def test_what_it_refuses_is_told_in_its_own_words(model: Model) -> None:
    reply = asked(model, "word " * 5_000)
    assert reply.status == "error"
    assert isinstance(reply.error, ProviderError)
    assert reply.error.status == 400
    assert "exceeds the available context size (4096 tokens)" in str(reply.error)


def test_a_conversation_moves_from_dialect_to_dialect(
    speaker: Callable[[str], Model], sent: list[str]
) -> None:
    weather = Weather()
    chat = Chat("moving", tools=[weather.get_weather], system=SYSTEM, temperature=0, max_tokens=60)
    before: list[ToolPart] = []
    for provider in (*DIALECTS, *reversed(DIALECTS)):
        chat.model = speaker(provider)
        sent.clear()
        reply = chat.ask(WEATHER, tool_choice="required")
        assert (reply.status, reply.error) == ("complete", None)
        assert all(call.tool_call_id in sent[0] for call in before)
        assert calls(reply)
        before += calls(reply)
    assert len(weather.asked) == len(before)
