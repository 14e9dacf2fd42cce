"""Rendering: text in, safe HTML or Markdown out, and the same however the text was cut."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from chatkit.render import CSS, Blocks, html, markdown, plain
from chatkit.render.grammar import Parser

# --- what may come out ----------------------------------------------------------------------

ELEMENTS = set(
    "a blockquote br code del div em h1 h2 h3 h4 h5 h6 hr input li ol p pre s span strong table"
    " tbody td th thead tr ul".split()
)
MATH_ELEMENTS = set(
    "math menclose mfrac mi mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub"
    " msubsup msup mtable mtd mtext mtr munder munderover".split()
)
ATTRIBUTES = {
    "align": r"left|right|center",
    "checked": r"",
    "class": r"[\w +#./-]*",
    "data-language": r"[\w+#.-]+",
    "disabled": r"|disabled",
    "href": r"(https?://|mailto:|#)[^\s\"<>]*",
    "id": r"[^\s\"<>]*",
    "rel": r"noopener noreferrer nofollow",
    "start": r"\d+",
    "style": r"text-align: ?(left|right|center);?|line-height: 125%;",
    "target": r"_blank",
    "type": r"checkbox",
}
MATH_ATTRIBUTES = (
    "accent columnalign depth display displaystyle fence form height largeop linethickness lspace"
    " mathcolor maxsize minsize movablelimits notation rspace scriptlevel stretchy voffset width"
).split()


class Inspector(HTMLParser):
    """Notes what is not on the lists above, and the text that a reader would see."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ELEMENTS | MATH_ELEMENTS:
            self.forbidden.append(f"<{tag}>")
        for name, value in attrs:
            allowed = r"[\w.#+-]*" if name in MATH_ATTRIBUTES else ATTRIBUTES.get(name)
            if allowed is None or not re.fullmatch(allowed, value or "", re.IGNORECASE):
                self.forbidden.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.forbidden.append(f"comment {data!r}")

    def handle_decl(self, decl: str) -> None:
        self.forbidden.append(f"declaration {decl!r}")

    unknown_decl = handle_pi = handle_comment


def inspect(page: str) -> Inspector:
    inspector = Inspector()
    inspector.feed(page)
    inspector.close()
    return inspector


def forbidden(page: str) -> list[str]:
    return inspect(page).forbidden


def words(page: str) -> list[str]:
    return "".join(inspect(page).text).split()


# --- readers of Markdown that run the HTML in it ----------------------------------------------

MATH_SPLIT = re.compile(
    r"(\$\$?|\\(?:begin|end)\{[a-z]*\*?\}|\\[{}$]|[{}]|(?:\n\s*)+|@@\d+@@|\\\\[()\[\]])",
    re.IGNORECASE,
)


def jupyterlab(source: str) -> str:
    """Formulas put aside, then Markdown, then the formulas put back wherever their place went.

    As in @jupyterlab/rendermime's latex.ts, short of its care for `$` in code, without which it
    finds more formulas than it should.
    """
    formulas: list[str] = []
    pieces = MATH_SPLIT.split(source)
    start, end, braces, last = -1, "", 0, -1

    def put_aside(first: int, final: int) -> None:
        formula = "".join(pieces[first : final + 1])
        for old, new in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            formula = formula.replace(old, new)
        pieces[first : final + 1] = [f"@@{len(formulas)}@@", *[""] * (final - first)]
        formulas.append(formula)

    index = 1
    while index < len(pieces):
        piece = pieces[index]
        if start < 0:
            if piece.startswith("@@"):
                put_aside(index, index)
            elif piece in ("$", "$$", "\\\\(", "\\\\[") or piece.startswith("\\begin"):
                closers = {"\\\\(": "\\\\)", "\\\\[": "\\\\]"}
                start, braces, last = index, 0, -1
                end = closers.get(piece, piece.replace("\\begin", "\\end"))
        elif piece == end and not braces:
            put_aside(start, index)
            start = -1
        elif piece == end:
            last = index
        elif re.search(r"\n.*\n", piece):
            if last >= 0:
                put_aside(start, last)
                index = last
            start = -1
        elif piece in "{}":
            braces = max(0, braces + (1 if piece == "{" else -1))
        index += 2
    page = MarkdownIt("js-default", {"html": True}).render("".join(pieces))
    numbered = {str(number): formula for number, formula in enumerate(formulas)}
    return re.sub(r"@@(\d+)@@", lambda found: numbered.get(found[1], "undefined"), page)


