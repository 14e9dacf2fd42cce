"""The test provider itself: what other tests take from it as given."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers import Provider, Remote

ASK = {"model": "test", "stream": True, "messages": [{"role": "user", "content": "Lisbon, please"}]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


def ask(url: str) -> httpx.Response:
    return httpx.post(f"{url}/chat/completions", json=ASK, headers={"authorization": "Bearer x"})


def events(wire: bytes) -> list[Any]:
    data = [event.removeprefix("data: ") for event in wire.decode().split("\n\n")]
    return [json.loads(each) for each in data if each.startswith("{")]


def text(wire: bytes) -> str:
    deltas = [event["choices"][0]["delta"] for event in events(wire) if event["choices"]]
    return "".join(delta.get("content", "") for delta in deltas)


def test_a_request_without_a_script_is_echoed_and_kept(provider: Provider) -> None:
    answer = ask(provider.url)
    assert text(answer.content) == "Answer to: Lisbon, please"
    assert answer.content.endswith(b"data: [DONE]\n\n")
    [request] = provider.requests
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer x"
    assert request.body == ASK
    assert provider.bytes_taken == len(answer.content)


def test_scripts_are_used_in_order_one_a_request(provider: Provider) -> None:
    assert text(ask(provider.url).content) == "Answer to: Lisbon, please"
    provider.answer("The first.", finish_reason="length", usage={"total_tokens": 7})
    provider.refuse(429, {"error": {"message": "Slow down."}}, retry_after="2")
    first, second, third = (ask(provider.url) for _ in range(3))
    assert text(first.content) == "The first."
    assert events(first.content)[-2]["choices"][0]["finish_reason"] == "length"
    assert events(first.content)[-1]["usage"] == {"total_tokens": 7}
    assert (second.status_code, second.headers["retry-after"]) == (429, "2")
    assert second.json() == {"error": {"message": "Slow down."}}
    assert text(third.content) == "Answer to: Lisbon, please"


def test_a_gated_answer_gives_one_token_a_release_and_each_is_a_piece(provider: Provider) -> None:
    answer = provider.answer("one two three", gated=True)
    with httpx.stream("POST", f"{provider.url}/chat/completions", json=ASK) as response:
        pieces = response.iter_raw()
        assert text(next(pieces)) == ""
        for token in ("one ", "two ", "three"):
            answer.release()
            assert text(next(pieces)) == token
        answer.open()
        assert b"".join(pieces).endswith(b"data: [DONE]\n\n")


def test_an_answer_can_end_in_an_error_without_a_mark_or_with_its_connection(
    provider: Provider,
) -> None:
    provider.answer("So far", error={"message": "Overloaded."})
    provider.answer("So far", cut=True)
    provider.answer("So far", drop=True)
    assert events(ask(provider.url).content)[-1]["error"] == {"message": "Overloaded."}
    cut = ask(provider.url).content
    assert text(cut) == "So far"
    assert b"[DONE]" not in cut
    with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked read"):
        ask(provider.url)


def test_a_recording_is_replayed_byte_for_byte(provider: Provider, tmp_path: Path) -> None:
    wire = b"\xef\xbb\xbfdata: 1\r\n\r\n: comment\rdata: [DONE]"
    recording = tmp_path / "recording.sse"
    recording.write_bytes(wire)
    provider.replay(recording)
    provider.replay(recording, cut_every=5)
    assert ask(provider.url).content == wire
    with httpx.stream("POST", f"{provider.url}/chat/completions", json=ASK) as response:
        assert b"".join(response.iter_raw()) == wire


def test_a_client_that_leaves_a_gated_answer_is_counted_at_once(provider: Provider) -> None:
    provider.answer("never released", gated=True)
    with httpx.stream("POST", f"{provider.url}/chat/completions", json=ASK) as response:
        pieces = response.iter_raw()
        next(pieces)
        assert provider.disconnects == 0
    provider.until(lambda: provider.disconnects == 1)


def test_one_connection_serves_one_request_after_another(provider: Provider) -> None:
    with httpx.Client() as client:
        for _ in range(3):
            client.post(f"{provider.url}/chat/completions", json=ASK)
    provider.until(lambda: provider.answered == 3)
    assert (provider.connections, provider.disconnects) == (1, 0)


def test_a_flood_stalls_where_the_client_does_not_read(provider: Provider) -> None:
    provider.flood()
    with httpx.stream("POST", f"{provider.url}/chat/completions", json=ASK):
        provider.until(lambda: provider.stalled == 1)
        assert 0 < provider.bytes_taken < 20_000_000
    provider.until(lambda: provider.disconnects == 1)


def test_it_serves_in_a_process_of_its_own() -> None:
    command = [sys.executable, "-m", "tests.servers"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        remote = Remote(process.stdout.readline().strip())
        answer = remote.answer("from afar", gated=True)
        with httpx.stream("POST", f"{remote.url}/chat/completions", json=ASK) as response:
            answer.open()
            assert text(response.read()) == "from afar"
        assert [request["body"] for request in remote.seen()["requests"]] == [ASK]
        process.kill()
