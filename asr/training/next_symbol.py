"""Training a recurrent language model: each symbol of a sentence is predicted from those before it.

The steps are the learner's; what a recognizer's training does for hours of speech (checkpoints, processes, features) is
not needed for a minute. The model of the best epoch is written at once, so that an interruption loses none.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from asr import batch, config, lm
from asr.batch import Batch
from asr.cells import CELLS
from asr.config import Training
from asr.errors import AsrError, InputError
from asr.evaluation import provenance
from asr.lm.recurrent import BOUNDARY, LanguageSettings, Recurrent, architecture
from asr.lm.symbol_set import END, UNKNOWN
from asr.model import Model
from asr.support import seeds
from asr.support.device import computing_on
from asr.support.indices import Ints
from asr.support.parallel import ALONE
from asr.training.learner import Learner, Position

CPU = torch.device("cpu")
BY_DEFAULT = Training(epochs=20, batch=16, learning_rate=5e-3)
UNUSED = ("init", "noise", "deterministic", "precision")  # settings of [training] that mean nothing here


def train(
    sentences: Sequence[Sequence[str]],
    dev: Sequence[Sequence[str]],
    vocabulary: Sequence[str] | None,
    settings: LanguageSettings,
    out: Path,
    say: Callable[[str], None],
) -> Recurrent:
    """Train a model, write that of the epoch with the lowest perplexity on dev, and return it.

    Args:
        sentences: Of symbols, for training.
        dev: Others, which choose the epoch.
        vocabulary: All symbols. Default: what the sentences contain, and `<unk>`, which is never seen.
        settings: Of the network and the training.
        out: The model's file.
        say: Receives a line for each epoch.

    Raises:
        InputError: There are no sentences.
        AsrError: A setting is invalid or means nothing here, or the file cannot be written.
    """
    if not sentences or not dev:
        raise InputError("there are no sentences to train on or none to choose the epoch on; pass more text")
    settings = resolved(settings)
    names = [UNKNOWN[0], *sorted({one for sentence in sentences for one in sentence})]
    symbols = (END, *(names if vocabulary is None else vocabulary))
    best = Recurrent(symbols, settings, {})
    encoded = [best.ids(sentence) for sentence in sentences]
    model, lengths = _model(settings, len(symbols)), np.array([len(one) + 1 for one in encoded])
    steps = math.ceil(len(encoded) / settings.training.batch)
    best_epoch, perplexity = 0, math.inf
    with computing_on(CPU):
        learner = Learner(model, settings.training, steps * settings.training.epochs, CPU, ALONE, loss=loss)
        for epoch in range(settings.training.epochs):
            trained = _epoch(learner, encoded, lengths, epoch)
            weights = {name: tensor.detach().numpy().copy() for name, tensor in model.state_dict().items()}
            facts = provenance.training(CPU) | {"seed": settings.training.seed, "epoch": epoch + 1}
            now = Recurrent(symbols, settings, weights, facts)
            found = lm.perplexity(now, dev)
            better = found.perplexity < perplexity
            if better:
                perplexity, best_epoch = found.perplexity, epoch
                best = replace(now, facts={**facts, "dev": found._asdict()})
                best.save(out)
            say(_line(epoch, settings.training, trained, found.perplexity, better))
            learner.halvings += not better
            if 0 < settings.training.patience <= epoch - best_epoch:
                break
    if not best.weights:
        raise AsrError(f"{out}: no epoch has a finite perplexity; lower training.learning_rate")
    return best


def resolved(settings: LanguageSettings) -> LanguageSettings:
    """Return settings that state everything; the cell goes forward.

    Raises:
        AsrError: The cell does not exist or has no such setting, it would go backward, or a setting means nothing here.
    """
    encoder, training, usual = settings.encoder, settings.training, Training()
    for name in UNUSED:
        if getattr(training, name) != getattr(usual, name):
            raise AsrError(f"training.{name}: means nothing to a language model; remove it")
    if (direction := encoder.own.get("direction", "forward")) != "forward":
        raise AsrError(f"encoder.direction = '{direction}': would see the symbol that it predicts; use 'forward'")
    encoder = config.resolved(replace(encoder, own={**encoder.own, "direction": "forward"}), CELLS)
    left: dict[str, Any] = {name: getattr(BY_DEFAULT, name) for name in config.BY_SIZE if not getattr(training, name)}
    return LanguageSettings(encoder, replace(training, **left))


def loss(log_probs: Tensor, lengths: Tensor, targets: Tensor, target_lengths: Tensor, ids: Sequence[str]) -> Tensor:
    """Return each sentence's −log p, (B,), in nats: the sum over its symbols and its end.

    Args:
        log_probs: (B, T, V), of each symbol given those before it.
        lengths: (B,), int64, T of each: its symbols and its end.
        targets: (B, T), int64, these.
        target_lengths: (B,), the lengths again.
        ids: Not used.
    """
    inside = torch.arange(targets.shape[1]) < lengths[:, None]
    return F.nll_loss(log_probs.transpose(1, 2), targets, reduction="none").mul(inside).sum(dim=1)


def side_by_side(sentences: Sequence[Sequence[int]], rows: Ints, symbols: int) -> Batch:
    """Return some sentences as a batch: one-hot symbols from the boundary on, and as targets those to the boundary."""
    lengths = torch.tensor([len(sentences[row]) + 1 for row in rows])
    targets = torch.full((len(rows), int(lengths.max())), BOUNDARY)
    for own, row in zip(targets, rows.tolist(), strict=True):
        own[: len(sentences[row])] = torch.tensor(sentences[row], dtype=torch.int64)
    before = F.pad(targets, (1, -1), value=BOUNDARY)
    features = F.one_hot(before, symbols).float()
    nothing = (torch.zeros(len(rows), 1, symbols), torch.ones(len(rows), 1, symbols), torch.zeros(len(rows), 1, 1))
    return Batch(features, lengths, targets, lengths, tuple(map(str, rows)), torch.from_numpy(rows), nothing)


def _epoch(learner: Learner, sentences: Sequence[Sequence[int]], lengths: Ints, epoch: int) -> float:
    """Take an epoch's steps, and return the loss in nats for each symbol and end."""
    plan = batch.shuffled(lengths, learner.settings.batch, learner.settings.seed, epoch)
    learner.model.train()
    total, symbols = 0.0, learner.model.projection.out_features
    for step, rows in enumerate(plan):
        position = Position(epoch, step, epoch * len(plan) + step, len(rows))
        total += learner.step(side_by_side(sentences, rows, symbols), position).loss
    learner.model.eval()
    return total / int(lengths.sum())


def _model(settings: LanguageSettings, symbols: int) -> Model:
    made = architecture(settings, symbols)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.integer(settings.training.seed, "weights"))
        return Model(
            features=symbols,
            units=symbols,
            cell=partial(CELLS[made.cell], **made.of_cell),
            layers=made.layers,
            hidden=made.hidden,
            dropout=settings.encoder.dropout,
            norm=made.norm,
            dense=made.dense,
        )


def _line(epoch: int, settings: Training, trained: float, perplexity: float, best: bool) -> str:
    return (
        f"epoch {epoch + 1:>{len(str(settings.epochs))}}/{settings.epochs}  perplexity {math.exp(trained):6.3f}  "
        f"dev {perplexity:6.3f}{'  best' if best else ''}"
    )
