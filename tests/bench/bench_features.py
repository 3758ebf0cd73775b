"""Speed and exactness of our MFCCs beside Kaldi's descendants, on one thread.

    python tests/bench/bench_features.py [recordings or folders …]

Without recordings, a minute of tones in noise is made. Speed is counted in this process's own CPU seconds, so that
others at work on the machine do not count. Exactness is the largest absolute difference, also to Kaldi's
definition computed step by step in double precision: the others differ from it, and so from us, by their rounding.
"""

# ruff: noqa: E402 (the number of threads must be set before NumPy and torch are loaded)
import os

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import statistics
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from asr import audio
from asr.features.fbank import FLOOR, mel_filters, povey
from asr.features.mfcc import MFCC, cosines, lift

RATE = 16_000
ROUNDS = 7
Extract = Callable[[np.ndarray], np.ndarray]


def definition(samples: np.ndarray) -> np.ndarray:
    """Return Kaldi's MFCCs in double precision throughout."""
    frames = sliding_window_view(samples.astype(np.float64) * 32768, 400)[::160]
    centred = frames - frames.mean(axis=1, keepdims=True)
    emphasised = centred - 0.97 * np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
    power = np.abs(np.fft.rfft(emphasised * povey(400), 512)) ** 2
    return np.log(np.maximum(power @ mel_filters(23, 512, RATE, 20.0, 0.0), FLOOR)) @ (cosines(23, 13) * lift(13, 22.0))


def kaldi_native_fbank() -> Extract:
    import kaldi_native_fbank as knf

    options = knf.MfccOptions()
    options.frame_opts.dither, options.use_energy, options.mel_opts.num_bins = 0.0, False, 23

    def extract(samples: np.ndarray) -> np.ndarray:
        online = knf.OnlineMfcc(options)
        online.accept_waveform(RATE, samples * 32768)
        online.input_finished()
        return np.stack([online.get_frame(t) for t in range(online.num_frames_ready)])

    return extract


def torchaudio() -> Extract:
    import torch
    from torchaudio.compliance import kaldi

    torch.set_num_threads(1)

    def extract(samples: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return kaldi.mfcc(torch.from_numpy(samples * 32768)[None], dither=0.0).numpy()

    return extract


def recordings(paths: list[str]) -> list[np.ndarray]:
    """Return the samples (S,) of every recording under some paths, or twelve made ones."""
    found = [Path(p) for p in paths if Path(p).is_file()]
    found += [wav for p in paths for wav in sorted(Path(p).rglob("*.[wW][aA][vV]"))]
    if found:
        return [audio.resample(*audio.read(path), RATE) for path in found]
    generator, time_axis = np.random.default_rng(0), np.arange(5 * RATE) / RATE
    tones = [sum(np.sin(2 * np.pi * f * time_axis) for f in generator.uniform(80, 7000, 5)) for _ in range(12)]
    return [(0.05 * t + 0.001 * generator.standard_normal(len(t))).astype(np.float32) for t in tones]


def seconds(extract: Extract, samples: list[np.ndarray]) -> float:
    """Return the CPU seconds that all of it takes."""
    start = time.process_time()
    for one in samples:
        extract(one)
    return time.process_time() - start


def main(paths: list[str]) -> None:
    """Print a table of speeds and one of differences."""
    contenders: dict[str, Extract] = {"asr": MFCC()}
    for make in (kaldi_native_fbank, torchaudio):
        try:
            contenders[make.__name__] = make()
        except (ImportError, OSError) as error:
            print(f"{make.__name__} cannot be imported and is left out: {error}", file=sys.stderr)
    samples = recordings(paths)
    spoken = sum(map(len, samples)) / RATE
    print(f"MFCC of {len(samples)} recordings, {spoken:.0f} s, one thread, median of {ROUNDS}")
    rounds = [{name: seconds(extract, samples) for name, extract in contenders.items()} for _ in range(ROUNDS)]
    for name in contenders:
        print(f"  {name:20s} {spoken / statistics.median(one[name] for one in rounds):7.0f} × real time")
    results = {
        name: [extract(one) for one in samples] for name, extract in (contenders | {"definition": definition}).items()
    }
    print("largest absolute difference")
    for one, other in combinations(results, 2):
        worst = max(np.abs(a - b).max() for a, b in zip(results[one], results[other], strict=True))
        print(f"  {one:20s} {other:20s} {worst:.1e}")


if __name__ == "__main__":
    main(sys.argv[1:])
