"""`CifarNet`, `fit` and `evaluate` take exactly what their docstrings allow, in hundreds of combinations."""

import contextlib
import math
import string

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import pictures
from torch import nn

from resnet_edu import models, training

many = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
some = settings(many, max_examples=100)


def refused(call, *arguments, **options):
    """True when the call raises a TypeError or ValueError, False when it returns."""
    try:
        call(*arguments, **options)
    except (TypeError, ValueError):
        return True
    return False


JUNK = st.one_of(
    st.integers(-3, 70),
    st.floats(-2, 2),
    st.sampled_from([math.nan, math.inf, -math.inf, 0, -0.0, 1, 10**12, -(10**12)]),
    st.booleans(),
    st.none(),
    st.text(string.ascii_letters, max_size=6),
    st.lists(st.integers(0, 3), max_size=3),
    st.sampled_from([object, print, nn.ReLU(), nn.Linear, torch.float32, slice(1), {1}, 1j]),
    st.builds(lambda shape: torch.zeros(shape), st.lists(st.integers(0, 2), max_size=5)),
    st.builds(lambda shape: np.zeros(shape), st.lists(st.integers(0, 2), max_size=3)),
)


def linear(outputs=10, size=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, outputs))


GOOD_NET = {
    "depth": st.sampled_from([8, 14]),
    "residual": st.booleans(),
    "width": st.integers(1, 5),
    "block": st.sampled_from(["basic", lambda i, o, s: models.conv3x3(i, o, s)]),
    "preactivation": st.booleans(),
    "shortcut": st.sampled_from(["A", "B", "C"]),
    "norm": st.sampled_from(models.NORMS),
    "activation": st.sampled_from(list(models.ACTIVATIONS)),
    "init": st.sampled_from(["he", "xavier", "default", nn.init.orthogonal_]),
    "num_classes": st.integers(1, 12),
    "in_channels": st.integers(1, 4),
}
ONLY_RESIDUAL = {
    "skip_scale": st.floats(-2, 2),
    "zero_init_residual": st.booleans(),
    "stochastic_depth_prob": st.floats(0, 0.9),
}


@some
@given(
    st.fixed_dictionaries(GOOD_NET), st.fixed_dictionaries(ONLY_RESIDUAL), st.sampled_from([2, 3]), st.integers(1, 9)
)
def test_any_allowed_net_runs(options, only_residual, n, size):
    if options["residual"]:
        options.update(only_residual)
    net = models.CifarNet(**options).eval()
    logits = net(torch.randn(n, options["in_channels"], size, size))
    assert logits.shape == (n, options["num_classes"])


@many
@given(st.sampled_from([*GOOD_NET, *ONLY_RESIDUAL]), JUNK)
def test_cifarnet_refuses_a_setting_or_runs_with_it(name, value):
    if name in ("width", "num_classes", "in_channels", "depth") and isinstance(value, int) and value > 70:
        return  # a net of that size would be built, if there were the memory
    if name in ("block", "init") and callable(value):
        return  # any function is taken; what it does is its own affair
    options = {"depth": 8, "residual": True, "width": 2, name: value}
    if not refused(models.CifarNet, **options):
        net = models.CifarNet(**options).eval()
        assert net(torch.zeros(1, net.in_channels, 4, 4)).shape == (1, options.get("num_classes", 10))


@some
@given(st.integers(-5, 200), st.sampled_from(["basic", "bottleneck"]))
def test_exactly_the_depths_of_the_formula_are_possible(depth, block):
    step = 6 if block == "basic" else 9
    possible = depth >= step + 2 and (depth - 2) % step == 0
    assert refused(models.CifarNet, depth, residual=True, width=1, block=block) is not possible


def whole_number(value, low, high=math.inf):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def number(value, below=math.inf):
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return True  # JUNK holds zeros only
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < below


ALLOWED = {
    "epochs": lambda value: whole_number(value, 1),
    "batch_size": lambda value: whole_number(value, 1),
    "lr": number,
    "momentum": lambda value: number(value, below=1),
    "weight_decay": number,
    "augment": lambda value: isinstance(value, bool),
    "seed": lambda value: whole_number(value, 0, 2**32 - 1),
    "progress": lambda value: isinstance(value, bool),
}


@many
@given(st.sampled_from(list(ALLOWED)), JUNK)
def test_fit_takes_exactly_the_settings_that_can_be(name, value):
    if name == "epochs" and isinstance(value, int) and value > 3:
        return  # it would train for as long
    if name == "lr" and isinstance(value, int | float) and value > 10:
        return  # it would diverge, and say so
    arguments = {"net": linear(), "train": pictures(4), "epochs": 1, "batch_size": 2, "progress": False, name: value}
    with contextlib.redirect_stdout(None):
        assert refused(training.fit, **arguments) is not ALLOWED[name](value)


@some
@given(
    st.integers(1, 9), st.integers(1, 12), st.integers(1, 2), st.floats(0, 0.1), st.floats(0, 0.99), st.booleans(),
    st.sampled_from(["one_cycle", "paper", "constant", lambda step, total: 0.5]), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_any_allowed_run_trains(n, batch_size, epochs, lr, momentum, augment, schedule, seed):
    history = training.fit(
        linear(), pictures(n), epochs=epochs, batch_size=batch_size, lr=lr, momentum=momentum, augment=augment,
        schedule=schedule, seed=seed, progress=False,
    )  # fmt: skip
    assert len(history.train_loss) == epochs
    alone = n > 1 and n % batch_size == 1 and batch_size > 1  # a last batch of one image is left out
    batches = math.ceil(n / batch_size) - alone
    assert len(history.step_loss) == epochs * batches


@pytest.mark.parametrize("function", [training.evaluate, training.predict])
@some
@given(JUNK, st.integers(1, 12))
def test_a_net_and_images_are_evaluated_or_refused(function, value, outputs):
    assert refused(function, value, pictures(4))
    assert refused(function, linear(), value)
    assert refused(function, linear(outputs), pictures(4)) is (outputs < 10)
    assert refused(function, linear(), pictures(4), batch_size=value) is not (
        isinstance(value, int) and not isinstance(value, bool) and value >= 1
    )


@some
@given(st.integers(1, 5), st.integers(1, 5))
def test_fit_wants_the_same_classes_in_both_sets(train_classes, val_classes):
    train, val = pictures(4, classes=train_classes), pictures(4, classes=val_classes)
    was_refused = refused(training.fit, linear(), train, val, epochs=1, progress=False)
    assert was_refused is (train_classes != val_classes)


@many
@given(st.integers(1, 10**6), st.data())
def test_every_schedule_is_a_factor_from_0_to_1(total, data):
    step = data.draw(st.integers(0, total - 1))
    for schedule in training.SCHEDULES.values():
        assert 0 <= schedule(step, total) <= 1
