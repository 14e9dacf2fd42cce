"""The pictures of the README: `python -m tests.pictures` makes them anew in notebooks/pictures/.

Everything in them is the real thing, in a real JupyterLab; only the words are written here, and
come from a scripted provider on this machine, which stands in for Ollama. Each is made in the
light and in the dark theme. Inter and JetBrains Mono are used where they are installed.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Locator, ViewportSize, sync_playwright

from tests.e2e import browser_path
from tests.e2e.lab import CHROMIUM_FLAGS, Lab, Notebook
from tests.servers import Provider, words
from tests.test_steps import call

PLACE = Path(__file__).parents[1] / "notebooks" / "pictures"
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
WIDTH, NARROW = 880, 400  # of a picture, in pixels of CSS; it has twice as many
MARGIN = 4
COLOURS = 96
PACE = 0.02  # seconds for a word
MODEL = "ollama/qwen3"

# Without what is not of the text: the frame of the active cell, its toolbar, and the first cell,
# which only prepares.
STYLE = """
  :root {
    --jp-ui-font-family: Inter, system-ui, sans-serif !important;
    --jp-content-font-family: Inter, system-ui, sans-serif !important;
    --jp-code-font-family: 'JetBrains Mono', monospace !important;
  }
  .jp-Notebook .jp-Cell {
    background: none !important;
    border-color: transparent !important;
    box-shadow: none !important;
  }
  .jp-cell-toolbar, .jp-Collapser, .jp-Cell[data-windowed-list-index='0'] { opacity: 0 }
"""

ASK = """\
from chatkit import Chat

chat = Chat("notes", system="You are a helpful assistant.")
chat.send("What is machine learning, in one sentence?")"""
THEN = 'chat.send("Give me three tips for learning it.")'
IN_SHORT = "Machine learning lets a program **find the rule in examples**, and use it on new ones."
TIPS = """\
1. **Start with data you know.** You see at once whether a model talks sense.
2. **Hold some of it back,** and look at the score there alone.
3. **Begin with the simplest model.** It tells you what a larger one has to beat.

All three fit into a few lines:

```python
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
model = LogisticRegression().fit(X_train, y_train)
print(f"{model.score(X_test, y_test):.0%} right")
```

Then change one thing at a time, and watch what the score does."""
TO_COME = ", and watch"  # and all after it, when the pictures are made

LIGHTHOUSE = """\
import math
from chatkit import Chat


def horizon(height: float) -> str:
    "How far away a light is seen, in km, from its height in m."
    return f"{math.sqrt(2 * 6371 * height / 1000):.1f} km"


chat = Chat("lighthouse", tools=[horizon], system="Be brief.")
chat.ask("How far away is the light of a 30 m lighthouse seen?")
chat.ask("Plot that for me.")
chat.regenerate().wait()
"""
FAR_ANSWER = r"""
From **19.6 km**. Beyond that it is below the horizon, at the distance

$$d = \sqrt{2\,R\,h}$$

where $R$ = 6371 km is the radius of the Earth, and $h$ the height of the light.

| height | seen from |
| ---: | ---: |
| 10 m | 11.3 km |
| 30 m | 19.6 km |
| 100 m | 35.7 km |
"""
CODE_ANSWER = """\
The curve is steep at first, and then flattens: four times the height is twice the distance.

```python
import matplotlib.pyplot as plt
import numpy as np

height = np.linspace(0, 100)  # m
distance = np.sqrt(12.742 * height)  # km
plt.plot(height, distance)
```
"""
PANEL = 'chat.panel(height="840px")'
NARROW_PANEL = f"""\
from ipywidgets import VBox
VBox([chat.panel(height="672px")], layout={{"width": "{NARROW}px"}})"""


TERMS = """\
terms = [
    {"term": "boosting", "word": "errors"},
    {"term": "overfitting", "word": "noise"},
    {"term": "dropout", "word": "random"},
]
"""
COMPARE = """\
from chatkit import compare
from chatkit.scores import contains

def brief(reply):
    return len(reply.text) < 80

