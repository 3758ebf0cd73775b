"""Language models over units or words: n-grams, estimated, read and written here, and recurrent ones (`recurrent.py`).

Both give whole sentences' log-probabilities (`totals`), which rescore what a search found. A search itself needs three
methods, which n-grams have: `start` is the initial state, `score` appends a symbol, `finish` ends the sentence. `NoLM`
has the same methods and scores everything 0. Scores are natural logs; ARPA's log10 is converted once.
"""

import math
import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from asr.errors import AsrError, AsrWarning, InputError
from asr.lm import arpa, automaton, kneser_ney, recurrent
from asr.lm.automaton import START_STATE, Automaton, step
from asr.lm.ngrams import Floats, Grams, Ids
from asr.lm.recurrent import Recurrent, is_recurrent
from asr.lm.symbol_set import END, START, UNKNOWN, SymbolSet

SOME = 256  # sentences scored at once
MAX_CELLS = 50_000_000  # of dense tables: 0.6 GB

Tables = tuple[Ids, Floats, Floats]


class LanguageModel(Protocol):
    """What a search needs; states are small integers, symbols are the model's ids."""

    @property
    def start(self) -> int: ...  # noqa: D102
    @property
    def automaton(self) -> Automaton: ...  # noqa: D102

    def ids(self, symbols: Sequence[str]) -> list[int]: ...  # noqa: D102
    def score(self, state: int, symbol: int) -> tuple[int, float]: ...  # noqa: D102
    def finish(self, state: int) -> float: ...  # noqa: D102


class NoLM:
    """A language model that changes nothing: one state, all scores 0."""

    start = START_STATE

    @property
    def automaton(self) -> Automaton:
        """One state and one symbol, to which all symbols map."""
        zero, none = np.zeros(1, np.int32), np.zeros(1)
        return Automaton(np.array([0, 1], np.int64), zero, none, zero, none, zero, none)

    def ids(self, symbols: Sequence[str]) -> list[int]:
        """Return 0 for each symbol."""
        return [0] * len(symbols)

    def score(self, state: int, symbol: int) -> tuple[int, float]:
        """Return state 0 and score 0."""
        return 0, 0.0

    def finish(self, state: int) -> float:
        """Return 0."""
        return 0.0


@dataclass(frozen=True, eq=False)
class Ngram(SymbolSet):
    """A back-off n-gram model; never changed once made. Made by `estimate` and `read`.

    Attributes:
        symbols: All of them, with `<s>`, `</s>` and, in an open vocabulary, `<unk>`; a symbol's id is its index.
        grams: The n-grams of each order, as in an ARPA file.
        automaton: The same for search.
    """

    grams: tuple[Grams, ...]
    automaton: Automaton
    start: ClassVar[int] = START_STATE

    @classmethod
    def of(cls, symbols: Sequence[str], grams: Sequence[Grams]) -> "Ngram":
        """Return the model of these n-grams.

        Raises:
            AsrError: `<s>` or `</s>` is missing.
        """
        for end in (START, END):
            if end not in symbols:
                raise AsrError(f"the language model has no {end}; add it to the 1-grams")
        compiled = automaton.build(grams, symbols.index(START), symbols.index(END))
        for array in (*compiled, *(array for table in grams for array in table)):
            array.setflags(write=False)
        return cls(tuple(symbols), tuple(grams), compiled)

    @property
    def order(self) -> int:
        """The n of its longest n-grams."""
        return len(self.grams)

    def score(self, state: int, symbol: int) -> tuple[int, float]:
        """Return the state after a symbol, and the symbol's natural log-probability (−∞ for `<s>` and `</s>`)."""
        state, score = step(self.automaton, state, symbol)
        return int(state), float(score)

    def finish(self, state: int) -> float:
        """Return the natural log-probability that the sentence ends."""
        return float(self.automaton.final[state])

    def totals(self, sentences: Sequence[Sequence[int]]) -> Floats:
        """Return the natural log-probability of each sentence of ids, its end included, (N,)."""
        found = np.zeros(len(sentences))
        for row, sentence in enumerate(sentences):
            state = self.start
            for symbol in sentence:
                state, score = self.score(state, symbol)
                found[row] += score
            found[row] += self.finish(state)
        return found

    def tables(self, symbols: Sequence[str]) -> Tables:
        """Return the model as look-up tables for a search over units; state 0 is the start.

        Args:
            symbols: The V units in the order of their ids; the first is blank, which has score 0 and keeps the state.

        Returns:
            The state after each unit (S, V), its natural log-probability (S, V), that of the end (S,).

        Raises:
            AsrError: The model does not know a unit and has no `<unk>`, or the tables would be too large.
        """
        states, wanted = len(self.automaton.final), self.ids(symbols[1:])
        if states * len(symbols) > MAX_CELLS:
            size = f"{states} states × {len(symbols)} units"
            raise AsrError(f"the language model's tables would have {size}, above {MAX_CELLS}; train a lower order")
        said, column = np.unique(np.array(wanted, np.int64), return_inverse=True)
        following, score = automaton.dense(self.automaton, said)
        stay = np.arange(states, dtype=np.int32)[:, None]
        free = np.zeros((states, 1))
        return (
            np.concatenate([stay, following[:, column]], axis=1),
            np.concatenate([free, score[:, column]], axis=1),
            self.automaton.final.copy(),
        )


class Perplexity(NamedTuple):
    """The inverse geometric mean of the probabilities of all tokens.

    Attributes:
        perplexity: ∞ where a token has probability 0, or nearly.
        tokens: Symbols, and one end for each sentence.
        unknown: How many of them the model does not know; they count with the probability of `<unk>`.
    """

    perplexity: float
    tokens: int
    unknown: int


