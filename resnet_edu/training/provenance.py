"""The metadata of a recorded result: commit, machine and versions."""

import os
import platform
import re
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

VERSIONS = ("torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "jupyterlab")


def facts(device: torch.device | None = None) -> dict[str, Any]:
    """{"commit", "machine", "versions"} of this run, and the GPU's name if it ran on one."""
    machine = f"{processor()}, {os.cpu_count()} cores"
    if device is not None and device.type == "cuda":
        machine = f"{torch.cuda.get_device_name(device)}; {machine}"
    versions = {"python": platform.python_version()}
    for name in VERSIONS:
        with suppress(PackageNotFoundError):  # the package runs without JupyterLab
            versions[name] = version(name)
    return {"commit": commit(Path(__file__).parent), "machine": machine, "versions": versions}


def commit(folder: Path) -> str:
    """The commit that the run started from. Outside a clone: RESNET_EDU_COMMIT or "", even in another repository."""
    ours = ["git", "ls-files", "--error-unmatch", Path(__file__).name]
    head = ["git", "rev-parse", "HEAD"]
    try:
        for command in (ours, head):
            result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):  # no git here, or this file is not tracked
        return os.environ.get("RESNET_EDU_COMMIT", "")
    return result.stdout.strip()


def processor() -> str:
    """The processor's name in /proc/cpuinfo; on other systems its architecture."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo.read_text() if cpuinfo.exists() else "", re.MULTILINE)
    return names[0] if names else f"{platform.machine()} on {sys.platform}"
