"""Speed of the prefix beam search beside flashlight-text and pyctcdecode, where these are installed.

One process, one thread, T = 300. Emissions: `spiky`, as a trained network's; `flat`, random; and `real`, those of a run
for the test utterance nearest to 300 frames. Scores are the exact log-probabilities of the labellings found.

    python tests/bench/bench_beam.py [--run runs/espeak] [--data data] [--repeats N]
"""

import argparse
import importlib.util
import os
import time
from pathlib import Path
from statistics import median

import numpy as np
from compiling import first_calls

from asr.decoders.beam import BeamSearch
from asr.decoders.hypothesis import collapse
from asr.support.threads import Threads

WIDTHS = (10, 25, 50, 100)
FRAMES = 300


def normalised(logits):
    return (logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)).astype(np.float32)


def flat(g, units):
    return normalised(g.normal(0, 2, (FRAMES, units)))


def spiky(g, units):
    """Blank, with a unit of one to three frames now and then, and one rival for it."""
    logits = g.normal(0, 1.5, (FRAMES, units))
    logits[:, 0] += 8
    start = 2
    while start < FRAMES:
        end = start + g.integers(1, 4)
        unit, rival = g.integers(1, units, 2)
        logits[start:end, 0] -= 6
        logits[start:end, unit] += 8
        logits[start:end, rival] += g.uniform(2, 8)
        start = end + g.integers(2, 8)
    return normalised(logits)


def real(run, data):
    """Return what a run's system makes of the test utterance nearest to 300 frames."""
    import torch

    from asr import bundle, dataset, recognize
    from asr.decoders import Greedy

    system = bundle.load(run / "best.safetensors")
    test = dataset.read(system, data / system.recipe.corpus.name / "test.jsonl")
    wanted = test.ids[int(np.abs(test.lengths - FRAMES).argmin())]
    emissions = recognize.Recognizer(system, Greedy(), torch.device("cpu")).emissions(test)
    return next(np.ascontiguousarray(log_probs) for id, log_probs in emissions if id == wanted)


def total(log_probs, ids):
    """Return a labelling's exact log-probability (Graves 2006, section 4.1)."""
    extended = np.array([0] + [u for id in ids for u in (id, 0)])
    skips = np.r_[False, False, (extended[2:] != 0) & (extended[2:] != extended[:-2])]
    alpha = np.full(len(extended), -np.inf)
    alpha[:2] = log_probs[0, extended[:2]]
    for row in log_probs[1:]:
        one, two = np.r_[-np.inf, alpha[:-1]], np.r_[-np.inf, -np.inf, alpha[:-2]][: len(alpha)]
        alpha = np.logaddexp(np.logaddexp(alpha, one), np.where(skips, two, -np.inf)) + row[extended]
    return np.logaddexp.reduce(alpha[-2:])


def seconds(call, repeats):
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)


def flashlight(log_probs, width, top):
    """Return a call that decodes with flashlight-text and gives ids, or None where it is not installed."""
    if importlib.util.find_spec("flashlight") is None:
        return None
    from flashlight.lib.text import decoder as text

    frames, units = log_probs.shape
    options = text.LexiconFreeDecoderOptions(
        beam_size=width,
        beam_size_token=top or units,
        beam_threshold=1e9,
        lm_weight=0.0,
        sil_score=0.0,
        log_add=True,
        criterion_type=text.CriterionType.CTC,
    )
    decoder = text.LexiconFreeDecoder(options, text.ZeroLM(), -1, 0, [])
    return lambda: collapse([t for t in decoder.decode(log_probs.ctypes.data, frames, units)[0].tokens if t >= 0])


def pyctcdecode(log_probs, width):
    """Return a call that decodes with pyctcdecode, all units considered, or None where it is not installed."""
    if importlib.util.find_spec("pyctcdecode") is None:
        return None
    from pyctcdecode import build_ctcdecoder

    symbols = ["", *(chr(0x4E00 + i) for i in range(log_probs.shape[1] - 1))]
    decoder = build_ctcdecoder(symbols)
    settings = {"beam_width": width, "token_min_logp": -1e9, "beam_prune_logp": -1e9}
    return lambda: tuple(symbols.index(c) for c in decoder.decode(log_probs, **settings))


def language(g, units, states):
    """Return tables the size of a trigram's: a state for every pair of units."""
    following = (np.arange(states)[:, None] * units + np.arange(units)) % states
    return following.astype(np.int32), np.log(g.dirichlet(np.full(units, 0.3), states)), np.zeros(states)


def row(name, log_probs, width, repeats):
    ours = BeamSearch(width=width)
    best = ours(log_probs)[0]
    here = seconds(lambda: ours(log_probs), repeats)
    cells = [f"{name:>8}{log_probs.shape[1]:4}{width:5}{1e3 * here:9.3f}"]
    g = np.random.default_rng(0)
    units = log_probs.shape[1]
    fused = BeamSearch(width=width, language=language(g, units, units * units), weight=0.5)
    cells.append(f"{seconds(lambda: fused(log_probs), repeats) / here:8.2f}")
    for peer in (flashlight(log_probs, width, 0), flashlight(log_probs, width, 10), pyctcdecode(log_probs, width)):
        if peer is None:
            cells.append(f"{'—':>10}{'—':>8}{'—':>9}")
            continue
        theirs = seconds(peer, max(3, repeats // 20))
        behind = total(log_probs, best.ids) - total(log_probs, peer())
        cells.append(f"{1e3 * theirs:10.2f}{theirs / here:7.0f}×{behind:+9.3f}")
    print("".join(cells), flush=True)


def compilation():
    """Return the seconds of a process's first call, without and with compiled code on disk, Numba's import included."""
    program = (
        "import time, numpy as np; from asr.decoders.beam import BeamSearch; x = np.zeros((5, 4), np.float32);"
        "t = time.perf_counter(); BeamSearch()(x); print(time.perf_counter() - t)"
    )
    return first_calls(program)


def scaling(width, repeats):
    """Return how many times faster a batch is than its utterances one by one."""
    g = np.random.default_rng(0)
    batch = [spiky(g, 62) for _ in range(64)]
    search = BeamSearch(width=width)
    alone = seconds(lambda: [search(log_probs) for log_probs in batch], repeats)
    with Threads() as threads:
        return alone / seconds(lambda: threads(search, batch), repeats)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--run", type=Path, default=Path("runs/espeak"), help="used where it holds a trained system")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--repeats", type=int, default=101)
    arguments = parser.parse_args()
    cold, warm = compilation()
    print(f"first call of a process: {cold:.2f} s compiling, {warm:.2f} s from disk")
    print("milliseconds (median), trigram relative to none; peers: milliseconds, ratio, nats by which ours is better")
    print(
        f"{'':>8}{'V':>4}{'K':>5}{'ours':>9}{'trigram':>8}{'flashlight, all units':>27}{'flashlight, 10':>27}"
        f"{'pyctcdecode':>27}"
    )
    g = np.random.default_rng(0)
    sets = {f"{make.__name__}": [make(g, units) for units in (40, 62)] for make in (spiky, flat)}
    if (arguments.run / "best.safetensors").exists():
        sets["real"] = [real(arguments.run, arguments.data)]
    for name, matrices in sets.items():
        for log_probs in matrices:
            for width in WIDTHS:
                row(name, log_probs, width, arguments.repeats)
    for width in (10, 100):
        print(f"batch of 64 at K = {width}: {scaling(width, 7):.2f} times one by one on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
