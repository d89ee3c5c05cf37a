"""The stages that need a GPU, one command each: see the README beside this file."""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

Part = tuple[str, Callable[[], dict[str, Any]]]


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """In a child, on Linux: a training run without its stage would go on, beside the one that a new stage starts."""
    if LIBC is not None:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Stage:
    """What a stage has to know: the device, whether its settings are tiny, where its results go."""

    def __init__(self, out: Path, tiny: bool) -> None:
        import torch

        self.out, self.tiny = out, tiny
        self.device = torch.device("cpu" if tiny else "cuda")
        packages = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.environment = {
            **os.environ,
            "PYTHONPATH": packages,
            "RESNET_EDU_BUDGET": "smoke" if tiny else "gpu",
            "TORCHINDUCTOR_COMPILE_THREADS": "2",  # in each of several processes
        }

    def images(self) -> Any:
        """(train, test): the full set on the GPU; some of the sample where the settings are tiny."""
        from resnet_edu import data

        if not self.tiny:
            return data.load("cifar10")
        train, test = data.load("sample", device="cpu", size=8)
        return train[:256], test[:64]

    def run(self, log: Path, *command: str, minutes: float = 4, **environment: str) -> tuple[bool, str]:
        """A process of its own, which writes to `log`: whether it ended well, and what it said."""
        with log.open("w") as file:
            process = subprocess.Popen(
                [sys.executable, *command],
                env={**self.environment, **environment},
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
                preexec_fn=end_with_parent,
            )
            try:
                ok = process.wait(timeout=60 * minutes) == 0
            except subprocess.TimeoutExpired:
                process.kill()
                ok = False
                file.write(f"\nstopped after {minutes} minutes\n")
        return ok, log.read_text()

    # --- the stages, each an iterator over its parts ------------------------------------------------------------------

    def tests(self) -> Iterator[Part]:
        def all_tests() -> dict[str, Any]:
            chosen = ["-k", "batches or run_on or repeats"] if self.tiny else []
            command = ["-m", "pytest", "-q", "--tb=short", "-o", "addopts=", "-p", "no:cacheprovider", *chosen]
            file = str(Path(__file__).with_name("test_cuda.py"))
            device = {"RESNET_EDU_TEST_DEVICE": self.device.type}
            ok, said = self.run(self.out / "tests.txt", *command, file, minutes=8, **device)
            return {"ok": ok, "last line": (said.strip().splitlines() or [""])[-1]}

        yield "test_cuda.py", all_tests

    def lessons(self) -> Iterator[Part]:
        record = json.loads((ROOT / "data" / "runs" / "lessons.json").read_text())
        paths = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
        for path in paths[:2] if self.tiny else paths:

            def lesson(path: Path = path) -> dict[str, Any]:
                started = time.perf_counter()
                log = self.out / f"{path.stem}.txt"
                ok, said = self.run(log, str(Path(__file__).with_name("run_lesson.py")), str(path))
                seconds = time.perf_counter() - started
                failed = re.findall(r"^✗ (.+)$", said, re.MULTILINE)
                on_cpu = record.get(path.stem, {}).get("seconds")
                slower = not self.tiny and on_cpu is not None and seconds > on_cpu
                times = {"seconds": round(seconds, 1), "two cores": on_cpu, "slower": slower}
                return {"ok": ok and not slower, "failed": failed, **times}

            yield path.stem, lesson

    def speed(self) -> Iterator[Part]:
        import torch

        from resnet_edu import data, models, probes, training

        sys.path.insert(0, str(ROOT / "tests" / "benchmarks"))
        import throughput

        train, _ = data.load("sample", device=self.device)
        steps, batch = (2, 32) if self.tiny else (39, 128)
        images = train[: steps * batch]
        pictures = data.Images(images.images.cpu(), images.labels.cpu(), images.classes)
        loaders = {workers: throughput.loader(pictures, workers) for workers in ((0,) if self.tiny else (0, 4))}

        def loop(net: Any, batches: Any) -> None:
            """The loop that one usually writes: it reads the loss at every step."""
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
            for x, y in batches:
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(net(x.to(self.device)), y.to(self.device))
                loss.backward()
                optimizer.step()
                loss.item()

        def fit(net: Any, record: bool = False, **options: Any) -> None:
            callbacks = [probes.GradientNorms(net)] if record else []
            options = {"epochs": 1, "batch_size": batch, "augment": True, "progress": False, **options}
            training.fit(net, images, callbacks=callbacks, **options)

        ways: dict[str, Callable[[Any], None]] = {
            **{f"usual loop, {n} workers": lambda net, made=made: loop(net, made()) for n, made in loaders.items()},
            "usual loop, images on the device": lambda net: loop(
                net, images.batches(batch, shuffle=True, augment=True)
            ),
            "fit, fp32": fit,
            "fit, fp32, recorded": lambda net: fit(net, record=True),
        }
        if not self.tiny:
            ways["fit, tf32"] = lambda net: fit(net, precision="tf32")
            ways["fit, bf16"] = lambda net: fit(net, precision="bf16")
            ways["fit, bf16, recorded"] = lambda net: fit(net, precision="bf16", record=True)
            ways["fit, bf16, compiled"] = lambda net: fit(net, precision="bf16", compile=True)
        for depth in (8, 14) if self.tiny else (20, 56):

            def rates(depth: int = depth) -> dict[str, Any]:
                nets = {way: models.CifarNet(depth, residual=True).to(self.device) for way in ways}
                seconds: dict[str, list[float]] = {way: [] for way in ways}
                memory = {}
                for turn in range(2 if self.tiny else 6):  # the first one warms up, compiles, and tells the memory
                    for way, go in ways.items():
                        on_gpu = self.device.type == "cuda"
                        if on_gpu and not turn:
                            torch.cuda.empty_cache()
                            before = torch.cuda.memory_reserved()
                            torch.cuda.reset_peak_memory_stats()
                        started = time.perf_counter()
                        go(nets[way])
                        if on_gpu:
                            torch.cuda.synchronize()
                        if turn:
                            seconds[way].append(time.perf_counter() - started)
                        elif on_gpu:
                            memory[way] = (torch.cuda.max_memory_reserved() - before) >> 20
                usual = [seconds[way] for way in ways if "workers" in way]
                first = min(usual, key=statistics.median)
                return {
                    way: {
                        "images per second": round(len(images) / statistics.median(taken)),
                        "x the faster usual loop": [round(a / b, 2) for a, b in zip(first, taken, strict=True)],
                        "MiB": memory.get(way),
                    }
                    for way, taken in seconds.items()
                }

            yield f"ResNet-{depth}", rates

    def paper(self) -> Iterator[Part]:
        """Three nets at a time, as one leaves the GPU idle; 20 and 56 layers first, as they settle the order.

        A run that was cut off goes on from its checkpoint.
        """
        from resnet_edu.training import reproduce

        options = ["--data", "cifar10", "--compile", "--precision", "auto"]
        if self.tiny:
            options = ["--data", "sample", "--epochs", "1", "--width", "4"]
        folder, depths = self.out / "paper", (8,) if self.tiny else (20, 56, 32, 44)
        for depth, net in ((depth, net) for depth in depths for net in ("resnet", "plain")):

            def train(depth: int = depth, net: str = net) -> dict[str, Any]:
                out = folder / f"{net}{depth}_seed0"
                out.mkdir(parents=True, exist_ok=True)
                command = ["-m", "resnet_edu", "train", "--net", net, "--depth", str(depth), "--recipe", "paper"]
                command += ["--norms", "100", "--resume", "--out", str(out), *options]
                ok, _ = self.run(folder / f"{out.name}.txt", *command, minutes=60)
                if ok and not self.tiny:
                    with LOCK:
                        reproduce.write(folder)
                return {"ok": ok}

            yield f"{net}{depth}", train

    def record(self) -> Iterator[Part]:
        from resnet_edu import models, training

        train, test = self.images()
        width, epochs, batch = (4, 1, 64) if self.tiny else (64, 22, 512)
        for seed in (0, 1) if self.tiny else (0, 1, 2):

            def race(seed: int = seed) -> dict[str, Any]:
                import torch

                torch.manual_seed(seed)
                net = models.CifarNet(8 if self.tiny else 20, residual=True, width=width)
                options = {"epochs": epochs, "batch_size": batch, "lr": 0.4, "weight_decay": 5e-4, "augment": True}
                fast = {} if self.tiny else {"precision": "bf16", "compile": True}
                if fast:  # compile before the clock; a rate of 0 leaves the weights as they are
                    still = {**options, "epochs": 1, "lr": 0.0}
                    training.fit(net, train[: 4 * batch], progress=False, **still, **fast)
                started = time.perf_counter()
                training.fit(net, train, seed=seed, progress=False, **options, **fast)
                seconds = time.perf_counter() - started
                return {"seconds": round(seconds, 1), "accuracy": training.evaluate(net, test).accuracy}

            yield f"seed {seed}", race

    def stems(self) -> Iterator[Part]:
        import torch

        from resnet_edu import models, training

        train, test = self.images()
        for stem in models.STEMS:

            def compare(stem: str = stem) -> dict[str, Any]:
                torch.manual_seed(0)
                net = models.resnet18(num_classes=10, stem=stem, width=4 if self.tiny else 64)
                options = {"epochs": 1 if self.tiny else 15, "batch_size": 128, "lr": 0.1, "weight_decay": 5e-4}
                fast = {} if self.tiny else {"precision": "bf16", "augment": True}
                history = training.fit(net, train, test, seed=0, progress=False, **options, **fast)
                return {"test accuracy": history.val_accuracy, "seconds": round(sum(history.seconds), 1)}

            yield stem, compare


