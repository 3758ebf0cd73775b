"""The bundle: everything that turns samples into log-probs, built from a recipe and kept in one safe file.

The file is safetensors: the weights as tensors; the recipe, the units and the normaliser as JSON metadata; a SHA-256
over all of it. Nothing in it is ever executed.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr import config, features
from asr.augment import Augmentation, Scenes
from asr.cells import CELLS
from asr.config import BEST, Recipe
from asr.errors import BundleError, choose
from asr.features import KINDS, Features, spectrum
from asr.features.normalise import Normaliser, Statistics
from asr.frontends import FRONTENDS
from asr.model import Model
from asr.support import seeds, tensors
from asr.units import BLANK_SYMBOL, Units
from asr.units import KINDS as UNIT_KINDS

FORMAT = "asr bundle 1"
SCENERY = tuple(f.name for f in fields(Scenes) if f.name != "spectrum")
TRAINING_PREFIX = "training."  # of the names of tensors that only training needs


@dataclass
class Bundle:
    """A system that can recognize speech.

    Attributes:
        recipe: All settings.
        units: The symbols it outputs.
        features: Samples (S,) → feature vectors (T, F), not normalized.
        normaliser: Feature vectors → the network's inputs.
        model: The network.
        facts: How it was made: seed, epoch, score on dev, …
    """

    recipe: Recipe
    units: Units
    features: Features
    normaliser: Normaliser
    model: Model
    facts: dict[str, Any] = field(default_factory=dict)

    def save(
        self,
        path: str | os.PathLike[str],
        extra_header: Mapping[str, Any] | None = None,
        extra_tensors: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Write the bundle atomically.

        Args:
            path: The file.
            extra_header: Further entries of the header, such as a checkpoint's; `load` ignores them.
            extra_tensors: Tensors that are not the model's, likewise; their names begin with `TRAINING_PREFIX`.

        Raises:
            AsrError: It cannot be written.
        """
        header = {
            "recipe": self.recipe.as_dict(),
            "units": {"kind": self.units.kind, "symbols": self.units.symbols, "drop": self.units.drop},
            "normaliser": _normaliser_as_dict(self.normaliser),
            "facts": self.facts,
        }
        tensors.write(
            Path(path), FORMAT, header | dict(extra_header or {}), {**self.model.state_dict(), **(extra_tensors or {})}
        )


def build(recipe: Recipe, statistics: Statistics | None = None) -> Bundle:
    """Return an untrained system; its weights follow from the recipe's seed.

    Args:
        recipe: The experiment.
        statistics: Of the training set's features; needed when they are normalized globally.

    Raises:
        AsrError: The recipe names a cell, a feature kind or units that do not exist, or settings that do not fit.
    """
    recipe = resolve(recipe)
    normaliser = Normaliser(recipe.features.normalise, statistics, recipe.features.prior)
    return _assemble(recipe, build_units(recipe), normaliser)


def build_units(recipe: Recipe) -> Units:
    """Return the symbols that a recipe's system outputs.

    Raises:
        AsrError: The kind is unknown, or its settings are invalid.
    """
    return Units.of(**vars(recipe.units))


def resolve(recipe: Recipe) -> Recipe:
    """Return a recipe that states every setting, those of its kind of features, front end and cell included.

    Raises:
        AsrError: The recipe names one of these that does not exist, or an invalid setting of one.
    """
    return replace(
        recipe,
        features=config.resolved(recipe.features, KINDS),
        frontend=config.resolved(recipe.frontend, FRONTENDS),
        encoder=config.resolved(recipe.encoder, CELLS),
    )


build_features = features.build


def build_augmentation(recipe: Recipe) -> Augmentation:
    """Return what training does to the features of each batch; speeds apply to the whole set instead.

    Raises:
        AsrError: Scenes are enabled, but the features have no spectrum.
    """
    settings = {key: value for key, value in vars(recipe.augment).items() if key not in ("speeds", "auto")}
    scenery = {key: settings.pop(key) for key in SCENERY}
    scenes = None
    if any(value for key, value in scenery.items() if key not in ("snr", "decay")):
        scenes = Scenes(spectrum.of(build_features(recipe.features).settings), **scenery)
    return Augmentation(noise=recipe.training.noise, blocks=1 + recipe.features.deltas, scenes=scenes, **settings)


