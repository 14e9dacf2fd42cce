"""The view of one reply in a page: it stays calm while it grows, and leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import expect

from tests.e2e.lab import Notebook
from tests.e2e.test_session import ANSWER, ASK, SLEEP, opening
from tests.servers import Provider
from tests.test_steps import call

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]

COMMS = "import comm\nlen(comm.get_comm_manager().comms)"
OFTEN = "from chatkit.notebook import view\nview.SAVE_PACE, view.SAVE_GROWTH = 0.0, 1.0"
HILLS = """
def look() -> int:
    'Look.'
    return 7

chat = Chat('hills', model=chat.model, tools=[look])"""
GUARDED = """
from chatkit import tool
gone = []

@tool(approve=True)
def delete(name: str) -> str:
    'Delete a file.'
    gone.append(name)
    return f'{name} is gone'

chat = Chat('files', model=chat.model, tools=[delete])"""
# As a kernel that takes clicks only between cells: ipykernel 6, and 7.4 without what chatkit does.
DEAF = "from chatkit.notebook import widget\nwidget.answer_while_a_cell_runs = lambda comm: None"
DARK, LIGHT = "JupyterLab Dark", "JupyterLab Light"

# The lowest and the greatest height of the cell's outputs, in all frames from now on.
WATCH_HEIGHT = """
  const area = cells[1].node.querySelector('.jp-OutputArea');
  window.heights = [];
  const look = () => {
    window.heights.push(area.getBoundingClientRect().height);
    requestAnimationFrame(look);
  };
  look();
"""
# Lab makes no Markdown of a text until `letGo` is called.
SLOW_MARKDOWN = """
  const parser = cells[1].outputArea.rendermime.markdownParser;
  const render = parser.render.bind(parser);
  const going = new Promise((go) => { window.letGo = go });
  parser.render = async (text) => {
    window.awaited = true;
    await going;
    return render(text);
  };
