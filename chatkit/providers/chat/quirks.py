"""What servers of the Chat Completions dialect do differently, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chatkit.providers.dialect import JSON


def effort(word: str) -> JSON:
    """How hard to reason, as OpenAI and most others take it."""
    return {"reasoning_effort": word}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What one server of the dialect wants otherwise than the rest."""

    system_role: str = "system"
    names: Mapping[str, str] = field(default_factory=dict)  # options it calls otherwise
    stream_options: Mapping[str, Any] | None = field(
        default_factory=lambda: {"include_usage": True}
    )
    reasoning: Callable[[str], JSON] = effort
    # where it wants reasoning back of every answer, in a turn in which tools were called
    reasoning_field: str | None = None
    call_ids: str = r".+"  # the pattern of those it takes; others are replaced
    bridges: bool = False  # it refuses a user who speaks right after a tool
    takes_files: bool = True
    calls_of_itself: bool = True  # else it is told of tools only where it has to call one
