"""Commands that read recordings: transcribe, align."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.audio import Samples
    from asr.formats import Transcript
    from asr.recognize import Recognizer
    from asr.support.parallel import ProcessGroup
    from asr.units import Units

AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph", ".nist", ".caf", ".w64"}


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE… | DIR | MANIFEST.jsonl | -")
@options.BUNDLE
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, with times of every unit.")
@click.option("--format", "kind", help="txt, json, jsonl, srt, vtt, tsv, ctm, trn or TextGrid.")
@click.option(
    "--output-dir", "out", type=options.FOLDER, help="Write a file for each recording here; folders are kept."
)
@options.search
@options.weights
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
    from asr import bundle, decoders, recognize
    from asr.support import files, parallel

    file = options.bundle_of(system)
    loaded = bundle.load(file)
    decoder = decoders.build(options.settings(file, search), loaded.units)
    on = recognize.choose_device(device)
    recognizer = recognize.Recognizer(loaded, decoder, on)
    failed = 0
    with parallel.group(on) as group:
        for (source, below), transcript in _transcripts(recognizer, found, group):
            if transcript is None:
                failed += 1
            elif out and group.leads:
                files.write_text(out / f"{below}.{kind or 'txt'}", write(transcript))
            elif kind:
                output.result(write(transcript), end="")
            else:
                output.result(f"{source}\t{transcript.text}")
    if failed:
        output.say(f"asr: {failed} of {len(found)} recordings failed")
        sys.exit(InputError.status if failed == len(found) else 1)


def _transcripts(
    recognizer: "Recognizer", found: list[tuple[str, Path]], group: "ProcessGroup"
) -> Iterator[tuple[tuple[str, Path], "Transcript | None"]]:
    """Yield each recording and what is said in it, in order; None where that failed, which is said.

    Alone, each comes as soon as it is there; of several processes each works on its share, and then they exchange.
    """
    if group.size == 1:
        yield from ((recording, _transcript(recognizer, recording[0])) for recording in found)
        return
    mine = {str(i): _transcript(recognizer, found[i][0]) for i in range(group.rank, len(found), group.size)}
    everything = group.gather(mine)
    yield from ((recording, everything[str(i)]) for i, recording in enumerate(found))


def _transcript(recognizer: "Recognizer", source: str) -> "Transcript | None":
    try:
        return recognizer.transcript(source, *_read(source))
    except AsrError as error:
        output.error(f"asr: {error}")
        return None


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
    from asr import bundle, recognize
    from asr.decoders import Greedy

    recognizer = recognize.Recognizer(bundle.load(options.bundle_of(system)), Greedy(), recognize.choose_device(device))
    samples, rate = recording.read(audio)
    symbols = _symbols(recognizer.bundle.units, transcript)
    try:
        segments = recognizer.align(samples, rate, symbols)
    except InputError as error:
        raise InputError(f"{audio}: {error}") from error
    units = recognizer.bundle.units
    output.result(write(Transcript(str(audio), len(samples) / rate, units.join(symbols), tuple(segments))), end="")


def _symbols(units: "Units", transcript: str) -> list[str]:
    """Return the units of a transcript given as a .PHN file, a text file or the symbols themselves."""
    path = Path(transcript)
    text = transcript
    if path.suffix.lower() == ".phn":
        lines = options.sentences(path)
        if odd := [line for line in lines if len(line) != 3]:
            raise InputError(f"{path}: '{' '.join(odd[0])}' is not 'start end phone'; correct the line")
        text = " ".join(line[2] for line in lines)
    elif path.suffix.lower() == ".txt":
        text = " ".join(" ".join(line) for line in options.sentences(path))
    if units.kind != "characters" and set(text.split()) <= set(units.symbols):  # what `asr transcribe` prints
        return text.split()
    try:
        return units.transcript(text, text.split())
    except AsrError as error:
        raise InputError(f"{transcript}: {error}") from error


def _read(source: str) -> tuple["Samples", int]:
    """Return the samples and the rate of a file, or of standard input."""
    from io import BytesIO

    from asr import audio

    if source != "-":
        return audio.read(Path(source))
    stream = BytesIO(sys.stdin.buffer.read())
    stream.name = "standard input"
    return audio.read(stream)


def _recordings(sources: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Return the files that the arguments name, and where each lies below its folder; folders are searched through."""
    found: list[tuple[str, Path]] = []
    for source in sources:
        if source == "-":
            found.append((source, Path("stdin")))
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


def _listed(path: Path) -> list[tuple[str, Path]]:
    """Return the recordings of a manifest's utterances, and their ids as places that lie below any folder."""
    from asr import manifest

    found = ((str(utterance.audio), Path(utterance.id)) for utterance in manifest.read(path))
    return [(audio, Path(*(part for part in id.parts if part not in ("..", id.anchor)))) for audio, id in found]


def _inside(folder: Path) -> list[Path]:
    """Return the audio files in a folder and below it."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename}: cannot be searched ({error.strerror}); allow it or name the files")

    walked = [Path(here) / name for here, _, names in os.walk(folder, onerror=refuse) for name in names]
    found = sorted(path for path in walked if path.suffix.lower() in AUDIO)
    if not found:
        raise InputError(f"{folder}: holds no audio file ({', '.join(sorted(AUDIO))}); give another folder")
    return found
