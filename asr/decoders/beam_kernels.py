"""The inner loops of the prefix beam search, compiled by Numba at the first call and kept on disk.

Prefixes are nodes of a trie: one node for each labelling, for as long as the utterance lasts. A prefix that leaves
the beam and returns gets its old node, so two live prefixes are never the same labelling. Within one frame two
candidates are the same labelling only where a live prefix is another live prefix plus one unit; so each live prefix
looks at its parent, and nothing is hashed.

The style is what Numba compiles quickly: few arrays with named columns, all allocated by the caller.
"""

from math import exp, inf, log1p

import numpy as np
import numpy.typing as npt

from asr.support.jit import compiled, inlined

Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.uint32]  # rows and columns: unsigned, so that no index needs a test for being negative
Reals = npt.NDArray[np.float64]
Longs = npt.NDArray[np.int64]
Offer = tuple[int, float, float]

# Columns of the trie: parent node, last unit, number of units, newest child, next child of the same parent, first and
# last frame in which the prefix was live, and its row in the beam then.
PARENT, UNIT, DEPTH, CHILD, SIBLING, BORN, SEEN, ROW = range(8)

# Columns of the beam, oldest prefix first: node, last unit (0: none), language model state; and the log-probabilities
# of the paths that end in blank, that end in the last unit, of both, and what else counts: α · language + β · length.
NODE, LAST, STATE = range(3)
BLANK, SPOKEN, TOTAL, EXTRA = range(4)

# Columns of the candidates: a row of the beam, and the unit to add to it (0: none).
FROM, ADD = range(2)

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


@compiled
def select(scores: Reals, found: Places, n: int, width: int) -> float:
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
            scores[kept], found[kept, FROM], found[kept, ADD] = score, found[i, FROM], found[i, ADD]
            kept += 1
    return edge


@inlined
def entering(beam: Places, real: Reals, j: int, unit: int) -> float:
    """Return the log-probability of row j's paths that a unit can extend: those in blank if it repeats the last."""
    able: float = real[j, BLANK] if beam[j, LAST] == unit else real[j, TOTAL]
    return able


@inlined
def stay(beam: Places, real: Reals, n: int, frame: Reals, t: int, trie: Ints, taken: Ints, stays: Reals) -> None:
    """Let every live prefix stay as it is for one more frame.

    A prefix whose parent is live too gains the parent's paths that this frame extends by the prefix's own last unit;
    `taken` records that the parent need not propose it as a new prefix.

    Source: A. Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional
    recurrent DNNs", arXiv 1408.2873, 2014, algorithm 1.
    """
    for i in range(n):
        unit = beam[i, LAST]
        blank = real[i, TOTAL] + frame[0]
        spoken = real[i, SPOKEN] + frame[unit]
        parent = trie[beam[i, NODE], PARENT]
        if parent >= 0 and trie[parent, SEEN] == t - 1:
            j = trie[parent, ROW]
            taken[j, unit] = t
            spoken = log_add(spoken, entering(beam, real, j, unit) + frame[unit])
        stays[i, BLANK] = blank
        stays[i, SPOKEN] = spoken
        stays[i, TOTAL] = log_add(blank, spoken)


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
def child(trie: Ints, size: int, parent: int, unit: int, t: int) -> int:
    """Return the node of a parent plus a unit, which is `size` where it is new."""
    node: int = trie[parent, CHILD]
    while node >= 0 and trie[node, UNIT] != unit:
        node = trie[node, SIBLING]
    if node < 0:
        node = size
        trie[node, PARENT], trie[node, UNIT] = parent, unit
        trie[node, CHILD], trie[node, BORN] = -1, t
        trie[node, DEPTH] = trie[parent, DEPTH] + 1
        trie[node, SIBLING], trie[parent, CHILD] = trie[parent, CHILD], node
    return node


@inlined
def offer(real: Reals, n: int, width: int, stays: Reals, starts: Reals, scores: Reals, found: Places) -> Offer:
    """Make the prefixes that stay the first candidates.

    Returns:
        Their number; the best score to extend; the score that a candidate must exceed: a full beam of staying
        prefixes already gives a bound.
    """
    m, start, gate = 0 * n, -inf, inf
    for i in range(n):
        starts[i] = real[i, TOTAL] + real[i, EXTRA]
        if starts[i] > start:
            start = starts[i]
        score = stays[i, TOTAL] + real[i, EXTRA]
        if score > -inf:
            scores[m], found[m, FROM], found[m, ADD] = score, i, 0
            m += 1
            if score < gate:
                gate = score
    if m < width:
        gate = -inf
    return m, start, gate


