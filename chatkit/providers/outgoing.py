"""What several dialects make of a conversation in the same way, and how `extra` is added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

JSON = dict[str, Any]

_DENIED = "The user did not allow this call."


def merged(asked: JSON, extra: JSON) -> JSON:
    """The request with the user's own fields: objects go into objects at any depth, lists behind
    lists, and anything else takes the place of what was asked."""
    result = dict(asked)
    for name, value in extra.items():
        match result.get(name), value:
            case dict(mine), dict():
                result[name] = merged(mine, value)
            case list(mine), list():
                result[name] = [*mine, *value]
            case _:
                result[name] = value
    return result


def own(part: JSON, provider: str) -> JSON:
    """What that provider said of a part beyond what it shows; empty where it did not make it."""
    kept = part.get("providerOptions", {}).get(provider)
    return kept if isinstance(kept, dict) else {}


def object_of(given: Any) -> JSON:
    """The input of a call, which must be an object."""
    return given if isinstance(given, dict) else {"input": given}


def output_text(output: JSON) -> str:
    """What a tool gave, or why it gave nothing, as text."""
    match output["type"]:
        case "text" | "error-text":
            return str(output["value"])
        case "execution-denied":
            return output.get("reason") or _DENIED
    return to_json(output["value"])


def has_failed(output: JSON) -> bool:
    """Whether a tool gave nothing."""
    return output["type"] in ("error-text", "execution-denied")


def system_text(messages: Iterable[JSON]) -> str:
    """What the system messages say, wherever they are."""
    parts = (part for m in messages if m["role"] == "system" for part in m["content"])
    return "\n\n".join(part["text"] for part in parts)


def stops(value: Any) -> list[str]:
    """The texts to stop at, as a list."""
    return [value] if isinstance(value, str) else list(value)


def to_json(value: Any) -> str:
    """The value as JSON text."""
    return msgspec.json.encode(value).decode()
