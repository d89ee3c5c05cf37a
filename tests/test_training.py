"""What `training` promises: the loop that it shows is the loop that runs, and a run that goes wrong says where."""

import copy
import gc
import itertools
import json
import math
import signal
import weakref

import numpy as np
import pytest
import torch
from samples import cifar
from samples import pictures as images
from torch import nn
from torch.nn import functional as F

from resnet_edu import data, models, probes, training
from resnet_edu.training import loop, precision


def linear(outputs=10):
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(192, outputs))


def fit(net, train=None, val=None, **options):
    settings = {"epochs": 1, "batch_size": 8, "progress": False, **options}
    return training.fit(net, images() if train is None else train, val, **settings)


def tensors(net):
    return {name: value.clone() for name, value in net.state_dict().items()}


def equal(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


class Spy:
    """A callback that keeps what it was called with, and runs `action(step)` after each backward pass."""

    def __init__(self, action=lambda step: None):
        self.action, self.steps, self.epochs = action, [], []

    def on_gradients(self, step):
        self.steps.append(step)
        self.action(step)

    def on_epoch(self, history):
        self.epochs.append(len(history.train_loss))


# --- learning ---------------------------------------------------------------------------------------------------------


def test_a_small_residual_net_learns_real_images():
    train, test = data.load("sample", device="cpu", size=16)
    net = cifar(width=8)
    history = training.fit(net, train[:1280], test[:500], epochs=3, batch_size=64, lr=0.2, progress=False)
    assert history.train_accuracy[-1] > 0.25 > 0.2 > history.train_accuracy[0]
    assert history.train_loss[0] > history.train_loss[1] > history.train_loss[2]
    assert history.val_accuracy[-1] == training.evaluate(net, test[:500]).accuracy > 0.2


def by_hand(net, train, *, rates, batch_size, momentum, weight_decay, augment, seed):
    """SGD with momentum as in Sutskever et al. 2013, in PyTorch's form, written out."""
    net.to(memory_format=torch.channels_last).train()
    velocity, losses = {}, []
    batches = [
        batch
        for epoch in range(math.ceil(len(rates) / math.ceil(len(train) / batch_size)))
        for batch in train.batches(batch_size, shuffle=True, augment=augment, seed=1000 * seed + epoch)
    ]
    for rate, (x, y) in zip(rates, batches, strict=False):
        loss = F.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), y)
        losses.append(loss.item())
        gradients = torch.autograd.grad(loss, list(net.parameters()))
        with torch.no_grad():
            for p, gradient in zip(net.parameters(), gradients, strict=True):
                gradient = gradient.add(p, alpha=weight_decay)
                velocity[p] = velocity[p].mul(momentum).add(gradient) if p in velocity else gradient
                p.add_(velocity[p], alpha=-rate)
    return losses


@pytest.mark.parametrize("augment", [False, True])
def test_fit_is_the_loop_written_by_hand_bit_for_bit(augment):
    settings = {"batch_size": 8, "momentum": 0.8, "weight_decay": 0.01, "augment": augment, "seed": 3}
    net, twin, train = cifar(), cifar(), images(20, size=16)
    history = fit(net, train, epochs=2, lr=0.1, schedule=lambda step, total: 1 / (1 + step), **settings)
    rates = [0.1 * (1 / (1 + step)) for step in range(6)]  # 20 images are 3 steps of 8 an epoch
    losses = by_hand(twin, train, rates=rates, **settings)
    assert history.step_lr == rates
    assert history.step_loss == losses
    assert equal(tensors(net), tensors(twin))


def test_the_same_seed_gives_the_same_history():
    runs = []
    for seed in (5, 5, 6):
        net = nn.Sequential(nn.Dropout(0.5), *linear())
        history = fit(net, val=images(seed=1), epochs=2, augment=True, seed=seed)
        history.seconds = []  # the only thing that may differ
        runs.append((history, tensors(net)))
    assert runs[0][0] == runs[1][0] and equal(runs[0][1], runs[1][1])
    assert runs[0][0] != runs[2][0]


