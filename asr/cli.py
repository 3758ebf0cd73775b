"""The command line: results to stdout, everything else to stderr, an AsrError in one line.

Exit status: 0 done; 1 some inputs of many failed; 2 usage or configuration; 3 a model file; 4 no usable input;
130 and 143 on Ctrl-C and SIGTERM. Modules that cost seconds are imported by the command that needs them.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from asr.errors import AsrError, InputError

if TYPE_CHECKING:
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


@cli.command()
@click.argument("system", type=FILE)
@click.option("--set", "names", multiple=True, default=["test"], help="One of the corpus's sets; may be given twice.")
@click.option("--manifest", type=FILE, help="Another manifest to score on.")
@click.option("--out", type=FOLDER, help="Where results go; beside the bundle when left out.")
@click.option("--decoder", default="greedy", show_default=True)
@DATA
@DEVICE
def evaluate(
    system: Path,
    names: tuple[str, ...],
    manifest: Path | None,
    out: Path | None,
    decoder: str,
    data: Path,
    device: str | None,
) -> None:
    """Score a run's best system, or a bundle, and write NAME.json and NAME.jsonl beside it."""
    from asr import bundle, recognize
    from asr import evaluate as evaluation

    file = _bundle(system)
    corpus = data / bundle.load(file).recipe.corpus.name
    with _timed("evaluation"):
        for path in [manifest] if manifest else [corpus / f"{name}.jsonl" for name in names]:
            where = (out or file.parent) / path.stem
            result = evaluation.run(file, path, where, recognize.choose_device(device), decoder)
            click.echo(f"{path.stem:<5}{result}")
    _say(result.example())


@cli.command()
@click.argument("sources", nargs=-1, required=True, metavar="FILE… | DIR | -")
@click.option("--bundle", "system", type=FILE, default=Path("runs/espeak"), show_default=True, help="Run or bundle.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, with times of every unit.")
@click.option("--decoder", default="greedy", show_default=True)
@DEVICE
def transcribe(sources: tuple[str, ...], system: Path, as_json: bool, decoder: str, device: str | None) -> None:
    """Print what is said in recordings: files, folders of them, or - for standard input."""
    found = _recordings(sources)
    from asr import bundle, recognize
    from asr.decoders import DECODERS
    from asr.errors import choose

    search = choose(DECODERS, decoder, "decoder")()
    recognizer = recognize.Recognizer(bundle.load(_bundle(system)), search, recognize.choose_device(device))
    failed = 0
    for source in found:
        try:
            line = _transcript(recognizer, source, as_json)
        except InputError as error:
            failed += 1
            _say(f"asr: {error}")
        else:
            click.echo(line)
    if failed:
        _say(f"asr: {failed} of {len(found)} recordings failed")
        sys.exit(InputError.status if failed == len(found) else 1)


def _transcript(recognizer: "Recognizer", source: str, as_json: bool) -> str:
    """Return the line that transcribe prints of one recording."""
    from io import BytesIO

    from asr import audio

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
    if not as_json:
        return f"{source}\t{units.text(hypothesis.ids)}"
    spans = zip(units.names(hypothesis.ids), recognizer.times(hypothesis), strict=True)
    row = {
        "audio": source,
        "seconds": round(len(samples) / rate, 4),
        "text": units.text(hypothesis.ids),
        "score": round(hypothesis.score, 4),
        "units": [{"unit": unit, "start": round(start, 4), "end": round(end, 4)} for unit, (start, end) in spans],
    }
    return json.dumps(row, ensure_ascii=False)


def _recordings(sources: tuple[str, ...]) -> list[str]:
    """Return the files that the arguments name; folders are searched through."""
    found: list[str] = []
    for source in sources:
        if source != "-" and Path(source).is_dir():
            inside = sorted(str(p) for p in Path(source).rglob("*") if p.suffix.lower() in AUDIO)
            if not inside:
                raise InputError(f"{source}: holds no audio file ({', '.join(sorted(AUDIO))}); give another folder")
            found += inside
        else:
            found.append(source)
    return found


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
