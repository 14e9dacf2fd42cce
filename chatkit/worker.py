"""The process that writes answers which a kernel has handed over: `python -m chatkit.worker`.

It takes jobs as lines from its standard input and says of each on its standard output that it
writes the answer, or why not. To the chat it is a process like any other. It ends when it has
nothing to do: soon after the kernel has, at once after its last answer where that is gone.
"""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue

from chatkit.answers.producer import Producer
from chatkit.chunks import Chunk, Data
from chatkit.conversation import Conversation, conversation
from chatkit.detached.jobs import Job
from chatkit.engine import get_engine
from chatkit.errors import ChatkitError
from chatkit.stores import open_store, play

IDLE = 30.0  # seconds without an answer to write, after which the next one starts another worker
SETTLING = 0.2  # seconds between looks whether the end of an answer could be written


class Worker:
    """What this process has to do. On its main thread."""

    def __init__(self, say: Callable[[bytes], object]) -> None:
        self._say = say
        self._events: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._answers = 0  # being written
        self._is_left = False  # by the kernel

    def run(self) -> None:
        """Take jobs until there is nothing to do."""
        threading.Thread(target=self._read, daemon=True).start()
        with suppress(Empty):
            while self._answers or not self._is_left:
                self._events.get(timeout=None if self._answers else IDLE)()

    def _read(self) -> None:
        """In a thread: the lines of the kernel, and its end."""
        with open(0, "rb", closefd=False) as lines:  # sys.stdin is locked while it is read
            for line in lines:
                self._events.put(partial(self._take, line))
        self._events.put(self._leave)

    def _take(self, line: bytes) -> None:
        job = Job.from_line(line)
        try:
            store = open_store(job.store)
            get_engine().run(store.beat(job.lease))  # from here on it is this process's
            chat = conversation(store, job.chat_id)
            producer = get_engine().run(chat.take_on(job))
        except ChatkitError as error:
            return self._answer(job, str(error))
        self._answer(job, None)  # before anything is asked, which the kernel would ask again
        self._answers += 1
        get_engine().submit(self._see_through(producer, chat))

    def _answer(self, job: Job, refused: str | None) -> None:
        told = json.dumps({"number": job.number, "refused": refused}).encode() + b"\n"
        with suppress(OSError):  # the kernel is gone, and does not need it any more
            self._say(told)

    async def _see_through(self, producer: Producer, chat: Conversation) -> None:
        """Holds the chat, too, until the answer has ended and is stored."""
        try:
            producer.feed.watch(Remarks(producer).tell)
            producer.start()
            await producer.ended()
            while producer.is_at_work:
                await asyncio.sleep(SETTLING)
        finally:  # whatever becomes of it, the worker is to end
            self._events.put(self._finish)

    def _finish(self) -> None:
        self._answers -= 1

    def _leave(self) -> None:
        self._is_left = True


class Remarks:
    """What is said beside an answer (what it waits for, what went wrong), for its followers."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._note = ""
        self._warnings = 0  # told

    def tell(self) -> None:
        """Tell what is new; called after changes."""
        feed = self._producer.feed
        if feed.ended:
            return
        fresh, self._warnings = feed.warnings[self._warnings :], len(feed.warnings)
        said: list[Chunk] = [Data("chatkit-warning", each, transient=True) for each in fresh]
        if feed.note != self._note:
            self._note = feed.note
            said.append(Data("chatkit-note", feed.note, transient=True))
        self._producer.remark(said)


def _take_stdout() -> Callable[[bytes], object]:
    """What writes to the kernel; what others print joins the error output."""
    ours = os.dup(1)
    os.dup2(2, 1)
    return partial(os.write, ours)


if __name__ == "__main__":
    play("worker")
    Worker(_take_stdout()).run()
