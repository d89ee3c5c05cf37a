"""The parts of every explorer: controls, a picture, `Explorer`, which connects them; untrained networks from a seed."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import ipywidgets as widgets
import numpy as np
import torch
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor, nn
from torch.nn import functional as F

from resnet_edu import checks, plots, probes, training
from resnet_edu.data import Images
from resnet_edu.lesson import put


class Explorer:
    """Controls and the picture that they change, displayed in the output of the current cell.

    controls: {setting: widget}. draw: called with the settings as keywords, once at the start and after every change of
    a control; changes the figure in place and returns its alt text.
    buttons: {label: action}; an action is called like `draw` when its button is pressed. Use it for what takes
    seconds.
    """

    def __init__(
        self,
        controls: Mapping[str, Any],
        figure: Figure,
        draw: Callable[..., str],
        buttons: Mapping[str, Callable[..., str]] | None = None,
    ) -> None:
        self.controls, self.figure, self.draw = dict(controls), figure, draw
        layout = {"width": "auto", "align_self": "flex-start"}
        self.buttons = {text: widgets.Button(description=text, layout=layout) for text in buttons or {}}
        self._handle: Any = Picture(layout={"align_self": "flex-start"}) if "VOILA_BASE_URL" in os.environ else None
        FigureCanvasAgg(figure)  # reuse one canvas: a new one would parse every number of a log axis again
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        for text, action in (buttons or {}).items():
            self.buttons[text].on_click(partial(self._press, text, action))
        _put(widgets.VBox([*self.controls.values(), *self.buttons.values(), *([self._handle] if self._handle else [])]))
        self._redraw(None)

    def settings(self) -> dict[str, Any]:
        """The values of the controls, as keywords for `draw`: "none" is None, which a menu cannot show as selected."""
        return {name: None if control.value == "none" else control.value for name, control in self.controls.items()}

    @plots.course_look  # wraps the rendering, too: some ticks are created only then
    def _redraw(self, _change: Any) -> None:
        alt = self.draw(**self.settings())
        self._handle = put(self.figure, alt, self._handle)

    @plots.course_look
    def _press(self, text: str, action: Callable[..., str], button: Any) -> None:
        button.disabled = True  # a second press would be queued and run again
        button.description = text
        try:
            alt = action(**self.settings())
        except KeyboardInterrupt:
            button.description = f"{text} (last run stopped)"
            return
        finally:
            button.disabled = False
            if hasattr(button, "focus"):  # since ipywidgets 8; disabling the button dropped the keyboard focus
                button.focus()
        self._handle = put(self.figure, alt, self._handle)


class Picture(widgets.Image):
    """The picture of an explorer under Voila, which does not update what a cell displayed."""

    def update(self, output: Mapping[str, Any], **_: Any) -> None:
        self.value, self.tooltip = output["image/png"], output["text/plain"]


def _put(controls: Any) -> None:
    """Display the controls; a page without a kernel, which cannot show them, says so."""
    view = {"version_major": 2, "version_minor": 0, "model_id": controls.model_id}
    instead = "To use the controls of this picture, run this cell."
    page = f"<p><em>{instead}</em></p>"
    display({"application/vnd.jupyter.widget-view+json": view, "text/html": page, "text/plain": instead}, raw=True)


# --- controls ---------------------------------------------------------------------------------------------------------

WIDE = {"description_width": "150px"}
#: For a slider, which is long because the mouse has to find each step.
ON_RELEASE = {"style": WIDE, "layout": {"width": "640px", "max_width": "100%"}, "continuous_update": False}


def slider(text: str, value: float, least: float, most: float, step: float = 1, **options: Any) -> Any:
    """A slider that reports its value on release; an integer slider if `step` is an integer."""
    kind = widgets.IntSlider if isinstance(step, int) else widgets.FloatSlider
    return kind(value=value, min=least, max=most, step=step, description=text, **ON_RELEASE | options)


def range_slider(name: str, value: int, choices: range, **options: Any) -> Any:
    """A slider over these integers that starts at `value`, which must be one of them."""
    if value not in choices:
        raise ValueError(f"{name}={value!r:.60}: give one of {choices}.")
    return slider(name, value, choices[0], choices[-1], choices.step, **options)


def log_slider(text: str, value: float, powers: tuple[float, float], base: int, readout: str, **options: Any) -> Any:
    """A slider from base ** powers[0] to base ** powers[1], in quarters of a power."""
    return widgets.FloatLogSlider(
        value=value, base=base, min=powers[0], max=powers[1], step=0.25, description=text, readout_format=readout,
        **ON_RELEASE | options,
    )  # fmt: skip


def menu(text: str, options: Iterable[Any], value: Any, **more: Any) -> Any:
    return widgets.Dropdown(options=list(options), value=value, description=text, style=WIDE, **more)


def checkbox(text: str) -> Any:
    return widgets.Checkbox(value=False, description=text, indent=True, style=WIDE)


def upload(text: str) -> Any:
    """A button that opens the reader's own file, where the front end has one; see `uploaded`."""
    return widgets.FileUpload(description=text, accept="image/*", layout={"width": "auto", "align_self": "flex-start"})