def test_the_global_random_state_is_neither_read_nor_changed():
    net = nn.Sequential(nn.Dropout(0.5), *linear())
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(copy.deepcopy(net), augment=True)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert fit(net, augment=True).step_loss == first.step_loss


def test_the_net_keeps_its_modes():
    net = cifar().eval()
    net.stage1.train()
    before = [m.training for m in net.modules()]
    seen = []
    fit(net, images(size=16), callbacks=[Spy(lambda step: seen.append(all(m.training for m in net.modules())))])
    assert [m.training for m in net.modules()] == before
    assert seen == [True, True, True]  # and trains in train mode


# --- the learning rate ------------------------------------------------------------------------------------------------


def test_one_cycle_starts_low_peaks_once_and_ends_at_nothing():
    factors = [training.one_cycle(step, 1000) for step in range(1000)]
    assert factors[0] == pytest.approx(1 / 25)
    assert factors[300] == 1 == max(factors)
    assert factors[150] == pytest.approx((1 / 25 + 1) / 2)  # halfway up
    assert factors[650] == pytest.approx(0.5)  # halfway down
    assert 0 < factors[999] < 1e-5
    assert all(a < b for a, b in itertools.pairwise(factors[:301]))
    assert all(a > b for a, b in itertools.pairwise(factors[300:]))


@pytest.mark.parametrize("schedule", ["one_cycle", "paper", "constant"])
def test_the_recorded_rate_is_the_schedule_s(schedule):
    function = training.SCHEDULES[schedule]
    history = fit(linear(), epochs=4, lr=0.3, schedule=schedule)
    assert history.step_lr == [0.3 * function(step, 12) for step in range(12)]


def test_a_schedule_is_asked_once_a_step_for_a_number():
    asked = []
    fit(linear(), epochs=2, schedule=lambda step, total: asked.append((step, total)) or 1.0)
    assert asked == [(step, 6) for step in range(6)]
    for wrong in (None, -1.0, math.nan, math.inf, "1", torch.tensor(1.0)):
        with pytest.raises(ValueError, match=r"schedule\(0, 3\) returned .*: it must return a nonnegative number"):
            fit(linear(), schedule=lambda step, total, wrong=wrong: wrong)


# --- the history ------------------------------------------------------------------------------------------------------


def test_the_history_has_an_entry_an_epoch_and_an_entry_a_step():
    history = fit(linear(), val=images(seed=1), epochs=2)
    by_epoch = (history.train_loss, history.train_accuracy, history.val_loss, history.val_accuracy)
    assert [len(values) for values in by_epoch] == [2] * 4
    assert (len(history.seconds), len(history.step_loss), len(history.step_lr)) == (2, 6, 6)
    assert not history.interrupted
    without = fit(linear(), epochs=2)
    assert without.val_loss == without.val_accuracy == []
    for values in (history.train_loss, history.train_accuracy, history.step_loss, history.step_lr, history.seconds):
        assert all(type(value) is float for value in values)


def test_a_short_last_batch_has_its_own_weight():
    net, train = linear(), images(20)
    history = fit(net, train, lr=0.0)  # a net that stays as it is: the epoch's mean is the loss on the whole set
    whole = training.evaluate(net, train)
    a, b, c = history.step_loss
    assert history.train_loss == [pytest.approx((8 * a + 8 * b + 4 * c) / 20)]
    assert history.train_loss == [pytest.approx(whole.loss, rel=1e-6)]
    assert history.train_accuracy == [whole.accuracy]


