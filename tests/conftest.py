"""Settings that every test shares. They stand in the environment, so that the processes tests start see them too."""

import os

import pytest

os.environ.setdefault("RESNET_EDU_BUDGET", "smoke")
if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores: one thread each is fastest
    os.environ["OMP_NUM_THREADS"] = "1"

#: What takes long in one piece runs first, so that no worker is left waiting for it at the end.
FIRST = ("test_style.py", "test_premises.py", ".ipynb")


def pytest_configure(config):
    config.option.loadscopereorder = False  # pytest-xdist would begin with the files that hold most tests


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: [not item.path.name.endswith(name) for name in FIRST])


@pytest.fixture(autouse=True)
def every_figure_is_readable(monkeypatch):
    """Whatever figure a test draws, and every answer of an explorer, has contrast and a second cue beside color."""
    import readable
    from IPython import get_ipython
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from resnet_edu.explorers import core

    put = core.put

    def drawn(figure, alt, handle=None):
        if get_ipython() is None:  # without a page there is nothing to draw for
            figure.draw_without_rendering()
        return put(figure, alt, handle)

    def checked(draw):
        def draw_and_check(drawn):
            draw(drawn)
            assert not (found := readable.problems(drawn.figure)), found

        return draw_and_check

    monkeypatch.setattr(FigureCanvasAgg, "draw", checked(FigureCanvasAgg.draw))  # also by savefig
    monkeypatch.setattr(core, "put", drawn)
    monkeypatch.setattr(Figure, "draw_without_rendering", checked(Figure.draw_without_rendering))


@pytest.fixture
def page():
    """A notebook's page without a notebook: the list of all that is displayed on it, in order."""
    from IPython.core.displaypub import CapturingDisplayPublisher
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.display_pub = CapturingDisplayPublisher()
    yield shell.display_pub.outputs
    InteractiveShell.clear_instance()
