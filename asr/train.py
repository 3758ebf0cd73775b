"""Training: a plain loop over epochs that writes one JSON line each and keeps the best system and the last."""

import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import clip_grad_norm_
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from tqdm import tqdm

from asr import batch, bundle, config, ctc, files, recognize, score, seeds
from asr.batch import Batch, Dataset, Ints
from asr.bundle import Bundle
from asr.config import Recipe
from asr.decoders import Greedy
from asr.errors import AsrError, BundleError, InputError
from asr.recognize import Recognizer
from asr.score import ErrorCount
from asr.transcripts import by_units

BEST, LAST, EPOCHS, RECIPE = "best.safetensors", "last.safetensors", "epochs.jsonl", "recipe.toml"


@dataclass
class Run:
    """What one training is made of.

    Attributes:
        recipe: The experiment.
        system: What is trained.
        train: The training set.
        dev: The set that chooses the best epoch.
        places: Which utterances of the training set can be learned from.
        optimizer: Holds its own state.
        schedule: Of the learning rate, one step a batch.
        device: Where to train.
    """

    recipe: Recipe
    system: Bundle
    train: Dataset
    dev: Dataset
    places: Ints
    optimizer: Optimizer
    schedule: LRScheduler
    device: torch.device


def run(recipe: Recipe, corpus: Path, out: Path, device: torch.device) -> Path:
    """Train a system and return the file of the best one.

    Args:
        recipe: The experiment.
        corpus: The folder with train.jsonl and dev.jsonl.
        out: The run's folder; a finished run of the same recipe there is left as it is.
        device: Where to train.

    Raises:
        AsrError: The folder holds a run of another recipe or cannot be written; a transcript does not fit the units;
            the loss is no number.
    """
    data = {name: files.sha256(corpus / f"{name}.jsonl") for name in ("train", "dev")}
    if _finished(recipe, data, out):
        _say(f"{out}: already trained with this recipe; remove the folder to train again")
        return out / BEST
    recognize.share_threads(recipe.encoder.hidden, device)
    files.folder(out)  # before the work, so that a place that cannot be written is known at once
    this = _start(recipe, corpus, device)
    files.write_text(out / RECIPE, config.dump(recipe))
    records: list[dict[str, Any]] = []
    best, since_best = float("inf"), 0
    for epoch in range(recipe.training.epochs):
        record = _epoch(this, epoch)
        count = _dev(this)
        better = count.rate < best
        best, since_best = (count.rate, 0) if better else (best, since_best + 1)
        finished = epoch + 1 == recipe.training.epochs or 0 < recipe.training.patience <= since_best
        records.append(record | {"dev": asdict(count) | {"rate": count.rate}, "best": better})
        facts = {"seed": recipe.training.seed, "epoch": epoch + 1, "dev": count.rate}
        this.system.facts = facts | {"data": data, "finished": finished}
        if better:
            this.system.save(out / BEST)
        files.write_json_lines(out / EPOCHS, records)
        this.system.save(out / LAST)
        _say(_line(records[-1], recipe.training.epochs, this.system.units.metric))
        if finished:
            break
    return out / BEST


def _finished(recipe: Recipe, data: dict[str, str], out: Path) -> bool:
    """Say whether `out` holds this recipe's finished run on this data; refuse a folder that holds another's."""
    if not (out / RECIPE).exists():
        return False
    changed = config.differences(config.load(out / RECIPE), recipe)
    if changed:
        raise AsrError(
            f"{out}: holds a run of another recipe ({'; '.join(changed)}); remove it or choose another --out"
        )
    try:
        facts = bundle.load(out / LAST).facts
        bundle.load(out / BEST)
    except BundleError:
        return False
    if facts["finished"] and facts["data"] != data:
        raise AsrError(f"{out}: holds a run on other data than what now lies there; remove it or choose another --out")
    return bool(facts["finished"])


