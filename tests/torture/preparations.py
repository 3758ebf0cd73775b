"""Folders of recordings that are prepared and trained on, interrupted twice."""

import hashlib
import shutil
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import importer_formats
import numpy as np
from trainings import CPU, state
from trial import Outcome, ended, finished, moment, seconds_of, started, temporary

from asr import config
from asr.cli import cli
from asr.training import loop

FORMATS = ("same-named .txt", "same-named TextGrid", "Kaldi with segments", "Common Voice", "one text file")
SETTINGS = ["training.epochs=3", "training.batch=8", "encoder.hidden=8", "encoder.layers=1"]


def killed(folder: Path, generator: np.random.Generator, times: int) -> Iterator[Outcome]:
    """Kill `asr prepare FOLDER` and start it again, then the training on what it made; every tenth adds voices."""
    for trial in range(times):
        name, voices = FORMATS[trial % len(FORMATS)], trial % 10 == 9
        place = folder / str(trial)
        root, whole, out, run = (place / part for part in ("mine", "whole", "out", "run"))
        bring(name, root)
        seconds = seconds_of(partial(_finished, prepare, root, whole, voices))
        writing = out if trial // 2 % 2 else None
        status = ended(prepare(root, out, voices), signal.SIGKILL, moment(generator, seconds), writing)
        notes = Counter({name: 1, f"exit {status}": 1, "while writing": int(bool(temporary(out)))})
        checks = {"prepared": finished(prepare(root, out, voices)) == 0}
        checks["same files"] = checks["prepared"] and files(out) == files(whole)
        if not voices:  # of which there are two thousand
            seconds = seconds_of(partial(_finished, train, whole, run))
            expected = state(run)
            shutil.rmtree(run)
            notes[f"exit {ended(train(out, run), signal.SIGKILL, moment(generator, seconds), None)}"] += 1
            checks["trained"] = finished(train(out, run)) == 0
            checks["equal"] = checks["trained"] and state(run) == expected
        yield Outcome(checks, notes)
        shutil.rmtree(place)


def bring(name: str, root: Path) -> None:
    """Write recordings with their transcripts in a format."""
    for number, said in enumerate(importer_formats.SET):
        importer_formats.record(root / f"{said.stem}.wav", said.seconds, seed=number)
    importer_formats.FORMATS[name].write(root)


def _finished(start: Callable[..., int], *arguments: object) -> int:
    return finished(start(*arguments))


def prepare(root: Path, out: Path, voices: bool) -> int:
    """Start to prepare a folder, and return the process's id."""
    arguments = ["prepare", str(root), "--name", "mine", "--out", str(out)]
    arguments += ["--synthesize", "en"] if voices else []
    return started(lambda: cli(arguments, standalone_mode=False), root.parent / "messages")


def train(corpus: Path, out: Path) -> int:
    """Start to train on a prepared folder, and return the process's id."""

    def work() -> None:
        loop.CHECKPOINT_SECONDS = 0.0
        loop.run(config.load(corpus / "recipe.toml", SETTINGS), corpus, out, CPU)

    return started(work, corpus.parent / "messages")


def files(out: Path) -> dict[str, str]:
    """Return the digest of every file of a prepared folder that must not depend on interruptions."""
    made = (path for path in out.rglob("*") if path.is_file() and "features" not in path.parts)
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in made
        if not path.name.endswith(".tmp")
    }
