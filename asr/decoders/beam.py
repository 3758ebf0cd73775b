"""Prefix beam search: the most probable labelling instead of the most probable path, exactly and on ids."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from asr import lm
from asr.decoders.chains import Chains, Spans, shares
from asr.decoders.hypothesis import Decoder, DecoderSettings, Hypothesis, LogProbs
from asr.errors import AsrError
from asr.lm.recurrent import is_recurrent
from asr.support.settings import File, declared, setting
from asr.units import Units

Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.uint32]
Reals = npt.NDArray[np.float64]
Records = npt.NDArray[Any]
Tables = tuple[Ints, Reals, Reals]  # of a language model, as `asr.lm` makes them

MAX_WIDTH = 100_000
NODES = 1 << 15  # initial capacity for prefixes; doubles when full


class Rescorer(NamedTuple):
    """A language model that rescores the labellings that a search ends with.

    Attributes:
        totals: The natural log-probabilities (N,) of labellings, whose symbols are numbered from 0.
        weight: γ.
    """

    totals: Callable[[Sequence[Sequence[int]]], Reals]
    weight: float


@dataclass(frozen=True)
class BeamSettings(DecoderSettings):
    """Settings that every beam search has.

    Attributes:
        width: K.
        lm: Path of a language model's ARPA file.
        weight: α.
        rescore: Path of a language model that rescores what the search found, recurrent or an ARPA file. A recurrent
            one that is passed as `lm` becomes this one.
        rescore_weight: γ.
        bonus: β, in nats.
        nbest: N.
    """

    width: int = setting(25, "prefixes kept at each frame", low=1, high=MAX_WIDTH)
    lm: File = setting(
        None, "language model: an ARPA file (.gz allowed), or a recurrent one, as with --rescore", file=True
    )
    weight: float = setting(
        0.0, "weight α of the language model", high=1000, needs="lm", tune=(0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
    )
    rescore: File = setting(None, "language model that rescores what the search found: recurrent, or ARPA", file=True)
    rescore_weight: float = setting(
        0.0, "weight γ of the language model of --rescore", high=1000, needs="rescore", tune=(0.0, 0.25, 0.5, 0.75, 1.0)
    )
    bonus: float = setting(
        0.0, "bonus β added for each unit or word", low=-1000, high=1000, tune=(-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    )
    nbest: int = setting(1, "hypotheses to return, best first", low=1, high=MAX_WIDTH, output=True)

    def __post_init__(self) -> None:
        """Check every setting; a recurrent language model becomes the rescoring one, since no search can use it.

        Raises:
            AsrError: A setting is invalid.
        """
        if isinstance(self.lm, str | PathLike) and is_recurrent(self.lm) and self.rescore is None:
            for name in ("lm", "weight"):
                object.__setattr__(self, {"lm": "rescore", "weight": "rescore_weight"}[name], getattr(self, name))
                object.__setattr__(self, name, declared(self)[name].default)
        super().__post_init__()
        if self.nbest > self.width:
            raise AsrError(f"decoder '{self.name}': nbest {self.nbest} exceeds width {self.width}; raise --width")

    def rescorer(self, symbols: Sequence[str], what: str) -> Rescorer | None:
        """Return the rescoring language model for hypotheses whose symbols are indices of these; None without one.

        Raises:
            AsrError: It cannot be read, or does not know a symbol.
        """
        if self.rescore is None:
            return None
        model = lm.matching(Path(self.rescore), symbols, what)
        ids = model.ids(symbols)
        return Rescorer(lambda found: model.totals([[ids[one] for one in each] for each in found]), self.rescore_weight)


@dataclass(frozen=True)
class Beam(BeamSettings):
    """Prefix beam search over units.

    Attributes:
        top: Only the most probable units of a frame begin new prefixes; 0 for all.
    """

    name: ClassVar[str] = "beam"

    top: int = setting(0, "most probable units of a frame that may begin new prefixes; 0: all")

    def build(self, units: Units) -> Decoder:
        """Return the search.

        Raises:
            AsrError: The language model cannot be read, or does not know a unit.
        """
        tables = None
        if self.lm:
            tables = lm.searching(Path(self.lm), units.symbols[1:], "units").tables(units.symbols)
        return BeamSearch(
            width=self.width,
            nbest=self.nbest,
            top=self.top,
            bonus=self.bonus,
            language=tables,
            weight=self.weight,
            rescorer=self.rescorer(units.symbols[1:], "units"),
        )


class Fusion(NamedTuple):
    """A language model's tables, checked and weighted."""

    following: Ints  # (S, V)
    score: Reals  # (S, V)
    final: Reals  # (S,)
    gain: Reals  # (S, V), α · score + β
    reach: Reals  # (V,), the largest gain of each unit


