"""Stop while a cell is busy, with each version of ipykernel: taken at once where the kernel takes
clicks meanwhile, else said what to do, which then works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests import kernel_versions
from tests.e2e.lab import Lab, Notebook
from tests.e2e.test_session import ASK, opening
from tests.servers import Answer, Provider

pytestmark = pytest.mark.e2e

TAKE_CLICKS = [version for version in kernel_versions.VERSIONS if not version.startswith("6.")]
TAKE_NONE = [version for version in kernel_versions.VERSIONS if version.startswith("6.")]
BLOCK = ["time.sleep(600)", "reply.wait()", "reply.wait(pump=True)", "await reply"]


@pytest.fixture
def open_busy(
    lab: Lab, open_notebook: Callable[..., Notebook], provider: Provider
) -> Callable[[str, str], tuple[Notebook, Answer]]:
    """A function that opens a notebook in which an answer streams, and a cell blocks."""

    def open_busy(version: str, block: str) -> tuple[Notebook, Answer]:
        answer = provider.answer("Alfama Belém Sintra", gated=True)
        name = f"ipykernel-{version}"
        lab.add_kernel(name, kernel_versions.environment(version))
        which = "import ipykernel\nprint(ipykernel.__version__)"
        cells = [f"{opening(provider)}\n{which}", ASK, f"print('blocks')\n{block}", "chat.stop()"]
        notebook = open_notebook(*cells, kernel=name)
        notebook.run(0)
        assert notebook.text(0).endswith(f"\n{version}")
        notebook.run(1)
        answer.release()
        notebook.wait_text(1, "Alfama")
        notebook.run(2, wait=False)
        notebook.wait_text(2, "blocks")
        return notebook, answer

    return open_busy


Busy = Callable[[str, str], tuple[Notebook, Answer]]


@pytest.mark.parametrize("block", BLOCK)
@pytest.mark.parametrize("version", TAKE_CLICKS)
def test_a_click_on_stop_is_taken_while_a_cell_blocks(
    open_busy: Busy, provider: Provider, version: str, block: str
) -> None:
    notebook, _ = open_busy(version, block)
    notebook.press(1, "Stop")
    notebook.wait_text(1, "stopped")
    provider.until(lambda: provider.disconnects == 1)
    assert "Alfama" in notebook.text(1)
    assert "busy" not in notebook.text(1)
    if block.startswith("time"):
        assert notebook.running(2)
        notebook.interrupt()
    notebook.wait_idle()
    assert notebook.outputs(2)[0]["text"] == "blocks\n"


@pytest.mark.parametrize("block", ["time.sleep(600)", "reply.wait()"])
@pytest.mark.parametrize("version", TAKE_NONE)
def test_where_a_blocked_kernel_takes_no_clicks_the_button_says_what_does_it(
    open_busy: Busy, provider: Provider, version: str, block: str
) -> None:
    notebook, _ = open_busy(version, block)
    notebook.press(1, "Stop")
    notebook.wait_text(1, "Interrupt the cell that runs, then call chat.stop()")
    assert notebook.running(2)
    assert provider.disconnects == 0
    notebook.screenshot(f"busy-{version}")
    notebook.interrupt()
    notebook.wait_idle()
    assert "KeyboardInterrupt" in notebook.text(2)
    notebook.run(3)
    notebook.wait_text(1, "stopped")
    assert "busy" not in notebook.text(1)
    provider.until(lambda: provider.disconnects == 1)


@pytest.mark.parametrize("version", kernel_versions.VERSIONS)
def test_interrupt_and_chat_stop_stop_it_without_a_click(
    open_busy: Busy, provider: Provider, version: str
) -> None:
    notebook, _ = open_busy(version, "reply.wait()")
    notebook.interrupt()
    notebook.wait_idle()
    assert "KeyboardInterrupt" in notebook.text(2)
    assert provider.disconnects == 0
    notebook.run(3)
    notebook.wait_text(1, "stopped")
    provider.until(lambda: provider.disconnects == 1)
