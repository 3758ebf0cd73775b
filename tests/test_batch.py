import numpy as np
import pytest

from asr import batch

LENGTHS = np.random.default_rng(1).integers(50, 600, 203)


def test_shorter_utterances_are_padded_with_zeros_and_keep_their_lengths():
    features = [np.full((n, 2), n, np.float32) for n in (3, 1, 2)]
    now = batch.collate(features, [(1, 2), (3,), ()], ["a", "b", "c"])
    assert now.features.shape == (3, 3, 2)
    assert now.lengths.tolist() == [3, 1, 2] and now.target_lengths.tolist() == [2, 1, 0]
    assert now.features[1, 1:].abs().sum() == 0 and (now.features[2, :2] == 2).all()
    assert now.targets.tolist() == [[1, 2], [3, 0], [0, 0]]


@pytest.mark.parametrize("epoch", [0, 1, 7])
def test_every_utterance_is_seen_once_an_epoch(epoch):
    places = np.concatenate(batch.shuffled(LENGTHS, 16, 1, epoch))
    assert sorted(places.tolist()) == list(range(len(LENGTHS)))


def test_the_first_epoch_goes_from_short_to_long():
    places = np.concatenate(batch.shuffled(LENGTHS, 16, 1, 0))
    assert (np.diff(LENGTHS[places]) >= 0).all()


def test_order_follows_from_seed_and_epoch_alone():
    def order(seed, epoch):
        return np.concatenate(batch.shuffled(LENGTHS, 16, seed, epoch)).tolist()

    assert order(1, 3) == order(1, 3)
    assert order(1, 3) != order(1, 4) and order(1, 3) != order(2, 3)


def test_buckets_keep_padding_low():
    bucketed = batch.padding(LENGTHS, batch.shuffled(LENGTHS, 16, 1, 1))
    unsorted = batch.padding(LENGTHS, [np.arange(i, min(i + 16, 203)) for i in range(0, 203, 16)])
    assert bucketed < 0.15 < unsorted


def test_padding_counts_the_frames_that_are_none():
    assert batch.padding(np.array([4, 2, 3]), [np.array([0, 1]), np.array([2])]) == pytest.approx(2 / 11)


def test_decoding_starts_with_the_longest():
    places = np.concatenate(batch.in_order(LENGTHS, 32))
    assert (np.diff(LENGTHS[places]) <= 0).all()
