"""Recorded streams of real providers, and what a client should make of each.

They are read from $CHATKIT_RECORDINGS, else from `recordings` in the folder `shared` beside the
checkout; those of the embedded model are in `recordings` here, and always there.
`python -m tests.recorded` prints a table by provider.
"""

from __future__ import annotations

import json
import os
from ast import literal_eval
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec

from chatkit.chunks import Chunk, Error, Finish, ToolInputAvailable, ToolInputDelta, ToolInputStart
from chatkit.messages import (
    DataPart,
    Message,
    ReasoningPart,
    SourceDocumentPart,
    SourceUrlPart,
    TextPart,
    ToolPart,
    part_to_json,
)
from chatkit.providers import Decoder, Model, get_model
from chatkit.providers.table import ENDPOINTS
from chatkit.reducer import reduce

Json = dict[str, Any]
ROOT = Path(
    os.environ.get("CHATKIT_RECORDINGS")
    or Path(__file__).resolve().parents[2] / "shared" / "recordings"
)
OWN = Path(__file__).parent / "recordings"
# the wire formats that chatkit reads, and the provider whose dialect that is
PROVIDERS = {
    "responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "gemini-interactions": "gemini-interactions",
}
FORMATS = (
    "chat",
    *(name for name, provider in PROVIDERS.items() if provider in ENDPOINTS),
    "vercel-ui",
)
_WHERE_TOLD = ("model", "message_id", "part_types", "server_tool_calls")
_MISSING = f"no recordings in {ROOT}: set CHATKIT_RECORDINGS to the folder that holds INDEX.csv"


def missing() -> list[str]:
    """What the tests leave out on this machine, and how to get it."""
    return [] if (ROOT / "INDEX.csv").exists() else [_MISSING]


@dataclass(frozen=True)
class Case:
    """One recorded body and what is known of it."""

    name: str
    wire: bytes
    told: Json

    @property
    def wire_format(self) -> str:
        """`chat`, `responses`, `anthropic`, `gemini`, `gemini-interactions` or `vercel-ui`."""
        return str(self.told["wire_format"])

    @property
    def wanted(self) -> list[Json]:
        """Each result that is right: `desired` over `expected`, and what is also accepted."""
        desired = self.told.get("desired", {})
        first = {**self.told["expected"], **desired}
        if self.told.get("terminal_seen") == {"terminal_event": None}:
            first.setdefault("complete", False)
        others = desired.get("also_accepted")
        return [first, {**first, **others}] if others else [first]


def cases(*wire_formats: str, folder: str = "*") -> list[Case]:
    """The recordings of these formats, by name; none where the recordings are not there."""
    return [case for case in _all(folder) if case.wire_format in wire_formats]


def own() -> list[Case]:
    """The recordings of the embedded model, in each dialect that its server speaks."""
    return [_case(file, OWN) for file in sorted(OWN.glob("*/*/*.sse"))]


def own_refusals() -> dict[str, Json]:
    """What its server said to a question that was too long, by wire format."""
    files = sorted(OWN.glob("*/*/too-long.json"))
    return {file.parent.name: json.loads(file.read_text()) for file in files}


