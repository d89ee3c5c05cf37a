"""The command line of the course: `python -m resnet_edu COMMAND`, with the commands in `parser` below.

The exit code is 0 on success, 1 (with an explanation) if something prevented the command, 2 if the command itself was
not understood, and 130 if `train` or `reproduce` was stopped and can resume. Each command imports only what it needs,
so that help and errors appear at once.
"""

import argparse
import errno
import importlib.util
import math
import os
import re
import secrets
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import warnings
import webbrowser
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from resnet_edu import __version__
from resnet_edu.authoring.lessons import NOTEBOOKS, ROOT, Refusal, find_lesson, find_lessons, lessons
from resnet_edu.files import check_folder

FIRST_PORT = 8888  # JupyterLab's usual one; the next free one is taken
START_TIMEOUT = 120.0  # seconds
STOPPED = 130  # exit code: the same command resumes


def main(argv: Sequence[str] | None = None) -> int:
    if hasattr(sys.stdout, "reconfigure"):  # a pipe on Windows may not encode ✓: it gets \u2713, as stderr does anyway
        sys.stdout.reconfigure(errors="backslashreplace")
    options = vars(parser().parse_args(argv))
    run = options.pop("run")
    try:
        os.getcwd()  # in a deleted folder, torch's libraries would end the process without an explanation
        return run(**options) or 0
    except Refusal as refusal:
        told = f"resnet_edu: {refusal}"
    except OSError as error:
        told = f"resnet_edu: {in_the_way(error)}"
    except KeyboardInterrupt:
        told = "\nresnet_edu: stopped."
    print(told, file=sys.stderr)
    return 1


