"""Commands that read recordings: transcribe, align."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.formats import Transcript
    from asr.recognize import Recognizer, Source
    from asr.support.parallel import ProcessGroup

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph", ".nist", ".caf", ".w64"}


@click.command(cls=options.DecoderCommand, nbest=True)
@click.argument("sources", nargs=-1, required=True, metavar="FILE… | DIR | MANIFEST.jsonl | -")
@options.BUNDLE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, with times of every unit.")
@click.option("--format", "kind", help="txt, json, jsonl, srt, vtt, tsv, ctm, trn or TextGrid.")
@click.option(
    "--output-dir", "out", type=options.FOLDER, help="Write a file for each recording here; folders are kept."
)
@options.DEVICE
def transcribe(
    sources: tuple[str, ...],
    system: Path,
    as_json: bool,
    kind: str | None,
    out: Path | None,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Print what is said in recordings: files, folders of them, a manifest's, or - for standard input."""
    from asr.errors import choose
    from asr.formats import FORMATS

    if as_json and kind not in (None, "jsonl"):
        raise AsrError(f"--json and --format {kind}: choose one")
    kind = "jsonl" if as_json else kind
    write = choose(FORMATS, kind or "txt", "format")
    found = _recordings(sources)
    from asr import bundle, recognize
    from asr.support import files, parallel
    from asr.support.device import choose_device

    file = options.bundle_of(system)
    loaded = bundle.load(file)
    decoder = options.search(file, search).build(loaded.units)
    on = choose_device(device)
    recognizer = recognize.Recognizer(loaded, decoder, on)
    failed = 0
    with parallel.group(on) as group:
        for (_, below), transcript in _transcripts(recognizer, found, group):
            if transcript is None:
                failed += 1
            elif out and group.leads:
                files.write_text(out / f"{below}.{kind or 'txt'}", write(transcript))
            elif kind:
                output.result(write(transcript), end="")
            else:
                for one in (transcript, *transcript.alternatives):
                    output.result(f"{one.audio}\t{one.text}")
    if failed:
        output.say(f"asr: {failed} of {len(found)} recordings failed")
        sys.exit(InputError.status if failed == len(found) else 1)


def _transcripts(
    recognizer: "Recognizer", found: "list[tuple[Source, Path]]", group: "ProcessGroup"
) -> "Iterator[tuple[tuple[Source, Path], Transcript | None]]":
    """Yield each recording and what is said in it, in order; None where that failed, which is said.

    Alone, they come a batch at a time; of several processes each works on its share, and then they exchange.
    """
    sources = [source for source, _ in found]
    if recognizer.bundle.normaliser.kind == "speaker" and any(isinstance(source, str) for source in sources):
        output.say("speakers are unknown: each recording is normalized by itself; a manifest names its speakers")
    results = map(_reported, recognizer.transcribe_many(sources, return_exceptions=True, group=group))
    if group.size == 1:
        yield from zip(found, results, strict=True)
        return
    everything = group.gather({str(i): result for i, result in zip(count(group.rank, group.size), results)})
    yield from ((recording, everything[str(i)]) for i, recording in enumerate(found))


def _reported(result: "Transcript | AsrError") -> "Transcript | None":
    """Return a transcript; print an error."""
    if isinstance(result, AsrError):
        output.error(f"asr: {result}")
        return None
    return result


@click.command()
@click.argument("audio", type=options.FILE)
@click.argument("transcript")
@options.BUNDLE
@click.option("--format", "kind", default="TextGrid", show_default=True, help="As for transcribe.")
@options.DEVICE
def align(audio: Path, transcript: str, system: Path, kind: str, device: str | None) -> None:
    """Print when each unit of a known transcript is said.

    TRANSCRIPT is a .PHN file, a text file, or the symbols themselves: "h# sh iy h#".
    """
    from asr.errors import choose
    from asr.formats import FORMATS, Transcript

    write = choose(FORMATS, kind, "format")
    from asr import audio as recording
    from asr.recognize import load

    recognizer = load(system, device or "auto")
    samples, rate = recording.read(audio)
    segments = recognizer.align(audio, _text(transcript))
    text = recognizer.bundle.units.join([segment.symbol for segment in segments])
    output.result(write(Transcript(str(audio), len(samples) / rate, text, tuple(segments))), end="")


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


def _recordings(sources: tuple[str, ...]) -> "list[tuple[Source, Path]]":
    """Return the files that the arguments name, and where each lies below its folder; folders are searched through."""
    found: list[tuple[Source, Path]] = []
    for source in sources:
        if source == "-":
            found.append((_standard_input(), Path("stdin")))
        elif source.endswith(".jsonl"):
            found += _listed(Path(source))
        elif source and Path(source).is_dir():
            found += [(str(path), path.relative_to(source)) for path in _inside(Path(source))]
        else:
            found.append((source, Path(Path(source).name)))
    times = Counter(place for _, place in found)
    return [
        (source, place.with_name(f"{number}-{place.name}") if times[place] > 1 else place)
        for number, (source, place) in enumerate(found, 1)
    ]


def _listed(path: Path) -> "list[tuple[Source, Path]]":
    """Return a manifest's utterances, and their ids as places that lie below any folder.

    Speakers of two manifests are never one speaker, as they are not when each is evaluated.
    """
    from asr import manifest

    def place(id: Path) -> Path:
        return Path(*(part for part in id.parts if part not in ("..", id.anchor)))

    return [
        (replace(one, speaker=one.speaker and f"{path}: {one.speaker}"), place(Path(one.id)))
        for one in manifest.read(path)
    ]


def _inside(folder: Path) -> list[Path]:
    """Return the audio files in a folder and below it."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be searched ({error.strerror}); allow it or name the files")

    walked = [Path(here) / name for here, _, names in os.walk(folder, onerror=refuse) for name in names]
    found = sorted(path for path in walked if path.suffix.lower() in AUDIO)
    if not found:
        raise InputError(f"{folder}: holds no audio file ({', '.join(sorted(AUDIO))}); give another folder")
    return found
