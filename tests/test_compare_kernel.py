"""A comparison in a real kernel: interrupted, run again, restarted, killed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kernels import Cell, Kernel
from tests.servers import Answer, Provider

pytestmark = pytest.mark.kernel

PROMPTS = 20
AT_ONCE = 4


class Grid:
    """A notebook that compares twenty prompts, four at a time; its provider waits to be let go."""

    def __init__(self, kernel: Kernel, provider: Provider) -> None:
        self.kernel = kernel
        self.provider = provider
        self.answers: list[Answer] = []
        self.more(PROMPTS)

    def more(self, count: int) -> None:
        """Let the provider hold back so many answers more."""
        self.answers += [self.provider.answer("an answer", gated=True) for _ in range(count)]

    def open(self) -> None:
        """The imports, as after each restart."""
        self.kernel.run(
            "from chatkit import compare\nfrom chatkit import get_model\n"
            f"model = get_model('openai-chat/test', base_url={self.provider.url!r}, api_key='x')"
        )

    def compare(self) -> Cell:
        """Run the cell that compares."""
        code = f"runs = compare([f'Prompt {{n}}' for n in range({PROMPTS})], model, concurrency=4)"
        cell = self.kernel.run(code, cell_id="compare")
        assert cell.error == ""
        return cell

    def value(self, expression: str) -> Any:
        """What an expression is in the kernel now."""
        return ast.literal_eval(self.kernel.run(expression, cell_id="value").text)

    def until_complete(self, count: int) -> None:
        """Wait until so many runs have their answers on disk."""
        self.kernel.until(lambda: self.value("runs.counts.get('complete', 0)") == count)

    @property
    def asked(self) -> int:
        return len(self.provider.requests)


@pytest.fixture
def grid(tmp_path: Path, provider: Provider) -> Iterator[Grid]:
    with Kernel(tmp_path) as kernel:
        grid = Grid(kernel, provider)
        grid.open()
        yield grid


def let_eight_go(grid: Grid) -> None:
    """Eight are answered, and four are on their way."""
    grid.compare()
    for answer in grid.answers[:8]:
        answer.open()
    grid.until_complete(8)
    grid.provider.until(lambda: grid.asked == 8 + AT_ONCE)


def test_interrupted_after_eight_of_twenty_asks_the_other_twelve_and_nothing_twice(
    grid: Grid,
) -> None:
    let_eight_go(grid)
    waiting = grid.kernel.start("runs.wait()", cell_id="wait")
    grid.kernel.until(lambda: "8 of 20 runs answered" in waiting.text)
    grid.kernel.interrupt()
    grid.kernel.until(lambda: waiting.status != "running")
    assert "KeyboardInterrupt" in waiting.error
    rows = grid.value("[[row['status'], row['text']] for row in runs.rows()]")
    assert rows.count(["complete", "an answer"]) == 8
    assert len(rows) == PROMPTS

    grid.compare()  # the cell again: four are under way already
    assert grid.value("runs.counts") == {"complete": 8, "streaming": 4, "queued": 8}
    for answer in grid.answers[8:]:
        answer.open()
    assert grid.value("len(runs.wait().where(status='complete'))") == PROMPTS
    assert grid.asked == PROMPTS

    grid.compare()
    assert grid.value("runs.is_over")
    grid.kernel.restart()
    grid.open()
    grid.compare()
    assert grid.value("[runs.is_over, set(runs.texts)]") == [True, {"an answer"}]
    assert grid.asked == PROMPTS


def test_killed_after_eight_of_twenty_asks_again_only_what_was_in_flight(grid: Grid) -> None:
    let_eight_go(grid)
    grid.more(AT_ONCE)
    grid.kernel.kill()
    grid.open()
    grid.compare()
    for answer in grid.answers[8:]:
        answer.open()
    assert grid.value("len(runs.wait().where(status='complete'))") == PROMPTS
    assert grid.asked == PROMPTS + AT_ONCE
    grid.compare()
    assert grid.value("runs.is_over")
    assert grid.asked == PROMPTS + AT_ONCE


def test_where_nobody_comes_back_a_cell_ends_with_its_runs(grid: Grid) -> None:
    for answer in grid.answers:
        answer.open()
    grid.kernel.run(f"runs = compare([f'Prompt {{n}}' for n in range({PROMPTS})], model)")
    assert grid.value("runs.counts") == {"complete": PROMPTS}
