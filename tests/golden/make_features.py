"""Write features.npz: what kaldi-native-fbank, which shares no line with us, makes of a chirp in noise.

Run from anywhere: `python tests/golden/make_features.py`. The samples are kept beside the values, as 16-bit integers.
"""

from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np

RATE = 16_000


def chirp() -> np.ndarray:
    """Half a second (8000,) that rises from 100 to 7500 Hz, fading in, with noise and an offset."""
    time = np.arange(RATE // 2) / RATE
    phase = 2 * np.pi * (100 * time + (7500 - 100) * time**2)
    samples = 0.4 * time / time[-1] * np.sin(phase) + 0.02 * np.random.default_rng(0).standard_normal(len(time)) + 0.01
    return np.round(samples * 32768).astype(np.int16)


def kaldi(online: type, options: object, samples: np.ndarray, **changes: object) -> np.ndarray:
    """Return Kaldi's features (T, F) of 16-bit samples."""
    options.frame_opts.dither = 0.0
    options.use_energy = False
    options.mel_opts.num_bins = 23
    for name, value in changes.items():
        part, _, setting = name.rpartition("__")
        setattr(getattr(options, part) if part else options, setting, value)
    features = online(options)
    features.accept_waveform(RATE, samples.astype(np.float32))
    features.input_finished()
    return np.stack([features.get_frame(t) for t in range(features.num_frames_ready)])


if __name__ == "__main__":
    samples = chirp()
    np.savez_compressed(
        Path(__file__).with_name("features.npz"),
        samples=samples,
        mfcc=kaldi(knf.OnlineMfcc, knf.MfccOptions(), samples),
        mfcc_energy=kaldi(knf.OnlineMfcc, knf.MfccOptions(), samples, use_energy=True),
        fbank=kaldi(knf.OnlineFbank, knf.FbankOptions(), samples, mel_opts__num_bins=40),
        fbank_energy=kaldi(knf.OnlineFbank, knf.FbankOptions(), samples, use_energy=True),
        fbank_band=kaldi(
            knf.OnlineFbank, knf.FbankOptions(), samples, mel_opts__low_freq=100, mel_opts__high_freq=4000
        ),
    )
