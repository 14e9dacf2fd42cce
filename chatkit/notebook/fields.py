"""`{name}` in the text of a `%%chat` cell: what it stands for. Evaluates nothing."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from string import Formatter
from typing import Any

from IPython.core.error import UsageError

from chatkit.replies import Reply

_PATH = r"[^\W\d]\w*(?:\.[^\W\d]\w*|\[[^][{}]+\])*"
_SPEC = r"(?:.?[<>=^])?[-+ ]?z?\#?0?\d*[,_]?(?:\.\d+)?[bcdeEfFgGnosxX%]?"
_FIELD = rf"{_PATH}(?:![rsa])?(?::(?:{_SPEC}|[^{{}}\n]*%[^{{}}\n]*))?"  # %: as strftime has it
_GROUP = r"\{(?:[^{}]|\{[^{}]*\})*\}"
_TEX = rf"\\[A-Za-z]+\*?(?:\[[^\]\n]*\])?(?:[_^]?{_GROUP})*|\^{_GROUP}|(?<!\w)[^\W\d_]_{_GROUP}"
_TOKEN = re.compile(rf"{_TEX}|\{{\{{(?P<literal>{_FIELD})\}}\}}|\{{(?P<field>{_FIELD})\}}")
_WHOLE = re.compile(rf"\{{({_PATH})\}}")


def fill(text: str, names: Mapping[str, Any]) -> str:
    """The text with the value of each `{name}`, `{name.attribute}`, `{name[0]}`, `{name:.2f}`.

    `{{name}}` is a `{name}` that stays. So do other braces (JSON, CSS), and those that
    belong to TeX. A reply in it is waited for. Raises UsageError where there is no such thing.
    """
    return _TOKEN.sub(lambda token: _filled(token, names), text)


def value(text: str, names: Mapping[str, Any]) -> Any:
    """What a `{name}` that is the whole text stands for; any other text is filled."""
    whole = _WHOLE.fullmatch(text)
    return _found(whole[1], names) if whole else fill(text, names)


def nearest(word: str, known: Mapping[str, Any]) -> str:
    """`; did you mean 'this'?`, or "" where nothing known is near."""
    near = difflib.get_close_matches(word, [name for name in known if name[:1] != "_"], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def variable(name: str, names: Mapping[str, Any]) -> Any:
    """A variable of the notebook. Raises UsageError."""
    if name not in names:
        raise UsageError(f"the notebook has no variable {name!r}{nearest(name, names)}")
    return names[name]


def _filled(token: re.Match[str], names: Mapping[str, Any]) -> str:
    if token["literal"] is not None:
        return f"{{{token['literal']}}}"
    if token["field"] is None:  # TeX
        return token[0]
    [(_, path, spec, conversion)] = Formatter().parse(token[0])
    found = Formatter().convert_field(_found(path or "", names), conversion)
    try:
        return format(found, spec or "")
    except (TypeError, ValueError) as error:
        raise UsageError(f"{token[0]}: {error}") from None


def _found(path: str, names: Mapping[str, Any]) -> Any:
    root = re.split(r"[.[]", path, maxsplit=1)[0]
    if root not in names:
        raise UsageError(
            f"the notebook has no variable {root!r}{nearest(root, names) or '.'}"
            f" To send braces as they are, write {{{{{path}}}}}, or %%chat --raw"
        )
    if isinstance(names[root], Reply):
        _finish(root, names[root])
    try:
        found, _ = Formatter().get_field(path, (), names)
    except (AttributeError, LookupError, TypeError) as error:
        raise UsageError(f"{{{path}}}: {type(error).__name__}: {error}") from None
    return found.text if isinstance(found, Reply) else found


def _finish(name: str, reply: Reply) -> None:
    """Half an answer in a question would be another question each time."""
    reply.wait()
    if reply.error is not None:
        raise UsageError(f"{name!r} is {reply.status}, not a whole answer: {reply.error}")
