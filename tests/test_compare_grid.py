"""The grid: every combination once, and names of runs that only what is asked decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import ConfigError, get_model
from chatkit.compare.grid import Grid, grid_of, named_models, variants_of
from chatkit.prompts import Settings

URL = "http://127.0.0.1:1/v1"
WORDS = st.lists(st.text("abc", min_size=1, max_size=3), unique=True, min_size=1, max_size=3)
CASES = st.lists(st.fixed_dictionaries({"x": st.integers(0, 3)}), min_size=1, max_size=4)
NAMES = st.lists(st.sampled_from("mno"), unique=True, min_size=1)
TEMPERATURES = st.lists(st.sampled_from([0, 0.5, 1]), unique=True, min_size=1)


def made(
    prompts: list[tuple[str, Any]],
    models: list[str],
    cases: Any,
    temperatures: list[float],
    samples: int,
) -> Grid:
    known = [get_model(f"openai-chat/{name}", base_url=URL, api_key="k") for name in models]
    return grid_of(
        dict(prompts),
        known,
        cases,
        samples=samples,
        options={"temperature": temperatures},
        system=None,
        settings=lambda model, options: Settings(model, None, options),
    )


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_runs_are_named_by_what_they_ask_in_whatever_order(data: st.DataObject) -> None:
    prompts = [(word, f"{word} {{x}}") for word in data.draw(WORDS)]
    models, cases = data.draw(NAMES), data.draw(CASES)
    temperatures, samples = data.draw(TEMPERATURES), data.draw(st.integers(1, 3))
    grid = made(prompts, models, cases, temperatures, samples)
    count = len(prompts) * len(models) * len(cases) * len(temperatures) * samples
    keys = {run.key for run in grid.runs}
    assert len(grid.runs) == len(keys) == count
    assert [run.index for run in grid.runs] == list(range(count))

    shuffled = made(
        data.draw(st.permutations(prompts)),
        data.draw(st.permutations(models)),
        data.draw(st.permutations(cases)),
        data.draw(st.permutations(temperatures)),
        samples,
    )
    assert {run.key for run in shuffled.runs} == keys

    renamed = [(f"{name}!", text) for name, text in prompts]
    assert {run.key for run in made(renamed, models, cases, temperatures, samples).runs} == keys

    more = made(prompts, models, [*cases, {"x": 9}], temperatures, samples + 1)
    assert keys < {run.key for run in more.runs}


def test_a_text_asks_what_a_message_with_it_asks() -> None:
    text, message = "{x}?", [{"role": "user", "content": "{x}?"}]
    keys = [
        [run.key for run in made([("p", said)], ["m"], [{"x": 1}], [0], 2).runs]
        for said in (text, message)
    ]
    assert keys[0] == keys[1]


def test_lists_among_options_are_varied() -> None:
    given = {"temperature": [0, 1], "stop": ["a", "b"], "max_tokens": 5}
    fixed = {"stop": ["a", "b"], "max_tokens": 5}  # one value of it is a list
    assert variants_of(given) == [(fixed, {"temperature": 0}), (fixed, {"temperature": 1})]
    assert variants_of({"stop": [["a"], ["b"]]}) == [({}, {"stop": ["a"]}), ({}, {"stop": ["b"]})]
    assert variants_of([{"seed": 1}, {}]) == [({}, {"seed": 1}), ({}, {})]
    assert variants_of({}) == [({}, {})]


@pytest.mark.parametrize("options", [{"seed": []}, [], [3], "seed"])
def test_options_that_say_nothing_are_refused(options: Any) -> None:
    with pytest.raises(ConfigError, match="options"):
        variants_of(options)


def test_one_model_at_two_addresses_is_told_apart_by_its_names() -> None:
    here, there = (get_model("openai-chat/m", base_url=f"{URL}/{at}", api_key="k") for at in "ab")
    with pytest.raises(ConfigError, match="twice"):
        named_models([here, there])
    assert list(named_models({"here": here, "there": there})) == ["here", "there"]
