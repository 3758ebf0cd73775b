"""NIST's transcript format, trn: an utterance a line, symbols between spaces, its id in brackets at the end.

sclite gives some characters a meaning: `{a / b}` are alternatives, `(a)` may be left out, `@` is nothing, a `*` at the
end of a word and what follows a `;` are cut off. None of them is scored here, so they are refused, in what is read and
in what is written: both scorers then read the same. sclite also folds case unless it is told `-s`; here nothing does
but `asr score --kind words`.

Source: NIST SCTK, doc/infmts.htm, "trn".
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.errors import InputError
from asr.support import files, text

_LINE = re.compile(r"(?P<text>.*)\((?P<id>[^()\s]+)\)\s*")
_SPECIAL = re.compile(r"[(){};]|^@$|.\*$|\s|^$")


def read(path: Path) -> dict[str, list[str]]:
    """Return the symbols of every utterance, by id.

    Raises:
        InputError: The file cannot be read, holds no utterance or one twice, or says something that is not scored.
    """
    lines = text.lines(path, "trn", "pass lines such as `sh iy (speaker-1)`")
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(";;"):
            continue
        if not (match := _LINE.fullmatch(line)):
            raise InputError(f"{path}:{number}: '{line.strip()[-40:]}' ends without an id; write it as (speaker-1)")
        id, symbols = match["id"], match["text"].split()
        if id in found:
            raise InputError(f"{path}:{number}: the id '{id}' stands twice; ids must be unique")
        _refuse(f"{path}:{number} ({id})", symbols)
        found[id] = symbols
    if not found:
        raise InputError(f"{path}: holds no utterance; give lines such as `sh iy (speaker-1)`")
    return found


def write(path: Path, utterances: Mapping[str, Sequence[str]]) -> None:
    """Write the symbols of every utterance, by id.

    Raises:
        InputError: An id or a symbol would not be read back as it is.
        AsrError: The file cannot be written.
    """
    for id, symbols in utterances.items():
        _refuse(f"{path} ({id})", [id, *symbols])
    lines = (" ".join([*utterances[id], f"({id})"]) for id in sorted(utterances))
    files.write_text(path, "".join(f"{line}\n" for line in lines))


def speaker(id: str) -> str:
    """Return the speaker that sclite takes an id to name: what stands before the first `-`, or else the first `_`.

    An id with neither is a speaker of its own.
    """
    return id.partition("-" if "-" in id else "_")[0] or id


def named(id: str, name: str) -> str:
    """Return an id from which `speaker` reads this name, without what would end it; the id itself where it does.

    Where there is no name, what would end one is replaced, so that none is read.
    """
    plain = re.sub(r"[-_\s]", "", name)
    if not plain:
        return re.sub(r"[-_]", ".", id)
    return id if speaker(id) == plain else f"{plain}-{id}"


def _refuse(where: str, symbols: Sequence[str]) -> None:
    if odd := [symbol for symbol in symbols if _SPECIAL.search(symbol)]:
        raise InputError(f"{where}: '{odd[0]}' means something else to sclite, or nothing here; give plain symbols")
