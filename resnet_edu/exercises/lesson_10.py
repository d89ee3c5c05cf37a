"""The exercises of lesson 10: the paper's learning rate with warm-up, a batch split across processes or into pieces."""

# mypy: allow-untyped-defs, allow-incomplete-defs, no-check-untyped-defs
import torch
from torch import nn
from torch.nn import functional as F

from resnet_edu.exercises.cases import call, called, normal
from resnet_edu.exercises.compare import shown
from resnet_edu.exercises.core import Case, Exercise, Mistake
from resnet_edu.exercises.faults import Fault
from resnet_edu.exercises.general import Asked
from resnet_edu.exercises.writing import agrees, raises

# --- the schedule -----------------------------------------------------------------------------------------------------


def paper_rate(step):
    """The learning rate at a step, counted from 0: He et al. 2015, section 4.2, with the warm-up of ResNet-110."""
    if step < 400:
        return 0.01
    if step < 32_000:
        return 0.1
    return 0.01 if step < 48_000 else 0.001


def _ramps(answer):
    rises = answer(0) <= answer(100) < answer(300) <= 0.1
    return rises and all(agrees(answer, paper_rate, call(step)) for step in (400, 20_000, 40_000, 50_000))


def _remembers(answer):
    rates = [answer(step) for step in (1_000, 32_000, 48_000, 1_000, 32_000, 48_000)]
    return rates[:3] != rates[3:] or len({answer(1_000) for _ in range(40_000)}) > 1  # which may count its calls


PAPER_RATE = Exercise(
    reference=paper_rate, difficulty=1, minutes=4,
    task="Return the learning rate at a step, counted from 0: 0.01 for the first 400 steps, then 0.1, divided by 10 "
         "from step 32,000 on, and by 10 once more from step 48,000 on.",
    cases=(
        *(call(step) for step in (1_000, 0, 399, 400, 31_999, 32_000, 47_999, 48_000)),
        call(64_000, alone=("changes-again", "From step 48,000 on, the rate stays the same, however long you train.")),
        Case(
            "{name}(50_000), and then {name}(0) and {name}(40_000)",
            lambda answer: [called(answer, step) for step in (50_000, 0, 40_000)],
        ),
    ),
    mistakes=(
        Mistake("ramps", "Your rate increases gradually. The warm-up is constant, followed by a jump.", symptom=_ramps),
        Mistake("remembers", "Your function remembers earlier calls: the same step does not always return the same "
                "rate. A resumed run would continue with the wrong rate.", symptom=_remembers),
        Mistake("in-epochs", "You count in epochs. The argument is a step, and the rate changes in the middle of an "
                "epoch: 82 epochs of 391 steps are 32,062.", (("400", "1"), ("32_000", "82"), ("48_000", "123")),
                symptom=lambda answer: answer(1_000) == 0.001 or [answer(32_061), answer(32_062)] == [0.1, 0.01]),
        Mistake("one-late", "Your rate changes one step late or early: the first 400 steps are 0 to 399, and `from "
                "step 32,000 on` includes that step.",
                ("< 400", "<= 400"), symptom=lambda answer: all(agrees(answer, paper_rate, call(step)) for step in (
                    0, 398, 401, 31_998, 32_001, 47_998, 48_001, 64_000))),
        Mistake("shifted", "You count the 32,000 and 48,000 steps from the end of the warm-up, not from step 0.",
                (("32_000", "32_400"), ("48_000", "48_400"))),
        Mistake("one-drop", "From step 48,000 on, the rate is divided by 10 once more.", ("0.001", "0.01"),
                ("0.001", "0.0001")),
        Mistake("stays-small", "After the warm-up, your rate stays at 0.01.", ("return 0.1\n", "return 0.01\n")),
    ),
    hints=(
        "There are four rates, and three steps at which one rate gives way to the next. Mark these steps on a line.",
        "Test them in the order in which they lie on that line: `if step < 400: return ...`, then the next bound.",
        "`step < 400` is true for 0 to 399: those are 400 steps.",
    ),
)  # fmt: skip


# --- a batch shared among processes -----------------------------------------------------------------------------------


def shard(order, rank, world):
    """int64 [n] -> int64 [n // world]: every world-th entry starting at index `rank`, equally many for each rank."""
    equal = len(order) // world * world
    return order[rank:equal:world]


_SIX = torch.tensor([4, 0, 5, 2, 1, 3])
_SEVEN = torch.tensor([6, 2, 4, 0, 5, 1, 3])
_EIGHT = torch.tensor([7, 2, 4, 0, 5, 1, 3, 6])


