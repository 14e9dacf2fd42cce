"""`{name}` in a text: alone knows what counts as a field, and what is JSON, CSS or TeX.

It evaluates nothing: what a field stands for is for its caller to say.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from chatkit.errors import ConfigError

_SHOWN = 12  # names that an error lists

_NAME = r"[^\W\d]\w*"
_STEP = rf"\.{_NAME}|\[[^][{{}}]+\]"
_SPEC = r"(?:.?[<>=^])?[-+ ]?z?\#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?"
_TIME = r"[^{}\n]*%[^{}\n]*"  # as strftime has it
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = rf"\\[A-Za-z]+\*?(?:\[[^\]\n]*\])?(?:[_^]?{_GROUP})*|\^{_GROUP}|(?<!\w)[^\W\d_]_{_GROUP}"
_TOO_WIDE = re.compile(r"\d{5}")  # a width of gigabytes is written in a few characters


class Field(NamedTuple):
    """What stands between a pair of braces, in its parts."""

    text: str
    name: str
    steps: tuple[str, ...]  # ".attribute" or "[key]"
    conversion: str  # "r", "s", "a" or ""
    spec: str

    @property
    def path(self) -> str:
        """The field without its format."""
        return self.name + "".join(self.steps)


def fill(text: str, case: Mapping[str, Any]) -> str:
    """The text with the value of each `{field}` of the case.

    `{field.key}`, `{field[key]}` and `{field[0]}` are items of what it holds, `{field:.2f}` is
    formatted, `{{field}}` is a `{field}` that stays. So do other braces (JSON, CSS), and those that
    belong to TeX. None is filled in as nothing, lists and dicts are as JSON. Raises ConfigError
    where there is no such field.
    """
    return substitute(text, lambda field: _item(field, case), case)


def names_in(text: str, known: Iterable[str] = ()) -> list[str]:
    """The fields that the text uses, each once, in order; `known` as for `substitute`."""
    pieces = cut(text, known)
    return list(dict.fromkeys(piece.name for piece in pieces if isinstance(piece, Field)))


def only_field(text: str) -> Field | None:
    """The field that is the whole text, without a format; None of any other text."""
    match cut(text):
        case (Field() as field,) if field.path == field.text:
            return field
    return None


def escaped(text: str, known: Iterable[str] = ()) -> str:
    """What to write for a text that is to be sent as it is, whatever braces it has."""

    def stays(token: re.Match[str]) -> str:
        is_field = token["field"] is not None or token["literal"] is not None
        return f"{{{token[0]}}}" if is_field else token[0]

    return _grammar(_odd(tuple(known))).sub(stays, text)


def substitute(text: str, found: Callable[[Field], Any], known: Iterable[str] = ()) -> str:
    """The text with what `found` gives for each field, formatted; `{{name}}` becomes `{name}`.

    Among the `known` names are some that are not spelled as names are: `{Unit price}`, `{0}`.
    Raises ConfigError for a format that does not suit the value, or asks for 10,000 characters.
    """
    pieces = cut(text, known)
    return "".join(
        each if isinstance(each, str) else _formatted(each, found(each)) for each in pieces
    )


def cut(text: str, known: Iterable[str] = ()) -> tuple[str | Field, ...]:
    """The text, cut into what is sent as it is and the fields; `known` as for `substitute`."""
    return _pieces(text, _odd(tuple(known)))


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'this'?`, or "" where nothing known is near."""
    near = difflib.get_close_matches(word, [name for name in known if name[:1] != "_"], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def listed(names: Iterable[str]) -> str:
    """The names for an error to list: the first of them, and how many more there are."""
    every = list(names)
    more = f" and {len(every) - _SHOWN} more" if len(every) > _SHOWN else ""
    return ", ".join(map(repr, every[:_SHOWN])) + more


def _formatted(field: Field, value: Any) -> str:
    if _TOO_WIDE.search(field.spec):
        raise ConfigError(f"{{{_clipped(field.text)}}}: a format is of 9,999 characters at most")
    try:
        return format(_CONVERSIONS[field.conversion](value), field.spec)
    except (TypeError, ValueError, OverflowError) as error:
        raise ConfigError(f"{{{field.text}}}: {error}") from None


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "": lambda value: value,
    "r": repr,
    "s": str,
    "a": ascii,
}


