"""A corpus of tones: every letter is a pitch, so that a small network learns it in seconds."""

import numpy as np
import soundfile

from asr import manifest
from asr.manifest import Utterance

PITCH = {"a": 300.0, "b": 700.0, "c": 1500.0, "d": 3000.0}  # Hz
RATE = 16000


def tones(text, generator):
    time = np.arange(int(0.12 * RATE)) / RATE
    shape = np.hanning(len(time))
    pause = np.zeros(int(0.04 * RATE))
    parts = [p for letter in text for p in (0.3 * shape * np.sin(2 * np.pi * PITCH[letter] * time), pause)]
    samples = np.concatenate([pause, *parts])
    return (samples + 1e-3 * generator.standard_normal(len(samples))).astype(np.float32)


def make_toy(corpus):
    """Write a prepared corpus of 48 + 12 + 12 utterances by a few speakers; a recipe's units for it are `abcd`."""
    generator = np.random.default_rng(7)
    for name, count in (("train", 48), ("dev", 12), ("test", 12)):
        utterances = []
        for i in range(count):
            text = "".join(generator.choice(list(PITCH), generator.integers(2, 7)))
            path = corpus / name / f"{i:02}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            samples = tones(text, generator)
            soundfile.write(path, samples, RATE)
            utterances.append(Utterance(f"{name}-{i:02}", path, len(samples) / RATE, f"{name}{i % 4}", text))
        manifest.write(corpus / f"{name}.jsonl", utterances)
    return corpus
