"""What a lesson claims holds for other random numbers too, at the budget that a reader has."""

from pathlib import Path

import pytest

from resnet_edu.authoring.lessons import NOTEBOOKS
from resnet_edu.authoring.render import run_notebook

LESSONS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("seed", ["0", "1", "2"])
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_every_cell_runs_and_every_claim_holds(lesson: Path, seed: str) -> None:
    run = run_notebook(lesson, "laptop", RESNET_EDU_SEED=seed)
    print(f"{lesson.stem}, seed {seed}: {run.seconds:.0f} s")
