"""What Google's two dialects ask in the same way: effort and files."""

from __future__ import annotations

import re
from base64 import b64encode
from urllib.parse import unquote_to_bytes

from chatkit.errors import MessageError
from chatkit.providers.dialect import JSON

# no model takes less than the first of them, and few take more than "high"
_LEVELS = {"none": "minimal", "xhigh": "high", "max": "high"}
# in tokens, as Google's own endpoint for OpenAI's clients counts them
_BUDGETS = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192}
_MOST = 24_576
_LEAST_OF_PRO = 128
_BEFORE_3 = re.compile(r"gemini-[12]\b|gemini-robotics-er-1\b")


def is_before_3(model: str) -> bool:
    """Whether the model is older than Gemini 3; names without a number are of the newest."""
    return _BEFORE_3.search(model) is not None


def level(model: str, effort: str) -> str:
    """How hard to think, for Gemini 3 and later. None of them can be told not to."""
    word = _LEVELS.get(effort, effort)
    return "low" if word == "minimal" and "-pro" in model else word


def budget(model: str, effort: str) -> int:
    """How many tokens to think at most, for models before Gemini 3."""
    tokens = _BUDGETS.get(effort, _MOST)
    return max(tokens, _LEAST_OF_PRO) if "-pro" in model else tokens


def base64_of(part: JSON) -> str | None:
    """The file of a part in base64; None where it is at an address that Google fetches itself.

    Raises MessageError for any other address.
    """
    address = str(part["data"])
    if address.startswith("data:"):
        head, _, data = address.partition(",")
        return data if head.endswith(";base64") else b64encode(unquote_to_bytes(data)).decode()
    if address.startswith(("https://", "http://", "gs://")):
        return None
    raise MessageError(
        f"a {part['mediaType']} file is at {address!r:.80}, where Google cannot fetch it;"
        " send it as data"
    )
