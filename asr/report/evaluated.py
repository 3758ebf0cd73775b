"""An evaluated run, read back from its folder: result, utterances, epochs and recipe."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asr import config
from asr.config import Recipe
from asr.errors import InputError
from asr.evaluation import results
from asr.evaluation.records import Row
from asr.scoring.alignment import Alignment


@dataclass(frozen=True)
class EvaluatedRun:
    """A run and its result on one set.

    Attributes:
        run: The run's name.
        result: The contents of the result file.
        rows: The rows of NAME.utterances.jsonl, by id.
        epochs: The rows of epochs.jsonl; empty for a bundle without its run.
        recipe: None for a bundle without its run.
    """

    run: str
    result: Row
    rows: dict[str, Row]
    epochs: list[Row]
    recipe: Recipe | None

    @cached_property
    def alignments(self) -> dict[str, Alignment]:
        """Each utterance's alignment in scored symbols, by id."""
        return {id: Alignment(tuple((r, h) for r, h in row["alignment"])) for id, row in self.rows.items()}

    @cached_property
    def speakers(self) -> dict[str, str]:
        """Each utterance's speaker, by id; an unknown speaker is taken to be one of their own."""
        return {id: row["speaker"] or id for id, row in self.rows.items()}

    @property
    def by_units(self) -> Row:
        """The result in units."""
        return results.in_units(self.result)

    @property
    def symbols(self) -> str:
        """What the system's units are: phones, characters or words."""
        return {"PER": "phones", "CER": "characters", "WER": "words"}[self.by_units["metric"]]


def read(folder: Path, name: str) -> EvaluatedRun:
    """Return a run and its result on one set.

    Args:
        folder: The folder of the result.
        name: The set's name.

    Raises:
        InputError: The set was not evaluated, or a file cannot be read.
    """
    path = results.file(folder, name)
    if not path.exists():
        raise InputError(f"{path}: no such result; run `asr evaluate {folder} --set {name}` first")
    rows = {row["id"]: row for row in results.utterances(path)}
    recipe = config.load(folder / results.RECIPE) if (folder / results.RECIPE).exists() else None
    return EvaluatedRun(folder.resolve().name, results.read(path), rows, results.epochs(folder), recipe)
