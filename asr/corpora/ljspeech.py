"""LJSpeech: one woman reads passages from seven books in English.

Who: L. Johnson, recorded for LibriVox; K. Ito, The LJ Speech Dataset (2017).
Hours: 24 (13,100 recordings; 22.05 kHz).
Licence: public domain.
Where from: https://keithito.com/LJ-Speech-Dataset/, version 1.1.
Checksum: 2,748,572,632 bytes, SHA-256 below.

The transcript is the third column of metadata.csv, in which numbers are words. There is no official split: ours is by
the first part of a recording's name, LJ049 for development and LJ050 for testing, so that no passage is continued in
another set. There is a single voice: the error rate says nothing of other speakers.
"""

import sys
from pathlib import Path

from asr.corpora import download, layout
from asr.corpora.download import Archive
from asr.corpora.protocol import Sets, settle

ARCHIVE = Archive(
    "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
    2_748_572_632,
    "sha256:be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5",
)
UTTERANCES = 13_100
HELD_OUT = {"LJ049": "dev", "LJ050": "test"}


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets.

    Args:
        source: The folder with metadata.csv and wavs; None downloads it into `out`, once.
        out: The folder of the download.
        partial: Only warn if recordings are missing.

    Raises:
        InputError: It cannot be downloaded or is a different one; recordings or transcripts are missing.
    """
    root = source or download.fetch(ARCHIVE, out / "source")
    found = [utterance for utterance, _ in layout.read(root, "table", partial=partial)]
    settle(root, [f"{len(found)} utterances (not {UTTERANCES})"] * (len(found) != UTTERANCES), partial)
    sets: Sets = {"train": [], "dev": [], "test": []}
    for utterance in found:
        sets[HELD_OUT.get(utterance.id.partition("-")[0], "train")].append(utterance)
    print(f"warning: {root}: a single speaker is in all sets; the error rate says nothing of others", file=sys.stderr)
    return sets
