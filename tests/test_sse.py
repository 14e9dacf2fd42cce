"""Server-sent events, by the rules of the WHATWG and by those two that providers add."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkit.sse import Decoder, Event

BOM = b"\xef\xbb\xbf"
MEGABYTE = 1 << 20


def events(*pieces: bytes) -> list[Event]:
    """The events of these pieces, before the end of the stream."""
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def data(*pieces: bytes) -> list[bytes]:
    return [event.data for event in events(*pieces)]


def everything(pieces: Iterable[bytes]) -> tuple[list[Event], bytes]:
    """All that a decoder makes of these pieces and a clean end: its events and its strays."""
    decoder = Decoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return [*found, *decoder.close()], decoder.stray


def reference(wire: bytes) -> list[Event]:
    """The events of a whole stream, as the standard's text says it and in no hurry."""
    lines = wire.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    found, buffer, name = [], b"", b""
    for line in lines[:-1]:
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if line == b"":
            if buffer != b"":
                found.append(Event(buffer[:-1], name.decode("utf-8", "replace") or None))
            buffer, name = b"", b""
        elif field == b"data":
            buffer += value + b"\n"
        elif field == b"event":
            name = value
    return found


def cut(wire: bytes, places: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(wire) + 1) for place in places), len(wire)]
    return [wire[begin:end] for begin, end in pairwise(edges)]


WORDS = [b"data", b"data: ", b"event", b"event: ", b"id", b"retry", b"error: ", b":", b" ", b"x"]
ENDS = [b"\n", b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"]
SEPARATORS = ["\u2028".encode(), "\u2029".encode(), "\u0085".encode(), b"\x0b", b"\x0c", b"\x1c"]
PIECES = [*WORDS, *ENDS, *SEPARATORS, BOM, BOM[:1], BOM[1:2], b'{"a":', b"}", b"\x00", b"\xff"]
WIRES = st.lists(st.sampled_from(PIECES) | st.binary(max_size=3), max_size=40).map(b"".join)
CUTS = st.lists(st.integers(min_value=0), max_size=20)

EXAMPLE = (
    BOM + b": a comment\r\n"
    b"event: greeting\r\n"
    b'data: {"text":\r\n'
    b'data: "\xe2\x80\xa8 \xc2\x85 \xf0\x9f\x99\x82"}\r\n'
    b"\r\n"
    b"id: 7\rretry: 10\rdata\r\r"
    b'{"error": {"message": "gone"}}\n'
    b"error: it broke\n"
    b"data:no space\n\n"
    b"data: the last\n"
)


@given(WIRES)
def test_the_events_of_a_stream_are_those_of_the_standards_own_words(wire: bytes) -> None:
    assert events(wire) == reference(wire)


@given(WIRES, CUTS)
@example(BOM + b"data: x\n\n", [1, 2])
@example(b"data: x\r\n\r\ndata: y\r\n\r\n", [8, 10, 19])
def test_any_bytes_give_the_same_events_wherever_they_are_cut(
    wire: bytes, places: list[int]
) -> None:
    assert everything(cut(wire, places)) == everything([wire])


@given(st.lists(st.binary(max_size=12), max_size=12))
def test_any_bytes_in_any_pieces_are_read_without_an_error(pieces: list[bytes]) -> None:
    assert everything(pieces) == everything([b"".join(pieces)])


READS = [b"data: x\n\n", b"data: \n\n", b"data: x\n", b"\n", b"event: e\n", b"data: \r\n\r\n"]
MORE_READS = [b"data: x\n\r", b"data: x\r\n\n", b"\r", b"data: ", b"x\n\n", b": ping\n\n", BOM]
NAMED_READS = [
    b"event: e\ndata: x\n\n",
    b"event: \xff \xc3\xa9\ndata: \n\n",
    b"event: \ndata: x\n\n",
    b"event:e\ndata: x\n\n",
    b"event: e\nevent: f\ndata: x\n\n",
    b"event: e\r\ndata: x\n\n",
    b"event: e\ndata: x\ndata: y\n\n",
    b"event: e\nid: 7\n\n",
    b"id: 7\ndata: x\n\n",
    b"\ndata: x\n\n",
]


@given(st.lists(st.sampled_from(READS + MORE_READS + NAMED_READS), max_size=12))
def test_reads_that_end_where_events_end_give_the_same_events(pieces: list[bytes]) -> None:
    assert everything(pieces) == everything([b"".join(pieces)])
    assert events(*pieces) == reference(b"".join(pieces))


def test_a_stream_is_the_same_at_every_cut_and_byte_by_byte() -> None:
    whole = everything([EXAMPLE])
    assert [event.data for event in whole[0]][-2:] == [b"no space", b"the last"]
    for place in range(len(EXAMPLE) + 1):
        assert everything([EXAMPLE[:place], EXAMPLE[place:]]) == whole
    assert everything(EXAMPLE[i : i + 1] for i in range(len(EXAMPLE))) == whole


def test_if_the_line_is_empty_a_blank_line_dispatch_the_event() -> None:
    assert data(b"data: one\n") == []
    assert data(b"data: one\n", b"\n") == [b"one"]
    assert data(b"data: one\n\ndata: two\n\n") == [b"one", b"two"]


def test_if_the_data_buffer_is_an_empty_string_nothing_is_dispatched() -> None:
    assert events(b"\n\n: keep-alive\n\nevent: ping\n\n") == []
    assert events(b"event: lost\n\ndata: x\n\n") == [Event(b"x")]
    assert events(b"id: 7\n\n: keep-alive\n\n") == []


def test_the_last_line_feed_of_the_data_buffer_is_removed_and_no_other() -> None:
    assert data(b"data\n\n") == [b""]
    assert data(b"data\ndata\n\n") == [b"\n"]
    assert data(b"data: a\ndata:\n\n") == [b"a\n"]


def test_several_data_lines_join_with_a_line_feed() -> None:
    assert data(b"data: YHOO\ndata: +2\ndata: 10\n\n") == [b"YHOO\n+2\n10"]


def test_if_value_starts_with_a_space_remove_it_and_only_one() -> None:
    assert data(b"data:test\n\ndata: test\n\ndata:  test\n\n") == [b"test", b"test", b" test"]
    assert data(b"data:\ttest \n\n") == [b"\ttest "]
    assert events(b"event:  e \ndata: x\n\n") == [Event(b"x", " e ")]


def test_a_line_without_a_colon_is_a_field_with_an_empty_value() -> None:
    assert events(b"event: a\nevent\ndata: x\n\n") == [Event(b"x")]


def test_a_line_that_starts_with_a_colon_is_ignored() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b": OPENROUTER PROCESSING\n\n:data: x\n\n")) == []
    assert decoder.stray == b""