READERS: dict[str, Callable[[str], str]] = {
    "commonmark": MarkdownIt("commonmark", {"html": True}).render,
    "gfm": MarkdownIt("js-default", {"html": True}).render,
    "nbconvert": markdown2html_mistune,
    "jupyterlab": jupyterlab,
}

# --- hostile text -----------------------------------------------------------------------------

IMG = "<img src=x onerror=alert(1)>"
PAYLOADS = [
    "<script>alert(1)</script>",
    IMG,
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<style>*{background:url(//e.vil)}</style>",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?php <img src=x onerror=alert(1)> ?>",
    "<math><mtext></p><img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt; &#60;script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](vbscript:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](//e.vil) [x](/lab/api) [x](file:///etc/passwd) [x]() [x](#a)",
    "<javascript:alert(1)>",
    "[x]\n\n[x]: javascript:alert(1)",
    '[x][y]\n\n[y]: https://a.b "\' onmouseover=alert(1)"',
    '[x](https://a.b "t\\" onmouseover=alert(1)")',
    '[x](https://a.b/"onmouseover="alert(1))',
    "[a [b](javascript:alert(1)) c](https://a.b)",
    "[a \\[b\\](javascript:alert(1)) c](https://a.b)",
    "[a `](javascript:alert(1))` b](https://a.b)",
    "![x](https://e.vil/leak.png)",
    "![x](javascript:alert(1))",
    "![x](data:image/png;base64,iVBORw0KGgo=)",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    '![x](https://a.b/c" onerror="alert(1))',
    "![x][y]\n\n[y]: https://e.vil/leak.png",
    "[![x](https://e.vil/leak.png)](https://a.b)",
    "\\![x](https://e.vil/leak.png) !\\[x](https://e.vil/l.png) &#33;[x](https://e.vil/l.png)",
    'https://a.b/"onmouseover="alert(1)',
    "www.a.b/`<img src=x onerror=alert(1)>`",
    "ftp://a.b/`<img src=x onerror=alert(1)>`",
    "https://a.b/`<img src=x onerror=alert(1)>`",
    '```py" onmouseover="alert(1)\nx\n```',
    "```<img/src=x/onerror=alert(1)>\nx\n```",
    "~~~</code></pre><script>alert(1)</script>\nx\n~~~",
    f"```html\n{IMG}\n```",
    f"````\n```\n{IMG}\n````",
    f"```mermaid\n{IMG}\n```",
    f"```\n{IMG}",
    f"- a\n  ```\n  {IMG}\n  ```",
    f"1. a\n   - b\n\n     ```\n     {IMG}\n     ```",
    f"> ```\n> {IMG}\n> ```\n{IMG}",
    f"    {IMG}",
    f"- a\n\n      {IMG}",
    f"`{IMG}` ``{IMG}`` ``` {IMG}",
    f"`a\n{IMG}`",
    f"``\\`{IMG}``",
    f"| a | b |\n|---|---|\n| `{IMG}` | `a|{IMG}` |\n| {IMG} | `\\|{IMG}` |",
    f"costs $5 `x$ {IMG}`",
    f"`echo $$`\n\n```\n$$ {IMG}\n```",
    f"`\\begin{{a}}`\n\n```\n\\end{{a}} {IMG}\n```",
    f"\\(a \\\\[ b\\)\n\n```\n\\\\] {IMG}\n```",
    f"- $5\n  ```\n  $ {IMG}\n  ```",
    f"\\(a\\)\\(b\\)\n\n```\n$$ {IMG}\n```",
    f"~a `b~{IMG}`",
    f"~~a `b~~ {IMG}`~~",
    '[x](https://a.b/$"onmouseover=alert(1)//$)',
    '[x](https://a.b/@\\@0@@) $"onmouseover=alert(1)//$',
    '[x](https://a.b/&#64;&#64;0&#64;&#64;) $"onmouseover=alert(1)//$',
    'https://a.b/$"onmouseover=alert(1)//$',
    "$</script><script>alert(1)</script>$",
    "$$\n<img src=x onerror=alert(1)>\n$$",
    "$x$<img src=x onerror=alert(1)>$y$",
    "$\\href{javascript:alert(1)}{x}$ \\(\\style{x:y}{z}\\) \\[\\unicode{60}script\\]",
    "$\\text{<img src=x onerror=alert(1)>}$",
    "$[x](javascript:alert(1))$ $![x](https://e.vil/l.png)$",
    "$a`b$ and `<img src=x onerror=alert(1)>`",
    "&#10;```&#10;<img src=x onerror=alert(1)>",
    "&#32;&#32;&#32;&#32;<img src=x onerror=alert(1)>",
    "# <img src=x onerror=alert(1)>\n\n<img src=x\nonerror=alert(1)>\n===",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_becomes_html(payload: str) -> None:
    assert forbidden(html(payload)) == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_no_payload_becomes_html_in_a_reader_that_runs_it(payload: str, reader: str) -> None:
    assert forbidden(READERS[reader](markdown(payload))) == []


def test_the_inspector_and_the_readers_would_notice() -> None:
    for reader in READERS.values():
        assert forbidden(reader(IMG)) == ["<img>", "<img src='x'>", "<img onerror='alert(1)'>"]
    smuggled = jupyterlab('[x](https://a.b/$"onmouseover=alert(1)//$)')
    assert "onmouseover" in str(forbidden(smuggled))


FRAGMENTS = [
    *PAYLOADS,
    *"` `` ``` ~~~ ~~ ~ $ $$ \\ \\\\ \\( \\) \\[ \\] \\\\[ \\\\] \\begin{a} \\end{a} { } [ ] ( ) ]("
    " ![ < > \" ' | * ** _ # - + > = : ! & &lt; &#96; @@0@@ a foo 1. é".split(),
    *[
        "\n",
        "\n\n",
        "\n- ",
        "\n1. ",
        "\n> ",
        "\n  ",
        "\n    ",
        "\n```\n",
        "\n~~~\n",
        "\t",
        " ",
        "\r\n",
    ],
    *["\n| a | b |\n|---|---|\n| ", "\n$$\n", "\n\\[\n", "\n---\n", "- [ ] ", "\0", "\u2028"],
    *[f"`{IMG}`", f"\n```\n{IMG}\n```\n", "[a](https://a.b/)", "$x<y$", "[a]: https://a.b\n"],
]
hostile = st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join)


@settings(deadline=None)
@given(hostile)
def test_whatever_comes_in_only_listed_html_comes_out(text: str) -> None:
    assert forbidden(html(text)) == []


@settings(deadline=None)
@given(hostile)
def test_whatever_comes_in_its_markdown_is_harmless_to_every_reader(text: str) -> None:
    said = markdown(text)
    for name, reader in READERS.items():
        assert forbidden(reader(said)) == [], name


@settings(deadline=None)
@given(st.text())
def test_any_text_at_all_can_be_shown(text: str) -> None:
    assert forbidden(html(text)) == []
    assert "\n" not in plain(text).replace("\n", "")
    markdown(text)


# --- text that grows --------------------------------------------------------------------------

TRIP = """\
# Three days in *Lisbon*

Lisbon rewards **slow walking**. See [the map](https://www.metrolisboa.pt/) or
https://www.visitlisboa.com/en, and take the `28E`.

- Good shoes
- A jacket
  - for the evenings
- [x] Flights

3. Arrive

4. Take the tram

   ```bash
   curl -s https://api.example.com | jq '.next'
   ```

| Item | Price |
| :-- | --: |
| Hotel | 240 |
| Tram | `6.80` |

> Buy the card at the airport.

```python
def total(stops: list[Stop]) -> float:
    return sum(s.minutes < 3 for s in stops)  # "why"
```

Inline $e^{i\\pi} + 1 = 0$, then

$$
\\sum_{k=1}^n k = \\frac{n(n+1)}{2}
$$

---

The end.
"""


def grown(text: str, cuts: Iterator[int]) -> str:
    """`text` fed in pieces, looked at after each."""
    blocks, start = Blocks(), 0
    for cut in cuts:
        blocks.feed(text[start:cut])
        done = list(blocks.done)
        blocks.tail()
        assert blocks.done[: len(done)] == done  # what is finished stays as it is
        start = cut
    blocks.feed(text[start:])
    blocks.finish()
    assert blocks.tail() == []
    return "".join(blocks.done)


def test_fed_a_character_at_a_time_it_is_the_same_html() -> None:
    assert grown(TRIP, iter(range(len(TRIP)))) == html(TRIP)
    lines = TRIP.replace("\n", "\r\n")
    assert grown(lines, iter(range(len(lines)))) == html(TRIP)


@settings(deadline=None)
@given(hostile, st.lists(st.integers(0, 300)))
def test_however_it_is_cut_it_is_the_same_html(text: str, cuts: list[int]) -> None:
    assert grown(text, iter(sorted(cuts))) == html(text)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.data())
def test_a_list_longer_than_a_block_is_cut_in_the_same_places(
    size: int, data: st.DataObject
) -> None:
    text = "".join(f"- item {n}\n\n  more\n" * size for n in range(12))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    assert grown(text, iter(sorted(cuts))) == html(text)


def test_all_of_the_text_so_far_is_on_show() -> None:
    blocks = Blocks()
    shown = ""
    for start in range(0, len(TRIP), 7):
        blocks.feed(TRIP[start : start + 7])
        shown = "".join([*blocks.done, *blocks.tail()])
        assert forbidden(shown) == []
    assert words(shown) == words(html(TRIP))


def test_code_is_plain_while_it_grows_and_coloured_when_closed() -> None:
    blocks = Blocks()
    blocks.feed("Look:\n\n```python\nimport os\nprint(os")
    growing = '<pre data-language="python"><code>import os\nprint(os</code></pre>\n'
    assert blocks.tail() == [growing]
    assert blocks.done == ["<p>Look:</p>\n"]
    blocks.feed(")\n``")
    assert blocks.tail() == [growing.replace("(os", "(os)\n")]  # no flash of the closing line
    blocks.feed("`\n")
    assert blocks.tail() == []
    assert blocks.done[1].count("<span") == 2
    blocks.feed("- in a list\n  ```python\n  import os")
    assert "<span" not in blocks.tail()[0]
    blocks.feed("\n  ```\n  done")
    assert "<span" in blocks.tail()[0]


def work(text: str) -> int:
    """How many characters are parsed while `text` arrives in tokens, looked at every fifth."""
    blocks, parsed = Blocks(), 0
    parse = Parser.parse

    def counted(self: Parser, src: str, env: object = None) -> object:
        nonlocal parsed
        parsed += len(src)
        return parse(self, src, env)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "parse", counted)
        for start in range(0, len(text), 20):
            blocks.feed(text[start : start + 20])
            blocks.tail()
        blocks.finish()
    return parsed


