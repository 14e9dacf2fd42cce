"""One JupyterLab and one browser for all tests here, a notebook for each.

Both end with the last of these tests: while Playwright runs, no other test could use asyncio.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e import browser_path, missing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.e2e.lab import Lab, Notebook

collect_ignore_glob = ["test_*.py"] if missing() else []


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    from tests.e2e.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    from playwright.sync_api import expect, sync_playwright

    from tests.e2e.lab import CHROMIUM_FLAGS

    with sync_playwright() as playwright:
        expect.set_options(timeout=60_000)  # a busy machine is no failure
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=CHROMIUM_FLAGS, timeout=120_000
        )
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(
    lab: Lab, browser: Browser, request: pytest.FixtureRequest
) -> Iterator[Callable[..., Notebook]]:
    """A function that opens a notebook of these cells, in a directory of its own."""
    from tests.e2e.lab import Notebook

    opened: list[Notebook] = []

    def open_notebook(*cells: str, kernel: str = "python3") -> Notebook:
        path = f"{request.node.name}/{len(opened)}.ipynb"
        notebook = Notebook(lab, browser, path, cells, kernel)
        opened.append(notebook)
        notebook.open()
        return notebook

    yield open_notebook
    for notebook in opened:
        if request.node.stash.get(FAILED, False) and not notebook.page.is_closed():
            notebook.screenshot(f"{request.node.name}-failed")
        notebook.close()
    lab.shut_down_kernels()


FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    item.stash[FAILED] = item.stash.get(FAILED, False) or report.failed
    return report
