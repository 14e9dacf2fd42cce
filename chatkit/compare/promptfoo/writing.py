"""The arguments of `compare` as a `promptfooconfig.yaml`."""

from __future__ import annotations

import json
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from chatkit.compare.asked import named_prompts, named_systems
from chatkit.compare.cases import cases_of
from chatkit.compare.grid import named_models, variants_of
from chatkit.compare.promptfoo import files
from chatkit.compare.promptfoo.assertions import PerCase, assertion_of
from chatkit.compare.promptfoo.templates import to_promptfoo
from chatkit.compare.promptfoo.vendors import config_of, provider_of
from chatkit.providers import Model, get_model
from chatkit.scores import Score, scores_of

JSON = dict[str, Any]
_WRITTEN = ("prompts", "models", "cases", "samples", "options", "system", "scores", "concurrency")


class HasGiven(Protocol):
    """What is written: a comparison."""

    @property
    def given(self) -> Mapping[str, Any]:
        """What `compare` was given, by the names of its parameters."""


def write(runs: HasGiven, path: str | os.PathLike[str]) -> Path:
    """Write what is compared as a config of promptfoo: the questions, not the answers.

    What does not map (functions, chats, tools, ...) is left out, and named in a warning. Raises
    ConfigError for a path that is no .yaml or .json file, OSError where it cannot be written.
    """
    place = Path(path).expanduser()
    files.check(place)
    writer = _Writer(cases_of(runs.given.get("cases")))
    config = writer.config(runs.given)
    files.save(place, config)
    if writer.lost:
        told = "; ".join(
            what + (f" ({n} times)" if n > 1 else "") for what, n in writer.lost.items()
        )
        warnings.warn(f"{place.name}: promptfoo has nothing for {told}", stacklevel=2)
    return place


class _Writer:
    def __init__(self, cases: list[JSON]) -> None:
        self.lost: Counter[str] = Counter()
        self._cases = cases
        self._known = list(dict.fromkeys(name for case in cases for name in case))

    def config(self, given: Mapping[str, Any]) -> JSON:
        for name, value in given.items():
            if name not in _WRITTEN and value:
                self._lose(f"{name}=")
        scores = scores_of(given.get("scores"))
        config: JSON = {
            "prompts": list(self._prompts(given["prompts"], given.get("system"))),
            "providers": list(self._providers(given.get("models"), given.get("options") or {})),
            "defaultTest": self._default(scores),
            "tests": list(self._tests(scores)),
            "evaluateOptions": self._how(given.get("samples"), given.get("concurrency")),
        }
        return {name: value for name, value in config.items() if value}

    def _lose(self, what: str) -> None:
        self.lost[what] += 1

    def _template(self, text: str) -> str:
        return to_promptfoo(text, self._known, self._lose)

    def _prompts(self, prompts: Any, system: Any) -> Iterator[JSON]:
        systems = named_systems(system)
        for name, source in named_prompts(prompts).items():
            for label, told in systems.items():
                messages = self._messages(name, source, told)
                if messages is not None:
                    yield {"label": " / ".join(filter(None, (name, label))), "raw": messages}

    def _messages(self, name: str, source: Any, system: Any) -> str | None:
        """A prompt as a template: of messages, as JSON."""
        if isinstance(source, Mapping):
            source = [source]
        if callable(system) or not (isinstance(source, str) or _is_plain(source)):
            self._lose(f"the prompt {name!r}, which is no text")
            return None
        if isinstance(source, str) and system is None:
            return self._template(source)
        said = [{"role": "user", "content": source}] if isinstance(source, str) else source
        if system is not None:
            said = [each for each in said if each["role"] != "system"]
            said = [{"role": "system", "content": str(system)}, *said]
        messages = [{**each, "content": self._template(each["content"])} for each in said]
        return json.dumps(messages, ensure_ascii=False)

    def _providers(self, models: Any, options: Any) -> Iterator[JSON]:
        for label, model in named_models([None] if models is None else models).items():
            name = provider_of(model.id)
            if name is None:
                self._lose(f"the model {model.id}")
                continue
            for fixed, varied in variants_of(options):
                yield self._provider(name, label, model, {**fixed, **varied})

    def _provider(self, name: str, label: str, model: Model, options: JSON) -> JSON:
        config, rest = config_of(model.id, options)
        for each in rest:
            self._lose(f"the option {each} of {model.id}")
        if model.base_url != get_model(model.id).base_url:
            config["apiBaseUrl"] = model.base_url
        named = {} if label == model.id else {"label": label}
        return {"id": name, **named, **({"config": config} if config else {})}

    def _default(self, scores: Mapping[str, Score]) -> JSON:
        shared = {name: each for name, each in scores.items() if not isinstance(each, PerCase)}
        asserted = [told for name, each in shared.items() for told in self._asserted(name, [each])]
        has_lists = any(isinstance(value, list) for case in self._cases for value in case.values())
        return {
            **({"assert": asserted} if asserted else {}),
            **({"options": {"disableVarExpansion": True}} if has_lists else {}),
        }

    def _tests(self, scores: Mapping[str, Score]) -> Iterator[JSON]:
        own = {name: each for name, each in scores.items() if isinstance(each, PerCase)}
        for case in self._cases:
            asserted = [
                told for name, each in own.items() for told in self._asserted(name, each.of(case))
            ]
            yield {"vars": case, **({"assert": asserted} if asserted else {})}

    def _asserted(self, name: str, scores: Sequence[Score]) -> Iterator[JSON]:
        for score in scores:
            told = assertion_of(score, provider_of, self._known, self._lose)
            if told is not None:
                yield told if told["type"] == name else {**told, "metric": name}

    def _how(self, samples: Any, concurrency: Any) -> JSON:
        if isinstance(concurrency, Mapping):
            self._lose("concurrency= for each provider")
            concurrency = None
        told = {"repeat": samples, "maxConcurrency": concurrency}
        return {name: value for name, value in told.items() if value not in (None, 1)}


def _is_plain(source: Any) -> bool:
    """Whether it is messages of a role and a text."""
    return isinstance(source, list | tuple) and all(
        isinstance(each, Mapping) and isinstance(each.get("content"), str) and "role" in each
        for each in source
    )
