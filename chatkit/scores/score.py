"""What a score is, and what becomes of what it says. Alone knows what a score may return."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import linecache
import math
import numbers
import threading
import traceback
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import FrameType
from typing import Any, Protocol

from chatkit.errands import as_exception
from chatkit.errors import ChatkitError, ConfigError
from chatkit.fields import fill
from chatkit.messages import Message, mended
from chatkit.providers import Model
from chatkit.redaction import hide_all
from chatkit.replies import Reply
from chatkit.scores.fingerprints import is_library, print_of
from chatkit.scores.verdict import Verdict

Case = Mapping[str, Any]

MAY_RETURN = (
    "a score returns True or False, a number, None where it does not apply, a Verdict, or"
    ' {"value": ..., "reason": ...}'
)


class Ask(Protocol):
    """How a judge asks its model: the answer when it is over, asked for once for good."""

    def __call__(
        self,
        model: Model,
        messages: Sequence[Mapping[str, Any]],
        *,
        options: Mapping[str, Any] = ...,
        schema: Any = ...,
    ) -> Awaitable[Reply]: ...


class Score(ABC):
    """What an answer is held against: `exact`, `contains`, ..., `judge`, or a function.

    `~score` is right where the score is wrong.
    """

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name where none is given: that of the function."""

    @property
    @abstractmethod
    def print_(self) -> str:
        """The same as long as it judges the same way, in every process."""

    @property
    def texts(self) -> Sequence[str]:
        """The texts in it that may have a `{field}` of the case."""
        return ()

    @property
    def threshold(self) -> float:
        """The number from which an answer counts as right."""
        return 1.0

    @abstractmethod
    async def judged(self, reply: Reply, case: Case, ask: Ask, asked: Sequence[Message]) -> Any:
        """What `verdict` makes a Verdict of. Raises whatever the score does."""

    async def verdict(
        self, reply: Reply, case: Case, ask: Ask, *, asked: Sequence[Message] = ()
    ) -> Verdict:
        """What it says of an answer that is over; an error that is raised is in the verdict.

        asked: the messages it answers, for a judge to see.
        """
        try:
            return verdict_of(await self.judged(reply, case, ask, asked))
        except (Exception, SystemExit) as error:  # whatever somebody's function may raise
            return Verdict(None, error=_words(error))

    def check(self, case: Case) -> None:
        """Raise ConfigError where it names a field that the case does not have."""
        for text in self.texts:
            fill(text, case)

    def is_right(self, verdict: Verdict) -> bool | None:
        """Whether it counts as right; None where there is no value."""
        return None if verdict.number is None else verdict.number >= self.threshold

    def __invert__(self) -> Score:
        return Not(self)


@dataclass(frozen=True)
class Not(Score):
    """Right where another score is wrong, with its reason."""

    score: Score

    @property
    def kind(self) -> str:
        return f"not_{self.score.kind}"

    @property
    def print_(self) -> str:
        return print_of(("not", self.score.print_, self.score.threshold))

    @property
    def texts(self) -> Sequence[str]:
        return self.score.texts

    async def judged(self, reply: Reply, case: Case, ask: Ask, asked: Sequence[Message]) -> Any:
        verdict = await self.score.verdict(reply, case, ask, asked=asked)
        is_right = self.score.is_right(verdict)
        value = None if is_right is None else not is_right
        return Verdict(value, verdict.reason, verdict.error, verdict.cost)

    def __repr__(self) -> str:
        return f"~{self.score!r}"


def verdict_of(value: Any) -> Verdict:
    """What a score function returned, as a Verdict. Raises ConfigError."""
    match value:
        case Verdict():
            told = _text(value.reason), _text(value.error)
            return Verdict(_number(value.value), *told, value.cost)
        case Mapping() if "value" in value and value.keys() <= {"value", "reason"}:
            return Verdict(_number(value["value"]), _text(value.get("reason")))
    return Verdict(_number(value))


async def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` gives, called in a thread of its own with the caller's context variables.

    Not in the loop's executor: names are resolved there, and a slow score would hold up requests
    and, as its threads are waited for, the exit.
    """
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    context = contextvars.copy_context()

    def run() -> None:
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(context.run(work))
            except KeyboardInterrupt as error:
                future.set_exception(error)
            except BaseException as error:  # also an exit, which is for the main thread only
                future.set_exception(as_exception(error).with_traceback(error.__traceback__))

    threading.Thread(target=run, name="chatkit-score", daemon=True).start()
    return await asyncio.wrap_future(future)


def _number(value: Any) -> bool | float | None:
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, numbers.Real | Decimal) and callable(getattr(value, "item", None)):
        value = value.item()  # of numpy and of tensors, whose truth is no bool
        if isinstance(value, bool):
            return value
    if not isinstance(value, numbers.Real | Decimal):
        raise ConfigError(f"it returned {value!r:.80}; {MAY_RETURN}")
    number = float(value)
    if not math.isfinite(number):
        raise ConfigError(
            f"it returned {number}, which is no score: return None where there is none"
        )
    return number


def _text(value: Any) -> str:
    return mended(str(value or ""))  # an answer may hold half a character, which no store takes


def _words(error: BaseException) -> str:
    """The error, with the line of one's own code that raised it."""
    told = str(traceback.TracebackException(type(error), error, None))  # whatever its __str__ does
    if not isinstance(error, ChatkitError):  # whose words say all there is to say
        told = f"{type(error).__name__}: {told}" if told else type(error).__name__
    places = [each for each in traceback.walk_tb(error.__traceback__) if _is_own(each[0])]
    if places:
        frame, line = places[-1]
        source = linecache.getline(frame.f_code.co_filename, line, frame.f_globals).strip()
        told += f" (line {line}{source and ': '}{source})"
    return mended(hide_all(told))


def _is_own(frame: FrameType) -> bool:
    module = str(frame.f_globals.get("__name__", ""))
    return not is_library(module) and module.partition(".")[0] != "chatkit"
