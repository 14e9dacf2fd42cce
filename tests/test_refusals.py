"""Error answers of many providers, each in its own words and of the right class."""

from __future__ import annotations

import json
import time
from email.utils import formatdate
from typing import Any

import pytest

from chatkit.errors import (
    AuthError,
    NotFound,
    ProviderError,
    RateLimited,
    ServerError,
    TooLarge,
)
from chatkit.providers import get_model
from tests.recorded import missing, refusals

RECORDED: dict[str, tuple[type[ProviderError], str, bool]] = {
    "anthropic-400-too-long": (TooLarge, "prompt is too long: 3333404 tokens", False),
    "anthropic-401-key": (AuthError, "invalid x-api-key", False),
    "anthropic-404-model": (NotFound, "model: there-is-no-such-model", False),
    "anthropic-529-overloaded": (ServerError, "Overloaded", True),
    "azure-401-key": (AuthError, "Access denied due to invalid subscription key", False),
    "azure-429-retry-after-ms-zero": (RateLimited, "have exceeded rate limit", True),
    "deepseek-401-key": (AuthError, "Authentication Fails", False),
    "fastapi-422-detail-list": (ProviderError, "body.messages: Field required", False),
    "gemini-400-key": (AuthError, "API key not valid", False),
    "gemini-404-model": (NotFound, "models/there-is-no-such-model is not found", False),
    "gemini-429-quota-retry-info": (RateLimited, "You exceeded your current quota", True),
    "groq-400-tool-use-failed": (ProviderError, "Tool call validation failed", False),
    "groq-404-model": (NotFound, "`llama-3.3-70b-versatlie` does not exist", False),
    "mistral-401-detail": (AuthError, "Invalid API Key", False),
    "ollama-404-error-is-string": (NotFound, "model 'nonexistent-model:latest' not found", False),
    "ollama-cloud-401": (AuthError, "Unauthorized", False),
    "openai-400-bad-param": (ProviderError, "Invalid 'temperature'", False),
    "openai-400-context-length": (TooLarge, "exceeds the context window", False),
    "openai-400-image-with-ratelimit-headers": (ProviderError, "Error while downloading", False),
    "openai-401-key": (AuthError, "Incorrect API key provided: test", False),
    "openai-404-model": (NotFound, "`non-existent-model` does not exist", False),
    "openai-429-insufficient-quota": (RateLimited, "check your plan and billing", False),
    "openrouter-401-no-auth": (AuthError, "Missing Authentication header", False),
    "openrouter-429-upstream": (RateLimited, "is temporarily rate-limited upstream", True),
    "perplexity-401-key": (AuthError, "Invalid API key provided", False),
    "retry-after-http-date": (ServerError, "upstream connect error", True),
    "vertex-400-role": (ProviderError, "Please use a valid role: user, model.", False),
    "xai-400-error-is-string": (AuthError, "Incorrect API key provided", False),
}
WAITS = {"azure-429-retry-after-ms-zero": 1.0, "gemini-429-quota-retry-info": 48.0}
CODES = {
    "openai-429-insufficient-quota": "insufficient_quota",
    "openai-400-context-length": "context_length_exceeded",
    "gemini-429-quota-retry-info": "RESOURCE_EXHAUSTED",
    "anthropic-529-overloaded": "overloaded_error",
    "openrouter-429-upstream": "429",
}


