"""Every public function takes what its docstring allows, and refuses everything else with a sentence.

A refusal is a TypeError, ValueError or IndexError that this package raises itself, not one that comes up from deep
inside PyTorch, and its message is a sentence. Thousands of arguments are tried, most of them wrong.
"""

import contextlib
import inspect
import math
import string
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import resnet_edu
from resnet_edu import lesson, models, plots, probes, training
from resnet_edu.data import CLASSES, Images

PACKAGE = str(Path(resnet_edu.__file__).parent)
REFUSALS = (TypeError, ValueError, IndexError)

many = settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
some = settings(many, max_examples=100)


def refused(call, *arguments, **options):
    """True when the call is refused as it should be, False when it returns."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            call(*arguments, **options)
    except REFUSALS as error:
        frame = inspect.getinnerframes(error.__traceback__)[-1]
        given = f"{getattr(call, '__name__', call)}{arguments}{options}"[:400]
        ours = frame.filename.startswith(PACKAGE) and "raise" in frame.code_context[frame.index]
        assert ours, f"{given}: comes from {frame.filename}: {error!r}"
        message = str(error)
        assert len(message.split()) >= 4 and message[-1] in ".)]}?", f"{given}: no sentence: {message!r}"
        return True
    return False


# --- values of every kind ---------------------------------------------------------------------------------------------

NUMBERS = st.one_of(
    st.integers(-3, 70),
    st.floats(-2, 2),
    st.sampled_from([math.nan, math.inf, -math.inf, 0, -0.0, 1, 10**12, -(10**12)]),
)
JUNK = st.one_of(
    NUMBERS,
    st.booleans(),
    st.none(),
    st.text(string.ascii_letters, max_size=6),
    st.binary(max_size=3),
    st.lists(st.integers(0, 3), max_size=3),
    st.dictionaries(st.text("ab", max_size=1), st.integers(0, 3), max_size=2),
    st.sampled_from([object, print, nn.ReLU(), nn.Linear, torch.float32, torch.device("cpu"), slice(1), {1}, 1j]),
    st.builds(lambda shape: torch.zeros(shape), st.lists(st.integers(0, 2), max_size=5)),
    st.builds(lambda shape: np.zeros(shape), st.lists(st.integers(0, 2), max_size=3)),
)
SHAPES = st.lists(st.integers(0, 4), max_size=5).map(tuple)
DTYPES = st.sampled_from(
    [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.uint8, torch.int64, torch.bool, torch.complex64]
)


@st.composite
def tensors(draw):
    """Tensors of any shape, type and device, some with the shape of images."""
    shape = draw(
        st.one_of(SHAPES, st.sampled_from([(2, 3, 8, 8), (1, 3, 8, 8), (3, 8, 8), (2, 1, 8, 8), (2, 8, 8, 3)]))
    )
    return torch.zeros(shape, dtype=draw(DTYPES), device=draw(st.sampled_from(["cpu", "cpu", "meta"])))


def pictures(n=4, classes=CLASSES, size=8):
    pixels = torch.randint(256, (n, 3, size, size), dtype=torch.uint8)
    return Images(pixels, torch.arange(n) % len(classes), tuple(classes))


def linear(outputs=10, size=8):
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * size * size, outputs))


# --- models -----------------------------------------------------------------------------------------------------------

GOOD_NET = {
    "depth": st.sampled_from([8, 14]),
    "residual": st.booleans(),
    "width": st.integers(1, 5),
    "block": st.sampled_from(["basic", lambda i, o, s: models.conv3x3(i, o, s)]),
    "preactivation": st.booleans(),
    "shortcut": st.sampled_from(["A", "B", "C"]),
    "norm": st.sampled_from(["batch", None]),
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
def test_cifarnet_takes_a_setting_or_refuses_it(name, value):
    if name in ("width", "num_classes", "in_channels", "depth") and isinstance(value, int) and value > 70:
        return  # a net of that size would be built, if there were the memory
    if name in ("block", "init") and callable(value):
        return  # any function is taken; what it does is its own affair
    refused(models.CifarNet, **{"depth": 8, "residual": True, "width": 2, name: value})


@some
@given(st.integers(-5, 200), st.sampled_from(["basic", "bottleneck"]))
def test_exactly_the_depths_of_the_formula_are_possible(depth, block):
    step = 6 if block == "basic" else 9
    possible = depth >= step + 2 and (depth - 2) % step == 0
    assert refused(models.CifarNet, depth, residual=True, width=1, block=block) is not possible


@many
@given(st.one_of(tensors(), JUNK))
def test_a_net_takes_images_or_refuses_what_it_is_given(x):
    net = models.CifarNet(8, residual=True, width=2).eval()
    good = isinstance(x, torch.Tensor) and x.dtype == torch.float32 and x.device.type == "cpu" and x.ndim == 4
    good = good and x.shape[1] == 3 and 0 not in x.shape[2:]
    assert refused(net, x) is not good


@some
@given(JUNK)
def test_counting_and_filling_take_modules(value):
    for function in (models.count_parameters, lambda module: models.initialize(module, "he")):
        assert refused(function, value) is not isinstance(value, nn.Module)
    if not callable(value):
        assert refused(models.initialize, nn.Linear(1, 1), value)


# --- probes -----------------------------------------------------------------------------------------------------------


@many
@given(
    JUNK, st.one_of(st.none(), JUNK, st.lists(st.one_of(JUNK, st.just("1.weight"), st.tuples(JUNK, JUNK)), max_size=3))
)
def test_gradient_norms_takes_parameters_or_refuses_what_it_is_given(module, params):
    refused(probes.GradientNorms, module)
    refused(probes.GradientNorms, linear(), params)


@many
@given(JUNK, JUNK, JUNK)
def test_ratio_takes_layers_and_steps_or_refuses_what_it_is_given(first, last, step):
    norms = probes.GradientNorms(nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1)))
    norms.record()
    refused(norms.ratio, first, last)
    refused(norms.ratio, step=step)
    refused(norms.ratio, "0.weight", last, step)


@many
@given(st.one_of(tensors(), JUNK), st.one_of(st.none(), tensors(), JUNK))
def test_signal_takes_a_batch_or_refuses_what_it_is_given(batch, labels):
    net = models.CifarNet(8, residual=True, width=2, norm=None)
    refused(probes.signal, net, batch, labels)
    refused(probes.signal, batch, torch.zeros(2, 3, 8, 8))


@some
@given(st.one_of(st.none(), tensors(), JUNK))
def test_signal_takes_labels_or_refuses_what_it_is_given(labels):
    refused(probes.signal, models.CifarNet(8, residual=True, width=2), torch.zeros(2, 3, 8, 8), labels)


@some
@given(JUNK)
def test_signal_takes_a_loss_or_refuses_what_it_returns(value):
    net, x = linear(), torch.zeros(2, 3, 8, 8)
    assert refused(probes.signal, net, x, None, lambda out: value)
    if not callable(value):
        assert refused(probes.signal, net, x, None, value)


@some
@given(st.one_of(tensors(), JUNK))
def test_layer_table_takes_a_batch_or_refuses_what_it_is_given(batch):
    refused(probes.layer_table, models.CifarNet(8, residual=True, width=2), batch)
    refused(probes.layer_table, batch, torch.zeros(2, 3, 8, 8))
    refused(probes.first_nonfinite_layer, models.CifarNet(8, residual=True, width=2), batch)


@many
@given(
    st.one_of(tensors(), JUNK),
    st.one_of(st.just(0.05), JUNK),
    st.one_of(st.just(1), JUNK),
    st.sampled_from([models.CifarNet(8, residual=True, width=2), nn.Sequential(nn.Tanh()), linear()]),
)
def test_unit_health_takes_a_batch_or_refuses_what_it_is_given(batch, threshold, unit_dim, net):
    good = torch.rand(2, 3, 8, 8)
    if not isinstance(net, nn.Sequential) or isinstance(batch, torch.Tensor):
        refused(probes.unit_health, nn.Sequential(nn.Tanh()) if isinstance(net, nn.Sequential) else net, batch)
    refused(probes.unit_health, net, good, threshold=threshold)
    refused(probes.unit_health, net, good, unit_dim=unit_dim)
    refused(probes.unit_health, batch, good)


@many
@given(
    JUNK, st.one_of(st.none(), JUNK, st.lists(st.one_of(JUNK, st.just("1.weight"), st.tuples(JUNK, JUNK)), max_size=3))
)
def test_update_ratio_takes_parameters_or_refuses_what_it_is_given(module, params):
    refused(probes.UpdateRatio, module)
    refused(probes.UpdateRatio, linear(), params)
    assert refused(probes.UpdateRatio(linear()).record)


@many
@given(st.one_of(JUNK, st.lists(st.integers(-1, 9), max_size=4)), JUNK)
def test_a_receptive_field_is_measured_or_refused(value, other):
    net = nn.Conv2d(1, 1, 3)
    refused(probes.receptive_field, value, (1, 8, 8))
    refused(probes.receptive_field, net, (1, 8, 8), position=value)
    if not isinstance(other, int):
        refused(probes.receptive_field, net, (1, 8, 8), samples=other)
        refused(probes.receptive_field, nn.Identity(), other)
    refused(probes.receptive_field_formula, value)
    refused(probes.receptive_field_formula, [value, other])


# --- training ---------------------------------------------------------------------------------------------------------

FIT = [
    "epochs",
    "batch_size",
    "lr",
    "schedule",
    "momentum",
    "weight_decay",
    "augment",
    "precision",
    "seed",
    "callbacks",
]


@many
@given(st.sampled_from([*FIT, "progress", "net", "train", "val"]), JUNK)
def test_fit_takes_a_setting_or_refuses_it(name, value):
    if name == "epochs" and isinstance(value, int) and value > 3:
        return  # it would train for as long
    if name in ("schedule", "callbacks") and callable(value):
        return
    if name == "lr" and isinstance(value, int | float) and value > 10:
        return  # it would diverge, and say so
    arguments = {"net": linear(), "train": pictures(), "epochs": 1, "batch_size": 2, "progress": False, name: value}
    refused(training.fit, **arguments)


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
    assert refused(function, value, pictures())
    assert refused(function, linear(), value)
    assert refused(function, linear(outputs), pictures()) is (outputs < 10)
    assert refused(function, linear(), pictures(), batch_size=value) is not (
        isinstance(value, int) and not isinstance(value, bool) and value >= 1
    )


@some
@given(st.integers(1, 5), st.integers(1, 5))
def test_fit_wants_the_same_classes_in_both_sets(train_classes, val_classes):
    train, val = pictures(classes=CLASSES[:train_classes]), pictures(classes=CLASSES[:val_classes])
    was_refused = refused(training.fit, linear(), train, val, epochs=1, progress=False)
    assert was_refused is (train_classes != val_classes)


@many
@given(JUNK, JUNK)
def test_precision_is_one_of_four_words(precision, device):
    refused(training.choose_precision, precision, torch.device("cpu"))
    refused(training.choose_precision, "auto", device)


@many
@given(st.integers(1, 10**6), st.data())
def test_every_schedule_is_a_factor_from_0_to_1(total, data):
    step = data.draw(st.integers(0, total - 1))
    for schedule in training.SCHEDULES.values():
        assert 0 <= schedule(step, total) <= 1


# --- plots ------------------------------------------------------------------------------------------------------------

PLOTS = {
    "gradient_norms": plots.gradient_norms,
    "gradient_heatmap": plots.gradient_heatmap,
    "layers_moved": plots.layers_moved,
    "training_curves": plots.training_curves,
    "signal_scale": plots.signal_scale,
    "update_ratios": plots.update_ratios,
    "unit_parts": lambda profiles: plots.unit_parts(profiles, ylabel="part"),
}
BY_STEP = ("gradient_heatmap", "update_ratios")
ANY_NORM = st.one_of(st.floats(0, 1e30, allow_subnormal=True), st.sampled_from([0.0, math.inf, math.nan]))


@pytest.mark.parametrize("name", PLOTS)
@settings(many, max_examples=15)
@given(st.lists(st.lists(ANY_NORM, min_size=3, max_size=3), min_size=1, max_size=4))
def test_any_norms_can_be_drawn(name, table):
    values = table if name in BY_STEP else table[0]
    if name == "signal_scale":
        values = [table[0], table[-1]]
    if name == "unit_parts":
        values = np.nan_to_num(np.array(values), posinf=1e30) / 1e30
    PLOTS[name]({"plain": values, "residual": np.array(values)}).draw_without_rendering()


# --- lesson -----------------------------------------------------------------------------------------------------------

BOUNDS = st.one_of(JUNK, st.tuples(JUNK, JUNK), st.lists(NUMBERS, max_size=3), st.just((0, 1)))


@many
@given(JUNK, JUNK, BOUNDS, st.one_of(st.just("smoke"), JUNK))
def test_a_claim_is_checked_or_refused(sentence, value, within, since):
    for arguments in (
        (sentence, 0.5, (0, 1), "smoke"),
        ("it holds", value, (0, 1), since),
        ("it holds", 0.5, within, "smoke"),
    ):
        with contextlib.suppress(lesson.ClaimError), contextlib.redirect_stdout(None):
            refused(lesson.claim, *arguments[:2], within=arguments[2], since=arguments[3])


@many
@given(st.floats(), st.floats(-1e9, 1e9), st.floats(0, 1e9))
def test_a_claim_holds_exactly_within_its_bounds(value, low, width):
    inside = value >= low and value <= low + width
    with contextlib.redirect_stdout(None):
        if inside:
            lesson.claim("it holds", value, within=(low, low + width))
        else:
            with pytest.raises(lesson.ClaimError):
                lesson.claim("it holds", value, within=(low, low + width))


@many
@given(JUNK, JUNK, JUNK, st.dictionaries(st.text("ab1 ", max_size=3), JUNK, max_size=2))
def test_a_budget_is_taken_or_refused(smoke, laptop, gpu, table):
    with contextlib.redirect_stdout(None):
        refused(lesson.budget, smoke=smoke, laptop=laptop, gpu=gpu)
        refused(lesson.budget, smoke=table, laptop=table, gpu=gpu)
        refused(lesson.budget, smoke=table, laptop=laptop)
    refused(lesson.seed, smoke)


@some
@given(JUNK, JUNK)
def test_what_is_shown_is_a_figure_with_words(figure, alt):
    with contextlib.redirect_stdout(None):
        assert refused(lesson.show, figure, alt="A line.")
        good = isinstance(alt, str) and bool(alt.strip())
        assert refused(lesson.show, plots.layers_moved({"plain": [True]}), alt=alt) is not good
        assert refused(lesson.LivePlot, figure, alt="A line.") is not callable(figure)


def test_the_check_of_refusals_is_itself_strict():
    def deep():
        return torch.zeros(2) @ torch.zeros(3)

    with pytest.raises(RuntimeError):  # not a refusal at all
        refused(deep)
    with pytest.raises(AssertionError, match="comes from"):  # an error of somebody else
        refused(lambda: np.zeros(2) + np.zeros(3))
    with pytest.raises(AssertionError, match="comes from"):  # passed through by a line of ours
        refused(models.conv3x3, "3", 3)
