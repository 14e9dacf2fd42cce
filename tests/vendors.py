"""Request bodies as the vendors' own SDKs type them: the only module that knows those SDKs.

Their types say `Iterable` where the wire has a list, which pydantic would look into only when it
is read, and take fields that nobody knows: here both are checked at once and at every depth.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import SchemaValidator

Json = dict[str, Any]


def check_chat(body: Json) -> None:
    """Raise ValidationError unless it is a request of Chat Completions."""
    from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming

    _deep(CompletionCreateParamsStreaming).validate_python([body])


def check_responses(body: Json) -> None:
    """Raise ValidationError unless it is a request of Responses."""
    from openai.types.responses.response_create_params import ResponseCreateParamsStreaming

    # its type wants an id of every earlier answer, its server takes those of others without one
    named = [
        {"id": "msg_1", "status": "completed", **item} if item.get("type") == "message" else item
        for item in body["input"]
    ]
    _deep(ResponseCreateParamsStreaming).validate_python([{**body, "input": named}])


def check_anthropic(body: Json) -> None:
    """Raise ValidationError unless it is a request of Messages."""
    from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming

    _deep(MessageCreateParamsStreaming).validate_python([body])


def check_gemini(body: Json) -> None:
    """Raise ValidationError unless it is a request of generateContent."""
    from google.genai import types

    fields: dict[str, Any] = {
        "contents": list[types.Content],
        "systemInstruction": types.Content,
        "tools": list[types.Tool],
        "toolConfig": types.ToolConfig,
        "generationConfig": types.GenerationConfig,
    }
    for name, value in body.items():
        _adapter(fields[name]).validate_python(value)


def check_interactions(body: Json) -> None:
    """Raise ValidationError unless it is a request of Interactions, whose steps are all known."""
    from google.genai.interactions import CreateModelInteractionParam

    _deep(CreateModelInteractionParam).validate_python([body])


CHECKS: dict[str, Callable[[Json], None]] = {
    "chat": check_chat,
    "responses": check_responses,
    "anthropic": check_anthropic,
    "gemini": check_gemini,
    "interactions": check_interactions,
}


@functools.cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@functools.cache
def _deep(kind: Any) -> SchemaValidator:
    """Of a list: it can be told to take classes of any kind, which a TypedDict cannot."""
    schema = TypeAdapter(list[kind], config={"arbitrary_types_allowed": True}).core_schema
    return SchemaValidator(_strict(schema))


def _strict(schema: Any) -> Any:
    """The schema with lists for iterables, and objects that have no fields but their own."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_strict, schema))
    if not isinstance(schema, dict):
        return schema
    strict = {name: _strict(value) for name, value in schema.items()}
    if strict.get("type") == "generator":
        strict["type"] = "list"
    if strict.get("type") == "typed-dict" and "extras_schema" not in strict:
        strict["extra_behavior"] = "forbid"
    return strict
