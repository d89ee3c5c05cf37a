"""The command line: `python -m resnet_edu ...`, as a person types it."""

import io
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

import pytest

import resnet_edu
from resnet_edu import __main__ as cli
from resnet_edu import data
from resnet_edu.authoring import lessons as course
from resnet_edu.authoring.lessons import Refusal

LESSON = "03_vanishing_gradients"


@pytest.fixture
def notebooks(tmp_path, monkeypatch):
    """A course of two lessons, in place of the real one."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    for name in ("01_first", "02_second"):
        (folder / f"{name}.ipynb").write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}')
    monkeypatch.setattr(course, "NOTEBOOKS", folder)
    return folder


@pytest.fixture
def refused(capsys):
    """Run a command that must fail: exit code 1, and one sentence, which is returned, on stderr."""

    def run(arguments):
        assert cli.main(arguments) == 1
        said = capsys.readouterr().err
        assert said.startswith("resnet_edu: ")
        assert said.count("\n") == 1
        return said.removeprefix("resnet_edu: ").rstrip("\n")

    return run


# ---- open, for real -------------------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path):
    """`python -m resnet_edu open 3`, without a browser and apart from the user's own Jupyter settings."""
    places = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    process = subprocess.Popen(
        [sys.executable, "-m", "resnet_edu", "open", LESSON, "--no-browser", "--folder", str(tmp_path / "mine")],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **places, "HTTP_PROXY": "http://127.0.0.1:9"},  # a proxy that is not there must not matter
    )
    yield process
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=30)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_open_prints_an_address_that_answers_and_closes_on_request(server, stop):
    address = read_address(server)
    assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/lab/tree/{LESSON}\.ipynb\?token=[0-9a-f]{{32}}", address)
    assert get(address) == 200
    page, _, token = address.partition("?")
    origin = page.partition("/lab")[0]
    assert get(f"{origin}/api/contents/{LESSON}.ipynb?content=0&{token}") == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{origin}/api/contents")

    server.send_signal(stop)
    rest = server.communicate(timeout=60)[0]
    assert server.returncode == 0, rest
    assert "The course is closed." in rest
    assert "Traceback" not in rest
    with pytest.raises(OSError, match="refused"):
        get(address)


def read_address(server):
    """The line of its output that is an address; what it said instead, if it ends without one."""
    assert server.stdout is not None
    said = []
    for line in server.stdout:
        said.append(line)
        if line.strip().startswith("http"):
            return line.strip()
    pytest.fail(f"no address was printed:\n{''.join(said)}")


def get(address):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(address, timeout=10) as answer:
        return int(answer.status)


# ---- open, piece by piece --------------------------------------------------------------------------------------------


@pytest.fixture
def quick_server(notebooks, monkeypatch):
    """Instead of JupyterLab a server that ends at once, and instead of a browser a list of what it would open."""
    opened = []
    monkeypatch.setattr(cli, "jupyter_command", lambda folder, port: [sys.executable, "-c", ""])
    monkeypatch.setattr(cli, "wait_until_it_answers", lambda server, port: None)
    monkeypatch.setattr(cli, "has_display", lambda: True)
    monkeypatch.setattr(webbrowser, "open", opened.append)
    return opened


def test_open_without_a_name_opens_the_first_lesson_in_the_browser(quick_server):
    assert cli.main(["open"]) == 0
    assert "/lab/tree/01_first.ipynb?token=" in quick_server[0]


def test_open_explains_missing_names_unless_there_is_a_startup_file(quick_server, monkeypatch):
    environments = []
    monkeypatch.setattr(cli, "serve", lambda command, environment, *_: environments.append(environment))
    cli.main(["open"])
    monkeypatch.setenv("PYTHONSTARTUP", "mine.py")
    cli.main(["open"])
    assert "NameError" in Path(environments[0]["PYTHONSTARTUP"]).read_text()
    assert environments[1]["PYTHONSTARTUP"] == "mine.py"


def test_open_with_no_browser_only_prints(quick_server, capsys):
    assert cli.main(["open", "2", "--no-browser"]) == 0
    assert quick_server == []
    assert "/lab/tree/02_second.ipynb?token=" in capsys.readouterr().out


def test_two_openings_have_different_tokens(quick_server):
    cli.main(["open"])
    cli.main(["open"])
    assert quick_server[0] != quick_server[1]


def test_a_server_that_does_not_start_is_told(notebooks, monkeypatch, refused):
    monkeypatch.setattr(cli, "jupyter_command", lambda folder, port: [sys.executable, "-c", "raise SystemExit(3)"])
    assert "exit code 3" in refused(["open"])


