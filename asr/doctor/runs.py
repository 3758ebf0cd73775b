"""What the run checks know of a run: its records, its files, and what its best system does on the dev set."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from asr import config
from asr.config import Recipe
from asr.decoders.search import FILE as SEARCH
from asr.errors import AsrError, BundleError, InputError
from asr.evaluation import results
from asr.evaluation.results import BEST, LOCK, RECIPE, Row
from asr.support import files

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from asr.bundle import Bundle

FULL = 0.99  # of what a gate lets through, from which on it hardly reacts any more


@dataclass(frozen=True)
class Layer:
    """What a layer's units do over all frames of the dev set.

    Attributes:
        spread: (2H,), the standard deviation of each one's output.
        full: (2H,), the share of frames in which it is above `FULL`, up to 1, or below −`FULL`.
    """

    spread: npt.NDArray[np.float64]
    full: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Output:
    """What the best system writes on the dev set, by best path.

    Attributes:
        written: How often it writes each unit.
        wanted: How often the references hold each.
        blank: Share of frames whose best unit is blank.
        layers: From the first.
    """

    written: Counter[str]
    wanted: Counter[str]
    blank: float
    layers: Sequence[Layer]


@dataclass(frozen=True)
class Run:
    """A run's folder, read.

    Attributes:
        folder: Where it is.
        recipe: What was trained.
        epochs: The rows of epochs.jsonl; older ones lack keys.
        finished: Whether nothing was left to do.
        busy: Whether a process is training it now.
        faults: Files that cannot be used, and why.
        broken: The best system's tensors that hold what is no number.
        moved: How far its weights are from where the seed put them, relative to their length there; None if unknown.
        changed: Sets whose manifest is not the one that was trained on, each with what became of it.
        stale: Results of another bundle than the best.
        unread: Results that cannot be read, and why.
        output: What the best system does on dev; None where that cannot be told.
        unheard: Why it cannot.
    """

    folder: Path
    recipe: Recipe
    epochs: Sequence[Row] = ()
    finished: bool = True
    busy: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    broken: Sequence[str] = ()
    moved: float | None = None
    changed: Mapping[str, str] = field(default_factory=dict)
    stale: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    output: Output | None = None
    unheard: str = ""


def read(folder: Path, data: Path, device: "torch.device") -> Run:
    """Return what is known of a run; its best system decodes the dev set, where that still can be read.

    Args:
        folder: What training wrote.
        data: Where prepared corpora lie.
        device: Where the network runs.

    Raises:
        AsrError: The folder holds no run, or a recipe or records that cannot be read.
    """
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder}: holds no {RECIPE}; give a folder that `asr train` wrote")
    recipe = config.load(folder / RECIPE)
    faults: dict[str, str] = {}
    rows = results.epochs(folder)
    system = _best(folder, faults)
    facts = _newest_facts(folder, faults) or (system.facts | {"finished": _complete(recipe, rows)} if system else {})
    corpus = data / recipe.corpus.name
    broken = _broken(system) if system else ()
    stale, unread = _results(folder)
    output, unheard = None, ""
    if system and not broken:
        try:
            output = _output(system, corpus / "dev.jsonl", device)
        except AsrError as error:
            unheard = str(error)
    return Run(
        folder=folder,
        recipe=recipe,
        epochs=rows,
        finished=bool(facts.get("finished")),
        busy=files.held(folder / LOCK),
        faults=faults,
        broken=broken,
        moved=_moved(system) if system and not broken else None,
        changed=_changed(facts.get("data", {}), corpus),
        stale=stale,
        unread=unread,
        output=output,
        unheard=unheard,
    )


def _complete(recipe: Recipe, rows: Sequence[Row]) -> bool:
    """Say whether as many epochs are recorded as the recipe asks for, where no checkpoint is left to tell."""
    since = next((i for i, row in enumerate(reversed(rows)) if row.get("best")), 0)
    return len(rows) >= recipe.training.epochs or 0 < recipe.training.patience <= since


def _newest_facts(folder: Path, faults: dict[str, str]) -> Mapping[str, Any]:
    """Return what is known of the run where it stands last; name the checkpoints that are damaged."""
    from asr import bundle
    from asr.support import tensors
    from asr.training import checkpoint

    for path in checkpoint.found(folder):
        try:
            facts: Mapping[str, Any] = tensors.read(path, bundle.FORMAT)[0]["facts"]
        except BundleError as error:
            faults[path.name] = _reason(error)
        else:
            return facts
    return {}


def _best(folder: Path, faults: dict[str, str]) -> "Bundle | None":
    from asr import bundle

    try:
        return bundle.load(folder / BEST)
    except BundleError as error:
        faults[BEST] = _reason(error)
        return None


def _reason(error: AsrError) -> str:
    return str(error).partition(": ")[2].rpartition("; ")[0]


def _broken(system: "Bundle") -> tuple[str, ...]:
    return tuple(name for name, tensor in system.model.state_dict().items() if not tensor.isfinite().all())


def _moved(system: "Bundle") -> float:
    from asr import bundle

    start = bundle.build(system.recipe, system.normaliser.statistics).model.state_dict()
    apart = sum(float((tensor - start[name]).square().sum()) for name, tensor in system.model.state_dict().items())
    return math.sqrt(apart / sum(float(tensor.square().sum()) for tensor in start.values()))


def _changed(learned: Mapping[str, str], corpus: Path) -> dict[str, str]:
    """Return the sets that are not what was trained on any more."""
    changed = {}
    manifests = {name: digest for name, digest in learned.items() if name != "features"}
    for name, digest in manifests.items():
        path = corpus / f"{name}.jsonl"
        if not path.is_file():
            changed[name] = f"{path} is gone"
        elif files.sha256(path) != digest:
            changed[name] = f"{path} is not what was trained on"
    return changed


def _results(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the results that another bundle gave than the one that lies beside them, and those that cannot be read."""
    best = folder / BEST
    digest = files.sha256(best) if best.is_file() else None
    stale, unread = [], {}
    for path in sorted(set(folder.glob("*.json")) - {folder / SEARCH}):
        try:
            results.utterances(path)
            made_by = results.read(path)["bundle_sha256"]
        except InputError as error:
            unread[path.name] = _reason(error)
        else:
            stale += [path.name] if digest and made_by != digest else []
    return stale, unread


