"""Modified Kneser–Ney: n-gram probabilities from counts, smoothed by the number of distinct contexts of a symbol.

Source: S. F. Chen and J. Goodman, "An empirical study of smoothing techniques for language modeling", TR-10-98, Harvard
University 1998, modified Kneser–Ney smoothing, after R. Kneser and H. Ney, "Improved backing-off for m-gram language
modeling", ICASSP 1995. Where the papers leave a choice, we follow K. Heafield et al., "Scalable modified
Kneser–Ney language model estimation", ACL 2013: adjusted counts, and 1-grams interpolated with the uniform
distribution.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from asr.lm.ngrams import Floats, Grams, Keys

NEVER = -99.0  # what ARPA files give `<s>`, which is never predicted, for a log10 probability
FALLBACK = (0.5, 1.0, 1.5)  # KenLM's, for an order whose counts do not define discounts


class Counts(NamedTuple):
    """The n-grams of one order that were seen, in ascending order of their ids; at order 1 all symbols.

    Attributes:
        ids: (N, n).
        keys: (N,) row of the context among the (n−1)-grams × number of symbols + the last id.
        suffixes: (N,) row, among the (n−1)-grams, of the n-gram without its first symbol.
        counts: (N,) how often it was seen.
    """

    ids: Keys
    keys: Keys
    suffixes: Keys
    counts: Keys


def estimate(sentences: Sequence[Sequence[int]], size: int, order: int, start: int) -> list[Grams]:
    """Return the n-grams that were seen with interpolated modified Kneser–Ney probabilities, order by order.

    p(w|h) = (c(hw) − D(c(hw))) / Σ c(h·) + γ(h) p(w|h'), where h' is h without its first symbol, γ(h) redistributes
    what D took from h, and p(w|h') of a 1-gram is 1 / (size − 1): all symbols but the start. Below the highest order,
    and except after the start of a sentence, c is the number of different symbols seen before the n-gram.

    Args:
        sentences: Ids, with the start and the end of the sentence.
        size: Number of symbols; all of them get a probability, seen or not.
        order: n of the longest n-grams.
        start: The id that starts every sentence.
    """
    tables = count(sentences, size, order)
    lower = np.where(np.arange(size) == start, 0.0, 1 / (size - 1))
    rows = 1
    probabilities, weights = [], []
    for table, longer in zip(tables, [*tables[1:], None], strict=True):
        counts = adjusted(table, longer, start)
        taken = discounts(counts)[np.minimum(counts, 3)]
        contexts = table.keys // size
        total = np.bincount(contexts, counts, rows)
        # A context that was never followed by anything backs off with weight 1.
        weight = np.divide(np.bincount(contexts, taken, rows), total, out=np.ones(rows), where=total > 0)
        share = np.divide(counts - taken, total[contexts], out=np.zeros(len(counts)), where=counts > 0)
        lower = share + weight[contexts] * lower[table.suffixes]
        rows = len(counts)
        probabilities.append(lower)
        weights.append(weight)
    probabilities[0][start] = 10**NEVER
    return [
        Grams(table.ids.astype(np.int32), table.keys, np.log10(probability), np.log10(weight))
        for table, probability, weight in zip(tables, probabilities, [*weights[1:], np.ones(rows)], strict=True)
    ]


def count(sentences: Sequence[Sequence[int]], size: int, order: int) -> list[Counts]:
    """Return the n-grams of the sentences, order by order.

    Args:
        sentences: Ids, with the start and the end of the sentence.
        size: Number of symbols.
        order: n of the longest n-grams.
    """
    stream = np.array([id for sentence in sentences for id in sentence], np.int64)
    lengths = np.array([len(sentence) for sentence in sentences])
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(stream))  # ids to the end of the sentence
    rows = stream  # at each position, the row of the n-gram that begins there
    symbols = np.arange(size)
    tables = [Counts(symbols[:, None], symbols, symbols, np.bincount(stream, minlength=size))]
    for n in range(2, order + 1):
        begins = np.flatnonzero(left >= n)
        keys, first, inverse, counts = np.unique(
            rows[begins] * size + stream[begins + n - 1], return_index=True, return_inverse=True, return_counts=True
        )
        seen = begins[first]
        tables.append(Counts(stream[seen[:, None] + np.arange(n)], keys, rows[seen + 1], counts))
        rows = np.full(len(stream), -1)
        rows[begins] = inverse
    return tables


def adjusted(table: Counts, longer: Counts | None, start: int) -> Keys:
    """Return what Kneser–Ney counts (N,): the symbols seen before an n-gram; at the highest order, its occurrences.

    Nothing precedes the start of a sentence, so n-grams that begin there keep their counts, and the start itself,
    which is never predicted, has none.

    Args:
        table: The n-grams of one order.
        longer: Those of the next order; None at the highest.
        start: The id that starts every sentence.
    """
    counts = table.counts
    if longer is not None:
        before = np.bincount(longer.suffixes, minlength=len(counts))
        counts = np.where(table.ids[:, 0] == start, counts, before)
    return np.where(table.ids[:, -1] == start, 0, counts)


def discounts(counts: Keys) -> Floats:
    """Return what is taken from n-grams counted 0, 1, 2 and 3 or more times (4,).

    With n_i the number of n-grams counted i times and Y = n_1 / (n_1 + 2 n_2): D_i = i − (i + 1) Y n_{i+1} / n_i. An
    order where n_1, n_2 or n_3 is 0 or a D_i is not above 0 (few symbols, all frequent; little text) takes `FALLBACK`.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6).astype(np.float64)
    if n[1:4].all():
        i = np.arange(1, 4)
        taken = i - (i + 1) * n[1] / (n[1] + 2 * n[2]) * n[2:5] / n[1:4]
        if (taken > 0).all():
            return np.array([0.0, *taken])
    return np.array([0.0, *FALLBACK])
