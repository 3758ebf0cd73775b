"""yesno: one man says yes or no in Hebrew, eight times in a recording.

Who: a single speaker, recorded for the Kaldi project; the corpus names nobody.
Hours: 0.05 (60 recordings of 8 words; 8 kHz).
Licence: as stated at OpenSLR 1, not verified here.
Where from: https://www.openslr.org/1/, waves_yesno.tar.gz.
Checksum: SHA-256 below, as torchaudio has it.

A recording's name is its transcript: 1 is yes, 0 is no. The sets are of recordings, every sixth for dev and every sixth
for test; all are of the same voice, so that the error rate says that training works and nothing of other speakers.
"""

import sys
from dataclasses import replace
from pathlib import Path

from asr.corpora import download, layout
from asr.corpora.download import Archive
from asr.corpora.protocol import Sets

ARCHIVE = Archive(
    "https://www.openslr.org/resources/1/waves_yesno.tar.gz",
    checksum="sha256:30301975fd8c5cac4040c261c0852f57cfa8adbbad2ce78e77e4986957445f27",
)
WORDS = {"0": "no", "1": "yes"}


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets, of however many recordings there are.

    Args:
        source: The folder with the recordings; None downloads them into `out`, once.
        out: The folder of the download.
        partial: Proceed even if more is wrong than is skipped by default.

    Raises:
        InputError: They cannot be downloaded or are different ones; a name is not a transcript.
    """
    root = source or download.fetch(ARCHIVE, out / "source")
    sets: Sets = {"train": [], "dev": [], "test": []}
    for number, (utterance, _) in enumerate(layout.read(root, "names", "{text}", partial=partial)):
        words = " ".join(WORDS.get(word, word) for word in utterance.text.split())
        sets[{4: "dev", 5: "test"}.get(number % 6, "train")].append(replace(utterance, text=words))
    print(f"warning: {root}: a single speaker is in all sets; the error rate says nothing of others", file=sys.stderr)
    return sets
