"""Training: a plain loop over epochs that writes one JSON line each, keeps the best system, and can always resume.

A run is a function of its recipe and its data: whatever stops it, the same command resumes from the last checkpoint,
and on a CPU the result is bit-identical to that of an uninterrupted run.
"""

import math
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from asr import batch, config, ctc, manifest
from asr.config import Recipe
from asr.decoders import Greedy, Hypothesis
from asr.decoders.hypothesis import LogProbs
from asr.errors import AsrError, first_few
from asr.evaluation import provenance
from asr.evaluation.results import BEST, EPOCHS, RECIPE
from asr.evaluation.transcripts import by_units
from asr.recognize import Recognizer
from asr.scoring import alignment, conventions
from asr.scoring.alignment import ErrorCount
from asr.support import files, interrupt, parallel
from asr.support.device import computing_on
from asr.training import checkpoint, sizing
from asr.training.checkpoint import EpochSums
from asr.training.learner import NON_FINITE_GRADIENT, Outcome, Position
from asr.training.run import (
    Run,
    check_ranks_agree,
    claimed_folder,
    constants_of,
    environment,
    initialize,
    require_folder,
    resume,
    start,
)
from asr.training.verdict import nothing_learned
from asr.units import BLANK

CHECKPOINT_SECONDS = 60.0  # between checkpoints within an epoch
MAX_NAMED = 3  # utterances in one message
MAX_SKIPPED = 10  # consecutive steps without a finite loss and gradient before training gives up


class _Stopped(Exception):  # noqa: N818
    """A signal asked training to stop; not an error."""


def run(recipe: Recipe, corpus: Path, out: Path, device: torch.device) -> Path:
    """Train a system and return the file of the best epoch's; resume if an earlier call was interrupted.

    Args:
        recipe: The experiment.
        corpus: The folder with train.jsonl and dev.jsonl.
        out: The run's folder; a finished run of the same recipe in it is left unchanged.
        device: The device to train on.

    Raises:
        AsrError: The folder belongs to a different recipe or other data, is in use, or cannot be written; a
            transcript does not fit the units; too many consecutive steps had a non-finite loss or gradient.
        SystemExit: A signal asked to stop; status 130 or 143, after a checkpoint was written.
    """
    others = [corpus / f"{name}.jsonl" for name in ("dev", "test")] if recipe.units.alphabet == config.AUTO else []
    scored = [utterance for path in others if path.exists() for utterance in manifest.read(path)]
    recipe = sizing.for_set(recipe, manifest.read(corpus / "train.jsonl"), constants_of(out), scored)
    data = {name: files.sha256(corpus / f"{name}.jsonl") for name in ("train", "dev")}
    with computing_on(device), parallel.group(device) as group, claimed_folder(recipe, data, out, group) as last:
        if last and last.progress.finished:
            group.say(f"{out}: already trained with this recipe; delete the folder to train again")
        else:
            run = group.leader_first(lambda: start(recipe, corpus, out, device, group))  # who computes the features
            data |= {"features": run.train.features.store.digest}
            trained = provenance.training(device, last.facts if last else None)
            sketch = run.train.features.store.sketch().tolist()
            facts = {"seed": recipe.training.seed, "data": data, "sketch": sketch, "trained": trained}
            if init := last.facts.get("init") if last else initialize(run):
                facts |= {"init": init}
            run.system.facts = facts | environment(device, group)
            if last:
                resume(run, last)
            else:
                group.leader_only(lambda: files.write_text(out / RECIPE, config.dump(recipe)))
            check_ranks_agree(run)
            with interrupt.deferred() as run.interrupt:
                _train(run)
        if group.leads and (warning := nothing_learned(out)):
            group.say(f"warning: {warning}")
    return out / BEST


def _train(run: Run) -> None:
    """Train epoch by epoch until the run is finished or a signal asks to stop."""
    try:
        while not run.progress.finished:
            _train_epoch(run)
            if run.group.size > 1:
                _save(run)  # several processes decode the dev set together and do not stop for a signal there
            _end_epoch(run, *_evaluate(run))
    except _Stopped:
        _save(run)
        cause = run.interrupt.name if run.interrupt.number else "another process"
        run.group.say(f"stopped by {cause} at {run.progress}; rerun the same command to resume")
        raise SystemExit(128 + (run.interrupt.number or signal.SIGTERM)) from None


