"""What `asr evaluate` and `asr tune` cost from the command line: CPU seconds, beside another checkout's in turn.

    python tests/bench/bench_evaluate.py [--bundle FILE] [--data data] [--against FOLDER] [--rounds N]

The corpus must have been prepared (`asr prepare espeak`); the first round, which computes features and compiles, does
not count. Both checkouts must choose the same settings and count the same errors.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen

from asr import box

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "evaluate, greedy": ["evaluate", "--decoder", "greedy"],
    "evaluate, beam": ["evaluate", "--decoder", "beam"],
}
COMMANDS |= {"tune, 49 trials": ["tune"]}


def run(checkout: Path, words: list[str], bundle: Path, data: Path) -> tuple[float, str]:
    """Return a command's CPU seconds and what it printed."""
    name, *options = words
    command = [sys.executable, "-m", "asr", name, str(bundle), "--data", str(data), *options]
    process = Popen(command, env=os.environ | {"PYTHONPATH": str(checkout)}, stdout=PIPE, stderr=DEVNULL, text=True)
    assert process.stdout
    printed = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)}: failed with status {process.returncode}")
    return used.ru_utime + used.ru_stime, printed


def main() -> None:
    """Print a line for each command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bundle", type=Path, default=box.FILE)
    parser.add_argument("--data", type=Path, default=ROOT / "data")
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    checkouts = [ROOT, *([arguments.against.resolve()] if arguments.against else [])]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(shutil.copy(arguments.bundle, folder))
        for what, words in COMMANDS.items():
            rounds = [
                [run(one, words, bundle, arguments.data) for one in checkouts] for _ in range(arguments.rounds + 1)
            ]
            if len({printed for row in rounds for _, printed in row}) > 1:
                sys.exit(f"{what}: the results differ")
            least = [min(row[index][0] for row in rounds[1:]) for index in range(len(checkouts))]
            others = "".join(f", against {other:.2f} s ({other / least[0]:.2f}×)" for other in least[1:])
            print(f"{what}: {least[0]:.2f} s of CPU{others}", flush=True)


if __name__ == "__main__":
    main()
