"""Networks that learn the timer (`timer.py`): with fixed recurrent weights by regression, else by Adam."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from asr.cells import CELLS
from asr.cells.layer import Layer
from asr.memory.experiment import Settings
from asr.memory.timer import WASHOUT, Values, draw
from asr.support.seeds import generator, integer

BATCH, FRAMES, RATE = 16, 100, 0.01
RADIUS = 0.95


def learned(settings: Settings, seed: int) -> tuple[Layer, nn.Linear]:
    """Return a layer and its readout that have learned the timer.

    Args:
        settings: `cell`, `hidden`, and `updates` of Adam; without them `frames` and `ridge` of the regression.
        seed: Of weights and sequences.
    """
    fixed = {} if settings["updates"] else {"radius": RADIUS}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "weights"))
        layer = CELLS[settings["cell"]](2, settings["hidden"], "forward", **fixed)
        readout = nn.Linear(settings["hidden"], 1)
        if fixed:
            _scatter(layer)
    if fixed:
        _regress(layer, readout, settings, seed)
    else:
        _train(layer, readout, settings["updates"], seed)
    return layer, readout


def _scatter(layer: Layer) -> None:
    """Give a reservoir's units inputs and biases of size 1: they are to differ."""
    for name, parameter in layer.named_parameters():
        if name != "weight_hh_l0":
            parameter.data.uniform_(-1, 1)
        parameter.requires_grad_(False)


def _regress(layer: Layer, readout: nn.Linear, settings: Settings, seed: int) -> None:
    inputs, targets, _ = draw(generator(seed, "training"), settings["frames"])
    states = np.concatenate([_states(layer, inputs), np.ones((len(inputs), 1))], axis=1)
    states, targets = states[WASHOUT:], targets[WASHOUT:]
    ridge = settings["ridge"] * len(states) * np.eye(states.shape[1])
    weights = torch.tensor(np.linalg.solve(states.T @ states + ridge, states.T @ targets), dtype=torch.float32)
    readout.weight.data[0], readout.bias.data[0] = weights[:-1], weights[-1]


def _train(layer: Layer, readout: nn.Linear, updates: int, seed: int) -> None:
    parameters = [*layer.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    for update in range(updates):
        stream = generator(seed, "training", update)
        drawn = [draw(stream, FRAMES)[:2] for _ in range(BATCH)]
        inputs, targets = (torch.tensor(np.stack(one), dtype=torch.float32) for one in zip(*drawn, strict=True))
        optimizer.zero_grad()
        F.mse_loss(_outputs(layer, readout, inputs), targets).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()


def outputs(layer: Layer, readout: nn.Linear, inputs: Values) -> Values:
    """Return the outputs (T,) for inputs (T, 2)."""
    with torch.no_grad():
        found: Values = _outputs(layer, readout, torch.tensor(inputs, dtype=torch.float32)[None])[0].double().numpy()
    return found


def _outputs(layer: Layer, readout: nn.Linear, inputs: Tensor) -> Tensor:
    found: Tensor = readout(layer(inputs, torch.full((len(inputs),), inputs.shape[1])))[:, :, 0]
    return found


def _states(layer: Layer, inputs: Values) -> Values:
    with torch.no_grad():
        found: Values = (
            layer(torch.tensor(inputs, dtype=torch.float32)[None], torch.tensor([len(inputs)]))[0].double().numpy()
        )
    return found


def trained(layer: Layer, readout: nn.Linear) -> int:
    """Return how many weights were trained."""
    return sum(one.numel() for one in [*layer.parameters(), *readout.parameters()] if one.requires_grad)
