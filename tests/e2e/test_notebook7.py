"""The main job in Jupyter Notebook 7: ask, see it live, stop it, reload, and read what is saved."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.lab import Lab, Notebook, Notebook7
from tests.e2e.panel import Panel
from tests.e2e.test_session import ANSWER, ASK, HOSTILE, SLEEP, opening
from tests.servers import Provider

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Notebook7(tmp_path_factory.mktemp("notebook7")) as lab:
        yield lab


def test_an_answer_streams_live_is_reloaded_and_saved_as_markdown(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(opening(provider), ASK, SLEEP)
    notebook.run(0)
    notebook.run(1)
    notebook.wait_text(1, "Waiting for")
    notebook.run(2, wait=False)
    notebook.wait_text(2, "sleeps")
    answer.release(10)
    notebook.wait_text(1, "Where")
    assert "Alfama" not in notebook.text(1)
    assert notebook.running(2)
    notebook.screenshot("notebook7-1-live-while-a-cell-sleeps")
    notebook.interrupt()
    notebook.wait_idle()
    notebook.save()
    notebook.reload()
    notebook.wait_text(1, "Where")
    answer.open()
    notebook.wait_text(1, "On the third: Sintra.")
    notebook.wait_text(1, "complete")
    notebook.screenshot("notebook7-2-after-a-reload")
    notebook.run(1)
    notebook.wait_text(1, "complete")
    assert notebook.output(1).locator("table td strong").inner_text() == "Alfama"
    saved = notebook.save()["cells"][1]["outputs"][0]["data"]
    assert set(saved) == {"text/markdown", "text/plain"}
    assert "".join(saved["text/markdown"]).startswith(ANSWER)
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    notebook.wait_text(1, "On the third: Sintra.")
    assert "Error displaying widget" not in notebook.text(1)
    assert notebook.foreign_requests() == []
    assert len(provider.requests) == 1


def test_stop_is_a_button_that_works_while_a_cell_blocks(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    notebook = open_notebook(opening(provider), ASK, "time.sleep(600)")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    answer.release()
    notebook.wait_text(1, "Alfama")
    notebook.press(1, "Stop")
    notebook.wait_text(1, "stopped")
    provider.until(lambda: provider.disconnects == 1)
    assert notebook.running(2)
    notebook.screenshot("notebook7-3-stopped")


def test_what_a_model_says_is_inert(open_notebook: Open, provider: Provider) -> None:
    provider.answer(HOSTILE)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    notebook.wait_text(1, "The end.")
    notebook.wait_text(1, "complete")
    assert notebook.page.evaluate("window.__pwned") is None
    assert notebook.foreign_requests() == []


def test_a_panel_is_written_in_reloaded_and_kept(open_notebook: Open, provider: Provider) -> None:
    notebook = open_notebook(opening(provider), "chat.panel()")
    notebook.run_all()
    panel = Panel(notebook, 1)
    panel.ask("Two days?")
    panel.box.press("ArrowUp")
    panel.box.press("Escape")
    answer = provider.answer("Alfama Belém", gated=True)
    panel.send("Where?")
    answer.release()
    panel.expect_below(3, "Alfama")
    panel.button("Stop").click()
    panel.expect_below(3, "stopped")
    panel.box.fill("And with chil")
    notebook.screenshot("notebook7-4-panel")
    notebook.until("return JSON.stringify(cells[1].model.outputs.toJSON()).includes('Alfama')")
    notebook.save()
    notebook.reload()
    panel.expect_messages("Two days?", "Answer to: Two days?", "Where?", "Alfama")
    expect(panel.box).to_have_value("And with chil")
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    notebook.wait_text(1, "Alfama")
    assert "Error displaying widget" not in notebook.text(1)
    assert notebook.foreign_requests() == []
