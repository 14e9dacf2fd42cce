"""kill -9 in mid-stream, for real: what had arrived is there, and reads as interrupted."""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from chatkit import Chat
from chatkit.providers import Model
from tests.servers import Provider

KILLS = 70
TOKENS = [f"{number:04d} " for number in range(1000)]
ASK = """
import sys, time
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
for words in Chat(sys.argv[2], model=model, store=sys.argv[3]).send("Count.").deltas():
    print(len(words), time.monotonic(), flush=True)
"""


@pytest.mark.faults
@pytest.mark.timeout(1500)
def test_a_kill_loses_no_more_than_the_last_moment(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    store, whole = tmp_path / "store", "".join(TOKENS)
    lost: list[float] = []  # milliseconds for which what is not there had been seen, at most
    for number in range(KILLS):
        seen = killed(provider, f"trip {number}", store, chance.uniform(0.02, 0.8))
        _, answer = Chat(f"trip {number}", model=model, store=store).messages
        assert answer.status == "interrupted"
        assert whole.startswith(answer.text), "a clean prefix"
        kept = len(answer.text)
        lost.append((seen[-1] - seen[kept]) * 1000 if kept < len(seen) else 0.0)
    late = sum(each > 60 for each in lost)
    tell(
        f"{KILLS} kills: 0 broken; lost of what had been seen: median"
        f" {statistics.median(lost):.0f} ms, most {max(lost):.0f} ms, {late} over 60 ms"
    )
    assert statistics.quantiles(lost, n=10)[-1] <= 60


def killed(provider: Provider, id: str, store: Path, after: float) -> list[float]:
    """Ask in another process and kill it: when each character was seen there, in seconds."""
    provider.answer(tokens=TOKENS, delay=0.002, gated=True).release(len(TOKENS))  # it has no end
    taken, command = provider.bytes_taken, [sys.executable, "-c", ASK, provider.url, id, str(store)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    provider.until(lambda: provider.bytes_taken > taken, timeout=60)
    time.sleep(after)  # the moment of the kill is what is random here
    process.send_signal(signal.SIGKILL)
    told, _ = process.communicate()
    lines = [line.split() for line in told.split("\n")[:-1]]  # the last one may not be whole
    return [float(at) for count, at in lines for _ in range(int(count))] or [0.0]


@pytest.mark.faults
def test_a_process_that_dies_before_its_answer_leaves_a_turn_that_is_asked_again(
    provider: Provider, model: Model, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    provider.answer("never", gated=True)
    process = subprocess.Popen([sys.executable, "-c", ASK, provider.url, "trip", str(store)])
    provider.until(lambda: len(provider.requests) == 1)
    process.kill()
    process.wait()
    chat = Chat("trip", model=model, store=store)
    assert [message.status for message in chat.messages] == ["complete", "interrupted"]
    assert chat.ask("Count.").text == "Answer to: Count."
    assert [message.text for message in chat.messages] == ["Count.", "Answer to: Count."]
