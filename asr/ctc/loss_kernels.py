"""CTC's sums over all paths, compiled, without underflow.

A unit of a target is a column: column j is unit j, from 1 to L, and the blank after it; column 0 is the blank before
the first unit. β of a state in a frame is the sum over all completions of the path, that frame's own emission included.
The backward pass gives β of each state, and with it the transition probabilities (*shares*) of the posterior over
paths: to stay, or to move to the next blank or unit. The forward pass with these shares gives the posterior of each
state at once, as a sum of what flows into it.

β of two states may differ by any factor, and the smaller one may be the only one on a possible path; so it is stored as
m · 2^e, m in [1, 2) and e an integer. Shares and posteriors are in [0, 1]; those below TINY are 0, which does not
change the gradient.

The loops are written so that LLVM vectorizes them over columns: no branches, no calls, few arrays in each.
"""

from collections.abc import Callable
from math import factorial, inf, log, nan
from typing import Any, NamedTuple, cast

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from asr.support.jit import compiled, compiled_with, inlined
from asr.units import BLANK

Reals = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
UInts = npt.NDArray[np.uint64]  # unsigned, so that indices need no test for being negative


class Ahead(NamedTuple):
    """β of each column's unit and of the blank after it, (L + 2,) each; the last column is padding.

    Attributes:
        unit: m of the unit's β.
        unit_power: e of it.
        rest: m of the blank's β.
        rest_power: e of it.
    """

    unit: Reals
    unit_power: Reals
    rest: Reals
    rest_power: Reals


class Shares(NamedTuple):
    """Transition probabilities from one frame to the next; row t leads into frame t, (T + 1, L + 2) each.

    Attributes:
        stay: Of a unit's paths, those that stay.
        leave: Those that move to the blank after it.
        skip: Those that move to the next unit without a blank.
        wait: Of a blank's paths, those that stay.
        begin: Those that move to the next unit.
    """

    stay: Reals
    leave: Reals
    skip: Reals
    wait: Reals
    begin: Reals


class Lattice(NamedTuple):
    """The arrays in which an utterance's paths are summed.

    Attributes:
        units: (L + 1,), blank and the target.
        ahead: β.
        factors: (L + 1,), m of a frame's probability of each column's unit.
        powers: (L + 1,), e of it.
        skips: (L + 1,), 0 where a unit may be followed by the next without a blank, else IMPOSSIBLE.
        shares: One row where no gradient is wanted.
        unit: (L + 1,), posteriors of the units.
        rest: (L + 1,), posteriors of the blanks.
        sums: (V,), posteriors of a frame.
    """

    units: UInts
    ahead: Ahead
    factors: Reals
    powers: Reals
    skips: Reals
    shares: Shares
    unit: Reals
    rest: Reals
    sums: Reals

    @classmethod
    def of(cls, frames: int, columns: int, units: int, *, gradient: bool) -> "Lattice":
        """Return arrays for utterances of at most this many frames and columns, over V units."""
        rows = frames + 1 if gradient else 1
        return cls(
            units=np.empty(columns, np.uint64),
            ahead=Ahead(*(np.empty(columns + 1) for _ in range(4))),
            factors=np.empty(columns),
            powers=np.empty(columns),
            skips=np.empty(columns),
            shares=Shares(*(np.empty((rows, columns + 1)) for _ in range(5))),
            unit=np.empty(columns),
            rest=np.empty(columns),
            sums=np.empty(units),
        )


LOWEST = -1e10  # a log-prob; anything below is probability 0
HIGHEST = 1e10  # anything above, or NaN, is invalid
IMPOSSIBLE = -1e15  # the power of 2 that represents 0; far below the sum of 10,000 frames of LOWEST
EXPONENT = -500.0  # a share of 2^EXPONENT is the smallest that is kept
TINY = 2.0**EXPONENT
GONE = -1023.0  # the exponent field of 2^GONE is empty: 0

# Adding ROUND to a number, |x| < 2^51, rounds it to an integer, which is then in its lowest bits.
ROUND = 1.5 * 2.0**52
BIAS = 1023.0
FIELD = np.uint64(52)  # where the exponent begins
FRACTION = np.uint64((1 << 52) - 1)
ONE = np.uint64(0x3FF << 52)
WHOLE = np.uint64(0x433 << 52)  # 2^52, whose lowest bits contain an integer
WHOLE_BIAS = 2.0**52 + BIAS

LOG2_E = 1 / log(2.0)
LN2 = log(2.0)
LN2_HIGH = float(np.float32(0.693145751953125))  # ends in zeros, so that its product with an integer is exact
LN2_LOW = 1.42860682030941723212e-6
TAYLOR = tuple(1.0 / factorial(n) for n in range(13))  # to 2e-16 for |x| ≤ ln 2 / 2

