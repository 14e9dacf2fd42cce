"""The tests of a config: cases, and scores of what they assert."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from chatkit.compare.cases import cases_of
from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.assertions import PerCase, key_of, score_of
from chatkit.compare.promptfoo.project import Project
from chatkit.compare.promptfoo.vendors import model_of
from chatkit.scores import Score

JSON = dict[str, Any]

_TEST = ("vars", "assert", "description", "options")
_EXPECTED = re.compile(r"(not-)?([a-z:-]+)(?:\((\d+(?:\.\d+)?)\))?:\s*(.*)", re.DOTALL)
_SHORT = {"grade": "llm-rubric", "fn": "javascript", "eval": "javascript"}


class Suite:
    """The tests of a project, each with the cases that it has."""

    def __init__(self, project: Project, tests: Any, default: Any) -> None:
        self._project = project
        self._default = project.mapping(default, "defaultTest")
        told = [self._joined(self._default, test) for test in list(self._tests(tests)) or [{}]]
        self._cases = [(test, case) for test in told for case in self._cases_of(test)]

    @property
    def cases(self) -> list[JSON]:
        """Each once: the assertions of tests that ask the same are all for the one answer."""
        return list({key_of(case): case for _, case in self._cases}.values())

    def scores(self) -> dict[str, Score]:
        """What is asserted of all cases, and what each has of its own."""
        grader = self._project.mapping(self._default.get("options"), "options").get("provider")
        found: dict[str, Score] = {}
        for name, score in self._asserted(self._default.get("assert"), grader):
            found[_unused(name, found)] = score
        own: dict[str, dict[str, list[Score]]] = {}
        for test, case in self._cases:
            for name, score in self._asserted(test.get("assert"), test["options"].get("provider")):
                own.setdefault(name, {}).setdefault(key_of(case), []).append(score)
        for name, scores in own.items():
            found[_unused(name, found)] = PerCase(scores)
        return found

    def _asserted(self, given: Any, grader: Any) -> Iterator[tuple[str, Score]]:
        for assertion in given if isinstance(given, list) else [given] if given else []:
            if not isinstance(assertion, Mapping):
                self._project.lose(f"the assertion {assertion!r:.60}")
                continue
            told = {**assertion}
            if "provider" in told:
                told["provider"] = self._grader(told["provider"])
            if score := score_of(told, self._grader(grader), self._project.lose):
                yield str(assertion.get("metric") or assertion["type"]), score

    def _grader(self, provider: Any) -> str | None:
        if isinstance(provider, Mapping):
            provider = provider.get("id") or provider.get("text")
        model = model_of(provider) if isinstance(provider, str) else None
        if provider is not None and model is None:
            self._project.lose(f"the grader {provider!r:.60}")
        return model

    def _tests(self, given: Any) -> Iterator[JSON]:
        for each in given if isinstance(given, list) else [given]:
            if isinstance(each, str) and files.is_file(each):
                for path in self._project.files(each):
                    yield from self._tests_of(path)
            elif isinstance(each, Mapping):
                yield dict(each)
            elif each is not None:
                self._project.lose(f"the tests {each!r:.60}")

    def _tests_of(self, path: Path) -> Iterator[JSON]:
        if path.suffix == ".csv":
            yield from map(self._row, cases_of(path))
        elif path.suffix == ".jsonl":
            yield from cases_of(path)
        else:
            yield from self._tests(files.load(path))

    def _row(self, row: JSON) -> JSON:
        """A row of a CSV file as a test."""
        assertions = [_expected(row[name]) for name in row if name.startswith("__expected")]
        test: JSON = {
            "vars": {name: value for name, value in row.items() if not name.startswith("__")},
            "assert": [each for each in assertions if each],
        }
        for name, value in row.items():
            if name == "__description":
                test["description"] = value
            elif name == "__metric":
                test["assert"] = [{**each, "metric": value} for each in test["assert"]]
            elif name.startswith("__") and not name.startswith("__expected"):
                self._project.lose(f"the column {name}")
        return test

    def _joined(self, default: JSON, test: JSON) -> JSON:
        """A test with what is so for all; assertions of all are scores of their own."""
        for name in (default.keys() | test.keys()) - set(_TEST):
            self._project.lose(f"{name} of tests")
        given = [self._project.mapping(each.get("options"), "options") for each in (default, test)]
        options = {**given[0], **given[1]}
        for name in options.keys() - {"provider", "disableVarExpansion"}:
            self._project.lose(f"{name} of tests")
        vars = {**self._vars(default.get("vars")), **self._vars(test.get("vars"))}
        return {**test, "vars": vars, "options": options}

    def _vars(self, given: Any) -> JSON:
        vars = self._project.mapping(given, "vars")
        return {name: self._var(value) for name, value in vars.items()}

    def _var(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith("file://"):
            found = [
                files.load(path)
                if path.suffix in (".json", ".yaml", ".yml")
                else files.text_of(path)
                for path in self._project.files(value)
            ]
            return found[0] if len(found) == 1 else found
        if isinstance(value, str) and "{{" in value:
            self._project.lose(f"the template in the var {value!r:.60}")
        return value

    def _cases_of(self, test: JSON) -> list[JSON]:
        """The cases of a test: one for each of the values that a var has a list of."""
        vars = test["vars"]
        if test.get("description"):
            vars = {"description": test["description"], **vars}
        if test["options"].get("disableVarExpansion"):
            return cases_of([vars])
        choices = [each if isinstance(each, list) else [each] for each in vars.values()]
        return cases_of(
            [dict(zip(vars, chosen, strict=True)) for chosen in itertools.product(*choices)]
        )


def _expected(text: str) -> JSON | None:
    """What an `__expected` column says: `contains: Paris`, `similar(0.8): Hello`, or a text."""
    if not text.strip():
        return None
    told = _EXPECTED.fullmatch(text)
    if told is None and re.fullmatch(r"(not-)?(is|contains)-(json|xml|html|sql)", text.strip()):
        return {"type": text.strip()}
    if told is None:
        return {"type": "equals", "value": text}
    kind = (told[1] or "") + _SHORT.get(told[2], told[2])
    return {"type": kind, "value": told[4]} | ({"threshold": float(told[3])} if told[3] else {})


def _unused(name: str, known: Mapping[str, Any]) -> str:
    return next(
        label
        for label in itertools.chain([name], (f"{name} ({n})" for n in itertools.count(2)))
        if label not in known
    )
