"""Commands that read recordings: transcribe, align."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import count
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError
from asr.formats import FORMATS, Transcript, key

if TYPE_CHECKING:
    from asr.recognize import Recognizer, Source
    from asr.support.parallel import ProcessGroup


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


@click.command(cls=options.DecoderCommand, nbest=True)
@click.argument("sources", nargs=-1, required=True, metavar="FILE… | DIR | MANIFEST.jsonl | -")
@options.BUNDLE
@click.option("--json", "as_json", is_flag=True, help="Short for --format jsonl: one object per recording, with times.")
@click.option("--format", "kind", type=options.Named(FORMATS, "format"), help="[default: name<TAB>text; files: txt]")
@click.option("--output-dir", "out", type=options.FOLDER, help="Write a file per recording here; subfolders are kept.")
@options.DEVICE
def transcribe(
    sources: tuple[str, ...],
    system: Path | None,
    as_json: bool,
    kind: str | None,
    out: Path | None,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Transcribe recordings: files, folders of them, a manifest's, or - for standard input."""
    if as_json and kind not in (None, "jsonl"):
        raise AsrError(f"--json and --format {kind}: choose one")
    kind = "jsonl" if as_json else kind
    found, failed = _recordings(sources)
    count = len(found) + failed
    if not found:
        sys.exit(InputError.status)  # what is wrong was said
    from asr import box, engines, recognize
    from asr.support import files, parallel
    from asr.support.device import choose_device

    file, loaded = box.opened(system, output.say)
    decoder = options.search(file, search).build(loaded.units)
    on = choose_device(device)
    recognizer = recognize.Recognizer(loaded, decoder, on, engines.choose(loaded, on, len(found)))
    with parallel.group(on) as group:
        for recording, transcript in _transcripts(recognizer, found, group):
            try:
                text = _written(transcript, recording.id, kind or ("txt" if out else None))
                if out and group.leads:
                    files.write_text(out / f"{recording.below}.{kind or 'txt'}", text)
            except AsrError as error:
                output.error(f"asr: {error}")
                failed += 1
                continue
            if not out:
                output.result(text, end="")
    if failed:
        output.say(f"asr: {failed} of {count} recordings failed")
        sys.exit(InputError.status if failed == count else 1)


def _written(transcript: "Transcript | AsrError", id: str, kind: str | None) -> str:
    """Return a transcript in a format, by default name and text in one line; raise what it is instead.

    Raises:
        AsrError: The recording could not be transcribed, or the format cannot represent the transcript.
    """
    if isinstance(transcript, AsrError):
        raise transcript
    if kind:
        return replace(transcript, id=id).to(kind)
    return "".join(f"{output.one_line(one.audio)}\t{one.text}\n" for one in (transcript, *transcript.alternatives))


def _transcripts(
    recognizer: "Recognizer", found: list[InputFile], group: "ProcessGroup"
) -> "Iterator[tuple[InputFile, Transcript | AsrError]]":
    """Yield each recording and what is said in it, or its error, in order.

    Alone, they come a batch at a time; of several processes each works on its share, and then they exchange.
    """
    sources = [recording.source for recording in found]
    if recognizer.bundle.normaliser.kind == "speaker" and any(isinstance(source, str) for source in sources):
        output.say("speakers are unknown: each recording is normalized by itself; a manifest names its speakers")
    results = recognizer.transcribe_many(sources, return_exceptions=True, group=group)
    if group.size == 1:
        yield from zip(found, results, strict=True)
        return
    everything = group.gather({str(i): result for i, result in zip(count(group.rank, group.size), results)})
    yield from ((recording, everything[str(i)]) for i, recording in enumerate(found))


@click.command()
@click.argument("source", metavar="AUDIO")
@click.argument("transcript")
@options.BUNDLE
@click.option("--format", "kind", type=options.Named(FORMATS, "format"), default="TextGrid", show_default=True)
@options.DEVICE
def align(source: str, transcript: str, system: Path | None, kind: str, device: str | None) -> None:
    """Print when each unit of a known transcript is said.

    AUDIO is a file, or - for standard input. TRANSCRIPT is a .PHN file, a text file, or the symbols themselves:
    "h# sh iy h#".
    """
    from asr import audio
    from asr.recognize import load

    recognizer = load(system, device or "auto")
    name = "standard input" if source == "-" else source
    samples, rate = audio.read(sys.stdin.buffer if source == "-" else source)
    try:
        segments = recognizer.align((samples, rate), _text(transcript))
    except InputError as error:
        raise InputError(str(error).replace("<samples>", name, 1)) from error
    text = recognizer.bundle.units.join([segment.symbol for segment in segments])
    output.result(Transcript(name, len(samples) / rate, text, tuple(segments)).to(kind), end="")


def _text(transcript: str) -> str:
    """Return a transcript given as a .PHN file, a text file or the symbols themselves."""
    path = Path(transcript)
    text = transcript
    if path.suffix.lower() == ".phn":
        lines = options.sentences(path)
        if odd := [line for line in lines if len(line) != 3]:
            raise InputError(f"{path}: '{' '.join(odd[0])}' is not 'start end phone'; correct the line")
        text = " ".join(line[2] for line in lines)
    elif path.suffix.lower() == ".txt":
        text = " ".join(" ".join(line) for line in options.sentences(path))
    return text


def _standard_input() -> BinaryIO:
    """Return standard input as a file that can seek."""
    stream = BytesIO(sys.stdin.buffer.read())
    stream.name = "-"
    return stream


def _recordings(sources: tuple[str, ...]) -> tuple[list[InputFile], int]:
    """Return the recordings that the arguments name, and how many arguments name none, which is said."""
    found: list[tuple[Source, Path, str]] = []
    failed = 0
    for source in sources:
        try:
            found += _named(source)
        except InputError as error:
            output.error(f"asr: {error}")
            failed += 1
    places = _unlike([str(place) for _, place, _ in found])
    ids = _unlike_ids([(source if isinstance(source, str) else "stdin", id) for source, _, id in found])
    return [InputFile(*row) for row in zip([row[0] for row in found], map(Path, places), ids, strict=True)], failed


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
            output.say(output.one_line(f"{folder}: skipped {len(left)} {why} ({examples}{', …' * (len(left) > 3)})"))
    if not found:
        raise InputError(f"{folder}: contains no audio files ({', '.join(sorted(READABLE))}); pass another folder")
    return sorted(found)


def _say_unsearchable(error: OSError) -> None:
    output.error(f"asr: {error.filename}: cannot be searched ({error.strerror}); its recordings are missing")
