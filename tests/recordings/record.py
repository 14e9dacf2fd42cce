"""Record the streams in this folder anew: `python -m tests.recordings.record`.

The bodies come from the embedded model's server, in each of its three dialects. What is asked
and what the answers say is written here by hand and read line by line, with nothing of chatkit's
translations, so that chatkit can be tested against it.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from chatkit import local

Json = dict[str, Any]

FOLDER = Path(__file__).parent / "local"
PATHS = {"chat": "/chat/completions", "responses": "/responses", "anthropic": "/messages"}
SYSTEM = "You are a helpful assistant."
FRANCE = "What is the capital of France?"
CITY: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = ("get_weather", "The weather in a city.")
ANSWER = ("answer", "Give the final answer. Call this once, with the whole answer.")


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is asked, in no dialect's words."""

    prompt: str
    longest: int = 200  # tokens
    tool: tuple[str, str] | None = None  # name and description, of what takes a city
    in_json: bool = False


CASES = {
    "text": Case(prompt=FRANCE),
    "length": Case(prompt=FRANCE, longest=5),
    "markdown": Case(prompt="Write a Python function that checks if a number is even."),
    "tool": Case(prompt="What is the weather in Paris?", tool=WEATHER),
    "tools": Case(prompt="Call get_weather for Tokyo and get_weather for London.", tool=WEATHER),
    "schema": Case(prompt=FRANCE, in_json=True),
}
LACKING = {("anthropic", "tools")}  # it calls one tool at a time there, whatever it is told
TOO_LONG = Case(prompt="word " * 5_000)


def main() -> None:
    base = asyncio.run(local.address("smollm2", print))
    for dialect, path in PATHS.items():
        for name, case in CASES.items():
            if (dialect, name) not in LACKING:
                record_stream(dialect, name, base + path, REQUESTS[dialect](case))
        record_refusal(dialect, base + path, REQUESTS[dialect](TOO_LONG))
    local.stop()


def record_stream(dialect: str, name: str, url: str, body: Json) -> None:
    """One answer, and beside it what was asked and what a client should make of it."""
    answer = httpx.post(url, json=body, timeout=60).raise_for_status()
    events = read(answer.content)
    told = {"wire_format": dialect, "request": body, "expected": EXPECTED[dialect](events)}
    (FOLDER / dialect / f"{name}.sse").write_bytes(answer.content)
    (FOLDER / dialect / f"{name}.json").write_text(json.dumps(told, indent=1) + "\n")


def record_refusal(dialect: str, url: str, body: Json) -> None:
    """What it says to more words than it takes."""
    answer = httpx.post(url, json=body, timeout=60)
    headers = {"content-type": answer.headers["content-type"]}
    told = {"status": answer.status_code, "headers": headers, "body": answer.text}
    (FOLDER / dialect / "too-long.json").write_text(json.dumps(told, indent=1) + "\n")


# What is asked


def chat_request(case: Case) -> Json:
    system, user = {"role": "system", "content": SYSTEM}, {"role": "user", "content": case.prompt}
    body: Json = {"messages": [system, user], "max_tokens": case.longest, **COMMON}
    body["stream_options"] = {"include_usage": True}
    if case.tool is not None:
        name, description = case.tool
        function = {"name": name, "description": description, "parameters": CITY, "strict": True}
        body["tools"] = [{"type": "function", "function": function}]
        body |= {"tool_choice": "required", "parallel_tool_calls": True}
    if case.in_json:
        named = {"name": "answer", "strict": True, "schema": CITY}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def responses_request(case: Case) -> Json:
    body: Json = {"instructions": SYSTEM, "input": case.prompt, **COMMON}
    body["max_output_tokens"] = case.longest
    if tool := case.tool or (ANSWER if case.in_json else None):  # it has no schemas in this dialect
        function = {"name": tool[0], "description": tool[1], "parameters": CITY, "strict": True}
        body["tools"] = [{"type": "function", **function}]
        body |= {"tool_choice": "required", "parallel_tool_calls": True}
    return body


def anthropic_request(case: Case) -> Json:
    user = {"role": "user", "content": case.prompt}
    body: Json = {"system": SYSTEM, "messages": [user], "max_tokens": case.longest, **COMMON}
    if tool := case.tool or (ANSWER if case.in_json else None):  # nor in this one
        described = {"name": tool[0], "description": tool[1], "input_schema": CITY}
        body |= {"tools": [described], "tool_choice": {"type": "any"}}
    return body


COMMON: Json = {"model": "smollm2", "stream": True, "temperature": 0}
REQUESTS = {
    "chat": chat_request,
    "responses": responses_request,
    "anthropic": anthropic_request,
}


# What a client should make of the answers


def read(body: bytes) -> list[Json]:
    """The events of a body, each of them one `data:` line of JSON."""
    lines = [line for line in body.decode().split("\n") if line.startswith("data: {")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def expected_of_chat(events: list[Json]) -> Json:
    choices = [event["choices"][0] for event in events if event["choices"]]
    calls: list[Json] = []
    for choice in choices:
        for call in choice["delta"].get("tool_calls", []):
            if call["index"] == len(calls):
                calls.append({"id": call["id"], "name": call["function"]["name"], "arguments": ""})
            calls[-1]["arguments"] += call["function"]["arguments"]
    usage = events[-1]["usage"]
    return {
        "text": "".join(choice["delta"].get("content") or "" for choice in choices),
        "reasoning": "",
        "tool_calls": calls,
        "finish_reason": choices[-1]["finish_reason"],
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
        },
        "model": events[0]["model"],
    }


def expected_of_responses(events: list[Json]) -> Json:
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    response = events[-1]["response"]
    return {
        "text": "".join(
            event["delta"] for event in events if event["type"] == "response.output_text.delta"
        ),
        "reasoning": "",
        "tool_calls": [
            {"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]}
            for item in items
            if item["type"] == "function_call"
        ],
        "finish_reason": response["status"],
        "usage": {
            "input_tokens": response["usage"]["input_tokens"],
            "output_tokens": response["usage"]["output_tokens"],
        },
        "model": response["model"],
    }


def expected_of_anthropic(events: list[Json]) -> Json:
    first, last = events[0]["message"], events[-2]
    blocks = [e["content_block"] for e in events if e["type"] == "content_block_start"]
    deltas = [(e["index"], e["delta"]) for e in events if e["type"] == "content_block_delta"]
    return {
        "text": "".join(delta.get("text", "") for _, delta in deltas),
        "reasoning": "",
        "tool_calls": [
            {
                "id": block["id"],
                "name": block["name"],
                "arguments": "".join(d["partial_json"] for at, d in deltas if at == index),
            }
            for index, block in enumerate(blocks)
            if block["type"] == "tool_use"
        ],
        "finish_reason": last["delta"]["stop_reason"],
        "usage": {
            "input_tokens": first["usage"]["input_tokens"],
            "output_tokens": last["usage"]["output_tokens"],
        },
        "model": first["model"],
    }


EXPECTED = {
    "chat": expected_of_chat,
    "responses": expected_of_responses,
    "anthropic": expected_of_anthropic,
}


if __name__ == "__main__":
    main()
