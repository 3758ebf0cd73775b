"""The table of results in recipes/README.md: one row per recipe, generated from result files.

`recipes/results/RECIPE/` contains copies of what `asr evaluate` wrote: SET-seedN.json for each set and seed.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asr import bundle, config
from asr.errors import AsrError, InputError
from asr.evaluation import results
from asr.support import files, text

BEGIN = "<!-- results: from recipes/results, by `make results` -->"
END = "<!-- results: end -->"
SETS = ("dev", "test")
Rows = dict[str, dict[str, Any]]  # a run's results by set
COLUMNS = ("standard", "optional silence", "merged silence", "mean of utterances")


def collect(runs: Path, recipes: Path) -> tuple[list[Path], list[str]]:
    """Copy the results of each recipe's runs, runs/RECIPE and runs/RECIPE-seedN, to the folder that the table reads.

    Args:
        runs: The folder of runs.
        recipes: The folder of recipes.

    Returns:
        The files written, and a line for each run that was omitted.

    Raises:
        AsrError: A copy cannot be written.
    """
    written, left_out = [], []
    for recipe in sorted(recipes.glob("*.toml")):
        taken: dict[int, Rows] = {}  # by seed
        for run in sorted([runs / recipe.stem, *runs.glob(f"{recipe.stem}-seed[0-9]*")]):
            if not (run / "test.json").exists():
                continue
            try:
                rows = {name: results.read(run / f"{name}.json") for name in SETS}
                reason = _unfit(run, recipe, rows) or _apart(rows, taken)
            except AsrError as error:
                reason = str(error)
            if reason:
                left_out.append(f"{run}: {reason}; not taken")
            else:
                taken[rows["test"]["seed"]] = rows
        for seed, rows in taken.items():
            for name, row in rows.items():
                written.append(recipes / "results" / recipe.stem / f"{name}-seed{seed}.json")
                files.write_json(written[-1], row)
    return written, left_out


def _apart(rows: Rows, taken: Mapping[int, Rows]) -> str:
    """Return why a run's results are inconsistent, alone or with those already collected; empty if not."""
    if rows["dev"]["metric"] != rows["test"]["metric"]:
        return f"dev.json is a {rows['dev']['metric']} and test.json a {rows['test']['metric']}"
    if rows["test"]["seed"] in taken:
        return f"duplicates seed {rows['test']['seed']} of another run"
    for name, other in next(iter(taken.values()), {}).items():
        if rows[name]["manifest_sha256"] != other["manifest_sha256"]:
            return f"{name}.json was measured on a different {name} set than seed {other['seed']}"
    return ""


def _unfit(run: Path, recipe: Path, rows: Rows) -> str:
    """Return why a run's results do not represent its recipe; empty if they do."""
    made = config.load(run / "recipe.toml")
    apart = config.differences(*(map(bundle.resolve, (config.filled(config.load(recipe), made), made))))
    if others := [line for line in apart if not line.startswith("training.seed:")]:
        return f"differs from {recipe} ({others[0]})"
    for name, row in rows.items():
        if row["search"].get("tuned_on_test"):
            return f"{name}.json was tuned on {name} itself"
        if row["search"].get("by_hand"):
            return f"{name}.json has settings chosen by hand"
        if not row["commit"] or row["commit"].endswith("-dirty"):
            return f"{name}.json was measured with uncommitted source code ({row['commit']})"
        if "-dirty" in (source := str((row.get("trained") or {}).get("commit"))):
            return f"was trained with uncommitted source code ({source})"
    return ""


def block(recipes: Path) -> str:
    """Return the table, between its markers.

    Raises:
        InputError: A result file cannot be read, or those of a recipe are inconsistent.
    """
    head = ["recipe", "what it is", "dev", *(f"test, {name}" if name == COLUMNS[0] else name for name in COLUMNS)]
    rows = [[*head, "measured"], ["---"] * (len(head) + 1)]
    rows += [_row(recipe, recipes / "results" / recipe.stem) for recipe in sorted(recipes.glob("*.toml"))]
    return "\n".join([BEGIN, *(f"| {' | '.join(row)} |" for row in rows), END])


def fill(readme: Path, recipes: Path) -> None:
    """Put the table between its markers in a file.

    Raises:
        InputError: The file cannot be read or has no such markers, or a result file cannot be used.
    """
    before, begin, rest = text.read(readme, remedy="restore it").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InputError(f"{readme}: has no markers for the table; add the lines {BEGIN} and {END} where it belongs")
    files.write_text(readme, before + block(recipes) + after)


def _row(recipe: Path, folder: Path) -> list[str]:
    name = f"[{recipe.stem}]({recipe.name})"
    found = {name: _results(folder, name) for name in SETS}
    if not found["test"]:
        return [name, _about(recipe), *["–"] * (1 + len(COLUMNS)), "not measured"]
    dev, test = (results.summarize(rows) if rows else [] for rows in found.values())
    return [name, _about(recipe), _cell(dev, found["dev"], COLUMNS[0])] + [
        *(_cell(test, found["test"], column) for column in COLUMNS),
        _measured(found["test"]),
    ]


def _results(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    return {str(path): results.read(path) for path in sorted(folder.glob(f"{name}-seed*.json"))}


def _cell(summaries: list[results.Summary], rows: Mapping[str, Mapping[str, Any]], column: str) -> str:
    """Return the headline's metric by a convention: with its interval of one seed, with its deviation of several."""
    summary = next((s for s in summaries if s.name == column and s.metric == summaries[0].metric), None)
    if summary is None:
        return "–"
    rate = f"{summary.metric} {summary.rate.partition(',')[0]}"
    if len(rows) > 1 or column != COLUMNS[0]:
        return rate
    interval = next(iter(rows.values()))["interval"]
    return rate + (f" ({100 * interval[0]:.1f}–{100 * interval[1]:.1f})" if interval else "")


def _measured(rows: Mapping[str, Mapping[str, Any]]) -> str:
    seeds = ", ".join(str(seed) for seed in sorted(row["seed"] for row in rows.values()))
    commits = ", ".join(sorted({row["commit"][:8] for row in rows.values()}))
    one = next(iter(rows.values()))
    of = f"{one['speakers'] or 'unknown'} speakers, {one['total']} symbols"
    return f"{one['search']['decoder']}, {'seeds' if len(rows) > 1 else 'seed'} {seeds}, {of}, at {commits}"


def _about(recipe: Path) -> str:
    """Return a recipe's first paragraph."""
    paragraph = text.read(recipe).partition("#\n")[0]
    return re.sub(r"\s+", " ", paragraph.replace("#", " ")).strip()