def test_a_history_survives_as_json(tmp_path):
    history = fit(linear(), val=images(seed=1), epochs=2)
    history.save(tmp_path / "history.json")
    assert json.loads((tmp_path / "history.json").read_text()) == history.__dict__
    broken = training.History(step_loss=[1.0, math.nan, math.inf, -math.inf])
    broken.save(str(tmp_path / "broken.json"))
    text = (tmp_path / "broken.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["step_loss"] == [1.0, None, None, None]


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_gradients_are_seen_after_backward_and_before_the_step():
    net, seen = linear(), []

    def look(step):
        seen.append((net[1].weight.detach().clone(), net[1].weight.grad.clone()))

    fit(net, epochs=2, momentum=0.0, weight_decay=0.0, lr=0.5, schedule="constant", callbacks=[Spy(look)])
    after = [weight for weight, _ in seen[1:]] + [net[1].weight.detach()]
    for (weight, gradient), moved in zip(seen, after, strict=True):
        assert gradient.any()
        torch.testing.assert_close(moved, weight - 0.5 * gradient)


def test_callbacks_are_called_in_order_with_the_step_and_the_history():
    spy, calls = Spy(), []
    history = fit(linear(), epochs=2, callbacks=[spy, lambda h: calls.append((h, len(spy.epochs), len(h.seconds)))])
    assert spy.steps == [0, 1, 2, 3, 4, 5]
    assert spy.epochs == [1, 2]
    assert [(h is history, epochs, done) for h, epochs, done in calls] == [(True, 1, 1), (True, 2, 2)]


def test_a_callback_s_error_is_the_caller_s_to_see():
    def fail(_history):
        raise OSError("disk full")

    net = linear().eval()
    with pytest.raises(OSError, match="disk full"):
        fit(net, callbacks=[fail])
    assert not net.training


# --- progress ---------------------------------------------------------------------------------------------------------


def on_screen(text):
    """What a terminal shows in the end: a carriage return writes over the line."""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.split("\n")]
    return [line for line in lines if line]


def test_progress_ends_in_one_line_and_silence_is_silence(capfd):
    fit(linear(), val=images(seed=1), epochs=2, progress=False)
    assert tuple(capfd.readouterr()) == ("", "")
    history = fit(linear(), val=images(seed=1), epochs=2, progress=True)
    out, err = capfd.readouterr()
    (line,) = on_screen(out)
    accuracy = f"training accuracy {history.train_accuracy[-1]:.3f}, validation {history.val_accuracy[-1]:.3f}"
    assert line == f"2 epochs, {sum(history.seconds):.1f} s: {accuracy}"
    assert err == ""
    fit(linear(), epochs=2, progress="plain-20")
    out, err = capfd.readouterr()
    assert "plain-20:" in out and on_screen(out) == [] and err == ""


# --- a loss that is not finite ----------------------------------------------------------------------------------------


def test_weights_that_overflow_are_named_with_step_and_layer():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.Linear(10, 10))

    def explode(step):
        if step == 1:
            net[1].weight.grad.fill_(1e10)  # step 1 throws the weights to infinity, step 2 sees it

    with pytest.raises(training.DivergenceError) as caught:
        fit(net, lr=1e30, momentum=0.0, schedule=lambda step, total: float(step == 1), callbacks=[Spy(explode)])
    error = caught.value
    assert (error.step, error.layer) == (2, "1")
    assert "loss at step 2 is nan" in str(error) and "'1': its weights are no longer finite" in str(error)
    assert len(error.history.step_loss) == len(error.history.step_lr) == 2  # the two steps before
    assert all(math.isfinite(loss) for loss in error.history.step_loss)
    assert error.history.train_loss == [] and not error.history.interrupted


def test_outputs_that_overflow_are_told_from_weights_that_do():
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.Linear(10, 10))
    net[1].weight.data.fill_(1e20)
    net[2].weight.data.fill_(1e20)
    with pytest.raises(training.DivergenceError, match="'2': it overflows") as caught:
        fit(net, progress=True)
    assert (caught.value.step, caught.value.layer) == (0, "2")
    assert caught.value.history.step_loss == []


