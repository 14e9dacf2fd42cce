"""Jobs: what another process asks by one is just what would be asked here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chatkit import ConfigError, get_model, open_store, tool
from chatkit.answers.steps import Question
from chatkit.detached.jobs import Job, job_of
from chatkit.messages import as_messages
from chatkit.providers import Model
from chatkit.providers.table import ENDPOINTS
from chatkit.schema import schema_of
from tests.test_steps import add

HELLO = as_messages([{"role": "user", "content": "Hello", "id": "hello"}])


def through_the_pipe(question: Question, tmp_path: Path, **more: Any) -> Job:
    given: dict[str, Any] = {"system": None, "is_continuation": False} | more
    return Job.from_line(job_of(question, open_store(tmp_path / "store"), "a", **given).line)


def asked(question: Question) -> Any:
    return question.model.request(
        HELLO,
        question.options,
        tools=list(question.tools.values()),
        schema=None if question.schema is None else question.schema.json,
        chat_id=question.chat_id,
    )


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Every variable that a provider looks at, each with a value of its own."""
    names = {name for endpoint in ENDPOINTS.values() for name in endpoint.keys}
    names |= {name for each in ENDPOINTS.values() for name in each.header_variables.values()}
    for name in names:
        monkeypatch.setenv(name, f"secret-{name}")
    return names


@pytest.mark.parametrize("provider", [*sorted(ENDPOINTS), "ui", "unlisted"])
@pytest.mark.parametrize("elsewhere", [False, True])
def test_every_provider_is_asked_the_same_without_the_variables(
    provider: str,
    elsewhere: bool,
    variables: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = "ui+https://host/api/chat" if provider == "ui" else f"{provider}/some-model"
    needs_address = provider == "unlisted" or (provider != "ui" and not at_home(provider))
    base_url = "https://other.example/v1" if elsewhere or needs_address else None
    question = Question(get_model(name, base_url=base_url), chat_id="trip")
    here = asked(question)
    job = through_the_pipe(question, tmp_path)
    for variable in variables:
        monkeypatch.delenv(variable)
    there = asked(job.question)
    assert (there.url, there.body) == (here.url, here.body)
    assert there.headers == here.headers


def at_home(provider: str) -> bool:
    return bool(ENDPOINTS[provider].base_url)


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
def test_a_token_stays_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in ENDPOINTS["anthropic"].keys:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "secret")
    question = Question(get_model("anthropic/claude"))
    here = asked(question).headers
    job = through_the_pipe(question, tmp_path)
    monkeypatch.delenv(name)
    assert asked(job.question).headers == here
    assert job.question.model.refusal(401, {}, b'{"error": {"message": "secret is wrong"}}').message


def test_a_key_that_a_server_repeats_is_hidden_there_too(tmp_path: Path) -> None:
    model = get_model("openai-chat/test", base_url="http://localhost:1", api_key="sk-very-secret")
    there = through_the_pipe(Question(model), tmp_path).question.model
    refused = there.refusal(401, {}, b'{"error": {"message": "no such key: sk-very-secret"}}')
    assert "sk-very-secret" not in str(refused)


def test_tools_shape_and_all_else_come_along(model: Model, tmp_path: Path) -> None:
    question = Question(
        model,
        {"temperature": 0.5, "tool_choice": "required"},
        tools={"add": tool(add, repeatable=True)},
        max_steps=3,
        schema=schema_of(list[int]),
        repair=True,
        chat_id="trip",
        replaces="b",
        resumes=True,
    )
    job = through_the_pipe(question, tmp_path, system="Be \ud800 brief.", is_continuation=True)
    there = job.question
    assert asked(there) == asked(question)
    assert (there.max_steps, there.repair, there.replaces, there.resumes) == (3, True, "b", True)
    assert there.tools["add"].repeatable
    assert there.schema is not None
    assert there.schema.name == "answer"
    assert there.schema.load({"value": [1]}) == {"value": [1]}, "what it is here is not said"
    assert (job.chat_id, job.row_id, job.system) == ("trip", "a", "Be \ud800 brief.")
    assert job.is_continuation


class Odd(Mapping[str, Any]):
    """An option that is no JSON."""

    def __getitem__(self, name: str) -> Any:
        raise KeyError(name)

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_what_cannot_leave_the_process_is_named(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="its option extra= is not JSON"):
        through_the_pipe(Question(model, {"extra": Odd()}), tmp_path)
    other = Model("openai-chat", "test", model.base_url, ENDPOINTS["anthropic"])
    with pytest.raises(ConfigError, match="not one that its name stands for"):
        through_the_pipe(Question(other), tmp_path)
