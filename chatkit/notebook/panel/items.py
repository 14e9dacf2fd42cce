"""One message of a panel: what it shows, what stands below it, and what can be done with it."""

from __future__ import annotations

from typing import Any, NamedTuple

from chatkit.conversation import Conversation
from chatkit.files.pictures import thumbnail
from chatkit.messages import ENDED, FilePart, Message, Part, TextPart
from chatkit.notebook import words
from chatkit.notebook.sections import Change, Sections
from chatkit.replies import Reply
from chatkit.standing import status_line, waiting_words
from chatkit.tree import Node

JSON = dict[str, Any]
LONGEST = 20_000  # characters of a text that was sent: a file may have millions

_NAMES = {"user": "You", "assistant": "Model", "system": "System"}
_NO_FOOT: JSON = {"over": True, "line": "", "since": None, "notices": "", "buttons": ()}
_SAID = ("copy", "edit", "delete")
_AGAIN = "Ask again with the button below."


class Seen(NamedTuple):
    """A message as it stands now, and what is known of it beside that."""

    message: Message
    foot: JSON
    branch: tuple[int, int] | None  # which of how many at its place, from 1
    does: tuple[str, ...]


class Item:
    """A message as the script holds it: `state`."""

    def __init__(self, seen: Seen) -> None:
        self._sections = Sections()
        self._message: Message | None = None
        self.state: JSON = {
            "id": seen.message.id,
            "role": seen.message.role,
            "sections": self._sections.state,
        }
        self.update(seen)

    def update(self, seen: Seen) -> tuple[list[Change], JSON]:
        """Show it as it is seen now: what is new of its sections, and of the rest."""
        message, changes = seen.message, []
        if message is not self._message:
            self._message = message
            ended = message.status in ENDED
            changes = self._sections.update(_handy(message), ended=ended)
        when = message.created_at and message.created_at.isoformat()
        now = {
            "name": _name(message),
            "when": when,
            "foot": seen.foot,
            "branch": seen.branch,
            "does": seen.does,
        }
        changed = {name: value for name, value in now.items() if self.state.get(name, ...) != value}
        self.state.update(changed)
        return changes, changed


def look(conversation: Conversation, node: Node) -> Seen:
    """How a message of the conversation stands."""
    message = node.message
    branch = _branch(conversation, node)
    if node.role != "assistant":
        return Seen(message, _NO_FOOT, branch, _SAID if node.role == "user" else ("copy",))
    if message.status not in ENDED and node.live is None:  # of another process, not followed yet
        foot = {**_NO_FOOT, "over": False, "line": waiting_words("", message)}
    else:
        foot = _foot(conversation.reply(node), message)
    return Seen(message, foot, branch, _does(conversation, node, message))


def _branch(conversation: Conversation, node: Node) -> tuple[int, int] | None:
    others = alternatives(conversation, node)
    return (others.index(node) + 1, len(others)) if len(others) > 1 else None


def alternatives(conversation: Conversation, node: Node) -> list[Node]:
    """What was said at the place of a message, itself among it, oldest first."""
    kept = conversation.tree.alternatives(node)
    return kept if node in kept else [node]  # it is not, once it was removed


def _does(conversation: Conversation, node: Node, message: Message) -> tuple[str, ...]:
    if message.status not in ENDED:
        return ("copy",)
    again = "retry" if message.status == "error" else "regenerate"
    does = ["copy", again] if node.parent is not None else ["copy"]
    if words.broke_off(message) and conversation.can_resume(message):
        does.append("resume")
    return (*does, "delete")


def _foot(reply: Reply, message: Message) -> JSON:
    foot = words.foot(reply.feed, message, outlives=reply.is_elsewhere, again=_AGAIN)
    return {**foot, "line": status_line(message, says_complete=False)} if foot["over"] else foot


def _name(message: Message) -> str:
    return str(message.metadata.get("model") or _NAMES[message.role])


def _handy(message: Message) -> Message:
    """What somebody has sent, with its pictures small and its texts not too long."""
    if message.role != "user":
        return message
    return message.replace(parts=tuple(map(_handy_part, message.parts)))


def _handy_part(part: Part) -> Part:
    match part:
        case FilePart() if small := thumbnail(part.url):
            return FilePart("image/jpeg", small, part.filename)
        case TextPart() if len(part.text) > LONGEST:
            return TextPart(
                f"{part.text[:LONGEST]}\n\n… {len(part.text) - LONGEST:,} characters more"
            )
    return part
