"""The panel's script by itself, its kernel a few lines: what keys, scrolling and news do in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, expect

from chatkit.notebook.panel import Panel

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.e2e

Json = dict[str, Any]

ADDRESS = "http://panel.test/"
# What stands for anywidget's model; the clicks that arrive are in `sent`.
MODEL = """
window.sent = [];
window.deaf = false;
window.model = (shown) => {
  const heard = {};
  const fire = (name, ...all) => (heard[name] ?? []).forEach((each) => each(...all));
  window.fire = fire;
  window.tell = (news) => fire('msg:custom', news, []);
  window.news = (news) => window.tell({number: ++shown.number, ...news});
  window.told = (state) => { shown = state; fire('change:shown'); };
  return {
    get: () => shown,
    on: (name, call) => (heard[name] ??= []).push(call),
    send: (content, _, buffers) => {
      window.sent.push({...content, ...(buffers && {size: buffers[0].byteLength})});
      if (content.click && !window.deaf) queueMicrotask(() => tell({took: content.click}));
    },
  };
};
"""
OPEN = """state => {
  window.widget = factory();
  window.shown = model(state);
  widget.initialize({model: shown});
  window.root = document.body.appendChild(document.createElement('div'));
  window.leave = widget.render({model: shown, el: root});
}"""
FROM_THE_END = """() => {
  const it = document.querySelector('[role=log]');
  return Math.round(it.scrollHeight - it.clientHeight - it.scrollTop);
}"""
PLACE = "id => document.querySelector(`[data-id=${id}]`).getBoundingClientRect().top"
GIVE = """({kind, name, type, size, also}) => {
  const files = new DataTransfer();
  files.items.add(new File([new Uint8Array(size)], name, {type}));
  if (also) files.setData('text/plain', also);
  const more = {bubbles: true, cancelable: true};
  const event = kind === 'paste'
    ? new ClipboardEvent(kind, {...more, clipboardData: files})
    : new DragEvent(kind, {...more, dataTransfer: files});
  document.querySelector('textarea').dispatchEvent(event);
}"""


def foot(**more: Any) -> Json:
    return {
        "over": True,
        "line": "complete",
        "since": None,
        "notices": "",
        "buttons": [],
        "each": [["approve", "Allow"], ["deny", "Do not allow"]],
        **more,
    }


def item(id: str, *blocks: str, **more: Any) -> Json:
    role = "user" if id.startswith("u") else "assistant"
    does = ["copy", "edit", "delete"] if role == "user" else ["copy", "regenerate", "delete"]
    return {
        "id": id,
        "role": role,
        "name": role,
        "when": "2026-11-22T14:02:33+00:00",
        "sections": [["text", list(blocks)]],
        "foot": foot(),
        "branch": None,
        "does": does,
        **more,
    }


def talk(count: int, *, first: int = 0) -> list[Json]:
    """So many messages, each of a few lines."""
    text = "<p>One.</p>" * 4
    return [
        item(f"{'ua'[at % 2]}{at}", f"<p>Message {at}</p>", text)
        for at in range(first, first + count)
    ]


def state(*items: Json, **chat: Any) -> Json:
    about = {
        "id": "trip",
        "title": "Trip",
        "model": "openai/a",
        "models": ["openai/a", "openai/b"],
        "system": "",
        "options": {},
        "choices": {},
        "status": "ready",
        "totals": "12 tokens",
        "earlier": 0,
        "draftKey": "draft",
        "accepts": "",
        "height": "600px",
        **chat,
    }
    beside: Json = {"files": [], "notice": None, "chats": None, "found": None}
    return {"number": 1, "opened": True, "chat": about, "items": list(items), **beside}


class Shown:
    """A panel in a page."""

    def __init__(self, page: Page, shown: Json) -> None:
        self.page = page
        page.evaluate(OPEN, shown)
        self.box = page.get_by_role("textbox", name="Message", exact=True)
        self.history = page.get_by_role("log")

    def news(self, **news: Any) -> None:
        self.page.evaluate("news => window.news(news)", news)

    def tell(self, **words: Any) -> None:
        self.page.evaluate("words => window.tell(words)", words)

    def clicks(self) -> list[Json]:
        """What has arrived at the kernel since the last look."""
        sent: list[Json] = self.page.evaluate("window.sent.splice(0)")
        assert all(isinstance(each.pop("click", 0), int) for each in sent)
        return sent

    def button(self, label: str) -> Locator:
        return self.page.get_by_role("button", name=label)

    def frames(self) -> None:
        """Wait until what has changed has been drawn, and what that leads to too."""
        draw = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        for _ in range(3):
            self.page.evaluate(f"() => {draw}")

    def from_the_end(self) -> int:
        self.frames()
        rest: int = self.page.evaluate(FROM_THE_END)
        return rest

    def scroll(self, by: int) -> None:
        self.page.evaluate("by => document.querySelector('[role=log]').scrollBy(0, by)", by)
        self.frames()

    def give(self, kind: str, name: str, type: str, size: int, also: str = "") -> None:
        about = {"kind": kind, "name": name, "type": type, "size": size, "also": also}
        self.page.evaluate(GIVE, about)
        self.frames()


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Shown]]:
    """A function that shows a panel in a page of its own."""
    context = browser.new_context(viewport={"width": 900, "height": 700})
    failed: list[str] = []
    script = str(Panel._esm).replace("export default", "window.factory =")
    html = (
        f"<!doctype html><meta charset=utf-8><style>{Panel._css}</style>"
        f"<body><script>{MODEL}</script><script type=module>{script}</script>"
    )

    def show(shown: Json) -> Shown:
        page = context.new_page()
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.route(ADDRESS, lambda route: route.fulfill(body=html, content_type="text/html"))
        page.goto(ADDRESS)
        return Shown(page, shown)

    yield show
    context.close()
    assert not failed


def test_enter_sends_and_the_box_empties_when_it_was_sent(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.box.press("Enter")
    panel.box.fill("Porto?")
    panel.box.press("Shift+Enter")
    expect(panel.box).to_have_value("Porto?\n")
    panel.box.press("Enter")
    panel.box.press("Enter")
    assert panel.clicks() == [{"do": "send", "text": "Porto?\n"}]
    expect(panel.box).to_have_value("Porto?\n")
    panel.tell(sent=True)
    expect(panel.box).to_have_value("")


def test_enter_that_ends_a_composition_sends_nothing(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.box.fill("にほん")
    enter = "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true})"
    panel.page.evaluate(f"document.querySelector('textarea').dispatchEvent({enter})")
    assert panel.clicks() == []


def test_what_is_refused_is_said_and_the_text_stays(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.box.fill("Porto?")
    panel.box.press("Enter")
    panel.tell(refused="No key is set: set OPENAI_API_KEY.")
    expect(panel.page.get_by_role("alert")).to_have_text("No key is set: set OPENAI_API_KEY.")
    expect(panel.box).to_have_value("Porto?")
    panel.box.press("Enter")
    assert len(panel.clicks()) == 2
    expect(panel.page.get_by_role("alert")).to_have_text("")


def test_words_that_answer_another_pages_clicks_change_nothing_here(
    show: Callable[..., Shown],
) -> None:
    panel = show(state(item("u1", "<p>Hi</p>")))
    panel.box.fill("mine")
    panel.tell(sent=True)
    panel.tell(edit="u1", text="theirs", files=[])
    panel.tell(took=None)
    expect(panel.box).to_have_value("mine")


def test_a_draft_outlives_the_page_until_it_is_sent(show: Callable[..., Shown]) -> None:
    show(state()).box.fill("half a thought")
    panel = show(state())
    expect(panel.box).to_have_value("half a thought")
    panel.box.press("Enter")
    panel.tell(sent=True)
    expect(show(state()).box).to_have_value("")
    expect(show(state(draftKey="another")).box).to_have_value("")


def test_a_browser_that_keeps_nothing_has_a_panel_all_the_same(show: Callable[..., Shown]) -> None:
    panel = show(state())
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw Error('denied') }})"
    panel.page.evaluate(denied)
    panel.box.fill("Porto?")
    panel.box.press("Enter")
    panel.tell(sent=True)
    expect(panel.box).to_have_value("")


def test_up_edits_the_last_message_and_esc_gives_the_draft_back(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(4)))
    panel.box.press("ArrowUp")
    assert panel.clicks() == [{"do": "ask_edit", "id": "u2"}]
    panel.box.fill("a draft")
    panel.tell(edit="u2", text="Message 2", files=["a.png"])
    expect(panel.box).to_have_value("Message 2")
    expect(panel.box).to_be_focused()
    expect(panel.page.get_by_role("form")).to_contain_text("Its files stay: a.png.")
    panel.box.press("Escape")
    expect(panel.box).to_have_value("a draft")
    assert panel.clicks() == []
    panel.box.fill("")
    panel.box.press("ArrowUp")
    panel.tell(edit="u2", text="Message 2", files=[])
    panel.box.fill("Message two")
    panel.box.press("Enter")
    panel.tell(sent=True)
    assert panel.clicks()[1:] == [{"do": "save_edit", "id": "u2", "text": "Message two"}]
    expect(panel.box).to_have_value("")
    assert not panel.page.get_by_text("Editing your message").is_visible()


def test_esc_calls_an_edit_off_that_has_not_come_yet(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(4)))
    panel.box.press("ArrowUp")
    panel.box.press("Escape")
    panel.tell(edit="u2", text="Message 2", files=[])
    panel.box.fill("Where?")
    panel.box.press("Enter")
    assert panel.clicks()[1:] == [{"do": "send", "text": "Where?"}]


def test_esc_closes_what_is_open_and_then_stops(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(2), status="streaming"))
    panel.button("Search").click()
    panel.button("More").click()
    panel.page.keyboard.press("Escape")
    expect(panel.button("More")).to_be_focused()
    expect(panel.page.get_by_role("menu")).to_have_count(0)
    panel.page.keyboard.press("Escape")
    assert [each["do"] for each in panel.clicks()] == ["close_search"]
    panel.page.keyboard.press("Escape")
    assert panel.clicks() == [{"do": "stop"}]


def test_send_becomes_stop_while_something_is_answered(show: Callable[..., Shown]) -> None:
    panel = show(state())
    stop, send = panel.button("Stop (Esc)"), panel.button("Send (Enter)")
    expect(send).to_be_disabled()
    expect(stop).to_be_hidden()
    panel.news(chat={"status": "submitted"})
    expect(send).to_be_hidden()
    stop.focus()
    panel.box.fill("and then?")
    expect(send).to_be_enabled()
    stop.focus()
    panel.news(chat={"status": "ready"})
    expect(stop).to_be_hidden()


def test_no_key_of_the_panel_reaches_the_page_around_it(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(2)))
    panel.page.evaluate(
        "window.keys = []; root.addEventListener('keydown', event => keys.push(event.key))"
    )
    panel.box.press_sequentially("dd")
    panel.box.press("Escape")
    panel.history.press("ArrowDown")
    assert panel.page.evaluate("window.keys") == []
    assert panel.page.locator("[data-lm-suppress-shortcuts=true]").count() == 1


def test_text_that_grows_keeps_the_end_in_view(show: Callable[..., Shown]) -> None:
    panel = show(
        state(*talk(30), item("a99", "<p>x</p>", foot=foot(over=False)), status="streaming")
    )
    assert panel.from_the_end() <= 1
    for _ in range(20):
        panel.news(changes=[["a99", 0, "text", 0, 0, ["<p>more</p>" * 9]]])
        panel.news(changes=[["a99", 0, "text", 1, 0, ["<p>and more</p>" * 9]]])
    assert panel.from_the_end() <= 1


def test_text_that_grows_leaves_a_reader_alone_who_has_scrolled_up(
    show: Callable[..., Shown],
) -> None:
    panel = show(
        state(*talk(30), item("a99", "<p>x</p>", foot=foot(over=False)), status="streaming")
    )
    panel.frames()
    panel.scroll(-30)
    before = panel.page.evaluate(PLACE, "a29")
    for at in range(20):
        panel.news(changes=[["a99", 0, "text", at + 1, 0, ["<p>more</p>" * 9]]])
    panel.frames()
    assert abs(panel.page.evaluate(PLACE, "a29") - before) <= 1
    panel.button("Newest").click()
    assert panel.from_the_end() <= 1
    expect(panel.button("Newest")).to_be_hidden()


def test_what_was_earlier_comes_by_itself_and_moves_nothing(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(30, first=30), earlier=30))
    panel.frames()
    assert panel.clicks() == []
    panel.page.evaluate("document.querySelector('[role=log]').scrollTop = 0")
    panel.frames()
    assert panel.clicks() == [{"do": "earlier"}]
    before = panel.page.evaluate(PLACE, "u30")
    older = {each["id"]: each for each in talk(30)}
    order = [each["id"] for each in talk(60)]
    panel.news(order=order, fresh=older, chat={"earlier": 0})
    panel.frames()
    assert abs(panel.page.evaluate(PLACE, "u30") - before) <= 1
    shown = panel.page.locator("article").evaluate_all("all => all.map(each => each.dataset.id)")
    assert shown == order
    expect(panel.button("Show earlier")).to_be_hidden()


def test_a_panel_put_back_into_the_page_is_where_it_was(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(30)))
    panel.frames()

    def take_out_and_back() -> None:
        panel.page.evaluate("root.remove()")
        panel.frames()
        panel.page.evaluate("void document.body.append(root)")
        panel.frames()

    take_out_and_back()
    assert panel.from_the_end() <= 1
    panel.scroll(-500)
    before = panel.page.evaluate(PLACE, "a21")
    take_out_and_back()
    assert abs(panel.page.evaluate(PLACE, "a21") - before) <= 1


def test_news_that_were_missed_are_asked_for_once(show: Callable[..., Shown]) -> None:
    panel = show(state(item("a1", "<p>a</p>")))
    for number in (5, 6, 1):
        panel.tell(number=number, changes=[["a1", 0, "text", 0, 0, ["<p>wrong</p>"]]])
    assert panel.clicks() == [{"do": "tell"}]
    expect(panel.history).not_to_contain_text("wrong")
    panel.page.evaluate("all => told(all)", state(item("a1", "<p>right</p>")) | {"number": 6})
    expect(panel.history).to_contain_text("right")
    panel.tell(number=7, changes=[["a1", 0, "text", 0, 8, [" and on</p>"]]])
    expect(panel.history).to_contain_text("right and on")


def test_news_that_were_in_what_was_loaded_are_none_and_nothing_is_missed_by_them(
    show: Callable[..., Shown],
) -> None:
    panel = show(state(item("a1", "<p>a</p>")) | {"number": 4})
    for number in (3, 4):
        panel.tell(number=number, changes=[["a1", 0, "text", 0, 0, ["<p>wrong</p>"]]])
    assert panel.clicks() == []
    panel.tell(number=6, changes=[])
    assert panel.clicks() == [{"do": "tell"}]
    expect(panel.history.locator("article p")).to_have_text("a")


def test_a_change_touches_no_other_block(show: Callable[..., Shown]) -> None:
    panel = show(state(item("a1", "<p>one</p>", "<p>two</p>")))
    panel.page.evaluate("document.querySelector('article p').mine = true")
    panel.news(changes=[["a1", 0, "text", 1, 6, [" three</p>", "<p>four</p>"]]])
    assert panel.page.locator("article p").all_inner_texts() == ["one", "two three", "four"]
    assert panel.page.evaluate("document.querySelector('article p').mine")


def test_folds_stay_as_the_reader_left_them_in_every_view(show: Callable[..., Shown]) -> None:
    thought = ["fold Reasoning", ["<p>Steep.</p>"]]
    panel = show(state(item("a1", sections=[thought, ["text", ["<p>Shoes.</p>"]]])))
    panel.page.get_by_text("Reasoning").click()
    expect(panel.page.get_by_text("Steep.")).to_be_visible()
    again = item("a1", sections=[thought, ["text", ["<p>Boots.</p>"]]])
    panel.news(order=["a1"], fresh={"a1": again})
    expect(panel.page.get_by_text("Boots.")).to_be_visible()
    expect(panel.page.get_by_text("Steep.")).to_be_visible()


def test_two_views_of_a_panel_keep_in_step(show: Callable[..., Shown]) -> None:
    panel = show(state(item("a1", "<p>one</p>")))
    panel.page.evaluate(
        "void widget.render({model: shown, el: root.parentNode.appendChild(root.cloneNode())})"
    )
    panel.news(changes=[["a1", 0, "text", 1, 0, ["<p>two</p>"]]], chat={"title": "Porto"})
    expect(panel.page.get_by_text("two", exact=True)).to_have_count(2)
    expect(panel.page.get_by_role("heading", name="Porto")).to_have_count(2)
    boxes = panel.box.all()
    boxes[0].fill("first")
    boxes[1].fill("second")
    boxes[1].press("Enter")
    panel.tell(sent=True)
    expect(boxes[0]).to_have_value("first")
    expect(boxes[1]).to_have_value("")


def test_a_click_that_is_not_taken_says_that_the_kernel_is_busy(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.page.evaluate("window.deaf = true")
    panel.box.fill("Porto?")
    panel.box.press("Enter")
    alert = panel.page.get_by_role("alert")
    expect(alert).to_contain_text("The kernel is busy; this is done when the cell")
    panel.page.evaluate("window.tell({took: window.sent[0].click})")
    expect(alert).to_have_text("")


def test_files_come_by_picker_by_paste_and_by_drop(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.page.locator("input[type=file]").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"abc"}
    )
    panel.give("paste", "b.png", "image/png", 4)
    panel.give("paste", "cells.png", "image/png", 4, also="1\t2")
    panel.give("dragenter", "c.pdf", "application/pdf", 5)
    expect(panel.page.get_by_text("Drop files to attach them")).to_be_visible()
    panel.give("drop", "c.pdf", "application/pdf", 5)
    expect(panel.page.get_by_text("Drop files to attach them")).to_be_hidden()
    panel.page.wait_for_function("window.sent.length === 3")
    named = [(each["do"], each["name"], each["size"]) for each in panel.clicks()]
    assert named == [("attach", "a.txt", 3), ("attach", "b.png", 4), ("attach", "c.pdf", 5)]
    panel.news(files=[{"id": "f1", "name": "a.txt", "size": "3 KB", "picture": None}])
    expect(panel.button("Send (Enter)")).to_be_enabled()
    panel.button("Remove a.txt").click()
    assert panel.clicks() == [{"do": "detach", "file": "f1"}]


def test_a_file_that_is_too_large_is_not_sent_to_the_kernel(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.give("paste", "film.mp4", "video/mp4", 9_000_000)
    expect(panel.page.get_by_role("alert")).to_contain_text("film.mp4 is larger than 8 MB")
    assert panel.clicks() == []


def test_a_branch_is_left_by_keys_and_the_focus_stays_there(show: Callable[..., Shown]) -> None:
    panel = show(state(item("u1", "<p>Hi</p>"), item("a1", "<p>one</p>", branch=[1, 3])))
    panel.button("Next branch").press("Enter")
    assert panel.clicks() == [{"do": "switch", "id": "a1", "to": 2}]
    panel.news(order=["u1", "a2"], fresh={"a2": item("a2", "<p>two</p>", branch=[2, 3])})
    expect(panel.button("Next branch")).to_be_focused()
    expect(panel.page.get_by_text("2/3")).to_be_visible()


def test_each_call_that_waits_is_allowed_by_its_id(show: Callable[..., Shown]) -> None:
    asked = "".join(f'<div data-call="c{at}"><p>May it?</p></div>' for at in (1, 2))
    all_of_them = [["approve c1 c2", "Allow all"], ["deny c1 c2", "None"], ["stop", "Stop"]]
    waits = foot(over=False, notices=asked, buttons=all_of_them)
    panel = show(state(item("a1", foot=waits)))
    panel.page.locator("[data-call=c2]").get_by_role("button", name="Do not allow").click()
    panel.button("Allow all").click()
    assert panel.clicks() == [
        {"do": "deny", "id": "a1", "call": "c2"},
        {"do": "approve", "id": "a1", "call": "c1 c2"},
    ]


def test_code_is_copied_without_the_clipboards_interface(show: Callable[..., Shown]) -> None:
    panel = show(state(item("a1", "<pre><code>x = 1\n</code></pre>")))
    assert panel.page.evaluate("navigator.clipboard") is None  # as on a page without https
    panel.page.evaluate(
        "document.addEventListener('copy', () => (window.copied = document.activeElement.value))"
    )
    panel.button("Copy code").click()
    panel.page.wait_for_function("window.copied === 'x = 1\\n'")
    expect(panel.page.get_by_role("status").filter(has_text="Copied")).to_have_count(1)


def test_a_kernel_that_is_gone_leaves_what_can_be_read(show: Callable[..., Shown]) -> None:
    writing = item("a1", "<p>Alfama and</p>", foot=foot(over=False, line="writing"))
    panel = show(state(item("u1", "<p>Where?</p>"), writing, status="streaming"))
    panel.box.fill("a draft")
    panel.page.evaluate("fire('comm_live_update')")
    expect(panel.page.get_by_role("alert")).to_have_text(
        "The kernel is gone. Run the cell again to go on."
    )
    expect(panel.box).to_be_disabled()
    expect(panel.box).to_have_value("a draft")
    expect(panel.history).to_contain_text("Alfama and")
    expect(panel.history).to_have_attribute("aria-busy", "false")
    expect(panel.button("Stop (Esc)")).to_be_hidden()
    panel.button("Answer again").click()
    assert panel.clicks() == []
    expect(show(state()).box).to_have_value("a draft")


def test_everything_has_a_role_and_a_name(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(2), earlier=3, status="streaming"))
    snapshot = panel.page.locator("section").aria_snapshot()
    for said in (
        *('heading "Trip"', 'log "Conversation"', 'article "user, ', 'toolbar "Actions"'),
        *('button "Copy"', 'button "Edit"', 'button "Answer again"', 'button "Model: openai/a"'),
        *('form "Write a message"', 'textbox "Message"', 'button "Attach files"'),
        *('button "Stop (Esc)"', 'button "Show earlier (3)"', 'button "Chats"', 'button "More"'),
    ):
        assert said in snapshot
    nameless = "all => all.filter(each => !each.ariaLabel && !each.innerText.trim()).length"
    assert panel.page.locator("button").evaluate_all(nameless) == 0


def test_the_menu_goes_by_arrows_and_the_model_by_name(show: Callable[..., Shown]) -> None:
    panel = show(state())
    panel.button("More").press("Enter")
    expect(panel.page.get_by_role("menuitem", name="System prompt")).to_be_focused()
    panel.page.keyboard.press("ArrowUp")
    expect(panel.page.get_by_role("menuitem", name="Clear the conversation")).to_be_focused()
    panel.page.keyboard.press("Enter")
    panel.button("Model: openai/a").press("Enter")
    panel.page.keyboard.press("ArrowDown")
    panel.page.keyboard.press("Enter")
    panel.button("Model: openai/a").press("Enter")
    panel.page.keyboard.type("my/own")
    panel.page.keyboard.press("Enter")
    assert panel.clicks() == [
        {"do": "clear"},
        {"do": "set", "model": "openai/b"},
        {"do": "set", "model": "my/own"},
    ]


def test_a_search_goes_from_hit_to_hit(show: Callable[..., Shown]) -> None:
    panel = show(state(*talk(30)))
    panel.button("Search").click()
    panel.page.keyboard.insert_text("one")
    panel.page.wait_for_function("window.sent.length")
    assert panel.clicks() == [{"do": "search", "query": "one"}]
    hits = [
        {"id": id, "role": "user", "when": None, "html": "<mark>One</mark>."} for id in ("u2", "a5")
    ]
    panel.news(found={"query": "one", "total": 2, "hits": hits})
    expect(panel.page.get_by_text("2 found")).to_be_visible()
    for id in ("u2", "a5", "u2"):
        panel.page.keyboard.press("Enter")
        assert panel.clicks() == [{"do": "reveal", "id": id}]
    panel.tell(reveal="u2")
    panel.frames()
    expect(panel.page.locator("[data-id=u2]")).to_be_in_viewport()


def test_a_button_of_the_chats_that_is_held_down_stays_while_others_change(
    show: Callable[..., Shown],
) -> None:
    def chat(id: str, title: str) -> Json:
        told = {"model": "openai/a", "when": "", "exact": "", "current": False, "writing": False}
        return {"id": id, "title": title} | told

    panel = show(state())
    panel.button("Chats").click()
    panel.news(chats=[chat("a", "Lisbon"), chat("b", "Porto"), chat("c", "Faro")])
    names = panel.page.get_by_role("listitem")
    expect(names).to_have_text([re.compile("Lisbon"), re.compile("Porto"), re.compile("Faro")])
    panel.button("Delete Porto").hover()
    panel.page.mouse.down()
    panel.news(chats=[chat("d", "Braga"), chat("b", "Porto"), chat("c", "Beja")])
    panel.page.mouse.up()
    expect(panel.page.get_by_text("Delete “Porto” for good?")).to_be_visible()
    panel.button("Keep").click()
    expect(names).to_have_text([re.compile("Braga"), re.compile("Porto"), re.compile("Beja")])
    panel.page.get_by_role("textbox", name="Filter chats").fill("port")
    expect(names).to_have_text([re.compile("Porto")])


def test_titles_and_names_are_never_taken_for_html(show: Callable[..., Shown]) -> None:
    evil = "<img src=x onerror='window.pwned=1'>"
    panel = show(state(item("a1", "<p>x</p>", name=evil), title=evil, model=evil, totals=evil))
    panel.button("Chats").click()
    chat = {"id": "x", "title": evil, "model": evil, "when": evil, "exact": evil}
    panel.news(
        chats=[chat | {"current": False, "writing": False}],
        files=[{"id": "f", "name": evil, "size": evil, "picture": None}],
        notice={"id": "n", "text": evil, "undo": True, "kind": "error"},
    )
    expect(panel.page.get_by_role("button", name=f"Delete {evil}")).to_have_count(1)
    assert panel.page.locator("img").count() == 0
    assert json.loads(panel.page.evaluate("JSON.stringify(window.pwned ?? null)")) is None
