"""A run: what one training is made of, the folder it keeps, and how it is taken up again."""

import hashlib
import math
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from asr import batch, bundle, config, ctc, recognize
from asr.batch import Dataset, Ints
from asr.bundle import Bundle
from asr.config import Recipe
from asr.errors import AsrError, BundleError, InputError
from asr.evaluation.results import BEST, LOCK, RECIPE
from asr.features.normalise import Normaliser
from asr.frontends import strided
from asr.support import files
from asr.support.interrupt import Caught
from asr.support.parallel import Group
from asr.training import checkpoint, initial
from asr.training.checkpoint import Checkpoint, Progress
from asr.training.learner import Learner

Say = Callable[[str], None]


@dataclass
class Run:
    """What one training is made of.

    Attributes:
        recipe: The experiment.
        out: The run's folder.
        system: What is trained.
        train: The training set.
        dev: The set that chooses the best epoch.
        places: Which utterances of the training set can be learned from.
        learner: Takes the steps.
        group: The processes that train together.
        caught: What signal asks us to stop.
        progress: Where the run stands.
        saved: When the last checkpoint was written, in seconds of a clock.
    """

    recipe: Recipe
    out: Path
    system: Bundle
    train: Dataset
    dev: Dataset
    places: Ints
    learner: Learner
    group: Group
    caught: Caught = field(default_factory=Caught)
    progress: Progress = field(default_factory=Progress)
    saved: float = field(default_factory=time.monotonic)

    @property
    def silent(self) -> bool | None:
        """Whether progress bars are off; None leaves it to whether a terminal is there."""
        return None if self.group.leads else True

    def plan(self, epoch: int) -> list[Ints]:
        """Return an epoch's batches, over all processes."""
        settings = self.recipe.training
        rows = batch.shuffled(self.train.lengths[self.places], settings.batch, settings.seed, epoch)
        return [self.places[own] for own in rows]

    def number(self) -> int:
        """Return how many steps of the run lie behind."""
        batches = math.ceil(len(self.places) / self.recipe.training.batch)  # of an epoch
        return self.progress.epoch * batches + self.progress.step


@contextmanager
def taken(recipe: Recipe, data: dict[str, str], out: Path, group: Group) -> Iterator[Checkpoint | None]:
    """Hold the run's folder against other runs, and give the checkpoint to go on from, if there is one.

    It comes before the work, so that a folder that cannot be used is known at once.

    Raises:
        AsrError: The folder holds a run of another recipe or on other data, is in use, or cannot be written.
    """
    with ExitStack() as stack:
        group.led(lambda: _take(recipe, data, out, stack, group.say))
        yield _newest(out, lambda line: None)  # what there is to say was said


def _take(recipe: Recipe, data: dict[str, str], out: Path, stack: ExitStack, say: Say) -> None:
    """Lock the folder; refuse what is another run, and put aside what a run that cannot go on has left."""
    _refuse_another(recipe, out / RECIPE, lambda: config.load(out / RECIPE))
    stack.enter_context(files.locked(files.folder(out) / LOCK))
    for left in out.glob(".*.tmp"):  # by a run that was killed while it wrote
        left.unlink(missing_ok=True)
    stands = _newest(out, say)
    if stands is None:
        _put_aside(out, say)
        return
    _refuse_another(recipe, stands.path, lambda: config.parse(stands.header["recipe"], str(stands.path)))
    if any(stands.facts["data"].get(name) != value for name, value in data.items()):
        raise AsrError(f"{out}: holds a run on other data than what now lies there; remove it or choose another --out")
    files.write_text(out / RECIPE, config.dump(recipe))


def _refuse_another(recipe: Recipe, path: Path, read: Callable[[], Recipe]) -> None:
    if path.exists() and (changed := config.differences(read(), recipe)):
        what = f"holds a run of another recipe ({'; '.join(changed)})"
        raise AsrError(f"{path.parent}: {what}; remove it or choose another --out")


def _put_aside(out: Path, say: Say) -> None:
    """Rename what is there, so that it is neither lost nor taken for the run that starts now."""
    if old := checkpoint.found(out):
        for path in [*old, out / BEST]:
            if path.exists():
                path.replace(path.with_name(f"{path.name}.old"))
        say(f"{out}: what was there is kept as *.old")


def _newest(out: Path, say: Say) -> Checkpoint | None:
    """Return the checkpoint to go on from; none where the best system, which it counts on, is lost."""
    stands = checkpoint.newest(out, say)
    if stands and stands.progress.best is not None:
        try:
            bundle.load(out / BEST)
        except BundleError as error:
            say(f"{error}; the run starts again")
            return None
    return stands


