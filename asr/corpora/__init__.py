"""Corpora: recordings with transcripts, prepared into manifests.

One file a corpus: its docstring tells where it comes from and under which licence, its `prepare` returns the sets.
What holds for every corpus is checked and written here.
"""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from asr import manifest
from asr.corpora import espeak, timit, timit_sample
from asr.corpora.protocol import Sets, listed, shared_speakers, tokens
from asr.errors import AsrError, InputError, choose
from asr.manifest import Utterance
from asr.support.files import sha256, write_json
from asr.support.text import decode

SETS = ("train", "dev", "test")


class Prepare(Protocol):
    """What a corpus offers: the utterances of train, dev and test.

    A file that makes its recordings states a `VERSION`; raised, it makes what stands be prepared again.
    """

    def __call__(self, source: Path | None, out: Path, *, partial: bool = False) -> Sets:
        """Return the sets.

        Args:
            source: Where the corpus lies; None for one that can be fetched or made.
            out: Where it may store things of its own.
            partial: Go on, with a warning, where the corpus is not what it should be.
        """
        ...


CORPORA: dict[str, Prepare] = {
    "espeak": espeak.prepare,
    "timit": timit.prepare,
    "timit-sample": timit_sample.prepare,
}


def prepare(name: str, source: Path | None, out: Path, *, partial: bool = False) -> dict[str, Path]:
    """Write a corpus's manifests `train.jsonl`, `dev.jsonl` and `test.jsonl` and return their paths by set.

    What has been prepared from the same source, and still stands, is left alone. `corpus.json` is written last, so
    where it stands the manifests are whole.

    Args:
        name: One of `CORPORA`, or another where `out` holds the three manifests already: a corpus of one's own.
        source: Where the corpus lies; None for one that can be fetched or made.
        out: The folder of the manifests.
        partial: Go on, with a warning, where the corpus is not what it should be.

    Raises:
        AsrError: There is no such corpus, or `out` cannot be written.
        InputError: The source is missing or not what it should be; a set is empty; two sets share a speaker or an id.
    """
    paths = {set_: out / f"{set_}.jsonl" for set_ in SETS}
    if name not in CORPORA and all(path.is_file() for path in paths.values()):
        return _own(name, out, paths)
    reader = choose(CORPORA, name, "corpus")
    version = getattr(sys.modules.get(reader.__module__), "VERSION", 1)
    stamp = {"corpus": name, "version": version, "source": str(source.resolve()) if source else None}
    if _stands(out, stamp, partial, paths):
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
    """Return a prepared corpus's sizes as a table.

    Raises:
        InputError: Nothing has been prepared in `out`.
    """
    corpus = _read_stamp(out)
    columns = ("utterances", "speakers", "hours", "tokens")
    rows = [(corpus["corpus"] + " (partial)" * corpus["partial"], columns)]
    rows += [(set_, tuple(row[column] for column in columns)) for set_, row in corpus["sets"].items()]
    return "\n".join(f"{head:<22}" + "".join(f"{value:>12}" for value in values) for head, values in rows)


def _own(name: str, out: Path, paths: dict[str, Path]) -> dict[str, Path]:
    """Take manifests that somebody wrote; who has one speaker only may test on them, but is told."""
    sets = {set_: manifest.read(path) for set_, path in paths.items()}
    _check(name, sets, [])
    for problem in shared_speakers(sets):
        print(f"warning: {out}: {problem}; the error rate says nothing about other speakers", file=sys.stderr)
    rows = {set_: _row(sets[set_]) | {"sha256": sha256(path)} for set_, path in paths.items()}
    write_json(out / "corpus.json", {"corpus": name, "version": 1, "source": None, "partial": False, "sets": rows})
    return paths


def _check(name: str, sets: Sets, problems: list[str]) -> None:
    problems = [*problems, *(f"the set '{set_}' is empty" for set_ in SETS if not sets.get(set_))]
    ids = Counter(utterance.id for utterances in sets.values() for utterance in utterances)
    if twice := sorted(id for id, count in ids.items() if count > 1):
        problems.append(f"{listed(twice)} stands twice")
    if problems:
        raise InputError(f"{name}: {listed(problems, '; ')}; give a whole corpus")


def _row(utterances: list[Utterance]) -> dict[str, Any]:
    return {
        "utterances": len(utterances),
        "speakers": len({utterance.speaker for utterance in utterances}),
        "hours": round(sum(utterance.seconds for utterance in utterances) / 3600, 3),
        "tokens": tokens(utterances),
    }


def _stands(out: Path, stamp: dict[str, Any], partial: bool, paths: dict[str, Path]) -> bool:
    """Whether `out` holds what `stamp` asks for, unchanged, with all its audio; a whole corpus serves for a partial."""
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
        corpus: dict[str, Any] = json.loads(decode(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); `asr prepare` writes it") from error
    return corpus
