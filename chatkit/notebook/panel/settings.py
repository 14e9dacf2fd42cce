"""What is asked from a panel, and of whom: what was chosen there is for its own asks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import count
from typing import Any

from chatkit.chat import Chat
from chatkit.listing import chats
from chatkit.messages import Message, Part
from chatkit.providers import Model, get_model


class Chosen:
    """What was chosen in a panel for the chat that it shows."""

    def __init__(self) -> None:
        self._is_any = False
        self._models: list[Model] = []  # what it was asked with: they may have keys of their own

    def choose(self, chat: Chat, wanted: dict[str, Any]) -> str:
        """Ask with another model, system prompt or options; None is the model's own default.
        Says which options the model does not take. Raises ConfigError; then nothing changes."""
        model = self._model(chat, str(wanted["model"])) if wanted.get("model") else chat.model
        given = {**chat.options, **(wanted.get("options") or {})}
        options = {name: value for name, value in given.items() if value is not None}
        lost = sorted(options.keys() & model.endpoint.dialect.lacks) if "model" in wanted else []
        options = {name: value for name, value in options.items() if name not in lost}
        model.check_options(options)
        chat.model, chat.options = model, options
        if "system" in wanted:
            chat.system = str(wanted["system"] or "").strip() or None
        self._is_any = True
        return f"{model.id} takes no {', '.join(lost)}: left out." if lost else ""

    def regenerate(self, chat: Chat, message: Message) -> None:
        """Another answer beside this one: as that was asked for, unless something was chosen."""
        conversation = chat._conversation
        asked = conversation.asked_of(conversation.node(message))
        settings = chat._settings({}) if self._is_any else asked
        settings.model.check(settings.options)
        conversation.regenerate(message, settings)

    def edit(self, chat: Chat, message: Message, text: str, files: Sequence[Part]) -> None:
        """Say something else in the place of a message; whom it is asked of: as above."""
        chat._edit(message, text, list(files), chat._settings({}) if self._is_any else None)

    def _model(self, chat: Chat, name: str) -> Model:
        """The model of that name; of a provider that was asked, at its address and with its key."""
        if chat.model not in self._models:
            self._models.append(chat.model)
        found = get_model(name)
        alike = [each for each in self._models if _is_alike(each, found)]
        return replace(alike[-1], name=found.name) if alike else found


def _is_alike(one: Model, other: Model) -> bool:
    return one.id == other.id or one.provider == other.provider != "ui"


def opened(chat: Chat, id: str) -> Chat:
    """A chat that is stored where this one is, with the tools of this one."""
    other = Chat(
        id,
        tools=chat.tools.values(),
        max_steps=chat.max_steps,
        store=chat.store,
        detached=chat.detached,
    )
    if not other._tree.nodes:  # somebody has deleted it
        return chat._like(id)
    if (other.model.provider, other.model.base_url) == (chat.model.provider, chat.model.base_url):
        other.model = replace(chat.model, name=other.model.name)  # it may have a key of its own
    return other


def fresh(chat: Chat, title: str) -> Chat:
    """A new chat beside this one, which asks as this one does."""
    letters = (char if char.isprintable() and char not in "/\\" else " " for char in title)
    stem = "".join(letters).strip()[:60].strip() or f"chat {datetime.now():%Y-%m-%d %H.%M}"
    taken = {chat.id, *(info.id for info in chats(chat.store))}
    names = (stem if number == 1 else f"{stem} {number}" for number in count(1))
    made = chat._like(next(name for name in names if name not in taken))
    if title.strip():
        made.rename(title.strip())
    return made
