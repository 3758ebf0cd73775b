"""A run: the parts of one training, its folder, and how it resumes."""

import hashlib
import math
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr import augment, batch, bundle, config, ctc, dataset, manifest
from asr.batch import Dataset
from asr.bundle import Bundle
from asr.config import FRAMES, Recipe
from asr.errors import AsrError, BundleError, InputError
from asr.evaluation.results import BEST, LOCK, RECIPE
from asr.features.normalise import Normaliser
from asr.model import Model
from asr.support import files, text
from asr.support.indices import Ints
from asr.support.interrupt import Interrupt
from asr.support.parallel import ProcessGroup
from asr.support.views import View
from asr.training import augmentation, checkpoint, initial, truncation
from asr.training.checkpoint import Checkpoint, Progress
from asr.training.learner import Learner, check

Say = Callable[[str], None]
BEFORE_RULES = config.Training(batch=16, epochs=20, learning_rate=1e-2)  # the defaults of version 0.1
SKETCH_TOLERANCE = 1e-2  # rounding moves it by 1e-4 or less, another recording by 0.1 and more


@dataclass
class Run:
    """The parts of one training.

    Attributes:
        recipe: The experiment.
        out: The run's folder.
        system: The bundle being trained.
        train: The training set.
        dev: The set on which the best epoch is chosen.
        usable: Indices of the training utterances that are long enough for their transcripts.
        learner: Takes the optimizer steps.
        group: The processes that train together.
        interrupt: The signal that asked to stop, if any.
        progress: How far the run has come.
        saved_at: When the last checkpoint was written, on the monotonic clock.
    """

    recipe: Recipe
    out: Path
    system: Bundle
    train: Dataset
    dev: Dataset
    usable: Ints
    learner: Learner
    group: ProcessGroup
    interrupt: Interrupt = field(default_factory=Interrupt)
    progress: Progress = field(default_factory=Progress)
    saved_at: float = field(default_factory=time.monotonic)

    def plan(self, epoch: int) -> Sequence[Ints]:
        """Return an epoch's batches, over all processes, as indices of the training set."""
        settings = self.recipe.training
        rows = batch.shuffled(self.train.lengths[self.usable], settings.batch, settings.seed, epoch)
        return View(range(len(rows)), lambda step: self.usable[rows[step]].astype(np.int64))

    @property
    def global_step(self) -> int:
        """The number of steps taken so far."""
        steps_per_epoch = math.ceil(len(self.usable) / self.recipe.training.batch)
        return self.progress.epoch * steps_per_epoch + self.progress.step


def constants_of(out: Path) -> config.Training | None:
    """Return the defaults of version 0.1 if it began the run in a folder: its recipes had no front end."""
    path = out / RECIPE
    return BEFORE_RULES if path.is_file() and "[frontend]" not in text.read(path) else None


@contextmanager
def claimed_folder(recipe: Recipe, data: dict[str, str], out: Path, group: ProcessGroup) -> Iterator[Checkpoint | None]:
    """Lock the run's folder against other runs, and yield the checkpoint to resume from, if there is one.

    It comes before all other work, so that an unusable folder is reported at once.

    Raises:
        AsrError: The folder belongs to a different recipe or other data, is in use, or cannot be written.
    """
    with ExitStack() as stack:
        group.leader_only(lambda: _claim(recipe, data, out, stack, group.say))
        yield _resumable(out, lambda line: None)  # the leader has reported what there is to report


def _claim(recipe: Recipe, data: dict[str, str], out: Path, stack: ExitStack, say: Say) -> None:
    """Lock the folder; refuse one that belongs to a different run, and rename the files of an unresumable one."""
    _require_same_recipe(recipe, out / RECIPE, lambda: config.load(out / RECIPE))
    stack.enter_context(files.locked(files.folder(out) / LOCK))
    for temporary in out.glob(".*.tmp"):  # of a run that was killed while writing
        temporary.unlink(missing_ok=True)
    last = _resumable(out, say)
    if last is None:
        _put_aside(out, say)
        return
    _require_same_recipe(recipe, last.path, lambda: config.parse(last.header["recipe"], str(last.path)))
    if any(last.facts["data"].get(name) != value for name, value in data.items()):
        what = "was trained on different data (the manifests have changed)"
        raise AsrError(f"{out}: {what}; delete the folder or use another --out")
    files.write_text(out / RECIPE, config.dump(recipe))


def _require_same_recipe(recipe: Recipe, path: Path, read: Callable[[], Recipe]) -> None:
    if path.exists() and (changed := config.differences(bundle.resolve(read()), recipe)):
        what = f"belongs to a different recipe ({'; '.join(changed)})"
        raise AsrError(f"{path.parent}: {what}; delete the folder or use another --out")


def _put_aside(out: Path, say: Say) -> None:
    """Rename what is there, so that it is neither lost nor mistaken for the new run's files."""
    if old := checkpoint.paths(out):
        for path in [*old, out / BEST]:
            if path.exists():
                path.replace(path.with_name(f"{path.name}.old"))
        say(f"{out}: starting over; previous checkpoints are kept as *.old")


def _resumable(out: Path, say: Say) -> Checkpoint | None:
    """Return the checkpoint to resume from; none if the best system, whose score it records, is lost or damaged."""
    last = checkpoint.newest(out, say)
    if last and last.progress.best is not None:
        try:
            bundle.load(out / BEST)
        except BundleError as error:
            say(f"{error}; cannot resume without it")
            return None
    return last


