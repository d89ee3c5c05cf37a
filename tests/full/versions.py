"""README's test command in other environments: as Colab has it, with the lowest versions allowed, on each Python.

    python tests/full/versions.py                        all of them, one after the other
    python tests/full/versions.py colab lowest           only these
    python tests/full/versions.py 3.13 -- tests -k plots only these tests: what follows -- goes to pytest

It needs uv (`pip install uv`), which takes the Pythons that are on PATH or in pyenv, and fetches those that are not.
An environment takes 6 GB; each is deleted before the next is made. uv keeps what it downloaded: `uv cache clean`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]
TEST_COMMAND = ["pytest", "-n", "2", "--dist", "loadscope"]
SHOWN = ["torch", "torchvision", "numpy", "matplotlib", "ipywidgets", "ipython", "ipykernel", "pytest"]

DEV = ["--editable", ".[dev]"]
NEWEST = ["--requirements", "requirements.txt", *DEV]
# Since August 2026, on Python 3.13 (colabtools issue 6081).
COLAB = ["ipywidgets==7.7.1", "ipython==7.34.0", "ipykernel==6.17.1", "matplotlib==3.10.0"]

# Name: Python, and what is installed. requirements.txt asks for ipywidgets 8, whose front end fits JupyterLab; without
# it, the tests run on kernels alone.
ENVIRONMENTS = {
    "colab": ("3.13", [*DEV, *COLAB]),
    "lowest": ("3.10", [*DEV, "--resolution", "lowest-direct"]),
    "3.10": ("3.10", NEWEST),
    "3.11": ("3.11", NEWEST),
    "3.12": ("3.12", NEWEST),
    "3.13": ("3.13", NEWEST),
}


def find_python(version: str) -> str:
    """pyenv's, or the version itself, which uv looks for. (pyenv's `python3.10` on PATH works only once selected.)"""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    return next(map(str, pyenv.glob(f"versions/{version}.*/bin/python")), version)


def run_tests(name: str, pytest_options: list[str]) -> tuple[bool, str]:
    """Make the environment, run the tests in it, delete it. Whether all passed, and a line that says what ran."""
    version, packages = ENVIRONMENTS[name]
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="resnet_edu_") as folder:
        python = Path(folder, "Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        report = Path(folder, "report.xml")
        uv = ["uv", "--quiet"]
        subprocess.run([*uv, "venv", "--allow-existing", "--python", find_python(version), folder], check=True)
        subprocess.run([*uv, "pip", "install", "--python", python, *packages], cwd=ROOT, check=True)
        listed = subprocess.check_output([*uv, "pip", "list", "--python", python, "--format", "json"])
        found = {package["name"]: package["version"] for package in json.loads(listed)}
        versions = f"Python {version}, " + ", ".join(f"{package} {found[package]}" for package in SHOWN)
        print(f"\n=== {name}: {versions}", flush=True)
        tests = [python, "-m", *TEST_COMMAND, *pytest_options, f"--junit-xml={report}"]
        status = subprocess.run(tests, cwd=ROOT, check=False).returncode
        if not report.exists():
            return False, f"{name:7}pytest ended with status {status} and ran no test   {versions}"
        suite = ElementTree.parse(report).getroot()[0].attrib
    failed = int(suite["failures"]) + int(suite["errors"])
    passed = int(suite["tests"]) - failed - int(suite["skipped"])
    minutes = (time.monotonic() - start) / 60
    counts = f"{passed:5} passed {failed:4} failed {suite['skipped']:>4} skipped {minutes:6.1f} min"
    return status == 0, f"{name:7}{counts}   {versions}"


def main(arguments: list[str]) -> int:
    split = arguments.index("--") if "--" in arguments else len(arguments)
    names = arguments[:split] or list(ENVIRONMENTS)
    if unknown := set(names) - set(ENVIRONMENTS):
        sys.exit(f"No environment {', '.join(sorted(unknown))}: there are {', '.join(ENVIRONMENTS)}.")
    if shutil.which("uv") is None:
        sys.exit("uv is not on PATH: pip install uv")
    results = []
    for name in names:
        try:
            results.append(run_tests(name, arguments[split + 1 :]))
        except subprocess.CalledProcessError as error:  # uv has said what is missing
            results.append((False, f"{name:7} no environment: {' '.join(map(str, error.cmd[:4]))} failed"))
    print("\n" + "\n".join(line for _, line in results))
    return 0 if all(passed for passed, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
