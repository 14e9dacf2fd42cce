"""The view of a comparison: what its script is told adds up to the state, and what is clicked is
done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from chatkit import engine as engines
from chatkit.compare import compare
from chatkit.compare.runs import Runs
from chatkit.notebook.comparing.board import Board
from chatkit.notebook.comparing.cells import CLIP, cell, clip, differences, money
from chatkit.notebook.comparing.live import Live
from chatkit.notebook.comparing.shape import Shape
from chatkit.notebook.comparing.totals import Totals
from chatkit.notebook.comparing.wanted import rows_of, wanted_of
from chatkit.notebook.comparing.widget import View
from chatkit.notebook.console import Console
from chatkit.providers import Model
from chatkit.scores import Verdict
from tests.comparing import FakeRuns, answer, runs_of
from tests.kernels import Cell, Kernel
from tests.servers import Provider
from tests.working import until

Json = dict[str, Any]
CASES = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "capital": "Lima"}]
PROMPTS = {"terse": "Capital of {country}?", "polite": "Please name the capital of {country}."}
VIEW = "application/vnd.jupyter.widget-view+json"


class Page:
    """What the script makes of what a view tells it."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.table = view._table
        self.answers: list[Json] = []  # what is no news
        self.told: list[Json] = []
        engines.get_engine().run(self._open())

    async def _open(self) -> None:
        self.shown = json.loads(json.dumps(self.table.shown))
        self.table.send = self.view._stage.board.send = self.hear

    def hear(self, told: Json, buffers: Any = None) -> None:
        told = json.loads(json.dumps(told))
        if "number" not in told:
            return self.answers.append(told)
        self.told.append(told)
        shown, rows = self.shown, self.shown["rows"]
        assert told["number"] == shown["number"] + 1
        for name in ("number", "head", "grid", "page", "chat", "notice", "detail"):
            shown[name] = told.get(name, shown[name])
        if told.get("anew"):
            rows.clear()
        for place in told.get("gone", ()):
            del rows[place]
        rows.update(told.get("rows", {}))
        for place, column, one in told.get("cells", ()):
            rows[place]["cells"][column] = one
        for number, kind, at, keep, more in told.get("changes", ()):
            learn(shown["detail"]["sections"], number, kind, at, keep, more)
        if "foot" in told:
            shown["detail"]["foot"] = told["foot"]

    def click(self, do: str, **more: Any) -> None:
        self.table._hear(None, {"do": do, "click": 1, **more}, [])

    def settle(self) -> Json:
        """What is shown once all of it was told, which is what the kernel holds."""
        return engines.get_engine().run(self._settled())

    async def _settled(self) -> Json:
        await asyncio.sleep(0.3)
        while self.view._stage.live._called or self.view.runs._changed:  # it is on its way
            await asyncio.sleep(0.01)
        held: Json = json.loads(json.dumps(self.view._stage.board.shown))
        assert self.shown == held
        return held

    def cells(self) -> list[list[str]]:
        """The texts of the rows that are held, in their order."""
        rows = self.settle()["rows"]
        return [[one["text"] for one in rows[at]["cells"]] for at in sorted(rows, key=int)]


def learn(sections: Any, number: int, kind: Any, at: int, keep: int, more: list[str]) -> None:
    if kind is None:
        del sections[number:]
        return
    if number == len(sections):
        sections.append([kind, []])
    blocks = sections[number][1]
    kept = blocks[at][:keep] if keep else ""
    blocks[at:] = more
    if kept:
        blocks[at] = kept + blocks[at]


@pytest.fixture
def show() -> Iterator[Callable[[Runs], Page]]:
    """A function that shows a comparison."""
    views: list[View] = []

    def show(runs: Runs) -> Page:
        views.append(View(runs))
        return Page(views[-1])

    yield show
    for view in views:
        view.close()


@pytest.fixture
def runs(model: Model) -> Runs:
    """A comparison that is over."""
    scores = {"right": lambda reply, case: case["country"] in reply.text}
    return compare(PROMPTS, model, CASES, scores=scores).wait()


# -- what is told --


def test_what_is_told_while_it_runs_adds_up_to_the_state(
    model: Model, provider: Provider, show: Callable[[Runs], Page]
) -> None:
    answers = [provider.answer("Paris is **it**.", gated=True) for _ in range(4)]
    runs = compare(PROMPTS, {"a": model}, CASES, concurrency=4)
    page = show(runs)
    page.click("open", run=0)
    for given in answers:
        given.release(2)
    provider.until(lambda: len(provider.requests) == 4)
    page.settle()
    page.click("arrange", wanted={"by": "seconds"})
    for given in answers:
        given.open()
    runs.wait()
    shown = page.settle()
    assert shown["head"]["complete"] == 4
    assert shown["head"]["over"] is True
    assert shown["grid"]["stale"] is True
    assert "<strong>it</strong>" in str(shown["detail"]["sections"])
    assert {text for row in page.cells() for text in row} == {"Paris is **it**."}


