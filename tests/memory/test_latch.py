"""Bengio's latch, beside our own cell and autograd."""

import numpy as np
import pytest
import torch

from asr.cells import CELLS
from asr.memory import latch


def test_states_and_gradients_are_those_of_our_own_cell():
    """Two networks of two classes are four utterances of two layers of one unit."""
    stream = np.random.default_rng(1)
    weight, inputs = np.array([0.7, 1.8]), stream.standard_normal((6, 2, 2))
    by_weight, by_inputs = latch.gradients(weight, inputs, latch.TARGETS)
    for network in range(2):
        layer = CELLS["rnn"](1, 1, "forward").double()
        with torch.no_grad():
            for name, parameter in layer.named_parameters():
                parameter.fill_({"weight_ih_l0": 1.0, "weight_hh_l0": weight[network]}.get(name, 0.0))
        x = torch.tensor(inputs[:, :, network].T[:, :, None], requires_grad=True)  # (classes, T, 1)
        outputs = layer(x, torch.full((2,), 6))[:, -1]
        (0.5 * (outputs - torch.tensor(latch.TARGETS)) ** 2).sum().backward()
        np.testing.assert_allclose(latch.states(weight, inputs)[-1, :, network], outputs[:, 0].detach(), rtol=1e-6)
        np.testing.assert_allclose(by_inputs[:, :, network], x.grad[:, :, 0].T, rtol=1e-5, atol=1e-9)
        found = dict(layer.named_parameters())["weight_hh_l0"].grad.item()
        assert by_weight[network] == pytest.approx(found, rel=1e-5)


def test_a_short_time_is_learned_and_a_long_one_is_not():
    settings = {"noise": 0.2, "weight": 1.25, "rate": 0.1, "updates": 200, "networks": 30}
    short, long = (latch.run(settings | {"frames": frames}, 1)["solved"] for frames in (5, 80))
    assert long < 8 < 25 < short