@inlined
def settle(
    beam: Places, real: Reals, stays: Reals, found: Places, m: int, frame: Reals, t: int, following: Ints, gain: Reals,
    trie: Ints, size: int, beam_after: Places, real_after: Reals,
) -> int:  # fmt: skip
    """Make m candidates the next frame's live prefixes; return the number of nodes."""
    for i in range(m):
        j, unit = found[i, FROM], found[i, ADD]
        node, state = beam[j, NODE], beam[j, STATE]
        if unit == 0:
            beam_after[i, LAST], beam_after[i, STATE] = beam[j, LAST], state
            for column in range(EXTRA):
                real_after[i, column] = stays[j, column]
            real_after[i, EXTRA] = real[j, EXTRA]
        else:
            node = child(trie, size, node, unit, t)
            size += node == size
            beam_after[i, LAST], beam_after[i, STATE] = unit, following[state, unit]
            total = entering(beam, real, j, unit) + frame[unit]
            real_after[i, BLANK], real_after[i, SPOKEN] = -inf, total
            real_after[i, TOTAL], real_after[i, EXTRA] = total, real[j, EXTRA] + gain[state, unit]
        beam_after[i, NODE] = node
        trie[node, SEEN], trie[node, ROW] = t, i
    return size


@compiled
def search(
    log_probs: Reals, floors: Reals, following: Ints, gain: Reals, reach: Reals, beams: Places, reals: Reals,
    stays: Reals, starts: Reals, scores: Reals, found: Places, taken: Ints, units: Places, bounds: Reals, trie: Ints,
    t: int, n: int, size: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Search from frame t on, until the end, a frame that leaves no prefix, or the trie may be full.

    Args:
        log_probs: (T, V).
        floors: (T,); units below it begin no new prefix.
        following: (S, V), the language model's next states.
        gain: (S, V), α · its scores + β.
        reach: (V,), the largest gain of each unit in any state.
        beams: (2, K, 3), the live prefixes before frame t in side t & 1; the other side is for the next frame's.
        reals: (2, K, 4), likewise.
        stays: (K, 3), workspace for one frame, as are the next six.
        starts: (K,).
        scores: (C,); C = 2 K is quickest, and C > K.
        found: (C, 2).
        taken: (K, V), all less than t.
        units: (V,).
        bounds: (V,).
        trie: (nodes, 8).
        t: The frame to begin with.
        n: The number of live prefixes.
        size: The number of nodes.

    Returns:
        t, n and size when it ended.
    """
    width, capacity = len(stays), len(scores)
    while n > 0 and t < len(log_probs) and size + width <= len(trie):
        frame, beam, real = log_probs[t], beams[t & 1], reals[t & 1]
        stay(beam, real, n, frame, t, trie, taken, stays)
        m, start, gate = offer(real, n, width, stays, starts, scores, found)
        for x in range(nearby(frame, reach, floors[t], start, gate, units, bounds)):
            unit, bound = units[x], bounds[x]
            if start + bound <= gate:
                break
            for j in range(n):
                if starts[j] + bound > gate and taken[j, unit] != t:
                    score = entering(beam, real, j, unit) + real[j, EXTRA] + frame[unit] + gain[beam[j, STATE], unit]
                    if score > gate:
                        scores[m], found[m, FROM], found[m, ADD] = score, j, unit
                        m += 1
                    if m == capacity:
                        gate = select(scores, found, m, width)
                        m = width
        if m > width:
            select(scores, found, m, width)
            m = width
        size = settle(
            beam, real, stays, found, m, frame, t, following, gain, trie, size, beams[(t + 1) & 1], reals[(t + 1) & 1]
        )
        t, n = t + 1, m
    return t, n, size


@compiled
def climb(trie: Ints, nodes: Ints, paths: Ints) -> None:
    """Fill the rows of `paths` (N, L + 1) with the nodes from the empty prefix to each of `nodes`."""
    for i in range(len(nodes)):
        node = nodes[i]
        while node >= 0:
            paths[i, trie[node, DEPTH]] = node
            node = trie[node, PARENT]


@inlined
def leave(path: Ints, offsets: Longs, blank: Reals, spoken: Reals, place: int, t: int, unit: int) -> float:
    """Return the log-probability of a prefix's best path up to frame t that a unit can extend."""
    cell = offsets[place] + t
    able: float = blank[cell] if path[place, UNIT] == unit or blank[cell] > spoken[cell] else spoken[cell]
    return able


@compiled
def align(log_probs: Reals, path: Ints, offsets: Longs, blank: Reals, spoken: Reals, spans: Longs) -> None:
    """Find the best single path of a labelling, each of its prefixes within the frames in which it was live.

    Args:
        log_probs: (T, V).
        path: (L + 1, 8), the trie's rows of the labelling's prefixes, the empty one first.
        offsets: (L + 1,), where in `blank` and `spoken` the cells of a prefix are: that of frame t at offset + t.
        blank: Workspace for the best paths that end in blank; for the empty prefix there is a cell before frame 0.
        spoken: Workspace for those that end in the prefix's last unit.
        spans: (L, 2), zeros; receives each unit's first frame and the one after its last.
    """
    blank[0], spoken[0] = 0.0, -inf
    enter = -inf
    for place in range(len(path)):
        born, unit = path[place, BORN], path[place, UNIT]
        for t in range(born + (place == 0), path[place, SEEN] + 1):
            here = offsets[place] + t
            b, s, enter = -inf, -inf, -inf
            if t > born:
                b, s = blank[here - 1], spoken[here - 1]
            if place > 0 and t <= path[place - 1, SEEN] + 1:
                enter = leave(path, offsets, blank, spoken, place - 1, t - 1, unit)
            blank[here] = (b if b > s else s) + log_probs[t, 0]
            spoken[here] = (s if s > enter else enter) + log_probs[t, unit]
    place, t = len(path) - 1, len(log_probs) - 1
    quiet = blank[offsets[place] + t] > spoken[offsets[place] + t]
    while place > 0:
        before, unit = offsets[place] + t - 1, path[place, UNIT]
        lasting = t > path[place, BORN]
        if quiet and lasting:
            quiet = blank[before] > spoken[before]
        else:
            if spans[place - 1, 1] == 0:
                spans[place - 1, 1] = t + 1
            enter = -inf
            if t <= path[place - 1, SEEN] + 1:
                enter = leave(path, offsets, blank, spoken, place - 1, t - 1, unit)
            if not lasting or spoken[before] < enter:
                place -= 1
                spans[place, 0] = t
                cell = offsets[place] + t - 1
                quiet = path[place, UNIT] == unit or blank[cell] > spoken[cell]
        t -= 1


@inlined
def edit(one: Ints, rows: int, other: Ints, columns: int, first: int, low: int, pitch: int, costs: Ints) -> None:
    """Fill the band of an edit table whose cell (i, j) is costs[i * pitch + j - i + low]; the last column is a wall."""
    for i in range(rows + 1):
        for k in range(pitch):
            here, j = i * pitch + k, i + k - low
            if k == pitch - 1 or j < 0 or j > columns:
                costs[here] = FAR
            elif i == 0 or j == 0:
                costs[here] = i + j
            else:
                least = costs[here - pitch] + (one[first + i - 1] != other[first + j - 1])
                least = costs[here - 1] + 1 if costs[here - 1] < least else least
                costs[here] = costs[here - pitch + 1] + 1 if costs[here - pitch + 1] < least else least


@inlined
def agree(one: Ints, rows: int, other: Ints, columns: int, first: int, mass: float, costs: Ints, votes: Reals) -> None:
    """Vote for the units of one[first:first + rows] that meet their equal in other[first:first + columns]."""
    longer = rows - columns
    low = BAND + (longer if longer > 0 else 0)
    pitch = low + BAND + (-longer if longer < 0 else 0) + 2
    edit(one, rows, other, columns, first, low, pitch, costs)
    while rows > 0 and columns > 0:
        here = rows * pitch + columns - rows + low
        differs = one[first + rows - 1] != other[first + columns - 1]
        if costs[here] == costs[here - pitch] + differs:
            rows, columns = rows - 1, columns - 1
            if not differs:
                votes[first + rows] += mass
        elif costs[here] == costs[here - pitch + 1] + 1:
            rows -= 1
        else:
            columns -= 1


@compiled
def vote(labellings: Ints, lengths: Ints, mass: Reals, chosen: int, costs: Ints, votes: Reals) -> None:
    """Add to each unit of a labelling the mass of those that agree, aligned with the fewest edits.

    The alignment is banded: indices differ by at most BAND more than the lengths require, so that the time is linear
    in the length.

    Args:
        labellings: (N, L).
        lengths: (N,).
        mass: (N,).
        chosen: The labelling that is voted on.
        costs: Workspace for the band of an edit table, (L + 1) · (2 BAND + 2 + the largest difference in length).
        votes: (L,), zeros; L of the chosen.
    """
    one, rows = labellings[chosen], lengths[chosen]
    for g in range(len(mass)):
        other, columns = labellings[g], lengths[g]
        shorter = rows if rows < columns else columns
        first, tail = 0, 0
        while first < shorter and one[first] == other[first]:
            votes[first] += mass[g]
            first += 1
        while tail < shorter - first and one[rows - 1 - tail] == other[columns - 1 - tail]:
            votes[rows - 1 - tail] += mass[g]
            tail += 1
        height, breadth = rows - tail - first, columns - tail - first
        if height > 0 and breadth > 0:
            agree(one, height, other, breadth, first, mass[g], costs, votes)
