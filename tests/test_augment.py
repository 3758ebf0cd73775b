from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from asr import augment
from asr.augment import Augmentation, batches, scenes, streams
from asr.augment.scenes import Scenes, warped
from asr.augment.streams import GAMMA
from asr.errors import AsrError, InputError
from asr.features import spectrum
from asr.features.delta import Deltas
from asr.features.fbank import Fbank, mel
from asr.features.mfcc import MFCC
from asr.features.normalise import Normaliser, Statistics
from asr.manifest import Segment, Utterance
from asr.support.views import View

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
        found = streams.numbers(torch.tensor([seed]), 9)[0]
        assert [number % 2**64 for number in found.tolist()] == splitmix(seed, 9)
    assert GAMMA % 2**64 == 0x9E3779B97F4A7C15


def test_uniform_numbers_are_uniform():
    from scipy import stats

    drawn = streams.uniform(streams.streams(KEY, 2, torch.arange(50)), 400)
    assert 0 <= drawn.min() and drawn.max() < 1
    assert stats.kstest(drawn.flatten().numpy(), "uniform").pvalue > 1e-3


def test_noise_is_gaussian_and_independent_of_place_utterance_and_epoch():
    from scipy import stats

    drawn = streams.normal(streams.streams(KEY, 1, torch.arange(64)), 1001)
    assert drawn.shape == (64, 1001) and drawn.dtype == torch.float32 and torch.isfinite(drawn).all()
    assert stats.kstest(drawn.flatten().numpy(), "norm").pvalue > 1e-3
    other = streams.normal(streams.streams(KEY - 1, 1, torch.arange(64)), 1001)
    pairs = [(drawn[:, :-1], drawn[:, 1:]), (drawn[:-1], drawn[1:]), (drawn, other)]
    for one, two in pairs:
        assert abs(np.corrcoef(one.flatten(), two.flatten())[0, 1]) < 4 / np.sqrt(one.numel())


def test_each_purpose_has_numbers_of_its_own():
    purposes = (batches.NOISE, batches.TIMES, batches.FREQUENCIES, scenes.DRAWN, scenes.FLUCTUATION)
    found = torch.stack([streams.streams(KEY, purpose, torch.arange(100)) for purpose in purposes])
    assert len(found.unique()) == 500


def test_the_rarest_numbers_give_finite_noise(monkeypatch):
    numbers = torch.tensor([[0, -1, -(1 << 63), (1 << 63) - 1, 0xFFFFFFFF, -(1 << 32)]])
    monkeypatch.setattr(streams, "numbers", lambda seeds, count: numbers)
    drawn = streams.normal(torch.tensor([0]), 12)
    assert torch.isfinite(drawn).all() and drawn.abs().max() < 7
    assert torch.isfinite(streams.exponential(torch.tensor([0]), 12)).all()


def test_noise_has_the_deviation_asked_for_and_spares_padding():
    noisy = Augmentation(noise=0.3)(batch(), LENGTHS, ROWS, KEY, NORM)
    added = noisy - batch()
    for row, length in enumerate(LENGTHS.tolist()):
        assert (added[row, length:] == 0).all()
    assert added[0].std() == pytest.approx(0.3, rel=0.1) and abs(added[0].mean()) < 0.03


def fbank(**settings):
    return spectrum.of(Fbank(**{"mels": 6, **settings}).settings)


NORM = (torch.full((4, 1, 6), -3.0), torch.full((4, 1, 6), 2.0), torch.full((4, 1, 1), 0.7))
ELSEWHERE = Scenes(fbank(), warp=0.1, gain=6, channel=3, noise_share=0.5, room_share=0.5, telephone_share=0.5)
EVERYTHING = Augmentation(0.2, time_masks=2, time_share=0.5, frequency_masks=1, frequency_width=2, scenes=ELSEWHERE)


