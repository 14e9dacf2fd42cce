"""One type as a JSON schema and a converter. Alone knows msgspec's, pydantic's and jsonschema's.

msgspec converts the types of Python; pydantic only what is made with it, so that it is never
imported for anybody who does not use it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path, PurePath
from typing import Annotated, Any, NotRequired, Required, get_args, get_origin, get_type_hints

import msgspec

from chatkit.errors import ConfigError
from chatkit.schema import shape

JSON = dict[str, Any]
Problem = tuple[str, str]  # where, as in ".cities[0]"; and what was expected there

ACCEPTED = (
    "a dataclass, TypedDict, NamedTuple, Enum, Literal, pydantic model or msgspec Struct, a type"
    " like str, int, datetime, Path, list[...], dict[str, ...] or X | None, or a JSON schema as"
    " a dict"
)
_SHOWN = 5  # problems that a model is told of at once
_FORMATS = {datetime: "date-time", time: "time"}  # msgspec names none, as it asks for no zone
_HAS_FIELDS = ("__dataclass_fields__", "__struct_fields__", "__total__", "_fields")


class Misfit(Exception):
    """A value does not fit; `problems` says where and what was expected."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__("; ".join(f"{words} - at `${where}`" for where, words in self.problems))


@dataclass(frozen=True)
class Codec:
    """A type: its JSON schema, and `read`, a JSON value as a value of it. `read` raises Misfit."""

    json: JSON
    read: Callable[[Any], Any]


def codec_of(kind: Any) -> Codec:
    """The codec of a type or of a JSON schema. Raises ConfigError."""
    if isinstance(kind, dict):
        return _of_json_schema(kind)
    reached = _reached(kind)
    codec = _of_pydantic(kind) if any(map(_is_pydantics, reached)) else _of_msgspec(kind)
    notes = {one.__name__: _field_notes(one) for one in reached if _has_fields(one)}
    return Codec(shape.inlined(shape.tidied(codec.json, notes)), codec.read)


def notes_of(hint: Any) -> JSON:
    """What an annotation says beside its type that no library puts into the schema."""
    while get_origin(hint) in (Required, NotRequired):
        (hint,) = get_args(hint)
    kind, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    notes = {"format": _FORMATS[kind]} if kind in (datetime, time) else {}
    for extra in extras:  # a plain text, or a typing_extensions.Doc
        words = extra if isinstance(extra, str) else getattr(extra, "documentation", None)
        if isinstance(words, str):
            notes["description"] = words
    return notes


def hints_of(owner: Any, told: str) -> dict[str, Any]:
    """The type hints of a class or function, named `told`. Raises ConfigError."""
    try:
        return get_type_hints(owner, include_extras=True)
    except (NameError, AttributeError) as error:
        raise ConfigError(
            f"{told} has an annotation that cannot be resolved ({error}): define that type at"
            " the top level of the notebook or module, and before this is used"
        ) from error
    except (TypeError, SyntaxError) as error:
        raise ConfigError(f"{told} has an annotation that is no type: {error}") from error


# -- Python's types --


def _of_msgspec(kind: Any) -> Codec:
    try:
        schema = msgspec.json.schema(kind, schema_hook=_path_schema)
    except TypeError as error:
        why = str(error).rpartition("\n")[2]
        raise ConfigError(f"{kind!r:.200} has no JSON schema ({why}): give {ACCEPTED}") from error

    def read(value: Any) -> Any:
        try:
            return msgspec.convert(value, kind, dec_hook=_path)  # "null" stays a text if it may
        except msgspec.ValidationError as strictly:
            try:  # "3" for an int, as models write
                return msgspec.convert(value, kind, strict=False, dec_hook=_path)
            except msgspec.ValidationError:
                raise Misfit([_msgspec_problem(str(strictly))]) from strictly

    return Codec(schema, read)


def _msgspec_problem(words: str) -> Problem:
    said = re.fullmatch(r"(.*) - at `\$(.*)`", words, re.DOTALL)
    return (said[2], said[1]) if said else ("", words)


def _path_schema(kind: type) -> JSON:
    if issubclass(kind, PurePath):
        return {"type": "string"}
    raise NotImplementedError  # msgspec says it in its own words


def _path(kind: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    return Path(value) if kind is Path else kind(value)


# -- pydantic's --


def _is_pydantics(one: Any) -> bool:
    """Whether it is a type of pydantic's, or a remark to it as `Field(...)` makes."""
    if "pydantic" not in sys.modules:
        return False
    marks = ("__get_pydantic_core_schema__", "__pydantic_core_schema__")
    return any(hasattr(one, mark) for mark in marks) or type(one).__module__.startswith("pydantic")


def _of_pydantic(kind: Any) -> Codec:
    import pydantic

    try:
        adapter = pydantic.TypeAdapter(kind)
        schema = adapter.json_schema()
    except (pydantic.errors.PydanticUserError, NameError) as error:
        why = str(error).partition("\n")[0]
        raise ConfigError(f"pydantic can make no JSON schema of {kind!r:.200}: {why}") from error

    def read(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except pydantic.ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            places = [(_place(problem["loc"]), problem["msg"]) for problem in found[:_SHOWN]]
            raise Misfit(places) from error

    return Codec(schema, read)


# -- JSON schemas --


def _of_json_schema(given: JSON) -> Codec:
    """As it is: it may be another's, and what it means is not ours to change."""
    from jsonschema import exceptions, validators
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    schema = deepcopy(given)
    kind = validators.validator_for(schema, default=validators.Draft202012Validator)
    registry: Registry[Any] = Registry()  # else a reference to elsewhere would be fetched
    try:
        kind.check_schema(schema)
        root = DRAFT202012.create_resource(schema)
        resolver = registry.resolver_with_root(root)
        for reference in shape.references(schema):
            resolver.lookup(reference)
    except exceptions.SchemaError as error:
        raise ConfigError(f"this is no JSON schema: {error.message} ({error.json_path})") from error
    except Unresolvable as error:
        raise ConfigError(f"the JSON schema has no {error.ref!r}: put it into $defs") from error
    validator = kind(schema, registry=registry)

    def read(value: Any) -> Any:
        errors = sorted(validator.iter_errors(value), key=lambda error: error.json_path)
        if errors:
            best = [exceptions.best_match([error]) for error in errors[:_SHOWN]]
            raise Misfit((error.json_path[1:], f"{error.message:.300}") for error in best)
        return value

    return Codec(schema, read)


def _place(path: Iterable[Any]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


# -- what a type is made of --


def _reached(kind: Any) -> list[Any]:
    """The type, the types in it and in the fields of those, and the remarks to them."""
    seen: dict[int, Any] = {}  # by identity: a remark may have no hash
    pending = [kind]
    while pending:
        one = pending.pop()
        if id(one) not in seen:
            seen[id(one)] = one
            pending += (get_origin(one), *get_args(one))
            if _has_fields(one):
                pending += hints_of(one, one.__qualname__).values()
    return list(seen.values())


def _has_fields(one: Any) -> bool:
    """Whether it is a class of fields that msgspec reads by their annotations."""
    return isinstance(one, type) and any(hasattr(one, mark) for mark in _HAS_FIELDS)


def _field_notes(one: type) -> Mapping[str, JSON]:
    return {name: notes_of(hint) for name, hint in hints_of(one, one.__qualname__).items()}
