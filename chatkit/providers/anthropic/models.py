"""What one model of the dialect takes otherwise than another, by its name: all of it data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_EFFORTS = {"minimal": "low"}
_NO_XHIGH = {"minimal": "low", "xhigh": "max"}

BUDGETS = {  # tokens of thought, where a model does not judge that for itself
    "minimal": 1_024,
    "low": 4_096,
    "medium": 8_192,
    "high": 16_384,
    "xhigh": 24_576,
    "max": 27_904,  # with room for an answer the 32,000 that the smallest of them can write
}
LEAST_BUDGET = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a model takes. `max_tokens` is what it is asked with unless told otherwise."""

    max_tokens: int
    adaptive: bool = False  # it thinks as hard as an effort says, not within a budget
    efforts: Mapping[str, str] = field(default_factory=dict)  # words it has others for
    off: str | None = "disabled"  # the type of thinking that is none; None: it always thinks


# The first that is found in a name. An answer must have a limit, and none should be cut off by
# one that nobody asked for: 64,000 is what every model since 4.5 can write, whatever is left of
# its context. Those before, and the models of other servers, refuse a limit that does not fit.
_TRAITS = {
    r"sonnet-5[-.]5": Traits(
        max_tokens=64_000, adaptive=True, efforts=_EFFORTS, off="between_tools"
    ),
    r"fable|mythos|opus-5[-.]5": Traits(
        max_tokens=64_000, adaptive=True, efforts=_EFFORTS, off=None
    ),
    r"(opus|sonnet)-4[-.]6": Traits(max_tokens=64_000, adaptive=True, efforts=_NO_XHIGH),
    r"opus-4[-.][78]|(opus|sonnet|haiku)-[5-9](?!\d)": Traits(
        max_tokens=64_000, adaptive=True, efforts=_EFFORTS
    ),
    r"(opus|sonnet|haiku)-4[-.]5": Traits(max_tokens=64_000),
}
_OTHER = Traits(max_tokens=4_096)


def traits_of(model: str) -> Traits:
    """What is known of a model by its name."""
    found = (traits for name, traits in _TRAITS.items() if re.search(f"claude-({name})", model))
    return next(found, _OTHER)
