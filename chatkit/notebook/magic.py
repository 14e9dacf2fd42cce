"""`%%chat`: a cell that is a prompt, and `%chat`. Alone knows IPython's magics."""

from __future__ import annotations

from copy import copy
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import no_var_expand

from chatkit.chat import Chat
from chatkit.errors import ConfigError, MessageError
from chatkit.listing import ChatInfo, chats
from chatkit.notebook.completion import Completions, is_ours
from chatkit.notebook.fields import fill, value, variable
from chatkit.notebook.line import EXAMPLE, Line, help_text, parse, read
from chatkit.notebook.recall import Memory
from chatkit.prompts import Settings
from chatkit.providers import get_model
from chatkit.replies import Reply
from chatkit.schema import schema_of
from chatkit.stores import open_store
from chatkit.tools import as_tools
from chatkit.turns import user_message


def load(shell: Any) -> None:
    """Give an IPython shell the magic, and completions for it."""
    unload(shell)
    magic = ChatMagic(shell.user_ns)
    shell.register_magic_function(magic.chat, magic_kind="line_cell", magic_name="chat")
    shell.Completer.custom_matchers.append(Completions(shell.user_ns).matcher)


def unload(shell: Any) -> None:
    """Take both away again, where they are."""
    for kind in shell.magics_manager.magics.values():
        kind.pop("chat", None)
    matchers = shell.Completer.custom_matchers
    matchers[:] = [each for each in matchers if not is_ours(each)]


class ChatMagic:
    """The magic of one shell, whose variables are `names`.

    It holds one `Chat` of each name for as long as it lives: the re-run rule counts its sends
    where cells have no ids. A chat that the notebook has made itself is used in its place.
    """

    def __init__(self, names: dict[str, Any]) -> None:
        self._names = names
        self._chats: dict[tuple[str, str], Chat] = {}
        self._memory = Memory()

    @no_var_expand  # it would evaluate whatever stands between braces
    def chat(self, line: str, cell: str | None = None) -> Reply | Chat | list[ChatInfo] | None:
        """`%%chat NAME [options]`: ask what the cell says; `%%chat --help` tells the options."""
        said = parse(line)
        if said.help:
            print(help_text())
            return None
        try:
            return self._show(said) if cell is None else self._ask(said, cell.strip())
        except (ConfigError, MessageError) as error:  # something typed: no traceback
            raise UsageError(str(error)) from None

    def _show(self, said: Line) -> Chat | list[ChatInfo]:
        return self._chat(said) if said.name else chats(self._value(said.store))

    def _ask(self, said: Line, cell: str) -> Reply:
        prompt = cell if said.raw else fill(cell, self._names)
        if not prompt:
            raise UsageError("the cell is empty: below the line stands what to ask")
        chat = self._chat(said)
        message = user_message(prompt, [self._value(each) for each in said.files])
        schema = variable(said.schema, self._names) if said.schema else None
        options = {name: read(self._value(given)) for name, given in said.options().items()}
        if self._made(said) is None:
            shape = None if schema is None else schema_of(schema)
            settings = Settings(chat.model, chat.system, options, chat.tools, schema=shape)
            self._memory.recall(chat, message, settings, said.left_open())
        reply = chat.send(
            message.parts, schema=schema, repair=said.repair, fresh=said.fresh, **options
        )
        if said.out:
            self._names[said.out] = reply
        return reply.wait() if said.wait else reply

    def _chat(self, said: Line) -> Chat:
        """The chat as this cell asks in it; its order of sends is that of the chat."""
        made = self._made(said)
        kept = made or self._kept(said)
        asked = copy(kept)
        if said.model:
            named = self._names.get(said.model) if "/" not in said.model else None
            asked.model = get_model(named or self._value(said.model))
        if said.system is not None:
            asked.system = str(self._value(said.system))
        if made is None:
            kept.model, kept.system = asked.model, asked.system  # for the cells that name none
            self._memory.keep(kept)
        if said.tools:
            asked.tools = as_tools([variable(name, self._names) for name in said.tools])
        asked.detached = said.detached or kept.detached
        return asked

    def _made(self, said: Line) -> Chat | None:
        """The chat of that name that the notebook's own code has made last."""
        own = [found for name, found in self._names.items() if not name.startswith("_")]
        made = [each for each in own if isinstance(each, Chat) and each.id == said.name]
        if said.store:
            made = [each for each in made if each.store is open_store(self._value(said.store))]
        return made[-1] if made else None

    def _kept(self, said: Line) -> Chat:
        if said.name is None:
            raise UsageError(f"name the chat, as in {EXAMPLE}; %chat lists those there are")
        store = open_store(self._value(said.store))
        key = (said.name, store.location)
        if key not in self._chats:
            self._chats[key] = Chat(said.name, store=store)
        return self._chats[key]

    def _value(self, text: str | bool | None) -> Any:
        return value(text, self._names) if isinstance(text, str) else text
