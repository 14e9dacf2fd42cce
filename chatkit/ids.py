"""Message ids, as the AI SDK makes them."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


def new_id() -> str:
    """16 letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(16))
