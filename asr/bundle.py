"""The bundle: everything that turns samples into log-probs, built from a recipe and kept in one safe file.

The file is safetensors: the weights as tensors; the recipe, the units and the normaliser as JSON metadata; a SHA-256
over all of it. Nothing in it is ever executed.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr import config
from asr.augment import Augmentation, Scenes
from asr.cells import CELLS
from asr.config import Recipe
from asr.errors import AsrError, BundleError, choose
from asr.features import KINDS, Features, spectrum
from asr.features.delta import Deltas
from asr.features.normalise import Normaliser, Statistics
from asr.frontends import FRONTENDS, Frontend
from asr.model import Model
from asr.support import seeds, tensors
from asr.units import Units

FORMAT = "asr bundle 1"
SCENERY = tuple(f.name for f in fields(Scenes) if f.name != "spectrum")
BESIDE = "training."  # begins the names of tensors that only training needs


@dataclass
class Bundle:
    """A system that can recognise.

    Attributes:
        recipe: Where every setting stands.
        units: The symbols it writes.
        features: Samples (S,) → feature vectors (T, F), not normalised.
        normaliser: Feature vectors → the network's inputs.
        model: The network.
        facts: What is worth knowing of its making: seed, epoch, score on dev, …
    """

    recipe: Recipe
    units: Units
    features: Features
    normaliser: Normaliser
    model: Model
    facts: dict[str, Any] = field(default_factory=dict)

    def save(
        self, path: Path, beside: Mapping[str, Any] | None = None, more: Mapping[str, Tensor] | None = None
    ) -> None:
        """Write the bundle, whole or not at all.

        Args:
            path: The file.
            beside: What else its header shall say, as a checkpoint does; `load` passes over it.
            more: Tensors that are not the model's, likewise; their names begin with `BESIDE`.

        Raises:
            AsrError: It cannot be written.
        """
        header = {
            "recipe": self.recipe.as_dict(),
            "units": {"kind": self.units.kind, "symbols": self.units.symbols, "drop": self.units.drop},
            "normaliser": _normaliser_as_dict(self.normaliser),
            "facts": self.facts,
        }
        tensors.write(path, FORMAT, header | dict(beside or {}), {**self.model.state_dict(), **(more or {})})


def build(recipe: Recipe, statistics: Statistics | None = None) -> Bundle:
    """Return an untrained system; its weights follow from the recipe's seed.

    Args:
        recipe: The experiment.
        statistics: Of the training set's features; needed when they are normalised globally.

    Raises:
        AsrError: The recipe names a cell, a feature kind or units that do not exist, or settings that do not fit.
    """
    return _assemble(
        recipe, build_units(recipe), Normaliser(recipe.features.normalise, statistics, recipe.features.prior)
    )


def build_units(recipe: Recipe) -> Units:
    """Return the symbols that a recipe's system writes.

    Raises:
        AsrError: The kind is unknown, or does not have the settings.
    """
    return Units.of(recipe.units.kind, recipe.units.alphabet, recipe.units.drop)


def build_features(settings: config.Features) -> Features:
    """Return the function from samples to feature vectors that the settings describe.

    Raises:
        AsrError: The kind is unknown, or a setting was changed that this kind does not have.
    """
    kind = choose(KINDS, settings.kind, "kind of features")
    accepted = set(inspect.signature(kind).parameters)
    mine = {"kind", "deltas", "normalise", "prior"}
    arguments = {key: value for key, value in vars(settings).items() if key in accepted}
    for key in set(vars(settings)) - accepted - mine:
        if getattr(settings, key) != getattr(config.Features(), key):
            raise AsrError(f"[features]: {key} is no setting of '{settings.kind}'; leave it out")
    features: Features = kind(**arguments)
    return Deltas(features, settings.deltas) if settings.deltas else features


def build_frontend(settings: config.Frontend, features: int, blocks: int) -> Frontend:
    """Return what comes before the recurrence, for feature vectors of a size that consist of so many blocks.

    Raises:
        AsrError: The kind is unknown, or a setting was changed that this kind does not have.
    """
    kind = choose(FRONTENDS, settings.kind, "front end")
    accepted = set(inspect.signature(kind).parameters)
    for key in set(vars(settings)) - accepted - {"kind"}:
        if getattr(settings, key) != getattr(config.Frontend(), key):
            raise AsrError(f"[frontend]: '{settings.kind}' has no setting {key}; omit it")
    return kind(features, blocks, **{key: value for key, value in vars(settings).items() if key in accepted})


def build_augmentation(recipe: Recipe) -> Augmentation:
    """Return what training does to the features of each batch; speeds are another matter, of the whole set.

    Raises:
        AsrError: Other voices or places are wanted of features that have no spectrum.
    """
    settings = {key: value for key, value in vars(recipe.augment).items() if key not in ("speeds", "auto")}
    scenery = {key: settings.pop(key) for key in SCENERY}
    scenes = None
    if any(value for key, value in scenery.items() if key not in ("snr", "decay")):
        scenes = Scenes(spectrum.of(build_features(recipe.features).settings), **scenery)
    return Augmentation(noise=recipe.training.noise, blocks=1 + recipe.features.deltas, scenes=scenes, **settings)


def load(path: Path) -> Bundle:
    """Return the system in a file.

    Raises:
        BundleError: The file is missing, damaged, not a bundle, or was written by a newer version.
    """
    return restore(path, *tensors.read(path, FORMAT))


def restore(path: Path, header: Mapping[str, Any], found: Mapping[str, Tensor]) -> Bundle:
    """Return the system that a file's header and tensors describe.

    Args:
        path: Where they come from, for the messages.
        header: What `save` wrote.
        found: The tensors, those that are not the model's among them.

    Raises:
        BundleError: They are of another version.
    """
    try:
        recipe = config.parse(header["recipe"], str(path))
        units = Units(header["units"]["kind"], tuple(header["units"]["symbols"]), header["units"]["drop"])
        bundle = _assemble(recipe, units, _normaliser_of(header["normaliser"]))
        weights = {name: tensor for name, tensor in found.items() if not name.startswith(BESIDE)}
        bundle.model.load_state_dict(weights)
    except (AsrError, KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise BundleError(f"{path}: was made by another version ({reason}); use that one or train again") from error
    bundle.facts = header["facts"]
    return bundle


def _assemble(recipe: Recipe, units: Units, normaliser: Normaliser) -> Bundle:
    features = build_features(recipe.features)
    encoder = recipe.encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.integer(recipe.training.seed, "weights"))
        model = Model(
            features=features.dimension,
            units=len(units),
            cell=choose(CELLS, encoder.cell, "cell"),
            layers=encoder.layers,
            hidden=encoder.hidden,
            dropout=encoder.dropout,
            frontend=build_frontend(recipe.frontend, features.dimension, 1 + recipe.features.deltas),
            norm=encoder.norm,
            dense=encoder.dense,
        )
    return Bundle(recipe, units, features, normaliser, model)


def _normaliser_as_dict(normaliser: Normaliser) -> dict[str, Any]:
    statistics = normaliser.statistics
    if statistics is None:
        return {"kind": normaliser.kind}
    return {
        "kind": normaliser.kind,
        "prior": normaliser.prior,
        "count": statistics.count,
        "total": statistics.total.tolist(),
        "squares": statistics.squares.tolist(),
    }


def _normaliser_of(header: Mapping[str, Any]) -> Normaliser:
    if "count" not in header:
        return Normaliser(header["kind"])
    total, squares = np.array(header["total"]), np.array(header["squares"])
    statistics = Statistics(header["count"], total, squares)
    return Normaliser(header["kind"], statistics, header.get("prior", 0.0))  # none before it was introduced
