"""Types as JSON schemas, what models write as values of them, and JSON as it grows."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict

import jsonschema
import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import Doc

from chatkit.errors import ConfigError, SchemaMismatch, describe, revive
from chatkit.schema import Schema, json_of, parameters_of, partial_json, schema_of
from tests.strategies import json_values, names
from tests.test_layering import run


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Word(Enum):
    NULL = "null"


@dataclass
class City:
    """A place."""

    name: str
    people: Annotated[int, "of the whole area"] = 0
    colour: Colour = Colour.RED
    founded: datetime | None = None


@dataclass
class Family:
    name: str
    children: list[Family] = field(default_factory=list)


class Route(TypedDict):
    start: str
    stops: NotRequired[Annotated[list[City], Doc("in order")]]


class Point(NamedTuple):
    x: int
    y: int = 0


class Leg(msgspec.Struct, rename="camel"):
    travel_time: Annotated[int, msgspec.Meta(description="minutes", ge=0)]


class Geo(pydantic.BaseModel):
    lat: float = pydantic.Field(ge=-90, le=90, description="degrees north")


class Tree(pydantic.BaseModel):
    kind: Literal["oak", "elm"]
    kids: list[Tree] = []
    geo: Geo | None = None


@dataclass
class Place:
    """A dataclass with a model of pydantic's in it."""

    geo: Geo
    label: Annotated[str, "for the map"]


class Cat(pydantic.BaseModel):
    kind: Literal["cat"]


class Dog(pydantic.BaseModel):
    kind: Literal["dog"]


class Pet(pydantic.BaseModel):
    one: Cat | Dog = pydantic.Field(discriminator="kind")


class Plain:
    """A class that no library knows."""


PERSON = {
    "title": "a person",
    "type": "object",
    "properties": {"name": {"$ref": "#/$defs/name"}, "age": {"type": "integer"}},
    "required": ["name"],
    "$defs": {"name": {"type": "string", "minLength": 1}},
}

CITY = City("Lisbon", 500_000)
LOADED: list[tuple[Any, Any, Any]] = [
    (City, {"name": "Lisbon", "people": 500_000}, CITY),
    (City, {"name": "Lisbon", "people": "500000", "extra": 1}, CITY),
    (Family, {"name": "a", "children": [{"name": "b"}]}, Family("a", [Family("b")])),
    (
        Route,
        {"start": "a", "stops": [{"name": "Lisbon"}]},
        {"start": "a", "stops": [City("Lisbon")]},
    ),
    (Leg, {"travelTime": 3}, Leg(3)),
    (Geo, {"lat": "3.5"}, Geo(lat=3.5)),
    (Tree, {"kind": "oak", "kids": [{"kind": "elm"}]}, Tree(kind="oak", kids=[Tree(kind="elm")])),
    (Place, {"geo": {"lat": 1}, "label": "a"}, Place(Geo(lat=1), "a")),
    (Pet, {"one": {"kind": "dog"}}, Pet(one=Dog(kind="dog"))),
    (PERSON, {"name": "Ada", "age": 36}, {"name": "Ada", "age": 36}),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (Point, {"value": [1, 2]}, Point(1, 2)),
    (list[City], {"value": [{"name": "Lisbon", "people": 500_000}]}, [CITY]),
    (list[Geo], {"value": [{"lat": 1}]}, [Geo(lat=1)]),
    (list[City], [], []),
    (City | None, {"value": None}, None),
    (Literal["a", "b"], {"value": "a"}, "a"),
    (Colour, {"value": "blue"}, Colour.BLUE),
    (int, {"value": "3"}, 3),
    (int | str, {"value": "3"}, "3"),
    (int, {"value": 3.0}, 3),
    (Word | None, {"value": "null"}, Word.NULL),
    (Path, {"value": "/a"}, Path("/a")),
    (date, {"value": "2026-01-31"}, date(2026, 1, 31)),
    (Decimal, {"value": 1.5}, Decimal("1.5")),
    (Annotated[int, pydantic.Field(ge=3)], {"value": 3}, 3),
    ({"type": "array", "items": {"type": "integer"}}, {"value": [1]}, [1]),
    (Any, {"value": {"a": None}}, {"a": None}),
]


