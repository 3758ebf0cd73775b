"""A run on a corpus in TIMIT's form: its phones are tones, and its transcripts contain markup."""

import shutil
from itertools import pairwise

import numpy as np
import pytest
import soundfile
import torch

from asr import config, manifest, report
from asr.evaluation import measurement
from asr.manifest import Segment, Utterance
from asr.training import loop

RATE = 16000
PITCH = {"aa": 300.0, "iy": 700.0, "m": 1500.0, "s": 3000.0}  # Hz; the others are silent
SPEAKERS = ["dr1-fabc0", "dr1-mabd0", "dr2-fabe0", "dr2-mabf0", "dr5-fabg1", "dr8-mabh1"]
TEXT = "</title><script>alert(1)</script> & “quoted”"


def utterance(folder, id, generator):
    symbols = ["h#", *generator.choice(list(PITCH), generator.integers(3, 8)), "q", "h#"]
    borders = np.cumsum([0, *(0.09 + 0.06 * generator.random(len(symbols)))])
    phones = [Segment(str(s), *times) for s, times in zip(symbols, pairwise(borders.tolist()), strict=True)]
    time = np.arange(int(borders[-1] * RATE)) / RATE
    samples = 1e-3 * generator.standard_normal(len(time))
    for phone in phones:
        inside = (phone.start <= time) & (time < phone.end)
        tone = np.sin(2 * np.pi * PITCH.get(phone.symbol, 0.0) * time[inside])
        samples[inside] += 0.3 * np.hanning(inside.sum()) * tone
    path = folder / f"{id}.wav"
    soundfile.write(path, samples.astype(np.float32), RATE)
    words = (Segment("<b>tone</b>", 0.1, float(borders[-1])),)
    return Utterance(id, path, len(samples) / RATE, id.split("-")[1], TEXT, tuple(phones), words)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A folder of prepared corpora with `timit-tones`."""
    folder = tmp_path_factory.mktemp("corpora")
    corpus = folder / "timit-tones"
    corpus.mkdir()
    generator = np.random.default_rng(3)
    for name, count in (("train", 10), ("dev", 2), ("test", 4)):
        ids = [f"{speaker}-s{name[0]}{i}" for speaker in SPEAKERS for i in range(count)]
        manifest.write(corpus / f"{name}.jsonl", [utterance(corpus, id, generator) for id in ids])
    return folder


@pytest.fixture(scope="session")
def trained(data, tmp_path_factory):
    """A run on `timit-tones` that makes some errors."""
    out = tmp_path_factory.mktemp("runs") / "tones"
    table = {
        "corpus": {"name": "timit-tones"},
        "encoder": {"layers": 1, "hidden": 24},
        "training": {"epochs": 8, "batch": 4, "learning_rate": 0.03},
    }
    device = torch.device("cpu")
    best = loop.run(config.parse(table, "test"), data / "timit-tones", out, device)
    measurement.run(best, data / "timit-tones" / "test.jsonl", out / "test", device)
    return out


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the run that a test may change."""
    return shutil.copytree(trained, tmp_path / "tones")


@pytest.fixture(scope="session")
def page(trained, data):
    """The run's report."""
    pytest.importorskip("matplotlib", reason="the extra `plots` is not installed")
    return report.write(trained, "test", data, trained.parent / "report.html")
