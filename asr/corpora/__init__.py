"""Corpora: recordings with transcripts, prepared into manifests.

One file per corpus: its docstring states its origin and licence, its entry of the table returns the sets. An entry with
settings is a dataclass of them; a recipe gives them in [corpus]. The manifests are checked and written here.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from asr import config, manifest
from asr.corpora import (
    aishell,
    an4,
    espeak,
    fsdd,
    fsdd_connected,
    librispeech,
    ljspeech,
    thchs30,
    timit,
    timit_sample,
    yesno,
)
from asr.corpora.protocol import Sets, shared_speakers, tokens
from asr.errors import AsrError, InputError, choose, first_few
from asr.manifest import Utterance
from asr.support.files import sha256, write_json
from asr.support.text import parsed

SETS = ("train", "dev", "test")
SIZES, OPTIONAL_SIZES = ("utterances", "speakers", "hours"), ("phones", "words", "characters")


class Prepare(Protocol):
    """A corpus: returns the utterances of train, dev and test.

    A file that makes its recordings has a `VERSION`; raise it to have existing corpora prepared again.
    """

    def __call__(self, source: Path | None, out: Path, *, partial: bool = False) -> Sets:
        """Return the sets.

        Args:
            source: The folder of the corpus; None for one that can be downloaded or synthesized.
            out: A folder in which it may store files of its own.
            partial: Only warn if the corpus is incomplete or differs from its protocol.
        """
        ...


CORPORA: dict[str, Prepare] = {
    "aishell": aishell.prepare,
    "an4": an4.prepare,
    "espeak": espeak.Espeak(),
    "fsdd": fsdd.prepare,
    "fsdd-connected": fsdd_connected.prepare,
    "librispeech": librispeech.prepare_mini,
    "librispeech-100": librispeech.prepare_100,
    "ljspeech": ljspeech.prepare,
    "thchs30": thchs30.prepare,
    "timit": timit.prepare,
    "timit-sample": timit_sample.prepare,
    "yesno": yesno.prepare,
}


def settings(section: config.Corpus, folder: Path) -> dict[str, Any]:
    """Return the settings that a recipe gives to its corpus, checked, without those at their default.

    Args:
        section: Of the recipe.
        folder: The recipe's; files are named relative to it.

    Raises:
        AsrError: The corpus has no such setting; a value has the wrong type or is out of range.
    """
    entry = CORPORA.get(section.name)
    entries = {section.name: entry if is_dataclass(entry) else object}
    own = config.resolved(section, entries).own
    own = {key: folder / value if isinstance(value, Path) else value for key, value in own.items()}
    return {key: value for key, value in own.items() if value != getattr(entry, key)}


def prepare(
    name: str,
    source: Path | None,
    out: Path,
    *,
    partial: bool = False,
    settings: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Path]:
    """Write a corpus's manifests `train.jsonl`, `dev.jsonl` and `test.jsonl` and return their paths by set.

    A corpus that has been prepared from the same source and is unchanged is left as it is. `corpus.json` is written
    last: if it exists, the manifests are complete.

    Args:
        name: One of `CORPORA`; any other if `out` contains the three manifests already (a corpus of your own).
        source: The folder of the corpus; None for one that can be downloaded or synthesized.
        out: The folder of the manifests.
        partial: Only warn if the corpus is incomplete or differs from its protocol.
        settings: Of the corpus, as `settings` returns them.

    Raises:
        AsrError: The corpus is unknown, or `out` cannot be written.
        InputError: The source is missing or incomplete; a set is empty; two sets share a speaker or an id.
    """
    paths = {set_: out / f"{set_}.jsonl" for set_ in SETS}
    if name not in CORPORA and all(path.is_file() for path in paths.values()):
        return _own(name, out, paths)
    reader = choose(CORPORA, name, "corpus")
    version = getattr(sys.modules.get(reader.__module__), "VERSION", 1)
    stamp = {"corpus": name, "version": version, "source": str(source.resolve()) if source else None}
    if settings:
        reader = replace(reader, **settings)  # type: ignore[type-var]  # a dataclass, or it has no settings
        stamp["settings"] = {
            key: _digest(value) if isinstance(value, Path) else value for key, value in settings.items()
        }
    if _is_prepared(out, stamp, partial, paths):
        print(f"{out}: already prepared", file=sys.stderr)
        return paths
    sets = reader(source, out, partial=partial)
    return write(out, sets, stamp | {"partial": partial}, shared_speakers(sets))


def write(out: Path, sets: Sets, stamp: dict[str, Any], problems: list[str]) -> dict[str, Path]:
    """Write the manifests of a corpus and, last, `corpus.json`; return the manifests' paths by set.

    Args:
        out: The folder of the manifests.
        sets: Train, dev and test.
        stamp: What `corpus.json` says of where they come from: corpus, version, source, partial, …
        problems: What is already known to be wrong.

    Raises:
        AsrError: `out` cannot be written.
        InputError: There are problems; a set is empty; two sets share an id.
    """
    _check(stamp["corpus"], sets, problems)
    paths = {set_: out / f"{set_}.jsonl" for set_ in SETS}
    for set_, path in paths.items():
        manifest.write(path, sets[set_])
    rows = {set_: _row(sets[set_]) | {"sha256": sha256(path)} for set_, path in paths.items()}
    write_json(out / "corpus.json", stamp | {"sets": rows})
    return paths


def summary(out: Path) -> str:
    """Return the sizes of a prepared corpus's sets as a table: of phones, words and characters those it has.

    Raises:
        InputError: Nothing has been prepared in `out`.
    """
    corpus = _read_stamp(out)
    sets = {set_: {"phones": row.get("tokens", 0)} | row for set_, row in corpus["sets"].items()}  # older: only phones
    optional = [column for column in OPTIONAL_SIZES if any(row.get(column) for row in sets.values())]
    columns = (*SIZES, *optional)
    rows = [(corpus["corpus"] + " (partial)" * corpus["partial"], columns)]
    rows += [(set_, tuple(row[column] for column in columns)) for set_, row in sets.items()]
    return "\n".join(f"{head:<22}" + "".join(f"{value:>12}" for value in values) for head, values in rows)


def _own(name: str, out: Path, paths: dict[str, Path]) -> dict[str, Path]:
    """Accept manifests that the user wrote; sets may share speakers, with a warning."""
    sets = {set_: manifest.read(path) for set_, path in paths.items()}
    _check(name, sets, [])
    for problem in shared_speakers(sets):
        print(f"warning: {out}: {problem}; the error rate does not generalize to new speakers", file=sys.stderr)
    rows = {set_: _row(sets[set_]) | {"sha256": sha256(path)} for set_, path in paths.items()}
    write_json(out / "corpus.json", {"corpus": name, "version": 1, "source": None, "partial": False, "sets": rows})
    return paths


def _check(name: str, sets: Mapping[str, Sequence[Utterance]], problems: list[str]) -> None:
    problems = [*problems, *(f"the set '{set_}' is empty" for set_ in SETS if not sets.get(set_))]
    ids = Counter(utterance.id for utterances in sets.values() for utterance in utterances)
    if duplicates := sorted(id for id, count in ids.items() if count > 1):
        problems.append(f"duplicate ids: {first_few(duplicates)}")
    if problems:
        raise InputError(f"{name}: {first_few(problems, separator='; ')}; fix the corpus")


def _row(utterances: Sequence[Utterance]) -> dict[str, Any]:
    return {
        "utterances": len(utterances),
        "speakers": len({utterance.speaker for utterance in utterances}),
        "hours": round(sum(utterance.seconds for utterance in utterances) / 3600, 3),
        "phones": tokens(utterances),  # as they are scored
        "words": sum(len(utterance.text.split()) for utterance in utterances),
        "characters": sum(len(" ".join(utterance.text.split())) for utterance in utterances),
    }


def _digest(path: Path) -> str:
    """Return the checksum of a file that a setting names, so that a change of its content is seen.

    Raises:
        InputError: It cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); correct its name in the recipe") from error


