"""Which cell is best? Equal parameters, a learning rate of its own for each cell, several seeds, and what they allow.

    asr prepare espeak
    python tests/simulations/variants.py recipes/espeak.toml out.json --task frames --every 6 --epochs 6
    python tests/simulations/variants.py recipes/espeak.toml out.json --task ctc --cell lstm --cell gru --seeds 5
    python tests/simulations/variants.py recipes/timit-sample.toml out.json --task ctc --epochs 40 --folds folds.json

`frames` is classification of frames by the phone that is said in their middle, as in the study; `ctc` is recognition,
with greedy decoding (of recordings of one word each with `--set encoder.readout=mean`). Each cell gets the hidden
units with which the network has as many parameters as the recipe's own, within 2 %, unless `--cell` says them, as for
a ladder of networks: `--cell "lstm-peephole layers=3 hidden=40"`. Its learning rate is searched on dev with a seed of
its own: the given rates, then steps beyond the best one while that is the highest or the lowest, up to `--trials`.
Then each seed trains all cells with their rates. Nothing is chosen on test, and no epoch: the last one counts. Every
trial is written at once; the same command resumes. A file of folds, as of `folds.py`, names the speakers of each set;
every fold has a search of its own, since another's dev may be its test.

A difference from the first cell counts if two tests agree after Holm's correction for the number of cells: a paired
t-test over seeds, which share the order of the batches, and the paired bootstrap over speakers.

Source: K. Greff et al., "LSTM: a search space odyssey", IEEE Trans. Neural Networks and Learning Systems 28(10), 2017,
sections IV and V; S. Holm, Scandinavian Journal of Statistics 6(2), 1979.
"""

import argparse
import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from variant_table import SEARCH_SEED, TOLERANCE, pooled, report

from asr import batch, bundle, config, dataset, manifest
from asr.decoders import Greedy
from asr.errors import AsrError
from asr.evaluation import provenance
from asr.phones import fold
from asr.scoring import alignment
from asr.support import files
from asr.support.parallel import ALONE
from asr.training import augmentation, sizing
from asr.training.learner import Learner, Position
from asr.training.run import start

CELLS = ("lstm", "lstm-peephole", "lstm-coupled", "lstm-1997 recurrence=cells", "gru", "rnn", "mingru")
FACTOR = 3.0  # between rates that are tried beyond the given ones
NOWHERE = -100  # the label of a frame in a phone that is not scored, as torch ignores it
CPU = torch.device("cpu")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("out", type=Path, help="results, JSON")
    parser.add_argument("--task", choices=("frames", "ctc"), default="frames")
    parser.add_argument("--cell", action="append", help='"NAME key=value …"; repeatable; the first is compared with')
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="*", default=[3e-3, 1e-2, 3e-2])
    parser.add_argument("--trials", type=int, default=5, help="of learning rates, at most, for a cell")
    parser.add_argument("--every", type=int, default=1, help="train on one utterance in so many")
    parser.add_argument("--folds", type=Path, help='a list of {"train": [SPEAKER, …], "dev": […], "test": […]}')
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--runs", type=Path, default=Path("runs/variants"), help="for the subset of the corpus")
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--report", action="store_true", help="of what is there; train nothing")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(arguments)
    if not arguments.report:
        study.run()
    print(report(study.cells, study.trials, arguments.task))


