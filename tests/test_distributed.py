"""Several processes train one net as one process would: on the CPU, started by torchrun as a user starts them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from resnet_edu import data, models, training
from resnet_edu.models.wrappers import bare
from resnet_edu.training.distributed import Ranks

ROOT = Path(__file__).resolve().parents[1]
# Dividing each batch of 48, and the last one of 24, by 1, 2 and 3.
IMAGES, BATCH, TEST = 264, 48, 101

# DistributedDataParallel leaves gloo's threads running, which rarely abort a process that ends in the usual way.
SCRIPT = """
import os, sys, torch
from tests.test_distributed import images, net_without_norm, run
from resnet_edu.training.distributed import ProcessGroup
with ProcessGroup() as group:
    result = run(group.wrap(net_without_norm()), ranks=group)
    if group.rank == 0:
        torch.save(result, sys.argv[1])
os._exit(0)
"""


def images():
    train, test = data.load("sample", size=8, device="cpu")
    return train[:IMAGES], test[:TEST]


def net_without_norm():
    torch.manual_seed(0)
    return models.CifarNet(8, residual=True, norm=None, init="default")


def run(net, ranks=None):
    train, test = images()
    options = {"epochs": 2, "lr": 0.05, "batch_size": BATCH, "augment": True, "progress": False}
    history = training.fit(net, train, test, ranks=ranks, **options)
    weights = bare("run", net).state_dict()
    return [history.step_loss, history.train_loss, history.train_accuracy, history.val_loss], weights


def torchrun(world, *command):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={world}"]
    command = [*launcher, *map(str, command)]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def one_process():
    return run(net_without_norm())


@pytest.mark.parametrize("world", [1, 2, 3])
def test_many_processes_train_as_one_does_without_batch_norm(one_process, world, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    result = torchrun(world, script, tmp_path / "result")
    assert result.returncode == 0, result.stderr
    lists, weights = torch.load(tmp_path / "result")
    expected_lists, expected_weights = one_process
    # Sums in another order: float32 keeps seven digits, and twelve steps pass the difference on.
    for values, expected in zip(lists, expected_lists, strict=True):
        assert values == pytest.approx(expected, rel=1e-3)
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected_weights[name], rtol=1e-3, atol=1e-4)


def test_the_shards_of_a_batch_are_disjoint_and_together_the_batch():
    train = data.load("sample", size=8, device="cpu")[0][:100]
    for world in (1, 2, 3, 4):
        options = {"shuffle": True, "augment": True, "seed": 5}
        whole = list(train.batches(36, **options))
        shards = [list(train.batches(36, **options, shard=(rank, world))) for rank in range(world)]
        for batch, parts in zip(whole, zip(*shards, strict=True), strict=True):
            equal = len(batch[1]) // world * world
            assert {len(labels) for _, labels in parts} == {equal // world}
            for rank, (x, y) in enumerate(parts):
                assert torch.equal(x, batch[0][rank:equal:world]) and torch.equal(y, batch[1][rank:equal:world])


def test_a_last_batch_with_fewer_images_than_processes_is_left_out():
    train = data.load("sample", size=8, device="cpu")[0][:13]
    assert [len(y) for _, y in train.batches(6, shard=(2, 3))] == [2, 2]


@pytest.mark.parametrize(("world", "batch_size", "named"), [(3, 128, "batch_size=128"), (2, 48, "ranks.wrap")])
def test_what_processes_cannot_share_is_refused(world, batch_size, named):
    with pytest.raises(ValueError, match=named):
        training.fit(net_without_norm(), images()[0], epochs=1, ranks=Ranks(world=world), batch_size=batch_size)


def test_ranks_drop_other_units_and_refuse_to_go_on_from_different_epochs(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, torch\nfrom torch import nn\nfrom tests.test_distributed import images\n"
        "from resnet_edu import training\nfrom resnet_edu.training.distributed import ProcessGroup\n"
        "class Seen(nn.Module):\n"
        "    def forward(self, x):\n"
        "        if self.training: print((x == 0).nonzero().tolist(), file=seen, flush=True)\n"
        "        return x\n"
        "with ProcessGroup() as group:\n"
        "    seen = open(f'{sys.argv[1]}/masks{group.rank}', 'w')  # in one pipe, long lines of two ranks mix\n"
        "    net = nn.Sequential(nn.Flatten(), nn.Linear(192, 10), nn.Dropout(), Seen())\n"
        "    options = {'epochs': 2, 'batch_size': 264, 'progress': False, 'ranks': group}\n"
        "    path = f'{sys.argv[1]}/{group.rank}'  # two disks, and only the first rank writes\n"
        "    training.fit(group.wrap(net), images()[0], checkpoint=path, **options)\n"
        "    training.fit(group.wrap(net), images()[0], checkpoint=path, resume=True, **options)\n"
    )
    result = torchrun(2, script, tmp_path)
    masks = [set((tmp_path / f"masks{rank}").read_text().splitlines()) for rank in (0, 1)]
    assert len(masks[0]) == len(masks[1]) == 2
    assert not masks[0] & masks[1]
    assert "ValueError: The processes would resume from different epochs, [0, 2]" in result.stderr


def test_two_processes_train_by_the_command_and_one_of_them_writes(tmp_path):
    script = tmp_path / "train.py"
    source = "import sys\nfrom tests import test_recipes as t\nt.data.load = t.small_images\nt.main(sys.argv[1:])\n"
    script.write_text(source)
    command = ("train", "--depth", 8, "--data", "sample", "--recipe", "fast", "--epochs", 1, "--out", tmp_path / "run")
    result = torchrun(2, script, *command)
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("epoch   1:") == 1
    assert json.loads((tmp_path / "run" / "run.json").read_text())["processes"] == 2
