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
    CANDIDATE,
    PREFIX,
    STAY,
    Ints,
    Reals,
    Records,
    child,
    entering,
    select,
    stay,
)
from asr.decoders.lexicon_net import NONE, UNKNOWN, Net
from asr.lm import automaton
from asr.lm.automaton import Automaton
from asr.support.jit import compiled, inlined

# A reading: row of the labelling, node of its words, state of the net; and what it adds to its labelling's score:
# α · language + β · words + costs.
READING = np.dtype([("row", np.int32), ("words", np.int32), ("state", np.int32), ("extra", np.float64)], align=True)

# The trie of words has the fields of that of units, words as units, up to `born`; then the language model's state.
STATE = "seen"

# A candidate's fields are a reading, and 1 + the arc that it takes, or 0 where it stays.

step = compiled(automaton.step)


class Live(NamedTuple):
    """What lives before frame t, in side t & 1; the other side is for the next frame's.

    Attributes:
        beams: (2, K) the labellings, prefixes of `beam_kernels` without states and extras.
        firsts: (2, K + 1) the readings of row i are firsts[i] to firsts[i + 1].
        readings: (2, K).
    """

    beams: Records
    firsts: Ints
    readings: Records


class WordArrays(NamedTuple):
    """The arrays of a frame's work.

    Attributes:
        stays: (K,) the labellings' log-probabilities if they stay.
        scores: (C,) of the candidates; C ≥ K + the most arcs that leave a state.
        found: (C,).
        slots: (C,) the rows of their labellings in the next frame.
        counts: (K,) how many readings each row will have.
        taken: (K, V) the frame in which a labelling plus a unit was found to be live already; −1 at first.
    """

    stays: Records
    scores: Reals
    found: Records
    slots: Ints
    counts: Ints
    taken: Ints


def arrays(width: int, units: int, fan: int) -> tuple[Live, WordArrays]:
    """Return arrays for a beam of this width over this many units, blank included; at most `fan` arcs leave a state."""
    candidates = 2 * width + fan
    return Live(
        beams=np.empty((2, width), PREFIX),
        firsts=np.empty((2, width + 1), np.int32),
        readings=np.empty((2, width), READING),
    ), WordArrays(
        stays=np.empty(width, STAY),
        scores=np.empty(candidates),
        found=np.empty(candidates, CANDIDATE),
        slots=np.empty(candidates, np.int32),
        counts=np.empty(width, np.int32),
        taken=np.empty((width, units), np.int32),
    )


@inlined
def reached(words: Records, history: int, state: int, node: int, nexts: int, word: int) -> bool:
    """Return whether a reading with words `history` in state `state` is what an arc makes of one with words `node`."""
    return state == nexts and (
        history == node if word == NONE else words[history]["parent"] == node and words[history]["unit"] == word
    )


@inlined
def known(readings: Records, low: int, high: int, words: Records, node: int, nexts: int, word: int) -> bool:
    """Return whether one of a labelling's readings, low to high, is what an arc makes of one with words `node`."""
    same = False
    for r in range(low, high):
        same = same or reached(words, readings[r]["words"], readings[r]["state"], node, nexts, word)
    return same


