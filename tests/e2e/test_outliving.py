"""Answers that outlive their kernel, in JupyterLab: restart, kill, another notebook, Resume."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook
from tests.e2e.test_session import ANSWER
from tests.e2e.test_view import OFTEN
from tests.servers import Provider

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]

ASK = "reply = chat.send('Three days in Lisbon?')"
WORDS = [f"word{number} " for number in range(30)]
WHOLE = "".join(WORDS).strip()


def opening(provider: Provider, more: str = "") -> str:
    """The first cell of each notebook."""
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    imports = "import os\nfrom chatkit import Chat, get_model"
    return f"{imports}\nchat = Chat('trip', model={model}{more})\nprint(os.getpid())"


@pytest.mark.parametrize("end", ["restart", "shut down", "kill"])
def test_a_detached_answer_goes_on_without_its_kernel_and_its_cell_finds_it_again(
    open_notebook: Open, provider: Provider, end: str
) -> None:
    answer = provider.answer(tokens=WORDS, gated=True)
    notebook = open_notebook(opening(provider, ", detached=True"), ASK)
    notebook.run(0)
    notebook.run(1)
    answer.release(10)
    notebook.wait_text(1, "word9")
    if end == "restart":
        notebook.restart_and_run_all()
    elif end == "kill":
        notebook.kill_kernel(int(notebook.text(0)))
        notebook.wait_text(1, "It is still being written in the background")
        notebook.run_all()
    else:
        notebook.close_tab()
        notebook.shut_down_kernel()
        answer.release(5)
        notebook.open()
        notebook.run_all()
    notebook.wait_text(1, "word9")
    assert "Interrupted" not in notebook.text(1)
    notebook.screenshot(f"detached-1-after-{end.replace(' ', '-')}")
    answer.open()
    notebook.wait_text(1, "complete")
    assert notebook.text(1).count("word0 ") == 1
    assert WHOLE in notebook.text(1)
    notebook.screenshot(f"detached-2-whole-after-{end.replace(' ', '-')}")
    assert (len(provider.requests), provider.disconnects) == (1, 0)


def test_what_was_saved_in_mid_answer_is_shown_when_the_kernel_is_gone(
    open_notebook: Open, provider: Provider
) -> None:
    first, second = (provider.answer(ANSWER, gated=True) for _ in "12")
    sends = "one = chat.send('One?')\ntwo = other.send('Two?')"
    other = "other = Chat('more', model=chat.model)"
    notebook = open_notebook(f"{opening(provider)}\n{other}\n{OFTEN}", sends)
    notebook.run(0)
    notebook.run(1)
    first.release(10)
    second.release(10)
    notebook.until("return cells[1].node.innerText.split('Where').length === 3")
    kept = "return JSON.stringify(cells[1].model.outputs.toJSON()).split('Where').length === 7"
    notebook.until(kept)
    assert "Saved while" not in notebook.text(1)
    notebook.save()
    notebook.reload()
    notebook.until("return cells[1].node.querySelectorAll('.chatkit-reply').length === 2")
    assert "Saved while" not in notebook.text(1)
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    for _ in range(2):
        notebook.output(1).get_by_text("Saved while it was being written.").nth(1).wait_for()
        notebook.screenshot("saved-in-mid-answer")
        notebook.wait_idle()
    assert notebook.text(1).count("Three") == 2
    assert "Error displaying widget" not in notebook.text(1)
    notebook.run_all()
    notebook.wait_text(1, "Resume")
    assert "Saved while" not in notebook.text(1)


def test_resume_goes_on_in_the_same_place(open_notebook: Open, provider: Provider) -> None:
    answer = provider.answer(tokens=WORDS, gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run(0)
    notebook.run(1)
    answer.release(10)
    notebook.wait_text(1, "word9")
    notebook.restart_and_run_all()
    notebook.wait_text(1, "Interrupted")
    notebook.screenshot("resume-1-interrupted")
    provider.answer(tokens=WORDS[10:])
    notebook.press(1, "Resume")
    notebook.wait_text(1, "continued once")
    notebook.screenshot("resume-2-continued")
    assert notebook.text(1).count("word0 ") == 1
    assert WHOLE in notebook.text(1)
    notebook.run(1)
    notebook.wait_text(1, "continued once")
    assert WHOLE in notebook.text(1)
    assert len(provider.requests) == 2
