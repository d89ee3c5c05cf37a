"""A run that stops goes on as if it had not; a checkpoint is whole or not there."""

import copy
import multiprocessing
import os
import signal
import time
from dataclasses import asdict

import pytest
import torch
from samples import Stop, cifar
from torch import nn

from resnet_edu import data, training
from resnet_edu.models import weights
from resnet_edu.training import checkpoints, precision


@pytest.fixture(scope="module")
def train():
    return data.load("sample", size=8, device="cpu")[0][:300]


def net_with_dropout():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.2), nn.Flatten(), nn.Linear(288, 10)
    )


def stop_after(epochs):
    def callback(history):
        if len(history.train_loss) == epochs:
            raise Stop

    return callback


def plain_lists(history):
    return {key: value for key, value in asdict(history).items() if key != "seconds"}


@pytest.mark.parametrize("max_steps", [None, 13])
def test_a_resumed_run_equals_one_that_never_stopped_bit_for_bit(train, tmp_path, max_steps):
    options = {"epochs": 4, "batch_size": 64, "augment": True, "progress": False, "seed": 3, "max_steps": max_steps}
    whole = net_with_dropout()
    expected = training.fit(whole, train, train[:50], **options)

    first = net_with_dropout()
    with pytest.raises(Stop):
        training.fit(first, train, train[:50], checkpoint=tmp_path / "c", callbacks=[stop_after(2)], **options)
    torch.manual_seed(99)  # another process has another random state
    again = net_with_dropout()
    history = training.fit(again, train, train[:50], checkpoint=tmp_path / "c", resume=True, **options)

    assert plain_lists(history) == plain_lists(expected)
    assert all(torch.equal(a, b) for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True))


def test_a_run_that_is_done_resumes_to_the_same_history(train, tmp_path):
    options = {"epochs": 2, "progress": False, "checkpoint": tmp_path / "c"}
    done = training.fit(net_with_dropout(), train, **options)
    again = training.fit(net_with_dropout(), train, resume=True, **options)
    assert asdict(again) == asdict(done)


def test_an_interrupted_epoch_is_trained_again_whole(train, tmp_path):
    class Interrupt:
        def on_gradients(self, step):
            if step == 7:
                raise KeyboardInterrupt

    options = {"epochs": 3, "batch_size": 64, "progress": False}
    expected = training.fit(net_with_dropout(), train, **options)
    stopped = training.fit(net_with_dropout(), train, checkpoint=tmp_path / "c", callbacks=[Interrupt()], **options)
    assert stopped.interrupted and len(stopped.train_loss) == 1
    history = training.fit(net_with_dropout(), train, checkpoint=tmp_path / "c", resume=True, **options)
    assert plain_lists(history) == plain_lists(expected)


def test_max_steps_ends_schedule_and_run(train):
    history = training.fit(
        net_with_dropout(), train, epochs=9, batch_size=64, max_steps=8, schedule="paper", lr=0.1, progress=False
    )
    assert history.step_lr == pytest.approx([0.1] * 4 + [0.01] * 2 + [0.001] * 2)
    assert len(history.train_loss) == 2  # the second epoch is cut after three of five steps


def test_an_existing_checkpoint_is_not_written_over(train, tmp_path):
    training.fit(net_with_dropout(), train, epochs=1, progress=False, checkpoint=tmp_path / "c")
    with pytest.raises(FileExistsError, match="resume it with resume=True"):
        training.fit(net_with_dropout(), train, epochs=1, progress=False, checkpoint=tmp_path / "c")


def test_other_settings_or_another_net_are_named_and_the_net_stays_as_it_was(train, tmp_path):
    options = {"progress": False, "checkpoint": tmp_path / "c"}
    training.fit(cifar(), train, epochs=1, **options)
    with pytest.raises(ValueError, match=r"another run: epochs 1, now 2; lr 0.1, now 0\.5"):
        training.fit(cifar(), train, epochs=2, lr=0.5, resume=True, **options)
    net = cifar(num_classes=12)
    before = copy.deepcopy(net.state_dict())
    with pytest.raises(ValueError, match=r"another network than this CifarNet: fc.bias is \[12\] .* \[10\]"):
        training.fit(net, train, epochs=1, resume=True, **options)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_what_a_callback_draws_is_not_missed_when_a_run_goes_on(train, tmp_path):
    options = {"epochs": 3, "progress": False, "checkpoint": tmp_path / "c"}
    drawn = []
    draw = lambda history: drawn.append(torch.rand(1).item())  # noqa: E731
    expected = training.fit(net_with_dropout(), train, epochs=3, progress=False, callbacks=[draw])
    with pytest.raises(Stop):
        training.fit(net_with_dropout(), train, callbacks=[draw, stop_after(1)], **options)
    again = training.fit(net_with_dropout(), train, callbacks=[draw], resume=True, **options)
    assert plain_lists(again) == plain_lists(expected)
    assert drawn[:3] == drawn[3:] and len(set(drawn)) == 3


