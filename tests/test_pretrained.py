"""torchvision's weights: from a file under the official name, or over the network; without either in seconds."""

import copy
import hashlib
import io
import time

import pytest
import torch
from torchvision.models import get_model_weights, resnet18

from resnet_edu import files, models
from resnet_edu.models import weights


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Empty folders in all the places that are looked in: (course, cache)."""
    course, cache = tmp_path / "course", tmp_path / "cache"
    monkeypatch.setattr(files, "course_folder", lambda: course)
    monkeypatch.setattr(files, "cache_folder", lambda: cache)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(weights, "SOURCE", "http://127.0.0.1:9/")  # nobody listens there
    return course, cache


@pytest.fixture(scope="module")
def official():
    torch.manual_seed(0)
    return resnet18()


def file_of(net):
    """The state as the official files hold it, which were written before BatchNorm counted its batches."""
    return {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}


def test_the_files_are_those_of_torchvision():
    for name, file in weights.OFFICIAL.items():
        assert get_model_weights(name).IMAGENET1K_V1.url == weights.SOURCE + file


@pytest.mark.parametrize("place", ["course", "cache"])
def test_a_file_under_the_official_name_is_used(place, places, official, capsys):
    folder = places[place == "cache"] / "weights"
    folder.mkdir(parents=True)
    torch.save(file_of(official), folder / "resnet18-f37072fd.pth")
    net = models.resnet18()
    assert weights.pretrained(net, "resnet18")
    assert all(torch.equal(net.state_dict()[key], tensor) for key, tensor in official.state_dict().items())
    assert capsys.readouterr().out.endswith("trained on ImageNet, from resnet18-f37072fd.pth\n")


@pytest.mark.parametrize("download", [True, False])
def test_without_a_network_the_net_stays_as_it_is(download, places, capsys):
    net = models.resnet18(width=4)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    started = time.perf_counter()
    assert not weights.pretrained(net, "resnet18", download=download)
    assert time.perf_counter() - started < 10
    assert all(torch.equal(net.state_dict()[key], tensor) for key, tensor in before.items())
    said = capsys.readouterr().out
    assert "keeps its random ones" in said and "resnet18-f37072fd.pth" in said
    assert ("refused" in said) == download


def test_a_download_is_verified_and_kept(places, official, monkeypatch, capsys):
    file = io.BytesIO()
    torch.save(file_of(official), file)
    monkeypatch.setattr(weights, "fetch", lambda url, patience, slowest: file.getvalue())
    assert not weights.pretrained(models.resnet18(width=4), "resnet18")
    assert "its SHA-256 does not start with f37072fd" in capsys.readouterr().out
    assert not list(places[1].rglob("*.pth"))

    right = f"resnet18-{hashlib.sha256(file.getvalue()).hexdigest()[:8]}.pth"
    monkeypatch.setitem(weights.OFFICIAL, "resnet18", right)
    net = models.resnet18()
    assert weights.pretrained(net, "resnet18")
    assert torch.equal(net.fc.weight, official.fc.weight)
    assert [path.name for path in (places[1] / "weights").iterdir()] == [right]


def test_a_damaged_file_and_another_net_are_refused(places, official):
    folder = places[0] / "weights"
    folder.mkdir(parents=True)
    path = folder / "resnet18-f37072fd.pth"
    path.write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"f37072fd.pth"):
        weights.pretrained(models.resnet18(width=4), "resnet18")
    torch.save(file_of(official), path)
    smaller = models.resnet18(10)
    before = copy.deepcopy(smaller.state_dict())
    with pytest.raises(ValueError, match=r"does not fit this ResNet: .* in the network and .* in the file"):
        weights.pretrained(smaller, "resnet18")
    assert all(torch.equal(tensor, before[name]) for name, tensor in smaller.state_dict().items())
    with pytest.raises(ValueError, match="resnet19"):
        weights.pretrained(models.resnet18(width=4), "resnet19")
