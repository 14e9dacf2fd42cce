"""What a model is to fill in, as a JSON schema, and what it wrote, as the Python value.

    schema = schema_of(City)  # a dataclass, a pydantic model, list[int], a JSON schema, ...
    schema.load(json_of(answer))  # City(name="Lisbon")

What does not fit raises SchemaMismatch, in words that a model can mend it by.
"""

from __future__ import annotations

from chatkit.schema.make import Schema, parameters_of, schema_of, underlying
from chatkit.schema.text import json_of, partial_json

__all__ = ["Schema", "json_of", "parameters_of", "partial_json", "schema_of", "underlying"]
