"""What training does to the features of each batch, from a recipe."""

from dataclasses import fields

from asr import bundle
from asr.augment import Augmentation, Scenes
from asr.config import Recipe
from asr.features import spectrum

OF_THE_SET = ("speeds", "pause", "strangers")  # done before features are computed
SCENERY = tuple(f.name for f in fields(Scenes) if f.name != "spectrum")


def of(recipe: Recipe) -> Augmentation:
    """Return what training does to the features of each batch; speeds and pauses are of the whole set.

    Raises:
        AsrError: Scenes are enabled, but the features have no spectrum.
    """
    settings = {key: value for key, value in vars(recipe.augment).items() if key not in ("auto", *OF_THE_SET)}
    scenery = {key: settings.pop(key) for key in SCENERY}
    scenes = None
    if any(value for key, value in scenery.items() if key not in ("snr", "decay")):
        scenes = Scenes(spectrum.of(bundle.build_features(recipe.features).settings), **scenery)
    return Augmentation(noise=recipe.training.noise, blocks=1 + recipe.features.deltas, scenes=scenes, **settings)
