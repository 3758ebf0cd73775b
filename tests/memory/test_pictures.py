"""Tables and pictures of small trials: each says and shows what was observed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from asr.memory import EXPERIMENTS
from asr.memory.experiment import Trial
from asr.report import plots

pytest.importorskip("matplotlib")
SMALL = {
    "gradient-flow": {"lag": 50, "steps": 1},
    "carousel": {"held": [1, 1000]},
    "cliff": {"starts": 5, "updates": 20},
    "hidden-markov": {"frames": 60},
    "latch": {"networks": 5, "updates": 5},
    "timer": {"hidden": 20, "frames": 400},
    "one-zero": {"networks": 2, "updates": 2},
    "delay-lines": {"updates": 2},
}
FIRST = {"carousel": -1, "one-zero": -1}  # a case that is fast and in the picture


@pytest.fixture(scope="module", params=SMALL)
def drawn(request):
    experiment = EXPERIMENTS[request.param]
    case = experiment.cases[FIRST.get(request.param, 0)]
    case = replace(case, settings={**case.settings, **SMALL[request.param]})
    trial = Trial(case, 1, json.loads(json.dumps(experiment.run(case.settings, 1))), 1.0)
    figure = plots.new(*experiment.size)
    axes = figure.subplots()
    experiment.picture(axes, [trial])
    return experiment.summary([trial]), axes, case


def test_a_row_counts_its_trials(drawn):
    (row,), _, case = drawn
    assert row.case == case.name and row.published == case.published and row.ours
    assert row.solved is None or 0 <= row.solved <= row.trials >= 1


def test_a_picture_has_lines_and_labels(drawn):
    _, axes, _ = drawn
    for panel in axes.child_axes or [axes]:
        drawn_values = [np.asarray(line.get_ydata(orig=False), float) for line in panel.lines]
        assert panel.get_xlabel() and drawn_values
        assert all(len(values) and np.isfinite(values).all() for values in drawn_values)
