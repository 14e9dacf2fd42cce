"""What `client.view_bytes` runs inside a kernel: one answer in a view of its own, or in a panel."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from types import SimpleNamespace
from typing import Any

from chatkit import Chat, Message, TextPart
from chatkit.answers.feed import Feed
from chatkit.chunks import Finish, TextDelta
from chatkit.engine import get_engine
from chatkit.messages import Role
from chatkit.notebook import words
from chatkit.notebook.places import CellOutput
from chatkit.notebook.widget import ReplyWidget
from chatkit.tree import Node
from tests.benchmarks.server import WORDS


def stream(count: int) -> None:
    """Show `count` tokens as they come, and print the bytes and the CPU that took."""
    session = get_ipython().kernel.session  # type: ignore[name-defined]  # noqa: F821
    sent = _count(session)
    feed = Feed(Message(id="m", role="assistant", status="streaming"), get_engine())
    widget = ReplyWidget(words.foot(feed, feed.message()))
    before, began = sent[0], time.process_time()
    for number in range(count):
        feed.publish([TextDelta("0", _token(number))])
        if number % 5 in (1, 4):
            widget.show(words.foot(feed, feed.message()), feed.message())
    feed.publish([Finish("stop")])
    widget.show(words.foot(feed, feed.message()), feed.message(), ended=True)
    cpu = time.process_time() - began
    sys.stdout.write(json.dumps({"bytes": sent[0] - before, "cpu": cpu}))


def panel(count: int) -> None:
    """The same in a panel, above it a long conversation, with what a notebook keeps of it."""
    shell = get_ipython()  # type: ignore[name-defined]  # noqa: F821
    sent = _count(shell.kernel.session)
    chat = Chat("panel", store=tempfile.mkdtemp())
    nodes = [Node(Message(id="0", role="user", parts=(TextPart("Go on."),)), None)]
    for number in range(1, 200):
        role: Role = "assistant" if number % 2 else "user"
        parts = (TextPart(" ".join(WORDS * 3)),)
        nodes.append(Node(Message(id=str(number), role=role, parts=parts), nodes[-1].id))
    feed = Feed(Message(id="m", role="assistant", status="streaming"), get_engine())
    nodes.append(Node(feed.message(), nodes[-1].id))
    conversation = chat._conversation
    with conversation.record.changing():
        for node in nodes:
            conversation.tree.add(node)
        conversation.tree.head = "m"
        conversation._adopt(nodes[-1], feed, SimpleNamespace(is_at_work=True))  # type: ignore[arg-type]
    shown = chat.panel()
    shown.keep("cell", CellOutput(shell))
    live = shown._stage.live

    async def stream() -> Any:
        live.update()
        before, began = sent[0], time.process_time()
        for number in range(count):
            feed.publish([TextDelta("0", _token(number))])
            if number % 5 in (1, 4):
                live._grown.add("m")
                live.update()
                await asyncio.sleep(0)
        feed.publish([Finish("stop")])
        feed.end(feed.message().replace(status="complete"))
        live.look()
        live.update()
        cpu = time.process_time() - began
        await asyncio.sleep(3)  # until the notebook has the rest, too
        return {"bytes": sent[0] - before, "cpu": cpu}

    sys.stdout.write(json.dumps(get_engine().run(stream())))


def _token(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]} " + "\n\n" * (number % 80 == 79)


def _count(session: Any) -> list[int]:
    """Count what the kernel's session puts on the wire from here on."""
    sent, serialize = [0], session.serialize

    def counted(*given: Any, **more: Any) -> Any:
        frames = serialize(*given, **more)
        sent[0] += sum(map(len, frames))
        return frames

    session.serialize = counted
    return sent
