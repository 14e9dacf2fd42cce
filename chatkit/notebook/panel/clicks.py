"""What each click in a panel does, on the thread that it arrives on: it may wait there."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import unquote

from chatkit.chat import Chat
from chatkit.errors import ChatkitError
from chatkit.export import exported
from chatkit.messages import Message
from chatkit.notebook.panel import finding
from chatkit.notebook.panel.composer import Composer, name_of, said
from chatkit.notebook.panel.items import alternatives
from chatkit.notebook.panel.settings import Chosen, fresh, opened
from chatkit.notebook.panel.stage import Stage

JSON = dict[str, Any]
_AT_COMPOSER = {"send", "save_edit", "attach", "ask_edit", "set"}  # where a refusal is shown
_TYPES = {
    ".md": "text/markdown",
    ".html": "text/html",
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".ipynb": "application/x-ipynb+json",
}
logger = logging.getLogger("chatkit")


class Clicks:
    """What a panel's script says, carried out."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._composer = Composer()
        self._chosen = Chosen()
        self._notice = ""  # the id of the one that is shown
        self._undo: Callable[[], object] = lambda: None

    def take(self, click: JSON, buffers: Sequence[Any]) -> None:
        """Do what was clicked; what cannot be done is said in the panel."""
        try:
            if not self._message(click, buffers) and not self._turn(click):
                self._chat(click)
        except ChatkitError as error:
            self._refuse(click, str(error))
        except Exception as error:  # nobody else would ever be told of it
            logger.exception("a click in the panel failed: %r", click.get("do"))
            self._refuse(click, f"This failed: {type(error).__name__}: {error}")

    # -- what is clicked, by where that is --

    def _message(self, click: JSON, buffers: Sequence[Any]) -> bool:
        """In the composer; whether it was there."""
        match click:
            case {"do": "send", "text": str(text)}:
                self._send(text)
            case {"do": "save_edit", "id": str(id), "text": str(text)}:
                self._save_edit(self._found(id), text)
            case {"do": "ask_edit", "id": str(id)}:
                text, files = said(self._found(id))
                self._stage.send({"edit": id, "text": text, "files": [*map(name_of, files)]})
            case {"do": "stop"}:
                self._chat_now.stop()
            case {"do": "attach", "name": str(name)}:
                self._composer.attach(name, bytes(buffers[0]) if buffers else b"")
                self._stage.tell(files=self._composer.shown())
            case {"do": "detach", "file": str(file)}:
                self._composer.detach(file)
                self._stage.tell(files=self._composer.shown())
            case _:
                return False
        return True

    def _turn(self, click: JSON) -> bool:
        """Beside a message; whether it was there."""
        chat = self._chat_now
        match click:
            case {"do": "regenerate" | "retry", "id": str(id)}:
                self._chosen.regenerate(chat, self._found(id))
            case {"do": "resume", "id": str(id)}:
                chat._conversation.resume(self._found(id))
            case {"do": "switch", "id": str(id), "to": int(to)}:
                others = alternatives(chat._conversation, chat._conversation.node(id))
                chat.switch(others[min(max(to, 1), len(others)) - 1].id)
            case {"do": "copy", "id": str(id)}:
                self._stage.send({"copied": id, "text": self._found(id).text})
            case {"do": "delete", "id": str(id)}:
                chat.remove(id)
                self._say("The turn is deleted.", undo=lambda: chat.restore(id))
            case {"do": "approve" | "deny" as what, "id": str(id), "call": str(calls)}:
                reply = chat.reply(id)
                for call in map(unquote, calls.split()):
                    reply.approve(call) if what == "approve" else reply.deny(call)
            case {"do": "reveal", "id": str(id)}:
                self._reveal(id)
            case {"do": "earlier"}:
                self._stage.live.earlier()
            case _:
                return False
        return True

    def _chat(self, click: JSON) -> None:
        """Anywhere else."""
        match click:
            case {"do": "tell"}:
                self._stage.tell_all()
            case {"do": "undo", "notice": self._notice}:
                undo = self._undo
                self._say("")
                undo()
            case {"do": "clear"}:
                self._clear()
            case {"do": "export", "suffix": str(suffix)}:
                self._export(suffix)
            case {"do": "search", "query": str(query)}:
                self._stage.tell(found=finding.search(self._chat_now.messages, query))
            case {"do": "close_search"}:
                self._stage.tell(found=None)
            case {"do": "set"}:
                if left := self._chosen.choose(self._chat_now, click):
                    self._say(left)
                self._stage.look()
            case _:
                self._stored(click)

    def _stored(self, click: JSON) -> None:
        """In the list of chats."""
        chat = self._chat_now
        match click:
            case {"do": "chats"}:
                pass
            case {"do": "open", "chat": str(id)}:
                self._open(opened(chat, id))
            case {"do": "new_chat"}:
                self._open(fresh(chat, str(click.get("title") or "")))
            case {"do": "rename", "chat": str(id), "title": str(title)}:
                (chat if id == chat.id else opened(chat, id)).rename(title.strip() or id)
            case {"do": "delete_chat", "chat": str(id)}:
                (chat if id == chat.id else opened(chat, id)).delete()
            case _:
                return logger.warning("the panel's script says what is not known: %r", click)
        if click["do"] == "chats" or self._stage.board.shown["chats"] is not None:
            current = self._chat_now
            self._stage.tell(chats=finding.stored(current.store, current.id))

    # -- how --

    def _send(self, text: str) -> None:
        self._chat_now._say(text.strip(), files=self._composer.parts)
        self._sent()

    def _save_edit(self, message: Message, text: str) -> None:
        _, files = said(message)
        chat = self._chat_now
        self._chosen.edit(chat, message, text.strip(), [*files, *self._composer.parts])
        self._sent()

    def _sent(self) -> None:
        self._composer.empty()
        if self._stage.board.shown["files"]:
            self._stage.tell(files=[])
        self._stage.send({"sent": True})

    def _clear(self) -> None:
        chat = self._chat_now
        messages = chat.messages
        chat.clear()
        if messages:
            last = messages[-1].id
            self._say("The conversation is cleared.", undo=lambda: chat.switch(last))

    def _export(self, suffix: str) -> None:
        chat = self._chat_now
        content = exported(chat.title, chat.messages, suffix)
        self._stage.send({"download": f"{chat.id}{suffix}", "type": _TYPES[suffix]}, [content])

    def _reveal(self, id: str) -> None:
        live = self._stage.live
        if live.reach(id):
            live.engine.call(self._stage.send, {"reveal": id})  # after what it has made to be told

    def _open(self, chat: Chat) -> None:
        self._chosen = Chosen()
        self._stage.open(chat)
        self._stage.tell(found=None, notice=None)

    def _say(self, text: str, *, undo: Callable[[], object] | None = None) -> None:
        self._undo = undo or (lambda: None)
        self._notify(text, "info", undo is not None)

    def _refuse(self, click: JSON, text: str) -> None:
        if click.get("do") in _AT_COMPOSER:
            self._stage.send({"refused": text})
        else:
            self._notify(text, "error", False)

    def _notify(self, text: str, kind: str, undo: bool) -> None:
        self._notice = secrets.token_hex(4)
        told = {"id": self._notice, "text": text, "undo": undo, "kind": kind}
        self._stage.tell(notice=told if text else None)

    @property
    def _chat_now(self) -> Chat:
        return self._stage.chat

    def _found(self, id: str) -> Message:
        return self._chat_now._conversation.node(id).message