STAGES = ("tests", "lessons", "speed", "paper", "record", "stems")
LOCK = Lock()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/gpu", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--jobs", type=int, default=1, help="lessons at a time; their times are then upper bounds")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / f"{arguments.stage}.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    done = {line["part"]: line for line in map(json.loads, lines)}

    def complete(part: Part) -> None:
        name, measure = part
        started = time.perf_counter()
        try:
            found = {"ok": True, **measure()}
        except Exception as error:  # the other parts are still worth measuring
            found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:1000]}
        line = {"part": name, **found, "took": round(time.perf_counter() - started, 1), **where()}
        with LOCK, results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        done[name] = line

    parts = getattr(Stage(arguments.out, arguments.tiny), arguments.stage)()
    left = [part for part in parts if not done.get(part[0], {}).get("ok")]
    jobs = {"lessons": arguments.jobs, "paper": 3}.get(arguments.stage, 1)
    if jobs == 1:  # in this thread: PyTorch keeps its CUDA graphs per thread
        for part in left:
            complete(part)
    else:
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(complete, left))
    return 0 if all(line["ok"] for line in done.values()) else 1


def where() -> dict[str, Any]:
    import torch

    from resnet_edu.training.provenance import facts

    return facts(torch.device("cuda", 0) if torch.cuda.is_available() else None)


if __name__ == "__main__":
    sys.exit(main())
