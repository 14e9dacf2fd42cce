"""One way for the data: each module imports only from those above it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import chatkit

ROOT = Path(chatkit.__file__).parent

LAYERS = (
    "redaction",
    "errors",
    "fields",
    "logs",
    "defaults",
    "ids",
    "messages",
    "chunks",
    "sse",
    "tool_parts",
    "tool_words",
    "rest",
    "reducer",
    "model_messages",
    "files",
    "schema",
    "tools",
    "render",
    "beside",
    "standing",
    "cards",
    "providers",
    "limits",
    "costs",
    "local",
    "transport",
    "stores",
    "host",
    "progress",
    "errands",
    "engine",
    "answers",
    "mcp",
    "ui_stream",
    "replies",
    "scores",
    "single",
    "detached",
    "tree",
    "shared",
    "record",
    "prompts",
    "watch",
    "conversation",
    "turns",
    "asking",
    "listing",
    "export",
    "imports",
    "chat",
    "config",
    "sessions",
    "compare",
    "worker",
    "notebook",
)

# What one module or package alone may know: how the names of those that import it begin.
OWNERS = {
    "httpx": ("chatkit.transport",),
    "genai_prices": ("chatkit.costs",),
    "diskcache": ("chatkit.stores.disk", "chatkit.stores._"),
    "redis": ("chatkit.stores._redis_server",),
    "jiter": ("chatkit.schema",),
    "jsonschema": ("chatkit.schema",),
    "referencing": ("chatkit.schema",),
    "pydantic": ("chatkit.schema",),
    "docstring_parser": ("chatkit.tools",),
    "langchain_core": ("chatkit.sessions",),
    "mcp": ("chatkit.mcp",),
    "httpx2": ("chatkit.mcp",),
    "nest_asyncio": ("chatkit.engine",),
    "nest_asyncio2": ("chatkit.engine",),
    "xllamacpp": ("chatkit.local",),
    "markdown_it": ("chatkit.render",),
    "mdit_py_plugins": ("chatkit.render",),
    "PIL": ("chatkit.files.pictures",),
    "pygments": ("chatkit.render",),
    "latex2mathml": ("chatkit.render",),
    "IPython": ("chatkit.notebook",),
    "ipykernel": ("chatkit.notebook",),
    "comm": ("chatkit.notebook",),
    "ipywidgets": ("chatkit.notebook",),
    "anywidget": ("chatkit.notebook",),
    "traitlets": ("chatkit.notebook",),
}

HEAVY = {
    "IPython",
    "PIL",
    "anywidget",
    "diskcache",
    "docstring_parser",
    "genai_prices",
    "httpx",
    "ipykernel",
    "ipywidgets",
    "jiter",
    "jsonschema",
    "markdown_it",
    "matplotlib",
    "mcp",
    "nest_asyncio",
    "pandas",
    "polars",
    "pydantic",
    "pygments",
    "redis",
    "xllamacpp",
}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for file in sorted(ROOT.rglob("*.py")):
        parts = file.relative_to(ROOT.parent).with_suffix("").parts
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imported(module: str) -> set[str]:
    """The modules that this one imports anywhere in it, in a function or for its types too."""
    tree = ast.parse(MODULES[module].read_text())
    return {name for node in ast.walk(tree) for name in _names(node)}


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"a relative import in line {node.lineno}: write the whole name"
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            yield name if name in MODULES else str(node.module)


def layer(module: str) -> int:
    """How far down the module's layer is; a submodule is in that of its package."""
    name = module.split(".")[1]
    assert name in LAYERS, f"chatkit.{name} has no place in LAYERS yet"
    return LAYERS.index(name)


INNER = sorted(set(MODULES) - {"chatkit"})


@pytest.mark.parametrize("module", INNER)
def test_a_module_imports_only_from_those_above_it(module: str) -> None:
    ours = {name for name in imported(module) if name.split(".")[0] == "chatkit"}
    assert "chatkit" not in ours
    assert {name for name in ours if layer(name) > layer(module)} == set()


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = {module: imported(module) & set(INNER) for module in INNER}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("package", OWNERS)
def test_a_foreign_package_is_known_to_its_owner_alone(package: str) -> None:
    users = {
        module
        for module in MODULES
        if any(name.split(".")[0] == package for name in imported(module))
    }
    assert {user for user in users if not user.startswith(OWNERS[package])} == set()


def run(code: str) -> str:
    """What this code prints in an interpreter of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    return done.stdout


def test_importing_chatkit_imports_nothing_heavy() -> None:
    loaded = json.loads(run("import chatkit, json, sys; print(json.dumps(list(sys.modules)))"))
    assert "chatkit" in loaded
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()


def test_importing_chatkit_starts_no_thread() -> None:
    assert run("import chatkit, threading; print(threading.active_count())") == "1\n"


def test_the_public_names_are_these_in_this_order() -> None:
    assert chatkit.__all__ == PUBLIC
    assert sorted(PUBLIC) == PUBLIC


def test_every_public_name_is_there() -> None:
    assert [name for name in PUBLIC if getattr(chatkit, name, None) is None] == []
    assert set(PUBLIC) <= set(dir(chatkit))


PUBLIC = [
    "AuthError",
    "BadChatId",
    "Chat",
    "ChatInfo",
    "ChatList",
    "ChatkitError",
    "ConfigError",
    "ConnectionFailed",
    "CustomPart",
    "DataPart",
    "Fenced",
    "FilePart",
    "FinishEvent",
    "LocalModelError",
    "Message",
    "MessageError",
    "MissingKey",
    "NotFound",
    "NothingMore",
    "ProviderError",
    "RateLimited",
    "ReasoningFilePart",
    "ReasoningPart",
    "Reply",
    "SchemaMismatch",
    "ServerError",
    "SourceDocumentPart",
    "SourceUrlPart",
    "SteeringPart",
    "StepPart",
    "StoreError",
    "StreamCut",
    "StreamFailed",
    "TextPart",
    "TooLarge",
    "ToolFailed",
    "ToolPart",
    "UnknownModel",
    "UnknownOption",
    "UnknownPart",
    "Usage",
    "chats",
    "compare",
    "config",
    "get_model",
    "open_store",
    "stream_text",
    "tool",
]
