"""One table of speed beside peers, measured in one sitting, as JSON; and README's table, which is made from that JSON.

    python tests/bench/table.py [--out FILE] [--only PART …]      measure, print, write
    python tests/bench/table.py --readme FILE                     write the table into README.md

Peers are measured in turn with ours in the same process wherever they can be; a peer that is not installed has no row.
The other files of this folder print more of each.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- speed: made by `make speed` -->", "<!-- /speed -->"
ROUNDS = 15
DETAIL = re.compile(r"1 thread|2×40, (16|64)|searches|width \d+$|help|first")  # what README leaves out


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        what: What was done.
        unit: Of the values.
        ours: The value.
        peer: What it is compared with; empty if with nothing.
        theirs: Its value, or 0.
        more: Whether more is better, as of a speed; else less is, as of a time.
    """

    what: str
    unit: str
    ours: float
    peer: str = ""
    theirs: float = 0.0
    more: bool = False

    @property
    def factor(self) -> float:
        """How many times better ours is."""
        return self.ours / self.theirs if self.more else self.theirs / self.ours


def training(rounds: int) -> Iterator[Row]:
    """A whole step, beside packed sequences on two threads, and beside torch's best route on one."""
    import bench_train
    import torch

    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as name:
        small = bench_train.corpus(Path(name), 256, bench_train.SMALL)
        large = bench_train.corpus(Path(name), 64, bench_train.LARGE)
        for threads in (2, 1):
            torch.set_num_threads(threads)
            for size, data, widths in ((bench_train.SMALL, small, (16, 32, 64)), (bench_train.LARGE, large, (16,))):
                for width in widths:
                    found = bench_train.steps(size, data, device, width, rounds if size.hidden < 100 else 3)
                    what = (
                        f"training step, {str(size).strip()}, {width} utterances, {threads} thread{'s'[: threads - 1]}"
                    )
                    yield Row(what, "ms", found.ours, "packed `nn.LSTM`, `F.ctc_loss`", found.packed)
                    yield Row(what, "ms", found.ours, "torch's best: two unpacked directions", found.unpacked)
        torch.set_num_threads(1)


def losses(rounds: int) -> Iterator[Row]:
    """The CTC loss and its gradient."""
    import bench_ctc

    ours, theirs = bench_ctc.times(62, 32, 1, rounds)
    yield Row("CTC loss and gradient, 32 utterances, 62 units, one thread", "ms", ours, "`F.ctc_loss`", theirs)


def search(rounds: int) -> Iterator[Row]:
    """Beam search, alone and over both cores."""
    import bench_beam
    import numpy as np

    from asr.decoders.beam import BeamSearch

    log_probs = bench_beam.spiky(np.random.default_rng(0), 62)
    for width in (10, 100):
        ours = _cpu(partial(BeamSearch(width=width), log_probs), 3 * rounds)
        if peer := bench_beam.flashlight(log_probs, width, 0):
            theirs = _cpu(peer, 5)
            yield Row(f"beam search, 3 s, width {width}, equal settings", "ms", ours, "flashlight-text", theirs)
        if peer := bench_beam.flashlight(log_probs, width, 10):
            theirs = _cpu(peer, 5)
            yield Row(f"beam search, 3 s, width {width}", "ms", ours, "flashlight-text, 10 units a frame", theirs)
        times = bench_beam.scaling(width, 5)
        cores = f"on {os.cpu_count()} cores"
        yield Row(f"64 searches, width {width}", f"× one by one {cores}", times)


def _cpu(call: Callable[[], object], rounds: int) -> float:
    """Return a call's median CPU milliseconds, so that others at work on the machine count little."""
    times = []
    for _ in range(rounds + 1):
        begin = time.process_time()
        call()
        times.append(time.process_time() - begin)
    return 1e3 * median(times[1:])


def features(rounds: int) -> Iterator[Row]:
    """MFCCs."""
    import bench_features

    samples = bench_features.recordings([])
    spoken = sum(map(len, samples)) / bench_features.RATE

    def speed(extract: Callable[[Any], object]) -> float:
        return spoken / median(bench_features.seconds(extract, samples) for _ in range(rounds))

    ours = speed(bench_features.MFCC())
    for make in (bench_features.kaldi_native_fbank, bench_features.torchaudio):
        try:
            theirs = speed(make())
        except (ImportError, OSError) as error:
            print(f"{make.__name__} cannot be imported and has no row: {error}", file=sys.stderr)
            continue
        yield Row("13 MFCCs, one thread", "× real time", ours, make.__name__.replace("_", "-"), theirs, more=True)


