"""What trials of several cells, with several seeds each, allow to say: a table and a sentence (see variants.py)."""

import statistics

from scipy import stats

from asr.scoring import bootstrap
from asr.support import seeds

SEARCH_SEED = 1000  # of the trials that choose a learning rate; all others count
LEVEL = 0.05
TOLERANCE = 0.02  # of the number of parameters


def pooled(by_speaker):
    """Return the error rate over all speakers."""
    errors, total = map(sum, zip(*by_speaker.values(), strict=True))
    return errors / total


def over_folds(trials):
    """Return the trials of all folds as one for each cell and seed that has them all."""
    folds = {t["fold"] for t in trials}
    found = {}
    for trial in trials:
        found.setdefault((trial["cell"], trial["seed"]), []).append(trial)
    return [merged(own) for own in found.values() if {t["fold"] for t in own} == folds]


def merged(trials):
    """Return a cell's trials with one seed, one a fold, as one."""
    sums = {name: sum(t[name] for t in trials) for name in ("cpu_seconds", "frames")}
    by_speaker = {name: {s: pair for t in trials for s, pair in t[name].items()} for name in ("dev", "test")}
    return trials[0] | sums | by_speaker


def report(cells, trials, task):
    """Return the table of the cells that all seeds are there for, and what it says."""
    counted = [t for t in trials if t["seed"] != SEARCH_SEED]
    if counted and "fold" in counted[0]:
        counted = over_folds(counted)
    finals = {cell: [t for t in counted if t["cell"] == cell] for cell in cells}
    common = set.intersection(*({t["seed"] for t in own} for own in finals.values()))
    finals = {
        cell: sorted((t for t in own if t["seed"] in common), key=lambda t: t["seed"]) for cell, own in finals.items()
    }
    if len(common) < 2:
        return f"{len(common)} seeds are there for all cells; a comparison needs at least 2"
    first = cells[0]
    sizes = [own[0]["parameters"] for own in finals.values()]
    tests = {cell: compared(finals[cell], finals[first]) for cell in cells[1:]}
    corrected = holm({cell: max(found["p_seeds"], found["p_speakers"]) for cell, found in tests.items()})
    lines = [
        "| cell | H | parameters | rate (tried) | dev | test, 95 % over seeds | less "
        f"{first}: over seeds | by speaker | p, Holm | µs a frame |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        own = finals[cell]
        low, high = over_seeds([pooled(t["test"]) for t in own])
        row = [cell, own[0]["hidden"], f"{own[0]['parameters']:,}", _rate(cell, trials)]
        row += [f"{100 * statistics.mean(pooled(t['dev']) for t in own):.2f} %"]
        row += [f"{100 * statistics.mean(pooled(t['test']) for t in own):.2f} % ({100 * low:.2f}–{100 * high:.2f})"]
        if cell in tests:
            found = tests[cell]
            row += [_interval(found["seeds"]), _interval(found["speakers"]), f"{corrected[cell]:.3f}"]
        else:
            row += ["", "", ""]
        row += [f"{1e6 * statistics.mean(t['cpu_seconds'] / t['frames'] for t in own):.0f}"]
        lines.append("| " + " | ".join(map(str, row)) + " |")
    alike = max(sizes) / min(sizes) <= 1 + 2 * TOLERANCE
    return "\n".join([*lines, "", sentence(first, tests, corrected, len(common), task, alike)] if tests else lines)


def _rate(cell, trials):
    """Return the rate of a cell, or the rates where each fold chose its own, and how many were tried."""
    tried, chosen = {}, {}
    for trial in trials:
        if trial["cell"] == cell:
            found = tried if trial["seed"] == SEARCH_SEED else chosen
            found.setdefault(trial.get("fold"), set()).add(trial["rate"])
    rates = sorted(set.union(*chosen.values()))
    edge = any(own & {min(tried[fold]), max(tried[fold])} for fold, own in chosen.items())
    number = max(map(len, tried.values()))
    return f"{', '.join(f'{rate:g}' for rate in rates)} ({number}{' at the edge' if edge else ''})"


def _interval(bounds):
    return f"{100 * bounds[0]:+.2f} to {100 * bounds[1]:+.2f}"


def over_seeds(rates):
    """Return Student's 95 % interval of a mean."""
    reach = stats.t.ppf(0.975, len(rates) - 1) * statistics.stdev(rates) / len(rates) ** 0.5
    return statistics.mean(rates) - reach, statistics.mean(rates) + reach


def compared(own, others):
    """Return a cell's difference from another: intervals of the mean over seeds, and by speaker; and both tests' p."""
    apart = [pooled(one["test"]) - pooled(other["test"]) for one, other in zip(own, others, strict=True)]
    speakers = sorted(own[0]["test"])
    errors = [
        sum(one["test"][s][0] - other["test"][s][0] for one, other in zip(own, others, strict=True)) for s in speakers
    ]
    sizes = [sum(one["test"][s][1] for one in own) for s in speakers]
    interval, p = bootstrap.difference(errors, sizes, seeds.generator(1, "bootstrap")) or ((-1.0, 1.0), 1.0)
    same = len(set(apart)) == 1
    p_seeds = float(apart[0] == 0) if same else float(stats.ttest_1samp(apart, 0).pvalue)
    return {
        "seeds": over_seeds(apart),
        "p_seeds": p_seeds,
        "speakers": interval,
        "p_speakers": p,
        "mean": statistics.mean(apart),
    }


def holm(values):
    """Return p-values corrected for their number, by Holm's method."""
    found, largest = {}, 0.0
    for place, (name, p) in enumerate(sorted(values.items(), key=lambda pair: pair[1])):
        largest = max(largest, min(1.0, (len(values) - place) * p))
        found[name] = largest
    return found


def sentence(first, tests, corrected, number, task, alike):
    """Return what the comparison allows to say, and no more."""
    groups = {"fewer errors than": [], "more errors than": [], "no established difference from": []}
    for cell, found in tests.items():
        known = corrected[cell] < LEVEL
        groups[("fewer" if found["mean"] < 0 else "more") + " errors than" if known else list(groups)[2]].append(cell)
    said = "; ".join(f"{what} {first}: {', '.join(some)}" for what, some in groups.items() if some)
    what = "units" if task == "ctc" else task
    sizes = "equal" if alike else "different"
    return (
        f"In {what} of the test set's speakers, over {number} seeds, with {sizes} numbers of parameters and a learning "
        f"rate of its own for each cell: {said}. Other sizes, corpora and lengths of training may order them otherwise."
    )
