"""What the prompts of a comparison are tried on."""

from __future__ import annotations

import csv
import io
import json
from collections import namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit.compare.cases import cases_of
from chatkit.errors import ConfigError
from tests import strategies

CAPITALS = [{"country": "France", "capital": "Paris"}, {"country": "Peru", "capital": "Lima"}]


def written(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_bytes(text.encode(encoding))
    return path


def refusal(cases: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        cases_of(cases)
    return str(caught.value)


# -- values --


def test_no_cases_are_one_without_fields() -> None:
    assert cases_of(None) == [{}]


def test_dicts_are_cases_and_are_not_those_of_the_caller() -> None:
    given = [{"country": "France", 1: [1, {"a": (2, 3)}]}]
    found = cases_of(given)
    assert found == [{"country": "France", "1": [1, {"a": [2, 3]}]}]
    assert found[0] is not given[0]


def test_texts_and_numbers_are_the_field_input() -> None:
    assert cases_of(["a", 2, 2.5, None]) == [{"input": each} for each in ("a", 2, 2.5, None)]
    assert cases_of(range(2)) == [{"input": 0}, {"input": 1}]
    assert cases_of(np.array(["a"])) == [{"input": "a"}]


def test_named_cases_have_their_name_as_a_field() -> None:
    assert cases_of({"fr": {"country": "France"}}) == [{"case": "fr", "country": "France"}]


@dataclass
class City:
    name: str
    population: int


class Town(msgspec.Struct):
    name: str
    population: int


class Village(pydantic.BaseModel):
    name: str
    population: int


@pytest.mark.parametrize("kind", [City, Town, Village, namedtuple("Place", "name population")])
def test_an_object_with_fields_is_a_case(kind: Any) -> None:
    city = {"name": "Lyon", "population": 5}
    assert cases_of([kind(**city)]) == [city]
    assert cases_of([{"city": kind(**city)}]) == [{"city": city}]


@pytest.mark.parametrize("library", [pd, pl])
def test_a_data_frame_is_a_case_a_row(library: Any) -> None:
    assert cases_of(library.DataFrame(CAPITALS)) == CAPITALS
    assert cases_of(library.DataFrame({"n": [1, 2], "x": [0.5, None]})) == [
        {"n": 1, "x": 0.5},
        {"n": 2, "x": None},
    ]
    kinds = {
        type(value) for case in cases_of(library.DataFrame({"n": [1]})) for value in case.values()
    }
    assert kinds == {int}


@pytest.mark.parametrize("library", [pd, pl])
def test_a_series_is_a_field_by_its_name(library: Any) -> None:
    frame = library.DataFrame(CAPITALS)
    assert cases_of(frame["country"]) == [{"country": "France"}, {"country": "Peru"}]
    assert cases_of(library.Series(["a", "b"])) == [{"input": "a"}, {"input": "b"}]


def test_a_named_index_is_a_field_and_a_counting_one_is_not() -> None:
    frame = pd.DataFrame(CAPITALS)
    assert cases_of(frame.set_index("country")) == CAPITALS
    assert cases_of(frame.iloc[1:]) == CAPITALS[1:]


def test_columns_of_any_name_are_fields() -> None:
    assert cases_of(pd.DataFrame([[1, 2]], columns=[0, "Unit price"])) == [
        {"0": 1, "Unit price": 2}
    ]
    levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("price", "usd")]))
    assert cases_of(levels) == [{"price.usd": 1}]
    assert "has 'a' twice" in refusal(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    assert "has '1' twice" in refusal([{1: "a", "1": "b"}])


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (np.array([[1, 2]]), [[1, 2]]),
        (np.datetime64("2026-11-22"), "2026-11-22"),
        (pd.Period("2026-11"), "2026-11"),
        (pd.Timedelta("90s"), "0 days 00:01:30"),
        (float("nan"), None),
        (float("inf"), "inf"),
        (np.float64("nan"), None),
        (np.datetime64("NaT"), None),
        (pd.NaT, None),
        (pd.NA, None),
        (pd.Timestamp("2026-11-22 10:00"), "2026-11-22T10:00:00"),
        (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22T00:00:00+00:00"),
        (Decimal("1.50"), "1.50"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        ({"b", "a"}, ["a", "b"]),
        (pl.Series([1, None]), [1, None]),
    ],
)
def test_values_are_as_json_has_them(value: Any, plain: Any) -> None:
    [case] = cases_of([{"x": value}])
    assert case == {"x": plain}
    assert type(case["x"]) is type(plain)
    json.dumps(case, allow_nan=False)


def test_a_column_of_times_with_gaps_is_texts_and_nothing() -> None:
    frame = pd.DataFrame({"at": pd.to_datetime(["2026-11-22", None])})
    assert cases_of(frame) == [{"at": "2026-11-22T00:00:00"}, {"at": None}]


@pytest.mark.parametrize(
    ("cases", "told"),
    [
        ([], "cases= has no case in it"),
        (pd.DataFrame({"a": []}), "cases= has no case in it"),
        (7, "cases= is 7; it takes a DataFrame, a list of dicts or of texts"),
        ({"country": "France"}, "a case is in a list, cases=[{...}]"),
        ([{"x": object}], "cases[0]: field 'x' is a type, "),
        ([b"raw"], "cases[0] is a bytes, b'raw'; a case is of texts"),
        ("France", "cases='France' is no .csv, .tsv, .jsonl"),
        ("no/such.csv", "cannot be read: [Errno 2] No such file or directory: 'no/such.csv'"),
        ("\0.csv", "cannot be read: "),
    ],
)
def test_what_is_no_case_is_refused_in_words(cases: Any, told: str) -> None:
    assert told in refusal(cases)


def test_a_value_in_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    assert "cases[0]: field 'x' is nested too deep, or in itself" in refusal([{"x": loop}])


# -- files --


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_file_is_cases_of_texts(
    tmp_path: Path, encoding: str, separator: str, end: str
) -> None:
    rows = [["País", "n"], ["São Tomé, e\nPríncipe", "007"], ["", '"x"; y']]
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator=end).writerows(rows)
    path = written(tmp_path, "a.csv", out.getvalue(), encoding)
    expected = [{"País": rows[1][0], "n": "007"}, {"País": "", "n": '"x"; y'}]
    assert cases_of(path) == cases_of(str(path)) == expected