def test_only_root_passes_the_flag_for_root(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in cli.jupyter_command(Path("notebooks"), 8888)
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert "--allow-root" not in cli.jupyter_command(Path("notebooks"), 8888)


def test_a_browser_opens_only_where_it_can_be_seen(monkeypatch):
    for name in ("CI", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert not cli.has_display()
    monkeypatch.setenv("WAYLAND_DISPLAY", "wayland-0")
    assert cli.has_display()
    monkeypatch.setenv("CI", "true")
    assert not cli.has_display()
    monkeypatch.delenv("CI")
    monkeypatch.delenv("WAYLAND_DISPLAY")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cli.has_display()


def test_a_taken_port_is_passed_over_unless_it_was_asked_for():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Refusal, match=f"Port {port} .* --port"):
            cli.free_port(port)
    assert cli.free_port(None) >= cli.FIRST_PORT


def test_without_jupyterlab_it_says_how_to_install_it(notebooks, monkeypatch, refused):
    monkeypatch.setattr(cli.importlib.util, "find_spec", lambda name: None)
    assert "pip install -r requirements.txt" in refused(["open"])


def test_an_unknown_lesson_is_answered_with_those_there_are(notebooks, refused):
    said = refused(["open", "17"])
    assert '"17"' in said and "01_first, 02_second" in said


# ---- The other commands ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], ["shut"], ["open", "--port", "0"], ["open", "--port", "x"], ["data"]])
def test_a_command_that_is_not_understood_exits_with_2(arguments):
    with pytest.raises(SystemExit) as exit:
        cli.main(arguments)
    assert exit.value.code == 2


def test_version(capsys):
    with pytest.raises(SystemExit) as exit:
        cli.main(["--version"])
    assert exit.value.code == 0
    assert capsys.readouterr().out == f"resnet_edu {resnet_edu.__version__}\n"


def test_data_sample_builds_where_it_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("resnet_edu.data.build_sample", lambda root, out: out / str(root))
    assert cli.main(["data", "sample", "--root", "full", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"The sample is in {tmp_path / 'full'}.\n"


def test_data_cifar10_counts_the_images(monkeypatch, capsys):
    monkeypatch.setattr("resnet_edu.data.load", lambda name, device, root: (range(50_000), range(10_000)))
    assert cli.main(["data", "cifar10"]) == 0
    assert capsys.readouterr().out == "CIFAR-10 is on this machine: 50,000 training and 10,000 test images.\n"


def test_data_cifar10_that_could_not_be_kept_is_not_here(monkeypatch, refused, capsys):
    kept = data.cifar10.keep

    def load(name, **_):
        kept({}, Path(__file__) / "folder")
        return range(50_000), range(10_000)

    monkeypatch.setattr(data, "load", load)
    assert refused(["data", "cifar10"]).startswith("CIFAR-10 could not be saved in ")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("what", ["cifar10", "sample"])
def test_a_folder_that_is_not_there_is_one_sentence(what, refused):
    assert "is not an existing folder" in refused(["data", what, "--root", "/no/such/folder"])


def test_check_lists_each_problem_and_exits_with_1(notebooks, capsys):
    assert cli.main(["authoring", "check", "2"]) == 1
    said = capsys.readouterr().out
    assert "02_second.ipynb has no section 'Recap'. Add a heading that starts with this word.\n" in said
    assert "01_first" not in said


def test_check_counts_the_lessons_that_keep_the_rules(notebooks, monkeypatch, capsys):
    monkeypatch.setattr("resnet_edu.authoring.check.RULES", ())
    assert cli.main(["authoring", "check", "2"]) == cli.main(["authoring", "check"]) == 0
    assert capsys.readouterr().out == "1 lesson follows every rule.\n2 lessons follow every rule.\n"


def test_a_pipe_without_a_check_mark_gets_its_number(monkeypatch):
    pipe = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="")
    monkeypatch.setattr(sys, "stdout", pipe)
    monkeypatch.setattr("resnet_edu.doctor.CHECKS", {"Python": lambda: "3.14"})
    assert cli.main(["doctor"]) == 0
    pipe.flush()
    assert pipe.buffer.getvalue() == b"\\u2713 Python       3.14\n"  # type: ignore[attr-defined]


def test_in_a_folder_that_was_removed_the_command_says_so(tmp_path, monkeypatch, refused):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert refused(["doctor"]).startswith("The current folder no longer exists")


@pytest.mark.parametrize("command", ["train", "reproduce"])
@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8", "--width"),
        ("CUDA out of memory. Tried to allocate 8 GiB.", "--width"),
        ("Storage size calculation overflowed with sizes=[16, 3, 3, 3]", "--width"),
        ("empty(): Overflow when unpacking long long", "--width"),
        ("InvalidCxxCompiler: No working C++ compiler found in torch._inductor.config.cpp.cxx", "--compile"),
        ("Failed to find C compiler. Please specify via CC environment variable", "--compile"),
        ("Cannot find a working triton installation.", "--compile"),
        ("CUDA error: an illegal memory access was encountered", None),
    ],
)  # fmt: skip
def test_what_the_machine_lacks_is_one_sentence_and_other_errors_stay(
    command, told, remedy, tmp_path, monkeypatch, refused
):
    def train(*_, **__):
        raise RuntimeError(told)

    monkeypatch.setattr("resnet_edu.training.recipes.train", train)
    command = [command, "--data", "sample", "--out", str(tmp_path)]
    if remedy:
        assert remedy in refused(command)
    else:
        with pytest.raises(RuntimeError, match="illegal"):
            cli.main(command)


def test_one_class_is_none_to_choose_from(tmp_path, refused):
    assert "With one class there is nothing" in refused(["train", "--classes", "dog", "--out", str(tmp_path / "run")])
    assert not (tmp_path / "run").exists()
