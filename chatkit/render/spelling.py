r"""How text, code, formulas and addresses are spelt in Markdown so that every reader agrees.

The dangers, each found by trying: a bare address swallows the backtick after it; a lone `$` pairs
with one inside code and swallows what opens the code; so do `$$`, `\\[` and `\begin{x}` across
blocks; what looks like a formula inside an address is put back unescaped, quotes and all.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from chatkit.render.mathml import DEEPEST, FORBIDDEN

TAG = re.compile(r"<[A-Za-z/!?]")
OPENS_MATH = re.compile(r"\$\$|\\\\[()\[\]]|\\(?:begin|end)\{|@@\d")
PUNCTUATION = re.compile(r"[!-+:<>?@\[-`{|}~]")  # ASCII, less what is harmless: , - . / ; =
SPECIAL = re.compile(
    r"""(?P<entity> & (?=\#?\w{1,32};))
    | (?P<less> <)
    | (?P<backslash> \\ (?=[()\[\]$]|begin|end|$))
    | (?P<address> (?i:https?|ftp): (?=//) | (?i:www)\.)
    | (?<![^\W_]) _ | _ (?![^\W_])      # within a word it is only itself
    | (?<!\s) \* | \* (?!\s)
    | ~ (?!\s)
    | ! (?=\[|$)
    | \] (?=[(\[:]|$)
    | \\ (?=[!-/:-@\[-`{-~])
    | `""",
    re.VERBOSE,
)
LINE_START = re.compile(
    r"""^[ \t]* (?:
        (?P<number> \d{1,9}) (?=[.)](?:\s|$))
      | (?P<mark> (?=\#{1,6}(?:\s|$) | > | [-+*](?:\s|$) | =+\s*$ | [|:-][-:|\ \t]*$ | :\s))
      | (?P<task> (?=\[[ xX]\]\s))
      | (?P<fence> (?=```|~~~))
      | )""",
    re.VERBOSE | re.MULTILINE,
)
NO_FORMULA = re.compile(
    r"""[`$] | ~~ | @@ | :// | \n\s*\n
    | \\\\ (?: [{}()\]] | begin | end)
    | \\< | (?<!\\)% | \\$""",
    re.VERBOSE,
)


def text(content: str, *, dollars: int = 0, table: bool = False, link: bool = False) -> str:
    """Plain text; where there are several dollars each is wrapped, or two enclose a formula."""
    said = SPECIAL.sub(_special, re.sub(r"[\t\n\f\r\v]", " ", content))
    if link:
        said = re.sub(r"\\?([\[\]])", lambda found: f"&#{ord(found[1])};", said)
    if table:
        said = said.replace("|", r"\|")
    return said.replace("$", r"<span>\$</span>") if dollars > 1 else said


def _special(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "entity":
            return "&amp;"
        case "less":
            return "&lt;"
        case "backslash":
            return "&#92;"
        case "address":  # readers would make a link of it and of all up to the next space
            return f"{found[0][:-1]}\\{found[0][-1]}"
        case _:
            return f"\\{found[0]}"


def line_starts(paragraph: str) -> str:
    """A paragraph no line of which begins anything else."""
    return LINE_START.sub(_line_start, paragraph)


def _line_start(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "number":
            return f"{found['number']}\\"
        case "mark" | "task":
            return "\\"
        case "fence":
            return "&#32;"
        case _:
            return ""


def heading(content: str) -> str:
    """The text of a heading: one line, whose last `#` are not taken for its end."""
    return re.sub(r"(?<![^ ])#(?=#*$)", r"\#", content.replace("\\\n", " ").replace("\n", " "))


def code(
    content: str, *, unsure: bool, struck: bool = False, table: bool = False, link: bool = False
) -> str:
    """A code span: as it is where all readers take it for one, else as `<code>` and entities.

    `unsure`: something near it is read differently, so that a tag in it could be one.
    """
    spelt_out = (
        not content.strip()
        or OPENS_MATH.search(content)
        or re.search(r"`|\]\s*[(\[:]", content)
        or content.endswith("\\")
        or (unsure and TAG.search(content))
        or (struck and "~" in content)
        or (table and re.search(r"[|\\]", content))
        or (link and re.search(r"[\[\]\\]", content))
    )
    if spelt_out:
        return f"<code>{entities(content)}</code>"
    space = " " if content[0] == content[-1] == " " else ""
    return f"`{space}{content}{space}`"


def entities(content: str) -> str:
    """Text in which nothing is markup to any reader of Markdown or HTML."""
    named = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    return PUNCTUATION.sub(lambda found: named.get(found[0], f"&#{ord(found[0])};"), content)


def fence(content: str, language: str) -> str:
    """A block of code, its fence longer than any in it."""
    if language.lower().startswith("mermaid"):
        language = ""  # drawn, its images and styles are loaded; nbconvert writes it as it is
    runs = re.findall(r"`{3,}", content)
    ticks = "`" * max([3, *(len(run) + 1 for run in runs)])
    end = "" if content.endswith("\n") or not content else "\n"
    return f"{ticks}{language}\n{content}{end}{ticks}"


def preformatted(content: str) -> str:
    """A block of code for where a fence might be read as something else."""
    return f"<pre><code>{entities(content)}</code></pre>"


def formula(latex: str, *, display: bool, table: bool = False) -> str | None:
    """A formula to stand between dollars, or None if a reader might take it for something else."""
    latex = latex.strip()
    if not latex or NO_FORMULA.search(latex) or FORBIDDEN.search(latex) or not _balanced(latex):
        return None
    if r"\\[" in latex and not display:
        return None
    latex = re.sub("< *", r"\\lt ", latex).replace('"', "''")  # a quote could end an attribute
    latex = re.sub(r"\](?=[(\[:])", "] ", latex)  # not a link or image either, without MathJax
    return latex.replace("|", r"\vert ") if table else latex


def _balanced(latex: str) -> bool:
    """Whether braces and environments close in the order in which they open, and are not deep."""
    opened: list[str] = []
    for kind, name, brace in re.findall(
        r"\\(begin|end)\s*\{([^{}]*)\}|\\.|([{}])", latex, re.DOTALL
    ):
        if kind == "begin" or brace == "{":
            opened.append(name or brace)
            if len(opened) > DEEPEST:
                return False
        elif (kind or brace) and (not opened or opened.pop() != (name or "{")):
            return False
    return not opened


def address(href: str) -> str:
    """A link's address, without a character that means something to Markdown or a formula."""
    at = "@" if href.lower().startswith("http") else "@(?=@)"
    unsafe = re.compile(rf"[^\w:/?#!&+,;=.~%@-]|{at}", re.ASCII)
    return unsafe.sub(lambda found: quote(found[0]), href)


def link(label: str, href: str) -> str:
    """`[label](href)`."""
    return f"[{label}]({re.sub(r'&(?=#?[A-Za-z0-9]+;)', '&amp;', address(href))})"
