"""Pronouncing dictionaries: words and their pronunciations.

Two formats are read. TIMIT's: `word  /w er1 d/`, comments after `;`, `live~v` for a word as a part of speech.
CMUdict's: `WORD  W ER1 D`, `WORD(2)` for another pronunciation, comments after `;;;` or, behind an entry, `#`.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from asr.errors import AsrError, InputError
from asr.phones import DELETED, TO_39
from asr.support import text
from asr.units import Units

T = TypeVar("T")
Dictionary = dict[str, list[tuple[str, ...]]]  # word → its pronunciations

_VARIANT = re.compile(r"(?<=.)\(\d+\)$")  # of a word that CMUdict lists in several ways


def read(path: str | os.PathLike[str]) -> Dictionary:
    """Return the words of a dictionary, in lower case, each with its pronunciations in the order of the file.

    The first entry determines the format. Phones are lower-cased and stripped of stress; duplicate pronunciations of a
    word are dropped.

    Raises:
        InputError: The file is missing or contains no words; a line is not an entry of its format.
    """
    entries = [(number, line) for number, line in enumerate(_lines(Path(path)), 1) if line and not line.startswith(";")]
    if not entries:
        raise InputError(f"{path}: contains no words; pass a dictionary in TIMIT's or CMUdict's format")
    timit = all(_timit(entries[0][1]))
    entry, shape = (_timit, "word  /w er1 d/") if timit else (_cmu, "WORD  W ER1 D")
    dictionary: Dictionary = {}
    for number, line in entries:
        word, phones = entry(line)
        if not word or not phones:
            raise InputError(f"{path}:{number}: '{line[:60]}' is not an entry like '{shape}'; correct the line")
        _add(dictionary, word.lower(), tuple(re.sub(r"[012]$", "", phone.lower()) for phone in phones))
    return dictionary


def _timit(line: str) -> tuple[str, list[str]]:
    """Return the word and the phones of an entry in TIMIT's format; both empty if it is not one."""
    word, _, rest = line.partition("/")
    phones, slash, after = rest.partition("/")
    named = word[-1:].isspace() and slash and not after and len(word.split()) == 1
    return (word.partition("~")[0].rstrip(), phones.split()) if named else ("", [])


def _cmu(line: str) -> tuple[str, list[str]]:
    """Return the word and the phones of an entry in CMUdict's format; both empty if it is not one."""
    word, *phones = line.split()
    comment = next((i for i, phone in enumerate(phones) if phone.startswith("#")), len(phones))
    phones = phones[:comment]
    odd = any("#" in phone or "/" in phone for phone in phones)
    return _VARIANT.sub("", word), [] if odd else phones


def spelled(words: Iterable[str]) -> Dictionary:
    """Return words whose pronunciation is their spelling, for units that are characters."""
    return {word: [tuple(word)] for word in words}


def in_units(
    dictionary: Mapping[str, Sequence[Sequence[str]]], units: Units, where: str = "lexicon"
) -> dict[str, list[tuple[int, ...]]]:
    """Return each word's pronunciations as ids: phones are folded, and duplicates dropped.

    Args:
        dictionary: Words and their pronunciations.
        units: The units that the ids refer to.
        where: The dictionary's name, for messages.

    Raises:
        InputError: A symbol is not a unit, or a pronunciation is empty.
    """
    found: dict[str, list[tuple[int, ...]]] = {}
    for word, pronunciations in dictionary.items():
        for symbols in pronunciations:
            try:
                ids = tuple(units.ids(units.transcript("".join(symbols), symbols)))
            except AsrError as error:
                raise InputError(f"{where}: word '{word}', pronounced '{' '.join(symbols)}': {error}") from error
            _add(found, word, ids)
    return found


def silences(units: Units) -> frozenset[int]:
    """Return the ids of phones that are not part of a dictionary's pronunciations, yet may occur anywhere.

    They are pauses, the closures of stops and the glottal stop; characters have none.
    """
    if units.kind == "characters":
        return frozenset()
    return frozenset(id for id, symbol in enumerate(units.symbols) if symbol == DELETED or TO_39.get(symbol) == "sil")


def separator(units: Units) -> int | None:
    """Return the id of the unit between words: the space among characters; None for phones."""
    return units.symbols.index(" ") if " " in units.symbols else None


def _lines(path: Path) -> list[str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read as a dictionary ({error.strerror}); pass an existing file") from error
    try:
        decoded = text.decode(content)
    except UnicodeDecodeError:
        decoded = content.decode("latin-1")  # as CMUdict 0.7b is
    return [line.strip() for line in text.split(decoded)]


def _add(table: dict[str, list[T]], word: str, pronunciation: T) -> None:
    known = table.setdefault(word, [])
    if pronunciation not in known:
        known.append(pronunciation)