@pytest.mark.parametrize("parts", [[[0], [1], [2], [3]], [[1, 3], [2, 0]], [[3, 2, 1], [0]]])
def test_what_an_utterance_gets_does_not_depend_on_the_batch_it_is_in(parts):
    features = batch() * torch.randn(4, 300, 6, generator=torch.Generator().manual_seed(3))
    whole = EVERYTHING(features, LENGTHS, ROWS, KEY, NORM)
    for some in parts:
        norm = tuple(part[some] for part in NORM)
        mine = features[some, : int(LENGTHS[some].max())]
        found = EVERYTHING(mine, LENGTHS[some], ROWS[some], KEY, norm)
        for row, place in enumerate(some):
            length = int(LENGTHS[place])
            torch.testing.assert_close(found[row, :length], whole[place, :length], rtol=1e-4, atol=1e-4)


def test_another_epoch_or_another_utterance_gets_something_else():
    whole = EVERYTHING(batch(), LENGTHS, ROWS, KEY, NORM)
    for rows, key in ((ROWS, KEY - 1), (ROWS + 1, KEY)):
        assert (EVERYTHING(batch(), LENGTHS, rows, key, NORM)[0] != whole[0]).any()


def test_nothing_is_changed_unless_asked_for():
    features = batch()
    assert Augmentation()(features, LENGTHS, ROWS, KEY, NORM) is features
    EVERYTHING(features, LENGTHS, ROWS, KEY, NORM)
    assert (features == batch()).all()


