"""THCHS-30: fluent speakers, most of them students, read news in Mandarin.

Who: D. Wang, X. Zhang (arXiv:1512.01882), Tsinghua University.
Hours: 25:00 for training, 2:14 development, 6:15 test (10,000, 893 and 2,495 sentences; 16 kHz), by its own README.
Licence: Apache 2.0, by OpenSLR 18.
Where from: https://www.openslr.org/18/, data_thchs30.tgz (6.4 GB).
Checksum: none is known; that of the first download is recorded.

A transcript has words in its first line, syllables in pinyin with tones in its second, initials and finals in its
third. The syllables are taken: their letters are few and known. In some transcripts, a token `l` or `=` is left from
writing; it is dropped.
"""

from pathlib import Path

from asr.corpora import download, layout
from asr.corpora.download import Archive
from asr.corpora.importers import probe
from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.corpora.protocol import Sets, settle
from asr.errors import InputError
from asr.support import text as texts

ARCHIVE = Archive("https://www.openslr.org/resources/18/data_thchs30.tgz")
EXPECTED = {"train": 10_000, "dev": 893, "test": 2_495}
STRAY = {"l", "="}


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets, of which the folders train, dev and test name the recordings.

    Args:
        source: The folder that contains data, train, dev and test, directly or one level down; None downloads it.
        out: The folder of the download.
        partial: Only warn if recordings or transcripts are missing.

    Raises:
        InputError: It cannot be downloaded; there is no such folder; recordings or transcripts are missing.
    """
    given = source or download.fetch(ARCHIVE, out / "source")
    root = next((folder for folder in (given, given / "data_thchs30") if (folder / "data").is_dir()), None)
    if root is None:
        raise InputError(f"{given}: does not contain THCHS-30 (no folder data); pass the folder that contains it")
    reading = Reading()
    tree = Tree(root / "data")
    for name in EXPECTED:
        for path in sorted((root / name).glob("*.wav.trn")):
            audio = tree.root / path.name.removesuffix(".trn")
            speaker = path.name.partition("_")[0]
            reading.entries.append(Entry(audio, _syllables(tree.root / path.name), speaker=speaker, set=name))
    missing = [entry.audio.name for entry in reading.entries if not entry.audio.is_file()]
    settle(root, [f"recordings missing: {len(missing)} ({missing[0]} …)"] if missing else [], partial)
    reading.entries = [entry for entry in reading.entries if entry.audio.is_file()]
    found = probe.utterances(tree, reading, probe.headers(entry.audio for entry in reading.entries))
    settle(root, [f"{p.what}: {len(p.names)} ({p.names[0]} …)" for p in reading.problems], partial)
    sets: Sets = {set_: [u for u, name in found if name == set_] for set_ in EXPECTED}
    return layout.check(root, sets, EXPECTED, partial)


def _syllables(path: Path) -> str:
    """Return the second line of a transcript.

    Raises:
        InputError: There is none.
    """
    lines = texts.lines(path, "a transcript", "unpack the corpus again")
    if len(lines) < 2:
        raise InputError(f"{path}: has no second line with the syllables; unpack the corpus again")
    return " ".join(syllable for syllable in lines[1].split() if syllable not in STRAY)
