"""Word search: the words of a lexicon that a labelling spells or pronounces, with a language model over words."""

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from asr import lm
from asr.decoders import dictionary, lexicon_net
from asr.decoders.beam import MAX_WIDTH, BeamSettings, Rescorer
from asr.decoders.chains import Chains, Spans, shares
from asr.decoders.hypothesis import Decoder, Hypothesis, LogProbs
from asr.decoders.lexicon_net import AFTER, BETWEEN, Net
from asr.errors import AsrError
from asr.lm import LanguageModel, NoLM
from asr.lm.automaton import Automaton
from asr.support.settings import File, setting
from asr.units import BLANK, Units

if TYPE_CHECKING:
    from asr.decoders import lexicon_kernels

Ints = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]
Records = npt.NDArray[Any]

UNKNOWN = "<unk>"  # the name of a word that is not in the lexicon
NODES = 1 << 14  # initial capacity for prefixes and for words; doubles when full


@dataclass(frozen=True)
class Lexicon(BeamSettings):
    """Beam search over the words of a pronouncing dictionary.

    Attributes:
        lexicon: Path of the dictionary, TIMIT's format or CMUdict's.
        unknown: What each unit of a word outside the dictionary adds to the score, in nats; 0: there are no such words.
    """

    name: ClassVar[str] = "lexicon"
    scores_words: ClassVar[bool] = True

    lexicon: File = setting(None, "pronouncing dictionary in TIMIT's or CMUdict's format", file=True, required=True)
    unknown: float = setting(
        0.0, "score of each unit of a word outside the lexicon, below 0; 0: no such words", low=-1e6, high=0.0
    )

    def build(self, units: Units) -> Decoder:
        """Return the search.

        Raises:
            AsrError: A file cannot be read, the dictionary has a symbol that is not a unit, or the language model does
                not know a word and has no `<unk>`.
        """
        assert self.lexicon is not None
        words = dictionary.read(Path(self.lexicon))
        if units.kind == "characters":
            words = dictionary.spelled(words)
        return LexiconSearch(
            pronunciations=dictionary.in_units(words, units, str(self.lexicon)),
            language=lm.searching(Path(self.lm), list(words), f"words of {self.lexicon}") if self.lm else None,
            weight=self.weight,
            bonus=self.bonus,
            rescorer=self.rescorer([*words, *([UNKNOWN] if self.unknown else [])], f"words of {self.lexicon}"),
            free=dictionary.silences(units),
            separator=dictionary.separator(units),
            unknown=self.unknown or None,
            width=self.width,
            nbest=self.nbest,
        )


class LexiconResult(NamedTuple):
    """What a search ends with: N readings, best first."""

    labellings: Chains
    words: Chains
    places: Ints  # (N,) of the net
    acoustic: Reals  # (N,)
    score: Reals  # (N,)
    rescoring: Reals  # (N,), log-probabilities given the rescoring language model


