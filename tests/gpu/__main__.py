"""The stages that need a GPU, one command each: see the README beside this file."""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

Part = tuple[str, Callable[[], dict[str, Any]]]


class Stage:
    """What a stage has to know: the device, whether its settings are tiny, where its results go."""

    def __init__(self, out: Path, tiny: bool) -> None:
        import torch

        self.out, self.tiny = out, tiny
        self.device = torch.device("cpu" if tiny else "cuda")
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "RESNET_EDU_BUDGET": "smoke" if tiny else "gpu"}

    def images(self, part: slice = slice(None)) -> Any:
        """(train, test): the full set on the GPU; some of the sample where the settings are tiny."""
        from resnet_edu import data

        if not self.tiny:
            return data.load("cifar10")
        train, test = data.load("sample", device="cpu", size=8)
        return train[:256], test[:64]

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A process of its own; what it says comes back."""
        environment = {**self.environment, **environment}
        return subprocess.run([sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True)

    # --- the stages, each an iterator over its parts ------------------------------------------------------------------

    def tests(self) -> Iterator[Part]:
        def all_tests() -> dict[str, Any]:
            chosen = ["-k", "batches or run_on or repeats"] if self.tiny else []
            file = str(Path(__file__).with_name("test_cuda.py"))
            device = {"RESNET_EDU_TEST_DEVICE": self.device.type}
            done = self.run("-m", "pytest", "-q", "--tb=short", "-p", "no:cacheprovider", file, *chosen, **device)
            (self.out / "tests.txt").write_text(done.stdout + done.stderr)
            return {"ok": done.returncode == 0, "last line": done.stdout.strip().splitlines()[-1]}

        yield "test_cuda.py", all_tests

    def lessons(self) -> Iterator[Part]:
        record = json.loads((ROOT / "data" / "runs" / "lessons.json").read_text())
        paths = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
        for path in paths[:1] if self.tiny else paths:

            def lesson(path: Path = path) -> dict[str, Any]:
                started = time.perf_counter()
                done = self.run(str(Path(__file__).with_name("run_lesson.py")), str(path))
                seconds = time.perf_counter() - started
                (self.out / f"{path.stem}.txt").write_text(done.stdout + done.stderr)
                failed = re.findall(r"^✗ (.+)$", done.stdout, re.MULTILINE)
                on_cpu = record.get(path.stem, {}).get("seconds")
                return {"ok": done.returncode == 0, "failed": failed, "seconds": round(seconds, 1), "two cores": on_cpu}

            yield path.stem, lesson

    def speed(self) -> Iterator[Part]:
        import torch

        from resnet_edu import models, probes, training

        train, _ = self.images()
        steps, batch = (2, 64) if self.tiny else (100, 128)
        images = train[: steps * batch]

        def usual(net: Any) -> None:
            """The loop that one usually writes, on the same batches: it reads the loss at every step."""
            optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
            for x, y in images.batches(batch, shuffle=True, augment=True):
                optimizer.zero_grad()
                loss = torch.nn.functional.cross_entropy(net(x), y)
                loss.backward()
                optimizer.step()
                loss.item()

        def fit(net: Any, record: bool = False, **options: Any) -> None:
            callbacks = [probes.GradientNorms(net)] if record else []
            options = {"epochs": 1, "batch_size": batch, "augment": True, "progress": False, **options}
            training.fit(net, images, callbacks=callbacks, **options)

        ways: dict[str, Callable[[Any], None]] = {
            "usual loop": usual,
            "fit, fp32": fit,
            "fit, bf16": lambda net: fit(net, precision="bf16"),
            "fit, bf16, recorded": lambda net: fit(net, precision="bf16", record=True),
        }
        if not self.tiny:
            ways["fit, tf32"] = lambda net: fit(net, precision="tf32")
            ways["fit, bf16, compiled"] = lambda net: fit(net, precision="bf16", compile=True)
        for depth in (8,) if self.tiny else (20, 56):

            def rates(depth: int = depth) -> dict[str, Any]:
                nets = {way: models.CifarNet(depth, residual=True).to(self.device) for way in ways}
                seconds: dict[str, list[float]] = {way: [] for way in ways}
                memory = {}
                for turn in range(2 if self.tiny else 6):  # the first one warms up
                    for way, go in ways.items():
                        if self.device.type == "cuda":
                            torch.cuda.reset_peak_memory_stats()
                        started = time.perf_counter()
                        go(nets[way])
                        if self.device.type == "cuda":
                            torch.cuda.synchronize()
                            memory[way] = torch.cuda.max_memory_allocated() >> 20
                        if turn:
                            seconds[way].append(time.perf_counter() - started)
                first = seconds["usual loop"]
                return {
                    way: {
                        "images per second": round(len(images) / statistics.median(taken)),
                        "x usual": [round(a / b, 2) for a, b in zip(first, taken, strict=True)],
                        "peak MiB": memory.get(way),
                    }
                    for way, taken in seconds.items()
                }

            yield f"ResNet-{depth}", rates

    def paper(self) -> Iterator[Part]:
        """All nets at once: each alone leaves most of the GPU idle. What was cut off goes on from its checkpoint."""
        small = ["--data", "sample", "--epochs", "1"] if self.tiny else ["--data", "cifar10", "--compile"]
        folder = self.out / "paper"

        def grid() -> dict[str, Any]:
            started = time.perf_counter()
            running = []
            for depth in (8,) if self.tiny else (20, 32, 44, 56):
                for net in ("plain", "resnet"):
                    out = folder / f"{net}{depth}_seed0"
                    if (out / "run.json").exists():
                        continue
                    out.mkdir(parents=True, exist_ok=True)
                    command = ["-m", "resnet_edu", "train", "--net", net, "--depth", str(depth), "--recipe", "paper"]
                    command += ["--norms", "100", "--resume", "--out", str(out), *small]
                    log = (out / "log.txt").open("a")
                    streams = {"stdout": log, "stderr": log, "env": self.environment, "cwd": ROOT}
                    running.append(subprocess.Popen([sys.executable, *command], **streams))
            failed = sum(process.wait() != 0 for process in running)
            from resnet_edu.training import reproduce

            if not self.tiny:
                reproduce.write(folder)
            return {"ok": not failed, "seconds": round(time.perf_counter() - started, 1)}

        yield "grid", grid

    def record(self) -> Iterator[Part]:
        from resnet_edu import models, training

        train, test = self.images()
        width, epochs, batch = (4, 1, 64) if self.tiny else (64, 16, 512)
        for seed in (0,) if self.tiny else (0, 1, 2):

            def race(seed: int = seed) -> dict[str, Any]:
                import torch

                torch.manual_seed(seed)
                net = models.CifarNet(8 if self.tiny else 20, residual=True, width=width)
                options = {"epochs": epochs, "batch_size": batch, "lr": 0.4, "weight_decay": 5e-4, "augment": True}
                fast = {} if self.tiny else {"precision": "bf16", "compile": True}
                if fast:  # compile before the clock
                    training.fit(net, train[: 4 * batch], epochs=1, batch_size=batch, lr=0.0, progress=False, **fast)
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/gpu", description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / f"{arguments.stage}.jsonl"
    lines = results.read_text().splitlines() if results.exists() else []
    done = {line["part"]: line for line in map(json.loads, lines)}
    for part, measure in getattr(Stage(arguments.out, arguments.tiny), arguments.stage)():
        if done.get(part, {}).get("ok"):
            continue
        started = time.perf_counter()
        line = {"part": part, "ok": True, **measure(), "took": round(time.perf_counter() - started, 1), **where()}
        with results.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        done[part] = line
    return 0 if all(line["ok"] for line in done.values()) else 1


def where() -> dict[str, Any]:
    import torch

    from resnet_edu.training.provenance import facts

    return facts(torch.device("cuda", 0) if torch.cuda.is_available() else None)


if __name__ == "__main__":
    sys.exit(main())
