"""Commands that make a system: prepare, train, tune."""

import os
from pathlib import Path
from typing import Any

import click

from asr.cli import options, output
from asr.errors import InputError


@click.command()
@click.argument("corpus", metavar="CORPUS | RECIPE.toml")
@click.option("--source", type=options.FOLDER, help="Where the corpus lies, if you have it.")
@click.option("--out", type=options.FOLDER, help="Where its manifests go; data/CORPUS when left out.")
@click.option("--partial", is_flag=True, help="Go on with what is readable when files are missing.")
def prepare(corpus: str, source: Path | None, out: Path | None, partial: bool) -> None:
    """Make the manifests of a corpus, or of a recipe's corpus (and, for espeak, the corpus itself)."""
    from asr import config, corpora

    if corpus.endswith(".toml"):
        corpus = config.load(Path(corpus)).corpus.name
    out = out or Path("data") / corpus
    with output.timed(f"corpus {corpus}"):
        corpora.prepare(corpus, source, out, partial=partial)
    output.say(corpora.summary(out))
    output.result(out)


@click.command()
@click.argument("recipe", type=options.FILE)
@options.SET
@options.DATA
@click.option("--init", metavar="SYSTEM", help="Run or bundle whose weights to start from; sets training.init.")
@click.option("--out", type=options.FOLDER, help="The run's folder; runs/RECIPE when left out.")
@options.DEVICE
def train(
    recipe: Path, overrides: tuple[str, ...], data: Path, init: str | None, out: Path | None, device: str | None
) -> None:
    """Train the system that a recipe describes."""
    import json

    from asr import config

    settings = config.load(recipe, [*overrides, *([f"training.init={json.dumps(init)}"] if init else [])])
    from asr import recognize, report
    from asr.training import loop as training

    out = out or Path("runs") / recipe.stem
    corpus = data / settings.corpus.name
    if not (corpus / "train.jsonl").exists():
        raise InputError(f"{corpus}: holds no prepared corpus; run `asr prepare {settings.corpus.name}` first")
    if settings.training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA is first touched
    with output.timed("training"):
        best = training.run(settings, corpus, out, recognize.choose_device(device))
    picture = report.curves(out) if output.SPEAKS else None
    output.say(f"curves: {picture}" if picture else 'curves: not drawn; `pip install "asr[plots]"` draws them')
    output.result(best)


@click.command()
@click.argument("system", type=options.FILE)
@options.search
@click.option("--order", type=click.IntRange(0), default=3, show_default=True, help="Of the n-gram; 0 for none.")
@click.option("--on", default="dev", show_default=True, help="The set to choose on.")
@click.option("--force", is_flag=True, help="Choose on another set than dev; it is then no test set any more.")
@options.DATA
@options.DEVICE
def tune(
    system: Path,
    order: int,
    on: str,
    force: bool,
    data: Path,
    device: str | None,
    **search: Any,  # noqa: ANN401
) -> None:
    """Choose a decoder's weights on the dev set, and record them for evaluate and transcribe."""
    from asr import bundle, recognize
    from asr.evaluation import tuning

    file = options.bundle_of(system)
    corpus = data / bundle.load(file).recipe.corpus.name
    settings = options.settings(None, {"decoder": "beam"} | {k: v for k, v in search.items() if v is not None})
    with output.timed("tuning"):
        tuned = tuning.run(file, corpus, settings, order, recognize.choose_device(device), on, force)
    best = tuned.search
    if tuned.perplexity:
        output.say(f"{on} perplexity {tuned.perplexity.perplexity:.2f} over {tuned.perplexity.tokens} tokens")
    before, after = tuned.calibration_error
    output.say(f"{on} calibration error {100 * before:.2f} %, calibrated {100 * after:.2f} %")
    output.result(
        f"{on:<4} {tuned.count}  {best.decoder}, width {best.width}, weight {best.weight:g}, bonus {best.bonus:g}"
    )
