"""A comparison in JupyterLab: everything that can be done in its view, done as a person does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product

import pytest
from playwright.sync_api import expect

from tests.e2e import test_view
from tests.e2e.comparing import Table
from tests.e2e.lab import Notebook
from tests.e2e.panel import PATIENCE
from tests.servers import Provider

pytestmark = pytest.mark.e2e

dark = test_view.dark

Open = Callable[..., tuple[Notebook, Table]]
Shade = Callable[[Notebook], None]
OPENING = """
import os, time
from chatkit import get_model
from chatkit.compare import compare
def model(name): return get_model(f'azure/{name}', base_url=URL, api_key='x')
two = {'small': model('gpt-4o-mini'), 'large': model('gpt-4o-2024-08-06')}
places = [{'country': 'France', 'capital': 'Paris'}, {'country': 'Peru', 'capital': 'Lima'}]
both = {'terse': 'Capital of {country}?', 'polite': 'Please name the capital of {country}.'}
def right(reply, case): return case['capital'] in reply.text
def brief(reply, case): return {'value': 1 / len(reply.text.split()), 'reason': 'By its words.'}
print(os.getpid())"""
RUNS = "runs = compare(both, two, places, scores=[right, brief], concurrency=1)\nruns"
MANY = """
numbers = [{'number': n} for n in range(500)]
runs = compare('Say {number}.', two, numbers, concurrency=8, confirm_above=100)
runs"""
# As a kernel that takes clicks only between cells: ipykernel 6.
DEAF = """
from chatkit.notebook import widget
def deafen(comm): comm._reply_subshell_for = lambda data, default: None
widget.answer_while_a_cell_runs = deafen"""
LISBON = """Paris is the capital of **France**.

