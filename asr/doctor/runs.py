"""What the run checks rely on: a run's records and files, and the output of its best system on the dev set."""

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
from asr.evaluation.records import Row
from asr.evaluation.results import BEST, LOCK, RECIPE
from asr.support import files

if TYPE_CHECKING:
    from torch import Tensor, nn

    from asr.bundle import Bundle

SATURATION = 0.99  # absolute output of a hidden unit from which on it hardly responds to its input


@dataclass(frozen=True)
class LayerActivity:
    """Statistics of a layer's hidden units over all frames of the dev set.

    Attributes:
        spread: (2H,), the standard deviation of each hidden unit's output.
        saturated: (2H,), the fraction of frames in which its absolute output is between `SATURATION` and 1.
    """

    spread: npt.NDArray[np.float64]
    saturated: npt.NDArray[np.float64]


@dataclass(frozen=True)
class DevOutput:
    """The best system's output on the dev set, by greedy decoding.

    Attributes:
        written: Count of each unit in the hypotheses.
        wanted: Count of each unit in the references.
        blank: Fraction of frames whose most probable unit is blank.
        layers: From the first to the last.
    """

    written: Counter[str]
    wanted: Counter[str]
    blank: float
    layers: Sequence[LayerActivity]


@dataclass(frozen=True)
class ExaminedRun:
    """The contents of a run's folder.

    Attributes:
        folder: The folder.
        recipe: The run's recipe.
        epochs: The rows of epochs.jsonl; rows of older versions lack keys.
        finished: Whether training is complete.
        busy: Whether a process is training it now.
        faults: Checkpoints and bundles that cannot be loaded, with the reason.
        broken: The best system's tensors with non-finite values.
        change: Of its weights since initialization, relative to the norm of the initial ones; None if unknown.
        changed: Sets whose manifest has changed since training, with the reason.
        stale: Results of a bundle other than the best.
        unread: Results that cannot be read, with the reason.
        output: The best system's output on the dev set; None if there is none.
        undecoded: Why there is no output.
    """

    folder: Path
    recipe: Recipe
    epochs: Sequence[Row] = ()
    finished: bool = True
    busy: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    broken: Sequence[str] = ()
    change: float | None = None
    changed: Mapping[str, str] = field(default_factory=dict)
    stale: Sequence[str] = ()
    unread: Mapping[str, str] = field(default_factory=dict)
    output: DevOutput | None = None
    undecoded: str = ""


def read(folder: Path, data: Path, device: str) -> ExaminedRun:
    """Read a run's folder, and decode the dev set, if it can still be read, with its best system.

    Args:
        folder: Written by `asr train`.
        data: The folder of the prepared corpora.
        device: The device to decode on.

    Raises:
        AsrError: The folder does not contain a run, or its recipe or records cannot be read.
    """
    if not (folder / RECIPE).is_file():
        raise InputError(f"{folder}: contains no {RECIPE}; pass a folder written by `asr train`")
    recipe = config.load(folder / RECIPE)
    faults: dict[str, str] = {}
    rows = results.epochs(folder)
    system = _best(folder, faults)
    facts = _newest_facts(folder, faults) or (system.facts | {"finished": _complete(recipe, rows)} if system else {})
    corpus = data / recipe.corpus.folder
    broken = _broken(system) if system else ()
    stale, unread = _results(folder)
    output, undecoded = None, ""
    if system and not broken:
        try:
            output = _output(system, corpus / "dev.jsonl", device)
        except AsrError as error:
            undecoded = str(error)
    return ExaminedRun(
        folder=folder,
        recipe=recipe,
        epochs=rows,
        finished=bool(facts.get("finished")),
        busy=files.held(folder / LOCK),
        faults=faults,
        broken=broken,
        change=_change(system) if system and not broken else None,
        changed=_changed(facts.get("data", {}), corpus),
        stale=stale,
        unread=unread,
        output=output,
        undecoded=undecoded,
    )


def _complete(recipe: Recipe, rows: Sequence[Row]) -> bool:
    """Return whether the recorded epochs complete the recipe, if no checkpoint is left to say so."""
    rates = [row["dev"]["rate"] for row in rows if "rate" in row.get("dev", {})]
    since = len(rates) - 1 - rates.index(min(rates)) if rates else 0
    return len(rows) >= recipe.training.epochs or 0 < recipe.training.patience <= since


def _newest_facts(folder: Path, faults: dict[str, str]) -> Mapping[str, Any]:
    """Return the facts of the newest readable checkpoint; add the damaged ones to `faults`."""
    from asr import bundle
    from asr.support import tensors
    from asr.training import checkpoint

    for path in checkpoint.paths(folder):
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


def _change(system: "Bundle") -> float:
    from asr.training import verdict

    return verdict.weight_change(system)


def _changed(trained: Mapping[str, str], corpus: Path) -> dict[str, str]:
    """Return the sets whose manifest is missing or has changed since training, with the reason."""
    changed = {}
    manifests = {name: digest for name, digest in trained.items() if name != "features"}
    for name, digest in manifests.items():
        path = corpus / f"{name}.jsonl"
        if not path.is_file():
            changed[name] = f"{path} is missing"
        elif files.sha256(path) != digest:
            changed[name] = f"{path} has changed since training"
    return changed


def _results(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Return the results of a bundle other than the best, and those that cannot be read, with the reason."""
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


class _ActivityHook:
    """A forward hook that accumulates statistics of a layer's outputs."""

    def __init__(self) -> None:
        self.count, self.sums = 0, np.zeros((3, 1))  # of values, squares and saturated values

    def __call__(self, _: "nn.Module", arguments: "tuple[Tensor, Tensor]", output: "Tensor") -> None:
        """Add a batch's outputs, (B, T, 2H), without the padding."""
        values = output.detach().cpu().double().numpy()
        inside = np.arange(values.shape[1]) < arguments[1].cpu().numpy()[:, None]  # (B, T)
        frames = values[inside]  # (N, 2H)
        saturated = (abs(frames) >= SATURATION) & (abs(frames) <= 1)
        self.count += len(frames)
        self.sums = self.sums + np.stack([frames.sum(0), np.square(frames).sum(0), saturated.sum(0)])

    def activity(self) -> LayerActivity:
        mean, square, saturated = self.sums / self.count
        return LayerActivity(np.sqrt(np.maximum(square - mean**2, 0)), saturated)


def _output(system: "Bundle", dev: Path, device: str) -> DevOutput:
    """Decode a dev set and return the output's statistics."""
    from asr import dataset, recognize
    from asr.decoders import Greedy
    from asr.units import BLANK

    data = dataset.read(system, dev)
    recognizer = recognize.Recognizer(system, Greedy(), device, "torch")  # which the hooks need
    written: Counter[str] = Counter()
    hooks = [_ActivityHook() for _ in system.model.cells]
    blanks = 0
    with ExitStack() as stack:
        for cell, hook in zip(system.model.cells, hooks, strict=True):
            stack.callback(cell.register_forward_hook(hook).remove)
        for _, log_probs in recognizer.emissions(data):
            written.update(system.units.names(recognizer.decoder(log_probs)[0].ids))
            blanks += int((log_probs.argmax(axis=1) == BLANK).sum())
    wanted = Counter(symbol for target in data.targets for symbol in system.units.names(target))
    return DevOutput(written, wanted, blanks / int(data.lengths.sum()), [hook.activity() for hook in hooks])
