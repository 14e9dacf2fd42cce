"""A clock that is set by a day while an answer is on its way, and a process that forks there."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chatkit import Chat, conversation
from chatkit.providers import Model
from tests.servers import Provider
from tests.storing import end, eventually, line

pytestmark = pytest.mark.faults

DAY = 86400.0
LOOKS = 100  # for a second or two: until the writer has given its next sign of life
LIVES = 5
TOKENS = [f"{number:03d} " for number in range(100)]
TRUTH = "".join(TOKENS)
CLOCK = """
import sys, time
from pathlib import Path
clock, real = Path(sys.argv[3]), time.time
time.time = lambda: real() + float(clock.read_text())
"""
ASKS = (
    CLOCK
    + """
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
reply = Chat("trip", model=model, store=sys.argv[2]).send("Count.")
print("sent", flush=True)
reply.wait()
print(reply.status, len(reply.text), reply.warnings, flush=True)
"""
)


@contextmanager
def asking(provider: Provider, program: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", program, provider.url, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert line(process) == "sent"
        yield process
    finally:
        end(process)


def opened(model: Model, store: Path) -> Chat:
    """The chat as a process finds it that opens it now."""
    conversation._conversations.clear()
    return Chat("trip", model=model, store=store)


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_a_clock_that_is_set_by_a_day_changes_no_state(
    jump: float,
    provider: Provider,
    model: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tell: Callable[[str], None],
) -> None:
    clock, store, real = tmp_path / "clock", tmp_path / "store", time.time
    clock.write_text("0")
    answer = provider.answer(tokens=TOKENS, gated=True)
    with asking(provider, ASKS, store, clock) as process:
        monkeypatch.setattr(time, "time", lambda: real() + float(clock.read_text()))
        answer.release(10)
        follower = opened(model, store)
        eventually(lambda: (follower.messages and follower.messages[-1].text) or None)
        (tmp_path / "later").write_text(str(jump))
        (tmp_path / "later").rename(clock)  # at once, for both
        states = [opened(model, store).messages[-1].status for _ in range(LOOKS)]
        assert set(states) <= {"queued", "streaming"}
        answer.open()
        assert line(process) == f"complete {len(TRUTH)} []"
    for chat in (follower, opened(model, store)):
        eventually(lambda chat=chat: chat.messages[-1].status == "complete" or None)  # type: ignore[misc]
        assert chat.messages[-1].text == TRUTH
    tell(f"{jump:+.0f} s: {len(states)} looks, 0 of them wrong")


FORKS = (
    CLOCK
    + """
import os
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
chat = Chat("trip", model=model, store=sys.argv[2])
reply = chat.send("Count.")
print("sent", flush=True)
next(iter(reply.deltas()))  # what the first answer imports is imported: no lock of that is held
for number in range(int(sys.argv[4])):
    sys.stdin.readline()
    if not (child := os.fork()):
        seen = Chat("trip", model=model, store=sys.argv[2]).messages[-1]
        own = Chat(f"child {number}", model=model, store=sys.argv[2]).ask("Hello?")
        print(seen.role, own.status, own.text, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
reply.wait()
print(reply.status, len(reply.text), reply.warnings, flush=True)
"""
)


def test_a_process_that_forks_under_an_answer_goes_on_and_so_do_its_children(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    clock, store = tmp_path / "clock", tmp_path / "store"
    clock.write_text("0")
    answer = provider.answer(tokens=TOKENS, gated=True)
    with asking(provider, FORKS, store, clock, LIVES) as process:
        assert process.stdin is not None
        for number in range(LIVES):
            answer.release(chance.randint(1, 15))
            time.sleep(chance.uniform(0, 0.1))  # the moment of the fork is what is random here
            process.stdin.write("\n")
            process.stdin.flush()
            assert line(process) == "assistant complete Answer to: Hello?", number
        answer.open()
        assert line(process) == f"complete {len(TRUTH)} []"
    assert opened(model, store).messages[-1].text == TRUTH
    assert len(provider.requests) == 1 + LIVES
    tell(f"{LIVES} forks, 0 answers lost")
