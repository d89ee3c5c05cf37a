"""Training: the loop, the learning-rate schedules, precision, evaluation, and everything around a long run.

    >>> from resnet_edu import data, models, training
    >>> train, test = data.load("sample", size=16)
    >>> net = models.CifarNet(20, residual=True)
    >>> history = training.fit(net, train, epochs=3)
    >>> training.evaluate(net, test).accuracy

Read it in this order:

    schedules.py    the learning rate as a pure function of the step
    loop.py         `fit`: the training step that every lesson runs, and the evaluation
    history.py      the record of a run, and the callbacks of `fit`
    settings.py     the settings of a run, validated
    precision.py    fp32, bf16, fp16; the memory format
    checkpoints.py  a run as a file, written atomically
    distributed.py  several processes that train one network
    recipes.py      complete recipes, one command, a folder that records what was done
    provenance.py   commit, machine and versions of a recorded run
    reproduce.py    the paper's table and its Figure 6, reproduced
"""

from resnet_edu.training.history import DivergenceError, EpochCallback, GradientCallback, History, Metrics
from resnet_edu.training.loop import evaluate, fit, predict
from resnet_edu.training.precision import PRECISIONS, choose_precision, precision_name
from resnet_edu.training.schedules import SCHEDULES, Schedule, constant, one_cycle, paper
