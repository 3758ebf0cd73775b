"""The `asr doctor` command: problems in data before training, and in a run after it."""

import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from asr.cli import options, output
from asr.errors import AsrError, InputError

if TYPE_CHECKING:
    from asr.config import Recipe
    from asr.doctor.finding import Finding

Examined = tuple[str, list[str], "list[Finding]"]  # a description of the subject, the checks' names, their findings


@click.command()
@click.argument("subjects", nargs=-1, required=True, metavar="RECIPE.toml | MANIFEST.jsonl… | RUN", type=options.FILE)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object with all ids.")
@options.SET
@options.DATA
@options.DEVICE
def doctor(
    subjects: tuple[Path, ...], as_json: bool, overrides: tuple[str, ...], data: Path, device: str | None
) -> None:
    """Find problems in data before training, or in a run after it.

    A recipe's corpus, or the manifests after a recipe, are checked against its features and units. Manifests given
    without a recipe are checked without unit or feature rules. An error would stop training or make its results
    wrong, and sets the exit status to 1; a warning is probably a problem; a note is harmless.
    """
    if len(subjects) == 1 and subjects[0].is_dir():
        if overrides:
            raise AsrError(f"--set {overrides[0]}: changes a recipe, but {subjects[0]} is a run; remove it")
        examined, checks, findings = _run(subjects[0], data, device)
    else:
        if device:
            raise AsrError(f"--device {device}: applies to runs only, not to data; remove it")
        examined, checks, findings = _data(subjects, overrides, data)
    from asr.doctor.listing import as_dict, table, tally

    if as_json:
        output.result(json.dumps(as_dict(map(str, subjects), checks, findings), ensure_ascii=False, indent=2))
    else:
        color = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        if findings:
            output.result(table(findings, shutil.get_terminal_size().columns if sys.stdout.isatty() else None, color))
            output.say(f"{examined}: {tally(findings)}")
        else:
            line = f"{examined}: no problems found by {len(checks)} checks"
            output.result(click.style(line, fg="green") if color else line)
    if any(finding.severity == "error" for finding in findings):
        sys.exit(1)


def _run(folder: Path, data: Path, device: str | None) -> Examined:
    from asr.doctor import RUN_CHECKS, examine, runs
    from asr.support.device import choose_device

    run = runs.read(folder, data, choose_device(device))
    return (
        f"{folder}: {len(run.epochs)} epoch{'' if len(run.epochs) == 1 else 's'}",
        list(RUN_CHECKS),
        examine(run, RUN_CHECKS),
    )


def _data(subjects: tuple[Path, ...], overrides: tuple[str, ...], data: Path) -> Examined:
    from asr import config, manifest
    from asr.doctor import DATA_CHECKS, examine, recordings
    from asr.training import sizing

    recipes = [path for path in subjects if path.suffix == ".toml"]
    manifests = [path for path in subjects if path not in recipes]
    if len(recipes) > 1:
        raise AsrError(f"{recipes[1]}: is a second recipe; pass only one")
    if folders := [path for path in manifests if path.is_dir()]:
        raise AsrError(f"{folders[0]}: is a folder; pass a run alone, or manifests")
    recipe = config.load(recipes[0], overrides) if recipes else None
    if overrides and not recipe:
        raise AsrError(f"--set {overrides[0]}: changes a recipe, but there is none; pass one before the manifests")
    paths = _named(manifests) if manifests else _corpus(recipe, data, recipes[0])
    sets = {name: manifest.read(path) for name, path in paths.items()}
    if recipe:
        everything = [utterance for utterances in sets.values() for utterance in utterances]
        recipe = sizing.for_set(recipe, sets.get("train") or next(iter(sets.values())), others=everything)
    corpus = recordings.examine_data(sets, recipe)
    hours = sum(recording.seconds for recording in corpus.readable) / 3600
    examined = f"{len(corpus.recordings)} utterances, {hours:.2f} h, in {' '.join(paths)}"
    return examined, list(DATA_CHECKS), examine(corpus, DATA_CHECKS)


def _corpus(recipe: "Recipe | None", data: Path, source: Path) -> dict[str, Path]:
    """Return the manifests of the corpus of a recipe, read from a file, by set; the test set is optional."""
    assert recipe, "click asks for at least one argument"
    folder = data / recipe.corpus.folder
    paths = {name: folder / f"{name}.jsonl" for name in ("train", "dev", "test")}
    existing = {name: path for name, path in paths.items() if name != "test" or path.is_file()}
    if not paths["train"].is_file():
        raise InputError(f"{folder}: contains no prepared corpus; run `asr prepare {source}` first")
    return existing


def _named(manifests: list[Path]) -> dict[str, Path]:
    """Return manifests by set: the file's name, or its path if two files have the same name."""
    counts = Counter(path.stem for path in manifests)
    return {path.stem if counts[path.stem] == 1 else str(path): path for path in manifests}
