"""Starting from a trained system: its front end and encoder, and the projection's rows of shared units."""

from pathlib import Path
from typing import Any

import torch

from asr import bundle
from asr.bundle import Bundle
from asr.errors import AsrError
from asr.evaluation.results import BEST
from asr.support import files

PROJECTION = "projection."


def take(system: Bundle, source: Path) -> dict[str, Any]:
    """Put a trained system's weights into another, and return what was taken, for the facts.

    The projection's rows are taken for blank and for each symbol that both know; the other rows stay as they are.

    Args:
        system: What is about to be trained.
        source: A run's folder or a bundle.

    Raises:
        AsrError: Features or network differ.
        BundleError: The bundle does not exist or cannot be used.
    """
    path = source / BEST if source.is_dir() else source
    known = bundle.load(path)
    if dict(known.features.settings) != dict(system.features.settings):
        raise AsrError(f"training.init = '{source}': {_different(known, system)}; use the same [features]")
    before, after = known.model.state_dict(), system.model.state_dict()
    if odd := sorted(before.keys() ^ after.keys()):
        what = f"only one of the two networks has '{odd[0]}'"
        raise AsrError(f"training.init = '{source}': {what}; use the same [frontend] and [encoder]")
    start = {key: int(key.startswith(PROJECTION)) for key in after}  # a projection may have other rows
    if odd := [key for key in after if before[key].shape[start[key] :] != after[key].shape[start[key] :]]:
        sizes = " and ".join(str(tuple(weights[odd[0]].shape)) for weights in (before, after))
        raise AsrError(
            f"training.init = '{source}': '{odd[0]}' has sizes {sizes}; use the same [frontend] and [encoder]"
        )
    symbols = {symbol: row for row, symbol in enumerate(known.units.symbols)}
    rows = [(row, symbols[symbol]) for row, symbol in enumerate(system.units.symbols) if symbol in symbols]
    for key, values in after.items():
        if key.startswith(PROJECTION):
            here, there = torch.tensor(rows).T
            values[here] = before[key][there]
        else:
            values.copy_(before[key])
    system.model.load_state_dict(after)
    return {"path": str(source), "sha256": files.sha256(path), "units": len(rows), "of": len(system.units)}


def _different(one: Bundle, other: Bundle) -> str:
    first, second = dict(one.features.settings), dict(other.features.settings)
    key = sorted(k for k in {*first, *second} if first.get(k) != second.get(k))[0]
    return f"features differ, {key} is {first.get(key, 'none')} there and {second.get(key, 'none')} here"
