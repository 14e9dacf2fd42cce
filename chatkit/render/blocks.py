"""Markdown that grows, cut into blocks that are each rendered once."""

from __future__ import annotations

import re
from functools import cache
from html import escape
from itertools import accumulate, pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatkit.render.elements import Elements, code_block, language
from chatkit.render.grammar import Parser, clean

LONG_LIST = 1_500  # characters; a longer list goes on as another block at its next item
LARGE = 4_000  # an unfinished block beyond this is rendered only when it has grown by a sixteenth
FENCE = re.compile(r"\n*(?:(?P<ticks>`{3,})([^`\n]*)|(?P<tildes>~{3,})(.*))\n")


class Blocks:
    """Markdown that grows, as a list of safe HTML blocks.

    `done` holds the finished ones and only ever gets longer; `tail()` is the rest as it stands.
    However the text was cut when fed, after `finish()` the blocks in `done` are `html` of it.
    """

    def __init__(self) -> None:
        self.done: list[str] = []
        self._fed: list[str] = []
        self._rest = ""  # the source of what is not done
        self._tried = 0  # how much of it was last found to be one open block
        self._seen = 0  # how much of it `_shown` shows
        self._shown: list[str] = []

    def feed(self, text: str) -> None:
        """Append `text`."""
        self._fed.append(text)

    def tail(self) -> list[str]:
        """The unfinished blocks as they stand; asking is what moves finished ones to `done`."""
        self._take()
        self._settle()
        if fence := FENCE.match(self._rest):
            return [_growing_fence(fence, self._rest)]
        size = len(self._rest)
        if size != self._seen and (size < LARGE or size * 16 > self._seen * 17):
            self._shown, self._seen = _growing(self._rest), size
        unseen = escape(self._rest[self._seen :], quote=False)
        return [*self._shown, *([f'<p class="raw">{unseen}</p>'] if unseen else [])]

    def finish(self) -> None:
        """No more text comes: what is left is done as well."""
        self._take(last=True)
        self.done += [_render(source) for source in _cut(self._rest)[0]]
        self._keep("")

    def _take(self, *, last: bool = False) -> None:
        fed = "".join(self._fed)
        held = "\r" if fed.endswith("\r") and not last else ""  # it may be half of "\r\n"
        self._fed = [held] if held else []
        self._rest += clean(fed.removesuffix(held))

    def _settle(self) -> None:
        """Render for good the blocks that no further text can change."""
        complete = self._rest.rfind("\n") + 1  # a line may still become anything
        if complete == self._tried or not _may_cut(self._rest, self._tried, complete):
            return
        sources, closed = _cut(self._rest[:complete])
        last = "" if closed else sources.pop()
        self.done += [_render(source) for source in sources]
        if sources or closed:
            self._keep(last + self._rest[complete:])
        self._tried = len(last)

    def _keep(self, rest: str) -> None:
        self._rest, self._tried, self._seen, self._shown = rest, 0, 0, []


def html(text: str) -> str:
    """The whole of `text` as safe HTML."""
    blocks = Blocks()
    blocks.feed(text)
    blocks.finish()
    return "".join(blocks.done)


def _render(source: str) -> str:
    return str(_renderer().render(source))


def _growing(source: str) -> list[str]:
    """Blocks that may still change: what they are now, code at their very end not yet coloured."""
    parser, env = _renderer(), {"open_at": source.rstrip("\n").count("\n") + 1}
    tokens = parser.parse(source, env)
    ends = (index for index, token in enumerate(tokens, 1) if token.level == 0 >= token.nesting)
    return [
        str(parser.renderer.render(tokens[start:end], parser.options, env))
        for start, end in pairwise([0, *ends])
    ]


@cache
def _renderer() -> MarkdownIt:
    return Parser(Elements)


@cache
def _cutter() -> MarkdownIt:
    """Finds blocks and leaves what is in them alone."""
    parser = Parser()
    parser.core.ruler.enableOnly(["normalize", "block"])
    return parser


def _cut(text: str) -> tuple[list[str], bool]:
    """The sources of the blocks in `text`, and whether the last can no longer change.

    Markdown is read line by line, and a line changes no block but the open one, the last:
    so the cuts are the same whether a text is seen whole or, in whole lines, as it grows.
    """
    lines = text.split("\n")
    tops, starts = _tops(_cutter().parse(text), [0, *accumulate(len(line) + 1 for line in lines)])
    if not tops:
        return [], True
    cuts = [0, *starts[1:], len(lines)]
    sources = ["\n".join(lines[start:end]) + "\n" for start, end in pairwise(cuts)]
    sources[-1] = sources[-1].removesuffix("\n")
    return sources, _is_closed(tops[-1], lines)


def _tops(tokens: list[Token], offsets: list[int]) -> tuple[list[Token], list[int]]:
    """The tokens that open a block, and the line of each cut; `offsets` are where lines begin."""
    tops: list[Token] = []
    starts: list[int] = []
    for token in tokens:
        if token.map is None or token.level > 1:
            continue
        line = token.map[0]
        if token.level == 0:
            tops.append(token)
            starts.append(line)
        elif token.type == "list_item_open" and offsets[line] - offsets[starts[-1]] > LONG_LIST:
            starts.append(line)
    return tops, starts


def _is_closed(token: Token, lines: list[str]) -> bool:
    """Whether no line that follows `lines` can belong to the block that `token` opens."""
    assert token.map is not None
    blank_follows = len(lines) > 1 and not lines[-2].strip(" \t")
    match token.type:
        case "heading_open" | "hr":
            return True
        case "fence":
            closing = _closing_fence(token.markup).fullmatch(lines[token.map[1] - 1])
            return closing is not None and token.map[1] - 1 > token.map[0]
        case "math_block":
            return bool(token.meta["closed"]) or blank_follows
        case "paragraph_open" | "blockquote_open" | "table_open":
            return blank_follows
        case _:
            return False  # a list, or indented code, goes on after blank lines


def _may_cut(text: str, tried: int, complete: int) -> bool:
    """Whether it is worth looking for blocks again, now that `text` is complete that far.

    To look later costs nothing but a larger tail; to look at every line would cost the most.
    """
    if fence := FENCE.match(text, 0, complete):
        closing = _closing_fence(fence["ticks"] or fence["tildes"])
        return closing.search(text, max(tried, fence.end()), complete) is not None
    return "\n\n" in text[max(tried - 1, 0) : complete] or complete * 4 > tried * 5


def _closing_fence(markup: str) -> re.Pattern[str]:
    return re.compile(rf"^ {{0,3}}{markup}{markup[0]}*[ \t]*$", re.MULTILINE)


def _growing_fence(fence: re.Match[str], text: str) -> str:
    """Code that still grows, plain, without what may become its closing line."""
    marker = (fence["ticks"] or fence["tildes"])[0]
    last = text.rfind("\n") + 1
    end = len(text) if text[last:].strip(f" \t{marker}") else last
    return code_block(text[fence.end() : end], language(fence[2] or fence[4] or ""), coloured=False)
