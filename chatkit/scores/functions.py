"""Functions as scores, and `scores=`. Alone knows what a score function may take."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from chatkit.errors import ConfigError
from chatkit.messages import Message
from chatkit.replies import Reply
from chatkit.schema import underlying
from chatkit.scores.fingerprints import print_of
from chatkit.scores.score import MAY_RETURN, Ask, Case, Score, in_thread

Function = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class FunctionScore(Score):
    """A function `(reply)` or `(reply, case)`: a plain one runs in a thread of its own, an
    asynchronous one on the loop that asks for the verdict."""

    function: Function
    takes_case: bool
    print_: str = field(default="", init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "print_", print_of(self.function))  # as its globals are now

    @property
    def kind(self) -> str:
        name = str(underlying(self.function).__name__)
        if name == "__call__":
            return type(self.function).__name__
        return "score" if name == "<lambda>" else name

    async def judged(self, reply: Reply, case: Case, ask: Ask, asked: Sequence[Message]) -> Any:
        work = partial(self.function, *((reply, case) if self.takes_case else (reply,)))
        if inspect.iscoroutinefunction(underlying(self.function)):
            return await work()
        value = await in_thread(work)
        return await value if inspect.isawaitable(value) else value

    def __repr__(self) -> str:
        return f"<score {self.kind}({'reply, case' if self.takes_case else 'reply'})>"


def as_score(name: str, given: Any) -> Score:
    """A score as it is, or a function as one; `name` is for the error.

    A function is called with the reply, and with the case where it takes a second argument that
    has no default or is called `case`. Raises ConfigError for anything else.
    """
    if isinstance(given, Score):
        return given
    if not callable(given) or isinstance(given, type):
        example = f", or exact({given!r:.40})" if isinstance(given, str) else ""
        raise ConfigError(
            f"the score {name!r} is {given!r:.80}; a score is a function (reply, case) -> value,"
            f" or one of chatkit.scores such as contains('{{capital}}'){example}"
        )
    written = underlying(given)
    if inspect.isgeneratorfunction(written) or inspect.isasyncgenfunction(written):
        raise ConfigError(f"the score {name!r} yields its values: {MAY_RETURN}")
    return FunctionScore(given, _takes_case(name, given))


def scores_of(given: Any) -> dict[str, Score]:
    """Scores by their names, of what `scores=` was given: a dict, a list, one, or None.

    Without a dict they are named by their functions or kinds: `contains`, `contains_2`, ...
    Raises ConfigError.
    """
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {_checked_name(name): as_score(name, each) for name, each in given.items()}
    found: dict[str, Score] = {}
    for place, each in enumerate(given if isinstance(given, list | tuple) else [given]):
        score = as_score(str(place), each)
        found[_unique(score.kind, found)] = score
    return found


def _takes_case(name: str, function: Function) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except ValueError as error:
        raise ConfigError(
            f"the score {name!r} does not tell its parameters: wrap it, as in"
            " lambda reply, case: ..."
        ) from error
    by_place = [each for each in parameters if each.kind in _BY_PLACE]
    needed = [each for each in by_place if each.default is each.empty]
    by_name = [each for each in parameters if each.kind is each.KEYWORD_ONLY]
    takes_any = any(each.kind is each.VAR_POSITIONAL for each in parameters)
    is_odd = len(needed) > 2 or any(each.default is each.empty for each in by_name)
    if is_odd or not (by_place or takes_any):
        raise ConfigError(
            f"the score {name!r} takes {inspect.signature(function)}; it is called with (reply) or"
            " (reply, case): give defaults to the others"
        )
    if len(by_place) < 2:
        return takes_any
    return len(needed) == 2 or by_place[1].name == "case"


_BY_PLACE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise ConfigError(f"a score is named by text, not {name!r:.80}")
    return name


def _unique(name: str, known: Mapping[str, Any]) -> str:
    number, found = 1, name
    while found in known:
        number += 1
        found = f"{name}_{number}"
    return found
