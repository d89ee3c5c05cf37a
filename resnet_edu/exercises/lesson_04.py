"""The exercises of lesson 04: weights of the right scale, batch normalization, the size of an update."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from resnet_edu.exercises.cases import as_float, call, fits, float64, gradients, integers
from resnet_edu.exercises.compare import same
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.general import Asked
from resnet_edu.exercises.writing import raises

# --- He's initialization ----------------------------------------------------------------------------------------------


def he_normal(weight):
    """Fill weight [out, in, ...] in place with N(0, 2 / fan_in)."""
    fan_in = weight[0].numel()  # all numbers that one output adds up
    with torch.no_grad():
        weight.normal_(0, math.sqrt(2 / fan_in))


#: With 147,456 numbers the variance is known to 0.4%, and the kurtosis to 0.013: rounded, they are safe.
_LARGE, _OTHER = (256, 64, 3, 3), (256, 32, 5, 5)


def _filled(answer: Any, *shape: int) -> Tensor:
    weight = nn.Parameter(torch.full(shape, 10.0))
    fits(answer, weight)
    result = answer(weight)
    if isinstance(result, Tensor) and bool((weight == 10).all()):
        raise Fault("not-in-place", "it returns a tensor, which nobody uses. Fill `weight` itself.")
    if bool((weight == 10).all()):
        raise Fault(
            "weight-unchanged", "it leaves `weight` unchanged. `weight = ...` only gives that name to a new tensor."
        )
    if not weight.requires_grad:
        raise Fault("freezes-the-weight", "after it, `weight` has requires_grad=False, so it can no longer be trained.")
    return weight.detach()


def _variance_times_fan_in(answer: Any, shape: tuple[int, ...]) -> float:
    return _filled(answer, *shape).double().var().item() * math.prod(shape[1:])


def _size(*shape: int) -> Case:
    words = f"fan_in times the variance of weight {list(shape)} after {{name}}(weight), to one digit"
    return Case(words, lambda answer: round(_variance_times_fan_in(answer, shape), 1))


def _statistics(answer: Any) -> dict[str, Any]:
    """Of the numbers, divided by their standard deviation; rounded, so that they are the same for all samples."""
    weight = _filled(answer, *_LARGE).double()
    weight /= weight.std()
    return {
        "mean": round(weight.mean().item(), 1) + 0.0,
        "mean fourth power": round(2 * (weight**4).mean().item()) / 2,
        "any beyond 3.5": bool(weight.abs().max() > 3.5),
        "variance of the filters' norms, times 2": round(2 * weight.flatten(1).norm(dim=1).var().item()),
    }


def _alike(answer: Any) -> bool:
    return torch.equal(_filled(answer, 4, 3), _filled(answer, 4, 3))


def _rows_alike(answer: Any) -> bool:
    weight = _filled(answer, 4, 3, 3, 3)
    return any(torch.equal(weight.select(dim, 0), weight.select(dim, 1)) for dim in range(4))


def _of_a_view(answer: Any) -> dict[str, bool]:
    tensor = torch.full((4, 3), 10.0)
    weight = tensor[:]
    answer(weight)
    return {"tensor is filled": bool((tensor != 10).all()), "weight.requires_grad": weight.requires_grad}


def _has(large: float, other: float | None = None) -> Callable[[Any], bool]:
    """The symptom: fan_in times the variance of _LARGE, and of _OTHER, has this value, up to random variation."""
    pairs = (_LARGE, large), (_OTHER, large if other is None else other)
    return lambda answer: all(abs(_variance_times_fan_in(answer, shape) / of - 1) < 0.03 for shape, of in pairs)


def _small(answer: Any) -> Any:
    return _filled(answer, 4, 3, 3, 3)


HE_NORMAL = Exercise(
    reference=he_normal, difficulty=2, minutes=10,
    task="Fill weight [out, in, ...], the weight of a convolution or a linear layer, in place with samples from the "
         "normal distribution with mean 0 and variance 2 / fan_in. The return value does not matter.",
    cases=(
        _size(*_LARGE), _size(64, 256, 3, 3), _size(512, 64, 1, 5), _size(512, 256),
        Case("weight [256, 64, 3, 3] / its standard deviation after {name}(weight), rounded", _statistics),
        Case("whether two filters, channels, rows, or columns of weight are equal after {name}(weight)", _rows_alike),
        Case("whether {name} fills two weights with the same numbers", _alike),
        Case("after weight = tensor[:] and {name}(weight)", _of_a_view,
             ("new-memory", "You give `weight` new memory (`.data = ...`) or change requires_grad. Only fill it.")),
        Case("whether weight [1, 1] is finite after {name}(weight)", lambda one: bool(_filled(one, 1, 1).isfinite()),
             ("standardized", "You standardize your sample, but samples vary, and one number has no deviation.")),
        _size(65536, 2), _size(512, 64, 5), _size(512, 16, 2, 3, 5),
    ),
    mistakes=(
        Mistake("in-place-on-a-parameter", "weight is a Parameter: autograd forbids changing it in place, unless you "
                "turn gradients off.", ("with torch.no_grad():", "if True:"),
                symptom=raises(RuntimeError, "a leaf Variable that requires grad", _small)),
        Mistake("torch-takes-tensors", "torch.sqrt takes tensors, and 2 / fan_in is a plain number: use `math`.",
                ("math.", "torch."), symptom=raises(TypeError, "must be Tensor", _small)),
        Mistake("only-convolutions", "Your answer accepts only weights with four dimensions. A linear layer's weight "
                "has two: [out, in].", ("    fan_in", "    _, _, rows, columns = weight.shape\n    fan_in"),
                symptom=lambda answer: (
                    _has(2.0)(answer) and raises(Exception, "", lambda one: _filled(one, 4, 3))(answer))),
        Mistake("only-square-kernels", "Your answer is wrong for kernels that are not square.",
                ("weight[0].numel()", "weight.shape[1] * weight.shape[-1] ** (weight.ndim - 2)"),
                symptom=lambda one: _has(2.0)(one) and abs(_variance_times_fan_in(one, (512, 64, 1, 5)) - 2) > 0.1),
        Mistake("no-random-numbers", "Every weight gets the same number, so all filters learn alike.",
                ("normal_(0, ", "fill_("), symptom=lambda answer: _variance_times_fan_in(answer, (8, 4, 3, 3)) == 0),
        Mistake("filters-alike", "You use one sample for several filters, channels, or pixels. Sample every weight.",
                ("fan_in))", "fan_in))\n        weight.copy_(weight[:1].expand_as(weight).clone())"),
                symptom=_rows_alike),
        Mistake("same-numbers-each-time", "Each call starts from the same seed, so every layer gets the same numbers.",
                ("fan_in))", "fan_in), generator=torch.Generator().manual_seed(0))"), symptom=_alike),
        Mistake("keeps-the-old", "You add to the existing numbers, or multiply them. Replace them.",
                ("weight.normal_", "weight += weight.clone().normal_"),
                ("weight.normal_", "weight *= weight.clone().normal_"),
                symptom=lambda one: abs(_filled(one, *_LARGE).mean().item() - 10) < 1 or _has(200.0)(one)),
        Mistake("rand-for-randn", "None of your numbers is negative, as if from torch.rand. Their mean has to be 0.",
                ("normal_", "uniform_"), symptom=lambda answer: _filled(answer, *_LARGE).min().item() >= 0),
        Mistake("variance-for-deviation", "You use the variance, 2 / fan_in, where a standard deviation is required.",
                ("math.sqrt", ""), symptom=_has(4 / 576, 4 / 800)),
        Mistake("root-twice", "You take the square root of the variance twice. The standard deviation takes it once.",
                ("(2 / fan_in)", "(math.sqrt(2 / fan_in))"), symptom=_has(math.sqrt(2 * 576), 40)),
        Mistake("fan-out-for-fan-in", "You count how many outputs each input has. The variance of a sum depends on how "
                "many inputs each output has.", ("weight[0]", "weight[:, 0]"), symptom=_has(0.5, 0.25)),
        Mistake("fan-out-without-kernel", "You divide by the number of output channels. How many numbers does one "
                "output sum?", ("weight[0].numel()", "len(weight)"), symptom=_has(4.5, 6.25)),
        Mistake("mean-of-both-fans", "You take the mean of fan_in and fan_out. That is Xavier initialization, not He "
                "initialization.", ("math.sqrt(2 / fan_in)", "math.sqrt(4 / (fan_in + weight[:, 0].numel()))"),
                symptom=lambda answer: _has(0.8, 4 / 9)(answer) or _has(0.4, 2 / 9)(answer)),
        Mistake("kernel-not-counted", "You count only the input channels. Each output sums a whole window of each "
                "channel.", ("weight[0].numel()", "weight.shape[1]"), symptom=_has(18.0, 50.0)),
        Mistake("one-side-of-the-kernel", "You count only one side of the kernel. A window has rows and columns.",
                ("weight[0]", "weight[0, ..., 0]"), symptom=_has(6.0, 10.0)),
        Mistake("counts-all-weights", "You divide by the total number of weights. How many of them does one output "
                "use?", ("weight[0]", "weight"), symptom=_has(2 / 256)),
        Mistake("one-for-two", "Your variance is 1 / fan_in. ReLU lets half of it through, and the weights have to "
                "compensate for that.", ("(2 /", "(1 /"), symptom=_has(1.0)),
        Mistake("default-of-pytorch", "Your variance is PyTorch's default, 1 / (3 fan_in).", ("(2 /", "(1 / 3 /"),
                symptom=_has(1 / 3)),
        Mistake("uniform-with-that-bound", "You sample uniformly between plus and minus the standard deviation.",
                ("normal_(0, ", "uniform_(-((2 / fan_in) ** 0.5), "),
                symptom=lambda answer: _has(2 / 3)(answer) and _statistics(answer)["mean fourth power"] == 2.0),
        Mistake("uniform", "Your variance is correct, but you sample uniformly. The task asks for a normal "
                "distribution.", ("normal_(0, math.sqrt(2", "uniform_(-((6 / fan_in) ** 0.5), math.sqrt(6"),
                symptom=lambda answer: _has(2.0)(answer) and _statistics(answer)["mean fourth power"] == 2.0),
    ),
    hints=(
        "fan_in is the number of products that one output sums: for a convolution, one per input channel and kernel "
        "pixel. weight[0] holds the weights of one output.",
        "The variance is 2 / fan_in; `normal_(mean, std)` and torch.randn(...) * std use the standard deviation.",
        "A parameter can be changed in place inside `with torch.no_grad():`. Methods whose names end in _ work in "
        "place: normal_, copy_.",
    ),
)  # fmt: skip


# --- batch normalization ----------------------------------------------------------------------------------------------


def batch_norm(x, gamma, beta, running_mean, running_var, momentum=0.1, eps=1e-5, training=True):
    """x [N, C, H, W], the others [C] -> [N, C, H, W]. Training updates running_mean and running_var in place."""
    if training:
        mean = x.mean((0, 2, 3))
        var = x.var((0, 2, 3), unbiased=False)
        n = x.numel() / x.shape[1]  # numbers a channel
        with torch.no_grad():
            running_mean += momentum * (mean - running_mean)
            running_var += momentum * (var * n / (n - 1) - running_var)  # unbiased
    else:
        mean, var = running_mean, running_var
    mean, var, gamma, beta = (each.view(1, -1, 1, 1) for each in (mean, var, gamma, beta))
    return gamma * (x - mean) / torch.sqrt(var + eps) + beta


_GAMMA, _BETA = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 3.0])
_MEAN, _VAR = torch.tensor([1.0, -1.0]), torch.tensor([4.0, 0.25])
_PLAIN, _SHIFTED = (torch.ones(2), torch.zeros(2)), (torch.ones(2), torch.full((2,), 3.0))
_SMALL = torch.tensor([1.0, 3.0, 0.0, 8.0]).reshape(2, 2, 1, 1)
_IMAGES = integers(3, 2, 4, 5) + torch.tensor([1.0, -2.0]).reshape(1, 2, 1, 1)
_EPS = "eps-in-running-var", "Your running_var contains eps, which belongs only under the root."
_CANCELS = "variance-cancels", "The mean of squares minus the squared mean loses digits. Subtract the mean first."


def _run(answer: Any, x: Tensor, gamma: Tensor, beta: Tensor, **options: Any) -> dict[str, Any]:
    """Output and running statistics. Raises Fault if an argument is changed that should not be."""
    arguments = [x.clone(), gamma.clone(), beta.clone()]
    mean, var = _MEAN.to(x.dtype, copy=True), _VAR.to(x.dtype, copy=True)
    fits(answer, *arguments, mean, var, **options)
    out = answer(*arguments, mean, var, **options)
    for name, before, after in zip(("x", "gamma", "beta"), (x, gamma, beta), arguments, strict=True):
        if not same(after, before):
            raise Fault("changes-input", f"it changes {name} in place. Only the running statistics may change.")
    return {"output": out, "running_mean": mean, "running_var": var}


def _part(part: str, words: str, x: Tensor = _IMAGES, affine=(_GAMMA, _BETA), alone=None, **options: Any) -> Case:
    mode = "training" if options.get("training", True) else "eval"
    what = "the output of {name}" if part == "output" else f"{part} after {{name}}"
    asked = Asked(lambda x: _part(part, f"x {list(x.shape)}", x, affine, **options), (x,), {}, ("x",))
    return Case(f"{what}, {mode}, {words}", lambda answer: _run(answer, x, *affine, **options)[part], alone, asked)


def _gradients(answer: Any, **options: Any) -> list[Tensor]:
    return gradients(_IMAGES, _GAMMA, _BETA).run(lambda *x: answer(*x, _MEAN.clone(), _VAR.clone(), **options))


def _statistics_without_graph(answer: Any) -> bool:
    mean, var = _MEAN.clone(), _VAR.clone()
    answer(_IMAGES.clone().requires_grad_(), _GAMMA.clone(), _BETA.clone(), mean, var)
    return not (mean.requires_grad or var.requires_grad)


def _channels_along_columns(answer: Any) -> bool:
    """[C] is not broadcast over the channels, in the statistics or after. Visible where W is C; otherwise it raises."""
    x, plain, spread = integers(3, 2, 4, 2), (-1,), (1, -1, 1, 1)
    found = _run(answer, x, _GAMMA, _BETA)["output"]
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
    return any(
        same(found, _GAMMA.view(b) * (x - mean.view(a)) / torch.sqrt(var.view(a) + 1e-5) + _BETA.view(b))
        for a, b in ((plain, plain), (plain, spread), (spread, plain))
    )


def _output_of_running(answer: Any) -> bool:
    """In training, the answer normalizes with the running statistics, before or after their update."""
    found = _run(answer, _IMAGES, _GAMMA, _BETA)
    moved = _run(batch_norm, _IMAGES, _GAMMA, _BETA)
    return any(
        same(found["output"], batch_norm(_IMAGES, _GAMMA, _BETA, mean, var, training=False))
        for mean, var in ((_MEAN, _VAR), (moved["running_mean"], moved["running_var"]))
    )


def _first_run(answer: Any) -> Any:
    return _run(answer, _IMAGES, _GAMMA, _BETA)


def _normalized_over(*dims: int) -> tuple[str, str]:
    """The patch: in training the output is normalized over these dimensions."""
    statistics = f"var, mean = torch.var_mean(x, {dims}, unbiased=False, keepdim=True)"
    return "    return", f"    if training:\n        {statistics}\n    return"


BATCH_NORM = Exercise(
    reference=batch_norm, difficulty=4, minutes=20,
    task="Write BatchNorm's forward pass for x [N, C, H, W]; all other tensors are [C]. In training, normalize each "
         "channel by its mean and biased variance over the batch, and update running_mean and running_var in place: "
         "move each one a fraction `momentum` of the way toward the batch's mean and unbiased variance. In eval mode, "
         "normalize by the running statistics. Then apply gamma and beta.",
    cases=(
        _part("output", "x = [[1, 3], [0, 8]] as [2, 2, 1, 1], gamma 1, beta 0", _SMALL, _PLAIN),
        _part("output", "x = [[1, 3], [0, 8]] as [2, 2, 1, 1], gamma [2, -1], beta [0.5, 3]", _SMALL),
        _part("output", "x [3, 2, 4, 5]"),
        _part("output", "x = [[1, 3], [0, 8]] as [2, 2, 1, 1], eps 0.5", _SMALL, eps=0.5),
        _part("output", "x = 0 everywhere", torch.zeros(2, 2, 1, 1)),
        _part("running_mean", "where it started at [1, -1]", _SMALL),
        _part("running_mean", "where it started at [1, -1], x [3, 2, 4, 5]"),
        _part("running_mean", "where it started at [1, -1], momentum 0.5", _SMALL, momentum=0.5),
        _part("running_var", "where it started at [4, 0.25]", _SMALL),
        _part("running_var", "where it started at [4, 0.25], x [3, 2, 4, 5]"),
        _part("running_var", "where it started at [4, 0.25], momentum 0.5", momentum=0.5),
        _part("output", "running_mean [1, -1], running_var [4, 0.25]", _SMALL, training=False),
        _part("output", "x [3, 2, 4, 5], eps 0.5", eps=0.5, training=False),
        _part("running_mean", "where it started at [1, -1]", _SMALL, training=False),
        _part("running_var", "where it started at [4, 0.25]", _SMALL, training=False),
        _part("running_var", "where it started at [4, 0.25], eps 0.5", _SMALL, eps=0.5, alone=_EPS),
        _part("running_var", "where it started at [4, 0.25], eps 0.5", _SMALL, eps=0.5, alone=_EPS, training=False),
        _part("output", "x [1, 2, 4, 5]", _IMAGES[:1], alone=("not-for-one-image", "A single image is a batch, too.")),
        _part("running_var", "momentum 1, x [3, 2, 4, 5] around 1,000", _IMAGES + 1000, momentum=1.0, alone=_CANCELS),
        _part("output", "x [3, 2, 4, 5] around 300, gamma 1, beta 3", _IMAGES + 300, _SHIFTED, alone=_CANCELS),
        Case("the gradients of a loss with respect to x, gamma, and beta, training, x [3, 2, 4, 5]", _gradients),
        Case("the gradients of a loss with respect to x, gamma, and beta, eval, x [3, 2, 4, 5]",
             lambda answer: _gradients(answer, training=False)),
        float64(_IMAGES, _GAMMA, _BETA, caller=lambda *answer_and_arguments: _run(*answer_and_arguments)["output"],
                words="the output of {name}, training, x [3, 2, 4, 5]"),
        Case("whether the running statistics are free of gradients after {name}, training", _statistics_without_graph),
    ),
    mistakes=(
        Mistake("channels-along-the-columns", "torch broadcasts [C] along the columns of [N, C, H, W]. Reshape it so "
                "that C is the second of four dimensions.", symptom=_channels_along_columns),
        Mistake("statistics-of-another-shape", "Your batch statistics do not have the shape of the running ones, [C]: "
                "one number per channel. Which dimensions do you reduce, and which do you keep?",
                symptom=lambda answer: (
                    raises(RuntimeError, "doesn't match the broadcast shape", _first_run)(answer)
                    or raises(RuntimeError, "the number of sizes provided", _first_run)(answer))),
        Mistake("running-statistics-in-training", "In training, you normalize by the running statistics. Use the "
                "batch's own statistics there.", symptom=_output_of_running),
        Mistake("statistics-hold-the-graph", "Your running statistics keep every batch's graph in memory.",
                symptom=lambda answer: (
                    same(_first_run(answer), _first_run(batch_norm)) and not _statistics_without_graph(answer))),
        Mistake("variance-for-deviation", "You divide by the variance. The result does not have standard deviation 1, "
                "but 1 over the original standard deviation.", ("torch.sqrt(", "(")),
        Mistake("mean-not-subtracted", "You divide by the standard deviation, but do not subtract the mean.",
                ("(x - mean)", "x")),
        Mistake("not-divided", "You subtract the mean, but keep the spread.", (" / torch.sqrt(var + eps)", "")),
        Mistake("eps-after-the-root", "You add eps after the square root. Add it to the variance, under the root.",
                ("torch.sqrt(var + eps)", "(torch.sqrt(var) + eps)")),
        Mistake("ignores-eps", "Your eps is missing or hard-coded: use the argument.", ("var + eps", "var + 1e-5"),
                ("var + eps", "var")),
        Mistake("unbiased-for-normalizing", "You normalize by the unbiased variance, torch's default. It is for the "
                "running statistics only.", ((", unbiased=False", ""), ("var * n / (n - 1)", "var"))),
        Mistake("statistics-of-each-image", "You compute the statistics of each image separately. That is "
                "InstanceNorm: BatchNorm takes all images together.", _normalized_over(2, 3)),
        Mistake("statistics-over-channels", "You compute statistics over the channels of each image. That is "
                "LayerNorm: BatchNorm has one mean per channel.", _normalized_over(1, 2, 3)),
        Mistake("statistics-of-each-pixel", "You compute statistics of each pixel over the batch. All the pixels of a "
                "channel belong together.", _normalized_over(0)),
        Mistake("one-mean-for-all", "You take one mean over all the channels.", _normalized_over(0, 1, 2, 3)),
        Mistake("affine-forgotten", "gamma and beta do nothing.", (("return gamma * ", "return "), (" + beta", ""))),
        Mistake("gamma-forgotten", "gamma has no effect.", ("return gamma * ", "return ")),
        Mistake("beta-forgotten", "beta has no effect.", (" + beta", "")),
        Mistake("gamma-and-beta-swapped", "gamma and beta are swapped.", ("gamma, beta =", "beta, gamma =")),
        Mistake("beta-times-gamma", "You scale beta by gamma.", (("gamma * (", "gamma * (("), ("+ beta", "+ beta)"))),
        Mistake("batch-statistics-in-eval", "In eval mode, you normalize by the batch, so an image's result depends "
                "on the other images in it.",
                ("= running_mean, running_var", "= x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)")),
        Mistake("updates-in-eval", "In eval mode, you still update the running statistics.",
                ("= running_mean, running_var",
                       "= running_mean.clone(), running_var.clone()\n        batch_norm(x, gamma, beta, "
                       "running_mean, running_var, momentum)")),
        Mistake("running-statistics-stay", "`running_mean = ...` makes a new tensor. Change the one that you are "
                "given.",
                (("running_mean +=", "running_mean = running_mean +"),
                       ("running_var +=", "running_var = running_var +"))),
        Mistake("momentum-turned-round", "Your momentum is reversed. In PyTorch it is the weight of the *new* value; "
                "with 0.1, the statistics move slowly.", ("    if training",
                "    momentum = 1 - momentum\n    if training")),
        Mistake("old-values-do-not-fade", "You add a fraction of the new value, but keep all of the old one: the "
                "statistic grows at every step.", (("(mean - running_mean)", "mean"), (" - running_var)", ")"))),
        Mistake("ignores-momentum", "You have hard-coded the momentum, perhaps as 1: use the argument.",
                ("    if training", "    momentum = 0.1\n    if training"),
                ("    if training", "    momentum = 1\n    if training")),
        Mistake("biased-running-variance", "Your running variance is the biased one. Over many batches it would stay "
                "too small: it divides by n instead of n - 1.", ("var * n / (n - 1)", "var")),
        Mistake("counts-only-images", "Your correction is not that of the unbiased variance. How many numbers does a "
                "channel have?", ("x.numel() / x.shape[1]", "len(x)"), ("n / (n - 1)", "(n - 1) / n")),
        Mistake("running-deviation", "You keep a running standard deviation. The task asks for the variance.",
                ("var * n / (n - 1)", "(var * n / (n - 1)).sqrt()")),
    ),
    hints=(
        "There is one mean and one variance per channel, so over which dimensions of [N, C, H, W] do you take them? "
        "`x.var(...)` is unbiased unless you pass unbiased=False.",
        "To combine [C] with [N, C, H, W], reshape it to [1, C, 1, 1]: .view(1, -1, 1, 1).",
        "The output: (x - mean) / sqrt(var + eps), then gamma * that + beta. In eval mode, mean and var are the "
        "running ones, and nothing is updated.",
        "In training, inside torch.no_grad(): running_mean += momentum * (mean - running_mean); the same for the "
        "variance, with var * n / (n - 1), where n = N * H * W.",
    ),
)  # fmt: skip


# --- the size of an update --------------------------------------------------------------------------------------------


def update_ratio(before, after):
    """|after - before| / |before|: how far a step has moved a weight, as a fraction of the weight's own norm."""
    return ((after - before).norm() / before.norm()).item()


