"""One optimizer step: forward, loss, backward, all-reduce, clip, update; a step with a non-finite loss is skipped."""

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_, clip_grad_value_
from torch.optim import SGD, AdamW, Optimizer

from asr import ctc
from asr.augment import UNCHANGED, Augmentation
from asr.batch import Batch
from asr.config import Training
from asr.errors import AsrError, choose
from asr.model import Model
from asr.support import seeds
from asr.support.parallel import ProcessGroup
from asr.training import schedule, truncation
from asr.training.weight_noise import noisy

NON_FINITE_GRADIENT = "finite loss, non-finite gradient"
Loss = Callable[[Tensor, Tensor, Tensor, Tensor, Sequence[str]], Tensor]
OPTIMIZERS: dict[str, type[Optimizer]] = {"adamw": AdamW, "sgd": SGD}
SCHEDULES = ("one-cycle", "halving", "constant")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dtype(settings: Training, device: torch.device) -> torch.dtype:
    """Return the floating-point type of the network's matrix products.

    Raises:
        AsrError: The precision is unknown, or the device does not support it.
    """
    precision = choose(PRECISIONS, settings.precision, "precision")
    if precision != torch.float32 and device.type != "cuda":
        raise AsrError(f"training.precision = '{settings.precision}': needs CUDA; use float32 on {device}")
    return precision


def check(settings: Training, device: torch.device) -> None:
    """Refuse an optimizer, a schedule or a precision that does not exist here.

    Raises:
        AsrError: One of them is unknown, or the device does not support the precision.
    """
    dtype(settings, device)
    choose(dict.fromkeys(SCHEDULES, True), settings.schedule, "schedule")
    choose(OPTIMIZERS, settings.optimizer, "optimizer")


@dataclass(frozen=True)
class Position:
    """Where a step is in its run.

    Attributes:
        epoch: From 0.
        step: Within the epoch, from 0.
        global_step: Within the run, from 0.
        utterances: In the batch, over all processes.
    """

    epoch: int
    step: int
    global_step: int
    utterances: int


@dataclass(frozen=True)
class Outcome:
    """The result of a step, the same in all processes except for `suspects`.

    Attributes:
        loss: Of the batch, nats.
        norm: Of the gradient, before clipping.
        taken: Whether the weights were updated; they are not if loss or gradient are non-finite.
        stop: Whether a process was asked to stop.
        suspects: If the step was skipped, the utterances of this process that caused it, each with the reason.
    """

    loss: float
    norm: float
    taken: bool
    stop: bool
    suspects: dict[str, str]