def _overlaps(answer):
    """The right number for each rank, and out of the order, but some of them twice."""
    overlap = False
    for order, world in ((_SIX, 2), (_SIX, 3), (_EIGHT, 2)):
        shares = [called(answer, order, rank, world).tolist() for rank in range(world)]
        if any(len(set(share)) != len(order) // world or not set(share) <= set(order.tolist()) for share in shares):
            return False
        if any(share == shares[0] for share in shares[1:]):
            return False
        overlap = overlap or len(set().union(*shares)) < len(order)
    return overlap


SHARD = Exercise(
    reference=shard, difficulty=2, minutes=5,
    task="order is a batch, int64 [n]: the same permutation in every process. Return the share of process `rank` "
         "(counted from 0, out of `world` processes): every world-th entry starting at index rank, in order. All "
         "shares have the same length; what is left over at the end is not used.",
    cases=(
        call(_SIX, 0, 2), call(_SIX, 1, 2), call(_SIX, 2, 3), call(_SIX, 0, 1), call(_EIGHT, 1, 4), call(_SEVEN, 0, 2),
        call(_SEVEN, 0, 3), call(_SEVEN, 2, 3), call(_EIGHT, 1, 3),
        call(_SIX[:2], 0, 3, alone=("no-empty-share", "With fewer entries than processes, each share is empty, but "
                                    "still an int64 tensor.")),
    ),
    mistakes=(
        Mistake("blocks", "You split the batch into blocks. They are disjoint, too, but the task asks for every "
                "world-th entry.", ("rank:equal:world]", ":equal].chunk(world)[rank]")),
        Mistake("uneven", "Some of your shares are longer than others. At each step, the other processes would wait "
                "for one that has no image left.", (":equal:", "::")),
        Mistake("last-one-lost", "A slice ends before its end index: you lose an entry.", (":equal:", ": equal - 1 :")),
        Mistake("front-left-out", "The leftover entries are at the end; you leave out the front.",
                ("rank:equal:world", "len(order) - equal + rank :: world")),
        Mistake("everything", "You give every process the whole batch.", lambda order, rank, world: order),
        Mistake("counts-from-one", "Your ranks are off by one: rank 0 starts at entry 0.",
                ("rank:equal:world", ":equal][rank - 1 :: world"), ("[rank:", "[rank + 1 :")),
        Mistake("step-of-rank", "Every process advances by `world` entries.", (":equal:world", ":: rank + 1")),
        Mistake("positions", "You return the positions in the batch. The task asks for the entries at these positions.",
                ("return order", "return torch.arange(len(order))")),
        Mistake("sorts", "You sort the share. Keep the order that is given.", (":world]", ":world].sort().values")),
        Mistake("values-for-places", "You select by the numbers in the batch, not by their positions: you check "
                "whether a number divided by `world` leaves the remainder `rank`.",
                ("rank:equal:world", "order % world == rank")),
        Mistake("a-list", "You return a list. Images on a device are selected with a tensor on that device: slice "
                "`order` itself.", (":world]", ":world].tolist()")),
        Mistake("exchanged", "You swap the slice's start and its step.", ("rank:equal:world", "world:equal:rank"),
                symptom=raises(ValueError, "slice step cannot be zero", call(_SIX, 0, 2).run)),
        Mistake("shuffles-again", "Some images are in two of your shares, and others in none. Every process must use "
                "the given order.", symptom=_overlaps),
    ),
    hints=(
        "Write down a batch of six and two processes. Which entries does rank 0 get, and which does rank 1 get?",
        "A slice can have a step: order[begin:end:step].",
        "For shares of the same length, truncate `order` first: how many entries can be split equally?",
    ),
)  # fmt: skip


# --- a batch in small pieces ------------------------------------------------------------------------------------------


def accumulate(net, x, y, size):
    """Leave in `.grad` the gradient of the mean cross-entropy over x [N, ...], at most `size` images at a time."""
    for start in range(0, len(x), size):
        logits = net(x[start : start + size])
        loss = F.cross_entropy(logits, y[start : start + size], reduction="sum") / len(x)
        loss.backward()


class _Watched(nn.Linear):
    """A tiny net for images [N, 1, 3] that remembers how many it received at once, and in which mode."""

    def __init__(self):
        super().__init__(3, 2)
        with torch.no_grad():
            self.weight.copy_(torch.tensor([[0.5, -1.0, 0.25], [-0.5, 0.75, 1.0]]))
            self.bias.copy_(torch.tensor([0.1, -0.2]))
        self.sizes, self.modes = [], []

    def forward(self, x):
        if list(x.shape[1:]) != [1, 3]:
            given = f"it passes x of shape {list(x.shape)} to the network, not [n, 1, 3]"
            raise Fault("changes-shape", f"{given}: n images, even if n is 1.")
        self.sizes.append(len(x))
        self.modes.append(self.training)
        return super().forward(x.flatten(1))


def _gradient(count, size, frozen=False):
    """The case that lets the answer process `count` images in pieces of `size`, and reads .grad."""
    x, y = normal(count, 1, 3, seed=count), torch.arange(count) % 3 % 2

    def run(answer):
        net = _Watched().train(not frozen)
        net.bias.requires_grad_(not frozen)
        before = net.weight.detach().clone()
        result = called(answer, net, x, y, size)
        largest, total, of_weight = max(net.sizes, default=0), sum(net.sizes), net.weight.grad
        for slug, wrong, sentence in (
            ("net-not-used", not total, "it never calls net(...)."),
            ("too-large", largest > size, f"it passes {largest} images to the network at once, not at most {size}."),
            ("calls-twice", total > count, f"it passes {total} images to the network in all, not {count}."),
            ("changes-mode", {net.training, *net.modes} != {not frozen}, "it calls net.train() or net.eval(). Do not."),
            ("takes-steps", not torch.equal(net.weight, before), "it changes the weights. The step is taken later, "
             "with the whole gradient."),
            ("no-gradient", of_weight is None, ".grad is empty afterward: no backward(), or a zero_grad() after it."),
            ("create-graph", getattr(of_weight, "requires_grad", False), "its .grad has a graph, which keeps every "
             "piece in memory. Leave out create_graph=True."),
            ("returns-something", result is not None, f"it returns {shown(result)}. It should return nothing."),
        ):  # fmt: skip
            if wrong:
                raise Fault(slug, sentence)
        return {"net.weight.grad": of_weight, "net.bias.grad": net.bias.grad}

    asked = Asked(_gradient, (count, size), {}, ("images", "size"))
    words = f"{{name}}(net, x, y, {size}) with {count} images"
    return Case(f"{words}, a frozen bias, and eval mode" if frozen else words, run, asked=None if frozen else asked)


def _only_the_last(answer):
    """Which piece is first does not show in the gradient."""
    x, y = normal(6, 1, 3, seed=6), torch.tensor([0, 1, 0, 1, 0, 1])
    found = []
    for first in (x[:2], 5 - x[:2]):
        net = _Watched()
        answer(net, torch.cat([first, x[2:]]), y, 2)
        found.append(net.weight.grad.clone())
    return torch.equal(*found) and len(net.sizes) == 3


ACCUMULATE = Exercise(
    reference=accumulate, difficulty=3, minutes=8,
    task="Leave in the .grad of each parameter what one backward pass through the mean cross-entropy over all N "
         "images would leave there, but pass the network at most `size` images at a time. The last piece may be "
         "shorter. The gradients are None at the start; return nothing.",
    cases=(_gradient(4, 4), _gradient(4, 2), _gradient(6, 2), _gradient(5, 2), _gradient(7, 3),
           _gradient(5, 3, frozen=True)),
    mistakes=(
        Mistake("sum-of-means", "You add the means of the pieces: with k equal pieces, the gradient is k times too "
                "large.",
                (', reduction="sum") / len(x)', ")")),
        Mistake("mean-of-means", "You weight all pieces equally, but the last one is shorter.",
                (', reduction="sum") / len(x)', ") / -(-len(x) // size)")),
        Mistake("whole-pieces-counted", "You divide by the number of full pieces, and forget the shorter one.",
                (', reduction="sum") / len(x)', ") / (len(x) // size)")),
        Mistake("sum-for-mean", "You sum the losses of all images. Take their mean.", (" / len(x)", "")),
        Mistake("divided-by-size", "You divide by a piece's size. The mean is over N.", ("/ len(x)", "/ size")),
        Mistake("mean-divided-by-n", "You divide a mean by N, but it is already divided.", (', reduction="sum"', "")),
        Mistake("only-the-last", "You clear the gradient before every piece, so only the gradient of the last piece "
                "remains.",
                ("loss.backward", "net.zero_grad()\n        loss.backward"), symptom=_only_the_last),
        Mistake("only-the-first", "You stop after the first piece. Is there a `return` inside the loop?",
                ("backward()", "backward()\n        return")),
        Mistake("last-left-out", "You leave out the last, shorter piece.", ("len(x), size", "len(x) - size + 1, size")),
    ),
    hints=(
        "backward() adds to what is in .grad. What do you have to add so that the sum is the mean over N images?",
        "Each image has a weight of 1 / N, whichever piece it is in.",
        "F.cross_entropy(..., reduction=\"sum\") returns the sum over a piece. Divide it by N, not by the piece's "
        "length.",
    ),
)  # fmt: skip
