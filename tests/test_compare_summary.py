"""The numbers of a comparison for each prompt and model, and how they are shown."""

from __future__ import annotations

from typing import Any

import pandas
import pytest

from chatkit.compare.run import Place, Run
from chatkit.compare.summary import Summary
from chatkit.compare.summary.statistics import estimate, sign_test, wilson
from chatkit.messages import Message
from chatkit.scores.verdict import Verdict
from tests.comparing import FakeRuns, answer, runs_of
from tests.test_cards import EVIL, assert_inert


def is_paris(run: Run) -> bool:
    return "Paris" in run.text


def asked(right: dict[tuple[str, str], str], **grid: Any) -> FakeRuns:
    """Runs of prompt x model that are right where a row of `right` has a `1`: a digit a run."""

    def said(place: Place) -> str | None:
        digit = right[place.prompt, place.model][place.case_index * samples + place.sample - 1]
        return {"1": "Paris", "0": "Rome", "-": None}[digit]

    samples = grid.get("samples", 1)
    cases = len(next(iter(right.values()))) // samples
    return runs_of(
        prompts=list(dict.fromkeys(prompt for prompt, _ in right)),
        models=list(dict.fromkeys(model for _, model in right)),
        cases=[{"n": n} for n in range(cases)],
        answer=said,
        **{"scores": {"right": is_paris}, **grid},
    )


def test_each_prompt_and_model_has_its_mean_and_interval() -> None:
    runs = asked(
        {("terse", "a"): "1101", ("terse", "b"): "0000", ("polite", "a"): "1111"}
        | {("polite", "b"): "1000"}
    )
    rows = {(row["prompt"], row["model"]): row for row in Summary(runs).rows()}
    assert {names: row["right"] for names, row in rows.items()} == {
        ("terse", "a"): 0.75,
        ("terse", "b"): 0.0,
        ("polite", "a"): 1.0,
        ("polite", "b"): 0.25,
    }
    row = rows["terse", "a"]
    assert (row["right.low"], row["right.high"]) == wilson(0.75, 4)
    assert (row["runs"], row["answers"], row["errors"], row["right.scored"]) == (4, 4, 0, 4)


