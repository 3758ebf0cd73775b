"""Try to break what runs for long: kill it, stop it, fill its disk, inject NaN and Inf, flip bits in its files.

    python tests/torture                         # everything, about half an hour on two cores
    python tests/torture kill --times 100
    python tests/torture serve import --times 5 --seed 2

What is interrupted and started again must end as if it had not been: a training with the same weights, optimizer state,
records and best system, a prepared folder with the same files, to the byte. A server must give each request its answer.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import numpy as np
import preparations
import servers
import trainings
from trial import Outcome

from asr.errors import choose


class Trial(NamedTuple):
    """What yields the outcomes of some trials in a folder, and how many there are by default."""

    outcomes: Callable[[Path, np.random.Generator, int], Iterator[Outcome]]
    times: int


TRIALS = {
    "kill": Trial(trainings.killed, 120),
    "stop": Trial(trainings.stopped, 20),
    "flip": Trial(trainings.flipped, 1000),
    "poison": Trial(trainings.poisoned, 24),
    "disk": Trial(trainings.filled, 10),
    "restart": Trial(trainings.restarted, 5),
    "import": Trial(preparations.killed, 20),
    "serve": Trial(servers.disturbed, 10),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/torture", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", metavar="|".join(TRIALS), help="default: all")
    parser.add_argument("--times", type=int, help="number of trials; default: each kind's own")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    failed = [what for what in arguments.what or TRIALS if not tried(what, arguments.times, arguments.seed)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def tried(what: str, times: int | None, seed: int) -> bool:
    """Make trials of a kind, print what came of them, and return whether nothing was wrong."""
    trial = choose(TRIALS, what, "trial")
    generator = np.random.default_rng([seed, list(TRIALS).index(what)])
    held, notes, count, sound = Counter[str](), Counter[str](), 0, True
    with tempfile.TemporaryDirectory() as folder:
        for outcome in trial.outcomes(Path(folder), generator, times or trial.times):
            held.update({check: int(holds) for check, holds in outcome.checks.items()})
            notes.update(outcome.notes)
            if wrong := [check for check, holds in outcome.checks.items() if not holds]:
                sound = False
                print(f"{what}, trial {count}: not {', '.join(wrong)}; {dict(outcome.notes)}", flush=True)
            count += 1
    checks = ", ".join(f"{check} {number}" for check, number in held.items())
    print(
        f"{what}: {count} trials: {checks}; {', '.join(f'{key} {value}' for key, value in notes.items())}", flush=True
    )
    return sound


if __name__ == "__main__":
    main()
