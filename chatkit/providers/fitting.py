"""What providers ask of a conversation and the AI SDK does not see to: who begins, what calls are
known by, and who shows an image."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import count
from typing import Any

JSON = dict[str, Any]

OPENING = "(The conversation begins here.)"  # what no user said
MADE = "(The assistant made this image.)"
_LONGEST_NAME = 64


def fit(messages: list[JSON]) -> list[JSON]:
    """These ModelMessages, changed so that any provider takes them."""
    _begin(messages)
    parts = [part for message in messages for part in message["content"]]
    _tell_apart(parts)
    for part in parts:
        if "toolName" in part:
            part["toolName"] = _plain(part["toolName"])
    return messages


def hand_over(messages: list[JSON], *, but: Callable[[JSON], bool] | None = None) -> list[JSON]:
    """These ModelMessages for a provider to whom users alone can show images: those that a model
    made are in the user's next turn, `but` those that can go back as they came."""
    result: list[JSON] = []
    made: list[JSON] = []
    for message in messages:
        role, content = message["role"], message["content"]
        if role == "assistant":
            pictures = [part for part in content if _is_picture(part) and not (but and but(part))]
            content = _without(content, pictures)
            made += [each for picture in pictures for each in (_text(MADE), picture)]
        elif role == "user":
            content, made = made + content, []
        if content and result and result[-1]["role"] == role:
            result[-1] = {"role": role, "content": result[-1]["content"] + content}
        elif content:
            result.append({"role": role, "content": content})
    return result


def _is_picture(part: JSON) -> bool:
    return part["type"] == "file" and str(part["mediaType"]).startswith("image/")


def _without(content: list[JSON], pictures: list[JSON]) -> list[JSON]:
    """What is left of an answer; nothing where that is thoughts, which have led to a picture."""
    left = [part for part in content if part not in pictures]
    return left if any(part["type"] != "reasoning" for part in left) else []


def _text(text: str) -> JSON:
    return {"type": "text", "text": text}


def _begin(messages: list[JSON]) -> None:
    """Have a user begin: many a server takes no conversation that begins otherwise, or none."""
    place = sum(message["role"] == "system" for message in messages[:1])
    if not messages[place:] or messages[place]["role"] != "user":
        messages.insert(place, {"role": "user", "content": [_text(OPENING)]})


def _tell_apart(parts: list[JSON]) -> None:
    """Give each call an id of its own, and its result the same: some servers begin anew with
    every answer, and others refuse an id that comes twice."""
    taken: set[str] = set()
    waiting: dict[str, list[str]] = {}  # new ids by old, for the results of the calls
    for part in parts:
        match part:
            case {"type": "tool-call", "toolCallId": call_id}:
                part["toolCallId"] = _unique(call_id or "call", taken)
                waiting.setdefault(call_id, []).append(part["toolCallId"])
            case {"type": "tool-result", "toolCallId": call_id}:
                part["toolCallId"] = waiting[call_id].pop(0)


def _unique(call_id: str, taken: set[str]) -> str:
    numbered = (f"{call_id}_{number}" if number > 1 else call_id for number in count(1))
    unique = next(each for each in numbered if each not in taken)
    taken.add(unique)
    return unique


def _plain(name: str) -> str:
    """The name in letters that every provider takes: the tool may be one of another's."""
    return re.sub(r"^[^a-zA-Z_]|[^a-zA-Z0-9_-]", "_", name)[:_LONGEST_NAME] or "_"