def _is_prepared(out: Path, stamp: dict[str, Any], partial: bool, paths: dict[str, Path]) -> bool:
    """Return whether `out` contains the stamped corpus, unchanged and with all its audio."""
    try:
        corpus = _read_stamp(out)
        if corpus | stamp != corpus or (corpus["partial"] and not partial):
            return False
        if any(sha256(path) != corpus["sets"][set_]["sha256"] for set_, path in paths.items()):
            return False
        return all(utterance.audio.is_file() for path in paths.values() for utterance in manifest.read(path))
    except (AsrError, OSError, KeyError, TypeError):
        return False


def _read_stamp(out: Path) -> dict[str, Any]:
    path = out / "corpus.json"
    try:
        corpus: dict[str, Any] = dict(parsed(path.read_bytes()))
        sizes = [row[column] for row in corpus["sets"].values() for column in SIZES]
        sizes += [row.get(column, 0) for row in corpus["sets"].values() for column in ("tokens", *OPTIONAL_SIZES)]
        if not (isinstance(corpus["corpus"], str) and all(isinstance(one, int | float) for one in sizes)):
            raise TypeError("a name or a size has another type")
        if not isinstance(corpus["partial"], bool):
            raise TypeError(f"'partial' is {corpus['partial']!r}")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run `asr prepare` first") from error
    return corpus
