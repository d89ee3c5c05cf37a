"""Controls, a function that draws, and the picture on the page: what every explorer is made of; a batch, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import ipywidgets as widgets
import torch
from IPython.display import DisplayHandle, display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from resnet_edu.lesson import put


def in_words(settings: Mapping[str, Any]) -> str:
    """The settings as a reader sees them: "depth 56, norm none, skip no"."""
    words = {None: "none", True: "yes", False: "no"}
    return ", ".join(
        f"{name} {words[value] if value is None or isinstance(value, bool) else value}"
        for name, value in settings.items()
    )


def check_batch(images: Tensor, labels: Tensor) -> None:
    """Float images [N, 3, H, W] and int64 labels [N] from 0 to 9, both on one device; ValueError for all else."""
    if not isinstance(images, Tensor) or images.ndim != 4 or images.dtype != torch.float32 or 0 in images.shape:
        raise ValueError("Give float images [N, 3, H, W], such as next(iter(train.batches(32))) holds.")
    if not isinstance(labels, Tensor) or labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise ValueError(f"Give one label an image: a tensor of int64 [{len(images)}].")
    if images.device.type == "meta" or labels.device != images.device:
        raise ValueError(f"The images are on {images.device}, the labels on {labels.device}: give both on one device.")
    if not 0 <= int(labels.min()) <= int(labels.max()) < 10:
        raise ValueError(f"The labels have to be 0 to 9; they are {int(labels.min())} to {int(labels.max())}.")


class Explorer:
    """Controls, a function that redraws a figure from their values, and the picture on the page.

    controls: {setting: widget}. draw: called with the settings as keywords; changes the figure in place and returns
    its alt text. Every change of a control draws again.
    buttons: {what is written on it: action}; an action is called as `draw` is, when its button is pressed. It is for
    what takes seconds.
    """

    def __init__(
        self,
        controls: Mapping[str, Any],
        figure: Figure,
        draw: Callable[..., str],
        buttons: Mapping[str, Callable[..., str]] | None = None,
    ) -> None:
        self.controls, self.figure, self.draw = dict(controls), figure, draw
        self.buttons = {text: _button(text) for text in buttons or {}}
        self._handle: DisplayHandle | None = None
        FigureCanvasAgg(figure)  # the canvas of all pictures: a new one would parse each number of a log axis again
        for control in self.controls.values():
            control.observe(self._redraw, names="value")
        for text, action in (buttons or {}).items():
            self.buttons[text].on_click(partial(self._press, action))

    def settings(self) -> dict[str, Any]:
        """What the controls say, as keywords for `draw`: "none" is None, which a menu cannot show as chosen."""
        return {name: None if control.value == "none" else control.value for name, control in self.controls.items()}

    def show(self) -> None:
        """Put controls and picture into the current cell's output, in this order."""
        display(widgets.VBox([*self.controls.values(), *self.buttons.values()]))
        self._redraw(None)

    def _redraw(self, _change: Any) -> None:
        alt = self.draw(**self.settings())
        self._handle = put(self.figure, alt, self._handle)

    def _press(self, action: Callable[..., str], button: Any) -> None:
        button.disabled = True  # a second press would wait, and then run again
        try:
            alt = action(**self.settings())
        finally:
            button.disabled = False
            if hasattr(button, "focus"):  # since ipywidgets 8: who pressed it by keyboard was thrown out of it
                button.focus()
        self._handle = put(self.figure, alt, self._handle)


def _button(text: str) -> Any:
    return widgets.Button(description=text, layout=widgets.Layout(width="auto", align_self="flex-start"))