def _start(recipe: Recipe, corpus: Path, device: torch.device) -> Run:
    """Load the data, build the system, and name what cannot be learned from."""
    features = bundle.build_features(recipe.features)
    utterances, store = recognize.load(features, corpus / "train.jsonl")
    statistics = store.total() if recipe.features.normalise == "global" else None
    system = bundle.build(recipe, statistics)
    train = batch.dataset(utterances, store, system.normaliser, system.units)
    dev = recognize.dataset(system, corpus / "dev.jsonl")
    system.model.to(device)
    _say(
        f"{system.model.parameter_count:,} parameters, {len(system.units)} units, {len(train)} utterances, on {device}"
    )
    settings = recipe.training
    places = _learnable(train)
    optimizer = AdamW(system.model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    steps = settings.epochs * len(batch.shuffled(train.lengths[places], settings.batch, settings.seed, 0))
    schedule = OneCycleLR(optimizer, settings.learning_rate, total_steps=steps + 1, pct_start=settings.warmup)
    return Run(recipe, system, train, dev, places, optimizer, schedule, device)


def _learnable(train: Dataset) -> Ints:
    """Return the places of the utterances that CTC can align; name the others."""
    short = batch.too_short(train)
    for i in short:
        units, needed = len(train.targets[i]), ctc.frames_needed(train.targets[i])
        _say(f"{train.ids[i]}: {train.lengths[i]} frames cannot hold {units} units (needs {needed}); left out")
    if short:
        _say(f"{len(short)} of {len(train)} utterances left out of training")
    if len(short) == len(train):
        raise InputError("no utterance is long enough for its transcript; check the transcripts and `features.shift`")
    return batch.without(len(train), short)


def _epoch(this: Run, epoch: int) -> dict[str, Any]:
    """Train on every utterance once; return what the epoch's JSON line says of it."""
    settings = this.recipe.training
    lengths = this.train.lengths[this.places]
    plan = [this.places[rows] for rows in batch.shuffled(lengths, settings.batch, settings.seed, epoch)]
    this.system.model.train()
    begin = time.perf_counter()
    loss = units = norm = 0.0
    bar = tqdm(plan, desc=f"epoch {epoch + 1}/{settings.epochs}", unit="batch", leave=False, disable=None)
    for step, rows in enumerate(bar):
        now = this.train.batch(rows.tolist()).to(this.device)
        step_loss, step_norm = _step(this, now, epoch, step)
        loss += step_loss
        norm += step_norm / len(plan)
        units += int(now.target_lengths.sum())
        bar.set_postfix(loss=f"{loss / units:.3f}", refresh=False)
    seconds = time.perf_counter() - begin
    return {
        "epoch": epoch + 1,
        "loss": loss / units,  # nats per unit
        "learning_rate": this.schedule.get_last_lr()[0],
        "gradient_norm": norm,  # mean over steps, before clipping
        "frames_per_second": int(lengths.sum()) / seconds,
        "padding": batch.padding(this.train.lengths, plan),  # share of frames
        "seconds": seconds,
    }


def _step(this: Run, now: Batch, epoch: int, step: int) -> tuple[float, float]:
    """Take one optimiser step; return the batch's loss in nats and the gradient's norm."""
    settings = this.recipe.training
    with torch.random.fork_rng(devices=[this.device] if this.device.type == "cuda" else []):
        torch.manual_seed(seeds.integer(settings.seed, "noise", epoch, step))
        inputs = now.features
        if settings.noise:
            inputs = inputs + settings.noise * torch.randn_like(inputs)
        log_probs, lengths = this.system.model(inputs, now.lengths.to(this.device))
    loss = ctc.loss(log_probs, lengths, now.targets, now.target_lengths.to(this.device)).sum()
    this.optimizer.zero_grad()
    (loss / len(now.ids)).backward()  # type: ignore[no-untyped-call]
    norm = clip_grad_norm_(this.system.model.parameters(), settings.clip)
    if not torch.isfinite(norm + loss):
        raise AsrError(
            f"epoch {epoch + 1}, step {step + 1}: loss {loss.item()}, gradient norm {norm.item()} on "
            f"{', '.join(now.ids)}; lower training.learning_rate"
        )
    this.optimizer.step()
    this.schedule.step()
    return loss.item(), norm.item()


def _dev(this: Run) -> ErrorCount:
    """Return the dev set's errors by greedy decoding."""
    hypotheses = Recognizer(this.system, Greedy(), this.device).decode(this.dev)
    return score.total(by_units(this.system.units, this.dev, hypotheses))


def _line(record: dict[str, Any], epochs: int, metric: str) -> str:
    """Return an epoch's record as people read it."""
    return (
        f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  loss {record['loss']:6.3f}  "
        f"dev {metric} {100 * record['dev']['rate']:6.2f} %  lr {record['learning_rate']:.1e}  "
        f"|g| {record['gradient_norm']:5.1f}  {record['frames_per_second'] / 1000:4.0f}k frames/s  "
        f"{record['seconds']:4.1f} s{'  best' if record['best'] else ''}"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
