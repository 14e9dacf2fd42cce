"""What is used where nothing else is said: as it was set, else by the environment, else built in.

Each default has a variable, `CHATKIT_` and its name in capitals. `chatkit.config` is what people
set and see of them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from chatkit.errors import ConfigError

MAX_STEPS = 20
MODEL = "local/smollm2"
STORE = ".chatkit"
Source = Literal["set", "set for now", "environment", "default"]


class Found(NamedTuple):
    """A value, and where it comes from."""

    value: Any
    source: Source


class _Default(NamedTuple):
    built_in: Any
    read: Callable[[str], Any] = str  # what the text of its variable means


def _flag(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("it is true or false")
    return words[text.lower()]


def _json_object(text: str) -> Mapping[str, Any]:
    read = json.loads(text)
    if not isinstance(read, dict):
        raise ValueError('it is a JSON object, such as {"temperature": 0}')
    return read


_DEFAULTS = {
    "model": _Default(MODEL),
    "store": _Default(STORE),
    "system": _Default(None),
    "options": _Default(MappingProxyType({}), _json_object),
    "max_steps": _Default(MAX_STEPS, int),
    "detached": _Default(False, _flag),
    "log": _Default(None),
}
_set: dict[str, Any] = {}
_for_now: ContextVar[Mapping[str, Any]] = ContextVar("chatkit.defaults")


def get(name: str) -> Any:
    """The default of this name. Raises ConfigError where its variable makes no sense."""
    return find(name).value


def find(name: str) -> Found:
    """The same, with where it comes from."""
    if (now := _for_now.get({}).get(name)) is not None:
        return Found(now, "set for now")
    if name in _set:
        return Found(_set[name], "set")
    text = os.environ.get(variable_of(name), "").strip()
    if text:
        return Found(_read(name, text), "environment")
    return Found(_DEFAULTS[name].built_in, "default")


def put(name: str, value: Any) -> None:
    """Set a default for this process; None takes back what was set."""
    _set.pop(name, None)
    if value is not None:
        _set[name] = _frozen(value)


@contextmanager
def for_now(values: Mapping[str, Any]) -> Iterator[None]:
    """Other defaults inside the block, and in no other thread."""
    now = {name: _frozen(value) for name, value in values.items()}
    before = _for_now.set({**_for_now.get({}), **now})
    try:
        yield
    finally:
        _for_now.reset(before)


def variable_of(name: str) -> str:
    """The environment variable of a default."""
    return f"CHATKIT_{name.upper()}"


def _read(name: str, text: str) -> Any:
    try:
        return _frozen(_DEFAULTS[name].read(text))
    except ValueError as error:
        raise ConfigError(f"the variable {variable_of(name)} is {text!r:.80}: {error}") from error


def _frozen(value: Any) -> Any:
    """The value as it is now: one that was changed in place would be checked by nobody."""
    return MappingProxyType(dict(value)) if isinstance(value, Mapping) else value