class BeamWorkspace(NamedTuple):
    """The arrays that a search works in, as `beam_kernels.search` describes them."""

    beams: Records
    stays: Records
    starts: Reals
    scores: Reals
    found: Records
    taken: Ints
    units: Places
    bounds: Reals
    trie: Records

    @classmethod
    def of(cls, width: int, units: int) -> "BeamWorkspace":
        """Return arrays for a beam of this width over this many units."""
        from asr.decoders import beam_kernels

        return cls(
            beams=np.empty((2, width), beam_kernels.PREFIX),
            stays=np.empty(width, beam_kernels.STAY),
            starts=np.empty(width),
            scores=np.empty(3 * width),
            found=np.empty(3 * width, beam_kernels.CANDIDATE),
            taken=np.empty((width, units), np.int32),
            units=np.empty(units, np.uint32),
            bounds=np.empty(units),
            trie=np.empty(1 + width + NODES, beam_kernels.NODE),
        )


class BeamResult(NamedTuple):
    """What a search ends with: labellings, best first, as nodes of its trie."""

    trie: Records
    nodes: Places  # (N,)
    acoustic: Reals  # (N,)
    score: Reals  # (N,)
    rescoring: Reals  # (N,), log-probabilities given the rescoring language model


class BeamSearch:
    """Finds the labellings of greatest score = acoustic + α · language + β · length.

    A labelling's probability is the sum over its paths (Graves 2006, equation 3). The search keeps the `width` best
    prefixes at each frame, and `acoustic` sums the paths that it kept: never more than the exact value, and exact where
    the beam dropped nothing. Then the first hypothesis is the best labelling there is, and without language model and
    bonus at least as probable as the greedy one; a narrow beam promises neither. Of prefixes that score the same the
    one found first is kept: live before new, then the more probable unit, the lower id, the older parent.

    `frames` are those of the best path within what was kept. `confidence` is the share of the final beam's probability
    that belongs to labellings with the same unit at the same position, when aligned with the fewest edits.

    Args:
        width: K, how many prefixes are kept at each frame.
        nbest: How many hypotheses are returned at most; the search may find fewer.
        top: Only so many most probable units of a frame begin new prefixes, equals included; None or 0 for all.
        bonus: β, for each unit, in nats.
        language: A language model's tables over the same units, `lm.tables(units.symbols)`, or None: the state after
            each unit (S, V), the unit's natural log-probability (S, V) and the end's (S,); state 0 is the start.
        weight: α.
        rescorer: A language model that adds γ times its log-probability to the scores of the final beam.

    Raises:
        AsrError: A setting or the tables are invalid.

    Source: A. Graves et al., "Connectionist temporal classification", ICML 2006, section 3.2, prefix search decoding;
    A. Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs",
    arXiv 1408.2873, 2014, algorithm 1.
    """

    def __init__(
        self,
        *,
        width: int = 25,
        nbest: int = 1,
        top: int | None = None,
        bonus: float = 0.0,
        language: Tables | None = None,
        weight: float = 0.0,
        rescorer: Rescorer | None = None,
    ) -> None:
        _require(1 <= width <= MAX_WIDTH, f"width {width}: must be from 1 to {MAX_WIDTH}")
        _require(1 <= nbest <= width, f"nbest {nbest}: must be from 1 to the width, {width}")
        _require(top is None or top >= 0, f"top {top}: must be a number of units, or 0 for all")
        _require(isfinite(bonus), f"bonus {bonus}: must be finite")
        _require(0 <= weight < inf, f"weight {weight}: must be finite and not negative")
        self.width, self.nbest, self.top = width, nbest, top or 0
        self.bonus, self.weight, self.rescorer = bonus, weight, rescorer
        self._workspaces = threading.local()
        self._fusion = _fuse(language, weight, bonus) if language and weight else None
        self._plain: Fusion | None = None  # without a language model, made for the first log-probs

    def __call__(self, log_probs: LogProbs) -> list[Hypothesis]:
        """Return the best labellings, best first; one at least.

        Args:
            log_probs: (T, V), natural log, of any float type; may contain −inf; T may be 0.

        Raises:
            AsrError: The log-probs are not a matrix, contain NaN or +inf, or allow no labelling; or the language
                model's tables are for other units.
        """
        values = _checked(log_probs)
        fusion = self._fusion_for(values.shape[1])
        found = self._search(values, fusion)
        count = min(self.nbest, len(found.score))
        chains = Chains.of(found.trie, found.nodes)
        spans, votes = chains.spans(values, count), chains.votes(shares(found.score), count)
        return self._hypotheses(fusion, found, chains, spans, votes)

    def labelling(self, log_probs: LogProbs) -> Hypothesis:
        """Return the best labelling without its times and confidences, which take time in a narrow beam.

        Args:
            log_probs: As for a call.

        Raises:
            AsrError: As for a call.
        """
        values = _checked(log_probs)
        fusion = self._fusion_for(values.shape[1])
        found = self._search(values, fusion)
        (best,) = self._hypotheses(fusion, found, Chains.of(found.trie, found.nodes[:1]), [()], [()])
        return best

    def _fusion_for(self, units: int) -> Fusion:
        """Return the language model's tables, checked against the number of units; all zeros without a model."""
        if self._fusion is None:
            if self._plain is None or len(self._plain.reach) != units:
                zeros = np.zeros((1, units))
                gain = zeros + self.bonus
                self._plain = Fusion(np.zeros((1, units), np.int32), zeros, np.zeros(1), gain, gain[0])
            return self._plain
        known = len(self._fusion.reach)
        _require(known == units, f"language model: has {known} units, but the log-probs have {units}")
        return self._fusion

    def _floors(self, values: Reals) -> Reals:
        """Return for each frame the log-prob below which a unit begins no new prefix, (T,)."""
        units = values[:, 1:]
        count = min(self.top or units.shape[1], units.shape[1])
        if not units.size or count == units.shape[1]:
            return np.full(len(values), -inf)
        return np.asarray(np.partition(units, -count, axis=1)[:, -count])

    def _search(self, values: Reals, fusion: Fusion) -> BeamResult:
        """Run the compiled search and rank the prefixes that survive."""
        from asr.decoders import beam_kernels  # Numba costs a fifth of a second, which the command line need not pay

        workspace = self._workspace(values.shape[1])
        workspace.taken.fill(-1)
        beams, trie = workspace.beams, workspace.trie
        beams[0, 0], trie[0] = beam_kernels.EMPTY, beam_kernels.ROOT
        inputs = (values, self._floors(values), fusion.following, fusion.gain, fusion.reach, *workspace[:-1])
        t, live, size = beam_kernels.search(*inputs, trie, 0, 1, 1)
        while live and t < len(values):
            trie = np.concatenate([trie[:size], np.empty_like(trie)])
            t, live, size = beam_kernels.search(*inputs, trie, t, live, size)
        _require(live > 0, f"frame {t - 1}: log-probs and language model allow no labelling; widen the beam")
        return self._rank(trie, beams[t & 1, :live], fusion)

    def _workspace(self, units: int) -> BeamWorkspace:
        """Return this thread's arrays; fresh memory for each utterance would cost more than a narrow search."""
        workspace: BeamWorkspace | None = getattr(self._workspaces, "workspace", None)
        if workspace is None or workspace.taken.shape[1] != units:
            workspace = self._workspaces.workspace = BeamWorkspace.of(self.width, units)
        return workspace

    def _rank(self, trie: Records, beam: Records, fusion: Fusion) -> BeamResult:
        """Add the language model's end of sentence, rescore, and sort; of equals, the older is first."""
        acoustic, nodes = beam["total"], beam["node"]
        score = acoustic + beam["extra"] + self.weight * fusion.final[beam["state"]]
        rescoring = np.zeros(len(score))
        if self.rescorer:
            labellings = Chains.of(trie, nodes).lists(len(nodes))
            rescoring = self.rescorer.totals([[id - 1 for id in ids] for ids in labellings])  # without blank
            score += self.rescorer.weight * rescoring
        order = np.argsort(-score, kind="stable")
        order = order[score[order] > -inf]
        _require(len(order) > 0, "language model: no labelling in the beam can end the sentence; widen the beam")
        return BeamResult(trie, nodes[order], acoustic[order], score[order], rescoring[order])

    def _hypotheses(
        self,
        fusion: Fusion,
        found: BeamResult,
        chains: Chains,
        spans: Sequence[Spans],
        votes: Sequence[tuple[float, ...]],
    ) -> list[Hypothesis]:
        """Return the first labellings, as many as have times and confidences."""
        count = len(spans)
        language = np.zeros(count)
        if self._fusion:
            from asr.decoders import beam_kernels

            beam_kernels.follow(fusion.following, fusion.score, fusion.final, chains.symbols, chains.lengths, language)
        columns = (found.score, found.acoustic, language, found.rescoring)
        rows = zip(*(column[:count].tolist() for column in columns), strict=True)
        return [
            Hypothesis(tuple(ids), score, acoustic, said, frames, confidence, rescoring=rescoring)
            for ids, (score, acoustic, said, rescoring), frames, confidence in zip(
                chains.lists(count), rows, spans, votes, strict=True
            )
        ]


