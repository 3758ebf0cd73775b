r"""ARPA files: the n-grams of a back-off language model as text, one per line, plain or gzipped.

    \data\                    what follows: how many n-grams of each order
    ngram 1=42
    \1-grams:                 log10 probability, the n-gram, log10 back-off weight (default: 0)
    -1.2  sil  -0.4
    \end\

Files are UTF-8; anything before `\data\` or after `\end\` is ignored. A space as a symbol, which the format cannot
represent, is written `<space>`. Numbers keep all their digits: writing and reading a model is bit-exact.

Source: the format is SRILM's, ngram-format(5); the back-off is S. M. Katz, "Estimation of probabilities from sparse
data", IEEE Trans. ASSP 35(3), 1987.
"""

import gzip
import io
import math
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from asr.errors import AsrError, InputError
from asr.lm.ngrams import Floats, Grams, Ids, find
from asr.support import text
from asr.support.files import replacing

SPACE = "<space>"
_WHITESPACE = re.compile(r"[ \t\n\r\x0b\x0c]")  # what separates fields; no-break spaces do not
_ROUNDING = 1e-5  # SRILM and KenLM compute in float32: a log10 probability this far above 0 is 0


def read(path: Path) -> tuple[tuple[str, ...], tuple[Grams, ...]]:
    """Return the symbols and, order by order, the n-grams of an ARPA file; gunzipped if its name ends in .gz.

    Raises:
        InputError: The file is missing, not gzip or not UTF-8, is truncated, or contains more or fewer n-grams than it
            declares, duplicates, an n-gram with an unknown context or symbol, or an invalid number.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            return _Reader(path, text.encoded_lines(file)).model()
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as a language model ({reason}); pass an ARPA file") from error


def write(path: Path, symbols: Sequence[str], grams: Sequence[Grams]) -> None:
    """Write an ARPA file, whole or not at all; gzipped if its name ends in .gz.

    Raises:
        AsrError: It cannot be written, or a symbol is empty or contains white space (a space alone is `<space>`).
    """
    taken = " " in symbols
    for symbol in symbols:
        if not symbol or (symbol != " " and _WHITESPACE.search(symbol)) or (symbol == SPACE and taken):
            raise AsrError(f"{path}: an ARPA file cannot represent the symbol {symbol!r}; rename it")
    words = [SPACE if symbol == " " else symbol for symbol in symbols]
    with replacing(path) as temporary, open(temporary, "wb") as raw:
        # No name and no time inside, so that the same model is the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=raw, mtime=0) if path.suffix == ".gz" else raw
        with io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as file:
            file.writelines(_lines(words, grams))


def _lines(words: Sequence[str], grams: Sequence[Grams]) -> Iterator[str]:
    yield "\\data\\\n"
    yield from (f"ngram {order}={len(table.ids)}\n" for order, table in enumerate(grams, 1))
    for order, table in enumerate(grams, 1):
        yield f"\n\\{order}-grams:\n"
        rows = zip(table.ids.tolist(), table.probability.tolist(), table.backoff.tolist(), strict=True)
        for ids, probability, backoff in rows:
            weight = f"\t{backoff!r}" if order < len(grams) and backoff else ""
            yield f"{probability!r}\t{' '.join(words[id] for id in ids)}{weight}\n"
    yield "\n\\end\\\n"


class _Reader:
    """A parser of an ARPA file, which keeps the line number for messages."""

    def __init__(self, path: Path, file: Iterator[bytes]) -> None:
        self.path = path
        self.file = file
        self.number = 0
        self.symbols: dict[bytes, int] = {}
        self.grams: list[Grams] = []

    def model(self) -> tuple[tuple[str, ...], tuple[Grams, ...]]:
        """Return the file's symbols and n-grams."""
        while self.line("\\data\\") != b"\\data\\":
            pass
        counts, section = self.counts()
        for order, count in enumerate(counts, 1):
            if section != b"\\%d-grams:" % order:
                raise self.error(f"expected '\\{order}-grams:', got '{_shown(section)}'; regenerate the file")
            section = self.section(order, count, highest=order == len(counts))
        if section != b"\\end\\":
            raise self.error(f"expected '\\end\\', got '{_shown(section)}'; regenerate the file")
        names = (symbol.decode() for symbol in self.symbols)
        return tuple(" " if name == SPACE else name for name in names), tuple(self.grams)

    def error(self, message: str, number: int | None = None) -> InputError:
        """Return an error that names the line, by default the current one."""
        return InputError(f"{self.path}:{number or self.number}: {message}")

    def line(self, wanted: str) -> bytes:
        """Return the next line that is not blank; the file must not end here."""
        for line in self.file:
            self.number += 1
            if line := line.strip():
                return line
        raise self.error(f"ends before {wanted}; the file is truncated or not an ARPA file, copy it again")

    def counts(self) -> tuple[list[int], bytes]:
        """Return how many n-grams of each order are declared, and the line after them."""
        counts: list[int] = []
        while (line := self.line("\\1-grams:")).startswith(b"ngram"):
            match = re.fullmatch(rb"ngram\s+(\d{1,18})\s*=\s*(\d{1,18})", line)
            if not match or int(match[1]) != len(counts) + 1:
                raise self.error(f"expected 'ngram {len(counts) + 1}=<count>', got '{_shown(line)}'; correct it")
            counts.append(int(match[2]))
        if not counts:
            raise self.error("declares no n-grams; regenerate the file")
        return counts, line

    def section(self, order: int, count: int, highest: bool) -> bytes:
        """Read the n-grams of one order, and return the line after them."""
        ids: list[list[int]] = []
        weights: list[tuple[float, float]] = []
        numbers: list[int] = []
        while not _opens_section(line := self.line(f"what follows the {count} {order}-grams")):
            if len(ids) == count:
                raise self.error(
                    f"one more {order}-gram than the {count} declared; correct 'ngram {order}=' or the list"
                )
            fields = line.split()
            ids.append([self.id(symbol, order) for symbol in fields[1 : order + 1]])
            weights.append(self.weights(fields, order, highest))
            numbers.append(self.number)
        if len(ids) < count:
            raise self.error(
                f"{len(ids)} {order}-grams, but {count} are declared; the file is incomplete, copy it again"
            )
        rows = np.array(ids, np.int32).reshape(-1, order)
        self.grams.append(self.table(rows, np.array(weights, np.float64).reshape(-1, 2), numbers))
        return line

    def id(self, symbol: bytes, order: int) -> int:
        """Return a symbol's id; the 1-grams define it."""
        if order == 1:
            try:
                symbol.decode()
            except UnicodeDecodeError:
                raise self.error(f"{symbol!r} is not UTF-8; convert the file with iconv") from None
            return self.symbols.setdefault(symbol, len(self.symbols))
        if symbol not in self.symbols:
            raise self.error(f"'{_shown(symbol)}' is not among the 1-grams; add it there or remove this line")
        return self.symbols[symbol]

    def weights(self, fields: list[bytes], order: int, highest: bool) -> tuple[float, float]:
        """Return the log10 probability and back-off weight of an n-gram's line."""
        if not order + 1 <= len(fields) <= order + 2:
            wanted = f"a probability, {order} symbols and optionally a back-off weight"
            raise self.error(f"{len(fields)} fields, expected {wanted}; correct the line")
        probability, backoff = self.value(fields[0]), self.value(fields[-1]) if len(fields) == order + 2 else 0.0
        if probability > _ROUNDING:
            raise self.error(f"log10 probability {probability} is above 0; regenerate the file")
        if highest and backoff:
            raise self.error(f"back-off weight {backoff} at the highest order, {order}; remove it")
        return min(probability, 0.0), backoff

    def value(self, field: bytes) -> float:
        """Return a finite number."""
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"'{_shown(field)}' is not a finite number; correct it (-99 means probability 0)")
        return value + 0.0  # −0 becomes 0, which is not written

    def table(self, ids: Ids, weights: Floats, numbers: list[int]) -> Grams:
        """Return the n-grams of one order, sorted; each must be unique, and its context known."""
        contexts = find(self.grams, ids[:, :-1]) if self.grams else np.zeros(len(ids), np.int64)
        for row in np.flatnonzero(contexts < 0)[:1]:
            order = ids.shape[1] - 1
            what = f"the context '{self.text(ids[row, :-1])}' is not among the {order}-grams, so has no back-off weight"
            raise self.error(f"{what}; add it with weight 0 or remove this line", numbers[row])
        keys = contexts * len(self.symbols) + ids[:, -1]
        order = np.argsort(keys, kind="stable")
        for at in np.flatnonzero(np.diff(keys[order]) == 0)[:1]:
            first, second = order[at], order[at + 1]
            what = f"'{self.text(ids[second])}' is a duplicate of line {numbers[first]}"
            raise self.error(f"{what}; remove one of them", numbers[second])
        return Grams(ids[order], keys[order], weights[order, 0], weights[order, 1])

    def text(self, ids: Ids) -> str:
        """Return an n-gram as it is in the file."""
        symbols = list(self.symbols)
        return " ".join(symbols[id].decode() for id in ids)


def _opens_section(line: bytes) -> bool:
    return line == b"\\end\\" or re.fullmatch(rb"\\\d+-grams:", line) is not None


def _shown(text: bytes) -> str:
    return text[:60].decode(errors="replace")
