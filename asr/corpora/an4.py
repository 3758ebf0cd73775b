"""AN4, the census database: people spell and say names, addresses and numbers in English.

Who: A. Acero (Acoustical and Environmental Robustness in Automatic Speech Recognition, 1993), Carnegie Mellon, 1991.
Hours: 0.8 in all, not verified here (948 recordings for training and 130 for testing; 16 kHz).
Licence: unknown; Carnegie Mellon offers it for download without one.
Where from: http://www.speech.cs.cmu.edu/databases/an4/; no https, so not fetched: SOURCE=.
Checksum: none is known.

The layout is that of an4_sphere or an4_raw converted: etc/an4_train.transcription, lines `<s> TEXT </s> (NAME)`, and
wav below it. The 100 last training recordings, of whole speakers, are for development.
"""

import re
from pathlib import Path

from asr.corpora import layout
from asr.corpora.importers import probe
from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.corpora.protocol import Sets, settle
from asr.errors import InputError
from asr.support import text as texts

EXPECTED = {"test": 130}
DEV = 100  # recordings at least, of whole speakers
WHERE_FROM = """AN4 is at http://www.speech.cs.cmu.edu/databases/an4/, an address without https
download an4_sphere.tar.gz, unpack it, and pass its folder: make train RECIPE=an4 SOURCE=/path/to/an4"""
_LINE = re.compile(r"(?:<s>)?\s*(.*?)\s*(?:</s>)?\s*\((\S+)\)")


def prepare(source: Path | None, out: Path, *, partial: bool = False) -> Sets:
    """Return the sets.

    Args:
        source: The folder that contains etc and wav.
        out: Not used; the corpus is read in place.
        partial: Only warn if recordings or transcripts are missing.

    Raises:
        InputError: There is no source; recordings or transcripts are missing; a line is not a transcript.
    """
    if source is None:
        raise InputError(WHERE_FROM)
    tree, reading, missing = Tree(source), Reading(), []
    for name in ("train", "test"):
        for number, line in enumerate(texts.lines(source / "etc" / f"an4_{name}.transcription", "transcripts"), 1):
            match = _LINE.fullmatch(line.strip())
            if not match:
                raise InputError(
                    f"{source}/etc/an4_{name}.transcription:{number}: '{line}' is not '<s> text </s> (id)'"
                )
            audio = tree.find(match[2], source)
            if audio is None:
                missing.append(match[2])
                continue
            reading.entries.append(Entry(audio, match[1], match[2], audio.parent.name, name))
    found = probe.utterances(tree, reading, probe.headers(entry.audio for entry in reading.entries))
    problems = [f"recordings missing: {len(missing)} ({missing[0]} …)"] if missing else []
    settle(source, problems + [f"{p.what}: {len(p.names)} ({p.names[0]} …)" for p in reading.problems], partial)
    sets: Sets = {set_: [u for u, name in found if name == set_] for set_ in ("train", "dev", "test")}
    for speaker in sorted({u.speaker for u in sets["train"]}, reverse=True)[:-1]:
        if len(sets["dev"]) < DEV:
            sets["dev"] += [u for u in sets["train"] if u.speaker == speaker]
    held = {u.speaker for u in sets["dev"]}
    sets["train"] = [u for u in sets["train"] if u.speaker not in held]
    return layout.check(source, sets, EXPECTED, partial)