contracted = compiled_with("contract", noalias=True)
reordered = compiled_with("contract", "reassoc", noalias=True)


@intrinsic
def _bits(_context: Any, _real: Any) -> Any:  # noqa: ANN401
    return types.uint64(types.float64), lambda _c, build, _s, values: build.bitcast(values[0], ir.IntType(64))


@intrinsic
def _real(_context: Any, _bits: Any) -> Any:  # noqa: ANN401
    return types.float64(types.uint64), lambda _c, build, _s, values: build.bitcast(values[0], ir.DoubleType())


bits = cast(Callable[[float], np.uint64], _bits)  # the 64 bits of a float64
real = cast(Callable[[np.uint64], float], _real)  # the float64 of these 64 bits


@inlined
def power(exponent: float) -> float:
    """Return 2^exponent, exponent an integer and at most 0, or 0 where that is below TINY."""
    exponent = exponent if exponent > EXPONENT else GONE
    return real(bits(exponent + (ROUND + BIAS)) << FIELD)


@inlined
def mantissa(value: float) -> float:
    """Return m of a positive value m · 2^e."""
    return real((bits(value) & FRACTION) | ONE)


@inlined
def exponent(value: float) -> float:
    """Return e of a positive value m · 2^e."""
    return real((bits(value) >> FIELD) | WHOLE) - WHOLE_BIAS


@contracted
def emit(log_probs: Floats, units: UInts, factors: Reals, powers: Reals) -> None:
    """Put a frame's probability (V,) of each column's unit into `factors` and `powers`, (L + 1,)."""
    for j in range(len(units)):
        factors[j] = log_probs[units[j]]
    for j in range(len(units)):
        x = factors[j]
        x = x if x > LOWEST else IMPOSSIBLE
        whole = (x * LOG2_E + ROUND) - ROUND
        r = (x - whole * LN2_HIGH) - whole * LN2_LOW
        y = TAYLOR[12] * r + TAYLOR[11]
        y = (((y * r + TAYLOR[10]) * r + TAYLOR[9]) * r + TAYLOR[8]) * r + TAYLOR[7]
        y = (((y * r + TAYLOR[6]) * r + TAYLOR[5]) * r + TAYLOR[4]) * r + TAYLOR[3]
        factors[j] = ((y * r + TAYLOR[2]) * r + 1.0) * r + 1.0
        powers[j] = whole


@contracted
def back(ahead: Ahead, factors: Reals, powers: Reals, skips: Reals, shares: Shares, t: int) -> None:
    """Take β from one frame to the previous one, in place, and write row t of the shares, the transitions between them.

    Args:
        ahead: β in the later frame.
        factors: (L + 1,), m of the earlier frame's emissions.
        powers: (L + 1,), e of them.
        skips: (L + 1,).
        shares: To be written.
        t: The row.
    """
    unit, unit_power, rest, rest_power = ahead
    stay, leave, skip, wait, begin = shares.stay[t], shares.leave[t], shares.skip[t], shares.wait[t], shares.begin[t]
    blank, blank_power = factors[0], powers[0]
    for j in range(len(skips)):
        staying, resting = unit_power[j], rest_power[j]
        moving = unit_power[j + 1]
        skipping = moving + skips[j]
        # From a blank: stay, or begin the next unit.
        most = resting if resting > moving else moving
        waits, begins = rest[j] * power(resting - most), unit[j + 1] * power(moving - most)
        after = waits + begins
        # From a unit: stay, move to the blank, or skip it.
        top = staying if staying > resting else resting
        top = top if top > skipping else skipping
        stays, leaves = unit[j] * power(staying - top), rest[j] * power(resting - top)
        jumps = unit[j + 1] * power(skipping - top)
        further = stays + leaves + jumps
        # One division for both sums, which are in [1, 6).
        inverse = 1.0 / (after * further)
        of_blank, of_unit = further * inverse, after * inverse
        wait[j], begin[j] = waits * of_blank, begins * of_blank
        stay[j], leave[j], skip[j] = stays * of_unit, leaves * of_unit, jumps * of_unit
        after *= blank
        further *= factors[j]
        unit[j], unit_power[j] = mantissa(further), top + powers[j] + exponent(further)
        rest[j], rest_power[j] = mantissa(after), most + blank_power + exponent(after)