class LexiconSearch:
    """Finds the pairs of words and labelling of greatest score = acoustic + α · language + β · words.

    A labelling contains words when it is a sequence of pronunciations, one per word, with optional units anywhere.
    The score of a pair is the log of the labelling's probability, the sum over its paths, plus what the words add;
    where a pair can be read in several ways (a border between words may move) it is one hypothesis, not several. Words
    that sound alike are different hypotheses of one labelling, and so are the ways to say one word.

    The search goes frame by frame and keeps the `width` best readings: pairs of words so far and labelling so far, with
    the state in the pronunciation trie. Inside a word, the score includes a look-ahead: α times the greatest
    context-free log-probability of the words that can still be completed, + β. It is removed when the word ends, so it
    affects pruning but not final scores. `acoustic` sums the paths that were kept: never more than the exact value,
    and exact where the beam dropped nothing.

    At the end, readings inside a word count only if the beam contains no other; their unfinished word is then not among
    `words`, while `ids` contains its units. `frames` and `confidence` are those of `Beam`; `word_frames` span
    a word's first to last own unit; `word_confidence` is to words what `confidence` is to units.

    Args:
        pronunciations: Words, each with its pronunciations in ids; see `asr.decoders.dictionary.in_units`.
        language: A language model over words, or None. Words outside its vocabulary are its `<unk>`.
        weight: α.
        bonus: β, for each word, in nats.
        free: Units that may occur anywhere and belong to no word: for phones, `asr.decoders.dictionary.silences`.
        separator: The unit between words, once or more, also allowed at the ends; None for none.
        unknown: What each unit of a word outside the lexicon adds to the score, in nats, below 0. Such a word is any
            sequence of units that the words are made of, and its name is `<unk>`. None: there are no such words.
        width: K, how many readings are kept at each frame.
        nbest: How many hypotheses are returned at most; the search may find fewer.
        rescorer: A language model over the words in the order of `pronunciations`; see `BeamSearch`.

    Raises:
        AsrError: A setting is invalid, a pronunciation is empty or contains blank, the separator or an optional unit,
            or the language model lacks a word and has no `<unk>`.

    Source: for the look-ahead, S. Ortmanns, H. Ney and A. Eiden, "Language-model look-ahead for large vocabulary speech
    recognition", ICSLP 1996; for the search, see `Beam`.
    """

    def __init__(
        self,
        *,
        pronunciations: Mapping[str, Sequence[Sequence[int]]],
        language: LanguageModel | None = None,
        weight: float = 0.0,
        bonus: float = 0.0,
        free: Collection[int] = (),
        separator: int | None = None,
        unknown: float | None = None,
        width: int = 100,
        nbest: int = 1,
        rescorer: Rescorer | None = None,
    ) -> None:
        _require(1 <= width <= MAX_WIDTH, f"width {width}: must be from 1 to {MAX_WIDTH}")
        _require(1 <= nbest <= width, f"nbest {nbest}: must be from 1 to the width, {width}")
        _require(isfinite(bonus), f"bonus {bonus}: must be finite")
        _require(0 <= weight < inf, f"weight {weight}: must be finite and not negative")
        _require(unknown is None or -inf < unknown < 0, f"unknown {unknown}: must be finite and below 0")
        _check_units(pronunciations, free, separator)
        self.width, self.nbest, self.weight, self.bonus = width, nbest, weight, bonus
        self.rescorer = rescorer
        self._language = language if language and weight else NoLM()
        self._automaton = _frozen(self._language.automaton)
        self._words = (*pronunciations, *([] if unknown is None else [UNKNOWN]))
        self._net = self._build(pronunciations, free, separator, unknown)
        self._fan = int(np.diff(self._net.starts).max())
        self._workspaces = threading.local()

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]:
        """Return the best pairs of words and labelling, best first; one at least.

        Args:
            log_probs: (T, V), natural log, of any float type; may contain −inf; T may be 0.

        Raises:
            AsrError: The log-probs are not a matrix, contain NaN or +inf, have fewer units than the lexicon, or allow
                no reading.
        """
        values = _checked(log_probs, int(self._net.units.max()))
        found = self._search(values)
        return self._hypotheses(values, found, min(self.nbest, len(found.score)))

    def _build(
        self,
        pronunciations: Mapping[str, Sequence[Sequence[int]]],
        free: Collection[int],
        separator: int | None,
        unknown: float | None,
    ) -> Net:
        """Return the net of the words."""
        symbols = np.array(self._language.ids(self._words), np.int32)
        gains = lexicon_net.gains(self._language, symbols, self.weight, self.bonus)
        cost = {} if unknown is None else dict.fromkeys(lexicon_net.units_of(pronunciations), unknown)
        return lexicon_net.build(pronunciations, symbols, gains, free, separator, cost)

    def _search(self, values: Reals) -> LexiconResult:
        """Run the compiled search and rank the readings that survive."""
        from asr.decoders import beam_kernels, lexicon_kernels  # Numba costs a fifth of a second, which others save

        live, workspace = self._workspace()
        workspace.taken.fill(-1)
        live.beams[0, 0], live.firsts[0, :2], live.readings[0, 0] = beam_kernels.EMPTY, (0, 1), (0, 0, BETWEEN, 0.0)
        trie, words = (np.empty(1 + self.width + NODES, beam_kernels.NODE) for _ in range(2))
        trie[0] = words[0] = beam_kernels.ROOT
        words[0][lexicon_kernels.STATE] = self._language.start
        model = (self._net, self._automaton, float(self.weight), float(self.bonus))
        t, rows, size, count = 0, 1, 1, 1
        while rows and t < len(values):
            t, rows, size, count = lexicon_kernels.search(
                values, *model, live, workspace, self._fan, trie, words, t, rows, size, count
            )
            trie, words = _grown(trie, size, self.width), _grown(words, count, self.width)
        _require(rows > 0, f"frame {t - 1}: log-probs and lexicon allow no labelling; widen the beam")
        return self._rank(trie, words, live, t & 1, rows)

    def _workspace(self) -> tuple["lexicon_kernels.Live", "lexicon_kernels.WordArrays"]:
        """Return this thread's arrays; fresh memory for each utterance would cost more than a narrow search."""
        from asr.decoders import lexicon_kernels

        if not hasattr(self._workspaces, "workspace"):
            units = int(self._net.units.max()) + 1
            self._workspaces.workspace = lexicon_kernels.arrays(self.width, units, self._fan)
        workspace: tuple[lexicon_kernels.Live, lexicon_kernels.WordArrays] = self._workspaces.workspace
        return workspace

    def _rank(self, trie: Records, words: Records, live: "lexicon_kernels.Live", side: int, rows: int) -> LexiconResult:
        """Add the end of sentence, rescore, and sort; unfinished words count only if no reading is finished."""
        from asr.decoders import lexicon_kernels

        readings, beam = live.readings[side, : live.firsts[side, rows]], live.beams[side]
        row, node, place = readings["row"], readings["words"], readings["state"]
        acoustic = beam["total"][row]
        final = self._automaton.final[words[lexicon_kernels.STATE][node]]
        score = acoustic + readings["extra"] + self.weight * final
        rescoring = np.zeros(len(readings))
        if self.rescorer:
            ends, own = np.unique(node, return_inverse=True)
            rescoring = self.rescorer.totals(Chains.of(words, ends).lists(len(ends)))[own]
            score += self.rescorer.weight * rescoring
        whole = (place <= AFTER) & (score > -inf)
        score = np.where(whole | ~whole.any(), score, -inf)
        order = np.argsort(-score, kind="stable")
        order = order[score[order] > -inf]
        _, first = np.unique(row[order] * np.int64(len(words)) + node[order], return_index=True)
        order = order[np.sort(first)]  # unfinished, the same words and labelling may be in several states
        _require(len(order) > 0, "language model: no words in the beam can end the sentence; widen the beam")
        return LexiconResult(
            labellings=Chains.of(trie, beam["node"][row[order]]),
            words=Chains.of(words, node[order]),
            places=place[order],
            acoustic=acoustic[order],
            score=score[order],
            rescoring=rescoring[order],
        )

    def _hypotheses(self, values: Reals, found: LexiconResult, count: int) -> list[Hypothesis]:
        """Return the first readings with their times and confidences."""
        spans, mass = found.labellings.spans(values, count), shares(found.score)
        votes = zip(found.labellings.votes(mass, count), found.words.votes(mass, count), strict=True)
        said = zip(found.labellings.lists(count), found.words.lists(count), strict=True)
        return [self._hypothesis(found, best, *rest) for best, rest in enumerate(zip(said, spans, votes, strict=True))]

    def _hypothesis(
        self,
        found: LexiconResult,
        best: int,
        said: tuple[list[int], list[int]],
        frames: Spans,
        votes: tuple[tuple[float, ...], tuple[float, ...]],
    ) -> Hypothesis:
        """Return a reading: its units and words, and the votes for either."""
        ids, words = said
        borders = lexicon_net.segment(self._net, ids, words, int(found.places[best]))
        return Hypothesis(
            ids=tuple(ids),
            score=float(found.score[best]),
            acoustic=float(found.acoustic[best]),
            language=self._language_score(words),
            frames=frames,
            confidence=votes[0],
            words=tuple(self._words[word] for word in words),
            word_frames=tuple((frames[first][0], frames[last][1]) for first, last in borders),
            word_confidence=votes[1],
            rescoring=float(found.rescoring[best]),
        )

    def _language_score(self, words: Sequence[int]) -> float:
        """Return the language model's log-probability of words, their end included."""
        state, total = self._language.start, 0.0
        for word in words:
            state, score = self._language.score(state, int(self._net.symbols[word]))
            total += score
        return total + self._language.finish(state)


