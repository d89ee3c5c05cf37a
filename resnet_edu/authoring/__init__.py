"""For instructors: make the outputs that the lessons ship with, and see that the lessons keep the course's rules.

    python -m resnet_edu authoring render 3             # run lesson 03 from top to bottom and store its outputs
    python -m resnet_edu authoring check                # every rule, on every lesson, without running any
    python -m resnet_edu authoring address URL          # your fork's, for Colab
    python -m resnet_edu authoring new 15 my_topic      # a lesson of your own
    python -m resnet_edu authoring nbgrader OUT         # the exercises as assignments

Read it in this order:

    lessons.py      where the lessons are, and how one is named
    normalize.py    what of a run is kept: the same run gives the same bytes
    render.py       run a lesson in this Python, and write it back if every cell ran
    check.py        the rules, one small function each
    claims.py       bounds that are too wide to fail
    phrases.py      phrases that must not come back
    address.py      where the course is published: Colab's badge, and the cell that fetches the package
    new.py          a lesson of one's own
    keep.py         a long run, kept with the course
    nbgrader.py     the exercises as assignments that nbgrader hands out and grades
"""
