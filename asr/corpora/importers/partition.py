"""Which utterances are for training, which for development and which for testing.

The choice depends on the seed and on names alone, not on the order in which files are listed.
"""

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr import manifest
from asr.corpora.importers.tree import Tree
from asr.errors import AsrError, suggest
from asr.manifest import Utterance
from asr.support import text as texts

SHARE = 0.1  # of the whole, for dev and again for test
LARGEST = 0.34  # of the whole that one speaker who is held out may be
TRAINED = 3  # speakers that training keeps where dev and test are of others: two say little about a third
Sets = dict[str, list[Utterance]]


@dataclass(frozen=True)
class Partition:
    """The sets, and what there is to say of them.

    Attributes:
        sets: `train`, `dev` and `test`.
        how: How they were made.
        warnings: What a number measured on them does not mean.
    """

    sets: Sets
    how: str
    warnings: tuple[str, ...] = ()


def partition(
    found: Sequence[tuple[Utterance, str]], wanted: Mapping[str, str | None], tree: Tree, seed: int = 0
) -> Partition:
    """Return the sets.

    Args:
        found: The utterances, each with its set where the format names one.
        wanted: For `dev` and `test`, what the user wants: None for the default; a share; speakers; a file that lists
            speakers; a manifest; or a folder.
        tree: Where the recordings are.
        seed: Of the choice.

    Raises:
        AsrError: What is wanted is none of these, or names a speaker that does not exist.
        InputError: A file that is named cannot be read.
    """
    sets: Sets = {"train": [], "dev": [], "test": []}
    honored = any(name == "train" for _, name in found)  # a folder `test` alone is only a name
    for utterance, name in found:
        sets[name if honored and name else "train"].append(utterance)
    said = ["as the folder names them"] if honored and (sets["dev"] or sets["test"]) else []
    shares = {}
    for name in ("test", "dev"):
        want = wanted.get(name)
        share = _share(want, name)
        if want and share is None:
            sets["train"] += sets[name]
            sets[name] = _chosen(sets["train"], want, name, tree)
            taken = {(u.audio.resolve(), u.start) for u in sets[name]}
            sets["train"] = [u for u in sets["train"] if (u.audio.resolve(), u.start) not in taken]
            said.append(f"{name} from {want}")
        elif share is not None or not sets[name]:
            sets["train"] += sets[name]
            sets[name] = []
            shares[name] = SHARE if share is None else share
    how, warnings = _split(sets, shares, seed) if shares else ("", [])
    for utterances in sets.values():
        utterances.sort(key=lambda u: u.id)
    return Partition(sets, "; ".join([*said, how] if how else said), tuple(warnings))


def _split(sets: Sets, shares: Mapping[str, float], seed: int) -> tuple[str, list[str]]:
    """Move shares of train into the sets that are missing; return how, and what to warn of."""
    people = _seconds(sets["train"], lambda u: u.speaker)
    known = "" not in people
    if known and len(people) >= TRAINED + len(shares):
        held = {
            name: _move(sets, name, share, seed, lambda u: u.speaker, len(people)) for name, share in shares.items()
        }
        alone = [f"{who[0]} in {name}" for name, who in held.items() if len(who) == 1]
        warning = f"a single speaker ({', '.join(alone)}): error rates vary widely between speakers; "
        warning += "hold out each in turn (--test NAME) to measure it"
        how = "by speaker: " + ", ".join(f"{name} {_listed(who)}" for name, who in held.items())
        return how, [warning] if alone else []
    if known and len(people) >= TRAINED and len(shares) == 2:
        (who,) = _move(sets, "test", 0.0, seed, lambda u: u.speaker, len(people))
        _move(sets, "dev", shares["dev"], seed, lambda u: u.id, 0)
        warning = (
            "dev shares its speakers with train, so its error rate does not generalize; test has a single new speaker "
            "(hold out each in turn with --test NAME)"
        )
        return f"test by speaker: {who}; dev by utterance", [warning]
    for name, share in shares.items():
        _move(sets, name, share, seed, lambda u: u.id, 0)
    who = f"{len(people)} speaker{'s' * (len(people) > 1)}" if known else "speakers unknown"
    both = " and ".join(sorted(shares))
    remedy = "" if known else "; if names or folders name speakers, pass --pattern '{speaker}_*' or '{speaker}/*'"
    warning = f"{both}: the same speakers as train ({who}), so error rates do not generalize to new speakers{remedy}"
    return f"by utterance ({who})", [warning]


def _move(sets: Sets, name: str, share: float, seed: int, key: Callable[[Utterance], str], people: int) -> list[str]:
    """Move whole groups of utterances from train until the share is reached; return their keys."""
    seconds = _seconds(sets["train"], key)
    total = sum(seconds.values()) + sum(u.seconds for other in ("dev", "test") for u in sets[other])
    order = sorted(seconds, key=lambda k: hashlib.blake2b(f"{seed}:{name}:{k}".encode(), digest_size=8).digest())
    fitting = [k for k in order if not people or seconds[k] <= LARGEST * total] or order
    keep = TRAINED + (name == "test" and not sets["dev"]) if people else 1
    taken: list[str] = []
    held = 0.0
    for k in fitting[: max(1, len(order) - keep)]:
        if taken and held >= share * total:
            break
        taken.append(k)
        held += seconds[k]
    chosen = set(taken)
    sets[name] += [u for u in sets["train"] if key(u) in chosen]
    sets["train"] = [u for u in sets["train"] if key(u) not in chosen]
    return sorted(taken)


def _seconds(utterances: Sequence[Utterance], key: Callable[[Utterance], str]) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for utterance in utterances:
        found[key(utterance)] += utterance.seconds
    return found


def _share(want: str | None, name: str) -> float | None:
    """Return a share such as `0.1` or `10%`; None where something else is wanted."""
    try:
        share = float(want.rstrip("%")) / (100 if want.endswith("%") else 1) if want else None
    except ValueError:
        return None
    if share is not None and not (0 < share < 1 and math.isfinite(share)):
        raise AsrError(f"--{name} {want}: is not a fraction; for example 0.1 or 10%")
    return share


def _chosen(utterances: Sequence[Utterance], want: str, name: str, tree: Tree) -> list[Utterance]:
    """Return the utterances that a manifest, a folder or a list of speakers names."""
    path = Path(want)
    if path.suffix == ".jsonl" and path.is_file():
        return list(manifest.read(path))
    folder = next((f.resolve() for f in (tree.root / want, path) if f.is_dir()), None)
    if folder:
        inside = [u for u in utterances if u.audio.resolve().is_relative_to(folder)]
        if not inside:
            raise AsrError(
                f"--{name} {want}: contains no recording of {tree.root}; prepare it by itself, pass its .jsonl"
            )
        return inside
    names = texts.lines(path, "a list of speakers") if path.is_file() else want.split(",")
    speakers = [speaker.strip() for speaker in names if speaker.strip()]
    known = sorted({u.speaker for u in utterances} - {""})
    for speaker in speakers:
        if speaker not in known:
            hint = suggest(speaker, known) if known else "no speaker is known; use a fraction, a folder or a manifest"
            raise AsrError(f"--{name} {want}: unknown speaker '{speaker}': {hint}")
    return [u for u in utterances if u.speaker in set(speakers)]


def _listed(names: list[str]) -> str:
    return " ".join(names[:8]) + (f" … ({len(names)})" if len(names) > 8 else "")
