"""What every fault shares: its chances, which can be had again, and a line that says what it did.

`CHATKIT_SEED=number pytest tests/faults/...` repeats the moments of a run.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chatkit.stores import open_store
from tests.conftest import TOLD
from tests.storing import run


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
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what this test did, in a line that is printed at the end whether or not it passes."""

    def tell(line: str) -> None:
        chance = request.node.funcargs.get("chance")
        seed = f" (seed {chance.number})" if isinstance(chance, Chance) else ""
        request.node.user_properties.append((TOLD, f"{request.node.name}: {line}{seed}"))

    return tell


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte; the stores on it are let go of at the end."""
    point = tmp_path / "disk"
    point.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(point)]
    made = subprocess.run(mount, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"needs a file system of its own; run as root: {made.stderr.strip()}")
    yield point
    for store in point.iterdir():
        if store.is_dir():
            run(open_store(store).close())
    # lazily: a chat that is open still may look into its store at any time
    subprocess.run(["umount", "--lazy", str(point)], check=True)
