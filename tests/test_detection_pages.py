"""Boxes, regions and the explorers of lesson 13 draw what they are given."""

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from readable import drawn
from torch import nn

from resnet_edu import explorers, plots

IMAGES = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
BOX = torch.tensor([[1.0, 2.0, 5.0, 8.0]])
FOUND = [(BOX, torch.tensor([score]), torch.tensor([0])) for score in (0.9, 0.7, 0.5, 0.2)]


def test_a_box_is_drawn_around_its_pixels():
    (patch,) = plots.box_patches(BOX, [1])
    assert (patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()) == (0.5, 1.5, 4.0, 6.0)


def test_boxes_draws_every_box_and_names_every_kind():
    figure = plots.boxes({"a": (IMAGES[0], BOX, [0]), "b": (IMAGES[1], BOX, [1])}, ("car", "cat"))
    assert [len(ax.patches) for ax in figure.axes[:2]] == [1, 1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["car", "cat"]


def test_regions_have_the_color_and_the_hatch_of_their_kind():
    masks = torch.zeros(4, 8, 8, dtype=torch.int64)
    masks[0, 2, 3] = 2
    figure = plots.regions(IMAGES, {"truth": masks}, ("car", "cat"))
    shown = drawn(figure).axes[4].images[0].get_array()
    assert np.allclose(shown[2, 3], [0, 0x72 / 255, 0xB2 / 255]) and np.allclose(shown[0, 0], 0.93)
    assert [mark.hatches for ax in figure.axes for mark in ax.collections] == [[plots.HATCHES[1]]]


def test_precision_and_recall_against_counting():
    scores, hits = torch.tensor([0.9, 0.8, 0.6, 0.3]), torch.tensor([True, False, True, True])
    assert explorers.precision_and_recall(scores, hits, 5, 0.6) == (pytest.approx(2 / 3), pytest.approx(2 / 5))
    assert explorers.precision_and_recall(scores, hits, 5, 0.95) == (1.0, 0.0)
    assert explorers.precision_and_recall(scores, hits, 5, 0.8) == (0.5, 0.2)


def test_the_threshold_hides_boxes_and_moves_the_dot():
    scores, hits = torch.tensor([0.9, 0.7, 0.5, 0.2]), torch.tensor([True, True, False, True])
    explorer = explorers.detection_threshold(IMAGES, FOUND, ("car", "cat"), scores=scores, hits=hits, positives=4)
    for threshold, left in ((0.1, 4), (0.6, 2), (0.95, 0)):
        explorer.controls["threshold"].value = threshold
        assert sum(ax.patches[0].get_visible() for ax in explorer.figure.axes[:4]) == left
    explorer.controls["threshold"].value = 0.6
    dot = explorer.figure.axes[4].lines[-1]
    assert (list(dot.get_xdata()), list(dot.get_ydata())) == ([0.5], [1.0])


def test_every_class_of_boxes_is_told_from_the_others():
    scores, hits = torch.tensor([0.9]), torch.tensor([True])
    classes = ("car", "cat", "dog")
    explorer = explorers.detection_threshold(IMAGES, FOUND, classes, scores=scores, hits=hits, positives=1)
    said = explorer.figure.get_suptitle()
    assert said.endswith("car: solid orange, cat: dashed blue, dog: dotted green")


def test_a_word_in_noise_is_heard_by_the_net():
    class Zero(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.tensor([[0.0, 100.0, 0.0, 0.0]]).expand(len(x), 4) * (x.square().mean() > 2)

    explorer = explorers.tone_noise(Zero())
    bars = explorer.figure.axes[1].patches
    assert [bar.get_height() for bar in bars] == pytest.approx([0.25] * 4)
    explorer.controls["noise"].value = 4.0
    assert [bar.get_height() for bar in bars] == pytest.approx([0, 1, 0, 0])


def test_the_spectrogram_finds_a_tone():
    tone = torch.sin(2 * torch.pi * 250 * torch.arange(2048) / 2000)
    found = explorers.trained.spectrogram(tone)
    assert (
        found.shape[0] == 129 and abs(found[:, 30].argmax() * 2000 / 256 - 250) < 8 and found.max() == pytest.approx(0)
    )


NOTHING = torch.zeros(4, 8, 8, dtype=torch.int64)


def test_every_kind_that_has_a_color_can_be_drawn():
    names = ("a", "b", "c", "d")
    figure = plots.boxes({"x": (IMAGES[0], BOX.expand(4, 4), range(4)), "none": (IMAGES[1], BOX[:0], [])}, names)
    assert len({(p.get_edgecolor(), p.get_linestyle()) for p in figure.axes[0].patches}) == 4
    figure = plots.regions(IMAGES, {"truth": (NOTHING + 4).to(torch.uint8)}, names)
    assert np.allclose(figure.axes[4].images[0].get_array(), to_rgb(plots.PURPLE))
    figure = plots.precision_recall({name: ([0.0, 1.0], [1.0, 0.5]) for name in names})
    assert len({line.get_color() for line in figure.axes[0].lines}) == 4
