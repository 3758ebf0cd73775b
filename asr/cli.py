"""The command line: results to stdout, everything else to stderr, an AsrError in one line.

Exit status: 0 done; 1 some inputs of many failed; 2 usage or configuration; 3 a model file; 4 no usable input;
130 and 143 on Ctrl-C and SIGTERM. Modules that cost seconds are imported by the command that needs them.
"""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.decoders import Search
    from asr.formats import Transcript
    from asr.recognize import Recognizer

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path)
AUDIO = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".sph", ".nist", ".caf", ".w64"}
DEVICE = click.option("--device", metavar="NAME", help="cpu, cuda or cuda:1; chosen by itself when left out.")
DATA = click.option("--data", type=FOLDER, default=Path("data"), show_default=True, help="Where prepared corpora lie.")
SET = click.option(
    "--set", "overrides", multiple=True, metavar="PART.KEY=VALUE", help="Change a setting of the recipe."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="asr")
def cli() -> None:
    """Speech recognition with one idea: a bidirectional LSTM trained with CTC."""


@cli.command()
@click.argument("corpus", metavar="CORPUS | RECIPE.toml")
@click.option("--source", type=FOLDER, help="Where the corpus lies, if you have it.")
@click.option("--out", type=FOLDER, help="Where its manifests go; data/CORPUS when left out.")
@click.option("--partial", is_flag=True, help="Go on with what is readable when files are missing.")
def prepare(corpus: str, source: Path | None, out: Path | None, partial: bool) -> None:
    """Make the manifests of a corpus, or of a recipe's corpus (and, for espeak, the corpus itself)."""
    from asr import config, corpora

    if corpus.endswith(".toml"):
        corpus = config.load(Path(corpus)).corpus.name
    out = out or Path("data") / corpus
    with _timed(f"corpus {corpus}"):
        corpora.prepare(corpus, source, out, partial=partial)
    _say(corpora.summary(out))
    click.echo(out)


@cli.command()
@click.argument("recipe", type=FILE)
@SET
@DATA
@click.option("--out", type=FOLDER, help="The run's folder; runs/RECIPE when left out.")
@DEVICE
def train(recipe: Path, overrides: tuple[str, ...], data: Path, out: Path | None, device: str | None) -> None:
    """Train the system that a recipe describes."""
    from asr import config

    settings = config.load(recipe, overrides)
    from asr import recognize, report
    from asr import train as training

    out = out or Path("runs") / recipe.stem
    corpus = data / settings.corpus.name
    if not (corpus / "train.jsonl").exists():
        raise InputError(f"{corpus}: holds no prepared corpus; run `asr prepare {settings.corpus.name}` first")
    with _timed("training"):
        best = training.run(settings, corpus, out, recognize.choose_device(device))
    picture = report.curves(out)
    _say(f"curves: {picture}" if picture else 'curves: not drawn; `pip install "asr[plots]"` draws them')
    click.echo(best)


