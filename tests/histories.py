"""Conversations with each provider, its answers read by its own decoder from bytes written here.

Whatever a provider says for itself alone (a signature, encrypted reasoning, the id of an item) is
made by `sealed`, so that a test can find it wherever it goes.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

from chatkit import chunks as c
from chatkit import messages as m
from chatkit.providers import Model, get_model
from chatkit.reducer import reduce, settled

Json = dict[str, Any]

PNG = b64encode(b"\x89PNG\r\n\x1a\n").decode()
IMAGE = m.FilePart("image/png", f"data:image/png;base64,{PNG}", "dot.png")
REMOTE = m.FilePart("image/png", "https://example.org/dot.png")
PDF = m.FilePart("application/pdf", f"data:application/pdf;base64,{b64encode(b'%PDF-').decode()}")
PAGE = "https://example.org/page"

NAMES = {  # the providers, and the models that they are asked for
    "openai-chat": "openai-chat/gpt-5.2",
    "deepseek": "deepseek/deepseek-chat",
    "mistral": "mistral/mistral-large-latest",
    "openrouter": "openrouter/openai/gpt-5.2",
    "openai": "openai/gpt-5.2",
    "xai": "xai/grok-4",
    "anthropic": "anthropic/claude-opus-4-6",
    "gemini": "gemini/gemini-3-pro-preview",
    "gemini-interactions": "gemini-interactions/gemini-3-pro-preview",
    "ui": "ui+https://example.org/api/chat",
}


def model(provider: str) -> Model:
    """The model that the provider is asked for, with a key."""
    return get_model(NAMES[provider], api_key="not-a-key")


def sealed(number: int) -> str:
    """What a provider alone understands; it begins like no other text, and is Base64."""
    return b64encode(b"sealed%03d" % number).decode()


SEAL = sealed(0)[:8]


@dataclass(frozen=True, kw_only=True)
class Said:
    """One answer, in no provider's words."""

    thought: str = ""
    seal: int = 0  # the number of what the thought is sealed with
    text: str = ""
    calls: tuple[tuple[str, str, Json], ...] = ()  # id, name, input
    extras: bool = False  # whatever else the provider's answers may hold
    refused: bool = False
    whole: bool = True  # else the stream is cut


def data(*events: Json) -> bytes:
    """Events as all of them are written."""
    return b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)


# -- Chat Completions --


def chat(thinking: Callable[[Said], Json]) -> Callable[[Said], bytes]:
    """The stream of a server that tells its thoughts in the delta that `thinking` makes."""

    def wire(said: Said) -> bytes:
        deltas = [thinking(said)] if said.thought else []
        if said.text:
            deltas.append({"refusal" if said.refused else "content": said.text})
        deltas += [
            {"tool_calls": [{"index": i, "id": id, "function": {"name": name, "arguments": given}}]}
            for i, (id, name, given) in enumerate(_dumped(said))
        ]
        if said.extras:
            cited = {"type": "url_citation", "url_citation": {"url": PAGE, "title": "Page"}}
            deltas.append({"annotations": [cited], "images": [{"image_url": {"url": IMAGE.url}}]})
        choices: list[Json] = [{"index": 0, "delta": delta} for delta in deltas]
        if said.whole:
            choices.append({"finish_reason": "tool_calls" if said.calls else "stop"})
        events = data(*({"id": "gen", "model": "m", "choices": [choice]} for choice in choices))
        return events + (b"data: [DONE]\n\n" if said.whole else b"")

    return wire


