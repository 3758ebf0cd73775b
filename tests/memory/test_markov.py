"""A network with weights set by hand beside sums over all paths, which no recursion shares."""

from itertools import product

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from asr.memory import alpha_net, markov


@pytest.fixture(scope="module")
def small():
    model, features = markov.draw(np.random.default_rng(5), 3, 4, 2, 6)
    density = np.array(
        [
            [
                sum(
                    weight * multivariate_normal.pdf(x, mean, np.diag(variance))
                    for weight, mean, variance in zip(model.weights[j], model.means[j], model.variances[j], strict=True)
                )
                for j in range(3)
            ]
            for x in features
        ]
    )
    moves = np.exp(markov.transitions(model))
    paths = {}
    for path in product(range(3), repeat=6):
        if path[0] == 0 and path[-1] == 2:
            moved = np.prod([moves[i, j] for i, j in zip(path, path[1:], strict=False)])
            if moved:
                paths[path] = moved * np.prod(density[np.arange(6), path])
    return model, features, density, paths


def test_the_network_sums_over_all_paths(small):
    model, features, density, paths = small
    likelihoods = alpha_net.log_likelihoods(alpha_net.SOFTPLUS, model, features)
    np.testing.assert_allclose(likelihoods, np.log(density), rtol=0, atol=1e-12)
    total = alpha_net.log_alpha(alpha_net.SOFTPLUS, model, likelihoods)[-1, -1]
    assert total == pytest.approx(np.log(sum(paths.values())), abs=1e-10)


def test_back_propagation_gives_the_posteriors(small):
    model, features, _, paths = small
    expected = np.zeros((6, 3))
    for path, probability in paths.items():
        expected[np.arange(6), path] += probability / sum(paths.values())
    found = alpha_net.posteriors(model, alpha_net.log_likelihoods(alpha_net.SOFTPLUS, model, features))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_with_relu_it_finds_the_best_path(small):
    model, features, density, paths = small
    score = alpha_net.best_path(model, np.log(density))[-1, -1]
    assert score == pytest.approx(np.log(max(paths.values())), abs=1e-9)


def test_it_equals_the_algorithms_over_hundreds_of_frames():
    found = markov.run({"states": 6, "mixtures": 2, "features": 3, "frames": 300}, 1)
    assert max(found[key] for key in ("mixtures", "log alpha", "posteriors", "best path")) < 1e-8


def test_a_state_that_nothing_leads_to_is_told_from_others():
    expected = np.array([[0.0, -np.inf]])
    assert markov._largest(np.array([[1e-9, -markov.FAR]]), expected) == pytest.approx(1e-9)
    assert markov._largest(np.array([[0.0, -50.0]]), expected) == float("inf")