def test_divergence_leaves_modes_and_buffers_alone(capfd):
    net = cifar().eval()
    with torch.no_grad():
        net.fc.weight[0, 0] = math.nan
    before = tensors(net)
    with pytest.raises(training.DivergenceError, match="'fc': its weights are no longer finite"):
        fit(net, images(size=16), progress=True)
    assert on_screen(capfd.readouterr().out) == []  # no summary of a run that failed
    assert not any(m.training for m in net.modules())
    torch.testing.assert_close(net.fc.weight, before["fc.weight"], equal_nan=True)
    # One forward pass was the training step's; the search for the layer adds none.
    assert int(net.stem.norm.num_batches_tracked) == 1


@pytest.mark.parametrize("every", [1, 4])
def test_where_losses_are_read_late_the_first_bad_one_and_its_layer_are_named(monkeypatch, every):
    """As on a GPU, where three more steps have spoiled all weights by then."""
    monkeypatch.setitem(loop.CHECK_EVERY, "cpu", every)
    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 8), nn.Dropout(0.5), nn.Linear(8, 10))
    torch.manual_seed(0)
    nn.init.normal_(net[1].weight)

    def overflow(step):
        if step == 1:
            net[3].weight.grad.fill_(-1e38)

    norms = probes.GradientNorms(net)
    spoil = lambda step, total: 0.1  # noqa: E731
    with torch.random.fork_rng(), pytest.raises(training.DivergenceError, match="loss at step 2 is") as caught:
        fit(net, images(size=8), batch_size=4, lr=100.0, momentum=0.0, schedule=spoil, callbacks=[Spy(overflow), norms])
    assert (caught.value.step, caught.value.layer) == (2, "3")
    assert len(caught.value.history.step_lr) == 2
    assert torch.isfinite(net[1].weight).all()  # the net is as it was when the loss went wrong


def test_a_bad_loss_that_does_not_come_again_is_reported_without_a_layer(monkeypatch):
    """A GPU does not repeat every bit, so the repeated epoch can stay finite."""
    monkeypatch.setitem(loop.CHECK_EVERY, "cpu", 4)
    net, once = linear(), []

    def overflow(step):
        if step == 1 and not once:
            once.append(step)
            for p in net.parameters():
                p.grad.fill_(math.inf)

    with pytest.raises(training.DivergenceError, match=r"loss at step 2 is nan.*stayed finite") as caught:
        fit(net, images(64), callbacks=[Spy(overflow)])
    assert (caught.value.step, caught.value.layer) == (2, None)
    assert all(torch.isfinite(p).all() for p in net.parameters())


def test_the_gradients_of_a_step_are_gone_before_the_next_forward_pass():
    net, kept = linear(), []
    net.register_forward_pre_hook(lambda *_: kept.extend(p.grad for p in net.parameters()))
    fit(net)
    assert kept and not any(grad is not None for grad in kept)


# --- interrupts -------------------------------------------------------------------------------------------------------


def interrupt(step):
    """Ctrl-C, as the stop button sends it."""

    def action(now):
        if now == step:
            signal.raise_signal(signal.SIGINT)

    return action