def _search(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say how to decode; what `asr tune` recorded stands where none is given."""
    options = (
        click.option("--decoder", help="greedy, beam or lexicon; what `asr tune` recorded, or greedy, when left out."),
        click.option("--width", type=int, help="Prefixes that the search keeps at each frame."),
        click.option("--lm", "language", type=FILE, help="A language model's ARPA file."),
        click.option("--lexicon", type=FILE, help="A pronouncing dictionary, TIMIT's format or CMUdict's."),
        click.option("--weight", type=float, help="α, of the language model."),
        click.option("--bonus", type=float, help="β, for each unit or word."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@cli.command()
@click.argument("system", type=FILE)
@_search
@click.option("--order", type=click.IntRange(0), default=3, show_default=True, help="Of the n-gram; 0 for none.")
@DATA
@DEVICE
def tune(system: Path, order: int, data: Path, device: str | None, **search: Any) -> None:  # noqa: ANN401
    """Choose a decoder's weights on the dev set, and record them for evaluate and transcribe."""
    from asr import bundle, recognize
    from asr import tune as tuning

    file = _bundle(system)
    corpus = data / bundle.load(file).recipe.corpus.name
    settings = _settings(None, {"decoder": "beam"} | {k: v for k, v in search.items() if v is not None})
    with _timed("tuning"):
        tuned = tuning.run(file, corpus, settings, order, recognize.choose_device(device))
    best = tuned.search
    if tuned.perplexity:
        _say(f"dev perplexity {tuned.perplexity.perplexity:.2f} over {tuned.perplexity.tokens} tokens")
    before, after = tuned.calibration_error
    _say(f"dev calibration error {100 * before:.2f} %, calibrated {100 * after:.2f} %")
    click.echo(f"dev  {tuned.count}  {best.decoder}, width {best.width}, weight {best.weight:g}, bonus {best.bonus:g}")


@cli.command()
@click.argument("system", type=FILE)
@click.option("--set", "names", multiple=True, default=["test"], help="One of the corpus's sets; may be given twice.")
@click.option("--manifest", type=FILE, help="Another manifest to score on.")
@click.option("--out", type=FOLDER, help="Where results go; beside the bundle when left out.")
@_search
@DATA
@DEVICE
def evaluate(
    system: Path,
    names: tuple[str, ...],
    manifest: Path | None,
    out: Path | None,
    data: Path,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Score a run's best system, or a bundle, and write NAME.json and NAME.jsonl beside it."""
    from asr import bundle, recognize, report
    from asr import evaluate as evaluation

    file = _bundle(system)
    corpus = data / bundle.load(file).recipe.corpus.name
    settings = _settings(file.parent, search)
    with _timed("evaluation"):
        for path in [manifest] if manifest else [corpus / f"{name}.jsonl" for name in names]:
            where = (out or file.parent) / path.stem
            found = evaluation.run(file, path, where, recognize.choose_device(device), settings)
            for result in found.results:
                click.echo(f"{path.stem:<5}{result}")
            report.reliability(where.with_suffix(".json"))
            if found.borders:
                _say(f"{path.stem:<5}{found.borders}")
    _say(found.example())


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE… | DIR | -")
@click.option("--bundle", "system", type=FILE, default=Path("runs/espeak"), show_default=True, help="Run or bundle.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, with times of every unit.")
@click.option("--format", "kind", help="txt, json, jsonl, srt, vtt, tsv, ctm, trn or TextGrid.")
@click.option("--output-dir", "out", type=FOLDER, help="Write a file for each recording here; folders are kept.")
@_search
@DEVICE
def transcribe(
    sources: tuple[str, ...],
    system: Path,
    as_json: bool,
    kind: str | None,
    out: Path | None,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Print what is said in recordings: files, folders of them, or - for standard input."""
    from asr.errors import choose
    from asr.formats import FORMATS

    kind = "jsonl" if as_json else kind
    write = choose(FORMATS, kind or "txt", "format")
    found = _recordings(sources)
    from asr import bundle, decoders, recognize

    file = _bundle(system)
    loaded = bundle.load(file)
    decoder = decoders.build(_settings(file.parent, search), loaded.units)
    recognizer = recognize.Recognizer(loaded, decoder, recognize.choose_device(device))
    failed = 0
    for source, below in found:
        try:
            transcript = _transcript(recognizer, source)
        except InputError as error:
            failed += 1
            _say(f"asr: {error}")
            continue
        if out:
            from asr import files

            files.write_text(out / f"{below}.{kind or 'txt'}", write(transcript))
        elif kind:
            click.echo(write(transcript), nl=False)
        else:
            click.echo(f"{source}\t{transcript.text}")
    if failed:
        _say(f"asr: {failed} of {len(found)} recordings failed")
        sys.exit(InputError.status if failed == len(found) else 1)


@cli.command()
@click.argument("audio", type=FILE)
@click.argument("transcript")
@click.option("--bundle", "system", type=FILE, default=Path("runs/espeak"), show_default=True, help="Run or bundle.")
@click.option("--format", "kind", default="TextGrid", show_default=True, help="As for transcribe.")
@DEVICE
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

    recognizer = recognize.Recognizer(bundle.load(_bundle(system)), Greedy(), recognize.choose_device(device))
    samples, rate = recording.read(audio)
    symbols = _symbols(recognizer, transcript)
    try:
        segments = recognizer.align(samples, rate, symbols)
    except InputError as error:
        raise InputError(f"{audio}: {error}") from error
    units = recognizer.bundle.units
    click.echo(write(Transcript(str(audio), len(samples) / rate, units.join(symbols), tuple(segments))), nl=False)


@cli.group("lm")
def language_model() -> None:
    """Train an n-gram language model, or score text with one."""


@language_model.command("train")
@click.argument("text", type=FILE)
@click.argument("arpa", type=FILE)
@click.option("--order", type=click.IntRange(1), default=3, show_default=True)
def lm_train(text: Path, arpa: Path, order: int) -> None:
    """Estimate ARPA from TEXT: a sentence a line, symbols between spaces."""
    from asr import lm

    try:
        model = lm.estimate(_sentences(text), order)
    except InputError:
        raise
    except AsrError as error:
        raise InputError(f"{text}: {error}") from error
    lm.write(model, arpa)
    click.echo(arpa)


@language_model.command("score")
@click.argument("arpa", type=FILE)
@click.argument("text", type=FILE)
def lm_score(arpa: Path, text: Path) -> None:
    """Print the perplexity of TEXT under ARPA."""
    from asr import lm

    found = lm.perplexity(lm.read(arpa), _sentences(text))
    click.echo(f"perplexity {found.perplexity:.4f}, {found.tokens} tokens, {found.unknown} unknown")


def _settings(run: Path | None, given: dict[str, Any]) -> "Search":
    """Return how to decode: what the options say, on top of what tuning recorded for the same decoder."""
    from dataclasses import replace

    from asr.decoders.search import FILE as RECORDED
    from asr.decoders.search import Search

    changed = {key: value for key, value in given.items() if value is not None}
    recorded = run / RECORDED if run else None
    search = Search.load(recorded) if recorded and recorded.exists() else Search()
    if changed.get("decoder", search.decoder) != search.decoder:
        search = Search()
    if set(changed) - {"decoder"}:
        search = replace(search, tuned_on="")
    return replace(search, **changed)


def _sentences(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); give UTF-8, a sentence a line") from error


def _symbols(recognizer: "Recognizer", transcript: str) -> list[str]:
    """Return the units of a transcript given as a .PHN file, a text file or the symbols themselves."""
    path = Path(transcript)
    text = transcript
    if path.suffix.lower() in {".phn", ".txt"}:
        text = " ".join(" ".join(line) for line in _sentences(path))
    if path.suffix.lower() == ".phn":
        text = " ".join(line[2] for line in _sentences(path) if len(line) == 3)
    units = recognizer.bundle.units
    try:
        return units.transcript(text, text.split())
    except AsrError as error:
        raise InputError(f"{transcript}: {error}") from error


def _transcript(recognizer: "Recognizer", source: str) -> "Transcript":
    """Return what is said in one recording."""
    from io import BytesIO

    from asr import audio
    from asr.formats import Transcript
    from asr.manifest import Segment

    if source == "-":
        stream = BytesIO(sys.stdin.buffer.read())
        stream.name = "standard input"
        samples, rate = audio.read(stream)
    else:
        samples, rate = audio.read(Path(source))
    try:
        hypothesis = recognizer.transcribe(samples, rate)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    units = recognizer.bundle.units

    def segments(symbols: Sequence[str], frames: Sequence[tuple[int, int]]) -> tuple[Segment, ...]:
        times = recognizer.times(frames)
        return tuple(Segment(symbol, *span) for symbol, span in zip(symbols, times, strict=True))

    return Transcript(
        audio=source,
        seconds=len(samples) / rate,
        text=" ".join(hypothesis.words) or units.text(hypothesis.ids),
        units=segments(units.names(hypothesis.ids), hypothesis.frames),
        words=segments(hypothesis.words, hypothesis.word_frames),
        confidence=hypothesis.confidence,
        score=hypothesis.score,
    )


def _recordings(sources: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Return the files that the arguments name, and where each lies below its folder; folders are searched through."""
    found: list[tuple[str, Path]] = []
    for source in sources:
        if source == "-":
            found.append((source, Path("stdin")))
        elif Path(source).is_dir():
            inside = sorted(path for path in Path(source).rglob("*") if path.suffix.lower() in AUDIO)
            if not inside:
                raise InputError(f"{source}: holds no audio file ({', '.join(sorted(AUDIO))}); give another folder")
            found += [(str(path), path.relative_to(source)) for path in inside]
        else:
            found.append((source, Path(Path(source).name)))
    places = [place for _, place in found]
    return [
        (source, Path(f"{i}-{place}") if places.count(place) > 1 else place) for i, (source, place) in enumerate(found)
    ]


def _bundle(system: Path) -> Path:
    """Return the bundle of a run's folder, or the file itself."""
    return system / "best.safetensors" if system.is_dir() or not system.suffix else system


@contextmanager
def _timed(what: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    _say(f"{what}: {time.perf_counter() - begin:.1f} s")


def _say(line: str) -> None:
    click.echo(line, err=True)


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; turn errors that a user can mend into one line and an exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        cli.main(standalone_mode=False)
    except AsrError as error:
        _say(f"asr: {error}")
        sys.exit(error.status)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        _say("asr: interrupted")
        sys.exit(128 + signal.SIGINT)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(128 + signal.SIGPIPE)
