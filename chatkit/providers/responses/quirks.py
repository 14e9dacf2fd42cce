"""What servers of the Responses dialect do differently, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What one server of the dialect wants otherwise than the rest."""

    system_role: str = "system"
    fields: Mapping[str, Any] = field(default_factory=dict)  # what every request says
    # It encrypts reasoning, to be kept here; models that match this pattern refuse to be asked.
    encrypts_except: str | None = None
    summary: str | None = None  # of its reasoning, where it shows one only when it is asked to