@pytest.fixture
def hears_interrupts():
    """A process that a shell started in the background ignores SIGINT; the stop button's kernel does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_interrupts")
@pytest.mark.parametrize("step", [0, 2, 3, 4])
def test_an_interrupt_keeps_net_and_history_together(step):
    net, whole = cifar(), cifar()
    after = []
    fit(whole, images(size=16), epochs=2, callbacks=[Spy(lambda now: after.append(tensors(whole)))])
    history = fit(net, images(size=16), epochs=2, callbacks=[Spy(interrupt(step))])
    assert history.interrupted
    assert len(history.step_loss) == len(history.step_lr) == step  # the steps that moved the weights
    assert len(history.train_loss) == len(history.seconds) == step // 3
    weights = {name: value for name, value in tensors(net).items() if name.endswith("weight")}
    assert equal(weights, after[step])
    assert all(m.training for m in net.modules())


def test_an_interrupt_at_the_end_of_an_epoch_keeps_that_epoch(capfd):
    def stop(history):
        raise KeyboardInterrupt

    history = fit(linear(), val=images(seed=1), epochs=3, callbacks=[stop], progress=True)
    assert history.interrupted
    assert [len(v) for v in (history.train_loss, history.val_loss, history.seconds, history.step_loss)] == [1, 1, 1, 3]
    (line,) = on_screen(capfd.readouterr().out)
    assert line.startswith("interrupted after 1 of 3 epochs")


def test_an_interrupt_during_validation_leaves_no_half_epoch(monkeypatch, capfd):
    def stop(*_args, **_kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "evaluate", stop)
    history = fit(linear(), val=images(seed=1), epochs=3, progress=True)
    assert history.train_loss == history.train_accuracy == history.val_loss == history.seconds == []
    assert len(history.step_loss) == len(history.step_lr) == 3
    assert on_screen(capfd.readouterr().out) == ["interrupted after 0 of 3 epochs, 0.0 s"]


# --- evaluate ---------------------------------------------------------------------------------------------------------


BOTH = pytest.mark.parametrize("function", [training.evaluate, training.predict])


@BOTH
def test_a_look_at_a_net_changes_nothing(function):
    net = cifar()
    net.stage2.eval()
    modes, before = [m.training for m in net.modules()], tensors(net)
    function(net, images(size=16))
    assert [m.training for m in net.modules()] == modes
    assert equal(tensors(net), before) and all(p.grad is None for p in net.parameters())
    net.fc.register_forward_hook(lambda *_: exec("raise RuntimeError('fails')"))
    with pytest.raises(RuntimeError, match="fails"):
        function(net, images(size=16))
    assert [m.training for m in net.modules()] == modes


@pytest.mark.parametrize("batch_size", [1, 7, 20, 500])
def test_every_image_counts_once_and_in_order(batch_size):
    net, test = cifar(), images(20, size=16)
    fit(net, test, epochs=1)  # so that the running statistics are not the initial ones
    found = training.predict(net, test, batch_size=batch_size)
    metrics = training.evaluate(net, test, batch_size=batch_size)
    net.eval()
    with torch.no_grad():
        expected = torch.cat([net(data.normalize(test.images[i : i + 1])) for i in range(20)]).double().exp()
    expected /= expected.sum(1, keepdim=True)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-6)
    assert found.shape == (20, 10) and found.dtype == torch.float32 and not found.requires_grad
    assert metrics.loss == pytest.approx(-float(expected[range(20), test.labels].log().mean()), rel=1e-5)
    assert metrics.accuracy == int((expected.argmax(1) == test.labels).sum()) / 20
    assert type(metrics.loss) is type(metrics.accuracy) is float


# --- precision --------------------------------------------------------------------------------------------------------


def test_precision_is_chosen_by_the_device(monkeypatch):
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    choose = training.choose_precision
    assert choose("fp32", cpu) is choose("fp32", cuda) is choose("auto", torch.device("mps")) is None
    for capability, expected in ((True, torch.bfloat16), (False, None)):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda c=capability: {"avx512_bf16": c}, raising=False)
        assert choose("auto", cpu) is expected
    monkeypatch.delattr(torch.cpu, "get_capabilities")  # torch 2.9 has none
    assert choose("auto", cpu) is None
    assert choose("bf16", cpu) is choose("bf16", cuda) is torch.bfloat16
    assert choose("fp16", cuda) is torch.float16
    for in_hardware, expected in ((True, torch.bfloat16), (False, torch.float16)):  # a T4 only emulates bf16

        def supported(*, including_emulation=True, here=in_hardware):
            return here or including_emulation

        monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
        assert choose("auto", cuda) is expected
    for wrong in ("float16", None, 16, ["fp32"], torch.float16):
        with pytest.raises(ValueError, match="precision="):
            choose(wrong, cpu)


@pytest.mark.parametrize(("device", "last"), [("cpu", True), ("cuda", True), ("mps", False)])
def test_channels_last_is_left_alone_where_it_is_wrong(device, last):
    def chosen(width):
        net = models.CifarNet(8, residual=True, shortcut="B", width=width)
        return precision.layout(net, torch.device(device))["memory_format"]

    assert chosen(16) is (torch.channels_last if last else torch.contiguous_format)
    assert (chosen(8) is torch.contiguous_format) == (device != "cuda")  # a CPU writes past a buffer there


def test_bf16_casts_inside_and_keeps_float32_weights():
    net, seen = cifar(), []
    net.stage2.register_forward_hook(lambda _m, _i, out: seen.append(out.dtype))
    history = fit(net, images(size=16), precision="bf16")
    assert seen == [torch.bfloat16] * 3
    assert all(p.dtype is torch.float32 for p in net.parameters())
    assert history.step_loss[0] == pytest.approx(fit(cifar(), images(size=16)).step_loss[0], rel=0.05)


def test_under_fp16_gradients_are_recorded_unscaled(monkeypatch):
    monkeypatch.setattr(loop, "choose_precision", lambda *_: torch.float16)  # a GPU's path, walked on the CPU
    half, full, inside = cifar(), cifar(), []

    def watch(_module, _inputs, logits):
        logits.register_hook(lambda gradient: inside.append(float(gradient.abs().max())))

    half.fc.register_forward_hook(watch)
    norms = probes.GradientNorms(half), probes.GradientNorms(full)
    scaled = fit(half, images(size=16), lr=0.01, callbacks=[norms[0]])
    monkeypatch.undo()
    exact = fit(full, images(size=16), lr=0.01, callbacks=[norms[1]])
    assert min(inside) > 1000  # by the logits, unscaled, the gradient of a mean over 8 images is at most 1 / 8
    np.testing.assert_allclose(norms[0].numpy()[0], norms[1].numpy()[0], rtol=0.1)
    np.testing.assert_allclose(scaled.step_loss, exact.step_loss, rtol=0.05)


# --- errors -----------------------------------------------------------------------------------------------------------


def elsewhere(given):
    """Images on a second device: every machine has "meta", which holds no numbers."""
    object.__setattr__(given, "images", given.images.to("meta"))
    return given


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"net": "net"}, "str"),
        ({"net": linear(3)}, r"returned \[8, 3\]"),
        ({"net": nn.Conv2d(3, 10, 1)}, r"returned \[8, 10, 8, 8\]"),
        ({"train": torch.zeros(4, 3, 8, 8)}, "train.*Tensor"),
        ({"train": (images(), images())}, "tuple. data.load returns a pair"),
        ({"val": [1]}, "val.*list"),
        ({"val": elsewhere(images())}, "cpu, .* meta"),
        ({"schedule": "cosine"}, "schedule='cosine'"),
        ({"schedule": ["paper"]}, "schedule="),
        ({"precision": "half"}, "precision='half'"),
        ({"precision": "fp16"}, "precision='fp16' needs a GPU"),
    ],
)
def test_wrong_settings_say_what_is_possible(options, message):
    arguments = {"net": linear(), "train": images(), "epochs": 1, "batch_size": 8, "progress": False, **options}
    with pytest.raises((ValueError, TypeError), match=message):
        training.fit(**arguments)


def test_numbers_of_numpy_will_do_and_their_run_can_be_saved_and_resumed(tmp_path):
    settings = {"epochs": np.int64(1), "batch_size": np.int32(8), "seed": np.int64(0), "max_steps": np.int64(2)}
    settings |= {"lr": np.float32(0.1), "momentum": np.float64(0.9), "weight_decay": np.float32(1e-4)}
    history = fit(linear(), **settings, checkpoint=tmp_path / "c")
    assert history.step_loss == fit(linear(), lr=float(np.float32(0.1)), max_steps=2).step_loss
    history.save(tmp_path / "history.json")
    assert fit(linear(), **settings, checkpoint=tmp_path / "c", resume=True).step_loss == history.step_loss


# --- another optimizer, a last batch of one image, arithmetic on a GPU, torch.compile ---------------------------------


def test_another_optimizer_learns_at_its_own_rate_unless_one_is_given():
    seen = []

    def adamw(parameters):
        seen.append(torch.optim.AdamW(parameters))
        return seen[-1]

    history = fit(linear(), optimizer=adamw, epochs=3, schedule="constant")
    assert history.step_lr == [pytest.approx(1e-3)] * 9 and history.train_loss[2] < history.train_loss[0]
    assert fit(linear(), optimizer=torch.optim.AdamW, lr=0.1, schedule="constant").step_lr == [0.1] * 3
    assert len(seen[0].state) == 2  # it is the optimizer that moved the weights


def test_groups_of_parameters_keep_their_own_rates():
    net = linear()
    groups = [{"params": [net[1].weight], "lr": 0.0}, {"params": [net[1].bias], "lr": 1.0}]
    before = tensors(net)
    fit(net, optimizer=lambda _: torch.optim.SGD(groups, lr=1.0), schedule="constant")
    assert torch.equal(net[1].weight, before["1.weight"]) and not torch.equal(net[1].bias, before["1.bias"])


def test_a_run_goes_on_with_the_same_optimizer_only(tmp_path):
    path = tmp_path / "checkpoint.pt"
    fit(linear(), optimizer=torch.optim.AdamW, checkpoint=path, max_steps=3, epochs=2)
    with pytest.raises(ValueError, match="optimizer 'AdamW', now 'SGD'"):
        fit(linear(), checkpoint=path, resume=True, max_steps=3, epochs=2)


def test_a_last_batch_of_one_image_is_left_out():
    """BatchNorm at 1 x 1 cannot normalize it."""
    history = fit(models.resnet18(num_classes=10, width=4), images(9), batch_size=8)
    assert len(history.step_loss) == 1
    assert len(fit(linear(), images(9), batch_size=1).step_loss) == 9


@pytest.mark.parametrize(("asked", "inside"), [("fp32", False), ("tf32", True)])
def test_fp32_is_float32_on_a_gpu_and_tf32_is_asked_for(monkeypatch, asked, inside):
    monkeypatch.setattr(loop, "precision_name", lambda name, device: name)
    monkeypatch.setattr(loop, "choose_precision", lambda name, device: None)
    switches = torch.backends.cuda.matmul, torch.backends.cudnn
    before, seen = [switch.allow_tf32 for switch in switches], []
    fit(linear(), precision=asked, callbacks=[Spy(lambda step: seen.append([s.allow_tf32 for s in switches]))])
    assert seen[0] == [inside, inside] and [switch.allow_tf32 for switch in switches] == before


def test_every_net_is_compiled_once_however_many_came_before_and_none_is_kept(monkeypatch):
    graphs, alive = [], []

    def backend(graph, inputs):
        graphs.append(len(inputs))
        return graph.forward

    original = torch.compile
    monkeypatch.setattr(torch, "compile", lambda net, **options: original(net, backend=backend, dynamic=False))
    monkeypatch.setattr("torch._dynamo.config.recompile_limit", 1)
    counts = []
    for width in range(2, 10):  # as many as the paper's grid has
        before, net = len(graphs), cifar(width=width)
        alive.append(weakref.ref(net))
        for _ in range(2):  # the second time, nothing is compiled
            history = fit(net, images(20, size=16), compile=True)
        counts.append(len(graphs) - before)
        assert len(history.step_loss) == 2  # the short last batch would be compiled once more
    assert min(counts) >= 1 and len(set(counts)) == 1
    fit(net, images(20, size=16), batch_size=4, compile=True)  # another shape is another graph
    assert len(graphs) - before == 2 * counts[-1]
    torch.compiler.reset()
    del net
    gc.collect()
    assert [ref() for ref in alive] == [None] * 8
