"""Whether a run learned anything at all; a run can finish without an error and still be useless."""

import math
from pathlib import Path

from asr import bundle
from asr.bundle import Bundle
from asr.evaluation import results
from asr.evaluation.results import BEST

MIN_WEIGHT_CHANGE = 0.01  # relative; a good run changes its weights several times over, its first epoch by over a tenth
MAX_ERROR_RATE = 0.99


def nothing_learned(out: Path) -> str:
    """Return, in one line, why a run's best system is useless and what to do; empty if it learned something.

    Args:
        out: The folder of a run of which at least one epoch is done.

    Raises:
        BundleError: The best system cannot be loaded.
        InputError: The epochs' records cannot be read.
    """
    system = bundle.load(out / BEST)
    settings, rate, change = system.recipe.training, system.facts["dev"], weight_change(system)
    record = next((row for row in results.epochs(out) if row["epoch"] == system.facts["epoch"]), {})
    if change < MIN_WEIGHT_CHANGE:
        what = f"the weights changed by only {100 * change:.2g} %"
        remedy = f"raise training.learning_rate (now {settings.learning_rate:g}) or training.epochs ({settings.epochs})"
    elif rate >= MAX_ERROR_RATE:
        blank = f", with blank in {100 * record['blank']:.0f} % of the frames" if "blank" in record else ""
        what = f"the best dev error rate is {100 * rate:.1f} %{blank}"
        remedy = (
            f"train for more epochs (now {settings.epochs}), with smaller batches ({settings.batch}) or on more data"
        )
    else:
        return ""
    return f"{out}: nothing was learned ({what}); {remedy}; `asr doctor {out}` tells more"


def weight_change(system: Bundle) -> float:
    """Return how far training moved the weights, relative to the norm of the initial ones."""
    initial = bundle.build(system.recipe, system.normaliser.statistics).model.state_dict()
    change = sum(float((now - initial[name]).square().sum()) for name, now in system.model.state_dict().items())
    return math.sqrt(change / sum(float(tensor.square().sum()) for tensor in initial.values()))
