"""Every figure about speed and memory, one after the other: `python tests/benchmarks`.

It takes about five minutes on two free cores; what else runs beside it makes the spread wider.
"""

import subprocess
import sys
from pathlib import Path

missed = 0
for benchmark in ("throughput", "augmentation", "recording", "depth"):  # each in a fresh process
    missed |= subprocess.run([sys.executable, Path(__file__).with_name(f"{benchmark}.py")], check=False).returncode
sys.exit(missed)
