"""On a GPU everything gives what it gives on the CPU. `python tests/gpu tests` runs this; with `--tiny` on the CPU."""

import copy
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from test_any_network import PROBES, Net
from torch.nn import functional as F

from resnet_edu import data, exercises, models, probes, training
from resnet_edu.models import relatives
from resnet_edu.training.precision import tf32

DEVICE = torch.device(os.environ.get("RESNET_EDU_TEST_DEVICE", "cuda"))
pytestmark = pytest.mark.skipif(
    DEVICE.type == "cuda" and not torch.cuda.is_available(), reason="there is no CUDA device"
)
on_cuda = pytest.mark.skipif(DEVICE.type != "cuda", reason="of a GPU only")


@pytest.fixture(autouse=True)
def no_tf32():
    with tf32(False):
        yield


def sample(n=256, size=16):
    train, _ = data.load("sample", device="cpu", size=size)
    return train[:n]


def net(depth=14, **options):
    torch.manual_seed(0)
    return models.CifarNet(depth, **{"residual": True, "width": 8, **options})


def both(module, x):
    """The module and the batch on the CPU, and copies of them on the device."""
    return (module, x), (copy.deepcopy(module).to(DEVICE), x.to(DEVICE))


BUILDS = {
    "CifarNet, plain": lambda: net(residual=False),
    "CifarNet, residual": net,
    "CifarNet, no norm": lambda: net(norm=None),
    "CifarNet, pre-activation": lambda: net(preactivation=True),
    "CifarNet, bottleneck": lambda: net(20, block="bottleneck", shortcut="B"),
    "resnet18": lambda: models.resnet18(num_classes=10, width=8),
    **{name: lambda name=name: relatives.Skeleton(relatives.BLOCKS[name], blocks=2) for name in relatives.BLOCKS},
}


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("build", BUILDS.values(), ids=BUILDS)
def test_logits_and_gradients_are_those_of_the_cpu(build, dtype):
    torch.manual_seed(0)
    module = build().to(dtype)
    x, y = torch.randn(8, 3, 32, 32, dtype=dtype), torch.arange(8)
    logits, gradients = [], []
    for copied, batch in both(module, x):
        logits.append(copied(batch))
        F.cross_entropy(logits[-1], y.to(batch.device)).backward()
        found = [p.grad.flatten().double().cpu() for p in copied.parameters() if p.grad is not None]
        gradients.append(torch.cat(found))
    exact = dtype is torch.float64
    cpu, gpu = (part.detach().cpu() for part in logits)
    torch.testing.assert_close(gpu, cpu, rtol=0, atol=(1e-9 if exact else 2e-3) * float(cpu.abs().max()))
    # The whole gradient at once: some tensors have a true gradient of 0, and in float32 some ReLUs flip.
    assert (gradients[1] - gradients[0]).norm() <= (1e-9 if exact else 3e-2) * gradients[0].norm()


def test_batches_are_those_of_the_cpu():
    images = sample()
    options = {"shuffle": True, "augment": True, "seed": 3}
    for (x, y), (a, b) in zip(images.batches(64, **options), images.to(DEVICE).batches(64, **options), strict=True):
        torch.testing.assert_close(a.cpu(), x)
        assert torch.equal(b.cpu(), y)
    assert torch.equal(images.to(DEVICE).split(0.1)[1].images.cpu(), images.split(0.1)[1].images)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.__name__)
def test_probes_give_what_they_give_on_the_cpu(probe, dtype):
    torch.manual_seed(0)
    x = torch.randn(8, 3, 8, 8, dtype=dtype)
    (names, cpu), (same, gpu) = (probe(module, batch) for module, batch in both(Net().to(dtype), x))
    assert names == same
    size = float(np.abs(np.asarray(cpu, dtype=np.float64)).max())
    np.testing.assert_allclose(gpu, cpu, rtol=0, atol=size * (1e-9 if dtype is torch.float64 else 1e-3))


def test_norms_do_not_underflow():
    module = net().to(DEVICE)
    norms = probes.GradientNorms(module)
    for p in module.parameters():
        p.grad = torch.full_like(p, 1e-30)
    norms.record()
    sizes = [p.numel() for p in module.parameters() if p.ndim >= 2]
    np.testing.assert_allclose(norms.numpy()[0], 1e-30 * np.sqrt(sizes), rtol=1e-5)


