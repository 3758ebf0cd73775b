from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from asr import batch, ctc
from asr.batch import Targets
from asr.errors import InputError
from asr.features import shards
from asr.features.normalise import NORMALISERS, Normaliser, Statistics
from asr.features.shards import Shard
from asr.features.store import Store
from asr.manifest import Utterance
from asr.units import Units

LENGTHS = np.random.default_rng(1).integers(50, 600, 203)
TEXTS = ["ab", "b", "aabb", "bbbab", "a", "abab", "ba"]
UNITS = Units.of("characters", "ab")
WHOLE = 1 << 40  # bytes; everything is held in memory


def matrices(dimension=3):
    generator = np.random.default_rng(5)
    return [
        (generator.standard_normal((n, dimension)) * 4 + n / 9).astype(np.float32) for n in (9, 4, 30, 17, 1, 12, 25)
    ]


def made(folder, limit=WHOLE):
    """A store of three shards."""
    parts = []
    for i, some in enumerate((slice(0, 3), slice(3, 4), slice(4, 7))):
        path = folder / f"{i}.frames"
        shards.write(path, [(matrix, Statistics.of(matrix)) for matrix in matrices()[some]])
        parts.append(Shard(path))
    return Store(parts, limit)


def utterances():
    return [Utterance(f"u{i}", Path("a.wav"), 1.0, "st"[i % 2], text) for i, text in enumerate(TEXTS)]


def dataset(folder, kind="utterance", limit=WHOLE):
    held = made(folder, limit)
    return batch.dataset(utterances(), held, Normaliser(kind, held.total()), UNITS)


def normalised(kind):
    """What the network sees of each utterance, one at a time."""
    of = [Statistics.of(matrix) for matrix in matrices()]
    speakers = [sum(of[i % 2 + 2 :: 2], of[i % 2]) for i in range(len(of))]
    everything = Statistics.of(np.concatenate(matrices()))
    normaliser = Normaliser(kind, everything)
    return [normaliser(matrix, speaker) for matrix, speaker in zip(matrices(), speakers, strict=True)]


@pytest.mark.parametrize("limit", [0, WHOLE])
@pytest.mark.parametrize("kind", NORMALISERS)
def test_a_batch_is_each_utterance_normalised_by_itself_to_the_bit(tmp_path, kind, limit):
    data = dataset(tmp_path, kind, limit)
    for rows in ([3, 0, 6], [4], np.array([1, 5, 2, 0])[::-1]):
        now = data.batch(rows)
        assert now.ids == tuple(f"u{i}" for i in rows) and now.rows.tolist() == list(rows)
        assert now.lengths.tolist() == [len(matrices()[i]) for i in rows] and now.lengths.dtype == torch.int64
        assert now.features.shape == (len(rows), int(now.lengths.max()), 3) and now.features.dtype == torch.float32
        for found, i in zip(now.features.numpy(), rows, strict=True):
            witness = normalised(kind)[i]
            if kind == "global":  # whose statistics are summed in another order
                np.testing.assert_allclose(found[: len(witness)], witness, rtol=1e-6, atol=1e-6)
            else:
                np.testing.assert_array_equal(found[: len(witness)], witness)
            assert (found[len(witness) :] == 0).all()


@pytest.mark.parametrize("kind", NORMALISERS)
def test_a_set_on_a_device_gives_the_same_bits(tmp_path, kind):
    data = dataset(tmp_path, kind, limit=0)
    there = data.to(torch.device("cpu"), max_bytes=WHOLE)
    assert there.features.frames is not None and there.features.frames.shape == (98, 3)
    for rows in ([3, 0, 6], [4], np.array([1, 5, 2, 0])):
        assert (there.batch(rows).features == data.batch(rows).features).all()
        assert (there.batch(rows).targets == data.batch(rows).targets).all()


def test_a_set_that_does_not_fit_on_a_device_stays_where_it_is(tmp_path):
    data = dataset(tmp_path)
    assert data.to(torch.device("cpu")) is data
    assert data.to(torch.device("cpu"), max_bytes=4 * 98 * 3 - 1) is data
    assert data.to(torch.device("cpu"), max_bytes=4 * 98 * 3) is not data


def test_what_is_gathered_on_a_device_never_leaves_it(tmp_path):
    now = dataset(tmp_path).to(torch.device("meta"), max_bytes=WHOLE).batch([3, 0])
    assert now.features.device.type == "meta" and now.features.shape == (2, 17, 3)
    assert now.lengths.device.type == now.targets.device.type == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_set_on_a_gpu_gives_the_same_numbers(tmp_path):
    data = dataset(tmp_path)
    there = data.to(torch.device("cuda"))
    assert there.features.frames is not None
    torch.testing.assert_close(there.batch([3, 0, 6]).features.cpu(), data.batch([3, 0, 6]).features)


def test_batches_do_not_share_memory_with_the_set(tmp_path):
    data = dataset(tmp_path, "none")
    data.batch([2]).features.zero_()
    np.testing.assert_array_equal(data.batch([2]).features[0].numpy(), matrices()[2])


