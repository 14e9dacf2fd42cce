"""JSON as servers really write it: halves of characters, control characters, bytes that are no
UTF-8, and fields of any type."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from chatkit.chunks import JSON, ToolInputAvailable, ToolInputError
from chatkit.messages import mended

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)  # how strict decoders fail


def json_objects(data: bytes) -> list[JSON]:
    """The JSON object of these bytes, or those of its array; halves of characters may remain."""
    try:
        value = msgspec.json.decode(data)
    except UNREADABLE:
        value = _odd(data)
    return [value] if isinstance(value, dict) else objects(value)


def _odd(data: bytes) -> Any:
    """The value of what is not quite JSON, None where it is none at all."""
    try:
        return json.loads(data.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def whole(value: Any) -> Any:
    """The value with every half of a character joined or replaced."""
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return json.loads(mended(json.dumps(value, ensure_ascii=False)))
    return value


# -- fields, each of which may be of another type than it should be --


def text(value: Any) -> str:
    """The text without halves of characters, empty where it is none."""
    return mended(value) if isinstance(value, str) else ""


def first(told: JSON, *names: str) -> str:
    """The first text that is told under one of these names, empty where none is."""
    return next(filter(None, (text(told.get(name)) for name in names)), "")


def at(told: Any, *names: str) -> Any:
    """What is at this path through objects, None where nothing is."""
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    return told


def objects(values: Any) -> list[JSON]:
    """The objects of a list."""
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


def counts(**told: Any) -> dict[str, int]:
    """Tokens as a message keeps them; what is not said is not there."""
    return {name: count for name, count in told.items() if type(count) is int}


def total(*told: Any) -> int | None:
    """The sum of the counts that are known, None where none is."""
    known = [count for count in told if type(count) is int]
    return sum(known) if known else None


def decoded(pieces: Iterable[str]) -> bytes:
    """The bytes of pieces of base64, each with its padding or without."""
    return b"".join(map(_bytes, pieces))


def _bytes(piece: str) -> bytes:
    try:
        return b64decode(piece + "=" * (-len(piece) % 4))
    except ValueError:
        return b""


# -- the arguments of a call --


def tool_input(
    call_id: str,
    name: str,
    arguments: str,
    *,
    closed: bool,
    provider_metadata: JSON | None = None,
) -> ToolInputAvailable | ToolInputError:
    """A call whose arguments have come to their end.

    No arguments mean none, `{}`, but only where the model `closed` them: an answer that ran
    into its limit may have stopped before the first.
    """
    try:
        value = _arguments(arguments) if arguments.strip() or not closed else {}
    except (ValueError, RecursionError) as error:
        return ToolInputError(
            call_id, name, f"Its arguments are not JSON: {error}", mended(arguments)
        )
    return ToolInputAvailable(call_id, name, value, provider_metadata=provider_metadata)


def _arguments(text: str) -> Any:
    return whole(json.loads(text, strict=False, parse_constant=_refuse))


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")