def start(recipe: Recipe, corpus: Path, out: Path, device: torch.device, group: Group) -> Run:
    """Load the data, build the system, and name what cannot be learned from."""
    features = bundle.build_features(recipe.features)
    utterances, store = recognize.load(features, corpus / "train.jsonl", recipe.augment.speeds)
    needed = Normaliser.needs_statistics(recipe.features.normalise, recipe.features.prior)
    statistics = store.total() if needed else None
    system = bundle.build(recipe, statistics)
    train = batch.dataset(utterances, store, system.normaliser, system.units)
    dev = recognize.dataset(system, corpus / "dev.jsonl")
    train, dev = train.to(device), dev.to(device)
    system.model.to(device)
    size = f"{system.model.parameter_count:,} parameters, {len(system.units)} units, {len(train)} utterances"
    group.say(f"{size}, on {device}" + (f", {group.size} processes" if group.size > 1 else ""))
    settings = recipe.training
    places = _learnable(train, system.model.stride, group)
    steps = settings.epochs * math.ceil(len(places) / settings.batch)
    learner = Learner(system.model, settings, steps, device, group, bundle.build_augmentation(recipe))
    return Run(recipe, out, system, train, dev, places, learner, group)


def _learnable(train: Dataset, stride: int, group: Group) -> Ints:
    """Return the places of the utterances that CTC can align; name the others."""
    short = batch.too_short(train, stride)
    for i in short:
        units, needed = len(train.targets[i]), ctc.frames_needed(train.targets[i])
        frames = strided(int(train.lengths[i]), stride)
        group.say(f"{train.ids[i]}: {frames} frames cannot hold {units} units (needs {needed}); left out")
    if short:
        group.say(f"{len(short)} of {len(train)} utterances left out of training")
    if len(short) == len(train):
        remedy = "check the transcripts, `features.shift`" + (" and `frontend.stride`" if stride > 1 else "")
        raise InputError(f"no utterance is long enough for its transcript; {remedy}")
    return batch.without(len(train), short)


def initialize(this: Run) -> dict[str, Any] | None:
    """Start from the weights of the system that the recipe names, if any; say so, and return what was taken."""
    if not this.recipe.training.init:
        return None
    taken = initial.take(this.system, Path(this.recipe.training.init))
    this.group.say(f"starts from {taken['path']}: its encoder and {taken['units']} of {taken['of']} units")
    return taken


def circumstances(device: torch.device, group: Group) -> dict[str, Any]:
    """Return what, beside recipe and data, the last bits of a run depend on."""
    versions = {"torch": torch.__version__, "numba": version("numba"), "machine": platform.machine()}
    return versions | {"device": device.type, "processes": group.size}


def go_on(this: Run, stands: Checkpoint) -> None:
    """Continue from a checkpoint; say so, and what makes the end differ from an uninterrupted run's.

    Raises:
        AsrError: The features are no longer those that it has learned from.
    """
    before, now = (facts["data"]["features"] for facts in (stands.facts, this.system.facts))
    if before != now:
        raise AsrError(f"{this.out}: holds a run on other recordings than what now lies there; choose another --out")
    stands.restore(this.system.model, this.learner.optimizer)
    this.progress = stands.progress
    this.group.say(f"{this.out}: goes on at {this.progress}, from {stands.path.name}")
    for key, value in circumstances(this.learner.device, this.group).items():
        if stands.facts.get(key) != value:
            this.group.say(f"{key} was {stands.facts.get(key)} and is {value}: the last bits will differ")


def agree(this: Run) -> None:
    """See that all processes start from the same place, data and weights.

    Raises:
        AsrError: They do not, as on machines that do not share their files.
    """
    weights = hashlib.sha256(b"".join(p.detach().cpu().numpy().tobytes() for p in this.system.model.parameters()))
    mine = f"{this.progress} {this.system.facts['data']} {weights.hexdigest()}"
    if len(set(this.group.merged({str(this.group.rank): mine}).values())) > 1:
        raise AsrError(f"{this.out}: the processes found different runs or data; give all machines the same files")


def still_there(out: Path) -> None:
    """Refuse to make a run's folder anew: a run that was moved has its checkpoints with it."""
    if not out.is_dir():
        raise AsrError(f"{out}: is gone, removed or moved while training; put it back and start again")
