"""The rows of a comparison, and the table made of them."""

from __future__ import annotations

import sys
from typing import Any

import pandas
import pytest

from chatkit.compare.rows import frame_of, rows_of
from chatkit.compare.run import Place, Run
from chatkit.schema import schema_of
from chatkit.scores.verdict import Verdict
from tests.comparing import answer, runs_of

CASES = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "note": "far"}]


def is_right(run: Run) -> bool:
    return str(run.case.get("capital", "Lima")) in run.text


def test_a_row_tells_where_a_run_stands_and_what_came_of_it() -> None:
    runs = runs_of(
        cases=CASES,
        variants=[{"temperature": 0}, {"temperature": 0.7}],
        answer=lambda place: answer("Paris.", cost=0.002, seconds=2.0, tokens=(10, 5)),
        scores={"right": is_right},
    )
    rows = rows_of(runs)
    assert rows[0] == {
        "run": 0,
        "prompt": "terse",
        "model": "local/a",
        "country": "France",
        "capital": "Paris",
        "note": None,
        "temperature": 0,
        "sample": 1,
        "text": "Paris.",
        "object": None,
        "status": "complete",
        "error": None,
        "finish_reason": "stop",
        "input_tokens": 10,
        "output_tokens": 5,
        "reasoning_tokens": None,
        "cached_input_tokens": None,
        "cost": 0.002,
        "seconds_to_first_token": 0.5,
        "seconds": 2.0,
        "right": True,
    }
    assert [row["right"] for row in rows] == [True, False, True, False]
    assert [row["run"] for row in rows] == [0, 1, 2, 3]


def test_the_columns_are_the_same_before_anything_has_arrived() -> None:
    def columns(arrived: str | None) -> list[list[str]]:
        runs = runs_of(
            cases=CASES, answer=lambda place: arrived, samples=2, scores={"right": is_right}
        )
        return [list(row) for row in rows_of(runs)]

    assert columns(None) == columns("Paris")
    assert len({tuple(each) for each in columns(None)}) == 1


def test_system_prompts_are_a_column_where_several_are_compared() -> None:
    assert "system" not in rows_of(runs_of())[0]
    rows = rows_of(runs_of(systems=["kind", ""]))
    assert list(rows[0])[:4] == ["run", "prompt", "model", "system"]
    assert [row["system"] for row in rows] == ["kind", ""]


def test_names_that_are_taken_are_told_apart() -> None:
    runs = runs_of(
        cases=[{"text": "given", "right": "Paris", "system": "s"}],
        variants=[{"right": 1, "cost": 2}],
        scores={"right": is_right, "status": lambda run: 0.5},
    )
    [row] = rows_of(runs)
    assert (row["text"], row["case.text"]) == ("Paris", "given")
    assert (row["right"], row["case.right"], row["option.right"]) == (False, "Paris", 1)
    assert (row["status"], row["score.status"]) == ("complete", 0.5)
    assert row["case.system"] == "s"
    assert row["option.cost"] == 2


def test_a_score_has_reasons_and_errors_as_soon_as_one_run_has() -> None:
    def judged(run: Run) -> Verdict:
        return Verdict(0.5, "vague") if run.sample == 1 else Verdict(None, error="KeyError: 'x'")

    one, two = rows_of(runs_of(samples=2, scores={"judge": judged, "right": is_right}))
    assert list(one)[-4:] == ["judge", "judge.reason", "judge.error", "right"]
    assert (one["judge"], one["judge.reason"], one["judge.error"]) == (0.5, "vague", None)
    assert (two["judge"], two["judge.reason"], two["judge.error"]) == (None, None, "KeyError: 'x'")


def test_an_error_is_told_in_words_and_so_is_what_was_not_asked() -> None:
    def given(place: Place) -> Any:
        return answer("", error="out of order") if place.sample == 1 else None

    runs = runs_of(samples=3, answer=given)
    runs[2].skipped = "It would pass the budget."
    assert [(row["status"], row["error"]) for row in rows_of(runs)] == [
        ("error", "ServerError: out of order"),
        ("queued", None),
        ("skipped", "It would pass the budget."),
    ]


def test_an_object_is_there_where_a_schema_was_asked_for() -> None:
    schema = schema_of({"type": "object", "properties": {"city": {"type": "string"}}})
    [row] = rows_of(runs_of(schema=schema, answer=lambda place: '{"city": "Paris"}'))
    assert row["object"] == {"city": "Paris"}


def test_the_frame_has_the_rows_and_their_columns() -> None:
    runs = runs_of(cases=CASES, scores={"right": is_right})
    frame = frame_of(runs)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.columns) == list(rows_of(runs)[0])
    assert frame.text.tolist() == ["Paris", "Paris"]
    assert frame.right.tolist() == [True, False]


@pytest.mark.parametrize("arrived", [0, 1, 4])
def test_a_frame_can_be_reckoned_with_while_answers_are_missing(arrived: int) -> None:
    runs = runs_of(
        prompts=["terse", "polite"],
        samples=2,
        answer=lambda place: "Paris" if place.index < arrived else None,
        scores={"right": lambda run: True, "length": lambda run: float(len(run.text))},
    )
    frame = frame_of(runs)
    means = frame.groupby("prompt", sort=False)[["right", "length", "cost", "input_tokens"]].mean()
    assert means.right.count() == (arrived > 0) + (arrived > 2)
    assert means.length.dropna().tolist() == [5.0] * ((arrived > 0) + (arrived > 2))
    if arrived:
        assert len(frame[frame.right]) == arrived
        assert len(frame[~frame.right]) == 0
        assert frame.input_tokens.sum() == 10 * arrived


def test_numbers_that_pandas_has_no_integers_for_stay_as_they_are() -> None:
    frame = frame_of(runs_of(cases=[{"id": 10**30}, {"id": None}, {"id": 1}]))
    assert frame.id.tolist()[0] == 10**30


def test_right_and_wrong_among_numbers_are_numbers() -> None:
    runs = runs_of(samples=3, scores={"s": lambda run: [True, 0.5, None][run.sample - 1]})
    assert frame_of(runs).s.tolist()[:2] == [1.0, 0.5]


def test_without_pandas_the_frame_is_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    runs = runs_of(cases=CASES)
    assert frame_of(runs) == rows_of(runs)
