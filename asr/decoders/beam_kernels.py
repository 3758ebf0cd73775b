"""The inner loops of the prefix beam search, compiled by Numba at the first call and kept on disk.

Prefixes are nodes of a trie: one node for each labelling, for as long as the utterance lasts. A prefix that leaves
the beam and returns gets its old node, so two live prefixes are never the same labelling. Within one frame two
candidates are the same labelling only where a live prefix is another live prefix plus one unit; so each live prefix
looks at its parent, and nothing is hashed.

The style is what Numba compiles quickly: records, of which a field takes it a sixth of the time of an array's element,
few branches and loops, and all arrays allocated by the caller.
"""

from math import exp, inf, log1p
from typing import Any

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled, inlined

Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.uint32]  # unsigned, so that no index needs a test for being negative
Reals = npt.NDArray[np.float64]
Record = Any  # a row of the arrays below, to which its fields can be assigned
Records = npt.NDArray[Any]
Offer = tuple[int, float, float]

# A trie's node: parent node, last unit, number of units, newest child, next child of the same parent, first and last
# frame in which the prefix was live, and its row in the beam then.
NODE = np.dtype([(name, np.int32) for name in ("parent", "unit", "depth", "child", "sibling", "born", "seen", "row")])

# A row of the beam, oldest prefix first: node, last unit (0: none), language model state; and the log-probabilities
# of the paths that end in blank, that end in the last unit, of both, and what else counts: α · language + β · length.
PREFIX = np.dtype(
    [(name, np.uint32) for name in ("node", "last", "state")]
    + [(name, np.float64) for name in ("blank", "spoken", "total", "extra")],
    align=True,
)

# The log-probabilities of a prefix that stays as it is for one more frame.
STAY = np.dtype([(name, np.float64) for name in ("blank", "spoken", "total")])

# A candidate: a row of the beam, and the unit to add to it (0: none).
CANDIDATE = np.dtype([("row", np.uint32), ("add", np.uint32)])

# The empty prefix, live before frame 0.
EMPTY = np.array((0, 0, 0, 0.0, -inf, 0.0, 0.0), PREFIX)
ROOT = np.array((-1, 0, 0, -1, -1, 0, -1, 0), NODE)

BAND = 16  # units
FAR = 1 << 30  # edits: never


@inlined
def log_add(high: float, low: float) -> float:
    """Return log(exp high + exp low)."""
    if high < low:
        high, low = low, high
    # 40 nats apart, the smaller one does not change the sum in float64; two -inf stay -inf.
    return high + log1p(exp(low - high)) if low > high - 40.0 else high


@inlined
def kth(values: Reals, n: int, k: int) -> float:
    """Return a value that at least k of the first n values reach, and fewer than k exceed; n ≥ k, all finite.

    By bisection: counting has no branches, so it is vectorized, which is faster than moving values.
    """
    low = high = values[0]
    for i in range(n):
        if values[i] < low:
            low = values[i]
        elif values[i] > high:
            high = values[i]
    while True:  # at least k values reach low; fewer than k exceed high
        middle = 0.5 * low + 0.5 * high
        last = not low < middle < high
        if last:
            middle = high
        count = 0
        for i in range(n):
            count += values[i] >= middle
        if count == k or last:
            edge: float = middle if count >= k else low
            return edge
        if count > k:
            low = middle
        else:
            high = middle


@inlined
def select(scores: Reals, found: Records, n: int, width: int) -> float:
    """Move the `width` best of n candidates to the front; of equals, the first ones; the order is kept.

    Returns:
        A score that none of the dropped candidates exceeds.
    """
    edge = kth(scores, n, width)
    equals = width
    for i in range(n):
        equals -= scores[i] > edge
    kept = 0
    for i in range(n):
        score = scores[i]
        if score > edge or (score == edge and equals > 0):
            equals -= score == edge
            scores[kept], found[kept] = score, found[i]
            kept += 1
    return edge


@inlined
def entering(prefix: Record, unit: int) -> float:
    """Return the log-probability of a prefix's paths that a unit can extend: those in blank if it repeats the last."""
    able: float = prefix["blank"] if prefix["last"] == unit else prefix["total"]
    return able


