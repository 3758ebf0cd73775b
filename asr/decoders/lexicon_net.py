"""The graph of a word search: a pronunciation trie with the units allowed between, before and inside words."""

from collections.abc import Collection, Mapping, Sequence
from math import inf
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.lm import LanguageModel
from asr.lm.automaton import Automaton

Ints = npt.NDArray[np.int32]
Reals = npt.NDArray[np.float64]
Arc = tuple[int, int, int, float]  # unit, next state, word that it completes or NONE, cost
Way = tuple[float, tuple[tuple[int, int], ...], int]  # cost, spans of the words so far, first unit of the next or NONE

# States: between words, after a word that needs a separator, in an unknown word; then those of the trie.
BETWEEN, AFTER, UNKNOWN, INSIDE = range(4)
NONE = -1


class Net(NamedTuple):
    """P states and A arcs; each arc consumes one unit.

    Attributes:
        starts: (P + 1,) the arcs of state p are starts[p] to starts[p + 1].
        units: (A,) what an arc consumes.
        nexts: (A,) the state after it.
        words: (A,) the word that it completes, or `NONE`.
        costs: (A,) what is added to the score, in addition to α · language + β for a word.
        reaches: (A,) the most that an arc may add: its cost, and the look-ahead of a state or the gain of a word.
        ahead: (P,) look-ahead: α · language + β of the best word below a state, judged without context.
        symbols: (W,) the words as the language model's ids.
    """

    starts: Ints
    units: Ints
    nexts: Ints
    words: Ints
    costs: Reals
    reaches: Reals
    ahead: Reals
    symbols: Ints


class Gains(NamedTuple):
    """α · language + β of each word (W,): without context, and a bound that no context exceeds."""

    usual: Reals
    most: Reals


def gains(language: LanguageModel, symbols: Ints, weight: float, bonus: float) -> Gains:
    """Return what words add to the score."""
    root = language.start
    while language.automaton.backoff_state[root] != root:
        root = int(language.automaton.backoff_state[root])
    usual = np.array([language.score(root, symbol)[1] for symbol in symbols.tolist()])
    return Gains(weight * usual + bonus, weight * _highest(language.automaton)[symbols] + bonus)


def _highest(automaton: Automaton) -> Reals:
    """Return for each symbol a bound on its log-probability in any state: its best arc after the best back-off."""
    shorter = automaton.backoff_state
    state = np.arange(len(shorter), dtype=np.int32)
    total, best = np.zeros(len(state)), 0.0
    while (shorter[state] != state).any():
        total += np.where(shorter[state] != state, automaton.backoff_score[state], 0.0)
        best = max(best, float(total.max()))
        state = shorter[state]
    highest = np.full(int(automaton.arc_symbol.max()) + 1, -inf)
    np.maximum.at(highest, automaton.arc_symbol, automaton.arc_score)
    return highest + best


def build(
    pronunciations: Mapping[str, Sequence[Sequence[int]]],
    symbols: Ints,
    gain: Gains,
    free: Collection[int],
    separator: int | None,
    unknown: Mapping[int, float],
) -> Net:
    """Return the net of a lexicon.

    Args:
        pronunciations: Words and their pronunciations; a word's number is its index.
        symbols: (W,) the words' ids in the language model; where unknown words are allowed, theirs as the last.
        gain: What each of `symbols` adds to the score.
        free: Optional units, allowed in any state, which they do not change.
        separator: The unit between words; None without one.
        unknown: What each unit of an unknown word costs; empty where they are not allowed.
    """
    end = BETWEEN if separator is None else AFTER
    arcs, parents = _trie(pronunciations, end)
    for state in (BETWEEN, UNKNOWN):
        for unit, cost in unknown.items():
            arcs[state] += [(unit, UNKNOWN, NONE, cost), (unit, end, len(pronunciations), cost)]
    for state in (BETWEEN, AFTER):
        arcs[state] += [] if separator is None else [(separator, BETWEEN, NONE, 0.0)]
    for state, leaving in enumerate(arcs):
        leaving += [(unit, state, NONE, 0.0) for unit in sorted(free)]
    ahead = _look_ahead(arcs, parents, gain.usual, bool(unknown))
    rows = [arc for leaving in arcs for arc in leaving]
    units, nexts, words = (np.array([arc[i] for arc in rows], np.int32) for i in range(3))
    costs = np.array([arc[3] for arc in rows])
    most = np.append(gain.most, -inf)  # so that NONE has an entry
    return Net(
        starts=np.cumsum([0, *map(len, arcs)], dtype=np.int32),
        units=units,
        nexts=nexts,
        words=words,
        costs=costs,
        reaches=costs + np.where(words == NONE, ahead[nexts], most[words]),
        ahead=ahead,
        symbols=symbols,
    )


