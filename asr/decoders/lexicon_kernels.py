"""The inner loops of the word search, compiled; built on those of `asr.decoders.beam_kernels`.

The beam contains readings. A reading of a labelling is the words it contains and the net state in which it ends; a
labelling may have several. The probability of a labelling does not depend on its reading, so it is kept once per
labelling, in rows like those of `beam_kernels`; its readings are contiguous and refer to that row. A labelling is live
while one of its readings is.
"""

from math import inf
from typing import NamedTuple

import numpy as np

from asr.decoders.beam_kernels import (
    BLANK,
    FROM,
    LAST,
    NODE,
    PARENT,
    ROW,
    SEEN,
    SPOKEN,
    TOTAL,
    UNIT,
    Ints,
    Places,
    Reals,
    child,
    entering,
    select,
    stay,
)
from asr.decoders.lexicon_net import NONE, UNKNOWN, Net
from asr.lm import automaton
from asr.lm.automaton import Automaton
from asr.support.jit import compiled, inlined

# Columns of the readings: row of the labelling, node of its words, state of the net.
LABELLING, WORDS, NET_STATE = range(3)

# The trie of words has the columns of that of units, words as UNIT, up to BORN; then the language model's state.
STATE = SEEN

# The column of the candidates beside FROM, a reading: 1 + the arc that it takes, or 0 where it stays.
ARC = 1

step = compiled(automaton.step)


class Live(NamedTuple):
    """What lives before frame t, in side t & 1; the other side is for the next frame's.

    Attributes:
        beams: (2, K, 3) the labellings, with the columns of `beam_kernels`.
        reals: (2, K, 3) likewise.
        firsts: (2, K + 1) the readings of row i are firsts[i] to firsts[i + 1].
        readings: (2, K, 3).
        extras: (2, K) what a reading adds to its labelling's score: α · language + β · words + costs.
    """

    beams: Places
    reals: Reals
    firsts: Ints
    readings: Ints
    extras: Reals


class WordArrays(NamedTuple):
    """The arrays of a frame's work.

    Attributes:
        stays: (K, 3) the labellings' log-probabilities if they stay.
        scores: (C,) of the candidates; C ≥ K + the most arcs that leave a state.
        found: (C, 2).
        slots: (C,) the rows of their labellings in the next frame.
        counts: (K,) how many readings each row will have.
        taken: (K, V) the frame in which a labelling plus a unit was found to be live already; −1 at first.
    """

    stays: Reals
    scores: Reals
    found: Places
    slots: Ints
    counts: Ints
    taken: Ints


def arrays(width: int, units: int, fan: int) -> tuple[Live, WordArrays]:
    """Return arrays for a beam of this width over this many units, blank included; at most `fan` arcs leave a state."""
    candidates = 2 * width + fan
    return Live(
        beams=np.empty((2, width, 3), np.uint32),
        reals=np.empty((2, width, 3)),
        firsts=np.empty((2, width + 1), np.int32),
        readings=np.empty((2, width, 3), np.int32),
        extras=np.empty((2, width)),
    ), WordArrays(
        stays=np.empty((width, 3)),
        scores=np.empty(candidates),
        found=np.empty((candidates, 2), np.uint32),
        slots=np.empty(candidates, np.int32),
        counts=np.empty(width, np.int32),
        taken=np.empty((width, units), np.int32),
    )


@inlined
def reached(words: Ints, history: int, state: int, node: int, nexts: int, word: int) -> bool:
    """Return whether a reading with words `history` in state `state` is what an arc makes of one with words `node`."""
    return state == nexts and (
        history == node if word == NONE else words[history, PARENT] == node and words[history, UNIT] == word
    )


@inlined
def known(readings: Ints, low: int, high: int, words: Ints, node: int, nexts: int, word: int) -> bool:
    """Return whether one of a labelling's readings, low to high, is what an arc makes of one with words `node`."""
    same = False
    for r in range(low, high):
        same = same or reached(words, readings[r, WORDS], readings[r, NET_STATE], node, nexts, word)
    return same


