from pathlib import Path

import numpy as np
import pytest
import torch

from asr import augment
from asr.augment import GAMMA, Augmentation
from asr.errors import InputError
from asr.manifest import Segment, Utterance

KEY = (1 << 63) - 1  # the largest that seeds give
LENGTHS = torch.tensor([300, 120, 7, 1])
ROWS = torch.tensor([5, 0, 12, 3])


def batch(lengths=LENGTHS, width=6):
    """Ones within the lengths, padding 0, so that masks show."""
    times = torch.arange(int(lengths.max()))
    return (times < lengths[:, None])[:, :, None].float().expand(-1, -1, width).contiguous()


def splitmix(seed, count):
    """SplitMix64 with Python's integers."""
    numbers = []
    for _ in range(count):
        seed = (seed + 0x9E3779B97F4A7C15) % 2**64
        z = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        numbers.append(z ^ (z >> 31))
    return numbers


def test_numbers_are_those_of_splitmix64():
    """The first five from 1234567 are printed by implementations in many languages."""
    assert splitmix(1234567, 5)[:2] == [6457827717110365317, 3203168211198807973]
    for seed in (1234567, 0, 2**63 - 1):
        found = augment._numbers(torch.tensor([seed]), 9)[0]
        assert [number % 2**64 for number in found.tolist()] == splitmix(seed, 9)
    assert GAMMA % 2**64 == 0x9E3779B97F4A7C15


def test_uniform_numbers_are_uniform():
    from scipy import stats

    drawn = augment._uniform(augment._streams(KEY, 2, torch.arange(50)), 400)
    assert 0 <= drawn.min() and drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3


def test_noise_is_gaussian_and_independent_of_place_utterance_and_epoch():
    from scipy import stats

    drawn = augment._normal(augment._streams(KEY, 1, torch.arange(64)), 1001)
    assert drawn.shape == (64, 1001) and drawn.dtype == torch.float32 and torch.isfinite(drawn).all()
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3
    other = augment._normal(augment._streams(KEY - 1, 1, torch.arange(64)), 1001)
    pairs = [(drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:]), (drawn, other)]
    for one, two in pairs:
        assert abs(np.corrcoef(one.flatten(), two.flatten())[0, 1]) < 4 / np.sqrt(one.numel())


def test_each_purpose_has_numbers_of_its_own():
    purposes = (augment.NOISE, augment.TIMES, augment.FREQUENCIES)
    streams = torch.stack([augment._streams(KEY, purpose, torch.arange(100)) for purpose in purposes])
    assert len(streams.unique()) == 300


def test_the_rarest_numbers_give_finite_noise():
    numbers = torch.tensor([[0, -1, -(1 << 63), (1 << 63) - 1, 0xFFFFFFFF, -(1 << 32)]])
    real, augment._numbers = augment._numbers, lambda streams, count: numbers
    try:
        drawn = augment._normal(torch.tensor([0]), 12)
    finally:
        augment._numbers = real
    assert torch.isfinite(drawn).all() and drawn.abs().max() < 7


def test_noise_has_the_deviation_asked_for_and_spares_padding():
    noisy = Augmentation(noise=0.3)(batch(), LENGTHS, ROWS, KEY)
    added = noisy - batch()
    for row, length in enumerate(LENGTHS.tolist()):
        assert (added[row, length:] == 0).all()
    assert added[0].std() == pytest.approx(0.3, rel=0.1) and abs(added[0].mean()) < 0.03


EVERYTHING = Augmentation(0.2, time_masks=2, time_share=0.5, frequency_masks=1, frequency_width=2)


@pytest.mark.parametrize("parts", [[[0], [1], [2], [3]], [[1, 3], [2, 0]], [[3, 2, 1], [0]]])
def test_what_an_utterance_gets_does_not_depend_on_the_batch_it_is_in(parts):
    whole = EVERYTHING(batch(), LENGTHS, ROWS, KEY)
    for some in parts:
        found = EVERYTHING(batch(LENGTHS[some]), LENGTHS[some], ROWS[some], KEY)
        for row, place in enumerate(some):
            length = int(LENGTHS[place])
            assert (found[row, :length] == whole[place, :length]).all()


def test_another_epoch_or_another_utterance_gets_something_else():
    whole = EVERYTHING(batch(), LENGTHS, ROWS, KEY)
    for rows, key in ((ROWS, KEY - 1), (ROWS + 1, KEY)):
        assert (EVERYTHING(batch(), LENGTHS, rows, key)[0] != whole[0]).any()


