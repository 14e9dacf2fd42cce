"""Conversations that others have kept, as messages: whose they are is seen by what is in them.

Alone knows how a list of theirs is joined: results go to the calls that they are of, and the
steps of an answer become one message.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.errors import BadChatId, MessageError
from chatkit.imports.ai_sdk import Outcome
from chatkit.imports.items import Entry, Said, answer, entries, is_output
from chatkit.imports.reading import at, listed
from chatkit.record import ChatRecord
from chatkit.tool_parts import answered, approved

_Word = c.ToolApprovalResponse  # the user's, and known by the question


def imported(messages: Any) -> list[m.Message]:
    """The messages of a conversation, as OpenAI, Anthropic, the AI SDK or chatkit keep them.

    `messages` is a list of dicts, of objects of their SDKs or of Messages, what holds one under
    `messages` or `input`, or the path of a `.json` or `.jsonl` file with it. What is not known is
    kept as it came. The same list gives the same messages, ids too.

    Raises MessageError, which names the place, and OSError where the file cannot be read.
    """
    conversation = _Conversation()
    for place, entry in _entries(listed(messages)):
        with at(place):
            conversation.add(entry)
    return _named(conversation.messages)


def opening(messages: Sequence[m.Message]) -> tuple[str | None, list[m.Message]]:
    """The system prompt that a conversation opens with, None where it does not, and the rest."""
    count = 0
    while count < len(messages) and messages[count].role == "system":
        count += 1
    said = "\n\n".join(message.text for message in messages[:count])
    return (said or None), list(messages[count:])


def begin(record: ChatRecord, messages: Sequence[m.Message]) -> None:
    """Have a chat begin with these messages. Raises BadChatId if it began otherwise."""
    origin = f"messages/{_digest(messages)}"
    if record.tree.nodes and record.header.get("forkedFrom") != origin:
        raise BadChatId(
            f"there is a chat {record.id!r} already, and it did not begin with these messages:"
            f" give another id, or take that one away with Chat({record.id!r}).delete()"
        )
    record.begin_with(origin, messages)


def _entries(items: Sequence[Any]) -> Iterator[tuple[str, Entry]]:
    """What each item says, with its place; items of one answer in a row are read together."""
    start = 0
    while start < len(items):
        end = start
        while end < len(items) and is_output(items[end]):
            end += 1
        place = f"messages[{start}]"
        with at(place):
            if end > start:
                found: list[Entry] = [answer(items[start:end])]
            else:
                found = list(entries(items[start]))
        yield from ((place, entry) for entry in found)
        start = max(end, start + 1)


class _Conversation:
    """Messages as they are put together, in the order of a list."""

    def __init__(self) -> None:
        self.messages: list[m.Message] = []
        self._goes_on = False  # the last answer has results that its next step rests on

    def add(self, entry: Entry) -> None:
        """What one item of the list says."""
        match entry:
            case m.Message():
                self.messages.append(entry)
                self._goes_on = False
            case Said():
                self._say(entry)
            case _:
                self._join(entry)
                self._goes_on = self.messages[-1].role == "assistant"

    def _say(self, said: Said) -> None:
        if self._goes_on and said.role == "assistant":
            last = self.messages[-1]
            self.messages[-1] = last.replace(parts=(*last.parts, m.StepPart(), *said.parts))
        else:
            self.messages.append(
                m.Message(id=said.id, role=said.role, parts=said.parts, metadata=said.metadata)
            )
        self._goes_on = False

    def _join(self, told: Outcome) -> None:
        """What came of a call goes to its part: the last of that id, rather an open one."""
        calls = [
            (place, message, part)
            for place, message in enumerate(self.messages)
            for part in message.parts
            if isinstance(part, m.ToolPart) and _is_of(part, told)
        ]
        if not calls:
            known_by = told.approval_id if isinstance(told, _Word) else told.tool_call_id
            raise MessageError(f"it answers a call {known_by!r}, and no message before makes one")
        waiting = [call for call in calls if call[2].state in m.OPEN]
        place, message, part = (waiting or calls)[-1]
        new = approved(part, told) if isinstance(told, _Word) else answered(part, told)
        parts = tuple(new if each is part else each for each in message.parts)
        self.messages[place] = message.replace(parts=parts)


def _is_of(part: m.ToolPart, told: Outcome) -> bool:
    if isinstance(told, _Word):
        return (part.approval or {}).get("id") == told.approval_id
    return part.tool_call_id == told.tool_call_id


def _named(messages: list[m.Message]) -> list[m.Message]:
    """The messages, each with an id of its own: its own, or one made of the whole list."""
    known_by, taken = _digest(messages), set[str]()
    named = []
    for number, message in enumerate(messages):
        if not message.id or message.id in taken:
            message = message.replace(id=f"{known_by}-{number}")
        taken.add(message.id)
        named.append(message)
    return named


def _digest(messages: Iterable[m.Message]) -> str:
    """What a conversation is known by."""
    told = json.dumps([message.to_json() for message in messages], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:16]
