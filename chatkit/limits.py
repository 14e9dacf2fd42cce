"""What providers say of their rate limits, and the one wait that all streams of a provider share.

An answer's headers may say that nothing is left until some time, a refusal how long to wait:
what one stream learns holds back the next request of every other to the same host and key.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from chatkit.providers.refusals import http_date, in_words

LONGEST_WAIT = 120.0  # seconds; a server that asks for more is not waited for
SPACING = 0.1  # seconds between those who have waited: together they would run into it again
_EPOCH = 1e9  # a reset of so many seconds is a date, of a thousand times as many in milliseconds
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6}
_STEP = r"(\d+(?:\.\d+)?)(ms|us|µs|[dhms])"
_DURATION = re.compile(f"(?:{_STEP})+")
_PLAIN = re.compile(r"\d+(\.\d+)?")


class Gate:
    """The way to one provider: closed until a time, then open for one after the other."""

    def __init__(self) -> None:
        self._opens = 0.0  # on the monotonic clock
        self._queue = asyncio.Lock()

    def close(self, seconds: float | None) -> None:
        """Let nobody through for so many seconds; nothing changes where that is too long."""
        if seconds and seconds <= LONGEST_WAIT:
            self._opens = max(self._opens, time.monotonic() + seconds)

    async def passed(self, report: Callable[[str], None]) -> None:
        """Return when a request may go. `report` is told of each wait: `"12 s"`."""
        if not self._left and not self._queue.locked():
            return
        report(in_words(self._left or SPACING))
        async with self._queue:
            while left := self._left:
                report(in_words(left))
                await asyncio.sleep(left)
            self.close(SPACING)

    @property
    def _left(self) -> float:
        return max(0.0, self._opens - time.monotonic())


class Limits:
    """The gate of each provider that has been asked."""

    def __init__(self) -> None:
        self._gates: dict[tuple[str, str], Gate] = {}

    def gate(self, host: str, key: str) -> Gate:
        """The gate of this host for this key. On one event loop only."""
        return self._gates.setdefault((host, key), Gate())


def held_back(headers: Mapping[str, str]) -> float | None:
    """Seconds until there is something left again, None where something is.

    Servers name the two headers alike: `…ratelimit-remaining-requests` and `…-reset-requests`,
    or `…-requests-remaining` and `…-requests-reset`. A reset later than LONGEST_WAIT does not
    count: after a day's limit only the provider's refusal helps.
    """
    spent = [
        name
        for name, value in headers.items()
        if "ratelimit" in name and "remaining" in name and value.strip() == "0"
    ]
    if not spent:
        return None
    now = http_date(headers.get("date", "")) or time.time()
    waits = [
        seconds_until(headers.get(name.replace("remaining", "reset"), ""), now) for name in spent
    ]
    return max((wait for wait in waits if wait and wait <= LONGEST_WAIT), default=None)


def seconds_until(reset: str, now: float) -> float | None:
    """Seconds until a reset: `4ms`, `6m0s`, `7.66`, a Unix time in seconds or milliseconds, or
    an ISO time; None where it is none of these. `now` is a Unix time."""
    text = reset.strip()
    if _DURATION.fullmatch(text):
        return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_STEP, text))
    if not _PLAIN.fullmatch(text):
        moment = _iso(text)
        return None if moment is None else max(0.0, moment - now)
    number = float(text)
    if number < _EPOCH:
        return number
    return max(0.0, (number if number < 1000 * _EPOCH else number / 1000) - now)


def _iso(text: str) -> float | None:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None
