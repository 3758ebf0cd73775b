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
    with pytest.raises(
        AsrError, match="'global', prior = 0: training-set statistics are missing; compute them over the training"
    ):
        Normaliser("global")(random(10))


def test_a_prior_counts_as_so_many_frames_of_the_training_set():
    train, mine = random(1000, seed=2), random(250) + 3
    expected = (mine.mean(axis=0, dtype=np.float64) * 250 + train.mean(axis=0, dtype=np.float64) * 500) / 750
    squares = (
        np.square(mine, dtype=np.float64).mean(axis=0) * 250 + np.square(train, dtype=np.float64).mean(axis=0) * 500
    ) / 750
    normalized = Normaliser("utterance", Statistics.of(train), prior=500)(mine)
    np.testing.assert_allclose(normalized, (mine - expected) / np.sqrt(squares - expected**2), rtol=1e-4, atol=1e-4)


def test_with_a_prior_a_frame_is_normalized_by_the_training_set_and_an_hour_by_itself():
    train, long = random(1000, seed=2), random(200_000, seed=3) + 0.1
    normaliser = Normaliser("utterance", Statistics.of(train), prior=200)
    np.testing.assert_allclose(normaliser(long), Normaliser("utterance")(long), atol=0.02)
    np.testing.assert_allclose(normaliser(train[:1]), Normaliser("global", Statistics.of(train))(train[:1]), atol=0.1)


def test_a_prior_is_added_to_a_speakers_statistics_too():
    train, speaker = Statistics.of(random(1000, seed=2)), Statistics.of(random(500, seed=4) + 2)
    found = Normaliser("speaker", train, prior=100)(random(50), speaker)
    blended = speaker + train.reweighted(100)
    np.testing.assert_allclose(found, (random(50) - blended.mean) / blended.std, rtol=1e-4, atol=1e-5)


def test_a_prior_without_statistics_is_refused():
    with pytest.raises(AsrError, match="'utterance', prior = 50: training-set statistics are missing; compute"):
        Normaliser("utterance", prior=50)(random(10))
    assert Normaliser.needs_statistics("utterance", 1) and Normaliser.needs_statistics("global", 0)
    assert not Normaliser.needs_statistics("utterance", 0) and not Normaliser.needs_statistics("none", 9)


def test_how_much_of_an_utterance_its_mean_depends_on():
    parts, train = Parts(random(n) for n in (30, 90)), Statistics.of(random(100))
    both = np.arange(2)
    assert Normaliser("utterance", train, prior=30).norms(parts, "ab")(both).own.tolist() == [[0.5], [0.75]]
    assert Normaliser("speaker", train).norms(parts, "aa")(both).own.tolist() == [[1.0], [1.0]]
    assert Normaliser("global", train).norms(parts, "ab")(both).own.tolist() == [[0.0], [0.0]]


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
    with pytest.raises(AsrError, match="statistics of 3 coefficients cannot normalize 39; compute them over the same"):
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
    """Utterances whose frames are summed up."""

    dimension = 3

    def statistics(self, rows):
        found = [Statistics.of(self[row]) for row in rows]
        return tuple(np.array(column) for column in zip(*((s.count, s.total, s.squares) for s in found), strict=True))

    def sums(self, groups):
        found = [Statistics(0, np.zeros(3), np.zeros(3)) for _ in range(max(groups) + 1)]
        for group, part in zip(groups, self, strict=True):
            found[group] = found[group] + Statistics.of(part)
        return tuple(np.array(column) for column in zip(*((s.count, s.total, s.squares) for s in found), strict=True))


@pytest.mark.parametrize("prior", [0.0, 40.0])
@pytest.mark.parametrize("kind", NORMALISERS)
@pytest.mark.parametrize("speakers", ["babca", "abcde"])
def test_norms_give_what_a_call_gives_to_the_bit(kind, prior, speakers):
    parts = Parts(3 * random(n, seed=n) + n / 7 for n in (5, 90, 33, 1, 70))
    normaliser = Normaliser(kind, Statistics.of(random(1000)), prior)
    rows = np.array([4, 0, 2, 1, 3, 0])
    mean, std, _ = normaliser.norms(parts, speakers)(rows)
    assert mean.dtype == std.dtype == np.float32
    for row, mine, deviation in zip(rows, mean, std, strict=True):
        own = [Statistics.of(part) for part, speaker in zip(parts, speakers, strict=True) if speaker == speakers[row]]
        together = sum(own[1:], own[0])
        np.testing.assert_array_equal((parts[row] - mine) / deviation, normaliser(parts[row], together))


@pytest.mark.parametrize(("kind", "speakers"), [("utterance", "aab"), ("speaker", "abc")])
def test_where_each_utterance_has_its_own_norm_none_is_kept(kind, speakers, monkeypatch):
    parts = Parts(random(n, seed=n) for n in (5, 9, 3))
    monkeypatch.setattr(Parts, "sums", lambda *_: pytest.fail("summed over the set"))
    asked = []
    monkeypatch.setattr(parts, "statistics", lambda rows: asked.extend(rows) or Parts.statistics(parts, rows))
    norms = Normaliser(kind).norms(parts, speakers)
    assert not asked
    assert norms(np.array([2, 0])).mean.shape == (2, 3) and asked == [2, 0]


def test_norms_of_other_features_or_without_statistics_are_refused():
    parts = Parts([random(5)])
    with pytest.raises(AsrError, match="statistics are missing"):
        Normaliser("global").norms(parts, ["a"])
    with pytest.raises(AsrError, match="statistics of 2 coefficients cannot normalize 3"):
        Normaliser("global", Statistics.of(random(10)[:, :2])).norms(parts, ["a"])
