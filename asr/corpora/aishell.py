"""AISHELL-1: people from all over China read Mandarin.

Who: H. Bu, J. Du, X. Na, B. Wu, H. Zheng (O-COCOSDA 2017), Beijing Shell Shell Technology; 400 speakers.
Hours: 178 (120,098 sentences for training, 14,326 for development and 7,176 for testing; 16 kHz).
Licence: Apache 2.0, by OpenSLR 33.
Where from: https://www.openslr.org/33/, data_aishell.tgz (15 GB).
Checksum: none is known; that of the first download is recorded.

The archive contains one more for each speaker. In the transcripts, spaces separate words, as they were segmented for
the corpus; Chinese is written without, and they are removed. Recordings without a transcript (325) are left out.
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

ARCHIVE = Archive("https://www.openslr.org/resources/33/data_aishell.tgz")
EXPECTED = {"train": 120_098, "dev": 14_326, "test": 7_176}
TRANSCRIPTS = "transcript/aishell_transcript_v0.8.txt"


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets, of which the folders train, dev and test in wav/ contain the recordings.

    Args:
        source: The folder that contains wav and transcript, directly or one level down; None downloads it.
        out: The folder of the download, and of the speakers' archives that are not unpacked in the source.
        partial: Only warn if recordings are missing.

    Raises:
        InputError: It cannot be downloaded or unpacked; there is no such folder; recordings are missing.
    """
    given = source or download.fetch(ARCHIVE, out / "source")
    root = next((folder for folder in (given, given / "data_aishell") if (folder / TRANSCRIPTS).is_file()), None)
    if root is None:
        raise InputError(f"{given}: does not contain AISHELL-1 (no {TRANSCRIPTS}); pass the folder that contains it")
    tree = Tree(_recordings(root / "wav", out / "wav"))
    said = _transcripts(root / TRANSCRIPTS)
    reading = Reading()
    for audio in tree.audio:
        *_, set_, speaker, _ = audio.parts
        if set_ in EXPECTED and audio.stem in said:
            reading.entries.append(Entry(audio, said[audio.stem], id=audio.stem, speaker=speaker, set=set_))
    found = probe.utterances(tree, reading, probe.headers(entry.audio for entry in reading.entries))
    settle(root, [f"{p.what}: {len(p.names)} ({p.names[0]} …)" for p in reading.problems], partial)
    return layout.check(root, {name: [u for u, set_ in found if set_ == name] for name in EXPECTED}, EXPECTED, partial)


def _recordings(wav: Path, unpacked: Path) -> Path:
    """Return the folder of the sets' recordings, after unpacking the speakers' archives if there are any."""
    packages = sorted(wav.glob("*.tar.gz"))
    for package in packages:
        target = unpacked / package.name.removesuffix(".tar.gz")
        if not target.is_dir():
            download.unpack_whole(package, target)
    return unpacked if packages else wav


def _transcripts(path: Path) -> dict[str, str]:
    """Return the transcripts by the recordings' names, without spaces."""
    rows = (line.split() for line in texts.lines(path, "transcripts", "unpack the corpus again"))
    return {id: "".join(words) for id, *words in filter(None, rows)}
