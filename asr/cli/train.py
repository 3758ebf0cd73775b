"""Commands that build a system: train, tune."""

import sys
from pathlib import Path
from typing import Any

import click

from asr.cli import options, output
from asr.support import job


@click.command()
@click.argument("recipe", type=options.FILE)
@options.SET
@options.DATA
@click.option("--init", metavar="SYSTEM", help="Run or bundle whose weights to start from; sets training.init.")
@click.option("--out", type=options.FOLDER, help="The run's folder.  [default: runs/RECIPE]")
@options.DEVICE
def train(
    recipe: Path, overrides: tuple[str, ...], data: Path, init: str | None, out: Path | None, device: str | None
) -> None:
    """Train the system that a recipe describes.

    RECIPE is a .toml file, such as recipes/espeak.toml; `asr prepare` makes its corpus. Interrupted training resumes
    when you run the same command again. The exit status is 1 if nothing was learned; the run is kept, for `asr doctor`.
    """
    import json

    from asr import config

    settings = config.load(recipe, [*overrides, *([f"training.init={json.dumps(init)}"] if init else [])])
    from asr import report, training
    from asr.training import verdict

    out = out or Path("runs") / recipe.stem
    with output.timed("training"):
        best = training.train(settings, out, data=data, device=device)
    picture = report.curves(out) if job.world().leads else None
    output.say(f"curves: {picture}" if picture else 'curves: not drawn; `pip install "asr[plots]"` draws them')
    output.result(best)
    if job.world().leads and verdict.nothing_learned(out):  # as training has said
        sys.exit(1)


@click.command(cls=options.DecoderCommand, tuning=True)
@click.argument("system", type=options.FILE)
@click.option(
    "--order",
    type=click.IntRange(0),
    default=3,
    show_default=True,
    help="n of the n-gram model to train where --lm is not given; 0 for none.",
)
@click.option("--on", default="dev", show_default=True, help="The set to tune on.")
@click.option(
    "--force",
    is_flag=True,
    help="Allow tuning on a set other than dev (it can then no longer serve as a test set).",
)
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
    """Choose a decoder's settings on the dev set.

    They are recorded beside the bundle, and from then on are those of every command that decodes with it. SYSTEM is a
    run's folder, whose best epoch is taken, or a bundle (.safetensors).
    """
    from asr import bundle
    from asr.decoders import Search
    from asr.evaluation import results, tuning
    from asr.support.device import choose_device

    file = bundle.find(system)
    corpus = data / bundle.load(file).recipe.corpus.folder
    name = search.pop("decoder") or options.tuned_by_default()
    with output.timed("tuning"):
        tuned = tuning.run(file, corpus, Search().changed(name, search), order, choose_device(device), on, force)
    if tuned.perplexity:
        output.say(f"{on} perplexity {tuned.perplexity.perplexity:.2f} over {tuned.perplexity.tokens} tokens")
    before, after = tuned.calibration_error
    output.say(f"{on} calibration error {100 * before:.2f} %, calibrated {100 * after:.2f} %")
    output.result(f"{on:<4} {tuned.count}  {results.decoding(tuned.search.as_dict())}")
