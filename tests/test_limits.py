"""Rate limits: what headers say of them, and one wait for every stream of a provider."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate
from typing import Any

import pytest

from chatkit import Reply, get_model, limits, stream_text
from chatkit.limits import LONGEST_WAIT, held_back, seconds_until
from chatkit.providers import Model
from tests.servers import Provider

NOW = 1_790_000_000.0
SLOW_DOWN = {"error": {"message": "Slow down."}}


@pytest.fixture(autouse=True)
def _no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-off takes no time worth noticing; what a server asks for is waited for."""
    monkeypatch.setattr(random, "uniform", lambda *_: 0.001)


# -- what headers say --


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("4ms", 0.004),
        ("6m0s", 360),
        ("1m26.4s", 86.4),
        ("1h2m3s", 3723),
        ("130ms", 0.13),
        ("7.66s", 7.66),
        ("1d", 86_400),
        ("350µs", 0.00035),
        ("0s", 0),
        ("12", 12),
        ("11.38", 11.38),
        (str(int(NOW) + 20), 20),
        (str((int(NOW) + 20) * 1000), 20),
        (datetime.fromtimestamp(NOW + 30, UTC).isoformat(), 30),
        (datetime.fromtimestamp(NOW + 30, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), 30),
        (datetime.fromtimestamp(NOW + 30, UTC).strftime("%Y-%m-%dT%H:%M:%S"), 30),
        (str(int(NOW) - 20), 0),
        (datetime.fromtimestamp(NOW - 30, UTC).isoformat(), 0),
    ],
)
def test_a_reset_is_understood_however_a_server_writes_it(reset: str, seconds: float) -> None:
    assert seconds_until(f" {reset} ", NOW) == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("reset", ["", "soon", "-3", "1e400", "5 s", "s", "nan", "9" * 5000 + "x"])
def test_a_reset_that_is_none_of_these_says_nothing(reset: str) -> None:
    assert seconds_until(reset, NOW) is None


def anthropic(seconds: float) -> dict[str, str]:
    return {
        "date": formatdate(NOW, usegmt=True),
        "anthropic-ratelimit-requests-remaining": "12",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": datetime.fromtimestamp(
            NOW + seconds, UTC
        ).isoformat(),
    }


SPENT: dict[str, tuple[dict[str, str], float]] = {
    "OpenAI": ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "4s"}, 4),
    "Groq": ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "130ms"}, 0.13),
    "Azure": ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "9"}, 9),
    "Anthropic, by the server's clock": (anthropic(30), 30),
    "Mistral": ({"ratelimitbysize-remaining": "0", "ratelimitbysize-reset": "37"}, 37),
    "Cerebras": (
        {
            "x-ratelimit-remaining-tokens-minute": "0",
            "x-ratelimit-reset-tokens-minute": "11.5",
            "x-ratelimit-remaining-requests-day": "0",
            "x-ratelimit-reset-requests-day": "33011.4",
        },
        11.5,
    ),
    "the later of two": (
        {
            "x-ratelimit-remaining-requests": "0",
            "x-ratelimit-reset-requests": "1s",
            "x-ratelimit-remaining-tokens": "0",
            "x-ratelimit-reset-tokens": "3s",
        },
        3,
    ),
}


@pytest.mark.parametrize("name", SPENT)
def test_what_is_spent_holds_back_until_it_is_there_again(name: str) -> None:
    headers, seconds = SPENT[name]
    assert held_back(headers) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"retry-after": "5"},
        {"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "4s"},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "in a while"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0s"},
        {"x-ratelimit-limit-requests": "0", "x-ratelimit-reset-requests": "4s"},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(LONGEST_WAIT + 1)},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 400},
        anthropic(7200),
    ],
)
def test_nothing_is_held_back_where_something_is_left_or_the_wait_would_be_too_long(
    headers: dict[str, str],
) -> None:
    assert held_back(headers) is None


# -- what that does to the streams --


def told(reply: Reply, words: str) -> bool:
    return words in reply.feed.note


def until(happened: Callable[[], bool]) -> None:
    """Wait for what an answer says of itself."""
    end = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.005)


def asked(model: Model) -> Reply:
    return stream_text(model, "Hello").consume()


