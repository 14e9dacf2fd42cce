"""JSON as servers really write it: halves of characters, control characters, bytes that are no
UTF-8."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from chatkit.chunks import ToolInputAvailable, ToolInputError
from chatkit.messages import mended


def loads(data: bytes | str) -> Any:
    """The value, in which halves of characters may remain. Raises ValueError."""
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    try:
        return json.loads(text, strict=False)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def json_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object of these bytes, be it alone in an array as Google's errors are."""
    try:
        value = loads(data)
    except ValueError:
        return None
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, dict) else None


def whole(value: Any) -> Any:
    """The value with every half of a character joined or replaced."""
    text = json.dumps(value, ensure_ascii=False)
    fixed = mended(text)
    return value if fixed == text else json.loads(fixed)


def tool_input(
    call_id: str,
    name: str,
    arguments: str,
    *,
    closed: bool,
    provider_metadata: dict[str, Any] | None = None,
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
