"""Training: a plain loop over epochs that writes one JSON line each, keeps the best system, and can always go on.

A run is a function of its recipe and its data: whatever stops it, the same command continues from the last checkpoint,
and on a CPU ends with the very bits of a run that nothing had stopped.
"""

import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from asr import batch, bundle, config, ctc, manifest, recognize
from asr.config import Recipe
from asr.decoders import Greedy, Hypothesis
from asr.decoders.hypothesis import LogProbs
from asr.errors import AsrError
from asr.evaluation import provenance
from asr.evaluation.results import BEST, EPOCHS, RECIPE
from asr.evaluation.transcripts import by_units
from asr.frontends import strided
from asr.recognize import Recognizer
from asr.scoring import alignment, conventions
from asr.scoring.alignment import ErrorCount
from asr.support import files, interrupt, parallel
from asr.training import checkpoint, sizing
from asr.training.checkpoint import Sums
from asr.training.learner import OVERFLOW, Outcome, Position
from asr.training.run import Run, agree, circumstances, go_on, initialize, start, still_there, taken
from asr.units import BLANK

OFTEN = 60.0  # seconds between checkpoints within an epoch
NAMED = 3  # utterances that a message names
TOLERATED = 10  # steps in a row that give no number before a run is given up


class _Stopped(Exception):  # noqa: N818
    """Somebody asked the run to stop; nothing went wrong."""


def run(recipe: Recipe, corpus: Path, out: Path, device: torch.device) -> Path:
    """Train a system and return the file of the best one; go on where an earlier call was stopped.

    Args:
        recipe: The experiment.
        corpus: The folder with train.jsonl and dev.jsonl.
        out: The run's folder; a finished run of the same recipe there is left as it is.
        device: Where to train.

    Raises:
        AsrError: The folder holds a run of another recipe or on other data, is in use, or cannot be written; a
            transcript does not fit the units; too many steps in a row give no number.
        SystemExit: A signal asked to stop; 130 or 143, after a checkpoint.
    """
    data = {name: files.sha256(corpus / f"{name}.jsonl") for name in ("train", "dev")}
    recipe = sizing.resolved(
        recipe, sizing.Size.of(manifest.read(corpus / "train.jsonl"), len(bundle.build_units(recipe)))
    )
    with parallel.group(device) as group, taken(recipe, data, out, group) as stands:
        if stands and stands.progress.finished:
            group.say(f"{out}: already trained with this recipe; remove the folder to train again")
            return out / BEST
        recognize.share_threads(device)
        this = group.first(lambda: start(recipe, corpus, out, device, group))  # the leader computes the features
        data |= {"features": this.train.features.store.digest}
        trained = provenance.training(device, stands.facts if stands else None)
        facts = {"seed": recipe.training.seed, "data": data, "trained": trained}
        if init := stands.facts.get("init") if stands else initialize(this):
            facts |= {"init": init}
        this.system.facts = facts | circumstances(device, group)
        if stands:
            go_on(this, stands)
        else:
            group.led(lambda: files.write_text(out / RECIPE, config.dump(recipe)))
        agree(this)
        with interrupt.caught() as this.caught:
            _train(this)
    return out / BEST


def _train(this: Run) -> None:
    """Train epoch by epoch until nothing is left to do or somebody asks to stop."""
    try:
        while not this.progress.finished:
            _epoch(this)
            if this.group.size > 1:
                _save(this)  # where several decode the dev set, none of them stops for a signal
            _close(this, *_dev(this))
    except _Stopped:
        _save(this)
        why = this.caught.name if this.caught.number else "another process"
        this.group.say(f"stopped by {why} at {this.progress}; the same command goes on from there")
        raise SystemExit(128 + (this.caught.number or signal.SIGTERM)) from None


def _epoch(this: Run) -> None:
    """Take the epoch's remaining steps."""
    progress, sums = this.progress, this.progress.sums
    plan = this.plan(progress.epoch)
    title = f"epoch {progress.epoch + 1}/{this.recipe.training.epochs}"
    this.system.model.train()
    bar = tqdm(total=len(plan), initial=progress.step, desc=title, unit="batch", leave=False, disable=this.silent)
    with bar:
        for step in range(progress.step, len(plan)):
            begin = time.perf_counter()
            position = Position(progress.epoch, step, this.number(), len(plan[step]))
            share = batch.share(this.train.lengths, plan[step], this.group.size)[this.group.rank]
            now = this.train.batch(share.tolist()).to(this.learner.device) if len(share) else None
            outcome = this.learner.step(now, position, bool(this.caught.number))
            _count(this, outcome, int(this.train.targets.lengths[plan[step]].sum()))
            progress.step = step + 1
            sums.seconds += time.perf_counter() - begin
            bar.update()
            bar.set_postfix(loss=f"{sums.loss / max(sums.units, 1):.3f}", refresh=False)
            if outcome.stop:
                raise _Stopped
            if time.monotonic() - this.saved > OFTEN and not progress.streak and this.group.leads:
                _write(this)


