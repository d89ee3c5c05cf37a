"""The long lanes, which plain `pytest` leaves out: weekly in CI, and by hand before a release.

    pytest tests/full                           all of them
    pytest tests/full/test_wheel.py             1 minute: the package installed in every way, away from its clone
    pytest tests/full/test_seeds.py             2 minutes a lesson and seed: every claim holds for other random numbers
    pytest tests/full/test_shattering.py        10 seconds: what lesson 05 says of shattered gradients, over ten seeds
    pytest tests/full -k "seeds and 03"         one lesson
    pytest tests/full/test_nbgrader.py          1 minute: nbgrader hands out, grades and gives feedback
    pytest tests/full/test_fork.py              1 minute: a fork's notebook, alone in a folder, fetches its package
    pytest tests/full/test_places.py            8 minutes: a full disk, a read-only home, lessons rendered twice
    pytest tests/full/test_compile.py           1 minute: fit(compile=True), where there is a C++ compiler
    RESNET_EDU_BUDGET=laptop pytest tests/browser            20 minutes: what readers see, at their budget
    RESNET_EDU_BUDGET=laptop pytest tests/premises   the premises of the claims that count at laptop only
    python tests/full/versions.py               15 minutes each: Colab's versions, the lowest, each Python

They need the `dev` extra. test_wheel.py and test_fork.py also need git, and fetch the build backend; test_nbgrader.py
needs the `nbgrader` extra; versions.py needs uv instead, and makes its own environments.
"""
