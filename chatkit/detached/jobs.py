"""An answer that another process is to write, as one line of JSON.

The key is in it: it goes through a pipe, and nowhere else.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec

from chatkit.answers.steps import Question
from chatkit.errors import ConfigError
from chatkit.providers import Model, get_model
from chatkit.schema import Schema, schema_of
from chatkit.stores import Lease, Store, address_of
from chatkit.tools import Tool

JSON = dict[str, Any]


class Far(msgspec.Struct, frozen=True):
    """A model, with its key in its headers."""

    name: str
    base_url: str | None
    headers: dict[str, str]
    timeout: float | None
    schemas: bool | None

    def __repr__(self) -> str:
        return f"<Far {self.name}>"


class Told(msgspec.Struct, frozen=True):
    """What a model is told of a tool; its function stays where it is."""

    name: str
    description: str
    parameters: JSON
    repeatable: bool


class Shape(msgspec.Struct, frozen=True):
    """What an answer is to fit; which Python values that makes is not said."""

    name: str
    json: JSON

    @property
    def schema(self) -> Schema:
        """The schema of plain JSON."""
        return replace(schema_of(self.json), name=self.name)


class Job(msgspec.Struct, frozen=True):
    """Which answer, in which store, by which lease, and everything that is asked."""

    store: str
    chat_id: str
    row_id: str
    model: Far
    system: str | None
    options: JSON
    tools: list[Told]
    max_steps: int
    schema: Shape | None
    repair: bool
    replaces: str
    resumes: bool
    is_continuation: bool
    after: list[str] = []  # ids of the answers that come first
    epoch: int = 0
    number: int = 0  # by which the kernel knows what is said of it

    def __repr__(self) -> str:
        return f"<Job {self.row_id} of chat {self.chat_id!r}>"  # its store may hold a password

    @property
    def lease(self) -> Lease:
        """The right to write it."""
        return Lease(self.chat_id, self.row_id, self.epoch)

    @property
    def line(self) -> bytes:
        """As it goes through the pipe."""
        return json.dumps(msgspec.to_builtins(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Job:
        return msgspec.convert(json.loads(line), cls)

    @property
    def question(self) -> Question:
        """What is asked, for whoever writes the answer."""
        far = self.model
        model = get_model(
            far.name,
            base_url=far.base_url,
            headers=far.headers,
            timeout=far.timeout,
            schemas=far.schemas,
        )
        return Question(
            model,
            self.options,
            tools={told.name: _stand_in(told) for told in self.tools},
            max_steps=self.max_steps,
            schema=None if self.schema is None else self.schema.schema,
            repair=self.repair,
            chat_id=self.chat_id,
            replaces=self.replaces,
            resumes=self.resumes,
            lends=True,
        )


def job_of(
    question: Question, store: Store, row_id: str, *, system: str | None, is_continuation: bool
) -> Job:
    """The job of answering a question. Raises ConfigError, which says what cannot leave this
    process."""
    address = address_of(store)
    if address is None:
        raise ConfigError("its store was not opened by a path or URL")
    shape = question.schema
    return Job(
        store=address,
        chat_id=question.chat_id,
        row_id=row_id,
        model=_far(question.model),
        system=system,
        options=dict(_checked(question.options)),
        tools=[_told(tool) for tool in question.tools.values()],
        max_steps=question.max_steps,
        schema=None if shape is None else Shape(shape.name, shape.json),
        repair=question.repair,
        replaces=question.replaces,
        resumes=question.resumes,
        is_continuation=is_continuation,
    )


def _far(model: Model) -> Far:
    if model.client is not None:
        raise ConfigError("its model has an HTTP client of your own")
    base_url = None if model.base_url == model.endpoint.base_url else model.base_url
    if get_model(model.id, base_url=base_url).endpoint is not model.endpoint:
        raise ConfigError("its model is not one that its name stands for")
    headers = dict(model.standalone().headers)
    return Far(model.id, base_url, headers, model.timeout, model.schemas)


def _checked(options: Any) -> Any:
    for name, value in options.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            raise ConfigError(f"its option {name}= is not JSON") from None
    return options


def _told(tool: Tool) -> Told:
    return Told(tool.name, tool.description, tool.parameters, tool.repeatable)


def _stand_in(told: Told) -> Tool:
    """The tool as a model is told of it. Its arguments are read where its function is."""
    schema = Schema(told.name, told.parameters, _as_it_is)
    return Tool(
        name=told.name,
        description=told.description,
        schema=schema,
        function=_not_here,
        repeatable=told.repeatable,
    )


def _as_it_is(value: Any) -> Any:
    return value


def _not_here(**arguments: Any) -> Any:
    raise NotImplementedError("the function of a tool stays in the kernel")
