"""Commands that read recordings: transcribe, align."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli import inputs, options, output
from asr.cli.inputs import InputFile
from asr.errors import AsrError, InputError
from asr.formats import FORMATS, Transcript

if TYPE_CHECKING:
    from asr.recognize import Recognizer
    from asr.support.parallel import ProcessGroup


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
    found, failed = inputs.recordings(sources)
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
