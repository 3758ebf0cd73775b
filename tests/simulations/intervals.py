"""How often 95 % intervals hold the truth, on simulated test sets whose truth is known.

    python tests/simulations/intervals.py [sets]      # 1000 sets a line: about six minutes

A test set is K speakers with 8 utterances of about 38 phones. Each speaker has a true rate, scattered around the
system's with a coefficient of variation of 0.3 (beta), 0.5 or 0.8 (log-normal: a few speakers do much worse); TIMIT's
core test set has 24 speakers and systems on it 0.2 to 0.3, the twin 12 and 0.6 to 0.8. Within an utterance errors
scatter more than independent ones would. An interval should hold the system's true rate in 95 of 100 sets.

Below, how often a test at 0.05 claims a difference between two systems that do not differ: it should in 5 of 100.
"""

import sys

import numpy as np
from scipy import stats

from asr.scoring import bootstrap

RESAMPLES = 2000  # a fifth of what the package draws, for time's sake


def true_rates(speakers, rate, shape, generator):
    """Return what each speaker's rate would be if they spoke for ever."""
    kind, variation = shape
    if kind == "beta":
        share = (1 - rate) / (rate * variation**2) - 1
        return generator.beta(rate * share, (1 - rate) * share, speakers)
    sigma = np.sqrt(np.log1p(variation**2))
    return np.minimum(generator.lognormal(np.log(rate) - sigma**2 / 2, sigma, speakers), 0.95)


def test_set(speakers, rate, shape, generator):
    """Return errors and symbols by speaker."""
    rates = true_rates(speakers, rate, shape, generator)
    sizes = np.maximum(generator.normal(38, 9, (speakers, 8)).round(), 10).astype(int)
    own = generator.beta(60 * rates[:, None], 60 * (1 - rates[:, None]), sizes.shape)
    return generator.binomial(sizes, own).sum(1), sizes.sum(1)


def drawn(errors, sizes, generator):
    """Return resampled rates."""
    draws = generator.multinomial(len(errors), np.full(len(errors), 1 / len(errors)), size=RESAMPLES)
    return (draws @ errors) / (draws @ sizes)


def percentile(errors, sizes, generator):
    """The plain one, which this package had before."""
    return tuple(np.quantile(drawn(errors, sizes, generator), [0.025, 0.975]))


def bca(errors, sizes, generator):
    """Bias-corrected and accelerated: B. Efron and R. J. Tibshirani, 1993, section 14.3."""
    rates, rate = np.sort(drawn(errors, sizes, generator)), errors.sum() / sizes.sum()
    bias = stats.norm.ppf(np.clip((rates < rate).mean() + (rates == rate).mean() / 2, 1e-4, 1 - 1e-4))
    without = (errors.sum() - errors) / (sizes.sum() - sizes)
    apart = without.mean() - without
    scale = (apart**2).sum() ** 1.5
    acceleration = (apart**3).sum() / (6 * scale) if scale else 0.0
    z = bias + stats.norm.ppf([0.025, 0.975])
    places = stats.norm.cdf(bias + z / (1 - acceleration * z)) * (RESAMPLES - 1)
    return tuple(rates[places.astype(int)])


def student(errors, sizes, generator):
    """No resampling: Student's distribution on a logarithmic scale, for any number of speakers."""
    few, bootstrap.FEW = bootstrap.FEW, len(errors) + 1
    found = bootstrap.interval(errors, sizes, generator)
    bootstrap.FEW = few
    return found


METHODS = {"percentile": percentile, "BCa": bca, "Student, log": student, "ours": bootstrap.interval}
SHAPES = (("beta", 0.3), ("log-normal", 0.5), ("log-normal", 0.8))


def coverage(sets):
    """Print a line for each kind of test set: coverage in per cent, and the median width relative to the rate."""
    print(f"{'':38}" + "".join(f"{name:>21}" for name in METHODS))
    for speakers in (4, 8, 12, 15, 24, 50):
        for shape in SHAPES:
            for rate in (0.02, 0.07, 0.2):
                generator = np.random.default_rng([speakers, round(1000 * rate), round(10 * shape[1])])
                samples = [test_set(speakers, rate, shape, generator) for _ in range(sets)]
                truth = true_rates(
                    1_000_000, rate, shape, generator
                ).mean()  # a little below where some would exceed 95 %
                line = f"{speakers:3} speakers, {shape[0]:>10} {shape[1]}, rate {100 * rate:4.1f} %"
                for method in METHODS.values():
                    found = [method(*sample, generator) or (np.nan, np.nan) for sample in samples]
                    held = np.mean([low <= truth <= high for low, high in found])
                    line += f"{100 * held:12.1f} % {np.nanmedian([high - low for low, high in found]) / rate:6.2f}"
                print(line, flush=True)


def differences(sets):
    """Print how often equal systems are called different."""
    for speakers in (4, 8, 12, 24, 50):
        generator = np.random.default_rng(speakers)
        claims = np.zeros(2)
        for _ in range(sets):
            errors, sizes = test_set(speakers, 0.07, SHAPES[1], generator)
            rates = errors / sizes
            one, other = (
                generator.binomial(sizes, np.minimum(rates * factor, 1))
                for factor in generator.lognormal(0, 0.2, (2, speakers))
            )
            low, high = percentile(one - other, sizes, generator)
            found = bootstrap.difference(one - other, sizes, generator)
            claims += low > 0 or high < 0, found is not None and found[1] < 0.05
        plain, ours = 100 * claims / sets
        print(f"{speakers:3} speakers: percentile {plain:.1f} %, ours {ours:.1f} %", flush=True)


if __name__ == "__main__":
    bootstrap.RESAMPLES = RESAMPLES
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    coverage(number)
    differences(number)
