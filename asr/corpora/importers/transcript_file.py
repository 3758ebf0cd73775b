"""Text files of `name text` lines, as LibriSpeech's .trans.txt: the first word of a line is a recording's name."""

from pathlib import Path

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree, set_named
from asr.support import text as texts

TITLE = "a text file with a recording's name and its transcript on each line"
SUFFIXES = (".txt", ".tsv", ".trn", ".text", ".lst", ".trans", ".transcript")
LOOKED_AT = 20  # lines of a file, of which half must name recordings


def sources(tree: Tree) -> list[Path]:
    """Return the files of which most lines begin with a recording's name."""
    stems = {path.stem for path in tree.audio}
    others = [p for p in tree.others if p.suffix.lower() in SUFFIXES or not p.suffix]
    return [path for path in others if path.stem not in stems and _lists(tree, path)]


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return the lines as entries."""
    reading = Reading()
    for source in sources:
        missing = []
        set_ = set_named(source.stem) or tree.set_of(source)
        for line in texts.lines(source, "transcripts", "save it as UTF-8"):
            name, text = _parts(line)
            audio = tree.find(name, source.parent) if name else None
            if audio:
                reading.entries.append(Entry(audio, text, set=set_ or tree.set_of(audio)))
            elif name:
                missing.append(name)
        reading.report(f"transcripts in {tree.relative(source)} without their recording", missing)
    named = f"{len(sources)} files like " if len(sources) > 1 else ""
    reading.how = f"{named}{tree.relative(sources[0])}"
    return reading


def _lists(tree: Tree, path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = texts.decode(file.read(1 << 14).rpartition(b"\n")[0] or path.read_bytes()[: 1 << 14])
    except (OSError, UnicodeDecodeError):
        return False
    names = [name for name, text in map(_parts, texts.split(head)[:LOOKED_AT]) if text]
    return bool(names) and 2 * sum(tree.find(name, path.parent) is not None for name in names) >= len(names)


def _parts(line: str) -> tuple[str, str]:
    """Return a line's name and text; a name with spaces is followed by a tab."""
    name, _, text = line.partition("\t") if "\t" in line else line.strip().partition(" ")
    return name.strip(), text.strip()
