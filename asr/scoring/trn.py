"""NIST's transcript format, trn: one utterance per line, symbols separated by spaces, then its id in parentheses.

Some characters are markup for sclite: `{a / b}` are alternatives, `(a)` is optional, `@` is nothing, a `*` at a word's
end and everything after a `;` are cut off. They are not supported here and therefore refused, both when reading and
when writing, so that both scorers read the same. sclite also ignores case unless it is run with `-s`; here only
`asr score --kind words` does.

Source: NIST SCTK, doc/infmts.htm, "trn".
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.errors import InputError
from asr.support import files, text

_SPECIAL = re.compile(r"[(){};]|^@$|.\*$|\s|^$")


def read(path: str | os.PathLike[str]) -> dict[str, list[str]]:
    """Return the symbols of every utterance, by id.

    Raises:
        InputError: The file cannot be read, contains no utterance, a duplicate id, or markup that is not supported.
    """
    path = Path(path)
    lines = text.lines(path, "trn", "write lines such as `sh iy (speaker-1)`")
    found: dict[str, list[str]] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(";;"):
            continue
        words, id = _parts(line.rstrip())
        if not id:
            raise InputError(f"{path}:{number}: '{line.strip()[-40:]}' has no id; end the line with (speaker-1)")
        symbols = words.split()
        if id in found:
            raise InputError(f"{path}:{number}: duplicate id '{id}'; rename one of them")
        check(f"{path}:{number} ({id})", symbols)
        found[id] = symbols
    if not found:
        raise InputError(f"{path}: contains no utterances; write lines such as `sh iy (speaker-1)`")
    return found


def write(path: str | os.PathLike[str], utterances: Mapping[str, Sequence[str]]) -> None:
    """Write the symbols of every utterance, by id.

    Raises:
        InputError: An id or a symbol cannot be represented in trn.
        AsrError: The file cannot be written.
    """
    path = Path(path)
    for id, symbols in utterances.items():
        check(f"{path} ({id})", [id, *symbols])
    lines = (" ".join([*utterances[id], f"({id})"]) for id in sorted(utterances))
    files.write_text(path, "".join(f"{line}\n" for line in lines))


def speaker(id: str) -> str:
    """Return the speaker that sclite reads from an id: what precedes the first `-`, or else the first `_`.

    An id with neither is a speaker of its own.

    >>> speaker("fana1-si2287")
    'fana1'
    """
    return id.partition("-" if "-" in id else "_")[0] or id


def named(id: str, name: str) -> str:
    """Return an id for trn from which `speaker` reads this name, without its spaces, hyphens and underscores.

    An id that names its speaker already keeps its form; without a name, hyphens and underscores become points, so that
    none is read. Spaces and what is markup in trn become underscores.

    >>> named("sx12 (1)", "Ann Lee")
    'AnnLee-sx12__1_'
    """
    id, name = re.sub(r"[\s(){};]", "_", id), re.sub(r"[(){};]", "", name)
    plain = re.sub(r"[-_\s]", "", name)
    if not plain:
        return re.sub(r"[-_]", ".", id)
    return id if speaker(id) == plain else f"{plain}-{id}"


def _parts(line: str) -> tuple[str, str]:
    """Return a line's text and its id, which may contain pairs of parentheses: files are called "rec_(1).wav"."""
    depth = 0
    for start in range(len(line) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(line[start], 0)
        if not depth:
            break
    id = line[start + 1 : -1] if depth == 0 and line.endswith(")") else ""
    return line[:start], "" if re.search(r"\s", id) else id


def check(where: str, symbols: Sequence[str]) -> None:
    """Refuse symbols that trn cannot represent.

    Raises:
        InputError: One is empty, or markup.
    """
    if odd := [symbol for symbol in symbols if _SPECIAL.search(symbol)]:
        raise InputError(f"{where}: '{odd[0]}' is empty or trn markup, which is not supported; use plain symbols")
