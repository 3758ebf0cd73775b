"""The command line: results to stdout, everything else to stderr, an AsrError in one line.

Exit status: 0 done; 1 some inputs of many failed; 2 usage or configuration; 3 a model file; 4 no usable input;
130 and 143 on Ctrl-C and SIGTERM. Modules that cost seconds are imported by the command that needs them.
"""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.audio import Samples
    from asr.decoders import Search
    from asr.units import Units

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
    _print(out)


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
    _print(best)


def _search(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a search; what `asr tune` recorded stands where none is given."""
    options = (
        click.option("--decoder", help="greedy, beam or lexicon; what `asr tune` recorded, or greedy, when left out."),
        click.option("--width", type=int, help="Prefixes that the search keeps at each frame."),
        click.option("--lm", "language", type=FILE, help="A language model's ARPA file."),
        click.option("--lexicon", type=FILE, help="A pronouncing dictionary, TIMIT's format or CMUdict's."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def _weights(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that `asr tune` would choose."""
    command = click.option("--bonus", type=float, help="β, for each unit or word.")(command)
    return click.option("--weight", type=float, help="α, of the language model.")(command)


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
    _print(f"dev  {tuned.count}  {best.decoder}, width {best.width}, weight {best.weight:g}, bonus {best.bonus:g}")


@cli.command()
@click.argument("system", type=FILE)
@click.option("--set", "names", multiple=True, help="One of the corpus's sets, test when left out; may be given twice.")
@click.option("--manifest", type=FILE, help="Another manifest to score on.")
@click.option("--out", type=FOLDER, help="Where results go; beside the bundle when left out.")
@_search
@_weights
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
    """Score a run's best system, or a bundle, and write NAME.json and NAME.utterances.jsonl beside it."""
    from asr import bundle, recognize, report
    from asr import evaluate as evaluation

    if manifest and names:
        raise AsrError(f"--manifest {manifest} and --set {names[0]}: choose one")
    file = _bundle(system)
    corpus = data / bundle.load(file).recipe.corpus.name
    settings = _settings(file, search)
    with _timed("evaluation"):
        for path in [manifest] if manifest else [corpus / f"{name}.jsonl" for name in names or ["test"]]:
            where = (out or file.parent) / path.stem
            found = evaluation.run(file, path, where, recognize.choose_device(device), settings)
            for result in found.results:
                _print(f"{path.stem:<5}{result}")
            report.reliability(where.with_name(f"{where.name}.json"))
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
@_weights
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

    if as_json and kind not in (None, "jsonl"):
        raise AsrError(f"--json and --format {kind}: choose one")
    kind = "jsonl" if as_json else kind
    write = choose(FORMATS, kind or "txt", "format")
    found = _recordings(sources)
    from asr import bundle, decoders, recognize

    file = _bundle(system)
    loaded = bundle.load(file)
    decoder = decoders.build(_settings(file, search), loaded.units)
    recognizer = recognize.Recognizer(loaded, decoder, recognize.choose_device(device))
    failed = 0
    for source, below in found:
        try:
            samples, rate = _read(source)
            transcript = recognizer.transcript(source, samples, rate)
        except AsrError as error:
            failed += 1
            _say(f"asr: {error}")
            continue
        if out:
            from asr import files

            files.write_text(out / f"{below}.{kind or 'txt'}", write(transcript))
        elif kind:
            _print(write(transcript), end="")
        else:
            _print(f"{source}\t{transcript.text}")
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
    symbols = _symbols(recognizer.bundle.units, transcript)
    try:
        segments = recognizer.align(samples, rate, symbols)
    except InputError as error:
        raise InputError(f"{audio}: {error}") from error
    units = recognizer.bundle.units
    _print(write(Transcript(str(audio), len(samples) / rate, units.join(symbols), tuple(segments))), end="")


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
    _print(arpa)


@language_model.command("score")
@click.argument("arpa", type=FILE)
@click.argument("text", type=FILE)
def lm_score(arpa: Path, text: Path) -> None:
    """Print the perplexity of TEXT under ARPA."""
    from asr import lm

    found = lm.perplexity(lm.read(arpa), _sentences(text))
    _print(f"perplexity {found.perplexity:.4f}, {found.tokens} tokens, {found.unknown} unknown")


def _settings(system: Path | None, given: dict[str, Any]) -> "Search":
    """Return how to decode: what the options say, on top of what tuning recorded for this bundle and decoder."""
    from dataclasses import replace

    from asr.decoders.search import FILE as RECORDED
    from asr.decoders.search import Search
    from asr.files import sha256

    search = Search()
    if system and (recorded := system.parent / RECORDED).exists():
        search = Search.load(recorded)
        if search.tuned_for != sha256(system):
            _say(f"{recorded}: was tuned for another bundle and is not used; run `asr tune` again")
            search = Search()
    changed = {key: value for key, value in given.items() if value is not None}
    if changed.get("decoder", search.decoder) != search.decoder:
        search = Search()
    if set(changed) - {"decoder"}:
        search = replace(search, tuned_on="", tuned_for="")
    return replace(search, **changed)


def _sentences(path: Path) -> list[list[str]]:
    try:
        return [line.split() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as text ({error}); give UTF-8, a sentence a line") from error


def _symbols(units: "Units", transcript: str) -> list[str]:
    """Return the units of a transcript given as a .PHN file, a text file or the symbols themselves."""
    path = Path(transcript)
    text = transcript
    if path.suffix.lower() == ".phn":
        lines = _sentences(path)
        if odd := [line for line in lines if len(line) != 3]:
            raise InputError(f"{path}: '{' '.join(odd[0])}' is not 'start end phone'; correct the line")
        text = " ".join(line[2] for line in lines)
    elif path.suffix.lower() == ".txt":
        text = " ".join(" ".join(line) for line in _sentences(path))
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
        elif source and Path(source).is_dir():
            found += [(str(path), path.relative_to(source)) for path in _inside(Path(source))]
        else:
            found.append((source, Path(Path(source).name)))
    times = Counter(place for _, place in found)
    return [
        (source, place.with_name(f"{number}-{place.name}") if times[place] > 1 else place)
        for number, (source, place) in enumerate(found, 1)
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


def _bundle(system: Path) -> Path:
    """Return the bundle of a run's folder, or the file itself."""
    return system if system.is_file() or system.suffix else system / "best.safetensors"


@contextmanager
def _timed(what: str) -> Iterator[None]:
    begin = time.perf_counter()
    yield
    _say(f"{what}: {time.perf_counter() - begin:.1f} s")


def _print(result: object, end: str = "\n") -> None:
    """Write a result to standard output; end quietly where nobody reads on, as in `| head`."""
    try:
        print(result, end=end, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that Python's last flush finds a file
        raise SystemExit(128 + signal.SIGPIPE) from None
    except OSError as error:
        raise AsrError(
            f"standard output: cannot be written ({error.strerror}); free or choose another place"
        ) from error


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
