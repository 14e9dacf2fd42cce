"""The panel in JupyterLab: everything that can be done in it, done as a person does it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import FilePayload, expect

from tests.e2e import test_view
from tests.e2e.lab import Notebook
from tests.e2e.panel import Panel
from tests.e2e.test_session import ANSWER, opening
from tests.e2e.test_view import GUARDED
from tests.servers import Provider
from tests.test_in_kernel import until_stored
from tests.test_steps import call

pytestmark = pytest.mark.e2e

dark = test_view.dark

Open = Callable[..., tuple[Notebook, Panel]]
TWO = (re.compile("^Add"), re.compile("^Answer"))
ROLES = ["user", "assistant"] * 2
FORMULA = "\n\nOf $n$ hills, $$\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$$ steps."
# As a kernel that takes clicks only between cells: ipykernel 6.
DEAF = """
from chatkit.notebook import widget
def deafen(comm): comm._reply_subshell_for = lambda data, default: None
widget.answer_while_a_cell_runs = deafen"""
SAID = "print(*[f'{m.role}: {m.text}' for m in chat.messages], sep='\\n')"


@pytest.fixture
def open_panel(open_notebook: Callable[..., Notebook], provider: Provider) -> Open:
    """A function that opens a notebook with a panel in its second cell."""

    def open_panel(
        *cells: str, first: str = "", panel: str = "chat.panel()"
    ) -> tuple[Notebook, Panel]:
        notebook = open_notebook(f"{opening(provider)}\n{first}", panel, *cells)
        notebook.run(0)
        notebook.run(1)
        return notebook, Panel(notebook, 1)

    return open_panel


def test_enter_sends_shift_enter_breaks_the_line_and_the_box_grows(
    open_panel: Open, provider: Provider
) -> None:
    notebook, panel = open_panel(SAID, "chat.send('From a cell.')")
    expect(panel.history).to_contain_text("Ask something to begin.")
    low = panel.box.bounding_box()
    panel.box.press_sequentially("Add a day")
    panel.box.press("Shift+Enter")
    panel.box.press_sequentially("and boats")
    expect(panel.box).to_have_value("Add a day\nand boats")
    high = panel.box.bounding_box()
    assert low is not None
    assert high is not None
    assert high["height"] > low["height"] + 10
    assert provider.requests == []
    panel.box.press("Enter")
    panel.expect_messages("Add a day and boats", "Answer to: Add a day and boats")
    assert panel.message(0).locator(".chatkit-answer").inner_text() == "Add a day\nand boats"
    expect(panel.box).to_have_value("")
    panel.expect_ready()
    notebook.screenshot("panel-asked")
    notebook.run(2)
    assert notebook.text(2).startswith("user: Add a day\nand boats\nassistant: Answer to: Add")
    notebook.run(3)
    notebook.wait_text(3, "Answer to: From a cell.")
    panel.expect_messages(*TWO, "From a cell.", "Answer to: From a cell.")


def test_up_edits_what_was_said_and_each_way_on_is_a_branch(
    open_panel: Open, provider: Provider
) -> None:
    notebook, panel = open_panel(SAID)
    panel.ask("Two days?")
    panel.box.press("ArrowUp")
    expect(panel.box).to_have_value("Two days?")
    expect(panel.root).to_contain_text("Editing your message")
    notebook.screenshot("panel-editing")
    panel.box.press("Escape")
    expect(panel.box).to_have_value("")
    panel.box.press("ArrowUp")
    expect(panel.box).to_have_value("Two days?")
    panel.send("Three days?")
    panel.expect_messages("Three days?", "Answer to: Three days?")
    panel.expect_below(0, "2/2")
    panel.act(0, "Previous branch")
    panel.expect_messages("Two days?", "Answer to: Two days?")
    panel.expect_below(0, "1/2")
    notebook.run(2)
    assert notebook.text(2) == "user: Two days?\nassistant: Answer to: Two days?"
    provider.answer("Two, and a night.")
    panel.act(1, "Answer again")
    panel.expect_messages("Two days?", "Two, and a night.")
    panel.expect_below(1, "2/2")
    panel.act(0, "Next branch")
    panel.expect_messages("Three days?", "Answer to: Three days?")
    panel.act(0, "Edit")
    expect(panel.box).to_have_value("Three days?")
    panel.send("Four days?")
    panel.expect_below(0, "3/3")
    panel.expect_below(1, "Answer to: Four days?")
    assert len(provider.requests) == 4


def test_what_is_stopped_or_broke_off_goes_on_and_an_error_is_tried_again(
    open_panel: Open, provider: Provider
) -> None:
    notebook, panel = open_panel()
    answer = provider.answer("Alfama Belém", gated=True)
    panel.send("Where?")
    answer.release()
    panel.expect_messages("Where?", "Alfama")
    panel.box.press("Escape")
    panel.expect_below(1, "stopped")
    provider.until(lambda: provider.disconnects == 1)
    provider.answer("Belém")
    panel.act(1, "Continue")
    panel.expect_messages("Where?", "Alfama Belém")

    provider.answer("Sintra ", cut=True)
    panel.send("And then?")
    panel.expect_below(3, "Interrupted")
    notebook.screenshot("panel-interrupted")
    provider.answer("and Cascais.")
    panel.act(3, "Continue")
    panel.expect_messages("Where?", "Alfama Belém", "And then?", "Sintra and Cascais.")

    provider.refuse(401, {"error": {"message": "Incorrect API key provided: x."}})
    panel.send("How?")
    panel.expect_below(5, "Incorrect API key provided: x.")
    notebook.screenshot("panel-error")
    panel.act(5, "Try again")
    panel.expect_below(5, "Answer to: How?")
    panel.expect_ready()

    provider.answer("Never", gated=True)
    panel.send("When?")
    panel.button("Stop").click()
    panel.expect_below(7, "Stopped before anything arrived")
    panel.expect_ready()


def test_files_are_attached_by_picker_paste_and_drop(open_panel: Open, provider: Provider) -> None:
    notebook, panel = open_panel()
    table = FilePayload(name="rain.csv", mimeType="text/csv", buffer=b"month,mm\nMay,50")
    wrong = FilePayload(name="wrong.txt", mimeType="text/plain", buffer=b"not this")
    panel.pick(table, wrong)
    expect(panel.files).to_have_count(2)
    panel.paste_picture(panel.button("Attach files").screenshot())
    panel.drop("notes.txt", "Take the tram.")
    expect(panel.files).to_contain_text(["rain.csv", "wrong.txt", ".png", "notes.txt"])
    expect(panel.files.get_by_role("img")).to_have_count(1)
    panel.button("Remove wrong.txt").click()
    expect(panel.files).to_have_count(3)
    notebook.screenshot("panel-files")
    provider.answer("A wet May.")
    panel.send("What is this?")
    panel.expect_below(1, "A wet May.")
    expect(panel.files).to_have_count(0)
    expect(panel.message(0).get_by_role("img")).to_have_count(1)
    notebook.screenshot("panel-files-sent")
    sent = json.dumps(provider.requests[0].body["messages"][-1]["content"])
    for words in ("What is this?", "May,50", "data:image/png;base64,", "Take the tram."):
        assert words in sent
    assert "not this" not in sent
    panel.drop("large.bin", "x" * 8_400_000)
    panel.expect_hint("large.bin is larger than 8 MB")


def test_a_draft_and_everything_said_outlive_the_page_the_kernel_and_a_restart(
    open_panel: Open, provider: Provider
) -> None:
    notebook, panel = open_panel()
    panel.ask("Two days?")
    provider.answer(ANSWER)
    panel.send("Three days?")
    panel.expect_below(3, "Sintra")
    panel.expect_ready()
    texts = panel.texts()
    panel.box.fill("And with chil")
    notebook.save()
    notebook.reload()
    panel = Panel(notebook, 1)
    panel.expect_messages(*texts)
    expect(panel.box).to_have_value("And with chil")
    notebook.restart_and_run_all()
    panel.expect_messages(*texts)
    expect(panel.box).to_have_value("And with chil")
    panel.send("And with children?")
    panel.expect_below(5, "Answer to: And with children?")
    panel.expect_ready()
    notebook.until(
        "return JSON.stringify(cells[1].model.outputs.toJSON()).includes('to: And with')"
    )
    notebook.save()
    notebook.reload()
    expect(panel.box).to_have_value("")
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    notebook.wait_text(1, "Answer to: And with children?")
    for words in ("Two days?", "Answer to: Two days?", "Three days", "pastel de nata"):
        assert words in notebook.text(1)
    assert "Error displaying widget" not in notebook.text(1)
    notebook.screenshot("panel-without-a-kernel")
    assert len(provider.requests) == 3


def test_a_kernel_that_dies_is_said_and_what_was_said_stays_readable(
    open_panel: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    notebook, panel = open_panel(until_stored("Alfama", "chat.reply()"))
    panel.send("Where?")
    answer.release()
    panel.expect_messages("Where?", "Alfama")
    notebook.run(2)
    notebook.kill_kernel(int(notebook.text(0)))
    expect(panel.root).to_contain_text("The kernel is gone. Run the cell again")
    panel.expect_messages("Where?", "Alfama")
    notebook.screenshot("panel-kernel-gone")
    notebook.run_all()
    panel.expect_messages("Where?", "Alfama")
    panel.expect_below(1, "Interrupted")


def test_turns_are_copied_deleted_cleared_put_back_and_downloaded(
    open_panel: Open, provider: Provider
) -> None:
    _, panel = open_panel()
    provider.answer(ANSWER)
    panel.send("Three days?")
    panel.expect_below(1, "10 → 32 tokens")
    panel.expect_ready()
    panel.ask("And Porto?")
    texts = panel.texts()
    panel.act(1, "Copy")
    panel.expect_copied(ANSWER)
    panel.message(1).locator("pre").hover()
    panel.message(1).get_by_role("button", name="Copy code").click()
    panel.expect_copied('print("pastel de nata")')
    panel.act(1, "Delete this turn")
    panel.notice.hover()  # it stays as long as somebody points at it
    panel.expect_messages("And Porto?", "Answer to: And Porto?")
    panel.expect_notice("deleted")
    panel.undo()
    panel.expect_messages(*texts)
    panel.menu("Clear the conversation")
    panel.notice.hover()
    panel.expect_messages()
    panel.undo()
    panel.expect_messages(*texts)
    assert [each["role"] for each in json.loads(panel.export(".json").read_text())] == ROLES
    lines = panel.export(".jsonl").read_text().splitlines()
    assert [json.loads(line)["role"] for line in lines] == ROLES
    assert ANSWER in panel.export(".md").read_text()
    assert "<strong>Alfama</strong>" in panel.export(".html").read_text()
    assert json.loads(panel.export(".ipynb").read_text())["nbformat"] == 4


def test_model_options_and_system_prompt_are_chosen_for_the_panel_alone(
    open_panel: Open, provider: Provider
) -> None:
    notebook, panel = open_panel("chat.send('From a cell.')")
    panel.choose_model("openai-chat/larger")
    expect(panel.button("Model: openai-chat/larger")).to_be_visible()
    panel.menu("System prompt and options")
    panel.set("System prompt", "Answer in French.")
    panel.set("Temperature", "0.5")
    panel.set("Reasoning", "low")
    notebook.screenshot("panel-options")
    panel.root.press("Escape")
    expect(panel.drawer).to_be_hidden()
    panel.ask("Two days?")
    asked = provider.requests[0].body
    assert (asked["model"], asked["temperature"]) == ("larger", 0.5)
    assert asked["reasoning_effort"] == "low"
    assert asked["messages"][0] == {"role": "system", "content": "Answer in French."}
    expect(panel.root.get_by_text("10 → 4 tokens", exact=True)).to_be_visible()
    notebook.run(2)
    panel.expect_below(3, "Answer to: From a cell.")
    asked = provider.requests[1].body
    assert (asked["model"], "temperature" in asked) == ("test", False)
    assert asked["messages"][0]["content"] == "Be brief."
    panel.choose_model("nonsense")
    panel.expect_hint("nonsense")
    expect(panel.button("Model: openai-chat/larger")).to_be_visible()


def test_stored_chats_are_opened_named_deleted_and_begun(open_panel: Open) -> None:
    other = "Chat('porto', model=chat.model).ask('Porto?')"
    notebook, panel = open_panel("chat.title", first=other)
    panel.ask("Lisbon?")
    chats = panel.open_chats()
    expect(chats).to_have_count(2)
    notebook.screenshot("panel-chats")
    chats.filter(has_text="Porto?").get_by_role("button").first.click()
    panel.expect_messages("Porto?", "Answer to: Porto?")
    expect(panel.drawer).to_have_count(0)  # it would lie over the conversation
    panel.open_chats()
    panel.rename_chat(chats.filter(has_text="Porto?"), "The north")
    expect(panel.root.get_by_role("heading", name="The north")).to_be_visible()
    chats.filter(has_text="Lisbon?").get_by_role("button").first.click()
    panel.expect_messages("Lisbon?", "Answer to: Lisbon?")
    panel.open_chats()
    north = chats.filter(has_text="The north")
    panel.delete_chat(north, sure=False)
    expect(north).to_have_count(1)
    panel.delete_chat(north)
    expect(chats).to_have_count(1)
    panel.new_chat("The south")
    panel.expect_messages()
    panel.ask("Faro?")
    panel.rename("Algarve")
    expect(panel.root.get_by_role("heading", name="Algarve")).to_be_visible()


def test_of_a_thousand_messages_the_newest_are_in_view_and_the_rest_on_demand(
    open_panel: Open,
) -> None:
    said = "[{'role': 'user' if n % 2 else 'assistant', 'content': f'Word {n}. ' * (n % 7 + 1)}"
    long = f"long = Chat.from_messages('long', {said} for n in range(1, 1001)], model=chat.model)"
    notebook, panel = open_panel(first=long, panel="long.panel()")
    expect(panel.messages).to_have_count(30)
    expect(panel.message(-1)).to_be_in_viewport()
    panel.expect_below(-1, "Word 1000.")
    assert panel.is_at_end()
    panel.scroll(-100_000)
    expect(panel.messages).to_have_count(60)
    assert re.search(r"Word 9[789]\d", panel.reading())
    expect(panel.button("Show earlier (940)")).to_be_visible()
    panel.history.press("Home")
    expect(panel.messages).to_have_count(90)
    hits = panel.search("word 17.")
    expect(hits).to_have_count(1)
    hits.first.click()
    panel.expect_revealed("Word 17.")
    notebook.screenshot("panel-search")
    panel.button("Newest").click()
    expect(panel.message(-1)).to_be_in_viewport()
    panel.root.press("Escape")
    panel.ask("Word 1001.")
    assert panel.is_at_end()


def test_what_is_read_stays_put_while_an_answer_grows(open_panel: Open, provider: Provider) -> None:
    words = [f"Line {number}.\n\n" for number in range(1, 101)]
    answer = provider.answer(tokens=words, gated=True)
    _, panel = open_panel()
    panel.send("Go on.")
    answer.release(60)
    panel.expect_below(1, "Line 60.")
    assert panel.is_at_end()
    panel.scroll(-400)
    expect(panel.button("Newest")).to_be_visible()
    with panel.stays_put():
        answer.release(20)
        panel.expect_below(1, "Line 80.")
    panel.button("Newest").click()
    assert panel.is_at_end()
    answer.open()
    panel.expect_below(1, "Line 100.")
    panel.expect_ready()
    assert panel.is_at_end()


def test_two_panels_on_a_page_and_two_notebooks_show_one_conversation(
    open_panel: Open, open_notebook: Callable[..., Notebook], provider: Provider
) -> None:
    notebook, panel = open_panel("chat.panel(height='400px')")
    notebook.run(2)
    below = Panel(notebook, 2)
    answer = provider.answer("Alfama Belém", gated=True)
    below.send("Where?")
    answer.release()
    below.expect_messages("Where?", "Alfama")
    panel.expect_messages("Where?", "Alfama")
    other = open_notebook(opening(provider), "chat.panel()")
    other.run_all()
    there = Panel(other, 1)
    there.expect_messages("Where?", "Alfama")
    answer.open()
    there.expect_messages("Where?", "Alfama Belém")
    there.ask("From there?")
    panel.expect_messages("Where?", "Alfama Belém", "From there?", "Answer to: From there?")
    panel.act(0, "Delete this turn")
    for each in (below, there):
        each.expect_messages("From there?", "Answer to: From there?")


@pytest.mark.parametrize("kernel", ["takes clicks", "is deaf"])
def test_stop_while_another_cell_runs(open_panel: Open, provider: Provider, kernel: str) -> None:
    answer = provider.answer("Alfama Belém", gated=True)
    deaf = DEAF if kernel == "is deaf" else ""
    notebook, panel = open_panel("time.sleep(600)", first=deaf)
    panel.send("Where?")
    answer.release()
    panel.expect_messages("Where?", "Alfama")
    notebook.run(2, wait=False)
    notebook.until("return cells[2].model.executionState === 'running'")
    panel.button("Stop").click()
    if deaf:
        panel.expect_hint("The kernel is busy; this is done when the cell that runs ends.")
        notebook.screenshot("panel-busy")
        notebook.interrupt()
    panel.expect_below(1, "stopped")
    if deaf:
        notebook.until("return cells[2].model.executionState !== 'running'")
    assert notebook.running(2) != bool(deaf)
    expect(panel.hint).to_be_empty()
    notebook.interrupt()
    notebook.wait_idle()


def test_a_call_is_allowed_or_not_by_its_buttons(open_panel: Open, provider: Provider) -> None:
    def asks(*names: str) -> None:
        calls = [
            call("delete", f'{{"name": "{name}"}}', id=f"{name}", index=n)
            for n, name in enumerate(names)
        ]
        provider.answer(tokens=calls, finish_reason="tool_calls")

    notebook, panel = open_panel("print(*gone)", first=GUARDED)
    asks("a.csv")
    panel.send("Delete it.")
    panel.expect_below(1, "May delete run?")
    panel.act(1, "Allow")
    panel.expect_below(1, "Answer to: Delete it.")
    asks("b.csv", "c.csv")
    panel.send("And these.")
    panel.expect_below(3, "Allow all")
    notebook.screenshot("panel-asked-for-leave")
    each = panel.message(3).locator("[data-call]")
    each.filter(has_text="b.csv").get_by_role("button", name="Do not allow").click()
    expect(each).to_have_count(0)
    panel.act(3, "Allow")
    panel.expect_below(3, "Answer to: And these.")
    notebook.run(2)
    assert notebook.text(2) == "a.csv c.csv"


def test_everything_is_reached_by_keyboard_and_no_key_is_a_command_of_the_notebook(
    open_panel: Open,
) -> None:
    notebook, panel = open_panel("print('below')")
    panel.ask("Two days?")
    assert panel.without_a_name() == []
    panel.tab_to("Copy", back=True)
    for key in ("d", "d", "b", "x", "Enter"):
        panel.root.page.keyboard.press(key)
    panel.expect_copied("Answer to: Two days?")
    panel.root.page.keyboard.press("ArrowRight")
    panel.expect_focus("Answer again")
    panel.tab_to("More", back=True)
    panel.root.page.keyboard.press("Enter")
    panel.root.page.keyboard.press("ArrowDown")
    panel.expect_focus("Search")
    panel.root.page.keyboard.press("Escape")
    panel.expect_focus("More")
    notebook.until("return cells.length === 3")


def test_it_is_readable_in_light_and_dark_wide_and_narrow(
    open_panel: Open, provider: Provider, dark: Callable[[Notebook], None]
) -> None:
    thought = {"reasoning_content": "The hills are steep."}
    provider.answer(tokens=[thought, *ANSWER, FORMULA])
    narrow = "panel.layout.width = '400px'"
    notebook, panel = open_panel(narrow, panel="panel = chat.panel()\npanel")
    panel.paste_picture(panel.root.screenshot())
    expect(panel.files).to_have_count(1)
    panel.send("What shall we do with three days in Lisbon, and with this?")
    panel.expect_below(1, "Where")
    panel.ask("And Porto?")
    assert panel.overflowing() == []
    notebook.screenshot("panel-light")
    light = panel.colours()
    dark(notebook)
    expect(panel.root).not_to_have_css("background-color", light[1])
    expect(notebook.page.locator("#jupyterlab-splash")).to_have_count(0)
    notebook.screenshot("panel-dark")
    for text, ground in (light, panel.colours()):
        assert contrast(text, ground) > 7
    notebook.run(2)
    expect(panel.root).to_have_css("width", "400px")
    panel.scroll(-100_000)
    notebook.screenshot("panel-dark-narrow")
    assert panel.overflowing() == []


def contrast(one: str, other: str) -> float:
    """As WCAG has it, of two colours as the browser computes them."""

    def luminance(colour: str) -> float:
        channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
        linear = [c / 12.92 if c <= 0.04 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(map(float.__mul__, (0.2126, 0.7152, 0.0722), linear))

    dark, light = sorted(map(luminance, (one, other)))
    return (light + 0.05) / (dark + 0.05)
