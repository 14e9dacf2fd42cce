"""Answers of a given shape: the object in a message's text, whole or as it grows."""

from __future__ import annotations

from typing import Any

from chatkit.chunks import SteeringMessage
from chatkit.errors import SchemaMismatch
from chatkit.messages import Message, TextPart
from chatkit.schema import Schema, json_of, partial_json


def object_of(message: Message, schema: Schema) -> Any:
    """The value that the answer is. Raises SchemaMismatch, which keeps the text."""
    text = last_text(message)
    value = json_of(text)
    try:
        return schema.load(value)
    except SchemaMismatch as mismatch:
        mismatch.text = text
        raise


def partial_of(message: Message) -> Any:
    """What the answer says so far, as plain JSON; None where it says nothing yet."""
    return partial_json(last_text(message))


def last_text(message: Message) -> str:
    """The text of the last step: what comes before it is another try, or talk between calls."""
    return "".join(part.text for part in message.last_step if isinstance(part, TextPart))


def repair(mismatch: SchemaMismatch) -> SteeringMessage:
    """What the model is told when its answer does not fit."""
    told = f"Your answer does not fit the schema: {mismatch} Answer again, with the JSON alone."
    return SteeringMessage("repair", [{"type": "text", "text": told}])
