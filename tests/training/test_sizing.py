from dataclasses import replace
from pathlib import Path

import pytest

from asr import bundle
from asr.config import Augment, Encoder, FrontendSettings, Recipe, Training, UnitSettings, filled
from asr.errors import AsrError
from asr.frontends import stride_of
from asr.manifest import Utterance
from asr.training import sizing
from asr.training.sizing import Size
from asr.units import Units

YESNO, SAMPLE, DIGITS = Size(25, 0.045, 3), Size(80, 0.07, 40), Size(1500, 0.18, 11)
SYNTHETIC, THOUSAND = Size(1900, 1.6, 40), Size(300_000, 1000.0, 40)
SIZES = (YESNO, SAMPLE, DIGITS, SYNTHETIC, THOUSAND)


def steps(training, size, speeds=1):
    return training.epochs * -(-size.utterances * speeds // training.batch)


@pytest.mark.parametrize("size", SIZES)
def test_what_a_recipe_says_is_what_it_gets(size):
    said = Recipe(training=Training(epochs=7, batch=3, learning_rate=2e-3), augment=Augment(warp=0.3))
    assert sizing.resolved(said, size) == said


def test_small_sets_have_small_batches_and_as_many_steps_as_leaving_the_plateau_takes():
    for size in SIZES:
        training = sizing.resolved(Recipe(), size).training
        assert sizing.BATCH[0] <= training.batch <= sizing.BATCH[1]
        assert steps(training, size) >= 600 and sizing.EPOCHS[0] <= training.epochs <= sizing.EPOCHS[1]
    assert [sizing.resolved(Recipe(), size).training.batch for size in SIZES] == [2, 4, 16, 16, 16]


def test_more_units_take_more_steps_and_more_speeds_fewer_epochs():
    few, many = (sizing.resolved(Recipe(), replace(SAMPLE, units=units)).training for units in (10, 60))
    assert few.epochs < many.epochs
    slow, faster = (
        sizing.resolved(Recipe(augment=Augment(speeds=speeds)), replace(DIGITS, utterances=400)).training
        for speeds in ((1.0,), (0.9, 1.0, 1.1))
    )
    assert faster.epochs == pytest.approx(slow.epochs / 3, abs=1)


def test_the_learning_rate_follows_the_square_root_of_the_batch_and_is_lower_for_weights_that_have_learned():
    rates = [sizing.resolved(Recipe(training=Training(batch=b)), DIGITS).training.learning_rate for b in (4, 16)]
    assert rates == [pytest.approx(5e-3), pytest.approx(1e-2)]
    again = sizing.resolved(Recipe(training=Training(batch=16, init="runs/espeak")), DIGITS).training
    assert again.learning_rate == pytest.approx(1e-2 / 3, rel=0.02)


def test_augmentation_is_chosen_only_where_asked_for_only_for_small_sets_and_only_where_not_said():
    assert sizing.resolved(Recipe(), YESNO).augment == Augment()
    auto = Recipe(augment=Augment(auto=True, warp=0.3))
    found = sizing.resolved(auto, YESNO).augment
    assert found.auto and found.warp == 0.3 and found.speeds == sizing.SMALL.speeds
    assert sizing.resolved(auto, THOUSAND).augment == auto.augment


def test_a_small_set_that_is_changed_is_learned_for_longer_and_with_dropout():
    auto = Recipe(augment=Augment(auto=True))
    fewer, more = (replace(DIGITS, utterances=n) for n in (1300, 2 * DIGITS.utterances))
    for size, epochs, dropout in ((fewer, 40, 0.3), (DIGITS, 36, 0.3), (more, 18, 0.3), (THOUSAND, 12, 0.0)):
        made = sizing.resolved(auto, size)
        assert (made.training.epochs, made.encoder.dropout) == (epochs, dropout)
        assert filled(auto, made) == made
    assert sizing.resolved(Recipe(), DIGITS).training.epochs == 13
    assert sizing.resolved(replace(auto, encoder=Encoder(dropout=0.1)), DIGITS).encoder.dropout == 0.1


@pytest.mark.parametrize(("seconds", "stride"), [(0.0, 1), (0.08, 1), (0.59, 1), (0.6, 2), (0.8, 3), (9.0, 4)])
def test_long_units_have_their_frames_stacked_where_that_is_asked_for(seconds, stride):
    size = replace(YESNO, unit_seconds=seconds)
    assert sizing.resolved(Recipe(), size).frontend == FrontendSettings()
    found = sizing.resolved(Recipe(frontend=FrontendSettings("auto")), size).frontend
    assert stride_of(found) == stride and found.kind == ("stack" if stride > 1 else "none")


def test_a_set_is_measured_in_the_recipes_units():
    said = [Utterance("a", Path("a.wav"), 3.0, text="0 1"), Utterance("b", Path("b.wav"), 6.0, text="?")]
    found = Size.of(said, Units.of("characters", "01", " "))
    assert found == Size(2, 9 / 3600, 3, 4.5), "what does not fit counts for nothing"


def test_an_open_alphabet_has_the_characters_of_all_sets_and_an_old_run_keeps_its_own():
    left = Recipe(units=UnitSettings("characters", alphabet="auto", drop="?"))
    train = [Utterance("a", Path("a.wav"), 3.0, text="Är  du?"), Utterance("b", Path("b.wav"), 3.0, text="书")]
    made = sizing.for_set(left, train, others=[Utterance("c", Path("c.wav"), 1.0, text="X")])
    assert made.units.alphabet == " druxä书"
    assert filled(left, made).units == made.units
    with pytest.raises(AsrError, match="units.alphabet = 'auto': follows from a corpus's transcripts"):
        bundle.build_units(left)


@pytest.mark.parametrize("size", SIZES)
def test_a_resolved_recipe_resolves_to_itself(size):
    once = sizing.resolved(Recipe(augment=Augment(auto=True)), size)
    assert sizing.resolved(once, size) == once
