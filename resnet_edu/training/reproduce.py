"""The paper's table and its Figure 6, reproduced: plain and residual networks of every depth, in several sittings.

    python -m resnet_edu reproduce --out runs/paper
    python -m resnet_edu reproduce --out runs/try --data sample --depths 20 32 --epochs 2

Each network trains in its own folder. A finished run is not repeated, a stopped one resumes from its checkpoint, and
after each one `table.md`, `results.json` and `figure6.png` are rewritten from all finished runs.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from resnet_edu import files, plots, training
from resnet_edu.training import recipes

#: Test error in percent, He et al. 2015, table 6. The plain networks are only in its Figure 6.
PAPER = {20: 8.75, 32: 7.51, 44: 7.17, 56: 6.97, 110: 6.43}
NAMES = {"plain": "plain", "resnet": "ResNet"}
Result = dict[str, Any]


def reproduce(
    out: Path,
    *,
    nets: Sequence[str] = ("plain", "resnet"),
    depths: Sequence[int] = (20, 32, 44, 56),
    seeds: Iterable[int] = (0,),
    recipe_name: str = "paper",
    data_name: str = "cifar10",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    **options: Any,
) -> list[Result]:
    """Train what is not trained yet, smallest networks first; return the results of all runs in `out`.

    epochs, batch_size, lr, options: as for `recipes.train`. Raises ValueError if `out` holds runs with another recipe,
    other data or other settings; KeyboardInterrupt if it was stopped.
    """
    usual = recipes.RECIPES[recipe_name]
    asked: Result = {"recipe": recipe_name, "data": data_name}
    asked |= {"batch_size": batch_size or usual.batch_size, "lr": lr or usual.lr}
    if epochs is not None:
        asked["epochs"] = epochs
    for run in results(out):
        earlier = {"batch_size": usual.batch_size, "lr": usual.lr, **run}  # an early record lacks them
        if odd := [f"{key} {earlier[key]}" for key, value in asked.items() if earlier[key] != value]:
            raise ValueError(
                f"{out} holds runs with {', '.join(odd)}: choose another folder, or use the same settings."
            )
    for seed, depth, net in product(seeds, sorted(depths), nets):
        folder = out / f"{net}{depth}_seed{seed}"
        if recipes.result_of(folder) is None:
            print(f"{NAMES[net]}-{depth}, seed {seed}", flush=True)
            options |= {"data_name": data_name, "epochs": epochs, "batch_size": batch_size, "lr": lr, "seed": seed}
            if recipes.train(net, depth, recipe_name, out=folder, resume=True, **options).interrupted:
                raise KeyboardInterrupt
        write(out)
    return results(out)


def results(out: Path) -> list[Result]:
    """The finished runs in `out`, sorted by network, depth and seed."""
    found = [run for folder in sorted(out.glob("*_seed*")) if (run := recipes.result_of(folder)) is not None]
    return sorted(found, key=lambda run: (run["net"], run["depth"], run["seed"]))


def write(out: Path) -> None:
    """Write table, numbers and figure from all runs in `out`."""
    found = results(out)
    files.write_atomically(out / "table.md", table(found))
    files.write_atomically(out / "results.json", json.dumps(found, indent=1) + "\n")
    with files.whole(out / "figure6.png") as picture:
        plots.error_curves(curves(found)).savefig(picture, dpi=150)


def table(found: Sequence[Result]) -> str:
    """In Markdown: one line per network and way to train it, with the last epochs' mean errors over the seeds."""
    lines = [
        "| network | recipe | precision | parameters | paper: test error | test error | training error | runs | epochs "
        "| minutes per run |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    groups = defaultdict(list)
    for run in found:
        precision = run.get("precision", recipes.RECIPES[run["recipe"]].precision)  # an early record lacks it
        groups[run["net"], run["depth"], run.get("width", 16), run["recipe"], precision].append(run)
    for (net, depth, width, recipe, precision), runs in groups.items():
        name, paper = f"{NAMES[net]}-{depth}", "figure only"
        if width != 16:
            name, paper = f"{name}, width {width}", "none"
        elif net == "resnet" and depth in PAPER:
            paper = f"{PAPER[depth]:.2f}%"
        test, training_error = (spread([run[key] for run in runs]) for key in ("test_error", "training_error"))
        minutes = statistics.mean(run["seconds"] for run in runs) / 60
        lines.append(
            f"| {name} | {recipe} | {precision} | {runs[0]['parameters']:,} | {paper} | {test} | {training_error} "
            f"| {len(runs)} | {runs[0]['epochs']} | {minutes:.1f} |"
        )
    return "\n".join(lines) + "\n"


def spread(parts: Sequence[float]) -> str:
    """The mean in percent and, if there are several numbers, their standard deviation."""
    percent = [100 * part for part in parts]
    deviation = f" ± {statistics.stdev(percent):.2f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.2f}{deviation}%"


def curves(found: Sequence[Result]) -> dict[str, dict[str, training.History]]:
    """For `plots.error_curves`: one panel per kind of network, one line per depth, from the first seed of each."""
    panels: dict[str, dict[str, training.History]] = defaultdict(dict)
    for run in found:
        title = "residual networks" if run["net"] == "resnet" else "plain networks"
        panels[title].setdefault(f"{NAMES[run['net']]}-{run['depth']}", training.History(**run["history"]))
    return dict(panels)