def runs(hidden):
    """Return the lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], hidden.astype(int), [0]])))
    return (edges[1::2] - edges[::2]).tolist()


def hidden_frames(augmentation, length=100, count=400, width=2):
    lengths = torch.full((count,), length)
    found = augmentation(batch(lengths, width), lengths, torch.arange(count), KEY, NORM)
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
    found = masks(batch(lengths, 15), lengths, torch.arange(300), KEY, NORM) == 0
    assert (found == found[:, :1]).all(), "over the whole utterance"
    bands = found[:, 0].reshape(300, 3, 5)
    assert (bands == bands[:, :1]).all()
    widths = [sum(runs(row)) for row in bands[:, 0].numpy()]
    assert set(widths) == {0, 1, 2, 3} and bands[:, 0].any(dim=0).all()


def test_a_band_is_never_wider_than_the_features():
    lengths = torch.full((50,), 4)
    found = Augmentation(frequency_masks=1, frequency_width=100)(
        batch(lengths, 3), lengths, torch.arange(50), KEY, NORM
    )
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


def test_what_is_made_of_a_view_is_a_view_of_the_same():
    some = [utterance(id) for id in ("a", "a.b", "b")]
    view = View(range(3), some.__getitem__)
    by_share = (lambda found, _: augment.with_pauses(found, 0.4), lambda found, _: augment.with_strangers(found, 0.5))
    for made in (augment.at_speeds, *by_share):
        of_view = made(view, [0.9, 1.0, 1.1])
        assert isinstance(of_view, View) and list(of_view) == made(some, [0.9, 1.0, 1.1])


def test_a_share_of_the_utterances_are_strangers_and_always_the_same_ones():
    known = [utterance(str(i)) for i in range(1000)]
    found = augment.with_strangers(known, 0.3)
    assert [replace(u, speaker="s") for u in found] == [replace(u, speaker="s") for u in known]
    strange = {u.id for u in found if not u.speaker}
    assert 250 < len(strange) < 350
    assert strange == {u.id for u in augment.with_strangers(known[::-1], 0.3) if not u.speaker}
    assert augment.with_strangers(known, 0.0) == known


def test_an_id_that_a_copy_would_take_is_refused():
    with pytest.raises(InputError, match="'a@0.9': an utterance has the id of another at another speed; rename it"):
        augment.at_speeds([utterance("a"), utterance("a@0.9")], [0.9, 1.0])


# Other voices and places. The log energies of a spectrum, in features that are not normalized, show what was done.

RATE, MELS = 16_000, 40
PLAIN = (torch.zeros(1, 1, MELS), torch.ones(1, 1, MELS), torch.zeros(1, 1, 1))


def through(scenes_of, log_energies, rows=1, lengths=None):
    """Return (rows, T, M) log energies after a scene of an utterance (T, M), each row with numbers of its own."""
    features = torch.from_numpy(np.asarray(log_energies, np.float32)).expand(rows, -1, -1)
    norm = tuple(part.expand(rows, -1, -1) for part in PLAIN)
    lengths = torch.full((rows,), features.shape[1]) if lengths is None else lengths
    return scenes_of(features, lengths, torch.arange(rows), KEY, norm).double().numpy()


def plain(**settings):
    return Scenes(spectrum.of(Fbank(mels=MELS).settings), **settings)


def speech(frames=60):
    """Log energies with a moving formant, on the scale of features."""
    centers = np.arange(MELS)
    return np.stack([12 - 0.02 * (centers - 12 - 8 * np.sin(t / 9)) ** 2 + np.cos(t / 4) for t in range(frames)])


def test_a_warp_is_linear_below_the_knee_and_meets_half_the_rate():
    frequencies = np.linspace(0, 8000, 801)
    for factor in (0.8, 1.0, 1.2):
        found = warped(frequencies, factor, RATE)
        assert found[0] == 0 and found[-1] == pytest.approx(8000) and (np.diff(found) > 0).all()
        below = frequencies <= scenes.KNEE * min(factor, 1) / factor
        np.testing.assert_allclose(found[below], factor * frequencies[below])
    np.testing.assert_allclose(warped(frequencies, 1.0, RATE), frequencies)


def test_a_warp_gives_about_the_features_of_a_voice_with_formants_elsewhere():
    """The witness: filters whose centers are where the warp reads, laid over the same smooth spectrum."""
    made = plain(warp=0.2)
    found = through(made, speech(), rows=40)
    drawn = streams.uniform(streams.streams(KEY, scenes.DRAWN, torch.arange(40)), scenes.COUNT)[:, scenes.WARP].numpy()
    centers, step = made.spectrum.centers, made.spectrum.step
    for values, share in zip(found, drawn, strict=True):
        where = (mel(warped(centers, 0.8 + 0.4 * share, RATE)) - mel(centers[0])) / step
        witness = np.stack([np.interp(where, np.arange(MELS), row) for row in speech()])
        np.testing.assert_allclose(values, witness, atol=1e-3)
    assert np.abs(found - speech()).max() > 1


def test_warped_mfccs_are_those_of_the_warped_smooth_spectrum_and_deltas_follow():
    samples = np.random.default_rng(1).standard_normal(9000).astype(np.float32) * 0.1
    features = Deltas(MFCC(), 2)
    values = torch.from_numpy(features(samples))[None]
    made = Scenes(spectrum.of(features.settings), warp=0.15)
    norm = (torch.zeros(1, 1, 39), torch.ones(1, 1, 39), torch.zeros(1, 1, 1))
    found = made(values, torch.tensor([values.shape[1]]), torch.tensor([3]), KEY, norm)[0].numpy()
    share = float(streams.uniform(streams.streams(KEY, scenes.DRAWN, torch.tensor([3])), scenes.COUNT)[0, scenes.WARP])
    basis, centers = made.spectrum, made.spectrum.centers
    where = (mel(warped(centers, 0.85 + 0.3 * share, RATE)) - mel(centers[0])) / basis.step
    smooth = values[0, :, :13].double().numpy() @ basis.to_mel
    witness = np.stack([np.interp(where, np.arange(23), row) for row in smooth]) @ basis.from_mel
    np.testing.assert_allclose(found[:, :13], witness, atol=1e-2)
    from asr.features.delta import slope

    np.testing.assert_allclose(found[:, 13:26], slope(found[:, :13]), atol=1e-3)
    np.testing.assert_allclose(found[:, 26:], slope(slope(found[:, :13])), atol=1e-3)


@pytest.mark.parametrize("own", [0.0, 0.6, 1.0])
def test_a_changed_utterance_is_normalized_by_what_its_own_statistics_become(own):
    """With all frames its own, the mean is 0 again; with none, as under `global`, what moved stays moved."""
    log_energies = speech()
    mean, std = log_energies.mean(axis=0), log_energies.std(axis=0)
    norm = (torch.tensor(mean)[None, None].float(), torch.tensor(std)[None, None].float(), torch.full((1, 1, 1), own))
    features = torch.from_numpy((log_energies - mean) / std)[None].float()
    for made in (plain(warp=0.2), plain(gain=10), plain(noise_share=1.0, snr=(0.0, 1.0))):
        fixed = (*norm[:2], torch.zeros(1, 1, 1))
        unmoved = made(features, torch.tensor([60]), torch.tensor([5]), KEY, fixed)[0].mean(dim=0)
        found = made(features, torch.tensor([60]), torch.tensor([5]), KEY, norm)[0].mean(dim=0)
        if made.noise_share == 0:
            torch.testing.assert_close(found, (1 - own) * unmoved, atol=2e-3, rtol=0)
        assert unmoved.abs().max() > 0.1
        if own == 1:
            torch.testing.assert_close(found, torch.zeros(MELS), atol=2e-3, rtol=0)


def test_gain_moves_every_log_energy_alike_within_its_limits():
    moved = through(plain(gain=10.0), speech(), rows=300) - speech()
    decibels = 10 / np.log(10) * moved
    np.testing.assert_allclose(decibels, decibels.mean(axis=(1, 2), keepdims=True) * np.ones((60, MELS)), atol=1e-4)
    levels = decibels.mean(axis=(1, 2))
    assert -10 <= levels.min() < -9 and 9 < levels.max() <= 10
    energy = Scenes(spectrum.of(MFCC().settings), gain=10.0)
    zeros = (torch.zeros(1, 1, 13), torch.ones(1, 1, 13), torch.zeros(1, 1, 1))
    cepstra = energy(torch.zeros(1, 9, 13), torch.tensor([9]), torch.tensor([0]), KEY, zeros)[0]
    assert cepstra[0, 0].abs() > 0.1 and cepstra[:, 1:].abs().max() < 1e-5, "only C0 knows the level"


def test_a_channel_is_smooth_constant_in_time_and_within_its_limits():
    decibels = 10 / np.log(10) * (through(plain(channel=8.0), speech(), rows=300) - speech())
    np.testing.assert_allclose(decibels, decibels[:, :1] * np.ones((1, 60, 1)), atol=1e-4)
    responses = decibels[:, 0]
    assert abs(responses.mean(axis=1)).max() < 0.1, "the level stays"
    ripples = responses @ np.cos(np.pi * np.outer((np.arange(MELS) + 0.5) / MELS, np.arange(MELS))) / (MELS / 2)
    assert abs(ripples[:, 1:5]).max() <= 8.001 and abs(ripples[:, 5:]).max() < 1e-3
    assert (abs(ripples[:, 1:5]).max(axis=0) > 7.5).all()


@pytest.mark.parametrize("snr", [0.0, 10.0, 20.0])
def test_noise_is_added_at_the_ratio_asked_for_in_the_share_asked_for(snr):
    found = through(plain(noise_share=0.4, snr=(snr, snr + 1e-6)), speech(), rows=400)
    changed = np.abs(found - speech()).max(axis=(1, 2)) > 1e-3
    assert changed.mean() == pytest.approx(0.4, abs=0.08)
    added = np.exp(found[changed]).sum(axis=2).mean(axis=1) - np.exp(speech()).sum(axis=1).mean()
    ratios = 10 * np.log10(np.exp(speech()).sum(axis=1).mean() / added)
    assert ratios.mean() == pytest.approx(snr, abs=0.2) and ratios.std() < 1


def test_noise_is_added_to_the_power_of_the_utterance_without_its_padding():
    padded = np.concatenate([speech(), np.full((60, MELS), 30.0)])
    made = plain(noise_share=1.0, snr=(10.0, 10.1))
    found = through(made, padded, lengths=torch.tensor([60]))
    added = np.exp(found[0, :60]).sum(axis=1).mean() - np.exp(speech()).sum(axis=1).mean()
    assert 10 * np.log10(np.exp(speech()).sum(axis=1).mean() / added) == pytest.approx(10, abs=2)


def test_a_room_lets_a_click_decay_by_60_db_in_its_reverberation_time():
    click = np.full((80, MELS), -12.0)
    click[10] = 15.0
    found = through(plain(room_share=1.0, decay=0.4), click, rows=50)
    assert found[:, :10].max() < -12 + np.log(2), "nothing before the click"
    np.testing.assert_allclose(found[:, 10], 15, atol=1e-3)
    slope = 10 / np.log(10) * (found[:, 20, 0] - found[:, 11, 0]) / 9 / 0.010  # dB a second
    times = -60 / slope
    assert (0.1 <= times.min() < 0.15) and (0.35 < times.max() <= 0.401)
    wet = np.exp(found[:, 11:42]).sum(axis=(1, 2)) / np.exp(found[:, 10]).sum(axis=1)
    assert 0.05 < wet.min() < 0.3 and 0.8 < wet.max() < 1.01, "the tail has at most the power of the click"


def test_a_telephone_passes_300_to_3400_hz():
    made = plain(telephone_share=1.0)
    lost = 10 / np.log(10) * (speech()[0] - through(made, speech())[0, 0])
    inside = (made.spectrum.centers >= 300) & (made.spectrum.centers <= 3400)
    np.testing.assert_allclose(lost[inside], 0, atol=1e-3)
    np.testing.assert_allclose(lost[~inside], 40, atol=1e-3)


def test_energy_follows_what_is_added():
    log_energies = np.concatenate([np.full((60, 1), 20.0), speech()], axis=1)
    made = Scenes(spectrum.of(Fbank(mels=MELS, energy=True).settings), noise_share=1.0, snr=(0.0, 1e-6), warp=0.1)
    norm = (torch.zeros(1, 1, MELS + 1), torch.ones(1, 1, MELS + 1), torch.zeros(1, 1, 1))
    inputs = torch.from_numpy(log_energies).float()[None]
    found = made(inputs, torch.tensor([60]), torch.tensor([0]), KEY, norm)[0]
    assert 0.2 < float(found[:, 0].mean()) - 20 < 2, "as much noise as speech is 3 dB more, or 0.7"


def test_features_without_a_spectrum_are_refused():
    with pytest.raises(AsrError, match=r"\[augment\]: features of kind 'mfcc' with energy = true have no spectrum to"):
        spectrum.of(MFCC(energy=True).settings)


def test_scenes_see_what_the_normalizer_saw(tmp_path):
    """A warp of nothing changes nothing, whatever the normalization."""
    values = Fbank(mels=MELS)(np.random.default_rng(2).standard_normal(8000).astype(np.float32) * 0.1)
    normaliser = Normaliser("utterance", Statistics.of(values + 1), prior=30)
    used = Statistics.of(values) + Statistics.of(values + 1).reweighted(30)
    norm = tuple(torch.tensor(part, dtype=torch.float32).view(1, 1, -1) for part in (used.mean, used.std, [0.6]))
    features = torch.from_numpy(normaliser(values))[None]
    lengths = torch.tensor([len(values)])
    still = plain(warp=1e-9, noise_share=1.0, snr=(90.0, 91.0))
    torch.testing.assert_close(still(features, lengths, torch.tensor([1]), KEY, norm), features, atol=1e-2, rtol=0)
