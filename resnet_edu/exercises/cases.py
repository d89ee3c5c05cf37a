"""The cases of an exercise: what an answer is asked, as a function or as a module, and the numbers for it.

    call(x, stride=2)                # what does the answer return for these arguments?
    gradients(x)                     # and what gradient reaches them?
    *beyond(x, 4, 8)                 # the module built with 4 and 8: in eval mode, of large numbers, and so on
    Case("the running mean", run)    # anything else, with a function of the answer

Numbers come from `integers` and `normal`.
"""

import copy
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from resnet_edu.exercises.compare import differing, layer_for_result, same, shown
from resnet_edu.exercises.core import REMEMBERS, Case
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.general import Asked, Named

# --- for a function ---------------------------------------------------------------------------------------------------


def call(*arguments: Any, words: str | None = None, alone: Named | None = None, **keywords: Any) -> Case:
    """The case that calls the answer with these arguments and compares what it returns."""
    words = words or _written(*arguments, **keywords)
    asked = Asked(call, arguments, keywords)
    return Case(words, lambda answer: called(answer, *arguments, **keywords), alone, asked)


def gradients(*arguments: Any, words: str | None = None, alone: Named | None = None) -> Case:
    """The case that compares the gradients of a loss with respect to every tensor among the arguments."""

    def run(answer: Any) -> list[Tensor]:
        inputs = [one.clone().requires_grad_() if _is_float(one) else one for one in arguments]
        _backward(called(answer, *inputs))
        for number, one in enumerate(inputs, start=1):
            if _is_float(one) and one.grad is None:
                raise Fault("cuts-the-gradient", f"no gradient reaches input {number}: {CUT}.")
        return [one.grad for one in inputs if _is_float(one)]

    asked = Asked(gradients, arguments)
    return Case(f"the gradients of a loss that follows {words or _written(*arguments)}", run, alone or GRADIENT, asked)


def float64(*arguments: Any, words: str | None = None, caller: Callable[..., Any] | None = None) -> Case:
    """The case that calls the answer with thirds of the numbers, in float64; its result has to be float64, too."""
    thirds = [one.double() / 3 if _is_float(one) else one for one in arguments]

    def run(answer: Any) -> Any:
        result = (caller or called)(answer, *thirds)
        if _is_float(result) and result.dtype != torch.float64:
            raise Fault(FLOAT64[0], f"it returns {str(result.dtype)[6:]} for float64. {FLOAT64[1]}")
        return result

    return Case(f"{words or _written(*thirds)}, in float64", run, alone=FLOAT64)


#: For an answer that is wrong only there.
GRADIENT = "wrong-gradient", "Your values are right, but not their gradient. Do you use detach or no_grad?"
EVAL = "only-in-train-mode", "Your module is right in train mode, but not in eval mode."
CLIPPED = "clipped", "Large values are clipped in your module (as in ReLU6). ReLU has no upper limit."
FLOAT64 = "only-float32", "Right for float32 only: create tensors in the dtype of x (x.new_zeros, zeros_like)."

CUT = "detach, .item(), .data, NumPy, or no_grad has cut the graph"
NO_SUPER = "its __init__ does not call super().__init__(), which has to come before any layer."


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _backward(result: Any) -> None:
    """Backward from a sum of the result with fixed weights. Raises Fault if something has cut the graph."""
    if not isinstance(result, Tensor) or not result.requires_grad:
        raise Fault("cuts-the-gradient", f"the result has no gradient: {CUT}.")
    (normal(*result.shape) * result).sum().backward()


@dataclass
class Once:
    """A function as an argument, which the answer is to call exactly once."""

    function: Callable[..., Any]
    calls: int = field(default=0, compare=False)

    def __call__(self, *arguments: Any) -> Any:
        self.calls += 1
        if self.calls > 1:
            raise Fault("calls-twice", "it calls that function more than once. Call it once, and keep the result.")
        return self.function(*arguments)


def called(answer: Any, *arguments: Any, **keywords: Any) -> Any:
    """answer(*arguments, **keywords), with copies of them. Raises Fault if it takes others, or changes them.

    A module is passed itself, not as a copy. If the answer is a module, no module inside it may return None or use an
    unregistered parameter.
    """
    fits(answer, *arguments, **keywords)
    copies = [_copied(argument) for argument in arguments]
    with nn.modules.module.register_module_forward_hook(_no_forgotten_return):
        result = answer(*copies, **keywords)
    if isinstance(answer, nn.Module):
        if isinstance(result, nn.Module):
            raise Fault("layer-for-result", layer_for_result(result))
        _no_hidden_layers(answer, arguments, result)
    for number, (before, after) in enumerate(zip(arguments, copies, strict=True), start=1):
        if not same(after, before) or (isinstance(before, Tensor) and not torch.equal(after, before)):
            was, became = differing(before, after)
            now = f"has become {became}" if became != was else "has different numbers afterward"
            raise Fault(
                "changes-input",
                f"it changes input {number} in place: {was} {now}. The caller still needs the original. (`+=`, "
                "`x[...] =`, and methods whose names end in _ work in place.)",
            )
    return result


