"""Model text as Markdown that is safe where raw HTML runs: said again, token by token.

A trusted notebook, and what is exported from it, runs the HTML in its Markdown, and its readers
(JupyterLab's marked with formulas taken out beforehand, nbconvert's mistune, code hosts) differ
about where code begins. So no source is passed on: it is parsed, and written anew in the plainest
form. `<` stays bare only in code that all of them take for code.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode as Node

from chatkit.render import spelling
from chatkit.render.elements import language
from chatkit.render.grammar import Parser, clean

CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
ALIGNMENTS = {"left": ":--", "right": "--:", "center": ":-:", "": "---"}


def markdown(text: str) -> str:
    """`text` as Markdown for a `text/markdown` output: safe even where that is not sanitized."""
    root = Node(_parser().parse(clean(text)))
    return "\n\n".join(_block(node, _place(node)) for node in root.children)


def plain(text: str) -> str:
    """`text` for a terminal: without the control characters that could drive it."""
    return CONTROLS.sub("", clean(text))


@cache
def _parser() -> MarkdownIt:
    return Parser(references=True)  # here all of the text is there


@dataclass(frozen=True, slots=True)
class Place:
    """Where a token stands, as far as its spelling depends on that."""

    dollars: int  # in the whole outermost block: a single one starts no formula
    struck: bool  # something in that block is struck through
    nested: bool = False
    table: bool = False
    link: bool = False


def _place(block: Node) -> Place:
    nodes = list(block.walk())
    texts = (node.content for node in nodes if not node.children and node.token)
    dollars = sum(text.count("$") for text in texts)
    formulas = sum(node.type.startswith("math_") for node in nodes)
    return Place(dollars + 2 * formulas, struck=any(node.type == "s" for node in nodes))


def _block(node: Node, place: Place) -> str:
    match node.type:
        case "paragraph":
            return spelling.line_starts(_text(node, place))
        case "heading":
            return f"{'#' * int(node.tag[1])} {spelling.heading(_text(node, place))}"
        case "fence" | "code_block":
            return _code_block(node.content, language(node.info), place)
        case "math_block":
            return _math_block(node, place)
        case "bullet_list" | "ordered_list":
            return _list(node, replace(place, nested=True))
        case "blockquote":
            quoted = _blocks(node.children, replace(place, nested=True)).split("\n")
            return "\n".join(f"> {line}" if line else ">" for line in quoted)
        case "table":
            return "\n".join(_rows(node, replace(place, table=True)))
        case _:
            return "___" if place.nested else "---"  # "- ---" would be one rule


def _blocks(nodes: Sequence[Node], place: Place) -> str:
    return "\n\n".join(_block(node, place) for node in nodes)


def _code_block(code: str, name: str, place: Place) -> str:
    unsure = spelling.OPENS_MATH.search(code) or (place.dollars and spelling.TAG.search(code))
    if place.nested and unsure:
        return spelling.preformatted(code)
    return spelling.fence(code, name)


def _math_block(node: Node, place: Place) -> str:
    latex = spelling.formula(node.content, display=True) if node.meta["closed"] else None
    if latex is None:
        return _code_block(node.content, "latex", place)
    if place.nested:
        return f"$${_one_line(latex)}$$"
    return f"$$\n{latex}\n$$"


def _one_line(latex: str) -> str:
    return re.sub(r"\s*\n\s*", " ", latex)


def _list(node: Node, place: Place) -> str:
    numbers = itertools.count(int(node.attrs.get("start", 1)))
    items = []
    for item in node.children:
        number = f"{min(next(numbers), 999_999_999)}" if node.type == "ordered_list" else ""
        items.append(_item(item, f"{number}{node.markup} ", place))
    return ("\n" if all(map(_is_tight, node.children)) else "\n\n").join(items)


def _is_tight(item: Node) -> bool:
    return all(child.hidden for child in item.children if child.type == "paragraph")


def _item(item: Node, marker: str, place: Place) -> str:
    said = marker
    for index, child in enumerate(item.children):
        if index:
            said += "\n" if child.type.endswith("_list") and _is_tight(item) else "\n\n"
        elif child.type == "paragraph" and "checked" in item.meta:
            said += "[x] " if item.meta["checked"] else "[ ] "
        said += _block(child, place)
    first, *others = said.split("\n")
    indent = " " * len(marker)
    return "\n".join([first.rstrip(), *(line and f"{indent}{line}" for line in others)])


def _rows(table: Node, place: Place) -> Iterator[str]:
    head = table.children[0].children[0].children
    alignments = (str(cell.attrs.get("style", "")).removeprefix("text-align:") for cell in head)
    rows = [row.children for part in table.children for row in part.children]
    said = ["| " + " | ".join(_text(cell, place) for cell in row) + " |" for row in rows]
    yield said[0]
    yield "| " + " | ".join(ALIGNMENTS[alignment] for alignment in alignments) + " |"
    yield from said[1:]


def _text(node: Node, place: Place) -> str:
    """The text of a paragraph, a heading or a cell."""
    return "".join(_inline(child.children, place) for child in node.children)


def _inline(nodes: Sequence[Node], place: Place) -> str:
    said = ""
    for node in nodes:
        part = _span(node, place)
        apart = said[-1:] + part[:1] in ("``", "$$", "~`")  # would be read as one mark
        said += f" {part}" if apart else part
    return said


def _span(node: Node, place: Place) -> str:
    match node.type:
        case "code_inline":
            return _code(node.content, place)
        case "math_inline":
            return _formula(node, place)
        case "link":
            return _link(node, place)
        case "softbreak":
            return "\n"
        case "hardbreak":
            return "\\\n"
        case "em" | "strong" | "s":
            return f"{node.markup}{_inline(node.children, place)}{node.markup}"
        case _:
            return spelling.text(
                node.content, dollars=place.dollars, table=place.table, link=place.link
            )


def _code(content: str, place: Place) -> str:
    unsure = place.dollars > 0 or place.struck
    return spelling.code(
        content, unsure=unsure, struck=place.struck, table=place.table, link=place.link
    )


def _formula(node: Node, place: Place) -> str:
    display = node.markup in ("$$", "\\[")
    latex = spelling.formula(node.content, display=display, table=place.table)
    if latex is None:
        return _code(_one_line(node.content), place)
    marks = "$$" if display else "$"
    return f"{marks}{_one_line(latex)}{marks}"


def _link(node: Node, place: Place) -> str:
    href = str(node.attrs["href"])
    if node.info == "auto" and href.startswith("http"):
        return f"<{spelling.address(href)}>"
    return spelling.link(_inline(node.children, replace(place, link=True)), href)
