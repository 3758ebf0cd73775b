"""Commands that visualize: `asr report`, an evaluated run as a page, and `asr plot`, runs and recordings as PNG."""

from pathlib import Path

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

MANIFEST = click.option("--manifest", type=options.FILE, help="The set's manifest.  [default: the corpus's]")


@click.command()
@click.argument("run", type=options.FILE)
@click.option("--set", "name", default="test", show_default=True, help="A set that `asr evaluate` has scored.")
@click.option("--out", type=options.FILE, help="The page.  [default: SET.html next to the result]")
@MANIFEST
@click.option(
    "--examples/--no-examples", default=True, show_default=True, help="Show utterances, which needs their recordings."
)
@options.DATA
def report(run: Path, name: str, out: Path | None, manifest: Path | None, examples: bool, data: Path) -> None:
    """Write a run's results on a set as one HTML page."""
    from asr.report import write

    with output.timed("report"):
        page = write(run, name, data, out, manifest, examples)
    output.result(page)


@click.command()
@click.argument("source", type=options.FILE, metavar="RUN | AUDIO")
@click.option("--set", "names", multiple=True, help="With RUN: a set that was scored.  [default: all of them]")
@click.option(
    "--utterance", metavar="ID", help="With RUN: draw only this utterance of the set, as the report shows it."
)
@click.option("--bundle", "system", type=options.FILE, help="With AUDIO: the run or bundle whose posteriors to draw.")
@click.option("--out", type=options.FILE, help="With AUDIO or --utterance: the PNG.  [default: NAME.png here]")
@MANIFEST
@options.DATA
def plot(
    source: Path,
    names: tuple[str, ...],
    utterance: str | None,
    system: Path | None,
    out: Path | None,
    manifest: Path | None,
    data: Path,
) -> None:
    """Draw a run, one of its utterances, or a recording as PNG.

    Of a run: learning curves, and confusions and reliability of each set that was scored.
    """
    if not source.is_dir():
        if names or utterance:
            option = f"--set {names[0]}" if names else f"--utterance {utterance}"
            raise AsrError(f"{option}: is for a run, but {source} is a file; remove it")
        if not source.exists():
            raise InputError(f"{source}: no such run or recording; pass a run's folder or an audio file")
        from asr import bundle
        from asr.report import recording

        out = out or Path(f"{source.stem}.png")
        pictures = [recording.draw(source, out, bundle.find(system) if system else None)]
    elif system:
        raise AsrError(f"--bundle: is for a recording, but {source} is a run; remove it")
    elif utterance:
        if len(names) > 1:
            raise AsrError(f"--utterance {utterance}: is in one set; pass --set once")
        from asr.report import draw_utterance

        out = out or Path(f"{utterance}.png")
        pictures = [draw_utterance(source, names[0] if names else "test", utterance, data, out, manifest)]
    else:
        if out:
            raise AsrError(f"--out: is for a recording or an utterance, but {source} is a run; remove it")
        from asr.report import plots

        pictures = plots.run(source, names)
    for picture in pictures:
        output.result(picture)
