"""Recorded streams of real providers, and what a client should make of each.

They are read from $CHATKIT_RECORDINGS, else from `recordings` in the folder `shared` beside the
checkout. `python -m tests.recorded` prints a table by provider.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chatkit.chunks import Chunk, Error, Finish, ToolInputAvailable, ToolInputDelta, ToolInputStart
from chatkit.messages import Message, ReasoningPart, SourceUrlPart, TextPart
from chatkit.providers import Decoder, Model, get_model
from chatkit.providers.table import ENDPOINTS
from chatkit.reducer import reduce

Json = dict[str, Any]
ROOT = Path(
    os.environ.get("CHATKIT_RECORDINGS")
    or Path(__file__).resolve().parents[2] / "shared" / "recordings"
)
# the wire formats that chatkit reads, and the provider whose dialect that is
PROVIDERS = {
    "responses": "openai-responses",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "gemini-interactions": "gemini-interactions",
}
FORMATS = ("chat", *(name for name, provider in PROVIDERS.items() if provider in ENDPOINTS))
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
        others = desired.get("also_accepted")
        return [first, {**first, **others}] if others else [first]


def cases(*wire_formats: str, folder: str = "*") -> list[Case]:
    """The recordings of these formats, by name; none where the recordings are not there."""
    return [case for case in _all(folder) if case.wire_format in wire_formats]


def refusals() -> dict[str, Json]:
    """The recorded error answers by name: `status`, `headers` and `body`."""
    files = sorted(ROOT.glob("http-errors/*.json"))
    return {file.stem: json.loads(file.read_text()) for file in files}


def _all(folder: str) -> Iterator[Case]:
    for file in sorted(ROOT.glob(f"{folder}/*.sse")):
        told = json.loads(file.with_suffix(".json").read_text())
        yield Case(f"{file.parent.name}/{file.stem}", file.read_bytes(), told)


def model_for(case: Case) -> Model:
    """A model whose decoder reads the case."""
    if case.wire_format == "vercel-ui":
        return get_model("ui+https://example.invalid/api/chat")
    folder = case.name.split("/")[0]
    provider = folder if case.wire_format == "chat" else PROVIDERS[case.wire_format]
    return get_model(f"{provider}/recorded", base_url="https://example.invalid/v1")


def read(case: Case, *pieces: bytes) -> Json:
    """What a client made of the case when its body came in these pieces."""
    decoder = model_for(case).decoder()
    return result(decoder, decode(decoder, *pieces), case.wire_format)


def decode(decoder: Decoder, *pieces: bytes) -> list[Chunk]:
    """Every chunk of a body that comes in these pieces."""
    chunks = [chunk for piece in pieces for chunk in decoder.feed(piece)]
    return chunks + decoder.close()


def check_order(chunks: list[Chunk]) -> None:
    """What holds of every stream: it can be written, it ends once, and calls come with the end."""
    for chunk in chunks:
        msgspec.json.encode(chunk)
    endings = [place for place, chunk in enumerate(chunks) if isinstance(chunk, Finish | Error)]
    assert endings in ([], [len(chunks) - 1])
    calls = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
    assert not calls or isinstance(chunks[-1], Finish)
    reduce(Message(id="damaged", role="assistant"), chunks)


def result(decoder: Decoder, chunks: list[Chunk], wire_format: str = "chat") -> Json:
    """What a client made of a stream, in the recordings' words."""
    message = reduce(Message(id="recorded", role="assistant"), chunks)
    told = message.metadata
    return {
        "text": "".join(part.text for part in _texts(message) if not _is_refusal(part)),
        "refusal": "".join(part.text for part in _texts(message) if _is_refusal(part)),
        "reasoning": "".join(p.text for p in message.parts if isinstance(p, ReasoningPart)),
        "tool_calls": _calls(chunks),
        "finish_reason": told.get("rawFinishReason"),
        "usage": _counts(told, wire_format) or None,
        "model": told.get("responseModel"),
        "source_urls": [part.url for part in message.parts if isinstance(part, SourceUrlPart)],
        "complete": decoder.finished,
        "error": str(decoder.error) if decoder.error else None,
    }


def differences(case: Case, made: Json) -> list[str]:
    """How a result differs from what is wanted of the case; empty where it is exact."""
    each = [_differences(wanted, made) for wanted in case.wanted]
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
    if not words and made["error"]:
        wrong.append(f"error: {made['error']!r}, where there is none")
    return wrong


def _expected(wanted: Json) -> Json:
    names = ("text", "reasoning", "tool_calls", "finish_reason", "model")
    usage = wanted["usage"] or {}
    counts = {name: usage[name] for name in ("input_tokens", "output_tokens") if name in usage}
    failed = bool(wanted.get("error"))
    return {name: wanted[name] for name in names} | {
        "usage": counts or None,
        "refusal": wanted.get("refusal", ""),
        "source_urls": wanted.get("source_urls", []),
        "complete": wanted.get("complete", not failed),
    }


def _error_words(wanted: Json) -> str:
    error = wanted.get("error")
    return str(error.get("message", "")) if isinstance(error, dict) else ""


def _texts(message: Message) -> list[TextPart]:
    return [part for part in message.parts if isinstance(part, TextPart)]


def _counts(told: Json, wire_format: str) -> dict[str, int]:
    """The tokens as the provider counts them, which the recordings say."""
    usage = told.get("usage") or {}
    words = {"inputTokens": "input_tokens", "outputTokens": "output_tokens"}
    return {words[key]: usage[key] for key in words if key in usage}


def _is_refusal(part: TextPart) -> bool:
    told = part.provider_metadata or {}
    return any(isinstance(each, dict) and each.get("refusal") for each in told.values())


def _calls(chunks: list[Chunk]) -> list[Json]:
    """The calls with their arguments as the exact text that came."""
    calls: dict[str, Json] = {}
    for chunk in chunks:
        if isinstance(chunk, ToolInputStart):
            call = {"id": chunk.tool_call_id, "name": chunk.tool_name, "arguments": ""}
            calls[chunk.tool_call_id] = call
        elif isinstance(chunk, ToolInputDelta):
            calls[chunk.tool_call_id]["arguments"] += chunk.input_text_delta
    return list(calls.values())


def main() -> None:
    """Print how many recordings of each provider are read exactly."""
    exact: dict[str, list[bool]] = defaultdict(list)
    for case in cases(*FORMATS):
        wrong = differences(case, read(case, case.wire))
        exact[case.name.split("/")[0]].append(not wrong)
        for line in wrong:
            print(f"{case.name}: {line}")
    for provider, each in exact.items():
        print(f"{provider:<16} {sum(each):>3} of {len(each):>3}")
    total = [one for each in exact.values() for one in each]
    print(f"{'all':<16} {sum(total):>3} of {len(total):>3} exact" if total else _MISSING)


if __name__ == "__main__":
    main()
