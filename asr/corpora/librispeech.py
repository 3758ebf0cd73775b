"""LibriSpeech: people read English books aloud; a mini corpus of five hours, and the 100 hours of its clean part.

Who: V. Panayotov, G. Chen, D. Povey, S. Khudanpur (ICASSP 2015), from LibriVox's volunteers.
Hours: 5.4 for training in mini-LibriSpeech, 100.6 in train-clean-100; 5.4 each in dev-clean and test-clean (16 kHz).
Licence: Creative Commons Attribution 4.0.
Where from: https://www.openslr.org/12/ and, for the mini corpus, https://www.openslr.org/31/.
Checksums: SHA-256 below of the parts of OpenSLR 12, as torchaudio has them; of OpenSLR 31 none is known.

The mini corpus has no test set; test-clean, the official one, is taken for it, so that results of both can be compared.
"""

from pathlib import Path

from asr.corpora import download, layout
from asr.corpora.download import Archive
from asr.corpora.protocol import Sets
from asr.errors import InputError

SITE = "https://www.openslr.org/resources"
ARCHIVES = {
    "train-clean-5": Archive(f"{SITE}/31/train-clean-5.tar.gz"),
    "dev-clean-2": Archive(f"{SITE}/31/dev-clean-2.tar.gz"),
    "train-clean-100": Archive(
        f"{SITE}/12/train-clean-100.tar.gz",
        checksum="sha256:d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2",
    ),
    "dev-clean": Archive(
        f"{SITE}/12/dev-clean.tar.gz",
        checksum="sha256:76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    ),
    "test-clean": Archive(
        f"{SITE}/12/test-clean.tar.gz",
        checksum="sha256:39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    ),
}
MINI = {"train": "train-clean-5", "dev": "dev-clean-2", "test": "test-clean"}
CLEAN_100 = {"train": "train-clean-100", "dev": "dev-clean", "test": "test-clean"}


def _prepare(parts: dict[str, str], source: Path | None, out: Path, *, partial: bool) -> Sets:
    """Return the sets.

    Args:
        parts: The corpus's part for train, dev and test.
        source: The folder that contains these parts, directly or further down; None downloads them into `out`, once.
        out: The folder of the downloads.
        partial: Proceed even if more is wrong than is skipped by default.

    Raises:
        InputError: A part cannot be downloaded or is missing.
    """
    sets: Sets = {}
    for name, part in parts.items():
        root = _part(source, part) if source else download.fetch(ARCHIVES[part], out / "source" / part)
        sets[name] = [utterance for utterance, _ in layout.read(root, "text", "{speaker}-*", partial=partial)]
    return sets


def _part(source: Path, part: str) -> Path:
    for root in (source / part, source / "LibriSpeech" / part, source / part / "LibriSpeech" / part):
        if root.is_dir():
            return root
    raise InputError(f"{source}: does not contain {part}; pass the folder that does, or omit it to download the corpus")


def prepare_mini(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets of the mini corpus; arguments and errors are those of `_prepare`."""
    return _prepare(MINI, source, out, partial=partial)


def prepare_100(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets of the 100 hours; arguments and errors are those of `_prepare`."""
    return _prepare(CLEAN_100, source, out, partial=partial)
