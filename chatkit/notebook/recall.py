"""How the question of a `%%chat` cell was asked before, where its line leaves that open."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from chatkit.chat import Chat
from chatkit.conversation import conversation
from chatkit.errors import UnknownModel
from chatkit.messages import Message
from chatkit.prompts import Settings
from chatkit.providers import Model, get_model
from chatkit.turns import fingerprint


class Memory:
    """The models and the system prompts of one kernel's cells.

    A line that names none goes on with the chat's. Another cell may have changed those since the
    question was asked; its answer stands all the same.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}  # by id, with their addresses and keys
        self._systems: set[str | None] = {None}

    def keep(self, chat: Chat) -> None:
        """Remember what a chat is asked with now."""
        self._models[chat.model.id] = chat.model
        self._systems.add(chat.system)

    def recall(self, chat: Chat, message: Message, settings: Settings, open_: set[str]) -> None:
        """Give the chat what this was asked with on its active branch, if it was asked there.

        `open_` are those of `model` and `system` that the line leaves open.
        """
        talk = conversation(chat.store, chat.id)
        with talk.record.lock:
            asked = {node.fingerprint for node in talk.tree.active()}
        models = [chat.model, *(self._told(chat) if "model" in open_ else ())]
        systems = [chat.system, *(self._systems if "system" in open_ else ())]
        for model, system in product(models, systems):
            if fingerprint(message, settings._replace(model=model, system=system)) in asked:
                chat.model, chat.system = model, system
                return

    def _told(self, chat: Chat) -> Iterator[Model]:
        """The models that have answered in a chat."""
        for id in {
            str(each.metadata["model"]) for each in chat.messages if "model" in each.metadata
        }:
            try:
                yield self._models.get(id) or get_model(id)
            except UnknownModel:  # known by its address, which only a cell can tell
                continue