@pytest.mark.parametrize(
    "part",
    [TRIP, "word **bold** ", "- item\n", "1. a\n\n   b\n", "| a | b |\n|---|---|\n", "> quote\n"],
)
def test_the_work_for_a_token_does_not_grow_with_the_text(part: str) -> None:
    short, long = (part * (size // len(part)) for size in (8_000, 24_000))
    assert work(long) / len(long) <= 1.1 * work(short) / len(short)


def test_the_work_for_code_is_one_pass_over_it() -> None:
    code = "```python\n" + "x = 1\n" * 5_000
    assert work(code) <= 2 * len(code)


# --- what it looks like -----------------------------------------------------------------------


def test_links_open_elsewhere_and_tell_nothing() -> None:
    assert html("[a](https://b.c)") == (
        '<p><a href="https://b.c" target="_blank" rel="noopener noreferrer nofollow">a</a></p>\n'
    )


def test_an_image_is_a_link_to_it() -> None:
    assert 'href="https://b.c/d.png" class="image"' in html("![alt](https://b.c/d.png)")
    assert markdown("![alt](https://b.c/d.png)") == "[alt](https://b.c/d.png)"
    assert markdown("[![alt](https://b.c/d.png)](https://e.f)") == "[alt](https://e.f)"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("see https://a.b/c.", "https://a.b/c"),
        ("(https://a.b/wiki/C_(d))", "https://a.b/wiki/C_(d)"),
        ("https://a.b/__init__.py?x=1&y", "https://a.b/__init__.py?x=1&amp;y"),
        ("**https://a.b**", "https://a.b"),
    ],
)
def test_a_bare_address_is_a_link(text: str, address: str) -> None:
    assert f'href="{address}"' in html(text)