"""


@pytest.fixture
def dark(open_notebook: Open) -> Iterator[Callable[[Notebook], None]]:
    """Switch to the dark theme, until the test ends."""
    switched: list[Notebook] = []

    def switch(notebook: Notebook, theme: str = DARK) -> None:
        command = (
            "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
        )
        notebook.page.evaluate(command, theme)
        notebook.page.locator(f"body[data-jp-theme-name='{theme}']").wait_for(state="attached")
        switched.append(notebook)

    yield switch
    for notebook in switched[:1]:
        switch(notebook, LIGHT)


def test_the_output_never_collapses_while_it_grows_is_saved_and_ends(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(f"{opening(provider)}\n{OFTEN}", ASK)
    notebook.run_all()
    answer.release(4)
    notebook.wait_text(1, "Day")
    before = notebook.output(1).bounding_box()["height"]
    notebook._js(WATCH_HEIGHT)
    for _ in range(12):
        answer.release()
        notebook.page.wait_for_timeout(100)
    answer.open()
    notebook.wait_text(1, "complete")
    notebook.wait_for_good(1)
    output, below = notebook.save()["cells"][1]["outputs"]
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    assert below["data"] == {"text/plain": []}
    heights: list[float] = notebook.page.evaluate("window.heights")
    assert min(heights) >= before - 1
    assert all(later >= 0.9 * max(heights[:at]) for at, later in enumerate(heights[1:], 1))


def test_the_answer_stands_there_until_the_page_has_made_its_markdown(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    answer.release(10)
    notebook.wait_text(1, "Where")
    notebook._js(SLOW_MARKDOWN + WATCH_HEIGHT)
    answer.open()
    notebook.until("return window.awaited")
    notebook.wait_text(1, "On the third: Sintra.")
    assert notebook.output(1).locator(".chatkit-reply").count() == 1
    expect(notebook.output(1).get_by_role("button")).to_have_count(0)  # nobody would hear them
    notebook.page.evaluate("window.letGo()")
    expect(notebook.output(1).locator(".chatkit-reply")).to_have_count(0)
    assert "On the third: Sintra." in notebook.text(1)
    heights: list[float] = notebook.page.evaluate("window.heights")
    assert all(later >= 0.9 * max(heights[:at]) for at, later in enumerate(heights[1:], 1))


def test_a_save_mid_stream_keeps_the_text_for_readers_without_a_kernel(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(f"{opening(provider)}\n{OFTEN}", ASK)
    notebook.run_all()
    answer.release(10)
    notebook.wait_text(1, "Where")
    notebook.until(
        "const below = cells[1].model.outputs.get(1);"
        "return !!below && JSON.stringify(below.toJSON()).includes('Where')"
    )
    output, below = notebook.save()["cells"][1]["outputs"]
    assert "Where" in "".join(below["data"]["text/html"])
    kept = "".join(output["data"]["text/markdown"])
    assert kept.startswith("## Three days")
    assert "still being written when this was saved" in kept
    answer.open()
    notebook.wait_text(1, "complete")


def test_the_view_leaves_no_comm_behind(open_notebook: Open, provider: Provider) -> None:
    provider.answer("Alfama", cut=True)
    sends = "for city in ('Lisbon', 'Porto'):\n    chat.send(city)"
    notebook = open_notebook(opening(provider), sends, COMMS)
    notebook.run(0)
    notebook.run(1)
    notebook.wait_text(1, "Interrupted")
    notebook.wait_text(1, "Answer to: Porto")
    notebook.wait_text(1, "complete")
    notebook.press(1, "Ask again")
    notebook.wait_text(1, "Answer to: Lisbon")
    notebook.until("return cells[1].model.outputs.length >= 3")
    notebook.until(
        "return !JSON.stringify(cells[1].model.outputs.toJSON()).includes('widget-view')"
    )
    expect_no_comm(notebook)


def expect_no_comm(notebook: Notebook) -> None:
    """Run the cell that counts them until it finds none: what the page says last is on its way."""
    for _ in range(100):
        notebook.run(2)
        if notebook.text(2) == "0":
            return
    raise AssertionError(f"there are {notebook.text(2)}")


def test_an_answer_that_goes_on_does_so_where_it_broke_off(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer(tokens=[call("look")], finish_reason="tool_calls")
    provider.answer("", cut=True)
    answer = provider.answer("Seven hills.", gated=True)
    notebook = open_notebook(opening(provider) + HILLS, "reply = chat.send('How many?')", COMMS)
    notebook.run(0)
    notebook.run(1)
    notebook.wait_text(1, "Interrupted")
    notebook.press(1, "Resume")
    answer.release()
    notebook.wait_text(1, "Seven")
    notebook.until("return !cells[1].node.innerText.includes('Interrupted')")
    notebook.screenshot("view-goes-on")
    answer.open()
    notebook.wait_text(1, "complete")
    notebook.wait_for_good(1)
    for said in ("look()", "Seven hills."):
        assert notebook.text(1).count(said) == 1
    first, second = notebook.save()["cells"][1]["outputs"]
    assert set(first["data"]) == {"text/markdown", "text/plain"}
    assert second["data"] == {"text/plain": []}
    expect_no_comm(notebook)


def test_reasoning_is_folded_and_stays_as_the_reader_left_it(
    open_notebook: Open, provider: Provider, dark: Callable[[Notebook], None]
) -> None:
    thought = {"reasoning_content": "The hills are steep. "}
    answer = provider.answer(tokens=[thought] * 3 + ["Wear ", "good ", "shoes. "] * 9, gated=True)
    notebook = open_notebook(f"{opening(provider)}\n{OFTEN}", ASK)
    notebook.run_all()
    dark(notebook)
    answer.release(2)
    notebook.wait_text(1, "is thinking")
    assert not notebook.output(1).get_by_text("hills are steep").first.is_visible()
    notebook.output(1).get_by_text("Reasoning").first.click()
    notebook.output(1).get_by_text("hills are steep").first.wait_for()
    notebook.screenshot("view-thinking-dark")
    answer.release(12)
    notebook.wait_text(1, "Wear good shoes. Wear good shoes.")
    notebook.page.wait_for_timeout(500)
    assert notebook.output(1).get_by_text("hills are steep").first.is_visible()
    notebook.screenshot("view-streaming-dark")
    answer.open()
    notebook.wait_text(1, "complete")
    notebook.screenshot("view-complete-dark")


def test_the_status_is_announced_and_stop_is_a_button(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    status = notebook.output(1).get_by_role("status")
    expect(status).to_have_text(re.compile("^Waiting for "))
    assert notebook.output(1).locator("[aria-busy=true]").count() == 1
    stop = notebook.output(1).get_by_role("button", name="Stop")
    stop.focus()
    answer.release()
    notebook.wait_text(1, "Alfama")
    stop.press("Enter")
    notebook.wait_text(1, "stopped")
    notebook.screenshot("view-stopped")
    expect(notebook.output(1).get_by_role("button")).to_have_text(["Resume", "Ask again"])
    provider.answer("Belém")
    notebook.press(1, "Resume")
    notebook.wait_text(1, "Alfama Belém")
    notebook.wait_text(1, "complete · continued once")
    assert "stopped" not in notebook.text(1)


def test_what_was_stopped_before_its_first_word_is_asked_again_at_a_click(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer("Alfama", gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    notebook.press(1, "Stop")
    notebook.wait_text(1, "Stopped before anything arrived.")
    notebook.screenshot("view-stopped-empty")
    expect(notebook.output(1).get_by_role("button")).to_have_text(["Ask again"])
    provider.answer("Belém")
    notebook.press(1, "Ask again")
    notebook.wait_text(1, "complete")
    assert "Belém" in notebook.text(1)


def test_each_call_that_waits_is_asked_about_by_itself(
    open_notebook: Open, provider: Provider, dark: Callable[[Notebook], None]
) -> None:
    names = ("a.csv", "b.csv", "c.csv")
    calls = [
        call("delete", f'{{"name": "{name}"}}', id=f"call {n}", index=n)
        for n, name in enumerate(names)
    ]
    provider.answer(tokens=calls, finish_reason="tool_calls")
    provider.answer("Done.")
    ask = "chat.send('Delete them.')"
    gone = "import time\nwhile not gone: time.sleep(0.01)\nprint(*gone)"
    notebook = open_notebook(opening(provider) + GUARDED, ask, gone)
    notebook.run(0)
    notebook.run(1)
    notebook.wait_text(1, "Allow all")
    notebook.screenshot("view-three-questions")
    dark(notebook)
    notebook.screenshot("view-three-questions-dark")
    each = notebook.output(1).locator("[data-call]")
    expect(each).to_have_count(len(names))
    each.filter(has_text="b.csv").get_by_role("button", name="Do not allow").click()
    notebook.until("return cells[1].node.querySelectorAll('[data-call]').length === 2")
    each.filter(has_text="c.csv").get_by_role("button", name="Allow", exact=True).click()
    notebook.until("return !cells[1].node.querySelector('[data-call]')")
    notebook.run(2)
    assert notebook.text(2) == "c.csv"
    notebook.output(1).get_by_role("button", name="Allow", exact=True).click()
    notebook.wait_text(1, "Done.")
    notebook.run(2)
    assert notebook.text(2) == "c.csv a.csv"


@pytest.mark.parametrize("kernel", ["takes clicks", "is deaf"])
def test_a_click_that_a_busy_kernel_does_not_take_says_so(
    open_notebook: Open, provider: Provider, kernel: str
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    deaf = f"\n{DEAF}" if kernel == "is deaf" else ""
    notebook = open_notebook(opening(provider) + deaf, ASK, SLEEP)
    notebook.run(0)
    notebook.run(1)
    answer.release()
    notebook.wait_text(1, "Alfama")
    notebook.run(2, wait=False)
    notebook.wait_text(2, "sleeps")
    notebook.press(1, "Stop")
    if deaf:
        notebook.wait_text(1, "The kernel is busy. Interrupt the cell that runs")
        notebook.screenshot("view-busy")
        notebook.interrupt()
    notebook.wait_text(1, "stopped")
    if deaf:
        notebook.until("return cells[2].model.executionState !== 'running'")
    assert notebook.running(2) != bool(deaf)
    assert "busy" not in notebook.text(1)
    notebook.interrupt()
    notebook.wait_idle()


def test_a_kernel_that_is_gone_is_said_and_nothing_ticks_on(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    answer.release()
    notebook.wait_text(1, "Alfama")
    notebook.kill_kernel(int(notebook.text(0)))
    notebook.wait_text(1, "The kernel stopped while this was being written. Run the cell again.")
    assert "Alfama" in notebook.text(1)
    assert notebook.output(1).get_by_role("button").count() == 0
    notebook.screenshot("view-kernel-gone")


def test_a_reply_streams_into_widgets_of_the_users_own(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    make = "import ipywidgets as w\nout, box = w.Output(), w.VBox()\ndisplay(w.HBox([out, box]))"
    show = "reply.show(into=out)\nreply.show(into=box);"
    notebook = open_notebook(opening(provider), ASK, make, show)
    notebook.run_all()
    answer.release(10)
    notebook.wait_text(2, "Where")
    notebook.screenshot("view-into-1-streaming")
    answer.open()
    notebook.wait_text(1, "complete")
    for shown in ("On the third: Sintra.", "complete · "):
        notebook.until(f"return cells[2].node.innerText.split({shown!r}).length === 3")
    assert notebook.text(3) == ""
    notebook.screenshot("view-into-2-complete")
