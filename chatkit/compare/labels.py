"""How what a report names is written: safe in HTML and in XML, and short numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from html import escape
from typing import Any

from chatkit import render

_NOT_XML = re.compile(r"[\ufdd0-\ufdef\ufffe\uffff]")  # what XML 1.0 and HTML do not take


def safe(text: str) -> str:
    """Text as it is, within an element or an attribute."""
    return escape(_NOT_XML.sub("\ufffd", render.plain(text)))


def brief(text: str, length: int) -> str:
    """Text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def option_words(options: Mapping[str, Any]) -> str:
    """Options in words that differ where they do: `temperature 0.7, seed '1'`."""
    return ", ".join(f"{name} {value!r}" for name, value in options.items())


def short_number(value: float) -> str:
    """Three digits that say something: `0.0012`, `0.5`, `3e-12`; all before the point: `1,205`."""
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if not -9 <= size < 12:
        return f"{value:.3g}"
    told = f"{value:,.{max(0, 2 - size)}f}"
    return told.rstrip("0").rstrip(".") if "." in told else told


def money(dollars: float) -> str:
    """`$0.0012`; `$0` for nothing."""
    return f"${short_number(dollars)}"


def seconds_words(seconds: float) -> str:
    """`1.2 s`."""
    return f"{short_number(seconds)} s"
