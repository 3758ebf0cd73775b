"""What follows from the size of the data where a recipe leaves it open: batch, epochs, learning rate, augmentation.

Small sets fail in two ways. With few steps, the network stays on the plateau where it outputs only blanks; so the
number of steps does not go below what leaving it takes, however few utterances there are. And a set of a few minutes
or speakers is memorized; so the fewer hours there are, the more the utterances are changed.
"""

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from asr import bundle
from asr.config import AUTO, BY_SIZE, Augment, FrontendSettings, Recipe, Training
from asr.errors import AsrError
from asr.manifest import Utterance
from asr.units import Units

BATCHES = 20  # an epoch, at least; with fewer steps between two evaluations on dev, dev changes little
BATCH = (2, 16)  # utterances; a larger batch takes fewer steps in the same time, and small sets lack steps
STEPS = 500  # that it takes to leave the plateau with few units
STEPS_PER_UNIT = 60  # and more with each unit to tell from the others
EPOCHS = (12, 120)  # of the set at all its speeds
SMALL_EPOCHS = 40  # at least, of a set that is changed in every epoch and so never repeats
SEEN = 160_000  # utterances in all of them, speeds counted apart: as many as are needed, if there are many in an epoch
RATE, AT = 1e-2, 16  # learning rate at this batch; Adam's follows the square root of the batch
UNIT_FRAMES = 30  # to a unit, about; CTC stays long on its plateau where blanks outnumber units by far more
MAX_STRIDE = 4
HOURS = 5.0  # of speech, below which it is changed in every way that the recipe leaves open

SMALL = Augment(
    speeds=(0.9, 1.0, 1.1),
    pause=0.4,
    strangers=0.5,
    time_masks=2,
    time_width=15,
    frequency_masks=1,
    frequency_width=4,
    warp=0.2,
    gain=12.0,
    channel=10.0,
    noise_share=0.5,
)
DROPOUT = 0.3  # of a small set's network


@dataclass(frozen=True)
class Size:
    """The size of a training set.

    Attributes:
        utterances: Number of them.
        hours: Of speech.
        units: Number of units, blank included.
        unit_seconds: Mean duration of a unit in the transcripts; 0 where that is unknown.
    """

    utterances: int
    hours: float
    units: int
    unit_seconds: float = 0.0

    @classmethod
    def of(cls, utterances: Sequence[Utterance], units: Units) -> "Size":
        """Return the size of a set that is written in these units; transcripts that do not fit them do not count."""
        seconds = sum(u.seconds for u in utterances)
        written = sum(_written(utterance, units) for utterance in utterances)
        return cls(len(utterances), seconds / 3600, len(units), seconds / written if written else 0.0)


def _written(utterance: Utterance, units: Units) -> int:
    try:
        return len(units.transcript(utterance.text, [segment.symbol for segment in utterance.phones]))
    except AsrError:  # which the batches report, with its utterance
        return 0


def for_set(
    recipe: Recipe,
    utterances: Sequence[Utterance],
    constants: Training | None = None,
    others: Iterable[Utterance] = (),
) -> Recipe:
    """Return a recipe that states every setting, for a training set; see `resolved` and `asr.bundle.resolve`.

    Args:
        recipe: What was asked for.
        utterances: The training set.
        constants: See `resolved`.
        others: The corpus's other sets, whose characters an alphabet that is left open has too: thousands of Chinese
            ones are not all in the training set, and a transcript with one that is not a unit could not be scored.

    Raises:
        AsrError: The recipe names something that does not exist, or an invalid setting.
    """
    if recipe.units.alphabet == AUTO:
        alphabet = _alphabet([*utterances, *others], recipe.units.drop)
        recipe = replace(recipe, units=replace(recipe.units, alphabet=alphabet))
    return bundle.resolve(resolved(recipe, Size.of(utterances, bundle.build_units(recipe)), constants))


def _alphabet(utterances: Iterable[Utterance], drop: str) -> str:
    """Return the characters of transcripts, each once and sorted; letters with two cases in lower case."""
    texts = (unicodedata.normalize("NFC", " ".join(utterance.text.split())).lower() for utterance in utterances)
    return "".join(sorted(set().union(*texts) - set(drop)))


def resolved(recipe: Recipe, size: Size, constants: Training | None = None) -> Recipe:
    """Return a recipe in which every setting that was left to the size of the data has its value.

    These are `training.batch`, `epochs` and `learning_rate` where they are 0; `frontend.kind` where it is `auto`; and,
    if `augment.auto` is set, the settings of `[augment]` and `encoder.dropout` that have their default.

    Args:
        recipe: What was asked for.
        size: Of its training set.
        constants: What is taken instead of the rules, for a run that was begun before there were any.
    """
    changed = recipe.augment.auto and size.hours < HOURS
    augment = _augment(recipe.augment) if changed else recipe.augment
    dropout = recipe.encoder.dropout or (DROPOUT if changed else 0.0)
    settings = recipe.training
    if constants:
        by_rule = [key for key in BY_SIZE if not getattr(settings, key)]
        settings = replace(settings, **{key: getattr(constants, key) for key in by_rule})
    batch = settings.batch or _batch(size)
    steps_per_epoch = math.ceil(size.utterances * len(augment.speeds) / batch)
    enough = math.ceil(SEEN / (size.utterances * len(augment.speeds)))
    least = max(min(SMALL_EPOCHS, enough), EPOCHS[0]) if changed else EPOCHS[0]
    training = replace(
        settings,
        batch=batch,
        epochs=settings.epochs or _epochs(size, steps_per_epoch, least),
        learning_rate=settings.learning_rate or _rate(settings, batch),
    )
    frontend = _frontend(size) if recipe.frontend.kind == AUTO else recipe.frontend
    encoder = replace(recipe.encoder, dropout=dropout)
    return replace(recipe, frontend=frontend, encoder=encoder, augment=augment, training=training)


def _frontend(size: Size) -> FrontendSettings:
    """Return stacking that leaves about `UNIT_FRAMES` of 10 ms to a unit, or nothing where there are few."""
    ratio = 100 * size.unit_seconds / UNIT_FRAMES
    stride = min(round(ratio), MAX_STRIDE) if ratio >= 2 else 1
    return FrontendSettings("stack", own={"stride": stride}) if stride > 1 else FrontendSettings()


def _batch(size: Size) -> int:
    """Return a power of two that leaves about `BATCHES` batches an epoch."""
    wanted = max(1.0, size.utterances / BATCHES)
    return int(min(max(2 ** math.floor(math.log2(wanted)), BATCH[0]), BATCH[1]))


def _epochs(size: Size, steps_per_epoch: int, least: int) -> int:
    steps = STEPS + STEPS_PER_UNIT * size.units
    return min(max(math.ceil(steps / steps_per_epoch), least), EPOCHS[1])


def _rate(settings: Training, batch: int) -> float:
    """Return the learning rate of a batch, and a third of it for weights that have learned before.

    Source: S. Malladi et al., "On the SDEs and scaling rules for adaptive gradient algorithms", NeurIPS 2022 (the
    square root).
    """
    rate = RATE * math.sqrt(batch / AT)
    return float(f"{rate / 3 if settings.init else rate:.2g}")


def _augment(augment: Augment) -> Augment:
    """Return an augmentation with what a small set needs where the recipe has the default."""
    usual = Augment()
    left = {key: value for key, value in vars(SMALL).items() if getattr(augment, key) == getattr(usual, key)}
    return replace(augment, **{**left, "auto": augment.auto})
