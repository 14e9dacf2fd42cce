"""Schemas of types and of the parameters of functions, each an object at its root."""

from __future__ import annotations

import functools
import inspect
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatkit.errors import ConfigError, SchemaMismatch
from chatkit.schema import shape
from chatkit.schema.codecs import Codec, Misfit, Problem, codec_of, hints_of, notes_of

JSON = dict[str, Any]

_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_NO_PARAMETERS = {
    inspect.Parameter.VAR_POSITIONAL: "takes *{}: name each parameter",
    inspect.Parameter.VAR_KEYWORD: "takes **{}: name each parameter",
    inspect.Parameter.POSITIONAL_ONLY: "takes {} by position only: remove the /",
}


@dataclass(frozen=True)
class Schema:
    """What a model is to fill in. `json` is a self-contained JSON schema, an object; `name` is
    one that every provider takes."""

    name: str
    json: JSON
    read: Callable[[Any], Any] = field(repr=False, compare=False)  # of a codec
    wraps: bool = False  # whether what is asked for is no object, and stands in one as "value"

    def load(self, value: Any) -> Any:
        """The Python value of a JSON value. Raises SchemaMismatch, for the model to read."""
        try:
            return self._load(shape.without_nulls(value, self.json, self.json))
        except RecursionError as error:
            raise SchemaMismatch("It is nested too deeply.") from error

    def _load(self, value: Any) -> Any:
        try:
            return self.read(value)
        except Misfit as misfit:
            text = json.dumps(value, ensure_ascii=False)
            raise SchemaMismatch(f"{misfit}.", text=text) from misfit


def schema_of(kind: Any) -> Schema:
    """The schema of a type, or of a JSON schema as it is. Raises ConfigError.

    What is no object is asked for as `{"value": ...}`; `load` gives what is in it.
    """
    codec = codec_of(kind)
    name = _named(kind)
    if shape.is_object(codec.json):
        return Schema(name, {"type": "object", **codec.json}, codec.read)
    wrapped = _object({"value": codec}, required=("value",))

    def read(value: Any) -> Any:
        is_wrapped = isinstance(value, dict) and "value" in value
        return wrapped.read(value if is_wrapped else {"value": value})["value"]

    return Schema(name, wrapped.json, read, wraps=True)


def parameters_of(function: Callable[..., Any]) -> Schema:
    """The schema of a function's parameters; `load` gives its keyword arguments, converted.

    Raises ConfigError, naming the parameter, where a model could not give one.
    """
    name = getattr(function, "__name__", type(function).__name__)
    hints = hints_of(underlying(function), name)
    codecs: dict[str, Codec] = {}
    required = []
    for parameter in _signature(function, name).parameters.values():
        codecs[parameter.name] = _parameter(parameter, hints.get(parameter.name, Any), name)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
    whole = _object(codecs, required=required)
    return Schema(_NAME.sub("_", name)[:64], whole.json, whole.read)


def _named(kind: Any) -> str:
    title = kind.get("title") if isinstance(kind, dict) else None
    name = kind.__name__ if isinstance(kind, type) else title
    return _NAME.sub("_", str(name or "answer"))[:64]


def underlying(function: Any) -> Any:
    """What was written with `def`: of a partial its function, of a callable object its call."""
    while isinstance(function, functools.partial):
        function = function.func
    return function if inspect.isroutine(function) else type(function).__call__


def _signature(function: Callable[..., Any], name: str) -> inspect.Signature:
    try:
        signature = inspect.signature(function)
    except ValueError as error:
        raise ConfigError(f"{name} does not tell its parameters: wrap it in a function") from error
    for parameter in signature.parameters.values():
        if parameter.kind in _NO_PARAMETERS:
            why = _NO_PARAMETERS[parameter.kind].format(parameter.name)
            raise ConfigError(f"{name} {why}, so that a model can give it")
        if parameter.name == "self":
            raise ConfigError(f"{name} is a method of no object: give the bound one, object.{name}")
    return signature


def _parameter(parameter: inspect.Parameter, hint: Any, name: str) -> Codec:
    default = parameter.default
    try:
        codec = codec_of(hint | None if default is None and hint is not Any else hint)
    except ConfigError as error:
        raise ConfigError(f"parameter {parameter.name!r} of {name}: {error}") from error
    given = {"default": default} if _is_plain(default) else {}
    return Codec({**codec.json, **notes_of(hint), **given}, codec.read)


def _is_plain(value: Any) -> bool:
    """Whether it is JSON as it stands; an IntEnum, say, is not."""
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (str, int, bool)


def _object(codecs: Mapping[str, Codec], *, required: tuple[str, ...] | list[str]) -> Codec:
    """An object with a codec for each property; nothing beside them is accepted."""
    try:
        schema = shape.object_of({name: codec.json for name, codec in codecs.items()}, required)
    except ValueError as error:
        raise ConfigError(f"two different types are named {error}: rename one") from error

    def read(value: Any) -> JSON:
        if not isinstance(value, dict):
            raise Misfit([("", f"Expected `object`, got `{type(value).__name__}`")])
        problems: list[Problem] = [
            (f".{name}", f"There is no such property; there are {', '.join(codecs) or 'none'}")
            for name in value.keys() - codecs.keys()
        ]
        problems += [(f".{name}", "It is required") for name in required if name not in value]
        loaded = {}
        for name in codecs.keys() & value.keys():
            try:
                loaded[name] = codecs[name].read(value[name])
            except Misfit as misfit:
                problems += [(f".{name}{where}", words) for where, words in misfit.problems]
        if problems:
            raise Misfit(sorted(problems))
        return loaded

    return Codec(schema, read)