runs = compare(
    {"plain": "What is {term}?", "child": "Explain {term} to a child, in one sentence."},
    ["ollama/qwen3", "ollama/gemma3"],
    terms,
    scores={"key word": contains("{word}"), "brief": brief},
    concurrency=1,
)
runs"""
COMPARED = [
    "Boosting adds weak models one by one, each for the errors of those before.",
    "It fits many shallow trees in turn, each to the errors that are left. How much each of them "
    "counts is the learning rate.",
    "Each friend learns just what the friends before could not do yet.",
    "It is like a team in which each one mends the errors of the one before.",
    "A model overfits when it learns the noise of its data as well, and does worse on what is new.",
    "It memorises the examples, noise and all, and does not generalise.",
]
COMPARED_LAST = "It is like learning the answers of one test by heart, and failing the next."
HALF = 9  # words of it


class Page(Notebook):
    """A notebook in a page with twice as many pixels."""

    def __init__(self, lab: Lab, browser: Browser, path: str, *cells: str) -> None:
        super().__init__(lab, browser, path, cells, "pictures")
        self._context.close()
        view = ViewportSize(width=WIDTH + 100, height=2400)
        self._context = browser.new_context(viewport=view, device_scale_factor=2)
        self.open()
        self.page.add_style_tag(content=STYLE)
        self.command("application:toggle-left-area")

    def cell(self, index: int) -> Locator:
        """A cell with what it shows, without its padding."""
        at = self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")
        return at.locator(".jp-Cell-inputArea, .jp-Cell-outputArea")

    def keep(self, name: str, *what: Locator) -> None:
        """Make a picture of the part of the page in which these are, in each theme."""
        for theme, long_name in THEMES.items():
            change = "name => jupyterapp.commands.execute('apputils:change-theme', {theme: name})"
            self.page.evaluate(change, long_name)
            self.page.locator(f"body[data-jp-theme-name='{long_name}']").wait_for(state="attached")
            self.page.mouse.move(0, 0)
            self.page.wait_for_timeout(1000)  # the theme's colours fade in
            shot = self.page.screenshot(
                clip=_around([box.bounding_box() for each in what for box in each.all()])
            )
            _save(shot, PLACE / f"{name}-{theme}.png")


def main() -> None:
    PLACE.mkdir(exist_ok=True)
    with (
        Provider() as provider,
        tempfile.TemporaryDirectory() as directory,
        Lab(Path(directory)) as lab,
        sync_playwright() as playwright,
    ):
        lab.add_kernel("pictures", {"CHATKIT_MODEL": MODEL, "OLLAMA_HOST": provider.address})
        browser = playwright.chromium.launch(executable_path=browser_path(), args=CHROMIUM_FLAGS)
        open_page = partial(Page, lab, browser)
        cells(open_page, provider)
        panels(open_page, provider)
        comparing(open_page, provider)
        browser.close()


def cells(open_page: Callable[..., Page], provider: Provider) -> None:
    """A cell that was answered, one that is being answered; then the kernel is killed."""
    provider.answer(IN_SHORT, delay=PACE, usage=_usage(31, 22))
    provider.answer(TIPS, gated=True).release(len(words(TIPS.partition(TO_COME)[0])))
    page = open_page("cells.ipynb", "import os\nos.getpid()", ASK, THEN)
    page.run(1)
    page.wait_text(1, "complete")
    page.run(2)
    page.wait_text(2, "at a time")
    page.run(0)
    page.keep("answering", page.cell(1), page.cell(2))
    page.kill_kernel(int(page.text(0)))
    page.run(1)
    page.run(2)
    page.wait_text(2, "Interrupted")
    page.keep("killed", page.cell(1), page.cell(2))


def panels(open_page: Callable[..., Page], provider: Provider) -> None:
    """A panel with all kinds of things in it; then one as wide as a telephone."""
    asks = call("horizon", '{"height": 30}')
    provider.answer(tokens=[asks], finish_reason="tool_calls", usage=_usage(118, 24))
    for text, read, written in ((FAR_ANSWER, 161, 143), ("…", 320, 1), (CODE_ANSWER, 320, 96)):
        provider.answer(text, delay=PACE, usage=_usage(read, written))
    page = open_page("panels.ipynb", LIGHTHOUSE, PANEL, NARROW_PANEL)
    page.run_all()
    for index in (1, 2):
        page.wait_text(index, "linspace")
    page.keep("panel", page.cell(1))
    page.keep("panel-narrow", page.output(2).locator(".chatkit-panel"))


def comparing(open_page: Callable[..., Page], provider: Provider) -> None:
    """A comparison that is half done."""
    for text in COMPARED:
        provider.answer(text, delay=PACE, usage=_usage(16, len(text) // 4))
    provider.answer(COMPARED_LAST, gated=True).release(HALF)
    page = open_page("comparing.ipynb", TERMS, COMPARE)
    page.run(0)
    page.run(1)
    page.output(1).get_by_text("answers of").wait_for()
    page.keep("comparing", page.cell(1))


def _usage(read: int, written: int) -> dict[str, int]:
    total = read + written
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": total}


def _around(boxes: list[Any]) -> Any:
    left = min(box["x"] for box in boxes) - MARGIN
    top = min(box["y"] for box in boxes) - MARGIN
    right = max(box["x"] + box["width"] for box in boxes) + MARGIN
    bottom = max(box["y"] + box["height"] for box in boxes) + MARGIN
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def _save(shot: bytes, path: Path) -> None:
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    few.save(path, optimize=True)
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    main()
