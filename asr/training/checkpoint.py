"""Checkpoints: bundles that also contain everything needed to resume bit-exactly.

The optimizer's state is stored beside the weights, the progress in the header. There is no generator state to store:
every random stream follows from (seed, purpose, epoch, step).
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from asr import bundle
from asr.bundle import TRAINING_PREFIX, Bundle
from asr.errors import BundleError
from asr.support import tensors
from asr.support.tensors import Array

KEPT = 2  # the newest may be damaged, and the one before it takes its place
_NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass
class EpochSums:
    """Sums over the steps of an epoch so far.

    Attributes:
        loss: Nats.
        units: Number of target units.
        norm: Gradient norms before clipping.
        largest: The largest of these norms, not a sum.
        skipped: Steps skipped because of a non-finite loss or gradient.
        seconds: Time spent.
    """

    loss: float = 0.0
    units: int = 0
    norm: float = 0.0
    largest: float = 0.0
    skipped: int = 0
    seconds: float = 0.0


@dataclass
class Progress:
    """How far a run has come; serializable as JSON.

    Attributes:
        epoch: Epoch of the next step, from 0.
        step: The next step in its epoch, from 0.
        sums: Over the current epoch.
        records: One row for each finished epoch.
        best: The lowest dev error rate so far; None before the first.
        since_best: Epochs since the error rate was last improved.
        streak: Consecutive steps skipped.
        finished: Whether training is complete.
    """

    epoch: int = 0
    step: int = 0
    sums: EpochSums = field(default_factory=EpochSums)
    records: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    since_best: int = 0
    streak: int = 0
    finished: bool = False

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> "Progress":
        """Return the progress of which `as_dict` made a row."""
        return cls(**{**row, "sums": EpochSums(**row["sums"])})

    def as_dict(self) -> dict[str, Any]:
        """Return a row for JSON; the records are not copied, which would take longer with every epoch."""
        return vars(self) | {"sums": vars(self.sums)}

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}, step {self.step}"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint file whose checksum is right.

    Attributes:
        path: The file.
        header: The header's JSON.
        tensors: The weights, and the optimizer's state.
    """

    path: Path
    header: Mapping[str, Any]
    tensors: Mapping[str, Array]

    @property
    def facts(self) -> dict[str, Any]:
        """The bundle's facts, such as seed, data and environment."""
        facts: dict[str, Any] = self.header["facts"]
        return facts

    @property
    def progress(self) -> Progress:
        """How far the run had come.

        Raises:
            BundleError: It was written by an incompatible version.
        """
        try:
            return Progress.from_dict(self.header["progress"])
        except (KeyError, TypeError) as error:
            raise BundleError(
                f"{self.path}: was written by an incompatible version ({error}); delete it to start over"
            ) from error

    def restore(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Load the weights and the optimizer's state.

        Raises:
            BundleError: It was written by an incompatible version.
        """
        model.load_state_dict(bundle.restore(self.path, self.header, self.tensors).model.state_dict())
        trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
        states = {index: _parameter_state(self.tensors, name) for index, name in enumerate(trained)}
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": {k: v for k, v in states.items() if v}, "param_groups": groups})


def save(folder: Path, step: int, system: Bundle, optimizer: Optimizer, progress: Progress) -> Path:
    """Write a checkpoint, delete all but the last two, and return its path.

    Args:
        folder: The run's folder.
        step: Number of steps taken in the run; part of the file's name.
        system: The bundle being trained.
        optimizer: Of the model's parameters.
        progress: How far the run has come.

    Raises:
        AsrError: It cannot be written, or a weight is non-finite; previous files are unchanged.
    """
    path = folder / f"step-{step:08}.safetensors"
    system.save(path, {"progress": progress.as_dict()}, _optimizer_state(system.model, optimizer))
    earlier = [file for file in paths(folder) if file.name <= path.name]  # higher numbers are from an abandoned run
    for file in set(paths(folder)) - set(earlier[:KEPT]):
        file.unlink(missing_ok=True)
    return path


def paths(folder: Path) -> list[Path]:
    """Return a run's checkpoint files, newest first."""
    numbered = {int(match[1]): path for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))}
    return [numbered[number] for number in sorted(numbered, reverse=True)]


def newest(folder: Path, say: Callable[[str], None] | None = None) -> Checkpoint | None:
    """Return the newest undamaged checkpoint; damaged ones are reported and skipped."""
    for path in paths(folder):
        try:
            return Checkpoint(path, *tensors.read(path, bundle.FORMAT))
        except BundleError as error:
            (say or _say)(f"{error}; trying the checkpoint before it")
    return None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _optimizer_state(model: nn.Module, optimizer: Optimizer) -> dict[str, Array]:
    """Return the optimizer's state as flat tensors named `training.KEY.PARAMETER`; empty before its first step."""
    return {
        f"{TRAINING_PREFIX}{key}.{name}": value.detach().cpu().numpy()
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _parameter_state(values: Mapping[str, Array], name: str) -> dict[str, torch.Tensor]:
    """Return one parameter's optimizer state by key."""
    parts = {key: key.removeprefix(TRAINING_PREFIX).partition(".") for key in values if key.startswith(TRAINING_PREFIX)}
    return {part[0]: torch.from_numpy(values[key]) for key, part in parts.items() if part[2] == name}
