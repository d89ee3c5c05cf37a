"""For instructors: make the outputs that the lessons ship with, and see that the lessons keep the course's rules.

    python -m resnet_edu authoring render 3             # run lesson 03 from top to bottom and store its outputs
    python -m resnet_edu authoring check                # every rule, on every lesson, without running any
    python -m resnet_edu authoring nbgrader OUT         # the exercises as assignments

Read it in this order:

    lessons.py      where the lessons are, and how one is named
    normalise.py    what of a run is kept: the same run gives the same bytes
    render.py       run a lesson in this Python, and write it back if every cell ran
    check.py        the rules, one small function each
    nbgrader.py     the exercises as assignments that nbgrader hands out and grades
"""
