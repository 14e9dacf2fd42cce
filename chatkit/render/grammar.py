"""The Markdown chatkit reads: CommonMark with tables, task lists, bare addresses and formulas.

It alone decides what a link may point at and that nothing is loaded: an image is a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

LONGEST_FORMULA = 4_000
MOST_BRACKETS = 1_000  # in one paragraph; to pair them takes time that grows with the square
DEEPEST = 20  # levels of quotes and lists, or of emphasis; what is deeper is plain text
CLOSERS = {"$$": "$$", "\\[": "\\]", "\\(": "\\)", "$": "$"}
MATH_OPENS = re.compile(r"\$\$?|\\[(\[]")
SCHEME = re.compile(r"(?<![A-Za-z0-9])https?$", re.IGNORECASE)
ADDRESS = re.compile(r"""://(?:[^\s<>()`"]|\([^\s<>()`"]*\))+(?<![?!.,:;*_~'\]])""")
ALLOWED_LINK = re.compile(r"(https?://|mailto:)[^\s]", re.IGNORECASE)


class Parser(MarkdownIt):
    """A parser of hostile text: no raw HTML, no image, and only links that are safe to click."""

    def __init__(
        self, renderer: type[RendererHTML] = RendererHTML, *, references: bool = False
    ) -> None:
        super().__init__("js-default", {"html": False, "tasklists": True}, renderer_cls=renderer)
        self.disable(["html_block", "html_inline", "linkify"])
        if not references:  # `[a]: address` further down would change blocks already shown
            self.disable("reference")
        self.inline.ruler.push("bare_address", _bare_address)
        interrupts: Any = {"alt": ["paragraph", "blockquote", "list"]}
        self.block.ruler.before("fence", "math_block", _math_block, interrupts)
        self.inline.ruler.before("escape", "math_inline", _math_inline)
        self.core.ruler.before("inline", "brackets", _brackets_are_only_brackets)
        self.core.ruler.after("inline", "images", _images_become_links)
        self.core.ruler.after("images", "shallow", _deep_emphasis_is_text)
        self.block.ruler.before("table", "deep", _deep_blocks_are_text)

    def validateLink(self, url: str) -> bool:
        """Whether `url`, decoded and normalised, may be linked to."""
        return ALLOWED_LINK.match(url) is not None


def clean(text: str) -> str:
    """`text` with the line ends and characters that the rest counts on."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _brackets_are_only_brackets(state: StateCore) -> None:
    for token in state.tokens:
        if token.type == "inline" and token.content.count("[") > MOST_BRACKETS:
            token.content = token.content.replace("[", "&#91;")


def _bare_address(state: StateInline, silent: bool) -> bool:
    """`https://…` in the middle of text; tried at each `:`."""
    scheme = SCHEME.search(state.pending[-6:])
    found = ADDRESS.match(state.src, state.pos, state.posMax)
    if silent or state.linkLevel or not scheme or not found:
        return False
    state.pending = state.pending[: -len(scheme[0])]
    shown = scheme[0] + found[0]
    state.push("link_open", "a", 1).attrs = {"href": state.md.normalizeLink(shown)}
    state.tokens[-1].info = "auto"
    state.push("text", "", 0).content = shown
    state.push("link_close", "a", -1)
    state.pos = found.end()
    return True


def _images_become_links(state: StateCore) -> None:
    """A remote image tells its server that, when and from where it was read."""
    for token in state.tokens:
        if token.children:
            token.children = list(_relinked(token.children))


def _relinked(children: list[Token]) -> Iterator[Token]:
    """The inline tokens with links for images, and without links that lead nowhere."""
    outer: Token | None = None  # the link we are in
    for child in children:
        outer = child if child.type == "link_open" else outer
        if child.type == "image":
            yield from _image_link(child, within=outer)
        elif not (child.type.startswith("link_") and outer and not outer.attrs["href"]):
            yield child
        outer = None if child.type == "link_close" else outer


def _image_link(image: Token, *, within: Token | None) -> Iterator[Token]:
    label = Token("text", "", 0, content=image.content or "image")
    href = image.attrs["src"]
    if within or not href:
        yield label
        return
    yield Token("link_open", "a", 1, attrs={"href": href, "class": "image"})
    yield label
    yield Token("link_close", "a", -1)


def _deep_emphasis_is_text(state: StateCore) -> None:
    """To walk the tokens as a tree takes a call or three for each level."""
    for token in state.tokens:
        depth = 0
        for child in token.children or ():
            if child.type.startswith(("em_", "strong_", "s_")):
                depth += child.nesting
                if depth + (child.nesting < 0) > DEEPEST:
                    child.type, child.tag, child.nesting = "text", "", 0
                    child.content = child.markup


def _deep_blocks_are_text(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Beyond its own limit the parser drops them without a word."""
    if silent or state.level < DEEPEST:
        return False
    text = state.getLines(start, end, state.blkIndent, False).strip()
    _push_paragraph(state, text, (start, end))
    state.line = end
    return True


