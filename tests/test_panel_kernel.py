"""The panel in a real kernel: where it is displayed, what the notebook keeps, what it leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels import Cell, Json, Kernel
from tests.servers import Provider

pytestmark = pytest.mark.kernel

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        kernel.run(
            "from chatkit import Chat, get_model, progress\nprogress.PATIENCE = 600\n"
            "import asyncio, comm, chatkit.engine, ipywidgets"
        )
        yield kernel


@pytest.fixture
def kernel(shared: Kernel, provider: Provider, request: pytest.FixtureRequest) -> Kernel:
    """A kernel with a chat of the test's own in it."""
    model = f"get_model('openai-chat/test', base_url={provider.url!r}, api_key='x')"
    ran = shared.run(f"chat = Chat({request.node.name!r}, model={model})")
    assert ran.error == ""
    return shared


def panels(kernel: Kernel) -> int:
    """How many panels are open, once the engine has done what it was told."""
    count = (
        "chatkit.engine.get_engine().run(asyncio.sleep(0))\n"
        "from ipywidgets.widgets.widget import _instances\n"
        "sum(type(each).__name__ == 'Panel' for each in list(_instances.values()))"
    )
    return int(kernel.run(count, cell_id="count").text)


def model_of(cell: Cell) -> str:
    found: str = cell.outputs[0]["data"][VIEW]["model_id"]
    return found


def told(kernel: Kernel, cell: Cell) -> list[Json]:
    """What the panel of a cell has told its script."""
    sent = kernel.comms[model_of(cell)]
    return [each["content"] for each in sent if each.get("method") == "custom"]


def kept(cell: Cell) -> str:
    """What the notebook would show of the panel without its kernel."""
    return str(cell.outputs[1]["data"]["text/html"]) if len(cell.outputs) > 1 else ""


def test_it_is_displayed_asked_in_and_kept(kernel: Kernel) -> None:
    cell = kernel.run("chat.panel()", cell_id="shown")
    assert set(cell.outputs[0]["data"]) == {VIEW, "text/plain"}
    kernel.send_to_widget(model_of(cell), {"do": "send", "click": 1, "text": "Lisbon?"})
    kernel.until(lambda: "Answer to: Lisbon?" in kept(cell))
    assert told(kernel, cell)[0] == {"took": 1}
    assert any("Answer to: Lisbon?" in str(each) for each in told(kernel, cell))
    assert len(cell.outputs) == 2
    assert cell.text.count("Answer to") == 0  # no cell shows what the panel asks


def test_a_cell_that_runs_again_ends_the_panel_it_showed_before(kernel: Kernel) -> None:
    before = panels(kernel)
    kernel.run("chat.panel()", cell_id="again")
    kernel.run("chat.panel()", cell_id="again")
    assert panels(kernel) == before + 1


def test_a_panel_shown_in_two_cells_lives_until_both_have_run_again(kernel: Kernel) -> None:
    before = panels(kernel)
    kernel.run("both = chat.panel(); display(both)", cell_id="one")
    kernel.run("both", cell_id="two")
    kernel.run("chat.panel()", cell_id="one")
    assert panels(kernel) == before + 2
    kernel.run("both", cell_id="two")
    assert panels(kernel) == before + 2
    kernel.run("chat.panel()", cell_id="two")
    assert panels(kernel) == before + 2


def test_in_a_box_it_is_only_a_widget(kernel: Kernel) -> None:
    cell = kernel.run("ipywidgets.VBox([chat.panel()])", cell_id="box")
    [output] = cell.outputs
    assert VIEW in output["data"]


def test_where_nobody_looks_it_is_a_page_with_the_answers(
    kernel: Kernel, provider: Provider
) -> None:
    provider.answer("one two three", delay=0.05)
    cell = kernel.run("chat._say('Count.')\nchat.panel()")
    [output] = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "one two three" in output["data"]["text/html"]
    again = kernel.run("1 + 1")
    assert again.text == "2"
