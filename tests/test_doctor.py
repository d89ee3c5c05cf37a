"""`python -m resnet_edu doctor`: ten lines, whatever is broken."""

import os
import subprocess
import sys
from pathlib import Path

import ipywidgets
import pytest
import torch

from resnet_edu import doctor, files
from resnet_edu.__main__ import main

ROOT = Path(__file__).resolve().parents[1]


def line(name):
    (found,) = [finding for finding in doctor.examine() if finding.name == name]
    return found


@pytest.mark.skipif(ipywidgets.__version__.startswith("7."), reason="doctor says that ipywidgets 7 has no front end")
def test_ten_lines_and_nothing_missing_where_the_tests_run(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10 and all(text[0] in "✓–" for text in lines)
    assert torch.__version__ in lines[1] and "5,000 training" in lines[4]


def test_a_torchvision_of_another_torch_is_found(monkeypatch):
    from torchvision import ops

    def nms(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(ops, "nms", nms)
    found = line("PyTorch")
    assert found.state == "missing" and "nms does not exist" in found.text and "versions must match" in found.text


def test_without_pytorch_the_other_lines_still_come(tmp_path):
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "resnet_edu", "doctor"]
    told = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 1 and not told.stderr
    assert len(told.stdout.splitlines()) == 10 and told.stdout.count("needs PyTorch: see above") == 4
    assert "✗ PyTorch      ModuleNotFoundError: No module named 'torch'. Install again" in told.stdout


@pytest.mark.parametrize(
    ("installed", "told"),
    [({"jupyterlab": "4.6.6", "ipywidgets": "7.7.1"}, "has no front end"), ({}, "jupyterlab is not installed")],
)
def test_widgets_that_do_not_fit_are_found(monkeypatch, installed, told):
    def version(name):
        if name not in installed and name in ("jupyterlab", "ipywidgets"):
            raise doctor.PackageNotFoundError(name)
        return installed.get(name, "1.0")

    monkeypatch.setattr(doctor, "version", version)
    assert line("notebooks").state == "missing" and told in line("notebooks").text


@pytest.fixture
def course(tmp_path, monkeypatch):
    """A course folder with one trained net in it, and no full CIFAR-10 anywhere."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "net.safetensors").write_bytes(b"net")
    digest = "c6b7aa4a1ae29e9f0d2b7a5c2d7c1c0e"  # not its own
    (tmp_path / "weights" / "SHA256SUMS").write_text(f"{digest}  net.safetensors\n")
    monkeypatch.setattr(files, "course_folder", lambda: tmp_path)
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "not" / "yet")
    return tmp_path


def test_damaged_and_missing_weights_are_named(course):
    assert "net.safetensors is damaged" in line("weights").text
    (course / "weights" / "net.safetensors").unlink()
    assert "net.safetensors is missing" in line("weights").text and line("weights").state == "missing"
    (course / "weights" / "SHA256SUMS").unlink()
    assert line("weights").state == "missing"
    assert line("weights").text.startswith("SHA256SUMS is missing. `git checkout data/weights`")


def test_the_full_set_is_optional_and_found(course):
    assert line("CIFAR-10").state == "optional" and "resnet_edu data cifar10" in line("CIFAR-10").text
    (course / "cifar10.npz").touch()
    assert line("CIFAR-10").state == "fine"


def test_a_full_disk_and_a_folder_that_cannot_be_written_are_said(course, monkeypatch):
    usage = type("usage", (), {"free": 1e8})
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda place: usage)
    assert "0.1 GB" in line("disk").text and line("disk").state == "optional"

    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    found = line("write access")
    assert found.state == "optional" and f"{course / 'not' / 'yet'} is not writable (Permission denied)" in found.text
    assert "RESNET_EDU_CACHE" in found.text


@pytest.mark.parametrize(
    ("variable", "value", "state", "told"),
    [
        ("RESNET_EDU_BUDGET", "huge", "missing", "smoke, laptop, gpu"),
        ("RESNET_EDU_SEED", "abc", "missing", "RESNET_EDU_SEED='abc'"),
        ("RESNET_EDU_SEED", "2", "fine", "; RESNET_EDU_SEED=2"),
    ],
)
def test_what_the_environment_asks_for_is_said(variable, value, state, told, monkeypatch):
    monkeypatch.setenv(variable, value)
    assert line("budget").state == state and told in line("budget").text
