"""Checks on a run: did it learn, did it learn the right thing, and do its files belong together?

The limits were chosen on two good runs, on the synthetic corpus and on the TIMIT sample; the comment at each limit
gives the extreme value found there.
"""

import math
from collections.abc import Iterator
from statistics import median

from asr.doctor.finding import Finding
from asr.doctor.runs import ExaminedRun
from asr.errors import first_few
from asr.evaluation.records import Row
from asr.evaluation.results import BEST
from asr.units import Units

MIN_CHANGE = 0.01  # of the weights, relative; a good run changes them several times over, its first epoch by a tenth
MIN_OUTPUT = 0.1  # output units per reference unit
MIN_OCCURRENCES = 10  # in the references, from which on it is a warning if a unit is never output
MIN_SPREAD = 0.01  # of a hidden unit's output; 0.31 was the least of 160
MAX_SATURATED = 0.95  # fraction of frames; 0.36 was the most
MAX_UNHEALTHY = 0.1  # fraction of a layer's hidden units; a note up to here, a warning above
MAX_GRADIENT_RATIO = 10.0  # epoch's gradient over the median one; 2 was the most after the initial plateau of blanks
MAX_GRADIENT = 1e4  # mean of an epoch; 26 and 35 were the most, after the plateau
MAX_SPIKE_RATIO = 100.0  # largest gradient of a step over the median epoch's; 7 was the most
MAX_LOSS_RATIO = 1.1  # final dev loss over the lowest
MAX_RATE_RATIO = 1.05  # final dev error rate over the lowest; 1.03 in both
MAX_LATE_GAIN = 0.05  # relative improvement in the last tenth of a run; at most 0 in both

PLATEAU = (
    "CTC first learns that blank is the safest output in every frame, and needs many steps to leave that plateau: use "
    "more of them (smaller training.batch, more training.epochs), richer inputs (features.deltas = 2, training.noise = "
    "0.3), or a learning rate 3 times lower or higher"
)


def damaged(run: ExaminedRun) -> Iterator[Finding]:
    """Find bundles and checkpoints that cannot be loaded."""
    for name, reason in run.faults.items():
        if name == BEST:
            yield Finding("error", "", (name,), reason, f"{name}: {reason}", "train again with the same command")
        else:
            what = f"checkpoint {name} {reason}"
            yield Finding("warning", "", (name,), reason, what, "nothing; training resumes from the one before it")


def weights(run: ExaminedRun) -> Iterator[Finding]:
    """Find non-finite weights."""
    if run.broken:
        what = f"non-finite weights (NaN or Inf): {first_few(run.broken)}"
        yield Finding(
            "error", "", tuple(run.broken), len(run.broken), what, "lower training.learning_rate; train again"
        )


def started(run: ExaminedRun) -> Iterator[Finding]:
    """Find runs whose weights hardly differ from their initial values."""
    if run.change is not None and run.change < MIN_CHANGE:
        what = f"training never started: weights changed by {100 * run.change:.2g} % (relative norm)"
        remedy = f"raise training.learning_rate (now {run.recipe.training.learning_rate:g}), or train longer"
        yield Finding("error", "train", (), run.change, what, remedy)


def guessing(run: ExaminedRun) -> Iterator[Finding]:
    """Find systems that are no better than guessing."""
    rows, symbols = _scored(run), len(_units(run)) - 1
    written, wanted = _output_length(run)
    if rows and rows[-1]["loss"] >= math.log(symbols) and written >= MIN_OUTPUT * wanted and not any(started(run)):
        what = f"a loss of {rows[-1]['loss']:.3g} nats per unit, no better than guessing ({math.log(symbols):.3g})"
        remedy = "lower training.learning_rate, or train longer; check that transcripts and audio belong together"
        yield Finding("error", "train", (), rows[-1]["loss"], what, remedy)


def blank(run: ExaminedRun) -> Iterator[Finding]:
    """Find systems that output almost nothing but blank."""
    written, wanted = _output_length(run)
    if wanted and written < MIN_OUTPUT * wanted:
        what = f"outputs almost nothing but blank: {written} units for {wanted} in the references"
        yield Finding("error", "dev", (), written / wanted, what, PLATEAU)


