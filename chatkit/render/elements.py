"""Markdown tokens as HTML: code with colours, formulas, tables and links; alone knows Pygments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache, lru_cache
from html import escape
from itertools import groupby

from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Error, Generic, Keyword, Name, Number, Operator, String
from pygments.token import Token as Anything
from pygments.token import _TokenType as Kind

from chatkit.render.mathml import Unconvertible, mathml

LANGUAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9+#._-]{0,31}")
# Many of Pygments' patterns take time that grows with the square of a line, of a run of blanks
# or, in some languages, of the whole: so code is coloured that looks like code, in the languages
# below. Java and C# are coloured as C++, their own lexers being of the worst.
LONGEST_COLOURED = 20_000
UNLIKE_CODE = re.compile(r"[^\n]{500}|\s{100}")
LEXERS = {
    alias: aliases.split()[0]
    for aliases in """
        asm nasm|bash sh shell zsh|c h|clojure clj|console shell-session|css|dart|diff patch
        |cpp c++ cc hpp java cs c# csharp groovy|docker dockerfile|elixir ex exs|erlang erl|fortran
        |fsharp f#|go golang|graphql|haskell hs|hcl terraform tf|html vue svelte|http|ini cfg
        |julia jl|javascript js node|json json5 jsonc jsonl|jsx|kotlin kt|latex tex|lua
        |make makefile|markdown md|matlab|nginx|objective-c objc|ocaml ml|perl pl|php
        |powershell ps1 pwsh|protobuf proto|pycon|python py python3|r|ruby rb|rust rs|scala
        |scss sass|sql postgresql mysql sqlite|swift|toml|tsx|typescript ts|vbnet vb
        |xml svg|yaml yml|zig
    """.split("|")
    for alias in aliases.split()
}
COLOURS: dict[Kind, str] = {
    Anything: "",
    Error: "",
    Comment: "c",
    Comment.Preproc: "nd",
    Generic.Deleted: "gd",
    Generic.Heading: "gh",
    Generic.Inserted: "gi",
    Generic.Output: "c",
    Generic.Prompt: "c",
    Keyword: "k",
    Keyword.Constant: "kc",
    Keyword.Type: "kt",
    Name.Attribute: "na",
    Name.Builtin: "nb",
    Name.Class: "nc",
    Name.Decorator: "nd",
    Name.Exception: "nc",
    Name.Function: "nf",
    Name.Tag: "nt",
    Number: "m",
    Operator: "o",
    Operator.Word: "k",
    String: "s",
    String.Escape: "se",
    String.Interpol: "se",
}


class Elements(RendererHTML):
    """markdown-it's renderer, where chatkit says it differently.

    `env["open_at"]`, where given, is the last line of a text that still grows: code that
    reaches it is shown plain, because colouring it anew at every token would be quadratic.
    """

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        growing = token.map is not None and token.map[1] >= env.get("open_at", float("inf"))
        return code_block(token.content, language(token.info), coloured=not growing)

    def code_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return code_block(tokens[idx].content, "")

    def math_inline(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        display = tokens[idx].markup in ("$$", "\\[")
        return _formula(tokens[idx].content, display=display)

    def math_block(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        content, closed = tokens[idx].content, tokens[idx].meta["closed"]
        shown = _formula(content, display=True) if closed else _source(content)
        return f'<div class="math">{shown}</div>\n'

    def table_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return '<div class="table"><table>\n'

    def table_close(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        return "</table></div>\n"

    def th_open(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        return _cell(tokens[idx])

    td_open = th_open

    def link_open(
        self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType
    ) -> str:
        attrs = tokens[idx].attrs
        image = ' class="image"' if attrs.get("class") == "image" else ""
        return (
            f'<a href="{escape(str(attrs["href"]))}"{image}'
            ' target="_blank" rel="noopener noreferrer nofollow">'
        )


def _cell(token: Token) -> str:
    """A table cell, its alignment a class: the renderer writes no style."""
    align = str(token.attrs.get("style", "")).removeprefix("text-align:")
    return f'<{token.tag} class="{align}">' if align else f"<{token.tag}>"


def _formula(latex: str, *, display: bool) -> str:
    try:
        return mathml(latex.strip(), display=display)
    except Unconvertible:
        return _source(latex)


def _source(latex: str) -> str:
    return f'<code class="math">{escape(latex, quote=False)}</code>'


def language(info: str) -> str:
    """The language that a fence's info string names, or "" if that is no name."""
    first = info.split(maxsplit=1)[:1]
    return first[0] if first and LANGUAGE.fullmatch(first[0]) else ""


def code_block(code: str, name: str, *, coloured: bool = True) -> str:
    """A block of code in language `name`; "" is none."""
    label = f' data-language="{name}"' if name else ""
    inside = _coloured(code, name) if coloured else escape(code, quote=False)
    return f"<pre{label}><code>{inside}</code></pre>\n"


@lru_cache(maxsize=16)  # code within a list is shown again while the list grows
def _coloured(code: str, name: str) -> str:
    lexer_name = LEXERS.get(name.lower())
    if lexer_name is None or len(code) > LONGEST_COLOURED or UNLIKE_CODE.search(code):
        return escape(code, quote=False)
    lexer = get_lexer_by_name(lexer_name, stripnl=False, ensurenl=False)
    pieces = list(lexer.get_tokens(code))
    if "".join(text for _, text in pieces) != code:  # some lexers drop what they cannot place
        return escape(code, quote=False)
    runs = groupby(pieces, key=lambda piece: _colour(piece[0]))
    return "".join(_span(colour, "".join(text for _, text in run)) for colour, run in runs)


def _span(colour: str, text: str) -> str:
    text = escape(text, quote=False)
    return f'<span class="{colour}">{text}</span>' if colour and not text.isspace() else text


@cache
def _colour(kind: Kind) -> str:
    return next(COLOURS[ancestor] for ancestor in reversed(kind.split()) if ancestor in COLOURS)
