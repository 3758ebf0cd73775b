"""Checks on a run: did it learn, did it learn the right thing, and does what lies there belong together?

Its limits were chosen by looking at two runs that went well, on the synthetic twin and on the TIMIT sample.
"""

import math
from collections.abc import Iterator
from statistics import median

from asr.doctor.finding import Finding, listed
from asr.doctor.runs import Run
from asr.evaluation.results import BEST, Row
from asr.units import Units

STILL = 0.01  # a sound run moves the weights by several times their length, its first epoch by more than a tenth
MUTE = 0.1  # units written per reference unit
OFTEN = 10  # references that hold a unit, from which on never writing it is no accident
CONSTANT = 0.01  # spread of a unit's output; 0.31 was the least of 160 units
STUCK = 0.95  # share of frames in which a unit is at its limit; 0.36 was the most
MANY = 0.1  # of a layer's units
EXPLODED = 10.0  # times a usual epoch's gradient; it varies by 2 once the plateau of blanks is left behind
HUGE = 1e4  # mean gradient of an epoch; 26 and 35 were the most in both, once the plateau was left behind
SPIKE = 100.0  # times a usual epoch's gradient, in one step; 7 was the most
RISEN = 1.1  # times the lowest dev loss
WORSE = 1.05  # times the lowest dev rate; 1.03 at the end of both runs
GAIN = 0.05  # relative gain in the last tenth of a run; at most 0 in both

PLATEAU = (
    "CTC first learns that blank is the safest answer in every frame, because nothing tells it yet where a unit lies, "
    "and only many steps lift the units out of that plateau. Give it more of them (smaller training.batch, more "
    "epochs), more to see (features.deltas = 2, training.noise = 0.3) or a learning rate 3 times lower or higher; "
    "shortest utterances first, which helps too, is what every run does"
)


def damaged(run: Run) -> Iterator[Finding]:
    """Find bundles and checkpoints that cannot be loaded."""
    for name, reason in run.faults.items():
        if name == BEST:
            yield Finding("error", "", (name,), reason, f"{name}: {reason}", "train again; the same command goes on")
        else:
            what = f"checkpoint {name} {reason}"
            yield Finding("warning", "", (name,), reason, what, "nothing; training goes on from the one before it")


def weights(run: Run) -> Iterator[Finding]:
    """Find weights that are no numbers."""
    if run.broken:
        what = f"weights that are no numbers: {listed(run.broken)}"
        yield Finding(
            "error", "", tuple(run.broken), len(run.broken), what, "lower training.learning_rate; train again"
        )


def started(run: Run) -> Iterator[Finding]:
    """Find learning that never started: weights that are where the seed put them."""
    if run.moved is not None and run.moved < STILL:
        what = f"learning never started: the weights moved by {100 * run.moved:.2g} % of their length"
        remedy = f"raise training.learning_rate (it was {run.recipe.training.learning_rate:g}), or train for longer"
        yield Finding("error", "train", (), run.moved, what, remedy)


def guessing(run: Run) -> Iterator[Finding]:
    """Find systems that know no more than that there are units."""
    rows, symbols = _scored(run), len(_units(run)) - 1
    written, wanted = _written(run)
    if rows and rows[-1]["loss"] >= math.log(symbols) and written >= MUTE * wanted and not any(started(run)):
        what = f"a loss of {rows[-1]['loss']:.3g} nats a unit, no better than guessing ({math.log(symbols):.3g})"
        remedy = "lower training.learning_rate, or train for longer; see that transcripts belong to their audio"
        yield Finding("error", "train", (), rows[-1]["loss"], what, remedy)


def blank(run: Run) -> Iterator[Finding]:
    """Find systems that write nothing."""
    written, wanted = _written(run)
    if wanted and written < MUTE * wanted:
        what = f"blank is nearly all it writes: {written} units where the references hold {wanted}"
        yield Finding("error", "dev", (), written / wanted, what, PLATEAU)


