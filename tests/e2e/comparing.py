"""A comparison in a page, as a person uses it; the only test module that knows how it is drawn."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, expect

from tests.e2e.lab import Notebook
from tests.e2e.panel import NAMELESS, OVERFLOWING, PATIENCE, Panel

COLUMNS = """at => [...at.querySelectorAll('[role=columnheader]')].slice(1)
  .map(each => each.querySelector('.ck-model-name').textContent)"""
TALL = "at => [...new Set([...at.querySelectorAll('.ck-line')].map(each => each.offsetHeight))]"
DRAWN = "at => at.querySelectorAll('.ck-line').length"


class Table:
    """A comparison in the output of a cell. Rows are counted from the first that is drawn, which
    is the first of all until somebody scrolls; columns from the first model."""

    def __init__(self, notebook: Notebook, index: int) -> None:
        self._notebook = notebook
        self._index = index
        self._page = notebook.page
        notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.root: Locator = notebook.output(index).locator(".chatkit-runs")
        self.grid = self.root.get_by_role("grid")
        self.rows = self.grid.locator(".ck-line")
        self.head = self.root.locator("header")
        self.detail = self.root.get_by_role("complementary")
        self.note = self.root.locator(".ck-note")
        self.shown = self.root.locator(".ck-shown")
        self.notice = self.root.locator(".ck-toast")
        self.popup = self.root.get_by_role("dialog")
        self.page_beside = self.root.get_by_role("tabpanel")
        self.root.wait_for(timeout=PATIENCE)

    # -- to read --

    def cell(self, row: int, column: int) -> Locator:
        """An answer as the table shows it."""
        found: Locator = self.rows.nth(row).get_by_role("gridcell").nth(column)
        return found

    def label(self, row: int) -> Locator:
        """What the head of a row says."""
        found: Locator = self.rows.nth(row).get_by_role("rowheader")
        return found

    def columns(self) -> list[str]:
        """The models across."""
        found: list[str] = self.grid.evaluate(COLUMNS)
        return found

    def expect_cell(self, row: int, column: int, text: str | re.Pattern[str]) -> None:
        """Wait until a cell says this."""
        expect(self.cell(row, column)).to_contain_text(text, timeout=PATIENCE)

    def expect_head(self, *texts: str) -> None:
        """Wait until the line above the table says these."""
        for text in texts:
            expect(self.head).to_contain_text(text, timeout=PATIENCE)

    def expect_rows(self, words: str) -> None:
        """Wait until it says that so many rows are shown: `12 rows`, `3 of 12 rows`."""
        expect(self.shown).to_have_text(words, timeout=PATIENCE)

    def expect_answered(self, count: int, total: int) -> None:
        """Wait until so many answers are there."""
        self.expect_head(f"{count:,} of {total:,} answered")

    def expect_detail(self, *texts: str) -> None:
        """Wait until the answer that is open says these."""
        for text in texts:
            expect(self.detail).to_contain_text(text, timeout=PATIENCE)

    def expect_copied(self, text: str) -> None:
        """Wait until this is in the clipboard."""
        ready = "async text => (await navigator.clipboard.readText()).trim() === text.trim()"
        self._page.wait_for_function(ready, arg=text)

    def heights(self) -> list[int]:
        """The heights of the rows that are drawn, each once."""
        found: list[int] = self.grid.evaluate(TALL)
        return found

    def drawn(self) -> int:
        """How many rows are in the page."""
        found: int = self.grid.evaluate(DRAWN)
        return found

    def chat(self) -> Panel:
        """The chat below the table."""
        return Panel(self._notebook, self._index, number=1)

    def without_a_name(self) -> list[str]:
        """What can be used and says to nobody what it is."""
        found: list[str] = self.root.evaluate(NAMELESS)
        return found

    def overflowing(self) -> list[str]:
        """What is not in the width of the view, and cannot be scrolled to."""
        found: list[str] = self.root.evaluate(OVERFLOWING)
        return found

    # -- to click --

    def button(self, label: str) -> Locator:
        """A button of the view; of its label, a part that is its own."""
        found: Locator = self.root.get_by_role("button", name=label).first
        return found

    def open(self, row: int, column: int) -> None:
        """Open an answer in full."""
        self.cell(row, column).click()
        expect(self.cell(row, column)).to_have_class(re.compile(r"\bck-open\b"), timeout=PATIENCE)
        expect(self.detail).to_be_visible(timeout=PATIENCE)

    def act(self, label: str) -> None:
        """Click a button of the answer that is open."""
        self.detail.get_by_role("button", name=label, exact=True).click()

    def tab(self, label: str) -> None:
        """Turn to a page."""
        self.root.get_by_role("tab", name=label, exact=True).click()

    def search(self, text: str) -> None:
        """Look for words in the answers."""
        self.root.get_by_role("searchbox", name="Search the answers").fill(text)

    def choose(self, menu: str, **chosen: str) -> None:
        """Choose in Filter, Sort or Differences, by label; `_` stands for a space."""
        self.root.get_by_role("button", name=menu).last.click()
        for label, value in chosen.items():
            self.choice(label).select_option(label=value)
        self._page.keyboard.press("Escape")
        expect(self.popup).to_be_hidden()

    def choice(self, label: str) -> Locator:
        """A choice of the menu that is open."""
        name = re.compile(f"^{label.replace('_', ' ')}$", re.IGNORECASE)
        row = self.popup.locator("label").filter(has=self._page.get_by_text(name))
        found: Locator = row.locator("select, input")
        return found

    def scroll_to(self, share: float) -> None:
        """Scroll to a place between the first row, 0, and the last, 1."""
        go = "(at, share) => { at.scrollTop = share * (at.scrollHeight - at.clientHeight) }"
        self.grid.evaluate(go, share)
