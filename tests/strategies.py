"""Random messages, parts and streams, for the tests that hold for every one of them."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, get_args

from hypothesis import strategies as st
from msgspec import UNSET

from chatkit import chunks as c
from chatkit import messages as m

Strategy = st.SearchStrategy

names = st.text("abcdefgh_-", min_size=1, max_size=6)
ids = st.sampled_from(["0", "1", "call-2", "3"])
texts = st.sampled_from(["", " ", "\n\t", "\u3000", "Olá!"]) | st.text(max_size=8)
maybe_text = st.none() | texts
maybe_bool = st.none() | st.booleans()
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, json_values, max_size=3)
metadata = st.none() | st.dictionaries(names, objects, max_size=2)
maybe_json = st.just(UNSET) | json_values
part_states = st.sampled_from([None, *get_args(m.PartState)])

text_parts = st.builds(
    m.TextPart, texts, part_states, st.none() | st.lists(objects, max_size=2), metadata
)
reasoning_parts = st.builds(m.ReasoningPart, texts, st.none() | ids, part_states, metadata)
file_parts = st.builds(
    m.FilePart,
    st.sampled_from(["image/png", "text/plain"]),
    st.sampled_from(["data:text/plain;base64,SGk=", "https://example.org/a.png"]),
    maybe_text,
    st.none() | st.dictionaries(names, names, max_size=1),
    metadata,
)
tool_parts = st.builds(
    m.ToolPart,
    names,
    ids,
    st.sampled_from(get_args(m.ToolState)),
    input=maybe_json,
    output=maybe_json,
    error_text=maybe_text,
    raw_input=st.just(UNSET) | texts,
    input_encoding=st.sampled_from([None, "json", "text"]),
    provider_executed=maybe_bool,
    preliminary=maybe_bool,
    title=maybe_text,
    approval=st.none()
    | st.fixed_dictionaries({"id": ids}, optional={"approved": st.booleans(), "reason": texts}),
    tool_metadata=st.none() | objects,
    call_provider_metadata=metadata,
    result_provider_metadata=metadata,
    dynamic=st.booleans(),
)
data_parts = st.builds(m.DataPart, names, json_values, st.none() | ids)
source_parts = st.builds(m.SourceUrlPart, ids, texts, maybe_text, metadata) | st.builds(
    m.SourceDocumentPart, ids, st.just("application/pdf"), texts, maybe_text, metadata
)
steering_parts = st.builds(
    m.SteeringPart,
    ids,
    st.lists(st.builds(lambda text: {"type": "text", "text": text}, texts), max_size=2),
)
unknown_parts = st.builds(
    lambda kind, fields: m.UnknownPart({**fields, "type": f"future {kind}"}), names, objects
)
parts: Strategy[m.Part] = st.one_of(
    text_parts,
    text_parts,
    reasoning_parts,
    file_parts,
    tool_parts,
    data_parts,
    source_parts,
    steering_parts,
    unknown_parts,
    st.builds(m.ReasoningFilePart, st.just("image/png"), texts, metadata),
    st.builds(m.CustomPart, st.just("openai.compaction"), metadata),
    st.builds(m.StepPart),
)


def _one_part_a_call(found: list[m.Part]) -> tuple[m.Part, ...]:
    calls: set[str] = set()
    kept: list[m.Part] = []
    for part in found:
        if isinstance(part, m.StepPart):
            calls.clear()
        if isinstance(part, m.ToolPart):
            if part.tool_call_id in calls:
                continue
            calls.add(part.tool_call_id)
        kept.append(part)
    return tuple(kept)


messages: Strategy[m.Message] = st.builds(
    m.Message,
    id=ids,
    role=st.sampled_from(get_args(m.Role)),
    parts=st.lists(parts, max_size=6).map(_one_part_a_call),
    status=st.sampled_from(get_args(m.Status)),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    metadata=objects.map(lambda found: {f"my {name}": value for name, value in found.items()}),
)

_calls = {
    "provider_executed": maybe_bool,
    "dynamic": maybe_bool,
    "provider_metadata": metadata,
    "tool_metadata": st.none() | objects,
}
_titled: dict[str, Any] = {**_calls, "title": maybe_text}
chunks: Strategy[c.Chunk] = st.one_of(
    st.builds(c.Start, st.none() | ids, st.none() | objects),
    st.builds(c.TextStart, ids, metadata),
    st.builds(c.TextDelta, ids, texts, metadata),
    st.builds(c.TextDelta, ids, texts),
    st.builds(c.TextEnd, ids, metadata, st.none() | st.lists(objects, max_size=1)),
    st.builds(c.ReasoningStart, ids, metadata),
    st.builds(c.ReasoningDelta, ids, texts, metadata),
    st.builds(c.ReasoningDelta, ids, texts),
    st.builds(c.ReasoningEnd, ids, metadata),
    st.builds(c.ToolInputStart, ids, names, st.sampled_from([None, "json", "text"]), **_titled),
    st.builds(c.ToolInputDelta, ids, texts),
    st.builds(c.ToolInputAvailable, ids, names, maybe_json, **_titled),
    st.builds(c.ToolInputError, ids, names, texts, maybe_json, **_titled),
    st.builds(c.ToolApprovalRequest, ids, ids, maybe_json, maybe_json, maybe_text, maybe_bool),
    st.builds(c.ToolApprovalResponse, ids, st.booleans(), maybe_text, maybe_bool, metadata),
    st.builds(c.ToolOutputAvailable, ids, maybe_json, maybe_bool, **_calls),
    st.builds(c.ToolOutputError, ids, texts, **_calls),
    st.builds(c.ToolOutputDenied, ids),
    st.builds(c.SourceUrl, ids, texts, maybe_text, metadata),
    st.builds(c.SourceDocument, ids, texts, texts, maybe_text, metadata),
    st.builds(c.File, texts, texts, metadata),
    st.builds(c.ReasoningFile, texts, texts, metadata),
    st.builds(c.Custom, st.just("openai.compaction"), metadata),
    st.builds(c.SteeringMessage, ids, st.just([{"type": "text", "text": "Shorter."}])),
    st.builds(c.StartStep),
    st.builds(c.FinishStep),
    st.builds(c.ResetStep),
    st.builds(c.MessageMetadata, objects),
    st.builds(c.Finish, st.sampled_from([None, *get_args(c.FinishReason)]), st.none() | objects),
    st.builds(c.Abort, maybe_text),
    st.builds(c.Error, texts),
    st.builds(c.Data, names, json_values, st.none() | ids, st.booleans()),
)
streams = st.lists(chunks, max_size=30)  # any chunk at any place: odder than any provider


def _text(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    kinds = draw(
        st.sampled_from(
            [
                (c.TextStart, c.TextDelta, c.TextEnd),
                (c.ReasoningStart, c.ReasoningDelta, c.ReasoningEnd),
            ]
        )
    )
    start, delta, end = kinds
    deltas = [delta(id, text, draw(metadata)) for text in draw(st.lists(texts, max_size=4))]
    return [start(id, draw(metadata)), *deltas, end(id, draw(metadata))]


def _call(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    name, dynamic, given = draw(names), draw(maybe_bool), draw(objects)
    written = json.dumps(given)
    place = draw(st.integers(0, len(written)))
    said: dict[str, Any] = {
        "dynamic": dynamic,
        "provider_metadata": draw(metadata),
        "title": draw(maybe_text),
    }
    call: list[c.Chunk] = [
        c.ToolInputStart(id, name, **said, provider_executed=draw(maybe_bool)),
        c.ToolInputDelta(id, written[:place]),
        c.ToolInputDelta(id, written[place:]),
        c.ToolInputAvailable(id, name, given, dynamic=dynamic, tool_metadata=draw(objects)),
    ]
    if draw(st.booleans()):
        call = call[3:]  # some come whole
    return [*call, *draw(st.sampled_from([_outputs, _approved, _denied]))(draw, id)]


def _outputs(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    first: list[c.Chunk] = [
        c.ToolOutputAvailable(id, value, True) for value in draw(st.lists(json_values, max_size=2))
    ]
    last = draw(
        st.builds(c.ToolOutputAvailable, st.just(id), json_values, provider_metadata=metadata)
        | st.builds(c.ToolOutputError, st.just(id), texts, maybe_bool, provider_metadata=metadata)
    )
    return [*first, last]


def _approved(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    ask = c.ToolApprovalRequest(f"approve {id}", id, draw(json_values), draw(json_values))
    answer = c.ToolApprovalResponse(f"approve {id}", True, draw(maybe_text), draw(maybe_bool))
    return [ask, answer, *_outputs(draw, id)]


def _denied(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    ask = c.ToolApprovalRequest(f"deny {id}", id, reason=draw(maybe_text))
    answer = c.ToolApprovalResponse(f"deny {id}", False, provider_metadata=draw(metadata))
    return [ask, answer, c.ToolOutputDenied(id)]


def _single(draw: st.DrawFn, id: str) -> list[c.Chunk]:
    single: Strategy[c.Chunk] = st.one_of(
        st.builds(c.SourceUrl, st.just(id), texts, maybe_text, metadata),
        st.builds(c.SourceDocument, st.just(id), texts, texts, maybe_text, metadata),
        st.builds(c.File, texts, texts, metadata),
        st.builds(c.ReasoningFile, texts, texts, metadata),
        st.builds(c.Custom, st.just("openai.compaction"), metadata),
        st.builds(c.Data, names, json_values, st.none() | ids, st.booleans()),
        st.builds(c.MessageMetadata, objects),
    )
    return [draw(single)]


@st.composite
def orderly_streams(draw: st.DrawFn) -> list[c.Chunk]:
    """Streams as a good provider sends them: several parts at once, each from start to end."""
    stream: list[c.Chunk] = [c.Start("theirs", draw(st.none() | objects))]
    number = 0
    for _ in range(draw(st.integers(1, 3))):
        lanes: list[list[c.Chunk]] = []
        for lane in draw(st.lists(st.sampled_from([_text, _call, _single]), max_size=4)):
            number += 1
            lanes.append(lane(draw, f"id {number}"))
        turns = [lane for lane in lanes for _ in lane]
        step = [lane.pop(0) for lane in draw(st.permutations(turns))]
        stream += [c.StartStep(), *step, c.FinishStep()]
    return [*stream, c.Finish("stop", draw(st.none() | objects))]