@inlined
def stay(beam: Records, i: int, frame: Reals, t: int, trie: Records, taken: Ints, stays: Records) -> None:
    """Let a live prefix stay as it is for one more frame.

    A prefix whose parent is live too gains the parent's paths that this frame extends by the prefix's own last unit;
    `taken` records that the parent need not propose it as a new prefix.

    Source: A. Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", arXiv 1408.2873, 2014, algorithm 1.
    """
    prefix, stayed = beam[i], stays[i]
    unit = prefix["last"]
    blank, spoken = prefix["total"] + frame[0], prefix["spoken"] + frame[unit]
    parent = trie[prefix["node"]]["parent"]
    if parent >= 0 and trie[parent]["seen"] == t - 1:
        row = trie[parent]["row"]
        taken[row, unit] = t
        spoken = log_add(spoken, entering(beam[row], unit) + frame[unit])
    stayed["blank"], stayed["spoken"], stayed["total"] = blank, spoken, log_add(blank, spoken)


@inlined
def offer(
    beam: Records, n: int, frame: Reals, t: int, trie: Records, taken: Ints, stays: Records, starts: Reals,
    scores: Reals, found: Records,
) -> Offer:  # fmt: skip
    """Make the live prefixes that stay the first candidates.

    Returns:
        Their number; the best score to extend; the score that a candidate must exceed: a full beam of staying
        prefixes already gives a bound.
    """
    m, start, gate = 0, -inf, inf
    for i in range(n):
        stay(beam, i, frame, t, trie, taken, stays)
        extra = beam[i]["extra"]
        starts[i] = beam[i]["total"] + extra
        if starts[i] > start:
            start = starts[i]
        score = stays[i]["total"] + extra
        if score > -inf:
            scores[m], candidate = score, found[m]
            candidate["row"], candidate["add"] = i, 0
            m += 1
            if score < gate:
                gate = score
    return m, start, gate if m == len(stays) else -inf


@inlined
def nearby(frame: Reals, reach: Reals, floor: float, start: float, gate: float, units: Places, bounds: Reals) -> int:
    """List the units that may lift the best prefix above the gate, most promising first; return their number."""
    near = 0
    for unit in range(1, len(frame)):
        bound = frame[unit] + reach[unit]
        if frame[unit] >= floor and start + bound > gate:
            i = near
            while i > 0 and bounds[i - 1] < bound:
                bounds[i], units[i] = bounds[i - 1], units[i - 1]
                i -= 1
            bounds[i], units[i] = bound, unit
            near += 1
    return near


@inlined
def child(trie: Records, size: int, parent: int, unit: int, t: int) -> int:
    """Return the node of a parent plus a unit, which is `size` where it is new."""
    above = trie[parent]
    node: int = above["child"]
    while node >= 0 and trie[node]["unit"] != unit:
        node = trie[node]["sibling"]
    if node < 0:
        node = size
        new = trie[node]
        new["parent"], new["unit"], new["depth"] = parent, unit, above["depth"] + 1
        new["child"], new["sibling"], new["born"] = -1, above["child"], t
        above["child"] = node
    return node


@inlined
def settle(
    beam: Records, stays: Records, found: Records, m: int, frame: Reals, t: int, following: Ints, gain: Reals,
    trie: Records, size: int, after: Records,
) -> int:  # fmt: skip
    """Make m candidates the next frame's live prefixes; return the number of nodes."""
    for i in range(m):
        row, unit = found[i]["row"], found[i]["add"]
        old, stayed, new = beam[row], stays[row], after[i]
        node, last, state, extra = old["node"], old["last"], old["state"], old["extra"]
        blank, spoken, total = stayed["blank"], stayed["spoken"], stayed["total"]
        if unit > 0:
            node = child(trie, size, node, unit, t)
            size += node == size
            blank, total = -inf, entering(old, unit) + frame[unit]
            last, spoken, extra, state = unit, total, extra + gain[state, unit], following[state, unit]
        new["node"], new["last"], new["state"], new["extra"] = node, last, state, extra
        new["blank"], new["spoken"], new["total"] = blank, spoken, total
        own = trie[node]
        own["seen"], own["row"] = t, i
    return size


