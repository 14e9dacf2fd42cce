"""Answers that outlive their kernel, in JupyterLab: restart, kill, another notebook, Resume."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook
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