def _train_epoch(run: Run) -> None:
    """Take the epoch's remaining steps."""
    progress, sums = run.progress, run.progress.sums
    run.learner.halvings = sum(not row["best"] for row in progress.records)
    plan = run.plan(progress.epoch)
    title = f"epoch {progress.epoch + 1}/{run.recipe.training.epochs}"
    hidden = None if run.group.leads else True  # None: shown on a terminal only
    run.system.model.train()
    with tqdm(total=len(plan), initial=progress.step, desc=title, unit="batch", leave=False, disable=hidden) as bar:
        for step in range(progress.step, len(plan)):
            begin = time.perf_counter()
            position = Position(progress.epoch, step, run.global_step, len(plan[step]))
            rows = batch.share(run.train.lengths, plan[step], run.group.size)[run.group.rank]
            share = run.train.batch(rows.tolist()).to(run.learner.device) if len(rows) else None
            outcome = run.learner.step(share, position, bool(run.interrupt.number))
            _add_up(run, outcome, int(run.train.targets.lengths(plan[step]).sum()))
            progress.step = step + 1
            sums.seconds += time.perf_counter() - begin
            bar.update()
            bar.set_postfix(loss=f"{sums.loss / max(sums.units, 1):.3f}", refresh=False)
            if outcome.stop:
                raise _Stopped
            due = time.monotonic() - run.saved_at > CHECKPOINT_SECONDS
            if due and not progress.streak and run.group.leads:
                _write_checkpoint(run)


def _add_up(run: Run, outcome: Outcome, units: int) -> None:
    """Add a step to the epoch's sums; report and count a skipped one."""
    progress, sums = run.progress, run.progress.sums
    if outcome.taken:
        progress.streak = 0
        sums.loss += outcome.loss
        sums.units += units
        sums.norm += outcome.norm
        sums.largest = max(sums.largest, outcome.norm)
        return
    progress.streak += 1
    sums.skipped += 1
    suspects = run.group.gather(outcome.suspects)
    where = f"epoch {progress.epoch + 1}, step {progress.step + 1}"
    culprits = first_few([f"{id}: {fault}" for id, fault in suspects.items()], MAX_NAMED, "; ")
    run.group.say(f"{where}: skipped, loss {outcome.loss}, gradient norm {outcome.norm} ({culprits})")
    if progress.streak == MAX_SKIPPED:
        raise _diverged(run, where, suspects, culprits)


def _diverged(run: Run, where: str, suspects: Mapping[str, str], culprits: str) -> AsrError:
    """Return the error with which a run gives up after too many skipped steps."""
    last = checkpoint.paths(run.out)
    what = f"{MAX_SKIPPED} consecutive steps had a non-finite loss or gradient ({culprits})"
    fix = "fix these utterances, or " if any(fault != NON_FINITE_GRADIENT for fault in suspects.values()) else ""
    rate = f"lower training.learning_rate (now {run.learner.rate(run.global_step):.1e}) in a new --out"
    return AsrError(f"{run.out}: {where}: {what}; last checkpoint: {last[0].name if last else 'none'}; {fix}{rate}")


def _evaluate(run: Run) -> tuple[ErrorCount, float, float]:
    """Return the dev set's errors by greedy decoding, its loss in nats per unit, and the fraction of blank frames."""
    recognizer = Recognizer(run.system, Greedy(), run.learner.device, "torch")
    targets = dict(zip(run.dev.ids, run.dev.targets, strict=True))
    decoded: dict[str, tuple[Hypothesis, float, int, int]] = {}
    for id, log_probs in recognizer.emissions(run.dev, run.group):
        if run.interrupt.number and run.group.size == 1:
            raise _Stopped  # all steps of the epoch are taken; after resuming, its dev set is decoded again
        blank = int((log_probs.argmax(axis=1) == BLANK).sum())
        decoded[id] = recognizer.decoder(log_probs)[0], _loss(log_probs, targets[id]), blank, len(log_probs)
    decoded = run.group.gather(decoded)
    hypotheses = {id: hypothesis for id, (hypothesis, *_) in decoded.items()}
    count = alignment.total(by_units(run.system.units, run.dev, hypotheses))
    loss = sum(loss for _, loss, *_ in decoded.values()) / sum(map(len, run.dev.targets))
    blanks = sum(blank for *_, blank, _ in decoded.values())
    return count, loss, blanks / sum(frames for *_, frames in decoded.values())