def _fuse(language: Tables, weight: float, bonus: float) -> Fusion:
    """Return a language model's tables, weighted, and checked so that the kernels need no bounds checks."""
    following, score, final = language
    states, units = score.shape
    _require(
        following.shape == (states, units) and final.shape == (states,),
        "language model: the shapes of its tables do not match",
    )
    inside = (following[:, 1:] >= 0) & (following[:, 1:] < states)
    _require(bool(inside.all()), f"language model: its tables refer to states outside 0 … {states - 1}")
    gain = weight * np.asarray(score, np.float64) + bonus
    gain[:, 0] = 0.0  # blank's, whatever the table contains
    _require(bool((gain < inf).all() and (final < inf).all()), "language model: its tables contain NaN or +inf")
    following, score = np.ascontiguousarray(following, np.int32), np.ascontiguousarray(score, np.float64)
    return Fusion(following, score, np.ascontiguousarray(final), gain, gain.max(axis=0))


def _checked(log_probs: LogProbs) -> Reals:
    """Return the log-probs as the search reads them; a copy where they are not float64 already."""
    values = np.ascontiguousarray(log_probs, dtype=np.float64)
    _require(values.ndim == 2 and values.shape[1] > 0, f"log-probs {values.shape}: must be (frames, units)")
    if not values.max(initial=-inf) < inf:  # nor is NaN, which is the greatest where there is one
        frame, unit = np.argwhere(~(values < inf))[0]
        raise AsrError(f"frame {frame}: the log-prob of unit {unit} is {values[frame, unit]}; must be finite or -inf")
    return values


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AsrError(f"beam: {message}")