def refusals() -> dict[str, Json]:
    """The recorded error answers by name: `status`, `headers` and `body`."""
    files = sorted(ROOT.glob("http-errors/*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def _all(folder: str) -> Iterator[Case]:
    for file in sorted(ROOT.glob(f"{folder}/*.sse")):
        yield _case(file, ROOT)


def _case(file: Path, root: Path) -> Case:
    told = json.loads(file.with_suffix(".json").read_text())
    return Case(file.relative_to(root).with_suffix("").as_posix(), file.read_bytes(), told)


def model_for(case: Case) -> Model:
    """A model whose decoder reads the case."""
    if case.wire_format == "vercel-ui":
        return get_model("ui+https://example.invalid/api/chat")
    folder = case.name.split("/")[0]
    chat = f"{folder}-chat" if f"{folder}-chat" in ENDPOINTS else folder
    provider = chat if case.wire_format == "chat" else PROVIDERS[case.wire_format]
    return get_model(f"{provider}/recorded", base_url="https://example.invalid/v1")


def read(case: Case, *pieces: bytes) -> Json:
    """What a client made of the case when its body came in these pieces."""
    decoder = model_for(case).decoder()
    return result(decoder, decode(decoder, *pieces), case.wire_format)


def decode(decoder: Decoder, *pieces: bytes) -> list[Chunk]:
    """Every chunk of a body that comes in these pieces."""
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close()


def check_order(chunks: list[Chunk], *, calls_last: bool = True) -> None:
    """What holds of every stream: it can be written, it ends once, and calls come with the end.

    Not those of a backend that runs its own: they come as they are run, and so do those of tools
    that the provider runs.
    """
    for chunk in chunks:
        msgspec.json.encode(chunk)
    endings = [place for place, chunk in enumerate(chunks) if isinstance(chunk, Finish | Error)]
    assert endings in ([], [len(chunks) - 1])
    ready = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
    calls = [chunk for chunk in ready if not chunk.provider_executed]
    assert not (calls and calls_last) or isinstance(chunks[-1], Finish)
    reduce(Message(id="damaged", role="assistant"), chunks)


def result(decoder: Decoder, chunks: list[Chunk], wire_format: str = "chat") -> Json:
    """What a client made of a stream, in the recordings' words."""
    message = reduce(Message(id="recorded", role="assistant"), chunks)
    told = message.metadata
    return {
        "text": "".join(part.text for part in _texts(message) if not _is_refusal(part)),
        "refusal": "".join(part.text for part in _texts(message) if _is_refusal(part)),
        "reasoning": "".join(p.text for p in message.parts if isinstance(p, ReasoningPart)),
        "tool_calls": _ours(message, chunks, wire_format),
        "server_tool_calls": _calls(chunks, theirs=True),
        "finish_reason": told.get("rawFinishReason"),
        "reason": told.get("finishReason"),
        "usage": _counts(told, wire_format) or None,
        "model": told.get("responseModel"),
        "source_urls": _sources(message, wire_format),
        "documents": sum(isinstance(part, SourceDocumentPart) for part in message.parts),
        "complete": decoder.finished,
        "error": str(decoder.error) if decoder.error else None,
        "message_id": told.get("responseId"),
        "part_types": [part_to_json(part)["type"] for part in message.parts],
        "data_parts": [part_to_json(p) for p in message.parts if isinstance(p, DataPart)],
    }


def differences(case: Case, made: Json) -> list[str]:
    """How a result differs from what is wanted of the case; empty where it is exact."""
    wanted = case.wanted
    if case.wire_format == "gemini":
        wanted = [_from_google(each, made) for each in wanted]
    each = [_differences(one, made) for one in wanted]
    return [] if [] in each else each[0]


def _differences(wanted: Json, made: Json) -> list[str]:
    want = _expected(wanted)
    wrong = [
        f"{name}: {made[name]!r:.200} is not {want[name]!r:.200}"
        for name in want
        if made[name] != want[name]
    ]
    words = wanted.get("message_contains") or _error_words(wanted)
    if words and words not in (made["error"] or ""):
        wrong.append(f"error: {made['error']!r} does not say {words!r}")
    if not words and made["error"] and not wanted.get("error"):
        wrong.append(f"error: {made['error']!r}, where there is none")
    return wrong


def _expected(wanted: Json) -> Json:
    names = ["text", "reasoning", "tool_calls", "finish_reason"]
    names += [name for name in _WHERE_TOLD if name in wanted]
    usage = wanted["usage"] or {}
    counts = {name: usage[name] for name in ("input_tokens", "output_tokens") if name in usage}
    sources = wanted.get("source_urls") or []
    failed = bool(wanted.get("error") or wanted.get("aborted"))
    return {name: wanted[name] for name in names} | {
        "usage": counts or None,
        "refusal": wanted.get("refusal", ""),
        "source_urls": [url for url in sources if url],
        **({"documents": sources.count(None)} if None in sources else {}),
        "data_parts": wanted.get("data_parts") or [],
        "complete": wanted.get("complete", not failed),
    }


def _from_google(wanted: Json, made: Json) -> Json:
    """What Google's SDK makes of a stream, in the words of the other recordings.

    It knows no ids of its own for calls and no end but a finish reason, repeats sources and
    leaves some out, and shows errors as Python writes them.
    """
    usage, raw, error = wanted["usage"] or {}, wanted["finish_reason"], wanted.get("error")
    counts = {name: count for name, count in usage.items() if count is not None}
    if "tool_use_prompt_tokens" in counts:
        counts["input_tokens"] += counts["tool_use_prompt_tokens"]
    ids = [call["id"] for call in made["tool_calls"]]
    calls = [
        {"id": call["id"] or mine, "name": call["name"], "arguments": call["arguments"]}
        for call, mine in zip_longest(wanted["tool_calls"], ids)
        if call
    ]
    told = {"complete": bool(raw) and not error, **wanted, "usage": counts, "tool_calls": calls}
    sources = wanted["source_urls"] if "source_urls" in wanted else made["source_urls"]
    told["source_urls"] = list(dict.fromkeys(sources))
    if error:
        sent = literal_eval(error["message"].partition(". ")[2])
        told["error"] = {"message": sent["error"]["message"]}
    if raw is not None and raw == made["reason"]:  # not Google's word, but what it comes to
        told["finish_reason"] = made["finish_reason"]
    return told


def _error_words(wanted: Json) -> str:
    error = wanted.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _texts(message: Message) -> list[TextPart]:
    return [part for part in message.parts if isinstance(part, TextPart)]


def _counts(told: Json, wire_format: str) -> dict[str, int]:
    """The tokens as the provider counts them, which the recordings say."""
    usage = told.get("usage") or {}
    words = {"inputTokens": "input_tokens", "outputTokens": "output_tokens"}
    counts = {words[key]: usage[key] for key in words if key in usage}
    if wire_format.startswith("gemini") and "output_tokens" in counts:
        counts["output_tokens"] -= usage.get("reasoningTokens", 0)  # which Google counts apart
    if wire_format == "anthropic" and "input_tokens" in counts:  # which counts these apart
        counts["input_tokens"] -= usage.get("cachedInputTokens", 0)
        counts["input_tokens"] -= usage.get("cacheWriteTokens", 0)
    return counts


def _is_refusal(part: TextPart) -> bool:
    told = part.provider_metadata or {}
    return any(isinstance(each, dict) and each.get("refusal") for each in told.values())


def _calls(chunks: list[Chunk], *, theirs: bool = False) -> list[Json]:
    """The calls with their arguments as the exact text that came: of our tools, else of those
    that the provider runs."""
    calls: dict[str, Json] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolInputStart) and bool(chunk.provider_executed) == theirs:
            call = {"id": chunk.tool_call_id, "name": chunk.tool_name, "arguments": ""}
            calls[chunk.tool_call_id] = call
        elif isinstance(chunk, ToolInputDelta) and chunk.tool_call_id in calls:
            calls[chunk.tool_call_id]["arguments"] += chunk.input_text_delta
    return list(calls.values())


def _ours(message: Message, chunks: list[Chunk], wire_format: str) -> list[Json]:
    """The calls of our tools; OpenAI's SDK tells of those alone that were closed."""
    if wire_format == "vercel-ui":
        return _states(message)
    closed = {chunk.tool_call_id for chunk in chunks if isinstance(chunk, ToolInputAvailable)}
    calls = _calls(chunks)
    return [call for call in calls if wire_format != "responses" or call["id"] in closed]


def _sources(message: Message, wire_format: str) -> list[str]:
    """The pages by address; in Responses the documents too, by their id."""
    named: list[str] = []
    for part in message.parts:
        if isinstance(part, SourceUrlPart):
            named.append(part.url)
        elif isinstance(part, SourceDocumentPart) and wire_format == "responses":
            named.append(part.source_id)
    return named


def _states(message: Message) -> list[Json]:
    """The calls of a backend that runs them itself."""
    return [
        {
            "id": part.tool_call_id,
            "name": part.tool_name,
            "arguments": json.dumps(part.input),
            "state": part.state,
        }
        for part in message.parts
        if isinstance(part, ToolPart)
    ]


def main() -> None:
    """Print how many recordings of each provider are read exactly."""
    exact: dict[str, list[bool]] = defaultdict(list)
    for case in [*own(), *cases(*FORMATS)]:
        wrong = differences(case, read(case, case.wire))
        exact[case.name.split("/")[0]].append(not wrong)
        for line in wrong:
            print(f"{case.name}: {line}")
    for provider, each in exact.items():
        print(f"{provider:<16} {sum(each):>3} of {len(each):>3}")
    total = [one for each in exact.values() for one in each]
    print(f"{'all':<16} {sum(total):>3} of {len(total):>3} exact")
    print(*missing(), sep="\n")


if __name__ == "__main__":
    main()
