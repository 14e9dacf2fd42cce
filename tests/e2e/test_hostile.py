"""Hostile answers wherever they are shown: what of them ran, what they asked for, what they cover.

Code of a case would call `trip(number)`, which reports here from any frame or window; what it
would load is on a real server, which notes who asks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Self

import pytest
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, BrowserContext, Dialog, Frame, Page, Request, expect

from chatkit.export import export
from chatkit.export.page import html_fragment
from chatkit.messages import (
    FilePart,
    Message,
    ReasoningPart,
    SourceDocumentPart,
    SourceUrlPart,
    TextPart,
    ToolPart,
)
from chatkit.render import CSS, Blocks
from tests.e2e.lab import Notebook
from tests.e2e.panel import Panel
from tests.hostile import CASES, FAMILIES, SHORT, Case
from tests.servers import Provider, listen

pytestmark = pytest.mark.e2e

BENEATH = ".chatkit { margin: 40px 300px; width: 600px }"
HALF = SHORT[::2]  # for where each costs most; some of every family
GROUP = 40  # answers in a cell: of more than 50 outputs JupyterLab shows but the first
PIECES = 6  # in which an answer arrives

# Clicked links would open; only what a click does beside that is of interest.
HOLD_LINKS = """addEventListener('click', event => {
  const link = event.target.closest?.('a[href]');
  if (link && /^(https?|mailto):/i.test(link.getAttribute('href'))) event.preventDefault();
});"""

# What within each root is none of the elements, attributes and places of an answer.
INSPECT = """roots => {
  const ELEMENTS = new Set(('a blockquote br code del details div em h1 h2 h3 h4 h5 h6 hr input li '
    + 'ol p pre s section span strong summary table tbody td th thead tr ul math menclose mfrac mi '
    + 'mn mo mover mpadded mphantom mroot mrow mspace msqrt mstyle msub msubsup msup mtable mtd '
    + 'mtext mtr munder munderover mjx-container').split(' '));
  const ATTRIBUTES = {
    align: /^(left|right|center)$/,
    checked: /^$/,
    class: /^(?!(.*\\s)?(lm|jupyter|p|jp)-(?!InternalAnchorLink))/,
    'data-language': /^[\\w+#.-]+$/,
    'data-jupyter-id': /./,
    disabled: /^(disabled)?$/,
    href: /^(https?:\\/\\/|mailto:|#)/i,
    id: /^[^"'<>\\s]*$/,
    open: /^$/,
    rel: /^no/,
    start: /^\\d+$/,
    style: /^text-align: ?(left|right|center);?$/,
    target: /^_(blank|self)$/,
    type: /^checkbox$/,
  };
  const found = [];
  for (const root of roots) {
    const mark = /kept(\\d{3})/.exec(root.textContent)?.[1] ?? '';
    const note = what => found.push([mark, what]);
    const outer = root.getBoundingClientRect();
    const isOwn = !root.closest('.jp-RenderedMarkdown') || root.matches('.chatkit');
    const all = [...root.querySelectorAll('*')];
    all.forEach((element, index) => {
      const name = element.localName, math = element.namespaceURI.endsWith('MathML');
      if (element.closest('mjx-container') && name !== 'mjx-container') return;
      if (element.closest('.chatkit-panel .ck-copy')) return;
      if (!ELEMENTS.has(name) && !element.matches('header > b')) note(`<${name}>`);
      for (const { name: key, value } of name === 'mjx-container' ? [] : element.attributes) {
        const allowed = math && !/^(on|href|style|id|name|class|src)/.test(key)
          || ATTRIBUTES[key]?.test(value) && !(isOwn && ['id', 'style'].includes(key));
        if (!allowed) note(`<${name} ${key}=${value.slice(0, 80)}>`);
      }
      if (index > 500 && index < all.length - 100) return;
      const { position } = getComputedStyle(element);
      const isStill = ['static', 'relative'].includes(position) || !root.isConnected;
      if (!isStill) note(`<${name}> is ${position}`);
      let { left, right, top, bottom } = element.getBoundingClientRect();
      for (let box = element; box !== root; box = box.parentElement) {
        const clip = box.parentElement.getBoundingClientRect();
        const { overflowX, overflowY } = getComputedStyle(box.parentElement);
        if (overflowX !== 'visible') {
          left = Math.max(left, clip.left); right = Math.min(right, clip.right);
        }
        if (overflowY !== 'visible') {
          top = Math.max(top, clip.top); bottom = Math.min(bottom, clip.bottom);
        }
      }
      const seen = right - left > 1 && bottom - top > 1;
      if (seen && (left < outer.left - 2 || right > outer.right + 2
                   || top < outer.top - 2 || bottom > outer.bottom + 2))
        note(`<${name}> reaches outside: ${[left, top, right, bottom].map(Math.round)}`);
    });
  }
  const inside = roots.some(root => root.contains(document.activeElement));
  if (inside) found.push(['', 'took the focus']);
  return found;
}"""

# What a reader does: point at, focus and click what can be.
INTERACT = """roots => {
  for (const root of roots) {
    const all = [root, ...root.querySelectorAll('*')];
    for (const element of all.slice(0, all.length > 500 ? 8 : 40)) {
      for (const kind of ['pointerover', 'mouseover', 'mouseenter', 'mousemove', 'wheel',
                          'keydown', 'dragstart', 'contextmenu'])
        element.dispatchEvent(new Event(kind, { bubbles: true, cancelable: true }));
      element.focus?.();
      element.click?.();
      element.blur?.();
    }
  }
}"""
# Each text in its own element, parsed on its own: none can swallow the next. Its scripts would run.
FILL = """texts => {
  document.body.replaceChildren(...texts.map(text => {
    const answer = document.createElement('div');
    answer.className = 'chatkit';
    answer.append(document.createRange().createContextualFragment(text));
    return answer;
  }));
}"""
ALL_READ = """([roots, marks]) => {
  const texts = [...document.querySelectorAll(roots)].map(root => root.innerText);
  const read = texts.join(' ').replace(/\\s/g, '').normalize('NFKC');
  return marks.every(mark => read.includes(mark));
}"""
NO_WIDGETS = "return !JSON.stringify(cells[index].model.outputs.toJSON()).includes('widget-view')"
# The letters of formulas are letters of their own, each on a line.
READ = "roots => roots.map(root => root.innerText.replace(/\\s/g, '')).join(' ').normalize('NFKC')"


class Canary:
    """A server that nothing may ask: `asked` holds the paths of those who did."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(204)
                self.end_headers()

            do_POST = do_HEAD = do_OPTIONS = do_GET

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("", 0), Handler, bind_and_activate=False)
        listen(self._server)  # at a port that no stranger comes back to
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class Watch:
    """A browser window in which nothing that a case does goes unnoticed."""

    def __init__(self, context: BrowserContext, canary: Canary) -> None:
        self.context = context
        self.found: list[str] = []  # "case: what it did"
        self._canary = canary
        context.expose_binding("trip", lambda _, number=0: self._note(number, "ran"))
        context.add_init_script(HOLD_LINKS)
        for page in context.pages:
            page.evaluate(HOLD_LINKS)
        context.on("dialog", self._asked)
        context.on("request", self._requested)
        context.on("page", self._opened)

    def check(self, page: Page, roots: str, cases: Sequence[Case]) -> None:
        """Look at what `roots` selects, use it as a reader would, and read it."""
        for mark, what in page.locator(roots).evaluate_all(INSPECT):
            self._note(mark, what)
        page.locator(roots).evaluate_all(INTERACT)
        read = page.locator(roots).evaluate_all(READ)
        for case in cases:
            if case.mark not in read:
                self._note(case.number, "cannot be read")

    def wait(self, page: Page, roots: str, cases: Sequence[Case]) -> None:
        """Wait until all of them can be read."""
        marks = [case.mark for case in cases]
        page.wait_for_function(ALL_READ, arg=[roots, marks], timeout=300_000)

    def settle(self) -> None:
        """Wait for what may still be under way."""
        for page in self.context.pages:
            page.wait_for_load_state("networkidle")
        for path in self._canary.asked:
            self._note(path.split("/")[1], f"was served {path}")
        self.found = sorted(set(self.found))

    def _note(self, number: int | str, what: str) -> None:
        known = str(number).isdigit() and int(number) < len(CASES)
        self.found.append(f"{CASES[int(number)] if known else number}: {what}")

    def _asked(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":
            return  # JupyterLab's, of what has come after a save; the notebook answers it
        self._note("", f"dialog {dialog.message!r}")
        dialog.dismiss()

    def _requested(self, request: Request) -> None:
        if self._canary.address in request.url:
            self._note(request.url.split("/")[3], f"asked for {request.url}")

    def _opened(self, page: Page) -> None:
        page.on("framenavigated", lambda frame: self._navigated(page, frame))
        if len(self.context.pages) > 1:
            self._note("", f"opened {page.url}")

    def _navigated(self, page: Page, frame: Frame) -> None:
        if frame != page.main_frame:
            self._note("", f"framed {frame.url}")


@pytest.fixture
def canary() -> Iterator[Canary]:
    with Canary() as canary:
        yield canary


@contextmanager
def watching(browser: Browser, canary: Canary) -> Iterator[Watch]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    watch = Watch(context, canary)
    yield watch
    watch.settle()
    context.close()


def pieces(text: str) -> list[str]:
    """The text as it arrives: cut anywhere, in the middle of tags too."""
    size = max(3, len(text) // PIECES)
    return [text[at : at + size] for at in range(0, len(text), size)]


def growing(text: str) -> list[str]:
    """The HTML of an answer at each stage of its arrival."""
    blocks, shown = Blocks(), []
    for piece in pieces(text):
        blocks.feed(piece)
        shown.append("".join([*blocks.done, *blocks.tail()]))
    blocks.finish()
    return [*shown, "".join(blocks.done)]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_inert_at_every_stage(browser: Browser, canary: Canary, family: str) -> None:
    cases = [case for case in CASES if case.family == family]
    stages = [growing(case.text(canary.address)) for case in cases]
    with watching(browser, canary) as watch:
        page = watch.context.new_page()
        page.add_style_tag(content=BENEATH + CSS)
        for number in range(PIECES):
            page.evaluate(FILL, [shown[min(number, len(shown) - 1)] for shown in stages])
            watch.check(page, ".chatkit", [])
        page.evaluate(FILL, [shown[-1] for shown in stages])
        watch.check(page, ".chatkit", cases)
    assert watch.found == []


def answers(cases: Sequence[Case], canary: Canary) -> list[Message]:
    return [
        Message(
            id=f"m{case.number}", role="assistant", parts=(TextPart(case.text(canary.address)),)
        )
        for case in cases
    ]


def exported(path: Path, cases: Sequence[Case], canary: Canary) -> str:
    """The page of an export."""
    return export("Hostile", answers(cases, canary), path / "chat.html").read_text()


def exported_without_its_policy(path: Path, cases: Sequence[Case], canary: Canary) -> str:
    """The page of an export, its rendering left as the only guard."""
    page, count = re.subn(r"<meta http-equiv=[^>]*>", "", exported(path, cases, canary))
    assert count == 1
    return page


def exported_notebook(path: Path, cases: Sequence[Case], canary: Canary) -> str:
    """What nbconvert makes of an exported notebook."""
    return converted(export("Hostile", answers(cases, canary), path / "chat.ipynb"))


def converted(notebook: Path) -> str:
    """A notebook as nbconvert's page; its own scripts come from elsewhere and are left out."""
    page: str = HTMLExporter().from_filename(str(notebook))[0]  # type: ignore[no-untyped-call]
    return re.sub(r"<script[^>]* src=[^>]*></script>", "", page)


def fragment(path: Path, cases: Sequence[Case], canary: Canary) -> str:
    """What a panel leaves behind in a saved notebook."""
    return html_fragment(answers(cases, canary), newest=len(cases), size=10_000_000)


PLACES = {
    fragment: ".chatkit",
    exported: ".chatkit",
    exported_without_its_policy: ".chatkit",
    exported_notebook: ".jp-RenderedMarkdown, .jp-InputArea-editor",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_file_of_hostile_answers_is_inert(
    browser: Browser, canary: Canary, tmp_path: Path, place: Callable[..., str]
) -> None:
    file = tmp_path / "page.html"
    file.write_text(place(tmp_path, SHORT, canary))
    with watching(browser, canary) as watch:
        page = watch.context.new_page()
        page.goto(file.as_uri())
        watch.check(page, PLACES[place], SHORT)
    assert watch.found == []


@pytest.mark.parametrize("suffix", [".html", ".ipynb"])
def test_no_other_word_of_a_message_is_trusted_either(
    browser: Browser, canary: Canary, tmp_path: Path, suffix: str
) -> None:
    """Neither names, titles, inputs and outputs, nor what the user or the provider said."""
    said = [everywhere(case.text(canary.address)) for case in SHORT[::7]]
    title = " ".join(case.text(canary.address) for case in SHORT[::40])
    file = export(title, [message for pair in said for message in pair], tmp_path / f"chat{suffix}")
    page_file = tmp_path / "page.html"
    text = converted(file) if suffix == ".ipynb" else file.read_text()
    page_file.write_text(re.sub("<meta http-equiv=[^>]*>", "", text))
    with watching(browser, canary) as watch:
        page = watch.context.new_page()
        page.goto(page_file.as_uri())
        watch.check(page, ".chatkit, .jp-RenderedMarkdown, .jp-InputArea-editor, header", [])
        assert page.locator("summary").count() > len(said)
    assert watch.found == []


def everywhere(text: str) -> tuple[Message, Message]:
    """A question and its answer with `text` wherever a message holds words of somebody else."""
    link = f"https://example.org/{text}"
    parts = (
        ReasoningPart(text),
        ToolPart(text, "a", "output-available", {text: text}, text),
        ToolPart("add", "b", "output-error", [text], error_text=text, title=text),
        FilePart("image/svg+xml", f"data:image/svg+xml,{text}", text),
        FilePart(text, link, text),
        SourceUrlPart("s", link, text),
        SourceUrlPart("t", text),
        SourceDocumentPart("u", text, text),
        TextPart(text),
    )
    error = {"type": text, "message": text}
    metadata = {"model": text, "error": error, "schema": {"title": text}, "finishReason": text}
    question = Message(
        id="q", role="user", parts=(TextPart(text), FilePart("image/png", text, text))
    )
    answer = Message(id="a", role="assistant", parts=parts, status="error", metadata=metadata)
    return question, answer


OPENING = """
from chatkit import Chat, get_model
model = get_model("openai-chat/test", base_url={url!r}, api_key="x")
"""


@pytest.mark.timeout(1200)
def test_hostile_answers_are_inert_in_jupyterlab_live_saved_and_opened_again(
    open_notebook: Callable[..., Notebook], browser: Browser, provider: Provider, canary: Canary
) -> None:
    """Live, as the Markdown that takes its place, after a reload, and in nbconvert's page."""
    groups = [HALF[at : at + GROUP] for at in range(0, len(HALF), GROUP)]
    sends = [
        f"for number in {[case.number for case in group]}:\n"
        "    Chat(f'hostile {number}', model=model).send('Go on.')"
        for group in groups
    ]
    notebook = open_notebook(OPENING.format(url=provider.url), *sends)
    watch = Watch(notebook.page.context, canary)
    notebook.run(0)
    for index, group in enumerate(groups, 1):
        arriving = [pieces(case.text(canary.address)) for case in group]
        held = [provider.answer(tokens=tokens, delay=0.05, gated=True) for tokens in arriving]
        for answer, tokens in zip(held, arriving, strict=True):
            answer.release(len(tokens))
        notebook.run(index, wait=False)
        roots = f"[data-windowed-list-index='{index}'] .chatkit-answer"
        notebook.output(index)
        watch.wait(notebook.page, roots, group)
        watch.check(notebook.page, roots, group)
        for answer in held:
            answer.open()
        notebook.until(NO_WIDGETS, index=index)
        check_cell(watch, notebook, index, group)
    notebook.save()
    notebook.reload()
    for index, group in enumerate(groups, 1):
        check_cell(watch, notebook, index, group)
    notebook.screenshot("hostile-corpus")
    page = notebook.file.with_suffix(".html")
    page.write_text(converted(notebook.file))
    notebook.page.goto(page.as_uri())
    watch.check(notebook.page, ".jp-RenderedMarkdown", HALF)
    watch.settle()
    assert watch.found == []


PANEL = ".chatkit-panel .chatkit-answer"
# What is out of view is drawn too; the line beside an open fold, in the margin, is the panel's own.
DRAWN = """
.chatkit-panel .ck-item { content-visibility: visible !important }
.chatkit-panel details[open] { margin-left: 0 !important }"""
KEPT = """
import json
from chatkit import Message
said = [Message.from_json(each) for each in json.load(open("said.json"))]
kept = Chat.from_messages("kept", said, model=model)
kept.panel()
"""


@pytest.mark.timeout(1200)
def test_a_panel_of_hostile_words_is_inert_live_loaded_searched_and_without_its_kernel(
    open_notebook: Callable[..., Notebook], provider: Provider, canary: Canary
) -> None:
    """Both sides of the conversation, its title, the names of files, and what is found in it."""
    opening = OPENING.format(url=provider.url) + "chat = Chat('hostile', model=model)"
    notebook = open_notebook(opening, "chat.panel()", KEPT)
    watch = Watch(notebook.page.context, canary)
    kept = [message for case in SHORT[1::32] for message in everywhere(case.text(canary.address))]
    said = answers(SHORT[1::8], canary) + [
        message.replace(id=f"e{number}") for number, message in enumerate(kept)
    ]
    file = notebook.file.with_name("said.json")
    file.write_text(json.dumps([message.to_json() for message in said]))
    notebook.run_all()

    notebook.page.add_style_tag(content=DRAWN)
    live = Panel(notebook, 1)
    pairs = list(zip(SHORT[::64], SHORT[2::64], strict=True))
    for count, (question, answer) in enumerate(pairs, 1):
        provider.answer(tokens=pieces(answer.text(canary.address)), delay=0.02)
        live.drop(f"{question.text(canary.address)[:60]}.txt", "An attachment.")
        live.send(question.text(canary.address))
        expect(live.messages).to_have_count(2 * count)
        live.expect_ready()
    watch.check(notebook.page, PANEL, [case for pair in pairs for case in pair])

    loaded = Panel(notebook, 2)
    for count in range(60, len(said), 30):
        loaded.history.press("Home")
        expect(loaded.messages).to_have_count(count)
    loaded.history.press("Home")
    expect(loaded.messages).to_have_count(len(said))
    roots = f"[data-windowed-list-index='2'] {PANEL}"
    watch.check(notebook.page, roots, SHORT[1::8])
    loaded.search("kept")
    notebook.page.locator(".ck-hits").evaluate_all(INTERACT)
    loaded.open_chats()
    loaded.drawer.evaluate_all(INTERACT)
    notebook.screenshot("panel-hostile")

    notebook.save()
    notebook.shut_down_kernel()
    notebook.reload()
    watch.wait(notebook.page, "[data-windowed-list-index='1'] .chatkit", [])
    watch.check(notebook.page, ".jp-OutputArea .chatkit", [])
    notebook.screenshot("panel-hostile-kept")
    watch.settle()
    assert watch.found == []


def check_cell(watch: Watch, notebook: Notebook, index: int, group: Sequence[Case]) -> None:
    """Check the Markdown outputs of a cell, once Lab has drawn them all."""
    roots = f"[data-windowed-list-index='{index}'] .jp-OutputArea-output.jp-RenderedMarkdown"
    live = notebook.output(index).locator(".chatkit-reply")  # stands there until Lab has drawn it
    expect(live).to_have_count(0, timeout=300_000)
    watch.wait(notebook.page, roots, group)
    watch.check(notebook.page, roots, group)
