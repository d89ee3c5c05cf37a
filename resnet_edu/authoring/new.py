"""`authoring new 15 my_topic`: start a lesson of your own, structured like the others and ready to run.

It has every section that `authoring check` requires, a budget, a seed, a question, a prediction, one claim and one
figure; its premise is in `tests/premises/lesson15.py`. Replace them one by one; `authoring render 15` runs what you
have, and `authoring check 15` says what is missing.
"""

import re
from pathlib import Path

from nbformat import v4

from resnet_edu.authoring.address import SETUP
from resnet_edu.authoring.lessons import Refusal, lessons, read
from resnet_edu.authoring.normalize import normalize, to_text
from resnet_edu.files import write_atomically

CODE = ("setup", "imports", "measure", "measure-checked")
CELLS = {
    "title": (
        "# {number} · {title}\n\n[Contents](00_start_here.ipynb) · Previous: [{before}]({file})\n\n"
        "What is the question of this lesson? Ask it here, in two or three sentences."
    ),
    "objectives": (
        "## Objectives\n\nAfter this lesson you can\n\n- (say what the learner will be able to do).\n\n"
        "**You need** [gradient norms](00_start_here.ipynb#gradient-norm) (03) and the lessons before this one.\n"
        "**Time:** about 30 minutes of reading and experimenting; the README says how long the cells take to run.\n\n"
        "**Before you run anything:** (ask for a guess that the lesson will answer)."
    ),
    "setup": SETUP,
    "imports": (
        "import torch\nfrom resnet_edu import data, models, plots, probes\n"
        "from resnet_edu.lesson import budget, claim, seed, show\nfrom torch.nn import functional as F\n\n"
        'run = budget(smoke={{"depth": 8}}, laptop={{"depth": 20}})'
    ),
    "predict": (
        "## How large are the gradients of a residual network?\n\n"
        "**Predict.** By what factor do the gradients of the first and last convolutions differ?"
    ),
    "measure": (
        'train, test = data.load("sample", size=16)\nx, y = next(iter(train.batches(32, shuffle=True, seed=seed())))\n'
        "torch.manual_seed(seed())\nnet = models.CifarNet(run.depth, residual=True).to(x.device)\n"
        "norms = probes.GradientNorms(net)\nF.cross_entropy(net(x), y).backward()\nnorms.record()\n\n"
        'figure = plots.gradient_norms({{"residual": norms}})'
    ),
    "measure-checked": (
        'show(\n    figure,\n    alt="Gradient norm by layer of an untrained residual network: all of similar size.",\n'
        ')\nclaim(\n    "the first and the last gradient are within a factor of 100",\n    norms.ratio(),\n'
        "    within=(1e-2, 1e2),\n)"
    ),
    "explain": "Explain the result, in words that stay true when the numbers change.",
    "recap": "## Recap\n\n- The main results, one line each.",
    "papers": "## Papers\n\n- Who found it, when, and where it was published.",
}
PREMISES = '''\
"""What the claims of lesson {number} rest on."""

from premises.core import Premise
from premises.patches import force

PREMISES = [
    Premise(
        "the network is plain, without norm, and its activations are sigmoids",
        force(residual=False, norm=None, activation="sigmoid"),
        "measure",
    ),
]
'''


def new(number: str, name: str, folder: Path) -> Path:
    """Write `folder/NN_name.ipynb` and its premises. Raises Refusal for an invalid number or name."""
    if not re.fullmatch(r"\d{1,2}", number) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise Refusal(f"{number!r} {name!r}: give a number and a name in lowercase, such as 15 my_topic.")
    path = folder / f"{int(number):02d}_{name}.ipynb"
    for taken in lessons(folder):
        if taken.name[:2] == path.name[:2]:
            raise Refusal(f"There is already a lesson {path.name[:2]}: {taken.name}. Choose another number.")
    previous = [one for one in lessons(folder) if one.name < path.name][-1]
    names = {
        "number": path.name[:2],
        "title": name.replace("_", " ").capitalize(),
        "before": read(previous).cells[0].source.splitlines()[0].removeprefix("# "),
        "file": previous.name,
    }
    cells = []
    for id_, source in CELLS.items():
        make = v4.new_code_cell if id_ in CODE else v4.new_markdown_cell
        text = source if id_ == "setup" else source.format(**names)
        cells.append(make(text, id=id_))
    write_atomically(path, to_text(normalize(v4.new_notebook(cells=cells))))
    premises = folder.parent / "tests" / "premises" / f"lesson{path.name[:2]}.py"
    premises.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(premises, PREMISES.format(number=path.name[:2]))
    return path
