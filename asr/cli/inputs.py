"""Which recordings the arguments of a command name, and where the output of each belongs."""

import os
import sys
from collections import Counter
from dataclasses import replace
from io import BytesIO
from itertools import count
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from asr.cli import output
from asr.errors import InputError, first_few
from asr.formats import key
from asr.manifest import Utterance
from asr.support.text import one_line

if TYPE_CHECKING:
    from asr.stream.sources import Source


class InputFile(NamedTuple):
    """A recording to transcribe.

    Attributes:
        source: What the recognizer reads.
        below: Where its output belongs below `--output-dir`, without the format's ending.
        id: What scorers know it by.
    """

    source: "Source"
    below: Path
    id: str


def recordings(sources: tuple[str, ...], split: bool = False) -> tuple[list[InputFile], int]:
    """Return the recordings that the arguments name, and how many arguments name none, which is said.

    Args:
        sources: The arguments.
        split: Whether each channel is a recording of its own.
    """
    found: list[tuple[Source, Path, str]] = []
    failed = 0
    for source in sources:
        try:
            named = _named(source)
            found += [channel for one in named for channel in _channels(*one)] if split else named
        except InputError as error:
            output.error(f"asr: {error}")
            failed += 1
    places = _unlike([str(place) for _, place, _ in found])
    ids = _unlike_ids([(_path(source), id) for source, _, id in found])
    return [InputFile(*row) for row in zip([row[0] for row in found], map(Path, places), ids, strict=True)], failed


def of_speakers(found: list[InputFile], pattern: str) -> list[InputFile]:
    """Return recordings as utterances of the speakers that their names tell; what cannot be read stays as it is.

    Args:
        found: The recordings; those of manifests have their speakers already.
        pattern: Of names, as for `asr prepare`; all that fit one without `{speaker}` are of one speaker.

    Raises:
        InputError: A field of the pattern is a duplicate.
    """
    from asr import audio
    from asr.corpora.importers import patterns

    named, unfit = [], []
    for one in found:
        path, parts = one.source, patterns.fields(pattern, one.below)
        if isinstance(path, str) and (known := audio.properties(path)):
            if parts is None:
                unfit.append(path)
            else:
                speaker = parts.get("speaker", pattern)
                one = one._replace(source=Utterance(one.id, Path(path), known.seconds, speaker))
        named.append(one)
    if unfit:
        output.say(f"--speakers {pattern}: does not fit {first_few(unfit)}; normalized by themselves")
    return named


def _channels(source: "Source", place: Path, id: str) -> "list[tuple[Source, Path, str]]":
    """Return the channels of a recording; the recording itself if it has one, or cannot be read, which is said later.

    Raises:
        InputError: It is an utterance of a manifest.
    """
    from asr import audio

    if isinstance(source, Utterance | tuple | audio.Channel):
        raise InputError("--channels split: is for recordings, and a manifest's are mixed; pass their files")
    known = audio.properties(source)
    if known is None or known.channels == 1:
        return [(source, place, id)]
    stem = id or place.stem
    return [
        (audio.Channel(source, number), place.with_name(f"{place.name}.{number}"), f"{stem}-{number}")
        for number in range(1, known.channels + 1)
    ]


def _path(source: "Source") -> str:
    """Return where a recording is, as far as its folders can tell it from others."""
    file = getattr(source, "source", source)  # a channel's
    return file if isinstance(file, str) else "stdin"


def _named(source: str) -> "list[tuple[Source, Path, str]]":
    """Return the recordings that one argument names, where their output belongs, and their ids, empty where unknown.

    Speakers of two manifests are never one speaker, as they are not when each is evaluated.

    Raises:
        InputError: A manifest or a folder cannot be read, or contains none.
    """
    from asr import manifest

    if source == "-":
        return [(_standard_input(), Path("stdin"), "")]
    path = Path(source)
    if source and path.is_dir():
        return [(str(one), one.relative_to(path), "") for one in _inside(path)]
    if not source.endswith(".jsonl"):
        return [(source, Path(path.name or "_"), "")]
    return [
        (replace(one, speaker=one.speaker and f"{source}: {one.speaker}"), _place(one.id), one.id)
        for one in manifest.read(path)
    ]


def _standard_input() -> BinaryIO:
    """Return standard input as a file that can seek."""
    stream = BytesIO(sys.stdin.buffer.read())
    stream.name = "-"
    return stream


def _place(id: str) -> Path:
    """Return an id as a path that is below any folder."""
    path = Path(id)
    parts = [part for part in path.parts if part not in ("..", path.anchor)]
    return Path(*parts or ["_"])


def _unlike(names: list[str]) -> list[str]:
    """Return paths or ids of which no two are equal: those that are get a number in front that no other has."""
    times, taken, unlike = Counter(names), set(names), []
    for number, name in enumerate(names, 1):
        if times[name] > 1:
            folder, slash, last = name.rpartition("/")
            numbered = (f"{folder}{slash}{n}-{last}" for n in count(number))
            name = next(one for one in numbered if one not in taken)
            taken.add(name)
        unlike.append(name)
    return unlike


def _unlike_ids(named: list[tuple[str, str]]) -> list[str]:
    """Return ids of which no two are equal; names of files that are alike get those of their folders in front.

    Args:
        named: Each recording's path, and the id that a manifest gives it or "".
    """

    def at(depth: int, path: str, id: str) -> str:
        folders = Path(os.path.abspath(path)).parent.parts[1:]
        return key(id or "-".join([*folders[max(0, len(folders) - depth) :], PurePath(path).stem]))

    ids = [at(0, *one) for one in named]
    for depth in range(1, 5):
        times = Counter(ids)
        ids = [at(depth, *one) if times[id] > 1 else id for id, one in zip(ids, named, strict=True)]
    return _unlike(ids)


def _inside(folder: Path) -> list[Path]:
    """Return the audio files in a folder and below it, those of linked folders too; report what is skipped."""
    from asr.audio import READABLE, UNREADABLE
    from asr.support import files

    found: list[Path] = []
    hidden: list[Path] = []
    unreadable: list[Path] = []
    for here, _, names in files.walked(folder, _say_unsearchable):
        for path in (Path(here) / name for name in names):
            kind = path.suffix.lower()
            if kind not in READABLE | UNREADABLE:
                continue
            own = path.relative_to(folder).parts
            if any(part.startswith(".") or part == "__MACOSX" for part in own):
                hidden.append(path)
            else:
                (found if kind in READABLE else unreadable).append(path)
    for left, why in ((hidden, "hidden files"), (unreadable, "files that libsndfile cannot read; convert them")):
        if left:
            examples = ", ".join(str(path.relative_to(folder)) for path in sorted(left)[:3])
            output.say(one_line(f"{folder}: skipped {len(left)} {why} ({examples}{', …' * (len(left) > 3)})"))
    if not found:
        raise InputError(f"{folder}: contains no audio files ({', '.join(sorted(READABLE))}); pass another folder")
    return sorted(found)


def _say_unsearchable(error: OSError) -> None:
    output.error(f"asr: {error.filename}: cannot be searched ({error.strerror}); its recordings are missing")