class Study:
    """The trials of one comparison, in a file."""

    def __init__(self, arguments):
        self.arguments, self.cells = arguments, arguments.cell or list(CELLS)
        fixed = [f"training.epochs={arguments.epochs}", f"training.batch={arguments.batch}", "augment.speeds=[1.0]"]
        self.overrides = [*fixed, *arguments.set]
        self.recipe = config.load(arguments.recipe, self.overrides)
        kept = ("task", "every", "epochs", "batch", "set", "rates")
        self.settings = {key: getattr(arguments, key) for key in kept} | {"recipe": arguments.recipe.name}
        self.folds = [None]
        if arguments.folds:
            self.folds = json.loads(arguments.folds.read_text())
            self.settings["folds"] = arguments.folds.name
        self.trials = []
        if arguments.out.exists():
            found = json.loads(arguments.out.read_text())
            if found["settings"] != self.settings:
                raise SystemExit(f"{arguments.out}: has settings {found['settings']}; use another file")
            self.trials = found["trials"]

    def run(self):
        whole, runs = self.arguments.data / self.recipe.corpus.folder, self.arguments.runs
        corpora = [subset(whole, self.arguments.every, runs, fold) for fold in self.folds]
        target = bundle.build(self.recipe).model.parameter_count
        sized = {cell: with_parameters(self.recipe, cell, target) for cell in self.cells}
        rates = {(corpus, cell): self.searched(cell, sized[cell], corpus) for corpus in corpora for cell in self.cells}
        for seed in range(1, self.arguments.seeds + 1):
            for (corpus, cell), rate in rates.items():
                self.trial(cell, sized[cell], rate, seed, corpus)

    def searched(self, cell, recipe, corpus):
        """Return a cell's best learning rate on dev."""
        rates = sorted(self.arguments.rates)
        found = {rate: pooled(self.trial(cell, recipe, rate, SEARCH_SEED, corpus)["dev"]) for rate in rates}
        while len(found) < self.arguments.trials and (further := beyond(found)):
            found[further] = pooled(self.trial(cell, recipe, further, SEARCH_SEED, corpus)["dev"])
        return min(found, key=found.get)

    def trial(self, cell, recipe, rate, seed, corpus):
        """Return a trial's row: from the file, or by training."""
        key = {"cell": cell, "rate": rate, "seed": seed} | ({"fold": corpus.name} if self.arguments.folds else {})
        for row in self.trials:
            if all(row[name] == value for name, value in key.items()):
                return row
        settings = replace(recipe.training, learning_rate=rate, seed=seed)
        row = key | trained(replace(recipe, training=settings), corpus, self.arguments)
        self.trials.append(row)
        about = {"settings": self.settings, "command": provenance.command(), "commit": provenance.commit()}
        about |= {"machine": provenance.machine(CPU), "trials": self.trials}
        self.arguments.out.parent.mkdir(parents=True, exist_ok=True)
        files.write_json(self.arguments.out, about)
        print(f"{cell}: rate {rate:g}, seed {seed}: dev {100 * pooled(row['dev']):.2f} %", flush=True)
        return row


def beyond(found):
    """Return a rate beyond the best one if that is at the edge of those that were tried; None if it is not."""
    best = min(found, key=found.get)
    if best == max(found):
        return float(f"{best * FACTOR:.2g}")
    return float(f"{best / FACTOR:.2g}") if best == min(found) else None


def subset(corpus, every, runs, fold):
    """Return a folder with the corpus's sets, or a fold's, of which the training set has one utterance in so many."""
    out = runs / "data" / f"{corpus.name}-{every}"
    sets = {name: manifest.read(corpus / f"{name}.jsonl") for name in ("train", "dev", "test")}
    if fold:
        out = out / f"fold-{fold['fold']}"
        everything = [utterance for some in sets.values() for utterance in some]
        sets = {name: [u for u in everything if u.speaker in fold[name]] for name in sets}
    out.mkdir(parents=True, exist_ok=True)
    for name, utterances in sets.items():
        manifest.write(out / f"{name}.jsonl", utterances[:: every if name == "train" else 1])
    return out


def with_parameters(recipe, cell, target):
    """Return the recipe with a cell and the hidden units that come nearest to a number of parameters, or its own.

    Raises:
        SystemExit: None comes within `TOLERANCE`.
    """
    name, *settings = cell.split()
    settings = _values(dict(setting.split("=", 1) for setting in settings))
    shape = {key: settings.pop(key) for key in ("layers", "hidden") if key in settings}
    recipe = replace(recipe, encoder=replace(recipe.encoder, cell=name, own=settings, **shape))
    if "hidden" in shape:
        return recipe
    found = {}
    low, high = 1, 2048
    while low <= high:  # the number grows with the hidden units; not every one suits every cell
        middle = (low + high) // 2
        for hidden in range(middle, middle + 64):
            made = replace(recipe, encoder=replace(recipe.encoder, hidden=hidden))
            try:
                count = bundle.build(made).model.parameter_count
            except AsrError:
                continue
            found[hidden] = abs(count / target - 1), made
            break
        else:
            raise SystemExit(f"--cell '{cell}': suits no number of hidden units from {middle} to {middle + 63}")
        low, high = (hidden + 1, high) if count < target else (low, middle - 1)
    apart, made = min(found.values(), key=lambda pair: pair[0])
    if apart > TOLERANCE:
        raise SystemExit(
            f"--cell '{cell}': has no size within {TOLERANCE:.0%} of {target} parameters; use a larger one"
        )
    return made


