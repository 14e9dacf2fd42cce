"""`%%chat` as a person uses it in JupyterLab: load, ask, press Tab, run again, change."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook
from tests.servers import Provider

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]

ASK = "%%chat trip --model model --system 'Be brief.'\n{days} days in Lisbon, with {company}?"
THEN = "%%chat trip --out reply\nOnly the first day."
WRONG = "%%chat trip --temprature 0\nAnd the last one?"
ANSWER = "## Three days\n\n1. **Alfama**\n2. Belém\n3. Sintra\n\nFares: $x + 1.80$ euros."


def test_a_cell_is_a_prompt_that_is_asked_once(open_notebook: Open, provider: Provider) -> None:
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    opening = f"%load_ext chatkit\nfrom chatkit import get_model\nmodel = {model}\n"
    provider.answer(ANSWER)
    notebook = open_notebook(opening + "days, company = 3, 'children'", ASK, THEN, WRONG, "")
    for index in range(3):
        notebook.run(index)
    notebook.wait_text(2, "complete")
    asked = [request.body["messages"][-1]["content"] for request in provider.requests]
    assert asked == ["3 days in Lisbon, with children?", "Only the first day."]
    notebook.restart_and_run_all()
    notebook.wait_text(1, "Alfama")
    notebook.wait_text(2, "complete")
    assert len(provider.requests) == 2
    notebook.wait_text(3, "no option --temprature; did you mean --temperature?")
    assert "Traceback" not in notebook.text(3)
    notebook.output(4)
    notebook.page.locator(".jp-Cell[data-windowed-list-index='4'] .cm-content").click()
    notebook.page.keyboard.type("%%chat tr")
    notebook.page.keyboard.press("Tab")
    notebook.page.locator(".jp-Completer-item", has_text="trip").wait_for()
    notebook.page.keyboard.press("Enter")
    notebook.until("return cells[4].model.sharedModel.getSource() === '%%chat trip'")
    notebook.page.keyboard.type(" --m")
    notebook.page.keyboard.press("Tab")
    notebook.page.locator(".jp-Completer-item", has_text="--max-tokens").wait_for()
    notebook.screenshot("magic")
