"""Trained weights survive a file: whole or not at all, with a sentence for a file that does not fit."""

from pathlib import Path

import pytest
import torch
from samples import cifar as net

from resnet_edu.models import weights


def test_what_is_saved_is_loaded_to_half_precision(tmp_path: Path) -> None:
    saved, loaded = net(seed=0), net(seed=1)
    saved.stem.norm.running_mean.fill_(0.3)
    weights.save(saved, tmp_path / "net.safetensors")
    weights.load(loaded, tmp_path / "net.safetensors")
    for name, tensor in saved.state_dict().items():
        expected = tensor.half().float() if tensor.ndim >= 2 else tensor
        assert torch.equal(loaded.state_dict()[name], expected), name


def test_what_is_too_large_for_half_precision_survives(tmp_path: Path) -> None:
    saved, loaded = net(seed=0), net(seed=1)
    saved.stem.norm.running_var.fill_(1e6)  # a plain-56 after a high learning rate
    torch.nn.init.constant_(saved.fc.weight, 1e5)
    weights.save(saved, tmp_path / "net.safetensors")
    weights.load(loaded, tmp_path / "net.safetensors")
    assert bool((loaded.stem.norm.running_var == 1e6).all())
    assert bool((loaded.fc.weight == 1e5).all())


def test_the_same_net_and_facts_give_the_same_bytes(tmp_path: Path) -> None:
    facts = {f"fact_{i}": "é" * i for i in range(6)}
    files = {weights.save(net(), tmp_path / f"{i}.safetensors", **facts).read_bytes() for i in range(8)}
    assert len(files) == 1


def test_facts_travel_with_the_weights(tmp_path: Path) -> None:
    weights.save(net(), tmp_path / "net.safetensors", epochs=5, net="CifarNet(8)")
    facts = weights.load(net(), tmp_path / "net.safetensors")
    assert facts == {"epochs": "5", "net": "CifarNet(8)", "torch": torch.__version__}


def test_a_file_of_another_net_says_what_differs(tmp_path: Path) -> None:
    weights.save(net(8), tmp_path / "net.safetensors", net="CifarNet(8)")
    with pytest.raises(ValueError, match=r"does not fit this CifarNet.*made by CifarNet\(8\)"):
        weights.load(net(14), tmp_path / "net.safetensors")


def test_a_net_in_a_wrapper_and_a_layer_under_two_names_are_stored(tmp_path: Path) -> None:
    wrapped = torch.nn.DataParallel(net(8))
    weights.load(net(8), weights.save(wrapped, tmp_path / "wrapped.safetensors"))
    weights.load(wrapped, tmp_path / "wrapped.safetensors")
    layer = torch.nn.BatchNorm2d(3)
    twice = torch.nn.Sequential(layer, layer)
    weights.load(twice, weights.save(twice, tmp_path / "twice.safetensors"))


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_damaged_file_is_refused_in_a_sentence_and_the_net_stays(tmp_path: Path, damage: str) -> None:
    path = weights.save(net(), tmp_path / "net.safetensors")
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"hello", "empty": b""}[damage])
    other = net(seed=1)
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ValueError, match="not a complete weights file"):
        weights.load(other, path)
    assert all(torch.equal(before[name], tensor) for name, tensor in other.state_dict().items())


def test_unknown_name_lists_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESNET_EDU_CACHE", str(tmp_path))
    weights.save(net(), tmp_path / "weights" / "mine.safetensors")
    with pytest.raises(FileNotFoundError, match=r"no weights 'yours'.*mine"):
        weights.load(net(), "yours")
    weights.load(net(), "mine")


@pytest.mark.parametrize("suffix", [".th", ".pt", ".pth"])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_what_others_stored_with_torch_save_is_read(tmp_path: Path, suffix: str, prefix: str) -> None:
    stored, path = net(seed=1), tmp_path / f"net{suffix}"
    state = {f"{prefix}{name}": tensor for name, tensor in stored.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 200, "best": 91.5, "optimizer": {"lr": [0.1]}}, path)
    loaded, filled, bare = net(), net(), net()
    assert weights.load(loaded, path) == {"epoch": "200", "best": "91.5"}
    weights.fill(filled, path)
    torch.save(state, path)
    assert weights.load(bare, path) == {}
    for name, tensor in stored.state_dict().items():
        assert all(torch.equal(other.state_dict()[name], tensor) for other in (loaded, filled, bare)), name


def test_a_net_whose_own_names_begin_as_a_wrapper_s_is_filled_by_them() -> None:
    averaged = torch.optim.swa_utils.AveragedModel(net(seed=1))
    other = torch.optim.swa_utils.AveragedModel(net(seed=2))
    weights.fill(other, averaged.state_dict())
    assert torch.equal(other.module.fc.weight, averaged.module.fc.weight)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple[object, tuple[str, str]]:
            return open, (str(tmp_path / "mark"), "w")

    torch.save({"state_dict": Touch()}, tmp_path / "net.th")
    with pytest.raises(ValueError, match="not a complete weights file"):
        weights.load(net(), tmp_path / "net.th")
    assert not (tmp_path / "mark").exists()
