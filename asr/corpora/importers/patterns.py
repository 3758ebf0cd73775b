"""File names with all fields, such as `7_jackson_32.wav`: a pattern tells which part is the text and which the speaker.

Without a pattern the parts are guessed from what they are like in all names together, and the guess is said. Where two
readings are as likely, the pattern is asked for.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from asr.corpora.importers.entry import Entry, Reading
from asr.corpora.importers.tree import Tree
from asr.errors import InputError

TITLE = "names that contain the text"
FEW = 50  # different values of a part that may be words of a closed vocabulary
_SPOKEN = """zero one two three four five six seven eight nine ten oh yes no on off up down left right stop go start
    forward backward follow learn visual wow happy house cat dog bird bed tree marvin sheila hello bye open close play
    pause next previous help cancel""".split()
_FIELD = re.compile(r"\{(\w+)\}")


def sources(tree: Tree) -> list[Path]:
    """Return the recordings, where the parts of their names can be told apart."""
    return tree.audio if guess([path.stem for path in tree.audio]) else []


def read(tree: Tree, sources: list[Path], pattern: str | None) -> Reading:
    """Return one entry for each recording whose name fits.

    Raises:
        InputError: There is no pattern and none can be guessed, or the pattern has no text.
    """
    shape = pattern or guess([path.stem for path in tree.audio])
    if not shape:
        raise InputError(f"{tree.root}: {unclear([path.stem for path in tree.audio])}")
    if "{text" not in shape:
        raise InputError(f"--pattern {shape}: has no {{text}}; for example '{{text}}_{{speaker}}_{{take}}'")
    reading = Reading()
    unfit = []
    for path in tree.audio:
        if parts := fit(shape, tree, path):
            texts = [value for key, value in parts.items() if key.startswith("text")]
            text = " ".join(re.sub(r"[_ .]+", " ", value) for value in texts)
            speaker = parts.get("speaker", "")
            reading.entries.append(Entry(path, text.strip(), speaker=speaker, set=tree.set_of(path)))
        else:
            unfit.append(tree.relative(path))
    reading.report(f"recordings whose names do not fit {shape}", unfit)
    example = reading.entries[0] if reading.entries else None
    said = f": {example.audio.stem} → '{example.text}'" if example else ""
    said += f" by {example.speaker}" if example and example.speaker else ""
    reading.how = f"--pattern '{shape}'{said}" if pattern else f"guessed as --pattern '{shape}'{said}"
    return reading


def fit(pattern: str, tree: Tree, path: Path) -> dict[str, str]:
    """Return what the fields of a pattern stand for in a recording's name; empty where it does not fit.

    A pattern with a slash is compared with the path below the root, else with the name; the ending does not count.
    """
    return fields(pattern, Path(tree.relative(path))) or {}


def fields(pattern: str, path: Path) -> dict[str, str] | None:
    """Return what the fields of a pattern stand for in a path below a root; None where it does not fit."""
    name = path.with_suffix("").as_posix() if "/" in pattern else path.stem
    match = _compiled(pattern).fullmatch(name)
    return match.groupdict() if match else None


def guess(stems: Sequence[str]) -> str:
    """Return the pattern that all names fit, with its parts told apart; empty where that is not clear."""
    split = _split(stems)
    if not split or len(split[1]) == 1:  # whole names are unique, so none is a word that is repeated
        return ""
    separators, columns = split
    values = [set(column) for column in columns]
    every = set.union(*values)
    if 2 <= len(every) <= 10 and all(len(v & w) for v in values for w in values):
        return "{text}" if len(every) < len(columns) * 2 and _closed(every) else ""
    words = [i for i, v in enumerate(values) if 2 <= len(v) <= FEW and _closed(v)]
    if len(words) > 1:  # takes are often counted from 0 or 1: what is spelled out, or the only ten digits, is the text
        words = [i for i in words if not any(x.isdigit() for x in values[i])] or [
            i for i in words if values[i] == set("0123456789")
        ]
    if len(words) != 1:
        return ""
    names = [i for i, v in enumerate(values) if i != words[0] and not all(x.isdigit() for x in v)]
    if len(names) > 1:
        return ""
    fields = {words[0]: "text"} | {i: "speaker" for i in names}
    others = iter(["take", *(f"part{n}" for n in range(2, len(columns)))])
    parts = [f"{{{fields.get(i) or next(others)}}}" for i in range(len(columns))]
    return "".join(a + b for a, b in zip(parts, (*separators, ""), strict=True))


def unclear(stems: Sequence[str]) -> str:
    """Return why there are no transcripts, with what to do: the second half of a message."""
    split = _split(stems)
    if split and len(split[1]) > 1:
        parts = [f"{{part{n}}}" for n in range(1, len(split[1]) + 1)]
        shape = "".join(a + b for a, b in zip(parts, (*split[0], ""), strict=True))
        return (
            f"no transcripts found; all names have the shape '{shape}' ({stems[0]}), so if they contain the text, pass "
            "--pattern, for example '{text}_{speaker}_{take}'"
        )
    return (
        "no transcripts found; put a .txt beside each recording, or one text file with a name and a text on each line"
    )


def spoken(word: str) -> bool:
    """Tell whether a name is a word that people record lists of: a digit, a letter, a number or a command."""
    return word.lower() in _SPOKEN or bool(re.fullmatch(r"\d{1,2}|[a-zA-Z]", word))


def _closed(values: set[str]) -> bool:
    return all(spoken(value) for value in values)


def _split(stems: Sequence[str]) -> tuple[list[str], list[tuple[str, ...]]] | None:
    """Return the separators that all names have, and the parts between them by place; None where names differ."""
    separators = re.findall(r"[_\-. ]", stems[0])
    rows = [re.split(r"[_\-. ]", stem) for stem in stems]
    alike = all(re.findall(r"[_\-. ]", stem) == separators for stem in stems)
    if not alike or len(stems) < 2 or not all(all(row) for row in rows):
        return None
    return separators, list(zip(*rows, strict=True))


def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a pattern as a regular expression; its last field takes what is left.

    Raises:
        InputError: A field is a duplicate.
    """
    parts = re.split(r"(\{\w+\}|\*)", pattern)
    expression = "".join(
        f"(?P<{part[1:-1]}>[^/]+?)" if _FIELD.fullmatch(part) else ".*" if part == "*" else re.escape(part)
        for part in parts
    )
    try:
        return re.compile(expression)
    except re.error as error:
        raise InputError(f"--pattern {pattern}: {error}; use each field once") from error
