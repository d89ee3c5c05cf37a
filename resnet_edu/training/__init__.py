"""Training: the loop, the learning-rate schedules, precision, evaluation, and everything around a long run.

    >>> from resnet_edu import data, models, training
    >>> train, test = data.load("sample", size=16)
    >>> net = models.CifarNet(20, residual=True)
    >>> history = training.fit(net, train, epochs=3)
    >>> training.evaluate(net, test).accuracy

For long runs `fit` has four more arguments:

    checkpoint, resume   A file written after every epoch. With `resume`, a run continues from it, on a CPU bit for bit
                         as if it had not stopped; if there is no such file yet, it starts from scratch. Without
                         `resume`, an existing file raises an error rather than being overwritten. The file also holds
                         the state of callbacks with `state_dict` and `load_state_dict`, such as `GradientNorms`.
    ranks                Several processes share each batch; pass `ranks.wrap(net)` as the network (distributed.py).
    compile              torch.compile, on a GPU with CUDA graphs: for small networks limited by kernel launches. The
                         first step takes a minute; a short last batch is dropped from each epoch, since it would be
                         compiled a second time; the last bits of the result may differ. Compiled code of other
                         networks is discarded.

On a GPU, "fp32" disables the default rounding of convolutions to TF32, and "fp16" waits for the GPU at each step if
your own optimizer is not fused.

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
