"""An answer that another process writes, seen from here: `python -m tests.benchmarks.elsewhere`.

Prints one JSON object: how late a word is here (from when the provider lets it go), what following
costs, and how soon a stop here reaches the provider; in seconds.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import tempfile
import threading
import time
from typing import Any

from chatkit import Chat, get_model
from tests.peers import Peer
from tests.servers import Provider

Json = dict[str, Any]
WORDS = 150
STOPS = 20


def delay(provider: Provider, peer: Peer, store: str) -> Json:
    """Words that go at random moments, some 12 a second."""
    chance = random.Random(1)
    answer = provider.answer(tokens=[f"{number} " for number in range(WORDS)], gated=True)
    peer.do("reply = chat.send('Count.')")
    provider.until(lambda: len(provider.requests) == 1)
    reply, came = opened(provider, store).send("Count."), []

    def read() -> None:
        for piece in reply.deltas():
            came.extend([time.monotonic()] * len(piece.split()))

    reader = threading.Thread(target=read)
    reader.start()
    sent, before = [], time.process_time()
    for _ in range(WORDS):
        sent.append(time.monotonic())
        answer.release()
        time.sleep(chance.uniform(0.02, 0.15))
    cpu = (time.process_time() - before) / (time.monotonic() - sent[0])
    answer.open()
    reader.join()
    late = [there - here for here, there in zip(sent, came, strict=True)]
    return {"late": statistics.median(late), "latest": max(late), "cores": cpu}


def stop(provider: Provider, peer: Peer, store: str) -> Json:
    """From `chat.stop()` here until the provider sees the connection closed."""
    chat, taken = opened(provider, store), []
    for number in range(STOPS):
        answer = provider.answer("one two three", gated=True)
        answer.release(2)
        peer.do(f"reply = chat.send('{number}')")
        peer.until("reply.text == 'one two '")
        while chat.status != "streaming":
            time.sleep(0.005)
        left, began = provider.disconnects, time.monotonic()
        chat.stop()
        provider.until(lambda left=left: provider.disconnects > left)  # type: ignore[misc]
        taken.append(time.monotonic() - began)
        chat.wait(10)
    return {"stop": statistics.median(taken), "slowest": max(taken)}


def opened(provider: Provider, store: str) -> Chat:
    """The chat of the other process, here."""
    model = get_model("openai-chat/test", base_url=provider.url, api_key="x")
    return Chat("trip", model=model, store=store)


def main() -> Json:
    with (
        Provider() as provider,
        tempfile.TemporaryDirectory() as store,
        Peer(provider.url, store) as peer,
    ):
        return delay(provider, peer, store) | stop(provider, peer, store)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main()) + "\n")