_FLAT = (
    call(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 4.5])),
    call(torch.tensor([2.0, 0.0]), torch.tensor([2.0, -1.0])),
)
_PAIR = call(torch.tensor([1.0, 10.0]), torch.tensor([2.0, 15.0]))
_TINY = call(torch.tensor([0.1, 1.0]), torch.tensor([0.2, 1.0]))
_TABLES = (
    call(torch.tensor([[3.0, 0.0], [0.0, 4.0]]), torch.tensor([[4.0, 0.0], [0.0, 6.0]])),
    call(integers(2, 3), integers(2, 3, seed=1)),
)


UPDATE_RATIO = Exercise(
    reference=update_ratio, difficulty=1, minutes=5,
    task="Return the size of an update relative to the weight: the L2 norm of the change divided by the L2 norm of the "
         "weight before it, as a float. before and after are tensors of the same shape, whatever that shape is; after "
         "may be a network's own parameter.",
    cases=(
        call(torch.tensor([2.0]), torch.tensor([3.0])), call(torch.tensor([2.0]), torch.tensor([1.0])),
        call(torch.tensor([4.0]), torch.tensor([4.0])), *_FLAT,
        call(torch.tensor([3.0, 4.0]), torch.tensor([4.0, 3.0])), *_TABLES,
        call(torch.tensor([1.0]), torch.tensor([1.0012346]), alone=("rounded", "You lose digits. Do you round?")),
        call(integers(3, 2, 3, 3), integers(3, 2, 3, 3, seed=1)),
        call(torch.tensor([3e-15, 4e-15]), torch.tensor([3e-15, 5e-15]),
             alone=("limits-the-norm", "Divide by the norm of `before` itself: do not clamp it, and do not add eps.")),
        Case("{name}([3, 4], nn.Parameter([3, 4.5]))",
             lambda f: as_float(f(torch.tensor([3.0, 4.0]), nn.Parameter(torch.tensor([3.0, 4.5]))), 0.1)),
    ),
    mistakes=(
        Mistake("divides-by-after", "You divide by the weight after the step, not before it.", ("/ before", "/ after")),
        Mistake("not-divided", "You return the norm of the step, without dividing it by the norm of the weight.",
                (" / before.norm()", "")),
        Mistake("difference-of-norms", "You subtract norms, but a weight can change direction and keep its norm.",
                ("(after - before).norm()", "(after.norm() - before.norm())"),
                ("(after - before).norm()", "(after.norm() - before.norm()).abs()")),
        Mistake("ratio-of-norms", "You compare the norms of the two weights. Take the norm of the step between "
                "them.", ("(after - before)", "after")),
        Mistake("absolutes-for-squares", "You use sums, absolute values, or largest entries. Take L2 norms.",
                (("before).norm()", "before).norm(1)"), ("/ before.norm()", "/ before.norm(1)")),
                (("before).norm", "before).sum"), ("/ before.norm", "/ before.sum")),
                (("before).norm", "before).abs().max"), ("/ before.norm", "/ before.abs().max"))),
        Mistake("mean-of-ratios", "You average the ratios of the entries: those of entries near 0 outweigh all others.",
                lambda before, after: ((after - before) / before).mean().item(),
                lambda before, after: ((after - before) / before).abs().mean().item(), on=(_FLAT[0], _TINY, _PAIR)),
        Mistake("norm-of-ratios", "You take the norm of the entries' ratios: those of entries near 0 outweigh all "
                "others.", (".norm() / before.norm())", " / before).norm()"), on=(_FLAT[0], _PAIR)),
        Mistake("one-for-each-entry", "You return one ratio per entry. The task asks for a single number.",
                lambda before, after: (after - before) / before,
                lambda before, after: ((after - before) / before).abs(),
                lambda before, after: (after - before).abs() / before.norm(),
                lambda before, after: (after - before) / before.norm(), on=(_FLAT[0], _PAIR)),
        Mistake("deviation-for-norm", "You use standard deviations, which subtract the mean first. Use norms.",
                (("before).norm", "before).std"), ("/ before.norm", "/ before.std")), on=(*_FLAT, *_TABLES)),
        Mistake("spectral-norm", "For a matrix, torch.linalg.norm(..., 2) is the largest singular value.",
                lambda before, after: (torch.linalg.norm(after - before, 2) / torch.linalg.norm(before, 2)).item(),
                on=_TABLES),
        Mistake("one-for-each-row", "You take the norm along one dimension, so each row gets its own ratio.",
                lambda before, after: (after - before).norm(dim=0) / before.norm(dim=0),
                lambda before, after: (after - before).norm(dim=1) / before.norm(dim=1),
                lambda before, after: ((after - before).norm(dim=1) / before.norm(dim=1)).mean(),
                lambda before, after: ((after - before).norm(dim=0) / before.norm(dim=0)).mean(), on=_TABLES),
        Mistake("logarithm", "You return the ratio's logarithm.", (".item()", ".log10().item()"), on=_FLAT),
    ),
    hints=(
        "The step is a tensor, after - before. How large is its norm, and how large is the norm of `before`?",
        "`tensor.norm()` is the square root of the sum of all squares, for a tensor of any shape.",
        "One norm divided by another is a 0-dimensional tensor; .item() converts it to a float.",
    ),
)  # fmt: skip
