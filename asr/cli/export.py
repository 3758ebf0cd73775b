"""The command that writes a system for other runtimes."""

from pathlib import Path

import click

from asr.cli import options, output


@click.command()
@click.argument("system", type=options.FILE)
@click.argument("model", type=options.FILE)
@click.option("--int8", is_flag=True, help="Store weights as 8-bit integers: smaller, less exact.")
def export(system: Path, model: Path, int8: bool) -> None:
    """Write a run's best system, or a bundle, as an ONNX file, and tokens.txt beside it.

    The network takes features before normalization, (B, T, F), and lengths, (B,), and returns log-probs. It is compared
    with our own over many lengths, and not written if a log-prob differs by more than 1e-4.
    """
    from asr import bundle, export

    loaded = bundle.load(system)
    output.result(export.write(loaded, model, int8))
    output.say(f"{model.with_name('tokens.txt')}: {len(loaded.units)} units")