def commands(rounds: int) -> Iterator[Row]:
    """What a user waits for: the program's start, a recording cold and warm, an evaluation; CPU time and memory."""
    import bench_engines
    import soundfile

    from asr import box, bundle
    from asr.decoders import Greedy
    from asr.recognize import Recognizer

    few = max(3, rounds // 5)
    with tempfile.TemporaryDirectory() as name:
        wav = bench_engines.noise(Path(name, "one.wav"))
        samples = soundfile.read(wav, dtype="float32")[0]
        ours = _command(few, *bench_engines.TRANSCRIBE, str(wav))
        torch = [sys.executable, "-c", bench_engines.WITH_TORCH, *bench_engines.TRANSCRIBE[3:], str(wav)]
        theirs = _command(few, *torch)
    yield Row("`asr transcribe` of 3 s, cold: CPU time", "s", ours[0], "the same with torch", theirs[0])
    yield Row("`asr transcribe` of 3 s, cold: memory", "MiB", ours[1], "the same with torch", theirs[1])
    start = _command(few, sys.executable, "-m", "asr", "--help")
    imported = _command(few, sys.executable, "-c", "import torch")
    yield Row("`asr --help`: CPU time", "s", start[0], "`import torch`", imported[0])
    recognizers = [Recognizer(bundle.load(box.FILE), Greedy(), "cpu", engine) for engine in ("numpy", "torch")]
    calls = [partial(one.transcribe, (samples, bench_engines.RATE)) for one in recognizers]
    here, there = (1e3 * took for took in bench_engines.in_turn(calls, rounds))
    yield Row("3 s of samples to text, warm, greedy: CPU time", "ms", here, "the same with torch", there)


# Linux counts the memory that a process had before it became another program, that is, of the one that started it; so
# a small one starts it.
STARTER = """import os, sys
if not (child := os.fork()):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, used = os.wait4(child, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))"""


def _command(rounds: int, *arguments: str) -> tuple[float, float]:
    """Return a command's median CPU seconds and peak memory in MiB; it is run once before."""
    rows = []
    for _ in range(rounds + 1):
        starter = [sys.executable, "-I", "-S", "-c", STARTER, *arguments]
        done = subprocess.run(starter, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
        rows.append([float(value) for value in done.stdout.split()])
    seconds, kibibytes = (median(column) for column in zip(*rows[1:], strict=True))
    return seconds, kibibytes / 1024


def first(rounds: int) -> Iterator[Row]:
    """A process's first call, which compiles where nothing is cached."""
    import bench_beam
    import bench_cells
    import bench_ctc

    for name, measure in (
        ("training step of a layer", bench_cells.compilation), ("CTC loss", bench_ctc.compilation),
        ("beam search", bench_beam.compilation),
    ):  # fmt: skip
        cold, warm = measure()
        yield Row(f"first {name} of a process, compiled before", "s", warm, "not compiled before", cold)


PARTS: dict[str, Callable[[int], Iterator[Row]]] = {
    "training": training, "ctc": losses, "search": search, "features": features, "commands": commands, "first": first,
}  # fmt: skip


def measured(parts: list[str], rounds: int) -> dict[str, Any]:
    """Measure, print each row as it comes, and return all."""
    from asr.evaluation import provenance

    rows = []
    print(f"{'what':<58}{'ours':>10}{'theirs':>10}{'factor':>8}  against")
    for part in parts:
        for row in PARTS[part](rounds):
            rows.append(asdict(row))
            theirs = f"{_short(row.theirs):>10}{row.factor:7.1f}×  {row.peer}" if row.peer else ""
            print(f"{row.what:<58}{_short(row.ours):>10}{theirs}  [{row.unit}]", flush=True)
    here = {"commit": provenance.commit(), "machine": provenance.machine("cpu"), "load": round(os.getloadavg()[0], 2)}
    return {"date": time.strftime("%Y-%m-%d"), **here, "rounds": rounds, "rows": rows}


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(result: dict[str, Any]) -> str:
    """Return README's table of some results: one line for what has several peers; what is `DETAIL` is left out."""
    merged: dict[tuple[str, str], list[Row]] = {}
    for row in (Row(**one) for one in result["rows"]):
        merged.setdefault((row.what, row.unit), []).append(row)
    lines = ["| what | asr | against | factor |", "|---|---|---|---|"]
    for (what, unit), rows in merged.items():
        if DETAIL.search(what):
            continue
        peers = " / ".join(row.peer for row in rows if row.peer)
        factors = " / ".join(_short(float(f"{row.factor:.2g}")) for row in rows if row.peer)
        lines.append(f"| {what} | {_short(rows[0].ours)} {unit} | {peers} | {factors} |")
    machine = re.sub(r"^cpu \((.*?), (\d+ cores).*", r"\1, \2", result["machine"])
    head = f"Measured on {result['date']} at commit {result['commit']} ({machine}), CPU only; `make bench` repeats it."
    return "\n".join([head, "", *lines])


def write_readme(result: dict[str, Any], path: Path) -> None:
    """Replace what is between the marks in README; doing it again changes nothing.

    Raises:
        SystemExit: The marks are missing.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{path}: contains no lines '{BEGIN}' and '{END}'; add them where the table belongs")
    path.write_text(f"{before}{begin}\n{markdown(result)}\n{end}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "speed.json")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=list(PARTS), metavar="PART")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument(
        "--readme", type=Path, metavar="FILE", help="write the table of --out into it, and measure nothing"
    )
    arguments = parser.parse_args()
    if arguments.readme:
        if not arguments.out.is_file():
            sys.exit(f"{arguments.out}: is missing; run `make bench` first")
        write_readme(json.loads(arguments.out.read_text(encoding="utf-8")), arguments.readme)
        return
    result = measured(arguments.only, arguments.rounds)
    arguments.out.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