def uploaded(value: Any) -> bytes:
    """The last uploaded file: ipywidgets 7 has a dict of files by name, ipywidgets 8 a sequence of files."""
    return bytes(list(value.values() if isinstance(value, Mapping) else value)[-1]["content"])


# --- pictures ---------------------------------------------------------------------------------------------------------


def page(height: float, columns: int = 1, widths: Any = None, **margins: float) -> tuple[Figure, list[Axes]]:
    """A figure of the notebook's width with axes side by side; the margins are fixed, so that nothing moves."""
    figure = Figure(figsize=(plots.WIDTH, height))
    axes = figure.subplots(1, columns, squeeze=False, width_ratios=widths)[0]
    figure.subplots_adjust(**margins)
    return figure, list(axes)


def one_panel() -> tuple[Figure, Axes]:
    figure, (ax,) = page(3.4, left=0.09, right=0.98, top=0.9, bottom=0.15)
    return figure, ax


NORM_OF_WEIGHTS = "gradient norm of the weights"


class Trace:
    """On log axes: the current line by layer, the previous one in gray, and marks for values off the scale.

    now, before: legend labels. legend: options of the legend, if any.
    """

    def __init__(self, ax: Axes, now: str = "this setting", before: str = "previous setting", **legend: Any) -> None:
        ax.set_yscale("log", nonpositive="mask")  # the line breaks at a zero
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        (self._before,) = ax.plot([], [], color=plots.GRAY, linewidth=1, linestyle="--", label=before)
        (self._now,) = ax.plot([], [], color=plots.BLUE, marker="o", markersize=4, label=now)
        self._ax, self._legend, self._marks, self._label = ax, legend, list[Any](), before

    @property
    def values(self) -> np.ndarray:
        """The values shown last."""
        return np.asarray(self._now.get_ydata())

    def show(self, values: np.ndarray) -> None:
        layers = np.arange(1, len(values) + 1)
        self._before.set_data(*self._now.get_data())
        self._now.set_data(layers, values)
        for mark in self._marks:
            mark.remove()
        self._marks = plots.draw_off_scale(self._ax, layers, values, plots.VERMILLION)
        if self._legend:
            self._before.set_label(self._label if len(self._before.get_xdata()) else "_")  # the legend omits it
            self._ax.legend(**self._legend)


def in_words(settings: Mapping[str, Any]) -> str:
    """The settings in words: "depth 56, norm none, skip no"."""
    words = {None: "none", True: "yes", False: "no"}
    return ", ".join(
        f"{name} {words[value] if value is None or isinstance(value, bool) else value}"
        for name, value in settings.items()
    )


# --- untrained networks -----------------------------------------------------------------------------------------------


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the random numbers inside the block; restore the random state afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(checks.seed(seed))
        yield


def norms_and_loss(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[np.ndarray, float]:
    """Gradient norm of every weight, and the loss, of one batch: (float64 [layers], loss)."""
    norms = probes.GradientNorms(net)
    loss = F.cross_entropy(net(images), labels)
    loss.backward()
    norms.record()
    return norms.numpy()[0], float(loss.detach())


def step_losses(net: nn.Module, images: Images, **options: Any) -> list[float]:
    """The loss at each step of `training.fit`; the list ends where it is no longer finite."""
    try:
        history = training.fit(net, images, progress=False, **options)
    except training.DivergenceError as error:
        history = error.history
    return [loss for loss in history.step_loss if np.isfinite(loss)]


def first_over_last(norms: np.ndarray) -> str:
    """The ratio of the first convolution's norm to that of the last one, which comes before the classifier."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return f"first / last convolution: {norms[0] / norms[-2]:.2g}"


def norms_by_setting(ax: Axes, profile: Callable[..., tuple[np.ndarray, float]], **legend: Any) -> Callable[..., str]:
    """The `draw` of an explorer that shows `profile(**settings)`: the norm of every weight's gradient, and the loss."""
    trace = Trace(ax, **legend)
    ax.set_ylabel(NORM_OF_WEIGHTS)

    def draw(**settings: Any) -> str:
        norms, loss = profile(**settings)
        trace.show(norms)
        title = f"{first_over_last(norms)}      loss: {loss:.3g}"
        ax.set_title(title)
        return f"Gradient norm by layer of an untrained network: {in_words(settings)}. {title}."

    return draw
