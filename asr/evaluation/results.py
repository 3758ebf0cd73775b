"""Reading a run's records, of its epochs and its results; and summarizing the results of several seeds."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr import config
from asr.errors import AsrError, InputError
from asr.evaluation import records
from asr.evaluation.records import Row
from asr.support import text

BEST, EPOCHS, RECIPE, LOCK = config.BEST, "epochs.jsonl", "recipe.toml", ".lock"  # in a run's folder


def file(place: Path, name: str) -> Path:
    """Return the result file of a run's folder, or the file itself.

    Args:
        place: A run's folder, or a result file.
        name: The set's.

    Raises:
        AsrError: The name is a path.
    """
    if Path(name).name != name:
        raise AsrError(f"--set {name}: is a path, not the name of a set; pass the folder as RUN")
    return place / f"{name}.json" if place.is_dir() or not place.suffix else place


def read(path: Path) -> Row:
    """Return a result file's contents.

    Raises:
        InputError: It cannot be read, is not a result file of this version, or a value has another type.
    """
    from asr.decoders.search import upgraded

    try:
        row = text.parsed(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path}: no such result; run `asr evaluate` first, or pass another run") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a result ({error}); run `asr evaluate` again") from error
    if wrong := records.wrong_in_result(row):
        raise InputError(
            f"{path}: not a result file, damaged, or written by an older version ('{wrong}' is missing or has the "
            "wrong type); run `asr evaluate` again"
        )
    named = {"boundaries" if key == "borders" else key: value for key, value in row.items()}  # as 0.1 named it
    return named | {"search": upgraded(row["search"])}


def of_set(path: Path, name: str) -> Row:
    """Return a result file's contents.

    Args:
        path: The file.
        name: The set that it must be a result on; empty for any.

    Raises:
        InputError: It cannot be read, or is a result on another set.
    """
    row = read(path)
    if name and row["set"] != name:
        raise InputError(
            f"{path}: is a result on {row['set']}, not on {name}; pass --set {row['set']}, or another file"
        )
    return row


def in_units(result: Row) -> Row:
    """Return a result in units, which is its headline unless words were scored."""
    others: list[Row] = result.get("others", [])
    return others[-1] if others else result


def utterances(path: Path) -> list[Row]:
    """Return the rows of a result file's companion, NAME.utterances.jsonl, one per utterance.

    Args:
        path: The result file, NAME.json.

    Raises:
        InputError: One of them cannot be read, or the utterances' errors are not those of the result.
    """
    result, beside = read(path), path.with_name(f"{path.stem}.utterances.jsonl")
    counted = {"alignment": in_units(result)} | ({"words": result} if result.get("others") else {})
    rows = _lines(beside, records.OF_UTTERANCE | dict.fromkeys(counted, records.LIST), "run `asr evaluate` again")
    for key, whole in counted.items():
        for row in rows:
            if not all(records.is_pair(pair) for pair in row[key]):
                raise InputError(f"{beside}: {row['id']!r}: '{key}' is not a list of pairs; run `asr evaluate` again")
        errors = sum(reference != said for row in rows for reference, said in row[key])
        if (len(rows), errors) != (result["utterances"], whole.get("errors")):
            raise InputError(
                f"{beside}: has {errors} errors in {len(rows)} utterances, but {path.name} has {whole.get('errors')} "
                f"in {result['utterances']}; run `asr evaluate` again"
            )
    for row in rows:
        if not all(records.is_unit(unit) for unit in row["units"]):
            raise InputError(
                f"{beside}: {row['id']!r}: 'units' is not a list of symbols with times; run `asr evaluate` again"
            )
    return rows


def epochs(folder: Path) -> list[Row]:
    """Return the training log, one row per epoch; empty if there is none.

    Args:
        folder: The run's.

    Raises:
        InputError: The file cannot be read.
    """
    path = folder / EPOCHS
    if not path.exists():
        return []
    remedy = "restore it, or train again"
    rows = _lines(path, records.OF_EPOCH, remedy, records.IN_EPOCH)
    for number, row in enumerate(rows, 1):
        if wrong := records.wrong_in(row.get("dev", {}), {}, records.IN_DEV):
            raise _invalid(path, number, wrong, remedy)
    return rows


def _lines(path: Path, kinds: Mapping[str, Any], remedy: str, optional: Mapping[str, Any] = records.NONE) -> list[Row]:
    """Return a file's objects, one per line."""
    try:
        rows = [text.parsed(line) for line in text.split(text.decode(path.read_bytes())) if line]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from error
    for number, row in enumerate(rows, 1):
        if wrong := records.wrong_in(row, kinds, optional):
            raise _invalid(path, number, wrong, remedy)
    return rows


def _invalid(path: Path, number: int, key: str, remedy: str) -> InputError:
    return InputError(f"{path}:{number}: not a valid record ('{key}' is missing or has the wrong type); {remedy}")


def remark(search: Mapping[str, Any], name: str) -> str:
    """Return the caveat about how the weights behind a rate were chosen; empty if none.

    Args:
        search: A result's `search`.
        name: The set's.
    """
    marks = {
        "tuned_on_test": f"tuned on {name} itself: not a test",
        "tuned_here": f"tuned on {name} itself",
        "by_hand": "settings chosen by hand",
    }
    return "; ".join(said for mark, said in marks.items() if search.get(mark))


# keys of a result's `search` that are not settings of the decoder
RESERVED = {"decoder", "calibration", "tuned_on", "tuned_for", "tuned_on_set", "tuned_here", "tuned_on_test", "by_hand"}