@pytest.mark.parametrize(("kind", "value", "loaded"), LOADED, ids=lambda it: repr(it)[:30])
def test_what_a_model_writes_becomes_a_value_of_the_type(
    kind: Any, value: Any, loaded: Any
) -> None:
    assert schema_of(kind).load(value) == loaded


MISFITS: list[tuple[Any, Any, str]] = [
    (City, {"name": "a", "people": "many"}, "Expected `int`, got `str` - at `$.people`."),
    (City, {}, "Object missing required field `name` - at `$`."),
    (Family, {"name": "a", "children": [{"name": 1}]}, "got `int` - at `$.children[0].name`."),
    (Tree, {"kind": "ash"}, "Input should be 'oak' or 'elm' - at `$.kind`."),
    (Geo, {"lat": 91}, "less than or equal to 90 - at `$.lat`."),
    (Leg, {"travelTime": -1}, "Expected `int` >= 0 - at `$.travelTime`."),
    (list[int], {"value": [1, "x"]}, "got `str` - at `$.value[1]`."),
    (list[int], "x", "Expected `array`, got `str` - at `$.value`."),
    (list[Geo], {"value": [{}]}, "Field required - at `$.value[0].lat`."),
    (Path, {"value": 3}, "Expected `str`, got `int` - at `$.value`."),
    (PERSON, {"name": "", "age": "x"}, "'x' is not of type 'integer' - at `$.age`; '' should be"),
    (PERSON, 3, "3 is not of type 'object' - at `$`."),
]


@pytest.mark.parametrize(("kind", "value", "words"), MISFITS, ids=lambda it: repr(it)[:30])
def test_a_mismatch_says_where_and_what_was_expected(kind: Any, value: Any, words: str) -> None:
    with pytest.raises(SchemaMismatch) as raised:
        schema_of(kind).load(value)
    assert words in str(raised.value)
    assert json.loads(raised.value.text) == value or kind in (list[int],)


def test_a_mismatch_is_the_same_once_it_was_stored() -> None:
    revived = revive(json.loads(json.dumps(describe(SchemaMismatch("No.", text="{")))))
    assert isinstance(revived, SchemaMismatch)
    assert (str(revived), revived.text) == ("No.", "{")


def deep(levels: int = 50_000) -> dict[str, Any]:
    value: dict[str, Any] = {"name": "last", "kind": "oak"}
    for _ in range(levels):
        value = {"name": "a", "kind": "oak", "children": [value], "kids": [value]}
    return value


@pytest.mark.parametrize("kind", [Family, Tree])
def test_what_is_nested_without_end_is_a_mismatch(kind: type) -> None:
    with pytest.raises(SchemaMismatch, match="nested too deeply"):
        schema_of(kind).load(deep())


cities = st.builds(
    City, st.text(), st.integers(), st.sampled_from(Colour), st.none() | st.datetimes()
)


@given(st.builds(Family, st.text(), st.lists(st.builds(Family, st.text()))) | cities)
def test_a_value_of_a_type_fits_its_schema_and_loads_as_itself(value: City | Family) -> None:
    schema = schema_of(type(value))
    written = msgspec.to_builtins(value)
    jsonschema.Draft202012Validator(schema.json).validate(written)
    assert schema.load(written) == value


def schemas(node: Any) -> list[dict[str, Any]]:
    """Every dict in a schema, but for maps of names to schemas."""
    if isinstance(node, list):
        return [found for each in node for found in schemas(each)]
    if not isinstance(node, dict):
        return []
    inner = [
        found
        for key, value in node.items()
        for each in (value.values() if key in ("properties", "$defs") else [value])
        for found in schemas(each)
    ]
    return [node, *inner]


