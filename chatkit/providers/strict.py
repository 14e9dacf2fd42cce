"""Which JSON schemas a server can hold a model to exactly, by OpenAI's rules for `strict`.

https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
"""

from __future__ import annotations

from itertools import chain
from typing import Any

_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid")
_KNOWN = frozenset(
    "$defs $ref $schema additionalProperties anyOf const definitions description enum"
    " exclusiveMaximum exclusiveMinimum format items maxItems maximum minItems minimum multipleOf"
    " pattern properties required title type".split()
)
_SHAPES = {"properties": dict, "$defs": dict, "definitions": dict, "anyOf": list, "required": list}


def is_strict(schema: Any) -> bool:
    """Whether a request with this schema and `strict` is taken: each object closed, each of its
    properties required, and no keyword that is unknown there. The schema is an object's."""
    return isinstance(schema, dict) and schema.get("type") == "object" and _fits(schema)


def _fits(schema: Any) -> bool:
    if not isinstance(schema, dict) or not schema.keys() <= _KNOWN:
        return False
    if not all(isinstance(schema.get(name, kind()), kind) for name, kind in _SHAPES.items()):
        return False
    if "$ref" in schema:
        return schema.keys() == {"$ref"}
    if not schema.keys() & {"type", "anyOf"}:
        return False
    if schema.get("format", "date") not in _FORMATS:
        return False
    if _may_be("object", schema) and not _is_closed(schema):
        return False
    if _may_be("array", schema) and "items" not in schema:
        return False
    return all(map(_fits, _inner(schema)))


def _may_be(kind: str, schema: dict[str, Any]) -> bool:
    told = schema.get("type")
    return kind in told if isinstance(told, list) else kind == told


def _is_closed(schema: dict[str, Any]) -> bool:
    properties, required = schema.get("properties", {}), schema.get("required", [])
    is_whole = len(properties) == len(required) and all(name in required for name in properties)
    return is_whole and schema.get("additionalProperties") is False


def _inner(schema: dict[str, Any]) -> list[Any]:
    """The schemas within it."""
    named = (schema.get(name, {}).values() for name in ("properties", "$defs", "definitions"))
    items = [schema["items"]] if "items" in schema else []
    return [*schema.get("anyOf", []), *items, *chain.from_iterable(named)]
