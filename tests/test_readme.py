"""What the README says that would rot: its table of providers and its map of the modules."""

from __future__ import annotations

import re
from pathlib import Path

import chatkit
from chatkit.providers.anthropic import ANTHROPIC
from chatkit.providers.chat import CHAT
from chatkit.providers.gemini import GEMINI
from chatkit.providers.interactions import INTERACTIONS
from chatkit.providers.responses import RESPONSES
from chatkit.providers.table import ENDPOINTS, Endpoint

README = (Path(chatkit.__file__).parents[1] / "README.md").read_text()
DIALECTS = {
    CHAT.path: "Chat Completions",
    RESPONSES.path: "Responses",
    ANTHROPIC.path: "Messages",
    GEMINI.path: "generateContent",
    INTERACTIONS.path: "Interactions",
}


def row(name: str, endpoint: Endpoint) -> str:
    """A provider's row of the table."""
    keys = " or ".join(f"`{key}`" for key in endpoint.keys) or "–"
    address = endpoint.base_url or "yours: pass `base_url=`"
    if name == "local":
        address = "on this machine, started when needed"
    return f"| `{name}/…` | {DIALECTS[endpoint.dialect.path]} | {address} | {keys} |"


def test_the_readme_lists_every_provider() -> None:
    rows = [line for line in README.splitlines() if line.startswith("| `") and "/…` |" in line]
    assert rows == [row(name, endpoint) for name, endpoint in ENDPOINTS.items()]


def test_the_readme_maps_every_module() -> None:
    root = Path(chatkit.__file__).parent
    names = {file.name for file in root.glob("*.py")} | {
        f"{file.parent.name}/" for file in root.glob("*/__init__.py")
    }
    for package in ("answers", "compare", "detached"):
        names |= {file.name for file in (root / package).glob("*.py")}
        names |= {f"{file.parent.name}/" for file in (root / package).glob("*/__init__.py")}
    told = {line.split()[0] for line in README.split("chatkit/\n")[1].split("```")[0].splitlines()}
    assert told == names - {"__init__.py"}


def test_what_the_readme_says_is_shown_by_tests_is_there() -> None:
    root = Path(chatkit.__file__).parents[1]
    table = README.split("### What survives what")[1].split("\n\n")[2]
    rows = [line.split("|")[3] for line in table.splitlines()[2:]]
    named = [name for row in rows for name in row.replace("`", "").split()]
    assert len(rows) > 10
    assert all(name.startswith("tests/") and (root / name).is_file() for name in named)
    assert all(row.strip() for row in rows)


def test_the_pictures_of_the_readme_are_there_and_all_are_shown() -> None:
    place = Path(chatkit.__file__).parents[1] / "notebooks" / "pictures"
    shown = re.findall(r'(?:src|srcset)="notebooks/pictures/([\w-]+\.png)"', README)
    assert sorted(shown) == sorted(path.name for path in place.glob("*.png"))
    assert all((place / name).stat().st_size < 150_000 for name in shown)
    assert README.count("<img ") == README.count(' alt="') == len(shown) // 2
