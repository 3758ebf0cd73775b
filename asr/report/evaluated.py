"""What a run's folder says of itself: its result, its utterances, its epochs, its recipe."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from asr import config
from asr.config import Recipe
from asr.errors import InputError
from asr.evaluation import results
from asr.evaluation.results import Row
from asr.scoring.alignment import Alignment


@dataclass(frozen=True)
class Results:
    """A run as evaluation left it.

    Attributes:
        run: The run's name.
        result: What the result file says.
        rows: What it says of each utterance, by id.
        epochs: What training said of each epoch; empty where a bundle lies alone.
        recipe: None where a bundle lies alone.
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
        """Each utterance's speaker, by id; one who is not named is alone."""
        return {id: row["speaker"] or id for id, row in self.rows.items()}

    @property
    def by_units(self) -> Row:
        """The result in units."""
        return results.in_units(self.result)

    @property
    def symbols(self) -> str:
        """What the system's units are: phones, characters or words."""
        return {"PER": "phones", "CER": "characters", "WER": "words"}[self.by_units["metric"]]


def read(folder: Path, name: str) -> Results:
    """Return what lies in a run's folder about one set.

    Args:
        folder: Where the results lie.
        name: The set's name.

    Raises:
        InputError: The set was not evaluated, or a file cannot be read.
    """
    path = results.file(folder, name)
    if not path.exists():
        raise InputError(f"{path}: no such result; run `asr evaluate {folder} --set {name}` first")
    rows = {row["id"]: row for row in results.utterances(path)}
    recipe = config.load(folder / results.RECIPE) if (folder / results.RECIPE).exists() else None
    return Results(folder.resolve().name, results.read(path), rows, results.epochs(folder), recipe)
