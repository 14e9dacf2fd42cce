"""What is asked with a turn: of whom, how, and after which messages."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from chatkit.answers.steps import Question
from chatkit.defaults import MAX_STEPS
from chatkit.messages import FilePart, Message, as_messages
from chatkit.providers import Model
from chatkit.schema import Schema
from chatkit.tools import Tool
from chatkit.tree import Node


class Settings(NamedTuple):
    """Whom to ask, and how."""

    model: Model
    system: str | None
    options: Mapping[str, Any]
    tools: Mapping[str, Tool] = {}
    max_steps: int = MAX_STEPS
    schema: Schema | None = None
    repair: bool = False
    detached: bool = False  # a process of its own writes the answer

    def question(self, chat_id: str, *, replaces: str, resumes: bool, can_ask: bool) -> Question:
        """What an answer is asked for with, beside the messages."""
        return Question(
            self.model,
            self.options,
            tools=self.tools,
            max_steps=self.max_steps,
            schema=self.schema,
            repair=self.repair,
            chat_id=chat_id,
            replaces=replaces,
            resumes=resumes,
            can_ask=can_ask,
        )


def prompt(path: list[Node], system: str | None) -> list[Message]:
    """The messages of a branch as a model is sent them, without the turns that it refused: they
    would be refused again, with everything that is said after them."""
    refused = {asked.id for asked, answer in pairwise(path) if _is_refused(asked, answer)}
    kept = [node for node in path if node.id not in refused and node.parent not in refused]
    messages = [node.message for node in kept]
    if system is None:
        return messages
    return [*as_messages([{"role": "system", "content": system}]), *messages]


def _is_refused(asked: Node, answer: Node) -> bool:
    """Whether all that was answered is that the turn cannot be sent: for its files, its length."""
    if answer.role != "assistant" or answer.status != "error" or not answer.message.is_empty:
        return False
    told = answer.message.metadata.get("error") or {}
    has_files = any(isinstance(part, FilePart) for part in asked.message.parts)
    return told.get("type") in ("MessageError", "TooLarge") or (
        has_files and told.get("status") in (400, 415, 422, 500)
    )
