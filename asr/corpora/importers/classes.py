"""A folder for each word: the folder's name is the transcript of every recording in it, as in Speech Commands."""

import re
from collections import Counter
from pathlib import Path

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.patterns import spoken
from asr.corpora.importers.tree import Tree, set_named

TITLE = "a folder for each word"
_HASHED = re.compile(r"(.+)_nohash_\d+")  # Speech Commands: the speaker


def sources(tree: Tree) -> list[Path]:
    """Return the folders, where their names are words that people record: digits, letters, commands."""
    folders = _folders(tree)
    return sorted(folders) if len(folders) > 1 and all(spoken(folder.name) for folder in folders) else []


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each recording; folders that begin with _ are noise."""
    reading = Reading()
    for path in tree.audio:
        if path.parent in _folders(tree):
            hashed = _HASHED.fullmatch(path.stem)
            text = path.parent.name.replace("_", " ")
            reading.entries.append(Entry(path, text, speaker=hashed[1] if hashed else "", set=tree.set_of(path)))
    words = sorted({entry.text for entry in reading.entries})
    reading.how = f"text = the folder's name ({' '.join(words[:12])}{' …' if len(words) > 12 else ''})"
    return reading


def _folders(tree: Tree) -> Counter[Path]:
    found = Counter(path.parent for path in tree.audio)
    return Counter({p: n for p, n in found.items() if p != tree.root and p.name[0] != "_" and not set_named(p.name)})