def refused(status: int, body: Any = b"", **headers: str) -> ProviderError:
    """The error of an answer; `retry_after="1"` is the header `Retry-After: 1`."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    model = get_model("acme/m", base_url="https://acme.example/v1", api_key="sk-acme-secret")
    return model.refusal(status, named, content)


@pytest.mark.skipif(bool(missing()), reason="\n".join(missing()))
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_refusal_is_told_in_its_own_words(name: str) -> None:
    told = refusals()[name]
    error = get_model("groq/m").refusal(told["status"], told["headers"], told["body"].encode())
    kind, words, retryable = RECORDED[name]
    assert type(error) is kind
    assert words in str(error)
    assert (error.status, error.retryable) == (told["status"], retryable)
    if name != "retry-after-http-date":
        assert error.retry_after == WAITS.get(name)
    if name in CODES:
        assert error.code == CODES[name]


@pytest.mark.skipif(bool(missing()), reason="\n".join(missing()))
def test_every_recorded_refusal_is_tested() -> None:
    assert set(refusals()) == set(RECORDED)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"error": {"message": "No."}}, "No."),
        ({"error": "No."}, "No."),
        ([{"error": {"message": "No."}}], "No."),
        ({"type": "error", "error": {"message": "No."}}, "No."),
        ({"detail": "No."}, "No."),
        ({"detail": [{"loc": ["body", 0], "msg": "No."}]}, "body.0: No."),
        ({"message": "No."}, "No."),
        ({"object": "error", "message": "No."}, "No."),
        ({"errors": [{"code": 7, "message": "No."}]}, "No."),
        (b"No.", "No."),
        (
            b"<html><style>p {}</style><body>\n<h1>502</h1>No &amp; no.</body></html>",
            "502 No & no.",
        ),
        (b"\xff\xfe No.", "No."),
        (b"", "it gave no reason"),
        ({"error": {}}, "it gave no reason"),
        (b"null", "it gave no reason"),
    ],
)
def test_the_words_are_found_in_every_shape_of_body(body: Any, words: str) -> None:
    assert words in str(refused(400, body))


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ProviderError, False),
        (401, AuthError, False),
        (402, ProviderError, False),
        (403, AuthError, False),
        (404, NotFound, False),
        (408, ProviderError, True),
        (409, ProviderError, True),
        (413, TooLarge, False),
        (422, ProviderError, False),
        (429, RateLimited, True),
        (500, ServerError, True),
        (503, ServerError, True),
        (529, ServerError, True),
    ],
)
def test_a_status_decides_the_class_and_whether_to_try_again(
    status: int, kind: type[ProviderError], retryable: bool
) -> None:
    error = refused(status)
    assert (type(error), error.retryable) == (kind, retryable)


def test_the_server_has_the_last_word_on_trying_again() -> None:
    assert not refused(503, x_should_retry="false").retryable
    assert refused(400, x_should_retry="true").retryable
    assert not refused(429, {"error": {"code": "insufficient_quota"}}).retryable
    assert not refused(429, {"error": {"code": "billing_hard_limit_reached"}}).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "3"}, 3.0),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after_ms": "0", "retry_after": "2"}, 2.0),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "-1"}, None),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "inf"}, None),
        (
            {
                "retry_after": "Sun, 22 Nov 2026 10:00:30 GMT",
                "date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            30.0,
        ),
        ({"retry_after": "Sun, 22 Nov 1998 10:00:30 GMT"}, 0.0),
        ({}, None),
    ],
)
def test_a_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    assert refused(429, **headers).retry_after == seconds


def test_a_date_without_the_servers_own_clock_is_measured_by_ours() -> None:
    error = refused(503, retry_after=formatdate(time.time() + 1_000, usegmt=True))
    assert error.retry_after == pytest.approx(1_000, abs=60)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "4.5s"}]}}, 4.5),
        ([{"error": {"details": [{"@type": "x/RetryInfo", "retryDelay": "4s"}]}}], 4.0),
        ({"error": {"message": "Please retry in 48.9s."}}, 48.9),
        ({"error": {"message": "Please try again in 20ms. Visit us."}}, 0.02),
        ({"error": {"message": "Try another day."}}, None),
    ],
)
def test_a_wait_is_read_from_the_body(body: Any, seconds: float | None) -> None:
    assert refused(429, body).retry_after == seconds


def test_an_error_says_how_long_to_wait_and_what_to_do() -> None:
    assert "It says to try again in 5 min." in str(refused(429, b"Slow.", retry_after="300"))
    assert "acme.example" in str(refused(404))
    assert "api_key=" in str(refused(401))
    assert "shorter" in str(refused(413))


def test_a_redirect_names_where_it_leads_and_not_its_query() -> None:
    error = refused(307, location="https://b.example/v1?token=t-1234567")
    assert "https://b.example/v1" in str(error)
    assert "base_url=" in str(error)
    assert "t-1234567" not in str(error)


def test_the_request_id_is_kept() -> None:
    assert refused(500, x_request_id="req_1").request_id == "req_1"
    assert refused(500, {"request_id": "req_2"}).request_id == "req_2"
    assert refused(500).request_id is None


def test_a_key_that_the_provider_repeats_is_hidden() -> None:
    error = refused(401, {"error": {"message": "Bad key sk-acme-secret."}})
    assert "sk-acme-secret" not in f"{error}{error.args}{error.message}{error!r}"
    assert "Bad key [hidden]." in str(error)


def test_a_key_given_as_a_header_is_hidden_too() -> None:
    model = get_model(
        "acme/m",
        base_url="https://acme.example/v1",
        headers={"Authorization": "Bearer sk-other-one"},
    )
    assert "sk-other-one" not in str(model.refusal(401, {}, b"Not sk-other-one!"))


def test_a_page_of_megabytes_is_cut() -> None:
    assert len(str(refused(500, b"x" * 3_000_000))) < 5_000
    deep: Any = "No."
    for _ in range(300):
        deep = {"error": deep}
    assert "refused (400)" in str(refused(400, deep))
