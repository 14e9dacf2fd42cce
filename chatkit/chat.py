"""`Chat`: a conversation that restores itself."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from chatkit import engine as engines
from chatkit import host
from chatkit.answers.calls import check_wait, is_at_calls
from chatkit.answers.steps import MAX_STEPS, checked_steps
from chatkit.conversation import conversation
from chatkit.errors import MessageError
from chatkit.messages import ENDED, Message, Usage
from chatkit.prompts import Settings
from chatkit.providers import Model, get_model
from chatkit.providers.options import check_choice
from chatkit.record import checked_id
from chatkit.replies import Reply
from chatkit.schema import schema_of
from chatkit.stores import Store, open_store
from chatkit.tools import as_tools
from chatkit.tree import Node, Tree
from chatkit.turns import Content, Session, fingerprint, user_message

ChatStatus = Literal["ready", "submitted", "streaming", "error"]


class Chat:
    """A conversation by name: restored if it is stored, kept as it grows.

    `model` is `"provider/name"` or what `get_model` returns; by default the one the chat was
    last asked with, else `$CHATKIT_MODEL`, else the embedded model. `store` is a path or a
    store; by default `$CHATKIT_STORE`, else `.chatkit` in the working directory. `tools` are
    functions, or what `tool` makes of them, that the model may call, in at most `max_steps`
    requests an answer. `options` go to the model with each request.

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
        max_steps: int = MAX_STEPS,
        store: str | os.PathLike[str] | Store | None = None,
        detached: bool = False,
        **options: Any,
    ) -> None:
        self.id = checked_id(id)
        self.store = open_store(store)
        self._conversation = conversation(self.store, id)
        header = self._conversation.record.header
        self.model = get_model(model) if model else _stored_model(header)
        self.system = system if system is not None else header.get("system")
        self.tools = as_tools(tools)
        self.max_steps = checked_steps(max_steps)
        self.detached = detached
        self.options = options
        self.model.check_options(options)  # stored answers are shown without a key
        self._session = Session()
        self._conversation.settings = self._settings({})

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
        message = user_message(content, files)
        print_ = fingerprint(message, settings)
        self._conversation.refresh()
        with self._conversation.record.changing():
            self._conversation.settings = self._settings({})
            anchor = self._conversation.anchor(host.current().position())
            theirs = self._conversation.record.theirs
            place = self._session.place(self._tree, anchor, print_, theirs=theirs)
            if place.turn is None:
                settings.model.check(settings.options)
            turn = place.turn or self._new_turn(message, place.parent, anchor, print_)
            self._claim(turn, anchor)
            reply = self._answer(turn, settings, fresh)
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
        node = self._node(message)
        if node.role != "user":
            raise MessageError("only what you said can be edited; for another answer: regenerate()")
        answer = self._tree.answer(node)
        settings = self._conversation.asked_of(answer) if answer else self._settings({})
        edited = user_message(content, files)
        print_ = fingerprint(edited, settings)
        with self._conversation.record.changing():
            same = [n for n in self._tree.siblings(node) if n.fingerprint == print_]
            turn = same[-1] if same else self._new_turn(edited, node.parent, node.anchor, print_)
            reply = self._answer(turn, settings, fresh=False)
        host.current().show(reply)
        return reply

    # -- waiting and stopping --

    def stop(self) -> None:
        """Stop the answer being written and those queued behind it; what arrived is kept."""
        self._conversation.stop()

    def wait(self, timeout: float | None = None) -> Chat:
        """Block until nothing is being answered. Raises TimeoutError after `timeout` seconds."""
        live = self._conversation.live()
        for feed in live:
            check_wait(feed)
        try:
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
        return "error" if active and active[-1].status == "error" else "ready"

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
            node = self._node(message)
            return [
                other.message
                for other in self._tree.siblings(node)
                if other is node or not other.is_failed_attempt
            ]

    def switch(self, message: Message | str) -> None:
        """Make the branch through a message the active one, to its newest end."""
        with self._conversation.record.changing():
            self._conversation.switch(self._node(message))

    def fork(self, new_id: str) -> Chat:
        """A new chat that begins with the active branch of this one.

        Forking to the same id again gives the chat that was forked before. Raises BadChatId if
        there is another chat of that name.
        """
        copy = Chat(
            new_id,
            model=self.model,
            system=self.system,
            tools=self.tools.values(),
            max_steps=self.max_steps,
            store=self.store,
            detached=self.detached,
            **self.options,
        )
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

        return export(self.id, self.messages, path)

    def __repr__(self) -> str:
        count = len(self.messages)
        return f"<Chat {self.id!r} {self.model.id} {count} messages, {self.status}>"

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

    def _node(self, message: Message | str) -> Node:
        return self._conversation.node(message)

    def _last(self, role: str) -> Node:
        found = [node for node in self._tree.active() if node.role == role]
        if not found:
            raise MessageError(f"chat {self.id!r} has no {role} message yet")
        return found[-1]

    def _new_turn(
        self, message: Message, parent: str | None, anchor: str | None, print_: str
    ) -> Node:
        node = Node(message, parent, anchor=anchor, fingerprint=print_)
        node.goes_last = parent == self._tree.head
        self._tree.add(node)
        return node

    def _claim(self, turn: Node, anchor: str | None) -> None:
        """This send is that turn's from now on; a cell whose id changed is known by its new one."""
        self._session.claimed.add(turn.id)
        if anchor is not None and turn.anchor != anchor:
            turn.anchor = anchor
            self._conversation.record.save_row(turn)

    def _answer(self, turn: Node, settings: Settings, fresh: bool) -> Reply:
        """The answer to show for a turn: the one there is, or a new one where that is no use."""
        answer = self._tree.answer(turn)
        if answer is not None and not fresh:
            self._conversation.asked_with(answer, settings)
            if self._goes_on(answer, settings.model):
                settings.model.check(settings.options)
                self._conversation.switch(answer)
                return self._conversation.go_on(answer.message, settings)
        if answer is None or fresh or _asks_again(answer):
            settings.model.check(settings.options)
            return self._conversation.ask(turn, settings)
        self._conversation.switch(answer)
        return self._conversation.reply(answer)

    def _goes_on(self, answer: Node, model: Model) -> bool:
        """Whether an answer that broke off goes on by itself: where asking again would make its
        calls again, where its provider writes it on, and where nobody is there to press a button.
        """
        if answer.status not in ("interrupted", "error"):
            return False
        if is_at_calls(answer.message):
            return True
        if answer.status == "error" or (answer.message.is_empty and model.frames_steps):
            return False
        is_kept = model.can_resume(answer.message, self.id) and not model.frames_steps
        is_alone = not host.current().attended
        return is_kept or (is_alone and self._conversation.can_resume(answer.message))


def _stored_model(header: Mapping[str, Any]) -> Model:
    """The model a chat was last asked with, at its address."""
    return get_model(header.get("model"), base_url=header.get("baseUrl"))


def _asks_again(answer: Node) -> bool:
    """Whether asking again loses nothing: it failed, or broke off with nothing to keep.

    Where nobody is there to press a button, what broke off is asked again by itself.
    """
    if answer.live is not None and answer.status not in ENDED:
        return False
    if answer.status == "interrupted":
        return answer.message.is_empty or not host.current().attended
    return answer.status == "error"
