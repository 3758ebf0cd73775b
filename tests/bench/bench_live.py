"""How long after something was said it is shown: a recording played in real time, without and with a beam.

    .venv/bin/python tests/bench/bench_live.py [SECONDS]

A unit counts as said at the middle of the frames in which the network recognizes it, and as shown when a passage first
has it at its place. A passage counts as said when its last unit is. Blocks are of 50 ms, as on the command line.
"""

import sys
import time

import numpy as np

import asr
from asr import manifest
from asr.decoders import Beam

RATE = 16_000
BLOCK = 800  # samples


def play(recognizer, samples):
    """Return delays of units and of finals, and the CPU time of each block, all in seconds."""
    stream = recognizer.stream(RATE)
    begin, shown, units, finals, work = time.perf_counter(), {}, [], [], []
    for at in range(0, len(samples), BLOCK):
        time.sleep(max(0.0, begin + (at + BLOCK) / RATE - time.perf_counter()))
        before = time.thread_time()
        passages = stream.accept(samples[at : at + BLOCK])
        work.append(time.thread_time() - before)
        now = time.perf_counter() - begin
        for passage in passages:
            said = passage.transcript.units
            for place, unit in enumerate(said):
                shown.setdefault((passage.start, place, unit.symbol), now)
            if passage.final:
                units += [shown[passage.start, i, one.symbol] - (one.start + one.end) / 2 for i, one in enumerate(said)]
                finals.append(now - said[-1].end)
    return units, finals, work


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    recognizer = asr.load(device="cpu")
    said = [one.samples()[0] for one in manifest.read("data/espeak/dev.jsonl")[::7]]
    quiet = (1e-3 * np.random.default_rng(1).standard_normal(RATE)).astype(np.float32)  # a second between sentences
    samples = np.concatenate([part for one in said for part in (one, quiet)])[: round(seconds * RATE)]
    for decoder in (asr.Greedy(), Beam(width=50)):
        recognizer.decoder = decoder.build(recognizer.bundle.units)
        recognizer.stream(RATE).accept(samples[: 2 * RATE])  # what is compiled is compiled now
        for what, delays in zip(
            ("units shown", "passages final", "CPU per block"), play(recognizer, samples), strict=True
        ):
            p50, p95 = np.quantile(delays, [0.5, 0.95])
            print(
                f"{decoder.name:7} {what:15} {1000 * p50:7.1f} ms p50  {1000 * p95:7.1f} ms p95  ({len(delays)})",
                flush=True,
            )


if __name__ == "__main__":
    main()