| since | it |
| --- | --- |
| 987 | is |
"""
# Cells are there: nothing of the page has moved since.
PLACES = """at => [...at.querySelectorAll('.ck-line')].map(
  each => [each.dataset.place, each.offsetTop, each.offsetHeight])"""


@pytest.fixture
def open_table(open_notebook: Callable[..., Notebook], provider: Provider) -> Open:
    """A function that opens a notebook with a comparison in its second cell."""

    def open_table(*cells: str, runs: str = RUNS, first: str = "") -> tuple[Notebook, Table]:
        opening = f"URL = {provider.url!r}{OPENING}\n{first}"
        notebook = open_notebook(opening, runs, *cells)
        notebook.run(0)
        notebook.run(1)
        return notebook, Table(notebook, 1)

    return open_table


def test_it_is_there_at_once_and_fills_in_live_and_nothing_moves(
    open_table: Open, provider: Provider
) -> None:
    answers = [provider.answer(f"{name}, as asked.", gated=True) for name in ("Paris", "Lima")]
    notebook, table = open_table()
    table.expect_answered(0, 8)
    table.expect_head("1 running")
    table.expect_rows("4 rows")
    assert table.columns() == ["small", "large"]
    expect(table.label(0)).to_have_text("tersecountry Francecapital Paris")
    table.expect_cell(0, 1, "Queued")
    before = table.grid.evaluate(PLACES)
    answers[0].release()
    table.expect_cell(0, 0, re.compile("^Paris,$"))
    notebook.screenshot("comparing-streaming")
    answers[0].open()
    table.expect_cell(0, 0, "Paris, as asked.")
    table.expect_cell(0, 0, "✓right")
    table.expect_cell(0, 0, "brief 0.33")
    answers[1].open()
    table.expect_answered(8, 8)
    table.expect_cell(0, 1, "✗right")
    table.expect_cell(0, 1, "3 tok$0.000055")
    assert table.grid.evaluate(PLACES) == before
    expect(table.button("Stop")).to_be_hidden()
    table.expect_head("$")
    notebook.screenshot("comparing-complete")
    assert table.without_a_name() == []


def test_stop_ends_it_and_retry_asks_what_has_no_answer(
    open_table: Open, provider: Provider
) -> None:
    provider.refuse(400, {"error": {"message": "Not <b>today</b>."}})
    provider.answer("Never said", gated=True)
    notebook, table = open_table()
    table.expect_head("1 error", "1 running")
    table.expect_cell(0, 0, "Not <b>today</b>.")
    table.button("Stop").click()
    provider.until(lambda: provider.disconnects == 1)
    table.expect_cell(0, 1, "Stopped before anything arrived.")
    notebook.screenshot("comparing-stopped")
    table.button("Retry").click()
    table.expect_answered(8, 8)
    table.expect_cell(0, 0, "Answer to: Capital of France?")
    expect(table.button("Retry")).to_be_hidden()


def test_a_provider_that_holds_back_is_named(open_table: Open, provider: Provider) -> None:
    provider.refuse(429, {"error": {"message": "Slow down."}}, retry_after="15")
    notebook, table = open_table()
    expect(table.note).to_contain_text("Rate limited by azure", timeout=PATIENCE)
    notebook.screenshot("comparing-limited")
    table.expect_answered(8, 8)
    expect(table.note).to_have_text("")


def test_an_answer_in_full_is_rendered_live_copied_and_asked_again(
    open_table: Open, provider: Provider
) -> None:
    thinking = {"reasoning_content": "Let me think of France."}
    words = [thinking, *re.findall(r"\S+\s*", LISBON)]
    answer = provider.answer(tokens=words, gated=True)
    notebook, table = open_table()
    answer.release(3)
    table.open(0, 0)
    table.expect_detail("terse · small", "country", "France", "Reasoning", "Paris is")
    answer.open()
    expect(table.detail.get_by_role("cell", name="987")).to_be_visible(timeout=PATIENCE)
    expect(table.detail.locator("strong")).to_have_text("France")
    table.expect_detail("brief 0.05", "By its words.", "10 → 22 tokens")
    table.detail.get_by_text("As asked").click()
    table.expect_detail("user", "Capital of France?")
    table.detail.get_by_text("Reasoning").click()
    table.expect_detail("Let me think of France.")
    table.expect_answered(8, 8)
    notebook.screenshot("comparing-detail")
    assert table.without_a_name() == []
    table.act("Copy")
    table.expect_copied(LISBON)
    provider.answer("Lutetia")
    table.act("Ask again")
    table.expect_detail("Lutetia")
    table.expect_cell(0, 0, "Lutetia")
    table.expect_cell(0, 0, "✗right")
    table.detail.get_by_text("Earlier answers (1)").click()
    expect(table.detail.get_by_role("cell", name="987")).to_be_visible(timeout=PATIENCE)
    provider.refuse(401, {"error": {"message": "Incorrect API key provided: x."}})
    table.open(1, 1)
    table.act("Ask again")
    table.expect_detail("Incorrect API key provided: x.")
    notebook.screenshot("comparing-detail-error")
    table.act("Ask again")
    table.expect_detail("Answer to: Please name the capital of France.")
    table.act("Close (Esc)")
    expect(table.detail).to_be_hidden()


def test_an_answer_is_gone_on_from_in_a_chat_below(open_table: Open, provider: Provider) -> None:
    notebook, table = open_table()
    table.expect_answered(8, 8)
    table.open(2, 1)
    table.act("Open as chat")
    chat = table.chat()
    chat.expect_messages("Capital of Peru?", "Answer to: Capital of Peru?")
    expect(chat.box).to_be_in_viewport()
    chat.send("And of Chad?")
    chat.expect_messages(
        "Capital of Peru?",
        "Answer to: Capital of Peru?",
        "And of Chad?",
        "Answer to: And of Chad?",
    )
    assert provider.requests[-1].body["model"] == "gpt-4o-2024-08-06"
    notebook.screenshot("comparing-chat")
    table.button("Close chat").click()
    expect(notebook.output(1).locator(".chatkit-panel")).to_have_count(1)
    table.act("Open as chat")
    table.chat().expect_below(-1, "Answer to: And of Chad?")


def test_answers_are_filtered_searched_and_sorted(open_table: Open, provider: Provider) -> None:
    provider.answer("Paris it is, and has been for long")
    provider.refuse(400, {"error": {"message": "Not today."}})
    provider.answer("Paris")
    notebook, table = open_table()
    table.expect_answered(7, 8)
    table.choose("Filter", Status="Error")
    table.expect_rows("1 of 4 rows")
    table.expect_cell(0, 1, "Not today.")
    notebook.screenshot("comparing-filtered")
    table.choose("Filter", Status="Any", Score="right", Is="right")
    table.expect_rows("2 of 4 rows")
    table.choose("Filter", Score="brief", Is="at least")
    table.root.get_by_role("button", name="Filter").click()
    table.choice("the_number").fill("0.9")
    table.choice("the_number").press("Tab")
    table.expect_rows("1 of 4 rows")
    table.expect_cell(0, 0, "Paris")
    table.popup.get_by_role("button", name="Show everything").click()
    table.expect_rows("4 rows")
    table.button("1 error").click()
    table.expect_rows("1 of 4 rows")
    table.button("1 error").click()
    table.choose("Filter", Prompt="polite", Model="large")
    table.expect_rows("2 of 4 rows")
    expect(table.grid.locator(".ck-model-name")).to_have_text(["large"], timeout=PATIENCE)
    table.choose("Filter", Prompt="All", Model="All")
    table.search("IT IS")
    table.expect_rows("1 of 4 rows")
    expect(table.cell(0, 0).locator("mark")).to_have_text("it is")
    table.search("nobody says this")
    expect(table.grid).to_contain_text("No answer is like that.")
    table.search("")
    table.expect_rows("4 rows")
    table.choose("Sort", Sort_by="brief", Of="small", Order="The highest first")
    table.expect_cell(0, 0, re.compile("^Paris✓"))
    header = table.grid.get_by_role("columnheader").nth(1)
    expect(header).to_have_attribute("aria-sort", "descending")
    table.grid.get_by_role("button", name="small").click()
    expect(header).to_have_attribute("aria-sort", "ascending")
    table.expect_cell(3, 0, re.compile("^Paris✓"))
    table.choose("Sort", Sort_by="country", Order="The highest first")
    expect(table.label(0)).to_contain_text("Peru", timeout=PATIENCE)
    table.choose("Sort", Sort_by="Tokens", Order="The lowest first")
    table.choose("Sort", Sort_by="Prompt")
    expect(table.label(1)).to_contain_text("terse")


def test_what_comes_while_answers_are_sorted_moves_nothing_until_one_asks_for_it(
    open_table: Open, provider: Provider
) -> None:
    provider.answer("one two three four")
    provider.answer("one two three")
    answer = provider.answer("one", gated=True)
    _, table = open_table()
    table.expect_answered(2, 8)
    table.choose("Sort", Sort_by="brief", Of="small", Order="The highest first")
    small = table.grid.get_by_role("columnheader").nth(1)
    expect(small).to_have_attribute("aria-sort", "descending")  # the kernel has heard of it
    table.expect_cell(0, 0, "one two three four")
    answer.open()
    table.expect_answered(8, 8)
    for row, column in product(range(4), range(2)):  # and scored: what comes later is to arrange
        table.expect_cell(row, column, re.compile("right.*brief"))
    table.expect_cell(0, 0, "one two three four")
    expect(table.button("Stop")).to_be_hidden(timeout=PATIENCE)
    table.button("Arrange again").click()
    table.expect_cell(0, 0, re.compile("^one✗"))
    expect(table.button("Arrange again")).to_be_hidden()


def test_differences_are_shown_word_by_word_in_their_place(
    open_table: Open, provider: Provider
) -> None:
    provider.answer("It is Paris in France.")
    provider.answer("It is Lyon in France, I think.")
    provider.answer("It was Paris in France.")
    notebook, table = open_table()
    table.expect_answered(8, 8)
    table.choose("Differences", Between="Two models", B="large")
    cell = table.cell(0, 1)
    expect(cell.locator("del")).to_have_text("Paris", timeout=PATIENCE)
    expect(cell.locator("ins")).to_have_text(["Lyon", ", I think"])
    notebook.screenshot("comparing-differences")
    table.open(0, 1)
    table.expect_detail("What differs")
    expect(table.detail.locator("ins").first).to_have_text("Lyon")
    table.choose("Differences", Between="Two prompts", B="polite")
    expect(table.cell(1, 0).locator("ins")).to_have_text("was", timeout=PATIENCE)
    expect(table.cell(0, 1).locator("ins")).to_have_count(0)
    table.choose("Differences", Between="Nothing")
    expect(table.grid.locator("ins")).to_have_count(0, timeout=PATIENCE)


def test_the_summary_and_the_plot_are_pages_of_it(open_table: Open, provider: Provider) -> None:
    notebook, table = open_table()
    table.expect_answered(8, 8)
    table.tab("Summary")
    expect(table.page_beside.get_by_role("table").first).to_contain_text("terse", timeout=PATIENCE)
    notebook.screenshot("comparing-summary")
    table.tab("Plot")
    expect(table.page_beside.locator("svg.ck-plot")).to_be_visible(timeout=PATIENCE)
    expect(table.page_beside).to_contain_text("right")
    table.page_beside.locator("select").nth(0).select_option("brief")
    expect(table.page_beside.locator("svg.ck-plot")).to_contain_text("brief", timeout=PATIENCE)
    table.page_beside.locator("select").nth(1).select_option("seconds")
    expect(table.page_beside.locator("svg.ck-plot")).to_contain_text("seconds", timeout=PATIENCE)
    notebook.screenshot("comparing-plot")
    assert table.without_a_name() == []
    table.tab("Table")
    table.expect_cell(0, 0, "Answer to")


def test_all_of_it_is_within_reach_of_the_keyboard(open_table: Open, provider: Provider) -> None:
    notebook, table = open_table()
    table.expect_answered(8, 8)
    keyboard = notebook.page.keyboard
    table.root.get_by_role("tab", name="Table").focus()
    for _ in range(12):
        keyboard.press("Tab")
        if table.grid.locator("[role=gridcell]:focus").count():
            break
    expect(table.cell(0, 0)).to_be_focused()
    keyboard.press("ArrowRight")
    keyboard.press("ArrowDown")
    expect(table.cell(1, 1)).to_be_focused()
    keyboard.press("Control+End")
    expect(table.cell(3, 1)).to_be_focused()
    keyboard.press("Home")
    keyboard.press("Enter")
    table.expect_detail("polite · small", "Peru")
    expect(table.detail.get_by_role("region")).to_be_focused()
    keyboard.press("Escape")
    expect(table.detail).to_be_hidden()
    expect(table.cell(3, 0)).to_be_focused()
    keyboard.press("Enter")
    table.expect_detail("Peru")
    table.cell(3, 0).focus()
    keyboard.press("Control+Home")
    table.expect_detail("terse · small", "France")
    expect(table.grid).to_have_attribute("aria-rowcount", "5")


@pytest.mark.timeout(600)
def test_a_thousand_cells_open_small_and_scroll_smoothly(
    open_table: Open, provider: Provider
) -> None:
    kept_once = "from chatkit.notebook.comparing import keeper\nkeeper.PACE = 1e9"
    notebook, table = open_table(runs=MANY, first=kept_once)  # it is none of what scrolling sends
    expect(table.head).to_contain_text("1,000 of 1,000 answered", timeout=4 * PATIENCE)
    table.expect_rows("500 rows")
    assert table.drawn() < 20
    before = notebook.bytes_received
    table.scroll_to(1)
    expect(table.grid).to_contain_text("Answer to: Say 499.", timeout=PATIENCE)
    table.scroll_to(0.5)
    expect(table.grid).to_contain_text("Answer to: Say 250.", timeout=PATIENCE)
    assert notebook.bytes_received - before < 60_000
    assert table.drawn() < 20
    assert len(table.heights()) == 1
    notebook.screenshot("comparing-thousand")
    table.choose("Sort", Sort_by="As asked", Order="The highest first")
    table.expect_cell(0, 0, "Answer to: Say 499.")
    notebook.save()
    before = notebook.bytes_received
    notebook.reload()
    table = Table(notebook, 1)
    table.expect_cell(0, 0, "Answer to: Say 499.")


def test_it_can_be_used_while_a_cell_blocks_the_kernel(
    open_table: Open, provider: Provider
) -> None:
    provider.answer("Paris, of course.")
    notebook, table = open_table("time.sleep(600)")
    table.expect_answered(8, 8)
    notebook.run(2, wait=False)
    table.search("of course")
    table.expect_rows("1 of 4 rows")
    table.open(0, 0)
    table.expect_detail("Paris, of course.")
    assert notebook.running(2)
    notebook.interrupt()


def test_a_click_that_has_to_wait_is_said_to(open_table: Open, provider: Provider) -> None:
    notebook, table = open_table("print('sleeps')\ntime.sleep(600)", first=DEAF)
    table.expect_answered(8, 8)
    notebook.run(2, wait=False)
    notebook.wait_text(2, "sleeps")
    table.search("Peru")
    expect(table.note).to_contain_text("The kernel is busy", timeout=PATIENCE)
    table.expect_rows("4 rows")
    notebook.interrupt()
    table.expect_rows("2 of 4 rows")
    expect(table.note).to_have_text("")


def test_it_goes_on_after_the_page_is_loaded_again(open_table: Open, provider: Provider) -> None:
    answer = provider.answer("Paris, of course.", gated=True)
    notebook, table = open_table()
    answer.release()
    table.expect_cell(0, 0, "Paris,")
    notebook.save()
    notebook.reload()
    table = Table(notebook, 1)
    table.expect_cell(0, 0, "Paris,")
    answer.open()
    table.expect_cell(0, 0, "Paris, of course.")
    table.expect_answered(8, 8)


def test_the_saved_notebook_holds_the_table(open_table: Open, provider: Provider) -> None:
    provider.answer("Paris, of course.")
    notebook, table = open_table()
    table.expect_answered(8, 8)
    kept = "return JSON.stringify(cells[1].model.outputs.toJSON()).includes('the capital of Peru')"
    notebook.until(kept)
    notebook.save()
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    notebook.wait_text(1, "Paris, of course.")
    assert "Error displaying widget" not in notebook.text(1)
    notebook.screenshot("comparing-without-a-kernel")


def test_a_kernel_that_dies_is_said_and_what_was_shown_stays(
    open_table: Open, provider: Provider
) -> None:
    answer = provider.answer("Paris, of course.", gated=True)
    notebook, table = open_table()
    answer.release()
    table.expect_cell(0, 0, "Paris,")
    notebook.kill_kernel(int(notebook.text(0)))
    expect(table.note).to_contain_text("The kernel is gone. Run the cell again", timeout=PATIENCE)
    table.expect_cell(0, 0, "Paris,")
    notebook.screenshot("comparing-kernel-gone")
    notebook.run_all()
    table.expect_answered(8, 8)


def test_what_would_cost_much_waits_to_be_started(open_table: Open, provider: Provider) -> None:
    notebook, table = open_table(runs=RUNS.replace("concurrency=1", "confirm_above=0.0001"))
    table.expect_head("About $", "for 8 answers")
    assert provider.requests == []
    notebook.screenshot("comparing-held")
    table.button("Start").click()
    table.expect_answered(8, 8)
    expect(table.button("Start")).to_be_hidden()


def test_names_cases_and_answers_are_only_ever_text(open_table: Open, provider: Provider) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    provider.answer(f"{evil} [a](javascript:alert(3)) ![b](https://evil.test/b.png)")
    runs = (
        f"evil = {evil!r}\n"
        "runs = compare({evil: 'Say {word}', 'b' + evil: 'Tell {word}'}, {evil: two['small']},\n"
        "  [{'word': evil}], scores={evil: lambda reply, case: {'value': 0.5, 'reason': evil}})\n"
        "runs"
    )
    notebook, table = open_table(runs=runs)
    said: list[str] = []
    notebook.page.on("dialog", lambda dialog: said.append(dialog.message))
    table.expect_answered(2, 2)
    table.open(0, 0)
    table.expect_detail(evil)
    table.choose("Differences", Between="Two prompts")
    table.tab("Summary")
    expect(table.page_beside).to_contain_text("<img src=x", timeout=PATIENCE)
    table.tab("Plot")
    expect(table.page_beside.locator("svg.ck-plot")).to_be_visible(timeout=PATIENCE)
    table.tab("Table")
    table.act("Open as chat")
    table.chat().expect_below(1, "alert(2)")
    inside = "img, script, iframe, object, [onerror], [href^='javascript:']"
    expect(notebook.output(1).locator(inside)).to_have_count(0)
    assert said == []
    assert notebook.foreign_requests() == []


def test_it_is_readable_in_the_dark_and_on_a_narrow_page(
    open_table: Open, provider: Provider, dark: Shade
) -> None:
    provider.refuse(400, {"error": {"message": "Not today."}})
    notebook, table = open_table()
    table.expect_answered(7, 8)
    dark(notebook)
    notebook.screenshot("comparing-dark")
    table.open(0, 1)
    notebook.screenshot("comparing-dark-detail")
    table.act("Close (Esc)")
    notebook.command("application:toggle-left-area")
    notebook.page.set_viewport_size({"width": 520, "height": 900})
    table.expect_cell(0, 0, "Not today.")
    expect(table.label(0)).to_be_visible()
    notebook.screenshot("comparing-narrow")
    assert table.overflowing() == []
    table.open(0, 0)
    notebook.screenshot("comparing-narrow-detail")
    assert table.overflowing() == []