def units(run: Run) -> Iterator[Finding]:
    """Find units that references hold and that are never written."""
    written, expected = _written(run)
    if not run.output or written < MUTE * expected:
        return  # `blank` says it
    wanted = run.output.wanted
    dead = sorted((u for u in wanted if not run.output.written[u]), key=lambda u: -wanted[u])
    if dead:
        most = wanted[dead[0]]
        what = f"units never written on dev: {listed([f'{unit!r} ({wanted[unit]} times)' for unit in dead])}"
        remedy = "train for longer; if train holds few of them, record more or fold them into others"
        yield Finding("warning" if most >= OFTEN else "note", "dev", tuple(dead), most, what, remedy)


def hidden(run: Run) -> Iterator[Finding]:
    """Find units of the network that never change, or are nearly always at their limit."""
    for number, layer in enumerate(run.output.layers if run.output else (), 1):
        dead = [f"{number}:{i}" for i, spread in enumerate(layer.spread) if spread < CONSTANT]
        stuck = [f"{number}:{i}" for i, share in enumerate(layer.full) if share > STUCK and layer.spread[i] >= CONSTANT]
        for ids, how in ((dead, "never change"), (stuck, "are at their limit in nearly all frames")):
            if ids:
                severity = "warning" if len(ids) > MANY * len(layer.spread) else "note"
                what = f"{len(ids)} of {len(layer.spread)} hidden units of layer {number} {how}: {listed(ids)}"
                remedy = "lower training.learning_rate; a few are harmless"
                yield Finding(severity, "dev", tuple(ids), len(ids) / len(layer.spread), what, remedy)


def loss(run: Run) -> Iterator[Finding]:
    """Find epochs whose loss is no number."""
    if odd := [row for row in run.epochs if not _finite(row.get("loss", 0)) or not _finite(row.get("dev_loss", 0))]:
        what = f"loss that is no number in {len(odd)} of {len(run.epochs)} epochs, first in {odd[0]['epoch']}"
        yield Finding("error", "train", _numbers(odd), len(odd), what, "lower training.learning_rate; train again")


def skipped(run: Run) -> Iterator[Finding]:
    """Find steps that were not taken, because loss or gradient were no numbers."""
    rows = [row for row in run.epochs if row.get("skipped")]
    if rows:
        count = sum(row["skipped"] for row in rows)
        what = f"{count} steps skipped, in {len(rows)} of {len(run.epochs)} epochs: loss or gradient were no numbers"
        remedy = "see what training said of them; mend those utterances, or lower training.learning_rate"
        yield Finding("warning", "train", _numbers(rows), count, what, remedy)


