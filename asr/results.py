"""Result files: what evaluation wrote, read again; and what several seeds of one recipe come to together."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr import config
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


def of_runs(places: Sequence[Path], name: str) -> dict[str, dict[str, Any]]:
    """Return the results of several runs on a set, by file.

    Args:
        places: Runs' folders, or result files.
        name: The set's.

    Raises:
        AsrError: A file cannot be read, or two runs' recipes differ in more than the seed.
    """
    kept = [place / "recipe.toml" for place in places if (place / "recipe.toml").exists()]
    recipes = [(path, config.load(path)) for path in kept]
    for path, recipe in recipes[1:]:
        apart = [line for line in config.differences(recipes[0][1], recipe) if not line.startswith("training.seed:")]
        if apart:
            raise InputError(f"{path}: is another recipe than {recipes[0][0]} ({apart[0]}); give runs of one recipe")
    return {str(path): read(path) for path in (file(place, name) for place in places)}


@dataclass(frozen=True)
class Summary:
    """One convention's rate over several seeds.

    Attributes:
        set: The set's name.
        metric: PER, CER or WER.
        name: The convention's.
        title: What it compares.
        rates: By seed.
    """

    set: str
    metric: str
    name: str
    title: str
    rates: dict[int, float]

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.rates.values())

    @property
    def deviation(self) -> float | None:
        """The standard deviation from seed to seed (n − 1); None of one seed."""
        return statistics.stdev(self.rates.values()) if len(self.rates) > 1 else None

    def __str__(self) -> str:
        return f"{self.set:<4} {self.metric} {self.name:<20} {self.rate}"

    @property
    def rate(self) -> str:
        """The mean, with the deviation and the number of seeds where there are several."""
        if self.deviation is None:
            return f"{100 * self.mean:.2f} %"
        return f"{100 * self.mean:.2f} ± {100 * self.deviation:.2f} %, {len(self.rates)} seeds"

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for a file."""
        row: dict[str, Any] = {"set": self.set, "metric": self.metric, "name": self.name, "title": self.title}
        return row | {"mean": self.mean, "deviation": self.deviation, "rates": self.rates}


def summarise(found: Mapping[str, Mapping[str, Any]]) -> list[Summary]:
    """Return what several seeds of one recipe come to on one set, by convention, the headline first.

    Args:
        found: Each result, by where it came from.

    Raises:
        InputError: They are not of one set, one decoder and one kind of symbol, or a seed stands twice.
    """
    (first, one), *others = found.items()
    seeds = {one["seed"]: first}
    for place, row in others:
        for key, what in _ALIKE.items():
            if _value(row, key) != _value(one, key):
                raise InputError(
                    f"{place}: {what} is not that of {first} ({_value(row, key)} and {_value(one, key)}); "
                    "summarise runs that differ in their seed alone"
                )
        if row["seed"] in seeds:
            raise InputError(f"{place}: has the seed of {seeds[row['seed']]}, {row['seed']}; give each seed once")
        seeds[row["seed"]] = place
    return [_summary(list(found.values()), place) for place in range(len(one["conventions"]))]


_ALIKE = {"manifest_sha256": "the set", "decoder": "the decoder", "conventions": "what it writes"}


def _value(row: Mapping[str, Any], key: str) -> str:
    if key == "conventions":
        return ", ".join(f"{c['metric']} {c['name']}" for c in row["conventions"])
    return str(row["search"].get("decoder") if key == "decoder" else row[key])


def _summary(rows: Sequence[Mapping[str, Any]], place: int) -> Summary:
    convention = rows[0]["conventions"][place]
    rates = {row["seed"]: row["conventions"][place]["rate"] for row in sorted(rows, key=lambda row: row["seed"])}
    return Summary(rows[0]["set"], convention["metric"], convention["name"], convention["title"], rates)