@contracted
def onward(unit: Reals, rest: Reals, shares: Shares, t: int) -> None:
    """Take the posteriors of all units and blanks, (L + 1,) each, into frame t, in place."""
    stay, leave, skip, wait, begin = shares.stay[t], shares.leave[t], shares.skip[t], shares.wait[t], shares.begin[t]
    for j in range(len(unit) - 1, 0, -1):
        comes = unit[j] * stay[j] + rest[j - 1] * begin[j - 1] + unit[j - 1] * skip[j - 1]
        rests = rest[j] * wait[j] + unit[j] * leave[j]
        unit[j] = comes if comes > TINY else 0.0
        rest[j] = rests if rests > TINY else 0.0
    first = rest[0] * wait[0]
    rest[0] = first if first > TINY else 0.0


@reordered
def credit(unit: Reals, rest: Reals, units: UInts, sums: Reals, gradient: Floats) -> None:
    """Put −posterior of each unit in a frame into `gradient` (V,)."""
    for v in range(len(sums)):
        sums[v] = 0.0
    total = 0.0
    for j in range(len(rest)):
        total += rest[j]
    sums[BLANK] = total
    for j in range(1, len(unit)):
        sums[units[j]] += unit[j]
    for v in range(len(sums)):
        gradient[v] = -sums[v]


@compiled
def is_valid(log_probs: Floats) -> bool:
    """Return whether a frame's log-probs (V,) are finite or −inf."""
    count = 0
    for v in range(len(log_probs)):
        count += log_probs[v] < HIGHEST
    return count == len(log_probs)


@inlined
def backward(log_probs: Floats, columns: int, lattice: Lattice, keep: bool) -> float:
    """Return −log p(target | input) in nats; inf where no path is possible, NaN where a log-prob is NaN or +inf.

    Args:
        log_probs: (T, V).
        columns: L + 1.
        lattice: With the units in it; the shares are written.
        keep: Whether the shares of all frames are.
    """
    ahead, units, skips = lattice.ahead, lattice.units[:columns], lattice.skips[:columns]
    for j in range(columns + 1):
        ahead.unit[j] = ahead.rest[j] = 1.0
        ahead.unit_power[j] = ahead.rest_power[j] = IMPOSSIBLE
    ahead.rest_power[columns - 1] = 0.0  # after the last frame, every path has come to the last blank
    for j in range(columns):
        skips[j] = IMPOSSIBLE if j + 1 < columns and units[j] == units[j + 1] else 0.0
    for t in range(len(log_probs) - 1, -2, -1):
        if t >= 0 and not is_valid(log_probs[t]):
            return nan
        if t >= 0:
            emit(log_probs[t], units, lattice.factors, lattice.powers)
        else:  # before the first frame, every path is in the first blank
            for j in range(columns):
                lattice.factors[j], lattice.powers[j] = 1.0, 0.0
        back(ahead, lattice.factors, lattice.powers, skips, lattice.shares, t + 1 if keep else 0)
    whole = ahead.rest_power[0]
    return -log(ahead.rest[0]) - whole * LN2 if whole > 0.5 * IMPOSSIBLE else inf


@inlined
def forward(columns: int, lattice: Lattice, gradient: Floats) -> None:
    """Put −posterior of each unit in each frame into `gradient` (T, V), from the shares that `backward` wrote."""
    unit, rest, units = lattice.unit[:columns], lattice.rest[:columns], lattice.units[:columns]
    for j in range(columns):
        unit[j], rest[j] = 0.0, 1.0 if j == 0 else 0.0
    for t in range(len(gradient)):
        onward(unit, rest, lattice.shares, t)
        credit(unit, rest, units, lattice.sums, gradient[t])


@inlined
def fill(gradient: Floats, value: float) -> None:
    """Put one value everywhere into a gradient (T, V)."""
    for t in range(gradient.shape[0]):
        for v in range(gradient.shape[1]):
            gradient[t, v] = value


@compiled
def run(
    lattice: Lattice,
    keep: bool,
    log_probs: Floats,
    lengths: Ints,
    targets: Ints,
    target_lengths: Ints,
    losses: Reals,
    gradients: Floats,
) -> None:
    """Write a batch's losses (B,) and, where `keep` says so, their gradients (B, T, V).

    A gradient is NaN where the loss is infinite or NaN, and 0 beyond a length.

    Args:
        lattice: For the longest of them.
        keep: Whether gradients are wanted.
        log_probs: (B, T, V).
        lengths: (B,), each enough for its target.
        targets: (B, L).
        target_lengths: (B,).
        losses: To be written.
        gradients: To be written.
    """
    lattice.units[0] = BLANK
    for b in range(len(lengths)):
        frames, columns = lengths[b], target_lengths[b] + 1
        for j in range(1, columns):
            lattice.units[j] = targets[b, j - 1]
        losses[b] = backward(log_probs[b, :frames], columns, lattice, keep)
        if keep:
            if losses[b] < inf:
                forward(columns, lattice, gradients[b, :frames])
            else:
                fill(gradients[b, :frames], nan)
            fill(gradients[b, frames:], 0.0)