def test_tables_and_tasks_carry_no_style() -> None:
    page = html("| a | b |\n|:-:|--:|\n| c | d |\n\n- [x] done\n- [ ] to do\n")
    assert '<th class="center">a</th>' in page
    assert '<td class="right">d</td>' in page
    assert page.count('type="checkbox"') == 2
    assert page.count("checked") == 1


@pytest.mark.parametrize(
    "language", ["python", "JS", "c++", "html", "yaml", "diff", "nonsense", ""]
)
def test_colouring_code_loses_none_of_it(language: str) -> None:
    code = "\ufeff\n\n<a href='b'>&amp;\t\"c\" # d\n  e: [1, 2.5]\r\n+f\n\n"
    page = html(f"~~~{language}\n{code}~~~\n")
    assert "".join(inspect(page).text) == code.replace("\r\n", "\n") + "\n"


@pytest.mark.parametrize("code", ["x = 1\n" * 20_000, "1 + " * 500, "1\n" + "\n" * 500 + "1"])
def test_code_that_would_take_long_to_colour_is_plain(code: str) -> None:
    assert "<span" in html("```python\nx = 1\n```")
    assert "<span" not in html(f"```python\n{code}\n```")


@pytest.mark.parametrize("text", ["$x^2$", "\\(x^2\\)", "so $x^2$, and", "**$x^2$**"])
def test_formulas_in_a_line_are_mathml(text: str) -> None:
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in html(text)


