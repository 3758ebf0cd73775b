"""Cross-validation: each recording of a prepared corpus is tested once, by a system that never had it, or its speaker.

    asr prepare FOLDER --name digits                                   # writes data/digits with its recipe.toml
    python tests/simulations/folds.py data/digits/recipe.toml          # each speaker in turn
    python tests/simulations/folds.py data/yesno/recipe.toml --parts 10      # tenths of the recordings
    python tests/simulations/folds.py recipes/timit-sample-128.toml --folds folds.json --set training.seed=2

The others train, but for a tenth of their recordings, on which the epoch is chosen; synthetic recordings (`asr prepare
FOLDER --synthesize en`) are trained on in every fold and never tested. A file of folds names the speakers
of `train`, `dev` and `test` itself. Further arguments go to `asr evaluate`: after `--`, such as `-- --decoder beam`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from asr import config, manifest
from asr.corpora.importers.synthesis import FOLDER
from asr.evaluation import results
from asr.evaluation.records import Row
from asr.manifest import Utterance
from asr.scoring import conventions
from asr.support import seeds

SETS = ("train", "dev", "test")
KINDS = {"PER": "phones", "CER": "characters", "WER": "written"}  # as aligned: folded and in lower case already
DEV = 10  # every so many recordings of those that are not tested
Fold = dict[str, list[Utterance]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--parts", type=int, help="of the recordings, rather than each speaker in turn")
    parser.add_argument("--folds", type=Path, help='a list of {"train": [SPEAKER, …], "dev": […], "test": […]}')
    parser.add_argument("--set", action="append", default=[], metavar="section.key=value")
    parser.add_argument("--out", type=Path, default=Path("runs/folds"))
    parser.add_argument("--only", type=int, action="append", help="number of a fold; repeatable")
    own, search = sys.argv[1:], list[str]()
    if "--" in own:
        at = own.index("--")
        own, search = own[:at], own[at + 1 :]
    arguments = parser.parse_args(own)
    recipe = config.load(arguments.recipe, arguments.set)
    corpus = Path("data") / recipe.corpus.folder
    everything = [utterance for name in SETS for utterance in manifest.read(corpus / f"{name}.jsonl")]
    tested = []
    for number, fold in enumerate(folds(everything, arguments.parts, arguments.folds)):
        if arguments.only and number not in arguments.only:
            continue
        out, begin = arguments.out / str(number), time.monotonic()
        prepared = out / "data" / f"fold-{number}"
        for name, utterances in fold.items():
            prepared.mkdir(parents=True, exist_ok=True)
            manifest.write(prepared / f"{name}.jsonl", utterances)
        settled = replace(recipe, corpus=replace(recipe.corpus, name=prepared.name, own={}))
        (out / "recipe.toml").write_text(config.dump(settled))
        asr("train", out / "recipe.toml", "--data", out / "data", "--out", out / "run")
        seconds = time.monotonic() - begin
        asr("evaluate", out / "run", "--data", out / "data", "--set", "test", *search)
        held = " ".join(sorted({u.speaker for u in fold["test"]}))
        result = results.read(out / "run" / "test.json")
        print(f"{number} ({held}): {result['errors']} / {result['total']}, {seconds:.0f} s", flush=True)
        tested += results.utterances(out / "run" / "test.json")
    print(pooled(result["metric"], tested))


def folds(everything: list[Utterance], parts: int | None, file: Path | None) -> Iterator[Fold]:
    """Yield the sets of each fold."""
    if file:
        for row in json.loads(file.read_text()):
            yield {name: [u for u in everything if u.speaker in row[name]] for name in SETS}
        return
    synthetic = [u for u in everything if FOLDER in u.audio.parts]
    order = sorted((u for u in everything if FOLDER not in u.audio.parts), key=lambda u: u.id)
    drawn = seeds.generator(1, "folds").permutation(len(order))
    of = drawn % parts if parts else np.unique([u.speaker for u in order], return_inverse=True)[1]
    for fold in range(of.max() + 1):
        others = [(u, place) for u, place, part in zip(order, drawn, of, strict=True) if part != fold]
        dev = {place for _, place in sorted(others, key=lambda pair: pair[1])[::DEV]}
        yield {
            "train": [u for u, place in others if place not in dev] + synthetic,
            "dev": [u for u, place in others if place in dev],
            "test": [u for u, part in zip(order, of, strict=True) if part == fold],
        }


def pooled(metric: str, rows: list[Row]) -> str:
    """Return the error rate over all folds, with its interval."""
    sides = [{row["id"]: [pair[i] for pair in row["alignment"] if pair[i]] for row in rows} for i in (0, 1)]
    speakers = {row["id"]: row["speaker"] for row in rows}
    return str(conventions.scores(KINDS[metric], *sides, speakers, seeds.generator(1, "bootstrap"))[0])


def asr(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", "asr", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