def test_nothing_is_changed_unless_asked_for():
    features = batch()
    assert Augmentation()(features, LENGTHS, ROWS, KEY) is features
    EVERYTHING(features, LENGTHS, ROWS, KEY)
    assert (features == batch()).all()


def runs(hidden):
    """Return the lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def hidden_frames(augmentation, length=100, count=400, width=2):
    lengths = torch.full((count,), length)
    found = augmentation(batch(lengths, width), lengths, torch.arange(count), KEY)
    assert ((found == 0).all(dim=2) == (found == 0).any(dim=2)).all(), "a hidden frame is hidden whole"
    return (found == 0).all(dim=2).numpy()


def test_time_masks_are_stretches_of_every_width_up_to_the_widest_and_lie_anywhere():
    hidden = hidden_frames(Augmentation(time_masks=1, time_width=10, time_share=1.0), count=4000)
    widths = [sum(runs(row)) for row in hidden]
    assert all(len(runs(row)) <= 1 for row in hidden) and set(widths) == set(range(11))
    assert np.bincount(widths, minlength=11).min() > 4000 / 11 / 1.5
    share = hidden.mean(axis=0)
    assert share[0] > 0 and share[-1] > 0 and share[20:80].max() < 1.6 * share[20:80].min()


def test_no_more_masks_and_no_more_of_an_utterance_than_asked_for():
    hidden = hidden_frames(Augmentation(time_masks=3, time_width=1000, time_share=0.1))
    assert max(map(max, filter(None, map(runs, hidden)))) > 10, "neighbours may touch"
    assert max(len(runs(row)) for row in hidden) == 3 and hidden.sum(axis=1).max() <= 30
    assert not hidden_frames(Augmentation(time_masks=3, time_share=0.1), length=9).any(), "less than one frame"


def test_bands_are_hidden_alike_in_features_and_their_deltas():
    lengths = torch.full((300,), 4)
    masks = Augmentation(frequency_masks=1, frequency_width=3, blocks=3)
    found = masks(batch(lengths, 15), lengths, torch.arange(300), KEY) == 0
    assert (found == found[:, :1]).all(), "over the whole utterance"
    bands = found[:, 0].reshape(300, 3, 5)
    assert (bands == bands[:, :1]).all()
    widths = [sum(runs(row)) for row in bands[:, 0].numpy()]
    assert set(widths) == {0, 1, 2, 3} and bands[:, 0].any(dim=0).all()


def test_a_band_is_never_wider_than_the_features():
    lengths = torch.full((50,), 4)
    found = Augmentation(frequency_masks=1, frequency_width=100)(batch(lengths, 3), lengths, torch.arange(50), KEY)
    assert (found == 0).all(dim=2).any() and (found != 0).any()


def utterance(id="a", speaker="s"):
    phones = (Segment("h#", 0.0, 0.9), Segment("aa", 0.9, 1.8))
    return Utterance(id, Path("a.wav"), 1.8, speaker, "words", phones, (Segment("words", 0.9, 1.8),))


def test_each_utterance_is_heard_once_at_each_speed():
    found = augment.at_speeds([utterance("a"), utterance("b")], [0.9, 1.0])
    assert [u.id for u in found] == ["a", "a@0.9", "b", "b@0.9"] and found[0] == utterance("a")
    slow = found[1]
    assert (slow.speaker, slow.text, slow.speed, slow.audio) == ("s@0.9", "words", 0.9, Path("a.wav"))
    assert slow.seconds == pytest.approx(2.0) and slow.phones[1] == ("aa", pytest.approx(1.0), pytest.approx(2.0))
    assert slow.words[0].end == pytest.approx(2.0)


def test_one_speed_alone_and_an_unknown_speaker():
    (fast,) = augment.at_speeds([utterance(speaker="")], [2.0])
    assert (fast.id, fast.speaker, fast.seconds) == ("a@2.0", "", 0.9)
    assert augment.at_speeds([utterance()], [1.0]) == [utterance()]


def test_an_id_that_a_copy_would_take_is_refused():
    with pytest.raises(InputError, match="'a@0.9': an utterance has the id of another at another speed; rename it"):
        augment.at_speeds([utterance("a"), utterance("a@0.9")], [0.9, 1.0])
