"""Record the streams in this folder anew: `python -m tests.recordings.local.record`.

The bodies come from the embedded model's server; what they say is read here line by line,
with nothing of chatkit's decoding, so that chatkit can be tested against it.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from chatkit import local

HERE = Path(__file__).parent
SYSTEM = {"role": "system", "content": "You are a helpful assistant."}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("What is the capital of France?", {}),
    "length": ("What is the capital of France?", {"max_tokens": 5}),
    "markdown": ("Write a Python function that checks if a number is even.", {}),
}


def main() -> None:
    url = asyncio.run(local.address("smollm2", print)) + "/chat/completions"
    for name, (prompt, options) in CASES.items():
        body = {
            "model": "smollm2",
            "messages": [SYSTEM, {"role": "user", "content": prompt}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": 0,
            **options,
        }
        answer = httpx.post(url, json=body, timeout=60).raise_for_status()
        told = {"wire_format": "chat", "request": body, "expected": expected(answer.content)}
        (HERE / f"{name}.sse").write_bytes(answer.content)
        (HERE / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")
    local.stop()


def expected(body: bytes) -> dict[str, Any]:
    """What a client should make of a body, whose every event is one `data:` line of JSON."""
    lines = [line.removeprefix("data: ") for line in body.decode().split("\n") if line]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    choices = [event["choices"][0] for event in events if event["choices"]]
    usage = events[-1]["usage"]
    return {
        "text": "".join(choice["delta"].get("content") or "" for choice in choices),
        "reasoning": "",
        "tool_calls": [],
        "finish_reason": choices[-1]["finish_reason"],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
        },
        "model": events[0]["model"],
    }


if __name__ == "__main__":
    main()