def settings_of(search: Row) -> list[tuple[str, Any]]:
    """Return the decoder's settings in a result's `search`, by name."""
    return [(name, value) for name, value in search.items() if name not in RESERVED and value is not None]


def decoding(search: Row) -> str:
    """Return a result's `search` in a phrase, such as `beam, width 25, weight 0.5`; what is 0 is omitted."""
    settings = (
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in settings_of(search)
        if value
    )
    return ", ".join([search["decoder"], *settings])


def of_runs(places: Sequence[Path], name: str) -> dict[str, dict[str, Any]]:
    """Return the results of several runs on a set, by file.

    Args:
        places: Runs' folders, or result files.
        name: The set's.

    Raises:
        AsrError: A file cannot be read, is a duplicate or is of another set, or two runs' recipes differ in more than
            the seed.
    """
    kept = [place / RECIPE for place in places if (place / RECIPE).exists()]
    from asr import bundle  # torch, which other commands that read results do not need

    recipes = [(path, bundle.resolve(config.load(path))) for path in kept]
    for path, recipe in recipes[1:]:
        apart = [line for line in config.differences(recipes[0][1], recipe) if not line.startswith("training.seed:")]
        if apart:
            raise InputError(f"{path}: recipe differs from {recipes[0][0]} ({apart[0]}); summarize runs of one recipe")
    found: dict[Path, dict[str, Any]] = {}
    for path in (file(place, name) for place in places):
        if path.resolve() in {known.resolve() for known in found}:
            raise InputError(f"{path}: is a duplicate; pass each run once")
        found[path] = of_set(path, name)
    return {str(path): row for path, row in found.items()}


@dataclass(frozen=True)
class Summary:
    """One convention's rate over several seeds.

    Attributes:
        set: The set's name.
        metric: PER, CER or WER.
        name: The convention's.
        title: What it compares.
        rates: By seed.
        remark: Caveat about how the weights were chosen, the same for every seed; empty if none.
    """

    set: str
    metric: str
    name: str
    title: str
    rates: dict[int, float]
    remark: str = ""

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return statistics.mean(self.rates.values())

    @property
    def deviation(self) -> float | None:
        """The standard deviation from seed to seed (n − 1); None for one seed."""
        return statistics.stdev(self.rates.values()) if len(self.rates) > 1 else None

    def __str__(self) -> str:
        return f"{self.set:<4} {self.metric} {self.name:<20} {self.rate}" + (f" ({self.remark})" if self.remark else "")

    @property
    def rate(self) -> str:
        """The mean, with the deviation and the number of seeds where there are several."""
        if self.deviation is None:
            return f"{100 * self.mean:.2f} %"
        return f"{100 * self.mean:.2f} ± {100 * self.deviation:.2f} %, {len(self.rates)} seeds"

    def as_dict(self) -> dict[str, Any]:
        """Return everything, for a file."""
        row: dict[str, Any] = {"set": self.set, "metric": self.metric, "name": self.name, "title": self.title}
        return row | {"mean": self.mean, "deviation": self.deviation, "rates": self.rates, "remark": self.remark}


def summarize(found: Mapping[str, Mapping[str, Any]]) -> list[Summary]:
    """Return the summary of several seeds of one recipe on one set, by convention, the headline first.

    Args:
        found: Results, by file.

    Raises:
        InputError: They are not of one set, one search and one kind of symbol, a seed is a duplicate, or one was
            tuned on the very set, which is then not a test.
    """
    (first, one), *others = found.items()
    for place, row in found.items():
        if row["search"].get("tuned_on_test"):
            raise InputError(f"{place}: {remark(row['search'], row['set'])}; tune on dev and evaluate again")
    seeds = {one["seed"]: first}
    for place, row in others:
        mine, wanted = _alike(row), _alike(one)
        for what in mine | wanted:
            if mine.get(what) != wanted.get(what):
                raise InputError(
                    f"{place}: {what} differs from {first} ({mine.get(what)} and {wanted.get(what)}); "
                    "summarize runs that differ only in their seed"
                )
        if row["seed"] in seeds:
            raise InputError(f"{place}: seed {row['seed']} duplicates {seeds[row['seed']]}; pass each seed once")
        seeds[row["seed"]] = place
    return [_summary(list(found.values()), place) for place in range(len(one["conventions"]))]


def _alike(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what must be equal in the results of several seeds; what `asr tune` chooses may differ."""
    from asr.decoders import DECODERS

    search = row["search"]
    entry = DECODERS.get(search["decoder"])
    tuned = entry.tunable() if entry else {}
    settings = {f"the decoder's {name}": str(value) for name, value in settings_of(search) if name not in tuned}
    return {
        "the set": row["manifest_sha256"],
        "the decoder": search["decoder"],
        **settings,
        "how the settings were chosen": remark(search, row["set"]) or "not by hand or on this set",
        "what is scored": ", ".join(f"{c['metric']} {c['name']}" for c in row["conventions"]),
    }


def _summary(rows: Sequence[Mapping[str, Any]], place: int) -> Summary:
    convention = rows[0]["conventions"][place]
    rates = {row["seed"]: row["conventions"][place]["rate"] for row in sorted(rows, key=lambda row: row["seed"])}
    said = remark(rows[0]["search"], rows[0]["set"])
    return Summary(rows[0]["set"], convention["metric"], convention["name"], convention["title"], rates, said)
