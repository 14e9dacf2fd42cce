"""JSON schemas as trees: without references, closed, tidy. Knows their words and no library."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

JSON = dict[str, Any]
Change = Callable[[JSON], JSON]

_REF = "#/$defs/"
_SHARED = ("$defs", "definitions")
# Where a schema holds schemas; all else in it (`enum`, `default`, ...) is values.
_NAMED = ("properties", "patternProperties", "dependentSchemas", *_SHARED)
_LISTS = ("anyOf", "allOf", "oneOf", "prefixItems")
_SINGLE = (
    *("items", "additionalProperties", "contains", "propertyNames", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def each(schema: JSON, change: Change) -> JSON:
    """The schema with each schema directly in it changed."""

    def changed(key: str, value: Any) -> Any:
        if key in _NAMED and isinstance(value, dict):
            return {name: sub(inner) for name, inner in value.items()}
        if key in _LISTS and isinstance(value, list):
            return [sub(inner) for inner in value]
        return sub(value) if key in _SINGLE else value

    def sub(inner: Any) -> Any:
        return change(inner) if isinstance(inner, dict) else inner  # True and False are schemas

    return {key: changed(key, value) for key, value in schema.items()}


def references(schema: JSON) -> list[str]:
    """Every `$ref` in the schema."""
    found = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []

    def visit(node: JSON) -> JSON:
        found.extend(references(node))
        return node

    each(schema, visit)
    return found


def inlined(schema: JSON) -> JSON:
    """The schema with what its references name in their place; what names itself stays in `$defs`.

    The root is never a reference: providers ask for an object there.
    """
    defs: dict[str, JSON] = schema.get("$defs", {})
    recursive = {name for name in defs if name in _reached(defs[name], defs)}

    def whole(node: JSON) -> JSON:
        name = _referred(node)
        return each(node, whole) if name is None or name in recursive else whole(replaced(node))

    def replaced(node: JSON) -> JSON:
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return {**defs[_referred(node) or ""], **beside}

    root = {key: value for key, value in schema.items() if key != "$defs"}
    while _referred(root) is not None:
        root = replaced(root)
    kept = {name: whole(defs[name]) for name in sorted(recursive)}
    return {**whole(root), "$defs": kept} if kept else whole(root)


def tidied(schema: JSON, notes: Mapping[str, Mapping[str, JSON]]) -> JSON:
    """A generated schema with its objects closed and without what only some providers take.

    notes: what to add to the properties of the object of a title, by title and property.
    """
    node = each(schema, lambda inner: tidied(inner, notes))
    added = notes.get(node.pop("title", ""), {})
    if "properties" in node:
        properties = node["properties"].items()
        node["properties"] = {name: {**added.get(name, {}), **sub} for name, sub in properties}
        node.setdefault("additionalProperties", False)
    if node.pop("discriminator", None):  # OpenAPI's: the same as anyOf, of alternatives apart
        node["anyOf"] = node.pop("oneOf", None) or node["anyOf"]
    if "enum" in node and "type" not in node:
        kinds = {_TYPES.get(type(value)) for value in node["enum"]}
        if len(kinds) == 1 and None not in kinds:
            node["type"] = kinds.pop()
    return node


def is_object(schema: JSON) -> bool:
    """Whether every value of it is an object, as the arguments and answers of a model are."""
    return schema.get("type", "object" if "properties" in schema else None) == "object"


def object_of(properties: Mapping[str, JSON], required: Iterable[str]) -> JSON:
    """The schema of an object of these properties and no other.

    Raises ValueError, with the name, where two of them have different `$defs` of one name.
    """
    inner: dict[str, JSON] = {}
    shared: dict[str, dict[str, JSON]] = {}
    for name, schema in properties.items():
        moved = _moved(schema, f"#/properties/{name}")
        inner[name] = {key: value for key, value in moved.items() if key not in _SHARED}
        for key in _SHARED:
            for title, value in moved.get(key, {}).items():
                if shared.setdefault(key, {}).setdefault(title, value) != value:
                    raise ValueError(title)
    closed = {"required": list(required), "additionalProperties": False}
    return {"type": "object", "properties": inner, **closed, **shared}


def without_nulls(value: Any, schema: JSON | bool, root: JSON) -> Any:
    """The value without each null that says "left out", where null itself is not allowed.

    Where a provider asks for every property, a model has no other way to leave one out.
    """
    if not isinstance(schema, dict):
        return value  # true and false are schemas too
    schema = _resolved(schema, root)
    if isinstance(value, list) and isinstance(items := schema.get("items"), dict):
        return [without_nulls(item, items, root) for item in value]
    if not isinstance(value, dict):
        return value
    properties: dict[str, JSON] = _as_object(schema, root).get("properties", {})
    required = _as_object(schema, root).get("required", ())
    return {
        name: without_nulls(inner, properties.get(name, {}), root)
        for name, inner in value.items()
        if inner is not None or name in required or takes_null(properties.get(name, {}), root)
    }


def takes_null(schema: Any, root: JSON) -> bool:
    """Whether null fits it; yes where that cannot be told."""
    if not isinstance(schema, dict):
        return True
    schema = _resolved(schema, root)
    if "enum" in schema:
        return None in schema["enum"]
    if "type" in schema:
        return "null" in schema["type"]  # a name, or a list of names
    options = schema.get("anyOf")
    return options is None or any(takes_null(option, root) for option in options)


def _as_object(schema: JSON, root: JSON) -> JSON:
    """The one object that an optional one is, else the schema itself."""
    found = [_resolved(inner, root) for inner in schema.get("anyOf", ())]
    objects = [inner for inner in found if "properties" in inner]
    return objects[0] if len(objects) == 1 else schema


def _resolved(schema: JSON, root: JSON) -> JSON:
    defs: dict[str, JSON] = root.get("$defs", {})
    return defs.get(_referred(schema) or "", schema)


def _referred(node: JSON) -> str | None:
    """The name in `$defs` that a node refers to."""
    reference = node.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REF):
        return reference.removeprefix(_REF)
    return None


def _reached(schema: JSON, defs: Mapping[str, JSON]) -> set[str]:
    """The names that a schema comes to refer to."""
    found: set[str] = set()

    def visit(node: JSON) -> JSON:
        name = _referred(node)
        if name is not None and name not in found:
            found.add(name)
            visit(defs[name])
        return each(node, visit)

    visit(schema)
    return found


def _moved(schema: JSON, place: str) -> JSON:
    """The schema as it stands at `place`: what is not shared is now further down."""

    def visit(node: JSON) -> JSON:
        reference = node.get("$ref")
        if isinstance(reference, str) and (reference == "#" or reference.startswith("#/")):
            if reference.split("/")[1:2] not in [[key] for key in _SHARED]:
                node = {**node, "$ref": place + reference[1:]}
        return each(node, visit)

    return visit(schema)
