"""A provider's refusal in its own words: status, headers and body of an error -> ProviderError.

No two servers word their errors alike; what is known of their shapes is here and nowhere else.
"""

from __future__ import annotations

import html
import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from chatkit.errors import (
    AuthError,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
    StreamFailed,
    TooLarge,
)
from chatkit.messages import mended
from chatkit.providers.dialect import Hide

_WORDS = 2_000  # characters of a refusal that are kept
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id", "x-kong-request-id", "cf-ray")
_RETRIED = frozenset((408, 409, 429))  # and 5xx
_NO_MONEY = ("insufficient_quota", "billing")  # in a code: waiting does not help
_TRANSIENT = re.compile(r"overloaded|api_error|server_?error|unavailable|rate_?limit|timeout", re.I)
_TOO_LONG = re.compile(
    r"context.?(length|window|size)|prompt is too long|maximum number of tokens"
    r"|too many tokens|token count .*exceeds|request.?too.?large",
    re.I,
)
_BAD_KEY = re.compile(
    r"api.?key.{0,40}(invalid|not valid)|(invalid|incorrect).{0,12}api.?key", re.I
)
_SOON = re.compile(r"(?:retry|try again) in ([\d.]+) ?(m?s)\b", re.I)


def refusal(
    who: str,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    remedies: Mapping[type, str],
    hide: Hide,
) -> ProviderError:
    """The error that `who` answered with; `remedies` says by class what to do about it."""
    told = _parsed(body)
    message, code = words(told)
    kind = _kind(status, message, code)
    retry_after = _retry_after(headers, told, message)
    sentences = [f"{who} {_verb(status)} ({status}): {message or 'it gave no reason'}"]
    if status < 300:
        sentences.append("Is base_url right, or does a proxy or a login stand in between?")
    elif status < 400:
        sentences = [_redirected(who, status, headers.get("location", ""))]
    if retry_after and not _SOON.search(message):
        sentences.append(f"It says to try again in {in_words(retry_after)}.")
    sentences.append(remedies.get(kind, ""))
    return kind(
        hide(_joined(sentences)),
        status=status,
        code=code and hide(code),
        request_id=request_id(headers, told),
        retry_after=retry_after,
        retryable=_is_retryable(status, headers, code),
    )


def _verb(status: int) -> str:
    if status < 300:
        return "sent a page, not an answer"
    return "failed" if status >= 500 else "refused"


def _redirected(who: str, status: int, location: str) -> str:
    """A redirect is not followed, for the key would go along."""
    address = location.partition("?")[0] or "another address"
    return f"{who} sends on ({status}) to {address}. If that is right, pass it as base_url="


def failure(who: str, told: Any, hide: Hide) -> StreamFailed:
    """The error that came inside a stream of `who`."""
    message, code = words(told)
    transient = code is not None and (_TRANSIENT.search(code) or _is_retried(code))
    return StreamFailed(
        hide(f"{who} broke off: {message or 'it gave no reason'}"),
        code=code and hide(code),
        retryable=bool(transient),
    )


def words(told: Any, *, depth: int = 4) -> tuple[str, str | None]:
    """The message and the code of an error in any known shape; the message may be empty."""
    if isinstance(told, list) and told:
        told = told[0]
    if not isinstance(told, dict):
        return _text(told), None
    inner = told.get("error") or told.get("errors") or told.get("detail")
    if isinstance(inner, dict) or (isinstance(inner, list) and "detail" not in told):
        message, code = words(inner, depth=depth - 1) if depth else ("", None)
        return message or _message(told), code or _code(told)
    return _text(told.get("error")) or _message(told), _code(told)


def in_words(seconds: float) -> str:
    """A wait as people say it: `0.5 s`, `48 s`, `10 min`."""
    if seconds >= 120:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds:.1f} s" if seconds < 10 and seconds % 1 else f"{math.ceil(seconds)} s"


