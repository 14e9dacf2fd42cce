"""A panel in a page, as a person uses it; the only test module that knows how it is drawn."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, expect

from tests.e2e.lab import Notebook

PATIENCE = 60_000  # ms that anything may take on a machine with other work

COPY_PICTURE = """async base64 => {
  const bytes = Uint8Array.from(atob(base64), char => char.charCodeAt());
  const picture = new Blob([bytes], {type: 'image/png'});
  await navigator.clipboard.write([new ClipboardItem({'image/png': picture})]);
}"""
HOLD_FILE = """([name, text]) => {
  const held = new DataTransfer();
  held.items.add(new File([text], name, {type: 'text/plain'}));
  return held;
}"""
FRAMES = """count => new Promise(done => {
  const next = () => count-- ? requestAnimationFrame(next) : done();
  next();
})"""
# The place of the message at the top of what is in view, which is what somebody reads.
READ = """history => {
  const top = history.getBoundingClientRect().top;
  const all = [...history.querySelectorAll('article')];
  const read = all.find(each => each.getBoundingClientRect().bottom > top + 1);
  return [read.dataset.id, read.getBoundingClientRect().top];
}"""
NAMELESS = """root => [...root.querySelectorAll('button, input, textarea, select')]
  .filter(each => !each.hidden && !(each.ariaLabel ?? each.title) && !each.innerText
    && !each.labels?.length)
  .map(each => each.outerHTML)"""
OVERFLOWING = """root => {
  const {left, right} = root.getBoundingClientRect();
  const scrolls = element => ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);
  const clips = element => element !== root && (scrolls(element) || clips(element.parentElement));
  return [...root.querySelectorAll('*')].filter(each => {
    const box = each.getBoundingClientRect();
    const out = box.width > 1 && (box.left < left - 1 || box.right > right + 1);
    return out && !clips(each.parentElement);
  }).map(each => each.outerHTML.slice(0, 120));
}"""
PLACE = "(history, id) => history.querySelector(`[data-id='${id}']`).getBoundingClientRect().top"


class Panel:
    """A panel in the output of a cell. A message is counted from the oldest that is shown, or
    with -1 from the newest."""

    def __init__(self, notebook: Notebook, index: int, *, number: int = 0) -> None:
        self._notebook = notebook
        self._page = notebook.page
        notebook.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.root: Locator = notebook.output(index).locator(".chatkit-panel").nth(number)
        self.history = self.root.get_by_role("log")
        self.messages = self.history.get_by_role("article")
        self.box = self.root.get_by_role("textbox", name="Message", exact=True)
        self.files = self.root.get_by_role("list", name="Attached files").get_by_role("listitem")
        self.hint = self.root.get_by_role("form").get_by_role("alert")
        self.notice = self.root.locator(".ck-toast")
        self.drawer = self.root.get_by_role("dialog")
        self.root.wait_for(timeout=PATIENCE)

    # -- to write --

    def send(self, text: str) -> None:
        """Write a message and send it with Enter."""
        self.box.fill(text)
        self.box.press("Enter")
        expect(self.box).to_have_value("", timeout=PATIENCE)  # the kernel has taken it

    def ask(self, text: str) -> None:
        """Send a message, and wait for the answer that echoes it."""
        self.send(text)
        self.expect_below(-1, f"Answer to: {text}")
        self.expect_ready()

    def pick(self, *files: FilePayload) -> None:
        """Attach files by the file picker."""
        with self._page.expect_file_chooser() as chooser:
            self.button("Attach files").click()
        chooser.value.set_files(files)

    def paste_picture(self, png: bytes) -> None:
        """Copy a picture somewhere, and paste it into the message."""
        self._page.evaluate(COPY_PICTURE, b64encode(png).decode())
        self.box.press("Control+v")

    def drop(self, name: str, text: str) -> None:
        """Drag a file over the panel and drop it there."""
        held = self._page.evaluate_handle(HOLD_FILE, [name, text])
        self.history.dispatch_event("dragenter", {"dataTransfer": held})
        expect(self.root.get_by_text("Drop files to attach them")).to_be_visible()
        self.history.dispatch_event("drop", {"dataTransfer": held})
        expect(self.root.get_by_text("Drop files to attach them")).to_be_hidden()

    # -- to read --

    def expect_messages(self, *texts: str | re.Pattern[str]) -> None:
        """Wait until these are the messages that are shown, without what stands below each."""
        shown = self.messages.locator(".chatkit-answer")
        expect(shown).to_have_text(texts, timeout=PATIENCE)

    def expect_below(self, index: int, text: str | re.Pattern[str]) -> None:
        """Wait until this stands below a message."""
        expect(self.message(index)).to_contain_text(text, timeout=PATIENCE)

    def expect_notice(self, text: str) -> None:
        """Wait for a word about what was done."""
        expect(self.notice).to_contain_text(text, timeout=PATIENCE)

    def expect_hint(self, text: str) -> None:
        """Wait for a word below the message that is being written."""
        expect(self.hint).to_contain_text(text, timeout=PATIENCE)

    def expect_ready(self) -> None:
        """Wait until nothing is being written."""
        expect(self.button("Stop")).to_be_hidden(timeout=PATIENCE)
        expect(self.history).to_have_attribute("aria-busy", "false", timeout=PATIENCE)

    def message(self, index: int) -> Locator:
        """A message, with what stands below it."""
        found: Locator = self.messages.nth(index)
        return found

    def texts(self) -> list[str]:
        """What is said in each message, on one line."""
        shown = self.messages.locator(".chatkit-answer").all_text_contents()
        return [" ".join(text.split()) for text in shown]

    def expect_copied(self, text: str) -> None:
        """Wait until this is in the clipboard."""
        ready = "async text => (await navigator.clipboard.readText()).trim() === text.trim()"
        self._page.wait_for_function(ready, arg=text)

    def expect_focus(self, label: str) -> None:
        """Wait until the button with this name has the focus."""
        it = self.root.get_by_role("button", name=label).or_(
            self.root.get_by_role("menuitem", name=label)
        )
        expect(it.and_(self.root.locator(":focus"))).to_have_count(1)

    def without_a_name(self) -> list[str]:
        """What can be used and says to nobody what it is."""
        found: list[str] = self.root.evaluate(NAMELESS)
        return found

    def overflowing(self) -> list[str]:
        """What is not in the width of the panel, and cannot be scrolled to."""
        found: list[str] = self.root.evaluate(OVERFLOWING)
        return found

    def colours(self) -> tuple[str, str]:
        """Of the newest message: its text's and what is behind it."""
        look = "(element, name) => getComputedStyle(element)[name]"
        text: str = self.message(-1).locator(".chatkit-answer").evaluate(look, "color")
        ground: str = self.root.evaluate(look, "background-color")
        return text, ground

    # -- to click --

    def button(self, label: str) -> Locator:
        """A button that is not about one message; of its label, a part that is its own."""
        found: Locator = self.root.get_by_role("button", name=label).first
        return found

    def act(self, index: int, label: str) -> None:
        """Point at a message and click one of its buttons."""
        message = self.message(index)
        message.hover()
        message.get_by_role("button", name=label, exact=True).click()

    def menu(self, entry: str) -> None:
        """Choose an entry of the menu."""
        self.button("More").click()
        self.root.get_by_role("menuitem", name=entry, exact=True).click()

    def undo(self) -> None:
        """Take back what was done last."""
        self.notice.get_by_role("button", name="Undo").click()

    def export(self, suffix: str) -> Path:
        """Download the conversation; the file."""
        with self._page.expect_download() as download:
            self.menu(f"Export as {suffix}")
        assert download.value.suggested_filename.endswith(suffix)
        return download.value.path()

    def choose_model(self, name: str) -> None:
        """Type the name of a model into the picker."""
        self.button("Model").click()
        self.drawer.get_by_role("combobox").fill(name)
        self.drawer.get_by_role("combobox").press("Enter")

    def set(self, label: str, value: str) -> None:
        """Set an option in the drawer of options, which is open."""
        row = self.drawer.locator("label").filter(has=self._page.get_by_text(label, exact=True))
        if row.locator("select").count():
            row.locator("select").select_option(value)
        else:
            row.locator("input, textarea").fill(value)
            row.locator("input, textarea").press("Tab")

    def open_chats(self) -> Locator:
        """Open the list of stored chats; its lines."""
        self.button("Chats").click()
        found: Locator = self.drawer.get_by_role("listitem")
        return found

    def rename_chat(self, line: Locator, title: str) -> None:
        """Give a chat of the list another title."""
        line.hover()
        line.get_by_role("button", name="Rename").click()
        self.drawer.get_by_role("textbox", name="Title").fill(title)
        self.drawer.get_by_role("textbox", name="Title").press("Enter")

    def delete_chat(self, line: Locator, *, sure: bool = True) -> None:
        """Delete a chat of the list, or think better of it."""
        line.hover()
        line.get_by_role("button", name="Delete").click()
        sure_line = self.drawer.get_by_role("listitem").filter(has_text="for good?")
        sure_line.get_by_role("button", name="Delete" if sure else "Keep").click()

    def new_chat(self, title: str) -> None:
        """Begin a chat, from the list."""
        self.drawer.get_by_role("button", name="New chat").click()
        self.drawer.get_by_role("textbox", name="Name of the new chat").fill(title)
        self.drawer.get_by_role("textbox", name="Name of the new chat").press("Enter")

    def rename(self, title: str) -> None:
        """Give the chat that is shown another title."""
        self.menu("Rename")
        self.root.get_by_role("textbox", name="Title").fill(title)
        self.root.get_by_role("textbox", name="Title").press("Enter")

    def tab_to(self, label: str, *, back: bool = False) -> None:
        """Press the Tab key in the message box until a button has the focus."""
        self.box.focus()
        focused = self.root.locator(":focus")
        for _ in range(20):
            self._page.keyboard.press("Shift+Tab" if back else "Tab")
            if focused.count() and focused.get_attribute("aria-label") == label:
                return
        raise AssertionError(f"the Tab key does not reach {label!r}")

    def search(self, query: str) -> Locator:
        """Look for words; the hits."""
        field = self.root.get_by_role("textbox", name="Search this conversation")
        if not field.is_visible():
            self.menu("Search")
        field.fill(query)
        found: Locator = self.root.locator(".ck-hits").get_by_role("button")
        return found

    # -- to scroll --

    def scroll(self, by: int) -> None:
        """Turn the wheel over the messages."""
        self.history.hover()
        self._page.mouse.wheel(0, by)

    @contextmanager
    def stays_put(self) -> Iterator[None]:
        """What is read is at the same place on the page after this as before."""
        id, before = self.history.evaluate(READ)
        yield
        after = self.history.evaluate(PLACE, id)
        assert abs(after - before) <= 1, f"what was read has moved by {after - before} pixels"

    def expect_revealed(self, text: str) -> None:
        """Wait until a message is in view, and stays there while all around it is drawn."""
        message = self.messages.filter(has_text=text)
        expect(message).to_be_in_viewport()
        self._page.evaluate(FRAMES, 30)
        expect(message).to_be_in_viewport()

    def reading(self) -> str:
        """What the message says at the top of what is in view."""
        id, _ = self.history.evaluate(READ)
        text: str = self.history.locator(f"[data-id='{id}']").inner_text()
        return text

    def is_at_end(self) -> bool:
        self._page.evaluate(FRAMES, 4)  # it follows in the next one what has grown
        rest: float = self.history.evaluate(
            "at => at.scrollHeight - at.clientHeight - at.scrollTop"
        )
        return rest <= 1