def test_only_the_rows_that_somebody_looks_at_are_told(
    model: Model, provider: Provider, show: Callable[[Runs], Page]
) -> None:
    runs = compare("Say {input}", model, range(500), concurrency=1)
    runs.stop().wait()
    page = show(runs)
    held = len(page.settle()["rows"])
    assert held < 200
    page.click("rows", **{"from": 490, "to": 500}, arranged=0)
    rows = page.settle()["rows"]
    assert "499" in rows
    assert len(rows) == held
    page.told.clear()
    runs.retry(runs[480])
    runs.retry(runs[499])
    runs.wait()
    page.settle()
    assert {place for told in page.told for place, *_ in told.get("cells", ())} == {"499"}


def test_a_thousand_cells_open_within_a_hundred_kilobytes() -> None:
    cases = [{"question": f"What is {n}?" * 20} for n in range(125)]
    texts = "A long answer, of some words. " * 100
    for models in (["a"], list("abcdefgh")):
        runs = shown_runs(models=models, cases=cases, answer=lambda _: texts)
        assert len(json.dumps(board_of(runs).shown, ensure_ascii=False).encode()) < 100_000


def test_a_row_of_an_order_that_is_gone_is_not_told(
    runs: Runs, show: Callable[[Runs], Page]
) -> None:
    page = show(runs)
    page.click("arrange", wanted={"down": True})
    page.settle()
    page.told.clear()
    page.click("rows", **{"from": 0, "to": 4}, arranged=0)
    page.settle()
    assert page.told == []


@pytest.mark.parametrize(
    ("prompts", "models", "down", "across"),
    [
        (["p", "q"], ["a"], ["", ""], ["p", "q"]),
        (["p", "q"], ["a", "b"], ["p", "p", "q", "q"], ["a", "b"]),
        (["p"], ["a"], ["p", "p"], ["a"]),
        (list("opqrstu"), ["a"], list("ooppqqrrssttuu"), ["a"]),  # too many to stand side by side
    ],
)
def test_of_one_model_the_prompts_stand_across(
    prompts: list[str], models: list[str], down: list[str], across: list[str]
) -> None:
    shape = Shape(runs_of(prompts=prompts, models=models, cases=[{"n": 1}, {"n": 2}]))
    assert [row.prompt for row in shape.rows] == down
    assert [shape.title(at) for at in range(len(shape.columns))] == across
    assert [shape.heading(at)["name"] for at in range(len(shape.columns))] == across


# -- what is clicked --


def test_what_is_clicked_is_done(runs: Runs, show: Callable[[Runs], Page]) -> None:
    page = show(runs)
    page.click("copy", run=1)
    assert page.answers[-1] == {"copied": 1, "text": runs[1].text}
    page.click("open", run=1)
    assert page.settle()["detail"]["run"] == 1
    page.click("close")
    assert page.settle()["detail"] is None
    page.click("arrange", wanted={"text": "peru"})
    assert page.cells() == [[runs[2].text, runs[3].text]]  # one model: the prompts stand across
    page.click("arrange", wanted={"score": "right", "test": "wrong"})
    assert page.cells() == []
    page.click("page", page="summary")
    until(lambda: page.shown["page"] is not None)
    assert "polite" in page.settle()["page"]["html"]


def test_the_same_is_asked_again_and_gone_on_from(
    runs: Runs, provider: Provider, show: Callable[[Runs], Page]
) -> None:
    page = show(runs)
    provider.answer("Lutetia")
    page.click("again", run=0)
    runs.wait()
    assert page.cells()[0][0] == "Lutetia"
    page.click("chat", run=0)
    assert page.settle()["chat"]["run"] == 0
    [_, panel] = page.view._box.children
    assert panel.chat.messages[-1].text == "Lutetia"
    page.click("close_chat")
    assert page.settle()["chat"] is None
    assert len(page.view._box.children) == 1


def test_what_cannot_be_done_is_said(
    runs: Runs, show: Callable[[Runs], Page], caplog: pytest.LogCaptureFixture
) -> None:
    page = show(runs)
    page.click("open", run=99)
    assert "This failed: IndexError" in page.settle()["notice"]["text"]
    page.click("jump")
    assert "says what is not known" in caplog.text


# -- which rows, and in which order --


