"""`chatkit.config`: what is used where nothing else is said, to be set and to be looked at."""

from __future__ import annotations

import difflib
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar, overload

from chatkit import defaults, logs
from chatkit.answers.steps import checked_steps
from chatkit.errors import ConfigError
from chatkit.providers import Model, get_model
from chatkit.providers.options import check
from chatkit.redaction import hide_all
from chatkit.stores import Store, open_store

T = TypeVar("T")


class Setting(Generic[T]):
    """One default: a value for `check`, which raises ConfigError; None takes back what was set."""

    def __init__(self, check: Callable[[T], object], about: str) -> None:
        self.check = check
        self.__doc__ = about

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, config: None, owner: type) -> Setting[T]: ...
    @overload
    def __get__(self, config: Config, owner: type) -> T: ...
    def __get__(self, config: Config | None, owner: type) -> Setting[T] | T:
        if config is None:
            return self
        value: T = defaults.get(self.name)
        return value

    def __set__(self, config: Config, value: T | None) -> None:
        if value is not None:
            self.check(value)
        defaults.put(self.name, value)


class LogSetting(Setting[str | None]):
    """What is written to the log from now on."""

    def __set__(self, config: Config, value: str | None) -> None:
        super().__set__(config, value)
        logs.write(logs.checked_level(self.__get__(config, Config)))


def _check_system(value: str | None) -> None:
    if not isinstance(value, str):
        raise ConfigError(f"system is {value!r:.80}; it is a text")


def _check_options(value: Mapping[str, Any]) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f'options is {value!r:.80}; it is a dict, such as {{"temperature": 0}}')
    check("a model", value)


def _check_flag(value: bool) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"detached is {value!r:.80}; it is True or False")


class Config:
    """The defaults of `Chat`, `stream_text`, `get_model`, `open_store` and `chats`.

    What is passed to these comes first, and what a stored chat was last asked with (its model and
    system prompt); then what is set here; then the variable, `CHATKIT_` and the name in capitals;
    then what is built in. To assign None takes back what was set.

        chatkit.config.model = "anthropic/claude-sonnet-5-5"
        with chatkit.config(model="openai/gpt-5", options={"temperature": 0}):
            ...  # in this block, and in no other thread

    A value that cannot work raises ConfigError when it is assigned.
    """

    model = Setting[str | Model](get_model, "the model that is asked")
    store = Setting[str | os.PathLike[str] | Store](open_store, "where chats are kept")
    system = Setting[str | None](_check_system, "the system prompt")
    options = Setting[Mapping[str, Any]](_check_options, "options that go to the model")
    max_steps = Setting[int](checked_steps, "requests an answer with tools may take")
    detached = Setting[bool](_check_flag, "whether another process writes the answers")
    log = LogSetting(logs.checked_level, f"what is logged: {', '.join(logs.LEVELS)}, or off")

    def __call__(self, **values: Any) -> AbstractContextManager[None]:
        """Other defaults in a `with` block, and in no other thread; not `log`, which is one for
        the whole process. Raises ConfigError, AttributeError."""
        for name, value in values.items():
            setting = self._setting(name)
            if isinstance(setting, LogSetting):
                raise ConfigError("log is one for the whole process: assign config.log")
            if value is not None:
                setting.check(value)
        return defaults.for_now(values)

    def __getattr__(self, name: str) -> Any:
        raise self._unknown(name)  # nothing of that name was found

    def __setattr__(self, name: str, value: Any) -> None:
        self._setting(name)
        super().__setattr__(name, value)

    def __repr__(self) -> str:
        from chatkit.cards import text_table  # not needed before somebody looks

        rows = [(name, value, source) for name, value, source, _ in self._rows()]
        return text_table(("chatkit.config", "value", "from"), rows, widest=70)

    def _repr_html_(self) -> str:
        from chatkit.cards import Cell, table_card

        rows = [
            [Cell(name, is_code=True), Cell(value, is_code=True), Cell(source), Cell(about)]
            for name, value, source, about in self._rows()
        ]
        return table_card("chatkit.config", ("name", "value", "from", "what it is"), rows, "")

    def __dir__(self) -> list[str]:
        return _NAMES

    def _rows(self) -> list[tuple[str, str, str, str]]:
        return [_row(name, self._setting(name)) for name in _NAMES]

    def _setting(self, name: str) -> Setting[Any]:
        setting = vars(Config).get(name)
        if not isinstance(setting, Setting):
            raise self._unknown(name)
        return setting

    def _unknown(self, name: str) -> AttributeError:
        near = difflib.get_close_matches(name, _NAMES, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(_NAMES)}."
        return AttributeError(f"chatkit.config has no {name!r}; {guess}")


_NAMES = [name for name, value in vars(Config).items() if isinstance(value, Setting)]
config = Config()


def begin_logging() -> None:
    """Log as the environment says, from the first line on."""
    logs.begin()
    try:
        if (level := logs.checked_level(defaults.get("log"))) is not None:
            logs.write(level)
    except ConfigError as error:  # chatkit works all the same
        warnings.warn(str(error), stacklevel=2)


def _row(name: str, setting: Setting[Any]) -> tuple[str, str, str, str]:
    value, source = defaults.find(name)
    about = str(setting.__doc__)
    if name == "log" and value is not None:
        about = f"what is logged, in {logs.path()}"
    told = defaults.variable_of(name) if source == "environment" else source
    shown = dict(value) if isinstance(value, Mapping) else value
    return name, hide_all(repr(shown)), told, about
