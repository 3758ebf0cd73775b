"""A back-off n-gram model as a finite automaton in flat arrays, for search.

A state is a context that has arcs or a back-off weight of its own; any other context is represented by its longest
suffix that is a state.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.lm.ngrams import Floats, Grams, Ids, Keys, find, locate

START_STATE = 0  # at the start of a sentence
ROOT = 1  # without context; it has arcs for all symbols
LOG_10 = math.log(10)


class Automaton(NamedTuple):
    """S states and A arcs; natural logs.

    Attributes:
        arc_start: (S + 1,) the arcs of state s are arc_start[s] to arc_start[s + 1].
        arc_symbol: (A,) symbol ids, ascending within a state.
        arc_score: (A,) its log-probability.
        arc_next: (A,) the state after it.
        backoff_score: (S,) log of the back-off weight, for symbols without an arc.
        backoff_state: (S,) a state with a shorter context.
        final: (S,) log-probability that the sentence ends.
    """

    arc_start: Keys
    arc_symbol: Ids
    arc_score: Floats
    arc_next: Ids
    backoff_score: Floats
    backoff_state: Ids
    final: Floats


def step(automaton: Automaton, state: int, symbol: int) -> tuple[int, float]:
    """Return the state after a symbol, and the symbol's log-probability.

    Plain Python that Numba can compile: `numba.njit(step)`, the automaton being a named tuple of arrays.
    """
    score = 0.0
    while True:
        low, end = automaton.arc_start[state], automaton.arc_start[state + 1]
        high = end
        while low < high:
            middle = (low + high) // 2
            if automaton.arc_symbol[middle] < symbol:
                low = middle + 1
            else:
                high = middle
        if low < end and automaton.arc_symbol[low] == symbol:
            return automaton.arc_next[low], score + automaton.arc_score[low]
        shorter = automaton.backoff_state[state]
        if shorter == state:  # not a symbol of this model
            return state, -math.inf
        score += automaton.backoff_score[state]
        state = shorter


def build(grams: Sequence[Grams], start: int, end: int) -> Automaton:
    """Return the automaton of a model.

    Args:
        grams: By order; log10.
        start: The id of `<s>`. Neither it nor `</s>` can be appended: −∞.
        end: The id of `</s>`.
    """
    numbers = _number(grams, start)
    backoff_score, backoff_state = _backoffs(grams, numbers)
    source, symbol, score, following = _arcs(grams, numbers)
    states = np.arange(len(backoff_score) + 1)
    never = (symbol == start) | (symbol == end)
    return Automaton(
        arc_start=np.searchsorted(source, states).astype(np.int64),
        arc_symbol=symbol,
        arc_score=np.where(never, -np.inf, score),
        arc_next=following,
        backoff_score=backoff_score,
        backoff_state=backoff_state,
        final=_finals(source[symbol == end], score[symbol == end], backoff_score, backoff_state),
    )


def dense(automaton: Automaton, symbols: Keys) -> tuple[Ids, Floats]:
    """Return the state after each symbol (S, V) and the symbol's log-probability (S, V).

    Args:
        automaton: A model.
        symbols: (V,) ids of symbols that it knows, ascending.
    """
    states = len(automaton.final)
    following, score = np.zeros((states, len(symbols)), np.int32), np.zeros((states, len(symbols)))
    column = locate(symbols, automaton.arc_symbol.astype(np.int64))
    source = np.repeat(np.arange(states), np.diff(automaton.arc_start))
    depth = _depths(automaton.backoff_state)
    for level in range(depth.max() + 1):
        here = np.flatnonzero(depth == level)
        shorter = automaton.backoff_state[here]
        following[here] = following[shorter]
        score[here] = score[shorter] + automaton.backoff_score[here, None]
        arcs = np.flatnonzero((depth[source] == level) & (column >= 0))
        following[source[arcs], column[arcs]] = automaton.arc_next[arcs]
        score[source[arcs], column[arcs]] = automaton.arc_score[arcs]
    return following, score


def _number(grams: Sequence[Grams], start: int) -> list[Keys]:
    """Return the states of the n-grams of each order but the highest; −1 for one without a state, and at index −1."""
    numbers: list[Keys] = []
    used = ROOT + 1
    for table, longer in zip(grams, grams[1:], strict=False):
        kept = table.backoff != 0
        kept[longer.keys // len(grams[0].keys)] = True
        if not numbers:
            kept[start] = False  # it has its number
        numbers.append(np.append(np.where(kept, used - 1 + np.cumsum(kept), -1), -1))
        used += int(kept.sum())
    for first in numbers[:1]:
        first[start] = START_STATE
    return numbers


def _longest(grams: Sequence[Grams], numbers: Sequence[Keys], ids: Ids) -> Ids:
    """Return the states that n-grams (N, n) end in (N,): the longest that ends them."""
    states = np.full(len(ids), ROOT)
    for n, number in enumerate(numbers[: ids.shape[1]], 1):
        found = number[find(grams, ids[:, ids.shape[1] - n :])]
        states = np.where(found >= 0, found, states)
    return states.astype(np.int32)


def _backoffs(grams: Sequence[Grams], numbers: Sequence[Keys]) -> tuple[Floats, Ids]:
    """Return each state's back-off score and state."""
    states = max((int(number.max(initial=ROOT)) for number in numbers), default=ROOT) + 1
    score, shorter = np.zeros(states), np.full(states, ROOT, np.int32)
    for table, number in zip(grams, numbers, strict=False):
        kept = np.flatnonzero(number >= 0)
        score[number[kept]] = table.backoff[kept] * LOG_10
        shorter[number[kept]] = _longest(grams, numbers, table.ids[kept, 1:])
    return score, shorter


def _arcs(grams: Sequence[Grams], numbers: Sequence[Keys]) -> tuple[Keys, Ids, Floats, Ids]:
    """Return the arc of every n-gram: source state, symbol, log-probability and next state, by source and symbol."""
    contexts = [table.keys // len(grams[0].keys) for table in grams]
    sources = [
        np.full(len(contexts[0]), ROOT),
        *(number[rows] for number, rows in zip(numbers, contexts[1:], strict=True)),
    ]
    source = np.concatenate(sources)
    symbol = np.concatenate([table.ids[:, -1] for table in grams])
    score = np.concatenate([table.probability for table in grams]) * LOG_10
    following = np.concatenate([_longest(grams, numbers, table.ids) for table in grams])
    order = np.lexsort((symbol, source))
    return source[order], symbol[order], score[order], following[order]


def _finals(source: Keys, score: Floats, backoff_score: Floats, backoff_state: Ids) -> Floats:
    """Return each state's log-probability of the end, of which only `source` states have their own."""
    final = np.full(len(backoff_state), np.nan)
    final[source] = score
    depth = _depths(backoff_state)
    for level in range(1, depth.max() + 1):
        unsaid = np.flatnonzero((depth == level) & np.isnan(final))
        final[unsaid] = backoff_score[unsaid] + final[backoff_state[unsaid]]
    return final


def _depths(backoff_state: Ids) -> Keys:
    """Return how many back-offs lead from each state to the root."""
    depths, states = np.zeros(len(backoff_state), np.int64), np.arange(len(backoff_state), dtype=np.int32)
    while (deep := states != ROOT).any():
        depths += deep
        states = backoff_state[states]
    return depths