def test_evaluation_gives_what_it_gives_on_the_cpu():
    on_cpu, on_device = training.predict(net(), sample()), training.predict(net(), sample().to(DEVICE))
    torch.testing.assert_close(on_device.cpu(), on_cpu, rtol=0, atol=1e-3)
    metrics = [training.evaluate(net(), images).loss for images in (sample(), sample().to(DEVICE))]
    assert abs(metrics[1] - metrics[0]) < 1e-3


def test_a_run_on_the_device_starts_like_one_on_the_cpu():
    losses, norms = [], []
    for device in ("cpu", DEVICE):
        module = net()
        recorder = probes.GradientNorms(module)
        history = training.fit(
            module, sample().to(device), epochs=1, batch_size=64, lr=0.01, callbacks=[recorder], progress=False
        )
        losses.append(history.step_loss)
        norms.append(recorder.numpy())
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-2)
    np.testing.assert_allclose(norms[1][0], norms[0][0], rtol=1e-2)


@pytest.mark.parametrize(
    "precision", ["fp32", "bf16", pytest.param("tf32", marks=on_cuda), pytest.param("fp16", marks=on_cuda)]
)
def test_a_run_repeats_resumes_and_leaves_the_random_state_alone(precision, tmp_path):
    images = sample().to(DEVICE)
    options = {"epochs": 2, "batch_size": 64, "lr": 0.01, "precision": precision, "progress": False, "augment": True}
    torch.backends.cudnn.deterministic = True
    try:
        whole, again, parts = (net(stochastic_depth_prob=0.3) for _ in range(3))
        states = [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if DEVICE.type == "cuda" else [])]
        first = training.fit(whole, images, **options)
        second = training.fit(again, images, **options)
        path = tmp_path / "checkpoint.pt"
        stop = lambda history: (_ for _ in ()).throw(KeyboardInterrupt)  # noqa: E731
        training.fit(parts, images, **options, checkpoint=path, callbacks=[stop])
        resumed = training.fit(parts, images, **options, checkpoint=path, resume=True)
    finally:
        torch.backends.cudnn.deterministic = False
    np.testing.assert_allclose(second.step_loss, first.step_loss, rtol=1e-3)
    np.testing.assert_allclose(resumed.step_loss, first.step_loss, rtol=1e-3)
    now = [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if DEVICE.type == "cuda" else [])]
    assert all(torch.equal(a, b) for a, b in zip(states, now, strict=True))


@on_cuda
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_no_step_waits_for_the_gpu(precision):
    train, _ = data.load("sample")
    module = net()
    norms = probes.GradientNorms(module)

    def watch(step):
        torch.cuda.set_sync_debug_mode("error" if 1 <= step < 45 else "default")

    watcher = type("Watcher", (), {"on_gradients": staticmethod(watch)})()
    options = {"epochs": 1, "batch_size": 64, "augment": True, "precision": precision, "progress": False}
    try:
        training.fit(module, train, callbacks=[watcher, norms], **options)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert len(norms.numpy()) == 79


def test_compiled_nets_train_as_the_others_do():
    images = sample().to(DEVICE)
    options = {"epochs": 1, "batch_size": 64, "lr": 0.01, "progress": False}
    eager, compiled = (training.fit(net(), images, compile=flag, **options) for flag in (False, True))
    np.testing.assert_allclose(compiled.step_loss, eager.step_loss, rtol=1e-2)


@pytest.mark.parametrize("name", exercises.names())
def test_a_right_answer_is_right_on_this_machine(name):
    exercise = exercises.find(name)
    assert exercises.check(name, exercise.reference).status == "correct"


def test_one_rank_trains_under_torchrun(tmp_path):
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=1"]
    launcher += ["--local_addr=127.0.0.1"]  # a machine without network may not know its own name
    command = ["-m", "resnet_edu", "train", "--depth", "8", "--data", "sample", "--epochs", "1", "--out", str(tmp_path)]
    command += ["--compile"] if DEVICE.type == "cuda" else []
    done = subprocess.run([*launcher, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "run.json").exists()