def _math_inline(state: StateInline, silent: bool) -> bool:
    r"""`$x$`, `$$x$$`, `\(x\)` and `\[x\]` within a line of text."""
    found = MATH_OPENS.match(state.src, state.pos, state.posMax)
    if not found:
        return False
    opener = found[0]
    end = _closing(state.src, CLOSERS[opener], found.end(), state.posMax)
    content = state.src[found.end() : max(end, 0)]
    if not content.strip() or "\n\n" in content:
        return False
    after = state.src[end + len(CLOSERS[opener]) : state.posMax][:1]
    if opener == "$" and not _is_no_price(state.src[: state.pos][-1:], content, after):
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content = content
        token.markup = opener
    state.pos = end + len(CLOSERS[opener])
    return True


def _closing(source: str, closer: str, start: int, end: int) -> int:
    """Where `closer` stands from `start` on, or -1."""
    end = min(end, start + LONGEST_FORMULA)
    at = source.find(closer, start, end)
    while at > 0 and closer[0] == "$" and source[at - 1] == "\\":
        at = source.find(closer, at + 1, end)
    return at


def _is_no_price(before: str, content: str, after: str) -> bool:
    """Tell `$x$` from the two prices in "$5 and $10", much as Pandoc does."""
    spaced = content[0].isspace() or content[-1].isspace()
    return not (spaced or before.isalnum() or after.isalnum() or "$" in (before, after))


def _math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""A formula of its own: from a line that begins with `$$` or `\[` to the closing mark.

    Without one it ends at the next blank line, so that it never reaches further than a
    paragraph would: a block that is closed stays closed however the text goes on.
    """
    first = _line(state, start)
    opener, head = first[:2], first[2:]
    closer = CLOSERS.get(opener, "") if len(opener) == 2 and opener != "\\(" else ""
    if not closer or state.is_code_block(start) or head.startswith("$"):
        return False
    body, closed, after = head.partition(closer)
    if closed and (after.strip(" \t.,;:") or not body.strip()):
        return False
    if silent:
        return True
    parts, last = [body], start
    while not closed and _goes_on(state, last + 1, end):
        last += 1
        body, closed, after = _line(state, last).partition(closer)
        parts.append(body)
    formula = "\n".join(parts) if closed else "\n".join([first, *parts[1:]])
    _push_math_block(state, formula, bool(closed), after.strip(), (start, last + 1))
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _goes_on(state: StateBlock, line: int, end: int) -> bool:
    return line < end and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent


def _push_math_block(
    state: StateBlock, content: str, closed: bool, after: str, lines: tuple[int, int]
) -> None:
    token = state.push("math_block", "math", 0)
    token.content = content.strip()
    token.meta = {"closed": closed}
    token.map = list(lines)
    state.line = lines[1]
    if not after.strip(".,;:"):
        token.content += after
        return
    _push_paragraph(state, after, lines)


def _push_paragraph(state: StateBlock, content: str, lines: tuple[int, int]) -> None:
    state.push("paragraph_open", "p", 1).map = list(lines)
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = content, list(lines), []
    state.push("paragraph_close", "p", -1)
