"""Commands that read recordings: transcribe, align."""

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from asr.cli import inputs, live, options, output
from asr.errors import AsrError, InputError
from asr.formats import FORMATS, Transcript
from asr.support import job

if TYPE_CHECKING:
    from asr.archive import Task, Transcriber, TranscriptFolder
    from asr.features.normalise import Statistics
    from asr.stream.sources import Source
    from asr.support.parallel import ProcessGroup


@click.command(cls=options.DecoderCommand, nbest=True)
@click.argument("sources", nargs=-1, metavar="FILE… | DIR | MANIFEST.jsonl | -")
@options.BUNDLE
@click.option("--json", "as_json", is_flag=True, help="Short for --format jsonl: one object per recording, with times.")
@click.option("--format", "kind", type=options.Named(FORMATS, "format"), help="[default: name<TAB>text; files: txt]")
@click.option("--output-dir", "out", type=options.FOLDER, help="Write a file per recording here; subfolders are kept.")
@click.option("--resume", is_flag=True, help="Transcribe only those whose file is missing in --output-dir.")
@click.option(
    "--speakers",
    metavar="PATTERN",
    help="Who speaks, by the names: '{speaker}_*', '{speaker}/*' for folders, '*' if one person speaks in all.",
)
@click.option("--shard", metavar="I/N", help="Transcribe the I-th of N shares, for example on each of N machines.")
@click.option(
    "--channels",
    type=click.Choice(["mix", "split"]),
    default="mix",
    show_default=True,
    help="Transcribe the mean of a recording's channels, or each channel by itself.",
)
@click.option("--rate", type=int, help="With -: its rate in Hz, of raw 16-bit audio of one channel, as it arrives.")
@click.option("--microphone", is_flag=True, help="Transcribe what the microphone hears, until Ctrl-C.")
@options.DEVICE
def transcribe(
    sources: tuple[str, ...],
    system: Path | None,
    as_json: bool,
    kind: str | None,
    out: Path | None,
    resume: bool,
    speakers: str | None,
    shard: str | None,
    channels: str,
    rate: int | None,
    microphone: bool,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Transcribe recordings, or live audio.

    Recordings are files, folders of them, those of a manifest, or - for standard input. Of live audio (--microphone, or
    - with --rate), a line is printed after each pause; on a terminal, what is still uncertain is shown below.
    """
    kind, split = _format(kind, as_json, out), channels == "split"
    if microphone or rate is not None:
        if [*sources, *["-"] * microphone] != ["-"] or out or resume or speakers or shard or split:
            raise AsrError(f"--{'microphone' if microphone else 'rate'}: {live.alone(microphone)}")
        live.transcribe(system, device, search, rate, kind, microphone)
        return
    if not sources:
        raise click.UsageError("Missing argument 'FILE… | DIR | MANIFEST.jsonl | -'")
    _require_speakers(speakers, split)
    if resume and (not out or "-" in sources):
        raise AsrError("--resume: needs --output-dir and recordings that can be read again; pass both, or omit it")
    rank, size = _share(shard, shared=bool(out))
    found, failed = inputs.recordings(sources, split)
    if not found:
        sys.exit(InputError.status)  # what is wrong was said
    from asr import archive, box, engines
    from asr.support import parallel
    from asr.support.device import choose_device

    file, loaded = box.opened(system, output.say)
    decoding = options.search(file, search)
    on = choose_device(device)
    transcriber = archive.Transcriber(file, decoding, on, engines.choose(loaded, on, len(found)), kind)
    transcriber.system = loaded
    if speakers:
        found = inputs.of_speakers(found, speakers)
    transcriber.speakers = _statistics(transcriber, [one.source for one in found], speakers)
    tasks = [archive.Task(one.source, one.id, out and out / f"{one.below}.{kind}") for one in found[rank::size]]
    total = len(tasks) + failed
    if out:
        made = archive.made_with(file, decoding, kind or "", sources, speakers)
        tasks = _left(archive.TranscriptFolder(out, made), tasks, resume, size)
    with parallel.group(on) if not out and not shard else nullcontext(parallel.ALONE) as group:
        results = archive.transcripts(transcriber, tasks[group.rank :: group.size])
        failed += _said(_watched(archive.written(tasks, results), len(tasks)) if out else _gathered(results, group))
    if failed:
        output.say(f"asr: {failed} of {total} recordings failed")
        sys.exit(InputError.status if failed == total else 1)


def _format(kind: str | None, as_json: bool, out: Path | None) -> str | None:
    """Return the transcripts' format; None for name and text in one line."""
    if as_json and kind not in (None, "jsonl"):
        raise AsrError(f"--json and --format {kind}: choose one")
    return "jsonl" if as_json else kind or ("txt" if out else None)


def _require_speakers(pattern: str | None, split: bool) -> None:
    """Refuse a pattern that says nothing, or has nothing to say."""
    if pattern == "":
        raise AsrError("--speakers '': names nobody; pass '*' if one person speaks in all, or omit it")
    if pattern and split:
        raise AsrError(f"--speakers {pattern}: one channel is one speaker with --channels split; omit one of the two")


def _said(results: "Iterable[str | AsrError | None]") -> int:
    """Print texts and errors, and return how many errors there were; None is a text that was written to its file."""
    failed = 0
    for result in results:
        if isinstance(result, AsrError):
            output.error(f"asr: {result}")
            failed += 1
        elif result is not None:
            output.result(result, end="")
    return failed


def _share(shard: str | None, shared: bool) -> tuple[int, int]:
    """Return which share of the recordings is this process's, from 0, and how many there are.

    Args:
        shard: What the user says.
        shared: Whether processes that `torchrun` started have shares, as they do where each writes its own files.
    """
    world = job.world()
    if shard is None:
        return (world.rank, world.size) if shared else (0, 1)
    match = re.fullmatch(r"([0-9]+)/([0-9]+)", shard)
    rank, size = (int(match[1]), int(match[2])) if match else (0, 0)
    if not 1 <= rank <= size:
        raise AsrError(f"--shard {shard}: must be I/N with I from 1 to N, such as 1/4")
    if world.size > 1:
        raise AsrError(f"--shard {shard}: torchrun shares the recordings among its processes; use only one of the two")
    return rank - 1, size


def _left(archive: "TranscriptFolder", tasks: "list[Task]", resume: bool, size: int) -> "list[Task]":
    """Return what is left to do of a share of an archive."""
    archive.begin(strict=resume or size > 1)
    if not resume:
        return tasks
    missing = archive.missing(tasks)
    output.say(f"{archive.folder}: {len(tasks) - len(missing)} of {len(tasks)} recordings were transcribed before")
    return missing


def _statistics(transcriber: "Transcriber", sources: "list[Source]", pattern: str | None) -> "dict[str, Statistics]":
    """Return the feature statistics of the speakers, where the system needs them."""
    if transcriber.system.normaliser.kind != "speaker":
        if pattern:
            output.say(f"--speakers {pattern}: changes nothing; the system normalizes each recording by itself")
        return {}
    if not pattern and any(isinstance(source, str) for source in sources):
        unknown = "speakers are unknown: each recording is normalized by itself"
        output.say(f"{unknown}; --speakers '*' if one person speaks in all, or a manifest, names them")
    return transcriber.recognizer.speakers(sources)


def _watched(results: "Iterable[AsrError | None]", total: int) -> "Iterable[AsrError | None]":
    """Return results with a progress bar, where somebody sees it."""
    if not sys.stderr.isatty():
        return results
    from tqdm import tqdm

    shown: Iterable[AsrError | None] = tqdm(results, "transcribe", total)
    return shown


def _gathered(results: "Iterable[str | AsrError]", group: "ProcessGroup") -> "Iterator[str | AsrError]":
    """Yield, in the leader, the results of all processes, of which each did every so many recordings, in order."""
    if group.size == 1:
        yield from results
        return
    everything = group.gather({str(i): result for i, result in zip(count(group.rank, group.size), results)})
    if group.leads:
        yield from (everything[str(i)] for i in range(len(everything)))


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
