"""The command line of the course.

    python -m resnet_edu open                  # lesson 1, in JupyterLab on this machine
    python -m resnet_edu open 3                # lesson 03
    python -m resnet_edu doctor                # what this machine has and lacks
    python -m resnet_edu data cifar10          # fetch the full CIFAR-10
    python -m resnet_edu train --out runs/1    # train a ResNet-20 on the full CIFAR-10
    python -m resnet_edu reproduce --out runs  # the paper's table and Figure 6
    python -m resnet_edu authoring check       # for instructors: see resnet_edu/authoring

It exits with 0 when all went well, with 1 and a sentence when something was in the way, with 2 when the command itself
was not understood, and with 130 when `train` or `reproduce` was stopped and can go on. Each command imports what it
needs, so that help and errors come at once.
"""

import argparse
import errno
import importlib.util
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
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

from resnet_edu import __version__
from resnet_edu.authoring.lessons import NOTEBOOKS, ROOT, Refusal, find_lesson, find_lessons, lessons

FIRST_PORT = 8888  # JupyterLab's usual one; the next free one is taken
START_TIMEOUT = 120.0  # seconds


def main(argv: Sequence[str] | None = None) -> int:
    if hasattr(sys.stdout, "reconfigure"):  # a pipe on Windows may have no ✓: it gets \u2713, as stderr does anyway
        sys.stdout.reconfigure(errors="backslashreplace")
    args = parser().parse_args(argv)
    try:
        stand_somewhere()
        return args.run(args)
    except Refusal as refusal:
        print(f"resnet_edu: {refusal}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"resnet_edu: {in_the_way(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nresnet_edu: stopped.", file=sys.stderr)
        return 1


def stand_somewhere() -> None:
    """Raises Refusal in a folder that was removed: there torch's libraries end the process without a word of ours."""
    try:
        os.getcwd()
    except OSError:
        raise Refusal("The current folder is gone: `cd` to one that is there, and give the command again.") from None


def in_the_way(error: OSError) -> str:
    """A sentence about a file or a connection, and what to do."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{error.filename or 'A file'}: the disk is full. Make room, and give the command again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
        place = error.filename or "A file"
        return f"{place} cannot be written: {error.strerror}. Choose a folder in which you may write."
    return str(error)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m resnet_edu", description="From plain CNNs to residual networks.")
    top.add_argument("--version", action="version", version=f"resnet_edu {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = commands.add_parser("open", help="open the course in JupyterLab on this machine")
    command.add_argument("lesson", nargs="?", metavar="LESSON", help="its number or name (default: the first)")
    command.add_argument("--port", type=port_number, help=f"default: the first free one from {FIRST_PORT} on")
    command.add_argument("--no-browser", action="store_true", help="only print the address")
    command.set_defaults(run=open_course)

    command = commands.add_parser("doctor", help="what this machine has and lacks, and what to do about it")
    command.set_defaults(run=examine_machine)

    data = commands.add_parser("data", help="build or fetch the images").add_subparsers(metavar="WHAT", required=True)
    command = data.add_parser("cifar10", help="fetch the full CIFAR-10, 170 MB, unless it is on this machine")
    command.add_argument("--root", metavar="DIR", type=Path, help="look here first; a download is kept here")
    command.set_defaults(run=fetch_cifar10)
    command = data.add_parser("sample", help="build the bundled sample again from the full CIFAR-10")
    command.add_argument("--root", metavar="DIR", type=Path, help="look here first for the full set")
    command.add_argument("--out", metavar="DIR", type=Path, help="write here (default: over the bundled sample)")
    command.set_defaults(run=build_sample)

    command = commands.add_parser("train", help="train a net for real; under torchrun, with several processes")
    command.add_argument("--net", choices=("resnet", "plain"), default="resnet", help="default: resnet")
    command.add_argument("--depth", type=net_depth, default=20, help="20, 32, 44, 56, 110: 6n + 2 (default: 20)")
    command.add_argument(
        "--width", type=positive, default=16, help="channels of the first stage; two and four times as many after it"
    )
    command.add_argument("--data", choices=("cifar10", "sample"), default="cifar10", help="default: cifar10")
    command.add_argument("--classes", metavar="NAME", nargs="+", default=[], help="only these classes (default: all)")
    command.add_argument("--recipe", choices=("paper", "short", "fast"), default="fast", help="default: fast")
    command.add_argument("--epochs", type=positive, help="in place of the recipe's length")
    command.add_argument(
        "--precision", choices=("fp32", "bf16", "fp16", "auto"), help="in place of the recipe's arithmetic"
    )
    command.add_argument("--seed", type=whole, default=0, help="default: 0")
    command.add_argument("--out", metavar="DIR", type=Path, required=True, help="the folder that the run writes")
    command.add_argument("--resume", action="store_true", help="go on from the checkpoint in DIR, if there is one")
    command.add_argument("--tensorboard", action="store_true", help="write events for TensorBoard, too")
    command.add_argument(
        "--norms", metavar="N", type=positive, default=0, help="record each layer's gradient norm at every N-th step"
    )
    command.add_argument("--compile", action="store_true", help="torch.compile, on a GPU with CUDA graphs")
    command.set_defaults(run=train_net)

    command = commands.add_parser("reproduce", help="the paper's table and Figure 6, in as many sittings as needed")
    command.add_argument(
        "--nets", choices=("resnet", "plain"), nargs="+", default=["plain", "resnet"], help="default: both"
    )
    command.add_argument("--depths", type=net_depth, nargs="+", default=[20, 32, 44, 56], help="default: 20 32 44 56")
    command.add_argument("--seeds", type=positive, default=1, help="how many runs of each net (default: 1)")
    command.add_argument("--data", choices=("cifar10", "sample"), default="cifar10", help="default: cifar10")
    command.add_argument("--recipe", choices=("paper", "short", "fast"), default="paper", help="default: paper")
    command.add_argument("--epochs", type=positive, help="in place of the recipe's length")
    command.add_argument(
        "--out", metavar="DIR", type=Path, required=True, help="the folder of the runs, table and figure"
    )
    command.add_argument("--compile", action="store_true", help="torch.compile, on a GPU with CUDA graphs")
    command.set_defaults(run=reproduce_table)

    authoring = commands.add_parser("authoring", help="for instructors").add_subparsers(metavar="WHAT", required=True)
    command = authoring.add_parser("render", help="run lessons from top to bottom and store their outputs")
    command.add_argument("lessons", nargs="*", metavar="LESSON", help="numbers or names (default: all)")
    command.add_argument("--budget", choices=("smoke", "laptop", "gpu"), default="laptop", help="default: laptop")
    command.add_argument(
        "--seeds", metavar="N", type=positive, default=0, help="first record what each claim measures with N seeds"
    )
    command.add_argument("--record", action="store_true", help="run the long experiments that a lesson keeps on record")
    command.set_defaults(run=render_lessons)
    command = authoring.add_parser("check", help="see that lessons keep the rules, without running them")
    command.add_argument("lessons", nargs="*", metavar="LESSON", help="numbers or names (default: all)")
    command.set_defaults(run=check_lessons)
    command = authoring.add_parser("address", help="write where the course is published into every lesson")
    command.add_argument("address", metavar="URL", nargs="?", help="such as https://github.com/owner/course")
    command.add_argument("--branch", default="main", help="the branch that Colab opens (default: main)")
    command.add_argument("--remove", action="store_true", help="take the address out again")
    command.set_defaults(run=stamp_address)
    command = authoring.add_parser("new", help="begin a lesson of your own")
    command.add_argument("number", metavar="NN", help="its number, such as 14")
    command.add_argument("name", help="its name in small letters, such as my_topic")
    command.set_defaults(run=begin_lesson)
    command = authoring.add_parser("keep", help="keep a run that has ended: data/runs/NAME.json and its weights")
    command.add_argument("run_folder", metavar="DIR", type=Path, help="the --out of `train`")
    command.add_argument("name", metavar="NAME", help="such as resnet20_cifar10")
    command.set_defaults(run=keep_run)
    command = authoring.add_parser("nbgrader", help="write the exercises as assignments for nbgrader")
    command.add_argument("out", metavar="OUT", type=Path, help="the folder of the nbgrader course, new or empty")
    command.set_defaults(run=write_assignments)
    return top


def port_number(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: give a whole number from 1 to 65535")
    return int(text)


def whole(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 0 to {2**32 - 1}")
    return int(text)


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: give a whole number from 1 on")
    return int(text)


def net_depth(text: str) -> int:
    if not text.isdecimal() or int(text) < 8 or int(text) % 6 != 2:
        raise argparse.ArgumentTypeError(f"{text!r}: give 6n + 2, such as 20, 32, 44, 56 or 110")
    return int(text)


# ---- open -----------------------------------------------------------------------------------------------------------


def open_course(args: argparse.Namespace) -> int:
    """Start JupyterLab, print its address, and stay until it ends or Ctrl-C is pressed."""
    lesson = find_lesson(args.lesson) if args.lesson else lessons()[0]
    if importlib.util.find_spec("jupyterlab") is None:
        raise Refusal("JupyterLab is not installed. In the course's folder, run `pip install -r requirements.txt`.")
    port = free_port(args.port)
    token = secrets.token_hex(16)
    address = f"http://127.0.0.1:{port}/lab/tree/{lesson.name}?token={token}"

    for request in (signal.SIGINT, signal.SIGTERM):  # a polite kill is a Ctrl-C, also where a shell ignores Ctrl-C
        signal.signal(request, signal.default_int_handler)
    # The token goes through the environment, where other users of the machine do not see it.
    environment = {**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_PREFER_ENV_PATH": "1"}
    with ExitStack() as stack:
        if reason := no_home():
            print(f"There is no home folder that can be written ({reason}): JupyterLab gets one for this session.")
            print("What is kept there is deleted at the end: settings, and, unless RESNET_EDU_CACHE names a folder,")
            print("which exercises you have solved.", flush=True)
            environment["HOME"] = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
            environment["PYTHONUSERBASE"] = site.getuserbase()  # what the user has installed is found as before
        return serve(jupyter_command(lesson.parent, port), environment, address, not args.no_browser)


def no_home() -> str:
    """Why nothing can be written into the user's home folder; "" if it can."""
    from resnet_edu.files import check_folder

    try:
        check_folder(Path.home())
    except (OSError, RuntimeError) as error:
        return str(error)
    return ""


def serve(command: list[str], environment: dict[str, str], address: str, browser: bool) -> int:
    """Run the server until it ends or Ctrl-C is pressed."""
    server = subprocess.Popen(command, env=environment)
    try:
        wait_until_it_answers(server, urlsplit(address).port)
        print(f"\nThe course is open at\n\n    {address}\n\nPress Ctrl-C here to close it.\n", flush=True)
        if has_display() and browser:
            webbrowser.open(address)
        if server.wait() != 0:
            raise Refusal(f"JupyterLab stopped with exit code {server.returncode}; its own messages stand above.")
    except KeyboardInterrupt:
        print("\nThe course is closed.", flush=True)
    finally:
        stop(server)
    return 0


def jupyter_command(folder: Path, port: int) -> list[str]:
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--ServerApp.answer_yes=True", "--log-level=WARN"]
    command += [f"--ServerApp.root_dir={folder}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command += ["--allow-root"]  # in a container one often is root, and JupyterLab refuses to run without it
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
    raise Refusal(f"{taken} in use or not allowed. Choose another one with --port.")


def wait_until_it_answers(server: subprocess.Popen[bytes], port: int | None) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never through a proxy
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise Refusal(f"JupyterLab did not start (exit code {server.returncode}); its own messages stand above.")
        try:
            direct.open(f"http://127.0.0.1:{port}/api", timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    raise Refusal(f"JupyterLab did not answer within {START_TIMEOUT:.0f} s.")


def has_display() -> bool:
    """Whether a browser could show itself: not in CI, and on Linux only with a graphical session."""
    if os.environ.get("CI"):
        return False
    return not sys.platform.startswith("linux") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.kill()


# ---- doctor ---------------------------------------------------------------------------------------------------------


def examine_machine(args: argparse.Namespace) -> int:
    from resnet_edu.doctor import examine

    findings = examine()
    print(*findings, sep="\n")
    return int(any(finding.state == "missing" for finding in findings))


# ---- data -----------------------------------------------------------------------------------------------------------


def fetch_cifar10(args: argparse.Namespace) -> int:
    from resnet_edu import data

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", "CIFAR-10 could not be kept")  # a lesson could go on without that
            train, test = data.load("cifar10", device="cpu", root=args.root)
    except (ValueError, UserWarning) as error:
        raise Refusal(str(error)) from None
    print(f"CIFAR-10 is here: {len(train):,} training and {len(test):,} test images.")
    return 0


def build_sample(args: argparse.Namespace) -> int:
    from resnet_edu import data

    try:
        folder = data.build_sample(args.root, args.out)
    except ValueError as error:
        raise Refusal(str(error)) from None
    print(f"The sample is in {folder}.")
    return 0


# ---- train ----------------------------------------------------------------------------------------------------------


def train_net(args: argparse.Namespace) -> int:
    """Train one net; exit code 130 when it was stopped and can be resumed."""
    if args.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise Refusal("TensorBoard is not installed: `pip install tensorboard`, or go on without --tensorboard.")
    if len(args.classes) == 1:
        raise Refusal("With one class there is nothing to tell apart: name two or more after --classes.")
    from resnet_edu.training import distributed, recipes

    options = {"data_name": args.data, "out": args.out, "epochs": args.epochs, "seed": args.seed}
    options |= {"width": args.width, "classes": args.classes, "precision": args.precision, "compile": args.compile}
    options |= {"resume": args.resume, "tensorboard": args.tensorboard, "norms_every": args.norms}
    try:
        if distributed.launched():
            with distributed.ProcessGroup() as group:
                history = recipes.train(args.net, args.depth, args.recipe, group=group, **options)
        else:
            history = recipes.train(args.net, args.depth, args.recipe, **options)
    except FileExistsError as error:
        if error.errno:  # `--out` is a file, or lies in one
            raise
        raise Refusal(f"{args.out} holds a run already: --resume goes on with it; or choose another --out.") from error
    except (ValueError, recipes.training.DivergenceError) as error:
        raise Refusal(str(error)) from error
    except (RuntimeError, TypeError) as error:  # torch has a class of its own for a GPU only
        if not re.search("(allocate|enough|out of) memory|[Oo]verflow", str(error)):
            raise
        net = f"depth {args.depth} and width {args.width}"
        raise Refusal(f"For {net} there is not enough memory. Choose a smaller --width or --depth.") from error
    if history.interrupted:
        print(f"stopped in epoch {len(history.train_loss) + 1}; --resume goes on from the last whole epoch.")
        return 130
    return 0


def reproduce_table(args: argparse.Namespace) -> int:
    from resnet_edu.training.reproduce import recipes, reproduce

    options = {"nets": args.nets, "depths": args.depths, "seeds": range(args.seeds), "recipe": args.recipe}
    options |= {"data": args.data, "epochs": args.epochs, "compile": args.compile}
    try:
        reproduce(args.out, **options)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last whole epoch.")
        return 130
    except (ValueError, recipes.training.DivergenceError) as error:
        raise Refusal(str(error)) from error
    print((args.out / "table.md").read_text(encoding="utf-8"))
    print(f"The table, the numbers and Figure 6 are in {args.out}.")
    return 0


# ---- authoring ------------------------------------------------------------------------------------------------------


def render_lessons(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.render import record_claims, render

    for path in find_lessons(args.lessons):
        if args.seeds:
            record_claims(path, args.seeds, args.budget)
        render(path, budget=args.budget, again=args.record)
    return 0


def check_lessons(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.check import check

    paths = find_lessons(args.lessons)
    problems = [problem for path in paths for problem in check(path)]
    kept = "1 lesson keeps" if len(paths) == 1 else f"{len(paths)} lessons keep"
    print("\n".join(problems) or f"{kept} every rule.")
    return 1 if problems else 0


def keep_run(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.keep import keep

    print(*keep(args.run_folder, args.name), sep="\n")
    return 0


def stamp_address(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.address import stamp

    if bool(args.address) == args.remove:
        raise Refusal("Give an address, or --remove to take the present one out.")
    changed = stamp(args.address or "", ROOT, args.branch)
    print(f"{len(changed)} files changed; `git diff` shows how.")
    return 0


def begin_lesson(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.new import new

    path = new(args.number, args.name, NOTEBOOKS)
    print(f"{path} is there. Write, and run it: python -m resnet_edu authoring render {path.name[:2]}")
    return 0


def write_assignments(args: argparse.Namespace) -> int:
    from resnet_edu.authoring.nbgrader import write_assignments

    written = write_assignments(args.out)
    print(f"{len(written)} assignments are in {args.out / 'source'}.")
    print(f"Next, in {args.out}: nbgrader generate_assignment {written[0].stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
