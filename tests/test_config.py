"""The defaults: what is said comes first, then what is set, then the environment."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit import Chat, ConfigError, chats, config, defaults, get_model, open_store, stream_text
from chatkit.providers import Model
from chatkit.stores import Store
from tests.servers import Provider

NAMES = ["model", "store", "system", "options", "max_steps", "detached", "log"]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    for name in NAMES:
        setattr(config, name, None)


def test_what_is_said_comes_before_what_is_set_and_that_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert get_model().id == "local/smollm2"
    monkeypatch.setenv("CHATKIT_MODEL", "openai/from-the-environment")
    assert get_model().id == "openai/from-the-environment"
    config.model = "openai/set"
    assert get_model().id == "openai/set"
    with config(model="openai/for-now"):
        assert get_model().id == config.model == "openai/for-now"
        assert get_model("openai/said").id == "openai/said"
    assert get_model().id == "openai/set"
    config.model = None
    assert get_model().id == config.model == "openai/from-the-environment"


def test_a_stored_chat_keeps_its_model_and_its_system_prompt(
    model: Model, provider: Provider
) -> None:
    config.model, config.system = model, "Be brief."
    first = Chat("trip")
    first.ask("Three days in Lisbon?")
    with config(model="openai/other", system="Be long."):
        again = Chat("trip")
        assert (again.model.id, again.system) == (model.id, "Be brief.")
        assert Chat("trip", model="openai/said", system="In verse.").system == "In verse."
        assert (Chat("new").model.id, Chat("new").system) == ("openai/other", "Be long.")
    assert provider.requests[0].body["messages"][0]["content"] == "Be brief."


def test_a_chat_in_which_nothing_was_said_takes_what_is_set_by_now() -> None:
    chat = Chat("trip")
    config.model = "openai/set"
    assert (chat.model.id, Chat("trip").model.id) == ("local/smollm2", "openai/set")


def test_a_chat_takes_every_default_and_what_is_said_goes_before_it(tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "model": "openai-chat/gpt",
        "store": tmp_path / "elsewhere",
        "system": "Be brief.",
        "options": {"temperature": 0, "seed": 1},
        "max_steps": 3,
        "detached": True,
    }
    with config(**values):
        chat = Chat("trip", seed=2)
        assert chat.store is open_store(tmp_path / "elsewhere") is open_store()
        assert (chat.max_steps, chat.detached, chat.system) == (3, True, "Be brief.")
        assert chat.options == {"temperature": 0, "seed": 2}
        said = Chat("trip", max_steps=4, detached=False)
        assert (said.max_steps, said.detached) == (4, False)
        assert chats().location == str(tmp_path / "elsewhere")


def test_an_answer_without_a_chat_takes_them_too(model: Model, provider: Provider) -> None:
    with config(model=model, system="Be brief.", options={"temperature": 0.5}):
        stream_text(None, "Hi").wait(20)
        own = [{"role": "system", "content": "In verse."}, {"role": "user", "content": "Hi"}]
        stream_text(None, own).wait(20)
    first, second = (request.body for request in provider.requests)
    assert first["temperature"] == 0.5
    assert [each["content"] for each in first["messages"]] == ["Be brief.", "Hi"]
    assert [each["content"] for each in second["messages"]] == ["In verse.", "Hi"]


def test_every_default_has_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"MODEL": "openai/a", "SYSTEM": "Be brief.", "MAX_STEPS": "3", "DETACHED": "yes"}
    for name, text in {**told, "OPTIONS": '{"temperature": 0}', "LOG": "debug"}.items():
        monkeypatch.setenv(f"CHATKIT_{name}", text)
    assert (config.model, config.system, config.max_steps) == ("openai/a", "Be brief.", 3)
    assert (config.detached, dict(config.options), config.log) == (
        True,
        {"temperature": 0},
        "debug",
    )


@pytest.mark.parametrize(
    ("name", "text"), [("DETACHED", "perhaps"), ("MAX_STEPS", "many"), ("OPTIONS", "[1]")]
)
def test_a_variable_that_makes_no_sense_is_named(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CHATKIT_{name}", text)
    with pytest.raises(ConfigError, match=f"CHATKIT_{name}"):
        Chat("trip")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("model", "gpt", "provider/name"),
        ("model", 3, "name or a Model"),
        ("store", 3, "not a store"),
        ("store", "https://host", "redis://"),
        ("system", 3, "text"),
        ("options", {"temprature": 0}, "did you mean 'temperature'"),
        ("options", {"temperature": "hot"}, "temperature is 'hot'"),
        ("options", "cold", "dict"),
        ("max_steps", 0, "1 or more"),
        ("detached", "yes", "True or False"),
        ("log", "loud", "debug, info, warning, error"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_assigned(name: str, value: Any, says: str) -> None:
    before = getattr(config, name)
    with pytest.raises(ConfigError, match=says):
        setattr(config, name, value)
    with pytest.raises(ConfigError):
        config(**{name: value})
    assert getattr(config, name) == before


def test_a_name_that_is_none_of_them_tells_the_near_one() -> None:
    with pytest.raises(AttributeError, match="did you mean 'model'"):
        config.modle = "openai/gpt"
    with pytest.raises(AttributeError, match="did you mean 'options'"):
        config(option={"temperature": 0})
    with pytest.raises(AttributeError, match="it has model, store"):
        _ = config.zzz
    assert dir(config) == sorted(NAMES)


def test_what_is_set_cannot_be_changed_in_place() -> None:
    mine = {"temperature": 0}
    config.options = mine
    mine["temperature"] = 2
    assert config.options == {"temperature": 0}
    with pytest.raises(TypeError):
        config.options["seed"] = 1


def test_for_now_is_for_this_thread_and_this_block() -> None:
    seen: list[Any] = []
    with config(max_steps=3), config(system="Be brief."):
        assert (config.max_steps, config.system) == (3, "Be brief.")
        thread = threading.Thread(target=lambda: seen.append(config.max_steps))
        thread.start()
        thread.join()
    assert (seen, config.max_steps, config.system) == ([20], 20, None)
    with pytest.raises(KeyError), config(max_steps=3):
        raise KeyError
    assert config.max_steps == 20


def test_it_says_where_each_value_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKIT_MAX_STEPS", "5")
    config.model = "openai/gpt"
    with config(detached=True):
        rows = {line.split()[0]: line.split()[1:] for line in repr(config).splitlines()}
        assert rows["model"] == ["'openai/gpt'", "set"]
        assert rows["max_steps"] == ["5", "CHATKIT_MAX_STEPS"]
        assert rows["detached"] == ["True", "set", "for", "now"]
        assert rows["system"] == ["None", "default"]
        assert "CHATKIT_MAX_STEPS" in config._repr_html_()


def test_it_shows_no_password_of_a_store() -> None:
    with config(store="redis://me:pa55word@host:6379/0"):
        assert "pa55word" not in repr(config) + config._repr_html_()
        assert "redis://[hidden]@host:6379/0" in repr(config)


def test_each_default_is_documented() -> None:
    assert all(getattr(type(config), name).__doc__ for name in NAMES)
    assert [defaults.variable_of(name) for name in NAMES[:2]] == ["CHATKIT_MODEL", "CHATKIT_STORE"]


def test_a_store_object_is_a_default_too(store: Store) -> None:
    with config(store=store):
        assert Chat("trip").store is store
