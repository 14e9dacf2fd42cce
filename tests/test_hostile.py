"""The hostile corpus without a browser: what comes out is on the list, and nothing is lost."""

from __future__ import annotations

import pytest

from chatkit.render import html, markdown
from tests.hostile import CASES, FAMILIES, SHORT, Case
from tests.test_render import READERS, forbidden, inspect


def read(page: str) -> str:
    """The text of a page, without the spaces between it."""
    return "".join("".join(inspect(page).text).split())


def test_there_are_many_cases_and_each_is_told_from_the_others() -> None:
    assert len(CASES) > 400
    assert len({case.text() for case in CASES}) == len(CASES)
    assert all(case.mark in case.text() for case in CASES)


@pytest.mark.parametrize("family", FAMILIES)
def test_only_listed_html_comes_out_and_all_of_the_text(family: str) -> None:
    for case in CASES:
        if case.family == family:
            page = html(case.text())
            assert forbidden(page) == [], case
            assert case.mark in read(page), case


@pytest.mark.parametrize("reader", READERS)
def test_what_is_kept_is_harmless_to_every_reader(reader: str) -> None:
    for case in SHORT:
        assert forbidden(READERS[reader](markdown(case.text()))) == [], case


@pytest.mark.parametrize("case", [case for case in CASES if case.family == "size"], ids=str)
def test_however_large_it_can_be_kept(case: Case) -> None:
    assert case.mark in markdown(case.text())


@pytest.mark.parametrize("text", ["> " * 5_000 + "end", "- " * 5_000 + "end", "> - " * 999 + "end"])
def test_what_is_nested_too_deep_is_text_and_not_lost(text: str) -> None:
    assert read(html(text)).endswith("end")
    assert (
        text.count(">") + text.count("- ") - html(text).count("&gt;") - html(text).count("- ") < 99
    )
    assert markdown(text).endswith("end")


@pytest.mark.parametrize("mark", ["*a **b ", "_a __b ", "~~a *b "])
def test_emphasis_in_emphasis_ends_somewhere(mark: str) -> None:
    closed = mark * 300 + "middle" + "".join(reversed(mark)) * 300
    assert "middle" in html(closed)
    assert "middle" in markdown(closed)


@pytest.mark.parametrize("part", ["{", "\\sqrt{", "\\frac{1}{", "x^{"])
def test_a_formula_too_deep_for_a_browser_is_shown_as_written(part: str) -> None:
    latex = part * 100 + "x" + "}" * 100
    assert html(f"${latex}$") == f'<p><code class="math">{latex}</code></p>\n'
    assert markdown(f"${latex}$") == f"`{latex}`"


@pytest.mark.parametrize("name", ["mermaid", "Mermaid", "mermaid-js"])
def test_a_diagram_is_kept_as_its_source_and_drawn_nowhere(name: str) -> None:
    assert markdown(f"```{name}\nflowchart LR\n```") == "```\nflowchart LR\n```"
