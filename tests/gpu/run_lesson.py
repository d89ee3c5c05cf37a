"""Run a lesson's cells in order, without Jupyter, and tell which claims fail: `python run_lesson.py NOTEBOOK`."""

import json
import os
import sys
import time
from pathlib import Path

from resnet_edu import lesson

path = Path(sys.argv[1]).resolve()
os.chdir(path.parent)
failed, hard = [], lesson.claim


def claim(sentence, value, **bounds):
    try:
        hard(sentence, value, **bounds)
    except lesson.ClaimError as error:
        failed.append(sentence)
        print(f"✗ {error}")


lesson.claim = claim
namespace = {"__name__": "lesson"}
for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
    if cell["cell_type"] == "code":
        started = time.perf_counter()
        exec(compile("".join(cell["source"]), f"{path.stem}, cell {cell['id']}", "exec"), namespace)
        print(f"[{cell['id']}: {time.perf_counter() - started:.1f} s]", flush=True)
sys.exit(bool(failed))