def _in_content(said: Said) -> Json:
    return {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": said.thought}]}]}


def _in_details(said: Said) -> Json:
    detail: Json = {"type": "reasoning.text", "text": said.thought, "index": 0}
    hidden: Json = {"type": "reasoning.encrypted", "data": sealed(said.seal + 100), "index": 1}
    return {"reasoning_details": [{**detail, "signature": sealed(said.seal)}, hidden]}


# -- Responses --


def responses(said: Said) -> bytes:
    events: list[Json] = [{"type": "response.created", "response": {"id": "resp", "model": "m"}}]
    for index, item in enumerate(_items(said)):
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    if said.whole:
        events.append({"type": "response.completed", "response": {"id": "resp"}})
    elif said.text:
        events[-1] = {"type": "response.output_text.delta", "output_index": 0, "delta": said.text}
    return data(*events)


def _items(said: Said) -> list[Json]:
    items: list[Json] = []
    if said.thought:
        summary = [{"type": "summary_text", "text": said.thought}]
        secret = {"id": f"rs_{sealed(said.seal)}", "encrypted_content": sealed(said.seal + 100)}
        items.append({"type": "reasoning", "summary": summary, **secret})
    if said.extras:
        search: Json = {"type": "search", "query": "dots", "queries": ["dots"]}
        items += [
            {"type": "web_search_call", "id": f"ws_{sealed(900)}", "action": search},
            {"type": "image_generation_call", "id": f"ig_{sealed(901)}", "result": PNG},
        ]
        items = [{**item, "status": "completed"} for item in items]
    if said.text:
        cited = {"type": "url_citation", "url": PAGE, "title": "Page"}
        part: Json = {"type": "output_text", "text": said.text}
        part["annotations"] = [{**cited, "start_index": 0, "end_index": 1}] if said.extras else []
        if said.refused:
            part = {"type": "refusal", "refusal": said.text}
        item = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
        items.append({**item, "id": f"msg_{sealed(said.seal + 200)}", "phase": "final_answer"})
    for number, (id, name, given) in enumerate(_dumped(said)):
        named = {"call_id": id, "name": name, "arguments": given, "status": "completed"}
        item_id = f"fc_{sealed(said.seal + 300 + number)}"
        items.append({"type": "function_call", "id": item_id, **named})
    return items


# -- Messages --


def anthropic(said: Said) -> bytes:
    events: list[Json] = [{"type": "message_start", "message": {"id": "msg", "model": "m"}}]
    for index, (block, *deltas) in enumerate(_blocks(said)):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events += [{"type": "content_block_delta", "index": index, "delta": d} for d in deltas]
        events.append({"type": "content_block_stop", "index": index})
    reason = "tool_use" if said.calls else "end_turn"
    events.append({"type": "message_delta", "delta": {"stop_reason": reason}})
    events.append({"type": "message_stop"})
    return data(*(events if said.whole else events[:-3]))


def _blocks(said: Said) -> Iterable[list[Json]]:
    """The start of each block, and its deltas."""
    if said.thought:
        yield [
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": said.thought},
            {"type": "signature_delta", "signature": sealed(said.seal)},
        ]
        yield [{"type": "redacted_thinking", "data": sealed(said.seal + 100)}]
    if said.extras:
        search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
        page = {"type": "web_search_result", "url": PAGE, "title": "Page"}
        found = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1"}
        yield [search, {"type": "input_json_delta", "partial_json": '{"query": "dots"}'}]
        yield [{**found, "content": [{**page, "encrypted_content": sealed(900)}]}]
    if said.text:
        yield [{"type": "text", "text": ""}, {"type": "text_delta", "text": said.text}]
    for id, name, given in _dumped(said):
        block = {"type": "tool_use", "id": id, "name": name, "input": {}}
        yield [block, {"type": "input_json_delta", "partial_json": given}]


# -- generateContent --


def gemini(said: Said) -> bytes:
    events: list[Json] = [{"content": {"parts": [part]}} for part in _parts(said)]
    if said.extras:
        web = {"web": {"uri": PAGE, "title": "Page"}}
        events.append({"groundingMetadata": {"groundingChunks": [web]}})
    if said.whole:
        events.append({"finishReason": "SAFETY" if said.refused else "STOP"})
    return data(*({"modelVersion": "m", "candidates": [event]} for event in events))


def _parts(said: Said) -> Iterable[Json]:
    if said.thought:
        signature = sealed(said.seal + 100)
        yield {"text": said.thought, "thought": True, "thoughtSignature": signature}
    if said.extras:
        yield {
            "executableCode": {"language": "PYTHON", "code": "1"},
            "thoughtSignature": sealed(900),
        }
        yield {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}
        image = {"mimeType": "image/png", "data": PNG}
        yield {"inlineData": image, "thoughtSignature": sealed(901)}
    if said.text:
        yield {"text": said.text}
    if said.text and said.whole:
        yield {"text": "", "thoughtSignature": sealed(said.seal + 200)}
    for number, (id, name, given) in enumerate(said.calls):
        sign = {} if number else {"thoughtSignature": sealed(said.seal)}
        yield {"functionCall": {"id": id, "name": name, "args": given}, **sign}


# -- Interactions --


def interactions(said: Said) -> bytes:
    told = {"id": "int", "model": "m", "status": "requires_action" if said.calls else "completed"}
    events: list[Json] = [{"event_type": "interaction.created", "interaction": {"model": "m"}}]
    for index, (step, *deltas) in enumerate(_steps(said)):
        events.append({"event_type": "step.start", "index": index, "step": step})
        events += [{"event_type": "step.delta", "index": index, "delta": d} for d in deltas]
        events.append({"event_type": "step.stop", "index": index})
    events.append({"event_type": "interaction.completed", "interaction": told})
    return data(*(events if said.whole else events[:-2]))


def _steps(said: Said) -> Iterable[list[Json]]:
    """The start of each step, and its deltas."""
    if said.thought:
        thought = {"type": "text", "text": said.thought}
        yield [
            {"type": "thought"},
            {"type": "thought_summary", "content": thought},
            {"type": "thought_signature", "signature": sealed(said.seal)},
        ]
    if said.extras:
        search = {"type": "google_search_call", "id": "search_1", "signature": sealed(900)}
        found = {"type": "google_search_result", "call_id": "search_1", "signature": sealed(901)}
        yield [{**search, "arguments": {"queries": ["dots"]}}]
        yield [{**found, "result": [{"search_suggestions": "<b>dots</b>"}]}]
        yield [
            {"type": "model_output"},
            {"type": "image", "mime_type": "image/png", "data": PNG},
        ]
    if said.text:
        cited = {"type": "url_citation", "url": PAGE, "title": "Page"}
        annotated = {"type": "text_annotation_delta", "annotations": [cited]}
        deltas: list[Json] = [
            {"type": "text", "text": said.text},
            *([annotated] if said.extras else []),
        ]
        yield [{"type": "model_output"}, *deltas]
    for id, name, given in _dumped(said):
        step = {"type": "function_call", "id": id, "name": name}
        yield [step, {"type": "arguments_delta", "arguments": given}]


# -- UI messages --


def ui(said: Said) -> bytes:
    """A backend that runs on Anthropic's models, and says so."""
    opaque = {"anthropic": {"signature": sealed(said.seal)}}
    events: list[Json] = [{"type": "start"}, {"type": "start-step"}]
    if said.thought:
        events.append({"type": "reasoning-start", "id": "r"})
        events.append({"type": "reasoning-delta", "id": "r", "delta": said.thought})
        events.append({"type": "reasoning-end", "id": "r", "providerMetadata": opaque})
    if said.extras:
        ran = {"toolCallId": "ran", "providerExecuted": True}
        events.append(
            {"type": "tool-input-available", "toolName": "web_search", "input": {}, **ran}
        )
        events.append({"type": "tool-output-available", "output": [{"url": PAGE}], **ran})
        events.append({"type": "source-url", "sourceId": "s", "url": PAGE})
        events.append({"type": "file", "mediaType": "image/png", "url": IMAGE.url})
    if said.text:
        events.append({"type": "text-start", "id": "t"})
        events.append({"type": "text-delta", "id": "t", "delta": said.text})
    for id, name, given in said.calls:
        call = {"toolCallId": id, "toolName": name, "input": given}
        events.append({"type": "tool-input-available", **call})
    end = [{"type": "text-end", "id": "t"}, {"type": "finish-step"}, {"type": "finish"}]
    return data(*events, *(end if said.whole else []))


def _dumped(said: Said) -> list[tuple[str, str, str]]:
    return [(id, name, json.dumps(given)) for id, name, given in said.calls]


WIRES: dict[str, Callable[[Said], bytes]] = {
    "openai-chat": chat(lambda said: {"reasoning": said.thought}),
    "deepseek": chat(lambda said: {"reasoning_content": said.thought}),
    "mistral": chat(_in_content),
    "openrouter": chat(_in_details),
    "openai": responses,
    "xai": responses,
    "anthropic": anthropic,
    "gemini": gemini,
    "gemini-interactions": interactions,
    "ui": ui,
}


# -- a conversation --

ODD_ID = "functions.weather:0"
LONG_ID = "call_" + "x" * 80
WEATHER: Json = {"city": "Faro"}


def history(provider: str) -> list[m.Message]:
    """Everything that may have happened in a conversation with the provider."""
    ids = count()

    def message(role: m.Role, *parts: m.Part, **fields: Any) -> m.Message:
        return m.Message(id=f"{role}-{next(ids)}", role=role, parts=parts, **fields)

    def user(text: str, *files: m.Part) -> m.Message:
        return message("user", m.TextPart(text), *files)

    def answer(*steps: Said | c.Chunk, status: m.Status = "complete") -> m.Message:
        chunks = [chunk for step in steps for chunk in _chunks(provider, step)]
        return settled(reduce(message("assistant"), chunks), status)

    return [
        message("system", m.TextPart("Be brief.")),
        user("What is this?", IMAGE, PDF, REMOTE),
        answer(
            Said(thought="A dot?", seal=10, text="Let me see.", calls=((ODD_ID, "look", WEATHER),)),
            c.ToolOutputAvailable(ODD_ID, "Sunny"),
            Said(
                thought="Two more.",
                seal=20,
                calls=((LONG_ID, "weather", WEATHER), (ODD_ID, "city.weather", {})),
            ),
            c.ToolOutputAvailable(LONG_ID, {"degrees": 21}),
            c.ToolOutputAvailable(ODD_ID, [1, None]),
            Said(thought="Done.", seal=30, text="A dot.", extras=True),
        ),
        user("And then?"),
        user("Tell me!"),
        answer(
            Said(
                thought="All three.",
                seal=40,
                text="Trying.",
                calls=tuple((f"{number}", "weather", WEATHER) for number in range(3)),
            ),
            c.ToolOutputError("0", "No such city."),
            c.ToolApprovalRequest("ask", "1"),
            c.ToolApprovalResponse("ask", False, "Too dear."),
            c.ToolOutputDenied("1"),
            status="interrupted",
        ),
        user("Again!"),
        answer(
            Said(text="One.", seal=50, calls=(("one", "weather", WEATHER),)),
            c.ToolOutputAvailable("one", ""),
            c.SteeringMessage("s", [{"type": "text", "text": "Shorter."}]),
            Said(text="Two.", seal=60),
        ),
        user("  "),
        user("Something secret."),
        answer(Said(text="I cannot say.", seal=70, refused=True)),
        user("Why?"),
        message("assistant", status="error"),
        user("Are you there?"),
        answer(Said(thought="Hm.", seal=80, whole=False), status="interrupted"),
        user("Hello?"),
        answer(Said(text="Half of ", seal=90, whole=False), status="interrupted"),
        user("Go on."),
    ]


def _chunks(provider: str, step: Said | c.Chunk) -> list[c.Chunk]:
    if not isinstance(step, Said):
        return [step]
    decoder = model(provider).decoder()
    came = decoder.feed(WIRES[provider](step)) + decoder.close()
    assert decoder.error is None
    assert decoder.finished == step.whole
    return came if provider == "ui" else [c.StartStep(), *came]
