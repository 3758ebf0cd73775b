import tracemalloc
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from asr.errors import InputError
from asr.scoring import alignment
from asr.scoring.alignment import ErrorCount, align


def distance(reference, hypothesis):
    """Levenshtein's recursion as it stands in the textbook: the witness."""

    @cache
    def cost(i, j):
        if not i or not j:
            return i + j
        same = reference[i - 1] == hypothesis[j - 1]
        return min(cost(i - 1, j) + 1, cost(i, j - 1) + 1, cost(i - 1, j - 1) + (not same))

    return cost(len(reference), len(hypothesis))


def test_errors_agree_with_the_textbook_recursion():
    generator = np.random.default_rng(3)
    for _ in range(200):
        reference, hypothesis = (tuple(generator.choice(["n", "g", "ng", " "], generator.integers(0, 9))) for _ in "ab")
        count = align(reference, hypothesis).count
        assert count.errors == distance(reference, hypothesis)
        assert count.total == len(reference)
        assert count.hits + count.substitutions + count.insertions == len(hypothesis)


def test_an_alignment_holds_both_sequences_in_order():
    pairs = align("k ae t s".split(), "k ah t".split()).pairs
    assert [r for r, _ in pairs if r] == ["k", "ae", "t", "s"]
    assert [h for _, h in pairs if h] == ["k", "ah", "t"]


def test_symbols_of_two_letters_are_one_symbol():
    assert align(["ng"], ["n", "g"]).count == ErrorCount(0, 1, 0, 1)


def test_spaces_are_symbols_among_characters():
    assert align(list("a b"), list("ab")).count == ErrorCount(2, 0, 1, 0)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "count", "rate"),
    [
        ([], [], ErrorCount(), 0.0),
        (["a"], [], ErrorCount(0, 0, 1, 0), 1.0),
        ([], ["a"], ErrorCount(0, 0, 0, 1), float("inf")),
    ],
)
def test_empty_sides_are_handled(reference, hypothesis, count, rate):
    assert align(reference, hypothesis).count == count
    assert count.rate == rate


def test_a_count_reads_as_the_field_writes_it():
    count = ErrorCount(hits=5385, substitutions=1210, deletions=620, insertions=220)
    assert str(count) == "28.41 % [2050 / 7215: 1210 sub, 620 del, 220 ins]"


def test_the_rate_is_over_the_corpus_and_no_mean_of_rates():
    aligned = alignment.align_all({"a": ["x"], "b": ["x"] * 9}, {"a": ["y"], "b": ["x"] * 9})
    assert alignment.total(aligned).rate == 0.1


def test_a_missing_hypothesis_is_deletions_and_an_extra_one_an_error():
    assert alignment.total(alignment.align_all({"a": ["x", "y"]}, {})) == ErrorCount(0, 0, 2, 0)
    with pytest.raises(InputError, match=r"b: has a hypothesis but no reference \(1 such\)"):
        alignment.align_all({"a": ["x"]}, {"b": ["x"]})
    with pytest.raises(InputError, match="no references: nothing to score against"):
        alignment.align_all({}, {})


def test_an_alignment_is_drawn_in_columns():
    aligned = align("sh iy hh ae".split(), "sh hh ae d".split())
    assert str(aligned).splitlines() == ["sh iy hh ae *", "sh *  hh ae d"]
    assert align("a\u2028b", "ab").rows() == ("a \u2028 b", "a * b")


def cheapest_without(reference, hypothesis, free):
    """The smallest distance over every choice of free symbols to leave out of the reference: the witness."""
    places = [i for i, symbol in enumerate(reference) if symbol in free]
    left_out = (set(some) for size in range(len(places) + 1) for some in combinations(places, size))
    return min(distance(tuple(s for i, s in enumerate(reference) if i not in out), hypothesis) for out in left_out)


def test_free_deletions_give_the_cheapest_of_all_choices_of_what_to_leave_out():
    generator = np.random.default_rng(4)
    cheaper = 0
    for _ in range(300):
        reference, hypothesis = (
            tuple(generator.choice(["sil", "a", "b", "c"], generator.integers(0, 9), p=[0.4, 0.2, 0.2, 0.2]))
            for _ in "ab"
        )
        aligned = align(reference, hypothesis, frozenset({"sil"}))
        assert aligned.count.errors == cheapest_without(reference, hypothesis, {"sil"})
        assert aligned.count.total == len(reference)
        assert tuple(r for r, _ in aligned.pairs if r) == reference
        assert tuple(h for _, h in aligned.pairs if h) == hypothesis
        fixed = align(reference, hypothesis).pairs  # forgiving after the fact is not the same
        forgiven = sum(r != h and not (r == "sil" and h is None) for r, h in fixed)
        assert aligned.count.errors <= forgiven
        cheaper += aligned.count.errors < forgiven
    assert cheaper > 10


def test_a_free_symbol_that_is_missed_is_a_hit_and_one_too_many_an_insertion():
    free = frozenset({"sil"})
    assert align("sil a sil b".split(), ["a", "b"], free).count == ErrorCount(4, 0, 0, 0)
    assert align(["a", "b"], "a sil b".split(), free).count == ErrorCount(2, 0, 0, 1)
    assert align("a sil b".split(), "a c b".split(), free).count == ErrorCount(2, 1, 0, 0)
    assert align(["sil"], [], free).count.rate == 0.0


def test_counts_are_gathered_by_speaker_and_by_utterance_where_one_speaker_is_unknown():
    aligned = {"a": align(["x"], ["y"]), "b": align(["x"], ["x"]), "c": align(["x"], [])}
    counts = alignment.by_speaker(aligned, {"a": "s", "b": "s", "c": "t"})
    assert counts == {"s": ErrorCount(1, 1, 0, 0), "t": ErrorCount(0, 0, 1, 0)}
    for speakers in ({"a": "s", "b": "s", "c": ""}, {"a": "s", "b": "s"}, {}):
        assert set(alignment.by_speaker(aligned, speakers)) == {"a", "b", "c"}


def test_the_interval_is_that_of_the_speakers_sums():
    from asr.scoring import bootstrap

    generator = np.random.default_rng(2)
    wrong = generator.integers(1, 9, 10)
    aligned = {f"{i}": align(["x"] * 20, ["y"] * n + ["x"] * (20 - n)) for i, n in enumerate(wrong)}
    speakers = {id: id for id in aligned}
    expected = bootstrap.interval(wrong, np.full(10, 20), np.random.default_rng(1))
    assert alignment.interval(aligned, speakers, np.random.default_rng(1)) == expected
    assert alignment.interval(aligned, dict.fromkeys(aligned, "one"), np.random.default_rng(1)) is None


def test_a_long_utterance_is_aligned_in_little_memory():
    """5000 symbols: the whole table would take 200 MB."""
    generator = np.random.default_rng(5)
    reference = generator.choice(["sil", "a", "b", "c"], 5000).tolist()
    hypothesis = [s for s in reference if s != "sil"]
    tracemalloc.start()
    aligned = align(reference, hypothesis, frozenset({"sil"}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert aligned.count.errors == 0 and aligned.reference == tuple(reference) and peak < 3e7
