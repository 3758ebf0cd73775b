"""The error surface of one unit, beside our own cell and the lines that the equations predict."""

import numpy as np
import pytest
import torch

from asr.cells import CELLS
from asr.memory import cliff


@pytest.mark.parametrize(("w", "b"), [(4.3, -2.1), (5.0, -2.7), (3.0, 1.0), (6.0, -3.1)])
def test_it_is_the_surface_of_our_own_cell(w, b):
    """σ(x) = (1 + tanh(x / 2)) / 2; the first state comes by the input."""
    layer = CELLS["rnn"](1, 1, "forward").double()
    wb = torch.tensor([w, b], dtype=torch.float64, requires_grad=True)
    inputs = torch.zeros(1, cliff.STEPS, 1, dtype=torch.float64)
    inputs[0, 0, 0] = 1.0
    weights = {
        "weight_ih_l0": (wb[0] / 4 * np.tanh(cliff.START / 2)).view(1, 1),
        "weight_hh_l0": (wb[0] / 4).view(1, 1),
        "bias_ih_l0": (wb[0] / 4 + wb[1] / 2).view(1),
        "bias_hh_l0": torch.zeros(1, dtype=torch.float64),
    }
    h = torch.func.functional_call(layer, weights, (inputs, torch.tensor([cliff.STEPS])))[0, -1, 0]
    error = (0.5 + h / 2 - cliff.TARGET) ** 2
    (gradient,) = torch.autograd.grad(error, wb)
    np.testing.assert_allclose(cliff.surface(w, b), [error.item(), *gradient], rtol=1e-6, atol=1e-12)


def test_the_wall_and_the_valley_are_where_the_equations_say():
    w = np.array([5.0, 6.0])
    wall = cliff.START - w * cliff.sigmoid(np.array(cliff.START))
    left, right = (cliff.surface(w, wall + shift)[0] for shift in (-1e-3, 1e-3))
    assert (left - right > 0.2).all()
    assert cliff.surface(4.3, np.log(0.7 / 0.3) - 0.7 * 4.3)[0] == pytest.approx(0, abs=1e-4)


def test_a_clipped_step_is_never_longer_than_rate_times_clip():
    settings = {"rate": 0.1, "clip": 0.5, "updates": 300, "starts": 20}
    clipped, plain = (cliff.run(settings | {"clip": clip}, 1) for clip in (0.5, 0.0))
    assert max(clipped["longest"]) <= 0.05 + 1e-12 < 1 < max(plain["longest"])
    assert clipped["solved"] > plain["solved"]
