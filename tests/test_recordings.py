"""Real streams of many providers, each read to exactly what it says, however its bytes are cut."""

from __future__ import annotations

import json
import pickle
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from chatkit import sse
from chatkit.chunks import Chunk, ToolInputAvailable, ToolInputDelta, merged
from chatkit.errors import TooLarge
from chatkit.providers import Decoder, get_model
from tests.recorded import (
    FORMATS,
    PROVIDERS,
    Case,
    cases,
    check_order,
    decode,
    differences,
    model_for,
    own,
    own_refusals,
    read,
    result,
)

ALL = [*own(), *cases(*FORMATS)]
CHAT = [case for case in ALL if case.wire_format == "chat"]
FRAMING = [
    case
    for wire_format in ("anthropic", "responses", "chat")
    for case in cases(wire_format, folder="sse-framing")
    if len(case.wire) < 10_000
]
SMALL = 3_000  # bytes of a body that is read anew for each cut
WIDE = 20_000  # bytes of an event that is cut everywhere
MANY = 100  # events of a recording, those after which are like them and cut in a few places


def each(chosen: list[Case]) -> pytest.MarkDecorator:
    """Run a test for each of these recordings."""
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


@each(ALL)
def test_a_recording_is_read_exactly(case: Case) -> None:
    assert differences(case, read(case, case.wire)) == []


@each(ALL)
@pytest.mark.parametrize("size", [1, 13])
def test_a_recording_is_read_exactly_in_small_pieces(case: Case, size: int) -> None:
    wire = case.wire
    pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
    assert differences(case, read(case, *pieces)) == []


@each([c for c in ALL if len(c.wire) <= SMALL])
def test_a_recording_is_read_the_same_when_cut_in_two_anywhere(case: Case) -> None:
    whole = joined(decode(decoder_for(case), case.wire))
    for cut in range(len(case.wire)):
        made = joined(decode(decoder_for(case), case.wire[:cut], case.wire[cut:]))
        assert made == whole, f"cut at byte {cut}"


@each([c for c in ALL if len(c.wire) > SMALL])
def test_a_long_recording_is_in_the_same_state_after_each_event_wherever_that_is_cut(
    case: Case,
) -> None:
    """Cut within one event: the same chunks, and a decoder that knows the same afterwards.

    So the rest of the stream is read the same too, and need not be read anew for each cut.
    """
    before, read = decoder_for(case), 0
    for number, (begin, end) in enumerate(events_of(case.wire)):
        before.feed(case.wire[read:begin])
        read = begin
        saved = pickle.dumps(before)
        after = pickle.loads(saved)
        chunks = joined(after.feed(case.wire[begin:end]))
        known = state(after)
        for cut in cuts(begin, end) if number < MANY else some_cuts(begin, end):
            decoder = pickle.loads(saved)
            made = decoder.feed(case.wire[begin:cut]) + decoder.feed(case.wire[cut:end])
            assert joined(made) == chunks, f"cut at byte {cut}"
            assert state(decoder) == known, f"cut at byte {cut}"


@each(FRAMING)
def test_the_events_of_every_dialect_are_the_same_wherever_they_are_cut(case: Case) -> None:
    def events(*pieces: bytes) -> list[sse.Event]:
        decoder = sse.Decoder()
        found = [event for piece in pieces for event in decoder.feed(piece)]
        return found + decoder.close()

    whole = events(case.wire)
    assert all(isinstance(json.loads(event.data), dict) for event in whole[:-1])
    for cut in range(len(case.wire)):
        assert events(case.wire[:cut], case.wire[cut:]) == whole, f"cut at byte {cut}"


@each([c for c in ALL if c.told["expected"]["tool_calls"]])
def test_a_call_is_given_out_only_whole(case: Case) -> None:
    """Cut after any event, each call that was given out is one that the whole stream has."""
    whole = decode(decoder_for(case), case.wire)
    ready = [chunk for chunk in whole if isinstance(chunk, ToolInputAvailable)]
    for _, end in events_of(case.wire):
        chunks = decode(decoder_for(case), case.wire[:end])
        given = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
        assert given == ready[: len(given)], f"after {end} bytes"


@each([case for case in own() if case.name.endswith("/schema")])
def test_a_forced_call_is_read_as_the_answer_it_stands_for(case: Case) -> None:
    """Where the server has no structured output: its arguments are the text."""
    model = replace(model_for(case), schemas=case.wire_format == "chat")
    decoder = model.decoder(wants_schema=True)
    made = result(decoder, decode(decoder, case.wire), case.wire_format)
    [call] = case.told["expected"]["tool_calls"] or [{"arguments": case.told["expected"]["text"]}]
    assert (made["text"], made["tool_calls"]) == (call["arguments"], [])
    assert (made["reason"], made["complete"]) == ("stop", True)