def _loss(log_probs: LogProbs, target: Sequence[int]) -> float:
    """Return one utterance's loss in nats; 0 if its transcript does not fit into its frames."""
    if len(log_probs) < ctc.frames_needed(target):
        return 0.0
    values = torch.from_numpy(log_probs)[None]
    lengths, target_lengths = torch.tensor([len(log_probs)]), torch.tensor([len(target)])
    return float(ctc.loss(values, lengths, torch.tensor([list(target)]), target_lengths))


def _end_epoch(run: Run, count: ErrorCount, loss: float, blank: float) -> None:
    """Append the epoch's record, save the system if it is the best so far, and write a checkpoint."""
    progress, settings = run.progress, run.recipe.training
    # A lower loss decides among equal rates: an all-blank first epoch at 100 % must not win over the next at 100 %.
    best = (count.rate, loss if math.isfinite(loss) else math.inf) < _best_so_far(progress.records)
    improved = progress.best is None or count.rate < progress.best
    dev = asdict(count) | {"rate": count.rate}
    progress.records.append(_record(run) | {"dev": dev, "dev_loss": loss, "blank": blank, "best": best})
    progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, EpochSums()
    progress.best, progress.since_best = (count.rate, 0) if improved else (progress.best, progress.since_best + 1)
    progress.finished = progress.epoch == settings.epochs or 0 < settings.patience <= progress.since_best
    run.system.facts |= {"epoch": progress.epoch, "dev": count.rate, "finished": progress.finished}
    run.group.leader_only(lambda: _write_epoch(run, best))
    _save(run)
    run.group.say(_line(progress.records[-1], settings.epochs, conventions.metric(run.system.units.kind)))


def _best_so_far(records: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Return the dev error rate and dev loss of the best epoch; infinite before the first."""
    row = next((row for row in reversed(records) if row["best"]), None)
    return (row["dev"]["rate"], row["dev_loss"]) if row else (math.inf, math.inf)


def _write_epoch(run: Run, best: bool) -> None:
    require_folder(run.out)
    if best:
        run.system.save(run.out / BEST)
    files.write_json_lines(run.out / EPOCHS, run.progress.records)


def _save(run: Run) -> None:
    """Write a checkpoint, unless the last steps were skipped: then the one before them is the one to resume from."""
    if run.progress.finished or not run.progress.streak:
        run.group.leader_only(lambda: _write_checkpoint(run))


def _write_checkpoint(run: Run) -> None:
    run.saved_at = time.monotonic()
    require_folder(run.out)
    checkpoint.save(run.out, run.global_step, run.system, run.learner.optimizer, run.progress)


def _record(run: Run) -> dict[str, Any]:
    """Return the training part of an epoch's JSON line."""
    progress, sums = run.progress, run.progress.sums
    plan = run.plan(progress.epoch)
    taken = max(len(plan) - sums.skipped, 1)
    return {
        "epoch": progress.epoch + 1,
        "loss": sums.loss / max(sums.units, 1),  # nats per unit
        "learning_rate": run.learner.rate((progress.epoch + 1) * len(plan) - 1),
        "gradient_norm": sums.norm / taken,  # mean over steps, before clipping
        "gradient_norm_max": sums.largest,
        "skipped": sums.skipped,  # steps
        "frames_per_second": int(run.train.lengths[run.usable].sum()) / sums.seconds,
        "padding": batch.padding(run.train.lengths, plan),  # fraction of frames
        "seconds": sums.seconds,
    }


def _line(record: Mapping[str, Any], epochs: int, metric: str) -> str:
    """Return an epoch's record as one line for the terminal."""
    skipped = f"  {record['skipped']} steps skipped" if record["skipped"] else ""
    return (
        f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}  loss {record['loss']:6.3f}  "
        f"dev {metric} {100 * record['dev']['rate']:6.2f} %  lr {record['learning_rate']:.1e}  "
        f"|g| {record['gradient_norm']:5.1f}  {record['frames_per_second'] / 1000:4.0f}k frames/s  "
        f"{record['seconds']:4.1f} s{skipped}{'  best' if record['best'] else ''}"
    )
