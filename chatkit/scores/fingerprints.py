"""What tells one score function from another: alone knows how code is compared.

A function's fingerprint is of its bytecode, constants (its docstring is one), defaults and closure,
and of the globals it uses: plain values, patterns and dataclasses by what they hold, helper
functions and classes of one's own by their code in turn, also those of a module of one's own that
it names as `helpers.near(...)`. Comments, annotations and where a function stands do not count,
nor the names of files.

Not noticed: another version of an installed package or of the standard library, whose functions
count by their names; what any other object holds (a DataFrame, a client, an array), which counts
by its type; what is imported within the function, or looked up by a name made at run time; files
that it reads. Noticed though nothing was edited: another version of Python, and a global that the
function itself fills, such as a cache.
"""

from __future__ import annotations

import dataclasses
import dis
import functools
import hashlib
import inspect
import numbers
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, time, timedelta
from enum import Enum
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import Any

_BY_REPR = (
    *(NoneType, EllipsisType, numbers.Number, str, bytes, bytearray, range, slice),
    *(date, time, timedelta, PurePath),
)
_LEAVES = frozenset((NoneType, bool, int, float, str, bytes))  # there may be many in a list
_NOBODY = (tuple, frozenset, CodeType, re.Pattern)  # Python may make one of two that are equal
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_DEEPEST = 80  # levels of containers and calls, below which a value counts by its type
_CACHED = functools._lru_cache_wrapper


def print_of(value: Any) -> str:
    """16 hexadecimal digits: the same in every process for what works alike, as far as the code
    can tell; of an object that is called, of its attributes too."""
    walk = _Walk()
    is_written = inspect.isroutine(value) or isinstance(value, functools.partial | type)
    is_object = callable(value) and not is_written
    return _told(walk.state(value) if is_object else walk.of(value))[:16]


class _Walk:
    """One way through a value and all it uses; what is met again counts by when it was first."""

    def __init__(self) -> None:
        self._met: dict[int, tuple[int, object]] = {}  # the objects too: an id is theirs for life
        self._depth = 0

    def of(self, value: Any) -> str:
        """What the value comes to: a short one itself, else a hash."""
        if type(value) in _LEAVES:
            return f"{type(value).__name__} {value!r}"
        if isinstance(value, Enum):
            return _told("enum", _name(type(value)), value.name)
        if isinstance(value, _BY_REPR):
            return _told("plain", _name(type(value)), repr(value))
        if self._depth > _DEEPEST:
            return _told("deep", _name(type(value)))
        if not isinstance(value, _NOBODY):
            if id(value) in self._met:
                return _told("again", str(self._met[id(value)][0]))
            self._met[id(value)] = len(self._met), value
        self._depth += 1
        try:
            return self._inner(value)
        finally:
            self._depth -= 1

    def state(self, value: Any) -> str:
        """The same of an object whose methods are called: what it is made of counts."""
        if isinstance(value, type | ModuleType):
            return self.of(value)
        return _told("state", self.of(type(value)), self.of(dict(getattr(value, "__dict__", {}))))

    def _inner(self, value: Any) -> str:
        match value:
            case list() | tuple():
                return _told(_name(type(value)), *map(self.of, value))
            case set() | frozenset():
                return _told(_name(type(value)), *sorted(map(self.of, value)))
            case dict():
                return _told("dict", *sorted(self.of(pair) for pair in value.items()))
            case CodeType():
                return self._code(value)
            case FunctionType():
                return self._function(value)
            case MethodType():
                return _told("method", self.of(value.__func__), self.state(value.__self__))
            case BuiltinFunctionType():
                return _told("builtin", _name(value), self.of(value.__self__))
            case ModuleType():
                return _told("module", value.__name__)
            case functools.partial():
                return _told("partial", *map(self.of, (value.func, value.args, value.keywords)))
            case _CACHED():
                return _told("cached", self.of(value.__wrapped__))
            case re.Pattern():
                return _told("pattern", self.of(value.pattern), str(value.flags))
            case type():
                return self._class(value)
            case staticmethod() | classmethod():
                return _told(_name(type(value)), self.of(value.__func__))
            case property():
                return _told("property", self.of(value.fget), self.of(value.fset))
        if dataclasses.is_dataclass(value):
            fields = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
            return _told("dataclass", self.of(type(value)), self.of(fields))
        return _told("object", _name(value if inspect.isroutine(value) else type(value)))

    def _function(self, function: FunctionType) -> str:
        held = [_content(cell) for cell in function.__closure__ or ()]
        given = map(self.of, (function.__defaults__, function.__kwdefaults__, held))
        if is_library(function.__globals__.get("__name__", "")):
            return _told("library", _name(function), *given)
        used = (self._global(path, function.__globals__) for path in _used(function.__code__))
        return _told("function", self._code(function.__code__), *given, *used)

    def _code(self, code: CodeType) -> str:
        counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
        names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
        raw = (code.co_code, code.co_exceptiontable)
        return _told("code", repr((*counts, *names, *raw)), *map(self.of, code.co_consts))

    def _global(self, path: tuple[str, ...], names: Mapping[str, Any]) -> str:
        first, *rest = path
        if first not in names:
            return _told("builtin", first)
        value = names[first]
        for step in rest:
            if not isinstance(value, ModuleType) or step not in vars(value):
                break
            if is_library(value.__name__):
                return _told("library", value.__name__, step)
            value = vars(value)[step]
        return _told("global", self.of(value))

    def _class(self, kind: type) -> str:
        """One's own classes by what is written in them."""
        written = {
            f"{place} {name}": value
            for place, each in enumerate(kind.__mro__)
            if not is_library(each.__module__)
            for name, value in vars(each).items()
            if not name.startswith("__") or isinstance(value, FunctionType)
        }
        return _told("class", *map(_name, kind.__mro__), self.of(written))


def _used(code: CodeType) -> Iterator[tuple[str, ...]]:
    """The globals that code loads, in order, each with the attributes taken of it at once."""
    found = dict.fromkeys(_paths(dis.get_instructions(code)))
    yield from found
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _used(inner)


def _paths(instructions: Iterable[dis.Instruction]) -> Iterator[tuple[str, ...]]:
    path: tuple[str, ...] = ()
    for each in instructions:
        if path and each.opname in _ATTRIBUTES:
            path = (*path, str(each.argval))
        elif each.opname != "EXTENDED_ARG":  # it belongs to what comes next
            if path:
                yield path
            path = (str(each.argval),) if each.opname in _GLOBALS else ()


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # nothing is in it yet
        return ...


def is_library(module: str) -> bool:
    """Whether it is installed, not somebody's own."""
    if module == "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    installed = "site-packages" in file or "dist-packages" in file
    return installed or module.partition(".")[0] in sys.stdlib_module_names


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', None)}"


def _told(*parts: str) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()
