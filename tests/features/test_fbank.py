import threading
from pathlib import Path

import numpy as np
import pytest

from asr.errors import AsrError
from asr.features.fbank import Fbank, mel, mel_filters, povey
from asr.features.framing import count, multiply
from asr.features.mfcc import MFCC

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "features.npz")
WIDTH, STEP = 400, 160
SAMPLES = GOLDEN["samples"].astype(np.float32) / 32768


def noise(samples, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def by_definition(samples, *, energy=False, mels=23, low=20.0, high=8000.0, preemphasis=0.97):
    """Kaldi's filterbank step by step, in double precision, one frame at a time."""
    rows = []
    for start in range(0, len(samples) - 399, 160):
        frame = samples[start : start + 400].astype(np.float64) * 32768
        frame = frame - frame.mean()
        raw = np.sum(frame**2)
        before = np.concatenate([frame[:1], frame[:-1]])
        n = np.arange(400)
        window = (0.5 - 0.5 * np.cos(2 * np.pi * n / 399)) ** 0.85
        windowed = (frame - preemphasis * before) * window
        angle = 2 * np.pi / 512 * np.outer(np.arange(256), n)
        power = (np.cos(angle) @ windowed) ** 2 + (np.sin(angle) @ windowed) ** 2
        to_mel = lambda f: 1127 * np.log(1 + f / 700)  # noqa: E731
        width = (to_mel(high) - to_mel(low)) / (mels + 1)
        energies = [raw] if energy else []
        for m in range(mels):
            left = to_mel(low) + m * width
            distance = np.abs(to_mel(np.arange(256) * 31.25) - (left + width)) / width
            energies.append(np.sum(power * np.maximum(0, 1 - distance)))
        rows.append(np.log(np.maximum(energies, 1.1920929e-07)))
    return np.array(rows)


@pytest.mark.parametrize("settings", [{}, {"energy": True}, {"mels": 40}, {"low": 100.0, "high": 4000.0, "mels": 15}])
def test_fbank_is_kaldis_definition_in_double_precision(settings):
    np.testing.assert_allclose(Fbank(**settings)(SAMPLES[:4000]), by_definition(SAMPLES[:4000], **settings), atol=1e-5)


def test_without_preemphasis_too():
    ours = Fbank(preemphasis=0.0)(SAMPLES[:4000])
    np.testing.assert_allclose(ours, by_definition(SAMPLES[:4000], preemphasis=0.0), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings"),
    [("fbank", {"mels": 40}), ("fbank_energy", {"energy": True}), ("fbank_band", {"low": 100.0, "high": 4000.0})],
)
def test_fbank_is_what_kaldi_native_fbank_wrote_down(name, settings):
    np.testing.assert_allclose(Fbank(**settings)(SAMPLES), GOLDEN[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize("rate", [8000, 16_000])
def test_fbank_is_kaldi_native_fbank(rate):
    knf = pytest.importorskip("kaldi_native_fbank", reason="the witness kaldi-native-fbank is not installed")
    options = knf.FbankOptions()
    options.frame_opts.samp_freq, options.frame_opts.dither = rate, 0.0
    options.mel_opts.num_bins = 23
    witness = knf.OnlineFbank(options)
    witness.accept_waveform(rate, SAMPLES * 32768)
    witness.input_finished()
    expected = np.stack([witness.get_frame(t) for t in range(witness.num_frames_ready)])
    np.testing.assert_allclose(Fbank(rate=rate)(SAMPLES), expected, atol=1e-3, rtol=0)


def test_silence_is_the_logarithm_of_kaldis_floor():
    assert (Fbank(energy=True)(np.zeros(1000, np.float32)) == np.log(np.float32(2.0**-23))).all()


@pytest.mark.parametrize("frequency", [300, 1000, 3000, 6000])
def test_a_tone_is_loudest_in_the_filter_around_it(frequency):
    tone = np.sin(2 * np.pi * frequency * np.arange(4000) / 16_000).astype(np.float32)
    edges = np.linspace(mel(20), mel(8000), 25)
    assert (Fbank()(tone).argmax(axis=1) == np.abs(edges[1:-1] - mel(frequency)).argmin()).all()


def test_an_offset_changes_nothing():
    np.testing.assert_allclose(Fbank()(SAMPLES + np.float32(0.25)), Fbank()(SAMPLES), atol=1e-3)


def test_twice_as_loud_is_four_times_the_power():
    np.testing.assert_allclose(Fbank()(SAMPLES * 2) - Fbank()(SAMPLES), np.log(4), atol=1e-4)


def test_the_filters_add_up_to_one_between_the_first_and_the_last_centre():
    filters = mel_filters(23, 512, 16_000, 20.0, 0.0)
    centres = np.linspace(mel(20), mel(8000), 25)[[1, -2]]
    frequencies = mel(np.arange(257) * 31.25)
    inside = (frequencies >= centres[0]) & (frequencies <= centres[1])
    np.testing.assert_allclose(filters[inside].sum(axis=1), 1)


def test_the_window_falls_to_nothing_at_both_ends():
    window = povey(400)
    assert window[0] == window[-1] == 0 and window[199] == pytest.approx(window[200]) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("seconds", "rate", "samples"), [(0.57, 100, 57), (0.035, 16_000, 560), (0.025, 11_025, 275)])
def test_a_duration_holds_whole_samples(seconds, rate, samples):
    assert count(seconds, rate) == samples


def test_a_product_in_pieces_is_the_product():
    generator = np.random.default_rng(0)
    rows, matrix = generator.random((700, 257), np.float32), generator.random((257, 40), np.float32)
    out = np.full((700, 40), np.nan, np.float32)
    np.testing.assert_allclose(multiply(rows, matrix, out), rows.astype(float) @ matrix, rtol=1e-5)


def test_a_row_of_a_product_depends_on_that_row_alone():
    generator = np.random.default_rng(0)
    rows, matrix = generator.random((50, 257), np.float32), generator.random((257, 23), np.float32)
    whole = multiply(rows, matrix, np.empty((50, 23), np.float32))
    for start, end in ((0, 1), (3, 20), (9, 50), (49, 50)):
        part = multiply(rows[start:end], matrix, np.empty((end - start, 23), np.float32))
        np.testing.assert_array_equal(part, whole[start:end])


def test_no_product_is_large_enough_for_blas_to_share_it_among_threads(monkeypatch):
    sizes, matmul = [], np.matmul

    def watched(rows, matrix, out=None):
        sizes.append(rows.shape[-2] * matrix.size)
        return matmul(rows, matrix, out=out)

    monkeypatch.setattr(np, "matmul", watched)
    MFCC(mels=80)(np.zeros(80_000, np.float32))
    assert sizes and max(sizes) <= 65_536 * 4  # OpenBLAS: SMP_THRESHOLD_MIN · GEMM_MULTITHREAD_THRESHOLD


def test_threads_do_not_write_into_each_others_memory():
    features, wanted, wrong = Fbank(), {}, []
    recordings = {seed: np.random.default_rng(seed).standard_normal(20_000).astype(np.float32) for seed in range(4)}
    for seed, samples in recordings.items():
        wanted[seed] = features(samples)

    def work(seed):
        for _ in range(20):
            if (features(recordings[seed]) != wanted[seed]).any():
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in recordings]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.fixture(params=[Fbank, MFCC])
def kind(request):
    """The kinds that have filters and dither."""
    return request.param


def test_dither_changes_the_features_but_follows_from_the_samples(kind):
    samples = noise(8000)
    one, other = kind(dither=1.0), kind(dither=1.0)
    assert (one(samples) != kind()(samples)).any()
    np.testing.assert_array_equal(one(samples), other(samples))
    np.testing.assert_array_equal(one(samples), one(samples))


def test_dither_is_as_loud_as_asked(kind):
    quiet = kind(dither=10.0, energy=True)(np.zeros(160_000, np.float32))
    assert np.exp(quiet[:, 0]).mean() == pytest.approx(WIDTH * 10.0**2, rel=0.02)


def test_dither_does_not_ask_how_the_samples_lie_in_memory(kind):
    samples, dithered = noise(8000), kind(dither=1.0)
    np.testing.assert_array_equal(dithered(samples[::2]), dithered(samples[::2].copy()))
    np.testing.assert_array_equal(dithered(samples.astype(np.float64)), dithered(samples))


def test_dither_differs_between_recordings(kind):
    dithered = kind(dither=1.0)
    samples = np.zeros(4000, np.float32)
    other = samples.copy()
    other[-1] = 1e-4  # heard in the last frame only
    assert (dithered(samples)[0] != dithered(other)[0]).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"preemphasis": 1.5}, r"preemphasis = 1.5: must be at least 0 and at most 1"),
        ({"dither": -1.0}, r"dither = -1.0: must be at least 0 and at most 32768"),
        ({"low": -1.0}, r"low = -1.0: must be at least 0 and at most 192000"),
        ({"low": 8000.0}, r"low = 8000.0: .* below 8000 Hz"),
        ({"high": 8001.0}, r"high = 8001.0: .* at most 8000 Hz, half the rate"),
        ({"high": -400.0}, r"high = -400.0: must be at least 0"),
        ({"low": 4000.0, "high": 300.0}, r"low = 4000.0: .* below 300 Hz"),
        (
            {"mels": 13, "low": 20.0, "high": 60.0},
            r"mels = 13: filter \d+ contains none of the 256 FFT frequencies; use fewer",
        ),
        ({"mels": 400}, r"mels = 400: filter 0 contains none of the 256 FFT frequencies; use fewer"),
    ],
)
def test_invalid_filters_are_named_with_their_value_and_the_remedy(kind, settings, message):
    with pytest.raises(AsrError, match=f"^features: {message}"):
        kind(**settings)
