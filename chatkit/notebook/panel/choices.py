"""What can be chosen in a panel: models that can be asked, and what they take as options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from chatkit import local
from chatkit.providers import Model
from chatkit.providers.options import EFFORTS
from chatkit.providers.table import ENDPOINTS

JSON = dict[str, Any]
_OPTIONS: Mapping[str, JSON] = {
    "temperature": {"kind": "number", "min": 0, "max": 2, "step": 0.1},
    "max_tokens": {"kind": "number", "min": 1, "step": 1},
    "top_p": {"kind": "number", "min": 0, "max": 1, "step": 0.05},
    "reasoning": {"kind": "choice", "values": EFFORTS},
    "seed": {"kind": "number", "step": 1},
    "presence_penalty": {"kind": "number", "min": -2, "max": 2, "step": 0.1},
    "frequency_penalty": {"kind": "number", "min": -2, "max": 2, "step": 0.1},
}


def models(current: str, used: Iterable[str]) -> list[str]:
    """The models to choose from, this one first: those that were asked before and can be asked
    now, then the embedded ones. Any other can be typed."""
    known = [name for name in dict.fromkeys(used) if _is_ready(name)]
    return list(dict.fromkeys([current, *known, *map("local/{}".format, local.names())]))


def choices(model: Model) -> dict[str, JSON]:
    """The options that a model takes, and which values they may have."""
    lacks = model.endpoint.dialect.lacks
    taken = {name: told for name, told in _OPTIONS.items() if name not in lacks}
    if model.provider == "anthropic":
        taken["temperature"] = {**taken["temperature"], "max": 1}
    return taken


def _is_ready(name: str) -> bool:
    """Whether nothing has to be given to ask it: no address, and no key that is not set."""
    endpoint = ENDPOINTS.get(name.partition("/")[0])
    if endpoint is None:
        return name.startswith("ui+")
    has_address = bool(endpoint.base_url or os.environ.get(endpoint.variable or "-"))
    return has_address and (not endpoint.needs_key or any(map(os.environ.get, endpoint.keys)))
