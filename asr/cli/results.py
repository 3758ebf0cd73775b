"""Commands that summarize results: over seeds, and in the table of recipes."""

import json
from pathlib import Path

import click

from asr.cli import options, output


@click.command()
@click.argument("runs", nargs=-1, required=True, type=options.FILE)
@click.option("--set", "names", multiple=True, help="Which of their results; repeatable.  [default: dev, test]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every seed's rate.")
def summary(runs: tuple[Path, ...], names: tuple[str, ...], as_json: bool) -> None:
    """Print mean and standard deviation over seeds.

    RUNS are of one recipe and differ only in their seed; each is a run's folder or a result file.
    """
    from asr.evaluation import results

    found = []
    files = all(results.file(run, "") == run for run in runs)  # each is of one set
    for name in names or (("",) if files else ("dev", "test")):
        found += results.summarize(results.of_runs(runs, name))
    if as_json:
        output.result(json.dumps([one.as_dict() for one in found], ensure_ascii=False, indent=2))
        return
    for one in found:
        output.result(one)


@click.command(hidden=True)  # it writes recipes/README.md, which only this repository has
@click.option("--runs", type=options.FOLDER, default=Path("runs"), show_default=True, help="Folder with the runs.")
@click.option(
    "--recipes", type=options.FOLDER, default=Path("recipes"), show_default=True, help="Folder with the recipes."
)
def table(runs: Path, recipes: Path) -> None:
    """Copy the results of the recipes' runs to recipes/results, and write the table in recipes/README.md from them."""
    from asr.evaluation import table as standings

    written, left_out = standings.collect(runs, recipes)
    for line in left_out:
        output.say(line)
    standings.fill(recipes / "README.md", recipes)
    for path in written:
        output.result(path)