class _Watch:
    """Sums of a layer's outputs, collected as it runs."""

    def __init__(self) -> None:
        self.count, self.sums = 0, np.zeros((3, 1))  # of values, squares, and values above FULL

    def __call__(self, _: "nn.Module", arguments: "tuple[Tensor, Tensor]", output: "Tensor") -> None:
        """Add a batch's outputs, (B, T, 2H), less its padding."""
        values = output.detach().cpu().double().numpy()
        inside = np.arange(values.shape[1]) < arguments[1].cpu().numpy()[:, None]  # (B, T)
        frames = values[inside]  # (N, 2H)
        full = (abs(frames) >= FULL) & (abs(frames) <= 1)
        self.count += len(frames)
        self.sums = self.sums + np.stack([frames.sum(0), np.square(frames).sum(0), full.sum(0)])

    def layer(self) -> Layer:
        mean, square, full = self.sums / self.count
        return Layer(np.sqrt(np.maximum(square - mean**2, 0)), full)


def _output(system: "Bundle", dev: Path, device: "torch.device") -> Output:
    """Return what a system does on a dev set."""
    from asr import recognize
    from asr.decoders import Greedy
    from asr.units import BLANK

    data = recognize.dataset(system, dev)
    recognizer = recognize.Recognizer(system, Greedy(), device)
    written: Counter[str] = Counter()
    watches = [_Watch() for _ in system.model.cells]
    blanks = 0
    with ExitStack() as stack:
        for cell, watch in zip(system.model.cells, watches, strict=True):
            stack.callback(cell.register_forward_hook(watch).remove)
        for _, log_probs in recognizer.emissions(data):
            written.update(system.units.names(recognizer.decoder(log_probs)[0].ids))
            blanks += int((log_probs.argmax(axis=1) == BLANK).sum())
    wanted = Counter(symbol for target in data.targets for symbol in system.units.names(target))
    return Output(written, wanted, blanks / int(data.lengths.sum()), [watch.layer() for watch in watches])