def test_auto_precision_is_held_to_what_it_came_to(train, tmp_path, monkeypatch):
    options = {"epochs": 1, "progress": False, "checkpoint": tmp_path / "c", "precision": "auto"}
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: False)
    training.fit(net_with_dropout(), train, **options)
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: True)  # the run goes on on another machine
    with pytest.raises(ValueError, match="another run: precision 'fp32', now 'bf16'"):
        training.fit(net_with_dropout(), train, resume=True, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resume": True}, "resume=True needs checkpoint="), ({"resume": 1, "checkpoint": "c"}, "resume=1"),
        ({"checkpoint": 3}, "checkpoint=3"), ({"max_steps": 0}, "max_steps=0"),
    ],
)  # fmt: skip
def test_wrong_settings_say_what_is_possible(train, options, message):
    with pytest.raises((TypeError, ValueError), match=message):
        training.fit(net_with_dropout(), train, epochs=1, progress=False, **options)


def test_a_damaged_truncated_or_foreign_file_gets_a_sentence(tmp_path):
    whole = tmp_path / "whole"
    checkpoints.write(whole, {"settings": {}, "numbers": torch.arange(1000)})
    content = whole.read_bytes()
    files = {
        "empty": b"",
        "truncated": content[: len(content) // 2],
        "one byte changed": content[:4000] + bytes([content[4000] ^ 255]) + content[4001:],
        "text": b"hello",
    }
    for name, what in files.items():
        (tmp_path / name).write_bytes(what)
        with pytest.raises(ValueError, match=f"{name} is not a complete checkpoint"):
            checkpoints.read(tmp_path / name)
    torch.save({"model": {}}, tmp_path / "foreign")
    with pytest.raises(ValueError, match="is not a checkpoint of this package"):
        checkpoints.read(tmp_path / "foreign")
    torch.save(Stop(), tmp_path / "code")  # a pickled object is code that would run
    with pytest.raises(ValueError, match="not a complete checkpoint"):
        checkpoints.read(tmp_path / "code")
    with pytest.raises(FileNotFoundError, match="There is no checkpoint"):
        checkpoints.read(tmp_path / "none")


def write_forever(path, n, reports):
    """Writes checkpoints as fast as it can, so that a kill at a random moment often falls into a write."""
    torch.set_num_threads(1)  # a forked process has none of the other threads
    while True:
        checkpoints.write(path, {"n": n, "numbers": torch.full((200_000,), n)})
        os.write(reports, f"{n}\n".encode())
        n += 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX systems fork, and kill without warning")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_killed_at_any_moment_the_last_checkpoint_loads(tmp_path):
    path, n = tmp_path / "c", 0
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        reader, reports = os.pipe()
        writer = multiprocessing.get_context("fork").Process(target=write_forever, args=(path, n, reports))
        writer.start()
        os.close(reports)
        written = os.read(reader, 20)  # one is whole
        time.sleep(0.05 * float(torch.rand((), generator=generator)))
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        while more := os.read(reader, 65536):
            written += more
        os.close(reader)
        reported = int(written.split(b"\n")[-2])
        state = checkpoints.read(path)
        assert bool((state["numbers"] == state["n"]).all())
        assert state["n"] >= reported, "a checkpoint that was reported is lost"
        n = state["n"] + 1
    checkpoints.write(path, {"n": 0})
    assert [p.name for p in tmp_path.iterdir()] == ["c"], "what killed runs left half written is cleaned away"


def test_a_net_is_filled_whole_or_not_at_all():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.z = nn.Parameter(torch.tensor(0.0)), nn.Parameter(torch.tensor(0.0))

    pair = Pair()
    with pytest.raises(ValueError, match="z is a tensor only in the network"):
        weights.fill(pair, {"a": torch.tensor(3.0), "z": "abc"})
    assert pair.a.item() == 0
    lazy = nn.LazyLinear(10)
    weights.fill(lazy, nn.Linear(4, 10).state_dict())
    assert lazy(torch.zeros(2, 4)).shape == (2, 10)
