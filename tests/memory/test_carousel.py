"""What a unit keeps whose weights were set by hand."""

import numpy as np
import pytest
import torch

from asr.cells import CELLS
from asr.memory import carousel, one_unit

LONGEST = {"lstm-1997": 100, "lstm-depth-gated": 100}  # which run in torch, frame by frame


@pytest.mark.parametrize("cell", [cell for cell in one_unit.SUMS if cell != "rnn"])
def test_a_gated_unit_keeps_a_value_and_its_error_for_hundreds_of_frames(cell):
    found = carousel.run({"cell": cell, "weight": 0.0, "held": (1, 20, LONGEST.get(cell, 1000))}, 1)
    for value in carousel.VALUES:
        np.testing.assert_allclose(found["read"][str(value)], value, rtol=0, atol=2e-4)
        np.testing.assert_allclose(found["gradient"][str(value)], 1, rtol=0, atol=2e-4)


def test_a_simple_unit_forgets_as_the_inverse_square_root_or_keeps_the_sign():
    fading = carousel.run({"cell": "rnn", "weight": 1.0, "held": (1000,)}, 1)["read"]
    # dh/dt = −h³/3 has the solution h = (1/h₀² + 2 t / 3)^(−1/2)
    expected = (np.tanh(0.6) ** -2 + 2 / 3 * 1000) ** -0.5
    assert np.arctanh(expected) == pytest.approx(fading["0.6"][-1], rel=0.02)
    latched = carousel.run({"cell": "rnn", "weight": 1.5, "held": (1000,)}, 1)["read"]
    assert latched["0.2"][-1] == pytest.approx(latched["0.6"][-1], rel=1e-6)
    assert np.tanh(1.5 * np.tanh(latched["0.2"][-1])) == pytest.approx(np.tanh(latched["0.2"][-1]), rel=1e-3)


def test_the_gradient_is_that_of_finite_differences():
    layer, held = one_unit.by_hand("gru", 0.0), torch.tensor([20])
    gradient = one_unit.readings(layer, torch.tensor([0.3]), held, 1.0, 1)[1]
    above, below = (one_unit.readings(layer, torch.tensor([0.3 + d]).double(), held, 1.0, 1)[0] for d in (1e-5, -1e-5))
    assert gradient[0] == pytest.approx((above[0] - below[0]) / 2e-5, rel=1e-2)


def test_every_cell_with_a_carousel_is_there():
    assert set(one_unit.SUMS) == set(carousel.CELLS_SHOWN) == set(CELLS) - {"clockwork"}, (
        "a new cell: say what its sums are, or that it has none"
    )