@pytest.mark.parametrize("wire_format", own_refusals())
def test_what_the_embedded_models_server_refuses_is_told_in_its_words(wire_format: str) -> None:
    told = own_refusals()[wire_format]
    model = get_model(f"{PROVIDERS.get(wire_format, 'local')}/recorded")
    error = model.refusal(told["status"], told["headers"], told["body"].encode())
    assert isinstance(error, TooLarge)
    assert json.loads(told["body"])["error"]["message"] in str(error)


@each([c for c in CHAT if c.told["expected"]["tool_calls"]])
def test_a_call_is_given_out_only_once_its_stream_has_said_it_ends(case: Case) -> None:
    whole = decode(decoder_for(case), case.wire)
    ready = [chunk for chunk in whole if isinstance(chunk, ToolInputAvailable)]
    for _, end in events_of(case.wire):
        wire = case.wire[:end]
        chunks = decode(decoder_for(case), wire)
        given = [chunk for chunk in chunks if isinstance(chunk, ToolInputAvailable)]
        ended = b"[DONE]" in wire or re.search(rb'"finish_reason": ?"', wire)
        assert given == [] or (ended and given == ready), f"after {end} bytes"


@each(ALL)
def test_a_damaged_recording_never_raises_nor_breaks_the_order_of_chunks(case: Case) -> None:
    chance = random.Random(case.name)
    for _ in range(60):
        wire = damaged(case.wire[:60_000], chance)
        cut = chance.randrange(len(wire) + 1)
        chunks = decode(decoder_for(case), wire[:cut], wire[cut:])
        check_order(chunks, calls_last=case.wire_format not in ("vercel-ui", "responses"))


def decoder_for(case: Case) -> Decoder:
    """What reads the case."""
    return model_for(case).decoder()


def events_of(wire: bytes) -> Iterator[tuple[int, int]]:
    """Where each event begins and ends."""
    ends = [match.end() for match in re.finditer(rb"(?:\r\n|\n|\r){2}", wire)]
    yield from pairwise([0, *ends, *([len(wire)] if ends[-1:] != [len(wire)] else [])])


def cuts(begin: int, end: int) -> Iterator[int]:
    """Every place in an event; of the one of half a megabyte its edges and a sample."""
    if end - begin <= WIDE:
        yield from range(begin + 1, end)
    else:
        yield from range(begin + 1, begin + 300)
        yield from range(begin + 300, end - 300, 9_973)
        yield from range(end - 300, end)


def some_cuts(begin: int, end: int) -> Iterator[int]:
    """A few places in an event: there were many like it before."""
    yield from sorted({begin + 1, *range(begin + 2, end, 1 + (end - begin) // 8), end - 1})


def joined(chunks: list[Chunk]) -> list[Chunk]:
    """The chunks as they are however the reads fell: neighbouring deltas in one."""
    result: list[Chunk] = []
    for chunk in merged(chunks):
        last = result[-1] if result else None
        if (
            isinstance(chunk, ToolInputDelta)
            and isinstance(last, ToolInputDelta)
            and chunk.tool_call_id == last.tool_call_id
        ):
            text = last.input_text_delta + chunk.input_text_delta
            result[-1] = ToolInputDelta(last.tool_call_id, text)
        else:
            result.append(chunk)
    return result


def state(thing: Any) -> Any:
    """All that a decoder knows."""
    if isinstance(thing, list) and thing and isinstance(thing[0], bytes):
        return b"".join(thing)  # an unfinished line, in the pieces it came in
    if isinstance(thing, list):
        return [state(each) for each in thing]
    if isinstance(thing, dict):
        return {key: state(value) for key, value in thing.items()}
    if hasattr(thing, "__dict__") and not isinstance(thing, type):
        return {key: state(value) for key, value in vars(thing).items()}
    return thing


def damaged(wire: bytes, chance: random.Random) -> bytes:
    """The body after a few accidents: bytes lost, doubled or changed, values of odd types."""
    odd = [b"null", b"[]", b"{}", b"7", b"true", b'""', b'"\\ud83d"', b"-1e999", b'[{"text":5}]']
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(wire) + 1)
        upto = min(len(wire), at + chance.randint(0, 30))
        if chance.random() < 0.6:
            values = list(re.finditer(rb'(?<=":)("[^"]*"|[\w.]+|\[\]|\{\})', wire))
            if values:
                value = chance.choice(values)
                wire = wire[: value.start()] + chance.choice(odd) + wire[value.end() :]
                continue
        new = chance.choice([b"", wire[at:upto] * 2, bytes([chance.randrange(256)]), b"\n\n"])
        wire = wire[:at] + new + wire[upto:]
    return wire
