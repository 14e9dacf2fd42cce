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

from chatkit import Chat, stream_text
from chatkit.providers import Model
from tests.servers import Provider

KILLS = 70
TOKENS = [f"{number:04d} " for number in range(1000)]
ASK = """
import sys
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
Chat(sys.argv[2], model=model, store=sys.argv[3]).send("Count.").wait()
"""


@pytest.mark.faults
def test_a_kill_loses_no_more_than_the_last_moment(
    provider: Provider,
    model: Model,
    tmp_path: Path,
    chance: random.Random,
    tell: Callable[[str], None],
) -> None:
    store, whole = tmp_path / "store", "".join(TOKENS)
    size = wire_size(provider, model)
    lost: list[float] = []  # milliseconds of stream
    for number in range(KILLS):
        sent, pace = killed(provider, f"trip {number}", store, size, chance.uniform(0.02, 0.8))
        _, answer = Chat(f"trip {number}", model=model, store=store).messages
        assert answer.status == "interrupted"
        assert whole.startswith(answer.text), "a clean prefix"
        lost.append((sent - len(answer.text) // len(TOKENS[0])) * pace * 1000)
    late = sum(each > 60 for each in lost)
    tell(
        f"{KILLS} kills: 0 broken; lost of the stream: median"
        f" {statistics.median(lost):.0f} ms, most {max(lost):.0f} ms, {late} over 60 ms"
    )
    assert statistics.quantiles(lost, n=10)[-1] <= 60


def killed(provider: Provider, id: str, store: Path, size: int, after: float) -> tuple[int, float]:
    """Ask in another process, kill it: how many tokens had left for it, and seconds a token."""
    asked, taken = len(provider.requests), provider.bytes_taken
    provider.answer(tokens=TOKENS, delay=0.002)
    process = subprocess.Popen([sys.executable, "-c", ASK, provider.url, id, str(store)])
    provider.until(lambda: len(provider.requests) > asked)
    provider.until(lambda: provider.bytes_taken > taken)
    began = time.monotonic()
    time.sleep(after)  # the moment of the kill is what is random here
    left, elapsed = provider.bytes_taken - taken, time.monotonic() - began
    process.send_signal(signal.SIGKILL)
    process.wait()
    sent = max(left // size, 1)
    return sent, elapsed / sent


def wire_size(provider: Provider, model: Model) -> int:
    """Bytes that one more token costs on the wire."""
    taken = [provider.bytes_taken]
    for count in (10, 20):
        provider.answer(tokens=TOKENS[:count])
        stream_text(model, "Count.").wait()
        taken.append(provider.bytes_taken)
    return (taken[2] - taken[1] - (taken[1] - taken[0])) // 10


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
