"""`asr memory`: experiments of the literature on what recurrent networks remember, each beside its published figures.

An experiment is a file here that ends in `EXPERIMENT = Experiment(…)` (`asr/memory/experiment.py`), and a line in the
table below. Its trials, one for each case and seed, run in processes of their own and are stored one by one
(`trials.py`); tables, page and pictures are made of what is stored (`overview.py`).
"""

from asr.memory import adding, carousel, cliff, gradient_flow, markov
from asr.memory.experiment import Experiment

EXPERIMENTS: dict[str, Experiment] = {
    "gradient-flow": gradient_flow.EXPERIMENT,
    "carousel": carousel.EXPERIMENT,
    "cliff": cliff.EXPERIMENT,
    "hidden-markov": markov.EXPERIMENT,
    "adding": adding.SUM,
    "multiplying": adding.PRODUCT,
}
