"""Eight processes on one store for a minute: nothing is lost, and nothing is mixed up."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from chatkit import Chat, chats
from chatkit.engine import get_engine
from tests.peers import Peer
from tests.servers import Provider

SECONDS = 60
PROCESSES = 8

ASK = """
done, own = [], Chat(f"own {name}", model=model, store=store)
end = time.monotonic() + seconds
while time.monotonic() < end:
    number = len(done)
    which = own if number % 3 else chat
    reply = which.ask(f"{name} asks {number}")
    done.append([which.id, reply.id, reply.text, reply.status])
"""


@pytest.mark.faults
@pytest.mark.timeout(SECONDS + 180)
def test_eight_processes_share_a_store_for_a_minute(
    provider: Provider, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    store = tmp_path / "store"
    with ExitStack() as stack:
        peers = [stack.enter_context(Peer(provider.url, store)) for _ in range(PROCESSES)]
        for number, peer in enumerate(peers):
            peer.do(f"name, seconds = 'P{number}', {SECONDS}")
            peer.start(ASK)
        for peer in peers:
            peer.finish()
        acknowledged = [answer for peer in peers for answer in peer.get("done")]
    open_chats = {info.id: Chat(info.id, store=store) for info in chats(store)}
    for id, answer_id, text, status in acknowledged:
        [kept] = [m for m in open_chats[id].messages if m.id == answer_id]
        assert (kept.text, kept.status, status) == (text, "complete", "complete")
    shared = [message.text for message in open_chats["trip"].messages]
    assert shared[1::2] == [f"Answer to: {asked}" for asked in shared[::2]]
    assert len(provider.requests) == len(acknowledged)
    for id, chat in open_chats.items():
        for message in chat.messages:
            tail = get_engine().run(chat.store.follow(id, message.id))
            assert not tail.segments
            assert tail.info is None or tail.info.state == "complete"
    tell(f"{PROCESSES} processes, {len(acknowledged)} answers, {len(shared) // 2} in one chat")
