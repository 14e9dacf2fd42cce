"""What became of one text in another, word by word.

Alone knows what a word is, and how long it may take to compare them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

_ROOM = 4_000_000  # pairs of words that are compared: of two texts of 2,000 words
_MEETINGS = 100_000  # pairs of equal words; more of them, and the frequent ones are not looked up

# With the spaces behind it; lines end by themselves. A letter of Chinese or Japanese is a word.
_WORD = re.compile(
    r"(?:[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u9fff]+|\S)[^\S\n]*|\s+"
)
_SENTENCE = re.compile(r"[^\n.!?。]+[\n.!?。]*\s*|[\n.!?。]+\s*")


class Piece(NamedTuple):
    """A stretch of two texts: what both have, what only the first has, or only the second."""

    kind: Literal["same", "removed", "added"]
    text: str


def diff_words(a: str, b: str) -> list[Piece]:
    """What became of `a` in `b`, in whole words.

    All that is the same or removed, joined, is `a`; all that is the same or added is `b`. Of very
    long texts whole sentences are compared first, so that it takes a second or so at most.
    """
    pieces: list[Piece] = []
    removed = added = ""
    for mine, other in _cuts(a, b):
        if mine != other:
            removed, added = removed + mine, added + other
        elif mine:
            removed, added, space = _without_space(removed, added)
            pieces += *_changed(removed, added), Piece("same", space + mine)
            removed = added = ""
    return [*pieces, *_changed(removed, added)]


def _cuts(a: str, b: str) -> Iterator[tuple[str, str]]:
    """The two texts cut alongside each other; what is not the same stands beside what it became."""
    ours, theirs = _WORD.findall(a), _WORD.findall(b)
    begin = _common(ours, theirs)
    end = _common(ours[begin:][::-1], theirs[begin:][::-1])
    head, tail = "".join(ours[:begin]), "".join(ours[len(ours) - end :])
    yield head, head
    yield from _inner(ours[begin : len(ours) - end], theirs[begin : len(theirs) - end])
    yield tail, tail


def _common(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """How many they begin with are the same."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(ours), len(theirs)))


def _inner(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(ours) * len(theirs) <= _ROOM:
        yield from _matched(ours, theirs)
        return
    room = _ROOM
    for mine, other in _matched(*(_SENTENCE.findall("".join(words)) for words in (ours, theirs))):
        words = _WORD.findall(mine), _WORD.findall(other)
        needed = len(words[0]) * len(words[1])
        if mine == other or needed > room:
            yield mine, other
        else:
            room -= needed
            yield from _matched(*words)


def _matched(ours: Sequence[str], theirs: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The words that match one by one, whatever the spaces behind them; the others in one."""
    mine, other = list(map(_bare, ours)), list(map(_bare, theirs))
    counts = Counter(other)
    is_dense = sum(counts[word] for word in mine) > _MEETINGS
    matcher = SequenceMatcher(None, mine, other, autojunk=is_dense)
    for kind, first, last, start, stop in matcher.get_opcodes():
        if kind != "equal":
            yield "".join(ours[first:last]), "".join(theirs[start:stop])
            continue
        for word, spaced, alike in zip(
            mine[first:last], ours[first:last], theirs[start:stop], strict=True
        ):
            yield word, word
            yield spaced[len(word) :], alike[len(word) :]


def _bare(word: str) -> str:
    return word.rstrip(" \t") or word


def _without_space(removed: str, added: str) -> tuple[str, str, str]:
    """Without the space that both end with, and that space."""
    space = removed[len(removed.rstrip()) :]
    if not space or added[len(added.rstrip()) :] != space:
        return removed, added, ""
    return removed[: -len(space)], added[: -len(space)], space


def _changed(removed: str, added: str) -> list[Piece]:
    both = (Piece("removed", removed), Piece("added", added))
    return [piece for piece in both if piece.text]