def shown_runs(**more: Any) -> FakeRuns:
    runs = runs_of(**more)
    runs.observe = lambda _: lambda: None  # type: ignore[attr-defined]
    return runs


def board_of(runs: Any) -> Board:
    board = Board()
    Live(runs, board)
    return board


def rows(runs: FakeRuns, **wanted: Any) -> list[int]:
    return rows_of(runs, Shape(runs), wanted_of(wanted, {"mark": 0.5}))


@pytest.fixture
def graded() -> FakeRuns:
    """Two prompts with three cases by two models, marked from 0 to 1.1 in the order of the rows."""
    marks = {"mark": lambda run: run.place.case_index / 2 + (run.model == "b") / 10}
    return runs_of(
        prompts=["x", "y"],
        models=["a", "b"],
        cases=[{"n": n} for n in range(3)],
        answer=lambda place: answer(
            f"{place.prompt}{place.case_index}{place.model}", cost=3.0 - place.case_index
        ),
        scores=marks,
    )


def test_rows_are_those_with_a_cell_that_is_wanted(graded: FakeRuns) -> None:
    assert rows(graded) == [0, 1, 2, 3, 4, 5]
    assert rows(graded, prompt="y") == [3, 4, 5]
    assert rows(graded, text=" X1B") == [1]
    assert rows(graded, text="x1b", column=0) == []
    assert rows(graded, score="mark", test="right") == [1, 2, 4, 5]
    assert rows(graded, score="mark", test="wrong") == [0, 3]
    assert rows(graded, score="mark", test="below", number=0.1) == [0, 3]
    assert rows(graded, score="mark", test="least", number=1.05) == [2, 5]
    assert rows(graded, score="mark", test="failed") == []
    assert rows(graded, status="complete", prompt="x") == [0, 1, 2]
    assert rows(graded, status="error") == []


def test_rows_are_sorted_by_one_column_or_the_mean_and_the_unknown_comes_last(
    graded: FakeRuns,
) -> None:
    assert rows(graded, by="cost") == [2, 5, 1, 4, 0, 3]
    assert rows(graded, by="score:mark", down=True) == [2, 5, 1, 4, 0, 3]
    assert rows(graded, by="prompt", down=True) == [3, 4, 5, 0, 1, 2]
    assert rows(graded, down=True) == [5, 4, 3, 2, 1, 0]
    graded[2].scores = {"mark": Verdict(None, error="broken")}  # in the row of x1, by a
    assert rows(graded, by="score:mark", of=0, prompt="x")[-1] == Shape(graded).where[2][0]


def test_rows_are_sorted_by_a_field_of_their_case() -> None:
    """The texts of a CSV by the numbers that they are; cases without the field come last."""
    cases: list[dict[str, Any]] = [{"n": "10"}, {"n": "9"}, {"n": ""}, {"n": "Ten"}, {"n": 9.5}]
    runs = runs_of(prompts=("x",), cases=cases)
    assert rows(runs, by="case:n") == [1, 4, 0, 3, 2]
    assert rows(runs, by="case:n", down=True) == [3, 0, 4, 1, 2]
    assert rows(runs, by="case:m") == [0, 1, 2, 3, 4]


def test_samples_stand_below_each_other_and_variants_beside() -> None:
    shape = Shape(runs_of(samples=2, variants=[{"temperature": 0}, {"temperature": 0.7}]))
    assert [shape.title(at) for at in range(2)] == [
        "local/a · temperature 0",
        "local/a · temperature 0.7",
    ]
    assert [shape.label(at)["sample"] for at in range(2)] == [1, 2]


# -- one cell --


def test_a_cell_is_a_few_lines_whatever_the_answer() -> None:
    [run] = runs_of(answer=lambda _: "word\n\n\nword " * 2_000, scores={"right": lambda _: 0.25})
    shown = cell(run, {"right": 0.2})
    assert len(shown["text"]) <= CLIP + 1
    assert "\n\n" not in shown["text"]
    assert shown["scores"] == [["right", "good", "0.25"]]
    assert cell(run, {})["scores"] == [["right", "part", "0.25"]]
    assert shown["took"] == ["5", "$0.001", "1.0 s"]


def test_what_is_looked_for_is_in_what_is_shown_of_it() -> None:
    assert "needle" in clip("hay " * 200 + "needle" + " hay" * 200, "needle")
    assert clip("needle and hay", "needle") == "needle and hay"


def test_an_answer_that_was_cut_off_says_so() -> None:
    [run] = runs_of(answer=lambda _: answer("and so", finish_reason="length"))
    assert cell(run, {})["cut"] == "cut off"


