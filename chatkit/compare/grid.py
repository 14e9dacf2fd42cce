"""The grid: prompts x models x system prompts x options x cases x samples, each a `Run`.

Alone knows what makes two runs the same one: what is asked, of whom and how, and which sample.
Names of prompts and fields that are not asked with do not count.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from chatkit.compare.asked import (
    fields_of,
    messages_for,
    named_prompts,
    named_systems,
    text_for,
)
from chatkit.compare.run import Place, Run
from chatkit.errors import ConfigError
from chatkit.messages import Message, as_messages, part_to_json
from chatkit.prompts import Settings
from chatkit.providers import Model, get_model

Case = dict[str, Any]
_LISTS = frozenset(("stop",))  # options whose one value is a list


class Grid(NamedTuple):
    """The runs, and the names along each side."""

    runs: list[Run]
    prompts: list[str]
    models: list[str]
    systems: list[str]  # [""] where there is one, or none
    variants: list[dict[str, Any]]  # of the options; [{}] where none is varied
    cases: list[Case]
    samples: int


class Column(NamedTuple):
    """Whom a run asks, and how."""

    model: str
    variant: Mapping[str, Any]
    settings: Settings


def grid_of(
    prompts: Any,
    models: Any,
    cases: Sequence[Case],
    *,
    samples: int,
    options: Any,
    system: Any,
    settings: Callable[[Model, Mapping[str, Any]], Settings],
) -> Grid:
    """All runs, in the order of cases, prompts, systems, models, options and samples.

    `settings` makes what a model is asked with. Raises ConfigError and MessageError for what
    cannot be asked, before anything is.
    """
    sources, systems = named_prompts(prompts), named_systems(system)
    named, variants = named_models(models), variants_of(options)
    _check_fields(sources, systems, cases)
    columns = [
        Column(name, varied, settings(model, fixed | varied))
        for name, model in named.items()
        for fixed, varied in variants
    ]
    keys = _Keys(columns)
    runs: list[Run] = []
    for (number, case), (prompt, source), (label, each) in itertools.product(
        enumerate(cases), sources.items(), systems.items()
    ):
        messages, said = _asked(prompt, source, each, case)
        for column, sample in itertools.product(columns, range(1, samples + 1)):
            place = Place(
                len(runs), prompt, column.model, number, case, sample, label, column.variant
            )
            key = keys.key(said, column, sample)
            runs.append(Run(place, messages, column.settings, key))
    return Grid(
        runs,
        list(sources),
        list(named),
        list(systems),
        [dict(varied) for _, varied in variants],
        list(cases),
        samples,
    )


def named_models(models: Any) -> dict[str, Model]:
    """The models by their names: those of a dict, else their ids. Raises ConfigError."""
    if isinstance(models, Mapping):
        found = {str(name): get_model(model) for name, model in models.items()}
    else:
        several = models if isinstance(models, list | tuple) else [models]
        found = {}
        for model in map(get_model, several):
            if model.id in found:
                raise ConfigError(
                    f"{model.id!r} is there twice: to compare one model at two addresses, name"
                    ' them, models={"here": ..., "there": ...}; to ask it twice, samples=2'
                )
            found[model.id] = model
    if not found:
        raise ConfigError("there is nobody to ask: models= is empty")
    return found


def variants_of(options: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Each choice of options: what all have, and what is varied.

    Of a dict, every list is varied; a list of dicts says each choice itself.
    """
    if isinstance(options, Mapping):
        lists = {name: each for name, each in options.items() if _varies(name, each)}
        fixed = {name: each for name, each in options.items() if name not in lists}
        if empty := [name for name, each in lists.items() if not each]:
            raise ConfigError(f"options[{empty[0]!r}] is empty: give at least one value")
        products = itertools.product(*lists.values())
        return [(fixed, dict(zip(lists, values, strict=True))) for values in products]
    several = options if isinstance(options, list | tuple) else []
    if not several or not all(isinstance(each, Mapping) for each in several):
        raise ConfigError(
            f"options is {options!r:.80}; it is a dict, in which lists are varied, such as"
            ' {"temperature": [0, 0.7]}, or a list of dicts'
        )
    return [({}, dict(each)) for each in options]


def _varies(name: str, value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return False
    return name not in _LISTS or any(isinstance(each, list | tuple) for each in value)


def _check_fields(
    sources: Mapping[str, Any], systems: Mapping[str, Any], cases: Sequence[Case]
) -> None:
    """Cases that no prompt uses would ask the same question again and again."""
    names = {name for case in cases for name in case}
    used = [fields_of(each, names) for each in (*sources.values(), *systems.values())]
    if len(cases) > 1 and not any(used) and None not in used:
        first = next(iter(cases[0]), "input")
        raise ConfigError(
            f"no prompt has a field of the cases in it: write {{{first}}} where it belongs, or,"
            " to ask the same several times, samples="
        )


class _Keys:
    """Names runs by what they ask."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._prints = {id(column): _print(column.settings) for column in columns}
        self._seen: Counter[bytes] = Counter()

    def key(self, said: bytes, column: Column, sample: int) -> str:
        """32 hex digits. The same question twice in one grid is two runs."""
        asked = said + self._prints[id(column)] + sample.to_bytes(4)
        self._seen[asked] += 1
        return hashlib.blake2b(asked + self._seen[asked].to_bytes(4), digest_size=16).hexdigest()


def _asked(
    prompt: str, source: Any, system: Any, case: Case
) -> tuple[Sequence[Message] | Callable[[], Sequence[Message]], bytes]:
    """What is asked for a case, and its digest: of a text alone the messages are made later."""
    text = text_for(prompt, source, system, case)
    if text is None:
        messages = messages_for(prompt, source, system, case)
        return messages, _digest(messages)
    return partial(as_messages, text), _hash([["user", [{"type": "text", "text": text}]]])


def key_of(messages: Sequence[Message], settings: Settings) -> str:
    """The key of a question that stands in no grid."""
    return hashlib.blake2b(_digest(messages) + _print(settings), digest_size=16).hexdigest()


def _digest(messages: Sequence[Message]) -> bytes:
    said = [[message.role, [part_to_json(part) for part in message.parts]] for message in messages]
    return _hash(said)


def _print(settings: Settings) -> bytes:
    """Of whom and how it is asked: not at which address, nor with which key."""
    tools = [[each.name, each.description, each.parameters] for each in settings.tools.values()]
    schema = None if settings.schema is None else settings.schema.json
    return _hash([settings.model.id, dict(settings.options), tools, schema, settings.max_steps])


def _hash(value: Any) -> bytes:
    told = msgspec.json.encode(value, enc_hook=repr, order="sorted")
    return hashlib.blake2b(told, digest_size=16).digest()
