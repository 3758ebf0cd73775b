"""How long after something was said it is shown: a recording played in real time, without and with a beam.

    .venv/bin/python tests/bench/bench_live.py [SECONDS]

A unit counts as said at the middle of the frames in which the network recognizes it, and as shown when a passage first
has it at its place. A passage counts as said when its last unit is. Blocks are of 50 ms, as on the command line.
"""

import sys
import time
from pathlib import Path

import numpy as np

import asr
from asr import manifest
from asr.decoders import Beam

DEV = Path("data/espeak/dev.jsonl")
RATE = 16_000
BLOCK = 800  # samples


class Screen:
    """When units were shown, by one clock."""

    def __init__(self):
        self._first, self.units, self.finals = {}, [], []

    def see(self, passages, now):
        for passage in passages:
            said = passage.transcript.units
            keys = [(passage.start, place, unit.symbol) for place, unit in enumerate(said)]
            for key in keys:
                self._first.setdefault(key, now)
            if passage.final:
                self.units += [
                    self._first[key] - (one.start + one.end) / 2 for key, one in zip(keys, said, strict=True)
                ]
                self.finals.append(now - said[-1].end)


def play(recognizer, samples):
    """Return what was seen by the clock, and by one that only this process's work moves on; and the work of a block."""
    stream, screens, work, idle = recognizer.stream(RATE), (Screen(), Screen()), [], 0.0
    begin = time.perf_counter()
    for at in range(0, len(samples), BLOCK):
        block = samples[at : at + BLOCK]
        arrived = (at + len(block)) / RATE
        time.sleep(max(0.0, begin + arrived - time.perf_counter()))
        before = time.thread_time()
        passages = stream.accept(block)
        work.append(time.thread_time() - before)
        idle = max(idle, arrived) + work[-1]
        screens[0].see(passages, time.perf_counter() - begin)
        screens[1].see(passages, idle)
    return *screens, work


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    if not DEV.exists():
        print(f"{DEV}: missing; `asr prepare espeak` makes it")
        return
    recognizer = asr.load(device="cpu")
    said = [one.samples()[0] for one in manifest.read(DEV)[::7]]
    quiet = (1e-4 * np.random.default_rng(1).standard_normal(RATE)).astype(np.float32)  # as loud as theirs
    samples = np.concatenate([part for one in said for part in (one, quiet)])[: round(seconds * RATE)]
    for decoder in (asr.Greedy(), Beam(width=50)):
        recognizer.decoder = decoder.build(recognizer.bundle.units)
        recognizer.stream(RATE).accept(samples[: 2 * RATE])  # what is compiled is compiled now
        real, idle, work = play(recognizer, samples)
        tell(f"{decoder.name}: CPU time of a block of {1000 * BLOCK // RATE} ms", work)
        for clock, screen in (("", real), (", had the machine been idle", idle)):
            tell(f"{decoder.name}: units shown{clock}", screen.units)
            tell(f"{decoder.name}: passages final{clock}", screen.finals)


def tell(what, delays):
    p50, p95 = np.quantile(delays, [0.5, 0.95])
    print(f"{what:55} {1000 * p50:7.1f} ms p50 {1000 * p95:7.1f} ms p95  ({len(delays)})", flush=True)


if __name__ == "__main__":
    main()