def _count(this: Run, outcome: Outcome, units: int) -> None:
    """Add up a step that was taken; name and count one that was not."""
    progress, sums = this.progress, this.progress.sums
    if outcome.taken:
        progress.streak = 0
        sums.loss += outcome.loss
        sums.units += units
        sums.norm += outcome.norm
        sums.largest = max(sums.largest, outcome.norm)
        return
    progress.streak += 1
    sums.skipped += 1
    suspects = this.group.merged(outcome.suspects)
    what = "; ".join(f"{id}: {fault}" for id, fault in list(suspects.items())[:NAMED])
    more = f"; and {len(suspects) - NAMED} more" if len(suspects) > NAMED else ""
    where = f"epoch {progress.epoch + 1}, step {progress.step + 1}"
    this.group.say(f"{where}: skipped, loss {outcome.loss}, gradient norm {outcome.norm} ({what}{more})")
    if progress.streak == TOLERATED:
        last = checkpoint.found(this.out)
        back = last[0].name if last else "its start"
        rate = f"lower training.learning_rate, {this.learner.rate(this.number()):.1e} here, in a run of its own"
        mend = "mend these utterances, or " if any(fault != OVERFLOW for fault in suspects.values()) else ""
        raise AsrError(
            f"{this.out}: {where}: {TOLERATED} steps in a row gave no number ({what}{more}); "
            f"the run is back at {back}; {mend}{rate}"
        )


def _dev(this: Run) -> tuple[ErrorCount, float, float]:
    """Return the dev set's errors by greedy decoding, its loss in nats per unit, and blank frames' share."""
    recognizer = Recognizer(this.system, Greedy(), this.learner.device)
    targets = dict(zip(this.dev.ids, this.dev.targets, strict=True))
    found: dict[str, tuple[Hypothesis, float, int]] = {}
    for id, log_probs in recognizer.emissions(this.dev, this.group):
        if this.caught.number and this.group.size == 1:
            raise _Stopped  # the epoch's steps are taken; its dev set is decoded when the run goes on
        blank = int((log_probs.argmax(axis=1) == BLANK).sum())
        found[id] = recognizer.decoder(log_probs)[0], _loss(log_probs, targets[id]), blank
    everything = this.group.merged(found)
    hypotheses = {id: hypothesis for id, (hypothesis, _, _) in everything.items()}
    count = alignment.total(by_units(this.system.units, this.dev, hypotheses))
    loss = sum(loss for _, loss, _ in everything.values()) / sum(map(len, this.dev.targets))
    blanks = sum(blank for _, _, blank in everything.values())
    return count, loss, blanks / int(strided(this.dev.lengths, this.system.model.stride).sum())


def _loss(log_probs: LogProbs, target: Sequence[int]) -> float:
    """Return one utterance's loss in nats; 0 where its frames cannot hold its transcript."""
    if len(log_probs) < ctc.frames_needed(target):
        return 0.0
    values = torch.from_numpy(log_probs)[None]
    lengths, target_lengths = torch.tensor([len(log_probs)]), torch.tensor([len(target)])
    return float(ctc.loss(values, lengths, torch.tensor([list(target)]), target_lengths))


def _close(this: Run, count: ErrorCount, loss: float, blank: float) -> None:
    """End an epoch: its record, the best system if this is it, a checkpoint."""
    progress, settings = this.progress, this.recipe.training
    better = progress.best is None or count.rate < progress.best
    dev = asdict(count) | {"rate": count.rate}
    progress.records.append(_record(this) | {"dev": dev, "dev_loss": loss, "blank": blank, "best": better})
    progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, Sums()
    progress.best, progress.since_best = (count.rate, 0) if better else (progress.best, progress.since_best + 1)
    progress.finished = progress.epoch == settings.epochs or 0 < settings.patience <= progress.since_best
    this.system.facts |= {"epoch": progress.epoch, "dev": count.rate, "finished": progress.finished}
    this.group.led(lambda: _keep(this, better))
    _save(this)
    this.group.say(_line(progress.records[-1], settings.epochs, conventions.metric(this.system.units.kind)))


def _keep(this: Run, better: bool) -> None:
    still_there(this.out)
    if better:
        this.system.save(this.out / BEST)
    files.write_json_lines(this.out / EPOCHS, this.progress.records)


def _save(this: Run) -> None:
    """Write a checkpoint, unless the last steps gave no number: then the one before them is what to go back to."""
    if this.progress.finished or not this.progress.streak:
        this.group.led(lambda: _write(this))


def _write(this: Run) -> None:
    this.saved = time.monotonic()
    still_there(this.out)
    checkpoint.save(this.out, this.number(), this.system, this.learner.optimizer, this.progress)


def _record(this: Run) -> dict[str, Any]:
    """Return what an epoch's JSON line says of its training."""
    progress, sums = this.progress, this.progress.sums
    plan = this.plan(progress.epoch)
    taken = max(len(plan) - sums.skipped, 1)
    return {
        "epoch": progress.epoch + 1,
        "loss": sums.loss / max(sums.units, 1),  # nats per unit
        "learning_rate": this.learner.rate((progress.epoch + 1) * len(plan) - 1),
        "gradient_norm": sums.norm / taken,  # mean over steps, before clipping
        "gradient_norm_max": sums.largest,
        "skipped": sums.skipped,  # steps
        "frames_per_second": int(this.train.lengths[this.places].sum()) / sums.seconds,
        "padding": batch.padding(this.train.lengths, plan),  # share of frames
        "seconds": sums.seconds,
    }


def _line(record: dict[str, Any], epochs: int, metric: str) -> str:
    """Return an epoch's record as people read it."""
    skipped = f"  {record['skipped']} steps skipped" if record["skipped"] else ""
    return (
        f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  loss {record['loss']:6.3f}  "
        f"dev {metric} {100 * record['dev']['rate']:6.2f} %  lr {record['learning_rate']:.1e}  "
        f"|g| {record['gradient_norm']:5.1f}  {record['frames_per_second'] / 1000:4.0f}k frames/s  "
        f"{record['seconds']:4.1f} s{skipped}{'  best' if record['best'] else ''}"
    )