@inlined
def duplicate(net: Net, readings: Ints, found: Places, m: int, row: int, node: int, arc: int) -> int:
    """Return the candidate that is the same labelling, words and state, or −1.

    Only readings of one labelling can meet, and only at the end of a word or in an unknown one. Candidates are
    in the order of the labellings that they come from, so only the latest need to be compared.
    """
    same, c = -1, m - 1
    while c >= 0 and found[c, ARC] > 0 and readings[found[c, FROM], LABELLING] == row:
        other = found[c, ARC] - 1
        if (
            net.units[other] == net.units[arc]
            and net.nexts[other] == net.nexts[arc]
            and net.words[other] == net.words[arc]
            and readings[found[c, FROM], WORDS] == node
        ):
            same = c
        c -= 1
    return same


@inlined
def remain(n: int, width: int, net: Net, live: Live, side: int, arrays: WordArrays) -> tuple[int, float]:
    """Make the readings of n labellings that stay the first candidates.

    Returns:
        Their number, and the score that a candidate must exceed: a full beam of staying readings already gives a bound.
    """
    m = 0
    low = inf
    for i in range(live.firsts[side, n]):
        reading = live.readings[side, i]
        score = arrays.stays[reading[LABELLING], TOTAL] + live.extras[side, i] + net.ahead[reading[NET_STATE]]
        if score > -inf:
            arrays.scores[m], arrays.found[m, FROM], arrays.found[m, ARC] = score, i, 0
            m += 1
            low = min(low, score)
    return m, low if m == width else -inf


@compiled
def extend(
    frame: Reals, net: Net, language: Automaton, weight: float, bonus: float, live: Live, side: int,
    arrays: WordArrays, trie: Ints, words: Ints, t: int, i: int, m: int, gate: float,
) -> int:  # fmt: skip
    """Add the candidates above the gate that a reading makes when it takes an arc; return their number."""
    beam, real, readings, firsts = live.beams[side], live.reals[side], live.readings[side], live.firsts[side]
    row, node, state = readings[i, LABELLING], readings[i, WORDS], readings[i, NET_STATE]
    for arc in range(net.starts[state], net.starts[state + 1]):
        unit, nexts, word = net.units[arc], net.nexts[arc], net.words[arc]
        lives = arrays.taken[row, unit] == t
        low, high = 0, 0
        if lives:
            there = trie[child(trie, -1, beam[row, NODE], unit, t), ROW]
            low, high = firsts[there], firsts[there + 1]
            score = arrays.stays[there, TOTAL] + live.extras[side, i]
        else:
            score = entering(beam, real, row, unit) + frame[unit] + live.extras[side, i]
        if score + net.reaches[arc] <= gate:
            continue
        if word == NONE:
            score += net.reaches[arc]
        else:
            score += net.costs[arc] + weight * step(language, words[node, STATE], net.symbols[word])[1] + bonus
        if score <= gate or (lives and known(readings, low, high, words, node, nexts, word)):
            continue
        same = -1
        if word != NONE or nexts == UNKNOWN:
            same = duplicate(net, readings, arrays.found, m, row, node, arc)
        if same < 0:
            arrays.scores[m], arrays.found[m, FROM], arrays.found[m, ARC] = score, i, arc + 1
            m += 1
        elif score > arrays.scores[same]:
            arrays.scores[same], arrays.found[same, FROM], arrays.found[same, ARC] = score, i, arc + 1
    return m


