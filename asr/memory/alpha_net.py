"""Weights, set by hand, of the network that is a hidden Markov model (`markov.py` says why they do it)."""

import numpy as np
import torch

from asr.cells import CELLS, reference
from asr.cells.arrays import Array, Weights
from asr.cells.equations import Equations, Values
from asr.memory.markov import FAR, MarkovModel


def softplus(sums: tuple[Values, ...], h: Values) -> tuple[tuple[Values, ...], Values, Values]:
    """Return the sum, and the output twice: it is the state."""
    h = np.logaddexp(0.0, sums[0])
    return sums, h, h


def softplus_back(
    saved: tuple[Values, ...], previous: Values, h: Values, dh: Values, dstate: Values
) -> tuple[tuple[Values, ...], Values]:
    """Return the gradient with respect to the sum; none flows past it."""
    return (dh * (np.tanh(saved[0] / 2) / 2 + 0.5),), dstate


SOFTPLUS = Equations(softplus, softplus_back, sums=1, inputs=1, recurrent=1)


def by_pairs(count: int) -> tuple[Array, Array]:
    """Return weights (3 K / 2, K) of the units that add K logarithms in pairs, and those (K / 2, 3 K / 2) of the sums.

    Of neighbors a and b, the units are φ(b − a), φ(a) and φ(−a).
    """
    eye = np.eye(count // 2)
    first, second = np.kron(eye, [[1.0, 0.0]]), np.kron(eye, [[0.0, 1.0]])
    return np.concatenate([second - first, first, -first]), np.concatenate([eye, eye, -eye], axis=1)


def components(model: MarkovModel) -> tuple[Array, Array]:
    """Return weights (J M, 2 D) of (x, x²) and biases that make log(weight · density) of each component."""
    means, variances = (one.reshape(-1, one.shape[2]) for one in (model.means, model.variances))
    bias = np.log(model.weights).ravel() - 0.5 * (means**2 / variances + np.log(2 * np.pi * variances)).sum(1)
    return np.concatenate([means / variances, -0.5 / variances], axis=1), bias


def loop(model: MarkovModel) -> tuple[Weights, Array]:
    """Return the recurrent layer's weights, for inputs (ℓ, 1 at the first frame), and the weights (J, 3 J) of log α."""
    count = len(model.stay)
    eye, first = np.eye(count), np.arange(count) == 0
    of_outputs = np.concatenate([eye, eye, -eye], axis=1)
    before = np.eye(count, k=-1)
    before[0, 0] = 1.0  # the first state has none before it: p is its own, and s − p is far below 0
    log_p = np.log(np.where(first, model.stay, 1 - np.roll(model.stay, 1)))
    log_s = np.where(first, log_p - FAR, np.log(model.stay))
    # At the first frame, h = 0 stands for log α = 0 in all states; it is to be so before the first state only.
    start = np.where(first, -log_p, -FAR)
    by_frame = np.concatenate([np.full(count, -FAR), start, -start])
    by_likelihood = np.concatenate([np.zeros((count, count)), eye, -eye])
    recurrent = np.concatenate([eye - before, before, -before]) @ of_outputs
    inputs = np.concatenate([by_likelihood, by_frame[:, None]], axis=1)
    return Weights(inputs, recurrent, np.concatenate([log_s - log_p, log_p, -log_p])), of_outputs


def log_likelihoods(equations: Equations, model: MarkovModel, features: Array) -> Array:
    """Return ℓ, (T, J), of features (T, D), by layers that add the components in pairs."""
    of_inputs, bias = components(model)
    values = np.concatenate([features, features**2], axis=1) @ of_inputs.T + bias
    while values.shape[1] > len(model.stay):
        units, sums = by_pairs(values.shape[1])
        layer = Weights(units, np.zeros((len(units), len(units))), np.zeros(len(units)))
        values = reference.forward(equations, values, layer)[0] @ sums.T
    return values


def log_alpha(equations: Equations, model: MarkovModel, likelihoods: Array) -> Array:
    """Return log α, (T, J), of log-likelihoods (T, J), by the recurrent layer."""
    weights, of_outputs = loop(model)
    return reference.forward(equations, with_start(likelihoods), weights)[0] @ of_outputs.T


def with_start(likelihoods: Array) -> Array:
    """Return log-likelihoods and an input that is 1 at the first frame."""
    return np.concatenate([likelihoods, np.eye(len(likelihoods), 1)], axis=1)


def posteriors(model: MarkovModel, likelihoods: Array) -> Array:
    """Return the gradients of the utterance's log-likelihood by ℓ, (T, J), by back-propagation."""
    weights, of_outputs = loop(model)
    outputs, saved = reference.forward(SOFTPLUS, with_start(likelihoods), weights)
    by_outputs = np.zeros_like(outputs)
    by_outputs[-1] = of_outputs[-1]
    return reference.backward(SOFTPLUS, with_start(likelihoods), weights, saved, by_outputs)[0][:, :-1]


def best_path(model: MarkovModel, likelihoods: Array) -> Array:
    """Return the scores of the best paths to each state, (T, J), by a layer of the cell `rnn` with relu."""
    weights, of_outputs = loop(model)
    layer = CELLS["rnn"](weights.inputs.shape[1], len(weights.inputs), "forward", activation="relu").double()
    values = *(torch.tensor(one) for one in weights), torch.zeros(len(weights.bias))
    layer.load_state_dict(dict(zip(layer.state_dict(), values, strict=True)))
    inputs = torch.tensor(with_start(likelihoods))[None]
    with torch.no_grad():
        outputs: Array = layer(inputs, torch.tensor([len(likelihoods)]))[0].numpy()
    return outputs @ of_outputs.T
