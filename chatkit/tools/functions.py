"""A function as a tool. Alone knows docstring_parser."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, overload

from chatkit.errors import ConfigError
from chatkit.schema import Schema, parameters_of, underlying
from chatkit.tools.output import to_output

JSON = dict[str, Any]
Function = Callable[..., Any]
Approve = bool | Callable[[JSON], bool]

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_-]{0,63}")  # what every provider takes


@dataclass(frozen=True, eq=False, kw_only=True)
class Tool:
    """A function that a model may call. Called itself, it is that function.

    Raises ConfigError for a name that some provider would refuse, and for an asynchronous rule.
    """

    name: str
    description: str
    schema: Schema = field(repr=False)  # of its arguments
    function: Function = field(repr=False)
    approve: Approve = False  # whether to ask before it runs, for all or by the arguments
    main: bool = False  # it runs on the kernel's own thread, as a cell does
    repeatable: bool = False  # it may run again where a crash has hidden its result

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"a tool's name is a letter and up to 63 letters, digits, _ and -, in ASCII, not"
                f" {self.name!r}: name it, as in tool(function, name='look_up')"
            )
        if callable(self.approve) and inspect.iscoroutinefunction(underlying(self.approve)):
            raise ConfigError(
                f"approve= of the tool {self.name!r} is an async function: write it with def; it"
                " is called in a thread of its own, where it may wait"
            )

    @property
    def parameters(self) -> JSON:
        """The JSON schema of its arguments, an object."""
        return self.schema.json

    def arguments(self, input: Any) -> JSON:
        """The keyword arguments in what a model wrote. Raises SchemaMismatch."""
        arguments: JSON = self.schema.load(input)
        return arguments

    def to_output(self, value: Any) -> Any:
        """What the function returned, as a JSON value of bounded size."""
        return to_output(value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


@overload
def tool(
    function: Function,
    *,
    name: str | None = None,
    approve: Approve = False,
    main: bool = False,
    repeatable: bool = False,
) -> Tool: ...
@overload
def tool(
    function: None = None,
    *,
    name: str | None = None,
    approve: Approve = False,
    main: bool = False,
    repeatable: bool = False,
) -> Callable[[Function], Tool]: ...
def tool(
    function: Function | None = None,
    *,
    name: str | None = None,
    approve: Approve = False,
    main: bool = False,
    repeatable: bool = False,
) -> Tool | Callable[[Function], Tool]:
    """A typed function as a tool: `@tool`, `@tool(approve=True)` or `tool(function)`.

    A model is told of it by its docstring, its parameters by its annotations. approve: ask
    before it runs; a function of the arguments decides case by case, in a thread of its own.
    main: run it on the kernel's own thread. repeatable: it may run again after a crash. Raises
    ConfigError.
    """

    def make(function: Function) -> Tool:
        _check(function)
        description, told = _documented(function)
        return Tool(
            name=name or str(getattr(function, "__name__", "")),
            description=description,
            schema=_described(parameters_of(function), told),
            function=function,
            approve=approve,
            main=main,
            repeatable=repeatable,
        )

    return make if function is None else make(function)


def as_tools(values: Iterable[Tool | Function]) -> dict[str, Tool]:
    """Tools by their names; plain functions become tools. Raises ConfigError."""
    if not isinstance(values, Iterable):
        raise ConfigError(f"tools is a list of functions, not {values!r:.80}")
    tools: dict[str, Tool] = {}
    for value in values:
        one = value if isinstance(value, Tool) else tool(value)
        if one.name in tools:
            raise ConfigError(
                f"two tools are named {one.name!r}: rename one by tool(…, name=…), or those of an"
                " MCP server by prefix="
            )
        tools[one.name] = one
    return tools


def _check(function: Any) -> None:
    if not callable(function) or isinstance(function, type):
        raise ConfigError(f"a tool is a function, not {function!r:.80}")
    written = underlying(function)
    if inspect.isgeneratorfunction(written) or inspect.isasyncgenfunction(written):
        raise ConfigError(f"{function!r:.80} yields its results: return them as a list")


def _documented(function: Function) -> tuple[str, dict[str, str]]:
    """What the docstring says of the function, and of its parameters by their names."""
    text = inspect.getdoc(underlying(function)) or ""
    if "\n" not in text:
        return text, {}
    import docstring_parser

    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    told = {one.arg_name: one.description for one in parsed.params if one.description}
    if not told:
        return text, {}
    returns = parsed.returns.description if parsed.returns else None
    lines = [(parsed.description or "").strip(), f"Returns: {returns}" if returns else ""]
    return "\n\n".join(filter(None, lines)), told


def _described(schema: Schema, told: dict[str, str]) -> Schema:
    """The schema with what the docstring says of its properties; an annotation says it better."""
    properties = {
        name: {"description": told[name], **inner} if name in told else inner
        for name, inner in schema.json["properties"].items()
    }
    return replace(schema, json={**schema.json, "properties": properties})
