"""What a person relies on in a notebook, cell by cell, in a real kernel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernels import Cell, Kernel
from tests.servers import Provider

pytestmark = pytest.mark.kernel

LISBON = "chat.send('Three days in Lisbon?')"
CHILDREN = "chat.send('And with children?')"
TEXTS = "[message.text for message in chat.messages]"


class Notebook:
    """Cells that are run one by one or all, with their ids or as a headless run sends them."""

    def __init__(self, kernel: Kernel, provider: Provider, *, ids: bool = True) -> None:
        self.kernel = kernel
        self.provider = provider
        self._ids = ids
        model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
        opening = f"chat = Chat('trip', model={model}, system='Be brief.')"
        self.cells = {"open": f"import time\nfrom chatkit import Chat, get_model\n{opening}"}

    def start(self, cell_id: str, code: str | None = None) -> Cell:
        """Run a cell, with new code where given, and return at once."""
        self.cells[cell_id] = code = code or self.cells[cell_id]
        return self.kernel.start(code, cell_id=cell_id if self._ids else None)

    def run(self, cell_id: str, code: str | None = None) -> Cell:
        """Run a cell to its end, and then until its answers have ended too."""
        cell = self.start(cell_id, code)
        self.kernel.until(lambda: cell.status != "running")
        if "send" in cell.code:
            self.kernel.run("chat.wait()", cell_id="wait")
        return cell

    def run_all(self) -> dict[str, str]:
        """Run every cell; what each of them shows at the end."""
        cells = {cell_id: self.start(cell_id) for cell_id in self.cells}
        self.kernel.until(lambda: all(cell.status != "running" for cell in cells.values()))
        self.kernel.run("chat.wait()", cell_id="wait")
        return {cell_id: cell.text for cell_id, cell in cells.items()}

    def value(self, expression: str) -> str:
        """What an expression is in the kernel now."""
        return self.kernel.run(expression, cell_id="value").text

    def shows(self, cell: Cell, text: str) -> None:
        """Wait until a cell shows `text`."""
        self.kernel.until(lambda: text in cell.text)

    @property
    def asked(self) -> int:
        return len(self.provider.requests)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path) as kernel:
        yield kernel


def until_stored(words: str, reply: str = "reply") -> str:
    """The code of a cell that ends when these words of a reply are on disk: no kill takes them."""
    stored = f"get_engine().run(chat.store.follow(chat.id, {reply}.id))"
    loop = f"while {words!r} not in str({stored}):\n    time.sleep(0.01)"
    return f"import time\nfrom chatkit.engine import get_engine\n{loop}"


@pytest.fixture
def notebook(kernel: Kernel, provider: Provider) -> Notebook:
    notebook = Notebook(kernel, provider)
    notebook.run("open")
    return notebook


@pytest.fixture
def headless(kernel: Kernel, provider: Provider) -> Notebook:
    notebook = Notebook(kernel, provider, ids=False)
    notebook.run("open")
    return notebook


@pytest.fixture(params=["notebook", "headless"])
def either(request: pytest.FixtureRequest) -> Notebook:
    """A notebook whose cells have ids, and one whose cells have none."""
    notebook: Notebook = request.getfixturevalue(request.param)
    return notebook


def test_a_send_shows_its_answer_once_as_markdown_and_plain_text(either: Notebook) -> None:
    either.provider.answer("**Alfama** first.")
    cell = either.run("a", LISBON)
    either.shows(cell, "**Alfama** first.")
    [output] = cell.there
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    assert "complete · " in output["data"]["text/plain"]


def test_a_send_that_is_not_the_last_line_shows_its_answer_too(either: Notebook) -> None:
    cell = either.run("a", f"{LISBON}\nprint('below')")
    either.shows(cell, "Answer to: Three days in Lisbon?")
    assert "below" in cell.text


def test_restart_and_run_all_asks_nothing_and_shows_everything(either: Notebook) -> None:
    either.run("a", LISBON)
    either.run("b", CHILDREN)
    either.run("c", "for city in ('Porto', 'Faro'):\n    chat.send(city)")
    before = either.run_all()
    assert either.asked == 4
    either.kernel.restart()
    assert either.run_all() == before
    assert either.asked == 4
    for answer in ("Three days in Lisbon?", "And with children?", "Porto", "Faro"):
        assert f"Answer to: {answer}" in "\n".join(before.values())


def test_a_cell_run_again_asks_nothing_and_moves_nothing(notebook: Notebook) -> None:
    first = notebook.run("a", LISBON)
    notebook.run("b", CHILDREN)
    again = notebook.run("a")
    assert (again.text, notebook.asked) == (first.text, 2)
    notebook.run("c", "chat.send('Thanks!')")
    said = [message["content"] for message in notebook.provider.requests[-1].body["messages"]]
    assert said == [
        *("Be brief.", "Three days in Lisbon?", "Answer to: Three days in Lisbon?"),
        *("And with children?", "Answer to: And with children?", "Thanks!"),
    ]


def test_two_cells_that_say_the_same_are_two_turns(either: Notebook) -> None:
    either.run("a", "chat.send('Go on.')")
    either.run("b", "chat.send('Go on.')")
    assert (either.asked, either.value("len(chat.messages)")) == (2, "4")
    either.kernel.restart()
    either.run_all()
    assert (either.asked, either.value("len(chat.messages)")) == (2, "4")


def test_a_changed_prompt_forks_and_cells_below_are_asked_again(notebook: Notebook) -> None:
    notebook.run("a", LISBON)
    notebook.run("b", CHILDREN)
    changed = notebook.run("a", "chat.send('Three days in Porto?')")
    notebook.shows(changed, "Answer to: Three days in Porto?")
    assert (notebook.asked, notebook.value("len(chat.messages)")) == (3, "2")
    notebook.run("b")
    assert notebook.asked == 4
    said = [message["content"] for message in notebook.provider.requests[-1].body["messages"]]
    assert said[1] == "Three days in Porto?"
    branches = "[message.text for message in chat.branches(chat.messages[0])]"
    assert notebook.value(branches) == "['Three days in Lisbon?', 'Three days in Porto?']"
    notebook.kernel.run("chat.switch(chat.branches(chat.messages[0])[0])", cell_id="switch")
    assert "Answer to: Three days in Lisbon?" in notebook.value(TEXTS)
    assert notebook.asked == 4


def test_a_prompt_changed_back_finds_its_old_answer(notebook: Notebook) -> None:
    first = notebook.run("a", LISBON)
    notebook.run("a", "chat.send('Three days in Porto?')")
    assert notebook.run("a", LISBON).text == first.text
    assert notebook.asked == 2


def test_a_loop_of_sends_in_one_cell_is_asked_in_order_and_once(either: Notebook) -> None:
    loop = "for city in ('Porto', 'Faro', 'Porto'):\n    chat.send(city)"
    first = either.run("a", loop)
    either.kernel.until(lambda: first.text.count("Answer to") == 3)
    users = [request.body["messages"][-1]["content"] for request in either.provider.requests]
    assert users == ["Porto", "Faro", "Porto"]
    either.kernel.restart()
    assert either.run_all()["a"] == first.text
    assert either.asked == 3


def test_a_second_send_waits_for_the_first_answer(notebook: Notebook) -> None:
    answer = notebook.provider.answer("One by one", gated=True)
    notebook.kernel.run(LISBON, cell_id="a")
    below = notebook.kernel.start(CHILDREN, cell_id="b")
    notebook.kernel.until(lambda: below.status == "ok")
    notebook.provider.until(lambda: notebook.asked == 1)
    assert notebook.value("chat.status in ('submitted', 'streaming')") == "True"
    assert notebook.asked == 1
    answer.open()
    notebook.shows(below, "Answer to: And with children?")


def test_a_cell_run_again_while_it_streams_follows_the_same_answer(notebook: Notebook) -> None:
    answer = notebook.provider.answer("Alfama Belém Sintra", gated=True)
    notebook.kernel.run(LISBON, cell_id="a")
    answer.release()
    notebook.provider.until(lambda: notebook.asked == 1)
    again = notebook.kernel.run(LISBON, cell_id="a")
    answer.open()
    notebook.shows(again, "Alfama Belém Sintra")
    assert notebook.asked == 1


def test_an_answer_goes_on_while_another_cell_sleeps_and_prints_nothing_there(
    notebook: Notebook,
) -> None:
    answer = notebook.provider.answer("Alfama Belém Sintra", gated=True)
    asking = notebook.kernel.run(LISBON, cell_id="a")
    sleeping = notebook.kernel.start("print('asleep')\ntime.sleep(600)", cell_id="b")
    notebook.shows(sleeping, "asleep")
    answer.open()
    notebook.shows(asking, "Alfama Belém Sintra")
    assert (sleeping.status, sleeping.text) == ("running", "asleep\n")
    notebook.kernel.interrupt()
    notebook.kernel.until(lambda: sleeping.error == "KeyboardInterrupt")


@pytest.mark.parametrize("wait", ["reply.wait()", "await reply", "chat.wait()"])
def test_an_interrupt_ends_the_wait_and_not_the_answer(notebook: Notebook, wait: str) -> None:
    answer = notebook.provider.answer("Alfama Belém Sintra", gated=True)
    asking = notebook.kernel.run(f"reply = {LISBON}", cell_id="a")
    waiting = notebook.kernel.start(f"print('waiting')\n{wait}", cell_id="b")
    notebook.shows(waiting, "waiting")
    notebook.kernel.interrupt()
    notebook.kernel.until(lambda: waiting.status != "running")
    assert waiting.error in ("KeyboardInterrupt", "CancelledError")
    answer.open()
    notebook.shows(asking, "Alfama Belém Sintra")
    ended = "('complete', 'Alfama Belém Sintra')"
    assert notebook.value("reply.wait().status, reply.text") == ended
    assert (notebook.asked, notebook.provider.disconnects) == (1, 0)


def test_stop_from_another_cell_keeps_what_has_arrived(notebook: Notebook) -> None:
    answer = notebook.provider.answer("Alfama Belém Sintra", gated=True)
    asking = notebook.kernel.run(f"reply = {LISBON}", cell_id="a")
    answer.release()
    notebook.kernel.run("while not reply.text: time.sleep(0.01)")
    notebook.kernel.run("chat.stop()\nchat.wait()", cell_id="b")
    assert notebook.value("reply.status, reply.text.strip()") == "('stopped', 'Alfama')"
    notebook.shows(asking, "stopped")
    notebook.provider.until(lambda: notebook.provider.disconnects == 1)


def test_a_refusal_is_shown_in_the_providers_words_and_asked_again(notebook: Notebook) -> None:
    notebook.provider.refuse(401, {"error": {"message": "Incorrect API key: look it up."}})
    refused = notebook.run("a", LISBON)
    notebook.shows(refused, "Incorrect API key: look it up.")
    assert refused.error == ""
    again = notebook.run("a")
    notebook.shows(again, "Answer to: Three days in Lisbon?")
    assert (notebook.asked, notebook.value("len(chat.messages)")) == (2, "2")


def test_a_headless_cell_ends_when_its_answer_has(headless: Notebook) -> None:
    headless.provider.answer("Alfama Belém Sintra", delay=0.2)
    cell = headless.kernel.run(LISBON)
    assert "Alfama Belém Sintra" in cell.text
    headless.provider.until(lambda: headless.provider.answered == 1)


def test_after_kill_run_all_shows_what_had_arrived_and_asks_nothing(notebook: Notebook) -> None:
    answer = notebook.provider.answer("Alfama Belém Sintra Cascais Faro", gated=True)
    notebook.kernel.run(f"reply = {LISBON}", cell_id="a")
    notebook.cells["a"] = f"reply = {LISBON}"
    answer.release(3)
    notebook.kernel.run(until_stored("Sintra"))
    notebook.kernel.kill()
    shown = notebook.run_all()["a"]
    assert "Alfama Belém Sintra" in shown
    assert "**Interrupted**" in shown
    assert "reply.resume()" in shown
    assert notebook.value("reply.status, reply.text.strip()") == (
        "('interrupted', 'Alfama Belém Sintra')"
    )
    assert notebook.asked == 1
    resumed = notebook.run("b", "reply.resume()\nchat.wait()\nreply")
    assert resumed.error == ""
    assert notebook.asked == 2


def test_after_kill_a_headless_run_asks_again_by_itself(headless: Notebook) -> None:
    headless.provider.answer("Alfama Belém Sintra Cascais Faro", gated=True)  # no word comes
    headless.start("a", LISBON)
    headless.provider.until(lambda: headless.asked == 1)
    headless.kernel.kill()
    assert "Answer to: Three days in Lisbon?" in headless.run_all()["a"]
    assert headless.asked == 2


def test_a_picture_that_is_sent_along_is_shown_above_its_answer(notebook: Notebook) -> None:
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    pixel += "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    code = f"import base64\nchat.send('What is this?', files=base64.b64decode({pixel!r}))"
    notebook.provider.answer("A dot.")
    for _ in range(2):
        cell = notebook.run("ask", code)
        notebook.shows(cell, "A dot.")
        picture, answer = cell.there
        assert picture["data"]["text/markdown"].startswith('<img src="data:image/png;base64,')
        assert "A dot." in answer["data"]["text/markdown"]
    assert notebook.asked == 1
