"""The options every model takes, whatever its dialect calls them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any

from chatkit.errors import ConfigError, UnknownOption

EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_OWN = {"history": "ui", "stoppable": "ui"}  # options that one provider alone takes


def check(provider: str, options: Mapping[str, Any], lacks: Set[str] = frozenset()) -> None:
    """Raise UnknownOption or ConfigError where an option cannot be meant. None is not given.

    `lacks` are the options that this provider's dialect has no word for.
    """
    lacks = lacks | {name for name, owner in _OWN.items() if owner != provider}
    for name, value in options.items():
        if name not in _TAKEN or (name in lacks and value is not None):
            raise UnknownOption(_unknown(provider, name, lacks))
        fits, wanted = _TAKEN[name]
        if value is not None and not fits(value):
            raise ConfigError(f"{name} is {value!r:.80}; it is {wanted}")


def check_choice(choice: str | None, tools: Iterable[str]) -> None:
    """Raise ConfigError where `tool_choice` is none of its words, and no tool's name."""
    if choice not in (None, "auto", "none", "required", *tools):
        raise ConfigError(f"tool_choice is {choice!r}, and no tool is called that")


def _unknown(provider: str, name: str, lacks: Set[str]) -> str:
    taken = sorted(_TAKEN.keys() - lacks)
    near = difflib.get_close_matches(name, taken, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else "."
    return (
        f"{provider} takes no option {name!r}{guess} It takes {', '.join(taken)}."
        f" What one provider alone knows goes into extra={{{name!r}: …}}."
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_int(value) and value > 0


def _is_stop(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence) and all(isinstance(each, str) for each in value)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_effort(value: Any) -> bool:
    return value in EFFORTS


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_history(value: Any) -> bool:
    return value in ("all", "last")


def _is_json_object(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return False
    return isinstance(value, dict)


_TAKEN: dict[str, tuple[Callable[[Any], bool], str]] = {
    "temperature": (_is_number, "a number"),
    "top_p": (_is_number, "a number"),
    "max_tokens": (_is_count, "a number of tokens, 1 or more"),
    "stop": (_is_stop, "a text or a list of texts"),
    "seed": (_is_int, "a whole number"),
    "tool_choice": (_is_name, '"auto", "none", "required" or the name of a tool'),
    "presence_penalty": (_is_number, "a number"),
    "frequency_penalty": (_is_number, "a number"),
    "reasoning": (_is_effort, f"one of {', '.join(EFFORTS)}"),
    "background": (_is_bool, "True or False, whether the far side goes on without us"),
    "history": (_is_history, '"all" or "last", what is sent of the conversation'),
    "stoppable": (_is_bool, "True or False, whether a backend ends an answer at /{id}/stop"),
    "extra": (_is_json_object, "a dict of what this provider alone knows, as JSON"),
}
