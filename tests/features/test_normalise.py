import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import AsrError
from asr.features.normalise import NORMALISERS, Normaliser, Statistics


def random(frames, seed=0, dimension=3):
    values = np.random.default_rng(seed).standard_normal((frames, dimension))
    return (values * [1, 5, 0.1] + [-60, 3, 15]).astype(np.float32)


def assert_standard(features):
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(features.std(axis=0), 1, atol=1e-4)


def test_mean_and_deviation_are_numpys():
    statistics = Statistics.of(random(500))
    np.testing.assert_allclose(statistics.mean, random(500).mean(axis=0, dtype=np.float64))
    np.testing.assert_allclose(statistics.std, random(500).std(axis=0, dtype=np.float64), rtol=1e-6)
    assert statistics.total.dtype == statistics.squares.dtype == np.float64


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_the_sum_of_two_sets_statistics_is_that_of_both(sizes):
    parts = [random(size, seed) for seed, size in enumerate(sizes)]
    statistics = [Statistics.of(part) for part in parts]
    together, whole = sum(statistics[1:], statistics[0]), Statistics.of(np.concatenate(parts))
    assert together.count == whole.count
    np.testing.assert_allclose(together.total, whole.total)
    np.testing.assert_allclose(together.squares, whole.squares)


def test_an_utterance_normalised_by_itself_has_mean_0_and_deviation_1():
    normalised = Normaliser("utterance")(random(200))
    assert normalised.dtype == np.float32
    assert_standard(normalised)


def test_an_utterance_does_not_look_at_the_speaker():
    other = Statistics.of(random(50, seed=1) + 9)
    np.testing.assert_array_equal(Normaliser("utterance")(random(200), other), Normaliser("utterance")(random(200)))


def test_a_speakers_utterances_together_have_mean_0_and_deviation_1():
    parts = [random(80), random(150, seed=1) + 2]
    speaker = Statistics.of(parts[0]) + Statistics.of(parts[1])
    normalised = [Normaliser("speaker")(part, speaker) for part in parts]
    assert_standard(np.concatenate(normalised))
    assert abs(normalised[0].mean(axis=0)).max() > 0.1


def test_a_lone_recording_stands_for_its_speaker():
    np.testing.assert_array_equal(Normaliser("speaker")(random(90)), Normaliser("utterance")(random(90)))


def test_global_uses_the_statistics_it_was_made_with():
    train = random(1000, seed=2)
    normaliser = Normaliser("global", Statistics.of(train))
    assert_standard(normaliser(train))
    np.testing.assert_array_equal(normaliser(train)[:10], normaliser(train[:10], Statistics.of(train[:10] + 5)))


def test_global_without_statistics_is_refused():
    with pytest.raises(AsrError, match="'global': has no statistics; take them over the training set first"):
        Normaliser("global")(random(10))


def test_none_leaves_the_features_alone():
    np.testing.assert_array_equal(Normaliser("none")(random(10)), random(10))


@pytest.mark.parametrize("kind", ["utterance", "speaker", "global"])
@pytest.mark.parametrize("level", [0.0, -15.942385, 1e3, 1 / 3])
def test_a_coefficient_that_never_changes_becomes_0(kind, level):
    features = random(77)
    features[:, 1] = level
    normalised = Normaliser(kind, Statistics.of(features))(features)
    assert np.isfinite(normalised).all()
    np.testing.assert_allclose(normalised[:, 1], 0, atol=1e-4)


def test_a_single_frame_becomes_0():
    np.testing.assert_allclose(Normaliser("utterance")(random(1)), 0, atol=1e-4)


def test_statistics_of_other_features_are_refused():
    with pytest.raises(AsrError, match="statistics of 3 coefficients cannot normalise 39; take them over the same"):
        Normaliser("global", Statistics.of(random(10)))(np.zeros((5, 39), np.float32))


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(AsrError, match=r"'speakers': choose from .*; did you mean 'speaker'\?"):
        Normaliser("speakers")


def test_the_features_are_left_as_they_were():
    features = random(20)
    features.flags.writeable = False
    for kind in NORMALISERS:
        Normaliser(kind, Statistics.of(features))(features)


class Parts(list):
    """Utterances that know sums over groups of them."""

    dimension = 3

    def sums(self, groups):
        found = [Statistics(0, np.zeros(3), np.zeros(3)) for _ in range(max(groups) + 1)]
        for group, part in zip(groups, self, strict=True):
            found[group] = found[group] + Statistics.of(part)
        return tuple(np.array(column) for column in zip(*((s.count, s.total, s.squares) for s in found), strict=True))


@pytest.mark.parametrize("kind", NORMALISERS)
def test_tables_give_what_a_call_gives_to_the_bit(kind):
    parts = Parts(3 * random(n, seed=n) + n / 7 for n in (5, 90, 33, 1, 70))
    speakers = ["b", "a", "b", "c", "a"]
    normaliser = Normaliser(kind, Statistics.of(random(1000)))
    groups, mean, std = normaliser.tables(parts, speakers)
    assert mean.dtype == std.dtype == np.float32
    for part, group, speaker in zip(parts, groups, speakers, strict=True):
        mine = [Statistics.of(p) for p, s in zip(parts, speakers, strict=True) if s == speaker]
        together = sum(mine[1:], mine[0])
        np.testing.assert_array_equal((part - mean[group]) / std[group], normaliser(part, together))


def test_tables_of_other_features_or_without_statistics_are_refused():
    parts = Parts([random(5)])
    with pytest.raises(AsrError, match="has no statistics"):
        Normaliser("global").tables(parts, ["a"])
    with pytest.raises(AsrError, match="statistics of 2 coefficients cannot normalise 3"):
        Normaliser("global", Statistics.of(random(10)[:, :2])).tables(parts, ["a"])
