"""Making the system in the box: a run's best bundle with its error rates, and how it differs from the one before.

python recipes/box.py runs/espeak runs/espeak/test.json runs/espeak/people/test.json
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from asr import box, bundle, config
from asr.bundle import Bundle
from asr.evaluation import results

KEPT = ("rate", "errors", "total", "interval", "set", "convention", "command", "commit", "manifest_sha256")


def made(run: Path, scored: Mapping[str, Path]) -> Bundle:
    """Return a run's best system, with error rates in its facts.

    Args:
        run: The run's folder.
        scored: Result files, by corpus.
    """
    system = bundle.load(run)
    rows = {corpus: results.read(path) for corpus, path in scored.items()}
    system.facts["box"] = {corpus: {key: row[key] for key in KEPT} for corpus, row in rows.items()}
    return system


def differences(old: Bundle, new: Bundle) -> list[str]:
    """Return how two systems differ, a line each; nothing if they recognize alike."""
    lines = config.differences(old.recipe, new.recipe)
    before, after = old.weights, new.weights
    if before.keys() != after.keys() or any(before[name].shape != after[name].shape for name in after):
        return [*lines, "weights: of another shape"]
    if largest := max(float(np.abs(before[name] - after[name]).max()) for name in after):
        lines.append(f"weights: by at most {largest:.2g}")
    rates = (
        (one.facts.get("box", {}).get(corpus, {}).get("rate") for one in (old, new)) for corpus in new.facts["box"]
    )
    for corpus, (one, other) in zip(new.facts["box"], rates, strict=True):
        if one != other:
            lines.append(f"{corpus}: error rate {one} to {other}")
    return lines


def main() -> None:
    """Write the system into the package, and say how it differs from the one that was there."""
    run, voices, people = map(Path, sys.argv[1:])
    system = made(run, {"espeak": voices, "timit-sample": people})
    changes = differences(bundle.load(box.FILE), system) if box.FILE.exists() else ["there was none before"]
    system.save(box.FILE)
    print(f"{box.FILE.name}: {'; '.join(changes) or 'unchanged'}: {box.described(system)}", file=sys.stderr)


if __name__ == "__main__":
    main()
