"""LaTeX as MathML that a browser may be given; alone knows latex2mathml.

The library writes what it was told to, attributes and all, without escaping: only its element
tree is used, and only the elements and attributes listed here leave it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import lru_cache
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter

LONGEST = 2_000
DEEPEST = 60  # levels; a browser stops answering at some hundreds
ELEMENTS = frozenset(
    [
        "math",
        "menclose",
        "mfrac",
        "mi",
        "mn",
        "mo",
        "mover",
        "mpadded",
        "mphantom",
        "mroot",
        "mrow",
        "mspace",
        "msqrt",
        "mstyle",
        "msub",
        "msubsup",
        "msup",
        "mtable",
        "mtd",
        "mtext",
        "mtr",
        "munder",
        "munderover",
    ]
)
WORD = re.compile(r"[a-z]{1,12}")
LENGTH = re.compile(r"[+-]?\d?\d?(\.\d{1,4})?(em|ex|px|pt)?")  # none that reaches across the page
COLOR = re.compile(r"[a-zA-Z]{1,20}|#[0-9a-fA-F]{3,8}")
ATTRIBUTES = {
    **dict.fromkeys(("accent", "columnalign", "display", "displaystyle", "fence", "form"), WORD),
    **dict.fromkeys(("largeop", "movablelimits", "notation", "stretchy"), WORD),
    **dict.fromkeys(("depth", "height", "lspace", "rspace", "voffset", "width"), LENGTH),
    **dict.fromkeys(("linethickness", "maxsize", "minsize", "scriptlevel"), LENGTH),
    "mathcolor": COLOR,
}
# Commands that define others (a formula of a line could grow without end), reach outside the
# formula, or carry an address, a style or a character number.
FORBIDDEN = re.compile(
    r"\\(href|url|style|class|cssId|data|unicode|char|[rR]ule|Space|require|includegraphics|mmlToken|html\w*"
    r"|[gex]?def|let|futurelet|(re)?new(command|environment)|provide\w+|Declare\w+|csname"
    r"|global|label|eqref|ref|input|include)(?![a-zA-Z])"
)
# Environments and commands that the library does not know, and the nearest that it does.
NEAREST = (
    (re.compile(r"\\(begin|end)\{(aligned|align|alignedat|split|eqnarray\*?)\}"), r"\\\1{align*}"),
    (re.compile(r"\\(begin|end)\{(gathered|gather\*?|multline\*?)\}"), r"\\\1{matrix}"),
    (re.compile(r"\\(begin|end)\{[dr]cases\}"), r"\\\1{cases}"),
    (re.compile(r"\\(begin|end)\{(equation\*?|displaymath|math)\}"), ""),
    (re.compile(r"\\(bm|boldsymbol)(?![a-zA-Z])"), r"\\mathbf"),
    (re.compile(r"\\[lr]Vert(?![a-zA-Z])"), r"\\Vert "),
)


class Unconvertible(Exception):
    """The formula is not one that can be shown as MathML."""


@lru_cache(maxsize=512)  # an unfinished paragraph is shown again with every few tokens
def mathml(latex: str, *, display: bool) -> str:
    """The `<math>` element of a formula, or Unconvertible."""
    if len(latex) > LONGEST or FORBIDDEN.search(latex):
        raise Unconvertible(latex)
    for pattern, known in NEAREST:
        latex = pattern.sub(known, latex)
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(latex)
    except Exception as error:  # a dozen unrelated classes, and IndexError and the like
        raise Unconvertible(latex) from error
    return "".join(_written(tree))


def _written(element: Element, depth: int = 0) -> Iterator[str]:
    text = html.unescape(element.text or "")
    if depth > DEEPEST or element.tag not in ELEMENTS or text.startswith("\\") or text == "&":
        raise Unconvertible(f"{element.tag!r} with {text!r}")
    yield f"<{element.tag}{''.join(_attributes(element))}>{html.escape(text)}"
    for child in element:
        yield from _written(child, depth + 1)
    yield f"</{element.tag}>"


def _attributes(element: Element) -> Iterator[str]:
    for name, value in element.attrib.items():
        if value == "negativethinmathspace":  # gone from MathML Core
            value = "-0.167em"
        if name in ATTRIBUTES and ATTRIBUTES[name].fullmatch(value):
            yield f' {name}="{value}"'
