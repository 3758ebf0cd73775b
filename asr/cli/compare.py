"""The command that compares two systems."""

import json
from pathlib import Path

import click

from asr.cli import options, output

SHOWN = 5  # of the utterances that changed most


@click.command()
@click.argument("run_a", type=options.FILE)
@click.argument("run_b", type=options.FILE)
@click.option("--set", "name", default="", help="Which of the runs' results to compare.  [default: test]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with every utterance that changed.")
def compare(run_a: Path, run_b: Path, name: str, as_json: bool) -> None:
    """Tell which of two runs is better on a set.

    A difference counts where two tests agree, the paired bootstrap by speaker and NIST's MAPSSWE; else it may be
    chance. RUN_A and RUN_B may also be result files, which `asr evaluate` writes.
    """
    from asr.evaluation import comparison as comparing
    from asr.evaluation import results

    paths = results.file(run_a, name or "test"), results.file(run_b, name or "test")
    rows = [results.of_set(path, name) for path in paths]
    remarks = [results.remark(row["search"], row["set"]) for row in rows]
    found = comparing.run(*paths)
    if as_json:
        row = {"files": [str(path) for path in paths], "remarks": remarks} | found.as_dict()
        output.result(json.dumps(row, ensure_ascii=False, indent=2))
        return
    for path, count, remark in zip(paths, (found.one, found.other), remarks, strict=True):
        output.result(f"{path}  {found.metric} {count}" + (f" ({remark})" if remark else ""))
    output.result(str(found))
    better = {"one": f"{run_a} is better", "other": f"{run_b} is better"}.get(found.verdict, found.verdict)
    output.result(better)
    for change in found.changed[:SHOWN]:
        output.say(f"{change.id}: {change.one} and {change.other} errors of {change.total}")
