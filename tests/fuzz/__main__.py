"""Feed damaged files to everything that reads one: a result must come of it, or one line that says what is wrong.

    python tests/fuzz                          # all kinds, in about ten minutes on two cores
    python tests/fuzz audio --times 10000
    python tests/fuzz bundle --case 17         # once more, with its traceback; --keep saves the file

Each case follows from (seed, kind, number): a sound file of that kind in which bytes are flipped, cut out, repeated,
replaced by the extreme numbers of its format, or taken from another file, or a value of its JSON is another. Any
exception but an `AsrError`, a message of several lines, a signal and more than `LIMIT` seconds are failures. Damaged
audio that is read must be finite; raw samples have the same text wherever they are cut. A server must answer every
request with a status below 500, and a sound one after it as ever.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "helpers"))
import exchanges
import numpy as np
import torch  # noqa: F401 (on a busy machine, importing it for a case takes longer than LIMIT)
from files import KINDS as FILES
from tqdm import tqdm

from asr.errors import AsrError, choose

LIMIT = 20  # seconds
MEMORY = 6 << 30  # bytes of addresses
CHUNK = 50  # cases a process tries; one that dies names its case
KINDS = FILES | exchanges.KINDS
SOUND = ("read", "refused")


class Case(NamedTuple):
    """A kind and a number, from which a damaged file follows."""

    kind: str
    number: int
    seed: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", metavar="|".join(KINDS), help="default: all")
    parser.add_argument(
        "--times", type=int, help="number of cases; default: 10,000 recordings, 500 other files, 40 folders"
    )
    parser.add_argument("--case", type=int, help="only this one, here, with its traceback")
    parser.add_argument("--keep", type=Path, help="folder for the files that fail")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    kinds = arguments.kinds or list(KINDS)
    for kind in kinds:
        choose(KINDS, kind, "kind")
    if failed := [kind for kind in kinds if not held(kind, arguments)]:
        sys.exit(f"failed: {', '.join(failed)}")


def held(kind: str, arguments: argparse.Namespace) -> bool:
    """Try the cases of a kind, print what came of them, and return whether none failed."""
    if arguments.case is not None:
        outcome = tried(Case(kind, arguments.case, arguments.seed), arguments.keep)
        print(f"{kind} {arguments.case}: {outcome}", flush=True)
        return outcome in SOUND
    times = arguments.times or (10_000 if kind == "audio" else 40 if kind.startswith("folder") else 500)
    outcomes = Counter[str]()
    for case, outcome in all_tried([Case(kind, number, arguments.seed) for number in range(times)], arguments.keep):
        outcomes[outcome.split(":")[0]] += 1
        if outcome not in SOUND:
            print(f"{kind} {case.number}: {outcome}", flush=True)
    failures = sum(count for what, count in outcomes.items() if what not in SOUND)
    counts = ", ".join(f"{what} {count}" for what, count in sorted(outcomes.items()))
    print(f"{kind}: {times} cases, {failures} failed: {counts}", flush=True)
    return not failures


def all_tried(cases: list[Case], keep: Path | None) -> Iterator[tuple[Case, str]]:
    """Yield each case's outcome; cases are tried in processes of their own, which may die."""
    chunks = [cases[i : i + CHUNK] for i in range(0, len(cases), CHUNK)]
    with multiprocessing.get_context("fork").Pool(os.cpu_count(), maxtasksperchild=1) as pool:
        results = [pool.apply_async(chunk_tried, (chunk, keep)) for chunk in chunks]
        for result in tqdm(results, desc=cases[0].kind, leave=False, disable=None):
            yield from result.get()


def chunk_tried(cases: list[Case], keep: Path | None) -> list[tuple[Case, str]]:
    """Return each case's outcome; a forked child tries them, and is replaced when a signal kills it."""
    found: list[tuple[Case, str]] = []
    while len(found) < len(cases):
        ours, theirs = os.pipe()
        if not (child := os.fork()):
            silent = os.open(os.devnull, os.O_WRONLY)
            for output in (1, 2):
                os.dup2(silent, output)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            with open(theirs, "w") as pipe:
                for case in cases[len(found) :]:
                    print(tried(case, keep).replace("\n", "⏎"), file=pipe, flush=True)
            os._exit(0)
        os.close(theirs)
        with open(ours) as pipe:
            found += [(cases[len(found) + i], line.rstrip("\n")) for i, line in enumerate(pipe)]
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status and len(found) < len(cases):
            found.append((cases[len(found)], f"killed: exit status {status}"))
    return found


def tried(case: Case, keep: Path | None) -> str:
    """Return what becomes of a case: `read`, `refused`, or what is wrong."""
    signal.signal(signal.SIGALRM, _late)
    with tempfile.TemporaryDirectory() as name:
        path = KINDS[case.kind].damage(Path(name), np.random.default_rng([case.seed, case.number, len(case.kind)]))
        signal.alarm(LIMIT)
        try:
            KINDS[case.kind].read(path)
        except AsrError as error:
            if "\n" not in str(error):
                return "refused"
            problem = f"several lines: {error}"
        except (Exception, _LateError) as error:  # noqa: BLE001 (any other is what is looked for)
            traceback.print_exc()
            where = traceback.extract_tb(error.__traceback__)[-1]
            problem = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        else:
            return "read"
        finally:
            signal.alarm(0)
        if keep:
            target = keep / f"{case.kind}-{case.number}"
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(name, target)
        return problem


class _LateError(BaseException):
    """A case takes too long; no `except OSError` of what is tried, as of a TimeoutError, makes a refusal of it."""


def _late(*_: object) -> None:
    raise _LateError(f"more than {LIMIT} s")


if __name__ == "__main__":
    main()
