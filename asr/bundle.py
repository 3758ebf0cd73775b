"""The bundle: everything that turns samples into log-probs, built from a recipe and kept in one safe file.

The file is safetensors: the weights as tensors; the recipe, the units and the normaliser as JSON metadata; a SHA-256
over all of it. Nothing in it is ever executed. Reading it does not import torch; `Bundle.model` does.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import config, engines, features
from asr.config import BEST, FRAMES, Named, Recipe
from asr.engines.architecture import Architecture, Array, Parameters
from asr.engines.network import Network
from asr.errors import AsrError, BundleError, choose
from asr.features import KINDS, Features
from asr.features.normalise import Normaliser, Statistics
from asr.support import seeds, tensors
from asr.units import BLANK_SYMBOL, Units
from asr.units import KINDS as UNIT_KINDS

if TYPE_CHECKING:
    from asr.model import Model

FORMAT = "asr bundle 1"
TRAINING_PREFIX = "training."  # of the names of tensors that only training needs


@dataclass
class Bundle:
    """A system that can recognize speech.

    Attributes:
        recipe: All settings.
        units: The symbols it outputs.
        features: Samples (S,) → feature vectors (T, F), not normalized.
        normaliser: Feature vectors → the network's inputs.
        read: The network's weights, by name, as they were read; none if it was built.
        facts: How it was made: seed, epoch, score on dev, …
    """

    recipe: Recipe
    units: Units
    features: Features
    normaliser: Normaliser
    read: Mapping[str, Array] = field(default_factory=dict, repr=False)
    facts: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def model(self) -> "Model":
        """The network in torch, made when it is first asked for: from the weights, or else from the recipe's seed."""
        import torch

        made = self.architecture
        model = _model(made, self.recipe)
        if self.read:
            model.load_state_dict({name: torch.from_numpy(array) for name, array in self.read.items()})
        return model

    @property
    def weights(self) -> Mapping[str, Array]:
        """The network's weights, by the names that `asr.model.Model` gives them."""
        if self.read and "model" not in vars(self):  # else the model's count: it may be in training
            return self.read
        return {name: tensor.detach().cpu().numpy() for name, tensor in self.model.state_dict().items()}

    @property
    def architecture(self) -> Architecture:
        """The network without its weights."""
        encoder, frontend = self.recipe.encoder, self.recipe.frontend
        return Architecture(
            features=self.features.dimension,
            blocks=1 + self.recipe.features.deltas,
            units=len(self.units),
            cell=encoder.cell,
            layers=encoder.layers,
            hidden=encoder.hidden,
            norm=encoder.norm,
            dense=encoder.dense,
            readout=encoder.readout,
            frontend=frontend.kind,
            of_cell=encoder.own,
            of_frontend=frontend.own,
        )

    @property
    def stride(self) -> int:
        """Frames of features to a frame of log-probs."""
        return int(self.recipe.frontend.own.get("stride", 1))

    @property
    def whole(self) -> bool:
        """Whether it hears a recording as a whole, as one unit, and not frame by frame."""
        return self.recipe.encoder.readout != FRAMES

    def save(
        self,
        path: str | os.PathLike[str],
        extra_header: Mapping[str, Any] | None = None,
        extra_tensors: Mapping[str, Array] | None = None,
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
        tensors.write(Path(path), FORMAT, header | dict(extra_header or {}), {**self.weights, **(extra_tensors or {})})


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
    bundle = Bundle(recipe, build_units(recipe), build_features(recipe.features), normaliser)
    bundle.model  # noqa: B018 (made now, so that what is wrong is said)
    return bundle


def build_units(recipe: Recipe) -> Units:
    """Return the symbols that a recipe's system outputs.

    Raises:
        AsrError: The kind is unknown, or its settings are invalid.
    """
    if recipe.units.alphabet == config.AUTO:
        raise AsrError("units.alphabet = 'auto': follows from a corpus's transcripts, and there are none here; list it")
    return Units.of(**vars(recipe.units))


def resolve(recipe: Recipe) -> Recipe:
    """Return a recipe that states every setting, those of its kind of features, front end and cell included.

    Raises:
        AsrError: The recipe names one of these that does not exist, or an invalid setting of one.
    """
    from asr.cells import CELLS
    from asr.frontends import FRONTENDS
    from asr.readouts import READOUTS

    choose(READOUTS, recipe.encoder.readout, "readout")
    return replace(
        recipe,
        features=config.resolved(recipe.features, KINDS),
        frontend=config.resolved(recipe.frontend, FRONTENDS),
        encoder=config.resolved(recipe.encoder, CELLS),
    )


build_features = features.build


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


def restore(path: Path, header: Mapping[str, Any], found: Mapping[str, Array]) -> Bundle:
    """Return the system that a file's header and tensors describe.

    Args:
        path: Their file, for error messages.
        header: What `save` wrote.
        found: The tensors, those that are not the model's among them.

    Raises:
        BundleError: They are of another version.
    """
    try:
        recipe = config.parse(header["recipe"], str(path))
        seen = config.resolved(recipe.features, KINDS)  # the rest is, in what `save` wrote
        recipe = replace(recipe, features=seen, encoder=_of_json(recipe.encoder), frontend=_of_json(recipe.frontend))
        weights = {name: tensor for name, tensor in found.items() if not name.startswith(TRAINING_PREFIX)}
        made, units = build_features(recipe.features), _units_of(header["units"])
        bundle = Bundle(recipe, units, made, _normaliser_of(header["normaliser"]), weights, dict(header["facts"]))
        _require_fitting(bundle)
        if (statistics := bundle.normaliser.statistics) and len(statistics.total) != bundle.features.dimension:
            raise ValueError(f"statistics of {len(statistics.total)} features for {bundle.features.dimension}")
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[-1].strip()
        raise BundleError(
            f"{path}: was written by another version ({reason}); use that version or train again"
        ) from error
    return bundle


def _of_json(section: Named) -> Named:
    """Return a section whose entry's settings are as they were before JSON, which has lists for tuples."""
    own = {key: tuple(value) if isinstance(value, list) else value for key, value in section.own.items()}
    return replace(section, own=own)


def _units_of(header: Mapping[str, Any]) -> Units:
    """Return the units of a header; everything in them must be a string."""
    symbols = tuple(header["symbols"])
    if not isinstance(header["symbols"], list) or not all(isinstance(one, str) for one in (*symbols, header["drop"])):
        raise TypeError("units: symbols and drop must be strings")
    if symbols[:1] != (BLANK_SYMBOL,) or len(set(symbols)) < len(symbols):
        raise ValueError("units: the first symbol must be blank, and none a duplicate")
    choose(dict.fromkeys(UNIT_KINDS, True), header["kind"], "units")
    return Units(header["kind"], symbols, header["drop"])


def _require_fitting(bundle: Bundle) -> None:
    """Check that the weights are those of the network that the recipe describes.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: They are not.
    """
    made = bundle.architecture
    if engines.supported(made):
        Network(made, Parameters(bundle.read))
    else:
        try:
            bundle.recipe = resolve(bundle.recipe)
            bundle.model  # noqa: B018 (torch checks them)
        except AsrError as error:
            raise ValueError(str(error)) from error


def _model(made: Architecture, recipe: Recipe) -> "Model":
    """Return an untrained network; its weights follow from the recipe's seed."""
    import torch

    from asr.cells import CELLS
    from asr.frontends import FRONTENDS
    from asr.model import Model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.integer(recipe.training.seed, "weights"))
        return Model(
            features=made.features,
            units=made.units,
            cell=partial(CELLS[made.cell], **made.of_cell) if made.of_cell else CELLS[made.cell],
            layers=made.layers,
            hidden=made.hidden,
            dropout=recipe.encoder.dropout,
            frontend=FRONTENDS[made.frontend](made.features, made.blocks, **made.of_frontend),
            norm=made.norm,
            dense=made.dense,
            readout=made.readout,
        )


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
