"""What is promised about installing: little is imported, and nothing that only developers have is needed."""

import json
import subprocess
import sys


def modules_after(statement):
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    return json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_importing_the_package_imports_nothing_of_it():
    assert [name for name in modules_after("import resnet_edu") if name.startswith("resnet_edu.")] == []


def test_the_command_line_answers_without_loading_torch():
    modules = modules_after("import resnet_edu.__main__")
    assert not {"torch", "numpy", "nbformat", "jupyterlab"} & set(modules)


def test_plain_pytest_needs_no_plugin_but_nbval(pytestconfig):
    assert all(option.startswith("--nbval-") for option in pytestconfig.getini("addopts"))
