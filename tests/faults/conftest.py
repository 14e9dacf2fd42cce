"""What every fault shares: its chances, which can be had again, and a line that says what it did.

`CHATKIT_SEED=number pytest tests/faults/...` repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest


@pytest.fixture
def chance() -> random.Random:
    """Where a fault strikes: random, from a seed that is printed with what happened."""
    return Chance(int(os.environ.get("CHATKIT_SEED") or random.SystemRandom().randrange(10**9)))


class Chance(random.Random):
    """Random numbers that know their seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.number = seed


@pytest.fixture
def tell(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> Callable[[str], None]:
    """Print a line about this test, whether or not it passes."""

    def tell(line: str) -> None:
        chance = request.node.funcargs.get("chance")
        seed = f" (seed {chance.number})" if isinstance(chance, Chance) else ""
        with capsys.disabled():
            print(f"\n{request.node.name}: {line}{seed}")

    return tell
