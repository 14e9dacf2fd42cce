"""Assertions of promptfoo and chatkit's scores, one as the other."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from chatkit.compare.promptfoo.templates import Lost, of_promptfoo, to_promptfoo
from chatkit.errors import ConfigError
from chatkit.messages import Message
from chatkit.replies import Reply
from chatkit.scores import Ask, Score, Verdict, contains, exact, json_schema, judge, regex, similar
from chatkit.scores.checks import Check
from chatkit.scores.fingerprints import print_of
from chatkit.scores.judge import Judge
from chatkit.scores.score import Case, Not

JSON = dict[str, Any]

_READ = ("type", "value", "threshold", "metric", "provider")  # what of an assertion is understood


@dataclass(frozen=True, eq=False)
class PerCase(Score):
    """Scores of which each case has its own: right where all of them are, no score without one."""

    scores: Mapping[str, Sequence[Score]]  # by `key_of` the case

    @property
    def kind(self) -> str:
        return "per_case"

    @property
    def print_(self) -> str:
        prints = {key: [each.print_ for each in own] for key, own in self.scores.items()}
        return print_of(("per case", prints))

    def of(self, case: Case) -> Sequence[Score]:
        """The scores of a case."""
        return self.scores.get(key_of(case), ())

    def check(self, case: Case) -> None:
        for score in self.of(case):
            score.check(case)

    async def judged(self, reply: Reply, case: Case, ask: Ask, asked: Sequence[Message]) -> Any:
        own = self.of(case)
        told = [(each, await each.verdict(reply, case, ask, asked=asked)) for each in own]
        if len(told) == 1 and told[0][0].threshold == 1:
            return told[0][1]
        rights = [score.is_right(verdict) for score, verdict in told]
        costs = [verdict.cost for _, verdict in told if verdict.cost is not None]
        return Verdict(
            all(rights) if rights and None not in rights else None,
            "; ".join(verdict.reason for _, verdict in told if verdict.reason),
            "; ".join(verdict.error for _, verdict in told if verdict.error),
            sum(costs) if costs else None,
        )

    def __repr__(self) -> str:
        return f"<score with rules for {len(self.scores):,} cases>"


def key_of(case: Case) -> str:
    """What tells a case from others."""
    return msgspec.json.encode(case, order="sorted").decode()


# -- of promptfoo --


def score_of(assertion: Mapping[str, Any], grader: Any, lost: Lost) -> Score | None:
    """An assertion as a score; None of one that does not map, which is `lost`.

    `grader` is the model that judges where the assertion names none.
    """
    kind = str(assertion.get("type", ""))
    base = kind.removeprefix("not-")
    make = _MAKERS.get(base)
    if make is None or "transform" in assertion:
        lost(f"assertions {kind}" + (" with a transform" if make else ""))
        return None
    for name in assertion.keys() - set(_READ):
        lost(f"{name} of assertions {kind}")
    try:
        score = make(_Given(base, assertion, grader, lost))
    except (ConfigError, TypeError) as error:
        lost(f"an assertion {kind}: {error}")
        return None
    return ~score if kind != base else score


@dataclass(frozen=True)
class _Given:
    kind: str
    assertion: Mapping[str, Any]
    grader: Any
    lost: Lost

    @property
    def value(self) -> Any:
        return self.assertion.get("value")

    @property
    def text(self) -> str:
        """The value as a text. Raises TypeError where it is none."""
        if isinstance(self.value, dict | list) or self.value is None:
            raise TypeError(f"its value is no text: {self.value!r:.60}")
        if isinstance(self.value, str) and self.value.startswith(("file://", "package:")):
            raise TypeError(f"its value is in a file: {self.value!r:.60}")
        return of_promptfoo(_said(self.value), self.lost)

    @property
    def texts(self) -> list[str]:
        """The values of a list, or of a text with commas."""
        value = self.value
        items = value if isinstance(value, list) else [one.strip() for one in self.text.split(",")]
        return [of_promptfoo(_said(item), self.lost) for item in items]


def _contains(given: _Given) -> Score:
    return contains(
        given.texts if given.kind.endswith(("-any", "-all")) else given.text,
        how="any" if given.kind.endswith("-any") else "all",
        ignore_case=given.kind.startswith("i"),
        ignore_space=False,
    )


def _json(given: _Given) -> Score:
    schema = given.value
    if isinstance(schema, str) and schema.strip():
        try:
            schema = json.loads(schema)
        except ValueError:
            raise TypeError(f"its schema is not JSON: {schema!r:.60}") from None
    if isinstance(schema, bool):
        raise TypeError("its schema is a bool")
    return json_schema(
        schema or None, ignore_fence=False, ignore_talk=given.kind == "contains-json"
    )


def _similar(given: _Given) -> Score:
    given.lost("the embeddings of assertions similar: here the same characters count")
    value = given.texts if isinstance(given.value, list) else given.text
    return similar(value, threshold=given.assertion.get("threshold", 0.75))


def _judge(given: _Given) -> Score:
    model = given.assertion.get("provider") or given.grader
    if "threshold" in given.assertion:
        given.lost("the threshold of assertions llm-rubric: here the judge says yes or no")
    if model is None:
        given.lost("the grader of assertions llm-rubric: the model of chatkit.config judges")
    return judge(model, given.text)


_MAKERS: dict[str, Callable[[_Given], Score]] = {
    "equals": lambda given: exact(
        given.text, ignore_case=False, ignore_space=False, ignore_stop=False
    ),
    **dict.fromkeys(("contains", "contains-all", "contains-any"), _contains),
    **dict.fromkeys(("icontains", "icontains-all", "icontains-any"), _contains),
    "regex": lambda given: regex(given.text),
    **dict.fromkeys(("is-json", "contains-json"), _json),
    "similar": _similar,
    "llm-rubric": _judge,
}


def _said(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


# -- to promptfoo --


def assertion_of(
    score: Score, provider: Callable[[str], str | None], known: Sequence[str], lost: Lost
) -> JSON | None:
    """A score as an assertion; None of one that does not map, which is `lost`.

    `provider` gives promptfoo's name of a model, `known` are the fields of the cases.
    """
    if isinstance(score, Not):
        told = assertion_of(score.score, provider, known, lost)
        return None if told is None else {**told, "type": f"not-{told['type']}"}
    if isinstance(score, Judge):
        return _rubric(score, provider, known, lost)
    if not isinstance(score, Check):
        lost(f"the score {score!r}")
        return None
    return _checked(score.kind, score.given, known, lost)


def _rubric(
    score: Judge, provider: Callable[[str], str | None], known: Sequence[str], lost: Lost
) -> JSON:
    if score.scale is not None or set(score.values) != {"yes", "no"}:
        lost("the scale of a judge: promptfoo's gives a score from 0 to 1")
    told = {"type": "llm-rubric", "value": to_promptfoo(score.rubric, known, lost)}
    grader = provider(score.model.id)
    return told if grader is None else {**told, "provider": grader}


def _checked(kind: str, given: Mapping[str, Any], known: Sequence[str], lost: Lost) -> JSON | None:
    def template(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return [template(each) for each in value]
        return to_promptfoo(value, known, lost) if isinstance(value, str) else value

    match kind:
        case "exact" if not isinstance(given["expected"], list | tuple):
            if given["ignore_case"] or given["ignore_space"] or given["ignore_stop"]:
                lost("what exact does not count: promptfoo minds capitals, spaces and full stops")
            return {"type": "equals", "value": template(given["expected"])}
        case "contains":
            several = isinstance(given["text"], list | tuple)
            name = f"{'i' if given['ignore_case'] else ''}contains"
            name += f"-{given['how']}" if several else ""
            return {"type": name, "value": template(given["text"])}
        case "regex" if isinstance(given["pattern"], str) and not given["whole"]:
            if given["ignore_case"]:
                lost("ignore_case of a regex")
            return {"type": "regex", "value": template(given["pattern"])}
        case "json_schema" if given["schema"] is None or isinstance(given["schema"], dict):
            name = "contains-json" if given["ignore_talk"] else "is-json"
            return {"type": name} | ({"value": given["schema"]} if given["schema"] else {})
        case "similar":
            value = {"value": template(given["expected"]), "threshold": given["threshold"]}
            return {"type": "similar", **value}
    lost(f"the score {kind}({', '.join(f'{name}={each!r:.40}' for name, each in given.items())})")
    return None
