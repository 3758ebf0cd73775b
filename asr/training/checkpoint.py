"""Checkpoints: a bundle that also holds what training needs to go on as if nothing had happened.

The optimiser's state lies beside the weights, the place in the run in the header. There is no generator to keep: every
random stream follows from (seed, purpose, epoch, step).
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from asr import bundle
from asr.bundle import BESIDE, Bundle
from asr.errors import BundleError
from asr.support import tensors

KEPT = 2  # should the newest be damaged, there is one before it
_NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass
class Sums:
    """What an epoch has added up so far.

    Attributes:
        loss: Nats.
        units: In the transcripts.
        norm: Of the gradients, before clipping.
        largest: The largest of them.
        skipped: Steps that were not taken because loss or gradient were no numbers.
        seconds: Spent.
    """

    loss: float = 0.0
    units: int = 0
    norm: float = 0.0
    largest: float = 0.0
    skipped: int = 0
    seconds: float = 0.0


@dataclass
class Progress:
    """Where a run stands; all of it is JSON.

    Attributes:
        epoch: Of the next step, from 0.
        step: The next step in its epoch, from 0.
        sums: Of this epoch.
        records: One row for each epoch that is over.
        best: The lowest dev error rate so far; None before the first.
        since_best: Epochs without a better one.
        streak: Steps skipped in a row.
        finished: Whether nothing is left to do.
    """

    epoch: int = 0
    step: int = 0
    sums: Sums = field(default_factory=Sums)
    records: list[dict[str, Any]] = field(default_factory=list)
    best: float | None = None
    since_best: int = 0
    streak: int = 0
    finished: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Progress":
        """Return what `asdict` made a row of."""
        return cls(**{**row, "sums": Sums(**row["sums"])})

    def __str__(self) -> str:
        return f"epoch {self.epoch + 1}, step {self.step}"


@dataclass(frozen=True)
class Checkpoint:
    """A file that verified.

    Attributes:
        path: Its path.
        header: What it says.
        tensors: What it holds.
    """

    path: Path
    header: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    @property
    def facts(self) -> dict[str, Any]:
        """What is known of its making."""
        facts: dict[str, Any] = self.header["facts"]
        return facts

    @property
    def progress(self) -> Progress:
        """Where its run stands.

        Raises:
            BundleError: It is of another version.
        """
        try:
            return Progress.of(self.header["progress"])
        except (KeyError, TypeError) as error:
            raise BundleError(
                f"{self.path}: was made by another version ({error}); remove it to start again"
            ) from error

    def restore(self, model: nn.Module, optimizer: Optimizer) -> None:
        """Put weights and the optimiser's state in place.

        Raises:
            BundleError: They are of another version.
        """
        model.load_state_dict(bundle.restore(self.path, self.header, self.tensors).model.state_dict())
        states = {place: _own(self.tensors, name) for place, (name, _) in enumerate(model.named_parameters())}
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": {k: v for k, v in states.items() if v}, "param_groups": groups})


def save(folder: Path, name: int, system: Bundle, optimizer: Optimizer, progress: Progress) -> Path:
    """Write a checkpoint, then delete all but the last two, and return its path.

    Args:
        folder: The run's.
        name: A number that grows: steps taken.
        system: What is trained.
        optimizer: Of the model's parameters.
        progress: Where the run stands.

    Raises:
        AsrError: It cannot be written, or a weight is no number; what was there before stands.
    """
    state = _state(system.model, optimizer)
    path = folder / f"step-{name:08}.safetensors"
    system.save(path, {"progress": asdict(progress)}, state)
    mine = [other for other in found(folder) if other.name <= path.name]  # what is numbered above is not our past
    for other in set(found(folder)) - set(mine[:KEPT]):
        other.unlink(missing_ok=True)
    return path


def found(folder: Path) -> list[Path]:
    """Return a run's checkpoints, newest first."""
    numbered = {int(match[1]): path for path in folder.glob("step-*") if (match := _NAME.fullmatch(path.name))}
    return [numbered[number] for number in sorted(numbered, reverse=True)]


def newest(folder: Path, say: Callable[[str], None] | None = None) -> Checkpoint | None:
    """Return the newest checkpoint that verifies; a damaged one is named and passed over."""
    for path in found(folder):
        try:
            return Checkpoint(path, *tensors.read(path, bundle.FORMAT))
        except BundleError as error:
            (say or _say)(f"{error}; the checkpoint before it is tried")
    return None


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _state(model: nn.Module, optimizer: Optimizer) -> dict[str, Tensor]:
    """Return the optimiser's state by key and parameter; empty before its first step."""
    return {
        f"{BESIDE}{key}.{name}": value
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def _own(values: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return one parameter's state by key."""
    parts = {key: key.removeprefix(BESIDE).partition(".") for key in values if key.startswith(BESIDE)}
    return {part[0]: values[key] for key, part in parts.items() if part[2] == name}