def find(path: str | os.PathLike[str]) -> Path:
    """Return the bundle's file in a run's folder, or the file itself.

    A path that does not exist is taken for a run's folder if it has no ending.

    Raises:
        BundleError: The folder contains no bundle.
    """
    path = Path(path)
    if path.is_file() or (path.suffix and not path.is_dir()):
        return path
    if path.is_dir() and not (path / BEST).exists():
        raise BundleError(f"{path}: is a folder without {BEST}; train there first, or pass a run's folder or a bundle")
    return path / BEST


def load(path: str | os.PathLike[str]) -> Bundle:
    """Return the system in a run's folder or in a bundle's file.

    Raises:
        BundleError: The file is missing, damaged, not a bundle, or was written by a newer version.
    """
    path = find(path)
    return restore(path, *tensors.read(path, FORMAT))


def restore(path: Path, header: Mapping[str, Any], found: Mapping[str, Tensor]) -> Bundle:
    """Return the system that a file's header and tensors describe.

    Args:
        path: Their file, for error messages.
        header: What `save` wrote.
        found: The tensors, those that are not the model's among them.

    Raises:
        BundleError: They are of another version.
    """
    try:
        recipe = resolve(config.parse(header["recipe"], str(path)))
        bundle = _assemble(recipe, _units_of(header["units"]), _normaliser_of(header["normaliser"]))
        weights = {name: tensor for name, tensor in found.items() if not name.startswith(TRAINING_PREFIX)}
        bundle.model.load_state_dict(weights)
        bundle.facts = dict(header["facts"])
        if (statistics := bundle.normaliser.statistics) and len(statistics.total) != bundle.features.dimension:
            raise ValueError(f"statistics of {len(statistics.total)} features for {bundle.features.dimension}")
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[-1].strip()
        raise BundleError(
            f"{path}: was written by another version ({reason}); use that version or train again"
        ) from error
    return bundle


def _units_of(header: Mapping[str, Any]) -> Units:
    """Return the units of a header; everything in them must be a string."""
    symbols = tuple(header["symbols"])
    if not isinstance(header["symbols"], list) or not all(isinstance(one, str) for one in (*symbols, header["drop"])):
        raise TypeError("units: symbols and drop must be strings")
    if symbols[:1] != (BLANK_SYMBOL,) or len(set(symbols)) < len(symbols):
        raise ValueError("units: the first symbol must be blank, and none a duplicate")
    choose(dict.fromkeys(UNIT_KINDS, True), header["kind"], "units")
    return Units(header["kind"], symbols, header["drop"])


def _assemble(recipe: Recipe, units: Units, normaliser: Normaliser) -> Bundle:
    made, frontend, encoder = build_features(recipe.features), recipe.frontend, recipe.encoder
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.integer(recipe.training.seed, "weights"))
        model = Model(
            features=made.dimension,
            units=len(units),
            cell=partial(CELLS[encoder.cell], **encoder.own) if encoder.own else CELLS[encoder.cell],
            layers=encoder.layers,
            hidden=encoder.hidden,
            dropout=encoder.dropout,
            frontend=FRONTENDS[frontend.kind](made.dimension, 1 + recipe.features.deltas, **frontend.own),
            norm=encoder.norm,
            dense=encoder.dense,
        )
    return Bundle(recipe, units, made, normaliser, model)


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
    total, squares = np.array(header["total"], np.float64), np.array(header["squares"], np.float64)
    if type(header["count"]) is not int or header["count"] < 1 or total.ndim != 1 or total.shape != squares.shape:
        raise ValueError(f"normaliser: {header['count']!r} frames, sums of shape {total.shape} and {squares.shape}")
    statistics = Statistics(header["count"], total, squares)
    return Normaliser(header["kind"], statistics, float(header.get("prior", 0.0)))  # none before it was introduced
