"""What `client.view_bytes` runs inside a kernel: one answer in its own view, counted."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from chatkit import Message
from chatkit.answers.feed import Feed
from chatkit.chunks import Finish, TextDelta
from chatkit.engine import get_engine
from chatkit.notebook import words
from chatkit.notebook.widget import ReplyWidget
from tests.benchmarks.server import WORDS


def stream(count: int) -> None:
    """Show `count` tokens as they come, and print the bytes and the CPU that took."""
    session = get_ipython().kernel.session  # type: ignore[name-defined]  # noqa: F821
    sent = _count(session)
    feed = Feed(Message(id="m", role="assistant", status="streaming"), get_engine())
    widget = ReplyWidget(words.foot(feed, feed.message()))
    before, began = sent[0], time.process_time()
    for number in range(count):
        text = f"{WORDS[number % len(WORDS)]} " + "\n\n" * (number % 80 == 79)
        feed.publish([TextDelta("0", text)])
        if number % 5 in (1, 4):
            widget.show(words.foot(feed, feed.message()), feed.message())
    feed.publish([Finish("stop")])
    widget.show(words.foot(feed, feed.message()), feed.message(), ended=True)
    cpu = time.process_time() - began
    sys.stdout.write(json.dumps({"bytes": sent[0] - before, "cpu": cpu}))


def _count(session: Any) -> list[int]:
    """Count what the kernel's session puts on the wire from here on."""
    sent, serialize = [0], session.serialize

    def counted(*given: Any, **more: Any) -> Any:
        frames = serialize(*given, **more)
        sent[0] += sum(map(len, frames))
        return frames

    session.serialize = counted
    return sent
