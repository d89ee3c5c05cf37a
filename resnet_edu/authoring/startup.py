"""Run by every kernel that `python -m resnet_edu open` starts: a NameError is explained before any import, too."""

import sys as _sys


def _answer(result):  # type: ignore[no-untyped-def]  # it also runs in the notebook's own namespace
    if isinstance(result.error_in_exec, NameError) and "resnet_edu.lesson" not in _sys.modules:  # which says so itself
        print("If the name is spelled correctly, a cell above has not been run yet: Run > Run All Above Selected Cell.")


if "get_ipython" in globals():
    globals()["get_ipython"]().events.register("post_run_cell", _answer)
