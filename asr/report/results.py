"""What a run's folder says of itself: its result, its utterances, its epochs, its recipe."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from asr import config
from asr.config import Recipe
from asr.errors import InputError
from asr.score import Alignment

Row = dict[str, Any]  # one JSON object


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
        """The result in units, which is the headline unless words were scored."""
        others: list[Row] = self.result.get("others", [])
        return others[-1] if others else self.result

    @property
    def in_phones(self) -> bool:
        """Whether what is scored are TIMIT's phones."""
        return bool(self.by_units["metric"] == "PER")


def read(folder: Path, name: str) -> Results:
    """Return what lies in a run's folder about one set.

    Args:
        folder: Where the results lie.
        name: The set's name.

    Raises:
        InputError: The set was not evaluated, or a file cannot be read.
    """
    if not (folder / f"{name}.json").exists():
        raise InputError(f"{folder / name}.json: no such result; run `asr evaluate {folder} --set {name}` first")
    result = _objects(folder / f"{name}.json", lines=False)[0]
    rows = {row["id"]: row for row in _objects(folder / f"{name}.utterances.jsonl")}
    return Results(folder.resolve().name, result, rows, epochs(folder), _recipe(folder / "recipe.toml"))


def epochs(folder: Path) -> list[Row]:
    """Return what training said of each epoch; nothing where it said nothing.

    Raises:
        InputError: The file cannot be read.
    """
    return _objects(folder / "epochs.jsonl") if (folder / "epochs.jsonl").exists() else []


def _recipe(path: Path) -> Recipe | None:
    return config.load(path) if path.exists() else None


def _objects(path: Path, lines: bool = True) -> list[Row]:
    """Return the objects in a file, one a line or one in all."""
    try:
        text = path.read_text(encoding="utf-8")
        found = [json.loads(part) for part in (text.splitlines() if lines else [text])]
        if not all(isinstance(row, dict) for row in found):
            raise ValueError("something else than JSON objects in it")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); evaluate or train again") from error
    return found
