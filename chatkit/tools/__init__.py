"""Functions that a model may call: what it is told of them, and what they are given and give.

    @tool(approve=True)
    def book(city: str, nights: int = 1) -> str:
        "Book a room in a city."

What runs them, and when, is not known here.
"""

from __future__ import annotations

from chatkit.tools.functions import Tool, as_tools, tool
from chatkit.tools.output import to_output

__all__ = ["Tool", "as_tools", "to_output", "tool"]
