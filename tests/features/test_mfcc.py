from pathlib import Path

import numpy as np
import pytest

from asr.errors import AsrError
from asr.features.fbank import Fbank
from asr.features.mfcc import MFCC, cosines, lift

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "features.npz")
SAMPLES = GOLDEN["samples"].astype(np.float32) / 32768
NO_KALDI = "the witness kaldi-native-fbank is not installed"


@pytest.mark.parametrize(("name", "energy"), [("mfcc", False), ("mfcc_energy", True)])
def test_mfcc_is_what_kaldi_native_fbank_wrote_down(name, energy):
    np.testing.assert_allclose(MFCC(energy=energy)(SAMPLES), GOLDEN[name], atol=1e-3, rtol=0)


@pytest.mark.parametrize(("coefficients", "mels", "lifter"), [(13, 23, 22.0), (20, 40, 22.0), (13, 23, 0.0)])
def test_mfcc_is_kaldi_native_fbank(coefficients, mels, lifter):
    knf = pytest.importorskip("kaldi_native_fbank", reason=NO_KALDI)
    options = knf.MfccOptions()
    options.frame_opts.dither, options.use_energy = 0.0, False
    options.mel_opts.num_bins, options.num_ceps, options.cepstral_lifter = mels, coefficients, lifter
    witness = knf.OnlineMfcc(options)
    witness.accept_waveform(16_000, SAMPLES * 32768)
    witness.input_finished()
    expected = np.stack([witness.get_frame(t) for t in range(witness.num_frames_ready)])
    ours = MFCC(coefficients=coefficients, mels=mels, lifter=lifter)(SAMPLES)
    np.testing.assert_allclose(ours, expected, atol=1e-3, rtol=0)


@pytest.mark.parametrize("energy", [False, True])
def test_mfcc_is_torchaudios(energy):
    torch = pytest.importorskip("torch", reason="the witness torchaudio needs torch")
    try:
        from torchaudio.compliance import kaldi
    except (ImportError, OSError) as error:  # OSError: a torchaudio for CUDA beside a torch for the CPU
        pytest.skip(f"the witness torchaudio cannot be imported: {error}")
    samples = torch.from_numpy(SAMPLES * 32768)[None]
    expected = kaldi.mfcc(samples, dither=0.0, use_energy=energy, energy_floor=0.0).numpy()
    np.testing.assert_allclose(MFCC(energy=energy)(SAMPLES), expected, atol=1e-3, rtol=0)


def test_the_cosines_are_orthonormal_and_those_of_scipy():
    fft = pytest.importorskip("scipy.fft", reason="the witness scipy is not installed")
    matrix = cosines(23, 23)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(23), atol=1e-12)
    np.testing.assert_allclose(matrix, fft.dct(np.eye(23), norm="ortho"), atol=1e-12)


def test_c0_is_the_scaled_mean_of_the_log_energies():
    c0 = Fbank()(SAMPLES).mean(axis=1) * np.sqrt(23)
    np.testing.assert_allclose(MFCC()(SAMPLES)[:, 0], c0, rtol=1e-5)


def test_energy_takes_the_place_of_c0_and_nothing_else():
    with_energy, without = MFCC(energy=True)(SAMPLES), MFCC()(SAMPLES)
    np.testing.assert_array_equal(with_energy[:, 0], Fbank(energy=True)(SAMPLES)[:, 0])
    np.testing.assert_array_equal(with_energy[:, 1:], without[:, 1:])


def test_the_lifter_leaves_c0_and_raises_c11_twelvefold():
    factors = lift(13, 22.0)
    assert factors[0] == 1 and factors[11] == pytest.approx(12)
    assert (lift(13, 0.0) == 1).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"coefficients": 24}, "coefficients = 24: must not exceed the 23 filters"),
        ({"coefficients": 0}, "coefficients = 0: must be at least 1"),
        ({"mels": 10}, "coefficients = 13: must not exceed the 10 filters"),
        ({"lifter": -1.0}, "lifter = -1.0: must be at least 0"),
    ],
)
def test_an_invalid_setting_is_named(settings, message):
    with pytest.raises(AsrError, match=f"^features: {message}"):
        MFCC(**settings)
