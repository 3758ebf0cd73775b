import subprocess
import sys
from pathlib import Path


def test_the_training_bench_runs():
    command = [sys.executable, str(Path(__file__).with_name("bench_train.py")), "--quick", "--threads", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("2×8") == 3  # a step, its parts, an epoch
