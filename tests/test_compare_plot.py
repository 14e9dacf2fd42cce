"""The plot of a comparison: points where the numbers are, words for all of it, and no way out."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import ConfigError
from chatkit.compare.labels import money, seconds_words, short_number
from chatkit.compare.plot import Plot, plot_of
from chatkit.compare.plot.axis import Quantity, scale
from chatkit.compare.plot.scatter import WIDTH, Point, scatter
from chatkit.compare.run import Place
from chatkit.messages import Message
from tests.comparing import FakeRuns, answer, runs_of
from tests.hostile import SHORT

SVG = "{http://www.w3.org/2000/svg}"
COST, SCORE = Quantity("cost", money), Quantity("right", short_number, (0.0, 1.0))
CASES = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "capital": "Lima"}]
NAMES = st.text(st.characters(codec=None, categories=None), max_size=12)


def capitals(place: Place) -> Message:
    """All is right but what the small model says of Peru."""
    is_wrong = place.model == "local/small" and place.case["country"] == "Peru"
    cost = 0.002 if place.prompt == "polite" else 0.001
    return answer("Quito" if is_wrong else place.case["capital"], cost=cost, seconds=2.0)


def compared(**changes: object) -> FakeRuns:
    given: dict[str, object] = {
        "prompts": ["terse", "polite"],
        "models": ["local/small", "openai/large"],
        "cases": CASES,
        "answer": capitals,
        "scores": {"right": lambda run: run.case["capital"] in run.text},
    }
    return runs_of(**(given | changes))  # type: ignore[arg-type]


def drawing(plot: Plot) -> ElementTree.Element:
    """Its SVG, read as XML."""
    return ElementTree.fromstring(plot.svg)


def points(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """The points by the first line of what they tell."""
    groups = [group for group in root.iter(f"{SVG}g") if group.get("class") == "point"]
    return {str(group.findtext(f"{SVG}title")).partition("\n")[0]: group for group in groups}


def at(group: ElementTree.Element) -> tuple[float, float]:
    found = re.fullmatch(r"translate\((\S+) (\S+)\)", str(group.get("transform")))
    assert found is not None
    return float(found[1]), float(found[2])


def texts(root: ElementTree.Element, kind: str | None = None) -> list[str]:
    shown = [each for each in root.iter(f"{SVG}text") if each.get("class") == kind]
    return [str(each.text) for each in shown]


def test_each_prompt_and_model_is_a_point_higher_where_it_is_better() -> None:
    found = points(drawing(plot_of(compared())))
    assert set(found) == {
        f"{prompt} · {model}"
        for prompt in ("terse", "polite")
        for model in ("local/small", "openai/large")
    }
    worse, better = at(found["terse · local/small"]), at(found["terse · openai/large"])
    assert worse[0] == better[0]
    assert worse[1] > better[1]
    dearer = at(found["polite · local/small"])
    assert dearer[0] > worse[0]
    assert dearer[1] == worse[1]


def test_a_point_tells_its_mean_its_interval_and_what_it_costs() -> None:
    group = points(drawing(plot_of(compared())))["terse · local/small"]
    told = str(group.findtext(f"{SVG}title")).split("\n")
    assert re.fullmatch(r"right: 0\.5 \(0\.0\d+ to 0\.9\d+\)", told[1])
    assert told[2:] == ["cost per answer: $0.001", "2 answers"]
    assert [path.get("class") for path in group.iter(f"{SVG}path")] == ["whisker", "shape"]


def test_the_colour_is_the_models_and_the_shape_the_prompts() -> None:
    found = points(drawing(plot_of(compared())))
    looks = {
        name: (group.get("style"), group.findall(f"{SVG}path")[-1].get("d"))
        for name, group in found.items()
    }
    terse, polite = looks["terse · local/small"], looks["polite · local/small"]
    other = looks["terse · openai/large"]
    assert terse[0] == polite[0] != other[0]
    assert terse[1] == other[1] != polite[1]


def test_a_legend_names_what_there_are_several_of() -> None:
    shown = texts(drawing(plot_of(compared())))
    assert {"model", "local/small", "openai/large", "prompt", "terse", "polite"} <= set(shown)
    alone = texts(drawing(plot_of(compared(prompts=["terse"], models=["openai/large"]))))
    assert not {"model", "prompt"} & set(alone)


def test_options_and_system_prompts_make_points_of_their_own() -> None:
    runs = compared(
        prompts=["terse"], systems=["kind", "strict"], variants=[{"seed": 1}, {"seed": "1"}]
    )
    assert "terse · kind · local/small · seed '1'" in (found := points(drawing(plot_of(runs))))
    assert len(found) == 8


def test_against_seconds_the_median_counts() -> None:
    runs = compared(
        answer=lambda place: answer(seconds=9.0 if place.sample == 1 else 1.0), samples=3
    )
    told = [
        str(group.findtext(f"{SVG}title"))
        for group in points(drawing(plot_of(runs, against="seconds"))).values()
    ]
    assert all("median seconds: 1 s" in each for each in told)


def test_where_no_cost_is_known_it_is_against_seconds() -> None:
    runs = compared(answer=lambda place: answer(cost=None))
    assert "median seconds" in plot_of(runs).summary
    asked_for = plot_of(runs, against="cost")
    assert asked_for.svg == ""
    assert 'plot(against="seconds")' in asked_for.summary


def test_what_has_no_cost_is_left_out_and_named() -> None:
    runs = compared(answer=lambda place: answer(cost=None if place.model == "local/small" else 0.1))
    plot = plot_of(runs)
    assert set(points(drawing(plot))) == {"terse · openai/large", "polite · openai/large"}
    assert "terse · local/small" in plot.missing
    assert "terse · local/small" in plot._repr_html_()


def test_without_scores_cost_is_shown_against_seconds() -> None:
    plot = plot_of(compared(scores={}))
    assert plot.summary == "Cost per answer against median seconds of 4 points."
    assert "whisker" not in [path.get("class") for path in drawing(plot).iter(f"{SVG}path")]


@pytest.mark.parametrize("runs", [runs_of(prompts=[]), runs_of(answer=lambda place: None)])
def test_where_there_is_nothing_to_plot_a_sentence_says_so(runs: FakeRuns, tmp_path: Path) -> None:
    plot = plot_of(runs)
    assert plot._repr_html_() == "<p>There are no answers to plot yet.</p>"
    with pytest.raises(ConfigError, match="no answers to plot yet"):
        plot.save(tmp_path / "plot.svg")


def test_where_nothing_is_scored_yet_a_sentence_says_so() -> None:
    plot = plot_of(compared(scores={"right": lambda run: None}))
    assert plot._repr_html_() == "<p>No answer has a known right to plot.</p>"


def test_a_score_that_there_is_not_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no score 'wrong': there is 'right'"):
        plot_of(compared(), score="wrong")
    with pytest.raises(ConfigError, match="no score 'wrong': compare"):
        plot_of(compared(scores={}), score="wrong")
    with pytest.raises(ConfigError, match='"cost" or "seconds"'):
        plot_of(compared(), against="time")


def test_a_saved_plot_stands_alone_and_brings_its_paper(tmp_path: Path) -> None:
    plot = plot_of(compared())
    path = plot.save(tmp_path / "plot.svg")
    root = ElementTree.parse(path).getroot()
    assert root.get("class") == "ck-plot alone"
    assert str(root.get("aria-label")) == plot.summary
    with pytest.raises(ConfigError, match=r"\.png"):
        plot.save(tmp_path / "plot.png")


def test_who_cannot_see_it_is_told_the_best() -> None:
    root = drawing(plot_of(compared()))
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "The mean of right against cost per answer of 4 points; the highest is"
        " terse · openai/large with 1 at $0.001."
    )


def test_scores_beyond_one_have_an_axis_of_their_own() -> None:
    runs = compared(scores={"stars": lambda run: 4.0 if run.prompt == "polite" else 3.0})
    root = drawing(plot_of(runs))
    assert "4" in texts(root)
    found = points(root)
    assert at(found["polite · local/small"])[1] < at(found["terse · local/small"])[1]


def test_costs_over_more_than_two_decades_stand_on_a_logarithm() -> None:
    across = scale([0.001, 0.01, 1.0], 0, 600)
    assert across.is_log
    assert across(0.01) - across(0.001) == pytest.approx(across(0.1) - across(0.01))
    assert not scale([0.001, 0.1], 0, 600).is_log
    with_zero = scale([0.0, 0.001, 1.0], 0, 600)
    assert with_zero(0.0) == 0 < with_zero(0.001)
    assert with_zero.ticks()[:2] == [0.0, 0.001]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (money(0.001), "$0.001"),
        (money(0.0000621), "$0.0000621"),
        (money(0), "$0"),
        (money(1250), "$1,250"),
        (seconds_words(1.25), "1.25 s"),
        (short_number(-0.5), "-0.5"),
        (short_number(1505), "1,505"),
        (short_number(3e-12), "3e-12"),
    ],
)
def test_numbers_are_written_as_people_write_them(told: str, words: str) -> None:
    assert told == words


NUMBERS = st.floats(-1e15, 1e15, exclude_min=True, exclude_max=True)


@given(st.lists(NUMBERS, min_size=1, max_size=20), st.booleans())
@settings(max_examples=300, deadline=None)
def test_every_number_has_its_place_and_some_are_written(values: list[float], up: bool) -> None:
    start, end = (300.0, 20.0) if up else (60.0, 600.0)
    axis = scale(values, start, end)
    low, high = sorted((start, end))
    assert all(low <= axis(value) <= high for value in values)
    ordered = [axis(value) for value in sorted(values)]
    assert ordered == sorted(ordered, reverse=up)
    assert 1 <= len(axis.ticks()) <= 12
    assert all(low - 1 <= axis(tick) <= high + 1 for tick in axis.ticks())


POINTS = st.builds(
    Point,
    st.floats(0, 1e6),
    st.floats(0, 1),
    st.sampled_from("abc"),
    st.sampled_from("xyz"),
    st.text("ab c界", min_size=1, max_size=60),
)


@given(st.lists(POINTS, min_size=1, max_size=25))
@settings(max_examples=100, deadline=None)
def test_labels_cover_neither_each_other_nor_a_point(given: list[Point]) -> None:
    root = ElementTree.fromstring(scatter(given, COST, SCORE, summary="s"))
    labels = []
    for text in root.iter(f"{SVG}text"):
        if text.get("class") == "label":
            left, bottom = float(str(text.get("x"))), float(str(text.get("y")))
            width = sum(13 if letter == "界" else 7 for letter in str(text.text))
            labels.append((left, bottom - 11, left + width, bottom + 3))
    for one, other in combinations(labels, 2):
        assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
    for left, top, right, bottom in labels:
        assert 0 <= left <= right <= WIDTH
        for group in points(root).values():
            x, y = at(group)
            assert not (left < x < right and top < y < bottom)


def test_of_many_points_those_are_named_that_are_cheapest_for_what_they_give() -> None:
    stars = {"p0": 1.0, "p2": 5.0, "p7": 5.0}
    runs = runs_of(
        prompts=[f"p{number}" for number in range(9)],
        answer=lambda place: answer(cost=1.0 + int(place.prompt[1:])),
        scores={"stars": lambda run: stars.get(run.prompt, 0.0)},
    )
    assert texts(drawing(plot_of(runs)), "label") == ["p2", "p0"]


def check(svg: str) -> ElementTree.Element:
    """Its only elements and attributes are those of a drawing."""
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        name = element.tag.removeprefix(SVG)
        assert name in {"svg", "style", "g", "title", "path", "text"}
        allowed = {"class", "role", "width", "viewBox", "aria-label", "d", "x", "y"}
        assert set(element.attrib) <= allowed | {"style", "transform", "text-anchor"}
        assert re.fullmatch(r"(color:#[0-9a-f]{6})?", element.get("style", ""))
    return root


@pytest.mark.parametrize("family", sorted({case.family for case in SHORT}))
def test_hostile_names_are_words_and_nothing_else(family: str) -> None:
    for case in [case for case in SHORT if case.family == family][::3]:
        name = case.text()
        runs = runs_of(prompts=[name, "b"], models=[f"m {name}"], scores={name: lambda run: True})
        plot = plot_of(runs)
        root = check(plot.svg)
        assert case.mark in "".join(root.itertext()), case
        assert "<script" not in plot._repr_html_()


@given(st.lists(NAMES, min_size=1, max_size=4, unique=True), NAMES)
@settings(max_examples=100, deadline=None)
def test_whatever_the_names_are_it_is_well_formed(names: list[str], score: str) -> None:
    runs = runs_of(prompts=names, models=names, scores={score: lambda run: True})
    assert len(points(check(plot_of(runs).svg))) >= 1