def _copied(argument: Any) -> Any:
    """A copy; for a tensor that takes a gradient, one that passes the gradient on to the original."""
    if isinstance(argument, nn.Module):
        return argument
    return argument.clone() if isinstance(argument, Tensor) else copy.deepcopy(argument)


def as_float(found: Any, right: Any) -> Any:
    """What was found, or a dict of it. Raises Fault if it is right, but a tensor."""
    for number in found.values() if isinstance(found, dict) else [found]:
        if isinstance(number, Tensor) and same(found, right):
            graph = " with its graph, which keeps every activation in memory" if number.requires_grad else ""
            raise Fault("tensor-for-float", f"it returns a tensor{graph}, not a float. `.item()` converts it.")
    return found


def snapshot(net: nn.Module) -> dict[str, Any]:
    """All there is to know of a net, by name: its numbers, gradients, flags, and modes."""
    tensors = net.state_dict() | {f"{name}.grad": p.grad for name, p in net.named_parameters() if p.grad is not None}
    told: dict[str, Any] = {name: (tensor.tolist(), tensor.dtype) for name, tensor in tensors.items()}
    told |= {f"{name}.requires_grad": parameter.requires_grad for name, parameter in net.named_parameters()}
    return told | {f"{name or 'net'}.training": module.training for name, module in net.named_modules()}


def names_changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names under which two snapshots hold something else."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


class ByHand(TorchFunctionMode):
    """Context manager: raises Fault if an answer uses a function or layer of torch with such a name (a pattern)."""

    def __init__(self, forbidden: str, task: str) -> None:
        super().__init__()
        self.forbidden, self.task = forbidden, task

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if re.search(self.forbidden, name := getattr(func, "__name__", "")):
            raise Fault("ready-made", f"it uses {name}. Implement {self.task} by hand.")
        return func(*args, **(kwargs or {}))


def fits(answer: Any, *arguments: Any, **keywords: Any) -> None:
    """Raises Fault if the answer cannot take these arguments."""
    try:
        signature = inspect.signature(answer)
    except (TypeError, ValueError):  # something built in
        return
    try:
        signature.bind(*arguments, **keywords)
    except TypeError as error:
        listed = ", ".join(map(str, signature.parameters.values())) or "nothing"
        how = ", ".join([f"{len(arguments)} by position", *(f"{name}=..." for name in keywords)])
        raise Fault("arguments", f"it takes ({listed}), but is called with {how}: {error}.") from None


def _written(*arguments: Any, **keywords: Any) -> str:
    """The call, as a learner writes it."""
    pairs = (f"{name}={shown(value)}" for name, value in keywords.items())
    return f"{{name}}({', '.join([*map(shown, arguments), *pairs])})"


# --- for a module -----------------------------------------------------------------------------------------------------


def shape(x: Tensor, *arguments: Any, **keywords: Any) -> Case:
    """The case that compares the shape of the output for x of the module built with these arguments."""
    words = f"the shape of {_written(*arguments, **keywords)}(x) with x {list(x.shape)}"
    asked = Asked(shape, (x, *arguments), keywords, ("x",))
    return Case(words, lambda answer: list(called(built(answer, *arguments, **keywords), x).shape), asked=asked)


def parameters(*arguments: Any, **keywords: Any) -> Case:
    """The case that compares how many parameters the module has. Raises Fault if a second one shares some of them."""

    def run(answer: Any) -> int:
        one, other = (list(built(answer, *arguments, **keywords).parameters()) for _ in range(2))
        if {id(p) for p in one} & {id(p) for p in other}:
            raise Fault("shared-between-calls", "two calls return the same layers. Create new ones in each call.")
        return sum(p.numel() for p in one)

    asked = Asked(parameters, arguments, keywords)
    return Case(f"the number of parameters of {_written(*arguments, **keywords)}", run, asked=asked)


def output(
    x: Tensor, *arguments: Any, mode: str = "train", times: int = 1, alone: Named | None = None, **keywords: Any
) -> Case:
    """The case that compares the module's output for `times` x, in eval mode after one batch in train mode.

    For an x in float64, the module is converted to it.
    """
    x = times * x
    of = f"x {list(x.shape)}{' in float64' if x.dtype == torch.float64 else ''}{f' times {times}' if times > 1 else ''}"

    def run(answer: Any) -> Tensor:
        module = built(answer, *arguments, **keywords).to(x.dtype)
        result = called(module, x)  # moves the running statistics
        return result if mode == "train" else called(module.eval(), x)

    asked = Asked(partial(output, mode=mode), (x, *arguments), keywords, ("x",))
    usual = CLIPPED if times > 1 else EVAL if mode == "eval" else FLOAT64 if x.dtype == torch.float64 else None
    return Case(f"{_written(*arguments, **keywords)}(x) in {mode} mode with {of}", run, alone or usual, asked)