def test_the_event_field_names_the_next_event_only() -> None:
    assert events(b"event: a\ndata: 1\n\ndata: 2\n\n") == [Event(b"1", "a"), Event(b"2")]
    assert events(b"event: a\nevent: b\ndata: 1\n\n") == [Event(b"1", "b")]


def test_an_event_type_buffer_that_is_empty_leaves_the_event_without_a_name() -> None:
    assert events(b"event:\ndata: 1\n\n") == [Event(b"1", None)]


def test_id_and_retry_make_no_event_and_are_no_strays() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"id: 1\nretry: 3000\ndata: x\n\n")) == [Event(b"x")]
    assert decoder.stray == b""


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_lines_end_with_any_of_cr_lf_and_crlf(end: bytes) -> None:
    wire = end.join([b"event: e", b"data: 1", b"data: 2", b"", b"data: 3", b"", b""])
    assert events(wire) == [Event(b"1\n2", "e"), Event(b"3")]


def test_a_cr_at_the_end_of_one_read_and_a_lf_at_the_start_of_the_next_are_one_line_end() -> None:
    assert data(b"data: 1\r", b"\ndata: 2\r", b"\n\r", b"\n") == [b"1\n2"]
    assert data(b"data: 1\r", b"", b"\n", b"data: 2\n\n") == [b"1\n2"]


def test_a_cr_alone_dispatches_without_waiting_for_what_comes_next() -> None:
    assert data(b"data: 1\r\r") == [b"1"]


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
def test_no_other_separator_of_lines_ends_one(mark: str) -> None:
    line = f'{{"text":"a{mark}b"}}'.encode()
    assert data(b"data: " + line + b"\n\n") == [line]


def test_one_leading_byte_order_mark_is_ignored_cut_or_whole() -> None:
    assert data(BOM + b"data: x\n\n") == [b"x"]
    assert data(b"", BOM[:1], BOM[1:2], b"", BOM[2:], b"data: x\n\n") == [b"x"]
    assert data(BOM + BOM + b"data: x\n\n") == []


def test_a_byte_order_mark_later_belongs_to_its_line() -> None:
    assert data(b"data: " + BOM + b"\n\n") == [BOM]
    assert data(b"data: x\n\n" + BOM + b"data: y\n\n") == [b"x"]


def test_a_stream_shorter_than_a_byte_order_mark_is_kept() -> None:
    assert everything([BOM[:2]]) == ([], BOM[:2])


def test_the_end_of_the_stream_keeps_an_event_without_its_blank_line() -> None:
    for wire in (b"data: x\n\ndata: last", b"data: x\n\ndata: last\n", b"data: x\n\ndata: last\r"):
        decoder = Decoder()
        assert [event.data for event in decoder.feed(wire)] == [b"x"]
        assert [event.data for event in decoder.close()] == [b"last"]
        assert list(decoder.close()) == []


def test_the_end_of_an_ended_stream_adds_nothing() -> None:
    assert everything([b"data: x\n\n"]) == ([Event(b"x")], b"")
    assert everything([]) == ([], b"")


def test_bare_json_between_events_is_kept_aside() -> None:
    bare = b'[{\n  "error": {\n    "code": 503,\n    "message": "Overloaded: later"\n  }\n}\n]'
    found, stray = everything([b'data: {"ok":1}\n\n', bare])
    assert [event.data for event in found] == [b'{"ok":1}']
    assert stray == bare


def test_the_value_of_a_field_that_is_none_of_the_standards_is_kept_aside() -> None:
    found, stray = everything([b'data: 1\n\nerror: {"message":"slot is busy"}\n\n'])
    assert [event.data for event in found] == [b"1"]
    assert stray == b'{"message":"slot is busy"}'


def test_what_is_kept_aside_is_bounded() -> None:
    decoder = Decoder()
    for _ in range(64):
        assert list(decoder.feed(b"<html>\n" * (MEGABYTE // 64))) == []
    assert 0 < len(decoder.stray) < 2 * MEGABYTE


def test_one_event_of_many_megabytes_is_not_copied_again_for_each_read() -> None:
    """Copying what has come at each of these reads would move half a terabyte."""
    decoder = Decoder()
    piece = b"x" * 1024
    assert list(decoder.feed(b"data: ")) == []
    for _ in range(32 * 1024):
        assert list(decoder.feed(piece)) == []
    [event] = decoder.feed(b"\n\n")
    assert len(event.data) == 32 * MEGABYTE