def test_what_another_process_asks_says_so() -> None:
    [run] = runs_of(answer=lambda _: None)
    run.is_elsewhere = True
    assert cell(run, {})["says"] == "Asked by another process"


def test_an_error_is_told_in_its_place() -> None:
    [run] = runs_of(answer=lambda _: answer("", error="No <b>room</b>."))
    shown = cell(run, {})
    assert (shown["status"], shown["text"]) == ("error", "")
    assert "No <b>room</b>." in shown["says"]
    [waiting] = runs_of(answer=lambda _: None)
    assert cell(waiting, {}) == {"run": 0, "status": "queued", "text": ""}


def test_of_what_two_texts_share_a_cell_shows_what_is_beside_the_differences() -> None:
    shown = differences("It is far. " * 20 + "Go by boat.", "It is far. " * 20 + "Go by train.")
    same, removed, added, *_ = shown
    assert len(same[1]) < 40
    assert same[1].endswith("Go by ")
    assert (removed, added) == (["removed", "boat"], ["added", "train"])
    assert differences("as it is", "as it is") == [["same", "as it is"]]


def test_money_is_never_written_with_an_exponent() -> None:
    assert [money(each) for each in (None, 0.0, 0.000055, 0.0123, 12.4)] == [
        "",
        "",
        "$0.000055",
        "$0.012",
        "$12.40",
    ]


def test_sums_are_the_same_however_they_came_about() -> None:
    texts: dict[int, str | None] = {}
    runs = runs_of(models=["a", "b"], cases=CASES, answer=lambda place: texts.get(place.index))
    totals = Totals(runs, Shape(runs))
    for index in (0, 3, 1):
        runs[index].message = answer("Paris", cost=0.5)
        runs[index].scores = {"right": Verdict(index > 0)}
        totals.update({index})
    runs[3].message = None  # it is asked again
    runs[3].scores = {}
    totals.update({3})
    fresh = Totals(runs, Shape(runs))
    assert [totals.words(at) for at in range(2)] == [fresh.words(at) for at in range(2)]
    assert +totals.counts == +fresh.counts
    assert totals.words(0) == {"scores": [["right", "50%"]], "took": "$1.00 · 1.0 s"}


# -- where it is displayed --


def test_in_a_terminal_it_is_one_line(runs: Runs, capsys: pytest.CaptureFixture[str]) -> None:
    Console().display(runs)
    assert capsys.readouterr().out == f"{runs!r}\n"


# -- in a kernel --

OPENING = """
import asyncio, chatkit.engine
from chatkit import get_model, progress
from chatkit.compare import compare
progress.PATIENCE = 600  # however slow it is, the first output is the table
def runs_of(url, *words):
    model = get_model("openai-chat/test", base_url=url, api_key="x")
    return compare("Say {input}", model, list(words))"""
COUNT = """
chatkit.engine.get_engine().run(asyncio.sleep(0))
from ipywidgets.widgets.widget import _instances
sum(type(each).__name__ in ("Table", "VBox", "Panel") for each in list(_instances.values()))"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        assert kernel.run(OPENING).error == ""
        yield kernel


def kept(cell: Cell) -> str:
    """What the notebook would show of the table without its kernel."""
    return str(cell.outputs[1]["data"]["text/html"]) if len(cell.outputs) > 1 else ""


@pytest.mark.kernel
def test_it_is_displayed_and_kept(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer("one two", gated=True)
    cell = kernel.run(f"runs = runs_of({provider.url!r}, 'one', 'two')\nruns", cell_id="shown")
    assert set(cell.outputs[0]["data"]) == {VIEW, "text/plain"}
    answer.open()
    # the first to be asked is the first to arrive at most times
    kernel.until(lambda: "one two" in kept(cell) and "Answer to: Say" in kept(cell))
    assert len(cell.outputs) == 2


@pytest.mark.kernel
def test_a_cell_that_runs_again_ends_the_view_it_showed_before(
    kernel: Kernel, provider: Provider
) -> None:
    code = f"runs_of({provider.url!r}, 'three')"
    kernel.run(code, cell_id="again")
    before = kernel.run(COUNT, cell_id="count").text
    kernel.run(code, cell_id="again")
    assert kernel.run(COUNT, cell_id="count").text == before


@pytest.mark.kernel
def test_where_nobody_looks_it_is_the_whole_table(kernel: Kernel, provider: Provider) -> None:
    provider.answer("one two three", delay=0.05)
    cell = kernel.run(f"runs_of({provider.url!r}, 'four', 'five')")
    [output] = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    for words in ("one two three", "Answer to: Say f"):
        assert words in output["data"]["text/html"]
