"""The commands that show: a run as a page, a run or a recording as pictures."""

from pathlib import Path

import click

from asr.cli import options, output
from asr.errors import AsrError


@click.command()
@click.argument("run", type=options.FILE)
@click.option("--set", "name", default="test", show_default=True, help="One that `asr evaluate` scored.")
@click.option("--out", type=options.FILE, help="The page; NAME.html beside the result when left out.")
@click.option("--manifest", type=options.FILE, help="The set's, where it does not lie in the corpus.")
@click.option("--examples/--no-examples", default=True, help="Show utterances, which takes their recordings.")
@options.DATA
def report(run: Path, name: str, out: Path | None, manifest: Path | None, examples: bool, data: Path) -> None:
    """Write a run's results on a set as one HTML file that needs nothing but a browser."""
    from asr.report import write

    with output.timed("report"):
        page = write(run, name, data, out, manifest, examples)
    output.result(page)


@click.command()
@click.argument("source", type=options.FILE, metavar="RUN | AUDIO")
@click.option("--set", "names", multiple=True, help="Of RUN: a set that was scored; all of them when left out.")
@click.option("--bundle", "system", type=options.FILE, help="Of AUDIO: the run or bundle whose posteriors are drawn.")
@click.option("--out", type=options.FILE, help="Of AUDIO: the picture; NAME.png here when left out.")
def plot(source: Path, names: tuple[str, ...], system: Path | None, out: Path | None) -> None:
    """Draw a run (curves, confusions, reliability) or a recording (waveform to posteriors) as PNG."""
    if source.is_dir():
        if system or out:
            raise AsrError(
                f"--{'bundle' if system else 'out'}: is for a recording, and {source} is a run; leave it out"
            )
        from asr.report import plots

        found = plots.run(source, names)
    else:
        if names:
            raise AsrError(f"--set {names[0]}: is for a run, and {source} is a file; leave it out")
        from asr.report import recording

        out = out or Path(f"{source.stem}.png")
        found = [recording.draw(source, out, options.bundle_of(system) if system else None)]
    for picture in found:
        output.result(picture)