def _parsed(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").strip()
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return _unmarked(text)


def _unmarked(text: str) -> str:
    """The words of a proxy's page."""
    if not re.match(r"<[!?a-z]", text, re.I):
        return text
    text = re.sub(r"(?is)<(script|style).*?</\1>|<!--.*?-->", " ", text)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def _text(value: Any) -> str:
    return mended(value.strip())[:_WORDS] if isinstance(value, str) else ""


def _message(told: dict[str, Any]) -> str:
    detail = told.get("detail")
    if isinstance(detail, list):
        return "; ".join(_complaint(each) for each in detail)[:_WORDS]
    message = _text(told.get("message")) or _text(detail) or _text(told.get("msg"))
    metadata = told.get("metadata")
    raw = _text(metadata.get("raw")) if isinstance(metadata, dict) else ""
    return f"{message}: {raw}" if message and raw else message or raw


def _complaint(detail: Any) -> str:
    """One of FastAPI's: where, and what."""
    if not isinstance(detail, dict):
        return _text(detail)
    place = detail.get("loc")
    where = ".".join(map(str, place)) if isinstance(place, list) else ""
    return f"{where}: {_text(detail.get('msg'))}" if where else _text(detail.get("msg"))


def _code(told: dict[str, Any]) -> str | None:
    """The most telling of an error's names: its code, unless that is the status again."""
    named = [told.get(name) for name in ("code", "reason", "status", "type")]
    telling = [_text(name) for name in named if _text(name) and not _text(name).isdigit()]
    code = told.get("code")
    return next(iter(telling), str(code) if isinstance(code, int | str) and code else None)


def _kind(status: int, message: str, code: str | None) -> type[ProviderError]:
    said = f"{code} {message}"
    if status in (401, 403) or (status == 400 and _BAD_KEY.search(said)):
        return AuthError
    if status == 413 or (status in (400, 422) and _TOO_LONG.search(said)):
        return TooLarge
    if status in (404, 429):
        return NotFound if status == 404 else RateLimited
    return ServerError if status >= 500 else ProviderError


def _is_retryable(status: int, headers: Mapping[str, str], code: str | None) -> bool:
    wish = headers.get("x-should-retry", "").lower()
    if wish in ("true", "false"):
        return wish == "true"
    if code and any(word in code for word in _NO_MONEY):
        return False
    return status in _RETRIED or status >= 500


def _is_retried(code: str) -> bool:
    return code.isdigit() and (int(code) in _RETRIED or 500 <= int(code) < 600)


def request_id(headers: Mapping[str, str], told: Any = None) -> str | None:
    """By which the provider knows a request, where it says so."""
    given = [headers[name] for name in _REQUEST_IDS if headers.get(name)]
    if not given and isinstance(told, dict):
        given = [_text(told.get("request_id"))]
    return (given[0] or None) if given else None


def _retry_after(headers: Mapping[str, str], told: Any, message: str) -> float | None:
    """Seconds to wait as the server asks, None where it does not say."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds:  # Azure sends 0 beside a `retry-after` that means it
        return milliseconds / 1000
    header = headers.get("retry-after", "")
    seconds = _number(header)
    if seconds is None and (end := http_date(header)):
        now = http_date(headers.get("date", "")) or time.time()  # by the server's own clock
        seconds = max(0.0, end - now)
    if seconds is None:
        seconds = _google_delay(told)
    if seconds is None and (soon := _SOON.search(message)):
        number = _number(soon[1])
        seconds = number if number is None or soon[2].lower() == "s" else number / 1000
    return seconds


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def http_date(text: str) -> float | None:
    """The Unix time of an HTTP date, None where it is none."""
    from email.utils import parsedate_to_datetime  # slow to import and seldom needed

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _google_delay(told: Any) -> float | None:
    """`retryDelay` of google.rpc.RetryInfo, such as `"48s"`."""
    error = told[0] if isinstance(told, list) and told else told
    error = error.get("error") if isinstance(error, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("RetryInfo"):
            return _number(str(detail.get("retryDelay", "")).removesuffix("s"))
    return None


def _joined(sentences: list[str]) -> str:
    ended = [text if text[-1] in ".!?…" else f"{text}." for text in sentences if text]
    return " ".join(ended)
