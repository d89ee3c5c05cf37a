"""For instructors: produce the lessons' stored outputs, and check that the lessons follow the course's rules.

    python -m resnet_edu authoring render 3             # run lesson 03 from top to bottom and store its outputs
    python -m resnet_edu authoring check                # every rule, on every lesson, without running any
    python -m resnet_edu authoring address URL          # the address of your fork, for Colab
    python -m resnet_edu authoring new 15 my_topic      # a lesson of your own
    python -m resnet_edu authoring nbgrader OUT         # the exercises as assignments

Read it in this order:

    lessons.py      where the lessons are, and how to name one
    normalize.py    what is kept of a run, so that the same run gives the same bytes
    render.py       run a lesson in this Python, and save it if every cell ran
    check.py        the rules, one small function each
    claims.py       bounds that are too wide to fail
    address.py      the course's address: Colab's badge, and the cell that installs the package
    new.py          start a lesson of your own
    keep.py         store a long run with the course
    nbgrader.py     the exercises as nbgrader assignments
    startup.py      run by each kernel of `python -m resnet_edu open`, so that even its first NameError is explained
"""
