"""Result files: what evaluation wrote, read again."""

import json
from pathlib import Path
from typing import Any

from asr.errors import InputError

NEEDED = ("set", "metric", "rate", "conventions", "manifest_sha256", "bundle_sha256", "seed", "search", "commit")


def file(place: Path, name: str) -> Path:
    """Return the result file of a run's folder, or the file itself.

    Args:
        place: A run's folder, or a result file.
        name: The set's.
    """
    return place / f"{name}.json" if place.is_dir() or not place.suffix else place


def read(path: Path) -> dict[str, Any]:
    """Return a result file's contents.

    Raises:
        InputError: It cannot be read, or is no result file of this version.
    """
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in NEEDED if key not in row]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot be read as a result ({error}); `asr evaluate` writes results") from error
    if missing:
        raise InputError(f"{path}: no result, or an old one ('{missing[0]}' is missing); run `asr evaluate` again")
    return dict(row)


def utterances(path: Path) -> list[dict[str, Any]]:
    """Return what a result file's companion, NAME.utterances.jsonl, says of each utterance.

    Args:
        path: The result file, NAME.json.

    Raises:
        InputError: The companion cannot be read.
    """
    beside = path.with_name(f"{path.stem}.utterances.jsonl")
    try:
        return [dict(json.loads(line)) for line in beside.read_text(encoding="utf-8").split("\n") if line]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{beside}: cannot be read ({error}); run `asr evaluate` again") from error
