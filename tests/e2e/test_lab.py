"""The harness itself, on plain notebooks: what the other tests here take from it as given."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.lab import Notebook

pytestmark = pytest.mark.e2e

SLOWLY = "import time\nfor i in range(600):\n    print(f'tick {i}.')\n    time.sleep(0.1)"


def test_cells_run_and_are_edited_and_saved(open_notebook: Callable[..., Notebook]) -> None:
    notebook = open_notebook("x = 20", "print(x + 1)")
    notebook.run_all()
    assert notebook.text(1) == "21"
    notebook.edit(1, "x + 2")
    notebook.run(1)
    assert notebook.outputs(1)[0]["data"]["text/plain"] == "22"
    saved = notebook.save()
    assert [cell["id"] for cell in saved["cells"]] == ["cell-0", "cell-1"]
    assert saved["cells"][1]["outputs"][0]["output_type"] == "execute_result"
    notebook.restart_and_run_all()
    assert notebook.text(1) == "22"
    notebook.screenshot("harness-cells")


def test_a_running_cell_is_seen_to_grow_and_is_interrupted(
    open_notebook: Callable[..., Notebook],
) -> None:
    notebook = open_notebook(SLOWLY)
    before = notebook.bytes_received
    notebook.run(0, wait=False)
    notebook.wait_text(0, "tick 2.")
    assert notebook.running(0)
    assert notebook.bytes_received > before
    notebook.interrupt()
    notebook.wait_idle()
    assert "KeyboardInterrupt" in notebook.text(0)


def test_a_widget_outlives_the_page_and_the_tab(open_notebook: Callable[..., Notebook]) -> None:
    notebook = open_notebook("import ipywidgets\nw = ipywidgets.HTML('here')\nw", "w.value = 'new'")
    notebook.run(0)
    notebook.wait_text(0, "here")
    notebook.save()
    notebook.reload()
    notebook.wait_text(0, "here")
    notebook.close_tab()
    notebook.open()
    notebook.wait_text(0, "here")
    notebook.run(1)
    notebook.wait_text(0, "new")
    notebook.screenshot("harness-widget")
    assert notebook.foreign_requests() == []


def test_a_wait_in_vain_says_what_page_server_and_kernel_are_at(
    open_notebook: Callable[..., Notebook],
) -> None:
    notebook = open_notebook("def nap():\n    import time\n    time.sleep(60)\n\nprint('x')\nnap()")
    notebook.run(0, wait=False)
    notebook.wait_text(0, "x")
    with pytest.raises(AssertionError, match="waited in vain") as told:
        notebook.wait_idle(timeout=0.1)
    for part in (", connected", '["running",', '"execution_state": ', "in nap\n", "Kernel started"):
        assert part in str(told.value)
    with pytest.raises(AssertionError, match="no 'nothing' in cell 0"):
        notebook.wait_text(0, "nothing", timeout=0.1)
    notebook.interrupt()
    notebook.wait_idle()
