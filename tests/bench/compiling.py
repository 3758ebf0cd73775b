"""What a kernel's first call costs."""

import os
import subprocess
import sys
import tempfile


def first_calls(program: str) -> list[float]:
    """Return the seconds that a program prints of its first call, without and with compiled code on disk."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        runs = [
            subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
    return [float(run.stdout) for run in runs]
