"""From plain CNNs to residual networks: the helper package of the course.

A lesson reads like this:

    from resnet_edu import data, models, probes, training
    from resnet_edu.models import relatives

    train, test = data.load("sample")                  # real CIFAR-10 images that ship with the package
    plain = models.CifarNet(56, residual=False)        # He et al. 2015
    resid = models.CifarNet(56, residual=True)         # the same parameters, one switch
    norms = probes.GradientNorms(resid)
    history = training.fit(resid, train, epochs=5, callbacks=[norms])

Read it in this order; each module uses only those before it:
checks, files, data, models, probes, plots, training, lesson, exercises, explorers, doctor, authoring.

Importing `resnet_edu` by itself imports nothing else, so `python -m resnet_edu` responds at once.
"""

__version__ = "0.1.0"
