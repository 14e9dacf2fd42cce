"""What a `{name}` in the text of a `%%chat` cell stands for: a variable of the notebook."""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter
from typing import Any

from chatkit.errors import ConfigError
from chatkit.fields import Field, nearest, only_field, substitute
from chatkit.replies import Reply


def fill(text: str, names: Mapping[str, Any]) -> str:
    """The text with the value of each `{name}`, `{name.attribute}`, `{name[0]}`, `{name:.2f}`.

    `{{name}}` is a `{name}` that stays. So do other braces (JSON, CSS), and those that
    belong to TeX. A reply in it is waited for. Raises ConfigError where there is no such thing.
    """
    return substitute(text, lambda field: _found(field, names))


def value(text: str, names: Mapping[str, Any]) -> Any:
    """What a `{name}` that is the whole text stands for; any other text is filled."""
    field = only_field(text)
    return _found(field, names) if field else fill(text, names)


def variable(name: str, names: Mapping[str, Any]) -> Any:
    """A variable of the notebook. Raises ConfigError."""
    if name not in names:
        raise ConfigError(f"the notebook has no variable {name!r}{nearest(name, names)}")
    return names[name]


def _found(field: Field, names: Mapping[str, Any]) -> Any:
    if field.name not in names:
        raise ConfigError(
            f"the notebook has no variable {field.name!r}{nearest(field.name, names) or '.'}"
            f" To send braces as they are, write {{{{{field.path}}}}}, or %%chat --raw"
        )
    if isinstance(names[field.name], Reply):
        _finish(field.name, names[field.name])
    try:
        found, _ = Formatter().get_field(field.path, (), names)
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{{{field.path}}}: {type(error).__name__}: {error}") from None
    return found.text if isinstance(found, Reply) else found


def _finish(name: str, reply: Reply) -> None:
    """Half an answer in a question would be another question each time."""
    reply.wait()
    if reply.error is not None:
        raise ConfigError(f"{name!r} is {reply.status}, not a whole answer: {reply.error}")
