"""Tool calls, reasoning, sources and answers of a given shape as a person sees them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook
from tests.servers import Provider
from tests.test_steps import call

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]

OPENING = """
from chatkit import Chat, get_model, tool
files = ["a.csv", "b.csv"]

@tool(approve=True)
def delete(name: str) -> str:
    "Delete a file."
    files.remove(name)
    return f"{{name}} is gone"

def weather(city: str) -> dict:
    "The weather of a city."
    return {{"city": city, "degrees": 21, "sky": "clear"}}

model = get_model("openai-chat/test", base_url={url!r}, api_key="x")
chat = Chat("tools", model=model, tools=[delete, weather])
"""
CITED = {
    "annotations": [
        {"url_citation": {"url": "https://visitlisboa.com/trams", "title": "Trams of Lisbon"}},
        {"url_citation": {"url": "https://ipma.pt", "title": "IPMA"}},
    ]
}


def test_a_guarded_call_is_allowed_by_a_click_and_unfolds(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer(
        tokens=[
            {"reasoning_content": "Which file do they mean? The first one."},
            call("weather", '{"city": "Lisbon"}', id="c1"),
            call("delete", '{"name": "a.csv"}', id="c2", index=1),
        ],
        finish_reason="tool_calls",
    )
    provider.answer(tokens=["It is clear in Lisbon, ", "and the file is gone.", CITED])
    notebook = open_notebook(
        OPENING.format(url=provider.url), "chat.send('Weather? And delete a.csv.')", "files"
    )
    notebook.run_all()
    notebook.wait_text(1, "May delete run?")
    notebook.screenshot("tool-waits-for-leave")
    assert len(provider.requests) == 1
    notebook.output(1).get_by_role("button", name="Allow", exact=True).click()
    notebook.wait_text(1, "the file is gone")
    notebook.wait_text(1, "complete")
    notebook.wait_for_good(1)
    output = notebook.output(1)
    output.get_by_text("weather(city").click()
    output.locator("pre").get_by_text('"sky"').wait_for(state="visible")
    assert output.get_by_role("link", name="IPMA").get_attribute("href") == "https://ipma.pt"
    notebook.screenshot("tool-calls")
    saved = notebook.save()["cells"][1]["outputs"][0]["data"]["text/markdown"]
    saved = "".join(saved)
    assert "delete(name=" in saved
    assert "a.csv is gone" in saved


def test_a_call_that_is_not_allowed_is_told_to_the_model(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer(tokens=[call("delete", '{"name": "a.csv"}')], finish_reason="tool_calls")
    provider.answer("Then I leave it.")
    notebook = open_notebook(OPENING.format(url=provider.url), "chat.send('Delete a.csv.')")
    notebook.run_all()
    notebook.output(1).get_by_role("button", name="Do not allow").click()
    notebook.wait_text(1, "Then I leave it.")
    notebook.wait_text(1, "not allowed")
    assert "did not allow" in provider.requests[1].body["messages"][-1]["content"]


def test_an_answer_of_a_given_shape_is_shown_as_code(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer('{"name": "Lisbon", "people": 545796, "hills": ["Graça", "Alfama"]}')
    notebook = open_notebook(
        OPENING.format(url=provider.url),
        "from dataclasses import dataclass\n@dataclass\nclass City:\n    name: str\n"
        "    people: int\n    hills: list[str]\nreply = chat.send('Lisbon?', schema=City)",
        "reply.object",
    )
    notebook.run_all()
    notebook.wait_text(2, "City(name='Lisbon', people=545796, hills=['Graça', 'Alfama'])")
    notebook.wait_text(1, "complete")
    notebook.screenshot("answer-of-a-shape")
