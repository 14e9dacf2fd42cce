"""Keys in texts: alone knows what looks like one, and takes it out of what is shown or logged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

SECRET = re.compile("auth|key|token|secret|cookie|passw", re.I)  # in the name of what holds one
HIDDEN = "[hidden]"
_SHORTEST = 7  # characters; shorter ones are no keys but "Bearer", "EMPTY" and the like
_NAMED = "auth|key|token|secret|passw|sig"
_LOOKS = (  # like a key, whoever it belongs to; the first group stays
    re.compile(rf"([?&;][^=&\s]*(?:{_NAMED})[^=&\s]*=)[^&\s\"'<>#]+", re.I),  # in an address
    re.compile(r"(://)[^/\s@\"']+(?=@)"),
    re.compile(r"(\b(?:Bearer|Basic)\s+)(?=\S*[\d=])[\w.~+/=-]{7,}", re.I),
    re.compile(r"(\b(?:api.?key|authorization|secret|password)[\"']?\s*[:=]\s*[\"'])[^\"']+", re.I),
    re.compile(r"()\b(?:sk|gsk|xai|pplx|hf|r8|nvapi|csk|fw|tgp)[-_][\w-]{16,}"),
    re.compile(r"()\bAIza[\w-]{30,}"),
)
_known: set[str] = set()


def remember(secrets: Iterable[str]) -> None:
    """These keys are in use: they are to be in no log and in no stored error."""
    _known.update(_forms(secrets))


def hide(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without `secrets`, and without what looks like a key."""
    for secret in sorted(_forms(secrets), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    for looks in _LOOKS:
        text = looks.sub(rf"\1{HIDDEN}", text)
    return text


def hide_all(text: str) -> str:
    """The text without any key that this process has used."""
    return hide(text, _known)


def _forms(secrets: Iterable[str]) -> set[str]:
    """Each as it is, and as an address holds it."""
    long = [secret for secret in secrets if len(secret) >= _SHORTEST]
    return {*long, *(quote(secret, safe="") for secret in long)}