def estimate(sentences: Iterable[Sequence[str]], order: int, vocabulary: Sequence[str] | None = None) -> Ngram:
    """Return an n-gram model with modified Kneser–Ney smoothing; see `kneser_ney.estimate`.

    Args:
        sentences: Transcripts, without `<s>` and `</s>`.
        order: n.
        vocabulary: All symbols: each gets a probability, seen or not, and there is no `<unk>`. Without it the
            vocabulary is what was seen, and `<unk>` gets the probability of a symbol seen 0 times.

    Raises:
        AsrError: There are no sentences, one contains `<s>`, `</s>` or a symbol outside the vocabulary, or none is as
            long as the order.
    """
    said = [list(sentence) for sentence in sentences]
    known = dict.fromkeys([UNKNOWN[0], *sorted({symbol for sentence in said for symbol in sentence})])
    symbols = [START, END, *(known if vocabulary is None else dict.fromkeys(vocabulary))]
    if len(set(symbols)) < len(symbols):
        raise AsrError(f"{START} and {END} are added to every sentence automatically; remove them")
    ids = {symbol: id for id, symbol in enumerate(symbols)}
    for number, sentence in enumerate(said, 1):
        for symbol in sentence:
            if ids.get(symbol, 0) < 2:
                raise AsrError(
                    f"sentence {number}: '{symbol}' is not in the vocabulary; add it or correct the sentence"
                )
    longest = max((len(sentence) for sentence in said), default=-2) + 2
    if not 1 <= order <= longest:
        remedy = f"use 1 to {longest}" if said else "it contains no sentences"
        raise AsrError(f"order {order} does not fit this text; {remedy}")
    encoded = [[0, *(ids[symbol] for symbol in sentence), 1] for sentence in said]
    return Ngram.of(symbols, kneser_ney.estimate(encoded, len(symbols), order, start=0))


def read(path: str | os.PathLike[str]) -> Ngram | Recurrent:
    """Return the model in a file: a recurrent one (.safetensors), or that of an ARPA file, gunzipped if it is a .gz.

    Raises:
        InputError: As `arpa.read`, or `<s>` or `</s>` is missing.
        BundleError: As `recurrent.read`.
    """
    if is_recurrent(path):
        return recurrent.read(path)
    symbols, grams = arpa.read(Path(path))
    try:
        return Ngram.of(symbols, grams)
    except AsrError as error:
        raise InputError(f"{path}: {error}") from error


def searching(path: Path, symbols: Sequence[str], what: str) -> Ngram:
    """Return the model of an ARPA file for a search over some symbols; arguments are those of `matching`.

    Raises:
        InputError: As `matching`, or the model is recurrent.
    """
    model = matching(path, symbols, what)
    if not isinstance(model, Ngram):
        remedy = "pass it as --rescore, and an ARPA file as --lm"
        raise InputError(f"{path}: a recurrent language model can only rescore; {remedy}")
    return model


def matching(path: Path, symbols: Sequence[str], what: str) -> Ngram | Recurrent:
    """Return the model in a file for decoding in some symbols; those read last are kept.

    Args:
        path: The file.
        symbols: What is decoded.
        what: What they are, for messages: `units`, `words of FILE`.

    Raises:
        InputError: As `read`, or the model knows none of the symbols.

    Warns:
        AsrWarning: It lacks most of them.
    """
    stat = path.stat() if path.exists() else None
    model = _kept(path, stat and (stat.st_mtime_ns, stat.st_size))
    known = set(model.symbols)
    lacking = [symbol for symbol in symbols if symbol not in known]
    if lacking and len(lacking) == len(symbols):
        own = next((symbol for symbol in model.symbols if symbol not in (START, END, *UNKNOWN)), "")
        raise InputError(
            f"{path}: contains none of the {len(symbols)} {what}, such as '{symbols[0]}', but contains '{own}'; "
            "check upper and lower case, or pass another language model"
        )
    if 2 * len(lacking) > len(symbols):
        warnings.warn(
            f"{path}: lacks {len(lacking)} of {len(symbols)} {what}, such as '{lacking[0]}'; they count as "
            f"{UNKNOWN[0]}",
            AsrWarning,
            stacklevel=2,
        )
    return model


@lru_cache(maxsize=2)  # `asr tune` builds some fifty searches with one model, or two
def _kept(path: Path, stamp: tuple[int, int] | None) -> Ngram | Recurrent:
    return read(path)


def write(lm: Ngram, path: str | os.PathLike[str]) -> None:
    """Write a model as an ARPA file, whole or not at all; gzipped if its name ends in .gz.

    Raises:
        AsrError: As `arpa.write`.
    """
    arpa.write(Path(path), lm.symbols, lm.grams)


def perplexity(lm: Ngram | Recurrent, sentences: Iterable[Sequence[str]]) -> Perplexity:
    """Return the perplexity of sentences, how many tokens they contain, and how many of these the model does not know.

    Raises:
        AsrError: There are no sentences, or the model cannot score a symbol; see `SymbolSet.ids`.
    """
    said = [list(sentence) for sentence in sentences]
    if not said:
        raise AsrError("no sentences to score; add some")
    known = set(lm.symbols)
    tokens = sum(len(sentence) + 1 for sentence in said)
    unknown = sum(symbol not in known for sentence in said for symbol in sentence)
    scored = [lm.totals([lm.ids(sentence) for sentence in said[n : n + SOME]]) for n in range(0, len(said), SOME)]
    surprise = -float(np.concatenate(scored).sum()) / tokens
    return Perplexity(math.exp(surprise) if surprise < 700 else math.inf, tokens, unknown)