@compiled
def search(
    log_probs: Reals, floors: Reals, following: Ints, gain: Reals, reach: Reals, beams: Records, stays: Records,
    starts: Reals, scores: Reals, found: Records, taken: Ints, units: Places, bounds: Reals, trie: Records, t: int,
    n: int, size: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Search from frame t on, until the end, a frame that leaves no prefix, or the trie may be full.

    Args:
        log_probs: (T, V).
        floors: (T,); units below it begin no new prefix.
        following: (S, V), the language model's next states.
        gain: (S, V), α · its scores + β.
        reach: (V,), the largest gain of each unit in any state.
        beams: (2, K), the live prefixes before frame t in side t & 1; the other side is for the next frame's.
        stays: (K,), workspace for one frame, as are the next six.
        starts: (K,).
        scores: (3 K,); the best are selected when a third of it is left, and last.
        found: (3 K,).
        taken: (K, V), all less than t.
        units: (V,).
        bounds: (V,).
        trie: (nodes,).
        t: The frame to begin with.
        n: The number of live prefixes.
        size: The number of nodes.

    Returns:
        t, n and size when it ended.
    """
    width = len(stays)
    while n > 0 and t < len(log_probs) and size + width <= len(trie):
        frame, beam = log_probs[t], beams[t & 1]
        m, start, gate = offer(beam, n, frame, t, trie, taken, stays, starts, scores, found)
        near = nearby(frame, reach, floors[t], start, gate, units, bounds)
        x, done = 0, False
        while not done:
            unit, bound = units[x], bounds[x]
            done = x == near or start + bound <= gate
            if not done:
                for j in range(n):
                    if starts[j] + bound > gate and taken[j, unit] != t:
                        prefix = beam[j]
                        score = entering(prefix, unit) + prefix["extra"] + frame[unit] + gain[prefix["state"], unit]
                        if score > gate:
                            scores[m], candidate = score, found[m]
                            candidate["row"], candidate["add"] = j, unit
                            m += 1
            if m > (width if done else 2 * width):
                gate = select(scores, found, m, width)
                m = width
            x += 1
        size = settle(beam, stays, found, m, frame, t, following, gain, trie, size, beams[(t + 1) & 1])
        t, n = t + 1, m
    return t, n, size


@compiled
def climb(trie: Records, ends: Ints, symbols: Ints) -> int:
    """Fill the rows of `symbols` (N, L), zeros, with what the nodes on the way to each of `ends` (N,) add.

    Returns:
        The most cells that `align` needs for one of them.
    """
    most = 0
    for n in range(len(ends)):
        node, cells = trie[ends[n]], 2
        while node["parent"] >= 0:
            symbols[n, node["depth"] - 1] = node["unit"]
            cells += node["seen"] - node["born"] + 2
            node = trie[node["parent"]]
        cells += node["seen"] + 2
        if cells > most:
            most = cells
    return most


@compiled
def align(
    log_probs: Reals, trie: Records, ends: Ints, path: Ints, offsets: Ints, blank: Reals, spoken: Reals, enter: Reals,
    spans: Ints,
) -> None:  # fmt: skip
    """Find the best single path of labellings, each of their prefixes within the frames in which it was live.

    Args:
        log_probs: (T, V).
        trie: (nodes,).
        ends: (N,), the nodes of the labellings.
        path: (L + 1,), workspace for the prefixes of a labelling.
        offsets: (L + 1,), workspace: a prefix's cell for frame t is at offset + t. There is one without paths before
            its first and one after its last; the empty prefix has one more, which is before frame 0.
        blank: (cells,), workspace for the best paths that end in blank.
        spoken: (cells,), for those that end in the prefix's last unit.
        enter: (cells,), for those of its parent that this unit can extend.
        spans: (≥ N, 2, L), zeros; receives each unit's first frame and the one after its last.
    """
    blank[0], spoken[0], blank[1], spoken[1] = -inf, -inf, 0.0, -inf
    for n in range(len(spans)):
        length, at = trie[ends[n]]["depth"], ends[n]
        for place in range(length, -1, -1):
            path[place] = at
            at = trie[at]["parent"]
        before, last, cells, said = 1, -1, 2, 0
        for place in range(length + 1):
            node = trie[path[place]]
            unit, born = node["unit"], node["born"]
            offset = cells - born
            barred = -inf if unit == said else 0.0  # a unit extends only paths in blank where it repeats the last
            for t in range(born, node["seen"] + 1):
                here, there = offset + t, before + (last if t > last else t - 1)
                enter[here] = max(blank[there], spoken[there] + barred)
                blank[here] = max(blank[here - 1], spoken[here - 1]) + log_probs[t, 0]
                spoken[here] = max(spoken[here - 1], enter[here]) + log_probs[t, unit]
            offsets[place], before, last, said = offset, offset, node["seen"] + 1, unit
            blank[offset + last] = spoken[offset + last] = -inf
            cells = offset + last + 1
        t, place = len(log_probs) - 1, length
        here = offsets[place] + t
        quiet = blank[here] > spoken[here]
        while place > 0:
            here = offsets[place] + t
            if quiet:
                quiet = blank[here - 1] > spoken[here - 1]
            else:
                if spans[n, 1, place - 1] == 0:
                    spans[n, 1, place - 1] = t + 1
                if spoken[here - 1] < enter[here]:
                    unit = trie[path[place]]["unit"]
                    place -= 1
                    spans[n, 0, place] = t
                    here = offsets[place] + t - 1
                    quiet = trie[path[place]]["unit"] == unit or blank[here] > spoken[here]
            t -= 1


@inlined
def edit(
    one: Ints, rows: int, other: Ints, columns: int, first: int, low: int, high: int, corner: int, costs: Ints
) -> None:
    """Fill the band of an edit table of one[first:rows] and other[first:columns].

    Row i has the columns from i − low to i + high, and one that is never reached; (i, j) is costs[i · pitch + j +
    corner], where pitch = low + high + 1.
    """
    for i in range(first, rows + 1):
        row = i * (low + high + 1) + corner
        for j in range(max(i - low, first), min(i + high, columns) + 1):
            here = row + j
            if i == first or j == first:
                costs[here] = i + j - 2 * first
            else:
                above = here - low - high - 1
                swap = costs[above - 1] + (one[i - 1] != other[j - 1])
                costs[here] = min(swap, min(costs[above], costs[here - 1]) + 1)
        costs[row + i + high + 1] = FAR


@compiled
def vote(labellings: Ints, lengths: Ints, mass: Reals, costs: Ints, votes: Reals) -> None:
    """Add to each unit of the first labellings the mass of those that agree, aligned with the fewest edits.

    The alignment is banded: indices differ by at most BAND more than the lengths require, so that the time is linear
    in the length.

    Args:
        labellings: (N, L).
        lengths: (N,).
        mass: (N,).
        costs: Workspace for the band of an edit table, (L + 1) · (2 BAND + 2 + the largest difference in length).
        votes: (M, L), zeros, for the first M labellings.
    """
    for chosen in range(len(votes)):
        one, own = labellings[chosen], votes[chosen]
        for g in range(len(mass)):
            other, share = labellings[g], mass[g]
            rows, columns, first = lengths[chosen], lengths[g], 0
            while first < min(rows, columns) and one[first] == other[first]:
                own[first] += share
                first += 1
            while min(rows, columns) > first and one[rows - 1] == other[columns - 1]:
                rows, columns = rows - 1, columns - 1
                own[rows] += share
            low, high = BAND + max(rows - columns, 0), BAND + max(columns - rows, 0)
            pitch, corner = low + high + 1, low - first * (low + high + 2)
            edit(one, rows, other, columns, first, low, high, corner, costs)
            while rows > first and columns > first:
                here = rows * pitch + columns + corner
                differs = one[rows - 1] != other[columns - 1]
                if costs[here] == costs[here - pitch - 1] + differs:
                    rows, columns = rows - 1, columns - 1
                    if not differs:
                        own[rows] += share
                elif costs[here] == costs[here - pitch] + 1:
                    rows -= 1
                else:
                    columns -= 1


@compiled
def follow(following: Ints, score: Reals, final: Reals, labellings: Ints, lengths: Ints, totals: Reals) -> None:
    """Fill `totals` (M,) with the language model's log-probabilities of the first labellings, their ends included.

    Args:
        following: (S, V), the next states.
        score: (S, V).
        final: (S,).
        labellings: (N, L).
        lengths: (N,).
        totals: (M,).
    """
    for n in range(len(totals)):
        state, total = 0, 0.0
        for i in range(lengths[n]):
            unit = labellings[n, i]
            total += score[state, unit]
            state = following[state, unit]
        totals[n] = total + final[state]