def in_the_way(error: OSError) -> str:
    """Explain an error about a file or a connection, and say what to do."""
    if error.errno == errno.ENOENT and error.filename is None:  # so says os.getcwd
        return "The current folder no longer exists: `cd` to one that does, and run the command again."
    place = error.filename or "A file"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{place}: the disk is full. Free some space, and run the command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        return f"{place} cannot be written: {error.strerror}. Choose a folder that you can write to."
    return str(error)


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of these kinds, whose messages explain themselves, into a Refusal."""
    try:
        yield
    except kinds as error:
        raise Refusal(str(error)) from error


# ---- The commands and their options: each is named like an argument of the command's function -----------------------


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m resnet_edu", description="From plain CNNs to residual networks.")
    top.add_argument("--version", action="version", version=f"resnet_edu {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    option = add(commands, "open", open_course, "open the course in JupyterLab on this machine")
    option("lesson", nargs="?", metavar="LESSON", help="number or name of the lesson (default: the contents page)")
    option("--port", type=PORT, help=f"default: the first free port from {FIRST_PORT} on")
    option("--no-browser", action="store_true", help="only print the address")
    option("--folder", type=Path, help="your own copy of the lessons (default: my_course, next to the notebooks)")
    option("--published", action="store_true", help="the lessons as published, with their stored outputs")

    add(commands, "doctor", examine_machine, "what this machine has and lacks, and what to do about it")

    data = commands.add_parser("data", help="build or fetch the images").add_subparsers(metavar="WHAT", required=True)
    option = add(data, "cifar10", fetch_cifar10, "download the full CIFAR-10 (170 MB) unless it is on this machine")
    option("--root", metavar="DIR", type=Path, help="look here first; store a download here")
    option = add(data, "sample", build_sample, "rebuild the bundled sample from the full CIFAR-10")
    option("--root", metavar="DIR", type=Path, help="look here first for the full set")
    option("--out", metavar="DIR", type=Path, help="write here (default: overwrite the bundled sample)")

    option = add(commands, "train", train_net, "train a network on a full recipe; several processes under torchrun")
    add_run_options(option, recipe="fast", out="the folder that the run writes")
    option("--net", dest="net_name", choices=("resnet", "plain"), default="resnet", help="default: resnet")
    option("--depth", type=DEPTH, default=20, help="20, 32, 44, 56, 110: 6n + 2 (default: 20)")
    option("--width", type=COUNT, default=16, help="channels of the first stage; the others have 2 and 4 times as many")
    option("--classes", metavar="NAME", nargs="+", default=[], help="only these classes (default: all)")
    option("--precision", choices=("fp32", "tf32", "bf16", "fp16", "auto"), help="instead of the recipe's precision")
    option("--seed", type=SEED, default=0, help="default: 0")
    option("--resume", action="store_true", help="resume from the checkpoint in DIR, if there is one")
    option("--tensorboard", action="store_true", help="also write events for TensorBoard")
    norms = "record each layer's gradient norm at every N-th step"
    option("--norms", dest="norms_every", metavar="N", type=COUNT, default=0, help=norms)

    option = add(commands, "reproduce", reproduce_table, "the paper's table and Figure 6, in one session or several")
    add_run_options(option, recipe="paper", out="the folder of the runs, table and figure")
    option("--nets", choices=("resnet", "plain"), nargs="+", default=["plain", "resnet"], help="default: both")
    option("--depths", type=DEPTH, nargs="+", default=[20, 32, 44, 56], help="default: 20 32 44 56")
    option("--seeds", type=COUNT, default=1, help="number of runs per network (default: 1)")

    authoring = commands.add_parser("authoring", help="for instructors").add_subparsers(metavar="WHAT", required=True)
    option = add(authoring, "render", render_lessons, "run lessons from top to bottom and store their outputs")
    option("names", nargs="*", metavar="LESSON", help="numbers or names (default: all)")
    option("--budget", choices=("smoke", "laptop", "gpu"), default="laptop", help="default: laptop")
    option("--seeds", metavar="N", type=COUNT, default=0, help="first record the value of each claim with N seeds")
    option("--record", action="store_true", help="run the long experiments whose results a lesson keeps on record")
    option = add(authoring, "check", check_lessons, "check that lessons follow the rules, without running them")
    option("names", nargs="*", metavar="LESSON", help="numbers or names (default: all)")
    option = add(authoring, "address", stamp_address, "write the address of the published course into every lesson")
    option("address", metavar="URL", nargs="?", help="such as https://github.com/owner/course")
    option("--branch", help="the branch that the lessons install and Colab opens (default: main)")
    option("--remove", action="store_true", help="remove the address again")
    option = add(authoring, "new", begin_lesson, "start a lesson of your own")
    option("number", metavar="NN", help="number of the lesson, such as 15")
    option("name", help="name in lowercase, such as my_topic")
    option = add(authoring, "keep", keep_run, "store a finished run with the course: its record and its weights")
    option("run_folder", metavar="DIR", type=Path, help="the --out of `train`")
    option("name", metavar="NAME", help="such as resnet20_cifar10")
    option = add(authoring, "nbgrader", write_assignments, "write the exercises as assignments for nbgrader")
    option("out", metavar="OUT", type=Path, help="the folder of the nbgrader course, new or empty")
    return top


def add(commands: Any, name: str, run: Callable[..., int | None], help: str) -> Callable[..., Any]:
    """Add a command that calls `run` with its options; return the function that adds options."""
    command: argparse.ArgumentParser = commands.add_parser(name, help=help)
    command.set_defaults(run=run)
    return command.add_argument


def add_run_options(option: Callable[..., Any], *, recipe: str, out: str) -> None:
    """The options that `train` and `reproduce` share."""
    option("--data", dest="data_name", choices=("cifar10", "sample"), default="cifar10", help="default: cifar10")
    option(
        "--recipe", dest="recipe_name", choices=("paper", "short", "fast"), default=recipe, help=f"default: {recipe}"
    )
    option("--epochs", type=COUNT, help="instead of the recipe's length")
    option("--batch-size", metavar="N", type=COUNT, help="instead of the recipe's batch size")
    option("--lr", metavar="RATE", type=RATE, help="instead of the recipe's peak learning rate")
    option("--device", metavar="NAME", help="cpu, cuda, cuda:1 or mps (default: an NVIDIA GPU if there is one)")
    option("--out", metavar="DIR", type=Path, required=True, help=out)
    option("--compile", action="store_true", help="torch.compile, on a GPU with CUDA graphs")


def number(kind: Callable[[str], Any], accepts: Callable[[Any], bool], wanted: str) -> Callable[[str], Any]:
    """The type of a numeric option; argparse shows what is wanted if the value is not accepted."""

    def parse(text: str) -> Any:
        with suppress(ValueError):
            if accepts(value := kind(text)):
                return value
        raise argparse.ArgumentTypeError(f"{text!r}: give {wanted}")

    return parse


COUNT = number(int, lambda n: n >= 1, "an integer from 1 on")
PORT = number(int, lambda n: 1 <= n <= 65535, "an integer from 1 to 65535")
SEED = number(int, lambda n: 0 <= n < 2**32, "an integer from 0 to 4294967295")
RATE = number(float, lambda x: 0 < x < math.inf, "a positive number, such as 0.1")
DEPTH = number(int, lambda n: n >= 8 and n % 6 == 2, "6n + 2, such as 20, 32, 44, 56 or 110")


# ---- What they do, in the same order --------------------------------------------------------------------------------


def open_course(lesson: str | None, port: int | None, no_browser: bool, folder: Path | None, published: bool) -> None:
    """Start JupyterLab, print its address, and wait until it ends or Ctrl-C is pressed."""
    path = find_lesson(lesson) if lesson else lessons()[0]
    if not published:
        path = own_copy(path, folder)
    if importlib.util.find_spec("jupyterlab") is None:
        raise Refusal("JupyterLab is not installed. In the course's folder, run `pip install -r requirements.txt`.")
    port = free_port(port)
    token = secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}/lab/tree/{path.name}?token={token}"

    for request in (signal.SIGINT, signal.SIGTERM):  # SIGTERM acts like Ctrl-C, even where a shell ignores Ctrl-C
        signal.signal(request, signal.default_int_handler)
    # Pass the token in the environment, where other users of the machine cannot see it.
    environment = {**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1"}
    environment.setdefault("PYTHONSTARTUP", str(Path(__file__).with_name("authoring") / "startup.py"))
    with ExitStack() as stack:
        try:
            check_folder(Path.home())
        except (OSError, RuntimeError) as error:
            print(f"Your home folder is not writable ({error}): JupyterLab gets a temporary one for this session.")
            print("It is deleted at the end, with your settings and, unless RESNET_EDU_CACHE names a folder,")
            print("the record of the exercises that you have solved.", flush=True)
            environment["HOME"] = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            environment["PYTHONUSERBASE"] = site.getuserbase()  # user-installed packages are still found
        serve(jupyter_command(path.parent, port), environment, address, not no_browser)


def own_copy(path: Path, folder: Path | None) -> Path:
    """The lesson in the learner's own folder, created or updated; if that is impossible, the published lesson."""
    from resnet_edu.authoring.workbook import update

    target = folder or path.parents[1] / "my_course"
    try:
        messages = update(path.parent, target)
    except OSError as error:
        print(f"{target} cannot be written ({error.strerror}): opening the published lessons instead.")
        return path
    print(*messages, f"Your own copy of the lessons is in {target}.", sep="\n", flush=True)
    return target / path.name