def _item(field: Field, case: Mapping[str, Any]) -> Any:
    if field.name not in case:
        raise ConfigError(_no_such(field, case))
    value: Any = case[field.name]
    for step in field.steps:
        value = _step(field, value, step[1:] if step[0] == "." else step[1:-1])
    if field.conversion or field.spec:
        return value
    if value is None:
        return ""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else value


def _step(field: Field, value: Any, key: str) -> Any:
    """An item of plain data: no attribute of anything is looked at."""
    if isinstance(value, Mapping):
        if key in value:
            return value[key]
        there = f"only {listed(map(str, value))}" if value else "it is empty"
        raise ConfigError(f"{{{field.text}}}: there is no {key!r}, {there}")
    if isinstance(value, list | str) and key.isdecimal():
        if len(key) < 10 and int(key) < len(value):
            return value[int(key)]
        raise ConfigError(f"{{{field.text}}}: there is no [{_clipped(key)}], only {len(value)}")
    raise ConfigError(
        f"{{{field.text}}}: a {type(value).__name__} has no {_clipped(key)!r}."
        f" To send braces as they are, write {{{{{field.text}}}}}"
    )


def _no_such(field: Field, case: Mapping[str, Any]) -> str:
    there = f"It has {listed(case)}." if case else "It has none: give cases= with that field."
    return (
        f"the case has no field {field.name!r}{nearest(field.name, case) or '.'} {there}"
        f" To send braces as they are, write {{{{{field.text}}}}}"
    )


def _clipped(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


@lru_cache(maxsize=64)
def _odd(known: tuple[str, ...]) -> tuple[str, ...]:
    """The names that the grammar has to be told of, the longest first: `a.b` before `a`."""
    odd = {name for name in known if name and not re.fullmatch(_NAME, name)}
    return tuple(sorted(odd, key=lambda name: (-len(name), name)))


@lru_cache(maxsize=256)  # a prompt is filled for every case
def _pieces(text: str, odd: tuple[str, ...]) -> tuple[str | Field, ...]:
    pieces: list[str | Field] = []
    said, end = "", 0
    for token in _grammar(odd).finditer(text):
        said, end = said + text[end : token.start()], token.end()
        piece = _piece(token, odd)
        if isinstance(piece, str):
            said += piece
        else:
            pieces += [said, piece] if said else [piece]
            said = ""
    return (*pieces, said + text[end:]) if said or end < len(text) else tuple(pieces)


def _piece(token: re.Match[str], odd: tuple[str, ...]) -> str | Field:
    if token["literal"] is not None:
        return f"{{{token['literal']}}}"
    if token["field"] is None:  # TeX
        return token[0]
    parts = _parts(odd).fullmatch(token["field"])
    assert parts is not None  # the grammar has matched it
    steps = tuple(re.findall(_STEP, parts["steps"]))
    return Field(
        token["field"], parts["name"], steps, parts["conversion"] or "", parts["spec"] or ""
    )


@lru_cache(maxsize=64)
def _grammar(odd: tuple[str, ...]) -> re.Pattern[str]:
    name = "|".join([*map(re.escape, odd), _NAME])
    field = rf"(?:{name})(?:{_STEP})*(?:![rsa])?(?::(?:{_SPEC}|{_TIME}))?"
    return re.compile(rf"{_TEX}|\{{\{{(?P<literal>{field})\}}\}}|\{{(?P<field>{field})\}}")


@lru_cache(maxsize=64)
def _parts(odd: tuple[str, ...]) -> re.Pattern[str]:
    name = "|".join([*map(re.escape, odd), _NAME])
    steps, format_ = rf"(?P<steps>(?:{_STEP})*)", r"(?:!(?P<conversion>[rsa]))?(?::(?P<spec>.*))?"
    return re.compile(rf"(?P<name>{name}){steps}{format_}", re.DOTALL)
