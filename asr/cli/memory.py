"""The command that runs the experiments on what recurrent networks remember."""

from pathlib import Path

import click

from asr.cli import options, output


@click.command()
@click.argument("names", nargs=-1, metavar="[EXPERIMENT]…")
@click.option("--full", is_flag=True, help="As large as in the papers, which takes hours, instead of ten minutes.")
@click.option("--seeds", type=int, metavar="N", help="Trials of each case.  [default: each case's own number]")
@click.option("--out", type=options.FOLDER, default=Path("runs/memory"), show_default=True, help="Folder of results.")
def memory(names: tuple[str, ...], full: bool, seeds: int | None, out: Path) -> None:
    """Repeat the literature's experiments on memory.

    They show what recurrent networks remember. Pass the names of some, or none for all; an unknown name lists them.
    Trials that are stored in the folder are not run again. The tables are printed, and written as a page with pictures.
    """
    from asr.errors import AsrError
    from asr.memory import EXPERIMENTS, overview, trials
    from asr.support import files, text

    plan = trials.planned(names or tuple(EXPERIMENTS), full, seeds)
    if not plan:
        raise AsrError(f"{', '.join(names)}: only in the full form; pass --full")
    with files.locked(files.folder(out) / ".lock"):
        run = trials.run(plan, out)
        page = overview.write(out)
    output.say(f"{run} of {len(plan)} trials run, the others were stored in {out}")
    output.result(text.read(out / "memory.md"), end="")
    if page is None:
        output.say('the page needs matplotlib and jinja2; install them with `pip install "asr[plots]"`')
    output.say(f"wrote {page or out / 'memory.md'}")