def serve(command: list[str], environment: dict[str, str], address: str, browser: bool) -> None:
    """Run the server until it ends or Ctrl-C is pressed."""
    server = subprocess.Popen(command, env=environment)
    try:
        wait_until_it_answers(server, urlsplit(address).port)
        print(f"\nThe course is open at\n\n    {address}\n\nPress Ctrl-C here to close it.\n", flush=True)
        if has_display() and browser:
            webbrowser.open(address)
        if server.wait() != 0:
            raise Refusal(f"JupyterLab stopped with exit code {server.returncode}; see its messages above.")
    except KeyboardInterrupt:
        print("\nThe course is closed.", flush=True)
    finally:
        server.terminate()  # does nothing once it has ended
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()


def jupyter_command(folder: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.answer_yes=True", "--log-level=WARN"]
    command += [f"--ServerApp.root_dir={folder}"]
    command += ["--FileContentsManager.pre_save_hook=resnet_edu.authoring.workbook.leave_out_controls"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]  # containers often run as root, and JupyterLab refuses that without this option
    return command


def free_port(wanted: int | None) -> int:
    for port in [wanted] if wanted else range(FIRST_PORT, FIRST_PORT + 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    taken = f"Port {wanted} is" if wanted else f"The ports from {FIRST_PORT} to {FIRST_PORT + 99} are"
    raise Refusal(f"{taken} in use or not allowed. Choose another port with --port.")


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int | None) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Refusal(f"JupyterLab did not start (exit code {server.returncode}); see its messages above.")
        try:
            direct.open(f"http://127.0.0.1:{port}/api", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Refusal(f"JupyterLab did not answer within {START_TIMEOUT:.0f} s.")


def has_display() -> bool:
    """Whether a browser can open: not in CI, and on Linux only with a graphical session."""
    if os.environ.get("CI"):
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def examine_machine() -> int:
    from resnet_edu.doctor import examine

    findings = examine()
    print(*findings, sep="\n")
    return int(any(finding.state == "missing" for finding in findings))


def fetch_cifar10(root: Path | None) -> None:
    from resnet_edu import data

    with refusing(ValueError, UserWarning), warnings.catch_warnings():
        warnings.filterwarnings("error", "CIFAR-10 could not be saved")  # only a warning in a lesson
        train, test = data.load("cifar10", device="cpu", root=root)
    print(f"CIFAR-10 is on this machine: {len(train):,} training and {len(test):,} test images.")


def build_sample(root: Path | None, out: Path | None) -> None:
    from resnet_edu import data

    with refusing(ValueError):
        folder = data.build_sample(root, out)
    print(f"The sample is in {folder}.")


#: What torch says if it lacks something, in classes that differ by device and version, and what to do.
REMEDIES = {
    "(allocate|enough|out of) memory|[Oo]verflow": (
        "There is not enough memory for this network: choose a smaller --width, --depth or --batch-size."
    ),
    r"C(\+\+)? compiler|working triton": (
        "torch.compile found no compiler: install a C++ compiler for a CPU, Triton and a C compiler for a GPU, or omit "
        "--compile."
    ),
}


@contextmanager
def training_errors() -> Iterator[None]:
    """Turn the errors that a person can do something about into a Refusal."""
    from resnet_edu.training import DivergenceError

    try:
        with refusing(ValueError, DivergenceError):
            yield
    except (RuntimeError, TypeError) as error:
        for said, remedy in REMEDIES.items():
            if re.search(said, str(error)):
                raise Refusal(remedy) from error
        raise


def train_net(*, out: Path, **options: Any) -> int:
    """Train one network; exit code 130 if it was stopped and can resume."""
    if options["tensorboard"] and importlib.util.find_spec("tensorboard") is None:
        raise Refusal("TensorBoard is not installed: `pip install tensorboard`, or omit --tensorboard.")
    if len(options["classes"]) == 1:
        raise Refusal("With one class there is nothing to classify: name two or more after --classes.")
    from resnet_edu.training import distributed, recipes

    if options["device"] and distributed.launched():
        raise Refusal("Each of several processes has a device of its own: omit --device.")
    try:
        with training_errors(), ExitStack() as stack:
            group = stack.enter_context(distributed.ProcessGroup()) if distributed.launched() else None
            history = recipes.train(**options, out=out, group=group)
    except FileExistsError as error:
        if error.errno:  # `--out` is a file, or a path inside one
            raise
        raise Refusal(f"{out} already holds a run: continue it with --resume, or choose another --out.") from error
    if history.interrupted:
        print(f"stopped in epoch {len(history.train_loss) + 1}; --resume continues from the last complete epoch.")
        return STOPPED
    return 0


def reproduce_table(*, out: Path, seeds: int, **options: Any) -> int:
    from resnet_edu.training import reproduce

    try:
        with training_errors():
            reproduce.reproduce(out, seeds=range(seeds), **options)
    except KeyboardInterrupt:
        print("stopped; the same command continues from the last complete epoch.")
        return STOPPED
    print((out / "table.md").read_text(encoding="utf-8"))
    print(f"The table, the numbers and Figure 6 are in {out}.")
    return 0


def render_lessons(names: list[str], budget: str, seeds: int, record: bool) -> None:
    from resnet_edu.authoring.render import record_claims, render

    for path in find_lessons(names):
        with refusing(ValueError):
            if seeds:
                record_claims(path, seeds, budget)
            render(path, budget=budget, again=record)


def check_lessons(names: list[str]) -> int:
    from resnet_edu.authoring.check import check, warnings

    paths = find_lessons(names)
    problems = [problem for path in paths for problem in check(path)]
    if problems:
        print(*problems, sep="\n")
        return 1
    found = [warning for path in paths for warning in warnings(path)]
    for warning in found:
        print(f"warning: {warning}")
    kept = "1 lesson follows" if len(paths) == 1 else f"{len(paths)} lessons follow"
    print(f"{kept} every rule{f'; {len(found)} warnings' if found else ''}.")
    return 0


def keep_run(run_folder: Path, name: str) -> None:
    from resnet_edu.authoring.keep import keep_run

    print(*keep_run(run_folder, name), sep="\n")


def stamp_address(address: str | None, branch: str | None, remove: bool) -> None:
    from resnet_edu.authoring.address import stamp

    if bool(address) == remove:
        raise Refusal("Give an address, or --remove to remove the current one.")
    changed = stamp(address or "", ROOT, branch)
    print(f"{len(changed)} files changed; `git diff` shows the changes.")


def begin_lesson(number: str, name: str) -> None:
    from resnet_edu.authoring.new import new

    path = new(number, name, NOTEBOOKS)
    print(f"Created {path}, and tests/premises/lesson{path.name[:2]}.py beside the other lessons' premises.")
    print(f"Write your lesson, and run it: python -m resnet_edu authoring render {path.name[:2]}")
    print(f"What it still needs: python -m resnet_edu authoring check {path.name[:2]}")


def write_assignments(out: Path) -> None:
    from resnet_edu.authoring.nbgrader import write_assignments

    written = write_assignments(out)
    print(f"{len(written)} assignments are in {out / 'source'}.")
    print(f"Next, in {out}: nbgrader generate_assignment {written[0].stem}")


if __name__ == "__main__":
    sys.exit(main())
