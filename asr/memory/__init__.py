"""`asr memory`: experiments of the literature on what recurrent networks remember, each beside its published figures.

An experiment is a file here that ends in `EXPERIMENT = Experiment(…)` (`asr/memory/experiment.py`), and a line in the
table below. Its trials, one for each case and seed, run in processes of their own and are stored one by one
(`trials.py`); tables, page and pictures are made of what is stored (`overview.py`).
"""

from asr.memory import (
    adding,
    carousel,
    cliff,
    copying,
    delay_lines,
    first_symbol,
    gradient_flow,
    latch,
    markov,
    one_zero,
    order,
    reber,
    spikes,
    timer,
    two_sequences,
)
from asr.memory.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    "gradient-flow": gradient_flow.EXPERIMENT,
    "carousel": carousel.EXPERIMENT,
    "cliff": cliff.EXPERIMENT,
    "hidden-markov": markov.EXPERIMENT,
    "latch": latch.EXPERIMENT,
    "timer": timer.EXPERIMENT,
    "one-zero": one_zero.EXPERIMENT,
    "delay-lines": delay_lines.EXPERIMENT,
    "reber": reber.EMBEDDED,
    "first-symbol": first_symbol.EXPERIMENT,
    "two-sequences": two_sequences.EXPERIMENT,
    "adding": adding.SUM,
    "multiplying": adding.PRODUCT,
    "order": order.EXPERIMENT,
    "continual-reber": reber.CONTINUAL,
    "spikes": spikes.EXPERIMENT,
    "copying": copying.EXPERIMENT,
}
