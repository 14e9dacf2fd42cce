"""What people hand over as a conversation, as plain JSON: files, objects of SDKs, requests."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from chatkit.errors import MessageError
from chatkit.messages import JSON, Message

_LISTS = ("messages", "input", "output")  # where a request, or an answer, holds its messages
_PROMPTS = ("system", "instructions")  # and where it says the system prompt


@contextmanager
def at(place: str) -> Iterator[None]:
    """Errors from within name the place."""
    try:
        yield
    except MessageError as error:
        told = str(error)
        between = "" if told.startswith((".", "[")) else ": "
        raise MessageError(f"{place}{between}{told}") from error


def listed(messages: Any) -> list[Message | JSON]:
    """The items of a conversation: Messages, or JSON. Raises MessageError or OSError."""
    if isinstance(messages, str | os.PathLike):
        messages = _read(Path(messages))
    messages = _plain(messages)
    if isinstance(messages, dict):
        messages = [messages]
    if not isinstance(messages, list):
        raise MessageError(
            f"a conversation is a list of messages, or the path of a .json or .jsonl file, not"
            f" {messages!r:.80}"
        )
    items: list[Any] = []
    for value in messages:
        items += _unwrapped(value, len(messages)) if isinstance(value, dict) else [value]
    for place, value in enumerate(items):
        if not isinstance(value, Message | dict):
            raise MessageError(f"messages[{place}] is {value!r:.80}, not a message")
    return items


def _read(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix not in (".json", ".jsonl"):
        raise MessageError(f"{path.name!r} is no .json or .jsonl file; chatkit exports both")
    text = path.read_text(encoding="utf-8-sig")
    lines = text.splitlines() if suffix == ".jsonl" else [text]
    values = [_parsed(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return values if suffix == ".jsonl" else values[0] if values else []


def _parsed(path: Path, number: int, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{path.name!r}, line {number}, is no JSON: {error}") from error


def _plain(value: Any) -> Any:
    """The value as JSON has it; the objects of SDKs say themselves what they hold."""
    match value:
        case None | str() | int() | float() | Message():
            return value
        case Mapping():
            return {str(name): _plain(each) for name, each in value.items()}
        case datetime():
            return value.isoformat()
        case bytes():
            raise MessageError("there are bytes in it: give them as a data: URL, in base64")
    dump = getattr(value, "model_dump", None)
    if dump is not None:
        return _plain(dump(mode="json", exclude_unset=True))
    if isinstance(value, Iterable):
        return [_plain(each) for each in value]
    raise MessageError(f"there is a {type(value).__name__} in it, which is no message and no JSON")


def _unwrapped(value: JSON, count: int) -> list[Any]:
    """The messages of a request, or of an answer that came whole; one message is itself."""
    match value:
        case {"choices": [{"message": dict(answer)}, *_]}:
            return [answer]
        case {"role": str()} | {"parts": list()}:
            return [value]
    name = next((name for name in _LISTS if isinstance(value.get(name), list | str)), None)
    if name is None or "type" in value:
        return [value]
    if count > 1 and name == "messages":
        raise MessageError(f"these are {count} conversations: import each under an id of its own")
    found = value[name]
    inside = [{"role": "user", "content": found}] if isinstance(found, str) else found
    prompts = [{"role": "system", "content": value[key]} for key in _PROMPTS if value.get(key)]
    return [*prompts, *inside]
