"""Which schemas a model can be held to exactly."""

from __future__ import annotations

from typing import Any

import pytest

from chatkit.providers.strict import is_strict

TEXT = {"type": "string"}


def closed(**properties: Any) -> dict[str, Any]:
    """An object of just these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "schema",
    [
        closed(),
        {"type": "object", "additionalProperties": False},
        closed(city=TEXT, size={"type": ["integer", "null"], "minimum": 0}),
        closed(places={"type": "array", "items": closed(city=TEXT), "maxItems": 3}),
        closed(one={"anyOf": [TEXT, {"type": "null"}]}, day={"type": "string", "format": "date"}),
        {**closed(tree={"$ref": "#/$defs/Tree"}), "$defs": {"Tree": closed(name=TEXT)}},
        {**closed(city={**TEXT, "description": "Its name."}), "title": "City"},
    ],
)
def test_closed_objects_are_strict(schema: dict[str, Any]) -> None:
    assert is_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
        {**closed(a=TEXT), "required": []},
        {**closed(a=TEXT), "additionalProperties": True},
        closed(a={"type": "object"}),
        closed(a={"type": "array", "items": {"type": "object"}}),
        closed(a={"anyOf": [{"type": "object"}, TEXT]}),
        {**closed(a={"$ref": "#/$defs/A"}), "$defs": {"A": {"type": "object"}}},
        closed(a={**TEXT, "default": "x"}),
        closed(a={**TEXT, "minLength": 1}),
        closed(a={**TEXT, "format": "uri"}),
        closed(a={"$ref": "#", "description": "itself"}),
        closed(a={}),
        closed(a=True),
        closed(a={"type": "array", "items": True}),
        closed(a={"type": "array"}),
        closed(a={"type": ["object", "null"]}),
        {"type": "array", "items": TEXT},
        {"anyOf": [closed(), closed()]},
        {**closed(a=TEXT), "required": [["a"]]},
        closed(a={"type": "object", "properties": []}),
        {},
    ],
)
def test_anything_more_open_is_not(schema: dict[str, Any]) -> None:
    assert not is_strict(schema)