def test_commas_in_a_tsv_file_separate_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, "a.tsv", "a,b,c\td\n1,5\t2\n\n")
    assert cases_of(path) == [{"a,b,c": "1,5", "d": "2"}]


def test_the_index_that_pandas_writes_is_no_field(tmp_path: Path) -> None:
    pd.DataFrame(CAPITALS).to_csv(tmp_path / "a.csv")
    assert cases_of(tmp_path / "a.csv") == CAPITALS


def test_a_text_in_a_csv_file_may_be_long(tmp_path: Path) -> None:
    long = "word " * 50_000
    before = csv.field_size_limit()
    assert cases_of(written(tmp_path, "a.csv", f'a\n"{long}"\n')) == [{"a": long}]
    assert csv.field_size_limit() == before


def test_json_files_keep_what_is_nested(tmp_path: Path) -> None:
    lines = '\ufeff{"a": [1, {"b": null}]}\r\n\n{"a": "x\u2028y"}\n"text"'
    expected = [{"a": [1, {"b": None}]}, {"a": "x\u2028y"}, {"input": "text"}]
    assert cases_of(written(tmp_path, "a.jsonl", lines)) == expected
    assert cases_of(written(tmp_path, "a.json", json.dumps(expected))) == expected
    assert cases_of(written(tmp_path, "b.json", '[{"a": NaN}]')) == [{"a": None}]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("a.csv", "", "has no case in it"),
        ("a.csv", "a,b\n", "has no case in it"),
        ("a.csv", "a,b\n1,2\n3\n", "a.csv', line 3, has 1 values, and the header 2: a text with"),
        ("a.csv", "a\n1\n2,3\n", "line 3, has 2 values, and the header 1"),
        ("a.csv", 'a,b\n"x"y,2\n', "line 2: ',' expected after '\"'. A quotation mark within"),
        ("a.csv", 'a,b\n"x,2\n', "unexpected end of data"),
        ("a.csv", "a,a\n1,2\n", "has 'a' twice"),
        ("a.csv", "a,\n1,2\n", "line 1: a column has no name"),
        ("a.jsonl", '{"a": 1}\n{"a": }\n', "a.jsonl', line 2, is not JSON: Expecting value"),
        ("a.json", "[1", "a.json', is not JSON"),
        ("a.json", "[" * 100_000, "a.json', is not JSON"),
        ("a.json", '{"a": 1}', "is not a list of cases: write [{...}, {...}]"),
        ("a.xlsx", "", "give the DataFrame, such as pandas.read_excel(...)"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    assert told in refusal(written(tmp_path, name, text))


def test_a_file_of_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "a.csv", "a\nplain\nSão\n", "latin-1")
    assert "line 3, is not UTF-8: save it as UTF-8, or give pandas.read_csv" in refusal(path)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(data=st.data())
def test_every_csv_file_is_read_as_it_was_written(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = data.draw(st.lists(st.text("abc ÄÖ", min_size=1), min_size=1, max_size=4, unique=True))
    rows = data.draw(
        st.lists(st.fixed_dictionaries(dict.fromkeys(names, CELLS)), min_size=1, max_size=4)
    )
    out = io.StringIO(newline="")
    table = csv.DictWriter(out, names, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    assert cases_of(written(tmp_path_factory.getbasetemp(), "all.csv", out.getvalue())) == rows


@given(
    cases=st.lists(
        st.dictionaries(st.text(max_size=4), strategies.json_values), min_size=1, max_size=4
    )
)
def test_every_json_file_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, cases: list[dict[str, Any]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    lines = "\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    assert cases_of(written(folder, "all.jsonl", lines)) == cases
    assert cases_of(written(folder, "all.json", json.dumps(cases))) == cases