def _values(settings):
    """Return settings as a recipe's TOML would have them."""
    import tomllib

    def value(text):
        try:
            return tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            return text

    return {key: value(text) for key, text in settings.items()}


def of_frames(labels):
    """Return a learner's loss, (B,): the cross entropy of each frame's phone.

    Args:
        labels: By utterance id, (T,) each.
    """

    def loss(log_probs, lengths, targets, target_lengths, ids):
        wanted = torch.full(log_probs.shape[:2], NOWHERE)
        for row, id in zip(wanted, ids, strict=True):
            row[: len(labels[id])] = torch.from_numpy(labels[id])
        losses = F.nll_loss(log_probs.transpose(1, 2), wanted, ignore_index=NOWHERE, reduction="none")
        return losses.sum(dim=1) / (wanted != NOWHERE).sum(dim=1)

    return loss


def labels(utterance, units, frames, shift, window):
    """Return the unit said in the middle of each frame, (T,), or `NOWHERE`."""
    middles = np.arange(frames) * shift + window / 2
    found = np.full(frames, NOWHERE)
    for symbol, begin, end in utterance.phones:
        folded = fold([symbol], len(units) - 1)
        found[(middles >= begin) & (middles < end)] = units.ids(folded)[0] if folded else NOWHERE
    return found


def trained(recipe, corpus, arguments):
    """Train a network; return its errors and their number of chances by set and speaker, and its time and size."""
    recipe = sizing.for_set(recipe, manifest.read(corpus / "train.jsonl"))
    run = start(recipe, corpus, arguments.runs, CPU, ALONE)
    system, settings = run.system, run.recipe.training
    utterances = {name: {u.id: u for u in manifest.read(corpus / f"{name}.jsonl")} for name in ("train", "dev", "test")}
    sets = {"train": run.train, "dev": run.dev}
    if settings.seed != SEARCH_SEED:
        sets["test"] = dataset.read(system, corpus / "test.jsonl").to(CPU)
    if arguments.task == "frames":
        lengths = [
            (name, id, length) for name in sets for id, length in zip(sets[name].ids, sets[name].lengths, strict=True)
        ]
        shift, window = (run.recipe.features.own[key] for key in ("shift", "window"))
        known = {id: labels(utterances[name][id], system.units, length, shift, window) for name, id, length in lengths}
        loss, changes = of_frames(known), augmentation.of(recipe)
        run.learner = Learner(system.model, settings, run.learner.steps, CPU, ALONE, changes, loss)
    begin = time.process_time()
    system.model.train()
    for epoch in range(settings.epochs):
        for step, rows in enumerate(run.plan(epoch)):
            number = epoch * len(run.plan(epoch)) + step
            run.learner.step(run.train.batch(rows), Position(epoch, step, number, len(rows)))
    seconds = time.process_time() - begin
    of = framewise(known) if arguments.task == "frames" else recognition(system)
    row = {"parameters": system.model.parameter_count, "hidden": recipe.encoder.hidden, "cpu_seconds": seconds}
    frames = int(run.train.lengths.sum()) * settings.epochs
    scores = {name: scored(system, sets[name], utterances[name], of) for name in sets if name != "train"}
    return row | {"frames": frames} | scores


def scored(system, data, utterances, of):
    """Return errors and chances for each speaker of a set."""
    found = defaultdict(lambda: [0, 0])
    system.model.eval()
    for rows in batch.in_order(data.lengths, 32):
        some = data.batch(rows)
        with torch.inference_mode():
            log_probs, lengths = system.model(some.features, some.lengths)
        for b, (id, length) in enumerate(zip(some.ids, lengths.tolist(), strict=True)):
            wrong, of_all = of(id, log_probs[b, :length].numpy(), some.targets[b, : some.target_lengths[b]].tolist())
            speaker = found[utterances[id].speaker]
            speaker[0] += wrong
            speaker[1] += of_all
    return dict(found)


def framewise(known):
    """Return what counts an utterance's wrong frames, and its frames."""

    def of(id, log_probs, target):
        counted = known[id] != NOWHERE
        return int((log_probs.argmax(axis=1) != known[id])[counted].sum()), int(counted.sum())

    return of


def recognition(system):
    """Return what counts an utterance's wrong units, and those of its reference."""
    decoder = Greedy()

    def of(id, log_probs, target):
        names = system.units.names
        count = alignment.align(names(target), names(decoder(log_probs)[0].ids)).count
        return count.errors, count.total

    return of


if __name__ == "__main__":
    main()
