"""What a function returned, as JSON to store and to send: whatever it is, and of bounded size."""

from __future__ import annotations

import json
import math
import reprlib
import sys
from collections import deque
from datetime import date, time
from pathlib import PurePath
from typing import Any

import msgspec

from chatkit.files.tables import as_csv
from chatkit.messages import mended

LIMIT = 100_000  # characters of an output

_REPR = reprlib.Repr()
_REPR.maxother = LIMIT


def to_output(value: Any) -> Any:
    """The value as JSON: text as it is, objects by their fields, a DataFrame as CSV, and what
    JSON has no form for by its repr. What is cut for its size says so."""
    try:
        plain = _plain(msgspec.to_builtins(value, enc_hook=_foreign, str_keys=True))
        text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    except (TypeError, ValueError, OverflowError, RecursionError):  # odd keys, or a cycle
        plain = text = _shown(value)
    if len(text) <= LIMIT:
        return plain
    return f"{text[:LIMIT]}\n[cut: these are the first {LIMIT} of {len(text)} characters]"


def _plain(value: Any) -> Any:
    """JSON that every reader takes: no NaN, no half characters, no integer over 64 bits."""
    match value:
        case str():
            return mended(value)
        case dict():
            return {mended(name): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case float() if not math.isfinite(value):
            return str(value)
        case int() if not -(2**63) <= value < 2**64:
            return str(value)
    return value


def _foreign(value: Any) -> Any:
    """What msgspec does not know, as what it knows."""
    match value:
        case PurePath():
            return str(value)
        case date() | time():  # of a class of its own, as a Timestamp of pandas
            return value.isoformat()
        case deque() | range():
            return list(value)
        case str():
            return str.__str__(value)
    if _is(value, "pydantic", "BaseModel"):
        return value.model_dump(mode="json")
    if _is(value, "numpy", "generic") or _is(value, "numpy", "ndarray"):
        return value.tolist()
    table = as_csv(value)
    return _shown(value) if table is None else "\n".join(table)


def _is(value: Any, package: str, name: str) -> bool:
    """Whether it is of a class of a package, which is imported if it is."""
    kind = getattr(sys.modules.get(package), name, None)
    return isinstance(kind, type) and isinstance(value, kind)


def _shown(value: Any) -> str:
    """Its repr, also where that fails."""
    return mended(_REPR.repr_instance(value, 0))
