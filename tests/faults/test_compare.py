"""A comparison whose process is killed again and again, for real."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import Provider

RUNS, AT_ONCE, MOST_KILLS = 300, 8, 12
COMPARE = f"""
import sys
from chatkit import compare, get_model
model = get_model("openai-chat/test", base_url=sys.argv[1], api_key="x")
runs = compare("Say {{input}}", model, list(range({RUNS})), store=sys.argv[2],
               concurrency={AT_ONCE})
print(sum(run.is_restored for run in runs), flush=True)
print(runs.wait().texts, flush=True)
"""


def begun(provider: Provider, store: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMPARE, provider.url, str(store)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.mark.faults
def test_of_a_comparison_that_is_killed_only_what_was_in_flight_is_asked_again(
    provider: Provider, tmp_path: Path, chance: random.Random, tell: Callable[[str], None]
) -> None:
    store, kills, restored = tmp_path / "store", 0, [0]
    for _ in range(RUNS + MOST_KILLS * AT_ONCE):
        provider.answer("a word or two", delay=0.02)
    while True:
        process = begun(provider, store)
        assert process.stdout is not None
        restored.append(int(process.stdout.readline()))
        if kills == MOST_KILLS:
            break
        time.sleep(chance.uniform(0.2, 1.5))  # the moment of the kill is what is random here
        process.kill()
        process.communicate()
        kills += 1
    texts, _ = process.communicate(timeout=120)
    assert texts.strip() == repr(["a word or two"] * RUNS)
    asked = Counter(request.body["messages"][-1]["content"] for request in provider.requests)
    again = sum(asked.values()) - RUNS
    tell(f"{kills} kills: {restored[-1]} of {RUNS} restored at last, {again} asked again")
    assert len(asked) == RUNS
    assert restored == sorted(restored)  # what was answered stayed answered
    assert 0 < again <= kills * AT_ONCE
    assert restored[-1] > 0