@pytest.mark.parametrize("kind", [row[0] for row in LOADED if row[0] is not PERSON], ids=str)
def test_a_schema_is_a_closed_object_without_needless_references(kind: Any) -> None:
    schema = schema_of(kind).json
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert "$ref" not in schema
    for node in schemas(schema):
        assert not node.keys() & {"title", "discriminator", "oneOf"}
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]
        if "properties" in node:
            assert node["additionalProperties"] is False


def test_the_schema_of_a_dataclass_is_this() -> None:
    assert schema_of(City) == Schema("City", {
        "type": "object",
        "description": "A place.",
        "properties": {
            "name": {"type": "string"},
            "people": {"type": "integer", "description": "of the whole area", "default": 0},
            "colour": {"type": "string", "enum": ["blue", "red"], "default": "red"},
            "founded": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        },
        "required": ["name"],
        "additionalProperties": False,
    }, read=lambda value: value)  # fmt: skip


def test_only_what_names_itself_keeps_a_reference() -> None:
    family = schema_of(list[Family]).json
    assert family["properties"]["value"] == {
        "type": "array", "items": {"$ref": "#/$defs/Family"}
    }  # fmt: skip
    assert list(family["$defs"]) == ["Family"]
    assert "$defs" not in schema_of(list[Place]).json


def test_descriptions_come_from_any_kind_of_annotation() -> None:
    assert schema_of(Route).json["properties"]["stops"]["description"] == "in order"
    assert schema_of(Leg).json["properties"]["travelTime"]["description"] == "minutes"
    assert schema_of(Geo).json["properties"]["lat"]["description"] == "degrees north"
    assert schema_of(Place).json["properties"]["label"]["description"] == "for the map"


def test_a_json_schema_is_sent_as_it_is_and_not_shared() -> None:
    given = json.loads(json.dumps(PERSON))
    schema = schema_of(given)
    given["properties"].clear()
    assert (schema.name, schema.json) == ("a_person", PERSON)


def test_references_still_lead_somewhere_in_a_json_schema_that_is_wrapped() -> None:
    nested = schema_of({"type": "array", "items": {"$ref": "#"}, "maxItems": 1})
    validator = jsonschema.Draft202012Validator(nested.json)
    assert validator.is_valid({"value": [[[]]]})
    assert not validator.is_valid({"value": [[[], []]]})
    named = schema_of({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}})
    assert jsonschema.Draft202012Validator(named.json).is_valid({"value": 3})
    assert named.load({"value": 3}) == 3


def test_null_for_what_may_be_left_out_leaves_it_out() -> None:
    written = {"name": "a", "people": None, "colour": None, "founded": None}
    assert schema_of(City).load(written) == City("a")
    assert schema_of(PERSON).load({"name": "a", "age": None}) == {"name": "a"}
    assert schema_of(list[City]).load({"value": [written]}) == [City("a")]
    nested = {"kind": "oak", "kids": [{"kind": "oak", "kids": None}], "geo": None}
    assert schema_of(Tree).load(nested) == Tree(kind="oak", kids=[Tree(kind="oak")])
    with pytest.raises(SchemaMismatch):
        schema_of(City).load({"name": None})


BAD: list[tuple[Any, str]] = [
    (3, "3 has no JSON schema"),
    (CITY, "give a dataclass"),
    (complex, "<class 'complex'> has no JSON schema"),
    (list["Nowhere"], "no JSON schema"),  # type: ignore[name-defined]  # noqa: F821
    (City | Family, "more than one dataclass"),
    ({"type": "strnig"}, r"this is no JSON schema: 'strnig' .*\$\.type"),
    ({"pattern": "("}, "this is no JSON schema"),
    ({"$ref": "https://example.org/a.json"}, r"has no 'https://example.org/a.json': put it into"),
    ({"items": {"$ref": "#/$defs/b"}}, r"/\$defs/b"),
    (dict[str, Geo | Plain], "pydantic can make no JSON schema of .*Plain"),
]