def test_samples_are_clustered_by_case_and_tell_how_often_one_of_them_passes() -> None:
    [row] = Summary(asked({("terse", "a"): "110100000"}, samples=3)).rows()
    told = estimate([[1, 1, 0], [1, 0, 0], [0, 0, 0]])
    assert told is not None
    assert (row["right"], (row["right.low"], row["right.high"])) == told
    assert row["right.pass@1"] == pytest.approx(1 / 3)
    assert row["right.pass@2"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert row["right.pass@3"] == pytest.approx(2 / 3)


def test_a_case_with_too_few_answers_yet_is_left_out_of_pass_at_k() -> None:
    [row] = Summary(asked({("terse", "a"): "11-0--"}, samples=3)).rows()
    assert row["right"] == 0.5
    assert row["right.pass@2"] == 1.0
    assert row["right.pass@3"] is None


def test_a_number_counts_as_right_from_1_or_from_its_threshold() -> None:
    runs = runs_of(samples=2, scores={"judge": lambda run: 0.8 if run.sample == 1 else 0.2})
    assert Summary(runs).rows()[0]["judge.pass@2"] == 0.0
    runs.thresholds["judge"] = 0.7
    assert Summary(runs).rows()[0]["judge.pass@2"] == 1.0


def test_tokens_and_costs_are_added_up_and_those_of_judges_apart() -> None:
    def said(place: Place) -> Message:
        seconds = float(place.sample)
        if place.sample == 3:
            return answer("Par", error="broke off", cost=0.01, seconds=seconds, tokens=(10, 1))
        return answer("Paris", cost=0.002, seconds=seconds, tokens=(10, 20))

    runs = runs_of(
        samples=4, answer=said, scores={"judge": lambda run: Verdict(0.5, "fair", cost=0.5)}
    )
    [row] = Summary(runs).rows()
    assert row["cost"] == pytest.approx(0.016)
    assert row["judges_cost"] == pytest.approx(1.5)
    assert row["cost_per_answer"] == pytest.approx(0.002)
    assert (row["input_tokens"], row["output_tokens"]) == (40, 61)
    assert row["output_tokens_per_answer"] == 20
    assert row["seconds"] == 2.0
    assert (row["answers"], row["errors"]) == (3, 1)
    assert "$0.016 · judges $1.50" in repr(Summary(runs))


def test_what_nobody_knows_is_none_and_not_nothing() -> None:
    runs = runs_of(answer=lambda place: answer(cost=None, tokens=None, seconds=None))
    [row] = Summary(runs).rows()
    for name in ("cost", "cost_per_answer", "judges_cost", "input_tokens", "seconds"):
        assert row[name] is None
    assert "$" not in repr(Summary(runs))


def test_a_score_that_failed_is_counted_and_said() -> None:
    def fails_once(run: Run) -> Verdict:
        return Verdict(None, error="KeyError: 'x'") if run.sample == 2 else Verdict(True)

    summary = Summary(runs_of(samples=3, scores={"right": fails_once}))
    [row] = summary.rows()
    assert (row["right"], row["right.scored"], row["right.failed"]) == (1.0, 2, 1)
    assert "right failed on 1 answer" in repr(summary)


def test_prompts_are_matched_by_case_and_sample_for_each_model() -> None:
    runs = asked({("terse", "a"): "1100", ("polite", "a"): "0111"})
    [pair] = Summary(runs).wins()
    assert pair == {
        "score": "right",
        "between": "prompt",
        "first": "terse",
        "second": "polite",
        "prompt": None,
        "system": "",
        "model": "a",
        "options": "",
        "wins": 1,
        "ties": 1,
        "losses": 2,
        "p": sign_test(1, 2),
    }


def test_models_are_matched_for_each_prompt_and_nothing_else_is() -> None:
    names = [(prompt, model) for prompt in ("x", "y") for model in ("a", "b", "c")]
    pairs = Summary(asked(dict.fromkeys(names, "10"))).wins()
    told = [
        (pair["between"], pair["prompt"] or pair["model"], pair["first"], pair["second"])
        for pair in pairs
    ]
    assert sorted(told) == [
        *(("model", prompt, *two) for prompt in "xy" for two in ("ab", "ac", "bc")),
        *(("prompt", model, "x", "y") for model in "abc"),
    ]


def test_who_wins_is_tested_over_cases_as_samples_of_one_are_not_independent() -> None:
    runs = asked({("x", "a"): "1111" * 2, ("y", "a"): "0000" * 2}, samples=4)
    [pair] = Summary(runs).wins()
    assert (pair["wins"], pair["p"]) == (8, sign_test(2, 0))
    [pair] = Summary(asked({("x", "a"): "1111", ("y", "a"): "0000"}, samples=4)).wins()
    assert (pair["wins"], pair["p"]) == (4, sign_test(4, 0))
    assert "over samples" in repr(Summary(runs_of(samples=2, scores={"right": is_paris})))


def test_only_answers_that_both_have_are_matched() -> None:
    [pair] = Summary(asked({("x", "a"): "11-1", ("y", "a"): "0-00"})).wins()
    assert (pair["wins"], pair["ties"], pair["losses"]) == (2, 0, 0)
    assert Summary(asked({("x", "a"): "1-", ("y", "a"): "-1"})).wins() == []


def test_options_and_system_prompts_are_compared_too() -> None:
    variants: list[dict[str, Any]] = [{"temperature": 0}, {"temperature": "0"}]
    summary = Summary(
        runs_of(systems=["kind", "rude"], variants=variants, scores={"right": is_paris})
    )
    assert [(row["system"], row["temperature"]) for row in summary.rows()] == [
        ("kind", 0),
        ("kind", "0"),
        ("rude", 0),
        ("rude", "0"),
    ]
    told = {(pair["first"], pair["second"]) for pair in summary.wins()}
    assert told == {("kind", "rude"), ("temperature 0", "temperature '0'")}


def test_names_that_are_taken_are_told_apart() -> None:
    runs = runs_of(variants=[{"cost": 1}], scores={"seconds": lambda run: 0.5, "right": is_paris})
    [row] = Summary(runs).rows()
    assert row["option.cost"] == 1
    assert row["cost"] == 0.001
    assert (row["score.seconds"], row["seconds"]) == (0.5, 1.0)
    assert "score.seconds" in repr(Summary(runs))


def test_it_is_shown_as_aligned_text_with_the_best_marked() -> None:
    def said(place: Place) -> Message:
        is_right = place.model == "local/a" or place.case_index < 3
        cost, seconds = (0.0021, 1.5) if place.model == "local/a" else (0.013, 1.0)
        return answer("Paris" if is_right else "Rome", cost=cost, seconds=seconds)

    runs = runs_of(
        models=["local/a", "openai/b"],
        cases=[{"n": n} for n in range(6)],
        answer=said,
        scores={"right": is_paris},
    )
    assert repr(Summary(runs)).splitlines() == [
        "2 models × 6 cases · 12 of 12 answered · $0.091",
        "model     answers                right  tokens       cost  seconds",
        "local/a         6  ★ 1.00 [0.61, 1.00]       5  ★ $0.0021    1.5 s",
        "openai/b        6    0.50 [0.19, 0.81]       5    $0.0130  ★ 1.0 s",
        "in brackets the 95 % interval over cases · tokens and cost of an answer, median seconds",
        "",
        "Who wins at the same case and sample",
        "first    second    score  wins  ties  losses      p",
        "local/a  openai/b  right     3     3       0  0.250",
        "p is of a sign test over cases, for each row by itself",
    ]


def test_while_answers_are_missing_it_says_of_how_many() -> None:
    told = repr(Summary(asked({("x", "a"): "11--", ("y", "a"): "----"})))
    assert told.splitlines()[0] == "2 prompts × 4 cases · 2 of 8 answered so far · $0.0020"
    assert told.splitlines()[2].split()[:5] == ["x", "2", "of", "4", "1.00"]
    assert told.splitlines()[3].split() == ["y", "0", "of", "4", "–", "–", "–", "–"]


def test_as_good_is_as_good_and_nothing_is_marked() -> None:
    assert "★" not in repr(Summary(asked({("x", "a"): "10", ("y", "a"): "01"})))


def test_it_stays_as_it_was_while_more_arrives() -> None:
    runs = asked({("x", "a"): "1-"})
    summary = Summary(runs)
    before = repr(summary)
    runs[1].message = answer("Rome")
    runs[1].scores = {"right": Verdict(False)}
    assert repr(summary) == before
    assert Summary(runs).rows()[0]["right"] == 0.5


def test_nothing_in_its_html_runs() -> None:
    runs = runs_of(
        prompts=[EVIL, "polite"],
        models=[EVIL + "2", "b"],
        variants=[{EVIL: EVIL}, {EVIL: "1"}],
        scores={EVIL: is_paris},
    )
    html = Summary(runs)._repr_html_()
    assert_inert(html)
    assert "Who wins" in html
    assert "\x1b" not in repr(Summary(runs))


def test_of_very_many_pairs_the_least_likely_are_shown() -> None:
    names = {(f"p{n}", "a"): "1" * n + "0" * (12 - n) for n in range(12)}
    summary = Summary(asked(names))
    assert len(summary.wins()) == 66
    told = repr(summary)
    assert "… and 46 more in summary.wins()" in told
    assert min(pair["p"] for pair in summary.wins()) == sign_test(11, 0)
    assert "<0.001" in told


def test_a_side_of_very_many_names_is_not_compared_two_by_two() -> None:
    assert Summary(asked({(f"p{n}", "a"): "1" for n in range(31)})).wins() == []


def test_the_frame_has_the_rows() -> None:
    frame = Summary(asked({("x", "a"): "1-", ("y", "a"): "--"})).df
    assert isinstance(frame, pandas.DataFrame)
    assert frame.answers.tolist() == [1, 0]
    assert frame.right.mean() == 1.0


def test_a_score_too_large_to_reckon_with_is_left_out() -> None:
    runs = runs_of(samples=3, scores={"s": lambda run: [1e308, 2.0, 4.0][run.sample - 1]})
    assert Summary(runs).rows()[0]["s"] == 3.0
