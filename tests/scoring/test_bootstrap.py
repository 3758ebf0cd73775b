import numpy as np
import pytest
from scipy import stats

from asr.scoring import bootstrap


def test_set(speakers, generator, rate=0.2, scatter=0.3):
    """Errors and symbols of speakers whose true rates scatter around `rate`."""
    share = rate * (1 - rate) / (scatter * rate) ** 2 - 1
    sizes = generator.integers(250, 350, speakers)
    return generator.binomial(sizes, generator.beta(rate * share, (1 - rate) * share, speakers)), sizes


test_set.__test__ = False


@pytest.mark.parametrize("speakers", [4, 12])
def test_the_interval_covers_the_truth_about_19_times_in_20(speakers):
    """On the same 200 simulated sets the percentile interval misses far more often. The large study is a script."""
    generator, other = np.random.default_rng(5), np.random.default_rng(5)
    missed = np.zeros(2)
    for _ in range(200):
        errors, sizes = test_set(speakers, generator)
        drawn = other.integers(0, speakers, (2000, speakers))
        percentiles = np.quantile(errors[drawn].sum(1) / sizes[drawn].sum(1), [0.025, 0.975])
        ends = bootstrap.interval(errors, sizes, generator), percentiles
        missed += [not low <= 0.2 <= high for low, high in ends]
    assert 0.01 <= missed[0] / 200 <= 0.08 and missed[0] < 0.75 * missed[1]


def test_the_test_of_a_difference_errs_about_once_in_20():
    generator = np.random.default_rng(6)
    wrong = sum(
        bootstrap.difference(generator.normal(0, 3, 12), generator.integers(250, 350, 12), generator)[1] < 0.05
        for _ in range(200)
    )
    assert 3 <= wrong <= 19


def test_the_standard_error_is_the_textbooks():
    """Against the variance formula written out; below 8 speakers the interval is Student's, in closed form."""
    errors, sizes = np.array([10, 30, 22, 41]), np.array([100, 120, 90, 130])
    rate = errors.sum() / sizes.sum()
    variance = sum((e - rate * n) ** 2 for e, n in zip(errors, sizes, strict=True)) / 3 / 4 / sizes.mean() ** 2
    reach = stats.t.ppf(0.975, 3) * np.sqrt(variance)
    generator = np.random.default_rng(0)
    (low, high), p = bootstrap.difference(errors, sizes, generator)
    assert (low, high) == pytest.approx((rate - reach, rate + reach))
    assert p == pytest.approx(2 * stats.t.sf(rate / np.sqrt(variance), 3))
    low, high = bootstrap.interval(errors, sizes, generator)
    assert (np.log(low), np.log(high)) == pytest.approx((np.log(rate) - reach / rate, np.log(rate) + reach / rate))


def test_the_resampled_interval_is_nearly_students_where_there_are_many_speakers():
    errors, sizes = test_set(168, np.random.default_rng(1))
    low, high = bootstrap.interval(errors, sizes, np.random.default_rng(2))
    rate = errors.sum() / sizes.sum()
    error = np.sqrt(((errors - rate * sizes) ** 2).sum() * 168 / 167) / sizes.sum()
    assert np.log(high / low) == pytest.approx(2 * stats.t.ppf(0.975, 167) * error / rate, rel=0.05)


def test_p_agrees_with_the_interval():
    generator = np.random.default_rng(3)
    for _ in range(20):
        values, sizes = generator.normal(2, 4, 12), generator.integers(250, 350, 12)
        (low, high), p = bootstrap.difference(values, sizes, generator)
        assert (p < 0.05) == (low > 0 or high < 0)
        assert 0 < p <= 1


@pytest.mark.parametrize(
    "errors",
    [[5], [0, 0, 0], [0] * 12, [3] * 12, [0] * 11 + [7], []],
    ids=["one speaker", "no error", "none among many", "all alike", "one who errs", "nobody"],
)
def test_there_is_no_interval_where_nothing_tells_its_width(errors):
    assert bootstrap.interval(errors, [30] * len(errors), np.random.default_rng(0)) is None


@pytest.mark.parametrize("speakers", range(2, 8))
def test_few_speakers_of_whom_one_errs_give_no_interval(speakers):
    errors = [0] * (speakers - 1) + [9]
    assert bootstrap.interval(errors, [300] * speakers, np.random.default_rng(0)) is None


def test_an_interval_that_would_say_nothing_is_none():
    for errors in ([1, 9], [10, 30], [1, 1, 30]):
        assert bootstrap.interval(errors, [300] * len(errors), np.random.default_rng(0)) is None
    low, high = bootstrap.interval([28, 30], [300, 300], np.random.default_rng(0))
    assert 29 / 300 / bootstrap.WIDEST < low < high < 29 / 300 * bootstrap.WIDEST


@pytest.mark.parametrize("alike", [10, 11])
def test_where_nearly_all_differ_alike_the_difference_is_students(alike):
    """One draw in nine is of speakers all alike, which no resampling can place: the closed form can."""
    values, sizes = [5.0] * alike + [6.0] * (12 - alike), [300] * 12
    (low, high), p = bootstrap.difference(values, sizes, np.random.default_rng(0))
    expected = stats.ttest_1samp(np.array(values) / 300, 0)
    assert (low, high) == pytest.approx(tuple(expected.confidence_interval(0.95)))
    assert p == pytest.approx(expected.pvalue) and p < 1e-9
    low, high = bootstrap.interval(values, sizes, np.random.default_rng(0))
    assert low < np.mean(values) / 300 < high


def test_two_speakers_give_a_wide_interval_and_no_difference():
    (low, high), p = bootstrap.difference([4, 9], [300, 300], np.random.default_rng(0))
    assert low < 0 < high and p > 0.05


def test_the_same_generator_gives_the_same_interval():
    errors, sizes = test_set(24, np.random.default_rng(1))
    one, other = (bootstrap.interval(errors, sizes, np.random.default_rng(9)) for _ in "ab")
    assert one == other