@inlined
def duplicate(net: Net, readings: Records, found: Records, m: int, row: int, node: int, arc: int) -> int:
    """Return the candidate that is the same labelling, words and state, or −1.

    Only readings of one labelling can meet, and only at the end of a word or in an unknown one. Candidates are
    in the order of the labellings that they come from, so only the latest need to be compared.
    """
    same, c = -1, m - 1
    while c >= 0 and found[c]["add"] > 0 and readings[found[c]["row"]]["row"] == row:
        other = found[c]["add"] - 1
        if (
            net.units[other] == net.units[arc]
            and net.nexts[other] == net.nexts[arc]
            and net.words[other] == net.words[arc]
            and readings[found[c]["row"]]["words"] == node
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
        score = arrays.stays[reading["row"]]["total"] + reading["extra"] + net.ahead[reading["state"]]
        if score > -inf:
            arrays.scores[m], candidate = score, arrays.found[m]
            candidate["row"], candidate["add"] = i, 0
            m += 1
            low = min(low, score)
    return m, low if m == width else -inf


@compiled
def extend(
    frame: Reals, net: Net, language: Automaton, weight: float, bonus: float, live: Live, side: int,
    arrays: WordArrays, trie: Records, words: Records, t: int, i: int, m: int, gate: float,
) -> int:  # fmt: skip
    """Add the candidates above the gate that a reading makes when it takes an arc; return their number."""
    readings, firsts, reading = live.readings[side], live.firsts[side], live.readings[side, i]
    row, node, state = reading["row"], reading["words"], reading["state"]
    prefix = live.beams[side, row]
    for arc in range(net.starts[state], net.starts[state + 1]):
        unit, nexts, word = net.units[arc], net.nexts[arc], net.words[arc]
        lives = arrays.taken[row, unit] == t
        low, high = 0, 0
        if lives:
            there = trie[child(trie, -1, prefix["node"], unit, t)]["row"]
            low, high = firsts[there], firsts[there + 1]
            score = arrays.stays[there]["total"] + reading["extra"]
        else:
            score = entering(prefix, unit) + frame[unit] + reading["extra"]
        if score + net.reaches[arc] <= gate:
            continue
        if word == NONE:
            score += net.reaches[arc]
        else:
            score += net.costs[arc] + weight * step(language, words[node][STATE], net.symbols[word])[1] + bonus
        if score <= gate or (lives and known(readings, low, high, words, node, nexts, word)):
            continue
        same = -1
        if word != NONE or nexts == UNKNOWN:
            same = duplicate(net, readings, arrays.found, m, row, node, arc)
        if same < 0:
            same = m
            m += 1
        elif score <= arrays.scores[same]:
            continue
        arrays.scores[same], candidate = score, arrays.found[same]
        candidate["row"], candidate["add"] = i, arc + 1
    return m


@inlined
def label(
    frame: Reals, net: Net, live: Live, side: int, arrays: WordArrays, trie: Records, t: int, m: int, size: int
) -> tuple[int, int]:
    """Make the labellings of m candidates the next frame's; return their number and that of the nodes."""
    rows = 0
    for c in range(m):
        candidate = arrays.found[c]
        arc, prefix = candidate["add"], live.beams[side, live.readings[side, candidate["row"]]["row"]]
        node, unit = prefix["node"], prefix["last"]
        if arc > 0:
            unit = net.units[arc - 1]
            node = child(trie, size, node, unit, t)
            if node == size:
                trie[node]["seen"] = t - 2  # never
                size += 1
        own = trie[node]
        if own["seen"] != t:
            new = live.beams[1 - side, rows]
            if own["seen"] == t - 1:
                stayed = arrays.stays[own["row"]]
                new["blank"], new["spoken"], new["total"] = stayed["blank"], stayed["spoken"], stayed["total"]
            else:
                total = entering(prefix, unit) + frame[unit]
                new["blank"], new["spoken"], new["total"] = -inf, total, total
            new["node"], new["last"] = node, unit
            own["seen"], own["row"] = t, rows
            arrays.counts[rows] = 0
            rows += 1
        arrays.slots[c] = own["row"]
        arrays.counts[own["row"]] += 1
    return rows, size


@inlined
def settle(
    net: Net, language: Automaton, weight: float, bonus: float, live: Live, side: int, arrays: WordArrays,
    words: Records, t: int, m: int, rows: int, count: int,
) -> int:  # fmt: skip
    """Make m candidates the next frame's readings, grouped by labelling; return the number of words' nodes."""
    firsts = live.firsts[1 - side]
    firsts[0] = 0
    for row in range(rows):
        firsts[row + 1] = firsts[row] + arrays.counts[row]
    for c in range(m - 1, -1, -1):
        candidate, row = arrays.found[c], arrays.slots[c]
        arc, old = candidate["add"], live.readings[side, candidate["row"]]
        node, net_state, extra = old["words"], old["state"], old["extra"]
        if arc > 0:
            net_state, word, extra = net.nexts[arc - 1], net.words[arc - 1], extra + net.costs[arc - 1]
            if word != NONE:
                state, gain = step(language, words[node][STATE], net.symbols[word])
                extra += weight * gain + bonus
                node = child(words, count, node, word, t)
                words[node][STATE] = state
                count += node == count
        arrays.counts[row] -= 1
        new = live.readings[1 - side, firsts[row] + arrays.counts[row]]
        new["row"], new["words"], new["state"], new["extra"] = row, node, net_state, extra
    return count


@compiled
def search(
    log_probs: Reals, net: Net, language: Automaton, weight: float, bonus: float, live: Live, arrays: WordArrays,
    fan: int, trie: Records, words: Records, t: int, n: int, size: int, count: int,
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
        trie: (nodes,), of labellings.
        words: (nodes,).
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
        for i in range(n):
            stay(live.beams[side], i, frame, t, trie, arrays.taken, arrays.stays)
        m, gate = remain(n, width, net, live, side, arrays)
        readings = live.firsts[side, n]
        for i in range(readings + 1):
            if m > (len(arrays.scores) - fan if i < readings else width):
                gate = select(arrays.scores, arrays.found, m, width)
                m = width
            if i < readings:
                m = extend(frame, net, language, weight, bonus, live, side, arrays, trie, words, t, i, m, gate)
        n, size = label(frame, net, live, side, arrays, trie, t, m, size)
        count = settle(net, language, weight, bonus, live, side, arrays, words, t, m, n, count)
        t += 1
    return t, n, size, count