@pytest.mark.parametrize(("kind", "words"), BAD, ids=lambda it: repr(it)[:30])
def test_what_has_no_schema_is_refused_at_once(kind: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        schema_of(kind)


def test_pydantic_and_the_rest_are_imported_only_for_those_who_use_them() -> None:
    code = """
import sys
from dataclasses import make_dataclass
from chatkit.schema import schema_of
schema_of(list[make_dataclass("City", [("name", str)])]).load({"value": [{"name": "a"}]})
print({"pydantic", "jsonschema", "jiter"} & set(sys.modules))
"""
    assert run(code) == "set()\n"


# -- parameters --


def plan(  # type: ignore[no-untyped-def]  # as people write it
    city: Annotated[str, "Where to."],
    nights: int = 1,
    *,
    on: datetime,
    place: Place | None = None,
    colours: list[Colour] = [],  # noqa: B006
    note: str = None,  # type: ignore[assignment]  # noqa: RUF013
    extra=None,
) -> None:
    """Plan a trip."""


def test_the_parameters_of_a_function_are_this() -> None:
    schema = parameters_of(plan)
    properties = schema.json["properties"]
    assert schema.name == "plan"
    assert schema.json["required"] == ["city", "on"]
    assert schema.json["additionalProperties"] is False
    assert properties["city"] == {"type": "string", "description": "Where to."}
    assert properties["nights"] == {"type": "integer", "default": 1}
    assert properties["on"] == {"type": "string", "format": "date-time"}
    assert properties["colours"]["items"] == {"type": "string", "enum": ["blue", "red"]}
    assert properties["note"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert properties["extra"] == {"default": None}


def test_arguments_are_converted_and_what_is_left_out_stays_out() -> None:
    written = {
        "city": "Lisbon",
        "nights": "3",
        "on": "2026-05-01T10:00:00",
        "place": {"geo": {"lat": 38}, "label": "a"},
        "colours": ["red"],
        "note": None,
        "extra": [1],
    }
    assert parameters_of(plan).load(written) == {
        "city": "Lisbon",
        "nights": 3,
        "on": datetime(2026, 5, 1, 10),
        "place": Place(Geo(lat=38), "a"),
        "colours": [Colour.RED],
        "note": None,
        "extra": [1],
    }
    least = {"city": "a", "on": "2026-05-01T10:00:00"}
    assert parameters_of(plan).load({**least, "nights": None}).keys() == least.keys()


def test_a_mismatch_names_every_argument_that_is_wrong() -> None:
    with pytest.raises(SchemaMismatch) as raised:
        parameters_of(plan).load({"town": "a", "on": "soon", "place": {"geo": {}, "label": "a"}})
    assert str(raised.value) == (
        "It is required - at `$.city`; Invalid RFC3339 encoded datetime - at `$.on`;"
        " Field required - at `$.place.geo.lat`; There is no such property; there are city,"
        " nights, on, place, colours, note, extra - at `$.town`."
    )
    with pytest.raises(SchemaMismatch, match="Expected `object`, got `list`"):
        parameters_of(plan).load([])


class Desk:
    def book(self, city: str) -> str:
        return city

    def __call__(self, nights: int) -> int:
        return nights


def test_bound_methods_partials_and_callable_objects_have_parameters_too() -> None:
    assert list(parameters_of(Desk().book).json["properties"]) == ["city"]
    assert list(parameters_of(Desk()).json["properties"]) == ["nights"]
    assert parameters_of(partial(plan, city="Lisbon")).json["required"] == ["on"]


def starred(*cities: str) -> None: ...
def keyed(**cities: str) -> None: ...
def by_position(city: str, /) -> None: ...
def unresolved(city: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def broken(city: "a b") -> None: ...  # type: ignore[valid-type]  # noqa: F722
def hopeless(city: complex) -> None: ...


REFUSED: list[tuple[Callable[..., Any], str]] = [
    (starred, r"starred takes \*cities: name each parameter"),
    (keyed, r"keyed takes \*\*cities: name each parameter"),
    (by_position, "by_position takes city by position only: remove the /"),
    (unresolved, "name 'Nowhere' is not defined.*at the top level"),
    (broken, "broken has an annotation that is no type"),
    (hopeless, "parameter 'city' of hopeless: .*complex.*give a dataclass"),
    (Desk.book, "book is a method of no object"),
    (max, "max does not tell its parameters"),
]


@pytest.mark.parametrize(("function", "words"), REFUSED, ids=lambda it: repr(it)[:20])
def test_a_function_that_a_model_cannot_call_is_refused(
    function: Callable[..., Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        parameters_of(function)


def test_two_different_types_of_one_name_are_refused_where_both_name_themselves() -> None:
    def clash(a: Family, b: Any) -> None: ...

    @dataclass
    class Other:
        kin: list[Family]

    Other.__name__ = Other.__qualname__ = "Family"
    Other.__annotations__["kin"] = list[Other]
    clash.__annotations__.update(b=Other)
    with pytest.raises(ConfigError, match="two different types are named Family"):
        parameters_of(clash)


# -- JSON in text --


def grows_into(part: Any, whole: Any) -> bool:
    """Whether a value is a beginning of another; the last number in it may be cut."""
    match part, whole:
        case dict(), dict():
            names = list(part)
            return names == list(whole)[: len(names)] and all(
                grows_into(part[name], whole[name]) for name in names
            )
        case list(), list():
            return len(part) <= len(whole) and all(map(grows_into, part, whole))
        case str(), str():
            return whole.startswith(part)
        case int() | float(), int() | float():
            return True
    return part is whole


objects = st.dictionaries(names, json_values, max_size=3) | st.lists(json_values, max_size=3)


@given(objects, st.sampled_from([None, 2]), st.booleans())
def test_every_beginning_of_an_object_is_a_beginning_of_its_value(
    value: Any, indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    for end in range(len(text)):
        part = partial_json(text[:end])
        assert part is None or grows_into(part, value), text[:end]
    assert partial_json(text) == value == json_of(text)


@given(objects)
def test_json_is_found_in_a_fence_and_amid_talk(value: Any) -> None:
    text = json.dumps(value)
    for told in (f"```json\n{text}\n```", f"Sure {{here}}:\n```\n{text}\n```\nAnything else?"):
        assert json_of(told) == value
        assert partial_json(told) == value
    if isinstance(value, dict):
        assert json_of(f"As [1] says: {text} So it is.") == value


FRAGMENTS = st.lists(
    st.sampled_from([*'{}[]":,\\ -.e019', '{"', '"a":', "```json\n", "```", "NaN", "true", "\n"])
).map("".join)


@given(FRAGMENTS | st.text())
def test_no_text_raises_anything_but_a_mismatch(text: str) -> None:
    partial_json(text)
    with suppress(SchemaMismatch):
        json_of(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        (' "a" ', "a"),
        ('{"a": "one\ntwo"}', {"a": "one\ntwo"}),
        ('{"a": "```json\\n{"}', {"a": "```json\n{"}),
        ('{"a": {"b": 1}} {"c": 2}', {"a": {"b": 1}}),
    ],
)
def test_json_of_takes_what_models_write(text: str, value: Any) -> None:
    assert json_of(text) == value


@pytest.mark.parametrize(
    "text", ["", "no", '{"a": 1', '{"a": {"b": 1}, c}', '{"a": NaN}', "[" * 10**5, "9" * 5000]
)
def test_json_of_refuses_what_is_none(text: str) -> None:
    with pytest.raises(SchemaMismatch) as raised:
        json_of(text)
    assert raised.value.text == text


def test_an_object_is_seen_from_its_first_brace_on() -> None:
    assert partial_json("Sure! ") is None
    assert partial_json("Sure! {") == {}
    assert partial_json('Sure! {"a": "on') == {"a": "on"}
    assert partial_json('{"a": "one\nt') == {"a": "one t"}
    assert partial_json("```json\n[1, 2") == [1, 2]
