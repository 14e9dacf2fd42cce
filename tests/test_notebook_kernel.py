"""How a reply shows itself in a real kernel, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chatkit.render import html
from tests.kernels import Cell, Kernel
from tests.servers import Provider
from tests.test_notebook import Script
from tests.test_steps import call

pytestmark = pytest.mark.kernel

VIEW = "application/vnd.jupyter.widget-view+json"
SAVED = {"text/markdown", "text/plain"}
ANSWER = (
    "## Three days 😀\n\n- **Alfama** and *Belém*\n- Sintra\n\n```python\n1 + 1\n```\n\nThe end."
)
BREAKS_OFF = "One two three four five six."
# A file that is there as soon as a cell that is over waits for its answers: an interrupt that
# comes earlier ends the cell, and one that comes between the two is lost.
WHEN_WAITING = """
import pathlib, sys, threading
def tell(main=threading.main_thread().ident):
    def names(frame):
        while frame:
            yield frame.f_code.co_name
            frame = frame.f_back
    while not {{'_cell_ends', 'wait_all'}} <= set(names(sys._current_frames()[main])):
        time.sleep(0.01)
    pathlib.Path({waits!r}).touch()
threading.Thread(target=tell, daemon=True).start()"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run(
            "from chatkit import Chat, get_model, stream_text\nimport comm, time, ipywidgets\n"
            "from chatkit.notebook import view\nview.SAVE_PACE = 600  # however slow it is\n"
            "from chatkit import progress\nprogress.PATIENCE = 600"
        )
        yield kernel


@pytest.fixture
def kernel(shared: Kernel, provider: Provider, request: pytest.FixtureRequest) -> Iterator[Kernel]:
    """A kernel with a chat of the test's own in it; the test leaves no comm behind.

    At the end each view's script says that it has left the page, as it does in a browser.
    """
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    opened = shared.run(f"model = {model}\nchat = Chat({request.node.name!r}, model=model)")
    assert opened.error == ""
    shared.comms.clear()
    yield shared
    comms(shared)  # what an answer leaves to be offered is there by then
    for page in pages(shared):
        page.click("close")
    assert comms(shared) == 0


def comms(kernel: Kernel) -> int:
    """How many comms are open, once the engine has done what it was told."""
    settled = "chatkit.engine.get_engine().run(asyncio.sleep(0))"
    count = f"import asyncio, chatkit.engine\n{settled}\nlen(comm.get_comm_manager().comms)"
    return int(kernel.run(count, cell_id="count").text)


def widget(cell: Cell, number: int = 0) -> str:
    """The model id of the widget that an output of a cell shows."""
    model_id: str = cell.outputs[number]["data"][VIEW]["model_id"]
    return model_id


def pages(kernel: Kernel) -> list[Page]:
    """The page's side of every reply shown live so far, in their order."""
    return [Page(kernel, id) for id, sent in kernel.comms.items() if "shown" in sent[0]["state"]]


class Page:
    """What a page that saw the widget from its beginning knows of it."""

    def __init__(self, kernel: Kernel, model_id: str) -> None:
        self._kernel, self._id = kernel, model_id

    @property
    def shown(self) -> dict[str, Any]:
        opened, *told = self._kernel.comms[self._id]
        shown: dict[str, Any] = json.loads(json.dumps(opened["state"]["shown"]))
        script = Script()
        for each in told:
            if each["method"] == "custom" and "number" in each["content"]:
                news = each["content"]
                assert news["number"] == shown["number"] + 1
                script.take(news.get("changes", []))
                shown |= {"number": news["number"], "foot": news.get("foot", shown["foot"])}
        return shown | {"sections": script.sections}

    @property
    def html(self) -> str:
        return "".join(block for _, blocks in self.shown["sections"] for block in blocks)

    @property
    def line(self) -> str:
        return str(self.shown["foot"]["line"])

    def click(self, what: str) -> None:
        self._kernel.send_to_widget(self._id, {"do": what})


def ends(kernel: Kernel, cell: Cell, count: int = 1) -> None:
    """Wait until a cell shows so many answers for good."""
    kernel.until(
        lambda: (
            cell.status == "ok"
            and len(cell.outputs) >= count
            and all(set(output["data"]) == SAVED for output in cell.outputs[:count])
        )
    )


# -- with somebody in front of it --