def _check_units(
    pronunciations: Mapping[str, Sequence[Sequence[int]]], free: Collection[int], separator: int | None
) -> None:
    _require(separator is None or separator > BLANK, f"separator {separator}: must be above 0")
    for unit in free:
        _require(unit > BLANK and unit != separator, f"optional unit {unit}: must be above 0 and not the separator")
    _require(len(pronunciations) > 0, "contains no words; add some")
    others = {separator, *free}
    for word, variants in pronunciations.items():
        sound = len(variants) > 0 and all(len(ids) for ids in variants)
        _require(sound, f"word '{word}': has no pronunciation, or an empty one; correct it")
        for unit in (unit for ids in variants for unit in ids):
            known = unit > BLANK and unit not in others
            _require(known, f"word '{word}': unit {unit} is blank, optional or the separator; remove it")


def _frozen(automaton: Automaton) -> Automaton:
    """Return read-only arrays, whatever the model's are: to Numba, read-only is a type of its own."""
    views: list[Any] = [np.ascontiguousarray(array).view() for array in automaton]
    for view in views:
        view.setflags(write=False)
    return Automaton(*views)


def _grown(table: Records, used: int, width: int) -> Records:
    """Return a table with capacity for one more frame."""
    return table if used + width <= len(table) else np.concatenate([table[:used], np.empty_like(table)])


def _checked(log_probs: LogProbs, greatest: int) -> Reals:
    """Return the log-probs as the search reads them; a copy where they are not float64 already."""
    values = np.ascontiguousarray(log_probs, dtype=np.float64)
    _require(values.ndim == 2, f"log-probs {values.shape}: must be (frames, units)")
    _require(greatest < values.shape[1], f"uses unit {greatest}, but the log-probs have {values.shape[1]} units")
    wrong = np.argwhere(~(values < inf))
    for frame, unit in wrong[:1].tolist():
        raise AsrError(
            f"lexicon: frame {frame}: the log-prob of unit {unit} is {values[frame, unit]}; must be finite or -inf"
        )
    return values


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AsrError(f"lexicon: {message}")
