"""Scores that ask nobody: `exact`, `contains`, `regex`, `json_schema`, `similar`.

In their texts `{field}` stands for what the case has there. A field alone, as in
`exact("{capitals}")`, may be a list: each of its items then counts. Where the case has nothing in
it, the answer is not scored, and the verdict's error says so.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chatkit.errors import ConfigError, SchemaMismatch
from chatkit.fields import fill
from chatkit.messages import Message
from chatkit.replies import Reply
from chatkit.schema import json_of, schema_of
from chatkit.scores.fingerprints import print_of
from chatkit.scores.score import Ask, Case, Score, in_thread
from chatkit.scores.verdict import Verdict
from chatkit.scores.wording import Spelling, likeness

Wanted = str | float | Sequence[str | float]

_NUMBER = re.compile(r"[-+]?(?:\d+|\d{1,3}(?:,\d{3})+)(?:\.\d+)?")
# of a regular expression, where \N{DASH} is a character and ^{year} no TeX
_FIELD = re.compile(r"(?<!\\N)(?<!\{)\{[^\W\d]\w*(?:\.\w+|\[\w+\])*\}(?!\})")
_SHOWN = 60  # characters of a text in a reason


@dataclass(frozen=True, repr=False, eq=False)
class Check(Score):
    """A rule for the text of an answer; `given` are the arguments that it was made with."""

    maker: Callable[..., Score]
    given: Mapping[str, Any]
    rule: Callable[[str, Case], Verdict]
    print_: str = ""
    texts: Sequence[str] = ()
    threshold: float = 1.0

    @property
    def kind(self) -> str:
        return self.maker.__name__

    async def judged(self, reply: Reply, case: Case, ask: Ask, asked: Sequence[Message]) -> Any:
        text = reply.text
        return await in_thread(lambda: self.rule(text, case))  # a pattern may take its time

    def __repr__(self) -> str:
        first, *others = inspect.signature(self.maker).parameters.values()
        given = {each.name: _shown(self.given[each.name]) for each in (first, *others)}
        told = [f"{each.name}={given[each.name]}" for each in others if self._varies(each)]
        alone = [given[first.name]] if self._varies(first) else []
        return f"{self.kind}({', '.join(alone + told)})"

    def _varies(self, parameter: inspect.Parameter) -> bool:
        return bool(self.given[parameter.name] != parameter.default)


def exact(
    expected: Wanted,
    *,
    ignore_case: bool = True,
    ignore_space: bool = True,
    ignore_stop: bool = True,
) -> Score:
    """Right where the answer is the expected text, or one of several.

        exact("{capital}")
        exact(["yes", "sure"])
        exact("{code}", ignore_case=False)

    Not counted, unless told: capitals, white space at the ends and how much of it there is between
    words, a full stop at the end. A number is compared as a number: 42 is also `42.0` and `42`.
    """
    given = dict(locals())
    spelling = Spelling(ignore_case, ignore_space, ignore_stop)

    def rule(text: str, case: Case) -> Verdict:
        wanted = _several(expected, case)
        if any(_is_same(text, each, spelling) for each in wanted):
            return Verdict(True)
        return Verdict(False, f"{_brief(text)} is not {' or '.join(map(_brief, wanted))}")

    return _check(exact, given, rule, texts=_texts(expected))


def contains(
    text: Wanted,
    *,
    how: Literal["all", "any"] = "all",
    ignore_case: bool = True,
    ignore_space: bool = True,
) -> Score:
    """Right where the answer has the text in it; of several, all of them or any.

        contains("{capital}")
        contains(["Tokyo", "Kyoto"], how="any")
        ~contains("as an AI")  # right where it does not

    Not counted, unless told: capitals, and how much white space there is between words.
    """
    given = dict(locals())
    if how not in ("all", "any"):
        raise ConfigError(f"how is {how!r}; it is 'all' or 'any'")
    spelling = Spelling(ignore_case, ignore_space)

    def rule(said: str, case: Case) -> Verdict:
        wanted = [(each, spelling(_text(each))) for each in _several(text, case)]
        if not all(short for _, short in wanted):
            raise ConfigError("contains has nothing to look for: the text is empty")
        said = spelling(said)
        has = [_brief(each) for each, short in wanted if short in said]
        lacks = [_brief(each) for each, short in wanted if short not in said]
        if bool(has) if how == "any" else not lacks:
            return Verdict(True, f"it has {', '.join(has)}")
        return Verdict(False, f"it lacks {', '.join(lacks)}")

    return _check(contains, given, rule, texts=_texts(text))


def regex(
    pattern: str | re.Pattern[str], *, ignore_case: bool = False, whole: bool = False
) -> Score:
    r"""Right where the pattern is found in the answer; with `whole`, where it is all of it.

        regex(r"\b{capital}\b", ignore_case=True)
        regex(r"\d{4}-\d{2}-\d{2}", whole=True)

    What a `{field}` holds is looked for as it is, not as a pattern. Raises ConfigError where it is
    no pattern. With `whole`, white space at the ends does not count.
    """
    given = dict(locals())
    written, flags = (pattern, 0) if isinstance(pattern, str) else (pattern.pattern, pattern.flags)
    flags |= re.IGNORECASE if ignore_case else 0
    _compiled(_FIELD.sub("x", written), flags)

    def rule(text: str, case: Case) -> Verdict:
        filled = _FIELD.sub(lambda field: re.escape(_text(_present(field[0], case))), written)
        compiled = _compiled(filled, flags)
        found = compiled.fullmatch(text.strip()) if whole else compiled.search(text)
        if found is None:
            return Verdict(False, f"no match for {filled}")
        return Verdict(True, f"it has {_brief(found[0])}")

    return _check(regex, given, rule, texts=_FIELD.findall(written))


def json_schema(
    schema: Any = None, *, ignore_fence: bool = True, ignore_talk: bool = False
) -> Score:
    """Right where the answer is JSON, and fits the schema if one is given.

        json_schema()  # is it JSON at all?
        json_schema(City)  # a dataclass, a pydantic model, list[int], ...
        json_schema({"type": "object", "required": ["name"]})

    A fence of backticks around the whole of it does not count, unless told. With `ignore_talk`
    it is enough that JSON is somewhere in the answer. Raises ConfigError where it is no schema.
    """
    given = dict(locals())
    shape = None if schema is None else schema_of(schema)

    def rule(text: str, case: Case) -> Verdict:
        try:
            value = json_of(text) if ignore_talk else _json(text, ignore_fence)
            if shape is not None:
                shape.load(value)
        except SchemaMismatch as mismatch:
            return Verdict(False, str(mismatch))
        return Verdict(True)

    return _check(json_schema, given, rule, also=None if shape is None else shape.json)


def similar(
    expected: Wanted,
    *,
    threshold: float = 0.8,
    ignore_case: bool = True,
    ignore_space: bool = True,
    ignore_stop: bool = True,
) -> Score:
    """How alike the answer and the expected text are, from 0 to 1; of several, the likest counts.

        similar("{summary}")
        similar("{name}", threshold=0.95)

    It is the share of their characters that stand in both in the same order (the `ratio` of
    rapidfuzz), and knows nothing of meanings: use `judge` for these. From `threshold` on it counts
    as right. Not counted, unless told, is what `exact` does not count.
    """
    given = dict(locals())
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold is {threshold!r}; it is a number from 0 to 1")
    spelling = Spelling(ignore_case, ignore_space, ignore_stop)

    def rule(text: str, case: Case) -> Verdict:
        said = spelling(text)
        wanted = _several(expected, case)
        found = [(likeness(said, spelling(_text(each))), each) for each in wanted]
        value, nearest = max(found, key=lambda each: each[0])
        return Verdict(round(value, 4), f"to {_brief(nearest)}")

    return _check(similar, given, rule, texts=_texts(expected), threshold=threshold)


def _check(
    maker: Callable[..., Score],
    given: Mapping[str, Any],
    rule: Callable[[str, Case], Verdict],
    *,
    texts: Sequence[str] = (),
    threshold: float = 1.0,
    also: Any = None,
) -> Check:
    return Check(maker, given, rule, print_of((maker.__name__, given, also)), texts, threshold)


def _shown(value: Any) -> str:
    return value.__qualname__ if isinstance(value, type) else repr(value)


def _texts(given: Wanted) -> list[str]:
    return [each for each in _list(given) if isinstance(each, str)]


def _list(given: Any) -> list[Any]:
    return list(given) if isinstance(given, list | tuple) else [given]


def _several(given: Any, case: Case) -> list[Any]:
    """What is expected, each text filled in. Raises ConfigError where that is nothing."""
    found: list[Any] = []
    for each in _list(given):
        found += _list(_present(each, case) if isinstance(each, str) else each)
    if not found:
        raise ConfigError("there is nothing to compare with: the list is empty")
    return found


def _present(text: str, case: Case) -> Any:
    """The text filled in; of a field alone what it holds."""
    if text[:1] == "{" and text[-1:] == "}" and text[1:-1] in case:
        if case[text[1:-1]] is None:
            raise ConfigError(f"the case has nothing in {text[1:-1]!r}")
        return case[text[1:-1]]
    return fill(text, case)


def _is_same(text: str, wanted: Any, spelling: Spelling) -> bool:
    if isinstance(wanted, int | float) and not isinstance(wanted, bool):
        said = text.strip().removesuffix(".")
        return bool(_NUMBER.fullmatch(said)) and float(said.replace(",", "")) == wanted
    return spelling(text) == spelling(_text(wanted))


def _text(value: Any) -> str:
    """A value of a case as text; 3.0 is what a table makes of 3 in a column with gaps."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    try:
        return re.compile(pattern, flags)
    except re.error as error:
        raise ConfigError(f"{pattern!r:.80} is no regular expression: {error}") from error


def _json(text: str, ignore_fence: bool) -> Any:
    try:
        return json.loads(_unfenced(text) if ignore_fence else text, parse_constant=_no_number)
    except ValueError as error:
        raise SchemaMismatch(f"Expected JSON: {error}.", text=text) from error
    except RecursionError as error:
        raise SchemaMismatch("It is nested too deeply.", text=text) from error


def _unfenced(text: str) -> str:
    text = text.strip()
    if len(text) < 6 or not (text.startswith("```") and text.endswith("```")):
        return text
    return re.sub(r"\A\w*\s", "", text[3:-3])  # the name of the language


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def _brief(value: Any) -> str:
    line = " ".join(_text(value).split())
    return repr(line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…")
