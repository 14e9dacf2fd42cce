"""Three processes that do anything to one chat, at random, while a fourth is killed and killed."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatkit import Chat
from chatkit.engine import get_engine
from tests.peers import Peer
from tests.servers import Provider

SECONDS = 20

ACT = """
import random
chance, done, end = random.Random(seed), [], time.monotonic() + seconds
while time.monotonic() < end:
    act = chance.choice(["ask", "ask", "send", "edit", "regenerate", "switch", "stop", "clear"])
    seen = chat.messages
    asked = [m for m in seen if m.role == "user"]
    answers = [m for m in seen if m.role == "assistant"]
    if act in ("ask", "send") or not answers:
        reply = chat.send(f"{name} {len(done)}?")
        if act == "ask":
            reply.wait(60)
            done.append([reply.turn.id, reply.id])
    elif act == "edit":
        chat.edit(chance.choice(asked), f"{name} edits {len(done)}")
    elif act == "regenerate":
        chat.regenerate(chance.choice(answers))
    elif act == "switch":
        chat.switch(chance.choice(answers))
    elif chance.random() < 0.2:
        chat.stop() if act == "stop" else chat.clear()
    time.sleep(chance.random() * 0.05)
chat.wait(60)
"""


@pytest.mark.faults
@pytest.mark.timeout(SECONDS + 200)
def test_whatever_three_processes_do_they_agree_and_lose_nothing(
    provider: Provider, tmp_path: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    store = tmp_path / "store"
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(provider.url, store)) for _ in range(3)]
        for name, peer in zip("ABC", peers, strict=True):
            peer.do(f"name, seconds, seed = {name!r}, {SECONDS}, {chance.randrange(10**6)}")
            peer.start(ACT)
        kills = killed_while(provider, store, chance)
        for peer in peers:
            peer.finish()
        acknowledged = [pair for peer in peers for pair in peer.get("done")]
        chat = Chat("trip", store=store).wait(60)
        stored = get_engine().run(chat.store.load("trip"))
        assert stored is not None
        rows = {row["id"]: row for row in stored.rows}
        now = [[message.id, message.text, message.status] for message in chat.messages]
        for peer in peers:
            peer.until(f"[[m.id, m.text, m.status] for m in chat.messages] == {now!r}")
    assert all(turn in rows and answer in rows for turn, answer in acknowledged)
    assert all(row["parent"] is None or row["parent"] in rows for row in rows.values())
    assert stored.header["head"] is None or stored.header["head"] in rows
    for id, row in rows.items():
        tail = get_engine().run(chat.store.follow("trip", id))
        assert not tail.segments
        assert tail.info is None or tail.info.state == row["message"]["metadata"]["status"]
    tell(f"{len(rows)} messages, {len(acknowledged)} waited for, {kills} kills")


def killed_while(provider: Provider, store: Path, chance: random.Random) -> int:
    """Begin to ask in processes that are killed; how many were."""
    kills, end = 0, time.monotonic() + SECONDS - 5
    while time.monotonic() < end:
        with Peer(provider.url, store) as victim:
            victim.start("while True: chat.ask('Victim?')")
            time.sleep(chance.random())  # the moment of the kill is what is random here
            victim.kill()
        kills += 1
    return kills
