import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoders.greedy import Greedy
from asr.decoders.hypothesis import Hypothesis, collapse


def certain(path, units=4):
    """Log-probs that leave one path."""
    log_probs = np.full((len(path), units), -np.inf)
    log_probs[np.arange(len(path)), path] = 0.0
    return log_probs


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 4))
def test_the_labelling_is_that_of_the_best_of_all_paths(seed, frames, units):
    log_probs = np.log(np.random.default_rng(seed).dirichlet(np.ones(units), frames))
    scores = {
        path: sum(log_probs[t, u] for t, u in enumerate(path))
        for path in itertools.product(range(units), repeat=frames)
    }
    best = max(scores, key=scores.__getitem__)
    (found,) = Greedy()(log_probs)
    assert found.ids == collapse(best)
    assert found.score == found.acoustic == pytest.approx(scores[best])


def test_repeats_collapse_and_a_blank_between_them_keeps_both():
    (found,) = Greedy()(certain([1, 1, 0, 1, 2, 2, 0]))
    assert found.ids == (1, 1, 2)
    assert found.frames == ((0, 2), (3, 4), (4, 6))
    assert found.language == 0.0


def test_the_first_of_equal_units_is_taken():
    assert Greedy()(np.zeros((3, 4)))[0].ids == ()
    tied = certain([1])
    tied[0, 2] = 0.0
    assert Greedy()(tied)[0].ids == (1,)


@pytest.mark.parametrize("path", [[], [0], [0, 0, 0]])
def test_nothing_said_is_the_empty_labelling(path):
    assert Greedy()(certain(path)) == [Hypothesis((), 0.0)]


@pytest.mark.parametrize(
    ("path", "labelling"),
    [([], ()), ([0, 0], ()), ([1, 1], (1,)), ([1, 0, 1], (1, 1)), ([0, 2, 2, 1, 0], (2, 1)), ([3, 1, 3], (3, 1, 3))],
)
def test_collapsing_merges_repeats_then_drops_blanks(path, labelling):
    assert collapse(path) == labelling
