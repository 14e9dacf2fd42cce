"""What differs, word by word, between two texts and between two columns of a comparison."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit import compare
from chatkit.compare.diff import Pair
from chatkit.compare.diff.pieces import Piece, diff_words
from chatkit.compare.runs import Runs
from chatkit.errors import ConfigError
from chatkit.messages import Message, TextPart
from chatkit.providers import Model
from tests.servers import Provider


def marked(a: str, b: str) -> str:
    """What became of `a` in `b`, as one text."""
    signs = {"same": ("", ""), "removed": ("[-", "-]"), "added": ("{+", "+}")}
    return "".join(f"{signs[kind][0]}{text}{signs[kind][1]}" for kind, text in diff_words(a, b))


# -- two texts --


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        ("", "", ""),
        ("It is Paris.", "It is Paris.", "It is Paris."),
        ("", "Paris", "{+Paris+}"),
        ("It is Paris.", "It is Lima.", "It is [-Paris-]{+Lima+}."),
        ("a b c d", "a x y d", "a [-b c-]{+x y+} d"),
        ("capital of France", "capital city of France", "capital {+city +}of France"),
        ("one\n\ntwo\n", "one\n\nthree\n", "one\n\n[-two-]{+three+}\n"),
        ("a  b", "a b", "a[-  -]{+ +}b"),
        ("一二三四", "一二六四", "一二[-三-]{+六+}四"),
        ("f(x)=1", "f(y)=1", "f([-x-]{+y+})=1"),
    ],
)
def test_what_differs_is_told_in_whole_words(a: str, b: str, told: str) -> None:
    assert marked(a, b) == told


def is_sound(a: str, b: str, pieces: list[Piece]) -> bool:
    before = "".join(piece.text for piece in pieces if piece.kind != "added")
    after = "".join(piece.text for piece in pieces if piece.kind != "removed")
    return (before, after) == (a, b) and all(piece.text for piece in pieces)


WORDS = st.text("ab .\n,é二", max_size=30)


@settings(deadline=None)
@given(WORDS, WORDS)
def test_the_pieces_joined_are_the_texts_again(a: str, b: str) -> None:
    assert is_sound(a, b, diff_words(a, b))


@settings(deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
def test_so_they_are_of_any_text(a: str, b: str) -> None:
    assert is_sound(a, b, diff_words(a, b))


@pytest.mark.parametrize("sentence", ["The {} of it is long. ", "{} ha "])
def test_of_very_long_texts_what_changed_is_found_too(sentence: str) -> None:
    a = "".join(sentence.format(number) for number in range(5_000))
    b = a.replace(" 777 ", " 777 CHANGED ")
    pieces = diff_words(a, b)
    assert is_sound(a, b, pieces)
    assert sum(len(piece.text) for piece in pieces if piece.kind == "same") > 0.9 * len(a)


def test_texts_of_few_words_that_are_repeated_are_told_apart_too() -> None:
    a, b = "ha " * 50_000, "ha " * 49_999 + "he "
    assert is_sound(a, b, diff_words(a, b))
    assert is_sound(a, a[::-1], diff_words(a, a[::-1]))


# -- two columns --

COUNTRIES = [{"country": "France"}, {"country": "Peru"}]


def said(text: str) -> Message:
    """An answer that is over."""
    return Message(id="1", role="assistant", parts=(TextPart(text),), status="complete")


@pytest.fixture
def runs(model: Model) -> Runs:
    """Two prompts at two temperatures, twice each, for two countries."""
    return compare(
        {"terse": "Capital of {country}?", "polite": "The capital of {country}, please?"},
        model,
        COUNTRIES,
        options={"temperature": [0, 0.7]},
        samples=2,
    ).wait()


def test_two_prompts_are_compared_answer_by_answer(runs: Runs) -> None:
    diff = runs.diff("terse", "polite")
    assert (len(diff), diff.different, diff.same, diff.missing) == (8, 8, 0, 0)
    for pair in diff:
        assert (pair.a.prompt, pair.b.prompt) == ("terse", "polite")
        assert pair.a.place.case == pair.b.place.case
        assert (pair.a.options, pair.a.sample) == (pair.b.options, pair.b.sample)
    text = repr(diff)
    assert "terse → polite: 8 of 8 pairs differ" in text
    assert "country: France · temperature 0 · sample 1\nAnswer to: " in text
    assert "Answer to: [-Capital-]{+The capital+} of France{+, please+}?" in text
    assert "… 3 more that differ: diff[5:]" in text


def test_two_values_of_an_option_are_compared(runs: Runs) -> None:
    diff = runs.diff(("temperature", 0), ("temperature", 0.7))
    assert (len(diff), diff.different) == (8, 0)
    assert repr(diff) == "0 → 0.7: 0 of 8 pairs differ"
    assert len(runs.diff(0, 0.7)) == 8
    assert len(runs.diff(("sample", 1), ("sample", 2))) == 8


def test_what_is_compared_may_be_chosen(runs: Runs) -> None:
    diff = runs.diff("terse", "polite", country="Peru", temperature=0, model=None)
    assert [pair.a.case for pair in diff] == [COUNTRIES[1]] * 2


def test_two_models_are_compared_and_what_is_the_same_comes_last(model: Model) -> None:
    runs = compare("{input}", {"a": model, "b": model}, ["one", "two"]).wait()
    runs.where(model="b", input="two")[0].message = said("2")
    diff = runs.diff("a", "b")
    assert [pair.is_same for pair in diff] == [False, True]
    assert diff[0].a.case == {"input": "two"}


def test_an_answer_that_is_not_there_yet_is_counted_and_not_compared(
    model: Model, provider: Provider
) -> None:
    provider.refuse(400, {"error": {"message": "no"}})
    runs = compare(
        {"a": "A {input}", "b": "B {input}"}, model, ["one", "two"], concurrency=1
    ).wait()
    diff = runs.diff("a", "b")
    assert (len(diff), diff.missing) == (1, 1)
    assert "1 of 1 pair differ, 1 pair not answered" in repr(diff)


@pytest.mark.parametrize(
    ("columns", "told"),
    [
        (
            ("terse", "polit"),
            "there is no column 'polit'; did you mean 'polite'? There are 'terse'",
        ),
        (("x", "terse"), "('temperature', 0), ('temperature', 0.7)"),
        (("terse", "openai-chat/test"), "are not of the same kind"),
        ((("temperature", 0), ("temperature", 1)), "no column ('temperature', 1)"),
    ],
)
def test_a_column_that_there_is_not_is_told_of(runs: Runs, columns: Any, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        runs.diff(*columns)
    assert told in str(caught.value)


def test_the_page_marks_what_differs_and_runs_nothing_of_it(runs: Runs) -> None:
    hostile = "<script>alert(1)</script> & <b>"
    [first, *_] = runs.where(prompt="polite")
    first.message = said(hostile)
    html = runs.diff("terse", "polite")._repr_html_()
    assert "<del>Capital</del><ins>The capital</ins> of Peru<ins>, please</ins>?" in html
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;" in html


def test_a_long_stretch_that_is_the_same_is_shortened(runs: Runs) -> None:
    [one, *_], [two, *_] = runs.where(prompt="terse"), runs.where(prompt="polite")
    for run, end in ((one, "Paris"), (two, "Lyon")):
        run.message = said(f"{'long ' * 200}{end}")
    pair = runs.diff("terse", "polite")[0]
    assert re.search(r" … .{150}\[-Paris-\]\{\+Lyon\+\}$", repr(pair))
    assert len(pair._repr_html_()) < 3_000
    assert isinstance(pair, Pair)
