"""Trees in TIMIT's shapes, of recordings 30 ms long."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.corpora.timit_speakers import CORE_TEST_SPEAKERS, DEV_SPEAKERS, TRAIN_SPEAKERS

SENTENCES = "si943 si1573 si2203 sx43 sx133 sx223 sx313 sx403".split()
SENTENCES_OF = {"mprt0": "si580 si1210 si1840 sx40 sx130 sx220 sx310 sx400".split()}
SAMPLES = 480


class Utterances:
    """Writes the four files of an utterance, linked to one master for each number of phones."""

    def __init__(self, masters: Path) -> None:
        self.masters, self.made = masters, set()

    def master(self, phones: int) -> Path:
        """38 phones fold to 37 tokens: the glottal stop is deleted."""
        path = self.masters / str(phones)
        if phones not in self.made:
            self.made.add(phones)
            symbols = ["h#", "q", *(["kcl", "k"] * phones)][: phones - 1] + ["h#"]
            lines = [f"{12 * i} {12 * (i + 1)} {symbol}\n" for i, symbol in enumerate(symbols)]
            samples = np.random.default_rng(1).integers(-999, 999, SAMPLES, np.int16)
            self.masters.mkdir(exist_ok=True)
            path.with_suffix(".phn").write_text("".join(lines))
            path.with_suffix(".wrd").write_text("12 230 don't\n220 400 ask\n")
            path.with_suffix(".txt").write_text(f"0 {SAMPLES} Don't ask me.\n")
            soundfile.write(path.with_suffix(".wav"), samples, 16_000, format="NIST", subtype="PCM_16")
        return path

    def __call__(self, stem: Path, phones: int = 38, upper: bool = True) -> None:
        stem.parent.mkdir(parents=True, exist_ok=True)
        master = self.master(phones)
        for suffix in ("wav", "phn", "wrd", "txt"):
            os.link(f"{master}.{suffix}", f"{stem}.{suffix.upper() if upper else suffix}")


@pytest.fixture(scope="session")
def write_utterance(tmp_path_factory):
    return Utterances(tmp_path_factory.mktemp("masters") / "m")


def speakers_and_regions(train):
    """Those of TRAIN and all of TEST, with names of our own for the 94 that are neither dev nor core test."""
    others = [f"m{a}{b}x{9}" for a in "qx" for b in "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstu"]
    others = [name[:4] + str(5 + i // 26 % 5) for i, name in enumerate(others)]
    for top, names in (("TRAIN", train), ("TEST", {*DEV_SPEAKERS, *CORE_TEST_SPEAKERS, *others})):
        for i, name in enumerate(sorted(names)):
            region = {"faks0": 1, "mprt0": 4}.get(name, 1 + i % 8)
            yield top, f"DR{region}", name


@pytest.fixture(scope="session")
def write_tree(write_utterance):
    """Write TIMIT: upper-case, NIST SPHERE, 15057 and 7215 folded tokens; all 630 speakers, or fewer in TRAIN."""

    def write(root, train=TRAIN_SPEAKERS):
        longer = {"dev": 15057 - 37 * 400, "test": 7215 - 37 * 192}  # so many utterances have a 38th token
        for top, region, speaker in speakers_and_regions(train):
            folder = root / top / region / speaker.upper()
            set_ = "dev" if speaker in DEV_SPEAKERS else "test" if speaker in CORE_TEST_SPEAKERS else "other"
            for sentence in SENTENCES_OF.get(speaker, SENTENCES):
                longer[set_] = longer.get(set_, 0) - 1
                write_utterance(folder / sentence.upper(), 39 if longer[set_] >= 0 else 38)
            (folder / "SA1.WAV").write_bytes(b"never read")
        return root

    return write


@pytest.fixture
def small_tree(tmp_path, write_utterance):
    """A speaker in TRAIN and one in TEST, with one utterance each."""
    root = tmp_path / "TIMIT"
    write_utterance(root / "TRAIN" / "DR1" / "FCJF0" / "SX37")
    write_utterance(root / "TEST" / "DR1" / "FAKS0" / "SI943")
    return root


@pytest.fixture
def flat_tree(tmp_path, write_utterance):
    """Two utterances in the free sample's shape."""
    root = tmp_path / "timit"
    write_utterance(root / "dr1-fvmh0" / "sx26", upper=False)
    write_utterance(root / "dr2-faem0" / "si762", upper=False)
    (root / "dr2-faem0" / "sa1.wav").write_bytes(b"never read")
    return root
