"""Each limit from both sides: just good and just bad."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr import config
from asr.doctor import DATA_CHECKS, RUN_CHECKS, examine
from asr.doctor.recordings import ExaminedData, Recording, Reference
from asr.doctor.runs import DevOutput, ExaminedRun, LayerActivity
from asr.manifest import Segment, Utterance

GOOD = Recording(
    "train",
    Utterance("one", Path("one.wav"), 3.0),
    Reference(tuple("ab" * 18)),
    rate=16000,
    samples=48000,
    level=0.05,
    loudness_ratio=100.0,
    digest=b"one",
)
OTHERS = [replace(GOOD, utterance=replace(GOOD.utterance, id=str(i)), digest=b"%d" % i) for i in range(20)]


def severities(name, recording):
    """Return the severities of a check's findings in a good corpus with one recording in question."""
    found = examine(ExaminedData(("train",), [recording, *OTHERS]), {name: DATA_CHECKS[name]})
    assert all(finding.ids == ("one",) for finding in found)
    return [finding.severity for finding in found]


def overlapping(seconds):
    phones = (Segment("a", 0.0, 1.0 + seconds), Segment("b", 1.0, 2.0))
    return replace(GOOD, utterance=replace(GOOD.utterance, phones=phones))


@pytest.mark.parametrize(
    ("name", "good", "bad", "severity"),
    [
        ("silent", replace(GOOD, level=1.1e-4), replace(GOOD, level=0.9e-4), "error"),
        ("silent", replace(GOOD, loudness_ratio=1.7), replace(GOOD, loudness_ratio=1.5), "warning"),
        ("clipped", replace(GOOD, clipped=1.9e-4), replace(GOOD, clipped=2.1e-4), "warning"),
        ("offset", replace(GOOD, offset=-0.019), replace(GOOD, offset=-0.021), "note"),
        ("length", replace(GOOD, samples=1601), replace(GOOD, samples=1599), "warning"),
        ("length", replace(GOOD, samples=480_000), replace(GOOD, samples=480_001), "warning"),
        ("seconds", replace(GOOD, samples=48000 + 1500), replace(GOOD, samples=48000 + 1700), "warning"),
        ("segments", overlapping(0.0009), overlapping(0.0011), "warning"),
        (
            "tempo",
            replace(GOOD, reference=Reference(tuple("ab" * 31))),  # 1.72 times as many
            replace(GOOD, reference=Reference(tuple("ab" * 32))),
            "warning",
        ),
    ],
)
def test_each_audio_limit_separates_good_from_bad(name, good, bad, severity):
    assert severities(name, good) == []
    assert severities(name, bad) == [severity]


def test_the_duration_of_a_long_recording_may_be_one_percent_off():
    long = replace(GOOD, utterance=replace(GOOD.utterance, seconds=100.0))
    assert severities("seconds", replace(long, samples=16 * 99_100)) == []
    assert severities("seconds", replace(long, samples=16 * 98_900)) == ["warning"]


@pytest.mark.parametrize("length", [11, 12])
def test_texts_of_at_least_twelve_letters_are_sentences(length):
    text = "abcdefghijkl"[:length]
    one = replace(GOOD, utterance=replace(GOOD.utterance, text=text.upper() + "!"))
    other = replace(one, set="test", utterance=replace(one.utterance, id="two", text=f" {text}"))
    found = examine(ExaminedData(("train", "test"), [one, other]), {"texts": DATA_CHECKS["texts"]})
    assert len(found) == (length == 12)


def row(epoch, loss=0.5, rate=0.1, dev_loss=0.5, norm=10.0, **more):
    dev = {"hits": 90, "substitutions": 5, "deletions": 5, "insertions": 0, "rate": rate}
    return {"epoch": epoch, "loss": loss, "dev": dev, "dev_loss": dev_loss, "gradient_norm": norm} | more


EPOCHS = [row(epoch) for epoch in range(1, 21)]
LAYER = LayerActivity(np.full(20, 0.4), np.full(20, 0.1))
OUTPUT = DevOutput(Counter(a=90, b=10), Counter(a=90, b=10), 0.7, [LAYER])
RUN = ExaminedRun(Path("run"), config.parse({}, "test"), EPOCHS, change=2.0, output=OUTPUT)


def ended(*rows):
    return replace(RUN, epochs=[*EPOCHS[: -len(rows)], *rows])


def writing(**counts):
    return replace(RUN, output=replace(OUTPUT, written=Counter(counts)))


def wanting(count):
    return replace(RUN, output=replace(OUTPUT, written=Counter(a=90), wanted=Counter(a=90, b=count)))


def layer(spread, full, units=1):
    mine = np.arange(20) < units
    return replace(
        RUN, output=replace(OUTPUT, layers=[LayerActivity(np.where(mine, spread, 0.4), np.where(mine, full, 0.1))])
    )


def risen(dev_loss, rate=0.1):
    return ended(*(row(epoch, 0.1, rate, dev_loss) for epoch in range(16, 21)))


@pytest.mark.parametrize(
    ("name", "good", "bad", "severity"),
    [
        ("started", replace(RUN, change=0.011), replace(RUN, change=0.009), "error"),
        ("guessing", ended(row(20, loss=3.66)), ended(row(20, loss=3.67)), "error"),  # ln 39 = 3.664
        ("blank", writing(a=5, b=5), writing(a=5, b=4), "error"),
        ("units", writing(a=99, b=1), wanting(9), "note"),
        ("units", writing(a=99, b=1), wanting(10), "warning"),
        ("hidden", layer(0.011, 0.1), layer(0.009, 0.1), "note"),
        ("hidden", layer(0.2, 0.94), layer(0.2, 0.96), "note"),
        ("hidden", layer(0.2, 0.1, 3), layer(0.009, 0.1, 3), "warning"),
        ("gradients", ended(row(20, norm=99.0)), ended(row(20, norm=101.0)), "warning"),
        ("gradients", ended(row(20, gradient_norm_max=999)), ended(row(20, gradient_norm_max=1001)), "warning"),
        (
            "gradients",
            replace(RUN, epochs=[row(epoch, norm=9.9e3) for epoch in range(1, 21)]),
            replace(RUN, epochs=[row(epoch, norm=1.01e4) for epoch in range(1, 21)]),
            "warning",
        ),
        ("overfit", risen(0.549), risen(0.551), "note"),
        ("overfit", risen(0.549, 0.2), risen(0.551, 0.106), "warning"),
        ("overfit", risen(0.549, 0.104), risen(0.551, 0.104), "note"),
        ("improving", ended(row(20, rate=0.0951)), ended(row(20, rate=0.0949)), "note"),
    ],
)
def test_each_run_limit_separates_good_from_bad(name, good, bad, severity):
    assert examine(good, {name: RUN_CHECKS[name]}) == []
    assert [finding.severity for finding in examine(bad, {name: RUN_CHECKS[name]})] == [severity]


def test_the_reference_run_has_no_findings():
    assert [finding.check for finding in examine(RUN, RUN_CHECKS)] == ["best"]  # its first epoch was as good as any


def test_a_best_epoch_is_reported_if_most_epochs_came_after_it():
    assert examine(ended(*(row(epoch, rate=0.1 - 1e-4) for epoch in range(10, 21))), {"best": RUN_CHECKS["best"]}) == []
    (finding,) = examine(ended(*(row(epoch, rate=0.1 + 1e-4) for epoch in range(2, 21))), {"best": RUN_CHECKS["best"]})
    assert (finding.severity, finding.ids) == ("note", ("1",))
