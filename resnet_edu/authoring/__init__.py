"""For instructors: run the lessons and store their outputs, check them against the rules, publish them, add others.

`python -m resnet_edu authoring --help` lists the commands. Read the files in this order:

    lessons.py      where the lessons are, and how to name one
    normalize.py    what is kept of a run, so that the same run gives the same bytes
    render.py       run a lesson in this Python, and save it if every cell ran
    claims.py       bounds that are too wide to fail
    address.py      the course's address: Colab's badge, and the cell that installs the package
    check.py        the rules, one small function each
    new.py          start a lesson of your own
    keep.py         store a long run with the course
    nbgrader.py     the exercises as nbgrader assignments
    workbook.py     the learner's own copy of the lessons, and what is left out when it is saved
    startup.py      run by each kernel of `python -m resnet_edu open`, so that even its first NameError is explained
"""
