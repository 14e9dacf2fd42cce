"""`Chat`: a conversation that restores itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, Literal

from chatkit import defaults, host
from chatkit import engine as engines
from chatkit.answers.calls import check_wait
from chatkit.answers.feed import Feed
from chatkit.answers.steps import checked_steps
from chatkit.asking import Asking
from chatkit.conversation import conversation
from chatkit.errors import ConfigError, MessageError
from chatkit.messages import ENDED, Message, Usage
from chatkit.progress import progress
from chatkit.prompts import Settings
from chatkit.providers import Model, get_model
from chatkit.providers.options import check_choice
from chatkit.record import checked_id
from chatkit.replies import Reply
from chatkit.schema import schema_of
from chatkit.standing import count_of, waiting_words
from chatkit.stores import Store, open_store
from chatkit.tools import as_tools
from chatkit.tree import Node, Tree
from chatkit.turns import Content, user_message

ChatStatus = Literal["ready", "submitted", "streaming", "error"]


class Chat:
    """A conversation by name: restored if it is stored, kept as it grows.

    `model` is `"provider/name"` or what `get_model` returns; by default the one the chat was
    last asked with, else that of `chatkit.config`. `store` is a path or a store. `tools` are
    functions, or what `tool` makes of them, that the model may call, in at most `max_steps`
    requests an answer. `options` go to the model with each request. What is not given is as
    `chatkit.config` has it; `system` is that of the chat where it is stored.

    `detached` answers are written by a process of their own, which goes on when this one is
    restarted, shut down or killed: the same send in the next one follows them. It waits for a
    kernel to run what `tools` the model calls.

    Raises BadChatId, UnknownModel, UnknownOption, and StoreError where the store cannot be read.
    """

    def __init__(
        self,
        id: str,
        *,
        model: str | Model | None = None,
        system: str | None = None,
        tools: Iterable[Callable[..., Any]] = (),
        max_steps: int | None = None,
        store: str | os.PathLike[str] | Store | None = None,
        detached: bool | None = None,
        **options: Any,
    ) -> None:
        self.id = checked_id(id)
        self.store = open_store(store)
        self._conversation = conversation(self.store, id)
        header = self._conversation.record.header if self._tree.nodes else {}
        self.model = get_model(model) if model else _stored_model(header)
        stored = header.get("system") if header else defaults.get("system")
        self.system = system if system is not None else stored
        self.tools = as_tools(tools)
        self.max_steps = checked_steps(max_steps)
        self.detached = detached if detached is not None else defaults.get("detached")
        self.options = {**defaults.get("options"), **options}
        self.model.check_options(self.options)  # stored answers are shown without a key
        self._asking = Asking(self._conversation)
        self._conversation.settings = self._settings({})

    @classmethod
    def from_messages(cls, id: str, messages: Any, **settings: Any) -> Chat:
        """A stored chat that begins with these messages; what is said later comes after them.

        `messages` are a list as OpenAI, Anthropic, the AI SDK or chatkit keep it, or the path of
        a `.json` or `.jsonl` file with one. `settings` are as for `Chat`; the system prompt is
        theirs unless `system` is given. The same messages again give the chat as it now is.

        Raises MessageError, naming the place, and BadChatId if there is another chat of that
        name.
        """
        from chatkit.imports import begin, imported, opening  # few chats begin so

        system, begun = opening(imported(messages))
        if settings.get("system") is None:
            settings["system"] = system
        chat = cls(id, **settings)
        begin(chat._conversation.record, begun)
        return chat

    # -- asking --

    def send(
        self,
        content: Content,
        *,
        files: Any = (),
        schema: Any = None,
        repair: bool = False,
        fresh: bool = False,
        **options: Any,
    ) -> Reply:
        """Ask, and return at once; the answer streams into this cell, after those before it.

        The same send in the same cell finds its own answer again; a changed one forks the
        conversation there; `fresh` asks for another answer beside the first.

        `files`, one or a list, go with it: paths, URLs, bytes, PIL images, matplotlib figures,
        DataFrames.

        With a `schema`, a type or a JSON schema, the answer is JSON that fits it: `reply.object`.
        Where it does not fit, the model is asked once more with `repair`; else it is an error.

        Raises ConfigError and MessageError before anything is sent.
        """
        settings = self._settings(options, schema, repair)
        settings.model.check_options(settings.options)
        check_choice(settings.options.get("tool_choice"), settings.tools)
        self._conversation.settings = self._settings({})
        reply = self._asking.send(user_message(content, files), settings, fresh=fresh)
        host.current().show(reply)
        return reply

    def ask(self, content: Content, **more: Any) -> Reply:
        """`send`, and wait for the answer."""
        return self.send(content, **more).wait()

    def regenerate(self, message: Message | str | None = None) -> Reply:
        """Another answer beside `message` (the last answer), which becomes the active one."""
        node = self._node(message) if message is not None else self._last("assistant")
        reply = self._conversation.regenerate(node.message)
        host.current().show(reply)
        return reply

    def edit(self, message: Message | str, content: Content, *, files: Any = ()) -> Reply:
        """Say something else at the place of a user message: the conversation forks there.

        What was said there before stays reachable (`branches`, `switch`). Saying what was
        already said there shows its answer. Raises MessageError for an answer.
        """
        reply = self._edit(message, content, files)
        host.current().show(reply)
        return reply

    # -- waiting and stopping --

    def stop(self) -> None:
        """Stop the answer being written and those queued behind it; what arrived is kept."""
        self._conversation.stop()

    def wait(self, timeout: float | None = None) -> Chat:
        """Block until nothing is being answered. Raises TimeoutError after `timeout` seconds."""
        self._conversation.refresh()
        live = self._conversation.live()
        for feed in live:
            check_wait(feed, blocks=True)
        shown = all(host.current().shows(feed.message().id) for feed in live)
        try:
            with progress(lambda: _waiting(live), is_needed=not shown):
                engines.wait_all([feed.done for feed in live], timeout)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(engines.INTERRUPTED) from None
        return self

    @property
    def status(self) -> ChatStatus:
        """`submitted` until the first chunk, `streaming`, then `ready`; `error` if it failed."""
        live = self._conversation.live()
        if live:
            return "streaming" if any(feed.chunks for feed in live) else "submitted"
        active = self._tree.active()
        match active[-1].status if active else None:
            case "queued":
                return "submitted"
            case "streaming":  # by another process, as was just read: it is about to be followed
                return "streaming"
            case "error":
                return "error"
        return "ready"

    # -- the conversation --

    @property
    def messages(self) -> list[Message]:
        """The active branch, first message first."""
        with self._conversation.record.lock:
            return [node.message for node in self._tree.active()]

    @property
    def usage(self) -> Usage:
        """Tokens of every answer of the chat, in all its branches."""
        with self._conversation.record.lock:
            nodes = list(self._tree.nodes.values())
        return sum((node.message.usage or Usage() for node in nodes), Usage())

    @property
    def cost(self) -> float | None:
        """US dollars of every answer whose cost is known, None if none is."""
        with self._conversation.record.lock:
            costs = [node.message.cost for node in self._tree.nodes.values()]
        told = [cost for cost in costs if cost is not None]
        return sum(told) if told else None

    def reply(self, message: Message | str | None = None) -> Reply:
        """The reply of an answer (the last one), whoever writes it: to look at, to wait for, to
        stop. Raises MessageError where there is none, or for what is no answer."""
        node = self._node(message) if message is not None else self._last("assistant")
        if node.role != "assistant":
            raise MessageError("only an answer has a reply")
        return self._conversation.reply(node)

    def branches(self, message: Message | str) -> list[Message]:
        """The alternatives at the place of a message, oldest first, itself among them.

        Failed attempts with nothing in them are left out.
        """
        with self._conversation.record.lock:
            return [other.message for other in self._tree.alternatives(self._node(message))]

    def switch(self, message: Message | str) -> None:
        """Make the branch through a message the active one, to its newest end."""
        with self._conversation.record.changing():
            self._conversation.switch(self._node(message))

    def remove(self, message: Message | str) -> None:
        """Take a turn out of the conversation: a question with its answers, by any of them. What
        was said later stays. `restore` undoes it; raises MessageError while it is being answered.
        """
        with self._conversation.record.changing():
            turn = self._turn(message)
            if any(node.status not in ENDED for node in self._tree.children(turn.id)):
                raise MessageError("it is still being answered: stop() it first")
            if not turn.removed:
                self._conversation.record.remove(turn)

    def restore(self, message: Message | str) -> None:
        """Put a turn back that was removed, where it was: what was said since comes after it."""
        with self._conversation.record.changing():
            turn = self._turn(message)
            if turn.removed:
                self._conversation.record.restore(turn)

    @property
    def title(self) -> str:
        """What it is called in lists: how it began, unless it was renamed."""
        return self._conversation.record.header.get("title") or self.id

    def rename(self, title: str) -> None:
        """Call it something else in lists; it is opened by its id as before."""
        with self._conversation.record.changing():
            self._conversation.record.rename(title)

    def fork(self, new_id: str) -> Chat:
        """A new chat that begins with the active branch of this one.

        Forking to the same id again gives the chat that was forked before. Raises BadChatId if
        there is another chat of that name.
        """
        copy = self._like(new_id)
        copy._conversation.record.begin_with(self.id, self.messages)
        return copy

    def clear(self) -> None:
        """Begin again from nothing. What was said stays stored: `switch` to it undoes this."""
        self.stop()
        with self._conversation.record.changing():
            self._conversation.record.move(None)

    def delete(self) -> None:
        """Stop, and remove the chat from its store for good."""
        self.stop()
        self.wait()
        self._conversation.delete()

    def export(self, path: str | os.PathLike[str]) -> Path:
        """Write the active branch to a file: `.md .html .ipynb .json .jsonl`, by its suffix.

        The JSON is a list of UIMessages of the AI SDK. Raises ConfigError for another suffix.
        """
        from chatkit.export import export  # the renderer is not needed before

        with progress(f"Exporting chat {self.id!r}"):
            return export(self.id, self.messages, path)

    def panel(self, *, height: str = "600px") -> Any:
        """The chat as a widget to read it and to talk in it, live in both directions; `height` as
        CSS has it. Raises ConfigError where ipywidgets or anywidget cannot be imported.
        """
        try:
            panel = resolve_name("chatkit.notebook.panel:panel")
        except ImportError as error:
            raise ConfigError(
                f"chat.panel() needs a package that is not here ({error}): "
                "pip install ipywidgets anywidget, and restart the kernel"
            ) from error
        return panel(self, height=height)

    def __repr__(self) -> str:
        said = count_of(len(self.messages), "message")
        return f"<Chat {self.id!r} {self.model.id}, {said}, {self.status}>"

    def _repr_html_(self) -> str:
        from chatkit.cards import Summary, chat_card  # the renderer is not needed before

        summary = Summary(
            self.id,
            title=self.title,
            model=self.model.id,
            status=self.status,
            usage=self.usage,
            cost=self.cost,
        )
        return chat_card(summary, self.messages)

    # -- inside --

    @property
    def _tree(self) -> Tree:
        return self._conversation.tree

    def _settings(
        self, options: Mapping[str, Any], schema: Any = None, repair: bool = False
    ) -> Settings:
        return Settings(
            self.model,
            self.system,
            {**self.options, **options},
            tools=self.tools,
            max_steps=self.max_steps,
            schema=None if schema is None else schema_of(schema),
            repair=repair,
            detached=self.detached,
        )

    def _like(self, id: str) -> Chat:
        """A chat that asks as this one does."""
        return Chat(
            id,
            model=self.model,
            system=self.system,
            tools=self.tools.values(),
            max_steps=self.max_steps,
            store=self.store,
            detached=self.detached,
            **self.options,
        )

    def _say(self, content: Content, files: Any = (), **options: Any) -> Reply:
        """Say something at the end of the conversation, outside the re-run rule; no cell shows
        it."""
        settings = self._settings(options)
        settings.model.check_options(settings.options)
        self._conversation.settings = self._settings({})
        return self._asking.say(user_message(content, files), settings)

    def _edit(
        self,
        message: Message | str,
        content: Content,
        files: Any = (),
        settings: Settings | None = None,
    ) -> Reply:
        node = self._node(message)
        if node.role != "user":
            raise MessageError("only what you said can be edited; for another answer: regenerate()")
        self._conversation.check_kept(node)
        if settings is None:
            answer = self._tree.answer(node)
            settings = self._conversation.asked_of(answer) if answer else self._settings({})
        return self._asking.edit(node, user_message(content, files), settings)

    def _turn(self, message: Message | str) -> Node:
        """The turn that a message belongs to."""
        node = self._node(message)
        return self._tree.turn(node.id) or node

    def _node(self, message: Message | str) -> Node:
        return self._conversation.node(message)

    def _last(self, role: str) -> Node:
        found = [node for node in self._tree.active() if node.role == role]
        if not found:
            raise MessageError(f"chat {self.id!r} has no {role} message yet")
        return found[-1]


def _stored_model(header: Mapping[str, Any]) -> Model:
    """The model a chat was last asked with, at its address."""
    return get_model(header.get("model"), base_url=header.get("baseUrl"))


def _waiting(live: list[Feed]) -> str:
    left = [feed for feed in live if not feed.ended]
    return (
        waiting_words(left[0].note, left[0].message())
        if len(left) == 1
        else (f"Waiting for {count_of(len(left), 'answer')}")
    )
