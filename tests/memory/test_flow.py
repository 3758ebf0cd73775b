"""How much error flows back, beside what autograd and the bound say."""

import numpy as np
import pytest
import torch

from asr.cells import CELLS
from asr.memory import error_signal, gradient_flow, recall
from asr.memory.recall import RecallNet


def test_the_error_signal_of_simple_units_is_that_of_autograd():
    net = RecallNet("rnn", 5, 1, 1, {})
    inputs, signs = recall.draw(np.random.default_rng(0), 3, 7)
    found = error_signal.error_signals(net, inputs, signs)
    w, u, b, c = (
        net.state_dict()[f"layers.0.{name}_l0"].double() for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    out = {name: value.double() for name, value in net.output.state_dict().items()}
    sums, h = [], torch.zeros(3, 5, dtype=torch.float64)
    for x in inputs.double().unbind(1):
        sums.append((x @ w.T + h @ u.T + b + c).requires_grad_())
        h = torch.tanh(sums[-1])
    loss = torch.nn.functional.softplus(-signs * (h @ out["weight"].T + out["bias"])[:, 0]).sum()
    expected = torch.stack(torch.autograd.grad(loss, sums), dim=1)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", gradient_flow.CELLS_SHOWN)
def test_every_cell_has_a_curve(name):
    settings = dict(next(case.settings for case in gradient_flow.CASES if case.name == name), lag=6, steps=1)
    found = gradient_flow.run(settings, 1)
    for when in ("before", "after"):
        assert found[when][0] == 1 and len(found[when]) == 7
        assert np.isfinite(found[when]).all()
    if "norm before" in found and found["norm before"]:
        assert gradient_flow.within_bound(found)


def test_the_bound_is_reached_by_units_that_are_nearly_linear():
    net = RecallNet("rnn", 4, 1, 1, {"identity": 0.9})
    inputs = torch.full((2, 21, 1), 1e-6)
    norms = error_signal.error_signals(net, inputs, torch.ones(2)).norm(dim=2)[0].flip(0)
    torch.testing.assert_close(norms / norms[0], 0.9 ** torch.arange(21).double(), rtol=1e-5, atol=0)
    assert not gradient_flow.within_bound(
        {"before": [1.0, 0.91], "after": [1.0, 0.5], "norm before": 0.9, "norm after": 0.9}
    )


def test_a_trained_network_recalls():
    net = RecallNet("gru", 6, 1, 1, {})
    untrained = recall.right(net, 3, 1, 200)
    recall.train(net, (1, 3), 40, 1)
    assert untrained < 0.9 < recall.right(net, 3, 1, 200)


def test_every_cell_of_the_table_is_shown():
    assert {cell for cell, *_ in gradient_flow.CELLS_SHOWN.values()} == set(CELLS)