def units(run: ExaminedRun) -> Iterator[Finding]:
    """Find units of the references that are never output."""
    written, expected = _output_length(run)
    if not run.output or written < MIN_OUTPUT * expected:
        return  # reported by `blank`
    wanted = run.output.wanted
    missing = sorted((u for u in wanted if not run.output.written[u]), key=lambda u: -wanted[u])
    if missing:
        most = wanted[missing[0]]
        what = f"units never output on dev: {first_few([f'{unit!r} ({wanted[unit]} times)' for unit in missing])}"
        remedy = "train longer; if they are rare in train, record more or merge them with others"
        yield Finding("warning" if most >= MIN_OCCURRENCES else "note", "dev", tuple(missing), most, what, remedy)


def hidden(run: ExaminedRun) -> Iterator[Finding]:
    """Find hidden units with constant or nearly always saturated output."""
    for number, layer in enumerate(run.output.layers if run.output else (), 1):
        constant = {i for i, spread in enumerate(layer.spread) if spread < MIN_SPREAD}
        saturated = {i for i, fraction in enumerate(layer.saturated) if fraction > MAX_SATURATED} - constant
        for group, how in ((constant, "are constant"), (saturated, "are saturated in nearly all frames")):
            ids = [f"{number}:{i}" for i in sorted(group)]
            if ids:
                severity = "warning" if len(ids) > MAX_UNHEALTHY * len(layer.spread) else "note"
                what = f"{len(ids)} of {len(layer.spread)} hidden units of layer {number} {how}: {first_few(ids)}"
                remedy = "lower training.learning_rate; a few are harmless"
                yield Finding(severity, "dev", tuple(ids), len(ids) / len(layer.spread), what, remedy)


def loss(run: ExaminedRun) -> Iterator[Finding]:
    """Find epochs with a non-finite loss."""
    if odd := [row for row in run.epochs if not _finite(row.get("loss", 0)) or not _finite(row.get("dev_loss", 0))]:
        what = f"non-finite loss in {len(odd)} of {len(run.epochs)} epochs, first in epoch {odd[0]['epoch']}"
        yield Finding("error", "train", _numbers(odd), len(odd), what, "lower training.learning_rate; train again")


def skipped(run: ExaminedRun) -> Iterator[Finding]:
    """Find steps that were skipped because of a non-finite loss or gradient."""
    rows = [row for row in run.epochs if row.get("skipped")]
    if rows:
        count = sum(row["skipped"] for row in rows)
        what = f"{count} steps skipped, in {len(rows)} of {len(run.epochs)} epochs: non-finite loss or gradient"
        remedy = "fix the utterances that training reported for them, or lower training.learning_rate"
        yield Finding("warning", "train", _numbers(rows), count, what, remedy)


