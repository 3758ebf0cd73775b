"""The error signal of a network's first layer, seen from outside any cell (`gradient_flow.py` says what it is)."""

from typing import Any

import torch
from torch import Tensor

from asr.memory import recall
from asr.memory.recall import RecallNet
from asr.support.seeds import generator


def flow(net: RecallNet, lag: int, seed: int) -> list[float]:
    """Return the mean norm of the error signal at distances 0 … lag, over 64 sequences, as shares of that at 0."""
    norms = error_signals(net, *recall.draw(generator(seed, "flow"), 64, lag)).norm(dim=2).mean(0).flip(0)
    return [float(f"{norm:.6g}") for norm in norms / norms[0]]


def error_signals(net: RecallNet, inputs: Tensor, signs: Tensor) -> Tensor:
    """Return the loss's gradients with respect to the first layer's net inputs, (B, T, rows), in double precision.

    Args:
        net: In single precision; it is copied.
        inputs: (B, T, 1).
        signs: (B,).
    """
    weights: dict[str, Any] = dict(net.state_dict())
    name = next(name for name in weights if name.startswith("layers.0.weight_ih"))
    rows = len(weights[name])
    weights[name] = torch.cat([weights[name], torch.eye(rows)], dim=1)
    probed = RecallNet(net.cell, net.hidden, len(net.layers), 0, net.options, 1 + rows)
    probed.load_state_dict(weights)
    probes = torch.zeros(*inputs.shape[:2], rows, dtype=torch.float64, requires_grad=True)
    value = recall.loss(probed.double(), torch.cat([inputs.double(), probes], dim=2), signs.double()) * len(inputs)
    return torch.autograd.grad(value, probes)[0]


def spectral_norm(net: RecallNet) -> float | None:
    """Return ‖U‖, the base of the bound with γ = 1; None for cells that are not simple ones."""
    if net.cell != "rnn":
        return None
    return float(torch.linalg.matrix_norm(net.state_dict()["layers.0.weight_hh_l0"].double(), 2))
