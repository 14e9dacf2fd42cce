"""The events of a UI message stream as chunks; fields of another type than they should be are
left out."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from chatkit import chunks as c

_PLACE = re.compile(r"`\$\.(\w+)")  # where msgspec says that a field is wrong: "… at `$.title`"


def chunk_of(value: c.JSON) -> c.Chunk | None:
    """The chunk that the event says, None where it is of no known type or lacks what it must
    have."""
    value = {name: value[name] for name in value if _is_strict(name, value[name])}
    while True:
        try:
            return c.from_json(value)
        except msgspec.ValidationError as error:
            wrong = _PLACE.search(str(error))
            if wrong is None or wrong[1] not in value:
                return None
            value = {name: value[name] for name in value if name != wrong[1]}


def _is_strict(name: str, value: Any) -> bool:
    """Whether the AI SDK takes this value too, to which the chunk may be passed on."""
    match name:
        case "providerMetadata":
            return isinstance(value, dict) and all(isinstance(v, dict) for v in value.values())
        case "inputEncoding":
            return value in ("json", "text")
        case "id":
            return isinstance(value, str)
    return True