def beyond(x: Tensor, *arguments: Any, **keywords: Any) -> tuple[Case, ...]:
    """The cases for the module beyond its output in training: in eval mode, of large numbers, and so on."""
    return (
        output(x, *arguments, mode="eval", **keywords),
        output(x, *arguments, mode="eval", times=10, **keywords),
        _gradients_of(x, *arguments, **keywords),
        output(x.double(), *arguments, **keywords),
        _of_another_size(x, *arguments, **keywords),
    )


def _of_another_size(x: Tensor, *arguments: Any, **keywords: Any) -> Case:
    """The case that compares the output for half of x, after that for x."""

    def run(answer: Any) -> Tensor:
        module = built(answer, *arguments, **keywords).eval()
        called(module, x)
        return called(module, x[: len(x) // 2])

    alone = REMEMBERS[0], "Your module keeps something from its first batch. Later batches can have another size."
    return Case(f"{_written(*arguments, **keywords)}(x) for a smaller batch after a larger one", run, alone)


def _gradients_of(x: Tensor, *arguments: Any, **keywords: Any) -> Case:
    """The case that compares the gradient of a loss with respect to x, and how many parameters get none."""

    def run(answer: Any) -> dict[str, Any]:
        module, by = built(answer, *arguments, **keywords), x.clone().requires_grad_()
        _backward(called(module, by))
        if by.grad is None:
            raise Fault("cuts-the-gradient", f"no gradient reaches x: {CUT}.")
        missing = sum(p.grad is None for p in module.parameters())
        return {"the gradient with respect to x": by.grad, "parameters without a gradient": missing}

    words = f"the gradients of a loss that follows {_written(*arguments, **keywords)}(x), x {list(x.shape)}"
    return Case(words, run, alone=GRADIENT)


def built(answer: Any, *arguments: Any, **keywords: Any) -> nn.Module:
    """The module that a class or a builder makes of these arguments, every parameter refilled (see `fill`)."""
    fits(answer, *arguments, **keywords)
    try:
        module = answer(*arguments, **keywords)
    except AttributeError as error:
        if "before Module.__init__() call" in str(error):
            raise Fault("no-super", NO_SUPER) from None
        raise
    if module is None:
        raise Fault("no-module", "it should return an nn.Module, but yours returns nothing (None).")
    if not isinstance(module, nn.Module):
        raise Fault("no-module", f"it should return an nn.Module, but yours returns {shown(module)}.")
    if not hasattr(module, "_parameters"):
        raise Fault("no-super", NO_SUPER)
    fill(module)
    return module


def fill(module: nn.Module) -> None:
    """Fill weights of 2 or more dimensions with numbers that depend only on their shape, scaled by fan-in.

    Two modules with the same layers then compute the same, regardless of the layers' names, the order in which they
    were created, and their initialization. Normalization scales become 1, biases 0.
    """
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim >= 2:
                scale = (2 / parameter[0].numel()) ** 0.5
                parameter.copy_(scale * normal(*parameter.shape, seed=sum(parameter.shape)))
            elif name.endswith("weight"):
                parameter.fill_(1)
            elif name.endswith("bias"):
                parameter.fill_(0)


def _no_forgotten_return(module: nn.Module, _: Any, result: Any) -> None:
    """The hook after every forward, however deeply nested."""
    if result is None:
        raise Fault("returns-nothing", f"forward of {type(module).__name__} returns nothing (None).")


def _no_hidden_layers(module: nn.Module, arguments: tuple[Any, ...], result: Any) -> None:
    """Raises Fault if the result depends on a trainable tensor that the module has not registered."""
    known = {id(one) for one in (*module.parameters(), *arguments)}
    todo, seen = [getattr(result, "grad_fn", None)], set()
    while todo:
        if (node := todo.pop()) is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable") and id(node.variable) not in known:
            raise Fault(
                "hidden-layers",
                "some of its layers are in a plain list or dict, or are created in forward, so they are not "
                "registered: its parameters() misses them, and no optimizer would train them. Use nn.ModuleList.",
            )
        todo.extend(following for following, _ in node.next_functions)


# --- numbers ----------------------------------------------------------------------------------------------------------


def integers(*shape: int, low: int = -3, high: int = 3, seed: int = 0) -> Tensor:
    """Small whole numbers as floats, the same in each run: easy to read, and their sums have no rounding error."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(low, high + 1, shape, generator=generator).float()


def normal(*shape: int, seed: int = 0) -> Tensor:
    """Samples from N(0, 1), the same in each run."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
