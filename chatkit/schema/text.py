"""The JSON in what a model wrote: whole, or as far as it has come. Alone knows jiter."""

from __future__ import annotations

import json
import re
from typing import Any

from chatkit.errors import SchemaMismatch

# Where JSON begins: at once, else in a fence, else at the first brace that can open an object.
_BEGINNINGS = (
    re.compile(r'\s*(?=\[|\{\s*(?:["}]|\Z))'),
    re.compile(r"(?<!.)```\w*\s*(?=[{\[])"),
    re.compile(r'(?=\{\s*(?:["}]|\Z))'),
)
_CONTROLS = dict.fromkeys(range(32), " ")  # raw in a string, where models write them, it is no JSON


def partial_json(text: str) -> Any:
    """The object or list that a growing text is so far; None while there is nothing of it.

    The last string in it, and the last number, may still grow.
    """
    import jiter

    begins = _begins(text)
    if begins is None:
        return None
    written = text[begins:].translate(_CONTROLS).encode(errors="replace")
    try:
        return jiter.from_json(written, partial_mode="trailing-strings", allow_inf_nan=False)
    except ValueError:  # it is no JSON, and may never be
        return None


def json_of(text: str) -> Any:
    """The JSON value that a text is or has in it. Raises SchemaMismatch, which keeps the text."""
    begins = _begins(text)
    try:
        if begins is None:
            return _DECODER.decode(text.strip())
        return _DECODER.raw_decode(text, begins)[0]  # and what follows it is talk
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise SchemaMismatch(f"Expected JSON: {error.msg} ({where}).", text=text) from error
    except ValueError as error:  # NaN, or a number of thousands of digits
        raise SchemaMismatch(f"Expected JSON: {error}.", text=text) from error
    except RecursionError as error:
        raise SchemaMismatch("It is nested too deeply.", text=text) from error


def _begins(text: str) -> int | None:
    match, *searches = _BEGINNINGS
    found = match.match(text) or next(filter(None, (one.search(text) for one in searches)), None)
    return found.end() if found else None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


_DECODER = json.JSONDecoder(strict=False, parse_constant=_no_number)
