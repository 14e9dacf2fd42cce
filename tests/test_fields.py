"""`{field}` of a case in a text."""

from __future__ import annotations

from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatkit.errors import ConfigError
from chatkit.fields import escaped, fill, names_in, only_field, substitute

CASE: dict[str, Any] = {
    "country": "France",
    "price": 3.14159,
    "tags": ["old", "big"],
    "person": {"name": "Ada", "langs": ["fr", "en"]},
    "missing": None,
    "Unit price": 2,
    "geo.lat": 48.9,
    "0": "first",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Capital of {country}?", "Capital of France?"),
        ("{price:.2f} {country!r:>9}", "3.14  'France'"),
        ("{tags[1]} {person.name} {person[name]} {person.langs[0]}", "big Ada Ada fr"),
        ("{tags} {person}", '["old", "big"] {"name": "Ada", "langs": ["fr", "en"]}'),
        ("[{missing}]", "[]"),
        ("{Unit price} {Unit price:.1f} {geo.lat} {0}", "2 2.0 48.9 first"),
        ("{{country}} {{Unit price}} {{{country}}}", "{country} {Unit price} {{country}}"),
    ],
)
def test_a_field_in_braces_is_what_the_case_has_for_it(text: str, filled: str) -> None:
    assert fill(text, CASE) == filled


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": 1}}',
        "{}",
        "{1} { country } {a b}",
        "p {color: red}",
        r"\frac{a}{n} x_{country}",
    ],
)
def test_other_braces_stay_as_they_are(text: str) -> None:
    assert fill(text, CASE) == text
    assert names_in(text, CASE) == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{contry}", "the case has no field 'contry'; did you mean 'country'? It has 'country', "),
        ("{q:.2f}", "no field 'q'. It has 'country', 'price', 'tags', 'person'"),
        ("{q.a}", "To send braces as they are, write {{q.a}}"),
        ("{person.age}", "{person.age}: there is no 'age', only 'name', 'langs'"),
        ("{tags[7]}", "{tags[7]}: there is no [7], only 2"),
        (
            "{tags[x]}",
            "{tags[x]}: a list has no 'x'. To send braces as they are, write {{tags[x]}}",
        ),
        ("{country:.2f}", "{country:.2f}: Unknown format code 'f'"),
    ],
)
def test_a_field_that_there_is_not_is_told_of(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fill(text, CASE)
    assert told in str(caught.value)


def test_without_cases_the_error_says_that_there_are_none() -> None:
    with pytest.raises(ConfigError, match="It has none: give cases= with that field"):
        fill("{country}", {})


@pytest.mark.parametrize("path", ["__class__", "country.__class__", "price.real", "tags.append"])
def test_no_attribute_of_a_value_is_looked_at(path: str) -> None:
    with pytest.raises(ConfigError):
        fill(f"{{{path}}}", CASE)


@pytest.mark.parametrize(
    "spec", ["999999999d", "0>999999999", ".999999999f", ".999999999%", "%999999999d"]
)
def test_a_format_builds_no_gigabyte(spec: str) -> None:
    with pytest.raises(ConfigError, match="9,999 characters at most"):
        substitute(f"{{x:{spec}}}", lambda field: 1)


def test_a_value_that_is_no_number_for_its_format_is_told_of() -> None:
    with pytest.raises(ConfigError, match="too large"):
        fill("{x:f}", {"x": 10**400})


def test_what_a_case_says_is_not_filled_again() -> None:
    assert fill("{a}", {"a": "{b} {{c}}", "b": "secret"}) == "{b} {{c}}"


def test_the_fields_of_a_text_are_named_once_in_order() -> None:
    text = "{b} {a.x:.2f} {b!r} {{c}} {Unit price} {geo.lat}"
    assert names_in(text) == ["b", "a", "geo"]
    assert names_in(text, CASE) == ["b", "a", "Unit price", "geo.lat"]


def test_a_text_that_is_one_field_is_told_from_others() -> None:
    field = only_field("{table.shape[0]}")
    assert field is not None
    assert (field.name, field.steps, field.path) == (
        "table",
        (".shape", "[0]"),
        "table.shape[0]",
    )
    assert [only_field(text) for text in ("{a} b", "{a:.2f}", "{{a}}", r"\alpha", "")] == [None] * 5


def test_a_date_is_formatted_as_strftime_has_it() -> None:
    assert substitute("{x:%d.%m.%Y}", lambda field: date(2026, 11, 22)) == "22.11.2026"


TEXTS = st.text(alphabet="{}ab.:[0]%x!r\\_^ \n", max_size=40)


@settings(deadline=None)
@given(TEXTS)
def test_an_escaped_text_is_sent_as_it_was(text: str) -> None:
    assert fill(escaped(text), {}) == text


@settings(deadline=None)
@given(TEXTS, st.dictionaries(TEXTS, st.none() | st.text(max_size=3)))
def test_any_text_is_filled_or_refused(text: str, case: dict[str, Any]) -> None:
    with suppress(ConfigError):
        assert isinstance(fill(text, case), str)
    assert fill(escaped(text, case), case) == text