def gradients(run: ExaminedRun) -> Iterator[Finding]:
    """Find exploding gradients; large ones are normal only on the initial plateau of blanks."""
    rows = [row for row in run.epochs[len(run.epochs) // 4 :] if _finite(row.get("gradient_norm", math.nan))]
    if not rows:
        return
    usual = max(median(row["gradient_norm"] for row in rows), run.recipe.training.clip)
    limit = min(MAX_GRADIENT_RATIO * usual, MAX_GRADIENT)
    odd = [
        row for row in rows if row["gradient_norm"] > limit or row.get("gradient_norm_max", 0) > MAX_SPIKE_RATIO * usual
    ]
    if odd:
        most = max(max(row["gradient_norm"], row.get("gradient_norm_max", 0)) for row in odd)
        what = f"gradients exploded in {len(odd)} epochs: up to {most:.3g}, usually {usual:.3g}"
        what += f", clipped at {run.recipe.training.clip:g}"
        remedy = "lower training.learning_rate or training.clip"
        yield Finding("warning", "train", _numbers(odd), most, what, remedy)


def overfit(run: ExaminedRun) -> Iterator[Finding]:
    """Find a dev loss or error rate that rises while the training loss falls."""
    rows = _scored(run)
    if len(rows) < 5:
        return
    key = "dev_loss" if all(_finite(row.get("dev_loss", math.nan)) for row in rows) else "rate"
    values = [row["dev_loss"] if key == "dev_loss" else row["dev"]["rate"] for row in rows]
    rates = [row["dev"]["rate"] for row in rows]
    lowest = min(range(len(rows)), key=values.__getitem__)
    rises = values[-1] > MAX_LOSS_RATIO * values[lowest] and rows[-1]["loss"] < rows[lowest]["loss"]
    if rises and len(rows) - 1 - lowest >= max(3, len(rows) // 5):
        worse = rates[-1] > MAX_RATE_RATIO * min(rates)
        name, first = "loss" if key == "dev_loss" else "error rate", rows[lowest]
        what = f"the dev {name} rose from {values[lowest]:.3g} in epoch {first['epoch']} to {values[-1]:.3g}, while "
        what += f"the training loss fell from {first['loss']:.3g} to {rows[-1]['loss']:.3g}"
        what += "" if worse else "; the error rate did not rise"
        remedy = "use more data, training.noise, encoder.dropout, a smaller network or fewer epochs"
        yield Finding("warning" if worse else "note", "dev", _numbers(rows[lowest:][:1]), values[-1], what, remedy)


def best(run: ExaminedRun) -> Iterator[Finding]:
    """Find runs whose best epoch is long past: all training after it was in vain."""
    rows = _scored(run)
    index = min(range(len(rows)), key=lambda i: rows[i]["dev"]["rate"], default=0)
    since = len(rows) - 1 - index
    if since >= 10 and since > len(rows) / 2:
        what = f"epoch {rows[index]['epoch']} of {len(rows)} was the best; the {since} after it brought no improvement"
        remedy = "use fewer epochs, so that the learning rate falls sooner, or training.patience"
        yield Finding("note", "dev", _numbers(rows[index:][:1]), since, what, remedy)


def improving(run: ExaminedRun) -> Iterator[Finding]:
    """Find runs that were still improving when they ended."""
    rates = [row["dev"]["rate"] for row in _scored(run)]
    last = max(2, len(rates) // 10)
    if not run.finished or len(rates) < 2 * last:
        return
    before, after = min(rates[:-last]), min(rates[-last:])
    if after < (1 - MAX_LATE_GAIN) * before:
        what = f"still improving at the end: from {100 * before:.1f} to {100 * after:.1f} % in the last {last} epochs"
        yield Finding("note", "dev", (), 1 - after / before, what, "use more training.epochs, or a larger network")


def unfinished(run: ExaminedRun) -> Iterator[Finding]:
    """Find runs that are not finished."""
    if run.finished:
        return
    what = f"{len(run.epochs)} of {run.recipe.training.epochs} epochs are done"
    if run.busy:
        yield Finding("note", "", (), len(run.epochs), f"{what}; training is in progress", "wait for it")
    else:
        yield Finding("warning", "", (), len(run.epochs), what, "rerun the same `asr train` command to resume")


def data(run: ExaminedRun) -> Iterator[Finding]:
    """Find sets that have changed since training, or can no longer be read."""
    if run.changed:
        what, remedy = "; ".join(run.changed.values()), "pass the right --data, or train again on the changed data"
        yield Finding("warning", ", ".join(run.changed), (), len(run.changed), what, remedy)
    elif run.undecoded:
        what, _, remedy = run.undecoded.rpartition("; ")
        yield Finding("warning", "dev", (), what, f"the dev set cannot be decoded: {what}", remedy)


def results(run: ExaminedRun) -> Iterator[Finding]:
    """Find results of another bundle, or that cannot be read."""
    for name, reason in run.unread.items():
        yield Finding("warning", "", (name,), reason, f"{name}: {reason}", "run `asr evaluate` again")
    if run.stale:
        what = f"results of a bundle other than the best: {first_few(run.stale)}"
        yield Finding("warning", "", tuple(run.stale), len(run.stale), what, "run `asr evaluate` again")


def _output_length(run: ExaminedRun) -> tuple[int, int]:
    """Return the number of units output on dev and in its references: by the best system, else by the last epoch."""
    if run.output:
        return run.output.written.total(), run.output.wanted.total()
    rows = _scored(run)
    if not rows:
        return 0, 0
    count = rows[-1]["dev"]
    both = count.get("hits", 0) + count.get("substitutions", 0)
    return both + count.get("insertions", 0), both + count.get("deletions", 0)


def _units(run: ExaminedRun) -> Units:
    return Units.of(**vars(run.recipe.units))


def _scored(run: ExaminedRun) -> list[Row]:
    """Return the epochs that have a loss and a dev error rate."""
    return [row for row in run.epochs if _finite(row.get("loss", math.nan)) and "rate" in row.get("dev", {})]


def _numbers(rows: list[Row]) -> tuple[str, ...]:
    return tuple(str(row["epoch"]) for row in rows)


def _finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
