"""What a record of an epoch, a result and its utterances must contain: the keys, and the types of their values.

People and other programs edit these files; whoever reads one checks it here, so that nothing else has to.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

Row = dict[str, Any]  # one JSON object

NUMBER, COUNT, TEXT, OBJECT, LIST = (int, float), int, str, dict, list
PAIR = (list, type(None))
COUNTS = dict.fromkeys(("hits", "substitutions", "deletions", "insertions", "errors", "total"), COUNT)
SCORED = {"metric": TEXT, "rate": NUMBER, "interval": PAIR, **COUNTS}
RESULT = SCORED | {
    "set": TEXT,
    "utterances": COUNT,
    "speakers": (int, type(None)),
    "convention": TEXT,
    "conventions": LIST,
    "search": OBJECT,
    "seed": COUNT,
    "commit": (str, type(None)),
    "bundle": TEXT,
    "bundle_sha256": TEXT,
    "manifest_sha256": TEXT,
}
CONVENTION = {"name": TEXT, "title": TEXT, "metric": TEXT, "rate": NUMBER}
# What an older version did not write may be missing; it may not be of another type.
IN_RESULT = {"others": LIST, "reliability": OBJECT, "calibration_error": NUMBER, "trained": (dict, type(None))}
RELIABILITY = {"counts": LIST, "confidence": LIST, "right": LIST}
OF_UTTERANCE: dict[str, Any] = {"id": TEXT, "speaker": TEXT, "alignment": LIST, "units": LIST}
OF_EPOCH: dict[str, Any] = {"epoch": COUNT}
IN_EPOCH = dict.fromkeys(("loss", "dev_loss", "learning_rate", "blank", "frames_per_second", "seconds"), NUMBER) | {
    **dict.fromkeys(("gradient_norm", "gradient_norm_max"), NUMBER),
    "skipped": COUNT,
    "dev": OBJECT,
}
IN_DEV = {"rate": NUMBER, **dict.fromkeys(("hits", "substitutions", "deletions", "insertions"), COUNT)}
METRICS = ("PER", "CER", "WER")
LARGEST = 1 << 63  # of an integer; a larger one is a damaged one, and not every one is a float
NONE: Mapping[str, Any] = MappingProxyType({})


def wrong_in_result(row: Row) -> str:
    """Return the first key of a result that is missing or whose value cannot be used; empty if there is none."""
    if wrong := wrong_in(row, RESULT, IN_RESULT) or wrong_in(row["search"], {"decoder": TEXT}):
        return wrong
    scored = [row, *row.get("others", [])]
    wrong = next((key for one in row["conventions"] if (key := wrong_in(one, CONVENTION))), "")
    wrong = wrong or next((key for one in scored if (key := wrong_in(one, SCORED))), "")
    if wrong or not row["conventions"]:
        return wrong or "conventions"
    usable = {
        "metric": all(one["metric"] in METRICS for one in scored),
        "interval": all(_is_interval(one["interval"]) for one in scored),
        "reliability": "reliability" not in row or _is_reliability(row["reliability"]),
        "calibration_error": "reliability" not in row or "calibration_error" in row,
    }
    return next((key for key, is_usable in usable.items() if not is_usable), "")


def wrong_in(row: object, kinds: Mapping[str, Any], optional: Mapping[str, Any] = NONE) -> str:
    """Return the first key that a row lacks, or whose value is of another type; empty if there is none."""
    if not isinstance(row, dict):
        return next(iter(kinds or optional))
    present = {key: kind for key, kind in optional.items() if key in row}
    return next((key for key, kind in {**kinds, **present}.items() if not _is(row.get(key, ...), kind)), "")


def _is(value: object, kind: Any) -> bool:  # noqa: ANN401 (what isinstance takes)
    return (
        isinstance(value, kind)
        and not isinstance(value, bool)
        and not (isinstance(value, int) and abs(value) > LARGEST)
    )


def _is_interval(value: list[Any] | None) -> bool:
    return value is None or (len(value) == 2 and all(_is(bound, NUMBER) for bound in value))


def _is_reliability(value: Row) -> bool:
    """Whether a value has the same number of counts, confidences and shares that are right."""
    if wrong_in(value, RELIABILITY):
        return False
    lists = [value[key] for key in RELIABILITY]
    counts = all(_is(count, COUNT) and count >= 0 for count in value["counts"])
    numbers = all(_is(number, NUMBER) for one in lists for number in one)
    return counts and numbers and len(set(map(len, lists))) == 1 and bool(value["counts"])


def is_unit(unit: object) -> bool:
    """Whether a value is a symbol, where it begins and where it ends, in seconds."""
    if not (isinstance(unit, list) and len(unit) == 3 and isinstance(unit[0], str)):
        return False
    return all(_is(second, NUMBER) for second in unit[1:])


def is_pair(pair: object) -> bool:
    """Whether a value is a symbol of the reference and one of the hypothesis, None where one of them has none."""
    return isinstance(pair, list) and len(pair) == 2 and all(one is None or isinstance(one, str) for one in pair)
