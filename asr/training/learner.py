"""One optimiser step: forward, CTC, backward, one sum over processes, clip, AdamW; or, on a bad batch, none."""

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW

from asr import ctc
from asr.augment import UNCHANGED, Augmentation
from asr.batch import Batch
from asr.config import Training
from asr.errors import AsrError, choose
from asr.model import Model
from asr.support import seeds
from asr.support.parallel import Group
from asr.training import schedule

OVERFLOW = "finite loss, a gradient that is no number"
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Position:
    """Where a step stands in its run.

    Attributes:
        epoch: From 0.
        step: In the epoch, from 0.
        number: In the run, from 0.
        utterances: In the batch, over all processes.
    """

    epoch: int
    step: int
    number: int
    utterances: int


@dataclass(frozen=True)
class Outcome:
    """What came of a step, the same in all processes.

    Attributes:
        loss: Of the batch, nats.
        norm: Of the gradient, before clipping.
        taken: Whether the weights were changed; they are not where loss or gradient are no numbers.
        stop: Whether a process was asked to stop.
        suspects: If the step was not taken, the utterances of this process that caused it, each with what is wrong.
    """

    loss: float
    norm: float
    taken: bool
    stop: bool
    suspects: dict[str, str]


class Learner:
    """A model and its optimiser.

    Args:
        model: What learns, on its device.
        settings: The recipe's `[training]`.
        steps: Of the whole run.
        device: The model's.
        group: The processes that take each step together.
        augment: What is done to the features first.

    Raises:
        AsrError: The precision does not exist, or the device has it not.
    """

    def __init__(
        self,
        model: Model,
        settings: Training,
        steps: int,
        device: torch.device,
        group: Group,
        augment: Augmentation = UNCHANGED,
    ) -> None:
        self.model, self.settings, self.steps, self.device, self.group = model, settings, steps, device, group
        self._augment = augment
        self.optimizer = AdamW(
            model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        precision = choose(PRECISIONS, settings.precision, "precision")
        if precision != torch.float32 and device.type != "cuda":
            raise AsrError(f"training.precision = '{settings.precision}': needs CUDA; leave it out on {device}")
        self._autocast = precision != torch.float32
        if settings.deterministic and device.type == "cuda":
            torch.use_deterministic_algorithms(True)

    def rate(self, number: int) -> float:
        """Return the learning rate of a step, by its number in the run."""
        return schedule.one_cycle(number, self.steps, self.settings.learning_rate, self.settings.warmup)[0]

    def step(self, batch: Batch | None, position: Position, stop: bool = False) -> Outcome:
        """Learn from one batch.

        Args:
            batch: This process's share of it, on the device; None where it has none.
            position: Where the step stands.
            stop: Whether this process was asked to stop; the others are told.
        """
        self.optimizer.zero_grad()
        losses = torch.zeros(0, device=self.device) if batch is None else self._losses(batch, position)
        if batch is not None:
            (losses.sum() / position.utterances).backward()  # type: ignore[no-untyped-call]
        gradients = [self._gradient(parameter) for parameter in self.model.parameters()]
        told = torch.tensor([float(losses.detach().sum()), float(stop)], device=self.device)
        self.group.add([*gradients, told])
        norm = clip_grad_norm_(self.model.parameters(), self.settings.clip)
        loss, asked, length = [*told.tolist(), norm.item()]
        taken = bool(torch.isfinite(torch.tensor([loss, length])).all())
        if taken:
            self._update(position.number)
        suspects = {} if taken or batch is None else _suspects(batch, losses)
        return Outcome(loss, length, taken, asked > 0, suspects)

    def _losses(self, batch: Batch, position: Position) -> Tensor:
        """Return each utterance's loss, (B,)."""
        settings = self.settings
        key = seeds.integer(settings.seed, "augment", position.epoch)
        inputs = self._augment(batch.features, batch.lengths, batch.rows, key, batch.norm)
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(seeds.integer(settings.seed, "dropout", position.epoch, position.step, self.group.rank))
            with torch.autocast("cuda", torch.bfloat16) if self._autocast else nullcontext():
                log_probs, lengths = self.model(inputs, batch.lengths)
        if settings.deterministic:
            log_probs = log_probs.cpu()  # CUDA's own loss adds up its gradient in any order
        losses = ctc.loss(log_probs.float(), lengths, batch.targets, batch.target_lengths, batch.ids)
        return losses.to(self.device)

    def _gradient(self, parameter: Tensor) -> Tensor:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        return parameter.grad

    def _update(self, number: int) -> None:
        """Take the optimiser's step at the schedule's rate and momentum."""
        rate, momentum = schedule.one_cycle(number, self.steps, self.settings.learning_rate, self.settings.warmup)
        for group in self.optimizer.param_groups:
            group["lr"], group["betas"] = rate, (momentum, group["betas"][1])
        self.optimizer.step()


def _suspects(batch: Batch, losses: Tensor) -> dict[str, str]:
    """Return the utterances that made a batch unusable: those that hold no numbers, or whose loss is none, or all."""
    finite = torch.isfinite(batch.features).all(dim=2).all(dim=1).tolist()
    odd = {id: "features that are no numbers" for id, fine in zip(batch.ids, finite, strict=True) if not fine}
    if not odd:
        values = zip(batch.ids, losses.tolist(), strict=True)
        odd = {id: f"loss {value}" for id, value in values if not abs(value) < float("inf")}
    return odd or dict.fromkeys(batch.ids, OVERFLOW)