class Learner:
    """A model with its optimizer.

    Args:
        model: On its device.
        settings: The recipe's `[training]`.
        steps: Number of steps in the run.
        device: The model's.
        group: The processes that take each step together.
        augment: Applied to the features of every batch.
        loss: Each utterance's, (B,), of the arguments of `ctc.loss`.

    Raises:
        AsrError: The precision, optimizer or schedule is unknown, or the device does not support the precision.
    """

    def __init__(
        self,
        model: Model,
        settings: Training,
        steps: int,
        device: torch.device,
        group: ProcessGroup,
        augment: Augmentation = UNCHANGED,
        loss: Loss = ctc.loss,
    ) -> None:
        self.model, self.settings, self.steps, self.device, self.group = model, settings, steps, device, group
        self._augment, self._loss = augment, loss
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.halvings = 0  # of the learning rate, which the loop counts
        check(settings, device)
        optimizer: Any = choose(OPTIMIZERS, settings.optimizer, "optimizer")
        self.optimizer = optimizer(
            self._trained, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        self._autocast = dtype(settings, device) != torch.float32
        if settings.deterministic and device.type == "cuda":
            torch.use_deterministic_algorithms(True)

    def rate(self, global_step: int) -> float:
        """Return the learning rate of a step of the run."""
        return self._rate_and_momentum(global_step)[0]

    def _rate_and_momentum(self, global_step: int) -> tuple[float, float]:
        settings = self.settings
        if settings.schedule == "halving":
            return settings.learning_rate * 0.5**self.halvings, settings.momentum
        if settings.schedule == "constant":
            return settings.learning_rate, settings.momentum
        return schedule.one_cycle(global_step, self.steps, settings.learning_rate, settings.warmup)

    def step(self, batch: Batch | None, position: Position, stop: bool = False) -> Outcome:
        """Update the weights on one batch.

        Args:
            batch: This process's share of the batch, on the device; None if it has none.
            position: Where the step is in the run.
            stop: Whether this process was asked to stop; the step tells the other processes.
        """
        self.optimizer.zero_grad()
        losses = torch.zeros(0, device=self.device)
        if batch is not None:
            seed = seeds.integer(self.settings.seed, "weight noise", position.global_step)
            with noisy(self._trained, self.settings.weight_noise, seed):
                losses = self._losses(batch, position)
                (losses.sum() / position.utterances).backward()  # type: ignore[no-untyped-call]
        gradients = [self._gradient(parameter) for parameter in self._trained]
        shared = torch.tensor([float(losses.detach().sum()), float(stop)], device=self.device)
        self.group.all_reduce([*gradients, shared])
        if self.settings.clip_value:
            clip_grad_value_(self._trained, self.settings.clip_value)
        norm = clip_grad_norm_(self._trained, self.settings.clip).item()
        loss, stops = shared.tolist()
        taken = math.isfinite(loss) and math.isfinite(norm)
        if taken:
            self._update(position.global_step)
        suspects = {} if taken or batch is None else _suspects(batch, losses)
        return Outcome(loss, norm, taken, stops > 0, suspects)

    def _losses(self, batch: Batch, position: Position) -> Tensor:
        """Return each utterance's loss, (B,)."""
        log_probs, lengths = self._log_probs(batch, position)
        if self.settings.deterministic:
            log_probs = log_probs.cpu()  # CUDA's CTC loss sums its gradient in no fixed order
        losses = self._loss(log_probs.float(), lengths, batch.targets, batch.target_lengths, batch.ids)
        return losses.to(self.device)

    def _log_probs(self, batch: Batch, position: Position) -> tuple[Tensor, Tensor]:
        """Return log-probs (B, T', V) of the changed features, and their lengths."""
        settings = self.settings
        key = seeds.integer(settings.seed, "augment", position.epoch)
        inputs = self._augment(batch.features, batch.lengths, batch.rows, key, batch.norm)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            # torch's own `manual_seed` prepares devices that are not there as well, half a millisecond a step.
            seed = torch.default_generator.manual_seed if self.device.type == "cpu" else torch.manual_seed
            seed(seeds.integer(settings.seed, "dropout", position.epoch, position.step, self.group.rank))
            with torch.autocast("cuda", torch.bfloat16) if self._autocast else nullcontext():
                if settings.truncate:
                    return truncation.in_pieces(self.model, inputs, batch.lengths, settings.truncate)
                found: tuple[Tensor, Tensor] = self.model(inputs, batch.lengths)
                return found

    def _gradient(self, parameter: Tensor) -> Tensor:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        return parameter.grad

    def _update(self, global_step: int) -> None:
        """Take an optimizer step at the schedule's rate and momentum."""
        rate, momentum = self._rate_and_momentum(global_step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            else:
                group["momentum"] = momentum
        self.optimizer.step()


def _suspects(batch: Batch, losses: Tensor) -> dict[str, str]:
    """Return the utterances behind a skipped step: those with non-finite features, else a non-finite loss, else all."""
    finite = torch.isfinite(batch.features).all(dim=2).all(dim=1).tolist()
    if not all(finite):
        return {id: "non-finite features" for id, fine in zip(batch.ids, finite, strict=True) if not fine}
    values = dict(zip(batch.ids, losses.tolist(), strict=True))
    culprits = {id: f"loss {value}" for id, value in values.items() if not math.isfinite(value)}
    return culprits or dict.fromkeys(batch.ids, NON_FINITE_GRADIENT)