def test_a_reply_is_live_in_a_widget_and_then_markdown(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer(ANSWER, gated=True)
    cell = kernel.run("chat.send('Lisbon?')", cell_id="a")
    [output] = cell.outputs
    assert set(output["data"]) == {VIEW, *SAVED}
    page = Page(kernel, widget(cell))
    kernel.until(lambda: page.line == "Waiting for openai-chat/test")
    answer.release(8)
    kernel.until(lambda: "<strong>Alfama</strong>" in page.html)
    assert page.shown["foot"]["buttons"] == [["stop", "Stop"]]
    answer.open()
    ends(kernel, cell)
    [output] = cell.outputs
    assert output["data"]["text/markdown"].startswith(ANSWER)
    assert output["data"]["text/plain"].startswith(ANSWER)
    assert " · 10 → " in output["data"]["text/plain"]
    kernel.until(lambda: bool(page.shown["foot"]["over"]))
    assert page.html == html(ANSWER)


def test_a_reply_is_shown_once_in_a_cell_and_again_in_another(kernel: Kernel) -> None:
    cell = kernel.run("reply = chat.send('Lisbon?')\ndisplay(reply)\nreply.wait()", cell_id="a")
    ends(kernel, cell)
    assert len(cell.outputs) == 1
    other = kernel.run("reply", cell_id="b")
    assert [set(output["data"]) for output in other.outputs] == [SAVED]
    assert other.text == cell.text


def test_a_page_that_missed_something_is_told_everything(
    kernel: Kernel, provider: Provider
) -> None:
    answer = provider.answer("one two three", gated=True)
    cell = kernel.run("chat.send('Lisbon?')", cell_id="a")
    page = Page(kernel, widget(cell))
    answer.release(2)
    kernel.until(lambda: "one two" in page.html)
    page.click("tell")
    states: list[dict[str, Any]] = [{}]

    def told() -> bool:
        sent = kernel.comms[widget(cell)]
        states.extend(each["state"] for each in sent[1:] if each["method"] == "update")
        return "shown" in states[-1]

    kernel.until(told)
    shown = states[-1]["shown"]
    assert shown["opened"]
    assert {name: shown[name] for name in ("number", "sections", "foot")} == {
        name: page.shown[name] for name in ("number", "sections", "foot")
    }
    answer.open()
    ends(kernel, cell)


def test_a_click_on_stop_stops_and_keeps_what_has_arrived(
    kernel: Kernel, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    cell = kernel.run("reply = chat.send('Lisbon?')", cell_id="a")
    page = Page(kernel, widget(cell))
    answer.release()
    kernel.until(lambda: "Alfama" in page.html)
    page.click("stop")
    ends(kernel, cell)
    assert "stopped · " in cell.text
    assert "Belém" not in cell.text
    provider.until(lambda: provider.disconnects == 1)


def test_each_send_of_a_loop_has_its_own_output(kernel: Kernel) -> None:
    cell = kernel.run("for city in ('Porto', 'Faro'):\n    chat.send(city)", cell_id="a")
    ends(kernel, cell, 2)
    assert ["Porto" in cell.outputs[0]["data"]["text/plain"], "Faro" in cell.text] == [True, True]


def test_what_broke_off_offers_to_go_on_in_its_own_cell(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer(BREAKS_OFF, gated=True, cut=True)
    cell = kernel.run("chat.send('Lisbon?')", cell_id="a")
    sleeping = kernel.start("print('asleep')\ntime.sleep(600)", cell_id="b")
    kernel.until(lambda: sleeping.text == "asleep\n")
    answer.open()
    kernel.until(lambda: len(cell.outputs) == 2)
    assert sleeping.text == "asleep\n"
    assert "> **Interrupted** after 6 words" in cell.outputs[0]["data"]["text/markdown"]
    assert set(cell.outputs[0]["data"]) == SAVED
    kernel.interrupt()
    kernel.until(lambda: sleeping.status != "running")
    offer = Page(kernel, widget(cell, 1))
    assert [label for _, label in offer.shown["foot"]["buttons"]] == ["Resume", "Ask again"]
    offer.click("again")
    ends(kernel, cell, 2)
    assert BREAKS_OFF in cell.outputs[0]["data"]["text/plain"]
    assert "Answer to: Lisbon?" in cell.outputs[1]["data"]["text/plain"]
    assert len(provider.requests) == 2


def test_an_answer_that_goes_on_does_so_where_it_broke_off(
    kernel: Kernel, provider: Provider
) -> None:
    provider.answer(tokens=[call("look")], finish_reason="tool_calls")
    provider.answer("", cut=True)
    answer = provider.answer("Seven hills.", gated=True)
    tool = "def look() -> int:\n    'Look.'\n    return 7"
    kernel.run(f"{tool}\nchat = Chat('hills', model=model, tools=[look])", cell_id="open")
    cell = kernel.run("chat.send('How many?')", cell_id="a")
    kernel.until(lambda: len(cell.outputs) == 2)
    offer = Page(kernel, widget(cell, 1))
    kernel.until(lambda: bool(offer.shown["foot"]["buttons"]))
    offer.click("resume")
    kernel.until(lambda: VIEW in cell.outputs[0]["data"])
    answer.release()
    kernel.until(lambda: "Seven" in offer.html)
    assert set(cell.outputs[1]["data"]) == {"text/plain"}
    answer.open()
    ends(kernel, cell)
    assert "Seven hills.\n\n*complete" in cell.outputs[0]["data"]["text/markdown"]
    assert cell.text.count("look()") == cell.text.count("Seven hills.") == 1
    assert [output["data"] for output in cell.outputs[1:]] == [{"text/plain": ""}]


def test_asking_again_is_refused_in_words_where_the_chat_is_gone(
    kernel: Kernel, provider: Provider
) -> None:
    provider.answer(BREAKS_OFF, cut=True)
    cell = kernel.run("chat.send('Lisbon?')", cell_id="a")
    kernel.until(lambda: len(cell.outputs) == 2)
    assert kernel.run("chat.delete()", cell_id="b").error == ""
    offer = Page(kernel, widget(cell, 1))
    offer.click("again")
    kernel.until(lambda: "no message" in offer.shown["foot"]["notices"])
    assert offer.shown["foot"]["buttons"] == []


def test_where_there_is_no_chat_asking_again_is_not_offered(
    kernel: Kernel, provider: Provider
) -> None:
    provider.answer(BREAKS_OFF, cut=True)
    cell = kernel.run("answer = stream_text(model, 'Lisbon?')\nanswer", cell_id="a")
    ends(kernel, cell)
    kernel.run("answer.wait(); None", cell_id="b")
    assert len(cell.outputs) == 1


def test_a_cell_that_is_run_again_ends_the_view_it_had(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    first = kernel.run("chat.send('Lisbon?')", cell_id="a")
    answer.release()
    kernel.until(lambda: "Alfama" in Page(kernel, widget(first)).html)
    before = comms(kernel)
    second = kernel.run("chat.send('Lisbon?')", cell_id="a")
    assert comms(kernel) == before
    assert widget(second) != widget(first)
    answer.open()
    ends(kernel, second)
    assert "Alfama Belém Sintra" in second.text
    assert len(provider.requests) == 1


def test_a_callback_that_raises_is_reported_where_the_answer_is(kernel: Kernel) -> None:
    code = "def broken(event): 1 / 0\nstream_text(model, 'Lisbon?', on_finish=broken)"
    cell = kernel.run(code, cell_id="a")
    kernel.until(lambda: "**Note:** on_finish raised ZeroDivisionError" in cell.text)
    assert "complete" in cell.text
    assert cell.error == ""


def test_a_reply_is_shown_in_a_widget_of_the_users_own_and_stays(kernel: Kernel) -> None:
    code = "out, box = ipywidgets.Output(), ipywidgets.VBox()\nreply = chat.send('Lisbon?').wait()"
    kernel.run(code, cell_id="a")
    assert kernel.run("reply.show(into=out)\nreply.show(into=box);", cell_id="b").outputs == []
    kernel.run("[view] = box.children\nentry = out.outputs[0]['data']", cell_id="c")
    inner = kernel.run(f"print(view.model_id, entry[{VIEW!r}]['model_id'])", cell_id="d").text
    views = [Page(kernel, model_id) for model_id in inner.split()]
    kernel.until(lambda: all("Answer to: Lisbon?" in view.html for view in views))
    for view in views:
        assert view.line.startswith("complete")
        view.click("close")
    assert kernel.run("view.comm is None", cell_id="e").text == "False"
    refused = kernel.run("reply.show(into=3)", cell_id="f")
    assert refused.error == "TypeError"
    kernel.run("import ipywidgets as w; w.Widget.close_all()", cell_id="g")


def test_importing_and_asking_where_nothing_is_shown_brings_no_widgets(
    tmp_path: Path, provider: Provider
) -> None:
    with Kernel(tmp_path) as kernel:
        heavy = "sorted({'ipywidgets', 'anywidget', 'markdown_it', 'httpx'} & {*sys.modules})"
        assert kernel.run(f"import sys, chatkit\n{heavy}", cell_id="a").text == "[]"


def test_what_a_click_asks_is_no_cells_business(kernel: Kernel, provider: Provider) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    click = "def clicked(_): asked.append(chat.send('Lisbon?'))"
    make = f"asked, button = [], ipywidgets.Button()\n{click}\nbutton.on_click(clicked)"
    button = kernel.run(f"{make}\nprint(button.model_id)", cell_id="a").text.strip()
    kernel.send_to_widget(button, {"event": "click"})
    provider.until(lambda: len(provider.requests) == 1)
    assert kernel.run("asked[0].status", cell_id="b").text == "'streaming'"
    answer.open()
    assert "Alfama Belém" in kernel.run("asked[0].wait()", cell_id="c").text
    kernel.run("button.close(), button.style.close(), button.layout.close()", cell_id="d")


# -- with nobody there --


def test_a_headless_cell_shows_no_widget_and_ends_with_its_answers(
    kernel: Kernel, provider: Provider
) -> None:
    before = comms(kernel)
    answer = provider.answer("Alfama Belém", gated=True)
    cell = kernel.start("chat.send('Lisbon?')\nchat.send('Porto?')\nprint('below')")
    kernel.until(lambda: len(cell.outputs) == 3)
    assert [set(output.get("data", ())) for output in cell.outputs] == [SAVED, SAVED, set()]
    assert cell.status == "running"
    answer.open()
    kernel.until(lambda: cell.status == "ok")
    assert cell.outputs[0]["data"]["text/markdown"].startswith("Alfama Belém\n\n*complete")
    assert cell.outputs[1]["data"]["text/markdown"].startswith("Answer to: Porto?\n\n*complete")
    assert comms(kernel) == before


def test_an_interrupt_ends_a_headless_wait_and_not_the_answer(
    kernel: Kernel, provider: Provider, tmp_path: Path
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    waits = tmp_path / "waits"
    kernel.run(WHEN_WAITING.format(waits=str(waits)))
    cell = kernel.start("reply = chat.send('Lisbon?')")
    answer.release()
    kernel.until(waits.exists)
    provider.until(lambda: len(provider.requests) == 1)
    kernel.interrupt()
    kernel.until(lambda: cell.status == "ok")
    assert "when this was saved" in cell.text
    answer.open()
    done = kernel.run("reply.wait().text")
    assert "Alfama Belém" in done.text
    assert provider.disconnects == 0


def test_jupyter_execute_saves_the_answer_as_text(tmp_path: Path, provider: Provider) -> None:
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    sources = [f"from chatkit import *\nchat = Chat('c', model={model})", "chat.send('Lisbon?')"]
    blank: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    cells = [blank | {"id": f"c{at}", "source": source} for at, source in enumerate(sources)]
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    file = tmp_path / "n.ipynb"
    file.write_text(json.dumps(document))
    run = [
        sys.executable,
        "-m",
        "jupyter",
        "execute",
        "--inplace",
        "--kernel_name=python3",
        str(file),
    ]
    subprocess.run(run, check=True, capture_output=True, timeout=120)
    saved = json.loads(file.read_text())
    [output] = saved["cells"][1]["outputs"]
    assert set(output["data"]) == SAVED
    assert "".join(output["data"]["text/markdown"]).startswith("Answer to: Lisbon?\n\n*complete · ")
    assert "widgets" not in saved["metadata"]


def test_ipython_in_a_terminal_prints_the_answer(tmp_path: Path, provider: Provider) -> None:
    code = (
        "from chatkit import stream_text, get_model\n"
        f"m = get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')\n"
        "stream_text(m, 'Lisbon?')\n"
    )
    ran = subprocess.run(
        [sys.executable, "-m", "IPython", "--simple-prompt", "--quick", "--no-banner"],
        input=code,
        env=os.environ | {"IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "Answer to: Lisbon?\n\ncomplete · " in ran.stdout