@pytest.mark.parametrize(
    "text", ["$$x^2$$", "$$\nx^2\n$$", "\\[x^2\\]", "\\[\nx^2\n\\]", "so:\n$$\nx^2\n$$\nthen"]
)
def test_formulas_of_their_own_are_displayed(text: str) -> None:
    assert '<math display="block"><mrow><msup>' in html(text)


@pytest.mark.parametrize(
    "text",
    ["$5 and $10", "US$5, A$6", "$5/$10", "`$x$`", "from $20k-$30k", "echo $HOME $PATH", "\\$x\\$"],
)
def test_prices_and_variables_are_no_formulas(text: str) -> None:
    assert "math" not in html(text)


@pytest.mark.parametrize(
    "latex",
    [
        "\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}",
        "\\begin{cases} 1 & x > 0 \\\\ 0 & \\text{else} \\end{cases}",
        "\\begin{pmatrix} 1 & 2 \\\\ 3 & 4 \\end{pmatrix} \\in \\mathbb{R}^{2}",
        "\\int_0^\\infty e^{-x}\\,dx \\leq \\left(\\frac{a}{b}\\right) \\cdot \\bm{v}",
    ],
)
def test_common_formulas_can_be_shown(latex: str) -> None:
    assert "<code" not in html(f"$$\n{latex}\n$$")


@pytest.mark.parametrize(
    "latex", ["\\foo{x}", "\\frac{", "\\def\\x{y}\\x", "x" * 3_000, "\\left(", "{" * 500]
)
def test_a_formula_that_cannot_be_shown_is_shown_as_it_was_written(latex: str) -> None:
    assert (
        html(f"$$\n{latex}\n$$") == f'<div class="math"><code class="math">{latex}</code></div>\n'
    )


def test_the_style_touches_nothing_else_on_the_page() -> None:
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", CSS)
    assert len(rules) > 30
    assert [rule for rule in rules if not rule.strip().startswith(".chatkit")] == []
    assert "url(" not in CSS