def test_every_other_stream_waits_with_the_one_that_was_told_to(
    provider: Provider, model: Model
) -> None:
    provider.refuse(429, SLOW_DOWN, retry_after="100")
    first = asked(model)
    until(lambda: told(first, "Rate limited by openai-chat; trying again in 100 s (2 of 3)"))
    others = [asked(model) for _ in range(50)]
    until(lambda: all(told(other, "Rate limited by openai-chat; sending in") for other in others))
    assert len(provider.requests) == 1
    stop([first, *others])


@pytest.mark.parametrize("status", [429, 503, 529])
def test_no_stream_is_sent_before_the_wait_is_over_and_then_all_are(
    status: int, provider: Provider, model: Model
) -> None:
    provider.refuse(status, SLOW_DOWN, retry_after="2")
    began = time.monotonic()
    first = asked(model)
    until(lambda: told(first, "trying again in 2 s"))
    others = [asked(model) for _ in range(3)]
    provider.until(lambda: len(provider.requests) > 1)
    assert time.monotonic() - began > 2
    assert {reply.wait(30).status for reply in [first, *others]} == {"complete"}
    assert len(provider.requests) == 5


def test_those_who_have_waited_go_one_after_the_other(
    provider: Provider, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SPACING", 60.0)
    provider.refuse(429, SLOW_DOWN, retry_after="5")
    provider.answer("an answer of some time", delay=0.1)
    replies = [asked(model)]
    until(lambda: told(replies[0], "trying again"))
    replies += [asked(model) for _ in range(5)]
    until(lambda: any(reply.status == "complete" for reply in replies))
    assert len(provider.requests) == 2
    stop(replies)


def test_those_who_wait_go_on_waiting_where_the_first_of_them_is_told_to(
    provider: Provider, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SPACING", 5.0)
    for seconds in ("5", "119"):
        provider.refuse(429, SLOW_DOWN, retry_after=seconds)
    replies = [asked(model)]
    until(lambda: told(replies[0], "trying again"))
    replies += [asked(model) for _ in range(3)]
    until(lambda: any(told(reply, "sending in 11") for reply in replies))
    assert len(provider.requests) == 2
    stop(replies)


def stop(replies: list[Reply]) -> None:
    for reply in replies:
        reply.stop()
    assert {reply.wait(30).status for reply in replies} <= {"stopped", "complete"}


def test_an_answer_that_says_that_nothing_is_left_holds_back_the_next(
    provider: Provider, model: Model
) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "100s"}
    provider.answer("one", headers=headers)
    assert asked(model).wait(30).text == "one"
    second = asked(model)
    until(lambda: told(second, "Rate limited by openai-chat; sending in"))
    second.stop()
    assert second.wait(30).status == "stopped"
    assert len(provider.requests) == 1


def test_after_the_reset_it_goes_on(provider: Provider, model: Model) -> None:
    headers = {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "300ms"}
    provider.answer("one", headers=headers)
    began = time.monotonic()
    asked(model).wait(30)
    assert asked(model).wait(30).status == "complete"
    assert time.monotonic() - began > 0.3


@pytest.mark.parametrize(
    "other",
    [{"api_key": "sk-another-key"}, {"base_url": "http://localhost:{port}/v1"}],
    ids=["another key", "another host"],
)
def test_another_key_and_another_host_have_limits_of_their_own(
    other: dict[str, Any], provider: Provider, model: Model
) -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "100s"}
    provider.answer("one", headers=headers)
    asked(model).wait(30)
    port = provider.address.rpartition(":")[2]
    changes = {name: value.format(port=port) for name, value in other.items()}
    assert asked(get_model(model, **changes)).wait(30).status == "complete"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"retry-after": "100"}),
        (429, {"retry-after": "600"}),
        (503, {"retry-after": "100", "x-should-retry": "false"}),
    ],
)
def test_what_asks_for_no_wait_that_helps_holds_nobody_back(
    status: int, headers: dict[str, str], provider: Provider, model: Model
) -> None:
    body = None if status == 200 else '{"error": "No."}'
    provider.answer("one", status=status, headers=headers, body=body)
    asked(model).wait(30)
    assert asked(model).wait(30).status == "complete"
    assert len(provider.requests) == 2