def _trie(pronunciations: Mapping[str, Sequence[Sequence[int]]], end: int) -> tuple[list[list[Arc]], list[int]]:
    """Return the arcs that leave each state, and each state's parent; a parent comes before its children."""
    arcs: list[list[Arc]] = [[] for _ in range(INSIDE)]
    parents = [NONE] * INSIDE
    children: dict[tuple[int, int], int] = {}
    for word, variants in enumerate(pronunciations.values()):
        for ids in variants:
            state = BETWEEN
            for unit in ids[:-1]:
                after = children.setdefault((state, unit), len(arcs))
                if after == len(arcs):
                    arcs[state].append((unit, after, NONE, 0.0))
                    arcs.append([])
                    parents.append(state)
                state = after
            arcs[state].append((ids[-1], end, word, 0.0))
    return arcs, parents


def _look_ahead(arcs: Sequence[Sequence[Arc]], parents: Sequence[int], usual: Reals, unknown: bool) -> Reals:
    """Return the gain of the best word that can be completed below each state; 0 outside words."""
    ahead = np.full(len(arcs), -inf)
    for state in range(len(arcs) - 1, INSIDE - 1, -1):
        own = max((float(usual[word]) for _, _, word, _ in arcs[state] if word != NONE), default=-inf)
        ahead[state] = max(ahead[state], own)
        if parents[state] >= INSIDE:
            ahead[parents[state]] = max(ahead[parents[state]], ahead[state])
    ahead[[BETWEEN, AFTER]] = 0.0
    ahead[UNKNOWN] = usual[-1] if unknown else 0.0
    return ahead


def segment(net: Net, ids: Sequence[int], words: Sequence[int], last: int) -> list[tuple[int, int]]:
    """Return where the words of a labelling are: (first, last) of each word's own units.

    Of the segmentations of this labelling into these words, the first of least cost.

    Args:
        net: A net that accepts the labelling with these words.
        ids: The labelling.
        words: Numbers of the words.
        last: The state in which it ends.
    """
    live: dict[tuple[int, int], Way] = {(0, BETWEEN): (0.0, (), NONE)}  # by number of words, and state
    for position, unit in enumerate(ids):
        after: dict[tuple[int, int], Way] = {}
        for (done, state), (cost, spans, first) in live.items():
            for word, following, more in _leaving(net, state, unit):
                begun = position if first == NONE and (word != NONE or following >= UNKNOWN) else first
                way, key = (cost + more, spans, begun), (done, following)
                if word != NONE:
                    if word not in words[done : done + 1]:
                        continue
                    way, key = (cost + more, (*spans, (begun, position)), NONE), (done + 1, following)
                if key not in after or way[0] > after[key][0]:
                    after[key] = way
        live = after
    return list(live[len(words), last][1])


def _leaving(net: Net, state: int, unit: int) -> list[tuple[int, int, float]]:
    """Return word, next state and cost of the arcs that leave a state with a unit."""
    low, high = net.starts[state], net.starts[state + 1]
    arcs = low + np.flatnonzero(net.units[low:high] == unit)
    return list(zip(net.words[arcs].tolist(), net.nexts[arcs].tolist(), net.costs[arcs].tolist(), strict=True))


def units_of(pronunciations: Mapping[str, Sequence[Sequence[int]]]) -> list[int]:
    """Return the units that words are made of."""
    return sorted({unit for variants in pronunciations.values() for ids in variants for unit in ids})
