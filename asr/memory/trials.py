"""Trials: run those that are missing, in parallel, and store each in a file of its own as soon as it ends."""

import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from asr.errors import AsrError, InputError, choose
from asr.memory import EXPERIMENTS
from asr.memory.experiment import Case, Trial
from asr.support import files, text
from asr.support.crew import processors
from asr.support.workers import work

Planned = tuple[str, str, int]  # experiment, case, seed


def planned(names: Sequence[str], full: bool, seeds: int | None = None) -> list[Planned]:
    """Return the trials of some experiments, the seeds of a case one after the other.

    Args:
        names: Of experiments.
        full: The full form, or the quick one.
        seeds: Number of seeds; default: each case's own.

    Raises:
        AsrError: There is no such experiment, or the number of seeds is not positive.
    """
    if seeds is not None and seeds < 1:
        raise AsrError(f"--seeds {seeds}: at least one is needed; omit it for each case's own number")
    plan = []
    for name in names:
        for case in choose(EXPERIMENTS, name, "experiment").cases:
            count = case.full if full else case.quick
            plan += [(name, case.name, 1 + seed) for seed in range((seeds or count) if count else 0)]
    return plan


def run(plan: Sequence[Planned], out: Path) -> int:
    """Run the trials that are not stored yet, in as many processes as there are processors for us, and return how many.

    Args:
        plan: The trials.
        out: The folder that contains the stored ones.

    Raises:
        AsrError: A file cannot be written or read.
    """
    missing = [one for one in plan if stored(out, *one) is None]
    for _ in work(partial(_perform, out), missing, len(missing), "trials", processors(), ordered=False):
        pass
    return len(missing)


def stored(out: Path, name: str, case: str, seed: int) -> Trial | None:
    """Return a stored trial; None if there is none, or it was made with other settings than those of today.

    Raises:
        InputError: The file was not written by `run`.
    """
    path, today = _file(out, name, case, seed), _case(name, case)
    if not path.exists():
        return None
    content = text.read(path, "trial")
    try:
        row = text.parsed(content)
        if row["settings"] != json.loads(json.dumps(dict(today.settings))):
            return None
        return Trial(today, seed, dict(row["observed"]), float(row["seconds"]))
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(f"{path}: is not a trial ({type(error).__name__}: {error}); delete it") from error


def collected(out: Path, name: str) -> list[Trial]:
    """Return all stored trials of an experiment that are of today's settings, in the order of its cases and of seeds.

    Raises:
        InputError: A file was not written by `run`.
    """
    return list(_collected(out, name))


def _collected(out: Path, name: str) -> Iterator[Trial]:
    for case in EXPERIMENTS[name].cases:
        names = [path.stem for path in (out / name).glob(f"{_slug(case.name)}-seed*.json")]
        for seed in sorted(int(found[1]) for stem in names if (found := re.search(r"-seed(\d+)$", stem))):
            if trial := stored(out, name, case.name, seed):
                yield trial


def _perform(out: Path, trial: Planned) -> tuple[int, None]:
    """Run a trial and store it."""
    os.environ["OMP_NUM_THREADS"] = "1"  # the networks are too small to share; torch reads it when it is imported
    name, case_name, seed = trial
    settings = _case(name, case_name).settings
    begin = time.process_time()
    observed = EXPERIMENTS[name].run(settings, seed)
    seconds = round(time.process_time() - begin, 2)
    row = {"experiment": name, "case": case_name, "seed": seed, "settings": dict(settings)}
    files.write_json(_file(out, *trial), row | {"seconds": seconds, "observed": observed})
    return 1, None


def _case(name: str, case: str) -> Case:
    return next(one for one in EXPERIMENTS[name].cases if one.name == case)


def _file(out: Path, name: str, case: str, seed: int) -> Path:
    return out / name / f"{_slug(case)}-seed{seed}.json"


def _slug(case: str) -> str:
    """Return a case's name as that of a file.

    >>> _slug("T = 100, N = 3")
    'T-100-N-3'
    """
    return re.sub(r"[^\w.]+", "-", case).strip("-")