@inlined
def label(
    frame: Reals, net: Net, live: Live, side: int, arrays: WordArrays, trie: Ints, t: int, m: int, size: int
) -> tuple[int, int]:
    """Make the labellings of m candidates the next frame's; return their number and that of the nodes."""
    beam, real, after = live.beams[side], live.reals[side], 1 - side
    rows = 0
    for c in range(m):
        row, arc = live.readings[side, arrays.found[c, FROM], LABELLING], arrays.found[c, ARC]
        node, unit = beam[row, NODE], beam[row, LAST]
        if arc > 0:
            unit = net.units[arc - 1]
            node = child(trie, size, node, unit, t)
            if node == size:
                trie[node, SEEN] = t - 2  # never
                size += 1
        if trie[node, SEEN] != t:
            new = live.reals[after, rows]
            if trie[node, SEEN] == t - 1:
                for column in range(TOTAL + 1):
                    new[column] = arrays.stays[trie[node, ROW], column]
            else:
                total = entering(beam, real, row, unit) + frame[unit]
                new[BLANK], new[SPOKEN], new[TOTAL] = -inf, total, total
            live.beams[after, rows, NODE], live.beams[after, rows, LAST] = node, unit
            trie[node, SEEN], trie[node, ROW] = t, rows
            arrays.counts[rows] = 0
            rows += 1
        arrays.slots[c] = trie[node, ROW]
        arrays.counts[trie[node, ROW]] += 1
    return rows, size


@inlined
def settle(
    net: Net, language: Automaton, weight: float, bonus: float, live: Live, side: int, arrays: WordArrays, words: Ints,
    t: int, m: int, rows: int, count: int,
) -> int:  # fmt: skip
    """Make m candidates the next frame's readings, grouped by labelling; return the number of words' nodes."""
    firsts, readings, extras = live.firsts[1 - side], live.readings[1 - side], live.extras[1 - side]
    firsts[0] = 0
    for row in range(rows):
        firsts[row + 1] = firsts[row] + arrays.counts[row]
    for c in range(m - 1, -1, -1):
        i, arc, row = arrays.found[c, FROM], arrays.found[c, ARC], arrays.slots[c]
        node, net_state, extra = live.readings[side, i, WORDS], live.readings[side, i, NET_STATE], live.extras[side, i]
        if arc > 0:
            net_state, word, extra = net.nexts[arc - 1], net.words[arc - 1], extra + net.costs[arc - 1]
            if word != NONE:
                state, gain = step(language, words[node, STATE], net.symbols[word])
                extra += weight * gain + bonus
                node = child(words, count, node, word, t)
                words[node, STATE] = state
                count += node == count
        arrays.counts[row] -= 1
        at = firsts[row] + arrays.counts[row]
        readings[at, LABELLING], readings[at, WORDS], readings[at, NET_STATE], extras[at] = row, node, net_state, extra
    return count


@compiled
def search(
    log_probs: Reals, net: Net, language: Automaton, weight: float, bonus: float, live: Live, arrays: WordArrays,
    fan: int, trie: Ints, words: Ints, t: int, n: int, size: int, count: int,
) -> tuple[int, int, int, int]:  # fmt: skip
    """Search from frame t on, until the end, a frame that leaves no reading, or a trie may be full.

    Args:
        log_probs: (T, V).
        net: Of the lexicon.
        language: The language model, over its own ids.
        weight: α.
        bonus: β.
        live: What lives before frame t.
        arrays: Workspace.
        fan: The most arcs that leave a state.
        trie: (nodes, 8), of labellings.
        words: (nodes, 8).
        t: The frame to begin with.
        n: The number of labellings that live.
        size: The number of the trie's nodes.
        count: The number of the words' nodes.

    Returns:
        t, n, size and count when it ended.
    """
    width = len(arrays.stays)
    while n > 0 and t < len(log_probs) and size + width <= len(trie) and count + width <= len(words):
        frame, side = log_probs[t], t & 1
        stay(live.beams[side], live.reals[side], n, frame, t, trie, arrays.taken, arrays.stays)
        m, gate = remain(n, width, net, live, side, arrays)
        for i in range(live.firsts[side, n]):
            if m + fan > len(arrays.scores):
                gate = select(arrays.scores, arrays.found, m, width)
                m = width
            m = extend(frame, net, language, weight, bonus, live, side, arrays, trie, words, t, i, m, gate)
        if m > width:
            select(arrays.scores, arrays.found, m, width)
            m = width
        n, size = label(frame, net, live, side, arrays, trie, t, m, size)
        count = settle(net, language, weight, bonus, live, side, arrays, words, t, m, n, count)
        t += 1
    return t, n, size, count
