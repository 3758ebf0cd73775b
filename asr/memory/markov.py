"""A recurrent network whose weights are set by hand computes the forward pass of a GMM-HMM.

The model goes from left to right: a state follows itself or the state before, and log α is

    u_j(t) = ℓ_j(t) + p + φ(s − p)     p = u_{j−1}(t−1) + log a_{j−1,j},  s = u_j(t−1) + log a_{jj}

with φ(x) = log(1 + exp x), softplus, and ℓ_j the log-likelihood of the frame in state j. Three units a state do it in
one step of a simple recurrent network, h' = φ(W x + U h + b): φ(s − p), φ(ℓ + p) and φ(−ℓ − p), since φ(y) − φ(−y) = y
makes a linear part of two softpluses, so that u = h₁ + h₂ − h₃. The same identity adds the components of a mixture, two
at a time, in layers without recurrent weights. So softplus is the only nonlinearity, but for the squares of the
features, which are given beside them, as is an input that is 1 at the first frame. Units that saturate, tanh and the
logistic function, cannot do it: log α has no bounds. A state with more predecessors needs more steps a frame, or units
exp and log, for which log Σ exp is one step.

With relu in its place, p + φ(s − p) is the larger of p and s, and the same weights find the score of the best path,
Viterbi's; that network is the cell `rnn` of `asr.cells`. Back-propagation through the first is the backward pass: the
gradients by ℓ are the posteriors of the states. In Bridle's network, whose loop is linear, likelihoods multiply.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from asr.memory import drawing
from asr.memory.experiment import Case, Experiment, Observation, Settings, TableRow, Trial
from asr.support.seeds import generator

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = npt.NDArray[np.float64]
FAR = 1e5  # −FAR is as good as log 0: exp(−745) is 0 in double precision


class MarkovModel(NamedTuple):
    """States from left to right, with mixtures of Gaussians of diagonal covariance.

    Attributes:
        stay: (J,), a_jj; 1 in the last state, which is where an utterance ends.
        weights: (J, M), of the mixtures; M is a power of two.
        means: (J, M, D).
        variances: (J, M, D).
    """

    stay: Array
    weights: Array
    means: Array
    variances: Array


def draw(
    stream: np.random.Generator, states: int, mixtures: int, features: int, frames: int
) -> tuple[MarkovModel, Array]:
    """Return a random model and an utterance (T, D) of its own that ends in the last state."""
    stay = np.append(stream.uniform(0.6, 0.95, states - 1), 1.0)
    size = states, mixtures, features
    weights = stream.dirichlet(np.ones(mixtures), states)
    model = MarkovModel(stay, weights, 1.5 * stream.standard_normal(size), stream.uniform(0.5, 1.5, size))
    # The states' beginnings, in order: some path, likely or not.
    begin = np.sort(stream.choice(np.arange(1, frames), states - 1, replace=False))
    state = np.searchsorted(begin, np.arange(frames), side="right")
    part = (stream.random(frames)[:, None] > weights.cumsum(1)[state]).sum(1).clip(max=mixtures - 1)
    noise = stream.standard_normal((frames, features))
    return model, model.means[state, part] + noise * np.sqrt(model.variances[state, part])


def forward_backward(model: MarkovModel, features: Array) -> tuple[Array, Array, Array]:
    """Return log α, posteriors and ℓ, (T, J) each, by the algorithms of the textbook, for any transitions.

    Source: L. Rabiner, "A tutorial on hidden Markov models", Proceedings of the IEEE 77(2), 1989, equations 19–27.
    """
    distance = (features[:, None, None] - model.means) ** 2 / model.variances
    densities = -0.5 * (distance + np.log(2 * np.pi * model.variances)).sum(3)
    likelihoods = np.logaddexp.reduce(densities + np.log(model.weights), axis=2)
    moves, none = transitions(model), np.full(len(model.stay) - 1, -np.inf)
    alpha, beta = [np.append(likelihoods[0, 0], none)], [np.append(none, 0.0)]
    for now in likelihoods[1:]:
        alpha.append(np.logaddexp.reduce(alpha[-1][:, None] + moves, axis=0) + now)
    for later in likelihoods[:0:-1]:
        beta.append(np.logaddexp.reduce(moves + later + beta[-1], axis=1))
    log_alphas = np.array(alpha)
    return log_alphas, np.exp(log_alphas + np.array(beta[::-1]) - log_alphas[-1, -1]), likelihoods


def transitions(model: MarkovModel) -> Array:
    """Return log a, (J, J), from row to column."""
    with np.errstate(divide="ignore"):
        moves: Array = np.log(np.diag(model.stay) + np.diag(1 - model.stay[:-1], 1))
    return moves


def viterbi(model: MarkovModel, likelihoods: Array) -> Array:
    """Return the scores of the best paths to each state, (T, J), −inf where there is none."""
    moves = transitions(model)
    scores = [np.append(likelihoods[0, 0], np.full(len(model.stay) - 1, -np.inf))]
    for now in likelihoods[1:]:
        scores.append((scores[-1][:, None] + moves).max(0) + now)
    return np.array(scores)


def run(settings: Settings, seed: int) -> Observation:
    """Return the largest differences between the network and the algorithms, and curves for the picture."""
    from asr.memory import alpha_net as net

    sizes = (settings[key] for key in ("states", "mixtures", "features", "frames"))
    model, features = draw(generator(seed, "markov"), *sizes)
    expected, gamma, of_frames = forward_backward(model, features)
    likelihoods = net.log_likelihoods(net.SOFTPLUS, model, features)
    found, best = net.log_alpha(net.SOFTPLUS, model, likelihoods), net.best_path(model, likelihoods)
    return {
        "mixtures": float(np.abs(likelihoods - of_frames).max()),
        "log alpha": _largest(found, expected),
        "posteriors": float(np.abs(net.posteriors(model, likelihoods) - gamma).max()),
        "best path": _largest(best, viterbi(model, of_frames)),
        "network": np.exp(found - np.logaddexp.reduce(found, axis=1, keepdims=True))[:SHOWN].round(5).tolist(),
        "algorithm": np.exp(expected - np.logaddexp.reduce(expected, axis=1, keepdims=True))[:SHOWN].round(5).tolist(),
        "units": 3 * settings["states"],
    }


def _largest(found: Array, expected: Array) -> float:
    """Return the largest difference where there is a path to the state; the network is to know where there is none."""
    there = np.isfinite(expected)
    if (found[~there] > -FAR / 2).any():
        return float("inf")
    return float(np.abs(found - expected)[there].max())


SHOWN = 100  # frames


def summary(trials: Sequence[Trial]) -> list[TableRow]:
    """Return the largest differences of each case, over all seeds, frames and states."""
    rows = []
    for name, mine in groupby(trials, lambda trial: trial.case.name):
        some = list(mine)
        worst = {key: max(trial.observed[key] for trial in some) for key in ("log alpha", "posteriors", "best path")}
        rows.append(
            TableRow(
                name,
                "largest difference: " + ", ".join(f"{key} {value:.0e}" for key, value in worst.items()),
                some[0].case.published,
                solved=sum(max(trial.observed[key] for key in worst) < EQUAL for trial in some),
                trials=len(some),
                remark=f"{some[0].observed['units']} softplus units in the loop",
            )
        )
    return rows


def picture(axes: "Axes", trials: Sequence[Trial]) -> None:
    """Draw the states' shares of α over time, by the network and by the algorithm."""
    seen = trials[0].observed
    network, algorithm = np.array(seen["network"]), np.array(seen["algorithm"])
    colors = (drawing.BLUE, drawing.ORANGE, drawing.GREEN, drawing.PINK, drawing.RED)
    for state in range(network.shape[1]):
        color = colors[state % len(colors)]
        axes.plot(100 * network[:, state], color=color, linewidth=1.5, label="network" if not state else None)
        axes.plot(
            *(np.arange(0, len(algorithm), 2), 100 * algorithm[::2, state]),
            "o",
            color=color,
            markersize=4,
            markerfacecolor="white",
            label="forward algorithm" if not state else None,
        )
        axes.text(int(network[:, state].argmax()), 104, str(state + 1), color=color, fontsize=9)
    axes.text(0, 112, "state", fontsize=8)
    axes.set_ylim(0, 120)
    axes.set_yticks([0, 50, 100])
    axes.legend(loc="center right", fontsize=8)
    drawing.titled(axes, "", "frame", "share of the state, given the\nframes so far, in %")


EQUAL = 1e-6
CLAIM = "the same computation (multiplying units)"
CASES = (
    Case("5 states, 100 frames", {"states": 5, "mixtures": 4, "features": 2, "frames": 100}, CLAIM, 3, 20),
    Case("9 states, 1000 frames", {"states": 9, "mixtures": 4, "features": 13, "frames": 1000}, CLAIM, 3, 20),
)

EXPERIMENT = Experiment(
    title="A hidden Markov model inside a network",
    claim="The forward pass of a hidden Markov model is that of a recurrent network, and its backward pass "
    "back-propagation; with softplus units, a simple recurrent network does it in the log domain.",
    source="J. Bridle, \"Alpha-nets: a recurrent 'neural' network architecture with a hidden Markov model "
    'interpretation", Speech Communication 9(1), 1990.',
    cases=CASES,
    run=run,
    summary=summary,
    picture=picture,
    size=(7.5, 3.0),
)
