"""The kernel helper itself: what other tests take from it as given."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels import Kernel

pytestmark = pytest.mark.kernel

WHOSE = "print(get_ipython().get_parent()['metadata'].get('cellId'))"
SLOWLY = "import time\nprint('begun')\ntime.sleep(60)"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("kernel"), GREETING="olá") as kernel:
        yield kernel


def test_a_cell_runs_with_its_id_its_directory_and_the_environment(kernel: Kernel) -> None:
    assert kernel.run(WHOSE, cell_id="a1").text == "a1\n"
    assert kernel.run(WHOSE).text == "None\n"
    assert kernel.run("import os; os.environ['GREETING']").text == "'olá'"
    assert kernel.run("1 / 0").error == "ZeroDivisionError"


def test_a_display_is_updated_in_the_cell_that_made_it(kernel: Kernel) -> None:
    make = (
        "from IPython.display import Markdown, display\nh = display(Markdown('a'), display_id=True)"
    )
    first = kernel.run(make)
    second = kernel.run("h.update(Markdown('b'))")
    assert (first.text, second.text) == ("b", "")


def test_a_cleared_output_waits_for_the_next_one_when_told_to(kernel: Kernel) -> None:
    clear = "from IPython.display import clear_output\nprint('old')\nclear_output(wait=True)\n"
    assert kernel.run(clear).text == "old\n"
    assert kernel.run(clear + "print('new')").text == "new\n"


def test_an_interrupt_reaches_the_running_cell_and_aborts_the_queued_one(kernel: Kernel) -> None:
    running = kernel.start(SLOWLY)
    queued = kernel.start("print('never')")
    kernel.until(lambda: running.text == "begun\n")
    kernel.interrupt()
    kernel.until(lambda: queued.status != "running")
    assert (running.error, queued.status) == ("KeyboardInterrupt", "aborted")


def test_a_widget_takes_a_message_as_from_its_script(kernel: Kernel) -> None:
    make = (
        "import ipywidgets\nw = ipywidgets.Button()\nw.on_click(lambda b: setattr(b, 'icon', 'x'))"
    )
    model_id = kernel.run(make + "\nprint(w.model_id)").text.strip()
    kernel.send_to_widget(model_id, {"event": "click"})
    kernel.until(lambda: {"icon": "x"} in [at.get("state") for at in kernel.comms[model_id]])


def test_restart_and_kill_bring_a_new_kernel(kernel: Kernel) -> None:
    first = kernel.pid
    kernel.run("kept = 1")
    kernel.restart()
    assert kernel.run("kept").error == "NameError"
    second = kernel.pid
    cell = kernel.start(SLOWLY)
    kernel.until(lambda: cell.text == "begun\n")
    kernel.kill()
    assert kernel.run("1 + 1").text == "2"
    assert len({first, second, kernel.pid}) == 3