def start(recipe: Recipe, corpus: Path, out: Path, device: torch.device, group: ProcessGroup) -> Run:
    """Load the data, build the system, and report the utterances that cannot be used.

    Raises:
        AsrError: The device does not support the precision; the optimizer or the schedule is unknown; the recipe, a
            transcript or a recording is invalid.
    """
    truncation.check(recipe)
    check(recipe.training, device)  # what is not supported is refused before the features are computed
    features = bundle.build_features(recipe.features)
    path = corpus / "train.jsonl"
    utterances = augment.at_speeds(manifest.read(path), recipe.augment.speeds)
    utterances = augment.with_pauses(utterances, recipe.augment.pause)
    utterances = augment.with_strangers(utterances, recipe.augment.strangers)
    store = dataset.stored(features, path, utterances)
    needed = Normaliser.needs_statistics(recipe.features.normalise, recipe.features.prior)
    statistics = store.total() if needed else None
    system = bundle.build(recipe, statistics)
    train = batch.dataset(utterances, store, system.normaliser, system.units)
    dev = dataset.read(system, corpus / "dev.jsonl")
    train, dev = train.to(device), dev.to(device)
    system.model.to(device)
    size = f"{system.model.parameter_count:,} parameters, {len(system.units)} units, {len(train)} utterances"
    group.say(f"{size}, on {device}" + (f", {group.size} processes" if group.size > 1 else ""))
    settings = recipe.training
    usable = _usable(train, system.model, group)
    steps = settings.epochs * math.ceil(len(usable) / settings.batch)
    learner = Learner(system.model, settings, steps, device, group, augmentation.of(recipe))
    return Run(recipe, out, system, train, dev, usable, learner, group)


def _usable(train: Dataset, model: Model, group: ProcessGroup) -> Ints:
    """Return the indices of the utterances that CTC can align; report the others."""
    available = model.outputs(train.lengths)
    short = batch.too_short(train, available)
    for i in short:
        units, needed = len(train.targets[i]), ctc.frames_needed(train.targets[i])
        group.say(f"{train.ids[i]}: {ctc.too_few(int(available[i]), units, needed)}; skipped")
    if short:
        group.say(f"{len(short)} of {len(train)} utterances are too short for their transcripts and were skipped")
    if len(short) == len(train):
        remedy = "check the transcripts, `features.shift`" + (" and `frontend.stride`" if model.stride > 1 else "")
        if model.readout != FRAMES:
            remedy = f"encoder.readout = '{model.readout}' is for one word a recording; use '{FRAMES}' for sentences"
        raise InputError(f"no utterance is long enough for its transcript; {remedy}")
    return batch.without(len(train), short)


def initialize(run: Run) -> dict[str, Any] | None:
    """Start from the weights of the system that the recipe names, if any; say so, and return what was taken."""
    if not run.recipe.training.init:
        return None
    taken = initial.take(run.system, Path(run.recipe.training.init))
    run.group.say(f"starting from {taken['path']}: its encoder and {taken['units']} of {taken['of']} units")
    return taken


def environment(device: torch.device, group: ProcessGroup) -> dict[str, Any]:
    """Return what the exact bits of a run depend on besides its recipe and data."""
    versions = {"torch": torch.__version__, "numba": version("numba"), "machine": platform.machine()}
    return versions | {"device": device.type, "processes": group.size}


def resume(run: Run, last: Checkpoint) -> None:
    """Continue from a checkpoint; report that, and every change of environment since it was written.

    Raises:
        AsrError: The features differ from those that the run was trained on.
    """
    changes = _changed_features(run, last)
    last.restore(run.system.model, run.learner.optimizer)
    run.progress = last.progress
    run.group.say(f"{run.out}: resuming at {run.progress} ({last.path.name})")
    for key, value in environment(run.learner.device, run.group).items():
        if last.facts.get(key) != value:
            changes.append(f"{key} changed from {last.facts.get(key)} to {value}")
    for change in changes:
        run.group.say(f"warning: {change}: results will not be bit-identical to an uninterrupted run's")


def _changed_features(run: Run, last: Checkpoint) -> list[str]:
    """Return what is to be reported of features that are not those of a checkpoint to the bit.

    Another processor or version of a library rounds them differently; other recordings have another sketch (see
    `asr.features.store.Store.sketch`). Version 0.1 recorded no sketch, so that only the manifests are compared.

    Raises:
        AsrError: They are features of other recordings.
    """
    before, now = last.facts, run.system.facts
    if before["data"]["features"] == now["data"]["features"]:
        return []
    if "sketch" in before and not np.allclose(before["sketch"], now["sketch"], rtol=0, atol=SKETCH_TOLERANCE):
        what = "was trained on different recordings (the audio files have changed)"
        raise AsrError(f"{run.out}: {what}; restore them or use another --out")
    if "sketch" in before:
        return ["the features are rounded differently here"]
    return ["the features differ from those of version 0.1 (if recordings have changed, use another --out)"]


def check_ranks_agree(run: Run) -> None:
    """Check that all processes start from the same progress, data and weights.

    Raises:
        AsrError: They do not, as on machines that do not share their files.
    """
    weights = hashlib.sha256(b"".join(p.detach().cpu().numpy().tobytes() for p in run.system.model.parameters()))
    state = f"{run.progress} {run.system.facts['data']} {weights.hexdigest()}"
    if len(set(run.group.gather({str(run.group.rank): state}).values())) > 1:
        raise AsrError(f"{run.out}: the processes found different checkpoints or data; share the files among machines")


def require_folder(out: Path) -> None:
    """Refuse to recreate a run's folder that disappeared: its checkpoints are wherever it was moved to."""
    if not out.is_dir():
        raise AsrError(f"{out}: was removed or renamed during training; restore it and rerun")
