"""Kaldi's data directories: wav.scp, text, utt2spk and segments.

A line of wav.scp may be a command whose output is the audio. It is never run: whoever wrote the file would run what
they like on this machine.
"""

from pathlib import Path

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.errors import InputError
from asr.support import text as texts

TITLE = "a data directory of Kaldi's"
Segmented = tuple[str, float | None, float | None]  # recording, start, end


def sources(tree: Tree) -> list[Path]:
    """Return the wav.scp files."""
    return [path for path in tree.others if path.name == "wav.scp"]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return the utterances of all data directories; where some are named for a set, of those."""
    reading = Reading()
    named = [path for path in sources if set_named(path.parent.name)]
    for source in named if any(set_named(path.parent.name) == "train" for path in named) else sources:
        _directory(reading, tree, source)
    reading.how = " ".join(tree.relative(path.parent) for path in sources[:4])
    return reading


def _directory(reading: Reading, tree: Tree, source: Path) -> None:
    folder = source.parent
    recordings, commands, missing = {}, [], []
    for id, value in _table(source).items():
        if value.endswith("|") or value.startswith("|"):
            commands.append(id)
        elif audio := tree.find(value, folder):
            recordings[id] = audio
        else:
            missing.append(value)
    texts_of, speakers = _table(folder / "text"), _table(folder / "utt2spk", optional=True)
    segments = _segments(folder / "segments") if (folder / "segments").is_file() else None
    utterances: dict[str, Segmented] = segments or {id: (id, None, None) for id in texts_of}
    gone = set(commands) | set(_table(source)) - set(recordings)
    lost = [id for id, (recording, *_) in utterances.items() if recording not in recordings and recording not in gone]
    for id, (recording, start, end) in utterances.items():
        if recording in recordings:
            entry = Entry(recordings[recording], texts_of.get(id, ""), id, speakers.get(id, ""), start=start, end=end)
            entry.set = set_named(folder.name)
            reading.entries.append(entry)
    here = tree.relative(source)
    why = "run nothing that comes with data: convert them to files yourself"
    reading.report(f"recordings in {here} that are commands (`… |`), which are never run", commands, False, why)
    reading.report(f"recordings in {here} that are missing", missing)
    reading.report(f"utterances whose recording is not in {here}", lost)
    reading.report(
        f"transcripts in {here.removesuffix('wav.scp')}text of no utterance", sorted(set(texts_of) - set(utterances))
    )


def _table(path: Path, optional: bool = False) -> dict[str, str]:
    """Return a file's lines as key and rest."""
    if optional and not path.is_file():
        return {}
    rows: dict[str, str] = {}
    for number, line in enumerate(texts.lines(path, "a table of Kaldi's", "complete the data directory"), 1):
        key, _, value = line.strip().partition(" ") if " " in line.strip() else line.strip().partition("\t")
        if key in rows:
            raise InputError(f"{path}:{number}: duplicate id '{key}'; ids must be unique")
        if key:
            rows[key] = value.strip()
    return rows


def _segments(path: Path) -> dict[str, Segmented]:
    found: dict[str, Segmented] = {}
    for id, value in _table(path).items():
        try:
            recording, start, end = value.split()[:3]
            found[id] = recording, float(start), None if float(end) < 0 else float(end)  # −1: to the end
        except ValueError:
            raise InputError(f"{path}: '{id} {value}' is not 'utterance recording start end'; correct it") from None
    return found
