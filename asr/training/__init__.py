"""Training: from a recipe and a prepared corpus to a bundle."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asr import config
from asr.config import Recipe
from asr.errors import InputError

if TYPE_CHECKING:
    import torch


def train(
    recipe: str | os.PathLike[str] | Recipe,
    out: str | os.PathLike[str] | None = None,
    *,
    set: Mapping[str, Any] | None = None,
    data: str | os.PathLike[str] = "data",
    device: "str | torch.device | None" = "auto",
) -> Path:
    """Train a system and return its bundle; resume where an earlier call with the same recipe was stopped.

    >>> asr.train("toy.toml", out="runs/toy", set={"encoder.hidden": 8, "training.epochs": 1}).name
    'best.safetensors'

    Args:
        recipe: A recipe's file, or a recipe.
        out: The run's folder. Default: runs/ and the name of the recipe's file, or of its corpus.
        set: Settings that replace those of the recipe, by section and key.
        data: The folder of prepared corpora.
        device: Where to train: "cpu", "cuda", "cuda:1"; "auto" is CUDA if available.

    Raises:
        AsrError: The recipe, the corpus or the device cannot be used, or the folder contains another run.
        SystemExit: A signal asked to stop; what was learned is saved.
    """
    settings = recipe if isinstance(recipe, Recipe) else config.load(Path(recipe))
    if set:
        settings = _replaced(settings, set)
    corpus = Path(data) / settings.corpus.folder
    if not (corpus / "train.jsonl").exists():
        raise InputError(f"{corpus}: contains no prepared corpus; run `asr prepare {_source(settings, recipe)}` first")
    if settings.training.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA is first touched
    import torch

    from asr.support.device import choose_device
    from asr.training import loop

    name = settings.corpus.name if isinstance(recipe, Recipe) else Path(recipe).stem
    return loop.run(settings, corpus, Path(out or Path("runs") / name), torch.device(choose_device(device)))


def _source(settings: Recipe, recipe: "Recipe | str | os.PathLike[str]") -> str:
    """Return what to prepare: the corpus, or the recipe where it has settings for it."""
    named = settings.corpus.own and not isinstance(recipe, Recipe)
    return str(recipe) if named else settings.corpus.name


def _replaced(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """Return a recipe with other values, `{"encoder.hidden": 80}`."""
    table = recipe.as_dict()
    for name, value in changes.items():
        *sections, key = name.split(".")
        section: dict[str, Any] = table
        for part in sections:
            section = section.setdefault(part, {})
        section[key] = value
    return config.parse(table, "set")
