"""A comparison against a server that lets only so many requests through, as providers do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from chatkit import compare, get_model
from tests.servers import Provider, listen


class Limited(ThreadingHTTPServer):
    """Answers five requests a second; the others are told to come back after one."""

    RATE = 5
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("", 0), Handler, bind_and_activate=False)
        listen(self)
        self.answered: list[float] = []
        self.refused = 0
        self.may_end = threading.Event()  # before, the last one is refused
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def lets_through(self) -> bool:
        """Whether one more request may be answered now."""
        with self._lock:
            now = time.monotonic()
            may = sum(now - at < 1 for at in self.answered) < self.RATE
            may = may and (len(self.answered) < 24 or self.may_end.is_set())
            if may:
                self.answered.append(now)
            else:
                self.refused += 1
            return may


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Limited

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        if self.server.lets_through():
            chunk: dict[str, Any] = {"choices": [{"index": 0, "delta": {"content": "yes"}}]}
            end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
            events = [json.dumps(chunk), json.dumps(end), "[DONE]"]
            body = "".join(f"data: {event}\n\n" for event in events).encode()
            self._send(200, body, "text/event-stream")
        else:
            told = {"error": {"message": "Rate limit reached for requests", "code": 429}}
            self._send(429, json.dumps(told).encode(), "application/json", ("Retry-After", "1"))

    def _send(self, status: int, body: bytes, kind: str, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("content-type", kind), ("content-length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def limited() -> Iterator[Limited]:
    with Limited() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_rate_limit_slows_its_provider_only_and_is_told(
    limited: Limited, provider: Provider
) -> None:
    slow = get_model("groq/slow", base_url=limited.url, api_key="k")
    fast = get_model("openai-chat/fast", base_url=provider.url, api_key="k")
    notes: set[str] = set()
    waits: set[str] = set()
    runs = compare("Say {input}", [slow, fast], list(range(25)), concurrency=16)
    runs.observe(lambda _: notes.update(runs.notes))
    runs.observe(lambda changed: waits.update(runs[index].waits for index in changed))
    while len(runs.where(model=fast.id, status="complete")) < 25:
        time.sleep(0.01)
    assert len(runs.where(model=slow.id, status="complete")) < 25
    limited.may_end.set()
    runs.wait()
    assert runs.counts == {"complete": 50}
    assert any(note.startswith("Rate limited by groq") for note in notes)
    assert any(word.startswith("Rate limited by groq") for word in waits)
    assert limited.refused > 0
    assert len(limited.answered) == 25  # and none was paid for twice