# --- Markdown to keep -------------------------------------------------------------------------


def test_ordinary_markdown_is_left_as_it_is() -> None:
    bare = "https://www.visitlisboa.com/en"
    assert markdown(TRIP) + "\n" == TRIP.replace(bare, f"<{bare}>")


def test_the_markdown_says_what_the_text_said() -> None:
    assert words(html(markdown(TRIP))) == words(html(TRIP))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a < b <b>c</b>", "a &lt; b &lt;b>c&lt;/b>"),
        ("`a < b` and `<div>`", "`a < b` and `<div>`"),
        ("```html\n<div>\n```", "```html\n<div>\n```"),
        ("~~~\n<div>\n", "```\n<div>\n```"),
        ("````\n```\n````", "````\n```\n````"),
        ("    <div>", "```\n<div>\n```"),
        ("snake_case, 2 * 3, [1], a & b &amp; &lt;", "snake_case, 2 * 3, [1], a & b & &lt;"),
        ("\\*a\\* \\[b](c) 1\\. \\# d", "\\*a\\* [b\\](c) 1. # d"),
        ("1\\. a\n\\# b\n\\- c", "1\\. a\n\\# b\n\\- c"),
        ("It costs $5.", "It costs $5."),
        ("$5 and $10", "<span>\\$</span>5 and <span>\\$</span>10"),
        ("www.a.b/`c` ftp://d/`e` ~5", "www\\.a.b/`c` ftp\\://d/`e` \\~5"),
        ("`a`` <b> ``c`", "<code>a&#96;&#96; &lt;b&gt; &#96;&#96;c</code>"),
        ("[a [b] `c\\`](https://d.e)", "[a &#91;b&#93; <code>c&#92;</code>](https://d.e)"),
        ("~~a~~ `b~` `<c>`", "~~a~~ <code>b&#126;</code> <code>&lt;c&gt;</code>"),
        ("| `a\\|b` |\n|---|", "| <code>a&#124;b</code> |\n| --- |"),
        ("- $1\n  ```\n  <b>\n  ```", "- $1\n\n  <pre><code>&lt;b&gt;\n  </code></pre>"),
        ("`[a](b)`", "<code>&#91;a&#93;&#40;b&#41;</code>"),
        ('$[a](b)$ and $"c"$', "$[a] (b)$ and $''c''$"),
        (
            "\\(a`b\\) $a{b$ $\\begin{c}$",
            "<code>a&#96;b</code> `a{b` <code>&#92;begin&#123;c&#125;</code>",
        ),
        ("[a](<https://b.c/$d@@0@@(e)>)", "[a](https://b.c/%24d%40%400%40%40%28e%29)"),
        ("`<b>` for $5", "<code>&lt;b&gt;</code> for $5"),
        ("\\(a < b\\)", "$a \\lt b$"),
        ("\\[\na\n\\]", "$$\na\n$$"),
        ("[a][b]\n\n[b]: https://c.d 'title'", "[a](https://c.d)"),
        ("[a](javascript:b)", "[a\\](javascript:b)"),
        ("- a\n- b\n\n  ```sh\n  c\n  ```", "- a\n\n- b\n\n  ```sh\n  c\n  ```"),
        ("> a\n> - b", "> a\n>\n> - b"),
        ("", ""),
    ],
)
def test_markdown_is_said_in_its_plainest_form(text: str, said: str) -> None:
    assert markdown(text) == said


def test_what_follows_an_unfinished_text_is_not_swallowed() -> None:
    for unfinished in (
        "```py\nx",
        "- ```\n  x",
        "> ~~~\n> x",
        "$$\nx",
        "`x",
        "<!-- x",
        "[x](",
        "**x",
    ):
        page = READERS["gfm"](markdown(unfinished) + "\n\n---\n\nended")
        assert page.endswith("<hr>\n<p>ended</p>\n"), unfinished


def test_plain_text_keeps_lines_and_loses_what_drives_a_terminal() -> None:
    assert plain("a\tb\r\nc\x1b[31md\x07\x9b") == "a\tb\nc[31md"