def gradients(run: Run) -> Iterator[Finding]:
    """Find gradients that explode; they are large by nature only until the plateau of blanks is left behind."""
    rows = [row for row in run.epochs[len(run.epochs) // 4 :] if _finite(row.get("gradient_norm", math.nan))]
    if not rows:
        return
    usual = max(median(row["gradient_norm"] for row in rows), run.recipe.training.clip)
    limit = min(EXPLODED * usual, HUGE)
    odd = [row for row in rows if row["gradient_norm"] > limit or row.get("gradient_norm_max", 0) > SPIKE * usual]
    if odd:
        most = max(max(row["gradient_norm"], row.get("gradient_norm_max", 0)) for row in odd)
        what = f"gradients exploded in {len(odd)} epochs: up to {most:.3g}, usually {usual:.3g}"
        what += f", clipped at {run.recipe.training.clip:g}"
        remedy = "lower training.learning_rate or training.clip"
        yield Finding("warning", "train", _numbers(odd), most, what, remedy)


def overfit(run: Run) -> Iterator[Finding]:
    """Find a dev set that gets worse while the training set gets better."""
    rows = _scored(run)
    if len(rows) < 5:
        return
    key = "dev_loss" if all(_finite(row.get("dev_loss", math.nan)) for row in rows) else "rate"
    values = [row["dev_loss"] if key == "dev_loss" else row["dev"]["rate"] for row in rows]
    rates = [row["dev"]["rate"] for row in rows]
    lowest = min(range(len(rows)), key=values.__getitem__)
    rises = values[-1] > RISEN * values[lowest] and rows[-1]["loss"] < rows[lowest]["loss"]
    if rises and len(rows) - 1 - lowest >= max(3, len(rows) // 5):
        worse = rates[-1] > WORSE * min(rates)
        name, first = "loss" if key == "dev_loss" else "error rate", rows[lowest]
        what = f"the dev {name} rose from {values[lowest]:.3g} in epoch {first['epoch']} to {values[-1]:.3g}, while "
        what += f"training's loss fell from {first['loss']:.3g} to {rows[-1]['loss']:.3g}"
        what += "" if worse else "; the error rate did not suffer"
        remedy = "more data, training.noise, encoder.dropout or a smaller network; fewer epochs"
        yield Finding("warning" if worse else "note", "dev", _numbers(rows[lowest:][:1]), values[-1], what, remedy)


def best(run: Run) -> Iterator[Finding]:
    """Find runs whose best epoch is long ago: the rest of the time was spent for nothing."""
    rows = _scored(run)
    place = min(range(len(rows)), key=lambda i: rows[i]["dev"]["rate"], default=0)
    since = len(rows) - 1 - place
    if since >= 10 and since > len(rows) / 2:
        what = f"epoch {rows[place]['epoch']} of {len(rows)} was the best; the {since} after it gained nothing"
        remedy = "fewer epochs, so that the learning rate falls sooner, or training.patience"
        yield Finding("note", "dev", _numbers(rows[place:][:1]), since, what, remedy)


def improving(run: Run) -> Iterator[Finding]:
    """Find runs that were still getting better when they ended."""
    rates = [row["dev"]["rate"] for row in _scored(run)]
    last = max(2, len(rates) // 10)
    if not run.finished or len(rates) < 2 * last:
        return
    before, after = min(rates[:-last]), min(rates[-last:])
    if after < (1 - GAIN) * before:
        what = f"still improving at the end: {100 * before:.1f} to {100 * after:.1f} % in the last {last} epochs"
        yield Finding("note", "dev", (), 1 - after / before, what, "more training.epochs, or a larger network")


def unfinished(run: Run) -> Iterator[Finding]:
    """Find runs that stopped before their end."""
    if run.finished:
        return
    what = f"{len(run.epochs)} of {run.recipe.training.epochs} epochs are done"
    if run.busy:
        yield Finding("note", "", (), len(run.epochs), f"{what}, and a process is at work on them", "wait for it")
    else:
        yield Finding(
            "warning", "", (), len(run.epochs), what, "give the same `asr train` command: it goes on from here"
        )


def data(run: Run) -> Iterator[Finding]:
    """Find sets that are not what was trained on, or can no longer be read."""
    if run.changed:
        what, remedy = "; ".join(run.changed.values()), "give --data, or train again on what lies there now"
        yield Finding("warning", ", ".join(run.changed), (), len(run.changed), what, remedy)
    elif run.unheard:
        what, _, remedy = run.unheard.rpartition("; ")
        yield Finding("warning", "dev", (), what, f"the dev set cannot be decoded: {what}", remedy)


def results(run: Run) -> Iterator[Finding]:
    """Find results that another system gave, or that cannot be read."""
    for name, reason in run.unread.items():
        yield Finding("warning", "", (name,), reason, f"{name}: {reason}", "give `asr evaluate` again")
    if run.stale:
        what = f"results of another bundle than the best: {listed(run.stale)}"
        yield Finding("warning", "", tuple(run.stale), len(run.stale), what, "give `asr evaluate` again")


def _written(run: Run) -> tuple[int, int]:
    """Return how many units are written on dev and how many are wanted: by the best system, or by the last epoch."""
    if run.output:
        return run.output.written.total(), run.output.wanted.total()
    rows = _scored(run)
    if not rows:
        return 0, 0
    count = rows[-1]["dev"]
    said = count.get("hits", 0) + count.get("substitutions", 0)
    return said + count.get("insertions", 0), said + count.get("deletions", 0)


def _units(run: Run) -> Units:
    return Units.of(**vars(run.recipe.units))


def _scored(run: Run) -> list[Row]:
    """Return the epochs that have a loss and a dev error rate."""
    return [row for row in run.epochs if _finite(row.get("loss", math.nan)) and "rate" in row.get("dev", {})]


def _numbers(rows: list[Row]) -> tuple[str, ...]:
    return tuple(str(row["epoch"]) for row in rows)


def _finite(value: float) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