def test_a_truncated_shard_stops_the_batch_with_a_remedy(tmp_path):
    data = dataset(tmp_path, limit=0)
    (tmp_path / "1.frames").write_bytes(b"")
    assert data.batch([0, 5]).ids == ("u0", "u5")
    with pytest.raises(InputError, match=r"1\.frames: was truncated while in use \(0 bytes instead of \d+\); run"):
        data.batch([0, 3])


def test_references_lie_side_by_side_padded_with_zeros(tmp_path):
    now = dataset(tmp_path).batch([2, 1, 0])
    assert now.targets.tolist() == [[1, 1, 2, 2], [2, 0, 0, 0], [1, 2, 0, 0]] and now.targets.dtype == torch.int64
    assert now.target_lengths.tolist() == [4, 1, 2] and now.target_lengths.dtype == torch.int64


def test_references_are_what_they_were_made_of():
    made = [(1, 2), (), (2,), (1, 1, 1), ()]
    targets = Targets(made)
    assert list(targets) == made and len(targets) == 5 and targets[-2] == (1, 1, 1)
    assert targets.take(np.array([1, 4])).shape == (2, 0)
    assert targets.take(np.array([4, 2])).tolist() == [[0], [2]]
    with pytest.raises(IndexError):
        targets[5]


def test_frames_needed_are_those_of_each_reference():
    generator = np.random.default_rng(3)
    made = [tuple(generator.integers(1, 4, n).tolist()) for n in generator.integers(0, 9, 200)]
    assert Targets(made).frames_needed().tolist() == [ctc.frames_needed(target) for target in made]
    assert Targets([(), ()]).frames_needed().tolist() == [0, 0]


def test_an_utterance_whose_frames_cannot_hold_its_transcript_is_too_short(tmp_path):
    texts = ["ab", "abba", "b" * 15, "b" * 16, "aa", "b", "a"]  # of 9, 4, 30, 17, 1, 12 and 25 frames
    said = [replace(u, text=text) for u, text in zip(utterances(), texts, strict=True)]
    assert batch.too_short(batch.dataset(said, made(tmp_path), Normaliser("none"), UNITS)) == [1, 3, 4]


def test_a_transcript_that_does_not_fit_the_units_is_named(tmp_path):
    said = [replace(u, text="abc") for u in utterances()]
    with pytest.raises(InputError, match=r"a\.wav \(u0\): 'c' is not a unit"):
        batch.dataset(said, made(tmp_path), Normaliser("none"), UNITS)


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
    assert bucketed < 0.08 < 0.3 < unsorted  # 203 utterances are few; where they lie dense, it is the jitter


@pytest.mark.parametrize("size", [4, 16, 32])
def test_padding_of_a_corpus_is_about_the_jitter(size):
    lengths = np.random.default_rng(2).lognormal(5.7, 0.3, 4000).astype(np.int64)
    shares = [batch.padding(lengths, batch.shuffled(lengths, size, 1, epoch)) for epoch in range(1, 4)]
    assert batch.JITTER / 2 < min(shares) and max(shares) < 0.04


def test_utterances_meet_others_in_every_epoch():
    lengths = np.random.default_rng(2).lognormal(5.7, 0.3, 4000).astype(np.int64)

    def partners(epoch):
        return next({*rows.tolist()} for rows in batch.shuffled(lengths, 16, 1, epoch) if 7 in rows)

    assert len(set.union(*(partners(epoch) for epoch in range(1, 9)))) > 1 + 8 * 15 / 2


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [8, 16, 61])
def test_a_batch_is_shared_evenly_by_frames(ranks, size):
    for rows in (rows for rows in batch.shuffled(LENGTHS, size, 1, 1) if len(rows) == size):
        shares = batch.share(LENGTHS, rows, ranks)
        assert len(shares) == ranks and all(len(share) for share in shares)
        assert sorted(np.concatenate(shares).tolist()) == sorted(rows.tolist())
        frames = [LENGTHS[share].sum() for share in shares]
        assert max(frames) - min(frames) <= LENGTHS[rows].max()
        again = batch.share(LENGTHS, rows, ranks)
        assert all((one == other).all() for one, other in zip(shares, again, strict=True))


def test_a_share_keeps_the_batchs_order_and_evens_out_what_dealing_round_would_not():
    lengths = np.array([7, 1, 1, 9, 1, 1, 6])
    shares = batch.share(lengths, np.array([6, 5, 4, 3, 2, 1]), 2)
    assert [share.tolist() for share in shares] == [[3, 1], [6, 5, 4, 2]]  # 10 and 9 frames
    assert [share.tolist() for share in batch.share(lengths, np.array([0, 3, 6]), 1)] == [[0, 3, 6]]


def test_a_batch_smaller_than_the_ranks_leaves_the_last_ones_nothing():
    shares = batch.share(LENGTHS, np.array([5, 3]), 4)
    assert sorted(map(len, shares)) == [0, 0, 1, 1] and [len(share) for share in shares[2:]] == [0, 0]


def test_padding_counts_the_frames_that_are_none():
    assert batch.padding(np.array([4, 2, 3]), [np.array([0, 1]), np.array([2])]) == pytest.approx(2 / 11)


def test_decoding_starts_with_the_longest():
    places = np.concatenate(batch.in_order(LENGTHS, 32))
    assert (np.diff(LENGTHS[places]) <= 0).all()
