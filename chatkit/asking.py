"""What one `Chat` says in its conversation: the place of a turn, and the answer to show for it.

A `send` goes by the re-run rule, of which a session knows the order. What is said by hand, in a
panel, stands outside of it: it is always something new, and no cell is taken for it later.
"""

from __future__ import annotations

from chatkit import host
from chatkit.answers.calls import is_at_calls
from chatkit.conversation import Conversation
from chatkit.messages import ENDED, Message
from chatkit.prompts import Settings
from chatkit.providers import Model
from chatkit.replies import Reply
from chatkit.tree import Node
from chatkit.turns import Session, fingerprint


class Asking:
    """The sends of one `Chat`."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._record = conversation.record
        self._session = Session()

    def send(self, message: Message, settings: Settings, *, fresh: bool) -> Reply:
        """The answer to what a cell says, where the re-run rule puts it."""
        print_ = fingerprint(message, settings)
        self._conversation.refresh()
        with self._record.changing():
            anchor = self._conversation.anchor(host.current().position())
            theirs = self._record.theirs
            place = self._session.place(self._record.tree, anchor, print_, theirs=theirs)
            if place.turn is None:
                settings.model.check(settings.options)
            turn = place.turn or self._new_turn(message, place.parent, anchor, print_)
            self._claim(turn, anchor)
            return self._answer(turn, settings, fresh)

    def say(self, message: Message, settings: Settings) -> Reply:
        """The answer to what somebody says at the end of the conversation."""
        settings.model.check(settings.options)
        self._conversation.refresh()
        with self._record.changing():
            turn = self._new_turn(message, self._record.tree.head, None, None)
            return self._conversation.ask(turn, settings)

    def edit(self, node: Node, message: Message, settings: Settings) -> Reply:
        """The answer to what is said in the place of another turn; what was said there already
        has its answer."""
        print_ = fingerprint(message, settings)
        with self._record.changing():
            same = [n for n in self._record.tree.siblings(node) if n.fingerprint == print_]
            by_rule = print_ if node.fingerprint is not None else None
            new = None if same else self._new_turn(message, node.parent, node.anchor, by_rule)
            return self._answer(new or same[-1], settings, fresh=False)

    def _new_turn(
        self, message: Message, parent: str | None, anchor: str | None, print_: str | None
    ) -> Node:
        node = Node(message, parent, anchor=anchor, fingerprint=print_)
        node.goes_last = parent == self._record.tree.head
        self._record.tree.add(node)
        return node

    def _claim(self, turn: Node, anchor: str | None) -> None:
        """This send is that turn's from now on; a cell whose id changed is known by its new one."""
        self._session.claimed.add(turn.id)
        if anchor is not None and turn.anchor != anchor:
            turn.anchor = anchor
            self._record.save_row(turn)

    def _answer(self, turn: Node, settings: Settings, fresh: bool) -> Reply:
        """The answer to show for a turn: the one there is, or a new one where that is no use."""
        answer = self._record.tree.answer(turn)
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
        is_kept = model.can_resume(answer.message, self._record.id) and not model.frames_steps
        is_alone = not host.current().attended
        return is_kept or (is_alone and self._conversation.can_resume(answer.message))


def _asks_again(answer: Node) -> bool:
    """Whether asking again loses nothing: it failed, or broke off with nothing to keep.

    Where nobody is there to press a button, what broke off is asked again by itself.
    """
    if answer.live is not None and answer.status not in ENDED:
        return False
    if answer.status == "interrupted":
        return answer.message.is_empty or not host.current().attended
    return answer.status == "error"
