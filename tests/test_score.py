from functools import cache

import numpy as np
import pytest

from asr import score
from asr.errors import InputError
from asr.score import ErrorCount, align


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
    aligned = score.align_all({"a": ["x"], "b": ["x"] * 9}, {"a": ["y"], "b": ["x"] * 9})
    assert score.total(aligned).rate == 0.1


def test_a_missing_hypothesis_is_deletions_and_an_extra_one_an_error():
    assert score.total(score.align_all({"a": ["x", "y"]}, {})) == ErrorCount(0, 0, 2, 0)
    with pytest.raises(InputError, match=r"b: has a hypothesis and no reference \(1 such\)"):
        score.align_all({"a": ["x"]}, {"b": ["x"]})
    with pytest.raises(InputError, match="no reference to score against"):
        score.align_all({}, {})


def test_an_alignment_is_drawn_in_columns():
    aligned = align("sh iy hh ae".split(), "sh hh ae d".split())
    assert str(aligned).splitlines() == ["sh iy hh ae *", "sh *  hh ae d"]


def test_the_interval_covers_the_truth_about_19_times_in_20():
    """160 simulated test sets of 40 speakers whose true rates scatter around 20 %."""
    generator = np.random.default_rng(5)
    covered = 0
    for _ in range(160):
        aligned, speakers = {}, {}
        for speaker, rate in enumerate(generator.beta(20, 80, 40)):
            wrong = generator.binomial(100, rate)
            pairs = [("x", "y")] * wrong + [("x", "x")] * (100 - wrong)
            aligned[str(speaker)] = score.Alignment(tuple(pairs))
            speakers[str(speaker)] = str(speaker)
        low, high = score.interval(aligned, speakers, generator)
        covered += low <= 0.2 <= high
    assert 0.90 <= covered / 160 <= 0.99


def test_one_speaker_gives_an_interval_of_no_width():
    aligned = {"a": align(["x"], ["y"]), "b": align(["x"], ["x"])}
    assert score.interval(aligned, {"a": "s", "b": "s"}, np.random.default_rng(0)) == (0.5, 0.5)
