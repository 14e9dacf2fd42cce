"""Functions as tools: what a model is told of them, and what they return as JSON."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import numpy
import pandas
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatkit import tool
from chatkit.errors import ConfigError, SchemaMismatch
from chatkit.providers.dialect import ToolSpec
from chatkit.tools import Tool, as_tools, to_output


def forecast(city: str, days: int = 3) -> str:
    """The weather of a city.

    From the national service.

    Args:
        city: Its name, in English.
        days: How many days.

    Returns:
        One line a day.
    """
    return f"Sun in {city}. " * days


def test_a_tool_tells_a_model_what_its_docstring_says() -> None:
    spec: ToolSpec = tool(forecast)
    assert spec.name == "forecast"
    assert spec.description == (
        "The weather of a city.\n\nFrom the national service.\n\nReturns: One line a day."
    )
    assert spec.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Its name, in English."},
            "days": {"type": "integer", "description": "How many days.", "default": 3},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def numpy_style(x: int) -> None:
    """Double.

    Parameters
    ----------
    x : int
        A number.
    """


def sphinx_style(x: int) -> None:
    """Double.

    :param x: A number.
    """


@pytest.mark.parametrize("function", [numpy_style, sphinx_style])
def test_other_styles_of_docstrings_are_read_too(function: Any) -> None:
    made = tool(function)
    assert made.description == "Double."
    assert made.parameters["properties"]["x"]["description"] == "A number."


def freely(x: int) -> None:
    """Note: this one has
    no sections: only text.
    """


def test_a_docstring_without_parameters_is_kept_whole() -> None:
    assert tool(freely).description == "Note: this one has\nno sections: only text."
    assert tool(lambda: None, name="bare").description == ""


def test_a_decorated_function_is_still_that_function() -> None:
    @tool
    def double(x: int) -> int:
        return 2 * x

    @tool(approve=True, main=True, repeatable=True, name="thrice")
    def treble(x: int) -> int:
        return 3 * x

    assert double(4) == 8
    assert treble(x=4) == 12
    assert (double.name, double.approve, double.main, double.repeatable) == (
        "double", False, False, False
    )  # fmt: skip
    assert (treble.name, treble.approve, treble.main, treble.repeatable) == (
        "thrice", True, True, True
    )  # fmt: skip


def test_an_asynchronous_function_is_awaited_by_whoever_calls_it() -> None:
    @tool
    async def later(x: int) -> int:
        return x

    assert asyncio.run(later(3)) == 3


def test_arguments_are_checked_and_converted() -> None:
    made = tool(forecast)
    assert made.arguments({"city": "Lisbon", "days": "2"}) == {"city": "Lisbon", "days": 2}
    with pytest.raises(SchemaMismatch, match=r"It is required - at `\$.city`"):
        made.arguments({})


def test_tools_go_by_their_names() -> None:
    second = tool(forecast, name="second")
    found = as_tools([forecast, second])
    assert list(found) == ["forecast", "second"]
    assert found["second"] is second


def yields(x: int) -> Any:
    yield x


async def yields_later(x: int) -> Any:
    yield x


REFUSED: list[tuple[Any, str]] = [
    ([forecast, forecast], "two tools are named 'forecast'"),
    ([lambda x: x], "'<lambda>': name it"),
    ([3], "a tool is a function, not 3"),
    (["forecast"], "a tool is a function, not 'forecast'"),
    ([Tool], "a tool is a function, not <class"),
    ([yields], "yields its results: return them as a list"),
    ([yields_later], "yields its results: return them as a list"),
    ([print], "name each parameter"),
    (forecast, "tools is a list of functions, not <function forecast"),
]


@pytest.mark.parametrize(("values", "words"), REFUSED, ids=[words[:40] for _, words in REFUSED])
def test_what_is_no_tool_is_refused(values: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        as_tools(values)


@pytest.mark.parametrize("name", ["größe", "a b", "1st", "x" * 65, "a.b", "a\n"])
def test_a_name_that_a_provider_would_refuse_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="name it, as in tool"):
        tool(forecast, name=name)


async def rule(arguments: Any) -> bool:
    return True


def test_a_rule_that_would_have_to_be_awaited_is_refused() -> None:
    with pytest.raises(ConfigError, match="approve= of the tool 'forecast' is an async function"):
        tool(forecast, approve=rule)  # type: ignore[arg-type]  # so says the type too


# -- outputs --


class Colour(Enum):
    RED = "red"


@dataclass
class City:
    name: str
    founded: date | None = None


class Leg(msgspec.Struct, rename="camel"):
    travel_time: int


class Geo(pydantic.BaseModel):
    lat: float
    at: datetime = datetime(2026, 1, 1, tzinfo=UTC)


class Rude:
    def __repr__(self) -> str:
        raise KeyError("no repr")


class Plain:
    def __repr__(self) -> str:
        return "Plain()"


ID = UUID(int=1)
OUTPUTS: list[tuple[Any, Any]] = [
    (None, None),
    ("text", "text"),
    ("half \ud83d", "half \ufffd"),
    ({"\ud83d": ["\ud83d\ude00"]}, {"\ufffd": ["😀"]}),
    (float("nan"), "nan"),
    ([float("-inf"), 1.5], ["-inf", 1.5]),
    (2**70, str(2**70)),
    (City("Lisbon", date(1200, 1, 1)), {"name": "Lisbon", "founded": "1200-01-01"}),
    ({"legs": (Leg(3),)}, {"legs": [{"travelTime": 3}]}),
    ([Geo(lat=1)], [{"lat": 1.0, "at": "2026-01-01T00:00:00Z"}]),
    ([Colour.RED, Path("/a"), Decimal("1.5"), ID], ["red", "/a", "1.5", str(ID)]),
    ([datetime(2026, 1, 1), timedelta(1)], ["2026-01-01T00:00:00", "P1D"]),
    ({1: {2}}, {"1": [2]}),
    (deque(range(2)), [0, 1]),
    ([numpy.int64(3), numpy.float64("nan"), numpy.bool_(True)], [3, "nan", True]),
    (numpy.array([[1.0, 2.0]]), [[1.0, 2.0]]),
    (pandas.Timestamp("2026-01-01"), "2026-01-01T00:00:00"),
    (Plain(), "Plain()"),
    ([1j, Plain], ["1j", repr(Plain)]),
    ({(1, 2): 3}, "{(1, 2): 3}"),
]


@pytest.mark.parametrize(("value", "output"), OUTPUTS, ids=lambda it: repr(it)[:30])
def test_what_a_function_returns_becomes_json(value: Any, output: Any) -> None:
    assert to_output(value) == output
    assert type(to_output(value)) is type(output)


def test_an_object_that_cannot_show_itself_is_shown_by_its_class() -> None:
    assert to_output(Rude()).startswith("<Rude instance at")


def test_a_value_within_itself_is_shown_as_python_shows_it() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert to_output(ring) == "[[...]]"


def test_a_table_is_csv_that_says_what_was_left_out() -> None:
    small = to_output(pandas.DataFrame({"a": [1], "b": ["x,y"]}))
    assert small.endswith('\na,b\n1,"x,y"\n')
    large = to_output({"table": pandas.DataFrame({"a": range(10**5)})})
    assert "rows in the middle are left out" in large["table"]
    assert len(large["table"]) <= 20_000


@pytest.mark.parametrize("value", ["x" * 10**6, ["x" * 10**6], [0] * 10**5, {"a": 10**4 * ["é"]}])
def test_what_is_too_long_is_cut_and_says_so(value: Any) -> None:
    output = to_output(value)
    if len(json.dumps(value, ensure_ascii=False)) <= 100_000:
        assert output == value
    else:
        assert output.startswith(("xxx", '["xxx', "[0, 0"))
        assert "\n[cut: these are the first 100000 of " in output
        assert len(output) < 100_100


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.binary()
    | st.decimals()
    | st.datetimes()
    | st.complex_numbers()
    | st.builds(Rude)
    | st.sampled_from([Plain(), Colour.RED, Leg(1), Geo(lat=1), numpy.float32(0.1), ...]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters()) | st.integers() | st.none() | st.floats(), inner)
        | st.tuples(inner)
        | st.builds(City, inner)
    ),
    max_leaves=8,
)


@given(anything)
def test_whatever_a_function_returns_can_be_stored_and_sent(value: Any) -> None:
    output = to_output(value)
    assert json.loads(json.dumps(output, allow_nan=False, ensure_ascii=False).encode()) == output
    msgspec.json.encode(output)
